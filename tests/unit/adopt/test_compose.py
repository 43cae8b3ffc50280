"""What a compose file says of LiteLLM and of the containers beside it."""

from __future__ import annotations

import pytest

from llmrack.adopt.compose import Published, read_compose
from llmrack.adopt.source import read_source
from llmrack.problems import DeclarationError
from tests.unit.adopt.round_trip import site_of, taken_over

COMPOSE = """\
services:
  proxy:
    image: ghcr.io/berriai/litellm:main-stable
    command: ["--config", "/app/config.yaml"]
    environment:
      - OPENAI_API_KEY=${KEY_OF_OPENAI}
      - MODE=${MODE:-plain}
      - SHELL_ONLY
    ports: ["8400:4000"]
  ollama:
    image: ollama/ollama
    ports: ["127.0.0.1:11500:11434/tcp"]
  vllm:
    container_name: my_vllm
    image: vllm/vllm-openai
    expose: [8000]
  cache:
    image: redis
    ports: [{target: 6379, published: "6380", host_ip: 192.0.2.5}]
"""
CONFIG = """\
model_list:
  - {model_name: llama, litellm_params: {model: ollama/llama3, api_base: "http://ollama:11434"}}
  - model_name: gpt
    litellm_params: {model: openai/gpt-4o, api_key: os.environ/OPENAI_API_KEY}
  - model_name: host
    litellm_params: {model: openai/x, api_base: "http://host.docker.internal:9000/v1"}
"""
VALUES = {"KEY_OF_OPENAI": "value-of-openai", "SHELL_ONLY": "yes"}


@pytest.fixture
def compose(tmp_path):
    def read(text):
        (tmp_path / "compose.yaml").write_text(text)
        return read_compose(tmp_path / "compose.yaml", VALUES.get)

    return read


def test_variables_of_litellm_have_their_values(compose):
    assert compose(COMPOSE).environment == {
        "OPENAI_API_KEY": "value-of-openai",
        "MODE": "plain",
        "SHELL_ONLY": "yes",
    }


@pytest.mark.parametrize(
    ("ports", "published"),
    [
        ('["4000:4000"]', Published("0.0.0.0", 4000)),
        ('["127.0.0.1:80:4000"]', Published("127.0.0.1", 80)),
        ('["9090:9090", "4001:4000"]', Published("0.0.0.0", 4001)),
        ('["[::1]:80:4000"]', Published("::1", 80)),
        ('["${PORT:-4005}:4000"]', Published("0.0.0.0", 4005)),
        ('["8000:8000"]', Published("0.0.0.0", 8000)),
        ("[4000]", None),
        ("[]", None),
    ],
)
def test_the_port_of_litellm(compose, ports, published):
    text = f"services: {{x: {{image: berriai/litellm, ports: {ports}}}}}\n"
    assert compose(text).litellm == published


def test_published_ports_of_containers_are_known_by_all_their_names(compose):
    containers = compose(COMPOSE).containers
    assert containers["ollama"] == {11434: Published("127.0.0.1", 11500)}
    assert containers["vllm"] == containers["my_vllm"] == {}
    assert containers["cache"] == {6379: Published("192.0.2.5", 6380)}


def test_the_gateway_asks_containers_at_their_published_ports(tmp_path, identity):
    env = "KEY_OF_OPENAI=value-of-openai\n"
    adopted = taken_over(tmp_path, CONFIG, env, COMPOSE)
    site = site_of(tmp_path)
    assert adopted.notes.is_whole
    assert site.stack.providers["ollama"].url == "http://127.0.0.1:11500"
    assert site.stack.providers["openai-2"].url == "http://127.0.0.1:9000/v1"
    assert site.secrets["OPENAI_API_KEY"].reveal() == "value-of-openai"


def test_the_gateway_listens_where_the_container_did(tmp_path, identity):
    taken_over(tmp_path, CONFIG, "KEY_OF_OPENAI=value-of-openai\n", COMPOSE)
    settings = site_of(tmp_path).host("@local").settings
    assert (settings.gateway_bind, settings.gateway_port) == ("0.0.0.0", 8400)


def test_a_container_without_a_published_port_is_told_what_to_publish(tmp_path, identity):
    config = "model_list: [{model_name: q, litellm_params: {model: hosted_vllm/q, "
    config += "api_base: 'http://my_vllm:8000/v1'}}]\n"
    adopted = taken_over(tmp_path, config, compose=COMPOSE)
    assert not adopted.notes.is_whole
    assert 'add to my_vllm in compose.yaml: ports: ["127.0.0.1:8000:8000"]' in "".join(
        adopted.notes.printed()
    )
    assert site_of(tmp_path).stack.providers["my-vllm"].url == "http://127.0.0.1:8000/v1"


def test_a_name_that_may_be_a_containers_is_told(tmp_path, identity):
    config = "model_list: [{model_name: q, litellm_params: {model: hosted_vllm/q, "
    config += "api_base: 'http://vllm:8000/v1'}}]\n"
    adopted = taken_over(tmp_path, config)
    assert "the name looks like a container's" in "".join(adopted.notes.printed())


def test_the_gateway_alone_is_on_this_machine(tmp_path, identity):
    taken_over(tmp_path, CONFIG, "OPENAI_API_KEY=value-of-openai\n")
    (host,) = site_of(tmp_path).fleet.hosts
    assert (host.name, host.groups & {"gpu", "gateway"}) == ("@local", {"gateway"})


@pytest.mark.parametrize("text", ["services: !reset []\n", "x: 1\n", "services: [\n"])
def test_a_compose_file_that_nobody_named_may_be_unreadable(tmp_path, identity, text):
    adopted = taken_over(tmp_path, CONFIG, "OPENAI_API_KEY=value-of-openai\n", text)
    (line,) = [line for line in adopted.notes.printed() if "compose.yaml beside it" in line]
    assert "left out: " in line and line.endswith("name another one, with --env or --compose")
    assert set(site_of(tmp_path).stack.models) == {"llama", "gpt", "host"}


def test_a_file_that_the_compose_file_names_is_read_once(tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / ".env").write_text("OPENAI_API_KEY=value-of-openai\n")
    text = "services: {proxy: {image: berriai/litellm, env_file: [.env]}}\n"
    (tmp_path / "compose.yaml").write_text(text)
    source = read_source(tmp_path / "config.yaml", None, None)
    assert [name.rpartition("/")[2] for name in source.read] == [".env", "compose.yaml"]


def test_a_compose_file_that_was_named_must_be_readable(tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "other.yaml").write_text("x: 1\n")
    with pytest.raises(DeclarationError, match="has no services"):
        read_source(tmp_path / "config.yaml", None, tmp_path / "other.yaml")


def test_the_containers_keep_their_logins(tmp_path, identity):
    config = "model_list: [{model_name: q, litellm_params: {model: ollama/q, "
    config += "api_base: 'http://user:canary@ollama:11434'}}, "
    config += "{model_name: r, litellm_params: {model: ollama/r, api_base: 'http://ollama:11434'}}]"
    adopted = taken_over(tmp_path, config, compose=COMPOSE)
    text = "".join(adopted.notes.printed())
    assert "has a login in it" in text and "canary" not in text
    assert set(site_of(tmp_path).stack.models) == {"r"}
