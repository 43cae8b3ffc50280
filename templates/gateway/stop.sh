#!/bin/sh
# stop UNIT
. gateway/stop-colour.sh
stop_unit "$1"
