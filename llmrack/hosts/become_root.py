"""Lets commands become root on a host in the way that the inventory sets.

pyinfra knows sudo, su, doas and dzdo, but it writes a password into the command line that the
host's shell gets, where every user there can read it. With su it also takes the standard input
away. Here a password is the first line of standard input: sudo (``-S``) and su read it from there
byte by byte, so that the command gets the rest (sudo's tgetpass.c, Linux-PAM's misc_conv.c).
"""

from __future__ import annotations

import re
import sys
from base64 import b64encode
from collections.abc import Callable, Iterable
from getpass import getpass
from typing import Any

from pyinfra.api import QuoteString, StringCommand
from pyinfra.api.arguments import pop_global_arguments
from pyinfra.api.hiddenvalue import HiddenValue
from pyinfra.api.host import Host
from pyinfra.connectors import util
from pyinfra.connectors.util import CommandOutput, make_unix_command

from llmrack.hosts.connection import Unreached, login_user

# The last line before the command's own standard input. Where no password was asked for, as under
# NOPASSWD, those before it are still there.
MARK = "llmrack: the command reads from here"
SKIP = f"""sh -c 'while IFS= read -r line; do [ "$line" = "{MARK}" ] && exit; done';"""
# su keeps the PATH of the login user, and dpkg wants the administrator's (Debian's login.defs).
ADMIN_PATH = 'export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin";'
# The ways that the inventory can set instead of sudo.
OTHER_WAYS = ("_su_user", "_doas", "_dzdo")
# Host data that is secret.
PASSWORDS = ("_sudo_password", "_su_password", "ssh_password", "ssh_key_password")
NO_PASSWORD = (
    "sudo wants a password and there is no terminal to ask for it: set _sudo_password for the "  # noqa: S105  (a message)
    "host, log in as root, or let the login user run sudo without one"
)
_REFUSED = re.compile(
    r"^(Password: )?(sudo|sudo-rs|su): .*(incorrect (password|authentication) attempt"
    r"|no password was provided|Authentication failure|does not exist)"
    r"|^(doas|dzdo): |^\S+ is not in the sudoers file"
    r"|^Sorry, user \S+ (is not allowed to|may not) (run|execute)"
)
# sudo takes the lines behind a wrong password for two more, and hands them to PAM, which may lock
# the account. So it is given the password alone first. No command line has it: printf is the
# shell's own. $0 is the user to become, the rest the command.
ALONE = (
    "IFS= read -r p && printf '%s\\n' \"$p\" | sudo -k -S -p '' -u \"$0\" sh -c : && unset p && "
    'exec "$@"'
)
# Messages of sudo and su are known in English; all else stays in the host's language.
ENGLISH = ("env", "-u", "LC_ALL", "LC_MESSAGES=C", "LANGUAGE=C")


def settings_of(host: Host) -> dict[str, Any]:
    """pyinfra's arguments for a command on ``host``: what the inventory sets, else pyinfra."""
    arguments, _ = pop_global_arguments(host.state, host, {})
    return dict(arguments)


def needs_sudo(host: Host) -> bool:
    """Whether commands become root by sudo: the login user is not root.

    The inventory may set another way; then sudo is used only where it is set, too.
    """
    settings = settings_of(host)
    if any(settings[way] for way in OTHER_WAYS):
        return bool(settings["_sudo"])
    return login_user(host) != "root"


def prepare(
    host: Host, command: str | StringCommand, arguments: dict[str, Any]
) -> tuple[StringCommand, list[str]]:
    """The command line that runs ``command``, and the lines that its standard input begins with.

    + arguments: pyinfra's for this command; those that control the connection are left out
    """
    arguments = dict(arguments)
    of_sudo, of_su = sudo_password(host, arguments), arguments.pop("_su_password", None)
    arguments.pop("_sudo_password", None)
    uses_sudo, uses_su = bool(arguments.get("_sudo")), bool(arguments.get("_su_user"))
    # Twice: see ALONE.
    passwords = [of_sudo, of_sudo] if of_sudo else []
    passwords += [of_su] if uses_su and of_su else []
    before = [SKIP] if passwords else []
    if passwords and passwords[-1] == of_su:
        # su's prompt ends without a line feed.
        before.append("echo >&2;")
    if uses_su:
        before.append(ADMIN_PATH)
    whole = StringCommand(*before, command)
    if uses_sudo and arguments.get("_use_sudo_login"):
        whole = _without_special_characters(whole)
    line = make_unix_command(whole, **arguments)
    if of_sudo:
        user = str(arguments.get("_sudo_user") or "root")
        line = _with_password_from_stdin(line)
        line = StringCommand("sh", "-c", QuoteString(ALONE), QuoteString(user), line)
    if uses_sudo or uses_su:
        line = StringCommand(*ENGLISH, line)
    return line, [*passwords, MARK] if passwords else []


def sudo_password(host: Host, arguments: dict[str, Any]) -> str | None:
    """The password that sudo gets: that of the inventory, or what a person has typed; or None."""
    if not arguments.get("_sudo"):
        return None
    typed = host.connector_data.get("prompted_sudo_password")
    return arguments.get("_sudo_password") or typed or None


def _with_password_from_stdin(line: StringCommand) -> StringCommand:
    """The line with ``sudo -S`` instead of ``sudo -n``; as pyinfra does, it asks each time."""
    bits = list(line.bits)
    place = bits.index("-n", bits.index("sudo"))
    bits[place : place + 1] = ["-k", "-S", "-p", "''"]
    return StringCommand(*bits)


def _without_special_characters(command: StringCommand) -> StringCommand:
    """The command for ``sudo -i``, which loses line feeds and lets ``$`` through to its shell."""
    encoded = b64encode(command.get_raw_value().encode()).decode()
    hidden = HiddenValue(encoded)  # type: ignore[no-untyped-call]
    return StringCommand('eval "`echo', hidden, '| base64 -d`"')


class RunShellCommand:
    """A connector's ``run_shell_command`` for a host, with passwords on standard input."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._original: Callable[..., tuple[bool, CommandOutput]]
        self._original = host.connector.run_shell_command

    def __call__(
        self,
        command: str | StringCommand,
        print_output: bool = False,
        print_input: bool = False,
        **arguments: Any,  # noqa: ANN401  (pyinfra's)
    ) -> tuple[bool, CommandOutput]:
        """As pyinfra's connectors do. Raises Unreached where a command may not become root."""
        asked = self._host.connector_data.get("prompted_sudo_password")
        control: dict[str, Any] = dict(util.extract_control_arguments(arguments))  # type: ignore[arg-type]
        stdin = control.pop("_stdin", None)

        def execute() -> tuple[bool, CommandOutput]:
            line, first_lines = prepare(self._host, command, arguments)
            if first_lines:
                # A terminal would show them.
                control["_get_pty"] = False
            return self._original(
                line,
                print_output=print_output,
                print_input=print_input,
                _shell_executable=None,
                _stdin=[*first_lines, *_lines(stdin)] or None,
                **control,
            )

        succeeded, output = execute()
        if not succeeded and self._host.connector_data.get("prompted_sudo_password") != asked:
            # pyinfra has asked a person, and could not know where the password goes.
            succeeded, output = execute()
        return succeeded, _checked(succeeded, output, arguments)


def use_stdin_for_passwords(host: Host) -> None:
    """Give the host's connector ``RunShellCommand``, unless it has it."""
    util.getpass = _ask  # type: ignore[assignment]
    if not isinstance(host.connector.run_shell_command, RunShellCommand):
        host.connector.run_shell_command = RunShellCommand(host)  # type: ignore[method-assign]


def _checked(succeeded: bool, output: CommandOutput, arguments: dict[str, Any]) -> CommandOutput:
    """The output without su's prompt. Raises Unreached where a command may not become root."""
    lines = output.combined_lines
    if arguments.get("_su_user") and arguments.get("_su_password"):
        prompts = [line for line in lines if line.buffer_name == "stderr"][:1]
        if prompts and prompts[0].line.rstrip().endswith(":"):
            lines.remove(prompts[0])
    becomes = any(arguments.get(way) for way in ("_sudo", *OTHER_WAYS))
    if becomes and not succeeded:
        for line in output.stderr_lines:
            if _REFUSED.search(line):
                raise Unreached(
                    f"its commands may not become root ({line.strip()}): see _sudo_password, "
                    "_su_user, _su_password and _doas of the host, and its own rules for them"
                )
    return output


def _ask(prompt: str) -> str:
    """A password that a person types; raises Unreached where there is no terminal."""
    if not sys.stdin.isatty():
        raise Unreached(NO_PASSWORD)
    return getpass(prompt)


def _lines(stdin: object) -> Iterable[str]:
    """pyinfra's forms of standard input as a list."""
    if stdin is None:
        return []
    if hasattr(stdin, "readlines"):
        return list(stdin.readlines())
    return list(stdin) if isinstance(stdin, list | tuple) else [str(stdin)]
