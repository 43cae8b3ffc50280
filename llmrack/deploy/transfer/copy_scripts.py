"""The scripts of a copy (templates/transfer/), for ``sh`` as the service user.

``MAKE_KEY`` and ``REMOVE_KEY`` make and remove the target's key, ``accept_key`` and ``refuse_key``
change the source's ``authorized_keys``, ``fetch`` copies. The key lies in the user's runtime
directory, which is in memory, and never leaves its host.
"""

from __future__ import annotations

from llmrack.resources.script import script_file, script_text

# What a script prints when what is to be copied is the trouble, not the way there.
ABOUT_CONTENT = "about content"

MAKE_KEY = script_file("transfer/make-key.sh")
REMOVE_KEY = 'rm -rf "$XDG_RUNTIME_DIR/llmrack-copy"'


def send(models: str) -> str:
    """The program that sends a blob of the folder ``models``, as one line.

    It stands within the quotes of two others, so it has none of its own.
    """
    return " ".join(script_text("transfer/send-blob.sh").split()).replace("MODELS", models)


def accept_key(run: str, own: str, addresses: str, models: str) -> str:
    """Let in who has the public key on standard input, to get blobs of the folder ``models``.

    + run: what the names of this run's copies begin with
    + own: name of this copy
    + addresses: where it may come from, with commas between
    """
    options = f"""restrict,from="{addresses}",command="sh -c '{send(models)}'\""""
    return script_file("transfer/change-keys.sh", run, own, options)


def refuse_key(run: str, own: str) -> str:
    """Undo it."""
    return script_file("transfer/change-keys.sh", run, own)


def fetch(address: str, port: int, models: str, manifest: str, stall: int) -> str:
    """Copy what standard input names into the folder ``models``.

    Standard input: a line for known_hosts, the manifest in base64 or an empty line, and for each
    blob its SHA-256 in hex and its size in bytes.

    + address: of the source, as in ``llm@10.0.0.1``
    + manifest: its path below ``manifests/``, if there is one
    + stall: seconds without a byte after which it is given up
    """
    words = (address, port, models, manifest, max(stall, 1), ABOUT_CONTENT)
    return script_file("transfer/fetch-blobs.sh", *words)
