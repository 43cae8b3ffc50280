#!/bin/sh
# await-driver SECONDS FAILURE: waits until nvidia-smi lists the cards, after it tried to load the
# module; FAILURE is what is said where it does not, before what nvidia-smi says.
end=$(($(date +%s) + $1))
modprobe nvidia 2>/dev/null
until answer=$(nvidia-smi -L 2>&1); do
  [ "$(date +%s)" -lt $end ] || {
    echo "$2$answer"
    exit 1
  }
  sleep 1
done
