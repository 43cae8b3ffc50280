#!/bin/sh
# first-lines PATH...: prints the first line of each file: note PATH LINE.
for file; do
  [ -r "$file" ] && read -r line <"$file" || continue
  printf 'note\t%s\t%s\n' "$file" "$line"
done
