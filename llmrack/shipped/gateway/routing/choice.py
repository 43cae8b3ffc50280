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
        for candidate in candidates:
            self.credit[candidate.id] = self.credit.get(candidate.id, 0.0) + weight(candidate)
        chosen = max(candidates, key=lambda candidate: self.credit[candidate.id]).id
        self.credit[chosen] -= sum(weight(candidate) for candidate in candidates)
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
    lowest = min(candidate.level for candidate in candidates)
    serving = [candidate for candidate in candidates if candidate.level == lowest]
    chosen = _pick(serving, strategy, turns)
    loaded = [candidate for candidate in serving if candidate.loaded]
    if loaded and any(
        candidate.id == chosen and candidate.loaded is False for candidate in serving
    ):
        # Nobody waits for a model to load while somebody else has it loaded.
        return _pick(loaded, strategy, turns), chosen
    return chosen, None


def _pick(candidates: Sequence[Candidate], strategy: str, turns: Turns) -> str:
    if strategy == "least-busy":
        # In proportion to what each can bear; equals take turns.
        least = min(candidate.running / candidate.weight for candidate in candidates)
        candidates = [
            candidate for candidate in candidates if candidate.running / candidate.weight == least
        ]
    elif strategy == "latency":
        # One that nobody has asked of late is asked first: it may be the quickest.
        unknown = [candidate for candidate in candidates if candidate.pace is None]
        quickest = min(
            (candidate.pace for candidate in candidates if candidate.pace is not None), default=0.0
        )
        candidates = unknown or [
            candidate for candidate in candidates if candidate.pace == quickest
        ]
    weighted = strategy == "weighted"
    return turns.next(candidates, lambda candidate: candidate.weight if weighted else 1.0)
