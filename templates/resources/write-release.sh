#!/bin/sh
# write-release PATH [file NAME SIZE | link NAME TARGET]...: writes a release beside PATH, then
# renames. Its files follow each other on standard input.
. resources/receive.sh
path=$1
shift
beside=$path.new
write() {
  umask 022
  rm -rf "$beside" && mkdir -p "$beside" || return 1
  while [ $# -gt 0 ]; do
    case $1 in
      file)
        case $2 in */*) mkdir -p "$beside/${2%/*}" ;; esac
        receive "$beside/$2" "$3"
        ;;
      link) ln -s "$3" "$beside/$2" ;;
    esac || return 1
    shift 3
  done
  basename "$path" >"$beside/RELEASE" && rm -rf "$path.old" &&
    { [ ! -e "$path" ] || mv -T "$path" "$path.old"; } &&
    mv -T "$beside" "$path" && rm -rf "$path.old"
}
write "$@" || {
  rm -rf "$beside"
  exit 1
}
