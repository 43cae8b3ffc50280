#!/bin/sh
# serve-masked PIPE PROGRAM [ARGUMENT]...: runs PROGRAM without the login of a proxy in what it prints:
# Ollama prints its variables when it starts, HTTPS_PROXY among them (server/routes.go,
# envconfig/config.go). PIPE is made anew.
#
# PROGRAM takes the place of this shell, as the main process of its unit; sed ends after it.
pipe=$1
shift
rm -f "$pipe" && mkfifo -m 600 "$pipe" || exit 1
sed -u 's|://[^@/ ]*@|://***@|g' <"$pipe" &
exec "$@" >"$pipe" 2>&1
