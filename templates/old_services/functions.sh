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
#   program, container, id, pid
#   runs       running or stopped
#   policy     the restart policy, as in on-failure:5; no, where nothing would start it again
#   automatic  true: it is removed once it is stopped
#   ports      of the host that it publishes
#   folder     the models directory of an Ollama, on the host
inspect() {
  program=${1%%:*} container=${1#*:}
  command -v "$program" >/dev/null || return 1
  # Podman (4.3.1) prints no template with a range in it.
  what='{{.Id}}|{{.State.Pid}}|{{.State.Running}}|{{.HostConfig.RestartPolicy.Name}}'
  what=$what'|{{.HostConfig.RestartPolicy.MaximumRetryCount}}|{{.HostConfig.AutoRemove}}'
  what=$what'|{{json .HostConfig.PortBindings}}|{{json .Mounts}}'
  answer=$("$program" inspect --type container -f "$what" "$container" 2>/dev/null) || return 1
  # Who calls this reads them.
  # shellcheck disable=SC2034
  IFS='|' read -r id pid runs policy retries automatic bindings mounts <<END
$answer
END
  # shellcheck disable=SC2034
  ports=$(printf '%s\n' "$bindings" | grep -o '"HostPort":"[0-9]*"' | tr -dc '0-9\n' | xargs)
  # The keys of a mount come in any order.
  source='s|.*"Source":"\([^"]*\)".*|\1'
  # shellcheck disable=SC2034
  folder=$(printf '%s\n' "$mounts" | tr '}' '\n' | sed -n \
    -e '/"Destination":"\/root\/.ollama"/'"$source/models|p" \
    -e '/"Destination":"\/root\/.ollama\/models"/'"$source|p")
  [ -n "$id" ] || return 1
  if [ "$runs" = true ]; then runs=running; else runs=stopped; fi
  case $policy in
    '' | no) policy=no ;;
    on-failure) [ "${retries:-0}" -le 0 ] || policy=$policy:$retries ;;
  esac
  [ "$program" = podman ] || return 0
  # Of one that was stopped nothing heeds it but a unit, after a boot, which is for these two
  # (podman-start(1), podman-restart.service).
  case $policy in
    always | unless-stopped)
      systemctl -q is-enabled podman-restart.service 2>/dev/null || policy=no
      ;;
    *) policy=no ;;
  esac
}
