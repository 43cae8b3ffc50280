#!/bin/sh
# Functions about services of somebody else, which `replaces` names: units of systemd, and containers
# (docker:NAME, podman:NAME).
property() { systemctl show -P "$2" -- "$1" 2>/dev/null; }
exists() {
  case $(property "$1" LoadState) in '' | not-found) return 1 ;; esac
}
# A unit that systemd starts again and again runs.
state_of() {
  case $(property "$1" ActiveState) in inactive | failed) echo stopped ;; *) echo running ;; esac
}
# systemd reads it for a unit of any origin: of a file in /etc, which cannot be masked; of one that the
# official installer writes anew; of one that a generator makes. The unit stays enabled or not, and
# units that require it start.
drop_in_of() { echo "/etc/systemd/system/$1.d/llmrack-replaces.conf"; }

# What is noted of the state before: "running" or "stopped" of a unit; of a container that, and its
# restart policy.
noted_of() {
  while read -r kind entry state; do
    [ "$kind $entry" != "replaced $1" ] || echo "$state"
  done 2>/dev/null </var/lib/llmrack/made
}

# inspect ENTRY: sets what is to be known of a container; fails where there is none.
#   program, container, id
#   runs       running or stopped
#   policy     the restart policy, as in on-failure:5; no, where nothing would start it again
#   automatic  true: it is removed once it is stopped
#   ports      of the host that it publishes
#   folder     the models directory of an Ollama, on the host
inspect() {
  program=${1%%:*} container=${1#*:}
  command -v "$program" >/dev/null || return 1
  what='{{.Id}}|{{.State.Running}}|{{.HostConfig.RestartPolicy.Name}}'
  what=$what'|{{.HostConfig.RestartPolicy.MaximumRetryCount}}|{{.HostConfig.AutoRemove}}|'
  what=$what'{{range .HostConfig.PortBindings}}{{range .}}{{.HostPort}} {{end}}{{end}}|'
  what=$what'{{range .Mounts}}{{if eq .Destination "/root/.ollama"}}{{.Source}}/models{{end}}'
  what=$what'{{if eq .Destination "/root/.ollama/models"}}{{.Source}}{{end}}{{end}}'
  answer=$("$program" inspect --type container -f "$what" "$container" 2>/dev/null) || return 1
  # Who calls this reads them.
  # shellcheck disable=SC2034
  IFS='|' read -r id runs policy retries automatic ports folder <<END
$answer
END
  [ -n "$id" ] || return 1
  if [ "$runs" = true ]; then runs=running; else runs=stopped; fi
  case $policy in
    '' | no) policy=no ;;
    on-failure) [ "${retries:-0}" -le 0 ] || policy=$policy:$retries ;;
  esac
  # Podman has no process of its own that would heed it: after a boot a unit does (podman-start(1)).
  if [ "$program" = podman ] && ! systemctl -q is-enabled podman-restart.service 2>/dev/null; then
    policy=no
  fi
}
