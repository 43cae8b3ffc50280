#!/bin/sh
# enable-linger USER: notes that, and waits for the user's bus, as enabling is asynchronous.
. resources/notes.sh
note "linger $1" || exit 1
loginctl enable-linger "$1" || {
  forget "linger $1"
  exit 1
}
bus=/run/user/$(id -u "$1")/bus
n=0
until [ -S "$bus" ]; do
  n=$((n + 1))
  [ $n -le 300 ] || {
    echo "the user manager of $1 did not start within 30 s"
    exit 1
  }
  sleep 0.1
done
