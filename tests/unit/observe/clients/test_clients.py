"""Configurations for clients are in their own languages, and have no key in them."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from llmrack.observe.clients.clients import ASSUMED_CONTEXT, CLIENTS, NoModel, configuration, served
from llmrack.stack.fleet import Fleet
from tests.unit.declare import host, stack

KEY = "sk-it's-$ecret\"0123"
MODELS = {
    "llama3.1:latest": {"provider": "local", "capabilities": ["chat", "tools", "vision"]},
    "embed": {"provider": "local", "model": "nomic-embed-text", "capabilities": ["embedding"]},
    "long": {"provider": "local", "model": "llama3.1", "context_length": 32768},
    "coder": {"provider": "vllm", "model": "Qwen/Coder"},
    "thinker": {"provider": "local", "model": "qwen3", "capabilities": ["chat", "thinking"]},
    "gpt-oss:20b-cloud": {"provider": "cloud"},
    "cloud/*": {"provider": "cloud"},
}
STACK = stack(models=MODELS, aliases={"short": "long"}, tiers={"eco": ["llama3.1:latest", "long"]})
FLEET = Fleet((host(gateway_bind="0.0.0.0", ollama_bind="0.0.0.0"),))
URL = "http://10.0.0.1:4000/v1"


def made(client: str, key: str | None = None) -> str:
    return configuration(client, STACK, FLEET, FLEET.gateways[0], key)


def shell(text: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", text],
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("client", CLIENTS)
def test_the_address_is_the_gateways_and_the_key_stands_nowhere(client: str) -> None:
    text = made(client)
    assert URL.removesuffix("/v1") in text
    assert "LLMRACK_API_KEY" in text + CLIENTS[client].place
    assert "sk-" not in text


def test_the_environment_takes_the_key_from_its_variable() -> None:
    show = made("env") + "echo $OPENAI_BASE_URL $OPENAI_API_KEY"
    assert shell(show, LLMRACK_API_KEY="sk-mine").stdout == f"{URL} sk-mine\n"
    assert "set it to your key" in shell(show).stderr


def test_a_key_that_is_shown_is_quoted_for_the_shell() -> None:
    show = made("env", KEY) + 'printf %s "$OPENAI_API_KEY"'
    assert shell(show).stdout == KEY


def test_curl_is_given_the_key_on_its_standard_input(tmp_path: Any) -> None:
    curl = tmp_path / "curl"
    curl.write_text('#!/bin/sh\nprintf "%s\\n" "$@"; cat\n')
    curl.chmod(0o755)
    path = f"{tmp_path}:/usr/bin:/bin"
    *words, last = shell(made("curl"), PATH=path, LLMRACK_API_KEY="sk-mine").stdout.splitlines()
    assert last == 'header = "Authorization: Bearer sk-mine"'
    assert f"{URL}/chat/completions" in words
    assert not [word for word in words if "sk-mine" in word]
    assert json.loads(words[-1])["model"] == "llama3.1:latest"


@pytest.mark.parametrize("key", [None, KEY])
def test_python_is_python(key: str | None) -> None:
    config = {
        word.arg: word.value
        for word in ast.walk(ast.parse(made("python", key)))
        if isinstance(word, ast.keyword)
    }
    assert ast.literal_eval(config["base_url"]) == URL
    if key:
        assert ast.literal_eval(config["api_key"]) == KEY


@pytest.mark.parametrize("key", [None, KEY])
@pytest.mark.parametrize(
    ("client", "suffix", "command"),
    [("node", ".mjs", ("node", "--check")), ("go", ".go", ("gofmt", "-l", "-e"))],
)
def test_other_languages_are_what_their_own_tools_take(
    tmp_path: Any, client: str, suffix: str, command: tuple[str, ...], key: str | None
) -> None:
    if not shutil.which(command[0]):
        pytest.skip(f"there is no {command[0]} here")
    file = tmp_path / f"ask{suffix}"
    file.write_text(made(client, key))
    ran = subprocess.run([*command, file], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stderr


def test_continue_has_roles_capabilities_and_lengths() -> None:
    models = {model["name"]: model for model in yaml.safe_load(made("continue"))["models"]}
    assert models["llama3.1:latest"] == {
        "name": "llama3.1:latest",
        "provider": "openai",
        "model": "llama3.1:latest",
        "apiBase": URL,
        "apiKey": "${{ secrets.LLMRACK_API_KEY }}",
        "roles": ["chat", "edit", "apply"],
        "capabilities": ["tool_use", "image_input"],
        "defaultCompletionOptions": {"contextLength": 8192},
    }
    assert models["embed"]["roles"] == ["embed"]
    assert "defaultCompletionOptions" not in models["coder"]


def test_crush_has_an_openai_compatible_provider() -> None:
    provider = json.loads(made("crush"))["providers"]["llmrack"]
    assert (provider["type"], provider["api_key"]) == ("openai-compat", "$LLMRACK_API_KEY")
    models = {model["id"]: model for model in provider["models"]}
    assert models["long"]["context_window"] == 32768
    assert models["thinker"]["can_reason"]
    assert "context_window" not in models["gpt-oss:20b-cloud"]


def test_opencode_has_a_provider_and_a_model() -> None:
    config = json.loads(made("opencode"))
    provider = config["provider"]["llmrack"]
    assert provider["options"] == {"baseURL": URL, "apiKey": "{env:LLMRACK_API_KEY}"}
    assert provider["models"]["long"]["limit"] == {"context": 32768, "output": 8192}
    assert provider["models"]["coder"]["limit"]["context"] == ASSUMED_CONTEXT
    assert config["model"] == "llmrack/llama3.1:latest"
    assert provider["models"]["thinker"]["reasoning"]
    assert provider["models"]["llama3.1:latest"]["attachment"]


def test_aider_names_its_model_with_the_prefix_of_openai() -> None:
    config = yaml.safe_load(made("aider"))
    assert config == {
        "openai-api-base": URL,
        "model": "openai/llama3.1:latest",
        "analytics": False,
        "check-update": False,
    }
    assert yaml.safe_load(made("aider", KEY))["openai-api-key"] == KEY


def test_open_webui_asks_for_embeddings_too() -> None:
    text = yaml.safe_load(made("open-webui"))["services"]["open-webui"]["environment"]
    assert text["OPENAI_API_BASE_URL"] == URL
    assert (text["RAG_EMBEDDING_ENGINE"], text["RAG_EMBEDDING_MODEL"]) == ("openai", "embed")
    # Compose reads $$ as $.
    shown = yaml.safe_load(made("open-webui", KEY))["services"]["open-webui"]["environment"]
    assert shown["OPENAI_API_KEY"] == KEY.replace("$", "$$")


IN_YAML = ["continue", "crush", "opencode", "cline", "vscode", "librechat", "home-assistant", "n8n"]


@pytest.mark.parametrize("client", IN_YAML)
def test_a_key_that_is_shown_is_quoted_for_its_file(client: str) -> None:
    assert repr(KEY) in str(yaml.safe_load(made(client, KEY)))


def test_names_that_chat_are_listed_with_what_all_behind_them_can() -> None:
    config = {model.name: model for model in served(STACK, FLEET, "chat")}
    names = ["llama3.1:latest", "long", "coder", "thinker", "gpt-oss:20b-cloud", "eco", "short"]
    assert set(config) == set(names)
    assert (config["eco"].can, config["eco"].context_length) == ((), 8192)
    assert config["short"].context_length == 32768
    assert config["llama3.1:latest"].can == ("tools", "vision")
    assert config["thinker"].can == ("thinking",)


def test_a_gateway_on_loopback_is_reached_through_a_tunnel() -> None:
    alone = Fleet((host(),))
    text = configuration("open-webui", STACK, alone, alone.gateways[0])
    config = yaml.safe_load(text)["services"]["open-webui"]
    assert config["environment"]["OPENAI_API_BASE_URL"] == "http://127.0.0.1:4000/v1"
    assert config["network_mode"] == "host"


def test_without_a_chat_model_there_is_nothing_to_configure() -> None:
    only = stack(models={"embed": MODELS["embed"]}, chains={}, default_chain=[])
    with pytest.raises(NoModel, match="no chat model is served"):
        configuration("curl", only, FLEET, FLEET.gateways[0])
