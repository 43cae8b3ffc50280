"""The gateway's service: two colours behind one socket, so that a change drops no request.

``blue`` and ``green`` are links to releases and instances of one template unit. The socket
belongs to systemd. A change points the idle colour at the new release, tries it on a spare
loopback port, starts it on the socket beside the old one, and only then stops the old one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from llmrack.resources.change import Change, Shell, as_user
from llmrack.resources.files import switch
from llmrack.resources.look import Look, Seen
from llmrack.resources.units import due

COLOURS = ("blue", "green")
SOCKET = "llmrack-gateway.socket"


def service(colour: str) -> str:
    """The unit of a colour."""
    return f"llmrack-gateway@{colour}.service"


@dataclass(frozen=True)
class GatewayService:
    """The release at ``release`` serves the gateway's socket.

    + base: folder with the links ``blue``, ``green`` and ``current``
    + keys: the unit's setting that hands it the keys
    + drain: seconds that open requests get when a release is stopped
    + depends: names of the resources whose change makes a swap due
    """

    user: str
    base: str
    release: str
    keys: str
    drain: int
    depends: tuple[str, ...]

    @property
    def name(self) -> str:
        """``Gateway``: one a host."""
        return "Gateway"

    def look(self, look: Look) -> None:
        """The colours' links and units."""
        look.paths.update(f"{self.base}/{link}" for link in (*COLOURS, "current"))
        look.user_units.update((self.user, service(colour)) for colour in COLOURS)

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Gate the release on a spare port, then swap."""
        active = self._active(seen)
        why = self._why(seen, active, changed)
        if not why:
            return None
        old = active[0] if active else ""
        new = COLOURS[1] if old == COLOURS[0] else COLOURS[0]
        return Change(
            self.name,
            why,
            (
                # The idle colour may still be finishing requests of the swap before this one.
                Shell(as_user(self.user, self._gate(new)), timeout=self.drain + 180),
                Shell(as_user(self.user, self._swap(old, new)), timeout=180),
            ),
        )

    def _active(self, seen: Seen) -> list[str]:
        return [
            colour
            for colour in COLOURS
            if (unit := seen.units.get(service(colour))) and unit.active in ("active", "reloading")
        ]

    def _why(self, seen: Seen, active: list[str], changed: Collection[str]) -> str:
        if not active:
            return "not running"
        if len(active) > 1:
            return "two releases run"
        unit = seen.units[service(active[0])]
        for link in (active[0], "current"):
            found = seen.paths.get(f"{self.base}/{link}")
            if found is None or found.link != self.release:
                return "another release runs"
        return due(unit, self.depends, changed)

    def _gate(self, new: str) -> str:
        """Try the release as the unit would run it; nothing that serves is touched."""
        return (
            "systemctl --user daemon-reload; "
            f"systemctl --user stop {service(new)} 2>/dev/null; "
            f"{switch(f'{self.base}/{new}', self.release)} && "
            "systemd-run --user --quiet --wait --pipe --collect --unit=llmrack-gateway-candidate "
            f"--property={self.keys} --property=KillMode=control-group "
            f"--property=RuntimeMaxSec=150 --working-directory={self.release} "
            f"{self.release}/venv/bin/python -I {self.release}/gate.py {self.release}/config.yaml"
        )

    def _swap(self, old: str, new: str) -> str:
        stop = ""
        if old:
            # It finishes its requests on its own, but what is asked from now on (the proof is, for
            # one) goes to the new one: so wait until the old one accepts no more (serve.py).
            shown = f"$(systemctl --user show -P ActiveState -P StatusText {service(old)} | xargs)"
            stop = (
                f"systemctl --user -q disable {service(old)}; "
                f"systemctl --user stop --no-block {service(old)}; n=0; "
                f'while [ "{shown}" = deactivating ] && [ $n -lt 100 ]; '
                "do n=$((n+1)); sleep 0.1; done; "
            )
        return (
            f"systemctl --user reset-failed {service(new)} 2>/dev/null; "
            f"systemctl --user start {service(new)} || {{ "
            f"journalctl --user -q -n 20 --no-pager -o cat -u {service(new)}; "
            # Or it would be tried again and again, and one day serve beside the old one.
            f"systemctl --user stop {service(new)}; exit 1; }}; "
            f"{switch(f'{self.base}/current', self.release)} && "
            f"systemctl --user -q enable {service(new)} && {{ {stop}:; }}"
        )
