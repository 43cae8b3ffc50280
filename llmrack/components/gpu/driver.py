"""NVIDIA's driver: installed if it is declared, in use after a reboot."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

from llmrack.components.gpu.driver_packages import (
    KEYRING,
    Machine,
    NoRecipeError,
    Recipe,
    Source,
    recipe,
)
from llmrack.components.gpu.gpus import Gpus, gpus
from llmrack.components.gpu.lines import LOOK
from llmrack.components.gpu.states import Cure
from llmrack.resources.change import Action, Change, Reboot, Shell
from llmrack.resources.downloads import with_variables
from llmrack.resources.files import File
from llmrack.resources.look import Look, Seen
from llmrack.resources.script import script_file
from llmrack.stack.proxy import Downloads
from llmrack.stack.settings import Settings

SOURCES = "/etc/apt/sources.list.d/llmrack-gpu.sources"
NOUVEAU = "/etc/modprobe.d/llmrack-nouveau.conf"
MODULES = "/etc/modules-load.d/llmrack-nvidia.conf"
# Seconds: DKMS compiles for minutes on a small machine.
INSTALL_TIMEOUT = 3600
# Seconds that the driver may take to answer after a boot.
ANSWER_DEADLINE = 60


@dataclass(frozen=True)
class GpuDriver:
    """NVIDIA's driver, in use; a host without NVIDIA cards has nothing to change.

    + settings: the host's: where a missing or too old driver comes from, and whether the host may
      be restarted to put it into use
    + downloads: how apt and curl find their way
    """

    name: ClassVar[str] = "GPU driver"
    settings: Settings
    downloads: Downloads | None = None

    def look(self, look: Look) -> None:
        """The cards and their driver; the user for its groups."""
        look.ask(LOOK)
        look.users.add(self.settings.service_user)

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Install it, restart the host if allowed, and fail unless the driver answers."""
        source, reboot = self.settings.gpu_driver, self.settings.gpu_reboot
        cards = gpus(seen, self.settings)
        install: tuple[Action, ...] = ()
        if cards.finding.cure is Cure.DRIVER and source:
            try:
                install = _install(chosen(source, seen, cards), self.downloads)
            except NoRecipeError:
                return None  # the host is refused: see ``problem``
        elif not (cards.finding.cure is Cure.REBOOT and reboot):
            return None
        why = cards.finding.why
        restart = (Reboot(why),) if reboot else ()
        actions = (*install, *restart, _answers(reboot))
        return Change(self.name, why, actions, installs=bool(install))


@dataclass(frozen=True)
class GpuDriverFilesGone:
    """The files that load the driver and name its source are removed with its packages."""

    name: ClassVar[str] = "GPU driver's files"

    def look(self, look: Look) -> None:
        """The files, and which packages can go."""
        look.paths.update((SOURCES, KEYRING, NOUVEAU, MODULES))
        look.made = look.removable = True

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Remove them; a loaded driver stays loaded until the host is restarted."""
        files = sorted({SOURCES, KEYRING, NOUVEAU, MODULES} & set(seen.paths))
        noted = {name for line in seen.made if "nvidia" in (name := line.partition(" ")[2])}
        if not files or not noted or noted & seen.packages - seen.removable:
            return None
        script = f"rm -f {' '.join(files)}"
        if NOUVEAU in files:
            script += "; ! command -v update-initramfs >/dev/null || update-initramfs -u -k all"
        why = f"to be removed: {', '.join(files)}; the driver is loaded until the next reboot"
        return Change(self.name, why, (Shell(script, timeout=INSTALL_TIMEOUT),))


def chosen(source: Source, seen: Seen, cards: Gpus) -> Recipe:
    """The recipe for a host that was seen. Raises NoRecipeError if there is none."""
    machine = Machine(
        f"{seen.fact('os')}{seen.fact('os_version')}",
        seen.fact("arch"),
        cards.kernel,
        [int(device.device, 16) for device in cards.devices],
        cards.headers,
    )
    made = recipe(source, machine)
    if cards.secure_boot and not (made.signed or cards.enrolled):
        raise NoRecipeError(
            "Secure Boot is on and would refuse the modules that are built on the host: enrol the "
            "key of DKMS (mokutil --import, then confirm it at the console) or turn Secure Boot "
            "off in the firmware; Ubuntu's own modules are signed"
        )
    return made


def problem(settings: Settings, seen: Seen) -> str:
    """Why the GPUs of a host will not serve after a run; empty if they will.

    Where no GPU is required, only a driver that cannot be installed is a reason.
    """
    cards = gpus(seen, settings)
    cure = cards.finding.cure
    if cure is Cure.DRIVER and settings.gpu_driver:
        try:
            chosen(settings.gpu_driver, seen, cards)
        except NoRecipeError as error:
            return f"{cards.finding.why}, and `gpu_driver` cannot mend it: {error}"
        return ""
    mended = cure is Cure.DEPLOY or (cure is Cure.REBOOT and settings.gpu_reboot)
    return cards.reason if settings.gpu_required and not mended else ""


def _install(made: Recipe, downloads: Downloads | None) -> tuple[Action, ...]:
    """Write the package sources, install the packages, load the modules at boot."""
    files = [File(MODULES, "# Managed by llmrack.\nnvidia\nnvidia-uvm\n").write]
    if made.key_url:
        fetch = script_file("gpu/fetch-key.sh", KEYRING, made.key_url)
        files.append(Shell(with_variables(downloads, fetch), timeout=90, downloads=downloads))
    if made.sources:
        files.append(File(SOURCES, made.sources).write)
    groups = [" ".join(group) for group in made.packages if group]
    script = script_file("gpu/install-driver.sh", NOUVEAU, *groups)
    install = with_variables(downloads, script)
    return (*files, Shell(install, timeout=INSTALL_TIMEOUT, downloads=downloads))


def _answers(rebooted: bool) -> Shell:
    """Wait for nvidia-smi to list the cards; without a reboot, try to load the module first."""
    if rebooted:
        failed = "after the reboot the driver does not answer: "
        deadline = ANSWER_DEADLINE
    else:
        failed = (
            "reboot required: the driver is installed, but not in use; reboot the host, or set "
            "`gpu_reboot = True`, and deploy again. For now it says: "
        )
        deadline = 0
    script = script_file("gpu/await-driver.sh", deadline, failed)
    return Shell(script, timeout=deadline + 60)
