"""Providers: what can be said of them, and what is refused with place, cause and way out."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme
import yaml
from pydantic import ValidationError

from llmrack.problems import DeclarationError
from llmrack.stack.load import load_stack
from llmrack.stack.ollama.providers import (
    OllamaCloudProvider,
    OllamaProvider,
    OllamaRemoteProvider,
)
from llmrack.stack.schema import Stack

URL = "https://llm.office.example"


def load(folder: Path, **office: object) -> Stack:
    data = {
        "providers": {"office": {"kind": "ollama-remote", "url": URL} | office},
        "models": {"m": {"provider": "office"}},
    }
    (folder / "stack.yaml").write_text(yaml.safe_dump(data, sort_keys=False))
    return load_stack(folder / "stack.yaml", "stack.yaml")[0]


def mistake(folder: Path, **office: object) -> str:
    with pytest.raises(DeclarationError) as caught:
        load(folder, **office)
    (problem,) = caught.value.problems
    return str(problem)


def remote(**fields: object) -> OllamaRemoteProvider:
    return OllamaRemoteProvider.model_validate({"kind": "ollama-remote", "url": URL} | fields)


def test_our_own_instances_may_take_an_hour_and_are_watched():
    provider = OllamaProvider(kind="ollama")
    assert (provider.timeout, provider.health_check, provider.first_token_timeout) == (
        3600,
        True,
        None,
    )


def test_paid_providers_may_take_ten_minutes_and_are_left_alone():
    cloud = OllamaCloudProvider(kind="ollama-cloud")
    assert (cloud.timeout, cloud.health_check) == (600, False)


def test_secrets_of_a_provider_are_its_key_and_those_of_its_headers():
    office = remote(api_key="OFFICE_KEY", secret_headers={"X-API-Key": "OFFICE_HEADER"})
    assert office.secrets == ("OFFICE_KEY", "OFFICE_HEADER")


def test_paths_are_ollamas_unless_told_otherwise():
    paths = remote(paths={"chat": "/v2/chat"}).paths
    assert (paths.chat, paths.models, paths.health) == ("/v2/chat", "/api/tags", "/api/version")


@pytest.mark.parametrize("priority", [0, 11])
def test_priority_is_from_1_to_10(priority):
    with pytest.raises(ValidationError, match="priority"):
        remote(priority=priority)


@pytest.mark.parametrize("header", ["Authorization", "host", "Content-Type", "connection"])
def test_headers_that_the_gateway_sets_are_refused(tmp_path, header):
    assert f"{header} is set by the gateway itself" in mistake(tmp_path, headers={header: "x"})


def test_a_bearer_token_in_a_header_is_sent_to_api_key(tmp_path):
    assert mistake(tmp_path, secret_headers={"authorization": "A_KEY"}).endswith("; use api_key")


def test_a_header_stands_once_whatever_its_case(tmp_path):
    text = mistake(tmp_path, headers={"X-Key": "a"}, secret_headers={"x-key": "A_KEY"})
    assert text.endswith("providers.office: the header x-key stands there twice; keep one of them")


@pytest.mark.parametrize("headers", [{"X Key": "a"}, {"X-Key": "a\nX-Other: b"}, {"X-Key": ""}])
def test_a_header_cannot_end_its_line(tmp_path, headers):
    assert "has characters that are not allowed" in mistake(tmp_path, headers=headers)


def test_a_pasted_secret_header_is_refused_and_not_repeated(tmp_path):
    text = mistake(tmp_path, secret_headers={"X-API-Key": "sk-canary-4711"})
    assert "name the secret here, never the value itself" in text
    assert "canary" not in text


def test_an_unknown_path_names_the_nearest(tmp_path):
    text = mistake(tmp_path, paths={"chatt": "/x"})
    assert "stack.yaml:6: providers.office.paths.chatt: is no known key" in text
    assert text.endswith("did you mean 'chat'?")


def test_a_path_begins_with_a_slash(tmp_path):
    assert "providers.office.paths.health: has char" in mistake(tmp_path, paths={"health": "up"})


def test_a_certificate_authority_is_read(tmp_path):
    authority = trustme.CA().cert_pem.bytes().decode()
    (tmp_path / "ca.pem").write_text(authority)
    office = load(tmp_path, tls_ca="ca.pem").providers["office"]
    assert isinstance(office, OllamaRemoteProvider)
    assert office.tls_ca == authority


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (None, "no such file or directory"),
        (b"", "no certificate in PEM form"),
        (b"hello", "no certificate in PEM form"),
        (b"\xff\xfe", "no certificate in PEM form"),
        (trustme.CA().private_key_pem.bytes(), "no certificate in PEM form"),
        (
            trustme.CA().cert_pem.bytes() + trustme.CA().private_key_pem.bytes(),
            "it holds a private key",
        ),
    ],
    ids=["missing", "empty", "text", "binary", "key", "both"],
)
def test_an_authority_that_is_none_is_refused(tmp_path, content, cause):
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    text = mistake(tmp_path, tls_ca="ca.pem")
    assert text.startswith("stack.yaml:5: providers.office.tls_ca: ")
    assert f"ca.pem cannot be used ({cause}); name the PEM file of the authority" in text


def test_every_authority_that_is_none_is_told(tmp_path):
    office = {"kind": "ollama-remote", "url": URL, "tls_ca": "nowhere.pem"}
    data = {"providers": {"one": office, "two": office}, "models": {"m": {"provider": "one"}}}
    (tmp_path / "stack.yaml").write_text(yaml.safe_dump(data))
    with pytest.raises(DeclarationError) as caught:
        load_stack(tmp_path / "stack.yaml")
    assert len(caught.value.problems) == 2


def test_an_authority_for_what_is_not_verified_is_refused(tmp_path):
    assert mistake(tmp_path, tls_ca="ca.pem", tls_verify=False).endswith("keep one")


def test_tls_is_for_https(tmp_path):
    text = mistake(tmp_path, url="http://office", tls_verify=False)
    assert "are for https:// addresses; leave them out, or correct the address" in text


AZURE = "https://x.openai.azure.com/openai/deployments/y?api-version=2024-10-21"


def test_a_query_of_an_address_goes_behind_what_is_appended_to_it():
    office = remote(url="http://host:8000/v1/?tenant=a%20b&x=1")
    assert office.base == "http://host:8000/v1"
    assert office.at("/models") == "http://host:8000/v1/models?tenant=a%20b&x=1"
    assert office.version_url == "http://host:8000/v1/api/version?tenant=a%20b&x=1"


@pytest.mark.parametrize("kind", ["openai-compatible", "vllm"])
def test_an_address_with_a_query_is_an_address(tmp_path, kind):
    stack = load(tmp_path, kind=kind, url=AZURE, secret_headers={"api-key": "AZURE_API_KEY"})
    assert stack.providers["office"].url == AZURE


@pytest.mark.parametrize("name", ["key", "api_key", "api-key", "access_token", "sig"])
def test_a_key_in_the_query_of_an_address_is_refused_and_not_shown(tmp_path, name):
    text = mistake(tmp_path, url=f"https://host/v1?{name}=sk-do-not-show")
    assert f"has a secret in its query ({name})" in text
    assert "sk-do-not-show" not in text
    assert "secret_headers" in text
