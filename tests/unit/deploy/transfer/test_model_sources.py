"""Who pulls, who copies, and what happens when either fails."""

from __future__ import annotations

from types import SimpleNamespace

import gevent
import pytest
from gevent.event import Event

from llmrack.deploy.run.supply import Supply
from llmrack.deploy.transfer import copying
from llmrack.deploy.transfer.copying import CopyError
from llmrack.deploy.transfer.obtain import available_models_first, obtain, obtain_blob
from llmrack.resources.change import Change, Pull, Shell
from tests import DEADLINE

MODEL, OTHER = "llama3.2:1b", "gemma3:27b"


class FakeRack:
    """A host that has models, and remembers how it got them."""

    def __init__(self, run, name, *models):
        self.run = run
        self.host = SimpleNamespace(name=name)
        self.pyinfra_host = SimpleNamespace(name=name, print_prefix=f"[{name}] ")
        self.models = set(models)
        self.way = ""
        run.racks[name] = self

    def say(self, text):
        pass

    def note_model(self, name):
        self.models.add(name)


class Fleet:
    """Three hosts; copies and pulls only take note, and wait for ``go_on``."""

    def __init__(self, monkeypatch):
        self.run = SimpleNamespace(racks={}, supply=Supply())
        self.a, self.b, self.c = (FakeRack(self.run, name) for name in "abc")
        self.go_on = Event()
        self.go_on.set()
        self.pulls, self.copies = [], []
        self.pull_fails, self.copy_fails = {}, {}
        self.cleaned = []
        monkeypatch.setattr(copying, "copy_model", self.copy_model)
        monkeypatch.setattr(copying, "copy_blob", self.copy)
        monkeypatch.setattr(copying, "forget_parts", self.cleaned.append)

    def copy_model(self, source, target, pull):
        self.copy(source, target, pull.model, pull.stall)

    def copy(self, source, target, name, stall):
        self.copies.append((source.host.name, target.host.name, name))
        self.go_on.wait()
        if (source.host.name, target.host.name) in self.copy_fails:
            raise self.copy_fails[source.host.name, target.host.name]

    def pull(self, rack, model=MODEL):
        def fetch():
            self.pulls.append((rack.host.name, model))
            self.go_on.wait()
            return self.pull_fails.get(rack.host.name, "")

        return obtain(rack, Pull(model, "http://127.0.0.1:11434", 1, "", ""), fetch)

    def blob(self, rack):
        def put():
            self.pulls.append((rack.host.name, "blob"))
            return self.pull_fails.get(rack.host.name, "")

        return obtain_blob(rack, "sha256:ab", put, 1)


@pytest.fixture
def fleet(monkeypatch):
    return Fleet(monkeypatch)


def together(*works):
    """Results of what runs at the same time, in their order."""
    greenlets = [gevent.spawn(work) for work in works]
    gevent.joinall(greenlets, timeout=DEADLINE, raise_error=True)
    return [greenlet.value for greenlet in greenlets]


def test_a_model_that_nobody_has_is_pulled_once_and_copied(fleet):
    works = [lambda rack=rack: fleet.pull(rack) for rack in (fleet.a, fleet.b, fleet.c)]
    assert together(*works) == ["", "", ""]
    assert fleet.pulls == [("a", MODEL)]
    assert {target for _, target, _ in fleet.copies} == {"b", "c"}


def test_a_model_that_a_host_has_is_copied_from_there(fleet):
    fleet.c.models.add(MODEL)
    assert fleet.pull(fleet.a) == ""
    assert fleet.copies == [("c", "a", MODEL)]
    assert fleet.pulls == []


def test_copies_are_shared_out_among_those_that_have_it(fleet):
    fleet.b.models.add(MODEL)
    fleet.c.models.add(MODEL)
    extra = FakeRack(fleet.run, "d")
    fleet.go_on.clear()
    copies = [gevent.spawn(fleet.pull, rack) for rack in (fleet.a, extra)]
    gevent.sleep(0)
    fleet.go_on.set()
    gevent.joinall(copies, timeout=DEADLINE)
    assert {source for source, *_ in fleet.copies} == {"b", "c"}


def test_only_one_host_pulls_at_a_time_whatever_the_model(fleet):
    fleet.go_on.clear()
    pulls = [gevent.spawn(fleet.pull, fleet.a), gevent.spawn(fleet.pull, fleet.b, OTHER)]
    gevent.sleep(0)
    assert fleet.pulls == [("a", MODEL)]
    fleet.go_on.set()
    gevent.joinall(pulls, timeout=DEADLINE)
    assert fleet.pulls == [("a", MODEL), ("b", OTHER)]


def test_the_next_host_pulls_when_the_first_fails(fleet):
    fleet.pull_fails["a"] = "the disk is full"
    reasons = together(lambda: fleet.pull(fleet.a), lambda: fleet.pull(fleet.b))
    assert reasons == ["the disk is full", ""]
    assert fleet.pulls == [("a", MODEL), ("b", MODEL)]


def test_the_next_host_pulls_when_the_first_one_breaks(fleet):
    def broken():
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        obtain(fleet.a, Pull(MODEL, "", 1, "", ""), broken)
    assert fleet.pull(fleet.b) == ""


def test_a_copy_that_fails_is_replaced_by_a_pull_and_leaves_no_parts(fleet):
    fleet.c.models.add(MODEL)
    fleet.copy_fails["c", "a"] = CopyError("no route")
    assert fleet.pull(fleet.a) == ""
    assert fleet.pulls == [("a", MODEL)]
    assert fleet.cleaned == [fleet.a]


def test_another_source_is_tried_before_a_pull(fleet):
    fleet.b.models.add(MODEL)
    fleet.c.models.add(MODEL)
    fleet.copy_fails["b", "a"] = CopyError("damaged", of_content=True)
    assert fleet.pull(fleet.a) == ""
    assert [source for source, *_ in fleet.copies] == ["b", "c"]
    assert fleet.pulls == []


def test_a_source_without_a_way_is_not_tried_again(fleet):
    fleet.c.models |= {MODEL, OTHER}
    fleet.copy_fails["c", "a"] = CopyError("no route")
    fleet.pull(fleet.a)
    fleet.pull(fleet.a, OTHER)
    assert fleet.copies == [("c", "a", MODEL)]


def test_a_source_with_one_damaged_model_is_asked_for_others(fleet):
    fleet.c.models |= {MODEL, OTHER}
    fleet.copy_fails["c", "a"] = CopyError("damaged", of_content=True)
    fleet.pull(fleet.a)
    fleet.copy_fails.clear()
    fleet.pull(fleet.a, OTHER)
    assert fleet.copies == [("c", "a", MODEL), ("c", "a", OTHER)]
    assert fleet.pulls == [("a", MODEL)]


def test_a_blob_is_sent_to_one_host_and_copied_to_the_others(fleet):
    assert together(lambda: fleet.blob(fleet.a), lambda: fleet.blob(fleet.b)) == ["", ""]
    assert fleet.pulls == [("a", "blob")]
    assert fleet.copies == [("a", "b", "sha256:ab")]


def test_models_that_can_be_copied_come_before_those_to_pull(fleet):
    fleet.c.models.add(OTHER)
    changes = [
        Change("unit", "", (Shell("true"),)),
        Change("first", "", (Pull(MODEL, "", 1, "", ""),)),
        Change("second", "", (Pull(OTHER, "", 1, "", ""),)),
        Change("made", "", (Shell("true"),)),
    ]
    order = [change.resource for change in available_models_first(fleet.a, changes)]
    assert order == ["unit", "second", "first", "made"]
