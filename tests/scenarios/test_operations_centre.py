"""Scenario: an operations centre for the providers' keys, without a web application or a database.

Keys are rotated while clients ask without a pause: none of them notices.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.lab.load import Load, lost
from tests.lab.mixed_load import assert_counted, mixed_load
from tests.lab.site import Run, Site

HERE = Path(__file__).with_name("operations_centre")
STACK: dict[str, Any] = yaml.safe_load((HERE / "stack.yaml").read_text())
HOSTS: dict[str, Any] = yaml.safe_load((HERE / "hosts.yaml").read_text())
BOX = "box1"
KEYS = ("OLLAMA_API_KEY", "VLLM_API_KEY", "OPENAI_API_KEY")
CLOUD = "gpt-oss:20b-cloud"


def llmrack(site: Site, *command: str, given: str = "") -> Run:
    return site.run("llmrack", *command, "-i", site.inventory, given=given)


@pytest.fixture(scope="module")
def site(
    module_site: Site, fresh: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """The scenario as declared; its keys are in a vault, which an identity of its own opens."""
    fresh(BOX)
    folder = module_site.folder
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        places = {"env_file": str(folder / "env"), "secrets_file": str(folder / "secrets.age")}
        module_site.declare(HOSTS["hosts"], STACK, **HOSTS["data"], **places)
        (folder / "stack.yaml").write_text((HERE / "stack.yaml").read_text())
        assert llmrack(module_site, "secrets", "init").code == 0
        for name in KEYS:
            key = module_site.secrets[name]
            done = llmrack(module_site, "secrets", "set", name, given=key)
            assert done.code == 0, done.output
        module_site.deployed()
        yield module_site
    module_site.lab.accept("cloud", module_site.secrets["OLLAMA_API_KEY"], only=True)


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


def asked(site: Site, key: str, model: str = CLOUD) -> httpx.Response:
    """The answer to a client with that key."""
    return httpx.post(
        f"http://{site.lab.host(BOX).address}:4000/v1/chat/completions",
        headers={"Authorization": f"Bearer {key}"},
        json={"model": model, "messages": [{"role": "user", "content": "Say hello."}]},
        timeout=30,
        trust_env=False,
    )


def last_operations(site: Site) -> list[tuple[str, str]]:
    lines = llmrack(site, "secrets", "audit", "--json").output.splitlines()
    return [(each["action"], each["result"]) for each in map(json.loads, lines)]


def new_key(site: Site) -> str:
    """A key that the cloud takes beside the present one."""
    key = secrets.token_hex(16)
    site.lab.accept("cloud", key, only=False)
    return key


def test_keys_are_in_no_file_in_clear(site: Site) -> None:
    for file in site.folder.iterdir():
        text = file.read_text() if file.is_file() else ""
        assert not [name for name in KEYS if site.secrets[name] in text], file


def test_the_generated_master_key_is_in_the_vault(site: Site) -> None:
    assert value(site, "LITELLM_MASTER_KEY").startswith("sk-")
    assert not (site.folder / "env").exists()


def test_a_second_run_changes_nothing(site: Site) -> None:
    site.settled()


def test_each_provider_is_tested_with_its_latency_and_its_models(site: Site) -> None:
    done = llmrack(site, "secrets", "test", "--json")
    rows = {each["provider"]: each for each in json.loads(done.output)["providers"]}
    assert {name: row["result"] for name, row in rows.items()} == {"cloud": "ok", "vllm": "ok"}
    assert all(row["ms"] > 0 and row["models"] > 0 for row in rows.values())


def test_everything_known_of_a_provider_is_listed_and_its_key_is_masked(site: Site) -> None:
    assert llmrack(site, "secrets", "test").code == 0
    (row,) = (
        each
        for each in json.loads(llmrack(site, "secrets", "list", "--json").output)["providers"]
        if each["name"] == "cloud"
    )
    (key,) = row["keys"]
    whole = site.secrets["OLLAMA_API_KEY"]
    assert (row["kind"], row["url"]) == ("ollama-cloud", "https://ollama.com")
    assert (row["enabled"], row["priority"], row["result"]) == (True, 1, "ok")
    assert (key["source"], key["preview"][:5]) == ("secrets.age", whole[:5])
    assert key["changed"] and row["tested"] and row["health"] == ["ok"]
    text = llmrack(site, "secrets", "list").output
    assert whole not in text and max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("level", ["eco", "balanced", "precision"])
def test_a_client_asks_by_power_level(site: Site, level: str) -> None:
    first = {"eco": "[vllm", "balanced": "[cloud", "precision": "[cloud"}[level]
    answer = asked(site, value(site, "LITELLM_MASTER_KEY"), level)
    assert answer.json()["choices"][0]["message"]["content"].startswith(first)


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
    stack = site.folder / "stack.yaml"
    kept = stack.read_text()
    other = "  glm-4.6:cloud: {provider: cloud, model: glm-4.6}\n"
    stack.write_text(kept.replace("models:\n", f"models:\n{other}"))
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
    assert [asked(site, each).status_code for each in (new, old, "sk-other")] == [200, 200, 401]
    site.settled()


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


def test_what_a_provider_has_is_taken_over_into_the_declaration(site: Site) -> None:
    stack = site.folder / "stack.yaml"
    before = stack.read_text()
    done = llmrack(site, "models", "discover", "cloud", "--all")
    assert done.code == 0, done.output
    assert "# A comment that stays." in stack.read_text()
    assert llmrack(site, "check").code == 0
    after = stack.read_text()
    assert llmrack(site, "models", "discover", "cloud", "--all").code == 0
    assert stack.read_text() == after != before
    stack.write_text(before)


def test_every_operation_on_a_key_is_in_the_audit_file(site: Site) -> None:
    done = {action for action, _ in last_operations(site)}
    assert {"init", "set", "export", "test", "rotate: done", f"bring to {BOX}"} <= done
    checked = llmrack(site, "secrets", "audit", "--verify")
    assert checked.code == 0 and "a whole chain" in checked.output


def test_usage_of_30_days_is_what_clients_counted(site: Site) -> None:
    url = f"http://{site.lab.host(BOX).address}:4000/v1"
    names = ["eco", "balanced", "precision", CLOUD, "qwen-coder"]
    assert_counted(site, lambda: mixed_load(url, value(site, "LITELLM_MASTER_KEY"), names))
    shown = llmrack(site, "usage", "--last", "30d", "--by", "provider")
    assert shown.code == 0, shown.output
    for word in ("cloud", "vllm", "calls", "in", "out", "cost"):
        assert word in shown.output


def test_at_the_end_a_run_changes_nothing(site: Site) -> None:
    site.settled()
