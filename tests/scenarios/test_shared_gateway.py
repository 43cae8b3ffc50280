"""Scenario: a shared gateway, cloud first with local fallback, on three hosts.

Kubernetes' own objects are not in here: this is the stack that they will carry. Nor are metrics.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from llmrack_lab.shell import wait_until
from tests.lab.load import Load
from tests.lab.site import Run, Site

HERE = Path(__file__).with_name("shared_gateway")
STACK: dict[str, Any] = yaml.safe_load((HERE / "stack.yaml").read_text())
HOSTS: dict[str, Any] = yaml.safe_load((HERE / "hosts.yaml").read_text())
GATEWAY = "box1"
ENGINES = ("box2", "box3")
# How each answer begins that really comes from the model asked for.
MARKERS = {
    "cloud-kimi": "[cloud kimi-k2.5]",
    "cloud-minimax": "[cloud minimax-m2.5]",
    "cloud-qwen3-coder": "[cloud qwen3-coder:480b]",
    "vllm-qwen": "[vllm Qwen/Qwen2.5-Coder-7B-Instruct]",
    "ollama-qwen": "[box",
    "openai-gpt4o": "[openai gpt-4o]",
}
CHAINS = {
    "cloud-kimi": ["cloud-minimax", "vllm-qwen", "ollama-qwen"],
    "cloud-minimax": ["vllm-qwen", "ollama-qwen"],
    "cloud-qwen3-coder": ["vllm-qwen", "ollama-qwen"],
    "vllm-qwen": ["ollama-qwen"],
}
# Every link: who fails, and who answers then.
LINKS = [
    (head, chain[:number], follower)
    for head, chain in CHAINS.items()
    for number, follower in enumerate(chain)
]
FAILOVER = 5.0
REST: float = HOSTS["data"]["gateway_cooldown"]
RECOVERY = 30.0
SECRETS = ("OLLAMA_API_KEY", "VLLM_API_KEY", "OPENAI_API_KEY", "LITELLM_MASTER_KEY")
ENVIRONMENT = "/home/llm/.config/llmrack/gateway.env"


@pytest.fixture(scope="module")
def bare(module_site: Site, fresh: Callable[[str], None]) -> Site:
    """The scenario as declared, for three bare hosts."""
    for name in HOSTS["hosts"]:
        fresh(name)
    module_site.declare(HOSTS["hosts"], STACK, **HOSTS["data"])
    return module_site


@pytest.fixture(scope="module")
def reviewed(bare: Site) -> Run:
    """A review of what a first deploy would do."""
    before = [bare.listing(name) for name in HOSTS["hosts"]]
    run = bare.run("pyinfra", bare.inventory, "deploy.py", "--dry")
    assert [bare.listing(name) for name in HOSTS["hosts"]] == before
    return run


@pytest.fixture(scope="module")
def site(bare: Site, reviewed: Run) -> Site:
    """The same, deployed."""
    bare.deployed()
    return bare


@pytest.fixture
def well(site: Site) -> Site:
    """Every model answers by itself, whatever failed before."""
    for name, marker in MARKERS.items():
        assert wait_until(lambda n=name, m=marker: said(site, n).startswith(m), RECOVERY), name
    return site


@pytest.fixture
def redeclared(site: Site) -> Iterator[Site]:
    """Declared otherwise by the test, and as it was afterwards."""
    yield site
    site.declare(HOSTS["hosts"], STACK, **HOSTS["data"])


def said(site: Site, model: str) -> str:
    """What a model answers; its stand-in begins with ``[who model]``."""
    answer = site.chat(GATEWAY, model)
    if answer.status_code != 200:
        return f"{answer.status_code} {answer.text}"
    content: str = answer.json()["choices"][0]["message"]["content"]
    return content


def listed(site: Site) -> set[str]:
    answer = httpx.get(
        f"http://{site.lab.host(GATEWAY).address}:4000/v1/models",
        headers={"Authorization": f"Bearer {site.secrets['LITELLM_MASTER_KEY']}"},
        timeout=30,
        trust_env=False,
    )
    return {model["id"] for model in answer.json()["data"]}


def break_down(site: Site, models: list[str], mode: str) -> None:
    """Make providers fail for these models; of the cloud all of them where it is more than one."""
    cloud = [STACK["models"][name]["model"] for name in models if name.startswith("cloud")]
    if cloud:
        site.fault("cloud", mode, **({"model": cloud[0]} if len(cloud) == 1 else {}))
    if "vllm-qwen" in models:
        site.fault("vllm", mode)


def current_release(site: Site, command: str) -> str:
    return site.as_service(GATEWAY, f"cd ~/.local/opt/llmrack-gateway/current/ && {command}")


def test_the_declared_models_and_chains_are_those_of_the_scenario() -> None:
    assert set(STACK["models"]) == set(MARKERS)
    assert STACK["chains"] == CHAINS
    for name in ("cloud-kimi", "cloud-minimax", "cloud-qwen3-coder"):
        assert STACK["models"][name]["timeout"] == 60


def test_a_review_tells_what_would_change_and_changes_nothing(reviewed: Run) -> None:
    assert reviewed.code == 0, reviewed.output
    for word in ("would change", "Gateway", "qwen2.5-coder:7b"):
        assert word in reviewed.output


def test_the_gateway_lists_the_three_cloud_models_and_the_others(site: Site) -> None:
    assert listed(site) == set(MARKERS)


@pytest.mark.parametrize("model", MARKERS)
def test_an_answer_comes_from_the_model_that_was_asked_for(well: Site, model: str) -> None:
    began = time.monotonic()
    answer = well.chat(GATEWAY, model)
    assert time.monotonic() - began < 60
    assert answer.headers["x-litellm-model-id"].endswith(f"/{model}")
    assert answer.headers["x-litellm-attempted-fallbacks"] == "0"
    assert answer.json()["choices"][0]["message"]["content"].startswith(MARKERS[model])


def test_the_cloud_models_have_their_timeout_and_every_key_is_a_reference(site: Site) -> None:
    config = yaml.safe_load(current_release(site, "cat config.yaml"))
    rows = {row["model_name"]: row["litellm_params"] for row in config["model_list"]}
    for name in ("cloud-kimi", "cloud-minimax", "cloud-qwen3-coder"):
        assert rows[name]["timeout"] == 60
        assert rows[name]["api_key"] == "os.environ/OLLAMA_API_KEY"
        assert rows[name]["api_base"] == "https://ollama.com"
    for secret in SECRETS:
        value = site.secrets[secret]
        assert current_release(site, f"grep -rlF {value} --exclude-dir=venv . || true") == ""


@pytest.mark.parametrize("mode", ["500", "hang"])
@pytest.mark.parametrize(
    ("head", "between", "follower"), LINKS, ids=[f"{head} to {last}" for head, _, last in LINKS]
)
def test_a_failure_is_answered_by_the_next_in_the_chain_within_5_seconds(
    well: Site, head: str, between: list[str], follower: str, mode: str
) -> None:
    failing = [head, *between]
    break_down(well, failing, mode)
    began = time.monotonic()
    content = said(well, head)
    took = time.monotonic() - began
    assert content.startswith(MARKERS[follower])
    assert took < FAILOVER * len(failing)


@pytest.mark.parametrize("mode", ["500", "hang"])
def test_who_failed_is_not_asked_again_while_he_rests(well: Site, mode: str) -> None:
    break_down(well, ["cloud-kimi"], mode)
    said(well, "cloud-kimi")
    # It remembers the last 500: what came before is cleared, not counted.
    well.forget_requests("cloud")
    began = time.monotonic()
    assert said(well, "cloud-kimi").startswith(MARKERS["cloud-minimax"])
    assert time.monotonic() - began < REST
    assert [each["model"] for each in well.requests("cloud")] == ["minimax-m2.5"]


def test_an_explicit_model_stands_in_for_nobody(well: Site) -> None:
    well.forget_requests("openai")
    break_down(well, ["cloud-kimi", "cloud-minimax", "vllm-qwen"], "500")
    for engine in ENGINES:
        well.as_service(engine, "systemctl --user stop llmrack-ollama@main.service")
    try:
        assert said(well, "cloud-kimi").startswith("5")
    finally:
        for engine in ENGINES:
            well.as_service(engine, "systemctl --user start llmrack-ollama@main.service")
    assert well.requests("openai") == []


def test_nobody_stands_in_for_an_explicit_model(well: Site) -> None:
    well.fault("openai", "500")
    assert said(well, "openai-gpt4o").startswith("5")


def test_an_explicit_model_is_refused_in_the_default_chain(redeclared: Site) -> None:
    redeclared.declare(HOSTS["hosts"], STACK | {"default_chain": ["openai-gpt4o"]})
    run = redeclared.run("llmrack", "check", "-i", redeclared.inventory)
    assert run.code != 0
    assert "'openai-gpt4o' is explicit_only and may stand in no chain" in run.output


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"providers": {"url": "https://ollama.com/api"}}, "/api/chat"),
        ({"models": {"model": "kimi-k2.5-cloud"}}, "-cloud"),
    ],
    ids=["path in the address", "-cloud in the tag"],
)
def test_the_two_traps_are_caught_by_name(
    redeclared: Site, change: dict[str, dict[str, str]], words: str
) -> None:
    ((part, more),) = change.items()
    name = {"providers": "cloud", "models": "cloud-kimi"}[part]
    edited = {**STACK[part], name: STACK[part][name] | more}
    redeclared.declare(HOSTS["hosts"], STACK | {part: edited}, **HOSTS["data"])
    run = redeclared.run("llmrack", "check", "-i", redeclared.inventory)
    assert run.code != 0
    assert f"{part}.{name}" in run.output and words in run.output


def test_a_tag_that_ollama_com_does_not_list_is_refused(redeclared: Site) -> None:
    before = redeclared.listing(GATEWAY)
    wrong = {**STACK["models"], "cloud-kimi": STACK["models"]["cloud-kimi"] | {"model": "kimi-k3"}}
    redeclared.declare(HOSTS["hosts"], STACK | {"models": wrong}, **HOSTS["data"])
    run = redeclared.deploy()
    output = " ".join(run.output.split())
    assert run.code != 0 and "no host was touched" in output
    assert "models.cloud-kimi: provider 'cloud' does not list a model 'kimi-k3'" in output
    assert redeclared.listing(GATEWAY) == before


def test_a_key_is_merged_into_those_that_are_there(redeclared: Site) -> None:
    key = "sk-another-key-of-openai"
    redeclared.as_service(GATEWAY, f"echo SOMEBODY_ELSES=kept >> {ENVIRONMENT}")
    run = redeclared.deploy(OPENAI_API_KEY=key)
    assert run.code != 0, "the provider does not know this key"
    found = dict(
        line.split("=", 1)
        for line in redeclared.as_service(GATEWAY, f"cat {ENVIRONMENT}").splitlines()
    )
    kept = {name: redeclared.secrets[name] for name in SECRETS if name != "OPENAI_API_KEY"}
    assert found == {**kept, "SOMEBODY_ELSES": "kept", "OPENAI_API_KEY": key}
    redeclared.deployed()


def test_a_placeholder_is_never_written_over_a_key(site: Site) -> None:
    before = site.as_service(GATEWAY, f"cat {ENVIRONMENT}")
    file = site.folder / "placeholder.env"
    keys = site.secrets | {"OPENAI_API_KEY": "your-openai-key"}
    file.write_text("".join(f"{name}={value}\n" for name, value in keys.items()))
    file.chmod(0o600)
    run = site.deploy("--data", f"env_file={file}")
    assert run.code != 0
    assert "the secret OPENAI_API_KEY counts as a placeholder" in run.output
    assert site.as_service(GATEWAY, f"cat {ENVIRONMENT}") == before


def test_a_change_of_the_configuration_loses_no_request(redeclared: Site) -> None:
    models = {**STACK["models"], "vllm-qwen": STACK["models"]["vllm-qwen"] | {"timeout": 120}}
    redeclared.declare(HOSTS["hosts"], STACK | {"models": models}, **HOSTS["data"])
    with Load(redeclared, GATEWAY, "cloud-kimi", rate=5) as load:
        run = redeclared.deployed()
        load.wait_for(10)
    assert run.changed
    assert [answer.lost for answer in load.answers if answer.lost] == []
    assert {answer.by for answer in load.answers} == {"cloud"}


def test_llmrack_verify_proves_all_of_it(site: Site) -> None:
    site.deployed()
    run = site.run("llmrack", "verify", "-i", site.inventory)
    assert run.code == 0, run.output


def test_a_second_run_changes_nothing(site: Site) -> None:
    site.settled()
