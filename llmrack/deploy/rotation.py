"""A key is replaced without an outage: tested, stored, deployed, proven; or put back."""

from __future__ import annotations

import os
import secrets as random
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from llmrack.observe.providers.trials import (
    Tested,
    exit_code,
    keep_tested,
    table,
    test_providers,
)
from llmrack.problems import DeclarationError, Problem, nearest
from llmrack.secrets import audit, store
from llmrack.secrets.places import MASTER_KEY
from llmrack.secrets.sources import ENVIRONMENT
from llmrack.secrets.value import Secret, StoredSecret
from llmrack.site.declared import read_inventory
from llmrack.site.site import Site

GRACE = timedelta(hours=24)
"""For how long clients may still use the gateway's old master key."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Rotation:
    """One secret that gets another value.

    + old: where it is kept, and its value until now
    + test: asks the providers that show it whether they take another value
    + deploy: deploys, which ends with the proof; returns whether both came off
    """

    folder: Path
    name: str
    declared: Site
    old: StoredSecret
    test: Callable[[Sequence[str], Secret], list[Tested]]
    deploy: Callable[[], bool]

    @cached_property
    def providers(self) -> list[str]:
        """The providers that show it, by name."""
        return [
            name
            for name, each in self.declared.stack.providers.items()
            if each.enabled and self.name in each.secrets
        ]

    @cached_property
    def grace(self) -> str | None:
        """Until when the old value is good for clients as well (ISO 8601, UTC)."""
        if self.name != MASTER_KEY or not self.declared.places.has_vault:
            return None
        return (datetime.now(UTC) + GRACE).strftime("%Y-%m-%dT%H:%M:%SZ")


def plan(inventory: str, folder: Path, name: str) -> Rotation:
    """Look up what is to be rotated; DeclarationError where that cannot be."""
    declared = read_inventory(inventory, folder)
    old = insist_on_rotatable(declared, name)

    def test(providers: Sequence[str], new: Secret) -> list[Tested]:
        return test_providers(inventory, folder, providers, {name: new})

    def deploy() -> bool:
        return carried_out(folder, "pyinfra", inventory, "deploy.py", "-y")

    return Rotation(folder, name, declared, old, test, deploy)


def insist_on_rotatable(declared: Site, name: str) -> StoredSecret:
    """Where a secret is kept, and its value. Raises DeclarationError for one that stays."""
    kept = declared.kept.get(name)
    if kept is None:
        raise _problem(name, "is no secret that is in use here", nearest(name, declared.kept))
    if kept.source == ENVIRONMENT:
        cause = "comes from the environment, which llmrack cannot change"
        raise _problem(name, cause, f"run llmrack secrets set {name}, and unset it there")
    if declared.places.has_vault and declared.places.is_sops:
        raise _problem(name, "is kept by SOPS", "change it by sops, then deploy")
    return kept


def carried_out(folder: Path, *words: str) -> bool:
    """Whether a command of Python's (``python -m``) comes off in ``folder``."""
    command = [sys.executable, "-m", *words]
    # A value that this process has in its environment stays what it is: it was not rotated.
    done = subprocess.run(command, cwd=folder, env=os.environ, check=False)  # noqa: S603
    return done.returncode == 0


def new_master_key() -> Secret:
    """A value for the gateway's own key."""
    return Secret(f"sk-{random.token_urlsafe(32)}")


def rotate(rotation: Rotation, new: Secret, tell: Tell) -> bool:
    """Test the new value, store it, deploy and prove; the old one is put back where that fails.

    + tell: is told what happens

    Returns whether the new one is in use. Raises DeclarationError where the new one is refused,
    before anything is changed.
    """
    places, name, old = rotation.declared.places, rotation.name, rotation.old.secret
    if new == old:
        raise _problem(name, "is the key that is in use", "give another one")
    store.insist_on_value(places, name, new)
    if rotation.providers:
        _insist_on_tested(rotation, new, tell)
    store.begin_rotation(places, name, old, new, rotation.grace)
    kept_in = places.vault if places.has_vault else places.env_file
    tell(f"{name} is stored in {kept_in.name}; now it is deployed")
    try:
        done = rotation.deploy()
    except BaseException:
        store.settle_rotation(places, name, old)
        tell(f"interrupted: the old {name} is stored again; deploy, to bring back what there was")
        raise
    if done:
        store.settle_rotation(places, name, None)
        return True
    tell(f"that failed: the old {name} is put back")
    store.settle_rotation(places, name, old)
    if not rotation.deploy():
        tell("what there was could not be brought back: mend what is told above, then deploy")
    return False


def _insist_on_tested(rotation: Rotation, new: Secret, tell: Tell) -> None:
    tested = rotation.test(rotation.providers, new)
    names = ", ".join(rotation.providers)
    if exit_code(tested):
        places = rotation.declared.places
        audit.note(places, "rotate: test", [rotation.name], f"failed: {tested[0].result}")
        tell(table(tested))
        cause = f"was not taken by {names}"
        raise _problem(rotation.name, cause, "nothing was changed; give a key that works there")
    keep_tested(rotation.folder, tested)
    for sentence in dict.fromkeys(trial.untested for trial in tested if trial.untested):
        tell(sentence)
    if works := dict.fromkeys(trial.provider for trial in tested if not trial.untested):
        tell(f"the new {rotation.name} works: {', '.join(works)}")


def _problem(name: str, cause: str, way_out: str) -> DeclarationError:
    return DeclarationError([Problem(name, "", cause, way_out)])
