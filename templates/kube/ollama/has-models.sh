#!/bin/sh
# has-models: fails, with the model's name, unless Ollama has every model of the list beside it.
while read -r _ name _; do
  ollama show "$name" >/dev/null 2>&1 || {
    echo "the model $name is not there"
    exit 1
  }
done <"$(dirname "$0")/list"
