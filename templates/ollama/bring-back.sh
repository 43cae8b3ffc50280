#!/bin/sh
# bring-back KEPT ENVIRONMENTS UNIT CURRENT ADDRESS SECONDS: brings back what keep.sh has kept.
# Instances that still run with it are left alone; the others get SECONDS each to answer at ADDRESS.
kept=$1 environments=$2 unit_file=$3 current=$4 address=$5 seconds=$6
cd "$kept" || exit 1
for file in "$environments"/*.env; do
  name=$(basename "$file" .env)
  [ ! -e "$file" ] || [ -e "env/$name.env" ] || {
    systemctl --user -q disable --now "llmrack-ollama@$name.service"
    rm -f "$file"
  }
done
# What is as it was needs no room on the disk.
put() {
  cmp -s "$1" "$2" || { cp -p "$1" "$2.new" && mv -fT "$2.new" "$2"; } || {
    rm -f "$2.new"
    exit 1
  }
}
[ ! -e unit ] || put unit "$unit_file"
[ ! -L current ] || {
  ln -sfn "$(readlink current)" "$current.new" && mv -fT "$current.new" "$current"
} || exit 1
systemctl --user daemon-reload
for file in env/*.env; do
  [ -e "$file" ] || continue
  name=$(basename "$file" .env)
  put "$file" "$environments/$name.env"
  unit=llmrack-ollama@$name.service
  systemctl --user -q is-active "$unit" &&
    sha256sum -c --status "$XDG_RUNTIME_DIR/llmrack/$unit" 2>/dev/null && continue
  systemctl --user reset-failed "$unit" 2>/dev/null
  systemctl --user -q enable "$unit"
  systemctl --user restart "$unit"
  port=$(sed -n 's/^OLLAMA_HOST=.*://p' "$file")
  end=$(($(date +%s) + seconds))
  until curl -fs -o /dev/null --noproxy '*' --max-time 2 "http://$address:$port/api/version"; do
    [ "$(date +%s)" -lt "$end" ] || {
      echo "$unit does not answer with what it had before, either"
      exit 1
    }
    sleep 0.2
  done
done
rm -rf "$kept"
