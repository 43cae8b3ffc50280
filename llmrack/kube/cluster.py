"""A stack in a cluster: its pods are the hosts of a fleet, so that gateways see no difference."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from llmrack.components.gateway.gateway import configuration, programs, variables
from llmrack.components.gateway.routing import authorities, routing
from llmrack.kube.checks import problems_of
from llmrack.kube.engines import engine_of
from llmrack.kube.load import load_kube
from llmrack.kube.settings import FILE, Engine, Kube
from llmrack.problems import DeclarationError
from llmrack.secrets.places import Places
from llmrack.secrets.value import Secret, StoredSecret
from llmrack.site.declared import fleet_of as declared_hosts
from llmrack.site.declared import open_inventory, places_of_fleet, site_of
from llmrack.site.known_cards import with_known_cards
from llmrack.site.secret_names import secret_names
from llmrack.site.site import Site
from llmrack.stack.fleet import GATEWAY_GROUP, MONITOR_GROUP, Fleet, Host
from llmrack.stack.load import load_settings
from llmrack.stack.settings import Settings

# Of an inventory's hosts: the gateway is the cluster's.
_NOT_USED = {GATEWAY_GROUP, MONITOR_GROUP}
# Each pod has an address of its own, and network policies say who reaches it.
_OF_GATEWAY = {"gateway_bind": "0.0.0.0"}  # noqa: S104


@dataclass(frozen=True)
class Cluster:
    """Everything declared of a cluster, checked.

    + site: the stack, with a fleet of the cluster's pods and of the hosts of ``inventory``
    """

    kube: Kube
    site: Site

    @property
    def namespace(self) -> str:
        """Where all objects are."""
        return self.kube.namespace

    @property
    def name(self) -> str:
        """The gateway's name, which stands for the whole stack in this namespace."""
        return self.kube.gateway.name

    @property
    def gateway(self) -> Host:
        """Every pod of the gateway: they are the same."""
        return self.site.fleet.gateways[0]

    def pods_of(self, engine: str) -> list[Host]:
        """The pods of an engine that gateways ask; those that are not there have no name."""
        names = pods(self.kube, engine)
        return [host for host in self.site.fleet.group(engine) if host.name in names]

    @property
    def settings(self) -> Settings:
        """The settings of the gateway."""
        return self.gateway.settings

    @cached_property
    def configuration(self) -> dict[str, str]:
        """The files of a release that follow from the declaration, by their paths in it."""
        stack, fleet = self.site.stack, self.site.fleet
        return {
            "config.yaml": configuration(stack, fleet, self.gateway),
            "routing.json": self._routing(),
            "keys.json": self.site.client_keys,
            **authorities(stack),
        }

    def _routing(self) -> str:
        """``routing.json``, with the names by which gateways see which pods are there."""
        table = json.loads(routing(self.site.stack, self.site.fleet, self.gateway))
        table["hosts"] = {
            pod.name: pod.address
            for engine in self.kube.engines
            for pod in self.pods_of(engine)
            if pod.name in table["instances"]
        }
        return json.dumps(table, indent=1)

    @cached_property
    def programs(self) -> Mapping[str, str]:
        """The programs of a release, by their paths in it."""
        return programs()

    @cached_property
    def variables(self) -> dict[str, str]:
        """How LiteLLM runs; without secrets."""
        lines = variables(self.site.stack, self.gateway).splitlines()
        return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))

    @cached_property
    def secrets(self) -> dict[str, Secret]:
        """The keys that the gateway reads from its Secret, as far as they have a value."""
        kept = self.site.secrets
        return {name: kept[name] for name in secret_names(self.site.stack) if name in kept}


def read_cluster(folder: Path, given: Mapping[str, Secret] | None = None) -> Cluster:
    """Load and validate ``kube.yaml`` and everything that it refers to; asks no cluster.

    + given: the values of a Secret that somebody else fills; None: they are not known yet

    Raises DeclarationError.
    """
    kube, lines = load_kube(folder / FILE, FILE)
    source = f"Secret {kube.namespace}/{kube.secret}"

    def kept(names: Iterable[str]) -> dict[str, StoredSecret]:
        values = dict.fromkeys(names, Secret("")) if given is None else given
        return {name: StoredSecret(values[name], source) for name in names if name in values}

    site = site_of(fleet_of(kube, folder), folder, found=kept if kube.secret_is_given else None)
    cluster = Cluster(kube, site)
    pods_of = {engine: cluster.pods_of(engine) for engine in kube.engines}
    if problems := problems_of(kube, site, pods_of, lines):
        raise DeclarationError(problems)
    return cluster


def places_in_cluster(folder: Path) -> Places:
    """Where keys are kept, also while the stack has mistakes. Raises DeclarationError."""
    kube, _ = load_kube(folder / FILE, FILE)
    return places_of_fleet(fleet_of(kube, folder), folder)


def fleet_of(kube: Kube, folder: Path) -> Fleet:
    """The pods as hosts, after the hosts of the inventory that run models, too."""
    settings = load_settings(kube.gateway.name, _OF_GATEWAY | kube.settings, FILE)
    hosts: list[Host] = []
    if kube.inventory:
        theirs = with_known_cards(
            declared_hosts(open_inventory(kube.inventory, folder), folder), folder
        )
        hosts += [replace(host, groups=host.groups - _NOT_USED) for host in theirs.hosts]
    for name, engine in kube.engines.items():
        of_engine = load_settings(name, _of(engine) | kube.settings, FILE)
        hosts += [
            Host(pod, frozenset([name]), f"{pod}.{name}.{kube.namespace}.svc", of_engine)
            for pod in pods(kube, name)
        ]
    groups = {GATEWAY_GROUP, MONITOR_GROUP} if kube.monitoring else {GATEWAY_GROUP}
    hosts.append(Host(kube.gateway.name, frozenset(groups), "127.0.0.1", settings))
    return Fleet(tuple(hosts))


def _of(engine: Engine) -> dict[str, Any]:
    """The settings that follow from an engine: the version is what its image's tag says."""
    tagged = re.search(r":v?([0-9]+\.[0-9]+\.[0-9]+)@", engine.image)
    return engine_of(engine).settings(tagged[1] if tagged else None, engine.gpus is not None)


def pods(kube: Kube, engine: str) -> list[str]:
    """The names of an engine's pods: as many as are declared, or as there may be at most."""
    declared = kube.engines[engine]
    number = declared.most or declared.replicas or 1
    return [f"{engine}-{index}" for index in range(number)]


def engine_name(pod: Host) -> str:
    """The engine that a pod is of."""
    return pod.name.rpartition("-")[0]
