"""What the gateway's package expects of LiteLLM: a function for each point, without a server.

    python -I litellm_probes.py

It runs with a gateway's Python and environment; CONFIG_FILE_PATH names its configuration. It prints
a JSON object: the name of each function, and why it fails (null: it holds).
"""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import json
import os
import re
import sys
import traceback
from collections.abc import Awaitable, Callable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

RELEASE = Path(os.environ.get("CONFIG_FILE_PATH", "config.yaml")).parent
MESSAGES = [{"role": "user", "content": "Say hello."}]
# Calls of the router that are wrapped in the module, and what each needs beside a model.
CALLS: dict[str, dict[str, Any]] = {
    "acompletion": {"messages": MESSAGES},
    "atext_completion": {"prompt": "Say hello."},
    "aembedding": {"input": ["one"]},
    "atranscription": {"file": ("a.wav", b"RIFF")},
    "aspeech": {"input": "Hello.", "voice": "alloy"},
    "arerank": {"query": "one", "documents": ["one"]},
    "aimage_generation": {"prompt": "A cat."},
    "aimage_edit": {"prompt": "A cat.", "image": b"PNG"},
}


class Asked(Exception):
    """Raised in place of an answer."""


def every_import() -> None:
    """Each name that litellm_parts imports is where it imports it from."""
    missing = []
    tree = ast.parse((RELEASE / "gateway" / "litellm_parts.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("litellm"):
            try:
                module = importlib.import_module(str(node.module))
            except ImportError as error:
                missing.append(str(error))
                continue
            missing += [
                f"{node.module} has no {each.name}"
                for each in node.names
                if not hasattr(module, each.name)
            ]
    assert not missing, "; ".join(missing)


@contextmanager
def replaced(place: Any, name: str, value: Any) -> Any:
    before = getattr(place, name)
    setattr(place, name, value)
    try:
        yield
    finally:
        setattr(place, name, before)


def deployment(name: str, model: str) -> dict[str, Any]:
    params = {"model": model, "api_base": "http://127.0.0.1:9/v1", "api_key": "none"}
    return {"model_name": name, "litellm_params": params, "model_info": {"id": f"box1/{name}"}}


async def router_asks_what_is_in_the_module() -> None:
    """Its calls ask LiteLLM's of the same name, as the module has it, and say which deployment."""
    from gateway import litellm_parts as parts

    wrong = []
    for name, given in CALLS.items():
        asked: list[dict[str, Any]] = []

        async def ask(*args: Any, asked: list[dict[str, Any]] = asked, **kwargs: Any) -> Any:
            asked.append(kwargs)
            raise Asked

        provider = "hosted_vllm" if name == "arerank" else "openai"
        with replaced(parts.litellm, name, ask):
            # The call for edits is looked up here, the others when they are used.
            router = parts.Router([deployment("m", f"{provider}/m")], num_retries=0)
            with suppress(Asked):
                await getattr(router, name)(model="m", **given)
        got = asked[0] if asked else {}
        if (got.get("model_info") or {}).get("id") != "box1/m":
            wrong.append(f"{name}: model_info.id is not given")
        if not str(got.get("model")).endswith("/m") or got.get("api_key") != "none":
            wrong.append(f"{name}: model and api_key are not given")
    assert not wrong, "; ".join(wrong)


async def router_goes_through_the_wrapped_walk() -> None:
    """Each of its calls goes through async_function_with_fallbacks, which the class has."""
    from gateway import litellm_parts as parts

    wrong = []
    for name, given in CALLS.items():
        asked: list[dict[str, Any]] = []

        async def walk(
            self: Any, *args: Any, asked: list[dict[str, Any]] = asked, **kwargs: Any
        ) -> Any:
            asked.append(kwargs)
            raise Asked

        with replaced(parts.Router, "async_function_with_fallbacks", walk):
            router = parts.Router([deployment("m", "openai/m")], num_retries=0)
            with suppress(Asked):
                await getattr(router, name)(model="m", litellm_call_id="1", **given)
        got = asked[0] if asked else {}
        if got.get("litellm_call_id") != "1" or "original_function" not in got:
            wrong.append(f"{name}: litellm_call_id and original_function are not given")
        if name == "aspeech" and got["original_function"].__name__ != "_aspeech":
            wrong.append("speech is not called _aspeech")
    assert not wrong, "; ".join(wrong)


def hooks_take_what_is_passed() -> None:
    """Our callbacks' methods have the parameters that LiteLLM's have, by name and in order."""
    from gateway.hooks import request_log, routing
    from gateway.litellm_parts import CustomLogger

    hooks, wrong = set(), []
    for callback in (routing, request_log):
        for name, method in vars(type(callback)).items():
            base = getattr(CustomLogger, name, None)
            if name.startswith("__") or not callable(method) or base is None:
                continue
            hooks.add(name)
            ours = list(inspect.signature(method).parameters)
            theirs = list(inspect.signature(base).parameters)
            if ours != theirs:
                wrong.append(f"{name} has {theirs[1:]}, ours {ours[1:]}")
    assert not wrong, "; ".join(wrong)
    gone = {
        "async_filter_deployments",
        "async_log_success_event",
        "async_post_call_failure_hook",
        "async_post_call_response_headers_hook",
        "async_pre_call_hook",
    } - hooks
    assert not gone, f"CustomLogger has no {', '.join(sorted(gone))}"


def errors_are_what_they_were() -> None:
    """They are made by these arguments, and derive from OpenAI's."""
    import openai
    from gateway import litellm_parts as parts

    named = {"message": "said", "model": "m", "llm_provider": ""}
    status = {"BadRequestError": 400, "InternalServerError": 500, "Timeout": 408}
    status |= {"ContextWindowExceededError": 400, "ContentPolicyViolationError": 400}
    for name, expected in status.items():
        made = getattr(parts, name)(**named)
        assert made.status_code == expected, f"{name} has the status {made.status_code}"
        assert "said" in made.message, f"{name} has no message"
        assert isinstance(made, openai.APIStatusError | openai.APITimeoutError), name
    assert issubclass(parts.ContextWindowExceededError, parts.BadRequestError)
    assert issubclass(parts.ContentPolicyViolationError, parts.BadRequestError)
    assert not issubclass(parts.UnprocessableEntityError, parts.BadRequestError)
    found = inspect.signature(parts.MidStreamFallbackError).parameters
    assert "original_exception" in found, "MidStreamFallbackError has no original_exception"
    refused = parts.ProxyException("said", "invalid_request_error", None, 400, headers=None)
    assert (refused.message, str(refused.code)) == ("said", "400"), vars(refused)


def http_clients_are_made_anew_by_create_client() -> None:
    """AsyncHTTPHandler makes its client by create_client(), and has it as ``client``."""
    import httpx
    from gateway.litellm_parts import AsyncHTTPHandler, LiteLLMAiohttpTransport

    made = httpx.AsyncClient()

    class Ours(AsyncHTTPHandler):  # type: ignore[misc]
        def create_client(self, timeout: Any, *_: Any, **__: Any) -> httpx.AsyncClient:
            return made

    assert Ours().client is made
    assert issubclass(LiteLLMAiohttpTransport, httpx.AsyncBaseTransport)
    LiteLLMAiohttpTransport(lambda: None)


async def log_hears_of_a_request_before_the_flush_ends() -> None:
    """A request that is over is told to callbacks, with the fields that the log has."""
    from gateway import litellm_parts as parts

    heard: list[dict[str, Any]] = []

    class Log(parts.CustomLogger):  # type: ignore[misc]
        async def async_log_success_event(
            self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
        ) -> None:
            heard.append(kwargs)

    given = {"mock_response": "ok", "litellm_call_id": "1"}
    with replaced(parts.litellm, "callbacks", [Log()]):
        router = parts.Router([deployment("m", "openai/m")], num_retries=0)
        await router.acompletion(model="m", messages=MESSAGES, **given)
        # What is told is put into its queue by a task of its own.
        await asyncio.sleep(0.1)
        await asyncio.wait_for(parts.flush_logs(), 10)
    assert heard, "nothing is told"
    told = heard[0]["standard_logging_object"]
    assert (told["litellm_call_id"], told["model_group"]) == ("1", "m"), told
    missing = {"prompt_tokens", "completion_tokens", "response_cost"} - told.keys()
    assert not missing, missing
    assert "user_api_key_alias" in told["metadata"], told["metadata"]
    assert "litellm_params" in heard[0]


async def chunks_become_an_answer() -> None:
    """A stream has its source as completion_stream; chunks with tokens are put together."""
    from gateway import litellm_parts as parts

    answer = await parts.call("acompletion")(
        model="openai/m", messages=MESSAGES, mock_response="some words", stream=True
    )
    source = getattr(answer, "completion_stream", None)
    assert source is not None or hasattr(answer, "fetch_stream"), "a stream has no source"
    chunks = [chunk async for chunk in answer]
    built = parts.stream_chunk_builder(chunks, messages=MESSAGES)
    assert built.choices[0].message.content == "some words", built
    assert hasattr(built.usage, "completion_tokens"), built
    assert isinstance(built._hidden_params, dict), "an answer has no _hidden_params"
    text = parts.LiteLLMResponseObjectHandler.convert_chat_to_text_completion(
        response=built, text_completion_response=parts.TextCompletionResponse()
    )
    assert text.choices[0].text == "some words", text
    wrapper = parts.TextCompletionStreamWrapper(None, "m", {"include_usage": True})
    piece = wrapper.convert_to_text_completion_object(chunks[0])
    assert hasattr(piece.choices[0], "text"), piece


def settings_are_known() -> None:
    """The strict check finds no mistake in a rendered configuration, and one that is made."""
    from gateway.known_settings import known_settings
    from gateway.strict_check import mistakes_in

    found = mistakes_in(RELEASE / "config.yaml")
    assert not found, "; ".join(found)
    known = known_settings()
    assert {"master_key", "custom_auth"} <= set(known["general_settings"])
    assert {"guardrails", "mcp_servers", "callback_settings"} <= set(known["sections"])
    assert {"cache", "callbacks", "turn_off_message_logging"} <= set(known["litellm_settings"])
    assert {"langfuse", "langfuse_otel", "otel", "presidio"} <= set(known["callbacks"])
    assert {"langfuse", "sentry", "s3"} <= set(known["success_callback"])
    assert known["success_callback"] == known["failure_callback"]
    assert {"prometheus_system", "datadog", "otel"} == set(known["service_callback"])
    assert "s3_v2" in known["audit_log_callbacks"]
    text = (RELEASE / "config.yaml").read_text()
    wrong = RELEASE / "wrong.yaml"
    wrong.write_text(text.replace("drop_params:", "drop_paramz:"))
    assert any("drop_paramz" in line for line in mistakes_in(wrong)), "a wrong key is not found"


def python_modules_come_from_known_settings() -> None:
    """Settings that name Python modules are those that a stack cannot have, in these files."""
    from gateway.litellm_parts import PACKAGE

    # callbacks, handlers of mcp_tools, guardrails, litellm_jwtauth, targets of endpoints; in the
    # server: plugins, rules, custom_provider_map, callbacks, custom_auth and the like.
    expected = {
        "proxy/common_utils/callback_utils.py": 2,
        "proxy/_experimental/mcp_server/tool_registry.py": 1,
        "proxy/guardrails/guardrail_registry.py": 1,
        "proxy/_types.py": 1,
        "proxy/pass_through_endpoints/pass_through_endpoints.py": 1,
        "proxy/proxy_server.py": 14,
    }
    calls: dict[str, int] = {}
    for file in PACKAGE.rglob("*.py"):
        count = len(re.findall(r"(?<!def )\bget_instance_fn\(", file.read_text(errors="replace")))
        calls |= {str(file.relative_to(PACKAGE)): count} if count else {}
    assert calls == expected, calls
    server = (PACKAGE / "proxy/proxy_server.py").read_text()
    imported = re.findall(r"importlib\.import_module\((\w+)\)", server)
    assert imported == ["_module_path"], f"other than LITELLM_WORKER_STARTUP_HOOKS: {imported}"


def refusals_end_a_request() -> None:
    """The router takes FastAPI's HTTPException of 400 for one that goes nowhere else."""
    from gateway.requests.refusals import Refusal
    from litellm.integrations.custom_guardrail import is_guardrail_intervention

    assert is_guardrail_intervention(Refusal("no"))


PROBES: tuple[Callable[[], Awaitable[None] | None], ...] = (
    every_import,
    router_asks_what_is_in_the_module,
    router_goes_through_the_wrapped_walk,
    errors_are_what_they_were,
    http_clients_are_made_anew_by_create_client,
    log_hears_of_a_request_before_the_flush_ends,
    chunks_become_an_answer,
    settings_are_known,
    python_modules_come_from_known_settings,
    refusals_end_a_request,
    # It wraps LiteLLM's calls, so it comes last.
    hooks_take_what_is_passed,
)


async def main() -> dict[str, str | None]:
    """Every point: what is wrong with it, or None."""
    found: dict[str, str | None] = {}
    for probe in PROBES:
        try:
            result = probe()
            if inspect.isawaitable(result):
                await result
            found[probe.__name__] = None
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(last.filename).name}:{last.lineno}"
            found[probe.__name__] = f"{type(error).__name__}: {error} ({where}: {last.line})"
    return found


if __name__ == "__main__":
    sys.path.append(str(RELEASE))
    print(json.dumps(asyncio.run(main())))
