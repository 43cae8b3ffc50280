#!/bin/sh
# note-model NOTE RECIPE MANIFEST [MANIFEST]: notes by what a model was made: the digests of its recipe,
# its manifest and that of its source.
digest() { if [ -n "$1" ]; then sha256sum <"$1" | cut -d ' ' -f 1; else echo -; fi; }
echo "$2 $(digest "$3") $(digest "$4")" >"$1.new" && mv -f "$1.new" "$1"
