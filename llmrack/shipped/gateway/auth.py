"""Decides which key may ask for which models: LiteLLM's custom authentication, without a database.

The master key may do everything; clients' keys are known by their hashes (auth_rules).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import time

from fastapi import Request

from .auth_rules import METRICS, Key, Refused, metrics_key
from .litellm_parts import (
    LitellmUserRoles,
    ProxyException,
    UserAPIKeyAuth,
    fallback_target_model_name,
    get_model_from_request,
    get_request_route,
    iter_request_fallback_targets,
    read_request_body,
    router,
)
from .release import read_json
from .requests.kinds import Kinds
from .requests.media_types import form_mistake
from .requests.types import mistake

# The content types that LiteLLM reads as forms (http_parsing_utils.py, 1.106.12).
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
MASTER = "master"
# The name of Prometheus' key in logs and metrics.
MONITOR = "monitor"
ROUTING = read_json("routing.json")
KINDS = Kinds(ROUTING["groups"], ROUTING["aliases"])
KEYS = {digest: Key(entry) for digest, entry in read_json("keys.json").items()}


async def user_api_key_auth(request: Request, api_key: str) -> UserAPIKeyAuth:
    """The owner of a key, for LiteLLM. Raises ProxyException if the request is not allowed.

    A malformed request is refused here, too: LiteLLM has not looked at it before.
    """
    key = await _whose(request, api_key)
    if request.method == "POST":
        await _well_formed(request, key)
    return key


async def _well_formed(request: Request, key: UserAPIKeyAuth) -> None:
    path = get_request_route(request)
    body = await read_request_body(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    reason = (form_mistake if kind in FORMS else mistake)(path, body)
    reason = reason or KINDS.mistake(path, body.get("model"), key.models or None)
    if reason:
        _forget(request, body)
        raise _Answer(Refused(400, reason), key.key_alias)


def _forget(request: Request, body: object) -> None:
    """Remove everything from a body that the log of requests has no field for.

    LiteLLM also processes the body of a refused request, and fails at a malformed one (seen with
    1.106.12).
    """
    known = {"model": str, "stream": bool}
    sent = body if isinstance(body, dict) else {}
    noted = {name: sent[name] for name, of in known.items() if isinstance(sent.get(name), of)}
    _, parsed = request.scope["parsed_body"]
    parsed.clear()
    parsed.update(noted)
    request.scope["parsed_body"] = (tuple(noted), parsed)


async def _whose(request: Request, api_key: str) -> UserAPIKeyAuth:
    shown = (api_key or "").removeprefix("Bearer ").encode()
    if hmac.compare_digest(shown, os.environ["LITELLM_MASTER_KEY"].encode()):
        return _administrator(MASTER)
    if _is_monitor(shown):
        if request.method == "GET" and get_request_route(request) in METRICS:
            # LiteLLM shows /metrics to administrators alone; this key opens no other path.
            return _administrator(MONITOR)
        raise _Answer(Refused(403, "this key is for GET /metrics alone"), None)
    digest = hashlib.sha256(shown).hexdigest()
    key = KEYS.get(digest)
    try:
        if key is None:
            raise Refused(401, "there is no such key; see whether it is whole, or ask for one")
        key.is_good(time.time())
        if key.master:
            return _administrator(key.name)
        if key.may_go(request.method, get_request_route(request)):
            key.may_ask(await _models(request))
            key.count(time.monotonic())
    except Refused as refused:
        raise _Answer(refused, key.name if key else None) from None
    return UserAPIKeyAuth(
        api_key=digest,
        key_alias=key.name,
        user_id=key.name,
        models=key.models or [],
        user_role=LitellmUserRoles.INTERNAL_USER,
    )


def _is_monitor(shown: bytes) -> bool:
    return hmac.compare_digest(shown, metrics_key(os.environ["LITELLM_MASTER_KEY"]).encode())


class _Answer(ProxyException):
    """A refusal in OpenAI's form.

    + key_alias: the key's name, for the log of requests
    """

    def __init__(self, refused: Refused, key_alias: str | None) -> None:
        wait = refused.retry_after
        kinds = {
            400: "invalid_request_error",
            401: "authentication_error",
            403: "permission_error",
            429: "rate_limit_error",
        }
        super().__init__(
            message=refused.reason,
            type=kinds[refused.status],
            param=None,
            code=refused.status,
            headers={"Retry-After": str(wait)} if wait else None,
        )
        self.key_alias = key_alias
        # What the log calls it; 400 is the request's own class.
        self.refused = refused.status != 400


def _administrator(name: str) -> UserAPIKeyAuth:
    # The name stands for the key: not even its hash goes into logs or metrics.
    return UserAPIKeyAuth(
        api_key=name, key_alias=name, user_id=name, user_role=LitellmUserRoles.PROXY_ADMIN
    )


async def _models(request: Request) -> list[object]:
    """Every model that a request names, fallbacks included."""
    path, body = get_request_route(request), await read_request_body(request)
    models = get_model_from_request(
        body, path, dict(request.headers), dict(request.query_params), router(), request
    )
    named = [part["model"] for part in (request.path_params, body) if "model" in part]
    named += models if isinstance(models, list) else [models] if models else []
    # A target without a name stays in the list, so that it is refused.
    targets = iter_request_fallback_targets(body)
    return [*named, *(fallback_target_model_name(target) for target in targets)]
