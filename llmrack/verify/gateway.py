"""The proof that a gateway does what is declared, by real requests through it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence

import httpx

from llmrack.secrets.value import Secret, redact
from llmrack.stack.deployments import Deployment
from llmrack.stack.schema import Stack
from llmrack.verify import probes
from llmrack.verify.exchange import Bounds, ask, dig
from llmrack.verify.explain import ASIDE, KEY_REFUSED, refused_by_gateway
from llmrack.verify.probes import GATEWAY, Measured, Target, bearer, message_of
from llmrack.verify.results import Failed, Result, one_line

Probe = Callable[[Target], Measured]

PROBES: dict[str, tuple[Probe, ...]] = {
    "chat": (probes.chat, probes.stream),
    "embedding": (probes.embedding,),
    "vision": (probes.vision,),
    "tools": (probes.tools,),
}
# For answers that need no model. A gateway that systemd is just starting behind its socket takes
# some seconds.
OWN = Bounds(30, 30)
# Added to a model's own times, so that the gateway's explanation of a timeout arrives.
GRACE = 2.0
# Seconds a failed instance rests (cooldown_time of the rendered configuration), and some.
COOL_DOWN = 15.0


def prove_gateway(
    client: httpx.Client,
    stack: Stack,
    host: str,
    deployments: Sequence[Deployment],
    key: Secret,
    progress: Callable[[str], None],
) -> list[Result]:
    """Ask a gateway for everything that is declared.

    + client: with the gateway's address as ``base_url``, and no key of its own
    + host: name of the gateway's host
    + deployments: what this gateway was configured with (``model_info.id`` is Deployment.id)
    + key: its master key; goes into headers only
    + progress: is told what is asked next, before each request

    One check after the other; each ends within the times declared for its model. When the gateway
    itself does not answer, that is the only result.
    """
    prover = _Prover(client, stack, host, key, progress)
    health = prover.result("gateway", "health", lambda: _health(client))
    if not health.ok:
        return [health]
    names = list(dict.fromkeys(each.model for each in deployments))
    wrong = Secret(f"sk-{secrets.token_hex(16)}")
    results = [
        health,
        prover.result("gateway", "models", lambda: _models(client, key, names)),
        prover.result("gateway", "wrong key", lambda: _refused(client, bearer(wrong))),
        prover.result("gateway", "no key", lambda: _refused(client, {})),
    ]
    for name in names:
        results += prover.model(name, [each for each in deployments if each.model == name])
    return results


class _Prover:
    """Turns what probes find at one gateway into results."""

    def __init__(
        self,
        client: httpx.Client,
        stack: Stack,
        host: str,
        key: Secret,
        progress: Callable[[str], None],
    ) -> None:
        self._client, self._stack, self._host = client, stack, host
        self._key, self._progress = key, progress
        # Ids of deployments that were waited for in vain.
        self._silent: set[str] = set()

    def model(self, name: str, group: Sequence[Deployment]) -> list[Result]:
        """Every capability of a model on each of its instances, then its public name."""
        capabilities = self._stack.models[name].capabilities
        results = [
            self._probe(probe, self._target(each.id, [each]), probe.__name__, each.instance)
            for each in group
            for capability in capabilities
            for probe in PROBES[capability]
        ]
        simplest = probes.embedding if capabilities == ("embedding",) else probes.chat
        target = self._target(name, group)
        # Instances that are well may still rest from a failure before: that ends by itself.
        patience = COOL_DOWN if all(result.ok for result in results) else 0
        end = time.monotonic() + patience
        while True:
            last = self._probe(simplest, target, "name")
            if last.ok or ASIDE not in last.detail or time.monotonic() > end:
                return [*results, last]
            time.sleep(1)

    def _target(self, asked: str, group: Sequence[Deployment]) -> Target:
        model = self._stack.models[group[0].model]
        provider = self._stack.providers[model.provider]
        whole = model.timeout or provider.timeout
        gap = model.stream_timeout or provider.stream_timeout
        return Target(
            self._client,
            self._key,
            asked,
            group,
            plain=Bounds(whole + GRACE, whole + GRACE),
            stream=Bounds(gap + GRACE, max(whole, gap) + GRACE),
            dimensions=model.dimensions,
        )

    def _probe(self, probe: Probe, target: Target, check: str, instance: str = "") -> Result:
        ids = {each.id for each in target.deployments}

        def run() -> Measured:
            if ids <= self._silent:
                raise Failed("not asked again, after the time-out before")
            try:
                return probe(target)
            except Failed as failed:
                if failed.timed_out:
                    self._silent |= ids
                raise

        return self.result(target.deployments[0].model, check, run, instance)

    def result(
        self, subject: str, check: str, run: Callable[[], Measured], instance: str = ""
    ) -> Result:
        """Carry out a check; its failure is a result too."""
        on = f" on {instance}" if instance else ""
        self._progress(f"{self._host}: {subject}{on}: {check}")
        try:
            seen = run()
        except Failed as failed:
            detail = redact(failed.detail, {"LITELLM_MASTER_KEY": self._key})
            return Result(self._host, subject, check, False, instance, detail=detail)
        return Result(
            self._host,
            subject,
            check,
            True,
            seen.instance,
            seen.latency,
            seen.first_token,
            seen.tokens_per_second,
        )


def _health(client: httpx.Client) -> Measured:
    # Not /health: it generates on every model, paid ones too.
    for path in ("/health/liveliness", "/health/readiness"):
        with ask(client, "GET", path, who=GATEWAY, bounds=OWN) as answer:
            if answer.status != 200:
                raise Failed(
                    f"{path} answers {answer.status}: {one_line(answer.text(), 120)}; "
                    "see the journal of its unit"
                )
            answer.text()
            latency = answer.elapsed
    return Measured("", latency)


def _models(client: httpx.Client, key: Secret, names: Sequence[str]) -> Measured:
    with ask(client, "GET", "/v1/models", who=GATEWAY, bounds=OWN, headers=bearer(key)) as answer:
        if answer.status != 200:
            message = message_of(answer.text())
            if refused_by_gateway(answer.status, message):
                raise Failed(KEY_REFUSED)
            raise Failed(
                f"/v1/models answers {answer.status}: {one_line(message, 120)}; "
                "see the journal of its unit"
            )
        listed = dig(answer.json(), "data")
        latency = answer.elapsed
    found = {dig(each, "id") for each in listed} if isinstance(listed, list) else set()
    differences = [
        f"{what}: {', '.join(sorted(map(str, which)))}"
        for what, which in (
            ("missing", set(names) - found),
            ("not declared", found - set(names)),
        )
        if which
    ]
    if differences:
        raise Failed(
            f"/v1/models is not what is declared ({'; '.join(differences)}); "
            "deploy the gateway again"
        )
    return Measured("", latency)


def _refused(client: httpx.Client, headers: dict[str, str]) -> Measured:
    with ask(client, "GET", "/v1/models", who=GATEWAY, bounds=OWN, headers=headers) as answer:
        message = message_of(answer.text())
        if not refused_by_gateway(answer.status, message):
            raise Failed(
                f"not refused: /v1/models answers {answer.status}; "
                "see that general_settings.master_key is set in its config.yaml"
            )
        return Measured("", answer.elapsed)
