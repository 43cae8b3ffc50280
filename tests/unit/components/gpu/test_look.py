"""The script of the look at GPUs, on a pretended sysfs."""

from __future__ import annotations

import subprocess
from pathlib import Path

from llmrack.resources.script import script_text


class Box:
    """A host whose /sys, /dev and /usr are folders of a test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, path: str, text: str = "") -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def has_card(self, bus: str, vendor: str, driver: str, **files: str) -> None:
        folder = f"sys/bus/pci/devices/{bus}"
        for name, value in {
            "vendor": vendor,
            "class": "0x030000",
            "device": "0x1",
            **files,
        }.items():
            self.write(f"{folder}/{name}", f"{value}\n")
        (self.folder / folder / "driver").symlink_to(f"../../../../bus/pci/drivers/{driver}")

    def look(self) -> list[list[str]]:
        """The fields of each line, without the tag."""
        script = script_text("gpu/look.sh")
        for place in ("/sys/", "/dev/kfd", "/dev/dri/", "/usr/lib", "/usr/share/", "/etc/vulkan"):
            script = script.replace(place, f"{self.folder}{place}")
        done = subprocess.run(
            ["sh", "-c", script, "look", "index", "1"], capture_output=True, text=True, check=True
        )
        assert done.stderr == ""
        return [line.split("\t")[1:] for line in done.stdout.splitlines()]


def group(path: Path) -> str:
    return path.group()


def test_a_host_without_cards_says_nothing(tmp_path: Path) -> None:
    assert Box(tmp_path).look() == []


def test_a_card_of_intel_is_told_with_what_vulkan_has(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.has_card("0000:03:00.0", "0x8086", "xe")
    box.write("usr/lib/x86_64-linux-gnu/libvulkan.so.1")
    box.write("usr/share/vulkan/icd.d/intel_icd.x86_64.json")
    box.write("etc/vulkan/icd.d/lvp_icd.json")
    box.write("dev/dri/renderD128")
    owner = group(tmp_path / "dev/dri/renderD128")
    assert box.look() == [
        ["pci", "0000:03:00.0", "0x8086", "0x1", "xe", "", "", ""],
        ["vulkan", "loader"],
        ["vulkan", "intel_icd.x86_64.json"],
        ["vulkan", "lvp_icd.json"],
        ["render", owner],
    ]


def test_a_card_of_amd_is_told_with_its_target_and_its_memory(tmp_path: Path) -> None:
    box = Box(tmp_path)
    memory = {"mem_info_vram_total": "8", "mem_info_vram_used": "2", "product_name": "Radeon X"}
    own = {"mem_info_gtt_total": "9", "mem_info_vram_vendor": "samsung"}
    box.has_card("0000:03:00.0", "0x1002", "amdgpu", **memory, **own)
    box.has_card("0000:0e:00.0", "0x1002", "amdgpu", mem_info_gtt_total="7")
    box.write("dev/kfd")
    nodes = "sys/class/kfd/kfd/topology/nodes"
    box.write(f"{nodes}/0/properties", "cpu_cores_count 8\n")
    lines = "simd_count 1\nlocation_id 768\ndomain 0\nunique_id 5\ngfx_target_version 110000\n"
    box.write(f"{nodes}/1/properties", lines)
    assert box.look() == [
        ["pci", "0000:03:00.0", "0x1002", "0x1", "amdgpu", "8", "2", "Radeon X"],
        ["shared", "0000:03:00.0", "9", "yes"],
        ["pci", "0000:0e:00.0", "0x1002", "0x1", "amdgpu", "", "", ""],
        ["shared", "0000:0e:00.0", "7", ""],
        ["kfd", group(tmp_path / "dev/kfd")],
        ["node", "0", "0", "0", "0"],
        ["node", "0", "768", "5", "110000"],
    ]
