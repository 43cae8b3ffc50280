#!/bin/sh
# ports PORT...: prints each process that holds a TCP socket there:
# listener ADDRESS PID PROGRAM UNIT USER. ss shows processes to root, as in (("sh",pid=1,fd=3)).
filter=
for port; do filter="$filter${filter:+ or }sport = :$port"; done
ss -Hltnp "( $filter )" 2>/dev/null | while read -r _ _ _ address _ processes; do
  # The name of a program may have line breaks.
  case ${address##*:} in '' | *[!0-9]*) continue ;; esac
  case $processes in *pid=*) ;; *) printf 'listener\t%s\t\t\t\t\n' "$address" ;; esac
  while [ "$processes" != "${processes#*pid=}" ]; do
    processes=${processes#*pid=}
    pid=${processes%%,*}
    program='' unit='' user='' path=''
    {
      # A program may give itself any name.
      program=$(tr '\t\n' '  ' <"/proc/$pid/comm")
      program=${program% }
      while read -r line; do
        case $line in 0::* | *:name=systemd:*) path=${line#*:*:} ;; esac
      done <"/proc/$pid/cgroup"
      unit=${path##*/}
      # Podman runs a container in groups below that of its unit.
      while [ -n "$path" ]; do
        case $path in *.service | *.scope) unit=${path##*/} path='' ;; *) path=${path%/*} ;; esac
      done
      user=$(stat -c %U "/proc/$pid")
    } 2>/dev/null
    printf 'listener\t%s\t%s\t%s\t%s\t%s\n' "$address" "$pid" "$program" "$unit" "$user"
  done
done
