"""The gateway's service: two colours behind one socket, so that a change drops no request.

``blue`` and ``green`` are links to releases and instances of one template unit. The socket
belongs to systemd. A change points the idle colour at the new release, tries it on a spare
loopback port, starts it beside the old one, watches it, and only then stops the old one. After
that a note says which release the colour was started with; a rollback goes back to it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

from llmrack.resources.change import Change, Shell, as_user
from llmrack.resources.look import Look, Seen
from llmrack.resources.old_releases import OldReleases
from llmrack.resources.releases import Release, Venv
from llmrack.resources.script import script_file
from llmrack.resources.units import due, or_journal
from llmrack.stack.home import Home
from llmrack.stack.settings import Settings

COLOURS = ("blue", "green")
SOCKET = "llmrack-gateway.socket"
# Seconds that a release is watched before it takes requests, and then beside the old one.
ALONE, BESIDE = 3, 4


def service(colour: str) -> str:
    """The unit of a colour."""
    return f"llmrack-gateway@{colour}.service"


@dataclass(frozen=True)
class GatewayService:
    """The release at ``release`` serves the gateway's socket.

    + base: folder with the links ``blue``, ``green`` and ``current``, and what was ``started``
    + keys: the unit's setting that hands it the keys
    + environment: the file with the keys
    + names: the declared keys in it; other keys belong to somebody else
    + unit_file: the colours' unit
    + drain: seconds that open requests get when a release is stopped
    + depends: names of the resources whose change makes a swap due
    """

    name: ClassVar[str] = "Gateway"
    user: str
    base: str
    release: str
    keys: str
    environment: str
    names: tuple[str, ...]
    unit_file: str
    drain: int
    depends: tuple[str, ...]

    def look(self, look: Look) -> None:
        """The colours' links and units, and the release that each was last started with."""
        look.paths.update(f"{self.base}/{link}" for link in (*COLOURS, "current"))
        look.paths.update(f"{self.base}/started/{colour}/release" for colour in COLOURS)
        look.user_units.update((self.user, service(colour)) for colour in COLOURS)

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Gate the release on a spare port, then swap."""
        old = self.serving(seen)
        why = self._why(seen, old, changed)
        if why == "not running" and self._link(seen, "current") == self.release:
            return self._swap(why, "", old, self.release)
        if why:
            return self._swap(why, old, _other(old), self.release)
        if _is_active(seen, _other(old)):
            stop = as_user(self.user, script_file("gateway/stop.sh", service(_other(old))))
            return Change(self.name, "two releases run", (Shell(stop),))
        return None

    def rollback(self, seen: Seen) -> Change | None:
        """Go back to the previous release, with its keys and its unit; None if none is known.

        The idle colour has it, and is started as it was.
        """
        old = self.serving(seen)
        release = self.previous(seen)
        if not (old and release):
            return None
        why = f"back to {release}"
        return self._swap(why, old, _other(old), release, returning=True)

    def serving(self, seen: Seen) -> str:
        """The colour that serves, or that should serve and does not run; empty if there is none."""
        current = self._link(seen, "current")
        candidates = [
            (
                not _is_active(seen, colour),
                leads != current,
                not (unit and unit.enabled == "enabled"),
                not (unit and unit.fresh),
                colour,
            )
            for colour in COLOURS
            for leads in (self._link(seen, colour),)
            for unit in (seen.units.get(service(colour)),)
            if _is_active(seen, colour) or (current and leads == current)
        ]
        return min(candidates)[-1] if candidates else ""

    def previous(self, seen: Seen) -> str:
        """The release that served before the present one, or an empty text."""
        return self._link(seen, f"started/{_other(self.serving(seen))}/release")

    def _link(self, seen: Seen, name: str) -> str:
        path = seen.paths.get(f"{self.base}/{name}")
        return path.link if path else ""

    def _why(self, seen: Seen, old: str, changed: Collection[str]) -> str:
        if not _is_active(seen, old):
            return "not running"
        if {self._link(seen, old), self._link(seen, "current")} != {self.release}:
            return "another release runs"
        return due(seen.units[service(old)], self.depends, changed)

    def _swap(self, why: str, old: str, new: str, release: str, returning: bool = False) -> Change:
        # Each name with a blank before and after it.
        names = f" {' '.join(self.names)} "
        words = (self.base, self.environment, names, self.unit_file, old, new, release)
        how = "again" if returning else "anew"
        gate = script_file("gateway/gate.sh", *words, self.keys, how)
        swap = script_file("gateway/swap.sh", *words, ALONE, BESIDE)
        return Change(
            self.name,
            why,
            (
                # The idle colour may still be finishing requests of the swap before this one.
                Shell(as_user(self.user, gate), timeout=self.drain + 180),
                Shell(or_journal(as_user(self.user, swap), self.user, service(new)), timeout=180),
            ),
        )


def _other(colour: str) -> str:
    return COLOURS[1] if colour == COLOURS[0] else COLOURS[0]


def _is_active(seen: Seen, colour: str) -> bool:
    unit = seen.units.get(service(colour))
    return unit is not None and unit.active in ("active", "reloading")


def gateway_releases(
    settings: Settings, home: Home, release: Release, venv: Venv
) -> list[OldReleases]:
    """Removal of the gateway's old releases, then of the environments that no release uses."""
    base = home.gateway
    after = (release.name, "Gateway")
    links = ("current", *COLOURS, "started/*/release")
    return [
        OldReleases(
            f"{base}/releases",
            home.user,
            settings.gateway_keep_releases,
            release.path,
            tuple(f"{base}/{link}" for link in links),
            after,
        ),
        OldReleases(f"{base}/venvs", home.user, 1, venv.path, (f"{base}/releases/*/venv",), after),
    ]
