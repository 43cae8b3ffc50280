#!/bin/sh
# secret-files SALT PATH...: prints the salted SHA-256 of each file as a whole: secret PATH SHA256.
salt=$1
shift
for file; do
  [ -r "$file" ] && hash=$({ printf %s "$salt"; cat "$file"; } | sha256sum) || continue
  printf 'secret\t%s\t%s\n' "$file" "${hash%% *}"
done
