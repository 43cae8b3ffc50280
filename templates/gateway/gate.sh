#!/bin/sh
# gate BASE ENVIRONMENT NAMES UNIT_FILE OLD NEW RELEASE KEYS again|anew: tries a release on a spare port,
# as the unit would run it; nothing that serves is touched. KEYS is the unit's setting that hands it
# the keys; "again" starts it with what it was started with before.
. gateway/go-back.sh
base=$1 environment=$2 names=$3 unit_file=$4 old=$5 new=$6 release=$7 keys=$8 how=$9
if [ "$how" = again ]; then
  [ -e "$release/RELEASE" ] || {
    echo "$release is no longer there"
    exit 1
  }
  take "$new" || {
    back
    exit 1
  }
fi
systemctl --user daemon-reload
systemctl --user stop "$(unit_of "$new")" 2>/dev/null
# The user's manager has the umask of logins, which on Debian 13 and Ubuntu lets the group write what
# Python compiles.
systemd-run --user --quiet --wait --pipe --collect --unit=llmrack-gateway-candidate \
  --property="$keys" --property=KillMode=control-group --property=RuntimeMaxSec=150 \
  --property=UMask=0077 \
  --working-directory="$release" \
  "$release/venv/bin/python" -I "$release/gate.py" "$release/config.yaml" || {
  back
  exit 1
}
