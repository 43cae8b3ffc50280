"""The gateway reads from systemd's credential what EnvironmentFile= would hand it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from llmrack import shipped
from llmrack.resources.files import quote_value
from llmrack.secrets.value import Secret
from llmrack.shipped.gateway import load_keys

SHIPPED = Path(shipped.__file__).parent


@pytest.mark.parametrize(
    "value", ["sk-1", "a b", 'say "it"', "a\\b", "$HOME `x` #y", "it's", "ä=ö"]
)
def test_a_value_comes_back_as_the_deploy_wrote_it(value: str) -> None:
    assert load_keys.parse(f"A={quote_value(Secret(value))}\n") == {"A": value}


@pytest.mark.parametrize(
    ("line", "variables"),
    [
        ("A='b $c'", {"A": "b $c"}),
        ("  A = b  ", {"A": "b"}),
        ("A=", {"A": ""}),
        ("# A=b", {}),
        ("; A=b", {}),
        ("nothing", {}),
    ],
)
def test_a_line_that_a_person_wrote_is_read_as_systemd_does(
    line: str, variables: dict[str, str]
) -> None:
    assert load_keys.parse(line) == variables


def test_no_environment_that_others_see_has_the_key(tmp_path: Path) -> None:
    (tmp_path / "gateway.env").write_text("A_KEY=canary-4711\n")
    program = (
        "import os; from gateway.load_keys import load_keys; load_keys(); "
        "print(os.environ['A_KEY']); print(b'canary' in open('/proc/self/environ', 'rb').read())"
    )
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path), "PYTHONPATH": str(SHIPPED)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["canary-4711", "False"]


def test_no_child_is_started_later_for_what_libraries_ask_of_the_platform(tmp_path: Path) -> None:
    program = (
        "from gateway.load_keys import load_keys; load_keys(); "
        "import platform, subprocess; subprocess.check_output = None; platform.processor(); "
        "platform.platform()"
    )
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path), "PYTHONPATH": str(SHIPPED)}
    (tmp_path / "gateway.env").write_text("A_KEY=canary-4711\n")
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


def test_the_login_of_the_proxy_gets_into_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gateway.env").write_text("PROXY_LOGIN=llm:p%40ss\n")
    for name, value in {
        "CREDENTIALS_DIRECTORY": str(tmp_path),
        "LLMRACK_PROXY_LOGIN": "PROXY_LOGIN",
        "HTTPS_PROXY": "http://proxy.corp:3128",
        "PROXY_LOGIN": "",
    }.items():
        monkeypatch.setenv(name, value)
    for _ in range(2):
        load_keys.load_keys()
        assert os.environ["HTTPS_PROXY"] == "http://llm:p%40ss@proxy.corp:3128"


def test_a_proxy_without_a_login_keeps_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.delenv("LLMRACK_PROXY_LOGIN", raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.corp:3128")
    load_keys.load_keys()
    assert os.environ["HTTPS_PROXY"] == "http://proxy.corp:3128"
