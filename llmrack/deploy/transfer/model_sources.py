"""Models travel once per fleet: one host pulls, the others copy from it.

Only one host pulls at a time. All share the line to the internet, so more would not be faster; and
models share blobs, above all one model under two names, so more would carry bytes twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from gevent.event import Event

from llmrack.hosts.progress import SILENCE, heard, say
from llmrack.resources.change import Change, Pull

if TYPE_CHECKING:
    from llmrack.deploy.run.rack import Rack


@dataclass(frozen=True)
class _Wanted:
    """A model or a blob that a host is to get.

    + name: of the model, or the blob's digest
    + line: what is fetched by the same line is fetched one after the other
    + holders: the hosts that have it
    + copy: get it from one of them; raises CopyError
    + fetch: get it in the way that costs, and why that failed or an empty text
    + got: note that the host has it
    """

    name: str
    line: str
    holders: Callable[[], Collection[Rack]]
    copy: Callable[[Rack], None]
    fetch: Callable[[], str]
    got: Callable[[], None]


class Supply:
    """Who has what, who is fetching what: one for all hosts of a run.

    The hosts' operations run at the same time, in greenlets.
    """

    def __init__(self) -> None:
        # What is being fetched by each line, as words, and what is set when that has ended.
        self._fetching: dict[str, tuple[str, Event]] = {}
        self._copies: Counter[str] = Counter()
        self._blobs: dict[str, set[str]] = {}
        # What has failed, as (target, source, name); an empty name is the way between them.
        self._failed: set[tuple[str, str, str]] = set()

    def obtain(self, rack: Rack, pull: Pull, fetch: Callable[[], str]) -> str:
        """Give a host a model: a copy where a host of this run has it, else by ``fetch``.

        + fetch: pull it; returns the reason why that failed, or an empty text

        Returns the reason why it failed, or an empty text.
        """
        from llmrack.deploy.transfer.copying import copy_model

        wanted = _Wanted(
            name=pull.model,
            line="internet",
            holders=lambda: self._holders(rack, pull.model),
            copy=lambda source: copy_model(source, rack, pull.model, pull.stall),
            fetch=fetch,
            got=lambda: rack.got_model(pull.model),
        )
        return self._get(rack, wanted)

    def blob(self, rack: Rack, digest: str, put: Callable[[], str], stall: float) -> str:
        """Give a host a blob (``sha256:<hex>``) that only this machine has.

        + put: bring it there; returns the reason why that failed, or an empty text
        + stall: seconds without progress after which a copy is given up

        The first host gets it by ``put``, the others copy it. Returns the reason why it failed.
        """
        from llmrack.deploy.transfer.copying import copy_blob

        have = self._blobs.setdefault(digest, set())
        wanted = _Wanted(
            name=digest,
            line=digest,
            holders=lambda: [each for each in rack.run.racks.values() if each.host.name in have],
            copy=lambda source: copy_blob(source, rack, digest, stall),
            fetch=put,
            got=lambda: have.add(rack.host.name),
        )
        return self._get(rack, wanted)

    def order(self, rack: Rack, changes: Iterable[Change]) -> Iterator[Change]:
        """The changes in their order, but of models to pull first what needs no waiting."""

        def waits(change: Change) -> bool:
            return not self._holders(rack, _pulls(change)[0].model)

        for is_model, group in groupby(changes, lambda change: bool(_pulls(change))):
            left = list(group)
            while left:
                first = min(left, key=waits) if is_model else left[0]
                left.remove(first)
                yield first

    def _holders(self, rack: Rack, model: str) -> list[Rack]:
        others = (each for each in rack.run.racks.values() if each is not rack)
        return [each for each in others if model in each.has_models()]

    def _get(self, rack: Rack, wanted: _Wanted) -> str:
        from llmrack.deploy.transfer.copying import CopyError

        me = rack.host.name
        while True:
            source = self._source(me, wanted)
            if source:
                there = source.host.name
                self._copies[there] += 1
                try:
                    wanted.copy(source)
                    say(rack, f"{wanted.name}: copied from {there}")
                    wanted.got()
                    return ""
                except CopyError as error:
                    self._failed.add((me, there, wanted.name if error.of_content else ""))
                    say(rack, f"{wanted.name} cannot be copied from {there}: {error}")
                finally:
                    self._copies[there] -= 1
                continue
            if wanted.line not in self._fetching:
                return self._fetch(rack, wanted)
            what, ended = self._fetching[wanted.line]
            say(rack, f"{wanted.name}: waiting until {what}")
            while not ended.wait(SILENCE / 2):
                # The host that it waits for says how it gets on.
                heard(rack)

    def _fetch(self, rack: Rack, wanted: _Wanted) -> str:
        from llmrack.deploy.transfer.copying import forget_parts

        me, ended = rack.host.name, Event()
        self._fetching[wanted.line] = f"{me} has {wanted.name}", ended
        try:
            reason = wanted.fetch()
            if not reason:
                wanted.got()
        finally:
            del self._fetching[wanted.line]
            ended.set()
        if not reason and any(target == me for target, *_ in self._failed):
            forget_parts(rack)
        return reason

    def _source(self, me: str, wanted: _Wanted) -> Rack | None:
        """The least busy of those that have it and did not fail this host before."""
        fit = [
            each for each in wanted.holders() if not self._has_failed(me, each.host.name, wanted)
        ]
        return min(fit, key=lambda each: self._copies[each.host.name], default=None)

    def _has_failed(self, me: str, there: str, wanted: _Wanted) -> bool:
        return not self._failed.isdisjoint({(me, there, ""), (me, there, wanted.name)})


def _pulls(change: Change) -> list[Pull]:
    """The action of a change that is a pull and nothing else."""
    pulls = [action for action in change.actions if isinstance(action, Pull)]
    return pulls if len(pulls) == len(change.actions) else []
