"""The plan says which models of an old Ollama would not be used, and how to use them."""

from __future__ import annotations

from llmrack.components.old_services.services import OldModels, OldService
from llmrack.components.ollama.old_models import left_aside
from llmrack.resources.look import Seen
from tests.unit.declare import settings

NAME = "ollama.service"
MODELS = "/home/llm/.ollama/models"


def noted_of(models: OldModels | None, **service: bool) -> list[str]:
    state = {"runs": True, "held": False, "noted": False} | service
    seen = Seen(parts={"old": {NAME: OldService(NAME, **state, models=models)}})
    return list(left_aside(settings(replaces=[NAME]), seen))


def test_the_plan_says_which_models_would_be_left_aside_and_the_settings_that_use_them() -> None:
    official = OldModels(
        "/usr/share/ollama/.ollama/models", 512 * 10**9, "ollama", "/usr/share/ollama"
    )
    assert noted_of(official) == [
        f"{NAME} has 512.0 GB of models in /usr/share/ollama/.ollama/models, which are left aside: "
        f"models are pulled anew to {MODELS}; to use them, set "
        'service_user = "ollama", service_home = "/usr/share/ollama"'
    ]
    (text,) = noted_of(OldModels("/srv/models", 10**9, "ollama", "/usr/share/ollama"))
    assert text.endswith(
        'service_user = "ollama", service_home = "/usr/share/ollama", ollama_models = "/srv/models"'
    )


def test_models_of_root_are_to_be_moved() -> None:
    (text,) = noted_of(OldModels("/root/.ollama/models", 10**9, "root", "/root"))
    assert text.endswith(
        "stop it, make the user llm (useradd -m llm), move them to a folder that llm owns (mv, "
        "then chown -R llm:), and set ollama_models to that folder"
    )


def test_nothing_is_said_once_it_is_replaced() -> None:
    models = OldModels("/srv/models", 1, "ollama", "/home/ollama")
    assert noted_of(models, runs=False, held=True) == []
    assert noted_of(None) == []
