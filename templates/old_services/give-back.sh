#!/bin/sh
# give-back ENTRY...: brings services of somebody else back, all that can be.
. old_services/start.sh
failed=0
for entry; do back "$entry" || failed=1; done
exit $failed
