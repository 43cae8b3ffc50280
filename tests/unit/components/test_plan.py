"""Components: what a host shall have follows from stack, inventory and settings."""

from __future__ import annotations

import configparser

import pytest
import yaml

import llmrack
from llmrack.components.gateway import gateway
from llmrack.components.ollama import release
from llmrack.components.ollama.models import manifest_url
from llmrack.components.plan import by_component, plan_text
from llmrack.components.render import render
from llmrack.components.system import system
from llmrack.components.system.system import VERSION, Need
from llmrack.resources.files import EnvironmentFile, File
from llmrack.resources.look import DiskSeen, PathSeen, Seen
from llmrack.resources.releases import Archive, Release
from llmrack.secrets.value import Secret
from llmrack.site import locks
from llmrack.stack.deployments import deployments
from llmrack.stack.fleet import Fleet
from tests.unit.declare import STACK, host, site, stack, two_boxes

SECRETS = {"LITELLM_MASTER_KEY": Secret("sk-canary-1"), "OLLAMA_API_KEY": Secret("canary-2")}


def config(stack_=None, fleet=None) -> dict:
    fleet = fleet or two_boxes()
    return yaml.safe_load(gateway.configuration(stack_ or stack(), fleet, fleet.hosts[0]))


def unit(text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False, delimiters=["="])
    parser.optionxform = str
    parser.read_string(text)
    return parser


def resource(kind, component, fleet=None, **settings):
    fleet = fleet or Fleet((host(**settings),))
    resources = by_component(site(fleet=fleet, secrets=SECRETS), fleet.hosts[0], "amd64", "n")[
        component
    ]
    return [resource_ for resource_ in resources if isinstance(resource_, kind)]


def test_every_host_of_the_group_is_a_deployment():
    addresses = [(d.id, d.url) for d in deployments(stack(), two_boxes(), two_boxes().hosts[0])]
    assert ("box1/llama3.1:latest", "http://127.0.0.1:11434") in addresses
    assert ("box2/llama3.1:latest", "http://10.0.0.2:11434") in addresses


def test_a_box_added_to_the_inventory_adds_its_deployments():
    three = Fleet((*two_boxes().hosts, host("box3", ("gpu",), "10.0.0.3", ollama_bind="0.0.0.0")))
    more = len(config(fleet=three)["model_list"]) - len(config()["model_list"])
    assert more == 2  # the chat and the embedding model


def test_every_deployment_has_a_key_of_its_own():
    keys = {row["litellm_params"]["api_key"] for row in config()["model_list"]}
    assert keys == {"none", "os.environ/OLLAMA_API_KEY"}


def test_the_cloud_key_is_named_for_the_cloud_alone():
    for row in config()["model_list"]:
        params = row["litellm_params"]
        named = params["api_key"] == "os.environ/OLLAMA_API_KEY"
        assert named == (params["api_base"] == "https://ollama.com")


def test_the_configuration_says_nothing_twice():
    text = gateway.configuration(stack(), two_boxes(), two_boxes().hosts[0])
    comments = [line.strip() for line in text.splitlines() if line.strip().startswith("#")]
    assert len(comments) == len(set(comments))


def test_no_secret_stands_in_the_configuration():
    text = gateway.configuration(stack(), two_boxes(), two_boxes().hosts[0])
    assert "canary" not in text


def test_chains_become_fallbacks_and_the_default_chain_is_spelled_out():
    result = {
        name: chain
        for row in config()["router_settings"]["fallbacks"]
        for name, chain in row.items()
    }
    assert {name: [row["model"] for row in chain] for name, chain in result.items()} == {
        "llama3.1:latest": ["coder", "gpt-oss:20b-cloud"],
        "coder": ["gpt-oss:20b-cloud"],
    }


def test_no_member_of_a_chain_brings_its_own_chain_along():
    rows = config()["router_settings"]["fallbacks"]
    members = [member for row in rows for chain in row.values() for member in chain]
    assert members
    assert all(member["fallbacks"] == [] for member in members)


def test_unknown_names_have_no_fallback():
    assert "default_fallbacks" not in config()["router_settings"]


def test_embeddings_are_asked_in_openai_form():
    (row,) = [r for r in config(fleet=Fleet((host(),)))["model_list"] if r["model_name"] == "embed"]
    assert row["litellm_params"]["model"] == "openai/nomic-embed-text"
    assert row["litellm_params"]["api_base"] == "http://127.0.0.1:11434/v1"


def test_a_models_timeout_overrides_the_providers():
    models = STACK["models"] | {"coder": {"provider": "vllm", "timeout": 7, "stream_timeout": 2}}
    (row,) = [r for r in config(stack(models=models))["model_list"] if r["model_name"] == "coder"]
    assert (row["litellm_params"]["timeout"], row["litellm_params"]["stream_timeout"]) == (7, 2)


def test_plan_shows_files_and_no_secret():
    text = plan_text(site(secrets=SECRETS), two_boxes().hosts[0], files=True)
    assert "OLLAMA_API_KEY=********" in text and "canary" not in text
    assert "llmrack-ollama@main.service" in text and "model_list:" in text


def test_gateway_environment_holds_only_secrets_that_are_set():
    (file,) = resource(EnvironmentFile, "gateway")
    assert set(file.values) == {"LITELLM_MASTER_KEY", "OLLAMA_API_KEY"}
    assert file.mode == 0o600


def test_release_changes_with_the_configuration_alone():
    paths = {r.path for r in resource(Release, "gateway")}
    assert paths == {r.path for r in resource(Release, "gateway")}
    assert paths != {r.path for r in resource(Release, "gateway", fleet=two_boxes())}


def test_ollama_unit_carries_its_environment():
    text = resource(File, "ollama", ollama_environment={"OLLAMA_KEEP_ALIVE": "24h"})[0].content
    lines = text.splitlines()
    assert "OLLAMA_KEEP_ALIVE=24h" in lines
    assert "OLLAMA_CONTEXT_LENGTH=8192" in lines
    assert "OLLAMA_HOST=127.0.0.1:11434" in lines


def test_ollama_unit_carries_the_variables_that_are_handed_on():
    extra = {"HSA_OVERRIDE_GFX_VERSION_1": "11.0.0"}
    text = resource(File, "ollama", ollama_extra_environment=extra)[0].content
    assert "HSA_OVERRIDE_GFX_VERSION_1=11.0.0" in text.splitlines()


def test_ollama_unit_carries_no_key():
    settings = [
        line
        for file in resource(File, "ollama")
        for line in file.content.splitlines()
        if not line.startswith("#")
    ]
    assert settings and not [line for line in settings if "API_KEY" in line]


@pytest.mark.parametrize("component", ["ollama", "gateway"])
def test_units_parse_and_are_hardened_so_that_it_works(component):
    services = [
        unit(f.content)["Service"]
        for f in resource(File, component)
        if f.path.endswith(".service") and "guard" not in f.path and "warm-up" not in f.path
    ]
    assert services
    for service in services:
        # Without PrivateUsers= the others silently do nothing in a user manager.
        assert service["PrivateUsers"] == "yes"
        assert service["ProtectSystem"] == "strict"


def test_what_a_killed_ollama_leaves_behind_is_killed_at_once():
    (file,) = [f for f in resource(File, "ollama") if f.path.endswith("llmrack-ollama@.service")]
    assert unit(file.content)["Service"]["KillMode"] == "mixed"


def test_stop_takes_longer_than_draining():
    (service,) = [f for f in resource(File, "gateway", gateway_drain=42) if "@" in f.path]
    assert unit(service.content)["Service"]["TimeoutStopSec"] == "57"


def test_loopback_needs_no_guard():
    assert not [f for f in resource(File, "ollama") if "guard" in f.path]


def test_lan_bind_is_open_to_gateways_alone():
    fleet = Fleet(two_boxes().hosts[::-1])  # box2, which is no gateway
    rules = next(f for f in resource(File, "ollama", fleet=fleet) if f.path.endswith(".nft"))
    assert "ip saddr 10.0.0.1 tcp dport { 11434 } accept" in rules.content
    assert "tcp dport { 11434 } drop" in rules.content


def test_who_is_admitted_passes_the_guard():
    admitted = ("10.1.0.0/24", "fd00::/8")
    files = resource(File, "ollama", ollama_bind="0.0.0.0", ollama_admitted=admitted)
    rules = next(f for f in files if f.path.endswith(".nft"))
    assert "ip saddr 10.1.0.0/24 tcp dport { 11434 } accept" in rules.content
    assert "ip6 saddr fd00::/8 tcp dport { 11434 } accept" in rules.content


def test_guard_can_be_declined():
    assert not [
        f
        for f in resource(File, "ollama", ollama_bind="0.0.0.0", ollama_guard=False)
        if "guard" in f.path
    ]


def test_sources_are_archive_then_mirror_then_official():
    (archive,) = resource(Archive, "ollama", ollama_mirror="http://m", ollama_archive="a.tar.zst")
    (source,) = archive.sources
    assert source.upload == "a.tar.zst"
    assert [url.split("/v0")[0] for url in source.urls] == ["http://m", release.OFFICIAL]


def test_a_new_digest_is_a_new_release():
    assert release.release(host(), "amd64") != release.release(
        host(ollama_sha256={"amd64": "c" * 64}), "amd64"
    )


@pytest.mark.parametrize(
    ("model", "url"),
    [
        ("llama3.1:8b", "library/llama3.1/manifests/8b"),
        ("llama3.1", "library/llama3.1/manifests/latest"),
        ("me/mine:v1", "me/mine/manifests/v1"),
    ],
)
def test_manifest_is_asked_from_the_registry(model, url):
    assert manifest_url(model) == f"https://registry.ollama.ai/v2/{url}"


def test_a_host_knows_which_llmrack_deployed_it_and_nothing_restarts_for_that():
    parts = by_component(site(), two_boxes().hosts[0], "amd64", "n")
    everything = [entry for part in parts.values() for entry in part]
    (version,) = [item for item in everything if VERSION in repr(item)]
    assert version == File(VERSION, f"{llmrack.__version__}\n", "root", 0o644)
    before = Seen(
        paths={VERSION: PathSeen("f", "root", 0o644, "")},
        hashes={VERSION: File(VERSION, "0.1.0\n").digest},
    )
    assert version.change(before, ()).why == "content differs"


GOOD = {"pid1": "systemd", "systemd": "252", "arch": "x86_64", "apt": "yes", "uid": "0",
        "python": "3.11"}  # fmt: skip


def refusals(users=None, **facts) -> list[str]:
    return system.refusals(host(), Seen(facts=GOOD | facts, users=users or {}))


def test_a_sound_host_is_accepted():
    assert refusals() == []


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"pid1": "init"}, "does not run systemd (its first process is init)"),
        ({"systemd": "247"}, "systemd 247 is older than 249"),
        ({"arch": "armv7l"}, "processor armv7l is neither"),
        ({"apt": ""}, "no apt-get"),
        ({"uid": "1000"}, "root is needed"),
        ({"python": "3.9"}, "Python 3.9 is older than 3.10"),
    ],
)
def test_a_host_that_cannot_carry_it_is_refused(facts, reason):
    assert any(reason in text for text in refusals(**facts))


def test_a_user_with_another_home_is_refused():
    assert (
        "lives in /srv/llm"
        in refusals({"llm": ["llm", "x", "1", "1", "", "/srv/llm", "/bin/sh"]})[0]
    )


def test_disk_is_summed_before_the_first_byte():
    seen = Seen(disks={"/home/llm": DiskSeen("/", 3 * 10**9)})
    needed = [Need("release", "/home/llm", 2 * 10**9), Need("m:latest", "/home/llm", 10**9)]
    (reason,) = system.short_of_disk(seen, needed)
    assert "release 1,907 MiB, m:latest 954 MiB" in reason
    assert system.short_of_disk(seen, needed[1:]) == []


def test_disk_is_summed_for_each_filesystem():
    seen = Seen(disks={"/home/llm": DiskSeen("/", 10**10), "/srv/m": DiskSeen("/srv", 10**9)})
    needed = [Need("release", "/home/llm", 2 * 10**9), Need("m:latest", "/srv/m", 10**9)]
    (reason,) = system.short_of_disk(seen, needed)
    assert reason.startswith("the filesystem at /srv has 954 MiB free") and "release" not in reason


def test_template_with_a_missing_name_is_an_error():
    with pytest.raises(Exception, match="is undefined"):
        render("ollama/guard.nft.j2", port=1)


def test_pinned_litellm_is_accepted():
    assert locks.lock_problems() == []


@pytest.mark.parametrize("version", ["1.82.7", "1.82.8", "1.83.9"])
def test_litellm_with_known_holes_is_refused(monkeypatch, version):
    monkeypatch.setattr(locks, "litellm_version", lambda lock: version)
    assert f"{version} has known holes; choose 1.84.0" in str(locks.lock_problems()[0])


@pytest.mark.parametrize(
    ("credentials", "setting"),
    [
        (False, "EnvironmentFile=/home/llm/.config/llmrack/gateway.env"),
        (True, "LoadCredential=gateway.env:/home/llm/.config/llmrack/gateway.env"),
    ],
)
def test_keys_are_a_credential_where_systemd_can(credentials, setting):
    box = host()
    declared = site(fleet=Fleet((box,)), secrets=SECRETS)
    resources = by_component(declared, box, "amd64", "n", credentials)["gateway"]
    (unit_file,) = (item for item in resources if item.name.endswith("llmrack-gateway@.service"))
    assert setting in unit_file.content.splitlines()
    (service,) = (entry for entry in resources if entry.name == "Gateway")
    assert service.keys == setting


def test_the_plan_says_how_the_gateway_gets_its_keys():
    text = plan_text(site(secrets=SECRETS), two_boxes().hosts[0], files=False)
    assert "Gateway (its keys are a systemd credential" in text
    assert "as a systemd credential (systemd 257)" in gateway.way_of_keys(257)
    assert "in its environment" in gateway.way_of_keys(249)
