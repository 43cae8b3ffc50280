"""Measures and judges the answers that clients get while an instance is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx

from llmrack.drills.plan import PACE, PAID_PACE, Asked, Drill
from llmrack.secrets.value import Secret, redact
from llmrack.stack.deployments import Deployment
from llmrack.stack.schema import Stack
from llmrack.verify import probes
from llmrack.verify.exchange import Bounds
from llmrack.verify.gateway import PROBES
from llmrack.verify.probes import Measured, Target
from llmrack.verify.results import Failed, Result, one_line

STREAM, PLAIN, AGAIN, BACK = "stream", "plain", "again", "back"
# Seconds that a request may take beyond the deadline and the usual time of the stand-in.
SLACK = 1.0
# Factor of an answer's usual time: no two answers have the same length.
SPREAD = 2.0
# Further seconds until an answer that is late already is given up.
PATIENCE = 3.0
# Seconds until an instance must be back. After a stop it loads its model again, for which Ollama
# itself allows five minutes (OLLAMA_LOAD_TIMEOUT).
RETURN = 330.0
# Seconds of waiting for an instance to be chosen that need not be chosen.
CHOSEN = 20.0

Probe = Callable[[Target], Measured]


class Asker:
    """Sends the requests of drills to one gateway.

    + client: with the gateway's address as ``base_url``
    + key: its master key; goes into headers only
    """

    def __init__(self, client: httpx.Client, key: Secret, stack: Stack, gateway: str) -> None:
        self._client, self._key, self._stack, self._gateway = client, key, stack, gateway
        # The measurement of each deployment's answer while all is well.
        self._usual: dict[str, Measured] = {}

    def before(self, drills: Sequence[Drill]) -> list[Result]:
        """Ask every deployment of the drills alone; the results are the failures."""
        results = []
        involved = {
            deployment.id: (deployment, asked)
            for drill in drills
            for asked in drill.asked
            for deployment in asked.everybody
        }
        for deployment, asked in involved.values():
            try:
                # Twice, so that the time to load the model does not count.
                for _ in range(1 if self._stack.providers[deployment.provider].is_paid else 2):
                    self._usual[deployment.id] = self._by_itself(deployment, asked)
            except Failed as failed:
                results.append(self._failed(asked.name, "before", deployment.instance, failed))
        return results

    def by_itself(self, drill: Drill) -> list[Result]:
        """Ask the instance of a drill for each of its models; the results are the failures."""
        results = []
        for asked in drill.asked:
            for deployment in asked.lost:
                try:
                    self._by_itself(deployment, asked)
                except Failed as failed:
                    check = f"{drill.cause}: {BACK}"
                    results.append(self._failed(asked.name, check, drill.instance, failed))
        return results

    def allowed(self, asked: Asked) -> float:
        """Most seconds that ``lost`` takes for a name."""
        return 2 * self._patience(asked)

    def lost(self, drill: Drill, asked: Asked) -> list[Result]:
        """Send several requests at once, then one that must not be delayed by the loss."""
        kinds = self._kinds(asked)
        target = self._target(asked, self._patience(asked))
        pool = ThreadPoolExecutor(len(kinds) * asked.volley)
        try:
            # All of one kind first: instances take turns, and each kind shall reach every one.
            running = [
                (step, pool.submit(self._once, drill, asked, step, probe, target))
                for step, probe in kinds.items()
                for _ in range(asked.volley)
            ]
            answered = [(step, future.result()) for step, future in running]
        finally:
            # An interrupt does not wait for the requests.
            pool.shutdown(wait=False, cancel_futures=True)
        results = [
            max((result for step, result in answered if step == kind), key=_badness)
            for kind in kinds
        ]
        probe = next(iter(kinds.values()))
        return [*results, self._once(drill, asked, AGAIN, probe, target)]

    def back(self, drill: Drill, asked: Asked, since: float) -> Result:
        """Ask for a name until the instance answers again; no request may fail meanwhile.

        + since: monotonic time at which it was restored
        """
        check, labels = f"{drill.cause}: {BACK}", _labels(asked.name, asked.lost)
        # For the first request the instance may have to load its model.
        target = self._target(asked, RETURN)
        probe = next(iter(self._kinds(asked).values()))
        pace = PAID_PACE if asked.paid else PACE
        end = since + (RETURN if asked.in_turn else CHOSEN)
        while True:
            try:
                seen = probe(target)
                taken = time.monotonic() - since
                if seen.instance in labels:
                    break
                if time.monotonic() > end:
                    if not asked.in_turn:
                        passed = self._passed(drill, asked, check)
                        return replace(passed, detail="another one is quicker")
                    raise Failed(
                        f"the gateway has not used {drill.instance} again for {RETURN:g} s; "
                        "see the journal of its unit"
                    )
            except Failed as failed:
                return self._failed(asked.name, check, drill.instance, failed)
            time.sleep(pace)
        return replace(self._passed(drill, asked, check), latency=taken)

    def _once(self, drill: Drill, asked: Asked, step: str, probe: Probe, target: Target) -> Result:
        # After the volley the gateway knows that the instance is lost.
        deadline = 0.0 if step == AGAIN else asked.deadline
        check = f"{drill.cause}: {step}"
        began = time.monotonic()
        try:
            try:
                seen = probe(target)
            except Failed as failed:
                taken = time.monotonic() - began
                if taken >= target.plain.gap:
                    way_out = self._way_out(asked.lost[0])
                    raise Failed(f"nobody had answered after {taken:.0f} s; {way_out}") from None
                declared = " or ".join(dict.fromkeys(standin.instance for standin in asked.next))
                raise Failed(
                    f"nobody stood in, though {declared} should; deploy again if the declaration "
                    "is newer than the gateway, and see its journal. What clients meet: "
                    f"{one_line(failed.detail, 120)}"
                ) from None
            if seen.instance in _labels(asked.name, asked.lost):
                raise Failed(
                    f"{drill.instance} has answered, so it was not out of reach; see whether "
                    f"the gateway's host reaches {drill.url} by another way (a proxy, a new "
                    "address)"
                )
            self._judge(drill, asked, seen, deadline)
        except Failed as failed:
            return self._failed(asked.name, check, drill.instance, failed)
        return replace(
            self._passed(drill, asked, check),
            latency=seen.latency,
            first_token=seen.first_token,
            detail=f"answered by {seen.instance}",
        )

    def _judge(self, drill: Drill, asked: Asked, seen: Measured, deadline: float) -> None:
        """Raises Failed if the stand-in's answer took too long."""
        deployment = _labels(asked.name, asked.standins)[seen.instance]
        usual = self._usual[deployment.id]
        for name, seconds, alone in (
            ("the first token", seen.first_token, usual.first_token),
            ("the answer", seen.latency, usual.latency),
        ):
            if seconds is None or alone is None:
                continue
            limit = deadline + SLACK + SPREAD * alone
            if seconds > limit:
                raise Failed(
                    f"{name} took {seconds:.1f} s, {limit:.1f} s are allowed "
                    f"({deployment.instance} by itself takes {alone:.1f} s); "
                    f"{self._way_out(asked.lost[0])}"
                )

    def _way_out(self, lost: Deployment) -> str:
        model, provider = self._stack.models[lost.model], self._stack.providers[lost.provider]
        if model.first_token_timeout or provider.first_token_timeout:
            return "see the gateway's journal"
        return f"declare first_token_timeout of providers.{lost.provider}"

    def _by_itself(self, deployment: Deployment, asked: Asked) -> Measured:
        # The model may have to be loaded first, so the declared time counts.
        model, provider = (
            self._stack.models[deployment.model],
            self._stack.providers[deployment.provider],
        )
        whole = model.timeout or provider.timeout
        if provider.runs_on:
            whole = min(whole, RETURN)
        target = self._target(asked, whole, (deployment,))
        return next(iter(self._kinds(asked).values()))(target)

    def _patience(self, asked: Asked) -> float:
        usual = max(self._usual[deployment.id].latency for deployment in asked.standins)
        return asked.deadline + SLACK + SPREAD * usual + PATIENCE

    def _target(
        self, asked: Asked, patience: float, alone: tuple[Deployment, ...] | None = None
    ) -> Target:
        """The target of a request: the public name, or one deployment by its id (``alone``)."""
        bounds = Bounds(patience, patience)
        dimensions = self._stack.models[asked.lost[0].model].dimensions
        return Target(
            self._client,
            self._key,
            alone[0].id if alone else asked.name,
            alone or asked.everybody,
            bounds,
            bounds,
            dimensions,
        )

    def _kinds(self, asked: Asked) -> dict[str, Probe]:
        if asked.kind == "chat":
            return {STREAM: probes.stream, PLAIN: probes.chat}
        return {PLAIN: PROBES[asked.kind][0]}

    def _passed(self, drill: Drill, asked: Asked, check: str) -> Result:
        return Result(self._gateway, asked.name, check, True, drill.instance)

    def _failed(self, name: str, check: str, instance: str, failed: Failed) -> Result:
        detail = redact(failed.detail, {"LITELLM_MASTER_KEY": self._key})
        return Result(self._gateway, name, check, False, instance, detail=detail)


def _labels(name: str, group: Sequence[Deployment]) -> dict[str, Deployment]:
    """Deployments by their labels in a probe of ``name``."""
    labels = {}
    for deployment in group:
        model = "" if deployment.model == name else f"/{deployment.model}"
        labels[deployment.instance + model] = deployment
    return labels


def _badness(result: Result) -> tuple[bool, float]:
    return (not result.ok, result.first_token or result.latency or 0.0)


def steps(results: Sequence[Result]) -> Iterator[tuple[str, str, Result]]:
    """The cause and the step of each result of a drill."""
    for result in results:
        cause, _, step = result.check.partition(": ")
        yield cause, step, result
