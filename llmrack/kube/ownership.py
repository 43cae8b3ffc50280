"""What the API server notes about who set which field (server-side apply)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from llmrack.kube.form import Object


def ours(thing: Object, manager: str) -> Object:
    """The fields of an object that ``manager`` has set, as it would apply them again.

    ``metadata.managedFields`` has them in the form FieldsV1: ``f:NAME`` for a field, ``k:{…}`` for
    an item of a list by its keys, ``v:…`` for one by its value (sigs.k8s.io/structured-merge-diff).
    """
    there = thing["metadata"]
    named = {key: there[key] for key in ("name", "namespace") if key in there}
    found: Object = {"apiVersion": thing["apiVersion"], "kind": thing["kind"], "metadata": named}
    for entry in there.get("managedFields", ()):
        if entry["manager"] == manager and entry["operation"] == "Apply":
            fields: Object = _owned(thing, entry["fieldsV1"])
            about = named | fields.get("metadata", {})
            return found | fields | {"metadata": about}
    return found


def others(thing: Object, manager: str) -> set[str]:
    """The names of everybody but ``manager`` who has set a field."""
    entries = thing["metadata"].get("managedFields", ())
    return {entry["manager"] for entry in entries} - {manager}


def _owned(value: Any, fields: Mapping[str, Any]) -> Any:  # noqa: ANN401  (JSON)
    inner = {key: part for key, part in fields.items() if key != "."}
    if not inner:
        # A value that is owned as a whole; {".": {}}: a map or a list without its items.
        return type(value)() if "." in fields else value
    if isinstance(value, list):
        # In the list's own order: that of the notes is the alphabet's.
        items = [found for key, part in inner.items() for found in _items(value, key, part)]
        return [item for _, item in sorted(items, key=lambda found: found[0])]
    return {
        key[2:]: _owned(value[key[2:]], part) for key, part in inner.items() if key[2:] in value
    }


def _items(value: list[Any], key: str, part: Mapping[str, Any]) -> list[tuple[int, Any]]:
    """The items of a list that a key of FieldsV1 names, with their places in it."""
    kind, wanted = key[:2], json.loads(key[2:])
    if kind == "v:":
        return [(place, item) for place, item in enumerate(value) if item == wanted]
    return [
        (place, _owned(item, part) | wanted)
        for place, item in enumerate(value)
        if wanted.items() <= item.items()
    ]
