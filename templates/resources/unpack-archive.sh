#!/bin/sh
# unpack-archive CACHE PATH SHA256...: unpacks archives that were fetched, one over the other, beside
# PATH, then renames. The first one has the program.
cache=$1 path=$2
shift 2
beside=$path.unpacking
# Half of a release would fill the disk on which another one serves.
fail() {
  echo "$1"
  rm -rf "$beside"
  exit 1
}
for sum; do
  file=$cache/$sum.tar.zst
  echo "$sum  $file" | sha256sum -c --status || {
    rm -f "$file"
    fail "$file is damaged or not the pinned file: its SHA-256 differs from ollama_sha256"
  }
done
rm -rf "$beside" "$path" && mkdir -p "$beside" || fail "$beside cannot be made"
for sum; do
  file=$cache/$sum.tar.zst
  # GNU tar cannot tell zstd on a pipe (ollama/ollama#14159): it is given the file.
  tar --zstd -xf "$file" -C "$beside" || fail "$file cannot be unpacked"
  [ -x "$beside/bin/ollama" ] || {
    rm -f "$file"
    fail "the file that ollama_sha256 pins has no bin/ollama: it is no release of Ollama for Linux"
  }
done
printf '%s\n' "$@" >"$beside/RELEASE" && sync -f "$beside/RELEASE" &&
  mv -T "$beside" "$path" || fail "$path cannot be written"
for sum; do
  rm -f "$cache/$sum.tar.zst"
done
