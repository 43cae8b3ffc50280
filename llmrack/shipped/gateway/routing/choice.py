"""Chooses one of a public name's instances by level, strategy and loaded models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Candidate:
    """An instance that can be asked now.

    + id: of its deployment
    + level: only the candidates of the lowest level serve
    + weight: share, relative to the others of its level
    + running: its running requests
    + pace: seconds a token took of late; None if that is not known
    + loaded: whether it has the model in memory; None if that is not known
    """

    id: str
    level: int = 1
    weight: float = 1
    running: int = 0
    pace: float | None = None
    loaded: bool | None = None

    @property
    def load(self) -> float:
        """Its running requests in proportion to its weight."""
        return self.running / self.weight


@dataclass
class Turns:
    """Smooth weighted round robin, as in nginx.

    Each pick credits every candidate with its weight, takes the one with the most credit, and
    debits it with the sum of the weights. So shares are exact and evenly spread.
    """

    credit: dict[str, float] = field(default_factory=dict)

    def next(self, candidates: Sequence[Candidate], weight: Callable[[Candidate], float]) -> str:
        """The id of the next candidate."""
        for candidate in candidates:
            self.credit[candidate.id] = self.credit.get(candidate.id, 0.0) + weight(candidate)
        chosen = max(candidates, key=lambda candidate: self.credit[candidate.id]).id
        self.credit[chosen] -= sum(weight(candidate) for candidate in candidates)
        return chosen


def choose(
    candidates: Sequence[Candidate], strategy: str, turns: Turns
) -> tuple[str | None, str | None]:
    """The deployment to ask, and one that should load its model meanwhile.

    + candidates: all that can be asked now
    + strategy: weighted, round-robin, least-busy or latency
    + turns: those of the public name
    """
    if not candidates:
        return None, None
    lowest = min(candidate.level for candidate in candidates)
    serving = [candidate for candidate in candidates if candidate.level == lowest]
    chosen = _pick(serving, strategy, turns)
    loaded = [candidate for candidate in serving if candidate.loaded]
    chosen_loaded = next(candidate.loaded for candidate in serving if candidate.id == chosen)
    if loaded and chosen_loaded is False:
        # No client waits for a model to load while another instance has it loaded.
        return _pick(loaded, strategy, turns), chosen
    return chosen, None


def _pick(candidates: Sequence[Candidate], strategy: str, turns: Turns) -> str:
    if strategy == "least-busy":
        # Equals take turns.
        least = min(candidate.load for candidate in candidates)
        candidates = [candidate for candidate in candidates if candidate.load == least]
    elif strategy == "latency":
        # An instance without recent requests is asked first: it may be the quickest.
        unknown = [candidate for candidate in candidates if candidate.pace is None]
        paces = [candidate.pace for candidate in candidates if candidate.pace is not None]
        quickest = min(paces, default=0.0)
        candidates = unknown or [known for known in candidates if known.pace == quickest]
    weighted = strategy == "weighted"
    return turns.next(candidates, lambda candidate: candidate.weight if weighted else 1.0)
