"""Whatever stands in a declaration, it is refused in a sentence or arrives as it was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmrack.problems import DeclarationError, Problem
from llmrack.stack.checks.checks import check
from llmrack.stack.declaration import Declaration
from llmrack.stack.fleet import Fleet, Host
from llmrack.stack.load import load_settings, load_stack
from llmrack.stack.schema import Stack
from llmrack.stack.yaml_lines import Lines
from tests.unit.declare import SHA
from tests.unit.hostile import assert_sound, places, put, texts, values

STACK: dict[str, Any] = {
    "providers": {
        "local": {"kind": "ollama", "group": "gpu", "weight": 2.0, "prune": True},
        "office": {
            **{"kind": "openai-compatible", "url": "https://office:8443/v1", "tls_ca": "ca.pem"},
            **{"api_key": "OFFICE_KEY", "headers": {"X-Client": "rack 1"}},
            **{"secret_headers": {"X-Key": "OFFICE_HEADER"}, "timeout": 60, "rpm": 5},
        },
        "attic": {"kind": "ollama-remote", "url": "http://attic", "paths": {"chat": "/chat"}},
        "hall": {"kind": "vllm", "url": "http://hall:8000/v1"},
        "cloud": {"kind": "ollama-cloud"},
    },
    "models": {
        "llama3.2": {"provider": ["local", "attic"], "preload": True, "strategy": "latency"},
        "made": {
            "provider": "local",
            "create": {
                **{"from": "llama3.2:1b", "system": "Be kind.", "template": "{{ .Prompt }}"},
                **{"parameters": {"stop": ["END"], "temperature": 0.5, "num_gpu": 3}},
                "adapters": [{"file": "a.gguf", "sha256": "c" * 64}],
            },
        },
        "own": {"provider": "local", "create": {"gguf": "w.gguf", "sha256": "d" * 64}},
        "long": {"provider": "local", "model": "gemma3", "context_length": 9000},
        "gpt": {
            **{"provider": ["office", "cloud"], "model": "gpt-x", "timeout": 5.0},
            **{"price": {"input": 0.1, "output": 1.0}, "capabilities": ["chat", "tools"]},
        },
        "hall/*": {"provider": "hall", "model": "any/*"},
        "embed": {"provider": "local", "capabilities": ["embedding"], "dimensions": 4},
    },
    "strategy": "least-busy",
    "chains": {"llama3.2": ["gpt"]},
    "default_chain": ["gpt"],
    "context_window_chains": {"llama3.2": ["long"]},
    "content_policy_chains": {"long": ["made"]},
    "tiers": {"eco": ["llama3.2", "gpt"]},
    "mixes": {"both": {"llama3.2": 1, "gpt": 2.5}},
    "aliases": {"gpt-4o": "gpt"},
    "keys": {"alice": {"models": ["gpt", "eco"], "expires": "2030-01-01", "rpm": 6}},
}
TEXT = yaml.safe_dump(STACK)
SETTINGS: dict[str, Any] = {
    **{"stack_file": "stack.yaml", "env_file": ".env", "secrets_file": "s.age", "bundle": "b"},
    **{"keep_edits": ["/etc/x"], "service_user": "llm", "service_home": "/home/llm"},
    **{"service_groups": ["render"], "gpu_driver": "nvidia", "address": None},
    **{"ollama_version": "0.34.0", "ollama_sha256": SHA, "ollama_archive": "a.tar.zst"},
    **{"ollama_mirror": "http://mirror", "ollama_bind": "0.0.0.0", "ollama_port": 11434},
    "ollama_environment": {
        **{"OLLAMA_KEEP_ALIVE": "5m", "OLLAMA_ORIGINS": "*", "NO_PROXY": "a,b"},
        **{"OLLAMA_FLASH_ATTENTION": True, "OLLAMA_NUM_PARALLEL": 2, "HTTPS_PROXY": "http://p"},
    },
    "ollama_extra_environment": {"HSA_OVERRIDE_GFX_VERSION_1": "11.0.0", "X": ""},
    "ollama_instances": [
        {"name": "a", "gpus": ["GPU-12345678"], "port": 5, "environment": {"NO_PROXY": "c"}},
        {"name": "main", "gpus": []},
    ],
    **{"ollama_models": "/srv/models", "ollama_models_mount": "/srv", "ollama_weight": 1.5},
    **{"ollama_memory_max": "50%", "ollama_tasks_max": 99, "ollama_pull_deadline": 5.0},
    **{"gateway_bind": "10.0.0.1", "gateway_port": 4000, "gateway_cooldown": 3.0},
    **{"monitor_bind": "::", "monitor_port": 9090, "monitor_retention": "15d"},
}
SECRETS = ("OFFICE_KEY", "OFFICE_HEADER", "OLLAMA_API_KEY")
moderately = settings(
    max_examples=150,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("hostile")
    trustme.CA().cert_pem.write_to_path(made / "ca.pem")
    return made


@pytest.fixture(scope="module")
def harmless(folder: Path) -> tuple[Stack, Lines]:
    path = folder / "harmless.yaml"
    path.write_text(TEXT)
    return load_stack(path)


def boxes(name: str = "box1", address: str = "10.0.0.1", data: dict[str, Any] = SETTINGS) -> Fleet:
    def box(at: str, where: str, groups: set[str], data: dict[str, Any]) -> Host:
        settings_ = load_settings(at, data)
        return Host(at, frozenset(groups), settings_.address or where, settings_)

    lan = {"ollama_version": "0.34.0", "ollama_sha256": SHA, "ollama_bind": "0.0.0.0"}
    return Fleet(
        (
            box(name, address, {"gpu", "gateway", "monitor"}, data),
            box("box2", "10.0.0.2", {"gpu"}, lan),
        )
    )


def loaded(folder: Path, text: str, fleet: Fleet) -> Stack | None:
    """The stack of this text; None when it was refused, in sentences of one line each."""
    path = folder / "stack.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        stack, lines = load_stack(path, "stack.yaml")
    except DeclarationError as error:
        assert_plain(error.problems)
        return None
    return stack if accepted(stack, lines, fleet) else None


def accepted(stack: Stack, lines: Lines, fleet: Fleet) -> bool:
    """Whether no cross-check has anything against it."""
    problems = check(Declaration(stack, fleet, SECRETS, lines))
    assert_plain(problems)
    return not problems


def assert_plain(problems: list[Problem]) -> None:
    for problem in problems:
        assert str(problem).isprintable()
        assert problem.file
        assert problem.cause
        assert problem.way_out


def test_the_harmless_declaration_is_accepted_and_sound(harmless):
    assert accepted(*harmless, boxes())
    assert_sound(harmless[0], boxes())


@moderately
@given(place=st.sampled_from(sorted(places(STACK), key=str)), value=values())
def test_a_hostile_value_in_the_stack_is_refused_or_arrives_as_it_is(folder, place, value):
    stack = loaded(folder, yaml.safe_dump(put(STACK, place, value)), boxes())
    if stack:
        assert_sound(stack, boxes())


BOMB = "a0: &a0 [x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
)


@pytest.mark.parametrize(
    "text",
    [
        *(BOMB, "providers: &a [*a]", "[" * 1500, "{a: " * 1500, "a: !!python/object:os.system x"),
        *("? [a]\n: b", "? {a: b}\n: c", "1: 2", "providers: {1: {kind: x}}", "null: {}", "\0"),
        *("providers: {true: {kind: no}}", "models: {2001-01-01: {}}", "<<: *a", "- a", "'", "%"),
        *("providers: [a]", "providers: {a: [b]}", "models: {a: b}", "keys: {1: {x: y}}"),
    ],
)
def test_a_file_that_is_no_stack_is_refused_in_a_sentence(folder, text):
    assert loaded(folder, text, boxes()) is None


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("providers", "office", "api_key"), "OFFICE_KEY\n"),
        (("providers", "office", "url"), "https://office/v1\n"),
        (("providers", "office", "url"), "https://office:99999/v1"),
        (("providers", "office", "url"), "https://[/v1"),
        (("providers", "office", "headers", "X-Client"), "os.environ/LITELLM_MASTER_KEY"),
        (("providers", "office", "weight"), float("inf")),
        (("models", "gpt", "price", "input"), float("inf")),
        (("models", "made", "create", "parameters", "temperature"), float("inf")),
        (("models", "embed", None), "os.environ/LITELLM_MASTER_KEY"),
        (("models", "embed", None), "a/../../../../etc/passwd"),
        (("models", "embed", None), "a/b/.."),
        (("models", "made", "create", "from"), "a/../../b"),
        (("models", "embed", None), "a" * 300),
        (("providers", "hall", None), "a" * 300),
    ],
)
def test_what_could_do_harm_in_the_stack_is_refused(folder, place, value):
    assert loaded(folder, yaml.safe_dump(put(STACK, place, value)), boxes()) is None


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("service_groups", 0), "$(touch CANARY)"),
        (("service_groups", 0), "a; touch CANARY"),
        (("service_home",), "/home/.."),
        (("ollama_models",), "/srv/../etc"),
        (("ollama_mirror",), "http://x/;touch CANARY;"),
        (("ollama_mirror",), "-K/etc/passwd"),
        (("ollama_bind",), "..."),
        (("ollama_version",), "\u0660.\u0663.\u0664"),
        (("ollama_memory_max",), "\u0663G"),
        (("ollama_environment", "NO_PROXY"), "a\0b"),
        (("ollama_environment", "NO_PROXY"), "a\u202eb"),
        (("ollama_extra_environment", "X"), "a\nB=c"),
        (("ollama_extra_environment", "X\nY"), "a"),
        (("ollama_weight",), float("inf")),
        (("env_file",), "a\0b"),
        (("stack_file",), "a\x1b[2Jb"),
    ],
)
def test_what_could_do_harm_in_a_setting_is_refused(place, value):
    with pytest.raises(DeclarationError) as caught:
        boxes(data=put(SETTINGS, place, value))
    assert_plain(caught.value.problems)


@pytest.mark.parametrize("address", ["fe80::1%1 accept } x {", "a b", "$(x)", "-x", "", "a\n"])
def test_an_address_that_a_rule_or_a_shell_would_read_is_refused(harmless, address):
    assert not accepted(*harmless, boxes(address=address))


@moderately
@given(where=st.integers(0, len(TEXT)), length=st.integers(0, 9), piece=texts())
def test_a_stack_file_of_any_text_is_read_or_refused(folder, where, length, piece):
    stack = loaded(folder, TEXT[:where] + piece + TEXT[where + length :], boxes())
    if stack:
        assert_sound(stack, boxes())


@moderately
@given(place=st.sampled_from(sorted(places(SETTINGS), key=str)), value=values())
def test_a_hostile_setting_is_refused_or_arrives_as_it_is(harmless, place, value):
    try:
        fleet = boxes(data=put(SETTINGS, place, value))
    except DeclarationError as error:
        assert_plain(error.problems)
        return
    if accepted(*harmless, fleet):
        assert_sound(harmless[0], fleet)


@moderately
@given(name=texts() | st.just("box1"), address=texts() | st.just("10.0.0.1"))
def test_a_host_of_a_hostile_name_or_address_is_refused_or_sound(harmless, name, address):
    fleet = boxes(name, address)
    if accepted(*harmless, fleet):
        assert_sound(harmless[0], fleet)
