#!/bin/sh
# Managed by llmrack. Loads models into an Ollama that has just started (it has no option for
# that, ollama/ollama#3499): warm-up URL MODEL... [--embedding MODEL...]
set -u
url=$1; shift
failed=0
end=$(($(date +%s) + 60))
until curl -fs -o /dev/null --noproxy '*' --max-time 2 "$url/api/version"; do
  [ "$(date +%s)" -lt "$end" ] || { echo "$url does not answer"; exit 1; }
  sleep 0.2
done
# A request without a prompt loads the model and answers nothing.
path=generate rest=
for model; do
  case $model in --embedding) path=embed rest=',"input":[]'; continue;; esac
  curl -fsS -o /dev/null --noproxy '*' "$url/api/$path" -H 'Content-Type: application/json' \
    -d "{\"model\":\"$model\",\"stream\":false$rest}" || { echo "$model was not loaded"; failed=1; }
done
exit $failed
