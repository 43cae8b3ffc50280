"""Scripts that break an instance on a host, and restore it even if this program dies."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote
from urllib.parse import urlsplit

from llmrack.components.engines import unit_of
from llmrack.drills.plan import Cause, Drill
from llmrack.resources.change import as_user
from llmrack.resources.script import script_file

# The transient timer that restores, and the table of packet rules.
SWITCH = "llmrack-drill"
TABLE = "inet llmrack_drill"


@dataclass(frozen=True)
class Breakage:
    """Scripts for ``sh`` as root, on the host where an instance is broken.

    + possible: fails with the reason if the host lacks a requirement
    + begin: breaks the instance
    + end: restores it; harmless if nothing is broken
    """

    possible: str
    begin: str
    end: str

    @property
    def check(self) -> str:
        """Fails with the reason if the host lacks a requirement, or another drill runs."""
        idle = f"! systemctl -q is-active {SWITCH}.timer"
        return (
            f"{idle} || {{ echo 'a drill is under way there; it ends by itself'; exit 1; }}\n"
            f"{self.possible}"
        )

    def arm(self, seconds: float) -> str:
        """Have the host itself restore after ``seconds``.

        A timer's usual accuracy is a minute (systemd.timer(5), AccuracySec=).
        """
        return (
            f"systemd-run --quiet --collect --unit={SWITCH} --on-active={seconds:.0f} "
            "--description='Ends a drill of llmrack that does not end itself' "
            # systemd reads $ in a command line itself (systemd.service(5), "COMMAND LINES").
            f"--timer-property=AccuracySec=1s /bin/sh -c {quote(self.end.replace('$', '$$'))}"
        )

    @property
    def restore(self) -> str:
        """Restore, then take back what ``arm`` did."""
        timer = f"{SWITCH}.timer"
        disarm = f"systemctl stop {timer} 2>/dev/null; ! systemctl -q is-active {timer}"
        return f"{self.end} && {{ {disarm}; }}"


def breakage(drill: Drill) -> Breakage:
    """The scripts of a drill."""
    user = drill.at.settings.service_user
    if drill.broken:
        unit = unit_of(drill.broken)
        begin, end = {
            Cause.STOPPED: (f"stop {unit}", f"start {unit}"),
            # To every process of the unit: the runners answer, too.
            Cause.FROZEN: (f"kill -s SIGSTOP {unit}", f"kill -s SIGCONT {unit}"),
        }[drill.cause]
        running = as_user(user, f"systemctl --user is-active -q {unit}")
        return Breakage(
            f"( {running} ) || {{ echo '{unit} does not run'; exit 1; }}",
            f"( {as_user(user, f'systemctl --user {begin}')} )",
            f"( {as_user(user, f'systemctl --user {end}')} )",
        )
    address = urlsplit(drill.url)
    port = address.port or {"http": 80, "https": 443}[address.scheme]
    verdict = "drop" if drill.cause is Cause.CUT_OFF else "reject with tcp reset"
    return Breakage(
        "command -v nft || { echo 'nftables is not installed there'; exit 1; }",
        script_file("drills/cut-off.sh", user, address.hostname or "", port, verdict, TABLE),
        f"{{ ! nft list table {TABLE} >/dev/null 2>&1 || nft delete table {TABLE}; }}",
    )
