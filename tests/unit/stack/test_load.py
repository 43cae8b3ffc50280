"""stack.yaml: what is read, and what is refused with place, cause and way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmrack.problems import DeclarationError
from llmrack.stack.load import load_settings, load_stack
from llmrack.stack.removed import REMOVED

GOOD = """\
providers:
  local: {kind: ollama, group: gpu}
  cloud: {kind: ollama-cloud}
models:
  llama3.1:latest: {provider: local}
  gpt-oss:120b-cloud: {provider: cloud}
  secret-model: {provider: cloud, model: gpt-oss:20b, explicit_only: true}
  nomic-embed-text: {provider: local, capabilities: [embedding]}
default_chain: [gpt-oss:120b-cloud]
"""


def load(tmp_path: Path, text: str):
    path = tmp_path / "stack.yaml"
    path.write_text(text)
    return load_stack(path, "stack.yaml")[0]


def mistakes(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(DeclarationError) as caught:
        load(tmp_path, text)
    return [str(problem) for problem in caught.value.problems]


def test_cloud_model_is_asked_for_without_its_suffix(tmp_path):
    assert load(tmp_path, GOOD).upstream("gpt-oss:120b-cloud", "cloud") == "gpt-oss:120b"


def test_glm_cloud_tag_is_dropped(tmp_path):
    stack = load(tmp_path, GOOD.replace("gpt-oss:120b-cloud", "glm-4.6:cloud"))
    assert stack.upstream("glm-4.6:cloud", "cloud") == "glm-4.6"


def test_local_model_keeps_its_name(tmp_path):
    assert load(tmp_path, GOOD).upstream("llama3.1:latest", "local") == "llama3.1:latest"


def test_default_chain_serves_models_without_a_chain(tmp_path):
    assert load(tmp_path, GOOD).chain("llama3.1:latest") == ("gpt-oss:120b-cloud",)


@pytest.mark.parametrize("name", ["gpt-oss:120b-cloud", "secret-model", "nomic-embed-text"])
def test_default_chain_leaves_itself_explicit_and_embedding_models_alone(tmp_path, name):
    assert load(tmp_path, GOOD).chain(name) == ()


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DeclarationError, match=r"nowhere\.yaml: there is no such file"):
        load_stack(tmp_path / "nowhere.yaml", "nowhere.yaml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("group: gpu", "grup: gpu"), "stack.yaml:2: providers.local.grup: is no known key; did "
         "you mean 'group'?"),
        (("kind: ollama-cloud", "kind: ollama-clud"), "stack.yaml:3: providers.cloud.kind: "
         "'ollama-clud' is no kind of provider; did you mean 'ollama-cloud'?"),
        (("[embedding]", "[embeding]"), "is none of the allowed values; use one of"),
        (("{provider: cloud}", "{}"), "stack.yaml:6: models.gpt-oss:120b-cloud.provider: is "
         "missing; add it"),
        (("default_chain:", "default_chian:"), "default_chian: is no known key; did you mean "
         "'default_chain'?"),
        (("providers:", "providers: ["), "is not YAML"),
        (("cloud: {kind: ollama-cloud}", "local: {kind: ollama}"), "stack.yaml:3: "
         "providers.local: stands here twice; keep one of them"),
        (("{kind: ollama-cloud}", "{kind: ollama-cloud, timeout: fast}"),
         "providers.cloud.timeout:"),
        (("{provider: cloud}", "{provider: []}"), "models.gpt-oss:120b-cloud.provider: is empty; "
         "name at least one"),
        (("{kind: ollama-cloud}", "{kind: vllm}"), "providers.cloud.url: is missing"),
        (("{kind: ollama-cloud}", "{kind: vllm, url: ftp://x}"), "is not an http:// or https://"),
        (("llama3.1:latest:", "'llama3;rm -rf':"), "has characters that are not allowed"),
    ],
)  # fmt: skip
def test_mistake_names_place_cause_and_way_out(tmp_path, change, message):
    reported = mistakes(tmp_path, GOOD.replace(*change))
    assert any(message in text for text in reported), reported


def test_a_pasted_key_is_refused_and_not_repeated(tmp_path):
    text = GOOD.replace("{kind: ollama-cloud}", "{kind: ollama-cloud, api_key: sk-canary-4711}")
    (reported,) = mistakes(tmp_path, text)
    assert "name the secret here, never the key itself" in reported
    assert "canary" not in reported


def test_a_key_that_was_removed_says_why(tmp_path):
    text = """
providers:
  local: {kind: ollama, group: gpu}
models:
  mine: {provider: local, create: {from: llama3.2, parameters: {typical_p: 0.9}}}
"""
    (reported,) = mistakes(tmp_path, text)
    assert reported == (
        "stack.yaml:5: models.mine.create.parameters.typical_p: was removed, because Ollama makes "
        "no new models with it (ollama/ollama#18448); leave it out; min_p and top_p also keep "
        "unlikely words away"
    )


def test_a_setting_that_was_removed_says_where_it_went(monkeypatch):
    monkeypatch.setitem(REMOVED, "ollama_old", ("is ollama_new now", "rename it"))
    with pytest.raises(DeclarationError) as caught:
        load_settings("box1", {"ollama_version": "0.34.4", "ollama_old": 1})
    assert "ollama_old (host box1): is ollama_new now; rename it" in str(caught.value)


def test_empty_file_says_how_to_start(tmp_path):
    assert "start with 'providers:'" in mistakes(tmp_path, "")[0]


def test_several_mistakes_are_told_at_once(tmp_path):
    text = GOOD.replace("group: gpu", "grup: gpu").replace("[embedding]", "[embeding]")
    assert len(mistakes(tmp_path, text)) == 2
