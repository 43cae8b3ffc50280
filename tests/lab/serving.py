"""A gateway that serves on a lab host, and what is done to its process and its unit."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from llmrack.components.gateway.service import service
from llmrack_lab.shell import wait_until
from tests.lab.bad_release import HOST, Gateway
from tests.lab.load import Answer

# Gone with the next boot, unlike what a person would write.
DROP_IN = "$XDG_RUNTIME_DIR/systemd/user/llmrack-gateway@.service.d"
# Seconds until the gateway has to be back, whatever was done to it; machines of tests are busy.
DEADLINE = 120.0
MODEL = "llama3.2:1b"


class Serving:
    """The process behind the gateway of ``gateway``, and the ``keys`` that it was started with."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.site = gateway.site
        self.keys = self.site.keys_of(HOST, self.unit)

    @property
    def unit(self) -> str:
        """The unit of the colour that was started last."""
        colour = self.gateway.on("basename $(readlink -f .local/opt/llmrack-gateway/current)")
        links = self.gateway.on("cd .local/opt/llmrack-gateway && readlink -f blue green").split()
        (found,) = [
            service(name)
            for name, path in zip(("blue", "green"), links, strict=True)
            if Path(path).name == colour
        ]
        return found

    def show(self, name: str) -> str:
        """A property of the unit."""
        return self.gateway.on(f"systemctl --user show -P {name} {self.unit}")

    @property
    def pid(self) -> str:
        """The process, as the host counts it; 0 where there is none."""
        return self.show("MainPID")

    @property
    def address(self) -> str:
        """Where the host is reached."""
        return self.site.lab.host(HOST).address

    @property
    def headers(self) -> dict[str, str]:
        """What lets a client in."""
        return {"Authorization": f"Bearer {self.keys['LITELLM_MASTER_KEY']}"}

    def chat(self, text: str = "Say hello.", timeout: float = DEADLINE) -> httpx.Response:
        """Ask a model, on a connection of its own."""
        return httpx.post(
            f"http://{self.address}:4000/v1/chat/completions",
            headers=self.headers,
            json={"model": MODEL, "messages": [{"role": "user", "content": text}]},
            timeout=timeout,
            trust_env=False,
        )

    @property
    def memory(self) -> int:
        """MiB of memory that the process has (VmRSS of proc_pid_status(5))."""
        status = self.site.on(HOST, f"cat /proc/{self.pid}/status")
        (found,) = re.findall(r"VmRSS:\s+(\d+) kB", status)
        return int(found) // 1024

    def answers(self) -> bool:
        """Whether it answers on its port."""
        ask = "curl -fs -o /dev/null -m 5 http://127.0.0.1:4000/health/readiness && echo yes"
        return self.site.on(HOST, ask, check=False) == "yes"

    def signal(self, name: str) -> Window:
        """Send a signal to the process; from when on it was on its way until it had its effect.

        One that is killed goes on for a moment: its memory is given back before its connections.
        """
        pid, began = self.pid, time.time()
        gone = f"; while kill -0 {pid} 2>/dev/null; do sleep 0.01; done" if name == "KILL" else ""
        self.site.on(HOST, f"kill -{name} {pid}{gone}")
        return Window(began, time.time())

    def back_after(self, pid: str) -> float:
        """Seconds until another process than ``pid`` answers."""
        began = time.monotonic()
        assert wait_until(lambda: self.pid not in ("", "0", pid), DEADLINE), self.show("StatusText")
        assert wait_until(self.answers, DEADLINE)
        return time.monotonic() - began

    def journal(self, since: float) -> str:
        """The journal of the unit, from the second of ``since`` on."""
        return self.site.on(
            HOST,
            f"journalctl -q -o cat --since=@{int(since)} _SYSTEMD_USER_UNIT={self.unit} "
            f"+ USER_UNIT={self.unit}",
        )

    @contextmanager
    def drop_in(self, text: str) -> Iterator[None]:
        """A drop-in of the unit, as long as the context lasts."""
        lines = text.replace("\n", "\\n")
        self.gateway.on(
            f"mkdir -p {DROP_IN} && printf '{lines}' >{DROP_IN}/fault.conf && "
            "systemctl --user daemon-reload"
        )
        try:
            yield
        finally:
            self.gateway.on(f"rm -r {DROP_IN}; systemctl --user daemon-reload")


class Window:
    """A span of time, in seconds since the epoch."""

    def __init__(self, began: float, ended: float) -> None:
        self.began, self.ended = began, ended

    def explains(self, answer: Answer) -> bool:
        """Whether a request was under way at some time of it."""
        return answer.at <= self.ended and answer.at + answer.seconds >= self.began
