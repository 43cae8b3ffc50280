"""Tries what the units' hardening forbids; prints for each directive whether it was possible.

Runs on a host as the service user, inside a unit (ExecStartPost) and outside of any: what only
fails inside is forbidden by the unit. Needs nothing but Python. Usage: hardening_probe.py FOLDER
OWN, where FOLDER belongs to the service user and lies outside its home, and OWN is the unit's own.
"""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import pwd
import socket
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

MARKER = Path("/tmp/hardening-probe")
# Not $HOME: each instance of Ollama has one of its own.
HOME = pwd.getpwuid(os.getuid()).pw_dir
ADDR_NO_RANDOMIZE = 0x0040000
PTRACE_TRACEME = 0
# getpid() by the i386 entry: mov eax, 20; int 0x80; ret
I386_CALL = bytes.fromhex("b814000000cd80c3")

libc = ctypes.CDLL(None, use_errno=True)


def can(action: Callable[[], object]) -> bool:
    try:
        action()
    except OSError:
        return False
    return True


def can_write(folder: str) -> bool:
    return can(lambda: tempfile.TemporaryFile(dir=folder).close())


def error_in_child(call: Callable[[], int]) -> int:
    """0, the errno of ``call``, or -1 where it killed the process."""
    child = os.fork()
    if child == 0:
        os._exit(ctypes.get_errno() if call() == -1 else 0)
    _, status = os.waitpid(child, 0)
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1


def reach_user_manager() -> None:
    runtime = os.environ["XDG_RUNTIME_DIR"]
    for name in ("bus", "systemd/private"):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(f"{runtime}/{name}")


def set_uid_bit() -> None:
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).chmod(0o4755)


def realtime_is_considered() -> bool:
    # The kernel refuses priority 0 as invalid before it asks for privileges; a filter is earlier.
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(0))
    except OSError as error:
        return error.errno == errno.EINVAL
    return True


def knows_packet_sockets() -> bool:
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()
    except OSError as error:
        return error.errno != errno.EAFNOSUPPORT
    return True


def i386_call() -> int:
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(I386_CALL)
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    result: int = ctypes.CFUNCTYPE(ctypes.c_int)(address)()
    return min(0, result)


def new_file_mode() -> int:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "new"
        file.touch()
        return stat.S_IMODE(file.stat().st_mode)


def main() -> None:
    status = Path("/proc/self/status").read_text()
    fields = dict(line.split(":\t") for line in status.splitlines() if ":\t" in line)
    trace = error_in_child(lambda: libc.ptrace(PTRACE_TRACEME, 0, 0, 0))
    possible = {
        "PrivateUsers": Path("/").stat().st_uid == 0,
        "NoNewPrivileges": fields["NoNewPrivs"] == "0",
        "PrivateTmp": MARKER.exists(),
        "ProtectSystem": can_write(sys.argv[1]),
        "ProtectHome": can_write(HOME),
        "ReadWritePaths": can_write(sys.argv[2]),
        "InaccessiblePaths": can(reach_user_manager),
        "LockPersonality": error_in_child(lambda: libc.personality(ADDR_NO_RANDOMIZE)) == 0,
        "RestrictRealtime": realtime_is_considered(),
        "RestrictSUIDSGID": can(set_uid_bit),
        "RestrictAddressFamilies": knows_packet_sockets(),
        "SystemCallArchitectures": error_in_child(i386_call) == 0,
        "SystemCallFilter": trace == 0,
        "SystemCallErrorNumber": trace != errno.EPERM,
        "UMask": new_file_mode() & 0o077 != 0,
    }
    print("PROBE", json.dumps({"possible": possible, "status": fields}))


if __name__ == "__main__":
    main()
