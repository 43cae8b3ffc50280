"""Which hosts have which models and blobs, and who is fetching what: one for all hosts of a run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from gevent.event import Event


@dataclass
class Supply:
    """What the hosts of a run know of each other's models.

    + fetching: what is being fetched by each line, as words, and what is set when that has ended;
      what is fetched by the same line is fetched one after the other
    + copies: how many copies each host is sending, by its name
    + blobs: names of the hosts that have a blob which only this machine had, by its digest
    + failed: copies that failed, as (target, source, name); an empty name is the way between them
    """

    fetching: dict[str, tuple[str, Event]] = field(default_factory=dict)
    copies: Counter[str] = field(default_factory=Counter)
    blobs: dict[str, set[str]] = field(default_factory=dict)
    failed: set[tuple[str, str, str]] = field(default_factory=set)

    def has_failed(self, target: str, source: str, name: str) -> bool:
        """Whether a copy of ``name`` between two hosts is of no use."""
        return not self.failed.isdisjoint({(target, source, ""), (target, source, name)})
