#!/bin/sh
# unpack-archive CACHE SHA256 PATH: unpacks an archive that was fetched, beside PATH, then renames.
file=$1/$2.tar.zst sum=$2 path=$3
beside=$path.unpacking
# Half of a release would fill the disk on which another one serves.
fail() {
  echo "$1"
  rm -rf "$beside"
  exit 1
}
echo "$sum  $file" | sha256sum -c --status || {
  rm -f "$file"
  fail "$file is damaged or not the pinned file: its SHA-256 differs from ollama_sha256"
}
# GNU tar cannot tell zstd on a pipe (ollama/ollama#14159): it is given the file.
rm -rf "$beside" "$path" && mkdir -p "$beside" &&
  tar --zstd -xf "$file" -C "$beside" || fail "$file cannot be unpacked"
[ -x "$beside/bin/ollama" ] || {
  rm -f "$file"
  fail "the file that ollama_sha256 pins has no bin/ollama: it is no release of Ollama for Linux"
}
echo "$sum" >"$beside/RELEASE" && sync -f "$beside/RELEASE" &&
  mv -T "$beside" "$path" && rm -f "$file" || fail "$path cannot be written"
