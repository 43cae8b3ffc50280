#!/bin/sh
# Functions that restore what a colour was started with; other people's keys stay. They read what
# their script was given:
#   base         the folder of the links and of what was started
#   environment  the file with the keys
#   names        of the keys that are declared, with a blank before and after each
#   unit_file    the unit of the colours; it is written by whoever started them, so taken as it was
#   old, new     the colours; old is empty where none serves
# shellcheck disable=SC2154
unit_of() { echo "llmrack-gateway@$1.service"; }
put() { chmod "$2" "$3" && mv -fT "$3" "$1"; }

# take COLOUR: its keys and its unit are as they were when it was started.
take() {
  was=$base/started/$1
  [ -e "$was/gateway.env" ] || return 0
  beside=$(mktemp "$environment.XXXXXX") &&
    awk -v names="$names" '
      { key = $0; sub(/=.*/, "", key); own = index(names, " " key " ") }
      FILENAME == ARGV[1] { if (own) value[key] = $0; next }
      own { if (key in value) print value[key]; next }
      { print }
    ' "$was/gateway.env" "$environment" >"$beside" && put "$environment" 600 "$beside" &&
    beside=$(mktemp "$unit_file.XXXXXX") && cat "$was/unit" >"$beside" &&
    put "$unit_file" 644 "$beside" && systemctl --user daemon-reload || {
    rm -f "$beside"
    false
  }
}

# lead LINK TARGET: switched in one step.
lead() { ln -sfn "$2" "$base/$1.new" && mv -fT "$base/$1.new" "$base/$1"; }

# back: the old colour serves on, as it did.
back() {
  [ -n "$old" ] || return 0
  with='with the configuration and the keys it had'
  take "$old" ||
    with='but its configuration and keys could not be put back: deploy what it had'
  release_of_old=$(readlink "$base/$old")
  lead current "$release_of_old"
  systemctl --user -q disable "$(unit_of "$new")"
  systemctl --user start "$(unit_of "$old")" &&
    echo "release $(basename "$release_of_old") serves on, $with"
  before=$(readlink "$base/started/$new/release") && lead "$new" "$before"
}
