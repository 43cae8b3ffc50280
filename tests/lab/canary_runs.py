"""What is run while the canaries are in use: every command, and deploys that fail at every step."""

from __future__ import annotations

import os
import secrets
import shlex
import subprocess
from pathlib import Path

from llmrack_lab.base import host_architecture
from llmrack_lab.shell import wait_until
from tests import DEADLINE
from tests.lab.canary import (
    BOX,
    CLIENT,
    CONFIG,
    ECHO_PORT,
    ENV_FILE,
    HOME,
    MISTAKE,
    OTHER_CHAIN,
    STACK,
    UNKNOWN_MODEL,
    Evidence,
)
from tests.lab.site import Site
from tests.lab.sources import mirror_of, registry_of, trusted

LOUD = ("-vvv", "--debug", "--diff")
VERBOSITIES: tuple[tuple[str, ...], ...] = ((), ("-v",), ("-vv",), LOUD, ("--debug-all", *LOUD))
UNITS = f"{HOME}/.config/systemd/user"
SERVICE = f"{UNITS}/llmrack-gateway@.service"
PROFILE = f"{HOME}/.profile"
GATEWAY = f"{HOME}/.local/opt/llmrack-gateway"
PROGRAM = (
    f"$(readlink -f {GATEWAY}/current)/venv/lib/python3*/site-packages/litellm/proxy/"
    "proxy_server.py"
)
DROP_IN = f"{SERVICE}.d/broken.conf"


def instead_of(path: str) -> tuple[str, str]:
    """Put a folder where a file belongs, so that it cannot be written; and the way back."""
    away = f"{path}.away"
    return f"mv {path} {away} && mkdir {path}", f"rmdir {path} && mv {away} {path}"


# What breaks a step on the host, what mends it, and what the deploy says of it.
STEPS: dict[str, tuple[str, str, str]] = {
    "the system's folders": (
        f"mv {CONFIG} {CONFIG}.away && touch {CONFIG}",
        f"rm {CONFIG} && mv {CONFIG}.away {CONFIG}",
        f"Directory {CONFIG} failed",
    ),
    "the environment file": (*instead_of(ENV_FILE), f"EnvironmentFile {ENV_FILE} failed"),
    "the login shell's line": (*instead_of(PROFILE), f"Line in {PROFILE} failed"),
    "the unit file": (*instead_of(SERVICE), f"File {SERVICE} failed"),
    "the gate": (
        f"for f in {PROGRAM}; do mv $f $f.away; echo 'raise SystemExit' >$f; done",
        f"for f in {PROGRAM}; do mv $f.away $f; done",
        "Gateway failed",
    ),
    "the swap": (
        f"mkdir -p {SERVICE}.d && printf '[Service]\\nExecStartPre=/bin/false\\n' >{DROP_IN}",
        f"rm -r {SERVICE}.d",
        "Gateway failed",
    ),
}
# Functions that have secrets in hand, and a command that comes through each.
MISTAKES_OF_OURS = {
    "the comparison of keys": ("llmrack.resources.files:EnvironmentFile.change", "deploy"),
    "the gateway's resources": ("llmrack.components.gateway.gateway:resources", "deploy"),
    "the reading of secrets": ("llmrack.site.locks:lock_problems", "deploy"),
    "the proof": ("llmrack.verify.gateway:prove_gateway", "verify"),
    "the plan": ("llmrack.components.plan:by_component", "plan"),
}


def at_step(step: str, options: tuple[str, ...] = LOUD) -> str:
    """The name of the run that fails there."""
    return " ".join((f"fails at {step}", *(("loudly",) if options == LOUD else options)))


def start_echo(site: Site) -> None:
    """The provider that hands keys back, on the host itself."""
    program = Path(__file__).with_name("echo.py").read_text()
    site.lab.host(BOX).ssh("cat >/run/echo.py", input=program)
    url = f"http://127.0.0.1:{ECHO_PORT}"
    site.on(BOX, f"systemd-run -q --unit=echo python3 /run/echo.py {ECHO_PORT}")
    assert wait_until(lambda: bool(site.on(BOX, f"curl -s {url}/v1/models", check=False)), DEADLINE)


def tell_echo(site: Site, what: str) -> None:
    site.on(BOX, f"curl -s -X POST -H Content-Length:0 http://127.0.0.1:{ECHO_PORT}/{what}")


def first(evidence: Evidence, *options: str) -> None:
    """The first deploy; then a client has a key, which the next one brings."""
    evidence.declare(STACK, evidence.old_master)
    evidence.runs["the first deploy"] = evidence.site.deploy(*options)
    issued = evidence.llmrack("keys", "issue", CLIENT, mixed=False)
    evidence.client_key = issued.output.strip()


def last(evidence: Evidence) -> None:
    """A deploy that mends whatever was broken, and brings the new master key."""
    evidence.declare(STACK, evidence.new_master)
    evidence.runs["the last deploy"] = evidence.site.deploy(*LOUD)


def deploys(evidence: Evidence) -> None:
    """Deploys that succeed, as loud as they can be."""
    site, runs = evidence.site, evidence.runs
    evidence.declare(STACK, evidence.old_master)
    runs["a plan of the first deploy"] = site.run(
        "pyinfra", site.inventory, "deploy.py", "--dry", *LOUD
    )
    first(evidence, *LOUD, "--debug-all")
    last(evidence)
    runs["nothing to do"] = site.deploy(*LOUD)


def commands(evidence: Evidence) -> None:
    """Every command there is."""
    first(evidence)
    shown(evidence)
    evidence.declare(STACK, evidence.new_master)
    evidence.runs["the first deploy of a key"] = evidence.site.deploy("-v")
    in_a_vault(evidence)
    last(evidence)
    drilled(evidence)


def in_a_vault(evidence: Evidence) -> None:
    """The commands of `llmrack secrets`, then a deploy with keys that come from the vault."""
    site, runs, keys = evidence.site, evidence.runs, evidence.keys
    own = str(site.lab.folder / "ssh" / "id_ed25519.pub")
    lines = {
        "init": ("init", "--recipient", own),
        "import": ("import", str(evidence.env_file)),
        "list": ("list",),
        "list as JSON": ("list", "--json"),
        "test": ("test",),
        "test as JSON": ("test", "--json"),
        "edit": ("edit",),
        "recipients": ("recipients", "list"),
    }
    for name, words in lines.items():
        runs[f"llmrack secrets {name}"] = evidence.llmrack("secrets", *words, EDITOR="true")
    evidence.env_file.unlink()
    for name, words, given in (
        ("unset", ("unset", "ECHO_HEADER"), ""),
        ("set", ("set", "ECHO_HEADER"), keys["ECHO_HEADER"]),
        ("set that fails", ("set", "ECHO_HEADER"), f"{keys['ECHO_HEADER']}\nanother line"),
        ("audit", ("audit",), ""),
        ("audit as JSON", ("audit", "--json"), ""),
        ("audit --verify", ("audit", "--verify"), ""),
    ):
        run = evidence.llmrack("secrets", *words, given=given)
        runs[f"{'fails: ' * ('fails' in name)}llmrack secrets {name}"] = run
    evidence.rotated_master = f"sk-canary-{secrets.token_hex(16)}"
    for name, secret, given in (
        ("rotate", "LITELLM_MASTER_KEY", evidence.rotated_master),
        # The cloud does not take it.
        ("rotate to a wrong key", "OLLAMA_API_KEY", evidence.rotated_master),
    ):
        run = evidence.llmrack("secrets", "rotate", secret, given=given)
        runs[f"{'fails: ' * ('wrong' in name)}llmrack secrets {name}"] = run
    stranger = site.folder / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stranger], check=True)
    runs["fails: llmrack secrets list for a stranger"] = evidence.llmrack(
        "secrets", "list", LLMRACK_IDENTITY=str(stranger)
    )
    tell_echo(site, "refuse")
    runs["fails: llmrack secrets test of a provider that hands keys back"] = evidence.llmrack(
        "secrets", "test", "echo"
    )
    runs["fails: the same as JSON"] = evidence.llmrack("secrets", "test", "echo", "--json")
    tell_echo(site, "serve")
    runs["llmrack models discover"] = evidence.llmrack("models", "discover", "openai", "--json")
    runs["llmrack keys list"] = evidence.llmrack("keys", "list")
    runs["llmrack keys list as JSON"] = evidence.llmrack("keys", "list", "--json")
    identity = {"LLMRACK_IDENTITY": str(site.lab.folder / "ssh" / "id_ed25519")}
    runs["the deploy from a vault"] = site.deploy(*LOUD, "--debug-all", **identity)
    evidence.env_file.with_name("secrets.age").unlink()


def failing(evidence: Evidence) -> None:
    """Deploys that fail, the master key being changed; each step breaks after those before it."""
    site, runs = evidence.site, evidence.runs
    first(evidence)
    evidence.declare(UNKNOWN_MODEL, evidence.old_master)
    runs["fails at a model"] = site.deploy(*LOUD)
    evidence.declare(OTHER_CHAIN, evidence.new_master)
    for step, (broken, mended, _) in STEPS.items():
        site.on(BOX, broken)
        levels = VERBOSITIES if step == "the environment file" else (LOUD,)
        for options in levels:
            runs[at_step(step, options)] = site.deploy(*options)
        if levels == VERBOSITIES:
            # These print what they are asked for and end there.
            for option in ("--debug-facts", "--debug-operations"):
                runs[f"shows {option}"] = site.deploy(option)
        site.on(BOX, mended)
    site.fault("cloud", "401")
    tell_echo(site, "refuse")
    runs["fails at the proof"] = site.deploy(*LOUD)
    site.fault("cloud", "ok")
    runs["fails verification by a provider that hands keys back"] = site.run(
        "llmrack", "verify", "--json", "-i", site.inventory
    )
    tell_echo(site, "serve")
    for what, (place, command) in MISTAKES_OF_OURS.items():
        words = {
            "deploy": ("pyinfra", site.inventory, "deploy.py", "-y", *LOUD),
            "verify": ("llmrack", "verify", "-i", site.inventory),
            "plan": ("llmrack", "plan", "--files", "-i", site.inventory),
        }[command]
        # Beside what is in it already, so that it is this tree's llmrack that breaks.
        path = f"{Path(__file__).with_name('break_here')}:{os.environ.get('PYTHONPATH', '')}"
        runs[f"fails by a mistake of ours in {what}"] = site.run(
            *words, PYTHONPATH=path, BREAK_HERE=place
        )
    last(evidence)


def shown(evidence: Evidence) -> None:
    """Every command that shows or writes something of what is declared."""
    site = evidence.site
    bundle = str(site.folder / "bundle")
    lines = {
        "llmrack status": "status --gpus --json",
        "llmrack plan": "plan --files",
        "llmrack check": "check --json",
        "llmrack graph": "graph",
        "llmrack graph as a drawing": "graph --format svg",
        "llmrack curl": "curl",
        "llmrack verify": f"verify --json --junit {site.folder}/verify.xml",
        "llmrack verify as a table": "verify",
    }
    for name, line in lines.items():
        evidence.runs[name] = site.run("llmrack", *line.split(), "-i", site.inventory)
    evidence.runs["llmrack schema"] = site.run("llmrack", "schema")
    evidence.runs["debug-inventory"] = site.run(
        "pyinfra", site.inventory, "debug-inventory", "--debug"
    )
    evidence.declare(STACK, evidence.old_master, ollama_mirror=mirror_of(site.lab))
    evidence.runs["llmrack bundle"] = site.run(
        "llmrack", "bundle", "create", bundle, "-i", site.inventory,
        "--for", f"debian-12-{host_architecture()}", "--registry", registry_of(site.lab),
        SSL_CERT_FILE=trusted(site.lab, site.folder),
    )  # fmt: skip
    evidence.declare(MISTAKE, evidence.old_master)
    evidence.runs["fails for a mistake in the stack"] = site.deploy(*LOUD)
    evidence.declare(STACK, evidence.old_master)


def drilled(evidence: Evidence) -> None:
    site = evidence.site
    evidence.runs["llmrack verify --drill"] = site.run(
        "llmrack", "verify", "--drill", "--yes", "--json", "--junit", f"{site.folder}/drill.xml",
        "-i", site.inventory,
    )  # fmt: skip


def from_the_environment(evidence: Evidence) -> None:
    """Runs whose keys are in the environment; nobody watches, as processes do have them there."""
    site = evidence.site
    keys = evidence.keys | {"LITELLM_MASTER_KEY": evidence.new_master}
    write = evidence.env_file.read_text()
    evidence.env_file.unlink()
    options = (*LOUD, "--debug-all")
    evidence.runs["keys from the environment"] = site.deploy(*options, **keys)
    evidence.runs["a plan with keys from the environment"] = site.run(
        "llmrack", "plan", "--files", "-i", site.inventory, **keys
    )
    evidence.env_file.write_text(write)
    evidence.env_file.chmod(0o600)


def used_shells(evidence: Evidence) -> None:
    """Root and the service user log in, look around and leave a history."""
    words = shlex.quote("set -o history\nls -la\nenv | wc -l\nexit\n")
    for user, login in (("root", "bash -il"), ("llm", "su - llm -s /bin/bash -c 'bash -il'")):
        evidence.site.on(BOX, f"printf %b {words} | {login} >/dev/null 2>&1; true")
        home = "/root" if user == "root" else HOME
        evidence.site.on(BOX, f"test -s {home}/.bash_history")
