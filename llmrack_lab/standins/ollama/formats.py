"""Sizes, times and places as the command line writes them (Ollama's ``format`` package)."""

from __future__ import annotations

import time
from datetime import datetime


def human_bytes(number: int) -> str:
    """A size as Ollama writes it: decimal units, one digit after the point below ten."""
    for unit, size in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if number >= size:
            value = number / size
            whole = value >= 10 or value == int(value)
            return f"{int(value)} {unit}" if whole else f"{value:.1f} {unit}"
    return f"{number} B"


def human_time(moment: str) -> str:
    """An RFC 3339 time as Ollama writes it: ``4 minutes from now``, ``2 hours ago``."""
    seconds = datetime.fromisoformat(moment).timestamp() - time.time()
    if seconds > 20 * 365 * 86400:
        return "Forever"
    return _human_duration(abs(seconds)) + (" from now" if seconds > 0 else " ago")


def _human_duration(seconds: float) -> str:
    if seconds < 1:
        return "Less than a second"
    minutes, hours = int(seconds // 60), round(seconds / 3600)
    if seconds < 60:
        return f"{int(seconds)} second{'s' if int(seconds) > 1 else ''}"
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    for limit, length, unit in ((48, 1, "hours"), (336, 24, "days"), (1440, 168, "weeks")):
        if hours < limit:
            return "About an hour" if hours == 1 else f"{hours // length} {unit}"
    return f"{hours // 720} months" if hours < 17520 else f"{hours // 8760} years"


def processor(size: int, vram: int) -> str:
    """Where a model lies: ``100% GPU``, ``100% CPU`` or a split."""
    if vram == 0:
        return "100% CPU"
    if vram == size:
        return "100% GPU"
    cpu = round((size - vram) / size * 100)
    return f"{cpu}%/{100 - cpu}% CPU/GPU"
