"""Chooses the instance that answers a request, as a callback of LiteLLM.

LiteLLM's router calls ``callback`` with the deployments of a name and gets the one to ask. When
that one fails, the router calls again without it (``enable_weighted_failover``), then goes along
the chain (``fallbacks``). The declaration is in routing.json beside config.yaml. The parts: choice
(the next instance), health (which ones rest), watch (signs of life), attempt (deadlines), outcome
(puts instances aside), proof (requests that show one is back), blame (causes of failures), refusal
(malformed requests), clients (connections), drain (instances about to be restarted),
presence (those that come and go), redact (errors without keys), health_file (the state as a file),
metrics (the state for Prometheus); requests.adapt and requests.media put a request into an engine's
form.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from .. import transcript_form
from ..litellm_parts import CustomLogger
from ..log_file import LogFile
from ..release import folder, read_json
from ..requests import tools
from ..requests.adapt import needs_eyes
from ..requests.media import of_form
from ..requests.names import Names
from ..requests.rules import rules
from . import refusal
from .attempt import Attempts
from .cached import past_cache, wants_no_cache
from .choice import Candidate, Turns, choose
from .clients import Clients
from .drain import Drains
from .health import LOG, Deployment, Instance
from .health_file import HealthFile
from .presence import Presence
from .trail import Trail, trails
from .watch import Watch

# Seconds from the choice of a resting instance to its attempt: the request may end in between.
BEGIN = 2.0
# LiteLLM's names of the calls whose tools need not be functions.
_IN_OTHER_FORMS = ("anthropic_messages", "aresponses", "responses")


def _log_events(instances: dict[str, Instance]) -> None:
    """Log when an instance is put aside or is back, if requests are logged."""
    requests = os.environ.get("LLMRACK_REQUEST_LOG")
    if not requests:
        return
    days = float(os.environ.get("LLMRACK_LOG_DAYS") or 30)
    events = LogFile(Path(requests).with_name("events.jsonl"), days)
    for name, instance in instances.items():
        instance.noted = partial(events.add, instance=name, model="")


class Routing(CustomLogger):
    """Chooses for every request, by routing.json and the state of the instances."""

    def __init__(self, declared: dict[str, Any]) -> None:
        super().__init__()
        specs: dict[str, dict[str, Any]] = declared["instances"]
        for spec in specs.values():
            if isinstance(spec["verify"], str):
                spec["verify"] = str(folder() / spec["verify"])
        instances = {name: Instance(name, bool(spec["health"])) for name, spec in specs.items()}
        _log_events(instances)
        self._health_file = HealthFile(instances, os.environ.get("RUNTIME_DIRECTORY"))
        self._drains = Drains(instances, os.environ.get("RUNTIME_DIRECTORY"))
        self._presence = Presence(instances, declared.get("hosts", {}))
        self._deployments = {
            key: Deployment(
                key, instances[spec.pop("instance")], rules=rules(spec.pop("rules")), **spec
            )
            for key, spec in declared["deployments"].items()
        }
        self._groups: dict[str, dict[str, Any]] = declared["groups"]
        self._names = Names(self._groups, declared["aliases"])
        self._by_name: dict[str, list[Deployment]] = {
            name: [self._deployments[key] for key in group["deployments"]]
            for name, group in self._groups.items()
        }
        self._with_eyes = sorted(
            name
            for name, group in self._by_name.items()
            if any("vision" in (deployment.rules.capabilities or ()) for deployment in group)
        )
        self._turns = {name: Turns() for name in self._groups}
        cooldown = float(declared["cooldown"])
        self._attempts = Attempts(self._deployments, Clients(specs), cooldown)
        self._attempts.install()
        refusal.install()
        self._watches = [
            Watch(instance, specs[name], cooldown)
            for name, instance in instances.items()
            if instance.watched
        ]
        self._tasks: set[asyncio.Task[None]] = set()
        if declared.get("metrics"):
            from .metrics import register

            register(instances)

    async def async_pre_call_hook(
        self,
        user_api_key_dict: Any,  # noqa: ANN401  (LiteLLM's interface)
        cache: Any,  # noqa: ANN401  (LiteLLM's interface)
        data: dict[str, Any],
        call_type: str,
    ) -> dict[str, Any]:
        """Replace an alias by its model, and leave out tools that no model can use.

        A request with ``Cache-Control: no-cache`` goes past LiteLLM's cache, if there is one.

        LiteLLM has no aliases with * at their end.
        """
        if isinstance(data.get("model"), str):
            # LiteLLM's record of the request gets the other name, too.
            trails.of(data).model = data["model"]
            data["model"] = self._names.meant(data["model"])
        if call_type in _IN_OTHER_FORMS and isinstance(data.get("tools"), list):
            data["tools"], trails.of(data).no_tools = tools.split(data["tools"])
        if "file" in data:
            of_form(data)
        if wants_no_cache(data):
            data |= past_cache()
        return data

    async def async_filter_deployments(
        self,
        model: str,
        healthy_deployments: list[dict[str, Any]],
        messages: Any,  # noqa: ANN401  (LiteLLM's interface)
        request_kwargs: dict[str, Any] | None = None,
        parent_otel_span: Any = None,  # noqa: ANN401  (LiteLLM's interface)
    ) -> list[dict[str, Any]]:
        """The one deployment to ask; none, if one along the chain is better off."""
        if not self._tasks:
            watches = [watch.run() for watch in self._watches]
            for coroutine in (*watches, self._drains.run(), self._presence.run()):
                self._begin(coroutine)
            # The first request shall not go to somebody who is not there.
            await self._presence.look()
        if (request_kwargs or {}).get("mock_response"):
            # No server is asked, so no instance takes its turn (warm_up in serve.py).
            return healthy_deployments[:1]
        offered = {
            str((entry.get("model_info") or {}).get("id")): entry for entry in healthy_deployments
        }
        if not offered.keys() <= self._deployments.keys():
            return healthy_deployments
        for key, entry in offered.items():
            self._deployments[key].params = entry["litellm_params"]
        tried = set((request_kwargs or {}).get("_excluded_deployment_ids") or ())
        trail = trails.of(request_kwargs or {})
        content = messages or (request_kwargs or {}).get("messages")
        content = content or (request_kwargs or {}).get("input")
        fitting = self._fitting(trail, [self._deployments[key] for key in offered], content)
        untried = [deployment for deployment in fitting if deployment.id not in tried]
        chosen = self._choose(model, untried)
        if chosen is None and not tried and not self._anybody(model, trail):
            chosen = self._best_of(fitting)
        if chosen is None:
            return []
        trail.chosen = True
        chosen.instance.tried(chosen.upstream, time.monotonic() + BEGIN)
        return [offered[chosen.id]]

    def _fitting(
        self,
        trail: Trail,
        offered: list[Deployment],
        content: Any,  # noqa: ANN401  (of any dialect)
    ) -> list[Deployment]:
        """The deployments that may get the request. Raises Refusal if it has ended already."""
        if trail.final:
            raise trail.final
        accepting = [
            deployment for deployment in offered if deployment.served not in trail.refusals
        ]
        if not accepting or not needs_eyes(content):
            return accepting
        able = [deployment for deployment in accepting if deployment.rules.can("vision")]
        if able:
            trail.eyes = True
        elif not trail.eyes:
            return refusal.without_eyes(trail, accepting, self._with_eyes)
        # A model along the chain of one that can is passed over.
        return able

    def _choose(self, name: str, offered: list[Deployment]) -> Deployment | None:
        now = time.monotonic()
        candidates = [
            Candidate(
                deployment.id,
                deployment.level,
                deployment.weight,
                deployment.model.running,
                deployment.model.known_pace(now),
                deployment.instance.has_loaded(deployment.upstream, now),
            )
            for deployment in offered
            if deployment.can_be_asked(now)
        ]
        group = self._groups.get(name)
        strategy = group["strategy"] if group else "weighted"
        chosen, loading = choose(candidates, strategy, self._turns.get(name, Turns()))
        if loading:
            self._load(self._deployments[loading])
        return self._deployments[chosen] if chosen else None

    def _anybody(self, name: str, trail: Trail) -> bool:
        """Whether a deployment along the chain of ``name`` can be asked for this request."""
        group, now = self._groups.get(name), time.monotonic()
        return group is not None and any(
            deployment.can_be_asked(now) and (deployment.rules.can("vision") or not trail.eyes)
            for following in group["chain"]
            for deployment in self._by_name[following]
        )

    def _best_of(self, offered: list[Deployment]) -> Deployment | None:
        """The deployment whose rest ends first: its answer or its error is better than none."""

        def rank(deployment: Deployment) -> tuple[bool, float, int]:
            rests = (deployment.instance.rest, deployment.model.rest)
            until = max((rest.until for rest in rests if rest), default=0.0)
            return deployment.instance.absent, until, deployment.level

        return min(offered, key=rank, default=None)

    def _load(self, deployment: Deployment) -> None:
        """Have an instance load a model, while others answer."""
        if deployment.model.loading or not deployment.params:
            return
        deployment.model.loading = True

        async def load() -> None:
            try:
                await self._attempts.ask_briefly(deployment)
            except Exception as error:
                LOG.info("%s did not load: %s", deployment.id, type(error).__name__)
            finally:
                deployment.model.loading = False

        self._begin(load())

    async def async_post_call_response_headers_hook(
        self,
        data: dict[str, Any],
        user_api_key_dict: Any,  # noqa: ANN401  (LiteLLM's interface)
        response: Any,  # noqa: ANN401  (LiteLLM's interface)
        request_headers: dict[str, str] | None = None,
        litellm_call_info: dict[str, Any] | None = None,
    ) -> dict[str, str]:
        """The headers of the answer (Trail), and the mark for transcript_form."""
        headers = trails.seen(data.get("litellm_call_id")).headers
        if "file" in data and data.get("response_format") in transcript_form.FORMS:
            headers[transcript_form.MARK] = "1"
        return headers

    async def async_log_success_event(
        self,
        kwargs: dict[str, Any],
        response_obj: Any,  # noqa: ANN401  (LiteLLM's interface)
        start_time: Any,  # noqa: ANN401  (LiteLLM's interface)
        end_time: Any,  # noqa: ANN401  (LiteLLM's interface)
    ) -> None:
        """Name the model of a streamed answer for LiteLLM's own count of tokens (``tpm``).

        That count comes after this callback, and skips an answer without the name (1.106.12).
        """
        logged = kwargs.get("standard_logging_object") or {}
        deployment = self._deployments.get(str(logged.get("model_id")))
        if deployment and deployment.params:
            logged["hidden_params"]["litellm_model_name"] = deployment.params["model"]

    def _begin(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


callback = Routing(read_json("routing.json"))
