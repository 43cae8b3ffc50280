"""The command line of ``ollama``; wording and columns after its ``cmd/cmd.go``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from . import STANDIN_VERSION
from .client import Client, NotRunning
from .errors import ApiError
from .formats import human_bytes, human_time, processor
from .modelfile import ModelfileError, parse_modelfile
from .server import serve
from .settings import Settings
from .types import JsonObject


def main(arguments: list[str]) -> int:
    """Run one command; returns its exit status."""
    parser = _parser()
    given = parser.parse_args(arguments)
    settings = Settings.from_environment(os.environ)
    client = Client(settings.host, settings.port)
    if given.version:
        _version(client)
        return 0
    if not given.command:
        parser.print_help()
        return 0
    try:
        if given.command == "serve":
            serve(settings)
        else:
            _COMMANDS[given.command](client, given)
    except NotRunning:
        return _fail("could not connect to ollama server, run 'ollama serve' to start it")
    except (ApiError, ModelfileError, OSError) as error:
        return _fail(str(error))
    return 0


def _fail(message: str) -> int:
    print(f"Error: {message}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("ollama", description="llmrack stand-in, not Ollama")
    parser.add_argument("-v", "--version", action="store_true", help="Show version information")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("serve", aliases=["start"], help="Start Ollama").set_defaults(
        command="serve"
    )
    create = commands.add_parser("create", help="Create a model")
    create.add_argument("model")
    create.add_argument("-f", "--file", default="Modelfile")
    create.add_argument("-q", "--quantize", help="Quantize model to this level")
    show = commands.add_parser("show", help="Show information for a model")
    show.add_argument("model")
    for part in ("license", "modelfile", "parameters", "system", "template"):
        show.add_argument(f"--{part}", dest="part", action="store_const", const=part)
    run = commands.add_parser("run", help="Run a model")
    run.add_argument("model")
    run.add_argument("prompt", nargs="*")
    run.add_argument("--keepalive")
    pull = commands.add_parser("pull", help="Pull a model from a registry")
    pull.add_argument("model")
    pull.add_argument("--insecure", action="store_true")
    commands.add_parser("stop", help="Stop a running model").add_argument("model")
    for name, aliases in (("list", ["ls"]), ("ps", [])):
        listing = commands.add_parser(name, aliases=aliases, help=f"{name} models")
        listing.add_argument("prefix", nargs="?", default="")
        listing.set_defaults(command=name)
    copy = commands.add_parser("cp", help="Copy a model")
    copy.add_argument("source")
    copy.add_argument("destination")
    commands.add_parser("rm", help="Remove a model").add_argument("models", nargs="+")
    return parser


def _version(client: Client) -> None:
    server = ""
    try:
        server = client.get("/api/version")["version"]
    except (NotRunning, ApiError):
        print("Warning: could not connect to a running Ollama instance")
    if server:
        print(f"ollama version is {server}")
    if server != STANDIN_VERSION:
        print(f"Warning: client version is {STANDIN_VERSION}")


def _list(client: Client, given: argparse.Namespace) -> None:
    _table(
        ("NAME", "ID", "SIZE", "MODIFIED"),
        [
            (
                model["name"],
                model["digest"][:12],
                human_bytes(model["size"]),
                human_time(model["modified_at"]),
            )
            for model in client.get("/api/tags")["models"]
            if model["name"].lower().startswith(given.prefix.lower())
        ],
    )


def _ps(client: Client, given: argparse.Namespace) -> None:
    _table(
        ("NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL"),
        [
            (
                model["name"],
                model["digest"][:12],
                human_bytes(model["size"]),
                processor(model["size"], model["size_vram"]),
                str(model["context_length"]),
                human_time(model["expires_at"]),
            )
            for model in client.get("/api/ps")["models"]
            if model["name"].startswith(given.prefix)
        ],
    )


def _pull(client: Client, given: argparse.Namespace) -> None:
    _progress(client, "/api/pull", {"model": given.model, "insecure": given.insecure})


def _create(client: Client, given: argparse.Namespace) -> None:
    path = Path(given.file)
    if not path.exists():
        raise ModelfileError("specified Modelfile wasn't found")
    request, files = parse_modelfile(path.read_text(), path.parent)
    for digest, file in files.items():
        client.upload(digest, file)
    _progress(client, "/api/create", {**request, "model": given.model, "quantize": given.quantize})


def _progress(client: Client, path: str, body: JsonObject) -> None:
    """Print each new status once; what a terminal would show as a bar is left out."""
    status = ""
    for line in client.stream(path, body):
        if line["status"] != status:
            status = line["status"]
            print(status, file=sys.stderr)


def _show(client: Client, given: argparse.Namespace) -> None:
    answer = client.post("/api/show", {"model": given.model})
    if given.part:
        print(answer.get(given.part, ""))
        return
    info, details = answer["model_info"], answer["details"]
    architecture = info.get("general.architecture", "")
    print("  Model")
    for label, value in (
        ("architecture", architecture),
        ("parameters", details["parameter_size"]),
        ("context length", info.get(f"{architecture}.context_length", "")),
        ("embedding length", info.get(f"{architecture}.embedding_length", "")),
        ("quantization", details["quantization_level"]),
    ):
        print(f"    {label:<19} {value}")
    for title, lines in (
        ("Capabilities", answer["capabilities"]),
        ("Parameters", answer.get("parameters", "").splitlines()),
        ("System", answer.get("system", "").splitlines()),
        ("License", answer.get("license", "").splitlines()[:2]),
    ):
        if lines:
            print(f"\n  {title}")
            print("\n".join(f"    {line}" for line in lines))


def _copy(client: Client, given: argparse.Namespace) -> None:
    client.post("/api/copy", {"source": given.source, "destination": given.destination})
    print(f"copied '{given.source}' to '{given.destination}'")


def _remove(client: Client, given: argparse.Namespace) -> None:
    for model in given.models:
        client.delete("/api/delete", {"model": model})
        print(f"deleted '{model}'")


def _stop(client: Client, given: argparse.Namespace) -> None:
    try:
        client.post("/api/generate", {"model": given.model, "keep_alive": 0})
    except ApiError as error:
        if error.status != 404:
            raise
        raise ApiError(404, f'couldn\'t find model "{given.model}" to stop') from None


def _run(client: Client, given: argparse.Namespace) -> None:
    """Answer one prompt, from the arguments or from standard input; nothing interactive."""
    try:
        client.post("/api/show", {"model": given.model})
    except ApiError as error:
        if error.status != 404:
            raise
        _progress(client, "/api/pull", {"model": given.model})
    prompt = " ".join(given.prompt) or sys.stdin.read()
    body: JsonObject = {"model": given.model, "prompt": prompt}
    if given.keepalive:
        body["keep_alive"] = given.keepalive
    for chunk in client.stream("/api/generate", body):
        print(chunk["response"], end="", flush=True)
    print("\n")


_COMMANDS = {
    "list": _list,
    "ps": _ps,
    "pull": _pull,
    "create": _create,
    "show": _show,
    "cp": _copy,
    "rm": _remove,
    "stop": _stop,
    "run": _run,
}


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print("    ".join(cells) + "    ")
