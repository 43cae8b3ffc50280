"""What a deploy notes of what it makes, and what a removal takes by that."""

from __future__ import annotations

import subprocess
from pathlib import Path
from shlex import quote

import pytest

from llmrack.components.engines import ENGINES
from llmrack.components.gpu.driver import MODULES
from llmrack.components.removal import removals, stays
from llmrack.components.system.account import User
from llmrack.components.system.system import VERSION
from llmrack.resources.change import Change, Shell, plan
from llmrack.resources.look import Look, PathSeen, Seen, parse
from llmrack.resources.look_script import script as look_script
from llmrack.resources.ownership import MADE
from llmrack.resources.script import script_file, script_text
from tests.unit.declare import host

NOTES_SH, APT_SH = script_text("resources/notes.sh"), script_text("resources/apt.sh")
UNITS = "/home/llm/.config/systemd/user"
MODELS = "/home/llm/.ollama/models"
FILE = PathSeen("f", "llm", 0o644, "")
LLM = ["llm", "x", "1000", "1000", "", "/home/llm", "/bin/bash"]

# Says what it would install, and installs it by a file in the folder ``installed``.
APT = """#!/bin/sh
for last; do :; done
if [ "$last" = -s ]; then
  echo 'Inst libnew (1.0 Debian:12 [amd64])'
  echo 'Inst old [1.0] (1.1 Debian:12 [amd64])'
  echo 'Inst new (1.0 Debian:12 [amd64])'
  exit
fi
cp made noted
[ ! -e fails ] || exit 100
touch installed/new installed/libnew
"""
DPKG_QUERY = """#!/bin/sh
for last; do :; done
[ -e "installed/$last" ] && printf installed
"""


def sh(folder: Path, script: str) -> int:
    """Run a script as if the notes were in ``folder``, with an apt that pretends."""
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "installed").mkdir(exist_ok=True)
    for name, text in {"apt-get": APT, "dpkg-query": DPKG_QUERY}.items():
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    text = script.replace(MADE, str(folder / "made"))
    path = f"{folder / 'bin'}:/usr/bin:/bin"
    return subprocess.run(["sh", "-c", text], cwd=folder, env={"PATH": path}).returncode


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines()


def changes(seen: Seen, **settings: object) -> dict[str, Change]:
    everything = [resource for part in removals(host(**settings)).values() for resource in part]
    return {change.resource: change for change in plan(everything, seen)}


def script(change: Change) -> str:
    return "".join(action.script for action in change.actions if isinstance(action, Shell))


def here(*paths: str, made: tuple[str, ...] = (), **more: object) -> Seen:
    """A host with the user llm, these paths and these notes."""
    return Seen(users={"llm": LLM}, paths=dict.fromkeys(paths, FILE), made=set(made), **more)  # type: ignore[arg-type]


def test_packages_that_come_new_are_noted_before_they_come(tmp_path: Path) -> None:
    assert sh(tmp_path, f"{APT_SH}get -y install new") == 0
    assert lines(tmp_path / "noted") == ["package libnew", "package new"]
    assert lines(tmp_path / "made") == ["package libnew", "package new"]


def test_packages_that_did_not_come_are_forgotten(tmp_path: Path) -> None:
    (tmp_path / "fails").touch()
    assert sh(tmp_path, f"{APT_SH}note 'user llm'; get -y install new") != 0
    assert lines(tmp_path / "made") == ["user llm"]


def test_what_is_noted_twice_is_one_line_that_all_may_read(tmp_path: Path) -> None:
    sh(tmp_path, f"umask 077; {NOTES_SH}note 'user llm'; note 'user llm'")
    assert lines(tmp_path / "made") == ["user llm"]
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o644


def test_what_was_never_noted_can_be_forgotten(tmp_path: Path) -> None:
    assert sh(tmp_path, f"{NOTES_SH}forget 'user llm'") == 0
    assert not (tmp_path / "made").exists()


# Programs that note what they are asked; nobody has the number of the user any more after userdel.
ACCOUNT = {
    "chown": 'echo "chown $*" >>log',
    "gpasswd": 'echo "gpasswd $*" >>log',
    "loginctl": 'echo "loginctl $*" >>log',
    "systemctl": 'echo "systemctl $*" >>log',
    "userdel": 'echo "userdel $*" >>log; touch gone',
    "id": "[ ! -e gone ] && echo 1000",
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with models in it, and what is noted."""
    (tmp_path / "bin").mkdir()
    for name, text in ACCOUNT.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "home" / "a" / "models" / "blobs").mkdir(parents=True)
    for name in ("a/models/blobs/x", "a/other", ".profile"):
        (tmp_path / "home" / name).touch()
    (tmp_path / "made").write_text("user llm\nlinger llm\ngroup render llm\npackage zstd\n")
    return tmp_path / "home"


def test_removed_user_leaves_nothing(home: Path) -> None:
    words = ("llm", str(home), str(home / "a" / "models"), "empty", "user llm", "linger llm")
    assert sh(home.parent, script_file("system/remove-user.sh", *words)) == 0
    assert not home.exists()
    assert lines(home.parent / "made") == ["group render llm", "package zstd"]
    assert lines(home.parent / "log") == [
        "loginctl disable-linger llm",
        "systemctl stop user@1000.service user-1000.slice",
        "userdel llm",
    ]


def test_removed_user_leaves_models_that_are_kept(home: Path) -> None:
    models = home / "a" / "models"
    words = ("llm", str(home), str(models), "keep", "user llm")
    assert sh(home.parent, script_file("system/remove-user.sh", *words)) == 0
    assert {str(path.relative_to(home)) for path in home.rglob("*")} == {
        *("a", "a/models", "a/models/blobs", "a/models/blobs/x")
    }
    assert f"kept {models}" in lines(home.parent / "made")
    log = lines(home.parent / "log")
    assert f"chown -hR root:root {models}" in log
    assert log[-3:] == [f"chown root:root {home}/a", f"chown root:root {home}", "userdel llm"]


def test_models_elsewhere_are_roots(home: Path, tmp_path: Path) -> None:
    (tmp_path / "srv").mkdir()
    words = ("llm", str(home), str(tmp_path / "srv"), "empty", "user llm")
    assert sh(home.parent, script_file("system/remove-user.sh", *words)) == 0
    assert not home.exists()
    assert f"chown -hR root:root {tmp_path}/srv" in lines(home.parent / "log")
    assert "user llm" not in lines(home.parent / "made")


def test_what_a_user_was_given_is_taken_back(home: Path) -> None:
    words = ("llm", "linger llm", "group render llm")
    assert sh(home.parent, script_file("system/take-from-user.sh", *words)) == 0
    assert lines(home.parent / "made") == ["user llm", "package zstd"]
    assert lines(home.parent / "log") == ["loginctl disable-linger llm", "gpasswd -d llm render"]


@pytest.mark.parametrize("kept", [True, False])
def test_notes_go_but_for_where_kept_models_are(home: Path, kept: bool) -> None:
    notes = home.parent / "notes"
    notes.mkdir()
    (notes / "written").touch()
    (notes / "made").write_text(f"user llm\nkept {home}\nkept /nowhere\n" if kept else "user llm\n")
    text = script_file("resources/remove-notes.sh")
    text = text.replace("/var/lib/llmrack", str(notes)).replace("/run/llmrack", f"{home}.run")
    assert sh(home.parent, text) == 0
    assert notes.exists() == kept
    assert not kept or [(file.name, file.read_text()) for file in notes.iterdir()] == [
        ("made", f"kept {home}\n")
    ]


def test_look_tells_the_notes(tmp_path: Path) -> None:
    text = look_script(Look(made=True), "salt").replace(MADE, str(tmp_path / "made"))
    (tmp_path / "made").write_text("user llm\nkept /srv/models\n")
    output = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=True).stdout
    assert parse(output.splitlines(), Look()).made == {"user llm", "kept /srv/models"}


def test_user_that_joins_a_group_is_noted() -> None:
    seen = here(facts={"known_groups": "render video"}, groups={"llm": {"llm", "video"}})
    change = User("llm", "/home/llm", ("render", "video")).change(seen, ())
    assert change
    assert script(change) == script_file("system/join-noted.sh", "llm", "render")


def test_nothing_is_removed_from_a_host_without_llmrack() -> None:
    assert changes(Seen()) == {}
    assert stays(host(), Seen()) == []


def test_user_that_was_noted_goes_with_its_home() -> None:
    change = changes(here(made=("user llm", "linger llm")))["User llm"]
    words = ("llm", "/home/llm", MODELS, "empty", "linger llm", "user llm")
    assert script(change) == script_file("system/remove-user.sh", *words)


def test_user_that_is_gone_already_is_made_up_for() -> None:
    """A removal was cut off after userdel: its note, and what is left of the home, are there."""
    assert "User llm" in changes(Seen(made={"user llm"}))


def test_models_stay_and_are_roots() -> None:
    seen = here(made=("user llm",), parts={"model": {"llama3.2:1b": None}})
    change = changes(seen)["User llm"]
    words = ("llm", "/home/llm", MODELS, "keep", "user llm")
    assert script(change) == script_file("system/remove-user.sh", *words)
    assert "but the models in /home/llm/.ollama/models, which are root's then" in change.why
    assert "1 models stay in /home/llm/.ollama/models" in stays(host(), seen)[0]


def test_models_go_where_that_is_asked_for() -> None:
    blobs = "/srv/models/blobs"
    seen = here(blobs, made=("user llm",), parts={"model": {"llama3.2:1b": None}})
    asked = {"ollama_models": "/srv/models", "remove_models": True}
    assert blobs in changes(seen, **asked)["Models"].why
    assert stays(host(**asked), seen) == []
    assert "Models" not in changes(seen, ollama_models="/srv/models")


def test_user_that_was_there_before_loses_what_it_was_given_alone() -> None:
    change = changes(here(made=("linger llm", "group render llm")))["User llm"]
    assert change.why == "linger to be disabled, to leave the group render"
    words = ("llm", "linger llm", "group render llm")
    assert script(change) == script_file("system/take-from-user.sh", *words)


def test_without_notes_user_linger_and_packages_stay_and_that_is_said() -> None:
    seen = here(f"{UNITS}/llmrack-gateway.socket", linger={"llm"})
    assert set(changes(seen)) == {"Units of the gateway", "Notes"}
    reasons = " ".join(stays(host(), seen))
    for text in ("the user llm stays", "linger of llm stays", "all packages stay"):
        assert text in reasons


def test_packages_that_others_need_stay_and_are_named() -> None:
    seen = here(made=("package zstd", "package curl"), packages={"zstd", "curl"})
    seen.removable = {"zstd"}
    change = changes(seen)["Packages"]
    assert change.why == "to be removed: zstd"
    assert "configuration was edited: curl" in stays(host(), seen)[-1]


def test_drop_ins_of_a_person_stay() -> None:
    unit = f"{UNITS}/llmrack-ollama@.service"
    changes_ = changes(here(unit, f"{unit}.d", f"{UNITS}/llmrack-ollama@main.service.d"))
    assert f"{unit}.d" not in script(changes_["Units of Ollama"])
    assert quote(unit) in script(changes_["Units of Ollama"])


def test_gateway_gets_its_time_to_finish() -> None:
    change = changes(here(f"{UNITS}/llmrack-gateway.socket"), gateway_drain=300)
    (action,) = change["Units of the gateway"].actions
    assert isinstance(action, Shell)
    assert action.timeout > 300


def test_folders_of_a_user_that_is_gone_are_removed_by_root() -> None:
    change = changes(Seen(paths={"/home/llm/.config/llmrack": FILE}))["Files of the service user"]
    assert "setpriv" not in script(change)


@pytest.mark.parametrize(("removable", "goes"), [({"nvidia-smi"}, True), (set(), False)])
def test_drivers_files_go_with_the_driver_alone(removable: set[str], goes: bool) -> None:
    seen = here(MODULES, made=("package nvidia-smi",), packages={"nvidia-smi"})
    seen.removable = removable
    assert ("GPU driver's files" in changes(seen)) == goes


def test_kept_models_are_no_reason_to_remove_anything() -> None:
    assert changes(Seen(made={"kept /home/llm/.ollama/models"})) == {}


def test_deploy_gives_kept_models_back() -> None:
    change = User("llm", "/home/llm").change(here(made=("kept /srv/models",)), ())
    assert change
    assert change.why == "models that were kept are root's"
    assert script(change) == script_file("system/take-back-models.sh", "llm", "/home/llm")


def test_models_that_were_kept_are_no_reason_to_refuse_a_host() -> None:
    seen = Seen(access={"/srv/models": ("read-only", "/srv/models")})
    box = host(ollama_models="/srv/models")
    assert ENGINES["ollama"].unusable(box, seen)
    seen.made = {"kept /srv/models"}
    assert ENGINES["ollama"].unusable(box, seen) is None


def test_note_of_the_llmrack_that_deployed_a_host_goes() -> None:
    assert VERSION in script(changes(Seen(paths={VERSION: FILE}))["Files of root"])
