"""Bundles: what is in one, how it is read, what hosts get from it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from llmrack.bundle.create import create, package_names
from llmrack.bundle.fetch import BundleError, fetch
from llmrack.bundle.ollama import bundled_files, get_model
from llmrack.bundle.targets import TARGETS, Target
from llmrack.bundle.wheels import pins
from llmrack.commands.bundle import bundle as command
from llmrack.components.plan import by_component
from llmrack.problems import DeclarationError
from llmrack.resources.change import InstallBundled, Send, Upload
from llmrack.resources.look import Seen
from llmrack.resources.packages import Packages, target
from llmrack.resources.releases import Archive, Venv
from llmrack.stack.bundle import Bundle, BundledModel, Index, Listed, load_bundle
from llmrack.stack.fleet import Fleet
from llmrack.stack.offline import from_bundle, not_in_bundle
from tests.unit.declare import host, site, stack, two_boxes

BOOKWORM = Seen(facts={"os": "debian", "os_version": "12", "arch": "x86_64"})
FILES = {
    "gateway/requirements.txt": "litellm==1.106.2 --hash=sha256:aa\n",
    "gateway/uv.txt": "uv==0.13.8 --hash=sha256:bb\n",
    "ollama/ollama-linux-amd64.tar.zst": "archive",
    "models/manifests/registry.ollama.ai/library/embed/latest": "manifest",
    "models/blobs/sha256-ab": "weights",
    "debian-12-amd64/packages/Packages": "Package: curl\n",
    "debian-12-amd64/packages/curl_1_amd64.deb": "curl",
    "debian-12-amd64/wheels/uv.whl": "uv",
}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def made(tmp_path: Path) -> Bundle:
    """A small bundle for Debian 12, with another version than the settings'."""
    files = {}
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
        files[name] = Listed(sha256=sha256(text.encode()), size=len(text))
    index = Index(
        targets=("debian-12-amd64",),
        ollama_version="9.9.9",
        ollama_sha256={"amd64": files["ollama/ollama-linux-amd64.tar.zst"].sha256},
        models={
            "embed:latest": BundledModel(
                manifest="models/manifests/registry.ollama.ai/library/embed/latest",
                blobs=("models/blobs/sha256-ab",),
            )
        },
        files=files,
    )
    (tmp_path / "bundle.json").write_text(index.model_dump_json())
    return load_bundle(tmp_path, "b")


def refused(folder: Path) -> str:
    with pytest.raises(DeclarationError) as caught:
        load_bundle(folder, "b")
    return str(caught.value)


def test_folder_that_is_not_there_is_named(tmp_path):
    assert "bundle: b: is no folder; run `llmrack bundle create b`" in refused(tmp_path / "none")


def test_bundle_without_its_index_is_not_finished(tmp_path):
    assert "has no bundle.json, so it was not finished" in refused(tmp_path)


def test_index_of_another_format_is_not_read(made):
    text = (made.folder / "bundle.json").read_text().replace('"format":1', '"format":2')
    (made.folder / "bundle.json").write_text(text)
    assert "no index that this version reads (format)" in refused(made.folder)


def test_damaged_lock_file_is_named_before_it_is_used(made):
    (made.folder / "gateway" / "uv.txt").write_text("uv==0.13.9 --hash=sha256:bb\n")
    assert "gateway/uv.txt is damaged" in refused(made.folder)


def test_hosts_get_the_bundles_version_and_no_other_source(made):
    fleet = from_bundle(two_boxes(ollama_mirror="http://mirror", ollama_archive="/a"), made)
    for entry in fleet.hosts:
        assert entry.settings.ollama_version == "9.9.9"
        assert entry.settings.ollama_sha256 == made.index.ollama_sha256
        assert (entry.settings.ollama_mirror, entry.settings.ollama_archive) == (None, None)


def test_model_that_the_bundle_lacks_is_named(made):
    fleet = Fleet((host(),))
    causes = [problem.cause for problem in not_in_bundle(stack(), fleet, made)]
    assert f"{made.folder} has no model llama3.1:latest" in causes


def test_driver_is_named_as_what_no_bundle_has(made):
    fleet = Fleet((host(gpu_driver="nvidia"),))
    assert "gpu_driver (host box1)" in [
        problem.where for problem in not_in_bundle(stack(), fleet, made)
    ]


def changes(made: Bundle) -> dict[type, list[object]]:
    """The first action for everything that is fetched, on a Debian 12 without anything."""
    fleet = from_bundle(two_boxes(), made)
    parts = by_component(site(fleet=fleet), fleet.hosts[0], "amd64", "n")
    resources: dict[type, list[object]] = {}
    for resource in (resource for part in parts.values() for resource in part):
        if isinstance(resource, Packages | Archive | Venv):
            resources.setdefault(type(resource), []).append(
                resource.change(BOOKWORM, ()).actions[0]
            )
    return resources


def test_everything_that_is_fetched_comes_from_the_bundle(made):
    changes_ = changes(made)
    system = made.folder / "debian-12-amd64"
    assert changes_[Archive][0].local == made.folder / "ollama" / "ollama-linux-amd64.tar.zst"
    assert isinstance(changes_[Archive][0], Upload)
    assert changes_[Venv] == [Send(system / "wheels", changes_[Venv][0].remote, "llm")]
    assert all(
        isinstance(action, InstallBundled) and action.folder == system / "packages"
        for action in changes_[Packages]
    )


@pytest.mark.parametrize("gpus", [None, (), ("GPU-aaaaaaaa-0000-0000-0000-000000000001",)])
def test_packages_of_a_host_do_not_depend_on_whether_its_cards_are_known(gpus):
    """A bundle is made where no host can be asked; what is found at the deploy must be in it."""
    box = replace(host(ollama_bind="0.0.0.0", ollama_instances="per-gpu"), gpus=gpus)
    assert "nftables" in package_names(site(fleet=Fleet((box,))), "amd64")


@pytest.mark.parametrize(("machine", "name"), [("x86_64", "amd64"), ("aarch64", "arm64")])
def test_host_is_named_as_bundles_do(machine, name):
    seen = Seen(facts={"os": "ubuntu", "os_version": "24.04", "arch": machine})
    assert target(seen) == f"ubuntu-24.04-{name}"
    assert target(seen) in TARGETS


def test_check_passes_a_bundle_as_it_was_made(made):
    done = CliRunner().invoke(command, ["check", str(made.folder)])
    assert (done.exit_code, done.output.count("\n")) == (0, 1), done.output


def test_check_names_the_damaged_the_missing_and_the_extra_file(made):
    (made.folder / "models/blobs/sha256-ab").write_text("wEights")
    (made.folder / "debian-12-amd64/wheels/uv.whl").unlink()
    (made.folder / "debian-12-amd64/wheels/more.whl").write_text("more")
    done = CliRunner().invoke(command, ["check", str(made.folder)])
    assert done.exit_code == 1
    assert "/models/blobs/sha256-ab is damaged" in done.output
    assert "/wheels/uv.whl is missing" in done.output
    assert "/wheels/more.whl is not part of the bundle" in done.output


def test_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(BundleError, match="holds other things"):
        create(site(), [Target("debian-12-amd64")], tmp_path, None, print)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


LOCK = """\
async-timeout==5.0.1 ; python_full_version < '3.11.3' \\
    --hash=sha256:aa \\
    --hash=sha256:ab
    # via aiohttp
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:bb
hf-xet==1.8.0 ; platform_machine == 'x86_64' \\
    --hash=sha256:cc
litellm[proxy]==1.106.2 \\
    --hash=sha256:dd
"""


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("debian-12-amd64", {"async-timeout==5.0.1", "hf-xet==1.8.0", "litellm==1.106.2"}),
        ("debian-12-arm64", {"async-timeout==5.0.1", "litellm==1.106.2"}),
        ("ubuntu-24.04-amd64", {"hf-xet==1.8.0", "litellm==1.106.2"}),
    ],
)
def test_markers_are_evaluated_for_the_host_and_not_for_this_machine(name, needed):
    pinned = pins(LOCK, Target(name))
    assert set(pinned) == needed
    assert pinned.get("async-timeout==5.0.1", ["aa", "ab"]) == ["aa", "ab"]


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_has_sources_that_are_checked_by_a_key(name):
    lines = Target(name).apt_sources.splitlines()
    assert len(lines) == 3
    assert all(f"[signed-by={Target(name).keyring}]" in line for line in lines)


class Web:
    """A web that has one file, and counts the bytes it sends."""

    def __init__(self, content: bytes) -> None:
        self.content, self.sent = content, 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        start = int(request.headers.get("Range", "bytes=0-")[6:-1])
        self.sent += len(self.content) - start
        return httpx.Response(206 if start else 200, content=self.content[start:])

    @property
    def client(self) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self))


def test_broken_download_is_continued(tmp_path):
    web = Web(b"0123456789")
    (tmp_path / "f.part").write_bytes(b"0123")
    fetch(web.client, "http://x/f", tmp_path / "f", sha256(web.content))
    assert (tmp_path / "f").read_bytes() == web.content
    assert web.sent == 6


def test_file_that_is_right_is_not_fetched_again(tmp_path):
    web = Web(b"0123456789")
    (tmp_path / "f").write_bytes(web.content)
    fetch(web.client, "http://x/f", tmp_path / "f", sha256(web.content))
    assert web.sent == 0


def test_download_with_another_digest_is_refused_and_not_kept(tmp_path):
    with pytest.raises(BundleError, match="is not the file it should be"):
        fetch(Web(b"other").client, "http://x/f", tmp_path / "f", sha256(b"right"))
    assert list(tmp_path.iterdir()) == []


def test_model_lies_as_ollama_keeps_it(tmp_path):
    blob = b"weights"
    layer = {"digest": f"sha256:{sha256(blob)}", "size": len(blob)}
    manifest = json.dumps({"layers": [layer], "config": layer}).encode()

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        return httpx.Response(200, content=manifest if "/manifests/" in path else blob)

    web = httpx.Client(transport=httpx.MockTransport(answer))
    model = get_model(web, "llama3.2:1b", "http://r", tmp_path, lambda text: None)
    assert model.manifest == "models/manifests/registry.ollama.ai/library/llama3.2/1b"
    assert (tmp_path / model.manifest).read_bytes() == manifest
    assert model.blobs == (f"models/blobs/sha256-{sha256(blob)}",)
    assert (tmp_path / model.blobs[0]).read_bytes() == blob


def test_model_that_no_registry_has_is_named(tmp_path):
    web = httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(404)))
    with pytest.raises(BundleError, match="has no model 'nope:latest'"):
        get_model(web, "nope:latest", None, tmp_path, lambda text: None)


NVIDIA, AMD = "GPU-aaaaaaaa-0000-0000-0000-000000000001", "GPU-2ae088c172fd5d13"


def pinned(uuid: str) -> dict[str, object]:
    return {"ollama_instances": [{"name": "a", "gpus": [uuid]}]}


@pytest.mark.parametrize(
    ("box", "arches", "files"),
    [
        # The cards of a host are not known, and may be AMD's.
        (host(), {"amd64"}, ["amd64", "amd64-rocm"]),
        (host(), {"arm64"}, ["arm64"]),
        (host(ollama_instances="per-gpu"), {"amd64", "arm64"}, ["amd64", "arm64", "amd64-rocm"]),
        (host(**pinned(AMD)), {"amd64"}, ["amd64", "amd64-rocm"]),
        (host(**pinned(NVIDIA)), {"amd64"}, ["amd64"]),
        (host(gpu_required=False), {"amd64"}, ["amd64"]),
        (replace(host(gpu_required=False), rocm=True), {"amd64"}, ["amd64", "amd64-rocm"]),
        (host(ollama_sha256={"amd64": "a" * 64}), {"amd64"}, ["amd64"]),
    ],
)
def test_libraries_of_rocm_are_gathered_if_a_host_may_need_them(box, arches, files):
    assert bundled_files(stack(), Fleet((box,)), arches) == files
