"""The kind ``litellm``: LiteLLM's prefixes, and what each of them needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from llmrack.components.gateway.gateway import configuration
from llmrack.components.gateway.routing import routing
from llmrack.problems import DeclarationError
from llmrack.site.locks import litellm_version as locked_version
from llmrack.site.locks import locks
from llmrack.stack.checks.checks import check
from llmrack.stack.declaration import Declaration
from llmrack.stack.fleet import Fleet, Host
from llmrack.stack.litellm_facts import litellm_version, provider_facts
from llmrack.stack.load import load_stack
from llmrack.stack.model_lists import next_page, servers, with_lists
from llmrack.stack.schema import Stack
from llmrack.stack.settings import Settings

GATEWAY = Host("box", frozenset({"gateway"}), "127.0.0.1", Settings())
AWS = {"aws_access_key_id": "AWS_ACCESS_KEY_ID", "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY"}


def load(folder: Path, **service: object) -> Stack:
    data = {
        "providers": {"paid": {"kind": "litellm"} | service},
        "models": {"m": {"provider": "paid"}},
    }
    (folder / "stack.yaml").write_text(yaml.safe_dump(data, sort_keys=False))
    return load_stack(folder / "stack.yaml", "stack.yaml")[0]


def mistake(folder: Path, **service: object) -> str:
    with pytest.raises(DeclarationError) as caught:
        load(folder, **service)
    (problem,) = caught.value.problems
    return str(problem)


def problems(folder: Path, **service: object) -> list[str]:
    stack = load(folder, **service)
    provider = stack.providers["paid"]
    declared = Declaration(stack, Fleet((GATEWAY,)), provider.secrets, {})
    return [str(problem) for problem in check(declared)]


def row(stack: Stack) -> dict[str, Any]:
    text = configuration(stack, Fleet((GATEWAY,)), GATEWAY)
    params: dict[str, Any] = yaml.safe_load(text)["model_list"][0]["litellm_params"]
    return params


def test_the_facts_are_those_of_the_locked_release():
    assert litellm_version() == locked_version(locks(None)[0])
    services = ("anthropic", "gemini", "azure", "bedrock", "vertex_ai", "groq", "openrouter")
    assert provider_facts().keys() >= {*services, "mistral", "cohere", "deepseek"}


@pytest.mark.parametrize(
    "service",
    [
        {"prefix": "anthropic", "api_key": "ANTHROPIC_API_KEY"},
        {"prefix": "gemini", "api_key": "GEMINI_API_KEY"},
        {"prefix": "groq", "api_key": "GROQ_API_KEY"},
        {"prefix": "openrouter", "api_key": "OPENROUTER_API_KEY"},
        {"prefix": "mistral", "api_key": "MISTRAL_API_KEY"},
        {"prefix": "anthropic", "url": "http://192.0.2.7:4000"},
        {"prefix": "bedrock", "settings": {"aws_region_name": "x"}, "secret_settings": AWS},
        {"prefix": "bedrock", "settings": {"aws_region_name": "x"}, "api_key": "BEDROCK_TOKEN"},
        {"prefix": "bedrock", "settings": {"aws_region_name": "x", "aws_profile_name": "p"}},
        # With the role of the machine.
        {"prefix": "bedrock", "settings": {"aws_region_name": "x"}},
        {"prefix": "sagemaker", "settings": {"aws_region_name": "x"}},
        {
            "prefix": "azure",
            "url": "https://x.openai.azure.com?api-version=2024-10-21",
            "api_key": "AZURE_API_KEY",
        },
        {
            "prefix": "azure",
            "url": "https://x.openai.azure.com",
            "settings": {"api_version": "2024-10-21", "tenant_id": "t", "client_id": "c"},
            "secret_settings": {"client_secret": "AZURE_CLIENT_SECRET"},
        },
        {
            "prefix": "vertex_ai",
            "settings": {"vertex_project": "p", "vertex_location": "europe-west1"},
            "secret_settings": {"vertex_credentials": "VERTEX_JSON"},
        },
    ],
)
def test_a_service_is_declared_with_what_it_needs(tmp_path, service):
    assert problems(tmp_path, **service) == []


@pytest.mark.parametrize(
    ("service", "cause", "way_out"),
    [
        ({"prefix": "anthropic"}, "needs api_key (ANTHROPIC_API_KEY)", "api_key: ANTHROPIC_"),
        (
            {
                "prefix": "bedrock",
                "secret_settings": {"aws_secret_access_key": "AWS_SECRET_ACCESS_KEY"},
            },
            "needs aws_access_key_id (AWS_ACCESS_KEY_ID)",
            "secret_settings.aws_access_key_id: AWS_ACCESS_KEY_ID",
        ),
        (
            {"prefix": "bedrock", "secret_settings": {"aws_access_key_id": "AWS_ACCESS_KEY_ID"}},
            "needs aws_secret_access_key",
            "secret_settings.aws_secret_access_key: AWS_SECRET_ACCESS_KEY",
        ),
        ({"prefix": "vertex_ai"}, "vertex_project (VERTEXAI_PROJECT)", "settings.vertex_project"),
        ({"prefix": "azure", "api_key": "K"}, "needs api_base (AZURE_API_BASE)", "add url"),
    ],
)
def test_what_a_service_lacks_is_named_with_its_variable(tmp_path, service, cause, way_out):
    text = "\n".join(problems(tmp_path, **service))
    assert cause in text
    assert way_out in text


@pytest.mark.parametrize(
    ("service", "text"),
    [
        ({"prefix": "antropic"}, "did you mean 'anthropic'?"),
        ({"prefix": "openai"}, "write kind: openai-compatible, and no prefix"),
        ({"prefix": "ollama_chat"}, "write kind: ollama-remote, and no prefix"),
        ({"prefix": "aiohttp_openai"}, "write kind: openai-compatible, and no prefix"),
        ({"prefix": "gemini", "settings": {"location": "x"}}, "knows no setting 'location'"),
        ({"prefix": "bedrock", "settings": {"aws_secret_access_key": "x"}}, "'secret_settings'"),
        ({"prefix": "azure", "settings": {"api_base": "x"}}, "use 'url'"),
        ({"prefix": "azure", "settings": {"api_version": "os.environ/X"}}, "as a secret by"),
        ({"prefix": "gemini", "secret_settings": {"vertex_credentials": "{..}"}}, "name the sec"),
    ],
)
def test_what_litellm_does_not_know_is_refused_with_a_way_out(tmp_path, service, text):
    assert text in mistake(tmp_path, **service)


def test_a_service_as_a_kind_is_told_how_it_is_written(tmp_path):
    assert "write kind: litellm, prefix: anthropic" in mistake(tmp_path, kind="anthropic")


def test_secrets_are_references_and_nothing_else_is_shown(tmp_path):
    settings = {"aws_region_name": "eu-central-1"}
    stack = load(tmp_path, prefix="bedrock", settings=settings, secret_settings=AWS)
    found = row(stack)
    assert found["model"] == "bedrock/m"
    assert found["aws_region_name"] == "eu-central-1"
    assert found["aws_secret_access_key"] == "os.environ/AWS_SECRET_ACCESS_KEY"
    assert found.keys().isdisjoint({"api_key", "api_base"})
    table = routing(stack, Fleet((GATEWAY,)), GATEWAY)
    assert '"AWS_SECRET_ACCESS_KEY"' in table


def test_azures_version_may_stand_in_the_address(tmp_path):
    url = "https://x.openai.azure.com/?api-version=2024-10-21"
    found = row(load(tmp_path, prefix="azure", url=url, api_key="AZURE_API_KEY"))
    assert found["api_base"] == "https://x.openai.azure.com"
    assert found["api_version"] == "2024-10-21"


def test_an_address_of_ones_own_without_a_key_is_shown_none(tmp_path):
    assert row(load(tmp_path, prefix="anthropic", url="http://192.0.2.7"))["api_key"] == "none"


def test_no_key_stands_in_the_way_of_a_role(tmp_path):
    # LiteLLM would send the word as a token of Bedrock.
    service = {"prefix": "bedrock", "settings": {"aws_region_name": "x"}}
    assert "api_key" not in row(load(tmp_path, url="https://vpce.example", **service))
    assert "api_key" not in row(load(tmp_path, **service))


def test_gemini_has_embeddings(tmp_path):
    """LiteLLM's own table of endpoints lacks them; LiteLLM asks for them."""
    data = {
        "providers": {"paid": {"kind": "litellm", "prefix": "gemini", "api_key": "KEY"}},
        "models": {
            "m": {
                "provider": "paid",
                "model": "gemini-embedding-001",
                "capabilities": ["embedding"],
            }
        },
    }
    declared = Declaration(Stack.model_validate(data), Fleet((GATEWAY,)), ("KEY",), {})
    assert check(declared) == []


def test_the_variables_of_an_address_are_known_in_litellms_order():
    facts = provider_facts()
    assert facts["anthropic"].addresses == ("ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL")
    assert facts["openai"].addresses == ("OPENAI_BASE_URL", "OPENAI_API_BASE")
    assert "AWS_BEDROCK_RUNTIME_ENDPOINT" in facts["bedrock"].addresses


@pytest.mark.parametrize(
    ("service", "url", "header"),
    [
        ({"prefix": "anthropic"}, "https://api.anthropic.com/v1/models", "x-api-key"),
        ({"prefix": "groq"}, "https://api.groq.com/openai/v1/models", "authorization"),
        (
            {"prefix": "gemini", "url": "http://x/v1beta"},
            "http://x/v1beta/models",
            "x-goog-api-key",
        ),
    ],
)
def test_a_list_of_models_is_asked_as_litellm_asks_for_it(tmp_path, service, url, header):
    stack = load(tmp_path, api_key="KEY", **service)
    (server,) = servers(stack, Fleet((GATEWAY,)), GATEWAY, "paid")
    assert (server.list_url, stack.providers["paid"].key_header) == (url, header)
    assert stack.providers["paid"].lists_models
    # Services take names that their lists do not have.
    assert not with_lists(stack)


@pytest.mark.parametrize(
    ("answer", "parameters"),
    [
        ({"data": [], "has_more": True, "last_id": "c"}, {"after_id": "c"}),
        ({"data": [], "has_more": False, "last_id": "c"}, {}),
        ({"models": [], "nextPageToken": "t"}, {"pageToken": "t"}),
        ([], {}),
    ],
)
def test_a_list_of_models_may_have_pages(answer, parameters):
    assert next_page(answer) == parameters


def test_a_service_without_a_known_list_is_asked_for_none(tmp_path):
    stack = load(tmp_path, prefix="bedrock", secret_settings=AWS)
    assert not stack.providers["paid"].lists_models
    text = "\n".join(problems(tmp_path, prefix="bedrock", secret_settings=AWS, health_check=True))
    assert "leave 'health_check' out" in text


def test_two_services_without_an_address_are_two(tmp_path):
    data = {
        "providers": {
            "a": {"kind": "litellm", "prefix": "anthropic", "api_key": "KEY"},
            "b": {"kind": "litellm", "prefix": "gemini", "api_key": "KEY"},
        },
        "models": {"m": {"provider": ["a", "b"]}},
    }
    declared = Declaration(Stack.model_validate(data), Fleet((GATEWAY,)), ("KEY",), {})
    assert check(declared) == []
    twice = {**data, "providers": {"a": data["providers"]["a"], "b": data["providers"]["a"]}}
    declared = Declaration(Stack.model_validate(twice), Fleet((GATEWAY,)), ("KEY",), {})
    assert any("is already the address of provider 'a'" in str(p) for p in check(declared))


def test_a_kind_of_answers_that_the_service_lacks_is_refused(tmp_path):
    data = {
        "providers": {"paid": {"kind": "litellm", "prefix": "anthropic", "api_key": "KEY"}},
        "models": {"m": {"provider": "paid", "capabilities": ["embedding"]}},
    }
    declared = Declaration(Stack.model_validate(data), Fleet((GATEWAY,)), ("KEY",), {})
    assert any("LiteLLM has no embedding" in str(problem) for problem in check(declared))
