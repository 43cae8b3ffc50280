"""The lab's own keys: ssh, certificate authority, and the API keys that the stand-ins accept."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import trustme
from dotenv import dotenv_values

from llmrack_lab.shell import run

API_KEYS = (
    "OLLAMA_API_KEY",
    "OPENAI_API_KEY",
    "VLLM_API_KEY",
    "OFFICE_API_KEY",
    "OFFICE_CLIENT_KEY",
    "ATTIC_API_KEY",
)


def write_private(file: Path, content: str | bytes) -> None:
    """Write a file that only its owner can read, from its first byte on, and atomically."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.new")
    beside.unlink(missing_ok=True)
    data = content.encode() if isinstance(content, str) else content
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as sink:
        sink.write(data)
    beside.rename(file)


def ensure_ssh_key(file: Path) -> str:
    """Make an ed25519 key pair if there is none; returns the public half, one line."""
    public = file.with_name(f"{file.name}.pub")
    if not public.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        comment = f"llmrack-lab-{file.name}"
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", file])
    return public.read_text().strip()


def ensure_api_keys(file: Path) -> dict[str, str]:
    """The API keys in the dotenv file `file`; those that it lacks are generated (32 hex digits)."""
    kept = {name: value for name, value in dotenv_values(file).items() if value}
    keys = {name: kept.get(name) or new_api_key() for name in API_KEYS}
    if keys.items() - kept.items():
        write_private(file, "".join(f"{name}={value}\n" for name, value in keys.items()))
    return keys


def new_api_key() -> str:
    """A key that nobody else has."""
    return secrets.token_hex(16)


class Authority:
    """The lab's certificate authority, kept in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.certificate = folder / "ca.pem"
        key = folder / "ca.key"
        if self.certificate.exists():
            self._ca = trustme.CA.from_pem(self.certificate.read_bytes(), key.read_bytes())
            return
        self._ca = trustme.CA(organization_name="llmrack lab")
        write_private(key, self._ca.private_key_pem.bytes())
        write_private(self.certificate, self._ca.cert_pem.bytes())

    def issue(self, name: str, address: str) -> tuple[Path, Path]:
        """(certificate chain, private key) for a server with this name and address."""
        certificate, key = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        if not certificate.exists():
            leaf = self._ca.issue_cert(name, address)
            write_private(key, leaf.private_key_pem.bytes())
            write_private(certificate, b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
        return certificate, key
