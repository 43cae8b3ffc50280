"""A model, or a single blob, from one host's models folder into another's.

It goes through the source's own sshd, which is open, encrypted and known to firewalls already. The
target makes a key that lives as long as the copy; the source's service user accepts it from the
target alone, for one program that sends a blob. The source's host key is the one that this
machine's own connection has checked. Nothing of this stays behind.
"""

from __future__ import annotations

import json
import re
import secrets as random
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from shlex import quote

import gevent
from gevent.event import Event

from llmrack.deploy.run.rack import Rack
from llmrack.deploy.transfer.copy_scripts import (
    ABOUT_CONTENT,
    MAKE_KEY,
    REMOVE_KEY,
    accept_key,
    fetch,
    refuse_key,
)
from llmrack.hosts.commands import run, sh
from llmrack.hosts.connection import Unreached, transport
from llmrack.hosts.progress import say, transfer
from llmrack.resources.change import Pull, as_user

# Seconds between two looks at how far a copy is.
PACE = 1.0

_DIGEST = re.compile(r"sha256[:-]([0-9a-f]{64})")
_PUBLIC_KEY = re.compile(r"ssh-ed25519 [A-Za-z0-9+/=]+")
_ADDRESS = re.compile(r"[0-9a-fA-F.:]+")


class CopyError(Exception):
    """Why a copy failed, in words.

    + of_content: whether it is about what was to be copied, not about the way between the hosts
    """

    def __init__(self, reason: str, of_content: bool = False) -> None:
        super().__init__(reason)
        self.of_content = of_content


@dataclass(frozen=True)
class _Cargo:
    """What is to be copied.

    + name: what it is called in messages
    + blobs: the SHA-256 in hex and the size in bytes of each blob
    + manifest: the manifest's path below ``manifests/`` and its content in base64, if there is one
    """

    name: str
    blobs: dict[str, int]
    manifest: tuple[str, str] = ("", "")


def copy_model(source: Rack, target: Rack, pull: Pull) -> None:
    """Give ``target`` a model that ``source`` has: the blobs it lacks, and then the manifest.

    + pull: what would bring it there otherwise

    What arrived before an interruption is not sent again. Raises CopyError.
    """
    read = f"base64 -w0 {source.models_folder}/manifests/{quote(pull.manifest)}"
    text = _on(source, f"{read} || {{ echo {ABOUT_CONTENT}; exit 1; }}")
    try:
        manifest = json.loads(b64decode(text, validate=True))
        layers = [*manifest["layers"], manifest["config"]]
        blobs = {_hex(str(layer["digest"])): int(layer["size"]) for layer in layers}
    except (ValueError, KeyError, TypeError, Base64Error):
        reason = f"the manifest of {pull.model} on {source.host.name} cannot be read"
        raise CopyError(reason, of_content=True) from None
    _copy(source, target, _Cargo(pull.model, blobs, (pull.manifest, text)), pull.stall)


def copy_blob(source: Rack, target: Rack, digest: str, stall: float) -> None:
    """Give ``target`` one blob (``sha256:<hex>``) that ``source`` has. Raises CopyError."""
    digits = _hex(digest)
    measure = f"stat -c %s {source.models_folder}/blobs/sha256-{digits}"
    size = int(_on(source, f"{measure} || {{ echo {ABOUT_CONTENT}; exit 1; }}"))
    _copy(source, target, _Cargo(digest, {digits: size}), stall)


def forget_parts(target: Rack) -> None:
    """Remove what copies that failed have left, once it came in another way."""
    with suppress(CopyError):
        _on(target, f"rm -rf {target.models_folder}/.llmrack")


def _hex(digest: str) -> str:
    match = _DIGEST.fullmatch(digest)
    if not match:
        raise ValueError(digest)
    return match[1]


def _copy(source: Rack, target: Rack, cargo: _Cargo, stall: float) -> None:
    known_host = _known_host(source)
    script = fetch(
        f"{source.home.user}@{source.host.address}",
        _ssh_port(source),
        target.models_folder,
        cargo.manifest[0],
        int(stall),
    )
    blobs = (f"{digits} {size}" for digits, size in cargo.blobs.items())
    try:
        with _accepted(source, *_make_key(target)), _watched(target, cargo):
            _on(target, script, "\n".join([known_host, cargo.manifest[1], *blobs]))
    finally:
        with suppress(CopyError):
            _on(target, REMOVE_KEY)


def _ssh_port(source: Rack) -> int:
    """The port of the source's sshd, as sshd itself tells it (``SSH_CONNECTION``, ssh(1)).

    The port that this machine connects to may stand in ssh's configuration alone, and on the way
    there, as with a jump host or a forwarded port, it may be another one. Raises CopyError.
    """
    try:
        answer = run(source.pyinfra_host, sh('echo "$SSH_CONNECTION"'), root=False)
    except Unreached as error:
        raise CopyError(f"{source.host.name} does not answer ({error})") from None
    words = answer.stdout.split()
    return int(words[3]) if len(words) == 4 else 22


def _known_host(source: Rack) -> str:
    """The line of known_hosts for the host that this machine is connected to."""
    through = transport(source.pyinfra_host)
    if not through:
        raise CopyError(f"{source.host.name} is not reached over SSH")
    key = through.get_remote_server_key()
    return f"llmrack-source {key.get_name()} {key.get_base64()}"


def _make_key(target: Rack) -> tuple[str, str]:
    """A new public key of the target, and the addresses that it may come from."""
    lines = _on(target, MAKE_KEY).splitlines()
    key, addresses = lines[0].strip(), lines[1].split()
    if not _PUBLIC_KEY.fullmatch(key) or not all(map(_ADDRESS.fullmatch, addresses)):
        raise CopyError(f"{target.host.name} made no key that can be used")
    return key, ",".join(addresses)


@contextmanager
def _accepted(source: Rack, key: str, addresses: str) -> Iterator[None]:
    """The source lets in who has the key, for one program."""
    run_id = source.run.nonce[:12]
    own = f"{run_id}-{random.token_hex(4)}"
    try:
        _on(source, accept_key(run_id, own, addresses, source.models_folder), key)
        yield
    finally:
        try:
            _on(source, refuse_key(run_id, own))
        except CopyError as error:
            say(
                source.pyinfra_host,
                f"the key of a copy stays until it expires, in six hours: {error}",
            )


@contextmanager
def _watched(target: Rack, cargo: _Cargo) -> Iterator[None]:
    """Show how far it is, by asking the target."""
    files = " ".join(
        f"blobs/sha256-{digits} .llmrack/sha256-{digits}.part" for digits in cargo.blobs
    )
    measure = f"cd {target.models_folder} && stat -c %s {files} 2>/dev/null; :"
    whole, done = sum(cargo.blobs.values()), Event()

    def watch() -> None:
        with transfer(target.pyinfra_host, cargo.name) as meter, suppress(CopyError):
            while not done.wait(PACE):
                meter(min(sum(map(int, _on(target, measure).split())), whole), whole)

    watcher = gevent.spawn(watch)
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _on(rack: Rack, script: str, stdin: str | None = None) -> str:
    """What ``script`` prints as the service user. Raises CopyError with the end of what it said."""
    try:
        answer = run(rack.pyinfra_host, sh(as_user(rack.home.user, script)), stdin)
    except Unreached as error:
        raise CopyError(f"{rack.host.name} does not answer ({error})") from None
    if answer.succeeded:
        return answer.stdout
    failure = " ".join(answer.output.stderr_lines[-2:]) or "no reason was given"
    raise CopyError(failure, of_content=ABOUT_CONTENT in answer.lines)
