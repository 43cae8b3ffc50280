"""What the stand-in of Ollama has beyond the contract: marked answers, records and faults."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from llmrack_lab.standins.ollama_archive import STANDIN_VERSION, build_archive, build_rocm_archive
from tests import DEADLINE
from tests.contract.ollama_process import HELLO, REAL_ARCHIVE, TOOL, OllamaProcess, StartOllama

pytestmark = pytest.mark.skipif(
    REAL_ARCHIVE is not None, reason="LLMRACK_TEST_OLLAMA_ARCHIVE names a real Ollama"
)

MARKER = f"[{socket.gethostname()} llama3.1]"


@pytest.fixture
def set_fault(ollama: OllamaProcess) -> Iterator[Callable[..., None]]:
    def set_mode(mode: str, **more: Any) -> None:
        answer = back_door(ollama).post("/__standin__/fault", json={"mode": mode, **more})
        assert answer.status_code == 200, answer.text

    yield set_mode
    set_mode("ok")


def back_door(ollama: OllamaProcess) -> httpx.Client:
    transport = httpx.HTTPTransport(uds=f"\0llmrack-standin-{httpx.URL(ollama.url).port}")
    return httpx.Client(transport=transport, base_url="http://localhost")


def say(ollama: OllamaProcess, **body: Any) -> str:
    answer = ollama.answer("/api/chat", **{"model": "llama3.1", "messages": HELLO, **body})
    return str(answer["message"]["content"])


def test_archive_has_the_same_bytes_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build_archive(tmp_path / "1").read_bytes()
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert build_archive(tmp_path / "2").read_bytes() == first


def test_libraries_of_rocm_are_an_archive_of_their_own(tmp_path: Path) -> None:
    main, rocm = build_archive(tmp_path), build_rocm_archive(tmp_path)
    assert rocm.name == "ollama-linux-amd64-rocm.tar.zst"
    assert {name.split("/")[2] for name in members(rocm)} == {"rocm_v7_2"}
    assert "lib/ollama/vulkan/libggml-vulkan.so" in members(main)
    assert not any("rocm" in name for name in members(main))


def members(archive: Path) -> list[str]:
    """The files of an archive."""
    return subprocess.run(
        ["tar", "--zstd", "-tf", archive], check=True, capture_output=True, text=True
    ).stdout.split()


def test_server_says_what_it_is(ollama: OllamaProcess) -> None:
    assert ollama.get("/api/version") == {"version": STANDIN_VERSION}
    assert "llmrack stand-in, not Ollama: answers are canned" in ollama.log.read_text()


def test_client_names_its_version_when_the_server_has_another(ollama: OllamaProcess) -> None:
    shown = ollama.run("-v", OLLAMA_HOST="127.0.0.1:9").stdout.splitlines()
    assert shown[-1] == f"Warning: client version is {STANDIN_VERSION}"


def test_text_starts_with_host_and_model(ollama: OllamaProcess) -> None:
    assert say(ollama).startswith(f"{MARKER} ")
    generated = ollama.answer("/api/generate", model="llama3.1", prompt="x")["response"]
    assert generated.startswith(f"{MARKER} ")


def test_text_repeats_what_the_model_was_told(ollama: OllamaProcess) -> None:
    system = {"role": "system", "content": "Be brief."}
    text = say(ollama, messages=[system, *HELLO], options={"temperature": 0.7, "seed": 3})
    assert '"hello"' in text
    assert 'System prompt: "Be brief."' in text
    assert "temperature=0.7 seed=3" in text


def test_created_model_uses_its_system_prompt_and_parameters(ollama: OllamaProcess) -> None:
    body = {"from": "llama3.1", "system": "You write code.", "parameters": {"temperature": 0.7}}
    ollama.answer("/api/create", model="coder", **body)
    text = say(ollama, model="coder")
    assert 'System prompt: "You write code."' in text
    assert "temperature=0.7" in text


def test_stop_ends_the_text(ollama: OllamaProcess) -> None:
    assert say(ollama, options={"stop": [" canned"]}) == f"{MARKER} This is a"


def test_tool_is_called_with_arguments_that_fit(ollama: OllamaProcess) -> None:
    answer = ollama.answer("/api/chat", model="llama3.1", messages=HELLO, tools=[TOOL])
    (call,) = answer["message"]["tool_calls"]
    assert call["function"]["name"] == "get_weather"
    assert call["function"]["arguments"] == {"city": MARKER}


def test_tool_call_has_the_openai_form_under_v1(ollama: OllamaProcess) -> None:
    body = {"model": "llama3.1", "messages": HELLO, "tools": [TOOL]}
    (choice,) = ollama.post("/v1/chat/completions", **body).json()["choices"]
    assert choice["finish_reason"] == "tool_calls"
    (call,) = choice["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"city": MARKER}
    *events, _ = ollama.events("/v1/chat/completions", **body)
    chunks = [json.loads(event) for event in events]
    assert chunks[0]["choices"][0]["delta"]["tool_calls"][0]["id"] == call["id"]
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_vision_model_tells_number_and_sizes_of_images(ollama: OllamaProcess, picture: str) -> None:
    messages = [{"role": "user", "content": "What?", "images": [picture, picture]}]
    assert re.search(
        r"Images: 2 \(\d+ bytes, \d+ bytes\)", say(ollama, model="llava", messages=messages)
    )


def test_thinking_tells_its_level(ollama: OllamaProcess) -> None:
    for think, level in ((True, "medium"), ("low", "low"), ("max", "max")):
        body = {"model": "qwen3", "messages": HELLO, "think": think}
        message = ollama.answer("/api/chat", **body)["message"]
        assert message["thinking"] == f'Thinking ({level}): user says "hello".'
        assert message["content"].startswith(f"[{socket.gethostname()} qwen3] ")


@pytest.mark.parametrize(
    ("think", "level"), [(None, "medium"), (False, "medium"), ("high", "high"), ("max", "high")]
)
def test_model_with_levels_thinks_always(
    ollama: OllamaProcess, think: bool | str | None, level: str
) -> None:
    body = {"model": "gpt-oss:20b", "messages": HELLO, "think": think}
    thinking = ollama.answer("/api/chat", **body)["message"]["thinking"]
    assert thinking.startswith(f"Thinking ({level})")


def test_streamed_thinking_ends_before_the_text_begins(ollama: OllamaProcess) -> None:
    *chunks, _ = ollama.lines("/api/chat", model="qwen3", messages=HELLO)
    kinds = ["thinking" if "thinking" in chunk["message"] else "text" for chunk in chunks]
    assert kinds == sorted(kinds, reverse=True)
    assert set(kinds) == {"thinking", "text"}


def test_model_thinks_before_it_calls_a_tool(ollama: OllamaProcess) -> None:
    *thinking, call, _ = ollama.lines("/api/chat", model="qwen3", messages=HELLO, tools=[TOOL])
    assert all(chunk["message"]["thinking"] for chunk in thinking)
    assert call["message"]["tool_calls"]


def test_tool_use_has_a_block_in_a_message(ollama: OllamaProcess) -> None:
    tool = {"name": "get_weather", "input_schema": TOOL["function"]["parameters"]}
    body = {"model": "llama3.1", "max_tokens": 50, "messages": HELLO, "tools": [tool]}
    answer = ollama.post("/v1/messages", **body).json()
    (block,) = answer["content"]
    assert (block["type"], block["name"]) == ("tool_use", "get_weather")
    assert block["input"] == {"city": MARKER}
    assert answer["stop_reason"] == "tool_use"


def test_tool_use_streams_in_a_message(ollama: OllamaProcess) -> None:
    tool = {"name": "get_weather", "input_schema": TOOL["function"]["parameters"]}
    body = {"model": "llama3.1", "max_tokens": 50, "messages": HELLO, "tools": [tool]}
    text = ollama.post("/v1/messages", **body, stream=True).text
    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
    assert events[1]["content_block"]["type"] == "tool_use"
    assert json.loads(events[2]["delta"]["partial_json"]) == {"city": MARKER}
    assert events[-2]["delta"] == {"stop_reason": "tool_use"}


def test_function_call_is_an_item_of_a_response(ollama: OllamaProcess) -> None:
    tool = {"type": "function", **TOOL["function"]}
    body = {"model": "llama3.1", "input": "hello", "tools": [tool]}
    (item,) = ollama.post("/v1/responses", **body).json()["output"]
    assert (item["type"], item["name"]) == ("function_call", "get_weather")
    assert json.loads(item["arguments"]) == {"city": MARKER}
    text = ollama.post("/v1/responses", **body, stream=True).text
    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
    (streamed,) = events[-1]["response"]["output"]
    assert streamed["arguments"] == item["arguments"]


def test_embedding_model_of_the_cloud_is_502_where_the_cloud_is_on(
    start_ollama: StartOllama,
) -> None:
    response = start_ollama(OLLAMA_NO_CLOUD="0").post("/api/embed", model="x:cloud", input="a")
    assert response.status_code == 502


def test_log_has_a_line_for_each_request(ollama: OllamaProcess) -> None:
    ollama.client.get("/api/version?x=1")
    ollama.client.get("/api/nothing")
    lines = [line for line in ollama.log.read_text().splitlines() if line.startswith("[GIN]")]
    time_of_day = r"\d{4}/\d\d/\d\d - \d\d:\d\d:\d\d"
    form = rf'\[GIN\] {time_of_day} \| %s \|\s+[0-9.]+[mµ]?s \|       127.0.0.1 \| GET      "%s"'
    assert re.fullmatch(form % (200, r"/api/version\?x=1"), lines[-2])
    assert re.fullmatch(form % (404, "/api/nothing"), lines[-1])


def test_log_has_the_lines_of_llama_server_for_each_answer(ollama: OllamaProcess) -> None:
    say(ollama)
    before = len(ollama.log.read_text().splitlines())
    say(ollama)
    lines = ollama.log.read_text().splitlines()[before:]
    assert len(lines) > 15
    assert any(line.startswith("slot print_timing: id  0 | task ") for line in lines)


def test_log_has_an_error_when_a_model_is_unloaded_that_refused_a_prompt(
    ollama: OllamaProcess,
) -> None:
    def unload() -> list[str]:
        before = len(ollama.log.read_text().splitlines())
        ollama.post("/api/generate", model="llama3.1", keep_alive=0)
        lines = ollama.log.read_text().splitlines()[before:]
        return [line for line in lines if "level=ERROR" in line]

    say(ollama)
    assert unload() == []
    messages = [{"role": "user", "content": "z " * 2000}]
    body = {"model": "llama3.1", "messages": messages, "options": {"num_ctx": 512}}
    assert ollama.post("/api/chat", **body, truncate=False).status_code == 400
    (line,) = unload()
    assert line.endswith(
        'source=llama_server.go:1023 msg="llama-server terminated" error="signal: killed" '
        "exit=unknown"
    )


def test_json_without_a_schema_is_an_object_with_the_marker(ollama: OllamaProcess) -> None:
    assert json.loads(say(ollama, format="json")) == {"answer": MARKER}


def test_invalid_gpu_id_means_the_cpu(start_ollama: StartOllama, ollama: OllamaProcess) -> None:
    server = start_ollama(CUDA_VISIBLE_DEVICES="-1", OLLAMA_MODELS=str(ollama.models))
    server.post("/api/generate", model="llama3.1")
    assert server.loaded()["llama3.1:latest"]["size_vram"] == 0
    assert "100% CPU" in server.run("ps").stdout
    assert 'msg="inference compute" id=cpu library=cpu' in server.log.read_text()


def test_requests_are_recorded_with_tokens_hashed(ollama: OllamaProcess) -> None:
    headers = {"Authorization": "Bearer secret-token", "X-Client-ID": "me", "X-API-Key": "other"}
    ollama.client.post("/api/show", json={"model": "llama3.1"}, headers=headers)
    answer = ollama.get("/__standin__/requests")
    last = answer["requests"][-1]
    assert (last["method"], last["path"]) == ("POST", "/api/show")
    assert last["body"] == {"model": "llama3.1"}
    shown = {name.lower(): value for name, value in last["headers"].items()}
    assert shown["x-client-id"] == "me"
    digest = hashlib.sha256(b"secret-token").hexdigest()
    assert shown["authorization"] == f"sha256:{digest}"
    assert shown["x-api-key"] == f"sha256:{hashlib.sha256(b'other').hexdigest()}"
    assert "secret-token" not in json.dumps(answer)


def test_last_200_requests_are_kept(ollama: OllamaProcess) -> None:
    for number in range(201):
        ollama.post("/api/show", model=f"m{number}")
    requests = ollama.get("/__standin__/requests")["requests"]
    assert [each["body"]["model"] for each in requests] == [f"m{n}" for n in range(1, 201)]


@pytest.mark.parametrize("fault", [{"mode": "explode"}, {"mode": "cut", "seconds": 1}])
def test_unknown_fault_is_refused(ollama: OllamaProcess, fault: dict[str, Any]) -> None:
    assert ollama.post("/__standin__/fault", **fault).status_code == 400


def test_fault_500_fails_inference_alone(
    ollama: OllamaProcess, set_fault: Callable[[str], None]
) -> None:
    set_fault("500")
    assert ollama.post("/api/chat", model="llama3.1", messages=HELLO).status_code == 500
    assert ollama.post("/v1/chat/completions", model="llama3.1", messages=HELLO).json()["error"]
    assert ollama.get("/api/tags")


def test_fault_slow_gives_few_tokens_a_second(
    ollama: OllamaProcess, set_fault: Callable[[str], None]
) -> None:
    set_fault("slow")
    body = {"model": "llama3.1", "messages": HELLO, "options": {"num_predict": 3}}
    answer = ollama.answer("/api/chat", **body)
    assert 2 < answer["eval_count"] / answer["eval_duration"] * 1e9 < 3
    set_fault("ok")
    answer = ollama.answer("/api/chat", **body)
    assert answer["eval_count"] / answer["eval_duration"] * 1e9 > 30


@pytest.mark.parametrize("stream", [True, False])
def test_fault_cut_breaks_the_answer_off(
    ollama: OllamaProcess, set_fault: Callable[[str], None], stream: bool
) -> None:
    set_fault("cut")
    with pytest.raises(httpx.RemoteProtocolError):
        ollama.post("/api/chat", model="llama3.1", messages=HELLO, stream=stream)


def test_fault_hang_lasts_until_it_is_ended(
    ollama: OllamaProcess, set_fault: Callable[[str], None]
) -> None:
    set_fault("hang")
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{ollama.url}/api/chat", json={"model": "llama3.1", "messages": HELLO}, timeout=0.3
        )
    answers: list[str] = []
    waiting = threading.Thread(target=lambda: answers.append(say(ollama)))
    waiting.start()
    set_fault("ok")
    waiting.join(timeout=DEADLINE)
    assert answers[0].startswith(MARKER)


def test_fault_refuse_closes_the_port_and_leaves_the_back_door_open(
    ollama: OllamaProcess, set_fault: Callable[..., None]
) -> None:
    set_fault("refuse")
    with pytest.raises(httpx.ConnectError):
        ollama.get("/api/version")
    set_fault("ok")
    assert ollama.get("/api/version")


def test_fault_hang_of_everything_answers_nothing(
    ollama: OllamaProcess, set_fault: Callable[..., None]
) -> None:
    set_fault("hang", only="all")
    with pytest.raises(httpx.ReadTimeout):
        ollama.client.get("/api/version", timeout=0.3)


def test_fault_strikes_one_model_alone(
    ollama: OllamaProcess, set_fault: Callable[..., None]
) -> None:
    set_fault("503", model="llama3.1:latest")
    assert ollama.post("/api/chat", model="llama3.1", messages=HELLO).status_code == 503
    assert ollama.post("/api/embed", model="all-minilm", input="x").status_code == 200


def test_fault_endless_goes_on_until_num_predict(
    ollama: OllamaProcess, set_fault: Callable[..., None]
) -> None:
    set_fault("endless", model="llama3.1")
    answer = ollama.answer(
        "/api/chat", model="llama3.1", messages=HELLO, options={"num_predict": 100}
    )
    assert (answer["eval_count"], answer["done_reason"]) == (100, "length")
    assert answer["message"]["content"].count(MARKER) > 1


@pytest.mark.parametrize("stream", [True, False])
def test_fault_endless_ends_when_the_client_leaves(
    ollama: OllamaProcess, set_fault: Callable[..., None], stream: bool
) -> None:
    set_fault("endless")
    body = {"model": "llama3.1", "messages": HELLO, "stream": stream}
    with (
        pytest.raises(httpx.ReadTimeout),
        httpx.stream("POST", f"{ollama.url}/api/chat", json=body, timeout=0.5) as answer,
    ):
        began = time.monotonic()
        for _ in answer.iter_lines():
            if time.monotonic() - began > 0.5:
                raise httpx.ReadTimeout("it would go on")
    set_fault("ok")
    # The only place for an answer is free again.
    assert say(ollama).startswith(MARKER)


def test_fault_ignore_sigterm_leaves_a_process_behind(
    start_ollama: StartOllama, ollama: OllamaProcess
) -> None:
    server = start_ollama(OLLAMA_MODELS=str(ollama.models))
    assert server.post("/__standin__/fault", mode="ignore-sigterm").status_code == 200
    (child,) = children(server)
    try:
        os.kill(child, signal.SIGTERM)
        assert server.stop() == 0
        time.sleep(0.2)
        assert Path(f"/proc/{child}").exists()
    finally:
        os.kill(child, signal.SIGKILL)


def test_fault_ignore_sigterm_ends_with_its_process(
    start_ollama: StartOllama, ollama: OllamaProcess
) -> None:
    server = start_ollama(OLLAMA_MODELS=str(ollama.models))
    server.post("/__standin__/fault", mode="ignore-sigterm")
    server.post("/__standin__/fault", mode="ok")
    assert children(server) == []


def children(server: OllamaProcess) -> list[int]:
    """The processes that the server has started.

    Asked by parent: a list by thread loses a child whose thread ends while it is read.
    """
    found = subprocess.run(
        ["ps", "--ppid", str(server.pid), "-o", "pid="], stdout=subprocess.PIPE, text=True
    )
    return [int(pid) for pid in found.stdout.split()]


def test_fault_429_says_when_to_come_again(
    ollama: OllamaProcess, set_fault: Callable[..., None]
) -> None:
    set_fault("429", seconds=7)
    answer = ollama.post("/api/chat", model="llama3.1", messages=HELLO)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")


def test_fault_missing_is_the_answer_of_a_model_that_is_not_there(
    ollama: OllamaProcess, set_fault: Callable[..., None]
) -> None:
    set_fault("missing")
    answer = ollama.post("/api/chat", model="llama3.1", messages=HELLO)
    assert (answer.status_code, answer.json()) == (404, {"error": "model 'llama3.1' not found"})


def test_fault_reset_resets_the_connection_after_some_chunks(
    ollama: OllamaProcess, set_fault: Callable[..., None]
) -> None:
    set_fault("reset", after=2)
    with pytest.raises(httpx.ReadError, match="reset"):
        ollama.lines("/api/chat", model="llama3.1", messages=HELLO)


def test_fault_truncate_ends_a_stream_without_its_last_chunk(
    ollama: OllamaProcess, set_fault: Callable[..., None]
) -> None:
    set_fault("truncate", after=2)
    lines = ollama.lines("/api/chat", model="llama3.1", messages=HELLO)
    assert [line["done"] for line in lines] == [False, False]


def test_fault_error_is_a_line_of_the_stream(
    ollama: OllamaProcess, set_fault: Callable[..., None]
) -> None:
    set_fault("error", after=2)
    lines = ollama.lines("/api/chat", model="llama3.1", messages=HELLO)
    assert [line.keys() == {"error"} for line in lines] == [False, False, True]


def test_fault_load_delays_a_cold_model_which_ps_lists_meanwhile(
    ollama: OllamaProcess, set_fault: Callable[..., None]
) -> None:
    set_fault("load", seconds=3)
    assert ollama.loaded() == {}
    answers: list[str] = []
    waiting = threading.Thread(target=lambda: answers.append(say(ollama)))
    began = time.monotonic()
    waiting.start()
    while not ollama.loaded():
        assert time.monotonic() < began + 10
    assert not answers
    waiting.join(timeout=DEADLINE)
    assert time.monotonic() - began >= 3
    began = time.monotonic()
    say(ollama)
    assert time.monotonic() - began < 3


def test_a_load_is_given_up_when_its_client_leaves(
    ollama: OllamaProcess, set_fault: Callable[..., None]
) -> None:
    set_fault("load", seconds=60)
    body = {"model": "llama3.1", "messages": HELLO}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{ollama.url}/api/chat", json=body, timeout=0.3)
    deadline = time.monotonic() + DEADLINE
    while ollama.loaded():
        assert time.monotonic() < deadline


def test_full_queue_is_503(start_ollama: StartOllama, ollama: OllamaProcess) -> None:
    server = start_ollama(
        OLLAMA_MODELS=str(ollama.models), OLLAMA_NUM_PARALLEL="1", OLLAMA_MAX_QUEUE="0"
    )
    server.post("/__standin__/fault", mode="hang")
    first = threading.Thread(target=lambda: say(server))
    first.start()
    deadline = time.monotonic() + DEADLINE
    while server.get("/__standin__/requests")["requests"][-1]["path"] != "/api/chat":
        assert time.monotonic() < deadline
    answer = server.post("/api/chat", model="llama3.1", messages=HELLO)
    server.post("/__standin__/fault", mode="ok")
    first.join(timeout=DEADLINE)
    assert answer.status_code == 503
    message = "server busy, please try again.  maximum pending requests exceeded"
    assert answer.json() == {"error": message}
