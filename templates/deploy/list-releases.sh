#!/bin/sh
# list-releases VERSION GATEWAY [ENGINE...]: prints a line for each release in these folders (release
# WHAT NAME SECONDS KIB VERSION), one for each that was started (link WHAT NAME SECONDS), the size of
# all (all KIB), and the llmrack that deployed the host (llmrack VERSION), if the file VERSION exists.
# An engine's folder has the engine's name. The time of a release's folder says when it came, and that
# of a link since when it serves; both in seconds since 1970.
[ ! -e "$1" ] || printf 'llmrack\t%s\n' "$(cat "$1")"
shift
gateway=$1
releases() {
  for release in "$2"/*/RELEASE; do
    release=${release%/*}
    # A link to one lies among an engine's.
    [ -d "$release" ] && [ ! -L "$release" ] || continue
    packages=$(echo "$release"/venv/lib/python*/site-packages)
    version=$(basename "$packages"/litellm-[0-9]*.dist-info .dist-info)
    size=$(du -sck "$release" "$release/venv/" 2>/dev/null | tail -n 1 | cut -f 1)
    printf 'release\t%s\t%s\t%s\t%s\t%s\n' "$1" "${release##*/}" \
      "$(stat -c %Y "$release")" "$size" "${version#litellm-}"
  done
}
links() {
  what=$1
  shift
  for link; do
    [ ! -L "$link" ] || printf 'link\t%s\t%s\t%s\n' "$what" \
      "$(basename "$(readlink "$link")")" "$(stat -c %Y "$link")"
  done
}
releases gateway "$gateway/releases"
links gateway "$gateway"/started/*/release
printf 'all\t%s\n' "$(du -sck "$@" 2>/dev/null | tail -n 1 | cut -f 1)"
shift
for engine; do
  releases "${engine##*/}" "$engine"
  links "${engine##*/}" "$engine/current"
done
