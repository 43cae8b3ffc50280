"""What llmrack itself made on a host is noted there, and a removal takes that and nothing else.

A line each: ``user llm``, ``linger llm``, ``group render llm``, ``package zstd``; and, from a
removal, ``kept FOLDER``: models without a user. The script that makes a thing notes it first, so
that nothing is left that nobody knows of when it is cut off, and takes it back when that fails.
"""

from __future__ import annotations

MADE = "/var/lib/llmrack/made"
KEPT = "kept "

# For sh, as root: note LINE, forget LINE. What is noted is on the disk.
NOTES = f"""
note() (
  umask 022; mkdir -p {MADE.rpartition("/")[0]} || exit 1
  grep -qxF -e "$1" {MADE} 2>/dev/null || {{ echo "$1" >>{MADE} && sync {MADE}; }}
)
forget() (
  umask 022; [ -e {MADE} ] || exit 0
  # 1: it was the only line. With anything else, as on a full disk, the old notes stay.
  grep -vxF -e "$1" {MADE} >{MADE}.new; [ $? -le 1 ] && mv -f {MADE}.new {MADE}
)
"""
