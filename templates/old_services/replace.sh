#!/bin/sh
# replace ENTRY...: stops services of somebody else; where that fails, all of them are back.
. old_services/stop.sh
. old_services/start.sh
take_all() {
  for entry; do
    take "$entry" || {
      echo "$entry cannot be stopped"
      return 1
    }
  done
}
take_all "$@" || {
  for entry; do back "$entry"; done
  exit 1
}
