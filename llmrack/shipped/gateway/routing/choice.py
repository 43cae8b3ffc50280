"""Who answers: one of a public name's instances, chosen by level, strategy and what is loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Candidate:
    """An instance that can be asked now.

    + id: of its deployment
    + level: those of the lowest level serve
    + weight: share, relative to the others of its level
    + running: requests that it is busy with
    + pace: seconds a token took of late; None where nobody knows
    + loaded: whether it has the model in memory; None where nobody knows
    """

    id: str
    level: int = 1
    weight: float = 1
    running: int = 0
    pace: float | None = None
    loaded: bool | None = None


@dataclass
class Turns:
    """Whose turn it is among some candidates: smooth weighted round robin, as nginx has it.

    Each pick gives everybody its weight, takes the one with the most, and has it pay all that was
    given. So shares are exact over any run of picks, and spread evenly within it.
    """

    credit: dict[str, float] = field(default_factory=dict)

    def next(self, candidates: Sequence[Candidate], weight: Callable[[Candidate], float]) -> str:
        """The id of the one whose turn it is."""
        for each in candidates:
            self.credit[each.id] = self.credit.get(each.id, 0.0) + weight(each)
        chosen = max(candidates, key=lambda each: self.credit[each.id]).id
        self.credit[chosen] -= sum(weight(each) for each in candidates)
        return chosen


def choose(
    candidates: Sequence[Candidate], strategy: str, turns: Turns
) -> tuple[str | None, str | None]:
    """The deployment to ask, and one that should load its model meanwhile.

    + candidates: everybody who can be asked now
    + strategy: weighted, round-robin, least-busy or latency
    + turns: memory of the public name
    """
    if not candidates:
        return None, None
    lowest = min(each.level for each in candidates)
    serving = [each for each in candidates if each.level == lowest]
    chosen = _pick(serving, strategy, turns)
    loaded = [each for each in serving if each.loaded]
    if loaded and any(each.id == chosen and each.loaded is False for each in serving):
        # Nobody waits for a model to load while somebody else has it loaded.
        return _pick(loaded, strategy, turns), chosen
    return chosen, None


def _pick(candidates: Sequence[Candidate], strategy: str, turns: Turns) -> str:
    if strategy == "least-busy":
        # In proportion to what each can bear; equals take turns.
        least = min(each.running / each.weight for each in candidates)
        candidates = [each for each in candidates if each.running / each.weight == least]
    elif strategy == "latency":
        # One that nobody has asked of late is asked first: it may be the quickest.
        unknown = [each for each in candidates if each.pace is None]
        quickest = min((each.pace for each in candidates if each.pace is not None), default=0.0)
        candidates = unknown or [each for each in candidates if each.pace == quickest]
    weighted = strategy == "weighted"
    return turns.next(candidates, lambda each: each.weight if weighted else 1.0)
