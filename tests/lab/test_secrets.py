"""Canaries: values that exist nowhere else are looked for; here after deploys that succeed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from llmrack_lab.lab import Lab
from tests.lab.canary import BOX, ENV_FILE, Evidence, Looked
from tests.lab.canary_places import (
    EVERYWHERE,
    assert_as_meant,
    assert_closed_on_the_controller,
    assert_closed_on_the_host,
    assert_hidden,
    assert_only_gateways_have_keys,
    client,
    gathered,
    printed,
)
from tests.lab.canary_runs import (
    deploys,
    from_the_environment,
)
from tests.lab.site import Site

# Everything that is run before the first test, on a machine that is busy.
pytestmark = pytest.mark.timeout(1500)


@pytest.fixture(scope="module")
def evidence(lab: Lab, module_site: Site, fresh: Callable[[str], None]) -> Iterator[Evidence]:
    """A first deploy, a changed key, keys from the environment."""
    fresh(BOX)
    with gathered(module_site, deploys) as found:
        from_the_environment(found)
        yield found


PLACES: dict[str, Callable[[Evidence], Looked]] = EVERYWHERE | {
    "a plan and its differences (-vvv --debug --diff)": lambda e: printed(e, "a plan"),
    "a deploy that has nothing to do": lambda e: printed(e, "nothing"),
    "runs with keys from the environment": lambda e: printed(e, "keys from", "a plan with keys"),
}


def test_the_runs_went_as_they_were_meant_to(evidence: Evidence) -> None:
    assert_as_meant(evidence, {})
    settled = evidence.runs["nothing to do"]
    assert not settled.changed
    assert settled.commands == {BOX: 1}


@pytest.mark.parametrize("place", PLACES)
def test_no_secret_is_shown_or_kept_there(evidence: Evidence, place: str) -> None:
    assert_hidden(PLACES[place](evidence))


def test_secrets_are_never_open_to_others(evidence: Evidence) -> None:
    assert_closed_on_the_host(evidence)
    assert_closed_on_the_controller(evidence)


def test_on_the_host_the_gateways_keys_and_those_of_a_rollback_alone_are_secrets(
    evidence: Evidence,
) -> None:
    assert_only_gateways_have_keys(evidence)


def test_the_credential_is_in_memory_and_closed(evidence: Evidence) -> None:
    path = evidence.site.on(BOX, "ls /run/user/*/credentials/llmrack-gateway@*/gateway.env")
    assert evidence.site.on(BOX, f"stat -c '%U %a' {path}") == "llm 400"
    assert evidence.site.on(BOX, f"findmnt -no FSTYPE -T {path}").split()[0] in ("tmpfs", "ramfs")


def test_the_deploy_says_how_the_gateway_gets_its_keys(evidence: Evidence) -> None:
    said = "the gateway gets its keys as a systemd credential (systemd 252)"
    assert said in evidence.runs["the last deploy"].output
    assert (
        "its keys are a systemd credential"
        in evidence.runs["a plan with keys from the environment"].output
    )


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
