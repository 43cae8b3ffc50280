#!/bin/sh
# Prints what is noted of what llmrack made there (resources/notes.sh): made LINE.
[ -r /var/lib/llmrack/made ] || exit 0
while read -r line; do printf 'made\t%s\n' "$line"; done </var/lib/llmrack/made
