"""What a host prints of its GPUs, and what is made of it.

The first line of each file in tests/unit/components/gpu/recorded/ says where it is from.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from llmrack.components.gpu.gpu import refusal as refusal_of
from llmrack.components.gpu.gpu import with_seen_cards
from llmrack.components.gpu.gpus import Gpus, gpus, line, uuids
from llmrack.components.gpu.lines import LOOK
from llmrack.resources.look import Look, Seen, parse
from llmrack.stack.fleet import Host
from llmrack.stack.ollama.instances import instances
from tests.unit.declare import host, settings

RECORDED = Path(__file__).parent / "recorded"
FIRST, SECOND = (
    "GPU-18a3e86f-4c0e-cd9f-59c3-55488c4b0c24",
    "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6",
)
# What was recorded: the state, and words of the cause and of the way out.
STATES = {
    "none": ("none", "no GPU of NVIDIA, AMD or Intel is on its bus", "`gpu_required = False`"),
    "fine": ("fine", "", ""),
    "mig": ("fine", "", ""),
    "undivided": ("not ready", "MIG is on, but no slice is made on GPU-8932", "mig -cgi"),
    "shared_memory": ("fine", "", ""),
    "no_driver": ("no driver", "no driver for it", '`gpu_driver = "nvidia"`'),
    "nouveau": ("no driver", "nouveau holds its card", '`gpu_driver = "nvidia"`'),
    "other_kernel": ("no driver", "(linux-headers-6.1.0-35-amd64) are missing", "`gpu_driver"),
    "other_kernel_reboot": ("reboot required", "running kernel 6.8.0-60", "`gpu_reboot = True`"),
    "unsigned": ("no driver", "Secure Boot is on and refuses", "mokutil --import"),
    "not_enrolled": ("no driver", "signed by DKMS module signing key", "enrol that key"),
    "installed_since_boot": ("reboot required", "after the last boot", "`gpu_reboot = True`"),
    "not_loaded": ("not ready", "was not loaded at boot", "`modprobe nvidia` says why"),
    "mismatch": ("reboot required", "runs driver 535.216.01, but the library on disk is 550.144",
                 "`gpu_reboot = True`"),
    "no_devices": ("not ready", "nvidia-smi says: No devices were found", "journalctl -k"),
    "hangs": ("not ready", "does not answer within 10 s", "nvidia-persistenced"),
    "no_tools": ("no driver", "nvidia-smi is not installed", "install the tools"),
    "too_old": ("driver too old", "is 535.247.01, but Ollama needs 550", '`gpu_driver = "nvidia"`'),
    "too_old_for_the_query": ("driver too old", "is 470.182.03, but Ollama needs 550", "`gpu_d"),
    "old_card": ("driver too old", "needs 570 or later with a card this old", '= "nvidia"`'),
    "old_card_fine": ("fine", "", ""),
    "lost": ("not ready", "2 cards are on its bus, but nvidia-smi lists 1", "reboot"),
    "no_uvm": ("not ready", "/dev/nvidia-uvm is missing", "deploy"),
    "given_away": ("fine", "", ""),
    "amd_fine": ("fine", "", ""),
    "amd_no_kfd": ("not ready", "/dev/kfd is missing", "CONFIG_HSA_AMD"),
    "amd_no_driver": ("no driver", "does not drive its card at 0000:03:00.0", "firmware-amd"),
    "amd_vulkan": ("fine", "", ""),
    "amd_no_vulkan": ("not ready", "only Vulkan uses its card (Radeon VII), and Vulkan's loader or "
                      "its driver for cards of AMD is missing", "mesa-vulkan-drivers"),
    "amd_integrated": ("none", "Ollama leaves its card alone (AMD 0x164e at 0000:0e:00.0)",
                       "OLLAMA_IGPU_ENABLE"),
    "amd_max": ("fine", "", ""),
    "amd_beside_integrated": ("fine", "", ""),
    "amd_two": ("fine", "", ""),
    "fine_beside_amd": ("fine", "", ""),
    "intel_fine": ("fine", "", ""),
    "intel_two": ("fine", "", ""),
    "intel_no_vulkan": ("not ready", "its driver for cards of Intel is missing",
                        "apt-get install libvulkan1 mesa-vulkan-drivers"),
    "intel_no_render": ("not ready", "there is no /dev/dri/renderD*", "journalctl -k"),
    "intel_no_driver": ("no driver", "i915 or xe does not drive its card at 0000:03:00.0",
                        "firmware-misc-nonfree"),
    "intel_integrated": ("none", "Ollama leaves its card alone (Intel 0x4680 at 0000:00:02.0)",
                         "`gpu_required = False`"),
}  # fmt: skip


def refusal(box: Host, seen_: Seen) -> str | None:
    return refusal_of(box, seen_, instances(box))


def seen(recorded: str, groups: set[str] | None = None) -> Seen:
    text = (RECORDED / f"{recorded}.txt").read_text()
    look = Look()
    look.ask(LOOK)
    seen_ = parse([*text.splitlines(), "llmrack"], look)
    if groups is not None:
        seen_.users["llm"], seen_.groups["llm"] = ["llm"], groups
    return seen_


def look(recorded: str, **environment: object) -> Gpus:
    return gpus(seen(recorded), settings(ollama_environment=environment))


def test_every_record_has_its_state() -> None:
    assert {file.stem for file in RECORDED.glob("*.txt")} == set(STATES)


@pytest.mark.parametrize("recorded", STATES)
def test_state_is_told_with_its_cause_and_the_way_out(recorded: str) -> None:
    state, cause, way_out = STATES[recorded]
    gpus_ = look(recorded)
    assert gpus_.state == state
    assert cause in gpus_.finding.why
    assert way_out in gpus_.finding.way_out
    assert bool(gpus_.reason) == (state != "fine")


def test_cards_are_read_with_what_identifies_them() -> None:
    card = look("fine").cards[1]
    assert (card.uuid, card.index, card.bus) == (SECOND, 1, "0000:41:00.0")
    assert (card.memory_mib, card.used_mib, card.compute) == (24564, 1843, (8, 9))
    assert card.persistence
    assert card.mig is None


def test_uuids_do_not_depend_on_the_drivers_order() -> None:
    assert uuids(look("fine")) == [FIRST, SECOND]


def test_slices_stand_for_the_card_that_is_divided() -> None:
    assert uuids(look("mig")) == [
        SECOND,
        "MIG-a25704ba-3a06-5299-a795-fd7cf4d13973",
        "MIG-feb88891-0321-5fef-9c87-d4af3b54259e",
    ]


def test_amd_card_is_called_as_rocr_visible_devices_wants_it() -> None:
    gpus_ = look("amd_fine")
    assert uuids(gpus_) == ["GPU-2ae088c172fd5d13"]
    assert (gpus_.cards[0].memory_mib, gpus_.cards[0].used_mib) == (16368, 1024)


def test_amd_without_the_group_of_kfd_is_not_ready() -> None:
    gpus_ = gpus(seen("amd_fine", {"llm", "video"}), settings())
    assert gpus_.state == "not ready"
    assert "not in the group render" in gpus_.reason
    assert gpus(seen("amd_fine", {"llm", "render"}), settings()).state == "fine"


def test_vulkan_without_the_group_of_its_device_files_is_not_ready() -> None:
    gpus_ = gpus(seen("intel_fine", {"llm"}), settings())
    assert gpus_.state == "not ready"
    assert "not in the group render, to which /dev/dri/renderD* belongs" in gpus_.reason


@pytest.mark.parametrize(
    ("recorded", "libraries", "rocm"),
    [
        ("fine", "", False),
        ("fine_beside_amd", "", True),
        ("amd_fine", "by ROCm", True),
        ("amd_max", "by ROCm", True),
        ("amd_beside_integrated", "by ROCm", True),
        ("amd_vulkan", "by Vulkan alone", False),
        ("amd_two", "by ROCm and Vulkan", True),
        ("intel_fine", "by Vulkan alone", False),
    ],
)
def test_it_is_told_what_cards_are_used_by(recorded: str, libraries: str, rocm: bool) -> None:
    gpus_ = look(recorded)
    assert (gpus_.libraries, gpus_.rocm) == (libraries, rocm)


def test_there_is_no_rocm_for_arm() -> None:
    seen_ = seen("amd_two")
    seen_.facts["arch"] = "aarch64"
    gpus_ = gpus(seen_, settings())
    assert (gpus_.libraries, gpus_.rocm) == ("by Vulkan alone", False)


@pytest.mark.parametrize(
    ("recorded", "environment", "state", "libraries"),
    [
        # What Ollama is told, it does with cards that it would use otherwise, or leave alone.
        ("amd_vulkan", {"HSA_OVERRIDE_GFX_VERSION": "9.0.8"}, "fine", "by ROCm"),
        ("amd_vulkan", {"OLLAMA_VULKAN": False}, "none", ""),
        ("amd_fine", {"OLLAMA_LLM_LIBRARY": "vulkan"}, "not ready", "by Vulkan alone"),
        ("amd_two", {"OLLAMA_LLM_LIBRARY": "rocm_v7_2"}, "fine", "by ROCm"),
        ("amd_max", {"OLLAMA_IGPU_ENABLE": False}, "none", ""),
        ("intel_fine", {"OLLAMA_VULKAN": False}, "none", ""),
        ("intel_integrated", {"OLLAMA_IGPU_ENABLE": True}, "not ready", "by Vulkan alone"),
    ],
)
def test_the_environment_decides_on_cards(
    recorded: str, environment: dict[str, object], state: str, libraries: str
) -> None:
    gpus_ = look(recorded, **environment)
    assert (gpus_.state, gpus_.libraries) == (state, libraries)


def test_an_instance_of_a_list_has_a_say_in_the_use_of_cards() -> None:
    environment = {"HSA_OVERRIDE_GFX_VERSION": "gfx908"}
    listed = [{"name": "a", "gpus": ["GPU-2ae088c172fd5d13"], "environment": environment}]
    assert gpus(seen("amd_vulkan"), settings(ollama_instances=listed)).rocm


def test_cards_that_ollama_leaves_alone_are_not_listed() -> None:
    assert [card.bus for card in look("amd_beside_integrated").cards] == ["0000:03:00.0"]
    assert [card.bus for card in look("intel_fine").cards] == ["0000:03:00.0"]


@pytest.mark.parametrize(
    ("recorded", "gpus_", "rocm"),
    [
        ("fine", (FIRST, SECOND), False),
        ("amd_fine", ("GPU-2ae088c172fd5d13",), True),
        ("no_uvm", (SECOND,), False),
        ("no_driver", ("GPU-11111111",), True),
    ],
)
def test_what_follows_from_cards_is_noted_unless_they_fail(
    recorded: str, gpus_: tuple[str, ...], rocm: bool
) -> None:
    before = replace(host(ollama_instances="per-gpu"), gpus=("GPU-11111111",), rocm=True)
    noted = with_seen_cards(before, seen(recorded))
    assert (noted.gpus, noted.rocm) == (gpus_, rocm)


def test_an_instance_for_a_card_needs_its_uuid() -> None:
    reason = refusal(host(ollama_instances="per-gpu"), seen("intel_fine"))
    assert reason and "its card at 0000:03:00.0 has no UUID" in reason
    assert refusal(host(), seen("intel_fine")) is None


def test_plan_has_a_line() -> None:
    message = "gpu: 2 x NVIDIA GeForce RTX 4090 (24 GB), driver 570.86.15: fine"
    assert line(look("fine")) == message
    assert line(look("none")).startswith("gpu: none; no GPU of NVIDIA, AMD or Intel")
    card = "1 x Radeon RX 7900 GRE (16 GB), driver amdgpu"
    assert line(look("amd_fine")) == f"gpu: {card}, by ROCm: fine"
    message = "gpu: 1 x Intel 0x56a0, driver i915, by Vulkan alone: fine"
    assert line(look("intel_fine")) == message
    assert line(look("shared_memory")) == "gpu: 1 x NVIDIA GB10, driver 580.95.05: fine"


@pytest.mark.parametrize("recorded", [name for name, state in STATES.items() if state[0] != "fine"])
def test_required_gpu_that_cannot_serve_is_refused(recorded: str) -> None:
    reason = refusal(host(), seen(recorded))
    # What the deploy itself makes is no reason.
    assert reason == (None if recorded == "no_uvm" else look(recorded).reason)


@pytest.mark.parametrize("recorded", STATES)
def test_no_state_is_refused_where_no_gpu_is_required(recorded: str) -> None:
    assert refusal(host(gpu_required=False), seen(recorded)) is None


@pytest.mark.parametrize("recorded", ["mismatch", "installed_since_boot", "other_kernel_reboot"])
def test_reboot_that_is_allowed_is_no_reason_to_refuse(recorded: str) -> None:
    assert refusal(host(gpu_reboot=True), seen(recorded)) is None


@pytest.mark.parametrize(
    ("recorded", "present"), [("fine", f"{FIRST}, {SECOND}"), ("no_uvm", "GPU-"), ("none", "none")]
)
def test_instance_with_a_card_that_is_not_there_is_refused(recorded: str, present: str) -> None:
    missing = "GPU-00000000-0000-0000-0000-000000000000"
    declared = host(gpu_required=False, ollama_instances=[{"name": "big", "gpus": [missing]}])
    reason = refusal(declared, seen(recorded)) or ""
    assert f"its instance big is to have the card {missing}, but its cards are {present}" in reason
    assert reason.endswith("correct ollama_instances")


@pytest.mark.parametrize("cards", [[SECOND, FIRST], ["GPU-8932f937"], []])
def test_instance_with_cards_of_the_host_is_accepted(cards: list[str]) -> None:
    declared = host(ollama_instances=[{"name": "big", "gpus": cards}])
    assert refusal(declared, seen("fine")) is None


def test_cards_that_a_driver_is_yet_to_show_are_not_judged() -> None:
    declared = host(gpu_reboot=True, ollama_instances=[{"name": "big", "gpus": [FIRST]}])
    assert refusal(declared, seen("mismatch")) is None
