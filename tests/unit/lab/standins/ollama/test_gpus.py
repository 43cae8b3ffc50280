"""Which GPUs the stand-in of Ollama finds, and how much of a model it puts there."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmrack_lab.standins.ollama import gpus
from llmrack_lab.standins.ollama.gpu import Gpu
from llmrack_lab.standins.ollama.gpus import discover
from llmrack_lab.standins.ollama.model import Model
from llmrack_lab.standins.ollama.names import ModelName
from llmrack_lab.standins.ollama.scheduler import Scheduler
from llmrack_lab.standins.ollama.settings import Settings
from llmrack_lab.standins.ollama.store import Manifest

CARDS = ("GPU-1111", "GPU-2222")


class Host:
    """A host whose nvidia-smi and device file are what a test says."""

    def __init__(self, folder: Path) -> None:
        self.smi = folder / "nvidia-smi"
        self.uvm = folder / "nvidia-uvm"
        self.nodes = folder / "nodes"
        self.uvm.touch()

    def has(self, driver: str = "570.86.15", compute: str = "8.9", code: int = 0) -> None:
        lines = "".join(
            f"{uuid}, NVIDIA GeForce RTX 4090, {driver}, {compute}, 24564, 564, "
            f"00000000:0{n}:00.0\n"
            for n, uuid in enumerate(CARDS, 1)
        )
        self.smi.write_text(f"#!/bin/sh\ncat <<'END'\n{lines}END\nexit {code}\n")
        self.smi.chmod(0o755)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(gpus, "UVM", made.uvm)
    monkeypatch.setattr(gpus, "KFD_NODES", made.nodes)
    return made


def found(**environment: str) -> list[str]:
    settings = Settings.from_environment({"HOME": "/nowhere", **environment})
    return [gpu.uuid for gpu in discover(settings)]


def test_all_cards_are_found_and_told(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.has()
    assert found() == list(CARDS)
    lines = [line for line in capsys.readouterr().err.splitlines() if "inference compute" in line]
    assert (
        'level=INFO source=types.go:50 msg="inference compute" id=GPU-2222 filter_id="" '
        "library=CUDA compute=8.9 name=CUDA1 "
        'description="NVIDIA GeForce RTX 4090" libdirs=ollama,cuda_v12 driver=570.86.15 '
        'pci_id=0000:02:00.0 type=discrete total="24.0 GiB" available="23.4 GiB"'
    ) in lines[1]


def test_host_without_cards_has_a_processor(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    assert found() == []
    assert "id=cpu library=cpu " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("selection", "cards"),
    [
        ("GPU-2222", ["GPU-2222"]),
        ("GPU-22", ["GPU-2222"]),
        ("1", ["GPU-2222"]),
        ("GPU-2222,GPU-1111", ["GPU-2222", "GPU-1111"]),
        ("0,GPU-9999,1", ["GPU-1111"]),
        ("GPU-", []),
        ("-1", []),
        ("", []),
    ],
)
def test_selection_leaves_some_visible(host: Host, selection: str, cards: list[str]) -> None:
    host.has()
    assert found(CUDA_VISIBLE_DEVICES=selection) == cards


def test_failing_nvidia_smi_means_no_card(host: Host) -> None:
    host.has(code=9)
    assert found() == []


def test_device_file_that_cannot_be_opened_means_no_card(host: Host) -> None:
    host.has()
    host.uvm.unlink()
    assert found() == []


@pytest.mark.parametrize(
    ("driver", "compute", "required"),
    [("535.183.01", "8.9", "550 or newer"), ("565.57.01", "6.1", "570 or newer")],
)
def test_old_driver_is_told_and_not_used(
    host: Host, capsys: pytest.CaptureFixture[str], driver: str, compute: str, required: str
) -> None:
    host.has(driver, compute)
    assert found() == []
    output = capsys.readouterr().err
    assert 'level=WARN source=cuda_compat.go:65 msg="NVIDIA driver too old"' in output
    assert f'required_driver="{required}"' in output
    assert "library=cpu" in output


class OtherHost:
    """A host with a card of AMD's or Intel's, and a release of Ollama in a folder."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.libraries = folder / "lib" / "ollama"
        self.nodes, self.kfd, self.pci = folder / "nodes", folder / "kfd", folder / "pci"
        self.dri, self.system, self.manifests = folder / "dri", folder / "lib64", folder / "icd"
        for name, value in (
            ("LIBRARIES", self.libraries),
            *(("KFD_NODES", self.nodes), ("KFD", self.kfd), ("PCI", self.pci)),
            *(("DRI", self.dri), ("SYSTEM_LIBRARIES", self.system)),
            ("MANIFESTS", self.manifests),
        ):
            monkeypatch.setattr(gpus, name, value)

    def has_amd(self, target: int = 110000) -> None:
        self._write(self.nodes / "0" / "properties", "simd_count 0\nunique_id 0\n")
        lines = f"simd_count 192\nunique_id 255\nlocation_id 768\ngfx_target_version {target}\n"
        self._write(self.nodes / "1" / "properties", lines)
        self._write(self.pci / "0000:03:00.0" / "mem_info_vram_total", "1024\n")
        self._write(self.kfd, "")
        self.has_card("0000:03:00.0", "0x1002")

    def has_card(self, bus: str, vendor: str, render: str = "renderD128") -> None:
        self._write(self.pci / bus / "vendor", f"{vendor}\n")
        self._write(self.pci / bus / "class", "0x030000\n")
        (self.pci / bus / "drm" / render).mkdir(parents=True)
        self._write(self.dri / render, "")

    def has_rocm(self, *targets: str) -> None:
        folder = self.libraries / "rocm_v7_2"
        self._write(folder / "libggml-hip.so", "")
        for target in targets:
            kernel = f"TensileLibrary_lazy_{target}.dat"
            self._write(folder / "rocblas" / "library" / kernel, "")

    def has_vulkan(self, *manifests: str) -> None:
        self._write(self.libraries / "vulkan" / "libggml-vulkan.so", "")
        self._write(self.system / "x86_64-linux-gnu" / "libvulkan.so.1", "")
        for name in manifests:
            self._write(self.manifests / name, "{}")

    def _write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def other(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OtherHost:
    return OtherHost(tmp_path, monkeypatch)


def libraries(**environment: str) -> list[str]:
    settings = Settings.from_environment({"HOME": "/nowhere", **environment})
    return [gpu.library for gpu in discover(settings)]


def test_there_is_no_rocm_without_its_archive(
    other: OtherHost, capsys: pytest.CaptureFixture[str]
) -> None:
    other.has_amd()
    assert found() == []
    assert "id=cpu library=cpu" in capsys.readouterr().err
    other.has_rocm("gfx1100")
    assert found() == ["GPU-00000000000000ff"]
    assert "library=ROCm compute=gfx1100" in capsys.readouterr().err
    other.kfd.unlink()
    assert found() == []


def test_rocm_uses_the_cards_that_it_is_told_and_knows(
    other: OtherHost, capsys: pytest.CaptureFixture[str]
) -> None:
    other.has_amd(target=90010)
    other.has_rocm("gfx1030", "gfx1100")
    assert found() == []
    assert "no rocblas support for gfx target" in (output := capsys.readouterr().err)
    assert "gfx_target=gfx90a" in output
    assert found(HSA_OVERRIDE_GFX_VERSION="10.3.0") == ["GPU-00000000000000ff"]
    assert found(HSA_OVERRIDE_GFX_VERSION="10.3.0", ROCR_VISIBLE_DEVICES="-1") == []


def test_vulkan_needs_its_loader_and_a_driver_for_the_card(other: OtherHost) -> None:
    other.has_card("0000:03:00.0", "0x8086")
    assert libraries() == []
    other.has_vulkan("radeon_icd.x86_64.json")
    assert libraries() == []
    other.has_vulkan("intel_icd.x86_64.json")
    assert libraries() == ["Vulkan"]


@pytest.mark.parametrize(
    ("environment", "cards"),
    [
        ({}, 2),
        ({"OLLAMA_VULKAN": "1"}, 2),
        ({"OLLAMA_VULKAN": "0"}, 0),
        ({"GGML_VK_VISIBLE_DEVICES": "-1"}, 0),
        ({"GGML_VK_VISIBLE_DEVICES": "1"}, 1),
        ({"GGML_VK_VISIBLE_DEVICES": ""}, 2),
        ({"CUDA_VISIBLE_DEVICES": "-1", "ROCR_VISIBLE_DEVICES": "-1"}, 2),
    ],
)
def test_vulkan_has_a_selection_of_its_own(
    other: OtherHost, environment: dict[str, str], cards: int
) -> None:
    other.has_card("0000:03:00.0", "0x8086")
    other.has_card("0000:07:00.0", "0x8086", "renderD129")
    other.has_vulkan("intel_icd.x86_64.json")
    assert libraries(**environment) == ["Vulkan"] * cards


def test_a_processors_card_is_used_only_if_it_is_allowed(
    other: OtherHost, capsys: pytest.CaptureFixture[str]
) -> None:
    other.has_card("0000:00:02.0", "0x8086")
    other.has_vulkan("intel_icd.x86_64.json")
    assert libraries() == []
    assert "dropping integrated GPU; to enable" in capsys.readouterr().err
    assert libraries(OLLAMA_IGPU_ENABLE="1") == ["Vulkan"]


def test_rocm_comes_before_vulkan_on_the_same_card(other: OtherHost) -> None:
    other.has_amd()
    other.has_vulkan("radeon_icd.x86_64.json")
    assert libraries() == ["Vulkan"]
    other.has_rocm("gfx1100")
    assert libraries() == ["ROCm"]
    # The card comes back if only one of the two is told to leave it alone.
    assert libraries(ROCR_VISIBLE_DEVICES="-1") == ["Vulkan"]
    assert libraries(ROCR_VISIBLE_DEVICES="-1", GGML_VK_VISIBLE_DEVICES="-1") == []


def card(device: Path, available: int) -> Gpu:
    return Gpu("GPU-1", "CUDA", "8.9", "", "570", "", available, available, device)


def loaded(scheduler: Scheduler, **options: int) -> tuple[int, int]:
    """Bytes of a model of 1,000,000 bytes, with a context of 8 tokens, and of them on GPUs."""
    layer = {"digest": "sha256:0", "size": 0}
    weights = {**layer, "size": 1_000_000 - 8 * 1024}
    model = Model(
        manifest=Manifest(ModelName.parse("m"), "0", 0.0, [weights], layer),
        config={},
        gguf=None,
        adapters=[],
        template="",
        system="",
        licenses=[],
        parameters={},
        messages=[],
        projector=False,
    )
    scheduler.load(model, {"num_ctx": 8, **options}, None)
    (entry,) = scheduler.running()
    return entry["size"], entry["size_vram"]


@pytest.fixture
def scheduler() -> Scheduler:
    return Scheduler(Settings.from_environment({"HOME": "/nowhere"}))


def test_model_lies_on_the_gpu_as_far_as_it_fits(scheduler: Scheduler, tmp_path: Path) -> None:
    uvm = tmp_path / "uvm"
    uvm.touch()
    assert loaded(scheduler) == (1_000_000, 0)
    scheduler.use([card(uvm, 2_000_000)])
    assert loaded(scheduler) == (1_000_000, 1_000_000)
    scheduler.use([card(uvm, 300_000)])
    assert loaded(scheduler) == (1_000_000, 300_000)
    scheduler.use([card(uvm, 300_000), card(uvm, 300_000)])
    assert loaded(scheduler) == (1_000_000, 600_000)


def test_num_gpu_keeps_layers_away_from_the_gpu(scheduler: Scheduler, tmp_path: Path) -> None:
    uvm = tmp_path / "uvm"
    uvm.touch()
    scheduler.use([card(uvm, 2_000_000)])
    assert loaded(scheduler, num_gpu=0) == (1_000_000, 0)
    assert loaded(scheduler, num_gpu=99) == (1_000_000, 1_000_000)
    assert loaded(scheduler, num_gpu=-1) == (1_000_000, 1_000_000)


def test_gpu_that_stops_working_is_not_used_for_the_next_load(
    scheduler: Scheduler, tmp_path: Path
) -> None:
    uvm = tmp_path / "uvm"
    uvm.touch()
    scheduler.use([card(uvm, 2_000_000)])
    assert loaded(scheduler) == (1_000_000, 1_000_000)
    uvm.unlink()
    assert loaded(scheduler) == (1_000_000, 0)
    uvm.touch()
    assert loaded(scheduler) == (1_000_000, 1_000_000)
