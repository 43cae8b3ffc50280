#!/bin/sh
# merge-environment PATH MODE: merges KEY=value lines from standard input into an environment file.
umask 077
beside=$(mktemp "$1.XXXXXX") && trap 'rm -f "$beside"' EXIT && { [ -e "$1" ] || : >"$1"; } &&
  awk '
    { key = $0; sub(/=.*/, "", key) }
    FNR == NR && FILENAME == "-" { new[key] = $0; order[++n] = key; next }
    key in new { if (!(key in done)) print new[key]; done[key] = 1; next }
    { print }
    END { for (j = 1; j <= n; j++) if (!(order[j] in done)) print new[order[j]] }
  ' - "$1" >"$beside" && chmod "$2" "$beside" && mv -fT "$beside" "$1"
