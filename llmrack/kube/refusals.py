"""What the API server would refuse, told before anything is changed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from llmrack.kube.form import MANAGED_BY, MANAGER, PART_OF, Object, identity
from llmrack.kube.kubectl import Kubectl, KubectlError

_CONFLICT = re.compile(r'conflicts? with "([^"]+)"')
# The second comes where the user's kubectl remembers a kind that is gone.
_UNKNOWN_KIND = ("no matches for kind", "could not find the requested resource")
_FIELD = re.compile(r"^- (\.\S+)$|(?<=: )(\.\S+)$", re.MULTILINE)


class Refused(Exception):
    """The cluster would not take what is declared, for these reasons; nothing was changed."""


def tried(kubectl: Kubectl, wanted: Sequence[Object]) -> list[Object]:
    """The objects as the server would have them. Raises Refused with all reasons."""
    try:
        return kubectl.apply(wanted, dry=True)
    except KubectlError as error:
        # The server names neither object nor field of some reasons, so each is asked for alone.
        reasons = [f"{identity(one)}: {why}" for one in wanted for why in _reasons(kubectl, one)]
        raise Refused("\n".join(reasons or [str(error)])) from None


def insist_on_ours(wanted: Iterable[Object], before: Mapping[str, Object]) -> None:
    """Raise Refused for objects of somebody else that have a name of ours.

    The Secret with the keys is shared, key by key. Another stack of llmrack in the same namespace
    is somebody else.
    """
    reasons = [
        f"{name}: {why}"
        for one in wanted
        if (there := before.get(name := identity(one))) and (why := _not_ours(one, there))
    ]
    if reasons:
        raise Refused("\n".join(reasons))


def _not_ours(one: Object, there: Object) -> str | None:
    """Why an object that is there may not become ours; None if it may."""
    found = there["metadata"].get("labels", {})
    stack = found.get(PART_OF) if found.get(MANAGED_BY) == MANAGER else None
    labels = one["metadata"].get("labels", {})
    if PART_OF not in labels:
        return _would_lose(there)
    if stack == labels[PART_OF]:
        return None
    whose = f"belongs to llmrack's gateway {stack}" if stack else "is not llmrack's"
    return f"is there already and {whose}; delete it, or declare another name or namespace"


def _would_lose(there: Object) -> str | None:
    """Why a Secret that is shared may not be merged into; None if it may.

    kubectl takes a note of its own client-side apply for one of everything that whoever applies by
    the server has set, and takes away what that one does not declare (kubectl's
    cmd/apply, migrateToSSAIfNecessary).
    """
    note = "kubectl.kubernetes.io/last-applied-configuration"
    if note not in there["metadata"].get("annotations", {}):
        return None
    name = there["metadata"]["name"]
    return (
        "was made by `kubectl apply`, by whose note all its keys would count as llmrack's, and be "
        f"lost; remove the note (kubectl annotate secret {name} {note}-) and apply it with "
        "--server-side from now on, or name another Secret in kube.yaml"
    )


def _reasons(kubectl: Kubectl, one: Object) -> Iterable[str]:
    try:
        kubectl.apply([one], dry=True)
    except KubectlError as error:
        yield _explained(one, str(error))


def _explained(one: Object, said: str) -> str:
    """The server's reason, and the way out where it is known."""
    if managers := sorted(set(_CONFLICT.findall(said))):
        fields = [first or second for first, second in _FIELD.findall(said)]
        return (
            f"{', '.join(fields) or 'a field'} was set by {', '.join(managers)}, by hand or by "
            "another program; remove it there, or take it out of what is declared"
        )
    if "volumeClaimTemplates" in said:
        about = one["metadata"]
        return (
            "the claims of pods that exist cannot change; declare storage and storage_class as "
            "they were, or, for pods to come, run `kubectl --namespace "
            f"{about['namespace']} delete statefulset {about['name']} --cascade=orphan` first, "
            "which leaves pods and claims"
        )
    if any(words in said for words in _UNKNOWN_KIND):
        return "the cluster does not know this kind; install what offers it, or leave it out"
    return said
