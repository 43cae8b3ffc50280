"""A gateway that is killed, hangs, or cannot start: it comes back by itself.

Host: box1 (gpu, gateway). What people send to it: test_gateway_abuse.py.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from llmrack_lab.shell import wait_until
from tests.lab.bad_release import HOST, Gateway
from tests.lab.faults.table import record
from tests.lab.load import Answer
from tests.lab.serving import DEADLINE, Serving, Window
from tests.lab.site import Site

# Where serve.py begins to answer as the unit that serves.
BEGUN = """        loop = asyncio.get_running_loop()
        if private:
"""
# A release with a fault that a test can call up: its event loop is stuck, busy or asleep, or it
# never gets ready.
TRAPS = f"""{BEGUN}            import signal, time
            loop.add_signal_handler(signal.SIGUSR1, lambda: all(True for _ in iter(int, 1)))
            loop.add_signal_handler(signal.SIGUSR2, time.sleep, 10**6)
            hang = Path(private).with_name("hang")
            if hang.exists():
                hang.unlink()
                time.sleep(10**6)
"""
PORTS = {4000: "gateway_port", 11434: "ollama_port"}
MEMORY = Path("/sys/fs/cgroup/memory")


@pytest.fixture(scope="module")
def serving(module_site: Site, fresh: Callable[[str], None]) -> Serving:
    """A gateway that has changed its colour: systemd starts the other one by the socket."""
    fresh(HOST)
    made = Gateway(module_site)
    made.deployed()
    run = made.deploy_broken("llmrack/shipped/gateway/serve.py", BEGUN, TRAPS)
    assert run.code == 0, run.output
    return Serving(made)


def assert_explained(answers: list[Answer], fault: Window) -> list[Answer]:
    """The lost requests, all of which were under way during a fault, and none of them refused."""
    lost = [each for each in answers if each.lost]
    assert [each for each in lost if not fault.explains(each) or "refused" in each.lost] == []
    return lost


def test_a_gateway_that_is_killed_while_idle_answers_the_next_request(serving: Serving) -> None:
    before, pid = serving.gateway.state(), serving.pid
    serving.signal("KILL")
    began = time.monotonic()
    assert serving.chat().status_code == 200
    taken = time.monotonic() - began
    assert serving.pid != pid
    assert serving.gateway.state() == before
    record(
        "gateway: kill -9 while idle",
        "the port stays open, the next request waits and is answered",
        "the request sent right after it was answered; same release and colour",
        taken,
    )


def test_a_gateway_that_is_killed_under_load_loses_what_was_under_way(serving: Serving) -> None:
    serving.site.lab.fault(HOST, "slow", seconds=0.05)
    pid = serving.pid
    with serving.gateway.load() as load:
        load.wait_for(8)
        killed = serving.signal("KILL")
        taken = serving.back_after(pid)
        load.wait_for(12)
    serving.site.lab.fault(HOST, "ok")
    lost = assert_explained(load.answers, killed)
    assert lost
    assert not any(each.is_short for each in lost)
    record(
        "gateway: kill -9 while it answers and streams",
        "clients of what was under way see an error, all others are answered",
        f"{len(lost)} requests under way ended in an error, 0 of the others, 0 refused, "
        "0 cut short without an error",
        taken,
    )


@pytest.mark.parametrize(
    ("signal", "what"),
    [("STOP", "the process is stopped (SIGSTOP)"), ("USR1", "its event loop is blocked")],
)
def test_a_gateway_that_answers_nothing_is_ended_and_started_anew(
    serving: Serving, signal: str, what: str
) -> None:
    pid = serving.pid
    with serving.gateway.load(clients=2, rate=4) as load:
        load.wait_for(4)
        hung = serving.signal(signal)
        taken = serving.back_after(pid)
        hung.ended = time.time()
        load.wait_for(4)
    journal = serving.journal(hung.began)
    assert "Watchdog timeout" in journal
    # Where it was stuck (faulthandler).
    assert re.search(r'Fatal Python error: Aborted.*File ".*", line \d+ in', journal, re.DOTALL)
    lost = assert_explained(load.answers, hung)
    record(
        f"gateway: it answers nothing, {what}",
        "the watchdog ends it within about a minute; what comes meanwhile waits",
        f"ended by the watchdog, stack in the journal; {len(lost)} requests under way ended in "
        "an error, 0 refused",
        taken,
    )


def test_a_gateway_that_runs_out_of_memory_is_killed_and_comes_back(serving: Serving) -> None:
    pid = serving.pid
    # The lab's hosts have the controller of memory in the old hierarchy, where no user manager
    # may use MemoryMax=. What the process takes from now on counts.
    group = MEMORY / f"{serving.site.lab.name}-memory"
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text(str(100 * 1024 * 1024))
        (group / "cgroup.procs").write_text(str(on_machine(serving)))
        began = time.time()
        with pytest.raises(httpx.HTTPError):
            for _ in range(20):
                serving.chat("x" * 31_000_000)
        taken = serving.back_after(pid)
        assert re.search(r"^oom_kill [1-9]", (group / "memory.oom_control").read_text(), re.M)
    finally:
        assert wait_until(lambda: not (group / "cgroup.procs").read_text(), DEADLINE)
        group.rmdir()
    assert "status=9/KILL" in serving.journal(began)
    assert serving.chat().status_code == 200
    record(
        "gateway: out of memory",
        "the kernel ends it, systemd starts it anew",
        "killed by the kernel, back by itself",
        taken,
    )


def on_machine(serving: Serving) -> int:
    """The gateway's process as this machine counts it."""
    name, own = f"{serving.site.lab.name}", serving.pid
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
            group = status.with_name("cgroup").read_text()
        except OSError:
            continue
        ids = re.findall(r"^NSpid:(.*)", text, re.MULTILINE)[0].split()
        if ids[-1] == own and len(ids) > 1 and serving.unit in group and name in group:
            return int(status.parent.name)
    raise AssertionError(f"process {own} of the host is not to be found")


def test_a_gateway_that_hangs_while_it_starts_is_started_again(serving: Serving) -> None:
    pid = serving.pid
    # Shorter than the two minutes that it has.
    with serving.drop_in("[Service]\nTimeoutStartSec=15\n"):
        serving.gateway.on("touch $XDG_RUNTIME_DIR/llmrack/hang")
        killed = serving.signal("KILL")
        assert wait_until(
            lambda: "start operation timed out" in serving.journal(killed.began), DEADLINE
        )
    # A good start may take longer than that on a busy machine.
    serving.back_after(pid)
    taken = time.time() - killed.began
    journal = serving.journal(killed.began)
    assert "Fatal Python error: Aborted" in journal
    record(
        "gateway: it hangs while it starts (TimeoutStartSec=15 instead of 120)",
        "it is ended and started once more",
        "ended, stack in the journal; the second start succeeded",
        taken,
    )


def test_a_gateway_that_cannot_start_is_told_of_and_tried_for_ever(serving: Serving) -> None:
    before = serving.gateway.state()
    with serving.drop_in('[Service]\nExecStartPre=/bin/sh -c "echo no luck; exit 1"\n'):
        serving.signal("KILL")
        assert wait_until(lambda: int(serving.show("NRestarts")) >= 3, DEADLINE)
        status = serving.site.run("llmrack", "status", "-i", serving.site.inventory)
        run = serving.gateway.deploy_broken("llmrack/shipped/gateway/serve.py", BEGUN, TRAPS)
    began = time.monotonic()
    assert status.code == 1
    assert re.search(r"box1 +gateway +trouble", status.output)
    assert "it does not run" in status.output and "see its journal" in status.output
    assert run.code == 1
    assert "no luck" in run.output
    assert wait_until(serving.answers, DEADLINE)
    taken = time.monotonic() - began
    # It answers shortly before systemd takes it for started.
    assert wait_until(lambda: serving.gateway.state() == before, DEADLINE)
    record(
        "gateway: each start fails, again and again",
        "status and deploy say so and why; once the cause is gone it comes back by itself",
        "status: trouble, exit 1; deploy: exit 1 with the end of the journal; back without a hand",
        taken,
    )


def test_a_port_that_another_program_holds_is_named_with_the_program(serving: Serving) -> None:
    site, gateway = serving.site, serving.gateway
    gateway.deployed()
    gateway.on(
        "systemctl --user stop llmrack-gateway.socket 'llmrack-gateway@*.service' "
        "llmrack-ollama@main.service"
    )
    for port in PORTS:
        site.on(HOST, f"systemd-run -q --unit=squatter-{port} python3 -m http.server {port}")
    held = {f"0.0.0.0:{port}" for port in PORTS}
    assert wait_until(lambda: held <= site.listening(HOST), DEADLINE)
    before = site.listing(HOST)
    gateway.timeout += 1
    run = gateway.deploy()
    after = site.listing(HOST)
    site.on(HOST, "systemctl stop 'squatter-*.service'")
    assert run.code == 1
    said = " ".join(run.output.split())
    for port, setting in PORTS.items():
        assert re.search(
            rf"\[box1\] refused, nothing was changed: port {port}, which is for [\w ]+, is taken: "
            rf"python3 \(process \d+, squatter-{port}.service, user root\) listens at "
            rf"0.0.0.0:{port}; "
            rf"[^;]* set {setting} to another port",
            said,
        ), run.output
    assert after == before
    began = time.monotonic()
    gateway.deployed()
    taken = time.monotonic() - began
    site.settled()
    record(
        "the gateway's port and Ollama's are held by other programs",
        "the deploy names them and the way out, nothing is half applied",
        "refused with name, process and unit of each; no file changed; the next deploy repairs it",
        taken,
    )
