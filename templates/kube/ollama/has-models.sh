#!/bin/sh
# has-models: fails, with the model's name, unless Ollama has every model of the list beside it.
have=$(ollama list 2>/dev/null) || {
  echo "Ollama does not answer"
  exit 1
}
while read -r _ name _; do
  printf '%s\n' "$have" | grep -qF "$name " || {
    echo "the model $name is not there"
    exit 1
  }
done <"$(dirname "$0")/list"
