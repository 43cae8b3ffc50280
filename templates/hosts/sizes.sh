#!/bin/sh
# sizes [model NAME URL | archive NAME URL]...: prints the bytes of each model, as its manifest at URL
# says (model NAME BYTES), and those of each archive from the first of its URLs that answers (archive
# NAME BYTES).
ask() { curl -fsSL --max-time 10 "$@" 2>/dev/null; }
answered=
while [ $# -gt 0 ]; do
  if [ "$1" = model ]; then
    sum=$(ask "$3" | grep -o '"size": *[0-9]*' | cut -d: -f2 | paste -sd+)
    # dash takes a sum only as text, not as a variable's value.
    # shellcheck disable=SC2004
    printf 'model %s %s\n' "$2" "${sum:+$(($sum))}"
  elif [ "$2" != "$answered" ]; then
    bytes=$(ask -I "$3" | tr -d '\r' | sed -n 's/^[Cc]ontent-[Ll]ength: //p' | tail -n 1)
    [ -n "$bytes" ] && [ "$bytes" -gt 0 ] && {
      echo "archive $2 $bytes"
      answered=$2
    }
  fi
  shift 3
done
exit 0
