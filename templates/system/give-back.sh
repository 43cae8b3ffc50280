#!/bin/sh
# give-back ENTRY...: brings services of somebody else back, all that can be.
. system/start-old-services.sh
failed=0
for entry; do back "$entry" || failed=1; done
exit $failed
