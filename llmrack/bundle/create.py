"""Gathering a bundle. A second run goes on and keeps files that are right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from llmrack.bundle.fetch import BundleError, Say, client
from llmrack.bundle.ollama import bundled_files, get_model, get_release, release_host
from llmrack.bundle.packages import get_packages
from llmrack.bundle.targets import Target
from llmrack.bundle.wheels import get_wheels
from llmrack.components.plan import by_component
from llmrack.resources.packages import Packages
from llmrack.site.locks import locks
from llmrack.site.site import Site
from llmrack.stack.bundle import (
    INDEX,
    LOCK,
    PACKAGES,
    UV_LOCK,
    WHEELS,
    Bundle,
    Index,
    Listed,
    archive_name,
    digest,
)
from llmrack.stack.ollama_models import pulled_models

# Exists from the start: it marks the folder as llmrack's, with an unfinished bundle.
UNFINISHED = f"{INDEX}.part"
# A UUID that no card has; it stands for the cards that a deploy will see.
SOME_CARD = "GPU-00000000-0000-0000-0000-000000000000"


def create(
    site: Site, targets: Sequence[Target], folder: Path, registry: str | None, say: Say
) -> Bundle:
    """Gather in ``folder`` what a deploy of ``site`` to hosts like ``targets`` fetches.

    + registry: the URL that stands in for Ollama's own registry

    The index is written last. Raises BundleError.
    """
    _take(folder)
    stack, fleet = site.stack, site.fleet
    engine = release_host(stack, fleet)
    models = {}
    of_gateway = locks(None)
    needed = {LOCK, UV_LOCK}
    with client() as web:
        for file in bundled_files(stack, fleet, {target.arch for target in targets}):
            needed.add(archive_name(file))
            say(f"Ollama {engine.settings.ollama_version} for {file}")
            get_release(web, engine, file, folder / archive_name(file))
        for name in sorted({name for host in fleet.hosts for name in pulled_models(stack, host)}):
            models[name] = model = get_model(web, name, registry, folder, say)
            needed |= {model.manifest, *model.blobs}
    for name, text in zip((LOCK, UV_LOCK), of_gateway, strict=True):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    for target in targets:
        say(f"{target.name}: packages")
        packages = package_names(site, target.arch)
        get_packages(packages, target, folder / target.name / PACKAGES)
        say(f"{target.name}: wheels")
        get_wheels(of_gateway, target, folder / target.name / WHEELS)
        needed |= {str(path.relative_to(folder)) for path in (folder / target.name).rglob("*")}
    say("checksums")
    files = _keep_only(folder, needed)
    index = Index(
        targets=tuple(target.name for target in targets),
        ollama_version=engine.settings.ollama_version,
        ollama_sha256={
            file: sha256
            for file, sha256 in engine.settings.ollama_sha256.items()
            if archive_name(file) in files
        },
        models=models,
        files=files,
    )
    (folder / UNFINISHED).write_text(index.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (folder / UNFINISHED).rename(folder / INDEX)
    return Bundle(folder, index)


def _take(folder: Path) -> None:
    """Mark the folder as llmrack's; files of an earlier bundle may be removed later."""
    present = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if present and not present & {INDEX, UNFINISHED}:
        raise BundleError(f"{folder} holds other things: name a folder that is new, or a bundle")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / UNFINISHED).touch()
    (folder / INDEX).unlink(missing_ok=True)


def package_names(site: Site, arch: str) -> set[str]:
    """The names of all Debian packages that hosts of the fleet get.

    A host whose cards are not known counts as one with a card: a deploy sees the cards when it is
    too late to add a package.
    """
    hosts = [replace(host, gpus=host.gpus or (SOME_CARD,)) for host in site.fleet.hosts]
    parts = [by_component(site, host, arch) for host in hosts]
    return {
        package
        for part in parts
        for resources in part.values()
        for resource in resources
        if isinstance(resource, Packages)
        for package in resource.packages
    }


def _keep_only(folder: Path, needed: set[str]) -> dict[str, Listed]:
    """Remove files that are not needed; returns the others with their checksums."""
    files = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = str(path.relative_to(folder))
        if name in needed:
            files[name] = Listed(sha256=digest(path), size=path.stat().st_size)
        elif name != UNFINISHED:
            path.unlink()
    return files
