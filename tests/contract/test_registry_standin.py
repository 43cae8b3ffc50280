"""The stand-in of registry.ollama.ai and the models that it serves."""

from __future__ import annotations

import hashlib
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trustme

from llmrack_lab.standins.models import CATALOGUE, build_models
from llmrack_lab.standins.registry import Registry
from tests import DEADLINE

MANIFEST = "/v2/library/qwen2.5-coder/manifests/7b"


@pytest.fixture
def client(registry: Registry) -> Iterator[httpx.Client]:
    host, port = registry.server_address[:2]
    with httpx.Client(base_url=f"http://{host!s}:{port}", trust_env=False) as client:
        yield client


@pytest.fixture
def blob(client: httpx.Client) -> tuple[str, int]:
    """Path and size of the largest blob."""
    layers = client.get(MANIFEST).json()["layers"]
    layer = max(layers, key=lambda layer: int(layer["size"]))
    return f"/v2/library/qwen2.5-coder/blobs/{layer['digest']}", layer["size"]


def test_manifest_comes_with_its_digest(client: httpx.Client) -> None:
    response = client.get(MANIFEST)
    assert response.headers["content-type"].endswith("manifest.v2+json")
    digest = hashlib.sha256(response.content).hexdigest()
    assert response.headers["docker-content-digest"] == f"sha256:{digest}"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v2/library/nothing/manifests/latest", "MANIFEST_UNKNOWN"),
        (f"/v2/library/llama3.1/blobs/sha256:{'0' * 64}", "BLOB_UNKNOWN"),
        ("/v2/library/../../etc/passwd", "NAME_UNKNOWN"),
    ],
)
def test_what_is_missing_is_404_in_oci_form(client: httpx.Client, path: str, code: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert response.json()["errors"][0]["code"] == code


def test_head_gives_the_size_alone(client: httpx.Client, blob: tuple[str, int]) -> None:
    response = client.head(blob[0])
    assert (response.headers["content-length"], response.content) == (str(blob[1]), b"")


def test_blob_has_its_digest(client: httpx.Client, blob: tuple[str, int]) -> None:
    content = client.get(blob[0]).content
    assert blob[0].endswith(hashlib.sha256(content).hexdigest())


def test_range_gives_a_part(client: httpx.Client, blob: tuple[str, int]) -> None:
    path, size = blob
    whole = client.get(path).content
    part = client.get(path, headers={"Range": "bytes=1000-1999"})
    assert (part.status_code, part.content) == (206, whole[1000:2000])
    assert part.headers["content-range"] == f"bytes 1000-1999/{size}"
    assert client.get(path, headers={"Range": f"bytes={size - 5}-"}).content == whole[-5:]
    assert client.get(path, headers={"Range": f"bytes={size}-"}).status_code == 416


def test_sent_bytes_are_counted(client: httpx.Client, blob: tuple[str, int]) -> None:
    before = client.get("/__standin__/bytes").json()["bytes_sent"]
    client.get(blob[0], headers={"Range": "bytes=0-999"})
    assert client.get("/__standin__/bytes").json()["bytes_sent"] == before + 1000


def test_rate_is_shared_by_all_answers(client: httpx.Client, blob: tuple[str, int]) -> None:
    path, size = blob
    rate = {"bytes_per_s": size * 4}
    assert client.post("/__standin__/rate", json=rate).json() == rate
    url, begun = str(client.base_url.join(path)), time.monotonic()
    readers = [threading.Thread(target=httpx.get, args=(url,)) for _ in range(2)]
    try:
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(timeout=DEADLINE)
        # Two blobs, each a quarter of a second's worth; the last chunk is not waited for.
        assert time.monotonic() - begun > 0.45
    finally:
        client.post("/__standin__/rate", json={"bytes_per_s": None})


@pytest.mark.parametrize("rate", [0, -1, "fast"])
def test_rate_that_is_none_is_refused(client: httpx.Client, rate: object) -> None:
    assert client.post("/__standin__/rate", json={"bytes_per_s": rate}).status_code == 400


def test_reset_breaks_a_blob_off(client: httpx.Client, blob: tuple[str, int]) -> None:
    assert client.post("/__standin__/fault", json={"mode": "reset"}).json() == {"mode": "reset"}
    try:
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(blob[0])
    finally:
        client.post("/__standin__/fault", json={"mode": "ok"})


def test_stall_holds_a_blob_until_it_ends(
    client: httpx.Client, registry: Registry, blob: tuple[str, int]
) -> None:
    client.post("/__standin__/fault", json={"mode": "stall"})
    before, deadline = registry.bytes_sent, time.monotonic() + DEADLINE
    received: list[int] = []
    url = str(client.base_url.join(blob[0]))
    reader = threading.Thread(target=lambda: received.append(len(httpx.get(url).content)))
    reader.start()
    while registry.bytes_sent == before:
        assert time.monotonic() < deadline
        # Where pyinfra's command line was imported, threads are greenlets and want a turn.
        time.sleep(0.01)
    assert registry.bytes_sent - before < blob[1]
    assert not received
    client.post("/__standin__/fault", json={"mode": "ok"})
    reader.join(timeout=DEADLINE)
    assert received == [blob[1]]


@pytest.mark.parametrize(
    ("mode", "error"),
    [("long", httpx.RemoteProtocolError), ("loop", httpx.TooManyRedirects)],
)
def test_a_blob_that_cannot_be_had_is_an_error(
    client: httpx.Client, blob: tuple[str, int], mode: str, error: type[Exception]
) -> None:
    client.post("/__standin__/fault", json={"mode": mode})
    try:
        with pytest.raises(error):
            client.get(blob[0], follow_redirects=True)
    finally:
        client.post("/__standin__/fault", json={"mode": "ok"})


@pytest.mark.parametrize("mode", ["short", "damage"])
def test_a_blob_can_be_another_one(client: httpx.Client, blob: tuple[str, int], mode: str) -> None:
    client.post("/__standin__/fault", json={"mode": mode})
    try:
        content = client.get(blob[0]).content
    finally:
        client.post("/__standin__/fault", json={"mode": "ok"})
    assert not blob[0].endswith(hashlib.sha256(content).hexdigest())


def test_unknown_fault_is_refused(client: httpx.Client) -> None:
    assert client.post("/__standin__/fault", json={"mode": "explode"}).status_code == 400


def test_every_model_of_the_catalogue_is_served(client: httpx.Client) -> None:
    for name in (name for model in CATALOGUE for name in model.names):
        model, _, tag = name.partition(":")
        assert client.get(f"/v2/library/{model}/manifests/{tag}").status_code == 200


def test_models_are_built_once_and_the_same_each_time(tmp_path: Path) -> None:
    def stamps(directory: Path) -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in directory.rglob("sha256-*")}

    first = stamps(build_models(tmp_path / "1"))
    assert stamps(build_models(tmp_path / "1")) == first
    assert stamps(build_models(tmp_path / "2")).keys() == first.keys()


def test_program_speaks_https_and_stops_at_once(registry: Registry, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "llmrack_lab.standins.registry"]
    command += ["--listen", f"127.0.0.1:{port}", "--dir", str(registry.blobs.parent)]
    command += ["--cert", str(tmp_path / "cert.pem"), "--key", str(tmp_path / "key.pem")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "stand-in" in process.stdout.readline()
        trust = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        with httpx.Client(verify=trust, trust_env=False) as client:
            response = client.get(f"https://localhost:{port}{MANIFEST}")
            assert response.status_code == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=DEADLINE) == 0


def test_program_names_the_address_that_it_cannot_have(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        command = [sys.executable, "-m", "llmrack_lab.standins.registry", "--listen", listen]
        result = subprocess.run(
            [*command, "--dir", str(tmp_path)], capture_output=True, text=True, timeout=30
        )
    assert result.returncode == 1
    assert listen in result.stderr
    assert "Traceback" not in result.stderr
