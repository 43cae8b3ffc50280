"""Models travel once per fleet: one host pulls, the others copy from it.

Only one host pulls at a time. All share the line to the internet, so more would not be faster; and
models share blobs, above all one model under two names, so more would carry bytes twice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from gevent.event import Event

from llmrack.deploy.run.rack import Rack
from llmrack.hosts.progress import SILENCE, heard
from llmrack.resources.change import Change, Pull


@dataclass(frozen=True)
class _Wanted:
    """A model or a blob that a host is to get.

    + name: of the model, or the blob's digest
    + line: what is fetched by the same line is fetched one after the other
    + holders: the hosts that have it
    + copy: get it from one of them; raises CopyError
    + fetch: get it in the way that costs, and why that failed or an empty text
    + note: note that the host has it
    """

    name: str
    line: str
    holders: Callable[[], Collection[Rack]]
    copy: Callable[[Rack], None]
    fetch: Callable[[], str]
    note: Callable[[], None]


def obtain(rack: Rack, pull: Pull, fetch: Callable[[], str]) -> str:
    """Give a host a model: a copy where a host of this run has it, else by ``fetch``.

    + fetch: pull it; returns the reason why that failed, or an empty text

    Returns the reason why it failed, or an empty text.
    """
    from llmrack.deploy.transfer.copying import copy_model

    wanted = _Wanted(
        name=pull.model,
        line="internet",
        holders=lambda: _holders(rack, pull.model),
        copy=lambda source: copy_model(source, rack, pull),
        fetch=fetch,
        note=lambda: rack.note_model(pull.model),
    )
    return _get(rack, wanted)


def obtain_blob(rack: Rack, digest: str, put: Callable[[], str], stall: float) -> str:
    """Give a host a blob (``sha256:<hex>``) that only this machine has.

    + put: bring it there; returns the reason why that failed, or an empty text
    + stall: seconds without progress after which a copy is given up

    The first host gets it by ``put``, the others copy it. Returns the reason why it failed.
    """
    from llmrack.deploy.transfer.copying import copy_blob

    names = rack.run.supply.blobs.setdefault(digest, set())
    wanted = _Wanted(
        name=digest,
        line=digest,
        holders=lambda: [other for other in rack.run.racks.values() if other.host.name in names],
        copy=lambda source: copy_blob(source, rack, digest, stall),
        fetch=put,
        note=lambda: names.add(rack.host.name),
    )
    return _get(rack, wanted)


def available_models_first(rack: Rack, changes: Iterable[Change]) -> Iterator[Change]:
    """The changes in their order, but of models to pull first what needs no waiting."""

    def waits(change: Change) -> bool:
        return not _holders(rack, _pulls(change)[0].model)

    for is_model, group in groupby(changes, lambda change: bool(_pulls(change))):
        left = list(group)
        while left:
            first = min(left, key=waits) if is_model else left[0]
            left.remove(first)
            yield first


def _holders(rack: Rack, model: str) -> list[Rack]:
    """The other hosts that have a model."""
    return [
        other for other in rack.run.racks.values() if other is not rack and model in other.models
    ]


def _get(rack: Rack, wanted: _Wanted) -> str:
    from llmrack.deploy.transfer.copying import CopyError

    supply, target = rack.run.supply, rack.host.name
    while True:
        source = _source(rack, wanted)
        if source:
            name = source.host.name
            supply.copies[name] += 1
            try:
                wanted.copy(source)
                rack.say(f"{wanted.name}: copied from {name}")
                wanted.note()
                return ""
            except CopyError as error:
                supply.failed.add((target, name, wanted.name if error.of_content else ""))
                rack.say(f"{wanted.name} cannot be copied from {name}: {error}")
            finally:
                supply.copies[name] -= 1
            continue
        if wanted.line not in supply.fetching:
            return _fetch(rack, wanted)
        what, ended = supply.fetching[wanted.line]
        rack.say(f"{wanted.name}: waiting until {what}")
        while not ended.wait(SILENCE / 2):
            # The host that it waits for says how it gets on.
            heard(rack.pyinfra_host)


def _fetch(rack: Rack, wanted: _Wanted) -> str:
    from llmrack.deploy.transfer.copying import forget_parts

    supply, name, ended = rack.run.supply, rack.host.name, Event()
    supply.fetching[wanted.line] = f"{name} has {wanted.name}", ended
    try:
        reason = wanted.fetch()
        if not reason:
            wanted.note()
    finally:
        del supply.fetching[wanted.line]
        ended.set()
    if not reason and any(target == name for target, *_ in supply.failed):
        forget_parts(rack)
    return reason


def _source(rack: Rack, wanted: _Wanted) -> Rack | None:
    """The least busy of those that have it and did not fail this host before."""
    supply, target = rack.run.supply, rack.host.name
    fit = [
        holder
        for holder in wanted.holders()
        if not supply.has_failed(target, holder.host.name, wanted.name)
    ]
    return min(fit, key=lambda holder: supply.copies[holder.host.name], default=None)


def _pulls(change: Change) -> list[Pull]:
    """The action of a change that is a pull and nothing else."""
    pulls = [action for action in change.actions if isinstance(action, Pull)]
    return pulls if len(pulls) == len(change.actions) else []
