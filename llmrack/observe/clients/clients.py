"""Ready configuration for clients of a gateway, from ``templates/clients``."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from llmrack.components.render import render
from llmrack.stack.deployments import context_length
from llmrack.stack.fleet import Fleet, Host, bracketed
from llmrack.stack.schema import Stack
from llmrack.stack.settings import is_loopback
from llmrack.stack.types import is_wildcard

# The environment variable that has a client's key.
KEY_VARIABLE = "LLMRACK_API_KEY"
_SHELL = f'"${{{KEY_VARIABLE}:?set it to your key}}"'
# Tokens, for programs that assume too large a context if their configuration has none.
ASSUMED_CONTEXT = 32768
_ASSUMED = f"where no context length is declared it has {ASSUMED_CONTEXT}: correct it"
# For programs whose file cannot name a variable.
_AS_OPENAI = f'the key: export OPENAI_API_KEY="${KEY_VARIABLE}"'


class NoModel(Exception):
    """No model can be asked: cause and way out."""


@dataclass(frozen=True)
class Client:
    """A program or a language.

    + template: its configuration, below ``templates/clients``
    + place: a sentence that says where the configuration belongs
    + reference: its syntax for the variable with the key
    + quoted: puts a key into its syntax
    """

    template: str
    place: str
    reference: str
    quoted: Callable[[str], str] = json.dumps


CLIENTS = {
    "env": Client(
        "env.sh.j2",
        "source it in a shell; programs with OpenAI's SDK read these variables",
        _SHELL,
        shlex.quote,
    ),
    "curl": Client("curl.sh.j2", "paste it into a shell", _SHELL, shlex.quote),
    "python": Client("python.py.j2", "needs: pip install openai", f'os.environ["{KEY_VARIABLE}"]'),
    "node": Client(
        "node.mjs.j2",
        "save it as ask.mjs; needs: npm install openai",
        f"process.env.{KEY_VARIABLE}",
    ),
    "go": Client(
        "go.go.j2",
        "save it as main.go; needs: go get github.com/openai/openai-go/v3",
        f'os.Getenv("{KEY_VARIABLE}")',
    ),
    "claude-code": Client(
        "claude-code.sh.j2",
        f"source it in a shell, then: claude; {_ASSUMED}",
        _SHELL,
        shlex.quote,
    ),
    "cline": Client(
        "cline.json.j2",
        f"save it as ~/.cline/data/settings/providers.json; {_AS_OPENAI}; telemetry: "
        'save {"telemetryOptOut": true} as global-settings.json beside it',
        "",
    ),
    "codex": Client("codex.toml.j2", "save it as ~/.codex/config.toml", f'"{KEY_VARIABLE}"'),
    "continue": Client(
        "continue.yaml.j2",
        f"save it as ~/.continue/config.yaml, and the line {KEY_VARIABLE}=... in ~/.continue/.env",
        f"${{{{ secrets.{KEY_VARIABLE} }}}}",
    ),
    "crush": Client("crush.json.j2", "save it as ~/.config/crush/crush.json", f'"${KEY_VARIABLE}"'),
    "opencode": Client(
        "opencode.json.j2",
        "save it as ~/.config/opencode/opencode.json; with OPENCODE_DISABLE_MODELS_FETCH=1 it "
        f"fetches no list of other models; {_ASSUMED}",
        f'"{{env:{KEY_VARIABLE}}}"',
    ),
    "aider": Client("aider.yml.j2", "save it as ~/.aider.conf.yml", ""),
    "home-assistant": Client(
        "home-assistant.yaml.j2",
        "fill in these fields",
        f'"(the value of {KEY_VARIABLE})"',
    ),
    "librechat": Client(
        "librechat.yaml.j2",
        f"save it as librechat.yaml, and the line {KEY_VARIABLE}=... in LibreChat's .env",
        f'"${{{KEY_VARIABLE}}}"',
    ),
    "n8n": Client(
        "n8n.json.j2",
        "save it as llmrack.json, then: n8n import:credentials --input=llmrack.json; n8n reads "
        f"{KEY_VARIABLE} with N8N_BLOCK_ENV_ACCESS_IN_NODE=false",
        f'"={{{{ $env.{KEY_VARIABLE} }}}}"',
    ),
    "open-webui": Client(
        "open-webui.yaml.j2",
        "save it as compose.yaml, then: docker compose up -d",
        f'"${{{KEY_VARIABLE}:?set it to your key}}"',
        # Compose would take $ for the beginning of a variable.
        lambda key: json.dumps(key.replace("$", "$$")),
    ),
    "vscode": Client(
        "vscode.json.j2",
        "Chat: Open Language Models (JSON) in the command palette has the place; " + _ASSUMED,
        f'"${{input:{KEY_VARIABLE}}}"',
    ),
    "zed": Client(
        "zed.json.j2",
        f"put it into ~/.config/zed/settings.json; Zed reads {KEY_VARIABLE} alone; " + _ASSUMED,
        "",
    ),
}


@dataclass(frozen=True)
class Served:
    """A public name that clients may ask for.

    + context_length: in tokens; None if it is not declared
    + can: its further capabilities, in the stack's words
    """

    name: str
    context_length: int | None
    can: tuple[str, ...]


def configuration(
    client: str, stack: Stack, fleet: Fleet, gateway: Host, key: str | None = None
) -> str:
    """The configuration of a client, one of CLIENTS.

    + gateway: the host of the gateway that it asks
    + key: is written into it; None: a reference to LLMRACK_API_KEY is

    Raises NoModel if no chat model is served.
    """
    program = CLIENTS[client]
    chats = list(served(stack, fleet, "chat"))
    if not chats:
        raise NoModel("no chat model is served; declare one under models in stack.yaml")
    embeddings = list(served(stack, fleet, "embedding"))
    message = {"role": "user", "content": "Say hello."}
    url = base_url(gateway)
    return render(
        f"clients/{program.template}",
        url=url,
        base=url.removesuffix("/v1"),
        loopback=is_loopback(gateway.settings.gateway_bind),
        key=program.reference if key is None else program.quoted(key),
        by_reference=key is None,
        chats=chats,
        chat=chats[0],
        # Agents are no use without tools.
        agent=next((model for model in chats if "tools" in model.can), chats[0]),
        assumed=ASSUMED_CONTEXT,
        embedding=embeddings[0] if embeddings else None,
        body=json.dumps({"model": chats[0].name, "messages": [message]}),
        shell=shlex.quote,
    )


def base_url(gateway: Host) -> str:
    """A gateway's URL for clients; on loopback, that of a tunnel which ends on the same port."""
    bound = is_loopback(gateway.settings.gateway_bind)
    address = "127.0.0.1" if bound else bracketed(gateway.address)
    return f"http://{address}:{gateway.settings.gateway_port}/v1"


def served(stack: Stack, fleet: Fleet, capability: str) -> Iterator[Served]:
    """The public names all of whose models have a capability, in the order declared."""
    for name in stack.names:
        models = [stack.models[member] for member in stack.members(name)]
        shared = [
            ability
            for ability in models[0].capabilities
            if all(ability in model.capabilities for model in models)
        ]
        if capability in shared and not is_wildcard(name):
            lengths = [context_length(stack, fleet, member) for member in stack.members(name)]
            known = [length for length in lengths if length is not None]
            yield Served(
                name,
                min(known) if len(known) == len(lengths) else None,
                tuple(ability for ability in shared if ability in ("tools", "vision", "thinking")),
            )
