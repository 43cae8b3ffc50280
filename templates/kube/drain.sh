#!/bin/sh
# drain PORT NOTICE: returns when nobody is connected to PORT any more. NOTICE: seconds in which every
# gateway learns that this pod has lost its name, and sends it nothing new. Idle connections end
# within 15 s after that (TCPConnector's default in aiohttp); what is connected then still waits for
# an answer. Kubernetes ends the pod anyway after terminationGracePeriodSeconds.
port=$(printf %04X "$1")
sleep "$2"
# In /proc/net/tcp: the local address in hex, the other one, and the state, 01 for a connection.
while grep -qsE "^ *[0-9]+: [0-9A-F]+:$port [0-9A-F]+:[0-9A-F]+ 01 " /proc/net/tcp /proc/net/tcp6; do
  sleep 1
done
