"""Releases: immutable directories that appear whole, by rename, and are never edited."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from shlex import quote

from llmrack.resources.change import Action, Change, Send, Shell, Upload
from llmrack.resources.files import File, owned, received
from llmrack.resources.look import Look, Seen
from llmrack.resources.packages import target

# For sh: try URL fetches "$file", which shall have the SHA-256 "$sum". A server that does not
# answer within 30 s, or sends nothing more for so long, is given up at the fourth time. Of curl's
# exit codes 33 tells that it cannot continue a file, those below that it broke off; 416 is the
# status where all of a file was there already.
_TRY = """
right() { echo "$sum  $file" | sha256sum -c --status 2>/dev/null; }
try() {
  echo "fetching $1"
  for n in 1 2 3; do
    begun=; [ ! -e "$file.part" ] || begun=yes
    status=$(curl -fL -sS --retry 3 --retry-connrefused --connect-timeout 30 --speed-limit 1000 \\
      --speed-time 30 -C - -o "$file.part" -w '%{http_code}' "$1")
    case $?:$status in
      0:*|22:416) mv "$file.part" "$file"; right && return; rm -f "$file"
        echo "$1 is not the pinned file: its SHA-256 differs from ollama_sha256"
        [ $begun ] || return 1;;
      33:*) rm -f "$file.part";;
      18:*|35:*|52:*|55:*|56:*|92:*) ;;
      *) return 1;;
    esac
  done
  return 1
}
"""
_NO_SOURCE = (
    "{ echo 'no source has the pinned file: set ollama_mirror to a server that has it, or "
    "ollama_archive to a file of the machine that deploys'; exit 1; }"
)
# For sh: install COMMAND... tells what pip or uv says where that fails, without the dozens of
# digests that would be right, and without pip's traceback of an index that stalls.
_INSTALL = r"""
install() {
  said=$("$@" 2>&1) && return
  printf '%s\n' "$said" | sed -e '/^ *Expected *or /d' -e '/Expected:/,/Computed:/{/sha256:/d}' \
    -e '/^Traceback/,/^[^ ]/{/^Traceback/d; /^ /d}'
  echo 'the packages cannot be installed as they are pinned; where the package index is why' \
    '(pip.conf and uv.toml name it), have it offer them, or deploy from a bundle (docs/offline.md)'
  exit 1
}
"""
# Written last into a release, read by the units' records of what they were started with.
STAMP = "RELEASE"


@dataclass(frozen=True)
class Archive:
    """A ``.tar.zst`` unpacked at ``path``.

    + sha256: the archive's digest, in hex
    + upload: the archive on the controller, or None
    + urls: where the host fetches it otherwise, in the order they are tried
    """

    path: str
    sha256: str
    owner: str
    cache: str
    upload: str | None
    urls: tuple[str, ...]

    @property
    def name(self) -> str:
        """As in ``Archive /home/llm/.local/opt/ollama/0.34.4-c238986e``."""
        return f"Archive {self.path}"

    def look(self, look: Look) -> None:
        """Whether its stamp is there."""
        look.paths.add(f"{self.path}/{STAMP}")

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Fetch, check, unpack beside, rename."""
        if f"{self.path}/{STAMP}" in seen.paths:
            return None
        local = f"{self.cache}/{self.sha256}.tar.zst"
        actions: list[Action] = []
        if self.upload:
            arrived = f"/var/tmp/llmrack-{self.sha256}.tar.zst"  # noqa: S108  (checked by digest)
            actions.append(Upload(Path(self.upload), arrived))
            copy = f"cp {arrived} {local} || {{ rm -f {local}; exit 1; }}"
            take = owned(self.owner, f"mkdir -p {self.cache} && {{ {copy}; }}")
            # Where it cannot be taken it is in nobody's way, either.
            actions.append(Shell(f"({take}); e=$?; rm -f {arrived}; exit $e", timeout=600))
        else:
            actions.append(Shell(owned(self.owner, self._fetch(local)), timeout=7200))
        actions.append(Shell(owned(self.owner, self._unpack(local)), timeout=1800))
        return Change(self.name, "missing", tuple(actions))

    def _fetch(self, local: str) -> str:
        """Each source in turn; a partial file is continued, a wrong one thrown away."""
        tries = " || ".join(f"try {quote(url)}" for url in self.urls)
        return (
            f"mkdir -p {self.cache} && cd {self.cache} || exit 1\n"
            f"sum={self.sha256} file={local}\n{_TRY}right || {tries} || {_NO_SOURCE}"
        )

    def _unpack(self, local: str) -> str:
        """GNU tar cannot tell zstd on a pipe (ollama/ollama#14159): it is given the file."""
        beside = f"{self.path}.unpacking"
        return (
            f"echo '{self.sha256}  {local}' | sha256sum -c --status || "
            f"{{ echo '{local} is damaged or not the pinned file: its SHA-256 differs from "
            f"ollama_sha256'; rm -f {local}; exit 1; }}\n"
            # Half of a release would fill the disk on which another one serves.
            f'fail() {{ echo "$1"; rm -rf {beside}; exit 1; }}\n'
            f"rm -rf {beside} {self.path} && mkdir -p {beside} && "
            f"tar --zstd -xf {local} -C {beside} || fail '{local} cannot be unpacked'\n"
            f"test -x {beside}/bin/ollama || {{ rm -f {local}; fail 'the file that ollama_sha256 "
            "pins has no bin/ollama: it is no release of Ollama for Linux'; }\n"
            f"echo {self.sha256} > {beside}/{STAMP} && sync -f {beside}/{STAMP} && "
            f"mv -T {beside} {self.path} && rm -f {local} || fail '{self.path} cannot be written'"
        )


@dataclass(frozen=True)
class Venv:
    """A Python environment built from a lock file with hashes, by uv.

    + lock: every package with its version and digests (``uv pip compile --generate-hashes``)
    + uv_lock: the same for uv itself, which pip installs
    + bundle: the bundle that the wheels come from, or None
    """

    path: str
    lock: str
    uv_lock: str
    owner: str
    bundle: Path | None = None

    @property
    def name(self) -> str:
        """As in ``Venv /home/llm/.local/opt/gateway/venvs/3f2a…``."""
        return f"Venv {self.path}"

    def look(self, look: Look) -> None:
        """Whether its stamp is there."""
        look.paths.add(f"{self.path}/{STAMP}")

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Build it in place; without its stamp it counts as absent and is built anew."""
        if f"{self.path}/{STAMP}" in seen.paths:
            return None
        tool, wheels = f"{self.path}.uv", f"{self.path}.wheels"
        actions: list[Action] = []
        only = offline = ""
        if self.bundle:
            actions.append(Send(self.bundle / target(seen) / "wheels", wheels, self.owner))
            only, offline = f"--no-index --find-links {wheels} ", "--offline "
        both = f"{self.lock}\n# --- uv ---\n{self.uv_lock}"
        # An environment cannot be moved (its scripts name their path), so the stamp, written
        # last, is what makes it whole.
        build = (
            f"set -e; umask 022; trap 'rm -rf {wheels} {tool} {tool}.lock; "
            f"test -e {self.path}/{STAMP} || rm -rf {self.path} {self.path}.lock' EXIT; "
            f"{_INSTALL}rm -rf {self.path} {tool}; mkdir -p {self.path}; "
            f"{{ {received(f'{self.path}.lock', len(both.encode()))}; }} || exit 1; "
            f"python3 -m venv {tool}; "
            f"sed '1,/^# --- uv ---$/d' {self.path}.lock > {tool}.lock; "
            f"install {tool}/bin/pip install -q --no-input --disable-pip-version-check "
            f"--require-hashes {only}-r {tool}.lock; "
            f"export UV_LINK_MODE=copy UV_NO_PROGRESS=1 UV_PYTHON_DOWNLOADS=never; "
            f"{tool}/bin/uv venv -q --allow-existing --python python3 {self.path}; "
            f"sed -i '/^# --- uv ---$/,$d' {self.path}.lock; "
            f"install {tool}/bin/uv pip install -q --python {self.path}/bin/python "
            f"--require-hashes {offline}{only}--no-deps --compile-bytecode -r {self.path}.lock; "
            # A clean install has no .pth file; one was how the malicious LiteLLM releases ran
            # (BerriAI/litellm#24518). uv's own two are known.
            f"bad=$(find {self.path} -name '*.pth' ! -name '_virtualenv.pth' "
            "! -name 'distutils-precedence.pth'); "
            'test -z "$bad" || { echo "unexpected $bad: code that runs at every start"; exit 1; }; '
            # uv 0.13.8 copies files with the mode 0666, whatever the umask.
            f"chmod -R go-w {self.path}; "
            # Or a power cut could leave the stamp and take what it stands for.
            f"sync -f {self.path}; mv {self.path}.lock {self.path}/{STAMP}"
        )
        actions.append(Shell(owned(self.owner, build), stdin=both, timeout=1800))
        return Change(self.name, "missing", tuple(actions))


@dataclass(frozen=True)
class Release:
    """A directory of files, and links to other things, that appears whole.

    + files: path in the release → content
    + links: name in the release → absolute target
    """

    path: str
    owner: str
    files: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """As in ``Release /home/llm/.local/opt/gateway/releases/3f2a…``."""
        return f"Release {self.path}"

    def look(self, look: Look) -> None:
        """Whether its stamp is there, and whether its files are as they were written."""
        look.paths.add(f"{self.path}/{STAMP}")
        look.hashes.update(f"{self.path}/{name}" for name, _ in self.files)

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Write it beside, then rename; one edited by hand is put back as it was."""
        edited = [
            name
            for name, content in self.files
            if seen.hashes.get(f"{self.path}/{name}") != File("", content).digest
        ]
        paths = tuple(f"{self.path}/{name}" for name in edited)
        whole = f"{self.path}/{STAMP}" in seen.paths
        if whole and seen.kept.issuperset(paths):
            return None
        beside = f"{self.path}.new"
        steps = [f"umask 022 && rm -rf {beside} && mkdir -p {beside}"]
        folders = {str(PurePosixPath(name).parent) for name, _ in self.files} - {"."}
        steps += [f"mkdir -p {beside}/{quote(folder)}" for folder in sorted(folders)]
        # One file follows the other on standard input, each of a known number of bytes.
        for name, content in self.files:
            size = len(content.encode())
            steps.append(received(f"{beside}/{quote(name)}", size))
        steps += [f"ln -s {quote(target)} {beside}/{quote(name)}" for name, target in self.links]
        steps.append(f"basename {self.path} > {beside}/{STAMP}")
        steps.append(
            f"rm -rf {self.path}.old && {{ test ! -e {self.path} || "
            f"mv -T {self.path} {self.path}.old; }} && mv -T {beside} {self.path} && "
            f"rm -rf {self.path}.old"
        )
        why = f"edited by hand: {', '.join(edited)}" if whole else "missing"
        stdin = "".join(content for _, content in self.files)
        script = owned(self.owner, f"{' && '.join(steps)} || {{ rm -rf {beside}; exit 1; }}")
        write = Shell(script, stdin=stdin)
        return Change(self.name, why, (write,), edited=paths if whole else ())
