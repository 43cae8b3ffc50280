"""Why something could not be written on a host: which filesystem is full, or takes no writes."""

from __future__ import annotations

import re

from pyinfra.api.exceptions import PyinfraError

from llmrack.components.system.system import MIB, NOTED, PROGRAMS, UPLOADS
from llmrack.deploy.run.rack import Rack
from llmrack.hosts.snapshot import Snapshot
from llmrack.resources.look import Look, parse

# Bytes with which a filesystem counts as full.
LITTLE = 100 * MIB
# As the C library, apt, awk, curl and the shell's own commands say it.
_SAID = re.compile(
    r"no space left|quota exceeded|read-only file ?system|enough free space|write (error|failure)"
    r"|fail\w* writing|I/O error",
    re.IGNORECASE,
)


def explained(rack: Rack, reason: str) -> str:
    """``reason``; where something could not be written, with the filesystems as they are now."""
    if not _SAID.search(reason):
        return reason
    home = rack.host.settings.service_home
    look = Look(disks={home, rack.models_folder, UPLOADS, NOTED, PROGRAMS})
    try:
        lines = rack.pyinfra_host.get_fact(
            Snapshot, look=look, nonce=rack.run.nonce, _sudo=rack.sudo
        )
        disks = {each.mount: each for each in parse(lines, look).disks.values()}
    except (PyinfraError, ValueError):
        return reason
    # What was half written is gone by now, so there may be more room than there was.
    to_blame = {m: each for m, each in disks.items() if each.read_only or each.free < LITTLE}
    told = ", ".join(
        f"{mount} is read-only"
        if each.read_only
        else f"{mount} has {each.free / MIB:,.0f} MiB free"
        for mount, each in sorted((to_blame or disks).items())
    )
    return (
        f"{reason}\n      the filesystem at {told}: make room there, or it writable, then deploy "
        "again; that goes on where this one ended"
    )
