#!/bin/sh
# system-units UNIT...: prints the states of the system's units.
. resources/look/unit-states.sh
systemctl show -p Id -p ActiveState -p UnitFileState "$@" | unit_states /run/llmrack
