#!/bin/sh
# install-packages FOLDER NAME...: installs packages from a folder that ask-packages made and from a
# tar archive on standard input. apt takes what lies among its archives under the right name for
# downloaded.
. resources/apt.sh
place=$1
shift
tar --no-same-owner -xf - -C "$place/archives" || exit 1
get -c "$place/apt.conf" -y --no-download install "$@"
