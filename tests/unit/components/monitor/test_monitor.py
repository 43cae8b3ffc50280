"""Monitoring: what each host gets, what Prometheus asks, with which key."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
import yaml

from llmrack.components.gateway import gateway
from llmrack.components.gateway.routing import routing
from llmrack.components.monitor import monitor
from llmrack.components.monitor.prometheus import Credentials, PrometheusConfiguration
from llmrack.components.plan import by_component, plan_text
from llmrack.components.render import verbatim
from llmrack.resources.files import File
from llmrack.resources.look import PathSeen, Seen
from llmrack.secrets.value import Secret
from llmrack.shipped.gateway import auth_rules
from llmrack.shipped.host import metrics
from llmrack.stack.checks.checks import check
from llmrack.stack.fleet import Fleet
from tests.unit.declare import declaration, host, site, stack

MASTER = Secret("sk-canary-master")
SECRETS = {"LITELLM_MASTER_KEY": MASTER, "OLLAMA_API_KEY": Secret("canary-2")}
BOX1 = host(ollama_bind="0.0.0.0", gateway_bind="0.0.0.0")
BOX2 = host("box2", ("gpu",), "10.0.0.2", ollama_bind="0.0.0.0")
WATCH = host("watch", ("monitor",), "10.0.0.9")
WATCHED = Fleet((BOX1, BOX2, WATCH))
ALONE = Fleet((host(groups=("gpu", "gateway", "monitor")),))


def found(fleet, at, stack_=None):
    return {
        resource.name: resource
        for resource in monitor.resources(site(stack_, fleet, SECRETS), at, "")
    }


def metrics_json(at, stack_=None, fleet=WATCHED):
    resources = found(fleet, at, stack_)
    return json.loads(resources["File /home/llm/.config/llmrack/metrics.json"].content)


def test_nothing_is_installed_where_nobody_monitors():
    fleet = Fleet((BOX1, BOX2))
    assert not found(fleet, BOX1)
    assert "prometheus" not in gateway.configuration(stack(), fleet, BOX1)
    assert json.loads(routing(stack(), fleet, BOX1))["metrics"] is False


def test_gateways_have_metrics_behind_a_key_where_somebody_monitors():
    config = yaml.safe_load(gateway.configuration(stack(), WATCHED, BOX1))["litellm_settings"]
    assert "prometheus" in config["callbacks"]
    assert config["require_auth_for_metrics_endpoint"] is True
    assert json.loads(routing(stack(), WATCHED, BOX1))["metrics"] is True


def test_prometheus_asks_every_gateway_and_every_host():
    asked = {
        (target.job, target.host, target.address) for target in monitor.targets(WATCHED, WATCH)
    }
    assert asked == {
        ("gateway", "box1", "10.0.0.1:4000"),
        ("node", "box1", "10.0.0.1:9100"),
        ("node", "box2", "10.0.0.2:9100"),
        ("node", "watch", "127.0.0.1:9100"),
    }


def test_a_gateway_on_the_same_host_is_asked_on_loopback():
    (target,) = [e for e in monitor.targets(ALONE, ALONE.hosts[0]) if e.job == "gateway"]
    assert target.address == "127.0.0.1:4000"


def test_prometheus_is_on_the_hosts_of_its_group_alone():
    assert "Unit prometheus.service" in found(WATCHED, WATCH)
    assert "Unit prometheus.service" not in found(WATCHED, BOX1)


def test_the_exporter_is_open_to_prometheus_alone():
    rules = found(WATCHED, BOX1)["File /etc/llmrack/monitor/guard.nft"].content
    assert "ip saddr 10.0.0.9 tcp dport 9100 accept" in rules
    assert rules.index("accept\n    ip saddr") < rules.index("dport 9100 drop")


def test_the_exporter_does_not_start_without_its_guard():
    drop_in = "/etc/systemd/system/prometheus-node-exporter.service.d/llmrack.conf"
    assert (
        "Requires=llmrack-monitor-guard.service" in found(WATCHED, BOX1)[f"File {drop_in}"].content
    )


def test_the_exporter_of_a_fleet_of_one_listens_on_loopback():
    by_name = found(ALONE, ALONE.hosts[0])
    assert "Unit llmrack-monitor-guard.service" not in by_name
    drop_in = "/etc/systemd/system/prometheus-node-exporter.service.d/llmrack.conf"
    assert "--web.listen-address=127.0.0.1:9100 " in by_name[f"File {drop_in}"].content


@pytest.mark.parametrize(
    "unit",
    ["prometheus-node-exporter.service", "prometheus.service"],
    ids=["exporter", "prometheus"],
)
def test_how_a_package_is_run_is_said_before_it_is_installed(unit):
    names = list(found(WATCHED, WATCH))
    package = "Exporter's packages" if "exporter" in unit else "Prometheus' package"
    assert names.index(f"File /etc/systemd/system/{unit}.d/llmrack.conf") < names.index(package)


def test_the_key_for_metrics_is_the_one_that_the_gateway_knows():
    assert monitor.metrics_key(MASTER).reveal() == auth_rules.metrics_key(MASTER.reveal())


def test_the_plan_shows_no_key_for_metrics():
    text = plan_text(site(fleet=WATCHED, secrets=SECRETS), WATCH, files=True)
    assert "Credentials /etc/llmrack/prometheus.key" in text and "job_name: gateway" in text
    assert monitor.metrics_key(MASTER).reveal() not in text and MASTER.reveal() not in text


def test_the_key_travels_on_standard_input_alone():
    change = Credentials("/k", MASTER, "salt").change(Seen(), ())
    assert change and MASTER.reveal() not in change.actions[0].script
    assert MASTER.reveal() not in repr(change)
    assert change.actions[0].stdin == f"{MASTER.reveal()}\n"


def seen_key(mode=0o640, digest="9ba0ce6e0d7ebd2da33bba5b5bd69ba3e43a4b2ea37c0f9ad1ae5e9a1b5de9ec"):
    return Seen(paths={"/k": PathSeen("f", "root", mode, "")}, secret_files={"/k": digest})


def test_a_key_that_is_there_is_left_alone():
    import hashlib

    digest = hashlib.sha256(f"salt{MASTER.reveal()}\n".encode()).hexdigest()
    credentials = Credentials("/k", MASTER, "salt")
    assert credentials.change(seen_key(digest=digest), ()) is None
    assert credentials.change(seen_key(0o644, digest), ()).why == "mode"
    assert credentials.change(seen_key(), ()).why == "the key differs"


CONFIG = PrometheusConfiguration("/p", (("prometheus.yml", "a\n"), ("rules.yml", "b\n")), ("Drop",))
# promtool finds what it reads right unless there is a mistake in it.
PROGRAMS = {
    "promtool": '! grep -q mistake "$3"',
    "systemctl": 'echo "$*" >>{folder}/log',
}


@pytest.fixture
def prometheus(tmp_path, monkeypatch):
    """A host's folder with an old configuration, and what is asked of systemd (``log``)."""
    (tmp_path / "p").mkdir()
    for name in ("prometheus.yml", "rules.yml"):
        (tmp_path / "p" / name).write_text("old\n")
    for name, text in PROGRAMS.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text.format(folder=tmp_path)}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("llmrack.resources.last_written.WRITTEN", f"{tmp_path}/notes/written")
    return tmp_path


def configure(folder, content="new\n", changed=(), seen=None):
    files = (("prometheus.yml", content), ("rules.yml", content))
    configuration = PrometheusConfiguration(f"{folder}/p", files, ("Drop",))
    (action,) = configuration.change(seen or Seen(), changed).actions
    return subprocess.run(["sh", "-c", action.script], input=action.stdin, text=True).returncode


def configured(folder):
    return [(folder / "p" / name).read_text() for name in ("prometheus.yml", "rules.yml")]


def test_a_configuration_is_checked_before_it_replaces_the_old_one(prometheus):
    assert configure(prometheus, "mistake\n") == 1
    assert configured(prometheus) == ["old\n", "old\n"]
    assert configure(prometheus) == 0
    assert configured(prometheus) == ["new\n", "new\n"]
    assert not (prometheus / "p" / "new").exists()


def test_a_file_that_was_edited_and_is_kept_stays_beside_the_new_ones(prometheus):
    path = f"{prometheus}/p/rules.yml"
    seen = Seen(hashes={path: "x"}, edited={path}, kept=frozenset({path}))
    assert configure(prometheus, seen=seen) == 0
    assert configured(prometheus) == ["new\n", "old\n"]


def test_prometheus_reads_a_new_configuration_unless_it_is_restarted_anyway(prometheus):
    assert configure(prometheus, changed=("Drop",)) == 0
    assert not (prometheus / "log").exists()
    assert configure(prometheus) == 0
    assert "reload prometheus.service" in (prometheus / "log").read_text()


def test_a_configuration_that_is_there_is_left_alone():
    hashes = {f"/p/{name}": File("", text).digest for name, text in CONFIG.files}
    assert CONFIG.change(Seen(hashes=hashes), ()) is None


def test_instances_are_measured_with_what_they_answer_at_once():
    box = host(ollama_environment={"OLLAMA_NUM_PARALLEL": 4}, ollama_bind="0.0.0.0")
    (instance,) = metrics_json(box)["instances"]
    assert (instance["name"], instance["url"], instance["parallel"]) == (
        "box1",
        "http://127.0.0.1:11434",
        4,
    )


def test_a_model_that_may_be_split_need_not_lie_on_cards_wholly():
    models = {
        "llama3.2:1b": {"provider": "local"},
        "big": {"provider": "local", "gpu_split": True},
    }
    (instance,) = metrics_json(BOX1, stack(models=models, chains={}, default_chain=[]))["instances"]
    assert instance["gpu_share"] == {"big:latest": 0.01, "llama3.2:1b": 1}


def test_no_share_is_wanted_of_a_host_that_serves_from_its_cpu():
    (instance,) = metrics_json(host(gpu_required=False, ollama_bind="0.0.0.0"))["instances"]
    assert instance["gpu_share"] == {}


def test_certificates_are_looked_at_by_gateways_alone():
    assert [provider["provider"] for provider in metrics_json(BOX1)["certificates"]] == ["cloud"]
    assert metrics_json(BOX2)["certificates"] == []


def said(*hosts):
    return [problem for problem in check(declaration(fleet=Fleet(hosts)))]


def test_a_gateway_that_prometheus_cannot_reach_is_a_mistake():
    (problem,) = said(host(ollama_bind="0.0.0.0"), WATCH)
    assert "Prometheus on watch cannot reach it" in str(problem) and "gateway_bind" in str(problem)


def test_a_monitor_without_an_ip_address_is_a_mistake():
    (problem,) = said(BOX1, host("watch", ("monitor",), "watch.example.org"))
    assert "is no IP address" in str(problem)


def test_prometheus_beside_the_gateway_is_fine():
    assert said(*ALONE.hosts) == []


def test_a_port_that_the_exporter_needs_is_not_free():
    (problem,) = said(host(groups=("gpu", "gateway", "monitor"), ollama_port=9100))
    assert "9100" in str(problem)


def test_every_component_has_its_own_names():
    for watched in WATCHED.hosts:
        parts = by_component(site(fleet=WATCHED, secrets=SECRETS), watched, "amd64")
        names = [resource.name for part in parts.values() for resource in part]
        assert len(names) == len(set(names))


def rules():
    return yaml.safe_load(verbatim("monitor/rules.yml"))["groups"][0]["rules"]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_to_do(rule):
    assert "llmrack" in rule["annotations"]["description"]
    assert rule["annotations"]["summary"] and rule["labels"]["severity"]


def test_metrics_are_written_whole_and_readable(tmp_path):
    file = tmp_path / "llmrack.prom"
    metrics.write(file, [("llmrack_ollama_up", {"instance": 'a"b\\'}, 1)])
    assert file.read_text().splitlines()[1:] == [
        "# TYPE llmrack_ollama_up gauge",
        'llmrack_ollama_up{instance="a\\"b\\\\"} 1',
    ]
    assert [file.name for file in tmp_path.iterdir()] == ["llmrack.prom"]
    assert file.stat().st_mode & 0o777 == 0o644


def test_an_instance_that_does_not_answer_is_down():
    instance = {"name": "box1", "url": "http://127.0.0.1:1", "parallel": 1, "gpu_share": {}}
    samples = list(metrics.instances({"instances": [instance]}))
    assert ("llmrack_ollama_up", {"instance": "box1"}, 0) in samples


def test_the_ends_of_clients_keys_are_told(tmp_path):
    keys = tmp_path / "keys.json"
    entry = {"name": "alice", "until": "2027-01-01T00:00:00Z", "master": False}
    keys.write_text(json.dumps({"a": entry, "b": {**entry, "master": True}}))
    assert list(metrics.keys({"keys": str(keys)})) == [
        ("llmrack_key_end_timestamp_seconds", {"key": "alice"}, 1798761600)
    ]
