"""Which GPUs the stand-in of Ollama finds, and how much of a model it puts there."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmrack_lab.standins.ollama import gpus
from llmrack_lab.standins.ollama.gpus import Gpu, discover
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


def test_amd_cards_are_found_where_their_device_opens(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, lines in enumerate(
        (
            "simd_count 0\nunique_id 0\n",
            "simd_count 192\nunique_id 255\nlocation_id 768\ngfx_target_version 110001\n",
        )
    ):
        (host.nodes / str(number)).mkdir(parents=True)
        (host.nodes / str(number) / "properties").write_text(lines)
    (tmp_path / "0000:03:00.0").mkdir()
    (tmp_path / "0000:03:00.0" / "mem_info_vram_total").write_text("1024\n")
    monkeypatch.setattr(gpus, "PCI", tmp_path)
    monkeypatch.setattr(gpus, "KFD", tmp_path / "kfd")
    assert found() == []
    (tmp_path / "kfd").touch()
    assert found() == ["GPU-00000000000000ff"]
    assert found(ROCR_VISIBLE_DEVICES="1") == []


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
