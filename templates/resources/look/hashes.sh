#!/bin/sh
# hashes NOTES PATH...: prints the SHA-256 of each file, and whether it is another one than llmrack
# noted when it wrote it: hash SHA256 PATH STATE. What is noted of a file comes before what it is.
#
# Of a name with a backslash or a line's end sha256sum would tell in another way; none is declared.
notes=$1
shift
{ cat "$notes"; sha256sum -- "$@"; } 2>/dev/null | awk '
  BEGIN { FS = "\t" }
  NF > 1 { if ($2 == "-") { known[$1]; ours[$1, $4] } next }
  NF {
    hash = substr($0, 1, 64)
    path = substr($0, 67)
    state = (path in known && !((path, hash) in ours)) ? "edited" : ""
    printf "hash\t%s\t%s\t%s\n", hash, path, state
  }
'
