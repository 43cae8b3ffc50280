#!/bin/sh
# create-user USER HOME: makes an unprivileged user without a password, and notes that.
. resources/notes.sh
note "user $1" || exit 1
useradd --create-home --home-dir "$2" --shell /bin/bash "$1" || {
  forget "user $1"
  exit 1
}
