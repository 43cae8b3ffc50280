#!/bin/sh
# finish-home USER HOME: does what useradd does last, by the rules that it has (login.defs(5)).
mkdir -p "$2" && cp -rn /etc/skel/. "$2/" && chown -hR "$1:" "$2" &&
  chmod "$(sed -n 's/^HOME_MODE[[:space:]]*//p' /etc/login.defs | grep . || echo 755)" "$2"
