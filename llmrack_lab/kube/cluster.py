"""The cluster of a lab: control plane, node, DNS and images, made and removed as a whole."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from llmrack_lab import gpus, machine, processes, state
from llmrack_lab.host import remove_cgroup
from llmrack_lab.kube.configuration import PAUSE, PODS, SERVICES, write_configuration
from llmrack_lab.kube.images import Image, pack_files, write_image
from llmrack_lab.kube.node_root import ensure_root
from llmrack_lab.kube.programs import ensure_programs
from llmrack_lab.lab import Lab
from llmrack_lab.shell import LabError, Progress, remove_folder, run, wait_until

ROLE = "kube"
NUMBER = 8
"""Of the node's address in the lab's subnet."""

NODE = Path(__file__).with_name("node.sh")
DEADLINE = 120.0
STORAGE = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {
        "name": "standard",
        "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
    },
    "provisioner": "kubernetes.io/host-path",
}


class Cluster:
    """The cluster of a lab. Every method may be repeated: what is there is kept."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._root = lab.folder.parent
        self.folder = lab.folder / "kube"
        self.config = self.folder / "admin.conf"
        self.images = self.folder / "images"
        self._hosts, self._trusted = self.folder / "hosts", self.folder / "authorities.pem"
        self._group = f"llmrack-kube-{lab.name}"

    def up(self, progress: Progress) -> None:
        """Start it, and wait until its node takes pods. Raises LabError."""
        programs = ensure_programs(self._root, progress)
        upper, base = ensure_root(self._root, progress)
        if not self.lab.status():
            self.lab.up(0, progress)
        place = self.lab.beside("k8s", NUMBER, self._cgroups())
        self.images.mkdir(parents=True, exist_ok=True)
        if not self.config.exists():
            write_configuration(self.folder, place.address, self._group, place.names)
            names = "".join(f"{where} {name}\n" for name, where in place.names.items())
            self._hosts.write_text(Path("/etc/hosts").read_text() + names)
            self._trusted.write_text(trusted(self.lab))
        if not self.is_running():
            progress("starting the cluster")
            self.kill()
            words = [self.folder, programs, place.address, self._group, PODS, SERVICES, upper, base]
            enter = ["nsenter", f"--net={place.namespace}"]
            alone = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
            processes.start(
                [*enter, *alone, "sh", NODE, *(str(word) for word in words)],
                lab_id=place.lab_id,
                role=ROLE,
                log=self.folder / "log" / "node",
            )
        self._await(
            "the API server answers", lambda: self._says("get", "--raw", "/readyz"), progress
        )
        # Before there is one, pods are refused.
        account = ("get", "serviceaccount", "default", "--namespace=default")
        self._await("namespaces are ready", lambda: self._says(*account), progress)
        self._await("the node is ready", self._node_is_ready, progress)
        if not self.image_names():
            progress("importing the pause image")
            self._import_pause(programs)
        self.apply([STORAGE])

    def kill(self) -> None:
        """End it at once; what it keeps stays."""
        processes.kill(self.lab.id, ROLE)
        for group in self._cgroups():
            if group.is_dir():
                remove_cgroup(group)

    def down(self) -> None:
        """Remove it, with everything in it."""
        self.kill()
        remove_folder(self.folder)

    def is_running(self) -> bool:
        """Whether it has a process at all."""
        return bool(processes.find(self.lab.id, ROLE))

    @property
    def address(self) -> str:
        """The address of its node, which pods come from for everybody outside."""
        server = json.loads(self.config.read_text())["clusters"][0]["cluster"]["server"]
        return str(httpx.URL(server).host)

    def kubectl(self, *words: str, given: str | None = None, check: bool = True) -> str:
        """What kubectl prints. Raises LabError."""
        program = shutil.which("kubectl") or str(Path(sys.executable).with_name("kubectl"))
        command = [program, f"--kubeconfig={self.config}", *words]
        return run(command, input=given, check=check).stdout

    def beside(self, *words: str | Path) -> list[str]:
        """A command as a user's machine beside the cluster runs it.

        It reaches Services, and the lab's stand-ins by their names, and trusts these. Raises
        LabError.
        """
        node = self._first_process()
        enter = ["nsenter", f"--net=/proc/{node}/ns/net", "unshare", "--mount"]
        mounts = {self._hosts: "/etc/hosts", self._trusted: machine.CA_BUNDLE}
        script = "".join(f"mount --bind {shlex.quote(f'{a}')} {b}; " for a, b in mounts.items())
        known = f"KUBECONFIG={self.config}"
        parts = [*enter, "sh", "-ec", f'{script}exec "$@"', "sh", "env", known, *words]
        return [str(part) for part in parts]

    def apply(self, objects: list[dict[str, Any]]) -> None:
        """Have it have these objects."""
        items = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        self.kubectl("apply", "--server-side", "--filename=-", given=items)

    def set_gpus(self, count: int, progress: Progress) -> None:
        """Pretend that the node has GPUs, and wait until pods can ask for ``nvidia.com/gpu``.

        A device plugin (go/kube/gpus.go) offers them. Raises LabError.
        """
        cards = self.folder / "cards"
        files = {f"pretended-gpus/{path}": content for path, content in gpus.programs().items()}
        for number in range(count + 1):
            files[f"{number}.json"] = (gpus.pretence("node1", number).to_json(), 0o644)
        for path, (text, mode) in files.items():
            state.write(cards / path, text)
            (cards / path).chmod(mode)
        state.write(cards / "count", str(count))
        path = "{.status.allocatable.nvidia\\.com/gpu}"
        words = ("get", "node", "node1", f"--output=jsonpath={path}")
        offered = (str(count),) if count else ("0", "")
        self._await("its GPUs are offered", lambda: self.kubectl(*words) in offered, progress)

    def add_image(self, archive: Path, reference: str) -> None:
        """Import an image, and let pods ask for it by its digest."""
        self.ctr("images", "import", f"/kube/{archive.relative_to(self.folder)}")
        name = reference.partition("@")[0]
        tagged = next(one for one in self.image_names() if one.startswith(f"{name}:"))
        self.ctr("images", "tag", "--force", tagged, reference)

    def image_names(self) -> list[str]:
        """The names of the images that pods can have."""
        return self.ctr("images", "list", "--quiet").split()

    def ctr(self, *words: str) -> str:
        """What containerd's command line prints."""
        inside = ["ctr", "--namespace=k8s.io", *words]
        return self.inside(*inside)

    def inside(self, *words: str) -> str:
        """What a command prints that runs on the node. Raises LabError."""
        place = f"--target={self._first_process()}"
        enter = ["nsenter", place, "--mount", "--pid", "--net", "--root", "--wd"]
        return run([*enter, *words], timeout=300).stdout

    def _first_process(self) -> int:
        init = next((one for one in processes.find(self.lab.id, ROLE) if _is_first(one.pid)), None)
        if init is None:
            raise LabError("the cluster does not run: `llmrack lab kube up` starts it")
        return init.pid

    def _import_pause(self, programs: Path) -> None:
        images = self.images
        content = (programs / "pause").read_bytes()
        layer = pack_files({"pause": (content, 0o755)}, images / "pause-layer.tar")
        archive = images / "pause.tar"
        write_image(Image(PAUSE, [layer], {"Entrypoint": ["/pause"]}), archive)
        self.ctr("images", "import", f"/kube/images/{archive.name}")

    def _cgroups(self) -> list[Path]:
        """One, or in cgroup v1 one in each tree."""
        top = Path("/sys/fs/cgroup")
        trees = [top] if (top / "cgroup.controllers").exists() else list(top.iterdir())
        return [tree / self._group for tree in trees if (tree / "cgroup.procs").exists()]

    def _says(self, *words: str) -> bool:
        try:
            self.kubectl(*words, "--request-timeout=5s")
        except LabError:
            return False
        return True

    def _node_is_ready(self) -> bool:
        path = "{.status.conditions[?(@.type=='Ready')].status}"
        words = ("get", "node", "node1", f"--output=jsonpath={path}", "--ignore-not-found")
        return self.kubectl(*words, check=False) == "True"

    def _await(self, what: str, condition: Callable[[], bool], progress: Progress) -> None:
        progress(f"waiting until {what}")
        if not wait_until(lambda: condition() or not self.is_running(), DEADLINE, every=0.3):
            raise LabError(f"not after {DEADLINE:.0f} s: {what}; see {self.folder}/log")
        if not self.is_running():
            raise LabError(f"the cluster has ended; see {self.folder}/log/node")


def trusted(lab: Lab) -> str:
    """Certificates (PEM) of this machine's authorities, and of the lab's own."""
    return machine.CA_BUNDLE.read_text().rstrip() + "\n" + lab.authority.read_text()


def _is_first(pid: int) -> bool:
    """Whether a process is the first one of its process namespace."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return False
    return any(line.startswith("NSpid:") and line.split()[2:] == ["1"] for line in lines)
