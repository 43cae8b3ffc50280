"""Scripts that download read their environment first, and leave the rest of their input alone."""

from __future__ import annotations

import subprocess

from llmrack.resources.change import Shell
from llmrack.resources.downloads import variable_lines, with_variables
from llmrack.resources.look import Seen
from llmrack.resources.packages import Packages
from llmrack.resources.releases import Archive, Source, Venv
from llmrack.secrets.value import Secret
from llmrack.stack.proxy import Downloads, Proxy

LOGIN = "llm:p%40s'$(x)`y`"
DOWNLOADS = Downloads(Proxy("http://proxy.corp:3128", "PROXY_LOGIN", ("box1",), ("corp",)), False)
SECRETS = {"PROXY_LOGIN": Secret(LOGIN)}


def test_the_environment_comes_on_standard_input_and_the_rest_stays_there() -> None:
    script = with_variables(DOWNLOADS, "printenv https_proxy NO_PROXY; cat")
    done = subprocess.run(
        ["sh", "-c", script], input=variable_lines(DOWNLOADS, SECRETS) + "the rest\n\nof it",
        env={}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == [
        f"http://{LOGIN}@proxy.corp:3128",
        "localhost,127.0.0.1,::1,box1,corp",
        *("the rest", "", "of it"),
    ]
    assert LOGIN not in script


def test_without_a_proxy_scripts_are_as_they_were() -> None:
    assert with_variables(None, "true") == "true" and variable_lines(None, SECRETS) == ""


def test_everything_that_is_fetched_goes_that_way() -> None:
    resources: list[Packages | Archive | Venv] = [
        Packages(("zstd",), downloads=DOWNLOADS),
        Archive(
            "/opt/x",
            (Source("a" * 64, None, ("https://a/b",), DOWNLOADS),),
            "llm",
            "/cache",
        ),
        Venv("/opt/v", "lock", "uv", "llm", None, DOWNLOADS),
    ]
    for resource in resources:
        change = resource.change(Seen(), ())
        assert change
        (fetch,) = change.actions[:1]
        assert isinstance(fetch, Shell)
        assert fetch.downloads == DOWNLOADS and "read -r variable" in fetch.script
        assert "proxy.corp" not in fetch.script
