#!/bin/sh
# unit_states RECORDS: reads what `systemctl show -p Id -p ActiveState -p UnitFileState` prints, and
# prints unit NAME ACTIVE ENABLED STATE; fresh is one that was started with the files that are there
# now, by the digests in the folder RECORDS.
unit_states() {
  name='' active=''
  while IFS='=' read -r key value; do
    case $key in
      Id) name=$value ;;
      ActiveState) active=$value ;;
      UnitFileState)
        [ -n "$name" ] && [ -n "$active" ] || continue
        state=stale
        if [ -s "$1/$name" ] && sha256sum -c --status "$1/$name" 2>/dev/null; then state=fresh; fi
        printf 'unit\t%s\t%s\t%s\t%s\n' "$name" "$active" "$value" "$state"
        name='' active=''
        ;;
    esac
  done
}
