#!/bin/sh
# receive FILE SIZE takes that many bytes of standard input into a file. It fails if there are
# fewer, as when the connection breaks: to who reads them that looks like their end.
receive() { head -c "$2" >"$1" && [ "$(stat -c %s "$1")" = "$2" ]; }
