"""Declarations for the cluster, and llmrack's commands on them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from llmrack.kube.cluster import Cluster as Declaration
from llmrack.kube.cluster import read_cluster
from llmrack.kube.kubectl import Kubectl, kubectl
from llmrack_lab.base import ensure_base
from llmrack_lab.keys import ensure_api_keys
from llmrack_lab.kube.builder import build
from llmrack_lab.kube.cluster import Cluster
from llmrack_lab.kube.standins import add, add_ollama
from tests import COMMAND_DEADLINE
from tests.lab.load import Requests
from tests.unit.kube.conftest import KUBE, MASTER, STACK, merged


@dataclass(frozen=True)
class Images:
    """References of images by their digests."""

    gateway: str
    ollama: str

    @classmethod
    def of(cls, cluster: Cluster, folder: Path, tell: Callable[[str], None]) -> Images:
        lab = cluster.lab
        base = ensure_base(lab.folder.parent, tell)
        llmrack("kube", "image", str(folder), cwd=folder).check_returncode()
        built = build(folder, lab.folder.parent, base, tell)
        gateway = add(cluster, lab, "localhost/llmrack-gateway:lab", built, tell)
        return cls(gateway, add_ollama(cluster, lab, tell))


def llmrack(
    *words: str, cwd: Path, given: str = "", cluster: Cluster | None = None
) -> subprocess.CompletedProcess[str]:
    """A command as its user gives it.

    + cluster: that the user's machine stands beside, and knows the lab's names
    """
    command = [str(Path(sys.executable).with_name("llmrack")), *words]
    return subprocess.run(
        cluster.beside(*command) if cluster else command,
        cwd=cwd,
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_DEADLINE,
    )


class Declared:
    """A folder with a stack, ``kube.yaml`` and keys; changes last until the next ones."""

    def __init__(self, folder: Path, namespace: str, cluster: Cluster) -> None:
        self.folder = folder
        self.namespace = namespace
        self.cluster = cluster
        # Everything that commands have printed.
        self.printed = ""
        self.kube: dict[str, Any] = merged(KUBE, {"namespace": namespace})
        self.stack: dict[str, Any] = STACK
        self.keys = {"LITELLM_MASTER_KEY": MASTER, "OLLAMA_API_KEY": "ollama-0123456789abcdef"}
        self.write()

    def use(self, images: Images) -> None:
        """Declare what the lab has: its images, little CPU, and the keys that stand-ins take."""
        small = {"cpu": "100m", "memory": "1Gi"}
        engine = {"gpus": {"kind": "l4"}, "image": images.ollama} | small
        self.kube = merged(
            self.kube,
            {"gateway.image": images.gateway, "gateway.cpu": "100m", "engines.gpu": engine},
        )
        self.keys |= ensure_api_keys(self.cluster.lab.folder / "env")
        self.write()

    def applied(self, *words: str) -> str:
        """Apply it, which must be proven; returns what is printed."""
        done = self.llmrack("apply", "--patience", "120s", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def failed(self, code: int, *words: str) -> str:
        """Apply it, which must end with this exit code; returns what is printed."""
        done = self.llmrack("apply", *words)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def load(self, model: str = "llama3.2:1b", *, rate: float = 10) -> Requests:
        """Constant requests to the gateway's Service, from a machine beside the cluster."""
        where = "{.spec.clusterIP}"
        words = ("get", "service", "litellm", f"--output=jsonpath={where}")
        address = self.way().run(*words).stdout
        key = self.keys["LITELLM_MASTER_KEY"]
        return Requests(
            f"http://{address}:4000", key, model, rate=rate, through=self.cluster.beside()
        )

    def change(
        self, kube: dict[str, Any] | None = None, stack: dict[str, Any] | None = None
    ) -> None:
        """Change the declaration, by keys with dots; None takes one out."""
        self.kube, self.stack = merged(self.kube, kube or {}), merged(self.stack, stack or {})
        self.write()

    def write(self) -> None:
        (self.folder / "kube.yaml").write_text(yaml.safe_dump(self.kube, sort_keys=False))
        (self.folder / "stack.yaml").write_text(yaml.safe_dump(self.stack, sort_keys=False))
        env = self.folder / ".env"
        env.write_text("".join(f"{name}={value}\n" for name, value in self.keys.items()))
        env.chmod(0o600)

    def read(self) -> Declaration:
        return read_cluster(self.folder)

    def way(self) -> Kubectl:
        return kubectl(self.read().kube)

    def llmrack(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        done = llmrack("kube", *words, cwd=self.folder, given=given, cluster=self.cluster)
        self.printed += done.stdout + done.stderr
        return done
