"""A key is replaced in a cluster: tested from here, stored, applied, proven; or put back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from llmrack.deploy.rotation import Rotation, carried_out, insist_on_rotatable
from llmrack.kube.cluster import read_cluster
from llmrack.kube.listed_models import FromHere
from llmrack.kube.settings import FILE
from llmrack.observe.providers.trials import Tested, test_server
from llmrack.problems import unusable
from llmrack.secrets.value import Secret
from llmrack.stack.model_lists import servers


def plan(folder: Path, name: str) -> Rotation:
    """Look up what is to be rotated; DeclarationError where that cannot be."""
    cluster = read_cluster(folder)
    if cluster.kube.secret_is_given:
        cause = f"the Secret {cluster.kube.secret} is filled by somebody else"
        raise unusable(FILE, cause, "change the key there, then run llmrack kube apply")
    old = insist_on_rotatable(cluster.site, name)
    site = cluster.site

    def test(providers: Sequence[str], new: Secret) -> list[Tested]:
        reach = FromHere(cluster.secrets | {name: new})
        return [
            test_server(reach, server, "here", site.declaration)
            for provider in providers
            for server in servers(site.stack, site.fleet, cluster.gateway, provider)
        ]

    return Rotation(folder, name, site, old, test, partial(_applied, folder))


def and_in_cluster(on_hosts: Rotation) -> Rotation:
    """The rotation on hosts, and after them in the cluster that the same folder declares."""

    def deploy() -> bool:
        return on_hosts.deploy() and _applied(on_hosts.folder)

    return replace(on_hosts, deploy=deploy)


def _applied(folder: Path) -> bool:
    return carried_out(folder, "llmrack", "kube", "apply")
