"""From pyinfra's inventory to the pure model: which hosts there are and what is set for them."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from paramiko import SSHException
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State
from pyinfra.connectors.sshuserclient.client import get_ssh_config
from pyinfra.context import ctx_state
from pyinfra_cli.exceptions import UnexpectedExternalError
from pyinfra_cli.inventory import make_inventory
from pyinfra_cli.util import PYTHON_CODES

from llmrack.problems import DeclarationError, Problem, unusable
from llmrack.secrets.places import Places
from llmrack.secrets.sources import find, placeholders
from llmrack.secrets.value import StoredSecret
from llmrack.site.issued_keys import KEYS_FILE, read_issued
from llmrack.site.known_cards import with_known_cards
from llmrack.site.litellm_names import unknown_names
from llmrack.site.locks import lock_problems
from llmrack.site.proxy_logins import login_problems
from llmrack.site.secret_names import secret_names
from llmrack.site.site import Site
from llmrack.stack.bundle import load_bundle
from llmrack.stack.checks.checks import check
from llmrack.stack.checks.host_checks import is_address
from llmrack.stack.declaration import Declaration
from llmrack.stack.fleet import Fleet, Host
from llmrack.stack.load import authority, load_settings, load_stack
from llmrack.stack.offline import from_bundle, not_in_bundle
from llmrack.stack.proxies import logins, with_proxies
from llmrack.stack.settings import Settings, is_loopback, is_own

# A box that deploys itself (``pyinfra @local deploy.py``) is the whole fleet, unless an inventory
# says which group it is in.
LOCAL = "@local"
LOCAL_GROUPS = ("gpu", "gateway")


def read_inventory(inventory: str, folder: Path, with_bundle: bool = True) -> Site:
    """Load and validate everything that an inventory file declares; asks no host.

    + with_bundle: whether to read the bundle that the setting ``bundle`` names; False while one
      is made

    Raises FileNotFoundError, and DeclarationError also for a file that Python cannot run.
    """
    return read(open_inventory(inventory, folder), folder, with_bundle)


def open_inventory(inventory: str, folder: Path) -> Inventory:
    """The hosts of an inventory file, as pyinfra reads it; raises like ``read_inventory``."""
    if "@" not in inventory and not (folder / inventory).is_file():
        raise FileNotFoundError(f"there is no inventory {inventory!r}: name it with --inventory")
    state = State()
    state.cwd = str(folder)
    # pyinfra keeps files by their names, and another folder may have had one of the same name.
    PYTHON_CODES.clear()
    with ctx_state.use(state):
        try:
            hosts: Inventory = make_inventory(inventory, cwd=str(folder))
            return hosts
        except SyntaxError as error:
            cause = f"is not Python ({error.msg})"
            place = Problem(str(error.filename), "", cause, "mend it there", error.lineno or 0)
            raise DeclarationError([place]) from None
        except UnexpectedExternalError as error:
            cause = f"fails with {type(error.exception).__name__}: {error.exception}"
            raise DeclarationError([Problem(error.filename, "", cause, "mend it")]) from None


def read(
    inventory: Inventory,
    folder: Path,
    with_bundle: bool = True,
    may_be_empty: str | None = None,
) -> Site:
    """Load and validate stack, settings and secrets; files are looked up from ``folder``.

    + may_be_empty: a provider that may have no models yet

    Raises DeclarationError with every mistake that can be found in one pass.
    """
    fleet = with_known_cards(fleet_of(inventory, folder), folder)
    return site_of(fleet, folder, with_bundle, may_be_empty)


def site_of(
    fleet: Fleet,
    folder: Path,
    with_bundle: bool = True,
    may_be_empty: str | None = None,
    found: Callable[[Iterable[str]], dict[str, StoredSecret]] | None = None,
) -> Site:
    """The same for hosts that are known; see ``read``.

    + found: those of the named secrets that have a value, if they are not kept here
    """
    bundle_folder = _shared_setting(fleet, "bundle") if with_bundle else ""
    bundle = load_bundle(folder / bundle_folder, bundle_folder) if bundle_folder else None
    if bundle:
        fleet = from_bundle(fleet, bundle)
    stack_file, env_file = _shared_setting(fleet, "stack_file"), _shared_setting(fleet, "env_file")
    stack, lines = load_stack(folder / stack_file, stack_file)
    places = places_of_fleet(fleet, folder)
    fleet = with_proxies(fleet)
    names = [*secret_names(stack), *logins(fleet)]
    kept = found(names) if found else find(places, names)
    keys_file = (folder / stack_file).with_name(KEYS_FILE)
    issued = read_issued(keys_file)
    declaration = Declaration(
        stack, fleet, kept, lines, stack_file, env_file, issued, placeholders(places)
    )
    problems = check(declaration, may_be_empty) + _missing_files(declaration, folder)
    problems += login_problems(fleet, kept, env_file)
    problems += lock_problems(bundle) + unknown_names(declaration, bundle)
    problems += not_in_bundle(stack, fleet, bundle) if bundle else []
    if problems:
        raise DeclarationError(problems)
    return Site(declaration, kept, places, keys_file)


def places_of(inventory: Inventory, folder: Path) -> Places:
    """Where secrets are kept. Raises DeclarationError for mistakes in the settings."""
    return places_of_fleet(fleet_of(inventory, folder), folder)


def places_of_fleet(fleet: Fleet, folder: Path) -> Places:
    """The same for hosts that are known."""
    return Places(
        folder / _shared_setting(fleet, "env_file"), folder / _shared_setting(fleet, "secrets_file")
    )


def fleet_of(inventory: Inventory, folder: Path) -> Fleet:
    """The hosts with their settings. Raises DeclarationError for mistakes in these."""
    hosts, problems = [], []
    for entry in inventory:
        try:
            data: dict[str, Any] = entry.data.dict()  # type: ignore[no-untyped-call]
            hosts.append(_host(entry.name, entry.groups, data, folder))
        except DeclarationError as error:
            problems += error.problems
    if problems:
        raise DeclarationError(problems)
    return Fleet(tuple(hosts))


def _missing_files(declaration: Declaration, folder: Path) -> list[Problem]:
    """A problem for each local file that a model is made from and that does not exist."""
    return [
        declaration.problem(
            f"models.{name}.create",
            f"there is no file {file.file}",
            f"correct the path, which counts from {folder.resolve()}",
            *("models", name, "create"),
        )
        for name, model in declaration.stack.models.items()
        if model.create
        for file in model.create.files
        if not (folder / file.file).is_file()
    ]


def _host(name: str, groups: list[str], data: dict[str, Any], folder: Path) -> Host:
    if name == LOCAL and not set(groups) & set(LOCAL_GROUPS):
        for group in LOCAL_GROUPS:
            data = {**_group_data(folder, group), **data}
        groups = [*groups, *LOCAL_GROUPS]
    settings = load_settings(name, data)
    trusted = _authority(name, folder / settings.ca_file) if settings.ca_file else None
    reached = str(data.get("ssh_hostname") or name)
    address = settings.address or (reached if is_address(reached) else _behind_alias(reached, data))
    if name == LOCAL and not settings.address:
        address = "127.0.0.1"
    return Host(name, frozenset(groups), str(address), settings, authority=trusted)


def _authority(host: str, file: Path) -> str:
    """The certificates of a host's ``ca_file``. Raises DeclarationError."""
    try:
        return authority(file)
    except ValueError as error:
        cause = f"{file} cannot be used ({error})"
        way_out = "name a PEM file with certificates alone, from the folder of the project on"
        place = f"ca_file (host {host})"
        raise DeclarationError([Problem("group_data", place, cause, way_out)]) from None


def _behind_alias(name: str, data: dict[str, Any]) -> str:
    """The address that ssh's configuration has for a name, or the name.

    Other hosts do not know that configuration. A loopback address is that of a tunnel, which they
    do not have. Raises DeclarationError.
    """
    file = data.get("ssh_config_file")
    try:
        config = get_ssh_config(file)
        address = str(config.lookup(name).get("hostname", name)) if config else name
    except (SSHException, OSError, ValueError, KeyError) as error:
        cause = f"cannot be used ({type(error).__name__}: {error})"
        way_out = f"correct it, or name another ssh_config_file for {name}"
        raise unusable(file or "~/.ssh/config", cause, way_out) from None
    return name if is_loopback(address) or address == "localhost" else address


def _group_data(folder: Path, group: str) -> dict[str, Any]:
    path = folder / "group_data" / f"{group}.py"
    values = runpy.run_path(str(path)) if path.exists() else {}
    return {key: value for key, value in values.items() if is_own(key)}


def _shared_setting(fleet: Fleet, setting: str) -> str:
    """The value of a setting that all hosts share; empty where it is None."""
    values = {str(getattr(host.settings, setting) or "") for host in fleet.hosts}
    if not values:
        return str(Settings.model_fields[setting].default or "")
    if len(values) > 1:
        raise DeclarationError(
            [
                Problem(
                    "group_data",
                    setting,
                    f"differs between hosts ({', '.join(sorted(values))})",
                    "set it once, in group_data/all.py",
                )
            ]
        )
    return values.pop()
