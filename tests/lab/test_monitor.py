"""Prometheus, exporters and rules on hosts: one deploy for all, then requests."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from llmrack.components.monitor.monitor import FOLDER, KEY_FILE, metrics_key
from llmrack.components.monitor.prometheus import PrometheusConfiguration
from llmrack.resources.look import Seen
from llmrack.secrets.value import Secret
from llmrack_lab.shell import wait_until
from tests.lab.site import STACK, Run, Site

GATEWAY, MONITOR = "box1", "box2"
RULES = sorted((Path(__file__).parent / "rules").glob("*.yml"))
# Three scrapes, and what a busy machine adds.
SCRAPED = 90
DECLARED = STACK | {"keys": {"demo": {"expires": "2099-12-31"}}}


@pytest.fixture(scope="module")
def first(module_site: Site) -> Run:
    module_site.declare({GATEWAY: ("gpu", "gateway"), MONITOR: ("monitor",)}, DECLARED)
    issued = module_site.run("llmrack", "keys", "issue", "demo", "-i", module_site.inventory)
    assert issued.code == 0, issued.output
    return module_site.deployed()


@pytest.fixture(scope="module")
def site(module_site: Site, first: Run) -> Site:
    """With a request that the chain answered: what it leaves is gathered during other tests."""
    stop, start = (
        f"systemctl --user {verb} llmrack-ollama@main.service" for verb in ("stop", "start")
    )
    module_site.as_service(GATEWAY, stop)
    assert module_site.chat(GATEWAY, "llama3.2:1b").status_code == 200
    module_site.as_service(GATEWAY, start)
    return module_site


def metrics(site: Site, key: str | None) -> httpx.Response:
    """What the gateway shows of itself."""
    return httpx.get(
        f"http://{site.lab.host(GATEWAY).address}:4000/metrics/",
        headers={"Authorization": f"Bearer {key}"} if key else {},
        trust_env=False,
        timeout=30,
    )


def key_of_prometheus(site: Site) -> str:
    return metrics_key(Secret(site.secrets["LITELLM_MASTER_KEY"])).reveal()


def ask_prometheus(site: Site, query: str) -> list[dict[str, Any]]:
    """The samples with which Prometheus answers a query; a number that is none is no answer."""
    command = f"curl -fsS 127.0.0.1:9090/api/v1/query --data-urlencode query={shlex.quote(query)}"
    found: list[dict[str, Any]] = json.loads(site.on(MONITOR, command))["data"]["result"]
    return [each for each in found if each["value"][1] != "NaN"]


def test_the_proof_has_a_row_for_each_target(site: Site, first: Run) -> None:
    for target in ("gateway/box1", "node/box1", "node/box2"):
        assert re.search(rf"{target} +ok: target", first.output), first.output


def test_a_second_deploy_changes_nothing(site: Site) -> None:
    site.settled()


def test_no_key_is_seen_of_a_deploy(site: Site, first: Run) -> None:
    assert key_of_prometheus(site) not in first.output
    mode = site.on(MONITOR, f"stat -c '%a %U:%G' {KEY_FILE}")
    assert mode == "640 root:prometheus"


def test_only_prometheus_and_the_master_see_a_gateways_metrics(site: Site) -> None:
    assert metrics(site, None).status_code == 401
    assert metrics(site, "sk-nobodys").status_code == 401
    assert metrics(site, site.secrets["LITELLM_MASTER_KEY"]).status_code == 200
    assert "llmrack_running_requests" in metrics(site, key_of_prometheus(site)).text


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/chat/completions"), ("GET", "/v1/models"), ("GET", "/model/info")],
)
def test_the_key_of_prometheus_gets_nowhere_else(site: Site, method: str, path: str) -> None:
    answer = httpx.request(
        method,
        f"http://{site.lab.host(GATEWAY).address}:4000{path}",
        headers={"Authorization": f"Bearer {key_of_prometheus(site)}"},
        json={"model": "llama3.2:1b", "messages": []} if method == "POST" else None,
        trust_env=False,
        timeout=30,
    )
    assert answer.status_code == 403, answer.text


def test_an_exporter_is_closed_to_others(site: Site) -> None:
    address = site.lab.host(GATEWAY).address
    curl = f"curl -sS -o /dev/null --max-time 3 http://{address}:9100/metrics"
    assert site.on(MONITOR, f"{curl} && echo open") == "open"
    assert "open" not in site.on("box3", f"{curl} && echo open", check=False)


def test_prometheus_listens_on_loopback_alone(site: Site) -> None:
    assert {each for each in site.listening(MONITOR) if each.endswith(":9090")} == {
        "127.0.0.1:9090"
    }


@pytest.fixture(scope="module")
def tested(site: Site) -> str:
    """What promtool says of all tests of rules."""
    folder = "/tmp/rules"
    site.on(MONITOR, f"mkdir -p {folder} && cp {FOLDER}/rules.yml {folder}")
    files = "".join(
        f"cat > {folder}/{file.name} <<'END'\n{file.read_text()}END\n" for file in RULES
    )
    return site.on(MONITOR, f"{files}promtool test rules {folder}/[A-Z]*.yml 2>&1", check=False)


@pytest.mark.parametrize("file", RULES, ids=lambda file: file.stem)
def test_a_rule_fires_when_it_should_and_not_before(tested: str, file: Path) -> None:
    its = tested.partition(f"/{file.name}\n")[2].partition("Unit Testing:")[0]
    assert its.strip() == "SUCCESS", its


def test_every_rule_has_a_test(site: Site) -> None:
    rules = yaml.safe_load(site.on(MONITOR, f"cat {FOLDER}/rules.yml"))["groups"][0]["rules"]
    assert {rule["alert"] for rule in rules} == {file.stem for file in RULES}


def test_a_configuration_with_a_mistake_leaves_the_old_one(site: Site) -> None:
    good = site.on(MONITOR, f"cat {FOLDER}/prometheus.yml") + "\n"
    broken = PrometheusConfiguration(
        FOLDER, (("prometheus.yml", good), ("rules.yml", "groups: [{name: x, rules: [{}]}]\n")), ()
    )
    change = broken.change(Seen(), ())
    assert change
    action = change.actions[0]
    before = site.on(MONITOR, f"sha256sum {FOLDER}/*.yml")
    text = f"({action.script}\n) 2>&1 <<'END'; echo exit $?\n{action.stdin}END"
    said = site.on(MONITOR, text, check=False)
    assert "FAILED" in said and "exit 1" in said, said
    assert site.on(MONITOR, f"sha256sum {FOLDER}/*.yml") == before
    assert site.on(MONITOR, "systemctl is-active prometheus.service") == "active"


def test_every_query_of_the_dashboard_is_answered(site: Site) -> None:
    made = json.loads(site.run("llmrack", "dashboard", "-i", site.inventory).output)
    queries = {
        target["expr"]
        .replace("$__rate_interval", "5m")
        .replace("$gateway", ".*")
        .replace("$model", ".*")
        .replace("$instance", ".*")
        for panel in made["panels"]
        for target in panel.get("targets", ())
    }

    def unanswered() -> list[str]:
        assert site.chat(GATEWAY, "llama3.2:1b", stream=True).status_code == 200
        return [query for query in sorted(queries) if not ask_prometheus(site, query)]

    assert wait_until(lambda: not unanswered(), SCRAPED), unanswered()
