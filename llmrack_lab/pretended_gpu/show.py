"""Makes a host show what it pretends: in sysfs, procfs, /dev, /usr/bin and /lib/modules.

Kernel file systems cannot be written, so memory file systems are mounted over the places that tell
of GPUs. The machine's own devices are hidden by that, whether cards are pretended or not.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

from .pretence import Card, Pretence

PCI = Path("/sys/bus/pci/devices")
PROC = Path("/proc/driver")
FIRMWARE = Path("/sys/firmware")
KFD = Path("/run/pretended-gpus/class/kfd/kfd/topology/nodes")
SYS_CLASS = Path("/sys/class")
UVM = Path("/dev/nvidia-uvm")
SECURE_BOOT = "efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
SMI = Path("/usr/bin/nvidia-smi")
SMI_PROGRAM = Path("/usr/local/lib/pretended-gpus/nvidia-smi")
MODULE_TOOLS = (Path("/usr/local/sbin/modprobe"), Path("/usr/local/sbin/rmmod"))

# Vulkan's loader, and the manifests of its drivers, as Debian has them.
VULKAN_LOADER = Path(f"/usr/lib/{os.uname().machine}-linux-gnu/libvulkan.so.1")
VULKAN_DRIVERS = Path("/usr/share/vulkan/icd.d")
PRETENDED = b"pretended by the lab\n"

_VENDORS = {"nvidia": "0x10de", "amd": "0x1002", "intel": "0x8086"}
_KERNEL_DRIVERS = {"amd": "amdgpu", "intel": "i915"}
_MANIFESTS = {"amd": "radeon_icd.x86_64.json", "intel": "intel_icd.x86_64.json"}
# The first card's render node, and the groups of its device files.
_FIRST_RENDER = 128
# A device like /dev/null, and one that nothing drives: opening it fails with ENXIO.
_WORKS, _BROKEN = os.makedev(1, 3), os.makedev(0, 0)


def show(pretence: Pretence) -> None:
    """Show this pretence instead of whatever was shown before."""
    _remove_devices()
    for place in (PCI, PROC, FIRMWARE):
        _empty(place)
    for number, card in enumerate(pretence.cards):
        _show_pci(pretence, number, card)
    enforced = pretence.state == "unsigned"
    # Four bytes of attributes before the value (Linux, Documentation/filesystems/efivarfs.rst).
    _write(FIRMWARE / SECURE_BOOT, b"\x06\0\0\0" + (b"\1" if enforced else b"\0"))
    _show_driver_files(pretence)
    if pretence.vendor in _KERNEL_DRIVERS:
        _show_others(pretence)
    elif pretence.loaded:
        _show_nvidia(pretence)


def show_ready(pretence: Pretence) -> None:
    """Show the device files that a host that was not ready lacked."""
    for number in range(len(pretence.cards)):
        make_device(Path(f"/dev/nvidia{number}"))
    make_device(UVM)


def make_device(path: Path, group: str | None = None, *, works: bool = True) -> None:
    """Make a device file that can be opened and does nothing, or one that cannot be opened."""
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    mode = 0o660 if group else 0o666
    os.mknod(path, stat.S_IFCHR | mode, _WORKS if works else _BROKEN)
    path.chmod(mode)
    if group:
        shutil.chown(path, group=group)


def _empty(place: Path) -> None:
    if not place.is_mount():
        _run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(place))
    for entry in place.iterdir():
        shutil.rmtree(entry)


def _show_pci(pretence: Pretence, number: int, card: Card) -> None:
    driver = "nvidia" if pretence.loaded else ""
    if pretence.state == "nouveau":
        driver = "nouveau"
    elif pretence.state != "no-driver":
        driver = _KERNEL_DRIVERS.get(pretence.vendor, driver)
    _show_function(card.bus, _VENDORS[pretence.vendor], card.device, "0x030000", driver)
    # A card has a second function for the sound of its screen.
    sound = card.bus.removesuffix("0") + "1"
    _show_function(sound, _VENDORS[pretence.vendor], "0x22ba", "0x040300", "snd_hda_intel")
    if driver in _KERNEL_DRIVERS.values():
        (PCI / card.bus / "drm" / f"renderD{_FIRST_RENDER + number}").mkdir(parents=True)
    if driver == "amdgpu":
        _write(PCI / card.bus / "mem_info_vram_total", b"%d\n" % (card.memory_mib << 20))
        # A card with memory of its own says who made that.
        _write(PCI / card.bus / "mem_info_vram_vendor", b"samsung\n")
        _write(PCI / card.bus / "mem_info_gtt_total", b"%d\n" % (16 << 30))
        _show_kfd_node(number + 1, card, pretence.target)


def _show_function(address: str, vendor: str, device: str, kind: str, driver: str) -> None:
    folder = PCI / address
    for name, value in (("vendor", vendor), ("device", device), ("class", kind)):
        _write(folder / name, f"{value}\n".encode())
    if driver:
        # Hidden, so that it is not taken for a device.
        (PCI / ".drivers" / driver).mkdir(parents=True, exist_ok=True)
        (folder / "driver").symlink_to(Path("..", ".drivers", driver))


def _show_kfd_node(number: int, card: Card, target: int) -> None:
    """One node of the topology that amdgpu shows (its first node is the processor)."""
    unique = int(card.uuid.removeprefix("GPU-"), 16)
    location = int(card.bus.split(":")[1], 16) << 8
    lines = {
        "simd_count": 192,
        "gfx_target_version": target,
        "vendor_id": int(_VENDORS["amd"], 16),
        "device_id": int(card.device, 16),
        "location_id": location,
        "drm_render_minor": _FIRST_RENDER + number - 1,
        "unique_id": unique,
    }
    text = "".join(f"{key} {value}\n" for key, value in lines.items())
    _write(KFD / str(number) / "properties", text.encode())


def _remove_devices() -> None:
    for path in (*Path("/dev").glob("nvidia*"), Path("/dev/kfd"), *Path("/dev").glob("dri/*")):
        path.unlink(missing_ok=True)
    if SYS_CLASS.is_mount():
        _run("umount", str(SYS_CLASS))
    shutil.rmtree(KFD, ignore_errors=True)
    for path in (VULKAN_LOADER, *VULKAN_DRIVERS.glob("*.json")):
        if path.is_file() and path.read_bytes() == PRETENDED:
            path.unlink()


def _show_driver_files(pretence: Pretence) -> None:
    SMI.unlink(missing_ok=True)
    pretence.module_file.unlink(missing_ok=True)
    if pretence.installed:
        shutil.copy(SMI_PROGRAM, SMI)
        _write(pretence.module_file, PRETENDED)
    for tool in MODULE_TOOLS:
        # Where units call them; a package of kmod puts the real ones there.
        if not Path("/usr/sbin", tool.name).exists():
            Path("/usr/sbin", tool.name).symlink_to(tool)


def _show_nvidia(pretence: Pretence) -> None:
    kind = "NVIDIA UNIX Open Kernel Module for x86_64"
    text = f"NVRM version: {kind}  {pretence.loaded}  Release Build  (lab@lab)\n"
    _write(PROC / "nvidia/version", text.encode())
    make_device(Path("/dev/nvidiactl"))
    if pretence.state != "not-ready":
        show_ready(pretence)
    if pretence.state == "suspended":
        make_device(UVM, works=False)


def _show_others(pretence: Pretence) -> None:
    """Show the device files of AMD's or Intel's cards, AMD's compute topology, and Vulkan."""
    if pretence.state == "no-driver" or not pretence.cards:
        return
    for group in ("render", "video"):
        _run("groupadd", "--system", "--force", group)
    for number in range(len(pretence.cards)):
        make_device(Path(f"/dev/dri/renderD{_FIRST_RENDER + number}"), "render")
        make_device(Path(f"/dev/dri/card{number}"), "video")
    if pretence.vulkan:
        _write(VULKAN_LOADER, PRETENDED)
        _write(VULKAN_DRIVERS / _MANIFESTS[pretence.vendor], PRETENDED)
    if pretence.vendor == "amd":
        _show_kfd()


def _show_kfd() -> None:
    make_device(Path("/dev/kfd"), "render")
    _write(KFD / "0/properties", b"cpu_cores_count 8\nsimd_count 0\nunique_id 0\n")
    layers = f"lowerdir={KFD.parents[3]}:{SYS_CLASS}"
    _run("mount", "-t", "overlay", "-o", layers, "overlay", str(SYS_CLASS))


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _run(*words: str) -> None:
    subprocess.run(words, check=True)  # noqa: S603  (no shell)
