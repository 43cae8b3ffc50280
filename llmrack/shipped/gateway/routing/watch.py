"""Watches an instance: signs of life, what it has loaded, and whether a failure is over."""

from __future__ import annotations

import asyncio
import math
import os
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx

from .health import (
    IN_USE,
    INTERVAL,
    LOADED_EVERY,
    LOG,
    SIGN_TIMEOUT,
    SILENT,
    Instance,
    Rest,
    Resting,
)

# The target of OPTIONS for the server as a whole (RFC 9110, 9.3.7). Go's HTTP server answers that
# itself, so that Ollama logs nothing.
SERVER = "*"


class Watch:
    """The watch of one instance.

    + spec: its entry in routing.json
    + cooldown: most seconds from a failed proof to the next
    """

    def __init__(self, instance: Instance, spec: dict[str, Any], cooldown: float) -> None:
        self.instance = instance
        self._spec = spec
        self._cooldown = cooldown
        self._looked_at_loaded = -math.inf
        self._query = httpx.QueryParams(spec["query"]) or None
        self._proofs: set[asyncio.Task[None]] = set()
        self._client = self._connection()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                await self._look()
            except Exception as error:
                LOG.error("%s cannot be watched: %s", self.instance.name, type(error).__name__)
            await asyncio.sleep(INTERVAL)

    def _connection(self) -> httpx.AsyncClient:
        spec = self._spec
        return httpx.AsyncClient(
            headers=headers(spec), timeout=SIGN_TIMEOUT, verify=tls(spec["verify"])
        )

    async def _look(self) -> None:
        instance, now = self.instance, time.monotonic()
        if instance.absent:
            # A pod that ends waits until nobody is connected, and this has no end by itself.
            await self._client.aclose()
            return
        if self._client.is_closed:
            self._client = self._connection()
        in_use = bool(instance.waiting) or now - instance.used < IN_USE
        if not in_use and not any(self._resting()):
            return
        if await self._sign():
            if instance.missed:
                # It may have been restarted.
                self._looked_at_loaded = -math.inf
            instance.missed = 0
            await self._see_loaded(now)
            self._end_plain_rests(now)
            self._prove(now)

    async def _sign(self) -> bool:
        """Whether the instance gives a sign of life; a missed one is noted."""
        instance = self.instance
        try:
            answer = await self._ask_for_sign()
            refused, why = False, f"its {self._spec['health']} answers {answer.status_code}"
            if answer.status_code < 500:
                return True
        except httpx.ConnectTimeout:
            refused, why = False, "no connection in time"
        except httpx.ConnectError as error:
            refused, why = True, f"no connection ({error})"
        except httpx.HTTPError as error:
            refused, why = False, f"no sign of life ({type(error).__name__})"
        instance.missed += 1
        if not instance.rest and (refused or instance.missed >= SILENT):
            instance.put_aside(Rest(math.inf, why), instance.name)
        # One refused connection may be a restart.
        if instance.missed >= (2 if refused else SILENT):
            instance.lost()
        return False

    async def _ask_for_sign(self) -> httpx.Response:
        url, path = self._spec["url"], self._spec["health"]
        if path != SERVER:
            return await self._client.get(url + path, params=self._query)
        return await self._client.request("OPTIONS", url, extensions={"target": SERVER.encode()})

    async def _see_loaded(self, now: float) -> None:
        path = self._spec["loaded"]
        if path is None or now - self._looked_at_loaded < LOADED_EVERY:
            return
        self._looked_at_loaded = now
        try:
            answer = await self._client.get(self._spec["url"] + path, params=self._query)
            models = answer.raise_for_status().json()["models"]
            self.instance.see_loaded(frozenset(str(model["name"]) for model in models), now)
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            # An instance that loads a model may be slow to answer, and a proxy may refuse the path.
            self.instance.loaded = None

    def _resting(self) -> Iterator[Resting]:
        for resting in (self.instance, *self.instance.models.values()):
            if resting.rest:
                yield resting

    def _end_plain_rests(self, now: float) -> None:
        """End the rests for which a sign of life is enough."""
        for resting in self._resting():
            rest = resting.rest
            if rest and rest.proof is None and (now >= rest.until or rest.until == math.inf):
                resting.wake(self.instance.name)

    def _prove(self, now: float) -> None:
        """Begin the proofs that are due, all at once: one may take as long as a model loads."""
        for resting in self._resting():
            rest = resting.rest
            if rest and rest.proof and rest.may_be_tried(now):
                rest.trying = math.inf
                task = asyncio.create_task(self._proof(rest, rest.proof))
                self._proofs.add(task)
                task.add_done_callback(self._proofs.discard)

    async def _proof(self, rest: Rest, proof: Callable[[], Awaitable[None]]) -> None:
        """Send the proof's request; its answer ends the rest as a client's does (attempt.py)."""
        try:
            await proof()
        except Exception:
            rest.pause = min(rest.pause * 2, self._cooldown)
            rest.until = max(rest.until, time.monotonic() + rest.pause)
        finally:
            rest.trying = 0.0


def headers(spec: dict[str, Any]) -> dict[str, str]:
    """The headers that an instance is sent, its key among them."""
    shown = dict(spec["headers"])
    shown |= {name: os.environ[key] for name, key in spec["secret_headers"].items()}
    if spec["key"]:
        shown["Authorization"] = f"Bearer {os.environ[spec['key']]}"
    return shown


def tls(verify: bool | str) -> ssl.SSLContext:
    """The context that verifies an instance's certificate.

    + verify: a PEM file; True: by the host's certificates; False: not at all
    """
    if isinstance(verify, str):
        return ssl.create_default_context(cafile=verify)
    context = ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE"))
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
