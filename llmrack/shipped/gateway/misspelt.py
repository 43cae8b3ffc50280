"""Finds the name that somebody meant, if a slip of the hand explains the written one."""

from __future__ import annotations

from collections.abc import Iterable

# Letters of a name in which one wrong letter makes another name (rpm, tpm).
_SHORT = 3


def misspelt(name: str, valid: Iterable[str]) -> str:
    """The valid name that differs from ``name`` by a slip of the hand; else empty.

    A slip is one letter that is added, missing, wrong or swapped with its neighbour, or other
    signs between words. Names that share most of their letters often mean different things
    (OLLAMA_VULKAN and OLLAMA_ORIGINS, rpm and tpm, glm-4.6 and glm-4.7), so nothing more counts:
    not a wrong digit, not a letter after a digit (gpt-4 and gpt-4o), not a word of one letter
    (prod-a and prod-b), not a wrong last letter, and in a name of three letters no wrong letter.
    """
    return next((other for other in sorted(valid) if _is_slip(name, other)), "")


def _is_slip(name: str, other: str) -> bool:
    letters, others = _letters(name), _letters(other)
    first, second = "".join(letters.values()), "".join(others.values())
    if first == second:
        return True
    if list(filter(str.isdigit, first)) != list(filter(str.isdigit, second)):
        return False
    begin = _alike(first, second)
    end = _alike(first[begin:][::-1], second[begin:][::-1])
    odd, other_odd = first[begin : len(first) - end], second[begin : len(second) - end]
    if len(odd) > 1 or len(other_odd) > 1:
        return len(odd) == len(other_odd) == 2 and odd == other_odd[::-1]
    if odd and other_odd and (end == 0 or len(first) <= _SHORT):
        return False
    # The place of the letter, in each name that has it.
    places = [(name, letters, odd), (other, others, other_odd)]
    return not any(
        _has_meaning(text, list(positions)[begin]) for text, positions, letter in places if letter
    )


def _letters(name: str) -> dict[int, str]:
    """The letters and digits of a name by their positions, without the signs between words."""
    # Some letters have two capitals, such as ß.
    return {i: letter.upper()[:1] for i, letter in enumerate(name) if letter.isalnum()}


def _alike(first: str, second: str) -> int:
    """How many letters two texts have in common at their beginnings."""
    pairs = zip(first, second, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(first), len(second)))


def _has_meaning(name: str, place: int) -> bool:
    """Whether a letter is a word of its own, or belongs to the number before it."""
    before, after = name[:place][-1:], name[place + 1 :][:1]
    return before.isdigit() or not (before.isalnum() or after.isalnum())
