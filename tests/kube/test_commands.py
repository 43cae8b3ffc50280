"""What people ask of a stack in a cluster, day by day."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import pytest

from llmrack_lab.kube.cluster import Cluster
from llmrack_lab.shell import wait_until
from tests import DEADLINE, ROOT
from tests.kube.declared import Declared, Images, llmrack


@pytest.fixture(scope="module")
def watcher() -> Iterator[subprocess.Popen[str]]:
    """Notes the command line of every process of this machine, pods' and kubectl's among them."""
    command = [sys.executable, str(ROOT / "tests" / "lab" / "watch.py")]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdin
        process.stdin.write("[]\n")
        process.stdin.flush()
        yield process
        process.kill()


@pytest.fixture(scope="module")
def serving(declared: Declared, images: Images, watcher: object) -> Declared:
    declared.use(images)
    declared.change(kube={"engines.gpu.replicas": 1, "gateway.replicas": 1})
    declared.applied()
    return declared


def test_what_is_served_is_proven_with_a_report(serving: Declared) -> None:
    report = serving.folder / "report.xml"
    done = serving.llmrack("verify", "--junit", str(report), "--json")
    assert done.returncode == 0, done.stderr
    assert {row["host"] for row in json.loads(done.stdout)["results"]} == {"gpu-0", "litellm"}
    assert 'failures="0"' in report.read_text()


def test_the_status_tells_of_every_pod(serving: Declared) -> None:
    done = serving.llmrack("status")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "gpu-0" in done.stdout and "litellm-" in done.stdout


def test_a_chat_is_answered_and_tells_by_whom(serving: Declared) -> None:
    done = serving.llmrack("chat", "assistant", "--message", "Say hello.")
    assert done.returncode == 0, done.stderr
    assert "gpu-0" in done.stdout + done.stderr


def test_requests_are_counted(serving: Declared) -> None:
    serving.llmrack("chat", "llama3.2:1b", "--message", "Say hello.")

    def counted() -> bool:
        done = serving.llmrack("usage", "--by", "model", "--json")
        assert done.returncode == 0, done.stderr
        return "llama3.2:1b" in done.stdout

    assert wait_until(counted, DEADLINE)


def test_requests_are_shown_as_they_end(serving: Declared, cluster: Cluster) -> None:
    program = str(Path(sys.executable).with_name("llmrack"))
    printed = serving.folder / "tail.out"
    with printed.open("w") as out:
        command = cluster.beside(program, "kube", "tail", "--json")
        following = subprocess.Popen(command, cwd=serving.folder, stdout=out)
    try:

        def shown() -> bool:
            # Until somebody follows.
            serving.llmrack("chat", "cloud-kimi", "--message", "Say hello.")
            return "\n" in printed.read_text()

        assert wait_until(shown, DEADLINE)
    finally:
        following.kill()
        following.wait()
    line = json.loads(printed.read_text().splitlines()[0])
    assert (line["model"], line["status"]) == ("cloud-kimi", 200)


def test_a_rotated_key_is_in_the_cluster(serving: Declared, cluster: Cluster) -> None:
    cluster.lab.accept("cloud", "rotated-0123456789abcdef", only=False)
    done = llmrack(
        *("secrets", "rotate", "OLLAMA_API_KEY"),
        cwd=serving.folder,
        given="rotated-0123456789abcdef\n",
        cluster=cluster,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    serving.keys["OLLAMA_API_KEY"] = "rotated-0123456789abcdef"
    assert "nothing was to change" in serving.applied()


def test_no_secret_was_seen(
    serving: Declared, cluster: Cluster, watcher: subprocess.Popen[str]
) -> None:
    """Neither in what commands print nor in a command line, an object, an event or a log."""
    for words in (("render",), ("diff",), ("status", "--json")):
        serving.llmrack(*words)
    lines = json.loads(watcher.communicate(timeout=DEADLINE)[0])["args"]
    assert any("kubectl" in line for line in lines) and any("serve.py" in line for line in lines)
    way, kinds = serving.way(), "all,configmaps,events,pvc,endpointslices,networkpolicies"
    listed = json.loads(way.run("get", kinds, "--output", "json", "--show-managed-fields").stdout)
    secrets = json.loads(way.run("get", "secrets", "--output", "json").stdout)["items"]
    texts = [serving.printed, *lines, json.dumps(listed)]
    texts += [json.dumps(secret["metadata"]) for secret in secrets]
    texts += [file.read_text(errors="replace") for file in (cluster.folder / "log").iterdir()]
    texts += [
        way.run("logs", one["metadata"]["name"], "--all-containers").stdout
        for one in listed["items"]
        if one["kind"] == "Pod"
    ]
    for name, value in serving.keys.items():
        for form in (value, base64.b64encode(value.encode()).decode()):
            assert not [text[:80] for text in texts if form in text], name


def test_a_removal_keeps_models_and_tells_so(serving: Declared) -> None:
    dry = serving.llmrack("remove", "--dry")
    assert dry.returncode == 0 and "goes: Deployment ml-commands/litellm" in dry.stdout
    done = serving.llmrack("remove", "--yes")
    assert done.returncode == 0, done.stderr
    assert "stays: PersistentVolumeClaim ml-commands/models-gpu-0, with its models" in done.stdout
    way, chosen = serving.way(), "app.kubernetes.io/part-of=litellm"
    claims = "persistentvolumeclaims"
    assert wait_until(lambda: not way.objects("pods", chosen), DEADLINE)
    assert way.objects(claims, chosen)
    again = serving.llmrack("remove", "--models", "--yes")
    assert again.returncode == 0, again.stderr
    assert wait_until(lambda: not way.objects(claims, chosen), DEADLINE)
