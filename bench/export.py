"""llmrack's plan as an Ansible inventory, so that the playbook makes the same hosts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from llmrack.components.gateway.service import GatewayService, service
from llmrack.components.ollama.models import OllamaModel
from llmrack.components.plan import by_component
from llmrack.resources.change import Resource
from llmrack.resources.files import Directory, EnvironmentFile, File, Line, Link
from llmrack.resources.packages import Packages
from llmrack.resources.releases import STAMP, Archive, Release, Venv
from llmrack.resources.units import Unit
from llmrack.site.site import Site
from llmrack.stack.fleet import GATEWAY_GROUP, Host
from llmrack.stack.home import Home
from llmrack_lab.base import host_architecture

Variables = dict[str, Any]
Kind = TypeVar("Kind", bound=Resource)


class Export:
    """An Ansible inventory below ``folder`` for everything that is ``declared``.

    + colour: the gateway's colour that serves (``blue`` or ``green``)
    """

    def __init__(self, declared: Site, folder: Path, colour: str) -> None:
        self._declared = declared
        self._folder = folder
        self._colour = colour
        self._names = count()

    def write(self) -> Path:
        """Write the rendered files and the inventory; returns the inventory's path."""
        (self._folder / "files").mkdir(parents=True, exist_ok=True)
        hosts = {host.name: self._variables(host) for host in self._declared.fleet.hosts}
        members: Variables = {
            group: {"hosts": {h.name: {} for h in self._declared.fleet.hosts if group in h.groups}}
            for group in ("gpu", GATEWAY_GROUP)
        }
        inventory = self._folder / "hosts.json"
        inventory.write_text(json.dumps({"all": {"hosts": hosts, "children": members}}, indent=2))
        return inventory

    def _variables(self, host: Host) -> Variables:
        declared, settings = self._declared, host.settings
        parts = by_component(declared, host, host_architecture())
        everything = [resource for part in parts.values() for resource in part]
        folders = _each(everything, Directory)
        variables = {
            "packages": sorted({name for p in _each(everything, Packages) for name in p.packages}),
            "service_user": settings.service_user,
            "service_home": settings.service_home,
            "service_groups": settings.service_groups,
            "directories": [
                {"path": each.path, "owner": each.owner, "mode": f"{each.mode:04o}"}
                for each in folders
            ],
            "system_files": [
                self._file(each) for each in _each(everything, File) if each.owner == "root"
            ],
            "system_units": [each.unit for each in _each(everything, Unit) if not each.user],
            "ollama": self._ollama(parts["ollama"]),
        }
        if parts["gateway"]:
            variables["gateway"] = self._gateway(parts["gateway"], host.home)
        return variables

    def _ollama(self, resources: list[Resource]) -> Variables:
        [archive], [current] = _each(resources, Archive), _each(resources, Link)
        models = _each(resources, OllamaModel)
        # Hosts with cards of AMD's have a second one.
        [source] = archive.sources
        return {
            "release": archive.path,
            "url": source.urls[0],
            "sha256": source.sha256,
            "archive": f"{archive.cache}/{source.sha256}.tar.zst",
            "current": current.path,
            "files": [self._file(each) for each in _each(resources, File) if each.owner != "root"],
            "units": [each.unit for each in _each(resources, Unit) if each.user],
            "api": models[0].url,
            "models": [model.model for model in models],
        }

    def _gateway(self, resources: list[Resource], home: Home) -> Variables:
        [venv], [release] = _each(resources, Venv), _each(resources, Release)
        [environment] = _each(resources, EnvironmentFile)
        [line] = _each(resources, Line)
        [gateway] = _each(resources, GatewayService)
        stamp = (STAMP, f"{Path(release.path).name}\n")
        files = [File(f"{release.path}/{name}", text) for name, text in (*release.files, stamp)]
        links = {
            **{f"{release.path}/{name}": target for name, target in release.links},
            **{f"{gateway.base}/{name}": release.path for name in (self._colour, "current")},
        }
        return {
            "venv": venv.path,
            "lock": self._content(venv.lock),
            "release": release.path,
            "configuration": [self._file(f) for f in files if not f.path.endswith(".py")],
            "programs": [self._file(file) for file in files if file.path.endswith(".py")],
            "links": [{"path": path, "target": target} for path, target in links.items()],
            "environment": environment.path,
            "secrets": sorted(environment.values),
            "profile_line": line.line,
            "units": [
                self._file(f) for f in _each(resources, File) if f.path.startswith(home.units)
            ],
            "service": service(self._colour),
        }

    def _file(self, file: File) -> Variables:
        return {"src": self._content(file.content), "dest": file.path, "mode": f"{file.mode:04o}"}

    def _content(self, text: str) -> str:
        """A file of the playbook with this text."""
        path = self._folder / "files" / str(next(self._names))
        path.write_text(text, encoding="utf-8")
        return str(path)


def _each(resources: Iterable[Resource], kind: type[Kind]) -> list[Kind]:
    return [resource for resource in resources if isinstance(resource, kind)]
