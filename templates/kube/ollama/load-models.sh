#!/bin/sh
# load-models: has an Ollama of its own pull and make the declared models in the pod's claim.
# The list beside it has a line for each one: "pull NAME", or "create NAME FILE DIGEST" with
# the Modelfile's name and the digest of everything that decides the model. What is there stays.
set -eu
folder=$(dirname "$0")
notes=$OLLAMA_MODELS/llmrack
scratch=$(mktemp -d)
log=$scratch/serve.log
ollama serve >"$log" 2>&1 &
server=$!
doing=
trap 'kill "$server" $doing 2>/dev/null || true' EXIT
# The first process of a container is only ended by what it asks for.
trap 'exit 143' TERM INT

# Prints the last line of what was said, without what draws it on a terminal, unless it is told.
tell() {
  now=$(tail -c 4096 "$scratch/said" | tr '\r' '\n' | sed 's/\x1b\[[0-9;?]*[A-Za-z]//g' |
    tr -cd '\12\40-\176' | sed 's/  */ /g; s/ $//' | grep . | tail -n 1 | cut -c1-100) || true
  [ "$now" = "$told" ] || echo "$now"
  told=$now
}

# WHAT COMMAND…: runs a command of Ollama on a model; says in one line that and why it fails.
attempt() {
  what=$1 told=
  shift
  echo "$name: $what"
  "$@" >"$scratch/said" 2>&1 </dev/null &
  doing=$!
  while kill -0 "$doing" 2>/dev/null; do
    sleep 1
    tell
  done
  if wait "$doing"; then
    doing=
    return 0
  fi
  why=$(sed -n 's/.*Error: //p' "$scratch/said" | tail -n 1)
  echo "$name: $what it failed: ${why:-see the lines above}; see the models in stack.yaml" >&2
  exit 1
}

waited=0
until ollama list >/dev/null 2>&1; do
  waited=$((waited + 1))
  if [ "$waited" -gt 120 ] || ! kill -0 "$server" 2>/dev/null; then
    tail -n 20 "$log"
    echo "Ollama does not start: $(tail -n 1 "$log")" >&2
    exit 1
  fi
  sleep 0.5
done

mkdir -p "$notes"
while read -r verb name file digest; do
  note=$notes/$(printf %s "$name" | tr '/:' '__')
  case $verb in
    pull)
      ollama show "$name" >/dev/null 2>&1 && continue
      attempt pulling ollama pull "$name"
      ;;
    create)
      if ollama show "$name" >/dev/null 2>&1 && [ "$(cat "$note" 2>/dev/null)" = "$digest" ]; then
        continue
      fi
      attempt making ollama create "$name" -f "$folder/$file"
      printf %s "$digest" >"$note"
      ;;
  esac
done <"$folder/list"
echo "all models are there"
