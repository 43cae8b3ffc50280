"""Asks the LiteLLM of this Python what it knows of each provider, and prints that as JSON.

Nothing is sent: requests end in a client that notes them, and every socket is refused. It runs in
the environment of a gateway (tools/providers.py), so it imports nothing of llmrack.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import socket
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

KEY = "key-of-the-probe"
BASE = "http://base.invalid"
# Values that are part of some addresses; such an address is no default of all users.
REGION, LOCATION, PROJECT = "eu-central-1", "europe-west1", "project-of-the-probe"
LOCAL = ("us-east-1", "localhost", "127.0.0.1", BASE)
SECONDS = 10
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("acompletion", {"messages": [{"role": "user", "content": "x"}]}),
    "embedding": ("aembedding", {"input": ["x"]}),
}
# LiteLLM's own words for these kinds.
ENDPOINTS = {"chat": "chat_completions", "embedding": "embeddings"}
# Providers that know their models by name.
MODELS = {
    ("bedrock", "chat"): "converse/m",
    ("bedrock", "embedding"): "amazon.titan-embed-text-v2:0",
    ("vertex_ai", "chat"): "gemini-2.5-flash",
    ("vertex_ai", "embedding"): "text-embedding-005",
}
# By what the names of their providers contain.
_AWS = {
    "aws_access_key_id": "id-of-the-probe",
    "aws_secret_access_key": "secret-of-the-probe",
    "aws_region_name": REGION,
}
CREDENTIALS: dict[str, dict[str, str]] = {
    "bedrock": _AWS,
    "sagemaker": _AWS,
    "vertex": {"vertex_project": PROJECT, "vertex_location": LOCATION},
    "azure": {"api_version": "2024-10-21"},
    "watsonx": {"project_id": PROJECT, "token": KEY},
}
# Fields of LiteLLM's page for a new provider that hold a secret.
HIDDEN = ("password", "upload", "textarea")
# Names of variables that may have an address, and one that no provider has.
ADDRESS = re.compile(r"(_BASE|_URL|_ENDPOINT)$|_ENDPOINT_URL_")
ELSEWHERE = "elsewhere.invalid"
# It has tokenizers; LiteLLM also asks it beside other providers.
TOKENIZERS = "huggingface.co"

sent: list[Any] = []
# Hosts that LiteLLM would have connected to by a client of its own.
refused_hosts: list[str] = []


def _answer(request: Any) -> Any:  # noqa: ANN401  (httpx)
    sent.append(request)
    return httpx.Response(401, json={"error": {"message": "no"}})


def _refused(*args: object, **_: object) -> None:
    refused_hosts.append(str(args[0]))
    raise ConnectionRefusedError("this program asks nobody")


def clients(prefix: str) -> Iterator[tuple[str, Any]]:
    """Clients that note requests, by the word for them in the answer."""

    class Noting(AsyncHTTPHandler):  # type: ignore[misc]
        def create_client(self, *_: Any, **__: Any) -> httpx.AsyncClient:  # noqa: ANN401
            return httpx.AsyncClient(transport=httpx.MockTransport(_answer))

    noting = Noting()
    yield "http", noting
    if prefix.startswith("azure"):
        yield (
            "azure",
            openai.AsyncAzureOpenAI(
                api_key=KEY,
                azure_endpoint=BASE,
                api_version="2024-10-21",
                http_client=noting.client,
                max_retries=0,
            ),
        )
    yield (
        "openai",
        openai.AsyncOpenAI(api_key=KEY, base_url=BASE, http_client=noting.client, max_retries=0),
    )


async def asked(prefix: str, kind: str) -> dict[str, Any] | None:
    """How LiteLLM asks for an answer of a kind; None if this provider has none."""
    reached = False
    refused_hosts.clear()
    for base in (None, BASE):
        for name, client in clients(prefix):
            sent.clear()
            given = {"client": client, **({"api_base": base} if base else {})}
            error = await ask(prefix, kind, given)
            reached = reached or "Unmapped LLM provider" not in error
            if sent:
                url = urlsplit(str(sent[0].url))
                in_openai_form = url.path.endswith(("/chat/completions", "/embeddings"))
                at = f"{url.scheme}://{url.netloc}"
                if in_openai_form:
                    at += url.path.removesuffix("/chat/completions").removesuffix("/embeddings")
                return {
                    "client": name,
                    "openai": in_openai_form,
                    "at": at if base is None and name == "http" else None,
                    "header": header_of(sent[0].headers),
                }
    if not reached:
        return None
    tried = any(host != TOKENIZERS for host in refused_hosts)
    return {"client": "own", "openai": False, "at": None, "header": None, "tried": tried}


async def ask(prefix: str, kind: str, given: dict[str, Any]) -> str:
    """Ask for an answer of a kind. Returns what the error says."""
    call, parameters = CALLS[kind]
    model = f"{prefix}/{MODELS.get((prefix, kind), 'm')}"
    for word, values in CREDENTIALS.items():
        given = given | (values if word in prefix else {})
    given |= {"api_key": KEY, "max_retries": 0, "num_retries": 0, "timeout": 3}
    try:
        await asyncio.wait_for(getattr(litellm, call)(**parameters, **given, model=model), SECONDS)
    except Exception as error:
        return str(error)
    return ""


async def address_variables(prefix: str, kinds: Iterable[str]) -> list[str]:
    """The variables that lead requests elsewhere, in the order in which LiteLLM reads them."""
    leading: list[str] = []
    for kind in kinds:
        with noted_variables() as names:
            await ask(prefix, kind, {})
        for name in names:
            refused_hosts.clear()
            os.environ[name] = f"http://{ELSEWHERE}"
            await ask(prefix, kind, {})
            del os.environ[name]
            if any(ELSEWHERE in host for host in refused_hosts):
                leading.append(name)
    return list(dict.fromkeys(leading))


@contextlib.contextmanager
def noted_variables() -> Iterator[list[str]]:
    """The variables of addresses that are looked up meanwhile, and are not set."""
    names: list[str] = []
    environment = type(os.environ)
    look_up = environment.__getitem__

    def noting(self: Any, name: Any) -> Any:  # noqa: ANN401
        if isinstance(name, str) and ADDRESS.search(name) and name not in names:
            names.append(name)
        return look_up(self, name)

    environment.__getitem__ = noting  # type: ignore[method-assign]
    try:
        yield names
    finally:
        environment.__getitem__ = look_up  # type: ignore[method-assign]


def header_of(headers: Any) -> str | None:  # noqa: ANN401  (httpx)
    """The header that has the key; ``bearer`` for a bearer token."""
    for name, value in headers.items():
        if value == KEY:
            return str(name)
        if value == f"Bearer {KEY}":
            return "bearer"
    return None


def base_of(prefix: str, at: str | None) -> str | None:
    """The address that LiteLLM asks by itself; None if there is none for all users."""
    with contextlib.suppress(Exception):
        at = at or litellm.get_llm_provider(f"{prefix}/m")[3]
    if at is None or any(word in at for word in (REGION, LOCATION, PROJECT, *LOCAL)):
        return None
    return at.rstrip("/")


def model_list(prefix: str) -> dict[str, str] | None:
    """Where the provider lists its models, and the header that has the key there."""
    lists = None
    with contextlib.suppress(Exception):
        lists = ProviderConfigManager.get_provider_model_info(None, LlmProviders(prefix))
    if lists is None:
        return None
    sent.clear()
    with contextlib.suppress(Exception):
        lists.get_models(api_key=KEY, api_base=BASE)
    if not sent or not str(sent[0].url).startswith(BASE):
        return None
    headers = sent[0].headers
    with_key = [name for name, value in headers.items() if KEY in value]
    if len(with_key) != 1 or sent[0].url.query:
        return None
    usual = ("host", "accept", "accept-encoding", "connection", "user-agent", "content-type")
    others = {n: v for n, v in headers.items() if n not in (*usual, *with_key)}
    path = str(sent[0].url).removeprefix(BASE)
    return {"path": path, "header": with_key[0], "headers": others}


def needs(prefix: str, settings: set[str]) -> dict[str, str]:
    """LiteLLM's parameters that it cannot do without, with the names of their variables."""
    variables: list[str] = []
    with contextlib.suppress(Exception):
        variables = litellm.validate_environment(f"{prefix}/m")["missing_keys"]
    needed: dict[str, str] = {}
    for variable in variables:
        parameter = variable.lower().replace("vertexai_", "vertex_")
        if parameter not in settings:
            ending = ("api_base", "api_version", "api_key", "token", "auth_token")
            short = next((end for end in ending if parameter.endswith(end)), None)
            parameter = "api_key" if short in ("token", "auth_token") else short or ""
        if parameter:
            needed.setdefault(parameter, variable)
    return needed


def form(prefix: str, page: list[dict[str, Any]]) -> dict[str, Any]:
    """What LiteLLM's page for a new provider asks for."""
    fields = [f for p in page if p["litellm_provider"] == prefix for f in p["credential_fields"]]
    return {field["key"]: field for field in fields}


async def main() -> None:
    """Print everything."""
    folder = Path(litellm.__file__).parent
    page = json.loads((folder / "proxy/public_endpoints/provider_create_fields.json").read_text())
    support = json.loads((folder / "provider_endpoints_support_backup.json").read_text())
    supported: dict[str, Any] = support["providers"]
    credentials = set(CredentialLiteLLMParams.model_fields) - {"api_key", "api_base"}
    prefixes: dict[str, Any] = {}
    for prefix in sorted(provider.value for provider in LlmProviders):
        kinds = {kind: how for kind in CALLS if (how := await asked(prefix, kind))}
        # Where LiteLLM has its own client, it asks a host, or its own list says that it can.
        endpoints = supported.get(prefix, {}).get("endpoints", {})
        kinds = {
            kind: how
            for kind, how in kinds.items()
            if how["client"] != "own" or how["tried"] or endpoints.get(ENDPOINTS[kind])
        }
        if not kinds:
            continue
        fields = form(prefix, page)
        parameters = set(fields) - {"api_key", "api_base", "base_model"}
        required = {name for name, field in fields.items() if field["required"]}
        needed = needs(prefix, parameters | credentials)
        chat = kinds.get("chat") or kinds["embedding"]
        base = base_of(prefix, chat["at"])
        entry: dict[str, Any] = {
            "kinds": {kind: how["client"] for kind, how in kinds.items()},
            "openai": chat["openai"],
            "header": chat["header"],
            "base": base,
            "addresses": await address_variables(prefix, kinds),
            "list": model_list(prefix),
            "needs": dict.fromkeys(sorted(required), "") | needed,
            "settings": sorted(parameters - credentials),
            "secrets": sorted(n for n in parameters if fields[n]["field_type"] in HIDDEN),
        }
        # A default means that LiteLLM can do without.
        for name, field in fields.items():
            if field.get("default_value") or (name == "api_base" and base):
                entry["needs"].pop(name, None)
        prefixes[prefix] = entry
    secrets = sorted(n for n in credentials if n.endswith(("_key", "token", "password", "secret")))
    secrets += ["aws_access_key_id", "vertex_credentials"]
    answer = {
        "litellm": version("litellm"),
        "settings": sorted(credentials),
        "secrets": sorted(secrets),
        "prefixes": prefixes,
    }
    print(json.dumps(answer))
    sys.stdout.flush()
    # Clients that were never used complain on the way out.
    os._exit(0)


if __name__ == "__main__":
    for variable in list(os.environ):
        if variable.upper().endswith(("_KEY", "_TOKEN", "_PROXY", "_BASE", "_URL")):
            del os.environ[variable]
    os.environ |= {
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    import httpx
    import litellm
    import openai
    from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler
    from litellm.llms.vertex_ai.vertex_llm_base import VertexBase
    from litellm.types.router import CredentialLiteLLMParams
    from litellm.types.utils import LlmProviders
    from litellm.utils import ProviderConfigManager

    async def _token(*_: object, **__: object) -> tuple[str, str]:
        return KEY, PROJECT

    litellm.suppress_debug_info = True
    logging.disable(logging.CRITICAL)
    VertexBase._ensure_access_token_async = _token
    VertexBase._ensure_access_token = lambda *_, **__: (KEY, PROJECT)
    litellm.module_level_client.client = httpx.Client(transport=httpx.MockTransport(_answer))
    loop = asyncio.new_event_loop()
    socket.socket.connect = _refused  # type: ignore[method-assign]
    socket.getaddrinfo = _refused  # type: ignore[assignment]
    loop.run_until_complete(main())
