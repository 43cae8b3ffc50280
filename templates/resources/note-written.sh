#!/bin/sh
# note-written NOTES LINE...: notes what is about to be written (resources/last_written.py). New
# lines come first; of older ones about the same file, or the same key of it, the last four stay.
notes=$1
shift
umask 022
mkdir -p "$(dirname "$notes")"
umask 077
touch "$notes" && printf '%s\n' "$@" | awk '
  BEGIN { FS = "\t" }
  { key = $1 FS $2 }
  FILENAME == "-" { new[key] = $0; next }
  key in new { if ($0 != new[key]) old[key, ++n[key]] = $0; next }
  { print }
  END {
    for (key in new) {
      for (j = n[key] - 3; j <= n[key]; j++) if (j > 0) print old[key, j]
      print new[key]
    }
  }
' - "$notes" >"$notes.new" && mv -f "$notes.new" "$notes"
