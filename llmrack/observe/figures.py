"""Numbers as people read them."""

from __future__ import annotations

from datetime import timedelta

# Shown instead of a missing number.
NONE = "\N{EN DASH}"
_LARGE = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def count(number: float) -> str:
    """A whole number, its thousands apart."""
    return f"{number:,.0f}"


def short(number: float) -> str:
    """A number with three digits and the letter of its thousands: 1.23 M."""
    for size, letter in _LARGE:
        # A number that would be rounded up to a thousand takes the next letter.
        if number >= 0.9995 * size:
            return f"{number / size:#.3g}".rstrip(".") + f" {letter}"
    return f"{number:.0f}"


def seconds(value: float | None) -> str:
    """A duration: milliseconds below a second; a dash for None."""
    if value is None:
        return NONE
    if value < 0.9995:
        return f"{1000 * value:.0f} ms"
    return f"{value:.2f} s" if value < 9.995 else f"{value:.1f} s" if value < 100 else _long(value)


def _long(value: float) -> str:
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s"


def money(dollars: float) -> str:
    """An amount in USD, with more digits where it is below a cent."""
    return f"${dollars:,.2f}" if not dollars or dollars >= 0.01 else f"${dollars:.5f}"


def share(part: float, whole: float) -> str:
    """A part in percent; a dash if the whole is 0."""
    if not whole:
        return NONE
    percent = 100 * part / whole
    return f"{percent:.1f} %" if 0 < percent < 10 else f"{percent:.0f} %"


def gigabytes(size: float) -> str:
    """Bytes in units of 2^30, as Ollama and nvidia-smi count memory."""
    return f"{size / 2**30:.1f} GiB"


def span(duration: timedelta) -> str:
    """A duration in its largest whole unit: 24 h, 30 d, 15 min."""
    whole = round(duration.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if whole % size == 0 and whole >= size and (unit != "d" or whole > size):
            return f"{whole // size} {unit}"
    return f"{whole} s"


def change(now: float | None, before: float | None) -> str:
    """The change of a number in words; ``not known`` if one of them is None."""
    if now is None or before is None:
        return "not known"
    if now == before:
        return "the same"
    if not before:
        return "up from nothing"
    percent = 100 * (now - before) / before
    if abs(percent) < 2:
        return "about the same"
    if percent >= 200:
        return f"up, {now / before:.3g} times as much"
    return f"{'up' if percent > 0 else 'down'} {abs(percent):.0f} %"


def ago(duration: timedelta) -> str:
    """A duration, rounded to minutes, hours or days."""
    minutes = max(0, round(duration.total_seconds() / 60))
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"
