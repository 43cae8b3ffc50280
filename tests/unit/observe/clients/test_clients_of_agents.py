"""Configurations of agents, editors and chat programs, field by field."""

from __future__ import annotations

import json
import tomllib

import yaml

from llmrack.observe.clients.clients import ASSUMED_CONTEXT, configuration
from tests.unit.declare import stack
from tests.unit.observe.clients.test_clients import FLEET, KEY, MODELS, URL, made, shell


def test_claude_code_has_a_model_for_each_of_its_sizes() -> None:
    show = made("claude-code") + "env"
    config = dict(
        line.split("=", 1) for line in shell(show, LLMRACK_API_KEY="sk-mine").stdout.splitlines()
    )
    model = "llama3.1:latest"
    sizes = {f"ANTHROPIC_DEFAULT_{size}_MODEL": model for size in ("OPUS", "SONNET", "HAIKU")}
    wanted = {
        "ANTHROPIC_BASE_URL": "http://10.0.0.1:4000",
        "ANTHROPIC_AUTH_TOKEN": "sk-mine",
        "ANTHROPIC_MODEL": model,
        "CLAUDE_CODE_MAX_CONTEXT_TOKENS": "8192",
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS": "2048",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    assert (wanted | sizes).items() <= config.items()
    shown = made("claude-code", KEY) + 'printf %s "$ANTHROPIC_AUTH_TOKEN"'
    assert shell(shown).stdout == KEY


def test_codex_asks_in_the_form_of_responses() -> None:
    config = tomllib.loads(made("codex"))
    assert (config["model"], config["model_context_window"]) == ("llama3.1:latest", 8192)
    assert config["web_search"] == "disabled"
    assert config["model_providers"][config["model_provider"]] == {
        "name": "llmrack",
        "base_url": URL,
        "env_key": "LLMRACK_API_KEY",
        "wire_api": "responses",
    }
    provider = tomllib.loads(made("codex", KEY))["model_providers"]["llmrack"]
    assert provider["experimental_bearer_token"] == KEY


def test_cline_has_a_provider_and_a_model() -> None:
    config = json.loads(made("cline"))
    settings = config["providers"][config["lastUsedProvider"]]["settings"]
    assert settings == {
        "provider": "openai-compatible",
        "baseUrl": URL,
        "model": "llama3.1:latest",
    }


def test_zed_is_told_what_each_model_can() -> None:
    config = json.loads(made("zed"))
    assert config["agent"]["default_model"] == {"provider": "llmrack", "model": "llama3.1:latest"}
    # Its name makes Zed read LLMRACK_API_KEY.
    provider = config["language_models"]["openai_compatible"]["llmrack"]
    assert provider["api_url"] == URL
    models = {model["name"]: model for model in provider["available_models"]}
    assert models["llama3.1:latest"]["max_tokens"] == 8192
    assert models["llama3.1:latest"]["capabilities"] == {
        "tools": True,
        "images": True,
        "parallel_tool_calls": False,
        "prompt_cache_key": False,
    }
    assert models["coder"]["max_tokens"] == ASSUMED_CONTEXT
    assert models["thinker"]["reasoning_effort"] == "medium"


def test_vscode_has_an_endpoint_and_asks_for_the_key() -> None:
    (provider,) = json.loads(made("vscode"))
    assert (provider["vendor"], provider["apiKey"]) == (
        "customendpoint",
        "${input:LLMRACK_API_KEY}",
    )
    models = {model["id"]: model for model in provider["models"]}
    assert models["llama3.1:latest"] == {
        "id": "llama3.1:latest",
        "name": "llama3.1:latest",
        "url": f"{URL}/chat/completions",
        "toolCalling": True,
        "vision": True,
        "maxInputTokens": 6144,
        "maxOutputTokens": 2048,
    }
    assert models["thinker"]["supportsReasoningEffort"] == ["low", "medium", "high"]
    assert models["coder"]["maxInputTokens"] + models["coder"]["maxOutputTokens"] == ASSUMED_CONTEXT


def test_librechat_has_an_endpoint_with_lengths() -> None:
    (endpoint,) = yaml.safe_load(made("librechat"))["endpoints"]["custom"]
    assert (endpoint["apiKey"], endpoint["baseURL"]) == ("${LLMRACK_API_KEY}", URL)
    assert "llama3.1:latest" in endpoint["models"]["default"]
    assert endpoint["tokenConfig"]["long"]["context"] == 32768
    assert "coder" not in endpoint["tokenConfig"]


def test_home_assistant_is_told_the_fields_by_their_names() -> None:
    assert yaml.safe_load(made("home-assistant")) == {
        "Server Name": "llmrack",
        "Server URL": URL,
        "API key": "(the value of LLMRACK_API_KEY)",
        "Model": "llama3.1:latest",
        "Tool Providers": ["Assist"],
    }


def test_n8n_has_a_credential_to_import() -> None:
    assert json.loads(made("n8n")) == [
        {
            "id": "llmrack",
            "name": "llmrack",
            "type": "openAiApi",
            "data": {"apiKey": "={{ $env.LLMRACK_API_KEY }}", "url": URL},
        }
    ]


def test_agents_are_given_a_model_with_tools() -> None:
    models = {"plain": {"provider": "vllm", "model": "p"}, **MODELS}
    text = configuration("codex", stack(models=models), FLEET, FLEET.gateways[0])
    assert tomllib.loads(text)["model"] == "llama3.1:latest"
