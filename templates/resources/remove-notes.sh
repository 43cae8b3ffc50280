#!/bin/sh
# Removes what llmrack notes of itself; as long as models are kept, where they are stays noted.
folder=/var/lib/llmrack
made=$folder/made
kept=$(sed -n 's/^kept //p' $made 2>/dev/null | while IFS= read -r path; do
  [ ! -e "$path" ] || echo "kept $path"
done)
if [ -n "$kept" ]; then
  umask 022
  echo "$kept" >$made.new && mv -f $made.new $made &&
    find $folder -mindepth 1 ! -path $made -delete
else
  rm -rf $folder
fi && rm -rf /run/llmrack
