#!/bin/sh
# env-files NOTES SALT PATH...: prints the keys of environment files with the salted SHA-256 of their
# values, and whether llmrack noted another one: env PATH KEY SHA256 STATE.
notes=$1 salt=$2
shift 2
sum() { printf '%s%s' "$1" "$2" | sha256sum; }
# Sets state, by the salt of each note of this key.
compare() {
  state=
  while read -r path key noted_salt noted; do
    [ "$path $key" = "$1 $2" ] || continue
    hash=$(sum "$noted_salt" "$3")
    [ "${hash%% *}" != "$noted" ] || {
      state=
      return
    }
    state=edited
  done 2>/dev/null <"$notes"
}
for file; do
  [ -r "$file" ] || continue
  # shellcheck disable=SC2094
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in [A-Za-z_]*=*) ;; *) continue ;; esac
    compare "$file" "${line%%=*}" "${line#*=}"
    hash=$(sum "$salt" "${line#*=}")
    printf 'env\t%s\t%s\t%s\t%s\n' "$file" "${line%%=*}" "${hash%% *}" "$state"
  done <"$file"
done
