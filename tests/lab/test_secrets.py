"""Canaries: secrets whose values exist nowhere else are looked for wherever they must not be."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from llmrack.components.gateway.service import COLOURS
from llmrack_lab.lab import Lab
from tests.lab import echo
from tests.lab.canary import BOX, CONFIG, ENV_FILE, Evidence, Looked, watched
from tests.lab.canary_runs import (
    GATEWAY,
    STEPS,
    VERBOSITIES,
    at_step,
    from_the_environment,
    run_all,
    start_echo,
    tell_echo,
    used_shells,
)
from tests.lab.site import ROOT, Site

# Everything that is run before the first test: seven minutes on two cores.
pytestmark = pytest.mark.timeout(1800)
AS_LLM = "i=$(id -u llm); export XDG_RUNTIME_DIR=/run/user/$i; setpriv --reuid=$i --init-groups "


@pytest.fixture(scope="module")
def evidence(lab: Lab, module_site: Site, fresh: Callable[[str], None]) -> Iterator[Evidence]:
    """A first deploy, every command, deploys that fail at every step, a changed key."""
    fresh(BOX)
    keys = module_site.secrets | {
        name: f"canary-{secrets.token_hex(16)}" for name in ("ECHO_API_KEY", "ECHO_HEADER")
    }
    old, new = (f"sk-canary-{secrets.token_hex(16)}" for _ in range(2))
    keys.pop("LITELLM_MASTER_KEY", None)
    found = Evidence(module_site, keys, old, new, time.time() - 1)
    found.env_file.parent.mkdir(mode=0o700)
    start_echo(module_site)
    with watched(found):
        run_all(found)
    from_the_environment(found)
    used_shells(found)
    found.texts |= answers(found)
    yield found
    module_site.on(BOX, "systemctl stop echo")


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


def test_the_runs_went_as_they_were_meant_to(evidence: Evidence) -> None:
    failing = {name for name, run in evidence.runs.items() if run.code != 0}
    assert failing == {name for name in evidence.runs if name.startswith("fails")}, [
        (name, evidence.runs[name].output[-3000:])
        for name in sorted(failing)
        if not name.startswith("fails")
    ]
    reasons = {
        "fails at a model": "no-such-model",
        "fails at the proof": "not proven: gpt-oss:20b-cloud",
        **{at_step(step): said for step, (_, _, said) in STEPS.items()},
    }
    environment_file = STEPS["the environment file"][2]
    reasons |= {at_step("the environment file", each): environment_file for each in VERBOSITIES}
    for name, reason in reasons.items():
        assert reason in evidence.runs[name].output, (name, evidence.runs[name].output[-3000:])
    for name, run in evidence.runs.items():
        if "mistake of ours" in name:
            assert "broken on purpose" in run.output, (name, run.output[-3000:])
    settled = evidence.runs["nothing to do"]
    assert not settled.changed
    assert settled.commands == {BOX: 1}


def test_the_gateway_answered_what_is_searched(evidence: Evidence) -> None:
    assert "/model/info" in evidence.texts["the gateway's pages"]
    assert evidence.texts["the gateway's errors"].count(echo.WORDS) >= 3


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


# Where secrets must not be, and how that is searched; what is empty was not searched.
PLACES: dict[str, Callable[[Evidence], Looked]] = {
    "a plan and its differences (-vvv --debug --diff)": lambda e: printed(e, "a plan"),
    "deploys that succeed (-vvv --debug-all --diff)": lambda e: printed(
        e, "the first", "the last", "nothing"
    ),
    "deploys that fail at a step, at every verbosity": lambda e: printed(e, "fails at"),
    "facts and operations as pyinfra shows them": lambda e: printed(e, "shows"),
    "a deploy that fails for a mistake in the stack": lambda e: printed(e, "fails for a mistake"),
    "tracebacks of mistakes of ours": lambda e: printed(e, "fails by a mistake of ours"),
    "verification of a provider that hands keys back": lambda e: printed(e, "fails verification"),
    "runs with keys from the environment": lambda e: printed(e, "keys from", "a plan with keys"),
    "llmrack plan, check, graph, schema, curl, status": lambda e: printed(
        e,
        *(f"llmrack {each}" for each in ("plan", "check", "graph", "schema", "curl", "status")),
    ),
    "pyinfra debug-inventory": lambda e: printed(e, "debug-inventory"),
    "reports as tables and JSON": lambda e: printed(e, "llmrack verify"),
    "reports as JUnit": lambda e: files(e, "verify.xml", "drill.xml"),
    "llmrack bundle": lambda e: printed(e, "llmrack bundle"),
    "the bundle": lambda e: files(e, "bundle/*", "bundle/**/*.json", "bundle/**/Packages"),
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
    "llmrack secrets": lambda e: printed(e, "llmrack secrets", "fails: "),
    "a deploy from a vault (-vvv --debug-all --diff)": lambda e: printed(e, "the deploy from"),
    "llmrack models and keys": lambda e: printed(e, "llmrack models", "llmrack keys"),
    "the audit trail": lambda e: files(e, "private/*.jsonl"),
    "the gateway's request log": lambda e: e.look_on_host(
        "cat /home/llm/.local/state/llmrack/requests/*"
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_no_secret_is_shown_or_kept_there(evidence: Evidence, place: str) -> None:
    looked = PLACES[place](evidence)
    assert looked.size > 0, "there was nothing to search"
    assert looked.shown == []


def test_the_list_of_places(evidence: Evidence, capsys: pytest.CaptureFixture[str]) -> None:
    """Printed in full, for reports."""
    found = {place: look(evidence) for place, look in PLACES.items()}
    with capsys.disabled():
        print()
        for place, looked in found.items():
            print(f"{place:55} {looked.size:>12,} searched, {len(looked.shown)} found")
    assert len(found) == len(PLACES)


@pytest.mark.parametrize(
    ("place", "program"), [("host", "gate.py"), ("controller", "deploy.py -y -vvv")]
)
def test_the_process_lists_have_what_was_run(evidence: Evidence, place: str, program: str) -> None:
    assert program in "\n".join(evidence.seen[place]["args"])


def test_the_environment_file_is_never_open_to_others(evidence: Evidence) -> None:
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


def test_the_controllers_secrets_are_never_open_to_others(evidence: Evidence) -> None:
    # These two are made to be committed.
    public = ("secrets.age", "secrets.audit.jsonl")
    seen = [(path, mode) for path, _, mode in evidence.seen["controller"]["files"]]
    modes = {mode for path, mode in seen if not path.endswith(public)}
    assert modes == {0o600, 0o700}
    assert str(evidence.env_file) in dict(seen)
    assert evidence.env_file.stat().st_mode & 0o777 == 0o600


def test_on_the_host_the_gateways_keys_and_those_of_a_rollback_alone_are_secrets(
    evidence: Evidence, lab: Lab
) -> None:
    search = (
        "grep -rlaF -f /dev/stdin --devices=skip --exclude-dir=proc --exclude-dir=sys "
        "--exclude-dir=lab / 2>/dev/null"
    )
    patterns = "\n".join(evidence.parts.values())
    found = lab.host(BOX).ssh(search, input=patterns, check=False).stdout.split()
    credential = "/credentials/llmrack-gateway@"
    # What systemd hands the gateway that runs, in memory: see the credential's own test.
    kept = [path for path in found if credential not in path]
    started = {f"{GATEWAY}/started/{colour}/gateway.env" for colour in COLOURS}
    assert {*kept} - started == {ENV_FILE}
    assert len(found) == len(kept) + 1
    modes = evidence.site.on(BOX, f"stat -c '%U %a' {' '.join(kept)}").splitlines()
    assert {*modes} == {"llm 600"}


def test_the_credential_is_in_memory_and_closed(evidence: Evidence) -> None:
    path = evidence.site.on(BOX, "ls /run/user/*/credentials/llmrack-gateway@*/gateway.env")
    assert evidence.site.on(BOX, f"stat -c '%U %a' {path}") == "llm 400"
    assert evidence.site.on(BOX, f"findmnt -no FSTYPE -T {path}").split()[0] in ("tmpfs", "ramfs")


def test_the_deploy_says_how_the_gateway_gets_its_keys(evidence: Evidence) -> None:
    said = "the gateway gets its keys as a systemd credential (systemd 252)"
    assert said in evidence.runs["the last deploy"].output
    assert "its keys are a systemd credential" in evidence.runs["llmrack plan"].output


def test_the_gateway_leaves_no_core_dump(evidence: Evidence) -> None:
    unit = gateway_unit(evidence.site)
    pid = evidence.site.as_service(BOX, f"systemctl --user show -P MainPID {unit}")
    assert "Max core file size 0 0" in " ".join(
        evidence.site.on(BOX, f"grep core /proc/{pid}/limits").split()
    )


def gateway_unit(site: Site) -> str:
    (unit,) = site.as_service(
        BOX, "systemctl --user list-units -q --plain --no-legend --state=active 'llmrack-gateway@*'"
    ).splitlines()
    return unit.split()[0]


def test_a_login_shell_of_the_service_user_knows_ollamas_key_and_no_other(
    evidence: Evidence,
) -> None:
    names = evidence.site.on(BOX, "su - llm -s /bin/bash -c 'env' | cut -d= -f1").split()
    assert "OLLAMA_API_KEY" in names
    assert not {"LITELLM_MASTER_KEY", "OPENAI_API_KEY", "VLLM_API_KEY"} & set(names)


def test_the_old_master_key_is_gone_from_the_host(evidence: Evidence) -> None:
    assert evidence.old_master not in evidence.site.on(BOX, f"cat {ENV_FILE}")
    assert evidence.new_master in evidence.site.on(BOX, f"cat {ENV_FILE}")


def ask(evidence: Evidence, model: str) -> str:
    """The answer of ``model``."""
    with client(evidence) as gateway:
        body = {"model": model, "messages": [{"role": "user", "content": "Say hello."}]}
        answer = gateway.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    content: str = answer.json()["choices"][0]["message"]["content"]
    return content


def ollama_requests(site: Site) -> Any:
    return json.loads(site.on(BOX, "curl -s http://127.0.0.1:11434/__standin__/requests"))


@pytest.fixture(scope="module")
def asked(evidence: Evidence) -> dict[str, str]:
    """What each server was asked, as text, after every fallback of the chain was taken once."""
    site = evidence.site
    providers = ("vllm", "openai", "office", "cloud")
    for name in providers:
        # Before, the cloud was shown a wrong key: a rotation to it was tried.
        site.forget_requests(name)
    fault = 'curl -s -d \'{"mode":"%s"}\' http://127.0.0.1:11434/__standin__/fault'
    answers = [ask(evidence, "llama3.2:1b")]
    site.on(BOX, fault % "500")
    answers.append(ask(evidence, "llama3.2:1b"))
    for name in ("vllm", "openai", "office"):
        site.fault(name, "500")
        answers.append(ask(evidence, "llama3.2:1b"))
    site.on(BOX, fault % "ok")
    assert [answer.split()[0] for answer in answers] == [
        "[box3",
        "[vllm",
        "[openai",
        "[office",
        "[cloud",
    ]
    texts = {name: json.dumps(site.requests(name)) for name in providers}
    return texts | {"ollama": json.dumps(ollama_requests(site))}


@pytest.mark.parametrize(
    ("server", "own"),
    [
        ("cloud", {"OLLAMA_API_KEY"}),
        ("vllm", {"VLLM_API_KEY"}),
        ("openai", {"OPENAI_API_KEY"}),
        ("office", {"OFFICE_API_KEY", "OFFICE_CLIENT_KEY"}),
        ("ollama", set()),
    ],
)
def test_each_server_is_shown_its_own_keys_and_no_other(
    evidence: Evidence, asked: dict[str, str], server: str, own: set[str]
) -> None:
    digests = {
        name: hashlib.sha256(value.encode()).hexdigest() for name, value in evidence.values.items()
    }
    assert {name for name, digest in digests.items() if digest in asked[server]} == own
    assert evidence.look(asked[server]).shown == []
