"""Proves the monitoring: Prometheus reports for each target whether it answers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import httpx

from llmrack.verify.results import Result, one_line

# Seconds until every target must have been asked; Prometheus does it each 15.
DEADLINE = 60.0
PAUSE = 0.5


def prove_monitor(
    client: httpx.Client, host: str, targets: Mapping[str, str], deadline: float = DEADLINE
) -> list[Result]:
    """One result for each target.

    + client: with the address of Prometheus on ``host`` as ``base_url``
    + targets: ``job/host`` → address with port
    + deadline: seconds
    """
    end = time.monotonic() + deadline
    while True:
        try:
            troubles = _asked(client)
        except (httpx.HTTPError, ValueError, KeyError) as error:
            troubles, unknown = {}, f"Prometheus does not answer ({one_line(str(error))})"
        else:
            unknown = "Prometheus has not asked it yet"
        missing = {
            name: troubles.get(name, unknown) for name in targets if troubles.get(name, unknown)
        }
        if not missing or time.monotonic() > end:
            break
        time.sleep(PAUSE)
    return [
        Result(
            host,
            "monitor",
            "target",
            name not in missing,
            name,
            detail=_failure(missing[name], address) if name in missing else f"{address} is up",
        )
        for name, address in targets.items()
    ]


def _asked(client: httpx.Client) -> dict[str, str]:
    """Why a target is not up, by ``job/host``; empty if it is."""
    answer = client.get("/api/v1/targets", params={"state": "active"}).raise_for_status()
    targets: list[dict[str, Any]] = answer.json()["data"]["activeTargets"]
    return {
        f"{target['labels']['job']}/{target['labels']['host']}": _trouble(target)
        for target in targets
        if target["health"] != "unknown"
    }


def _trouble(target: dict[str, Any]) -> str:
    return "" if target["health"] == "up" else one_line(target["lastError"] or "it is down")


def _failure(trouble: str, address: str) -> str:
    return (
        f"{address}: {trouble}; see `journalctl -u prometheus` on this host, and on the other the "
        "firewall and prometheus-node-exporter.service or the gateway"
    )
