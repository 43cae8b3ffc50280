"""Which driver is installed how, on which system."""

from __future__ import annotations

import pytest

from llmrack.components.gpu.driver import GpuDriver
from llmrack.components.gpu.driver_packages import Machine, NoRecipeError, Recipe, recipe
from llmrack.resources.change import Change, Reboot, Shell
from llmrack.resources.look import Look, Seen
from tests.unit.components.gpu.test_gpus import refusal, seen
from tests.unit.declare import host, settings

ADA, TURING, VOLTA, PASCAL = 0x2684, 0x1E04, 0x1DB1, 0x1B06
DEBIAN_KERNEL, UBUNTU_KERNEL = "6.1.0-35-amd64", "6.8.0-60-generic"


def on(system: str, recorded: str, arch: str = "x86_64") -> Seen:
    seen_ = seen(recorded)
    name = system.rstrip("0123456789.")
    seen_.facts |= {"os": name, "os_version": system.removeprefix(name), "arch": arch}
    return seen_


def nvidia(system: str, card: int = ADA, arch: str = "x86_64") -> Recipe:
    return recipe("nvidia", Machine(system, arch, DEBIAN_KERNEL, [card], headers=False))


def distribution(system: str, card: int = ADA, kernel: str = DEBIAN_KERNEL) -> Recipe:
    return recipe("distribution", Machine(system, "x86_64", kernel, [card], headers=False))


def names(made: Recipe) -> set[str]:
    return {name for group in made.packages for name in group}


def change(seen_: Seen, source: str | None = "nvidia", reboot: bool = False) -> Change | None:
    return GpuDriver(settings(gpu_driver=source, gpu_reboot=reboot)).change(seen_, [])


def script(made: Change | None) -> str:
    assert made
    return "\n".join(action.script for action in made.actions if isinstance(action, Shell))


@pytest.mark.parametrize(
    ("system", "arch", "path", "key"),
    [
        ("debian12", "x86_64", "debian12/x86_64", "EB693B3035CD5710E231E123A4B469963BF863CC"),
        ("debian13", "x86_64", "debian13/x86_64", "02182E60104FCDC26EAE1B8597A5D4CB8793F200"),
        ("ubuntu22.04", "x86_64", "ubuntu2204/x86_64", "EB693B3035CD5710E231E123A4B469963BF863CC"),
        ("ubuntu24.04", "aarch64", "ubuntu2404/sbsa", "EB693B3035CD5710E231E123A4B469963BF863CC"),
    ],
)
def test_nvidias_repository_is_bound_to_its_key(
    system: str, arch: str, path: str, key: str
) -> None:
    made = nvidia(system, arch=arch)
    assert f"URIs: https://developer.download.nvidia.com/compute/cuda/repos/{path}/" in made.sources
    assert f"Signed-By: /usr/share/keyrings/llmrack-nvidia.asc {key}\n" in made.sources
    assert made.key_url.endswith(f"/{path}/{key[-8:] if key[0] == '0' else '3bf863cc'}.pub")


def test_cards_from_turing_on_get_the_open_modules() -> None:
    assert "nvidia-kernel-open-dkms" in names(nvidia("debian12", TURING))
    assert "nvidia-dkms-open" in names(nvidia("ubuntu24.04", TURING))


@pytest.mark.parametrize("card", [VOLTA, PASCAL])
def test_older_cards_get_the_last_branch_that_drives_them(card: int) -> None:
    made = nvidia("debian12", card)
    assert {"nvidia-driver-pinning-580", "nvidia-kernel-dkms"} <= names(made)
    # The pin must be there before apt chooses.
    assert made.packages[1] == ("nvidia-driver-pinning-580",)
    assert "nvidia-dkms-580" in names(nvidia("ubuntu22.04", card))


def test_headers_are_those_of_the_running_kernel() -> None:
    assert f"linux-headers-{DEBIAN_KERNEL}" in names(nvidia("debian12"))
    recipe_ = recipe("nvidia", Machine("debian12", "x86_64", DEBIAN_KERNEL, [ADA], headers=True))
    assert not any("headers" in name for name in names(recipe_))


def test_nothing_for_a_screen_is_installed() -> None:
    for made in (nvidia("debian12"), nvidia("ubuntu24.04"), distribution("debian13")):
        assert not names(made) & {"nvidia-driver", "nvidia-open", "cuda-drivers"}


def test_debians_driver_comes_from_its_non_free_component() -> None:
    made = distribution("debian13")
    assert "Suites: trixie trixie-updates\nComponents: contrib non-free" in made.sources
    assert {"nvidia-kernel-dkms", "libcuda1", "nvidia-smi"} <= names(made)


def test_ubuntus_driver_has_signed_modules_of_the_running_kernel() -> None:
    made = distribution("ubuntu24.04", kernel=UBUNTU_KERNEL)
    assert made.signed
    assert {
        "linux-modules-nvidia-580-server-open-6.8.0-60-generic",
        "linux-modules-nvidia-580-server-open-generic",
    } <= names(made)


def test_ubuntus_newer_kernels_have_modules_of_their_own() -> None:
    made = distribution("ubuntu22.04", kernel=UBUNTU_KERNEL)
    assert "linux-modules-nvidia-580-server-open-generic-hwe-22.04" in names(made)


def test_ubuntus_older_cards_get_the_closed_modules() -> None:
    made = distribution("ubuntu24.04", PASCAL, UBUNTU_KERNEL)
    assert "nvidia-headless-no-dkms-580-server" in names(made)


def test_driver_of_debian_12_is_too_old() -> None:
    with pytest.raises(NoRecipeError, match=r'535, which is too old.*`gpu_driver = "nvidia"`'):
        distribution("debian12")


def test_driver_of_debian_13_is_too_old_for_old_cards() -> None:
    with pytest.raises(NoRecipeError, match=r'has driver 550.*`gpu_driver = "nvidia"`'):
        distribution("debian13", PASCAL)


def test_unknown_system_is_told_what_is_known() -> None:
    with pytest.raises(NoRecipeError, match=r"for fedora 42 \(x86_64\), only for debian12"):
        nvidia("fedora42")


def test_look_asks_for_the_cards() -> None:
    asked = Look()
    GpuDriver(settings()).look(asked)
    assert "gpu" in asked.parts
    assert asked.users == {"llm"}


@pytest.mark.parametrize("recorded", ["fine", "no_uvm", "lost", "none", "amd_no_driver"])
def test_driver_that_works_is_left_alone(recorded: str) -> None:
    assert change(on("debian12", recorded), reboot=True) is None


def test_nothing_is_installed_unasked() -> None:
    assert change(on("debian12", "no_driver"), source=None, reboot=True) is None


@pytest.mark.parametrize("recorded", ["no_driver", "nouveau", "too_old", "old_card"])
def test_driver_is_installed_where_it_is_missing_or_too_old(recorded: str) -> None:
    text = script(change(on("debian12", recorded)))
    for part in (
        "3bf863cc.pub",
        "get -y --no-install-recommends install",
        "blacklist nouveau",
        "update-initramfs -u",
        "enable nvidia-persistenced",
        "no module was built for the running kernel",
    ):
        assert part in text


def test_modules_are_loaded_at_boot() -> None:
    made = change(on("debian12", "no_driver"))
    assert made
    written = [a.stdin for a in made.actions if isinstance(a, Shell) and a.stdin]
    assert "# Managed by llmrack.\nnvidia\nnvidia-uvm\n" in written


def test_host_is_not_restarted_unasked() -> None:
    made = change(on("debian12", "no_driver"))
    assert made
    assert not any(isinstance(action, Reboot) for action in made.actions)
    assert "reboot required" in script(made)


def test_host_is_restarted_when_asked_for() -> None:
    made = change(on("debian12", "no_driver"), reboot=True)
    assert made
    assert [type(action) for action in made.actions][-2:] == [Reboot, Shell]


def test_driver_that_waits_for_a_boot_only_gets_that() -> None:
    made = change(on("debian12", "mismatch"), source=None, reboot=True)
    assert made
    assert [type(action) for action in made.actions] == [Reboot, Shell]


def test_driver_that_the_run_installs_is_no_reason_to_refuse() -> None:
    assert refusal(host(gpu_driver="nvidia"), on("debian12", "no_driver")) is None


def test_driver_that_cannot_be_installed_is_refused_with_the_reason() -> None:
    reason = refusal(host(gpu_driver="distribution"), on("debian12", "no_driver"))
    assert reason
    assert "Debian 12 has driver 535" in reason
    assert change(on("debian12", "no_driver"), source="distribution") is None


def test_secure_boot_is_named_before_unsigned_modules_are_built() -> None:
    secure = on("debian12", "no_driver")
    secure.parts["gpu"] = [
        ["secureboot", "1"] if fields[0] == "secureboot" else fields
        for fields in secure.parts["gpu"]
        for fields in secure.parts["gpu"]
    ]
    reason = refusal(host(gpu_driver="nvidia"), secure)
    assert reason
    assert "Secure Boot is on and would refuse the modules" in reason
    secure.parts["gpu"].append(["enrolled", "yes"])
    assert refusal(host(gpu_driver="nvidia"), secure) is None


def test_signed_modules_need_no_enrolled_key() -> None:
    secure = on("ubuntu24.04", "no_driver")
    secure.parts["gpu"].append(["secureboot", "1"])
    assert refusal(host(gpu_driver="distribution"), secure) is None
