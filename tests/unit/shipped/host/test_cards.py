"""NVIDIA's cards as nvidia-smi shows them, for ``llmrack status`` and for Prometheus."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llmrack.shipped.host import metrics
from llmrack.shipped.host.cards import Card, nvidia_cards


@pytest.fixture(autouse=True)
def nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "nvidia-smi"
    program.write_text(
        "#!/bin/sh\n"
        "echo GPU-1, NVIDIA A, 97, 70, 1024, 24576\n"
        "echo 'GPU-2, NVIDIA B, [N/A], [N/A], 0, 24576'\n"
        "echo a warning\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return program


def test_a_card_has_none_for_what_it_does_not_tell() -> None:
    assert list(nvidia_cards()) == [
        Card("GPU-1", "NVIDIA A", 97, 70, 1024, 24576),
        Card("GPU-2", "NVIDIA B", None, None, 0, 24576),
    ]


def test_there_are_no_cards_where_nvidia_smi_fails(nvidia_smi: Path) -> None:
    nvidia_smi.write_text("#!/bin/sh\necho GPU-1, NVIDIA A, 97, 70, 1024, 24576\nexit 9\n")
    assert list(nvidia_cards()) == []
    nvidia_smi.unlink()
    assert list(nvidia_cards()) == []


def test_prometheus_gets_the_figures_that_a_card_tells() -> None:
    figures = {(labels["gpu"], metric): value for metric, labels, value in metrics.cards()}
    assert figures == {
        ("GPU-1", "llmrack_gpu_utilization_ratio"): pytest.approx(0.97),
        ("GPU-1", "llmrack_gpu_temperature_celsius"): 70,
        ("GPU-1", "llmrack_gpu_memory_used_bytes"): 1 << 30,
        ("GPU-1", "llmrack_gpu_memory_bytes"): 24 << 30,
        ("GPU-2", "llmrack_gpu_memory_used_bytes"): 0,
        ("GPU-2", "llmrack_gpu_memory_bytes"): 24 << 30,
    }
