"""Whether user managers of a host can carry out the sandbox of units: they need user namespaces.

A kernel that gives no user namespaces to ordinary users lets no such unit start (systemd.exec(5),
PrivateUsers=). Ubuntu from 24.04 on gives them namespaces in which they may do nothing, and then
systemd starts the unit without its sandbox and says nothing.
"""

from __future__ import annotations

from llmrack.resources.look import Seen

# What the look says if AppArmor makes them useless; else it names the setting that denies them.
_APPARMOR = "apparmor"


def without_namespaces(seen: Seen) -> str | None:
    """The reason to refuse a host on which no unit with a sandbox starts; None if they start."""
    setting = seen.fact("no_namespaces")
    if setting in ("", _APPARMOR):
        return None
    value = {"user.max_user_namespaces": "10000"}.get(setting, "1")
    return (
        f"its kernel gives no user namespaces to the service user ({setting} = 0), and the units' "
        f"sandbox needs them: set {setting} = {value} in /etc/sysctl.d, then run sysctl --system"
    )


def notes(seen: Seen) -> list[str]:
    """What should be known of a host on which units run without their sandbox."""
    if seen.fact("no_namespaces") != _APPARMOR:
        return []
    return [
        "the units' sandbox has no effect here: AppArmor denies user managers what it needs "
        "(kernel.apparmor_restrict_unprivileged_userns = 1); docs/hosts.md has a profile that "
        "permits it"
    ]
