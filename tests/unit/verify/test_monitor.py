"""The proof of monitoring, before a Prometheus that is made up."""

from __future__ import annotations

import httpx

from llmrack.verify.monitor import prove_monitor

WANTED = {"gateway/box1": "10.0.0.1:4000", "node/box1": "10.0.0.1:9100"}


def target(job, health="up", error=""):
    return {"labels": {"job": job, "host": "box1"}, "health": health, "lastError": error}


def proven(*answers, deadline=5.0):
    """The results where Prometheus answers so, one after the other, then the last one for ever."""
    left = list(answers)

    def answer(request):
        results = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(results, Exception):
            raise results
        return httpx.Response(200, json={"data": {"activeTargets": results}})

    with httpx.Client(transport=httpx.MockTransport(answer), base_url="http://p") as client:
        return {
            result.instance: result for result in prove_monitor(client, "box1", WANTED, deadline)
        }


def test_each_target_that_is_up_is_proven():
    results = proven([target("gateway"), target("node")])
    assert results.keys() == WANTED.keys() and all(result.ok for result in results.values())


def test_a_target_that_was_not_asked_yet_is_waited_for():
    results = proven(
        [target("gateway"), target("node", "unknown")], [target("gateway"), target("node")]
    )
    assert all(result.ok for result in results.values())


def test_a_target_that_is_down_fails_with_what_prometheus_says():
    down = target("gateway", "down", "server returned HTTP status 401 Unauthorized")
    results = proven([down, target("node")], deadline=0)
    assert results["node/box1"].ok and not results["gateway/box1"].ok
    assert "10.0.0.1:4000: server returned HTTP status 401" in results["gateway/box1"].detail


def test_a_target_that_prometheus_does_not_know_fails():
    assert "has not asked it yet" in proven([target("node")], deadline=0)["gateway/box1"].detail


def test_a_prometheus_that_does_not_answer_fails_every_target():
    results = proven(httpx.ConnectError("refused"), deadline=0)
    assert not any(result.ok for result in results.values())
    assert "does not answer (refused)" in results["node/box1"].detail
