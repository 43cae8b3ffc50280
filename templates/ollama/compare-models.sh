#!/bin/sh
# compare-models URL FOLDER NAME...: fails when Ollama does not list one of the models.
listed=$(curl -fsS --noproxy '*' --max-time 30 "$1/api/tags") || exit 1
folder=$2
shift 2
failed=0
for name; do
  case $listed in
    *"\"name\":\"$name\""* | *"\"name\": \"$name\""*) ;;
    *)
      echo "$name was there before the restart and Ollama no longer lists it: its files are still" \
        "below $folder; go back to the release before"
      failed=1
      ;;
  esac
done
exit $failed
