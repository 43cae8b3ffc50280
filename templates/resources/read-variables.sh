#!/bin/sh
# read-variables: exports the variables NAME=value on standard input, up to an empty line. `read` takes
# byte by byte, and leaves what follows to the script.
while IFS= read -r variable && [ -n "$variable" ]; do export "${variable?}"; done
