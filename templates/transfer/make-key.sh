#!/bin/sh
# Makes a key in the service user's runtime directory, which is in memory, and prints the public key
# and the host's addresses. What a killed copy left goes.
command -v ssh-keygen >/dev/null || {
  echo "it has no SSH client (openssh-client)" >&2
  exit 1
}
umask 077
folder=$XDG_RUNTIME_DIR/llmrack-copy
rm -rf "$folder"
mkdir "$folder" && cd "$folder" || exit 1
ssh-keygen -q -t ed25519 -N "" -C "" -f key && cat key.pub && hostname -I
