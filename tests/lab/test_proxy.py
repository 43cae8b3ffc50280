"""A network that lets only a proxy out: everything comes through it, and no prompt goes there.

Hosts: box1 (gpu, gateway) and box2 (gpu). They reach each other and what is on the LAN (vllm.lab,
attic.lab), and of the rest only the proxy, which asks for a login with an @ in its password.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from llmrack_lab.base import SUITE
from llmrack_lab.lab import Lab
from llmrack_lab.machine import debian_mirror, debian_sources
from llmrack_lab.shell import run
from tests.lab.forward_proxy import ForwardProxy, forward_proxy
from tests.lab.site import STACK, Run, Site

pytestmark = pytest.mark.timeout(1500)
BOXES = {"box1": ("gpu", "gateway"), "box2": ("gpu",)}
OLLAMA = "llmrack-ollama@main.service"
# As the proxy compares it, and as it stands in an address.
LOGIN, WRITTEN = "svc-llm:p@ss/w0rd-4711", "svc-llm:p%40ss%2Fw0rd-4711"
PASSWORDS = ("p@ss/w0rd-4711", "p%40ss%2Fw0rd-4711")
WRONG = "another-4712"
# Where the hosts' packages come from.
URLS = [debian_mirror(SUITE), *(url for url, _ in debian_sources(SUITE))]
APT = {str(urlsplit(url).hostname) for url in URLS}
PROMPT = "The recipe of the house is a secret."
LAN = {
    "providers": STACK["providers"]
    | {
        "cloud": {"kind": "ollama-cloud", "api_key": "OLLAMA_API_KEY"},
        "vllm": {"kind": "vllm", "url": "http://vllm.lab:8000/v1", "api_key": "VLLM_API_KEY"},
        "openai": {
            "kind": "openai-compatible",
            "url": "https://openai.lab/v1",
            "api_key": "OPENAI_API_KEY",
        },
    },
    "models": STACK["models"]
    | {
        "coder": {"provider": "vllm", "model": "Qwen/Qwen2.5-Coder-7B-Instruct"},
        "gpt-4o-mini": {"provider": "openai"},
    },
}


@dataclass
class Company:
    """The two boxes behind the proxy, deployed once."""

    site: Site
    proxy: ForwardProxy
    first: Run

    def declare(self, **data: object) -> None:
        """Declare the boxes with their proxy; ``data`` are settings above that."""
        way = {
            "proxy": self.proxy.url,
            "proxy_login": "PROXY_LOGIN",
            "no_proxy": ["openai.lab"],
        }
        self.site.declare(BOXES, LAN, **(way | data))


def names_on(site: Site) -> dict[str, str]:
    """The names that hosts of the lab know, with their addresses."""
    lines = (line.split() for line in site.on("box1", "cat /etc/hosts").splitlines())
    return {name: words[0] for words in lines if words for name in words[1:]}


def close(lab: Lab, host: str, addresses: list[str]) -> None:
    """Let a host reach only ``addresses`` and itself; without any, it is open again."""
    rules = "table ip company {}\ndelete table ip company\n"
    if addresses:
        rules += (
            "table ip company {\n chain out {\n"
            "  type filter hook output priority 0; policy accept;\n"
            f'  oifname "lo" accept\n  ip daddr {{ {", ".join(addresses)} }} accept\n'
            "  reject with icmp admin-prohibited\n }\n}\n"
        )
    place = f"/run/netns/lr-{lab.name}-{host}"
    run(["nsenter", f"--net={place}", "nft", "-f", "-"], input=rules)


@pytest.fixture(scope="module")
def company(lab: Lab, module_site: Site, fresh: Callable[[str], None]) -> Iterator[Company]:
    site = module_site
    for name in BOXES:
        fresh(name)
    names = names_on(site)
    machine = re.sub(r"\d+$", "1", lab.host("box1").address)
    reached = [machine, *(lab.host(name).address for name in BOXES)]
    reached += [names[name] for name in ("vllm.lab", "openai.lab")]
    with forward_proxy(machine, LOGIN, names) as proxy, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROXY_LOGIN", WRITTEN)
        for name in BOXES:
            close(lab, name, reached)
        # So that apt has something to fetch, which is not in the cache that labs share.
        own = 'Dir::Cache::archives "/var/tmp/apt";'
        site.on("box2", f"echo '{own}' >/etc/apt/apt.conf.d/99own; mkdir -p /var/tmp/apt/partial")
        site.on("box2", "apt-get -y purge zstd")
        try:
            made = Company(site, proxy, Run(1, ""))
            made.declare()
            made.first = site.deploy("--debug", "-vvv")
            yield made
        finally:
            for name in BOXES:
                close(lab, name, [])


@pytest.fixture(autouse=True)
def _as_deployed(company: Company) -> None:
    assert company.first.code == 0, company.first.output[-8000:]


def test_a_box_is_deployed_whose_only_way_out_is_the_proxy(company: Company) -> None:
    passed = company.proxy.passed
    # Ollama's archive by curl, models by Ollama, answers of the cloud by the gateway.
    assert {"mirror.lab", "registry.ollama.ai", "ollama.com"} <= passed.hosts
    assert APT & passed.hosts, passed.hosts
    company.site.settled()


def test_every_program_shows_the_login(company: Company) -> None:
    # curl, pip and others ask without a login first only if they have none.
    assert company.proxy.passed.refused == 0


def test_each_answer_comes_its_way_and_no_prompt_passes_the_proxy(company: Company) -> None:
    passed = company.proxy.passed
    before = len(passed.tunnels)
    for model, instance in {
        "llama3.2:1b": "box",
        "coder": "vllm",
        "gpt-4o-mini": "openai",
        "gpt-oss:20b-cloud": "cloud",
    }.items():
        messages = [{"role": "user", "content": PROMPT}]
        answer = company.site.chat("box1", model, messages=messages)
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-litellm-model-id"].startswith(instance)
    assert set(passed.tunnels[before:]) <= {"ollama.com:443"}
    assert PROMPT.encode() not in passed.sent


def test_nothing_of_the_fleet_or_the_lan_was_asked_of_the_proxy(company: Company) -> None:
    site, hosts = company.site, company.proxy.passed.hosts
    fleet = {word for name in BOXES for word in (name, site.lab.host(name).address)}
    assert not hosts & (fleet | {"localhost", "127.0.0.1", "vllm.lab", "openai.lab"})
    # In clear there is only what anybody may read.
    clear = {target.rpartition(":")[0] for target in company.proxy.passed.plain}
    assert clear <= {"mirror.lab", *APT}


def test_the_password_is_in_closed_files_alone(company: Company) -> None:
    site = company.site
    for password in PASSWORDS:
        assert password not in company.first.output
        plan = site.run("llmrack", "plan", "--files", "--inventory", site.inventory)
        assert plan.code == 0 and password not in plan.output, plan.output
        for box in BOXES:
            look = (
                f"grep -rlsF {password} /etc /home /opt /root /run /tmp /usr/local "
                "/var/lib /var/log /var/tmp || true"
            )
            for file in site.on(box, look).splitlines():
                assert site.on(box, f"stat -c %a {file}").endswith(("600", "400")), file
            assert password not in site.on(box, "journalctl --no-pager -o cat -n 20000")
    # Ollama prints its variables, and what its journal is good for stays.
    journal = site.as_service("box2", f"journalctl --user --no-pager -o cat -u {OLLAMA}")
    assert "HTTPS_PROXY:http://***@" in journal and "Listening on" in journal


def test_the_plan_names_the_proxy(company: Company) -> None:
    plan = company.site.run("llmrack", "plan", "--inventory", company.site.inventory)
    assert f"by the proxy {company.proxy.url}" in plan.output


def test_ollama_has_the_proxy_for_https_alone(company: Company) -> None:
    found = company.site.environment_of("box2", OLLAMA)
    assert found["HTTPS_PROXY"] == company.proxy.url.replace("//", f"//{WRITTEN}@")
    assert "HTTP_PROXY" not in found and "http_proxy" not in found
    assert "openai.lab" in found["NO_PROXY"]


def test_providers_are_asked_from_the_gateway_through_the_proxy(company: Company) -> None:
    site, passed = company.site, company.proxy.passed
    before = len(passed.tunnels)
    tested = site.run("llmrack", "secrets", "test", "--inventory", site.inventory)
    assert tested.code == 0, tested.output
    assert set(passed.tunnels[before:]) == {"ollama.com:443"}


def test_a_wrong_login_is_told_by_the_proxy_s_name(company: Company) -> None:
    site = company.site
    tested = site.run(
        *("llmrack", "secrets", "test", "cloud", "--inventory", site.inventory, "--json"),
        PROXY_LOGIN=f"svc-llm:{WRONG}",
    )
    assert tested.code == 1
    assert f"the proxy {company.proxy.url} gives no connection to cloud" in tested.output
    assert "407" in tested.output and WRONG not in tested.output
    company.proxy.passed.refused = 0


def test_a_company_s_authority_is_trusted_while_it_is_declared(company: Company) -> None:
    site = company.site
    office = {
        "kind": "ollama-remote",
        "url": "https://office.lab:8443/ollama",
        "paths": {"chat": "/v2/chat", "models": "/v2/models", "health": "/v2/health"},
        "api_key": "OFFICE_API_KEY",
        "headers": {"X-Client-ID": "rack1"},
        "secret_headers": {"X-API-Key": "OFFICE_CLIENT_KEY"},
    }
    stack = LAN | {
        "providers": LAN["providers"] | {"office": office},
        "models": LAN["models"] | {"llama3.1:8b": {"provider": "office"}},
    }
    way = {
        "proxy": company.proxy.url,
        "proxy_login": "PROXY_LOGIN",
        "no_proxy": "openai.lab",
    }
    site.declare(BOXES, stack, ca_file=str(site.lab.folder / "office-ca.pem"), **way)
    site.deployed()
    assert site.chat("box1", "llama3.1:8b").status_code == 200
    assert "office.lab" in company.proxy.passed.hosts
    assert site.on("box1", "curl -sS -o /dev/null -w '%{http_code}' https://office.lab:8443/ "
                   f"--proxy {company.proxy.url} --proxy-user {LOGIN}") != "000"  # fmt: skip
    site.settled()
    company.declare()
    site.deployed()
    for box in BOXES:
        assert site.on(box, "ls /etc/ssl/certs/llmrack.pem", check=False) == ""
        assert site.on(box, "ls /usr/local/share/ca-certificates/llmrack.crt", check=False) == ""
    site.settled()


def test_without_the_setting_nothing_of_it_stays(company: Company) -> None:
    site = company.site
    for box in BOXES:
        close(site.lab, box, [])
    company.declare(proxy=None, proxy_login=None)
    site.deployed()
    for box in BOXES:
        assert site.on(box, "ls /home/llm/.config/llmrack/proxy.env", check=False) == ""
        assert "HTTPS_PROXY" not in site.environment_of(box, OLLAMA)
    current = "/home/llm/.local/opt/llmrack-gateway/current"
    assert "PROXY" not in site.on("box1", f"cat {current}/litellm.env")
    site.settled()
