"""The settings about a proxy: what is taken, and the one error of what is not."""

from __future__ import annotations

import pytest

from llmrack.problems import DeclarationError
from llmrack.stack.load import load_settings
from llmrack.stack.settings import Settings


def refused(**data: object) -> str:
    with pytest.raises(DeclarationError) as caught:
        load_settings("box1", data)
    assert len(caught.value.problems) == 1
    return str(caught.value)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("http://proxy.corp:3128", "http://proxy.corp:3128"),
        ("http://proxy.corp:3128/", "http://proxy.corp:3128"),
        ("HTTP://10.0.0.9:8080", "http://10.0.0.9:8080"),
        ("http://[fd00::9]:3128", "http://[fd00::9]:3128"),
    ],
)
def test_an_address_is_kept_as_every_program_reads_it(given: str, kept: str) -> None:
    assert Settings(proxy=given).proxy == kept


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ("proxy.corp:3128", "has no scheme; write it as in http://proxy.example.com:3128"),
        ("socks5://proxy.corp:1080", "is a SOCKS proxy"),
        ("socks5h://proxy.corp:1080", "is a SOCKS proxy"),
        ("https://proxy.corp:3128", "does not begin with http://"),
        ("http://proxy.corp:3128/proxy.pac", "has a path"),
        ("http://proxy.corp:3128?a=b", "has a path"),
        ("http://proxy.corp", "has no port"),
        ("http://proxy.corp:99999", "is no address of a proxy"),
        ("http://proxy corp:3128", "is no address of a proxy"),
        ("http://:3128", "is no address of a proxy"),
        ("http://[fd00::9:3128", "is no address of a proxy"),
        ("", "has no scheme"),
    ],
)
def test_another_address_is_refused_with_its_cause(given: str, cause: str) -> None:
    text = refused(proxy=given)
    assert "proxy (host box1): " in text and cause in text


@pytest.mark.parametrize("scheme", ["http://", "", "socks5://"])
def test_a_password_in_the_address_is_refused_and_not_repeated(scheme: str) -> None:
    text = refused(proxy=f"{scheme}llm:p%40ss@proxy.corp:3128")
    assert "has a login in it" in text and "llmrack secrets set PROXY_LOGIN" in text
    assert "p%40ss" not in text


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["corp.example.com"], ("corp.example.com",)),
        ([".corp.example.com", "*.lan"], ("corp.example.com", "lan")),
        (["10.0.0.0/8", "fd00::/8"], ("10.0.0.0/8", "fd00::/8")),
        (["[fd00::9]", "10.0.0.9", "BOX"], ("fd00::9", "10.0.0.9", "box")),
        ("corp.example.com, 10.0.0.0/8", ("corp.example.com", "10.0.0.0/8")),
        ([], ()),
    ],
)
def test_exemptions_are_kept_as_every_program_reads_them(
    given: object, kept: tuple[str, ...]
) -> None:
    assert load_settings("box1", {"no_proxy": given}).no_proxy == kept


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ("*", "is no name, address or range"),
        ("http://corp", "is no range of addresses"),
        ("box:8080", "has an entry with a port"),
        ("10.0.0.1/8", "is no range of addresses"),
        ("a b", "is no name, address or range"),
    ],
)
def test_another_exemption_is_refused(given: str, cause: str) -> None:
    assert cause in refused(no_proxy=[given])


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "NO_PROXY"])
def test_a_proxy_is_declared_once(name: str) -> None:
    environment = {name: "corp"}
    text = refused(proxy="http://p:1", ollama_environment=environment)
    assert f"{name} is set for Ollama by" in text
    instances = [{"name": "a", "gpus": [], "environment": environment}]
    assert name in refused(proxy="http://p:1", ollama_instances=instances)
    assert load_settings("box1", {"ollama_environment": environment})


def test_a_login_is_the_name_of_a_secret() -> None:
    text = refused(proxy="http://p:1", proxy_login="llm:p%40ss")
    assert "proxy_login (host box1)" in text and "p%40ss" not in text
