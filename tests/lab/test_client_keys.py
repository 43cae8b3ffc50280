"""Clients' keys at a real gateway on loopback: who may ask for what."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.lab.front import Front
from tests.lab.gateway_process import KEY
from tests.lab.keyed_front import ALL, SPOKEN, TODAY, ask, key, keyed_front


@pytest.fixture(scope="module")
def front(gateway_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with keyed_front(gateway_python, tmp_path_factory.mktemp("gateway")) as front:
        yield front


def why(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["message"])


def sdk(front: Front, name: str) -> openai.OpenAI:
    return openai.OpenAI(
        api_key=key(name),
        base_url=f"{front.process.url}/v1",
        max_retries=0,
        http_client=httpx.Client(trust_env=False),
    )


@pytest.mark.parametrize("shown", [{}, {"Authorization": f"Bearer {key('nobodys')}"}])
def test_a_key_that_nobody_has_is_refused(front: Front, shown: dict[str, str]) -> None:
    answer = httpx.post(
        f"{front.process.url}/v1/chat/completions",
        headers=shown,
        json=SPOKEN | {"model": "chat"},
        trust_env=False,
    )
    assert (answer.status_code, answer.json()["error"]["type"]) == (401, "authentication_error")


def test_a_key_that_is_declared_and_not_issued_is_refused(front: Front) -> None:
    assert ask(front, "revoked", model="chat").status_code == 401


def test_a_key_is_good_through_its_last_day(front: Front) -> None:
    assert ask(front, "today", model="chat").status_code == 200


def test_a_key_that_has_expired_is_refused_with_its_time(front: Front) -> None:
    answer = ask(front, "late", model="chat")
    yesterday: date = TODAY - timedelta(days=1)
    assert answer.status_code == 401
    assert f"the key late expired at {yesterday}T23:59:59Z" in why(answer)


def test_a_key_may_ask_the_models_it_is_for(front: Front) -> None:
    assert ask(front, "chatty", model="chat").json()["choices"]
    assert ask(front, "chatty", model="either").json()["choices"]
    assert ask(front, "aliased", model="short").json()["choices"]
    assert ask(front, "wild", model="any/m").json()["choices"]
    assert ask(front, "everything", model="other").json()["choices"]


def test_another_model_is_refused_and_the_allowed_ones_are_named(front: Front) -> None:
    answer = ask(front, "chatty", model="other")
    assert (answer.status_code, answer.json()["error"]["type"]) == (403, "permission_error")
    assert "may not ask 'other'; it may ask: chat, either, vector" in why(answer)


@pytest.mark.parametrize(
    "body",
    [
        {"model": "chat", "fallbacks": ["other"]},
        {"model": "chat", "fallbacks": [{"chat": ["other"]}]},
        {"model": "chat", "fallbacks": [{"model": "other"}]},
        {"model": "chat", "fallbacks": [{"model": "chat", "fallbacks": ["other"]}]},
        {"model": "chat", "context_window_fallbacks": [{"chat": ["other"]}]},
        {"model": "chat", "content_policy_fallbacks": [{"chat": ["other"]}]},
        {"model": "chat", "router_settings_override": {"fallbacks": [{"chat": ["other"]}]}},
        {"model": "chat,other"},
        {"model": ["chat", "other"]},
        {"model": {"other": 1}},
        {"model": None},
        {"model": "short"},
        {"model": "good/chat"},
        {},
    ],
    ids=str,
)
def test_no_other_field_leads_to_another_model(front: Front, body: dict[str, Any]) -> None:
    assert ask(front, "chatty", **body).status_code == 403


def test_a_wildcard_lets_no_list_of_models_through(front: Front) -> None:
    assert ask(front, "wild", model="any/m,other").status_code == 403


@pytest.mark.parametrize(
    "path",
    ["/engines/other/chat/completions", "/openai/deployments/other/chat/completions"],
)
def test_a_model_in_the_path_counts_as_well(front: Front, path: str) -> None:
    assert ask(front, "chatty", path).status_code == 403
    assert ask(front, "chatty", path, model="chat").status_code == 403
    assert ask(front, "chatty", path.replace("other", "chat")).status_code == 200


def test_a_chain_answers_with_a_model_that_the_key_does_not_list(front: Front) -> None:
    assert ask(front, "failing", model="backup").status_code == 403
    assert ask(front, "failing", model="backed").json()["choices"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/health"),
        ("GET", "/metrics"),
        ("GET", "/model_group/info"),
        ("GET", "/v2/model/info"),
        ("POST", "/key/generate"),
        ("POST", "/model/new"),
        ("GET", "/config/yaml"),
        ("POST", "/vllm/v1/chat/completions"),
        ("POST", "/openai/v1/chat/completions"),
        ("GET", "/v1/files"),
        ("POST", "/v1/batches"),
        ("GET", "/v1/responses/resp_1"),
        ("POST", "/v1/chat/completions/"),
        ("POST", "/utils/transform_request"),
    ],
)
def test_a_key_is_for_asking_models_and_nothing_else(front: Front, method: str, path: str) -> None:
    headers = {"Authorization": f"Bearer {key('everything')}"}
    answer = front.process.client.request(method, path, headers=headers, json=SPOKEN)
    if path.endswith("/"):
        # It leads to the path without, where it counts.
        assert answer.status_code == 307
    else:
        assert answer.status_code in (401, 403)
        assert f"{method} {path} is something else" in answer.text


def test_the_list_of_models_shows_a_key_what_it_may_ask(front: Front) -> None:
    assert [each.id for each in sdk(front, "chatty").models.list()] == ["chat", "either", "vector"]
    assert {*ALL, "short"} <= {each.id for each in sdk(front, "everything").models.list()}


def get(front: Front, name: str, path: str) -> httpx.Response:
    return front.process.client.get(path, headers={"Authorization": f"Bearer {key(name)}"})


def test_one_model_by_its_id_is_shown_to_who_may_ask_it(front: Front) -> None:
    assert get(front, "chatty", "/v1/models/chat").json()["id"] == "chat"
    assert get(front, "chatty", "/v1/models/other").status_code in (403, 404)
    assert get(front, "everything", "/v1/models/other").json()["id"] == "other"


@pytest.mark.parametrize("path", ["/v1/model/info", "/model/info"])
def test_what_editors_read_of_models_tells_nothing_of_where_they_run(
    front: Front, path: str
) -> None:
    answer = get(front, "chatty", path)
    assert [each["model_name"] for each in answer.json()["data"]] == ["chat", "vector", "either"]
    assert [each["model_info"]["mode"] for each in answer.json()["data"]][1] == "embedding"
    assert "127.0.0.1" not in answer.text
    assert "short" in get(front, "aliased", path).text


def test_more_requests_than_allowed_are_told_to_wait(front: Front) -> None:
    client = sdk(front, "hurried")
    for _ in range(2):
        client.chat.completions.create(model="chat", messages=SPOKEN["messages"])
    with pytest.raises(openai.RateLimitError) as error:
        client.chat.completions.create(model="chat", messages=SPOKEN["messages"])
    assert 50 <= int(error.value.response.headers["Retry-After"]) <= 60
    # What asks no model is not counted.
    assert len(list(client.models.list())) > 1


def test_the_sdk_tells_refusals_apart(front: Front) -> None:
    with pytest.raises(openai.AuthenticationError):
        sdk(front, "late").embeddings.create(model="vector", input="x")
    with pytest.raises(openai.PermissionDeniedError):
        sdk(front, "failing").embeddings.create(model="vector", input="x")


@pytest.mark.parametrize("name", ["chatty", "everything"])
def test_streams_and_embeddings_work_as_ever(front: Front, name: str) -> None:
    client = sdk(front, name)
    stream = client.chat.completions.create(model="chat", messages=SPOKEN["messages"], stream=True)
    assert [chunk for chunk in stream if chunk.choices]
    assert len(client.embeddings.create(model="vector", input="x").data[0].embedding) == 4


def test_the_master_key_may_do_everything(front: Front) -> None:
    assert front.ask("other").whole
    for value in (KEY, key("previous")):
        headers = {"Authorization": f"Bearer {value}"}
        assert front.process.client.get("/v1/model/info", headers=headers).status_code == 200


def test_the_master_key_of_before_ends_to_the_second(front: Front) -> None:
    answer = ask(front, "former", model="chat")
    assert answer.status_code == 401
    assert "the key former master expired" in why(answer)
