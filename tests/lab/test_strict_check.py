"""The strict check of the gateway's configuration, with the pinned LiteLLM that it judges by."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.release import write
from llmrack import shipped
from llmrack.components.gateway.gateway import configuration, programs
from llmrack.components.gateway.routing import routing
from tests.unit.declare import STACK, stack, two_boxes

SECRET = "s3cret-never-shown"

# Every key that llmrack or facts about LiteLLM ask for, in one configuration without a mistake.
GOOD = """
model_list:
  - model_name: llama3.2
    litellm_params:
      model: ollama_chat/llama3.2
      api_base: http://gpu1:11434
      api_key: none
      order: 1
      weight: 2
      keep_alive: 30m
      num_ctx: 8192
      timeout: 600
      stream_timeout: 60
    model_info: {id: gpu1/llama3.2, mode: chat, supports_assistant_prefill: true}
  - model_name: qwen-cloud
    litellm_params:
      model: ollama_chat/qwen3-coder:480b
      api_base: https://ollama.com
      api_key: os.environ/CLOUD_KEY
  - model_name: qwen-vllm
    litellm_params: {model: hosted_vllm/Qwen/Qwen2.5, api_base: http://b:8000/v1, api_key: none}
router_settings:
  num_retries: 0
  enable_weighted_failover: true
  allowed_fails: 1
  cooldown_time: 10
  timeout: 600
  stream_timeout: 60
  model_group_alias: {llama: llama3.2}
  fallbacks: [{llama3.2: [qwen-vllm, qwen-cloud]}, {"*": [qwen-cloud]}]
  default_fallbacks: [llama]
litellm_settings:
  callbacks: [langfuse_otel, prometheus]
  drop_params: true
  json_logs: true
  turn_off_message_logging: true
  cache: true
  cache_params: {type: local}
general_settings:
  master_key: os.environ/MASTER_KEY
  custom_auth_run_common_checks: true
"""

# What is written into the good configuration, and what the check has to say about it: the key
# path and a part of the text. An edit is a path of keys and the value to put there.
FIRST = ["model_list", 0, "litellm_params"]
WRONG = {
    "top level": (["modellist"], [], "modellist", "did you mean model_list?"),
    "entry": (["model_list", 0, "modelname"], "x", "model_list[0].modelname", "model_name?"),
    "parameter": ([*FIRST, "stream_timout"], 1, "stream_timout", "did you mean stream_timeout?"),
    "model info": (["model_list", 0, "model_info", "mod"], 1, "model_info.mod", "mean mode?"),
    "router": (["router_settings", "num_retrie"], 3, "router_settings.num_retrie", "num_retries?"),
    "other": (["router_settings", "num_retry"], 3, "router_settings.num_retry", "; remove it"),
    "litellm": (["litellm_settings", "drop_parms"], True, "litellm_settings", "drop_params?"),
    "general": (["general_settings", "mastr_key"], SECRET, "mastr_key", "master_key?"),
    "unset": ([*FIRST, "api_key"], "os.environ/NOT_SET", "model_list[0]", "NOT_SET"),
    "empty": ([*FIRST, "api_key"], "os.environ/EMPTY", "api_key", "EMPTY, which is not set"),
    "no key": ([*FIRST, "api_key"], "", "litellm_params.api_key", "OLLAMA_API_KEY"),
    "/api": ([*FIRST, "api_base"], "https://ollama.com/api", "api_base", "without a path"),
    "/v1": ([*FIRST, "api_base"], "http://gpu1:11434/v1/", "api_base", "ends in /v1"),
    "word": ([*FIRST, "timeout"], "fast", "litellm_params.timeout", "is a str"),
    "digits": (["router_settings", "timeout"], "600", "router_settings.timeout", "is a str"),
    "truth": ([*FIRST, "stream_timeout"], True, "stream_timeout", "is a bool"),
    "provider": ([*FIRST, "model"], "olama/llama3.2", "litellm_params.model", "no provider"),
    "no models": (["model_list"], [], "model_list", "names no model"),
    "no params": (["model_list", 0], {"model_name": "a"}, "model_list[0]", "no deployment"),
    "from": (["router_settings", "fallbacks"], [{"lama": ["qwen-vllm"]}], "fallbacks[0]", "'lama'"),
    "to": (["router_settings", "fallbacks"], [{"llama": ["qwn-vllm"]}], "llama", "mean qwen-vllm?"),
    "default": (["router_settings", "default_fallbacks"], ["gpt"], "default_fallbacks", "'gpt'"),
    "kind": (["litellm_settings", "callbacks", 1], "prometheus_system", "callbacks[1]", "remove"),
    "package": (["litellm_settings", "success_callback"], ["sentry"], "[0]", "package sentry_sdk"),
    "section": (["router_settings"], ["timeout"], "router_settings", "not a mapping"),
}
TEXTS = {
    "twice": ("a: {b: 1,\n  b: 2}", "a.b", "stands in line 1 and again in line 2"),
    "broken": (f"a: [{SECRET}", "", "is not valid YAML at line 1"),
    "tagged": (f"a: !{SECRET} x", "", "is not valid YAML at line 1"),
    "nothing": ("", "", "holds no settings"),
}


def environment() -> dict[str, str]:
    keys = {"CLOUD_KEY": SECRET, "MASTER_KEY": SECRET, "EMPTY": ""}
    keys |= {"LITELLM_MODE": "PRODUCTION", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    keys["PYTHONPATH"] = str(Path(shipped.__file__).parent)
    return {name: value for name, value in os.environ.items() if name != "NOT_SET"} | keys


def edited(path: list, value: object) -> str:
    config = yaml.safe_load(GOOD)
    place = config
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return yaml.safe_dump(config)


@pytest.fixture(scope="module")
def found(gateway_python: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list]:
    """What the check finds in each case; all in one process, since LiteLLM takes 3 s to import."""
    folder = tmp_path_factory.mktemp("configs")
    cases = {name: edited(path, value) for name, (path, value, *_) in WRONG.items()}
    cases |= {name: text for name, (text, *_) in TEXTS.items()} | {"good": GOOD}
    files = {name: folder / f"{i}.yaml" for i, name in enumerate(cases)}
    for name, file in files.items():
        file.write_text(cases[name])
    names = {name: str(file) for name, file in files.items()}
    checked = "{name: list(check(Path(file))) for name, file in given.items()}"
    return answer(gateway_python, checked, names)


def answer(gateway_python: Path, expression: str, given: Any, **more: str) -> Any:
    """The value of an expression with the check's functions, and ``given``."""
    program = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from gateway.strict_check import check, mistakes_in\n"
        "given = json.loads(sys.argv[1])\n"
        f"print(json.dumps({expression}))"
    )
    env = environment() | more
    command = [gateway_python, "-c", program, json.dumps(given)]
    result = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def mistakes_in(gateway_python: Path, file: Path, **more: str) -> list[str]:
    return answer(gateway_python, "mistakes_in(Path(given))", str(file), **more)


def rendered(folder: Path) -> Path:
    """The configuration of a gateway, as it is rendered with everything that routing knows."""
    models = STACK["models"] | {
        "vllm/*": {"provider": ["vllm"], "rpm": 60, "max_parallel_requests": 4},
        "llama3.1:latest": {"provider": ["local", "vllm"], "strategy": "latency"},
    }
    headers = {"headers": {"X-Client-ID": "x"}, "secret_headers": {"X-API-Key": "VLLM_HEADER"}}
    bedrock = {
        "kind": "litellm",
        "prefix": "bedrock",
        "settings": {"aws_region_name": "eu-central-1"},
        "secret_settings": {"aws_access_key_id": "AWS_ID", "aws_secret_access_key": "AWS_SECRET"},
    }
    services = {
        "bedrock": bedrock,
        "anthropic": {"kind": "litellm", "prefix": "anthropic", "api_key": "ANTHROPIC_API_KEY"},
    }
    models |= {"nova": {"provider": "bedrock", "tpm": 9}, "claude": {"provider": "anthropic"}}
    declared = stack(
        providers=STACK["providers"] | {"vllm": STACK["providers"]["vllm"] | headers} | services,
        models=models,
        tiers={"eco": ["llama3.1:latest", "gpt-oss:20b-cloud"]},
        mixes={"mixed": {"llama3.1:latest": 80, "gpt-oss:20b-cloud": 20}},
        aliases={"mini": "llama3.1:latest"},
        context_window_chains={"coder": ["gpt-oss:20b-cloud"]},
        content_policy_chains={"coder": ["gpt-oss:20b-cloud"]},
    )
    fleet = two_boxes()
    files = {
        "routing.json": routing(declared, fleet, fleet.hosts[0]),
        "config.yaml": configuration(declared, fleet, fleet.hosts[0]),
    }
    write(folder, programs() | files)
    return folder / "config.yaml"


def test_a_configuration_without_a_mistake_passes(found: dict[str, list]) -> None:
    assert found["good"] == []


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_named_with_its_place_and_the_way_out(
    found: dict[str, list], case: str
) -> None:
    _, _, place, text = WRONG[case]
    assert any(place in path and text in reason for path, reason in found[case]), found[case]


@pytest.mark.parametrize("case", TEXTS)
def test_a_text_that_is_no_configuration_is_refused(found: dict[str, list], case: str) -> None:
    _, place, text = TEXTS[case]
    assert any(path == place and text in reason for path, reason in found[case]), found[case]


def test_no_value_is_ever_shown(found: dict[str, list]) -> None:
    assert SECRET not in json.dumps(found)


def test_what_is_rendered_from_a_stack_passes(gateway_python: Path, tmp_path: Path) -> None:
    keys = dict.fromkeys(("OLLAMA_API_KEY", "LITELLM_MASTER_KEY", "VLLM_HEADER"), "x")
    keys |= dict.fromkeys(("AWS_ID", "AWS_SECRET", "ANTHROPIC_API_KEY"), "x")
    assert mistakes_in(gateway_python, rendered(tmp_path), **keys) == []


def test_routing_that_does_not_fit_the_configuration_is_named(
    gateway_python: Path, tmp_path: Path
) -> None:
    file = rendered(tmp_path)
    (tmp_path / "routing.json").unlink()
    lines = "\n".join(mistakes_in(gateway_python, file))
    assert f"{file}: routing.json: cannot be read" in lines


def test_a_problem_is_a_line(gateway_python: Path, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(edited(["model_list"], []))
    lines = mistakes_in(gateway_python, file)
    assert lines[0].startswith(f"{file}: model_list: names no model")
    assert all(line.startswith(f"{file}: ") for line in lines)
