#!/bin/sh
# fetch-blobs FROM PORT MODELS MANIFEST STALL ABOUT: copies what standard input names into the folder
# MODELS. FROM: the source, as in llm@10.0.0.1. MANIFEST: its path below manifests/, or empty. STALL:
# seconds without a byte after which it is given up. ABOUT: what is printed when what is to be copied
# is the trouble, not the way there.
#
# Standard input: a line for known_hosts, the manifest in base64 or an empty line, and for each blob
# its SHA-256 in hex and its size in bytes.
from=$1 port=$2 models=$3 name=$4 stall=$5 about=$6
umask 022
keys=$XDG_RUNTIME_DIR/llmrack-copy
trap 'rm -rf "$keys"' EXIT
trap 'exit 1' HUP INT TERM
trap '' PIPE
read -r known && read -r manifest && echo "$known" >"$keys/known_hosts" || exit 1
cd "$models" && mkdir -p .llmrack blobs || exit 1

size_of() { stat -c %s "$1" 2>/dev/null || echo 0; }
fail() {
  echo "$1" >&2
  exit 1
}

# A dead connection is noticed by ssh itself, a source that sends nothing here. It also ends the copy
# when the machine that deploys has gone, as nobody reads its dots any more; that must not end the
# script before it has cleaned up, so PIPE is ignored. Its sleep outlives it by a moment, so it gets
# no hold on the output. It ends with its copy even if the signal to end is lost, as one is that comes
# before a new subshell has put back its traps: later the number may be another process's.
watch() {
  before=-1 still=0
  while sleep 1 >/dev/null 2>&1 && kill -0 "$1" 2>/dev/null; do
    now=$(size_of "$part")
    if [ "$now" = "$before" ]; then still=$((still + 1)); else before=$now still=0; fi
    if [ $still -ge "$stall" ]; then
      echo "nothing came for $stall s" >>"$keys/said"
    elif echo . 2>/dev/null; then
      continue
    fi
    kill "$1"
    return
  done
}
get() {
  have=$(size_of "$part")
  [ "$have" -lt "$size" ] || return 0
  ssh -T -F none -i "$keys/key" -p "$port" -o BatchMode=yes -o IdentitiesOnly=yes \
    -o StrictHostKeyChecking=yes -o HostKeyAlias=llmrack-source -o UpdateHostKeys=no \
    -o UserKnownHostsFile="$keys/known_hosts" -o GlobalKnownHostsFile=/dev/null \
    -o ConnectTimeout=10 -o ServerAliveInterval=15 -o ServerAliveCountMax=2 \
    "$from" "$digits $have" </dev/null >>"$part" 2>"$keys/said" &
  copy=$!
  watch $copy &
  watcher=$!
  wait $copy
  code=$?
  kill $watcher 2>/dev/null
  [ $code != 0 ] || return 0
  # A connection that broke after it brought something is made anew.
  [ "$(size_of "$part")" = "$have" ] || { echo . 2>/dev/null && get && return; }
  # 255 is ssh's own, above 128 it was killed; the rest comes from there.
  [ $code -gt 128 ] || echo "$about"
  fail "$(tail -n 1 "$keys/said")"
}

while read -r digits size; do
  blob=blobs/sha256-$digits part=.llmrack/sha256-$digits.part
  set -- "$@" "$blob"
  [ -e "$blob" ] && [ "$(size_of "$blob")" = "$size" ] && continue
  for again in yes no; do
    get
    if echo "$digits  $part" | sha256sum -c --status; then
      sync "$part" && mv -fT "$part" "$blob" || exit 1
      break
    fi
    rm -f "$part"
    [ $again = yes ] || {
      echo "$about"
      fail "its blob $digits is damaged there"
    }
  done
done
if [ -n "$manifest" ]; then
  shift 6
  stat "$@" >/dev/null || exit 1
  manifest_file=manifests/$name
  mkdir -p "${manifest_file%/*}" || exit 1
  echo "$manifest" | base64 -d >.llmrack/manifest || exit 1
  mv -fT .llmrack/manifest "$manifest_file" || exit 1
fi
rmdir .llmrack 2>/dev/null || :
