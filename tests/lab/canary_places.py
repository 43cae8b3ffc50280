"""Where secrets must not be, how that is searched, and what must be true after every run."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from llmrack.components.gateway.service import COLOURS
from tests import ROOT
from tests.lab import echo
from tests.lab.canary import BOX, CONFIG, ENV_FILE, Evidence, Looked, watched
from tests.lab.canary_runs import GATEWAY, start_echo, tell_echo, used_shells
from tests.lab.site import Site

AS_LLM = "i=$(id -u llm); export XDG_RUNTIME_DIR=/run/user/$i; setpriv --reuid=$i --init-groups "


@contextmanager
def gathered(site: Site, run: Callable[[Evidence], None]) -> Iterator[Evidence]:
    """What is found of canaries on ``BOX``, which is as new, after ``run`` was watched.

    ``run`` ends with a gateway that serves with the new master key.
    """
    keys = site.secrets | {
        name: f"canary-{secrets.token_hex(16)}" for name in ("ECHO_API_KEY", "ECHO_HEADER")
    }
    old, new = (f"sk-canary-{secrets.token_hex(16)}" for _ in range(2))
    keys.pop("LITELLM_MASTER_KEY", None)
    evidence = Evidence(site, keys, old, new, time.time() - 1)
    evidence.env_file.parent.mkdir(mode=0o700)
    start_echo(site)
    with watched(evidence):
        run(evidence)
    used_shells(evidence)
    evidence.texts |= answers(evidence)
    yield evidence
    site.on(BOX, "systemctl stop echo")


def client(evidence: Evidence) -> httpx.Client:
    return httpx.Client(
        base_url=f"http://{evidence.site.lab.host(BOX).address}:4000",
        headers={"Authorization": f"Bearer {evidence.new_master}"},
        timeout=30,
        trust_env=False,
    )


def whole(answer: httpx.Response) -> str:
    headers = "".join(f"{name}: {value}\n" for name, value in answer.headers.items())
    return f"{answer.status_code} {answer.url}\n{headers}\n{answer.text}\n"


def answers(evidence: Evidence) -> dict[str, str]:
    """What the gateway says: every page that can be read, and the errors of a provider."""
    with client(evidence) as gateway:
        paths = gateway.get("/openapi.json").json()["paths"]
        pages = [path for path, ways in paths.items() if "get" in ways and "{" not in path]
        read = []
        for path in pages:
            try:
                read.append(whole(gateway.get(path, timeout=10)))
            except httpx.TransportError as error:
                read.append(f"{path}: {type(error).__name__}\n")
        tell_echo(evidence.site, "refuse")
        chat = {"model": echo.MODEL, "messages": [{"role": "user", "content": "Say hello."}]}
        errors = [
            whole(gateway.post("/v1/chat/completions", json=chat | more))
            for more in ({}, {"stream": True}, {"max_tokens": 1})
        ]
        errors.append(whole(gateway.post("/v1/completions", json=chat | {"prompt": "Hello"})))
        tell_echo(evidence.site, "serve")
        wrong = {"Authorization": f"Bearer {evidence.new_master}x"}
        errors.append(whole(gateway.get("/v1/models", headers=wrong)))
        own = {"Authorization": f"Bearer {evidence.client_key}"}
        errors.append(whole(gateway.get("/model/info", headers=own)))
        errors.append(whole(gateway.post("/v1/chat/completions", json={}, headers=own)))
    return {"the gateway's pages": "".join(read), "the gateway's errors": "".join(errors)}


def files_of_the_controller(evidence: Evidence) -> Iterator[tuple[Path, str]]:
    """Every file here that was written since it began: the project, the lab, /tmp, home."""
    lab = evidence.site.lab
    boxes = {folder.name for folder in lab.folder.glob("box*")}
    others = {".git", ".venv", ".lab"} | boxes
    for top in (ROOT, lab.folder, Path(tempfile.gettempdir()), Path.home()):
        for folder, names, files in os.walk(top):
            names[:] = [name for name in names if name not in others]
            for path in (Path(folder, name) for name in files):
                # Others' temporary files come and go.
                try:
                    if path.is_file() and path.stat().st_mtime >= evidence.started:
                        yield path, path.read_text(encoding="utf-8", errors="replace")
                except OSError:
                    continue


def on_the_controller(evidence: Evidence) -> Looked:
    """All but the file that the secrets are declared in."""
    size, shown = 0, []
    for path, text in files_of_the_controller(evidence):
        if path != evidence.env_file:
            looked = evidence.look(text)
            size += looked.size
            shown += [f"{name} in {path}" for name in looked.shown]
    return Looked(size, shown)


def records_of_standins(evidence: Evidence) -> Looked:
    names = ("cloud", "vllm", "openai", "office", "attic")
    return evidence.look("".join(json.dumps(evidence.site.requests(name)) for name in names))


def printed(evidence: Evidence, *words: str) -> Looked:
    """What those runs printed whose names begin with one of these words."""
    found = [run.output for name, run in evidence.runs.items() if name.startswith(words)]
    return evidence.look("".join(found))


def files(evidence: Evidence, *patterns: str) -> Looked:
    """Files of the site's folder."""
    found = [path for each in patterns for path in evidence.site.folder.glob(each)]
    texts = [path.read_text(errors="replace") for path in found if path.is_file()]
    return evidence.look("".join(texts))


# Where the canaries are looked for after every run; what is empty was not searched.
EVERYWHERE: dict[str, Callable[[Evidence], Looked]] = {
    "deploys that succeed": lambda e: printed(e, "the first", "the last"),
    "the controller's process lists": lambda e: e.look("\n".join(e.seen["controller"]["args"])),
    "the host's process lists": lambda e: e.look("\n".join(e.seen["host"]["args"])),
    # But for the servers that stand in for the providers, which must know the keys.
    "the controller's processes' environments": lambda e: Looked(
        e.seen["controller"]["environments"],
        [line for _, line in e.seen["controller"]["shown"] if "llmrack_lab.standins" not in line],
    ),
    "the host's processes' environments": lambda e: Looked(
        e.seen["host"]["environments"], [line for _, line in e.seen["host"]["shown"]]
    ),
    "files written on the controller": on_the_controller,
    "the project's .llmrack": lambda e: e.look(
        "".join(path.read_text() for path in (ROOT / ".llmrack").glob("*.json*"))
    ),
    "the gateway's pages": lambda e: e.look(e.texts["the gateway's pages"]),
    "the gateway's errors": lambda e: e.look(e.texts["the gateway's errors"]),
    "the host's journals": lambda e: e.look_on_host("journalctl -q --all -o export"),
    "system units as systemd shows them": lambda e: e.look_on_host("systemctl show '*'"),
    "user units as systemd shows them": lambda e: e.look_on_host(
        f"{AS_LLM} systemctl --user show '*'; {AS_LLM} systemctl --user show-environment; "
        f"{AS_LLM} systemctl --user cat 'llmrack-*'"
    ),
    "shell histories": lambda e: e.look_on_host("cat /root/.*_history /home/*/.*_history"),
    "the releases' files": lambda e: e.look_on_host(
        "cd /home/llm/.local/opt/llmrack-gateway/releases && find . -type f -exec cat {} +"
    ),
    "the stand-ins' records": records_of_standins,
    "the gateway's request log": lambda e: e.look_on_host(
        "cat /home/llm/.local/state/llmrack/requests/*"
    ),
}


def assert_hidden(looked: Looked) -> None:
    """Something was searched, and no canary was in it."""
    assert looked.size > 0, "there was nothing to search"
    assert looked.shown == []


def assert_as_meant(evidence: Evidence, reasons: dict[str, str]) -> None:
    """Runs failed whose names say so, for these reasons, and no others did."""
    for name, run in evidence.runs.items():
        assert (run.code != 0) == name.startswith("fails"), (name, run.output[-3000:])
    for name, reason in reasons.items():
        assert reason in evidence.runs[name].output, (name, evidence.runs[name].output[-3000:])
    assert "gate.py" in "\n".join(evidence.seen["host"]["args"])
    assert "deploy.py -y" in "\n".join(evidence.seen["controller"]["args"])
    # The gateway answered what is searched.
    assert "/model/info" in evidence.texts["the gateway's pages"]
    assert evidence.texts["the gateway's errors"].count(echo.WORDS) >= 3


def assert_closed_on_the_host(evidence: Evidence) -> None:
    """At no time could others read the environment file or its folder."""
    user = int(evidence.site.on(BOX, "id -u llm"))
    seen = {
        (path, owner, mode)
        for path, owner, mode in evidence.seen["host"]["files"]
        if path.startswith(ENV_FILE) and not (path == ENV_FILE and owner == 0)
    }
    # The file itself, the beside-file that it is renamed from, and where the test moved it to.
    assert ENV_FILE in {path for path, _, _ in seen}
    assert {(owner, mode) for _, owner, mode in seen} == {(user, 0o600)}
    folders = [rest for path, *rest in evidence.seen["host"]["files"] if path == CONFIG]
    assert [user, 0o700] in folders


def assert_closed_on_the_controller(evidence: Evidence) -> None:
    """At no time could others read what is secret in the declaration's folder."""
    # These two are made to be committed.
    public = ("secrets.age", "secrets.audit.jsonl")
    seen = [(path, mode) for path, _, mode in evidence.seen["controller"]["files"]]
    modes = {mode for path, mode in seen if not path.endswith(public)}
    assert modes == {0o600, 0o700}
    assert str(evidence.env_file) in dict(seen)
    assert evidence.env_file.stat().st_mode & 0o777 == 0o600


def assert_only_gateways_have_keys(evidence: Evidence) -> None:
    """Of all files of the host, only the gateway's keys and those of a rollback have a canary."""
    search = (
        "grep -rlaF -f /dev/stdin --devices=skip --exclude-dir=proc --exclude-dir=sys "
        "--exclude-dir=lab / 2>/dev/null"
    )
    patterns = "\n".join(evidence.parts.values())
    found = evidence.site.lab.host(BOX).ssh(search, input=patterns, check=False).stdout.split()
    credential = "/credentials/llmrack-gateway@"
    # What systemd hands the gateway that runs, in memory: see the credential's own test.
    kept = [path for path in found if credential not in path]
    started = {f"{GATEWAY}/started/{colour}/gateway.env" for colour in COLOURS}
    assert {*kept} - started == {ENV_FILE}
    assert len(found) == len(kept) + 1
    modes = evidence.site.on(BOX, f"stat -c '%U %a' {' '.join(kept)}").splitlines()
    assert {*modes} == {"llm 600"}
