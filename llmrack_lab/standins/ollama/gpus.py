"""The GPUs that a server finds at its start, as far as the host shows them.

Nothing runs on them; but a model counts as loaded into their memory only where a real Ollama would
put it there. Rules and log lines follow Ollama's ``discover/`` (``types.go``, ``cuda_compat.go``).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from .gpu import Gpu
from .log import log
from .settings import Settings

UVM = Path("/dev/nvidia-uvm")
KFD = Path("/dev/kfd")
KFD_NODES = Path("/sys/class/kfd/kfd/topology/nodes")
PCI = Path("/sys/bus/pci/devices")
DRI = Path("/dev/dri")
# Vulkan's loader, and the manifests of its drivers.
SYSTEM_LIBRARIES = Path("/usr/lib")
MANIFESTS = Path("/usr/share/vulkan/icd.d")
# Where a release has its libraries for GPUs: beside the folder of the program, which is one zip
# archive with this file in it.
LIBRARIES = Path(__file__).resolve().parents[2].parent / "lib" / "ollama"

# The oldest driver for the libraries of a release, and for cards below compute capability 7
# (Ollama's docs/gpu.mdx; pull request ollama/ollama#16895).
_OLDEST_DRIVER, _OLDEST_DRIVER_OLD_CARD = 550, 570
_SMI_FIELDS = "uuid,name,driver_version,compute_cap,memory.total,memory.used,pci.bus_id"
_SMI_DEADLINE_S = 10
# How the manifests of Mesa's drivers begin, by the vendor number of a card.
_VULKAN_DRIVERS = {"0x1002": "radeon_icd", "0x8086": "intel_icd"}
# Bytes: what a card has of which sysfs says nothing.
_VULKAN_MEMORY = 16 << 30
# The folders of the libraries.
_FOLDERS = {"CUDA": "cuda_v12", "ROCm": "rocm_v7_2", "Vulkan": "vulkan"}
# Where processors of Intel's have their own card.
_PROCESSORS_CARD = "0000:00:02.0"


def discover(settings: Settings) -> list[Gpu]:
    """The GPUs that this server may use; tells in the log what it finds, as Ollama does."""
    log("discovering available GPUs...", source="runner.go:60")
    cuda = [gpu for gpu in _selected(_cuda(), settings.cuda_devices) if _supported(gpu)]
    rocm = _selected(_rocm(settings), settings.rocm_devices)
    gpus = [gpu for gpu in (*cuda, *rocm) if gpu.works]
    # Ollama prefers the other libraries for the cards that they know, too.
    known = {gpu.pci_id for gpu in gpus}
    gpus += [gpu for gpu in _vulkan(settings) if gpu.works and gpu.pci_id not in known]
    for number, gpu in enumerate(gpus):
        _log_compute(gpu, number)
    if not gpus:
        _log_processor()
    return gpus


def _cuda() -> list[Gpu]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    words = [program, f"--query-gpu={_SMI_FIELDS}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(  # noqa: S603  (the host's own nvidia-smi, no shell)
            words, capture_output=True, text=True, timeout=_SMI_DEADLINE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    if done.returncode:
        return []
    return [_cuda_card(line.split(", ")) for line in done.stdout.splitlines()]


def _cuda_card(values: list[str]) -> Gpu:
    uuid, name, driver, compute, total, used, bus = values
    return Gpu(
        uuid=uuid,
        library="CUDA",
        compute=compute,
        description=name,
        driver=driver,
        pci_id=bus[4:].lower(),
        total=int(total) << 20,
        available=(int(total) - int(used)) << 20,
        device=UVM,
    )


def _rocm(settings: Settings) -> list[Gpu]:
    """AMD's cards, from the topology that amdgpu shows (Linux, drivers/gpu/drm/amd/amdkfd).

    There are none without ROCm's libraries, which are an archive of their own; these know only
    some targets (``discover/amd.go``, rocblasGFXTargets).
    """
    if not any(LIBRARIES.glob("rocm_v*/libggml-hip.so")):
        return []
    kernels = LIBRARIES.glob("rocm_v*/rocblas/library/TensileLibrary_lazy_gfx*.dat")
    supported = {path.stem.rpartition("_")[2] for path in kernels}
    gpus = []
    for path in sorted(KFD_NODES.glob("*/properties"), key=lambda path: int(path.parent.name)):
        lines = (line.split() for line in path.read_text().splitlines())
        values = {name: int(value) for name, value in lines}
        if not values["simd_count"]:
            continue
        bus = f"0000:{values['location_id'] >> 8:02x}:00.0"
        total = int((PCI / bus / "mem_info_vram_total").read_text())
        version = values["gfx_target_version"]
        target = settings.rocm_target or (
            f"gfx{version // 10000}{version // 100 % 100:x}{version % 100:x}"
        )
        if target not in supported:
            log(
                "dropping ROCm device — no rocblas support for gfx target",
                level="WARN",
                source="amd.go:365",
                device="AMD Radeon Graphics",
                gfx_target=target,
                hint="set HSA_OVERRIDE_GFX_VERSION to map to a supported target",
            )
            continue
        gpus.append(
            Gpu(
                uuid=f"GPU-{values['unique_id']:016x}",
                library="ROCm",
                compute=target,
                description="AMD Radeon Graphics",
                driver="",
                pci_id=bus,
                total=total,
                available=total,
                device=KFD,
            )
        )
    return gpus


def _vulkan(settings: Settings) -> list[Gpu]:
    """The cards of AMD and Intel that Vulkan finds, where the host has its loader and a driver."""
    loader = any(SYSTEM_LIBRARIES.glob("*/libvulkan.so.1"))
    library = (LIBRARIES / "vulkan" / "libggml-vulkan.so").exists()
    if not (settings.vulkan and loader and library):
        return []
    gpus = []
    for path in sorted(PCI.glob("*/class")):
        folder = path.parent
        vendor = (folder / "vendor").read_text().strip()
        render = next((folder / "drm").glob("renderD*"), None)
        manifest = _VULKAN_DRIVERS.get(vendor)
        if not (render and manifest and any(MANIFESTS.glob(f"{manifest}*.json"))):
            continue
        memory = folder / "mem_info_vram_total"
        total = int(memory.read_text()) if memory.exists() else _VULKAN_MEMORY
        gpus.append(
            Gpu(
                uuid="",
                library="Vulkan",
                compute="0.0",
                description="AMD Radeon Graphics" if vendor == "0x1002" else "Intel(R) Graphics",
                driver="",
                pci_id=folder.name,
                total=total,
                available=total,
                device=DRI / render.name,
            )
        )
    return [gpu for gpu in _selected(gpus, settings.vulkan_devices) if _admitted(gpu, settings)]


def _admitted(gpu: Gpu, settings: Settings) -> bool:
    """Whether a card is none of the processor's, or these are allowed (filterIntegratedGPUs)."""
    if settings.integrated or gpu.pci_id != _PROCESSORS_CARD:
        return True
    log(
        "dropping integrated GPU; to enable, set OLLAMA_IGPU_ENABLE=1",
        source="runner.go:393",
        library=gpu.library,
        description=gpu.description,
        pci_id=gpu.pci_id,
    )
    return False


def _selected(gpus: list[Gpu], selection: str | None) -> list[Gpu]:
    """Those of the cards that a variable such as CUDA_VISIBLE_DEVICES leaves visible.

    It lists indices or beginnings of UUIDs; what comes after an invalid one is invisible, too
    (CUDA C++ Programming Guide, "CUDA Environment Variables").
    """
    if selection is None:
        return gpus
    chosen: list[Gpu] = []
    for word in map(str.strip, selection.split(",")):
        matching = gpus[int(word) :][:1] if word.isdigit() else _beginning_with(gpus, word)
        if len(matching) != 1 or matching[0] in chosen:
            break
        chosen += matching
    return chosen


def _beginning_with(gpus: Iterable[Gpu], word: str) -> list[Gpu]:
    return [gpu for gpu in gpus if word and gpu.uuid.startswith(word)]


def _supported(gpu: Gpu) -> bool:
    old_card = int(gpu.compute.partition(".")[0]) < 7
    required = _OLDEST_DRIVER_OLD_CARD if old_card else _OLDEST_DRIVER
    driver = int(gpu.driver.partition(".")[0])
    if driver < required:
        log(
            "NVIDIA driver too old",
            level="WARN",
            source="cuda_compat.go:65",
            device=gpu.description,
            compute=gpu.compute,
            driver=driver,
            required_driver=f"{required} or newer",
        )
    return driver >= required


def _log_compute(gpu: Gpu, number: int) -> None:
    log(
        "inference compute",
        source="types.go:50",
        id=gpu.uuid if gpu.library == "CUDA" else number,
        filter_id="" if gpu.library == "CUDA" else number,
        library=gpu.library,
        compute=gpu.compute,
        name=f"{gpu.library}{number}",
        description=gpu.description,
        libdirs=f"ollama,{_FOLDERS[gpu.library]}",
        driver=gpu.driver,
        pci_id=gpu.pci_id,
        type="discrete",
        total=_gib(gpu.total),
        available=_gib(gpu.available),
    )


def _log_processor() -> None:
    page = os.sysconf("SC_PAGE_SIZE")
    log(
        "inference compute",
        source="types.go:50",
        id="cpu",
        library="cpu",
        compute="",
        name="cpu",
        description="cpu",
        libdirs="ollama",
        driver="",
        pci_id="",
        type="",
        total=_gib(os.sysconf("SC_PHYS_PAGES") * page),
        available=_gib(os.sysconf("SC_AVPHYS_PAGES") * page),
    )


def _gib(number: int) -> str:
    return f"{number / 2**30:.1f} GiB"
