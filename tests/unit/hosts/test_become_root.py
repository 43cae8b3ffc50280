"""How commands become root: the command lines, run by real shells with pretended sudo and su."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api import QuoteString, StringCommand
from pyinfra.connectors import util
from pyinfra.connectors.util import CommandOutput, OutputLine

from llmrack.hosts.become_root import (
    NO_PASSWORD,
    RunShellCommand,
    needs_sudo,
    prepare,
    use_stdin_for_passwords,
)
from llmrack.hosts.commands import connection_arguments
from llmrack.hosts.connection import Unreached
from tests.unit.fake_host import fake_host

SECRET = 'p\'w "$HOME" \\n'
# It asks for a password on the standard input, as sudo and su do, unless NOPASSWD is set.
ASKS = """#!/bin/bash
printf '%s ' "${0##*/}" "$@" >>"$LOG"
[ "$NOPASSWD" ] || { printf 'Password: ' >&2; tries=0
  while IFS= read -r given && printf '%s\\n' "$given" >>"$LOG.given"; [ "$given" != "$RIGHT" ]; do
    tries=$((tries + 1))
    [ "$given" ] && [ $tries -lt 3 ] && continue
    echo "sudo: $((tries - 1)) incorrect password attempt" >&2; exit 1; done; }
"""
# sudo -i hands one string with a backslash before all but letters, digits, _, - and $ to a shell.
LOGIN = """login= words=
while :; do case $1 in -i) login=1;; -p | -u) shift;; -*) ;; *) break;; esac; shift; done
[ "$login" ] || exec "$@"
text="$*"; out=
for word; do
  for ((i = 0; i < ${#word}; i++)); do
    c=${word:i:1}
    case $c in [[:alnum:]_\\$-]) out+=$c;; *) out+="\\\\$c";; esac
  done
  out+=' '
done
exec bash -c "$out"
"""
SU = 'while [ "$1" != -c ]; do shift; done; exec bash -c "$2"\n'
PASSES = 'while [ "$1" != sh ]; do shift; done; exec "$@"\n'


class Machine:
    """A folder of programs that stand in for sudo and its like."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, end in (("sudo", LOGIN), ("su", SU)):
            self._write(name, ASKS + end)
        for name in ("doas", "dzdo"):
            self._write(name, "#!/bin/bash\n" + PASSES)

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)
        (self.folder / name).chmod(0o755)

    def run(
        self, settings: dict[str, Any], script: str, stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a script as a connection would that has these settings."""
        command = StringCommand("sh", "-c", QuoteString(script))
        line, first = prepare(fake_host(), command, settings)
        text = line.get_raw_value()
        assert SECRET not in text
        assert "p'w" not in str(line)
        return subprocess.run(
            ["sh", "-c", text],
            input="".join(f"{line}\n" for line in first) + stdin,
            capture_output=True,
            text=True,
            env={
                "PATH": f"{self.folder}:/usr/bin:/bin",
                "LOG": str(self.folder / "log"),
                "RIGHT": SECRET,
                "HOME": "/nowhere",
                **environment,
            },
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


SCRIPT = """read -r first
a='one $HOME'
printf '%s|%s|%s|' "$first" "$a" \\
  'it'"'"'s'
cat"""
ANSWER = "line 1|one $HOME|it's|line 2\n"
WAYS: dict[str, dict[str, Any]] = {
    "no way": {},
    "sudo": {"_sudo": True},
    "sudo with a password": {"_sudo": True, "_sudo_password": SECRET},
    "sudo for a user": {"_sudo": True, "_sudo_user": "root", "_sudo_password": SECRET},
    "a login shell of sudo's": {"_sudo": True, "_use_sudo_login": True, "_sudo_password": SECRET},
    "a login shell without a password": {"_sudo": True, "_use_sudo_login": True},
    "su with a password": {"_su_user": "root", "_su_password": SECRET},
    "a login shell of su's": {"_su_user": "root", "_su_password": SECRET, "_use_su_login": True},
    "sudo and su": {
        "_sudo": True,
        "_sudo_password": SECRET,
        "_su_user": "root",
        "_su_password": SECRET,
    },
    "doas": {"_doas": True},
    "dzdo": {"_dzdo": True, "_dzdo_user": "root"},
    "bash": {"_sudo": True, "_sudo_password": SECRET, "_shell_executable": "bash"},
    "an environment": {"_sudo": True, "_sudo_password": SECRET, "_env": {"A": "b c"}},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_command_gets_its_own_standard_input(machine: Machine, way: str) -> None:
    settings = WAYS[way]
    environment = {} if "password" in str(settings) else {"NOPASSWD": "1"}
    done = machine.run(settings, SCRIPT, "line 1\nline 2\n", **environment)
    assert (done.stdout, done.returncode) == (ANSWER, 0), done


@pytest.mark.parametrize("way", WAYS)
def test_a_password_that_nobody_asked_for_does_not_reach_the_command(
    machine: Machine, way: str
) -> None:
    done = machine.run(WAYS[way], SCRIPT, "line 1\nline 2\n", NOPASSWD="1")
    assert (done.stdout, done.returncode) == (ANSWER, 0), done


def test_exit_codes_come_through(machine: Machine) -> None:
    for settings in WAYS.values():
        assert machine.run(settings, "exit 7", NOPASSWD="1").returncode == 7


def test_su_gets_the_paths_of_an_administrator(machine: Machine) -> None:
    done = machine.run(WAYS["su with a password"], 'echo "$PATH"')
    assert done.stdout.strip().endswith(":/usr/local/sbin:/usr/sbin:/sbin")


def host_with(login: str = "ops", **data: Any) -> Any:
    made = fake_host()
    made.data = SimpleNamespace(**data)
    transport = SimpleNamespace(get_username=lambda: login)
    made.connector.client = SimpleNamespace(get_transport=lambda: transport)
    return made


@pytest.mark.parametrize(
    ("login", "data", "needed"),
    [
        ("ops", {}, True),
        ("root", {}, False),
        ("root", {"_sudo": True}, False),
        ("ops", {"_su_user": "root"}, False),
        ("ops", {"_doas": True}, False),
        ("ops", {"_dzdo": True}, False),
        ("ops", {"_su_user": "root", "_sudo": True}, True),
    ],
)
def test_sudo_is_used_where_the_inventory_sets_no_other_way(
    login: str, data: dict[str, Any], needed: bool
) -> None:
    made = host_with(login, **data)
    assert needs_sudo(made) is needed
    assert connection_arguments(made)["_sudo"] is needed


def test_the_login_user_s_own_commands_become_nobody_else() -> None:
    made = host_with(_su_user="root", _doas=True, _env={"A": "b"})
    arguments = connection_arguments(made, root=False)
    assert not any(arguments[way] for way in ("_sudo", "_su_user", "_doas", "_dzdo"))
    assert arguments["_env"] == {"A": "b"}


def answers(succeeded: bool, *errors: str) -> Any:
    output = CommandOutput([OutputLine("stderr", error) for error in errors])
    return lambda *_, **__: (succeeded, output)


@pytest.mark.parametrize(
    "error",
    [
        "sudo: 3 incorrect password attempts",
        "sudo: no password was provided",
        "ops is not in the sudoers file.",
        "Sorry, user ops is not allowed to execute '/bin/sh' as root on box1.",
        "Password: su: Authentication failure",
        "doas: Operation not permitted",
        "doas: Authentication required",
    ],
)
def test_a_host_that_does_not_let_commands_become_root_is_told(error: str) -> None:
    made = fake_host(answers(False, error))
    with pytest.raises(Unreached, match="its commands may not become root"):
        RunShellCommand(made)("true", _sudo=True)


@pytest.mark.parametrize(
    "error",
    [
        "cat: /nowhere: No such file or directory",
        "sudo: unable to resolve host box1: Name or service not known",
        "curl: (22) The requested URL returned error: 401 Authentication failure",
        "apt: not allowed to run as this user",
    ],
)
def test_what_fails_for_another_reason_is_an_answer(error: str) -> None:
    made = fake_host(answers(False, error))
    succeeded, output = RunShellCommand(made)("cat /nowhere", _sudo=True)
    assert not succeeded
    assert output.stderr == error


def test_a_wrong_password_is_tried_once_and_nothing_else_with_it(machine: Machine) -> None:
    """sudo would take what stands behind it for the next two passwords."""
    done = machine.run(WAYS["sudo with a password"], "cat", "a login\n", RIGHT="another")
    assert done.returncode == 1
    assert "1 incorrect password attempt" in done.stderr
    assert (machine.folder / "log.given").read_text() == f"{SECRET}\n"


@pytest.mark.parametrize("way", ["sudo with a password", "su with a password"])
def test_messages_that_are_looked_for_are_english(machine: Machine, way: str) -> None:
    german = {"LC_ALL": "de_DE.UTF-8", "LANGUAGE": "de", "LANG": "de_DE.UTF-8"}
    done = machine.run(WAYS[way], 'echo "$LC_MESSAGES ${LC_ALL-unset} $LANGUAGE $LANG"', **german)
    assert done.stdout == "C unset C de_DE.UTF-8\n"


def test_su_s_prompt_is_no_part_of_the_answer() -> None:
    made = fake_host(answers(True, "Password: ", "a warning"))
    _, output = RunShellCommand(made)("true", _su_user="root", _su_password=SECRET)
    assert output.stderr_lines == ["a warning"]


def test_nobody_is_asked_for_a_password_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(util, "getpass", util.getpass)
    made = fake_host(answers(True))
    use_stdin_for_passwords(made)
    with pytest.raises(Unreached) as raised:
        util.getpass("sudo password: ")
    assert str(raised.value) == NO_PASSWORD


def test_a_password_that_a_person_typed_is_used_from_then_on() -> None:
    made = fake_host()
    lines: list[list[str] | None] = []

    def run(line: StringCommand, **arguments: Any) -> tuple[bool, CommandOutput]:
        lines.append(arguments["_stdin"])
        if len(lines) == 1:
            # As pyinfra does, which asks and tries again.
            made.connector_data["prompted_sudo_password"] = SECRET
        return len(lines) > 1, CommandOutput([])

    made.connector.run_shell_command = run
    use_stdin_for_passwords(made)
    succeeded, _ = made.connector.run_shell_command("true", _sudo=True)
    assert succeeded
    assert lines[0] is None
    assert lines[1]
    assert lines[1][0] == SECRET
