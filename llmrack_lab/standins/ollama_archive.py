"""The stand-in of Ollama's release: archives with the real layout.

``bin/ollama`` is one zip archive of :mod:`llmrack_lab.standins.ollama` that ``python3`` runs.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
import zipfile
from pathlib import Path

from .ollama import STANDIN_VERSION

__all__ = ["STANDIN_VERSION", "build_archive", "build_rocm_archive"]

# zipapp (https://docs.python.org/3/library/zipapp.html) describes this form of program.
_SHEBANG = b"#!/usr/bin/env python3\n"
_START = "import sys\n\nfrom ollama.cli import main\n\nsys.exit(main(sys.argv[1:]))\n"
_README = """\
llmrack stand-in, not Ollama: answers are canned.
The official release has its libraries for GPUs in this directory.
"""
_LIBRARY = b"llmrack stand-in: no library\n"
# Some of the targets that Ollama's libraries are built for (llama/server/CMakePresets.json).
_ROCM_TARGETS = ("gfx1030", "gfx1100", "gfx1101", "gfx1102", "gfx1200", "gfx1201")
# The oldest time that a zip archive can hold.
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def build_archive(directory: Path, arch: str = "amd64") -> Path:
    """Write ``ollama-linux-<arch>.tar.zst``, the same bytes each time.

    Args:
        directory: where to write it; created when missing.
        arch: ``amd64`` or ``arm64``; the content is the same for both.

    Returns:
        the archive.

    Raises:
        FileNotFoundError: the command ``zstd`` is missing.
        subprocess.CalledProcessError: ``zstd`` failed.
    """
    files = {
        "bin/ollama": (_program(), 0o755),
        "lib/ollama/README": (_README.encode(), 0o644),
        "lib/ollama/vulkan/libggml-vulkan.so": (_LIBRARY, 0o755),
    }
    return _pack(directory / f"ollama-linux-{arch}.tar.zst", files)


def build_rocm_archive(directory: Path) -> Path:
    """Write ``ollama-linux-amd64-rocm.tar.zst``, what the release has for cards of AMD's.

    Without it the stand-in has no ROCm. Raises what :func:`build_archive` raises.
    """
    folder = "lib/ollama/rocm_v7_2"
    kernels = f"{folder}/rocblas/library/TensileLibrary_lazy_"
    files = {f"{folder}/libggml-hip.so": (_LIBRARY, 0o755)}
    files |= {f"{kernels}{target}.dat": (_LIBRARY, 0o644) for target in _ROCM_TARGETS}
    return _pack(directory / "ollama-linux-amd64-rocm.tar.zst", files)


def _pack(archive: Path, files: dict[str, tuple[bytes, int]]) -> Path:
    archive.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(  # noqa: S603  (fixed command, no shell)
        ["zstd", "--quiet", "--force", "-o", str(archive)],  # noqa: S607  (found by PATH)
        input=_tar(files),
        check=True,
    )
    return archive


def _program() -> bytes:
    """The package and a start file as a zip archive behind a shebang."""
    package = Path(__file__).parent / "ollama"
    sources = {f"ollama/{path.name}": path.read_text() for path in package.glob("*.py")}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in sorted({**sources, "__main__.py": _START}.items()):
            file.writestr(zipfile.ZipInfo(name, _ZIP_TIME), text, zipfile.ZIP_DEFLATED)
    return _SHEBANG + content.getvalue()


def _tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.GNU_FORMAT) as file:
        for name, (data, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), mode
            file.addfile(entry, io.BytesIO(data))
    return content.getvalue()
