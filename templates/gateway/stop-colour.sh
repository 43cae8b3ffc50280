#!/bin/sh
# stop_unit UNIT: stops a gateway and waits until it accepts no more (serve.py). It finishes its
# requests on its own, but what is asked from now on (the proof is, for one) goes to the other one.
stop_unit() {
  systemctl --user stop --no-block "$1"
  n=0
  while [ "$(systemctl --user show -P ActiveState -P StatusText "$1" | xargs)" = deactivating ] &&
    [ $n -lt 100 ]; do
    n=$((n + 1))
    sleep 0.1
  done
}
