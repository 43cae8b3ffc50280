"""What clients see when an instance fails: LiteLLM with its defaults, tuned, and llmrack's gateway.

``python -m bench.failover`` (root; about fifteen minutes) breaks an instance in each way there is,
while requests come one after the other, and mends it again. It prints a table, writes it into
``bench/README.md`` and the figures into ``bench/failover.json``. All of it runs in a mount
namespace of its own, whose /etc/hosts it may change. Nothing here asserts a time.
"""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import httpx
import trustme

from bench.asking import Outcome, ask
from bench.breakable import Breakable
from bench.failover_gateways import FIRST_TOKEN, TUNED, Asked, Gateway, Names, ours, plain
from bench.figures import keep, keep_all
from bench.gateway_python import LOCK, gateway_python
from bench.load import Spoilt
from llmrack.site.locks import litellm_version
from llmrack_lab.standins.answers import Model
from llmrack_lab.standins.http import Reply, Request, Stream
from llmrack_lab.standins.provider import Routes
from llmrack_lab.standins.vllm import VLLM

ROOT = Path(__file__).parents[1]
FIGURES = Path(__file__).with_suffix(".json")
BEGIN, END = "<!-- begin: written by bench.failover -->", "<!-- end -->"
INSIDE = "--inside"
HOSTS = Path("/etc/hosts")

# Cause → what the table calls it.
CAUSES = {
    "refused": "connection refused",
    "black hole": "no connection comes about",
    "name": "name unknown (DNS)",
    "certificate": "certificate of another name",
    "401": "401",
    "429": "429, Retry-After: 2",
    "500": "500",
    "missing": "model missing (404)",
    "hang": "hang before the first token",
    "cut": "connection lost after 4 tokens",
    "end": "ends after 4 tokens as if whole",
}
# Seconds from one token to the next.
TOKEN = 0.01
REQUESTS = 30
PAUSE = 0.1
# Seconds that a client waits for the next byte, a trial lasts, and a return is waited for.
PATIENCE, TRIAL, RETURN = 20.0, 45.0, 30.0
TOGETHER = 4


class Paced(VLLM):
    """With a moment between tokens, as models have it: else what breaks overtakes them."""

    def routes(self) -> Routes:
        """As before."""
        return {
            path: functools.partial(_paced, answer) for path, answer in super().routes().items()
        }


def _paced(answer: Callable[[Request], Reply | Stream], request: Request) -> Reply | Stream:
    found = answer(request)
    if isinstance(found, Reply):
        return found

    def pieces(given: Iterator[bytes] = found.pieces) -> Iterator[bytes]:
        for piece in given:
            time.sleep(TOKEN)
            yield piece

    return Stream(found.content_type, pieces())


@dataclass(frozen=True)
class Figures:
    """What came of a cause.

    + outcome: of the request that found out: "whole" answer, "error", "nothing", or "false": what
      passes for an answer, and is a part of one, or parts of two
    + first: seconds until its first token, or its plain answer; None: nothing came
    + failed: requests without a whole answer, while it was broken and after
    + requests: how many were sent while it was broken
    + hits: attempts on the broken instance meanwhile
    + back: seconds from its mending to its first answer; None: more than RETURN
    """

    outcome: str
    first: float | None
    failed: int
    requests: int
    hits: int
    back: float | None

    def __str__(self) -> str:
        first = f" {self.first:.2f} s" if self.first is not None else ""
        back = f"{self.back:.1f} s" if self.back is not None else f"> {RETURN:.0f} s"
        return f"{self.outcome}{first}; {self.failed}; {self.hits}/{self.requests}; {back}"


@dataclass
class Trial:
    """A cause and a kind of answer, with an instance of its own to break."""

    cause: str
    stream: bool
    at: Breakable

    @property
    def name(self) -> str:
        """The public name that is asked."""
        return f"{self.cause} {'stream' if self.stream else 'plain'}".replace(" ", "-")

    @property
    def host(self) -> str:
        """A name that is unknown until it stands in /etc/hosts."""
        return f"{self.name}.invalid"


def _ask(client: httpx.Client, trial: Trial) -> tuple[str, Outcome | None]:
    try:
        found = ask(client, trial.name, trial.stream)
    except httpx.TimeoutException:
        return "nothing", None
    return ("false" if found.false else "error" if found.error else "whole"), found


def measure(gateway: Gateway, trial: Trial) -> Figures:
    """Break, ask, mend, ask on."""
    deployment = f"{trial.name}-1/{trial.name}"
    with gateway.client(PATIENCE) as client:
        # A name that was known once is remembered, whatever becomes of it: it begins unknown.
        if trial.cause != "name":
            if _ask(client, trial)[0] != "whole":
                raise Spoilt(f"{trial.name} is not answered before anything is broken")
            trial.at.fail(trial.cause)
        asked, began = gateway.attempts(deployment), time.monotonic()
        outcome, found = _ask(client, trial)
        outcomes = [outcome]
        while len(outcomes) < REQUESTS and time.monotonic() - began < TRIAL:
            time.sleep(PAUSE)
            outcomes.append(_ask(client, trial)[0])
        hits, requests = gateway.attempts(deployment) - asked, len(outcomes)
        _mend(trial)
        mended, back = time.monotonic(), None
        while back is None and time.monotonic() - mended < RETURN:
            again, answer = _ask(client, trial)
            outcomes.append(again)
            if answer and answer.whole and answer.by == deployment:
                back = time.monotonic() - mended - answer.seconds
            else:
                time.sleep(PAUSE)
    failed = sum(each != "whole" for each in outcomes)
    return Figures(outcome, found.first if found else None, failed, requests, hits, back)


def _mend(trial: Trial) -> None:
    trial.at.mend()
    if trial.cause == "name":
        with HOSTS.open("a") as file:
            file.write(f"127.0.0.1 {trial.host}\n")


def contenders() -> dict[str, Callable[[Names], dict[str, str]]]:
    """What is compared: by name, the files of a gateway."""
    return {
        "LiteLLM, its defaults": lambda names: plain(names, {}),
        "LiteLLM, tuned": lambda names: plain(names, TUNED),
        "llmrack": lambda names: ours(names, watched=True),
        "llmrack, not watching": lambda names: ours(names, watched=False),
    }


def run(folder: Path) -> dict[str, dict[str, Figures]]:
    """Each contender's figures, by the trial's name."""
    authority = trustme.CA()
    hosts = HOSTS.read_text()
    with contextlib.ExitStack() as opened:

        def instance(secure: bool = False) -> Breakable:
            provider = Paced([Model("m")], "")
            return opened.enter_context(Breakable(provider, authority if secure else None))

        trials = [
            Trial(cause, stream, instance(cause == "certificate"))
            for cause in CAUSES
            for stream in (True, False)
        ]
        backup = Asked(f"{instance().url}/v1")
        names = {each.name: (_asked(each, authority), backup) for each in trials}
        gateways = {
            name: Gateway(folder / name, files(names)) for name, files in contenders().items()
        }
        found = {}
        for name, gateway in gateways.items():
            click.echo(name)
            HOSTS.write_text(hosts)
            with gateway, ThreadPoolExecutor(TOGETHER) as pool:
                with gateway.client(60) as client:
                    ask(client, trials[0].name, stream=True)
                figures = pool.map(functools.partial(measure, gateway), trials)
                found[name] = dict(zip(names, figures, strict=True))
    return found


def _asked(trial: Trial, authority: trustme.CA) -> Asked:
    url = f"{trial.at.url}/v1"
    if trial.cause == "name":
        url = url.replace("127.0.0.1", trial.host)
    verified = trial.cause == "certificate"
    return Asked(url, authority.cert_pem.bytes().decode() if verified else None)


def table(found: dict[str, dict[str, Figures]]) -> str:
    """The figures as a table in Markdown."""
    lines = [f"| cause | | {' | '.join(found)} |", "|---|---|" + "---|" * len(found)]
    for cause, said in CAUSES.items():
        for way in ("stream", "plain"):
            name = f"{cause} {way}".replace(" ", "-")
            cells = " | ".join(str(figures[name]) for figures in found.values())
            lines.append(f"| {said if way == 'stream' else ''} | {way} | {cells} |")
    return "\n".join(lines)


def circumstances(load: float) -> str:
    """What the figures depend on, in one paragraph."""
    return (
        f"Gateway, instances and {TOGETHER} clients share {os.cpu_count()} cores; load before the "
        f"first run {load:.1f}. llmrack is told to wait {FIRST_TOKEN:g} s for a first token; a "
        f"client gives up after {PATIENCE:g} s. LiteLLM "
        f"{litellm_version(LOCK.read_text(encoding='utf-8'))}; {time.strftime('%Y-%m-%d')}."
    )


def inside() -> None:
    """Measure, print the table and keep it."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="bench-failover-") as folder:
        own = Path(folder) / "hosts"
        own.write_text(HOSTS.read_text())
        subprocess.run(["mount", "--bind", own, HOSTS], check=True)
        try:
            found = run(Path(folder))
        finally:
            subprocess.run(["umount", HOSTS], check=True)
    said = circumstances(load)
    figures = {name: {key: asdict(each) for key, each in of.items()} for name, of in found.items()}
    keep_all(FIGURES, said, figures)
    text = f"{said}\n\n{table(found)}"
    click.echo(text)
    keep(text, BEGIN, END)


def main() -> None:
    """Prepare with everything at hand, then measure in a namespace of its own."""
    if INSIDE in sys.argv:
        inside()
        return
    if os.geteuid():
        raise Spoilt("a mount namespace of its own needs root: use sudo")
    gateway_python()
    command = ["unshare", "--mount", sys.executable, "-m", "bench.failover", INSIDE]
    sys.exit(subprocess.run(command, check=False).returncode)


if __name__ == "__main__":
    try:
        main()
    except (Spoilt, subprocess.CalledProcessError) as error:
        sys.exit(f"bench: {error}")
