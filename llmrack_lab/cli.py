"""`llmrack lab …`: throw-away hosts to try everything on."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from llmrack_lab import keys
from llmrack_lab.base import DEBIAN, SUITE
from llmrack_lab.gpus import DRIVER, DRIVER_PACKAGES, STATES
from llmrack_lab.kube.commands import kube
from llmrack_lab.lab import Lab
from llmrack_lab.needs import require_root
from llmrack_lab.shell import LabError, Progress, remove_folder

ROOT = Path(".lab")
_STATES = [f"{vendor}: {', '.join(states)}" for vendor, states in STATES.items()]


class _Group(click.Group):
    def invoke(self, context: click.Context) -> Any:  # noqa: ANN401  (click's own signature)
        try:
            return super().invoke(context)
        except LabError as error:
            raise click.ClickException(str(error)) from None


@click.group("lab", cls=_Group)
@click.option(
    "--lab",
    "name",
    default="demo",
    envvar="LLMRACK_LAB",
    show_default=True,
    show_envvar=True,
    help="Name of the lab.",
)
@click.pass_context
def lab(context: click.Context, name: str) -> None:
    """Throw-away Linux hosts on this machine, and stand-ins for the services on the internet."""
    context.obj = name


def _with_lab(function: Callable[..., None]) -> Callable[..., None]:
    @wraps(function)
    @click.pass_obj
    def wrapped(name: str, *arguments: Any, **options: Any) -> None:  # noqa: ANN401  (click's)
        require_root()
        function(Lab(name, ROOT), *arguments, **options)

    return wrapped


@lab.command()
@click.argument("count", default=2, metavar="[N]")
@click.option("--subnet", help="Its IPv4 network; the labs demo and test have one of their own.")
@click.option("--gpus", type=int, metavar="M", help="Pretended GPUs of each new host (1).")
@click.option(
    "--release", "suite", type=click.Choice(list(DEBIAN)), help=f"Debian of its hosts ({SUITE})."
)
@click.pass_obj
def up(name: str, count: int, subnet: str | None, gpus: int | None, suite: str | None) -> None:
    """Boot N hosts (2) and the stand-ins, or whatever of them does not run."""
    Lab(name, ROOT, subnet, suite).up(count, _progress(name), gpus)
    _show(Lab(name, ROOT))


@lab.command()
@click.option("--all", "everything", is_flag=True, help="Also the base system and all caches.")
@_with_lab
def down(lab: Lab, everything: bool) -> None:
    """Remove the lab and its hosts' disks."""
    lab.down(_progress(lab.name))
    if everything:
        others = sorted(file.parent.name for file in ROOT.glob("*/lab.json"))
        if others:
            raise LabError(f"the base is in use by: {', '.join(others)}; take them down first")
        remove_folder(ROOT)
    click.echo(f"lab {lab.name} is gone")


@lab.command()
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
@_with_lab
def status(lab: Lab, as_json: bool) -> None:
    """Show the hosts and services: running or not, stand-in or official."""
    _show(lab, as_json=as_json)


@lab.command(context_settings={"ignore_unknown_options": True})
@click.argument("host")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@_with_lab
def ssh(lab: Lab, host: str, command: tuple[str, ...]) -> None:
    """Log in to HOST as root, or run COMMAND there."""
    lab.host(host.rpartition("@")[2])
    sys.stdout.flush()
    os.execvp("ssh", ["ssh", "-F", str(lab.ssh_config), host, *command])  # noqa: S606, S607  (ssh itself)


@lab.command()
@click.argument("host")
@_with_lab
def reboot(lab: Lab, host: str) -> None:
    """Reboot HOST in good order and wait until it is back."""
    _act(lab, host, "reboot")


@lab.command("power-cut")
@click.argument("host")
@_with_lab
def power_cut(lab: Lab, host: str) -> None:
    """End everything on HOST at once, boot it from the same disk, wait until it is back."""
    _act(lab, host, "power_cut")


@lab.command()
@click.argument("host")
@_with_lab
def reset(lab: Lab, host: str) -> None:
    """Wipe HOST's disk and boot it fresh."""
    _act(lab, host, "reset")


@lab.command()
@click.argument("state", metavar="NAME")
@_with_lab
def save(lab: Lab, state: str) -> None:
    """Save the disks of all hosts as NAME; the hosts reboot."""
    started = time.monotonic()
    lab.saved.save(state, _progress(lab.name))
    click.echo(f"{_names(lab)} saved as {state} ({time.monotonic() - started:.1f} s)")


@lab.command()
@click.argument("state", metavar="NAME")
@_with_lab
def back(lab: Lab, state: str) -> None:
    """Bring all hosts back to what was saved as NAME, and boot them."""
    started = time.monotonic()
    lab.saved.go_back(state, _progress(lab.name))
    click.echo(f"{_names(lab)} back at {state} ({time.monotonic() - started:.1f} s)")


@lab.command()
@click.argument("host")
@click.argument("count", type=int)
@click.option("--state", default="fine", show_default=True, help="; ".join(_STATES))
@click.option("--vendor", type=click.Choice(list(STATES)), default="nvidia", show_default=True)
@click.option("--reverse", is_flag=True, help="The same cards, the other way round on the bus.")
@click.option("--seconds", type=float, help="With not-ready: fine so long after each boot.")
@_with_lab
def gpus(  # noqa: PLR0913  (click passes each option)
    lab: Lab,
    host: str,
    count: int,
    state: str,
    vendor: str,
    reverse: bool,
    seconds: float | None,
) -> None:
    """Pretend that HOST has COUNT GPUs."""
    lab.host(host).set_gpus(count, state, vendor, reverse=reverse, seconds=seconds)
    click.echo(f"{host}: {count} {vendor}, {state}")


@lab.command("gpu-driver")
@click.argument("host")
@click.argument("version", default=DRIVER)
@click.option("--package", "packages", multiple=True, help="Name of a package (Debian's names).")
@_with_lab
def gpu_driver(lab: Lab, host: str, version: str, packages: tuple[str, ...]) -> None:
    """Let apt on HOST install a pretended NVIDIA driver; it is loaded from the next boot on."""
    lab.host(host).offer_gpu_driver(version, packages or DRIVER_PACKAGES)
    click.echo(f"{host}: apt-get install finds NVIDIA's driver {version}, pretended")


@lab.command()
@click.argument("target", metavar="NAME")
@click.argument("mode")
@click.option("--model", help="Only for this model.")
@click.option("--only", type=click.Choice(["all", "inference"]), help="On these paths.")
@click.option("--after", type=int, metavar="N", help="So many chunks of a stream get through.")
@click.option("--seconds", type=float, help="Between tokens, of loading, or Retry-After.")
@_with_lab
def fault(lab: Lab, target: str, mode: str, model: str | None, **more: str | float | None) -> None:
    """Make a stand-in, or the one of Ollama on host NAME, misbehave until MODE is `ok`.

    The modes are in docs/lab.md; the registry and the mirror have some of their own.
    """
    given = {key: value for key, value in more.items() if value is not None}
    lab.fault(target, mode, model, **given)
    click.echo(f"{target}: {mode}" + (f" for {model}" if model else ""))


@lab.command()
@click.argument("target", metavar="NAME")
@click.option("--only", is_flag=True, help="And no longer those before it.")
@_with_lab
def key(lab: Lab, target: str, only: bool) -> None:
    """Print a new key for the provider NAME, as its page on the web would give you one."""
    made = keys.new_api_key()
    lab.accept(target, made, only)
    click.echo(made)


@lab.command()
@click.argument("target", metavar="NAME")
@click.argument("others", nargs=-1, metavar="[HOST]...")
@_with_lab
def lose(lab: Lab, target: str, others: tuple[str, ...]) -> None:
    """Lose every packet between NAME, a host or stand-in, and these HOSTs (or `machine`); none: no
    longer.
    """
    lab.lose(target, *others)
    click.echo(f"{target}: cut off from {', '.join(others) or 'nobody'}")


lab.add_command(kube)


def _names(lab: Lab) -> str:
    return ", ".join(host.name for host in lab.hosts())


def _act(lab: Lab, name: str, action: str) -> None:
    started = time.monotonic()
    getattr(lab.host(name), action)()
    click.echo(f"{name} is ready again ({time.monotonic() - started:.1f} s)")


def _progress(name: str) -> Progress:
    started = time.monotonic()
    return lambda message: click.echo(f"lab {name} {time.monotonic() - started:5.1f} s  {message}")


def _show(lab: Lab, *, as_json: bool = False) -> None:
    lines = lab.status()
    if as_json:
        click.echo(json.dumps([asdict(line) for line in lines], indent=2))
        return
    if not lines:
        click.echo(f"lab {lab.name} is not up: `llmrack lab up` makes it")
        return
    table = Table("name", "address", "state", "what it is", box=None, pad_edge=False)
    for line in lines:
        table.add_row(line.name, line.address, line.state, line.what)
    Console(width=min(80, shutil.get_terminal_size().columns), highlight=False).print(table)
    if names := lab.saved.names:
        click.echo(f"saved states: {', '.join(names)} ({lab.saved.mebibytes} MiB)")


if __name__ == "__main__":
    lab()
