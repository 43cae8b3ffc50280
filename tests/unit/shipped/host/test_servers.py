"""What the look for ``llmrack adopt`` sees of the servers of a host."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from llmrack.shipped import program
from llmrack.shipped.host import containers as containers_of
from llmrack.shipped.host import servers
from llmrack.shipped.host.containers import containers, on_host
from llmrack.shipped.host.model_files import model_files, place_of
from llmrack.shipped.host.processes import Process, ends, in_containers_of, placed
from llmrack.shipped.host.programs import config_of, program_of, program_of_image
from llmrack.shipped.host.servers import address_of, without_login
from llmrack.shipped.host.units import about_unit
from tests.contract.ollama_process import OllamaProcess
from tests.lab.ollama_boxes import ollama_boxes

BOX = "ab" * 32


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("/usr/local/bin/ollama serve", "ollama"),
        ("python3 /opt/bin/ollama serve", "ollama"),
        ("/bin/ollama start", "ollama"),
        ("ollama run llama3.2", ""),
        ("/usr/bin/vi ollama serve", ""),
        ("/usr/bin/llama-server -m /models/x.gguf --port 8080", "llama.cpp"),
        ("/usr/local/lib/ollama/llama-server --model /x --port 40123", ""),
        ("/opt/venv/bin/python3 /opt/venv/bin/vllm serve Qwen/Qwen3-8B", "vLLM"),
        ("python3 -m vllm.entrypoints.openai.api_server --model x", "vLLM"),
        ("/app/.venv/bin/python /app/.venv/bin/litellm --config /app/config.yaml", "LiteLLM"),
        ("python -m litellm.proxy.proxy_cli", "LiteLLM"),
        ("/usr/bin/python3 /usr/local/bin/open-webui serve", "Open WebUI"),
        ("python3 -m uvicorn open_webui.main:app --host 0.0.0.0", "Open WebUI"),
        ("nginx: master process", ""),
        ("python3 -u -m litellm.proxy.proxy_cli", "LiteLLM"),
        ("python3", ""),
        ("bash", ""),
    ],
)
def test_servers_are_known_by_their_arguments(arguments: str, expected: str) -> None:
    assert program_of(arguments.split(" ")) == expected


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("ollama/ollama", "ollama"),
        ("docker.io/ollama/ollama:0.12.3-rocm", "ollama"),
        ("registry.example.com:5000/mirror/ollama@sha256:00", "ollama"),
        ("ghcr.io/open-webui/open-webui:main", "Open WebUI"),
        ("ghcr.io/berriai/litellm:main-stable", "LiteLLM"),
        ("vllm/vllm-openai:latest", "vLLM"),
        ("ghcr.io/ggml-org/llama.cpp:server-cuda", "llama.cpp"),
        ("postgres:16", ""),
    ],
)
def test_servers_are_known_by_their_images(image: str, expected: str) -> None:
    assert program_of_image(image) == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("litellm --port 4000 --config /etc/litellm/config.yaml", "/etc/litellm/config.yaml"),
        ("litellm --config=config.yaml", "config.yaml"),
        ("litellm -c c.yaml", "c.yaml"),
        ("litellm --config", ""),
        ("litellm --model gpt-4o", ""),
    ],
)
def test_the_configuration_of_litellm_is_known_by_its_arguments(
    arguments: str, expected: str
) -> None:
    assert config_of("LiteLLM", arguments.split()) == expected


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ("0::/system.slice/ollama.service\n", ("ollama.service", "", "")),
        ("0::/system.slice/system-x.slice/x@1.service/sub\n", ("x@1.service", "", "")),
        (f"0::/system.slice/docker-{BOX}.scope\n", ("", "", BOX)),
        (f"0::/docker/{BOX}\n", ("", "", BOX)),
        (f"0::/machine.slice/libpod-{BOX}.scope/container\n", ("", "", BOX)),
        ("0::/user.slice/user-0.slice/session-3.scope\n", ("", "", "")),
        (
            "0::/user.slice/user-0.slice/user@0.service/app.slice/ollama.service\n",
            ("ollama.service", "root", ""),
        ),
        (
            f"0::/user.slice/user-0.slice/user@0.service/user.slice/libpod-{BOX}.scope\n",
            ("", "root", BOX),
        ),
        (
            "4:memory:/\n1:name=systemd:/system.slice/ollama.service\n0::/\n",
            ("ollama.service", "", ""),
        ),
        ("", ("", "", "")),
    ],
)
def test_unit_and_container_are_known_by_the_cgroup(
    groups: str, expected: tuple[str, str, str]
) -> None:
    assert placed(groups) == expected


def test_a_container_without_a_cgroup_is_known_by_its_first_process() -> None:
    running = [
        Process(pid, parent, ["x"], "root", "", "", "")
        for pid, parent in ((1, 0), (10, 1), (11, 10), (12, 11), (20, 1))
    ]
    placed_there = in_containers_of(running, {11: BOX})
    assert [p.pid for p in placed_there if p.container == BOX] == [11, 12]
    assert in_containers_of([running[0]._replace(container="other")], {1: BOX})[0].container == (
        "other"
    )


def test_addresses_are_read_as_the_kernel_writes_them() -> None:
    assert ends("0100007F:2CAA") == ("127.0.0.1", 11434)
    assert ends("00000000000000000000000000000000:0FA0") == ("::", 4000)
    assert ends("0000000000000000FFFF00000500000A:0050") == ("10.0.0.5", 80)


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:1"),
        ("0.0.0.0", "http://127.0.0.1:1"),
        ("::", "http://[::1]:1"),
        ("::1", "http://[::1]:1"),
        ("fd00::5", "http://[fd00::5]:1"),
        ("172.17.0.2", "http://172.17.0.2:1"),
    ],
)
def test_a_server_is_asked_where_it_listens(address: str, url: str) -> None:
    assert address_of(address, 1) == url


def test_a_login_stays_on_the_host() -> None:
    assert without_login("http://svc:p%40ss@proxy:3128") == "http://@proxy:3128"
    assert without_login("http://proxy:3128") == "http://proxy:3128"
    assert without_login("http://a:b@p/,http://c@q/") == "http://@p/,http://@q/"


def test_the_environment_of_a_unit_is_that_of_all_its_files(tmp_path: Path) -> None:
    file = tmp_path / "ollama.env"
    file.write_text('# OLLAMA_DEBUG=1\nOLLAMA_KEEP_ALIVE="1h"\n\nHF_TOKEN=x\n')
    shown = (
        "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nUser=ollama\n"
        "FragmentPath=/etc/systemd/system/ollama.service\n"
        "DropInPaths=/etc/systemd/system/ollama.service.d/override.conf\n"
        'Environment=PATH=/bin:/sbin "OLLAMA_ORIGINS=http://a http://b" OLLAMA_KEEP_ALIVE=5m\n'
        f"EnvironmentFiles={file} (ignore_errors=no)\n"
        "EnvironmentFiles=/no/such (ignore_errors=yes)\n"
    )
    assert about_unit(lambda _: shown, "ollama.service") == {
        "user": "ollama",
        "active": "active",
        "enabled": "enabled",
        "files": [
            "/etc/systemd/system/ollama.service",
            "/etc/systemd/system/ollama.service.d/override.conf",
        ],
        "values": {
            "PATH": "/bin:/sbin",
            "OLLAMA_ORIGINS": "http://a http://b",
            "OLLAMA_KEEP_ALIVE": "1h",
            "HF_TOKEN": "x",
        },
        "is_loaded": True,
    }


def test_a_unit_of_which_systemd_knows_nothing_is_not_loaded() -> None:
    assert not about_unit(lambda _: "LoadState=not-found\n", "ollama.service")["is_loaded"]
    assert not about_unit(lambda _: "", "ollama.service")["is_loaded"]


DOCKER = {
    "Id": BOX,
    "Name": "/ollama",
    "State": {"Running": True, "Pid": 4711},
    "Config": {
        "Image": "ollama/ollama",
        "Env": ["OLLAMA_HOST=0.0.0.0:11434", "OLLAMA_KEEP_ALIVE=24h"],
        "Cmd": ["serve"],
        "Labels": {"com.docker.compose.project.config_files": "/opt/ai/compose.yaml"},
    },
    "HostConfig": {
        "NetworkMode": "ai_default",
        "RestartPolicy": {"Name": "unless-stopped"},
        "PortBindings": {"11434/tcp": [{"HostIp": "", "HostPort": "11435"}]},
    },
    "Mounts": [
        {
            "Type": "volume",
            "Source": "/var/lib/docker/volumes/ollama/_data",
            "Destination": "/root/.ollama",
        }
    ],
    "NetworkSettings": {
        "IPAddress": "",
        "Networks": {"ai_default": {"IPAddress": "172.18.0.2"}},
        "Ports": {},
    },
}
PODMAN = {
    "Id": BOX,
    "Name": "ollama",
    "ImageName": "docker.io/ollama/ollama:latest",
    "State": {"Running": False},
    "Config": {"Env": None, "Cmd": None, "Labels": {"PODMAN_SYSTEMD_UNIT": "ollama-box.service"}},
    "HostConfig": {"NetworkMode": "host", "RestartPolicy": {"Name": ""}, "PortBindings": {}},
    "Mounts": [],
    "NetworkSettings": {"Ports": {}, "Networks": None},
}


@pytest.mark.parametrize(("runtime", "entry"), [("docker", DOCKER), ("podman", PODMAN)])
def test_containers_are_described_alike(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, runtime: str, entry: dict[str, object]
) -> None:
    (tmp_path / "docker").touch()
    (tmp_path / "podman").mkdir()
    monkeypatch.setattr(containers_of, "DOCKER_RUNS", tmp_path / "docker")
    monkeypatch.setattr(containers_of, "PODMAN_HAS_RUN", tmp_path / "podman")

    def run(command: list[str]) -> str:
        if command[0] != runtime:
            return ""
        return f"{BOX}\n" if command[1] == "ps" else json.dumps([entry])

    (box,) = containers(run, [])
    assert (box["runtime"], box["name"], box["id"], box["owner"]) == (runtime, "ollama", BOX, "")
    assert program_of_image(box["image"]) == "ollama"
    if runtime == "docker":
        assert box["published"] == [(11434, "", 11435)]
        assert box["pid"] == 4711
        assert box["addresses"] == ["172.18.0.2"]
        assert box["restarts"] == "unless-stopped"
        assert box["compose"] == "/opt/ai/compose.yaml"
        assert box["environment"]["OLLAMA_KEEP_ALIVE"] == "24h"
        folder = on_host("/root/.ollama/models", box["mounts"])
        assert folder == "/var/lib/docker/volumes/ollama/_data/models"
    else:
        assert box["is_on_host_network"]
        assert not box["runs"]
        assert box["unit"] == "ollama-box.service"
        assert on_host("/root/.ollama/models", box["mounts"]) == ""


def test_neither_docker_nor_podman_is_started_for_a_look(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(containers_of, "DOCKER_RUNS", tmp_path / "docker")
    monkeypatch.setattr(containers_of, "PODMAN_HAS_RUN", tmp_path / "podman")
    asked: list[list[str]] = []

    def run(command: list[str]) -> str:
        asked.append(command)
        return ""

    assert list(containers(run, [("ops", 1000)])) == []
    # A user's Podman has a container that runs.
    assert [command[:3] for command in asked] == [["runuser", "-u", "ops"]]


def test_a_path_of_a_container_is_that_of_the_nearest_mount() -> None:
    mounts = [("/root", "/a"), ("/root/.ollama", "/b/"), ("/models", "/c")]
    assert on_host("/root/.ollama/models", mounts) == "/b/models"
    assert on_host("/root/.ollama", mounts) == "/b"
    assert on_host("/root/x", mounts) == "/a/x"
    assert on_host("/models2", mounts) == ""


def test_models_are_read_from_disk_whatever_lies_there(tmp_path: Path) -> None:
    blobs, manifests = tmp_path / "blobs", tmp_path / "manifests/registry.ollama.ai/library"
    blobs.mkdir()
    for model, about in (
        ("llama3.2", {"model_family": "llama", "model_families": ["llama"]}),
        ("big-cloud", {"remote_host": "https://ollama.com"}),
    ):
        (blobs / f"sha256-{model}").write_text(json.dumps(about))
        (manifests / model).mkdir(parents=True)
        manifest = {
            "config": {"digest": f"sha256:{model}", "size": 5},
            "layers": [{"digest": "sha256:1", "size": 100}, {"digest": "sha256:2", "size": 20}],
        }
        (manifests / model / "latest").write_text(json.dumps(manifest))
    (manifests / "broken").mkdir()
    (manifests / "broken/latest").write_text("{")
    (manifests / "empty").mkdir()
    (manifests / "empty/latest").write_text("[]")
    (manifests / "outside").mkdir()
    (tmp_path / "secret").write_text('{"model_family": "canary"}')
    outside = {"config": {"digest": "../secret"}, "layers": []}
    (manifests / "outside/latest").write_text(json.dumps(outside))
    assert model_files(str(tmp_path)) == {
        "registry.ollama.ai/library/llama3.2/latest": {
            "size": 125,
            "families": ["llama"],
            "is_remote": False,
        },
        "registry.ollama.ai/library/big-cloud/latest": {
            "size": 125,
            "families": [],
            "is_remote": True,
        },
        "registry.ollama.ai/library/outside/latest": {
            "size": 0,
            "families": [],
            "is_remote": False,
        },
    }
    assert model_files(str(tmp_path / "nothing")) == {}


def test_the_first_folder_that_is_closed_to_others_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "volume/models"
    folder.mkdir(parents=True)
    for parent in (tmp_path, *tmp_path.parents):
        if str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    assert place_of(str(folder), str(tmp_path))["closed"] == ""
    (tmp_path / "volume").chmod(0o710)
    place = place_of(str(folder), str(tmp_path))
    assert (place["closed"], place["is_beside"]) == (str(tmp_path / "volume"), True)
    assert not place_of("/no/such", "/var/lib")["is_beside"]


def test_the_callers_of_a_published_port_are_those_of_its_helper(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Docker's proxy connects to the container in the place of each of its own callers."""

    def process(pid: int, program: str) -> Process:
        return Process(pid, 1, [f"/usr/bin/{program}", "-x"], "root", "", "", "")

    ours, proxy, editor = 10, 20, 30
    of_pid = {20: process(proxy, "docker-proxy"), 30: process(editor, "editor")}
    ends_of = {
        (ours, 11434): [("172.17.0.1", 1), ("172.17.0.1", 2), ("10.0.0.5", 3)],
        (proxy, 11500): [("127.0.0.1", 4), ("192.0.2.7", 5)],
    }
    held = {("172.17.0.1", 1): proxy, ("172.17.0.1", 2): proxy, ("127.0.0.1", 4): editor}
    monkeypatch.setattr(servers, "callers", lambda pid, port: ends_of[pid, port])
    monkeypatch.setattr(servers, "holders", lambda wanted, _: held)
    monkeypatch.setattr(servers, "listening", lambda _: [("0.0.0.0", 11500)])
    assert servers.counted_callers(ours, 11434, of_pid) == {
        ("10.0.0.5", 0): 1,
        ("127.0.0.1", editor): 1,
        ("192.0.2.7", 0): 1,
    }


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OllamaProcess]:
    folder = tmp_path_factory.mktemp("boxes")
    with ollama_boxes(
        folder,
        ["llama3.2:1b", "nomic-embed-text"],
        ["box1"],
        OPENAI_API_KEY="canary-of-openai",
        HTTPS_PROXY="http://svc:canary-of-proxy@proxy.example.com:3128",
        OLLAMA_NEW_ENGINE="canary-of-unknown",
    ) as boxes:
        yield boxes["box1"]


def test_a_running_ollama_is_seen_and_its_secrets_are_not(box: OllamaProcess) -> None:
    question = {"variables": ["OLLAMA_HOST", "OLLAMA_MODELS", "HTTPS_PROXY", "HOME"]}
    with contextlib.ExitStack() as opened:
        # It uses the server, so it is told.
        client = opened.enter_context(httpx.Client(base_url=box.url, trust_env=False))
        client.get("/api/version")
        ran = subprocess.run(
            [sys.executable, "-I", "-", json.dumps(question)],
            input=program("llmrack.shipped.host.servers"),
            capture_output=True,
            text=True,
            check=True,
        )
    assert "canary" not in ran.stdout + ran.stderr
    (server,) = (server for server in json.loads(ran.stdout)["servers"] if server["pid"] == box.pid)
    port = int(box.url.rpartition(":")[2])
    assert server["program"] == "ollama"
    assert server["listens"] == [["127.0.0.1", port]]
    assert server["environment"] == {
        "HOME": str(box.models.parent),
        "HTTPS_PROXY": "http://@proxy.example.com:3128",
        "OLLAMA_HOST": f"127.0.0.1:{port}",
        "OLLAMA_MODELS": str(box.models),
    }
    assert {"OPENAI_API_KEY", "OLLAMA_NEW_ENGINE", "PATH"} <= {*server["names"]}
    assert server["folder"] == str(box.models)
    assert server["version"]
    names = {name.rpartition("library/")[2] for name in server["models"]}
    assert names == {"llama3.2/1b", "nomic-embed-text/latest"}
    assert server["listed"]["nomic-embed-text:latest"]["capabilities"] == ["embedding"]
    callers = [caller for caller in server["callers"] if caller["program"]]
    assert [caller["address"] for caller in callers] == ["127.0.0.1"]
    assert "python" in callers[0]["program"]
