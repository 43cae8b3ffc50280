"""``/v1/model/info`` and ``/model/info``: the facts about models that editors read, for every key.

LiteLLM's own pages of these names also show addresses and settings of the instances, which clients
must not see. The form is that of its page: model_name, litellm_params.model and model_info.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute

from .auth_rules import allows
from .litellm_parts import UserAPIKeyAuth, user_api_key_auth

PATHS = ("/v1/model/info", "/model/info")


def add_to(app: FastAPI, declared: Mapping[str, Any]) -> None:
    """Answer these paths, instead of LiteLLM.

    + declared: routing.json
    """
    known = {name: _entry(name, declared) for name in declared["groups"]}
    known |= {a: known[to] | {"model_name": a} for a, to in declared["aliases"].items()}

    async def model_info(key: UserAPIKeyAuth = Depends(user_api_key_auth)) -> dict[str, Any]:  # noqa: B008
        names = key.models or known
        return {"data": [entry for name, entry in known.items() if allows(names, name)]}

    for path in PATHS:
        app.router.routes.insert(0, APIRoute(path, model_info, methods=["GET"]))


def _entry(name: str, declared: Mapping[str, Any]) -> dict[str, Any]:
    group = declared["groups"][name]
    rules = [declared["deployments"][rule]["rules"] for rule in group["deployments"]]
    can = [set(rule["capabilities"] or ()) for rule in rules]
    every = set.intersection(*can) if can else set()
    most = [rule["max_tokens"] for rule in rules if rule["max_tokens"]]
    return {
        "model_name": name,
        "litellm_params": {"model": name},
        "model_info": {
            "id": name,
            "mode": group["mode"],
            "max_tokens": min(most, default=None),
            "max_output_tokens": min(most, default=None),
            "max_input_tokens": group["context_length"],
            "supports_vision": "vision" in every,
            "supports_function_calling": "tools" in every,
            "supports_reasoning": "thinking" in every,
        },
    }
