#!/bin/sh
# fetch-archive CACHE SHA256 URL...: fetches an archive into the folder CACHE from the first of the
# sources that has it. A partial file is continued, a wrong one thrown away.
cache=$1 sum=$2
shift 2
file=$cache/$sum.tar.zst
mkdir -p "$cache" && cd "$cache" || exit 1

right() { echo "$sum  $file" | sha256sum -c --status 2>/dev/null; }

# A server that does not answer within 30 s, or sends nothing more for so long, is given up at the
# fourth time. Of curl's exit codes 33 tells that it cannot continue a file, those below that it
# broke off; 416 is the status where all of a file was there already.
try() {
  echo "fetching $1"
  for _ in 1 2 3; do
    begun=
    [ ! -e "$file.part" ] || begun=yes
    status=$(curl -fL -sS --retry 3 --retry-connrefused --connect-timeout 30 --speed-limit 1000 \
      --speed-time 30 -C - -o "$file.part" -w '%{http_code}' "$1")
    case $?:$status in
      0:* | 22:416)
        mv "$file.part" "$file"
        right && return
        rm -f "$file"
        echo "$1 is not the pinned file: its SHA-256 differs from ollama_sha256"
        [ $begun ] || return 1
        ;;
      33:*) rm -f "$file.part" ;;
      18:* | 35:* | 52:* | 55:* | 56:* | 92:*) ;;
      *) return 1 ;;
    esac
  done
  return 1
}

right && exit
for url; do
  try "$url" && exit
done
echo 'no source has the pinned file: set ollama_mirror to a server that has it, or' \
  'ollama_archive to a file of the machine that deploys'
exit 1
