#!/bin/sh
# watch UNIT URL SECONDS: fails when an instance that has answered ends, or answers no more.
unit=$1 url=$2 seconds=$3
process() { systemctl --user show -P NRestarts -P MainPID "$unit" | xargs; }
was=$(process)
# In milliseconds: whole seconds would cut the first one short.
end=$(($(date +%s%3N) + ${seconds}000))
until [ "$(date +%s%3N)" -ge $end ]; do
  sleep 0.5
  [ "$(process)" = "$was" ] &&
    curl -fs -o /dev/null --noproxy '*' --max-time 5 "$url/api/version" || {
    echo "$unit answered, and no longer does; its journal ends with:"
    journalctl --user -q -n 15 --no-pager -o cat -u "$unit"
    exit 1
  }
done
