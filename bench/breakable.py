"""An instance that fails on command, in each way in which instances fail."""

from __future__ import annotations

import ssl
from types import TracebackType

import trustme

from llmrack_lab.standins.answers import JSON
from llmrack_lab.standins.http import Address
from llmrack_lab.standins.ollama.faults import Fault
from llmrack_lab.standins.program import StandIn
from llmrack_lab.standins.provider import Provider

ANYWHERE: Address = ("127.0.0.1", 0)
# Where a request says what a model is asked; of a form the name of its file.
_ASKED = ("messages", "input", "query", "prompt", "file")
# What the gateway itself asks; clients of tests and benches say something else.
OWN_WORDS = ("Say ok.", "ok", "ok.wav")

# What goes wrong where a model has to work; signs of life are still given.
FAULTS = {
    "401": Fault("401", only="inference"),
    "429": Fault("429", only="inference", seconds=2),
    "500": Fault("500", only="inference"),
    "hang": Fault("hang", only="inference"),
    "frozen": Fault("hang"),
    "missing": Fault("missing", only="inference"),
    "reset": Fault("reset", only="inference", after=4),
    "cut": Fault("cut", only="inference", after=4),
    "end": Fault("truncate", only="inference", after=4),
    "error": Fault("error", only="inference", after=4),
}


class Breakable:
    """A provider's stand-in on loopback, whose certificate is good where there is an authority.

    + authority: speak TLS with a certificate of it; None for plain HTTP
    """

    def __init__(self, provider: Provider, authority: trustme.CA | None = None) -> None:
        self._authority = authority
        self._tls: ssl.SSLContext | None = None
        if authority:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._certify("127.0.0.1")
        self._standin = StandIn(provider, ANYWHERE, ANYWHERE, self._tls)
        self.provider = provider

    def __enter__(self) -> Breakable:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.mend()
        self._standin.__exit__()

    @property
    def url(self) -> str:
        """Its base address, without a path."""
        scheme = "https" if self._authority else "http"
        return "{}://{}:{}".format(scheme, *self._standin.address)

    def asked(self, *, own: bool = False) -> list[JSON]:
        """Requests that had a model work: of clients, or else of the gateway's own.

        It remembers the last 500 of all.
        """
        return [each for each in list(self.provider.requests) if _words(each) and _own(each) == own]

    def fail(self, cause: str) -> None:
        """Fail from now on: by one of FAULTS, "refused", "black hole" or "certificate"."""
        self.mend()
        if cause == "certificate":
            self._certify("elsewhere.example")
            self._standin.set_fault(Fault("refuse"))
            self._standin.set_fault(Fault())
        elif cause == "refused":
            self._standin.set_fault(Fault("refuse"))
        elif cause == "black hole":
            self._standin.lose_packets(True)
        else:
            self._standin.set_fault(FAULTS[cause])

    def show(self, fault: Fault) -> None:
        """Show a fault of one's own choice from now on."""
        self._standin.set_fault(fault)

    def mend(self) -> None:
        """Be well from now on."""
        self._standin.lose_packets(False)
        self._certify("127.0.0.1")
        self._standin.set_fault(Fault())

    def _certify(self, name: str) -> None:
        if self._authority and self._tls:
            self._authority.issue_cert(name).configure_cert(self._tls)


def _words(request: JSON) -> str:
    """What a model was asked; empty where none was."""
    body = request["body"] or {}
    asked = next((body[name] for name in _ASKED if body.get(name)), "")
    last = asked[-1] if isinstance(asked, list) else asked
    return str(last["content"] if isinstance(last, dict) else last)


def _own(request: JSON) -> bool:
    return _words(request) in OWN_WORDS
