"""What a gateway thinks of the servers it asks can be read, and is listed beside their keys."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from llmrack_lab.shell import wait_until
from tests import DEADLINE
from tests.lab.site import Run, Site
from tests.lab.test_providers import ENGINE, GATEWAY, HOSTS, LAN, MODELS, PROVIDERS, ask

UNIT = "llmrack-gateway@*.service"


def declare(site: Site) -> None:
    shutil.copy(site.lab.folder / "office-ca.pem", site.folder)
    stack = {"default_chain": ["gpt-oss:20b-cloud"], "providers": PROVIDERS, "models": MODELS}
    file = str(site.folder / "secrets.age")
    site.declare(HOSTS, stack, gateway_cooldown=5, secrets_file=file, **LAN)


@pytest.fixture(scope="module")
def deployed(module_site: Site, fresh: Callable[[str], None]) -> Site:
    """A gateway and an engine, with all providers well."""
    for name in HOSTS:
        fresh(name)
    declare(module_site)
    module_site.deployed()
    return module_site


def rows(run: Run) -> dict[str, dict[str, Any]]:
    """What is listed, by provider."""
    assert run.code == 0, run.output
    return {row["name"]: row for row in json.loads(run.output)["providers"]}


def health(site: Site, provider: str) -> str:
    (said,) = rows(ask(site, "secrets", "list", "--json"))[provider]["health"]
    return str(said)


def test_a_gateway_that_has_failed_nobody_says_that_all_are_well(deployed: Site) -> None:
    found = rows(ask(deployed, "secrets", "list", "--json"))
    assert {name: row["health"] for name, row in found.items()} == {
        name: [f"{ENGINE} ok" if name == "local" else "ok"] for name in PROVIDERS
    }


def test_a_list_has_keys_masked_and_the_last_test(deployed: Site) -> None:
    tested = ask(deployed, "secrets", "test")
    assert tested.code == 0, tested.output
    row = rows(ask(deployed, "secrets", "list", "--json"))["office"]
    assert (row["kind"], row["url"], row["priority"], row["enabled"]) == (
        "ollama-remote",
        "https://office.lab:8443",
        1,
        True,
    )
    assert [key["name"] for key in row["keys"]] == ["OFFICE_API_KEY", "OFFICE_CLIENT_KEY"]
    assert row["result"] == "ok" and row["tested"].endswith("Z")
    run = ask(deployed, "secrets", "list")
    assert not [name for name, value in deployed.secrets.items() if value in run.output]
    assert max(map(len, run.output.splitlines())) <= 80
    assert "used by no provider\n  key    ATTIC_API_KEY" in run.output


def test_reading_changes_nothing_on_the_hosts(deployed: Site) -> None:
    before = {name: deployed.listing(name) for name in HOSTS}
    for words in (("secrets", "test"), ("secrets", "list"), ("models", "discover", "local")):
        assert ask(deployed, *words).code == 0
    assert {name: deployed.listing(name) for name in HOSTS} == before


def test_a_refused_key_is_seen_while_the_gateway_rests(deployed: Site) -> None:
    deployed.fault("openai", "401")
    deployed.chat(GATEWAY, "gpt-4o")
    assert wait_until(lambda: "put aside" in health(deployed, "openai"), DEADLINE)
    assert "401" in health(deployed, "openai")
    deployed.fault("openai", "ok")

    def back() -> bool:
        deployed.chat(GATEWAY, "gpt-4o")
        return health(deployed, "openai") == "ok"

    assert wait_until(back, DEADLINE)


def test_an_instance_that_is_gone_is_seen_and_seen_again(deployed: Site) -> None:
    unit = "llmrack-ollama@main.service"
    deployed.as_service(ENGINE, f"systemctl --user stop {unit}")
    deployed.chat(GATEWAY, "llama3.2:1b")
    assert wait_until(lambda: f"{ENGINE} put aside" in health(deployed, "local"), DEADLINE)
    deployed.as_service(ENGINE, f"systemctl --user start {unit}")
    assert wait_until(lambda: health(deployed, "local") == f"{ENGINE} ok", DEADLINE)


def test_a_gateway_that_does_not_run_leaves_health_unknown(deployed: Site) -> None:
    deployed.as_service(GATEWAY, "systemctl --user stop llmrack-gateway.socket")
    deployed.as_service(GATEWAY, f"systemctl --user stop '{UNIT}'")
    assert health(deployed, "cloud") == "unknown (its gateway does not run)"


def test_a_gateway_that_cannot_be_reached_leaves_health_unknown(deployed: Site) -> None:
    address = deployed.lab.host(GATEWAY).address
    nobody = f"{address.rpartition('.')[0]}.250"
    text = (deployed.folder / "inventory").read_text()
    (deployed.folder / "inventory").write_text(text.replace(address, nobody))
    assert "unknown (no connection" in health(deployed, "cloud")
    run = ask(deployed, "secrets", "test", "cloud")
    assert run.code == 2
    assert f"{GATEWAY} could not ask" in run.output
