"""Proves by real requests that a gateway does what is declared."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import httpx

from llmrack.secrets.value import Secret, redact
from llmrack.stack.deployments import Deployment
from llmrack.stack.kinds import Kind, kind_of
from llmrack.stack.schema import Stack
from llmrack.stack.types import is_wildcard
from llmrack.verify import gateway_pages, media_probes, probes, refusal_probes
from llmrack.verify.exchange import Bounds, Form
from llmrack.verify.explain import ASIDE, ELSEWHERE, LIMITED
from llmrack.verify.probes import Measured, Target, bearer
from llmrack.verify.results import Failed, Result

Probe = Callable[[Target], Measured]

PROBES: dict[str, tuple[Probe, ...]] = {
    "chat": (probes.chat, probes.stream),
    "embedding": (probes.embedding,),
    "vision": (probes.vision,),
    "tools": (probes.tools,),
    "thinking": (probes.thinking,),
    "transcription": (media_probes.transcription,),
    "speech": (media_probes.speech,),
    "rerank": (media_probes.rerank,),
    "image": (media_probes.image,),
}
# The smallest request of each kind, and its path.
LEAST: dict[Kind, tuple[str, Mapping[str, object] | Form]] = {
    "chat": (probes.CHAT, {"max_tokens": 1, **probes.says("Hello.")}),
    "embedding": (probes.EMBEDDINGS, {"input": ["a"]}),
    "transcription": (media_probes.TRANSCRIPTIONS, media_probes.audio()),
    "speech": (media_probes.SPEECH, {"input": "ok", "voice": media_probes.VOICE}),
    "rerank": (media_probes.RERANK, {"query": "a", "documents": ["a"]}),
    "image": (media_probes.IMAGES, media_probes.DRAWN),
}
# Added to a model's own times, so that the gateway's explanation of a timeout arrives.
GRACE = 2.0
# Most seconds for one short answer: a declared time of an hour is for long ones.
PATIENCE = 600.0
# Seconds after which a gateway's count of requests a minute has restarted.
MINUTE = 65.0
# Seconds between two tries while a state lasts that ends by itself.
PAUSE = 5.0


@dataclass(frozen=True)
class GatewayAccess:
    """The access to a gateway that is to be proven.

    + client: with the gateway's address as ``base_url``, and no key of its own
    + host: name of the gateway's host
    + key: its master key; goes into headers only
    + cooldown: seconds for which it puts a failed instance aside (``gateway_cooldown``)
    """

    client: httpx.Client
    host: str
    key: Secret
    cooldown: float


def prove_gateway(
    gateway: GatewayAccess,
    stack: Stack,
    deployments: Sequence[Deployment],
    progress: Callable[[str], None],
) -> list[Result]:
    """Ask a gateway for everything that is declared.

    + deployments: the gateway's configuration (``model_info.id`` is Deployment.id)
    + progress: is called with a text before each request

    The checks follow one after the other; each ends within the times declared for its model. If the
    gateway itself does not answer, that is the only result. A model is asked on each of its
    instances; a tier, a mix or an alias once; a wildcard for a name that no provider has, which
    costs nothing.
    """
    client, key = gateway.client, gateway.key
    prover = _Prover(gateway, stack, progress)
    health = prover.result("gateway", "health", lambda: gateway_pages.health(client))
    if not health.ok:
        return [health]
    wrong = Secret(f"sk-{secrets.token_hex(16)}")
    results = [
        health,
        prover.result("gateway", "models", lambda: gateway_pages.models(client, key, stack.listed)),
        prover.result("gateway", "wrong key", lambda: gateway_pages.refused(client, bearer(wrong))),
        prover.result("gateway", "no key", lambda: gateway_pages.refused(client, {})),
    ]
    for name in stack.names:
        # An alias has no deployments of its own, but those of its model.
        named = stack.aliases.get(name, name)
        group = [deployment for deployment in deployments if deployment.name == named]
        if is_wildcard(name) and name not in stack.aliases:
            results.append(prover.wildcard(name, group))
        elif name in stack.models:
            results += prover.model(name, group)
        else:
            results.append(prover.name(name, group))
    # Last, as it waits for an instance that was set aside earlier, but not for one that fails.
    if nearest := _nearest_chat(stack, deployments):
        results.append(prover.wrong_request(nearest))
    return results


class _Prover:
    """Runs probes at one gateway, and makes results of them."""

    def __init__(
        self, gateway: GatewayAccess, stack: Stack, progress: Callable[[str], None]
    ) -> None:
        self._gateway, self._stack, self._progress = gateway, stack, progress
        # Instances and models that were waited for in vain, and those that failed at all.
        self._silent: set[tuple[str, str]] = set()
        self._failed: set[tuple[str, str]] = set()

    def model(self, name: str, group: Sequence[Deployment]) -> list[Result]:
        """Every capability of a model on each of its instances, then its public name."""
        capabilities = self._stack.models[name].capabilities
        probes_of_model = [probe for capability in capabilities for probe in PROBES[capability]]
        results = []
        for deployment in group:
            target, instance = self._target(deployment.id, [deployment]), deployment.instance
            results += [
                self._probe(name, probe, target, probe.__name__, instance)
                for probe in probes_of_model
            ]
        if "image" in capabilities:
            # Each image costs: its instances have made one each.
            return results
        return [*results, self.name(name, group)]

    def name(self, name: str, group: Sequence[Deployment]) -> Result:
        """Ask for a public name once: one of its declared models must answer."""
        # For an alias with *, any name that it matches.
        target = self._target(name.replace("*", probes.NO_MODEL), group)
        return self._not_elsewhere(name, self._simplest(group), target, "name")

    def wildcard(self, pattern: str, group: Sequence[Deployment]) -> Result:
        """Ask for a name that no provider has: the provider itself must refuse it."""
        target = self._target(pattern.removesuffix("*") + probes.NO_MODEL, group)
        path, body = LEAST[kind_of(self._stack.models[group[0].model])]
        return self._probe(
            pattern,
            lambda target: refusal_probes.unknown(target, path, body),
            target,
            "unknown model",
        )

    def wrong_request(self, group: Sequence[Deployment]) -> Result:
        """Send a malformed request: no deployment outside ``group`` may answer it."""
        target = self._target(group[0].name, group)
        return self._not_elsewhere("gateway", refusal_probes.wrong, target, "wrong request")

    def _not_elsewhere(self, subject: str, probe: Probe, target: Target, check: str) -> Result:
        """Ask again while others answer for an instance that is well but set aside for now."""
        asked = {(deployment.instance, deployment.model) for deployment in target.deployments}
        well = not self._failed & asked
        end = time.monotonic() + (self._gateway.cooldown + PAUSE if well else 0)
        while True:
            last = self._probe(subject, probe, target, check)
            passing = any(words in last.detail for words in (ASIDE, ELSEWHERE))
            if last.ok or not passing or time.monotonic() >= end:
                return last
            time.sleep(PAUSE)

    def _simplest(self, group: Sequence[Deployment]) -> Probe:
        return PROBES[kind_of(self._stack.models[group[0].model])][0]

    def _target(self, name: str, group: Sequence[Deployment]) -> Target:
        # The times of the slowest: any of them may answer.
        total = max(self._times(deployment)[0] for deployment in group)
        gap = max(self._times(deployment)[1] for deployment in group)
        return Target(
            self._gateway.client,
            self._gateway.key,
            name,
            group,
            plain=Bounds(total + GRACE, total + GRACE),
            stream=Bounds(gap + GRACE, max(total, gap) + GRACE),
            dimensions=self._stack.models[group[0].model].dimensions,
        )

    def _times(self, deployment: Deployment) -> tuple[float, float]:
        model = self._stack.models[deployment.model]
        provider = self._stack.providers[deployment.provider]
        return (
            min(model.timeout or provider.timeout, PATIENCE),
            model.stream_timeout or provider.stream_timeout,
        )

    def _probe(
        self, subject: str, probe: Probe, target: Target, check: str, instance: str = ""
    ) -> Result:
        asked = {(deployment.instance, deployment.model) for deployment in target.deployments}
        end = time.monotonic() + MINUTE

        def run() -> Measured:
            if asked <= self._silent:
                raise Failed(
                    f"{target.whom} is not asked again, since it did not answer in time before; "
                    "mend that first"
                )
            while True:
                try:
                    return probe(target)
                except Failed as failed:
                    # The proof's own requests may be more than the declared rpm or tpm.
                    if LIMITED not in failed.detail or time.monotonic() > end:
                        self._failed |= asked
                        if failed.timed_out:
                            self._silent |= asked
                        raise
                time.sleep(PAUSE)

        return self.result(subject, check, run, instance)

    def result(
        self, subject: str, check: str, run: Callable[[], Measured], instance: str = ""
    ) -> Result:
        """Carry out a check; its failure is a result too."""
        on = f" on {instance}" if instance else ""
        self._progress(f"{self._gateway.host}: {subject}{on}: {check}")
        try:
            seen = run()
        except Failed as failed:
            detail = redact(failed.detail, {"LITELLM_MASTER_KEY": self._gateway.key})
            return Result(self._gateway.host, subject, check, False, instance, detail=detail)
        return Result(
            self._gateway.host,
            subject,
            check,
            True,
            seen.instance,
            seen.latency,
            seen.first_token,
            seen.tokens_per_second,
        )


def _nearest_chat(stack: Stack, deployments: Sequence[Deployment]) -> list[Deployment]:
    """The deployments of one chat model: of our own if there is one, with a chain if possible."""

    def far(deployment: Deployment) -> tuple[bool, bool]:
        is_ours = stack.providers[deployment.provider].runs_on is not None
        return not is_ours, not stack.chain(deployment.name)

    chats = [
        candidate
        for candidate in deployments
        if candidate.name == candidate.model
        and not is_wildcard(candidate.name)
        and "chat" in stack.models[candidate.model].capabilities
    ]
    first = min(chats, key=far, default=None)
    return [
        candidate
        for candidate in chats
        if first and (candidate.name, far(candidate)) == (first.name, far(first))
    ]
