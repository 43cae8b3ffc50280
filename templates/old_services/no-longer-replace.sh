#!/bin/sh
# no-longer-replace ENTRY...: brings services of somebody else back; one that does not stay up is stopped
# again, or it would be tried for ever.
. old_services/stop.sh
. old_services/start.sh
failed=0
for entry; do
  back "$entry" && continue
  take "$entry"
  echo "$entry stays stopped: if llmrack has its port, give one of them another, or name $entry in replaces"
  failed=1
done
exit $failed
