"""A hostile declaration: nothing of it is executed, it arrives as it was written or is refused.

Host: box1 (gpu, gateway). Every field of a declaration: tests/unit/test_hostile_stack.py.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmrack_lab.lab import Lab
from llmrack_lab.standins.weights import write_llama
from tests.lab.faults.table import record
from tests.lab.site import ROOT, Run, Site

BOX = "box1"
BOXES = {BOX: ("gpu", "gateway")}
# Each word would leave a file, if anything took it for a command.
NASTY = (
    "$(touch /tmp/CANARY1) `touch /tmp/CANARY2`; touch /tmp/CANARY3 #\n'\"; touch /tmp/CANARY4\n"
    "{{7*7}} {% raw %} ${HOME} %n %h %% \\ \\n \x1b[2J \u202e ü: - &a *a !!python/object:os\n"
    "[Service]\nExecStart=/bin/touch /tmp/CANARY5\nos.environ/LITELLM_MASTER_KEY\n.."
)
ON_A_LINE = NASTY.replace("\n", " ").replace("\x1b", "").replace("\u202e", "")
HEADER = ON_A_LINE.replace("ü", "")
ORIGINS = "http://a;touch,/tmp/CANARY6|&&(touch)<>#[x]{y}!*?~"


@pytest.fixture(scope="module")
def site(lab: Lab, fresh: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Deployed with all that is allowed to be hostile; its own files are called so, too."""
    fresh(BOX)
    folder = tmp_path_factory.mktemp("site") / "$(touch CANARY7) `touch CANARY8`; 'x\" {{7*7}} %n"
    folder.mkdir()
    model = folder / "w;touch CANARY9;.gguf"
    write_llama(model, "hostile", 4096)
    made = Site(lab, folder)
    made.declare(BOXES, stack(model), ollama_environment={"OLLAMA_ORIGINS": ORIGINS})
    made.deployed()
    return made


def stack(model: Path) -> dict[str, Any]:
    create = {"from": "llama3.2:1b", "system": NASTY, "template": f"{{{{ .Prompt }}}} {ON_A_LINE}"}
    own = {"gguf": str(model), "sha256": hashlib.sha256(model.read_bytes()).hexdigest()}
    return {
        "providers": {
            "local": {"kind": "ollama", "group": "gpu"},
            "attic": {
                **{"kind": "ollama-remote", "url": "http://attic.lab:11434"},
                **{"api_key": "ATTIC_API_KEY", "headers": {"X-A!#$%&'*+.^_`|~-": HEADER}},
            },
        },
        "models": {
            "assistant": {
                "provider": "local",
                "create": {**create, "parameters": {"stop": [ON_A_LINE]}},
            },
            "own": {"provider": "local", "create": own},
            "llama3.2": {"provider": "attic"},
        },
    }


def canaries(site: Site) -> str:
    """Files that a command in the declaration would have left, here or on the host."""
    here = [*ROOT.glob("*CANARY*"), *Path("/tmp").glob("CANARY*"), *site.folder.glob("CANARY*")]
    there = "find / -xdev -name 'CANARY*' -not -path '/proc/*'"
    return f"{here or ''}{site.on(BOX, there)}"


def test_nothing_of_it_is_executed(site: Site) -> None:
    site.settled()
    assert canaries(site) == ""
    record(
        "hostile stack: words of shells, Jinja, YAML and systemd wherever they are allowed",
        "nothing is executed, all of it arrives as it was written",
        "no canary on host or controller; texts, headers and variables read back the same",
    )


def test_a_made_model_has_the_very_text(site: Site) -> None:
    body = json.dumps({"model": "assistant"})
    told = site.on(BOX, f"curl -fs 127.0.0.1:11434/api/show -d '{body}'")
    shown = json.loads(told)
    assert shown["system"] == NASTY
    assert shown["template"] == f"{{{{ .Prompt }}}} {ON_A_LINE}"


def test_a_provider_gets_the_very_header(site: Site) -> None:
    assert site.chat(BOX, "llama3.2").status_code == 200
    chats = [each for each in site.requests("attic") if each["path"] == "/api/chat"]
    headers = {name.lower(): value for name, value in chats[-1]["headers"].items()}
    assert headers["x-a!#$%&'*+.^_`|~-"] == HEADER


def test_ollama_runs_with_the_very_variable(site: Site) -> None:
    environment = site.environment_of(BOX, "llmrack-ollama@main.service")
    assert environment["OLLAMA_ORIGINS"] == ORIGINS


def refused(run: Run) -> str:
    assert run.code == 1, run.output
    assert "Traceback" not in run.output, run.output
    return run.output


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("service_groups", ("$(touch /tmp/CANARY)",)),
        ("ollama_mirror", "http://x/;touch /tmp/CANARY;"),
        ("service_home", "/home/.."),
        ("env_file", "a\0b"),
        ("address", "fe80::1%1 accept } x {"),
    ],
)
def test_a_hostile_setting_is_refused_before_a_host_is_touched(
    site: Site, setting: str, value: object
) -> None:
    before = site.listing(BOX)
    site.declare(BOXES, None, **{setting: value})
    output = refused(site.deploy())
    assert "the declaration has mistakes; no host was touched" in output
    assert "has characters that are not allowed" in output
    assert (site.listing(BOX), canaries(site)) == (before, "")
    record(
        f"hostile setting: {setting}",
        "refused in a sentence, before any host is touched",
        "refused; the host is as it was",
    )


def test_a_stack_that_multiplies_itself_is_refused(site: Site) -> None:
    site.declare(BOXES)
    names = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
    (site.folder / "stack.yaml").write_text(f"a0: &a0 [x, x]\n{names}")
    assert "has more than 100,000 entries" in refused(site.deploy())
    record(
        "hostile stack: references to references in its YAML",
        "refused in a sentence, before any host is touched",
        "refused at 100,000 entries",
    )
