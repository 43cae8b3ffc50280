"""Another value for a key, while clients ask without a pause: none of them notices."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.lab.load import Load, lost
from tests.lab.site import Run, Site

BOX = "box1"
STACK: dict[str, Any] = {
    "providers": {"local": {"kind": "ollama", "group": "gpu"}, "cloud": {"kind": "ollama-cloud"}},
    "models": {
        "llama3.2:1b": {"provider": "local"},
        "gpt-oss:20b-cloud": {"provider": "cloud"},
    },
}
CLOUD = "gpt-oss:20b-cloud"


def llmrack(site: Site, *command: str, given: str = "") -> Run:
    return site.run("llmrack", *command, "-i", site.inventory, given=given)


@pytest.fixture(scope="module")
def site(
    module_site: Site, fresh: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A box whose keys are in a vault, which an identity of the tests' own opens."""
    fresh(BOX)
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        for name in module_site.secrets:
            patch.delenv(name, raising=False)
        folder = module_site.folder
        module_site.declare(
            {BOX: ("gpu", "gateway")},
            STACK,
            env_file=str(folder / "env"),
            secrets_file=str(folder / "secrets.age"),
            gateway_bind="0.0.0.0",
        )
        assert llmrack(module_site, "secrets", "init").code == 0
        key = module_site.secrets["OLLAMA_API_KEY"]
        done = llmrack(module_site, "secrets", "set", "OLLAMA_API_KEY", given=key)
        assert done.code == 0, done.output
        module_site.deployed()
        yield module_site
        module_site.lab.accept("cloud", key, only=True)


def value(site: Site, name: str) -> str:
    """A secret as it is kept."""
    line = llmrack(site, "secrets", "export", name).output
    assert line.startswith(f"{name}="), line
    return line.strip().partition("=")[2]


def on_host(site: Site) -> str:
    """The SHA-256 of the cloud's key on the host."""
    env_file = "/home/llm/.config/llmrack/gateway.env"
    command = f"sed -n 's/^OLLAMA_API_KEY=//p' {env_file} | tr -d '\\n' | sha256sum"
    return site.on(BOX, command).split()[0]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def asked_with(site: Site, master: str) -> int:
    """The status of an answer to a client with that key."""
    return httpx.post(
        f"http://{site.lab.host(BOX).address}:4000/v1/chat/completions",
        headers={"Authorization": f"Bearer {master}"},
        json={"model": CLOUD, "messages": [{"role": "user", "content": "Say hello."}]},
        timeout=30,
        trust_env=False,
    ).status_code


def last_operations(site: Site) -> list[tuple[str, str]]:
    lines = llmrack(site, "secrets", "audit", "--json").output.splitlines()
    return [(each["action"], each["result"]) for each in map(json.loads, lines)]


def new_key(site: Site) -> str:
    """A key that the cloud takes beside the present one."""
    key = secrets.token_hex(16)
    site.lab.accept("cloud", key, only=False)
    return key


def test_the_generated_master_key_is_in_the_vault(site: Site) -> None:
    assert value(site, "LITELLM_MASTER_KEY").startswith("sk-")
    assert not (site.folder / "env").exists()


def test_a_second_run_changes_nothing(site: Site) -> None:
    site.settled()


def test_a_providers_key_is_rotated_and_no_request_is_lost(site: Site) -> None:
    new = new_key(site)
    with Load(site, BOX, CLOUD, key=value(site, "LITELLM_MASTER_KEY")) as load:
        done = llmrack(site, "secrets", "rotate", "OLLAMA_API_KEY", given=new)
        assert done.code == 0, done.output
        # Now the provider takes no other.
        site.lab.accept("cloud", new, only=True)
        load.wait_for(20)
    assert not lost(load.answers)
    assert (value(site, "OLLAMA_API_KEY"), on_host(site)) == (new, digest(new))
    assert "now revoke the old one at cloud" in done.output
    assert [each for each in last_operations(site) if each[0].startswith("rotate")] == [
        ("rotate: begin", "ok"),
        ("rotate: done", "ok"),
    ]


def test_a_rotation_leaves_nothing_to_deploy(site: Site) -> None:
    site.settled()


def test_a_key_that_does_not_work_is_not_even_stored(site: Site) -> None:
    old = value(site, "OLLAMA_API_KEY")
    done = llmrack(site, "secrets", "rotate", "OLLAMA_API_KEY", given="a-key-of-nobody")
    assert (done.code, "was not taken by cloud; nothing was changed" in done.output) == (1, True)
    assert (value(site, "OLLAMA_API_KEY"), on_host(site)) == (old, digest(old))
    assert "a-key-of-nobody" not in done.output


def test_a_key_that_fails_later_is_put_back_and_no_request_is_lost(site: Site) -> None:
    old, new = value(site, "OLLAMA_API_KEY"), new_key(site)
    site.fault("cloud", "500", model="glm-4.6")
    broken = STACK | {
        "models": STACK["models"] | {"glm-4.6:cloud": {"provider": "cloud", "model": "glm-4.6"}}
    }
    stack = site.folder / "stack.yaml"
    kept = stack.read_text()
    stack.write_text(json.dumps(broken))
    with Load(site, BOX, CLOUD, key=value(site, "LITELLM_MASTER_KEY")) as load:
        done = llmrack(site, "secrets", "rotate", "OLLAMA_API_KEY", given=new)
        stack.write_text(kept)
        site.fault("cloud", "ok")
        site.deployed()
    assert (done.code, "the old OLLAMA_API_KEY is put back" in done.output) == (1, True)
    assert not lost(load.answers)
    assert (value(site, "OLLAMA_API_KEY"), on_host(site)) == (old, digest(old))


def test_the_master_key_is_rotated_and_its_clients_have_a_day(site: Site) -> None:
    old = value(site, "LITELLM_MASTER_KEY")
    with Load(site, BOX, CLOUD, key=old) as load:
        done = llmrack(site, "secrets", "rotate", "LITELLM_MASTER_KEY")
        assert done.code == 0, done.output
        load.wait_for(20)
    assert not lost(load.answers)
    assert "gateways take the old one, too, until 20" in done.output
    new = value(site, "LITELLM_MASTER_KEY")
    assert new != old
    assert [asked_with(site, each) for each in (new, old, "sk-other")] == [200, 200, 401]
    site.settled()


def test_nothing_that_was_printed_has_a_key_in_it(site: Site) -> None:
    new = new_key(site)
    done = llmrack(site, "secrets", "rotate", "OLLAMA_API_KEY", given=new)
    assert done.code == 0, done.output
    master = value(site, "LITELLM_MASTER_KEY")
    assert new not in done.output and master not in done.output


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("OLAMA_API_KEY", "did you mean 'OLLAMA_API_KEY'?"),
        ("OLLAMA_API_KEY", "would be empty or a placeholder"),
    ],
)
def test_a_mistake_is_one_sentence_and_changes_nothing(site: Site, name: str, said: str) -> None:
    done = llmrack(site, "secrets", "rotate", name, given="")
    assert (done.code, said in done.output, "Traceback" in done.output) == (1, True, False)
