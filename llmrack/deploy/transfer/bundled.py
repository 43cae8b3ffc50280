"""A deploy out of a bundle: what is used is checked first, then sent through the connection."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import IO

from llmrack.deploy.run.rack import Rack
from llmrack.deploy.transfer.script_input import CHUNK, FeedError, Write, feed, nothing
from llmrack.hosts.guard import Refusal
from llmrack.hosts.progress import Meter, transfer
from llmrack.resources.change import Change, InstallBundled, Pull, Send, Upload
from llmrack.resources.files import owned
from llmrack.resources.script import script_file
from llmrack.stack.bundle import PACKAGES_INDEX, Bundle


def insist_on_sound_files(changes: Iterable[Change], bundle: Bundle) -> None:
    """Raise Refusal, which ends the run, naming each damaged file that these changes use.

    For every host before the first is changed. A run that changes nothing reads none of them.
    """
    used = {name for change in changes for name in _used(bundle, change)}
    damaged = [
        f"{bundle.folder / name} {why}" for name in sorted(used) if (why := bundle.damage(name))
    ]
    if damaged:
        raise Refusal(
            "; ".join(damaged) + ": no host was touched; run `llmrack bundle create` again where "
            "there is internet (it mends what is damaged), or copy the bundle anew"
        )


def _used(bundle: Bundle, change: Change) -> list[str]:
    names: list[str] = []
    for action in change.actions:
        if isinstance(action, Send | InstallBundled):
            names += bundle.below(action.folder)
        elif isinstance(action, Upload) and action.local.is_relative_to(bundle.folder):
            names.append(action.local.relative_to(bundle.folder).as_posix())
        elif isinstance(action, Pull):
            model = bundle.index.models[action.model]
            names += [model.manifest, *model.blobs]
    return names


def send(rack: Rack, action: Send) -> str:
    """Put a folder's files on the host; the reason why it failed, or an empty text."""
    files = [path for path in sorted(action.folder.iterdir()) if path.is_file()]
    there = quote(action.remote)
    script = f"rm -rf {there} && mkdir -p {there} && tar -xf - -C {there}"
    try:
        with transfer(rack.pyinfra_host, action.folder.name) as meter:
            feed(rack, owned(action.owner, script), _tar(files, meter))
    except FeedError as error:
        return str(error)
    return ""


def upload(rack: Rack, action: Upload) -> str:
    """Put a local file on the host, readable by all; the reason why it failed."""
    size = action.local.stat().st_size
    there = quote(action.remote)

    def write(to: IO[bytes]) -> None:
        done = 0
        with action.local.open("rb") as file:
            while chunk := file.read(CHUNK):
                to.write(chunk)
                done += len(chunk)
                meter(done, size)

    try:
        with transfer(rack.pyinfra_host, action.local.name) as meter:
            feed(rack, f"rm -f {there} && cat >{there} && chmod 644 {there}", write)
    except FeedError as error:
        return f"{action.local} could not be sent: {error}"
    return ""


def install(rack: Rack, action: InstallBundled) -> str:
    """Install packages from the bundle alone; the reason why it failed, or an empty text.

    The host's apt says which of them it lacks; only those are sent. Nothing of it stays.
    """
    index = (action.folder / PACKAGES_INDEX).read_bytes()
    place = ""
    try:
        ask = script_file("transfer/ask-packages.sh", PACKAGES_INDEX, *action.packages)
        place, *lines = feed(rack, ask, lambda to: to.write(index)).splitlines()
        # As in: 'file:/var/tmp/…/curl_7.88.1-10%2bdeb12u15_amd64.deb' curl_7.88.1-10+… 315000 …
        files = [action.folder / line.split()[1] for line in lines if line.startswith("'file:")]
        with transfer(rack.pyinfra_host, "packages") as meter:
            script = script_file("transfer/install-packages.sh", place, *action.packages)
            feed(rack, script, _tar(files, meter))
    except FeedError as error:
        return str(error)
    finally:
        if place:
            with suppress(FeedError):
                feed(rack, f"rm -rf {place}", nothing)
    return ""


def put_model(rack: Rack, action: Pull) -> str:
    """Give the host's Ollama a model of the bundle; the reason why it failed, or an empty text.

    What a broken run has sent is kept, and the next one goes on from there. Ollama sees the model
    as soon as its manifest is there, which comes last (it reads the folder each time it is asked).
    """
    bundle = rack.host.bundle
    assert bundle  # noqa: S101  (only called where there is one)
    model, user = bundle.index.models[action.model], rack.home.user
    there = f"{rack.models_folder}/manifests/{model.manifest.removeprefix('models/manifests/')}"
    content = (bundle.folder / model.manifest).read_bytes()
    manifest = f"mkdir -p $(dirname {there}) && cat > {there}.part && mv {there}.part {there}"
    try:
        for name in model.blobs:
            _put_blob(rack, bundle, name)
        feed(rack, owned(user, manifest), lambda to: to.write(content))
    except FeedError as error:
        return f"{action.model} could not be sent: {error}"
    return ""


def _put_blob(rack: Rack, bundle: Bundle, name: str) -> None:
    """Send what the host lacks of a blob; only a whole and right one gets its name."""
    listed, models, user = bundle.index.files[name], rack.models_folder, rack.home.user
    blob = models, listed.sha256, listed.size
    have = feed(rack, owned(user, script_file("transfer/ask-blob.sh", *blob)), nothing)
    if have == "there":
        return
    take = script_file("transfer/take-blob.sh", *blob)

    def write(to: IO[bytes]) -> None:
        done = int(have)
        with (bundle.folder / name).open("rb") as file:
            file.seek(done)
            while chunk := file.read(CHUNK):
                to.write(chunk)
                done += len(chunk)
                meter(done, listed.size)

    with transfer(rack.pyinfra_host, Path(name).name[:19]) as meter:
        feed(rack, owned(user, take), write)


def _tar(files: list[Path], meter: Meter) -> Write:
    whole = sum(file.stat().st_size for file in files)

    def write(to: IO[bytes]) -> None:
        done = 0
        with tarfile.open(mode="w|", fileobj=to, bufsize=CHUNK) as tar:
            for file in files:
                tar.add(file, file.name)
                done += file.stat().st_size
                meter(done, whole)

    return write
