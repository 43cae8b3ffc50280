"""What goes through a proxy, and how each program is told of it."""

from __future__ import annotations

import os
import subprocess
import urllib.request
from unittest.mock import patch

import httpx
import pytest

from llmrack.stack.fleet import Fleet
from llmrack.stack.proxies import logins, with_direct_providers, with_proxies
from llmrack.stack.proxy import AUTHORITIES, Downloads, Proxy
from tests.unit.declare import STACK, host, stack

ADDRESS = "http://proxy.corp:3128"
FLEET = Fleet(
    (
        host(proxy=ADDRESS, proxy_login="PROXY_LOGIN", no_proxy=["corp.example", "192.0.2.0/24"]),
        host("box2", ("gpu",), "fd00::12", proxy=ADDRESS),
        host("@docker/box3", ("gpu",), "box3.lan"),
    )
)
OUTSIDE = ("https://ollama.com", "https://api.openai.com/v1", "https://8.8.8.8/v1")
INSIDE = (
    *("https://box1:8443", "https://10.0.0.1/v1", "https://[fd00::12]:8443", "https://box3.lan"),
    *("https://localhost:1", "https://127.0.0.1:1", "https://[::1]:1"),
    *("https://corp.example", "https://llm.corp.example/v1"),
)
DIRECT = (
    # In a range, of which not all programs know.
    "https://192.0.2.30/v1",
    # Not declared: private, without a dot, in clear.
    *("https://10.9.9.9/v1", "https://vllm:8000/v1", "http://llm.elsewhere.example/v1"),
)


def proxy() -> Proxy:
    found = with_proxies(FLEET).hosts[0].proxy
    assert found
    return found


@pytest.mark.parametrize("url", OUTSIDE)
def test_what_is_outside_goes_through_the_proxy(url: str) -> None:
    assert proxy().carries(url)


@pytest.mark.parametrize("url", [*INSIDE, *DIRECT])
def test_what_is_inside_does_not(url: str) -> None:
    assert not proxy().carries(url)


def test_the_whole_fleet_is_exempt_for_each_host() -> None:
    for declared in with_proxies(FLEET).hosts[:2]:
        assert declared.proxy
        exempt = set(declared.proxy.exempt)
        assert exempt >= {"box1", "10.0.0.1", "box2", "fd00::12", "box3.lan", "localhost", "::1"}
        assert "@docker/box3" not in exempt


def test_a_host_without_the_setting_has_no_proxy() -> None:
    last = with_proxies(FLEET).hosts[2]
    assert last.proxy is None and last.downloads is None
    assert logins(with_proxies(FLEET)) == ["PROXY_LOGIN"]


def providers() -> list[str]:
    return [url for url in (*OUTSIDE, *INSIDE, *DIRECT) if url.startswith("https")]


def of_gateway() -> Proxy:
    """The proxy of a gateway that asks every one of the addresses above."""
    declared = {
        f"p{number}": {"kind": "openai-compatible", "url": url}
        for number, url in enumerate(providers())
    }
    models = {f"m{number}": {"provider": name} for number, name in enumerate(declared)}
    return with_direct_providers(
        stack(providers={**STACK["providers"], **declared}, models={**STACK["models"], **models}),
        proxy(),
    )


@pytest.mark.parametrize("url", providers())
def test_libraries_of_the_gateway_agree_on_who_is_asked_directly(url: str) -> None:
    through = proxy().carries(url)
    variables = {"HTTPS_PROXY": ADDRESS, "NO_PROXY": ",".join(of_gateway().exempt)}
    with patch.dict(os.environ, variables, clear=True):
        # LiteLLM's transport of aiohttp asks this of urllib, with the host alone.
        bypassed = urllib.request.proxy_bypass(httpx.URL(url).host)
        with httpx.Client() as client:
            direct = client._transport_for_url(httpx.URL(url)) is client._transport
    assert (bool(bypassed), direct) == (not through, not through)


def test_what_is_in_clear_is_never_asked_through_the_proxy_by_the_gateway() -> None:
    variables = {"HTTPS_PROXY": ADDRESS, "NO_PROXY": ",".join(of_gateway().exempt)}
    with patch.dict(os.environ, variables, clear=True), httpx.Client() as client:
        url = httpx.URL("http://llm.elsewhere.example/v1")
        assert client._transport_for_url(url) is client._transport


def test_downloads_have_the_variables_in_both_forms() -> None:
    found = Downloads(proxy(), False).variables({"PROXY_LOGIN": "llm:p%40ss"})
    whole = "http://llm:p%40ss@proxy.corp:3128"
    assert {found[name] for name in ("http_proxy", "HTTP_PROXY")} == {whole}
    assert {found[name] for name in ("https_proxy", "HTTPS_PROXY")} == {whole}
    assert found["no_proxy"] == found["NO_PROXY"] == ",".join(proxy().exempt)
    assert "SSL_CERT_FILE" not in found


def test_a_company_s_authority_is_in_the_host_s_list() -> None:
    found = Downloads(None, True).variables({})
    assert set(found.values()) == {AUTHORITIES}
    assert set(found) == {"SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "PIP_CERT"}


@pytest.mark.parametrize("url", ["http://box1:9/", "http://10.0.0.1:9/", "http://[fd00::12]:9/"])
def test_curl_asks_hosts_of_the_fleet_directly(url: str) -> None:
    variables = Downloads(proxy(), False).variables({}) | {"PATH": os.environ["PATH"]}
    # Nothing leaves this machine; curl says which variable it takes the proxy from.
    done = subprocess.run(
        ["curl", "-sv", "--max-time", "1", "--connect-to", "::127.0.0.1:9", url],
        env=variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "no_proxy ==" in done.stderr and "http_proxy ==" not in done.stderr, done.stderr
