#!/bin/sh
# remove-damaged [BLOB SIZE]...: removes blobs that are not of their size. Ollama takes one that is
# there for a whole one (server/download.go of v0.34.4). One that is whole by now stays: another
# model that shares it has been mended before.
while [ $# -gt 0 ]; do
  [ "$(stat -c %s "$1" 2>/dev/null)" = "$2" ] || rm -f "$1"
  shift 2
done
