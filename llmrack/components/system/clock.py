"""Hosts whose clock differs from this machine's; certificates, expiry of keys and logs need it."""

from __future__ import annotations

from llmrack.resources.look import Seen

# Seconds. Certificates are mostly valid from an hour before they are handed out.
WARNED, REFUSED = 60, 3600


def slow_or_fast(seen: Seen) -> list[str]:
    """A warning if the host's clock is a little wrong; empty if it is right."""
    return [_difference(seen)] if WARNED < _off(seen) <= REFUSED else []


def wrong_clock(seen: Seen) -> list[str]:
    """A reason to change nothing if the host's clock is very wrong; empty if it is not."""
    if _off(seen) <= REFUSED:
        return []
    return [
        f"{_difference(seen)}: certificates would not be valid there, and keys end at another "
        "time; set the wrong one right (timedatectl set-ntp true, or date -s)"
    ]


def _times(seen: Seen) -> list[tuple[int, str]]:
    """The times of the two clocks, the host's first: seconds of the epoch, and in words."""
    answers = [seen.fact(name).partition(" ") for name in ("time", "time_here")]
    return [(int(seconds or 0), text) for seconds, _, text in answers]


def _off(seen: Seen) -> int:
    host, controller = _times(seen)
    return abs(host[0] - controller[0]) if host[0] and controller[0] else 0


def _difference(seen: Seen) -> str:
    (_, host), (_, controller) = _times(seen)
    days, minutes = divmod(round(_off(seen) / 60), 24 * 60)
    by = f"{days} days" if days else f"{minutes} min"
    return f"its clock says {host} UTC, this machine's {controller}: one of them is off by {by}"
