"""The lock files of the packages that gateways install, and refusals of bad versions."""

from __future__ import annotations

from llmrack.problems import Problem
from llmrack.resources.script import TEMPLATES
from llmrack.stack.bundle import LOCK, UV_LOCK, Bundle

OLDEST_LITELLM = (1, 84, 0)


def locks(bundle: Bundle | None) -> tuple[str, str]:
    """The lock files of the gateway and of uv: the bundle's, or else this project's."""
    return bundle.locks if bundle else (_of_project(LOCK), _of_project(UV_LOCK))


def _of_project(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def litellm_version(lock: str) -> str:
    """The LiteLLM version that a lock file pins."""
    for line in lock.splitlines():
        if line.startswith("litellm=="):
            return line.split("==")[1].split()[0]
    raise ValueError("templates/gateway/requirements.txt pins no litellm: run make lock")


def lock_problems(bundle: Bundle | None = None) -> list[Problem]:
    """A problem for a locked LiteLLM below 1.84.0, which has known holes.

    Sources: CVE-2026-42208, 42271, 40217, 49468. tools/lock.py decides which releases are locked.
    """
    version = litellm_version(locks(bundle)[0])
    numbers = tuple(int(part) for part in version.split(".")[:3] if part.isdigit())
    if numbers >= OLDEST_LITELLM:
        return []
    way_out = "choose 1.84.0 or later in requirements.in, then run make lock"
    if bundle:
        way_out += " and llmrack bundle create"
    place = str(bundle.folder / LOCK) if bundle else f"templates/{LOCK}"
    return [Problem(place, "litellm", f"{version} has known holes", way_out)]
