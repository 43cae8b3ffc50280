"""The gateway's service: two colours behind one socket, so that a change drops no request.

``blue`` and ``green`` are links to releases and instances of one template unit. The socket
belongs to systemd. A change points the idle colour at the new release, tries it on a spare
loopback port, starts it beside the old one, watches it, and only then stops the old one. What a
colour was started with is noted once it has stood that; so it is also what a failure, or a person,
goes back to.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from shlex import quote

from llmrack.resources.change import Change, Shell, as_user
from llmrack.resources.files import switch
from llmrack.resources.look import Look, Seen
from llmrack.resources.old_releases import OldReleases
from llmrack.resources.releases import Release, Venv
from llmrack.resources.units import due
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
    + names: the keys in it that are declared; others are somebody else's
    + unit_file: the colours' unit
    + drain: seconds that open requests get when a release is stopped
    + depends: names of the resources whose change makes a swap due
    """

    user: str
    base: str
    release: str
    keys: str
    environment: str
    names: tuple[str, ...]
    unit_file: str
    drain: int
    depends: tuple[str, ...]

    @property
    def name(self) -> str:
        """``Gateway``: one a host."""
        return "Gateway"

    def look(self, look: Look) -> None:
        """The colours' links and units, and the release that each was last started with."""
        look.paths.update(f"{self.base}/{link}" for link in (*COLOURS, "current"))
        look.paths.update(f"{self._started(colour)}/release" for colour in COLOURS)
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
            stop = as_user(self.user, _stop(service(_other(old))))
            return Change(self.name, "two releases run", (Shell(stop),))
        return None

    def rollback(self, seen: Seen) -> Change | None:
        """Go back to what ran before, with the keys and the unit it had; None: nothing is known.

        It is the idle colour, which is started as it was.
        """
        old = self.serving(seen)
        release = self.previous(seen)
        if not (old and release):
            return None
        why = f"back to {release}"
        return self._swap(why, old, _other(old), release, returning=True)

    def serving(self, seen: Seen) -> str:
        """The colour that serves, or that should and does not run; empty where there is none."""
        current = self._link(seen, "current")
        found = [
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
        return min(found)[-1] if found else ""

    def previous(self, seen: Seen) -> str:
        """The release that served before the one that serves now, or an empty text."""
        return self._link(seen, f"started/{_other(self.serving(seen))}/release")

    def _link(self, seen: Seen, name: str) -> str:
        found = seen.paths.get(f"{self.base}/{name}")
        return found.link if found else ""

    def _why(self, seen: Seen, old: str, changed: Collection[str]) -> str:
        if not _is_active(seen, old):
            return "not running"
        if {self._link(seen, old), self._link(seen, "current")} != {self.release}:
            return "another release runs"
        return due(seen.units[service(old)], self.depends, changed)

    def _started(self, colour: str) -> str:
        return f"{self.base}/started/{colour}"

    def _swap(self, why: str, old: str, new: str, release: str, returning: bool = False) -> Change:
        back = self._back(old, new)
        gate = f"{back}{self._gate(new, release, returning)}"
        swap = f"{back}{self._start(old, new, release)}"
        return Change(
            self.name,
            why,
            (
                # The idle colour may still be finishing requests of the swap before this one.
                Shell(as_user(self.user, gate), timeout=self.drain + 180),
                Shell(as_user(self.user, swap), timeout=180),
            ),
        )

    def _gate(self, new: str, release: str, returning: bool) -> str:
        """Try the release as the unit would run it; nothing that serves is touched."""
        take = ""
        if returning:
            take = (
                f"[ -e {release}/RELEASE ] || {{ echo '{release} is no longer there'; exit 1; }}; "
                f"take {new} || {{ back; exit 1; }}; "
            )
        return (
            f"{take}systemctl --user daemon-reload; "
            f"systemctl --user stop {service(new)} 2>/dev/null; "
            "systemd-run --user --quiet --wait --pipe --collect --unit=llmrack-gateway-candidate "
            f"--property={self.keys} --property=KillMode=control-group "
            f"--property=RuntimeMaxSec=150 --working-directory={release} "
            f"{release}/venv/bin/python -I {release}/gate.py {release}/config.yaml || "
            "{ back; exit 1; }"
        )

    def _back(self, old: str, new: str) -> str:
        """Functions that restore what a colour was started with; other people's keys stay.

        The unit's file is written by whoever started it, so it is taken as it was.
        """
        awk = (
            '{k=$0; sub(/=.*/,"",k); own=index(names," " k " ")} '
            "FILENAME==ARGV[1] {if (own) was[k]=$0; next} "
            "own {if (k in was) print was[k]; next} {print}"
        )
        take = (
            "put() { chmod $2 $3 && mv -fT $3 $1; }; "
            f"take() {{ s={self.base}/started/$1; [ -e $s/gateway.env ] || return 0; "
            f"b=$(mktemp {self.environment}.XXXXXX) && "
            f"awk -v names=' {' '.join(self.names)} ' {quote(awk)} $s/gateway.env "
            f"{self.environment} >$b && put {self.environment} 600 $b && "
            f"b=$(mktemp {self.unit_file}.XXXXXX) && cat $s/unit >$b && "
            f"put {self.unit_file} 644 $b && systemctl --user daemon-reload || "
            '{ rm -f "$b"; false; }; }; '
        )
        if not old:
            return f"{take}back() {{ :; }}; "
        return (
            f"{take}lead() {{ ln -sfn $2 {self.base}/$1.new && "
            f"mv -fT {self.base}/$1.new {self.base}/$1; }}; "
            f"back() {{ with='with the configuration and the keys it had'; take {old} || "
            "with='but its configuration and keys could not be put back: deploy what it had'; "
            f"l=$(readlink {self.base}/{old}); lead current $l; "
            f"systemctl --user -q disable {service(new)}; systemctl --user start {service(old)} && "
            'echo "release $(basename $l) serves on, $with"; '
            f"l=$(readlink {self._started(new)}/release) && lead {new} $l; }}; "
        )

    def _start(self, old: str, new: str, release: str) -> str:
        """Start it, watch it, note it, stop the old one; where that fails, all the way back."""
        unit, started = service(new), self._started(new)
        private = f"$XDG_RUNTIME_DIR/llmrack/gateway-{new}"
        again = f'[ "$(systemctl --user show -P MainPID {unit})" = $pid ]'
        ready = (
            f"curl -fs -o /dev/null --max-time 5 --unix-socket {private}.sock "
            "http://gateway/health/readiness"
        )
        alone = after = stop = ""
        if old:
            # Or it would be tried again and again, and one day serve beside the old one. Alone it
            # shall be.
            stop = _stop(unit)
            # Held back, it takes no request from the socket (serve.py).
            alone = f"if [ -e {private}.hold ]; then watch {ALONE}; rm {private}.hold; fi; "
            after = f"systemctl --user -q disable {service(old)}; {_stop(service(old))}"
        hold = f"systemctl --user -q is-active {service(old)} && : >{private}.hold; " if old else ""
        return (
            f'fail() {{ echo "{unit} $1; its journal ends with:"; '
            f"journalctl --user -q -n 15 --no-pager -o cat -u {unit}; rm -f {private}.hold; "
            f"{stop}back; exit 1; }}; "
            # In milliseconds: whole seconds would cut the first one short.
            f"watch() {{ end=$(($(date +%s%3N) + ${{1}}000)); "
            f"while {again} || fail 'ended by itself'; "
            f"{ready} || {{ {again} && fail 'does not answer' || fail 'ended by itself'; }}; "
            "[ $(date +%s%3N) -lt $end ]; do sleep 0.2; done; }; "
            f"{switch(f'{self.base}/{new}', release)} || fail 'cannot be given its release'; "
            f"rm -f {private}.hold; {hold}"
            f"systemctl --user reset-failed {unit} 2>/dev/null; "
            f"systemctl --user start {unit} || fail 'does not start'; "
            f"pid=$(systemctl --user show -P MainPID {unit}); {alone}watch {BESIDE}; "
            # Keys are in it.
            f"(umask 077; rm -rf {started}.new && mkdir -p {started}.new && "
            f"ln -s {release} {started}.new/release && "
            f"cp {self.environment} {started}.new/gateway.env && "
            f"cp {self.unit_file} {started}.new/unit && sync -f {started}.new && "
            f"rm -rf {started} && mv -T {started}.new {started}) || fail 'cannot be noted'; "
            f"{switch(f'{self.base}/current', release)} && "
            f"systemctl --user -q enable {unit} || fail 'cannot be made the current one'; "
            f"{after}"
        )


def _other(colour: str) -> str:
    return COLOURS[1] if colour == COLOURS[0] else COLOURS[0]


def _is_active(seen: Seen, colour: str) -> bool:
    unit = seen.units.get(service(colour))
    return unit is not None and unit.active in ("active", "reloading")


def _stop(unit: str) -> str:
    """Script that stops a unit and waits until it accepts no more (serve.py).

    It finishes its requests on its own, but what is asked from now on (the proof is, for one) goes
    to the other one.
    """
    shown = f"$(systemctl --user show -P ActiveState -P StatusText {unit} | xargs)"
    return (
        f"systemctl --user stop --no-block {unit}; n=0; "
        f'while [ "{shown}" = deactivating ] && [ $n -lt 100 ]; do n=$((n+1)); sleep 0.1; done; '
    )


def gateway_releases(
    settings: Settings, home: Home, release: Release, venv: Venv
) -> list[OldReleases]:
    """The gateway's releases that a host keeps, then the environments that none of them has."""
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
