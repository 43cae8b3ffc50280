#!/bin/sh
# take-blob MODELS SHA256 SIZE: adds standard input to what has come of a blob; only a whole and right
# one gets its name.
blob=blobs/sha256-$2 part=.llmrack/sha256-$2.part
cd "$1" && cat >>"$part" || exit 1
[ "$(stat -c %s "$part")" -ge "$3" ] || {
  echo 'it broke off'
  exit 1
}
echo "$2  $part" | sha256sum -c --status && mv -f "$part" "$blob" || {
  rm -f "$part"
  echo 'it arrived damaged'
  exit 1
}
