"""A change of what Ollama runs with, until it is proven: how it was before is kept beside."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from shlex import quote

from llmrack.resources.change import Change, Shell, as_user
from llmrack.resources.last_written import Note, noted
from llmrack.resources.look import Look, Seen
from llmrack.resources.old_releases import OldReleases
from llmrack.stack.home import Home
from llmrack.stack.settings import Settings

# Seconds for which an instance that has passed its gate is watched: one that ends again and again
# must live longer than this each time to be taken for well.
STANDS = 6
# Seconds that instances get to answer again with what they had before.
BACK = 120


@dataclass(frozen=True)
class EngineSwitch:
    """Release, environment and units change together, and come back together.

    + kept: folder for how they were before; it is there until the change is proven
    + current: the link to the release
    + template: the unit file of all instances
    + environments: folder of the instances' environment files
    + address: where the host reaches its instances
    + parts: names of the resources that change together
    + instances: unit of each instance, by the name of its resource
    """

    user: str
    kept: str
    current: str
    template: str
    environments: str
    address: str
    parts: tuple[str, ...]
    instances: Mapping[str, str]

    @property
    def name(self) -> str:
        """As plans call it."""
        return "Proof of Ollama's change"

    def look(self, look: Look) -> None:
        """Whether a change was made that nobody has proven, and what runs now."""
        look.paths.update((self.kept, self.current))

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Due when a run was cut off before it; one that changes something proves it anyway."""
        if self.kept not in seen.paths:
            return None
        return Change(self.name, "the change before was cut off", ())

    @property
    def keep(self) -> Shell:
        """Keep how it is; what a run kept that was cut off is older, and proven.

        What somebody has removed while it served is made anew, and cannot be kept.
        """
        beside, unit = f"{self.kept}.new", quote(self.template)
        return self._shell(
            f"[ -e {self.kept} ] && exit; rm -rf {beside} && mkdir -p {beside}/env && "
            # With + it fails where a copy does.
            f"{{ [ ! -d {self.environments} ] || "
            f"find {self.environments} -name '*.env' -exec cp -p -t {beside}/env/ {{}} +; }} && "
            f"{{ [ ! -e {unit} ] || cp -p {unit} {beside}/unit; }} && "
            f"{{ [ ! -L {self.current} ] || cp -P {self.current} {beside}/current; }} && "
            f"mv -T {beside} {self.kept} || {{ rm -rf {beside}; exit 1; }}"
        )

    @property
    def forget(self) -> Shell:
        """The change is proven."""
        return self._shell(f"rm -rf {self.kept}")

    def back(self, seen: Seen) -> Shell:
        """How it was before; instances that still run so are left alone.

        + seen: before the change
        """
        link = f"{self.current}.new"
        script = self._shell(
            f"cd {self.kept} || exit 1\n"
            f'for e in {self.environments}/*.env; do n=$(basename "$e" .env); '
            '[ ! -e "$e" ] || [ -e "env/$n.env" ] || '
            '{ systemctl --user -q disable --now "llmrack-ollama@$n.service"; rm -f "$e"; }; done\n'
            # What is as it was needs no room on the disk.
            'put() { cmp -s "$1" "$2" || { cp -p "$1" "$2.new" && mv -fT "$2.new" "$2"; } || '
            '{ rm -f "$2.new"; exit 1; }; }\n'
            f"[ ! -e unit ] || put unit {quote(self.template)}\n"
            f'[ ! -L current ] || {{ ln -sfn "$(readlink current)" {link} && '
            f"mv -fT {link} {self.current}; }} || exit 1\n"
            "systemctl --user daemon-reload\n"
            'for e in env/*.env; do [ -e "$e" ] || continue; n=$(basename "$e" .env); '
            f'put "$e" "{self.environments}/$n.env"; '
            'u="llmrack-ollama@$n.service"; '
            'systemctl --user -q is-active "$u" && '
            'sha256sum -c --status "$XDG_RUNTIME_DIR/llmrack/$u" 2>/dev/null && continue; '
            'systemctl --user reset-failed "$u" 2>/dev/null; systemctl --user -q enable "$u"; '
            'systemctl --user restart "$u"; '
            "port=$(sed -n 's/^OLLAMA_HOST=.*://p' \"$e\"); "
            f"end=$(($(date +%s) + {BACK})); "
            f"until curl -fs -o /dev/null --noproxy '*' --max-time 2 "
            f'"http://{self.address}:$port/api/version"; do '
            '[ "$(date +%s)" -lt "$end" ] || '
            f'{{ echo "$u does not answer with what it had before, either"; exit 1; }}; '
            "sleep 0.2; done; done\n"
            f"rm -rf {self.kept}",
            timeout=BACK * max(1, len(self.instances)) + 60,
        )
        return replace(script, script=noted(self._notes(seen), script.script))

    def _notes(self, seen: Seen) -> list[Note]:
        """The files that come back are what llmrack wrote, as far as they were."""
        if self.kept in seen.paths:
            return []
        ours = (self.template, f"{self.environments}/")
        return [
            Note(path, digest)
            for path, digest in seen.hashes.items()
            if path.startswith(ours) and path not in seen.edited
        ]

    def stands(self, unit: str, url: str) -> Shell:
        """Fails when an instance that has answered ends, or answers no more, within STANDS."""
        show = f"$(systemctl --user show -P NRestarts -P MainPID {quote(unit)} | xargs)"
        fail = f"echo '{unit} answered, and no longer does; its journal ends with:'"
        return self._shell(
            # In milliseconds: whole seconds would cut the first one short.
            f'was="{show}"; end=$(($(date +%s%3N) + {STANDS}000)); '
            'until [ "$(date +%s%3N)" -ge $end ]; do sleep 0.5; '
            f'[ "{show}" = "$was" ] && '
            f"curl -fs -o /dev/null --noproxy '*' --max-time 5 {url}/api/version || "
            f"{{ {fail}; {_journal(unit)}; exit 1; }}; done"
        )

    def tells(self, unit: str) -> Shell:
        """Fails with the end of an instance's journal."""
        return self._shell(f"echo 'the journal of {unit} ends with:'; {_journal(unit)}; exit 1")

    def previous(self, seen: Seen) -> str:
        """The release that it goes back to, as far as it was seen."""
        if self.kept in seen.paths:
            return "the release before"
        found = seen.paths.get(self.current)
        # Somebody has removed it while it served.
        return PurePosixPath(found.link).name if found else "what is left of what it had"

    def _shell(self, script: str, timeout: int = 60) -> Shell:
        return Shell(as_user(self.user, script), timeout=timeout)


def _journal(unit: str) -> str:
    return f"journalctl --user -q -n 15 --no-pager -o cat -u {quote(unit)}"


def engine_releases(settings: Settings, home: Home, archive: str) -> OldReleases:
    """How many of Ollama's releases a host keeps: the declared number, and the one in use.

    + archive: the folder of the release that is declared
    """
    return OldReleases(
        home.ollama,
        home.user,
        settings.ollama_keep_releases,
        archive,
        links=(f"{home.ollama}/current",),
        after=(f"Archive {archive}",),
    )
