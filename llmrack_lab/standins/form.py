"""Bodies of forms (multipart/form-data, RFC 7578), as clients send files in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_BOUNDARY = re.compile(r'multipart/form-data;.*\bboundary="?([^";]+)"?', re.IGNORECASE)
_NAME = re.compile(rb'\bname="([^"]*)"')
_FILENAME = re.compile(rb'\bfilename="([^"]*)"')


@dataclass(frozen=True)
class Form:
    """The fields of a form, the file's name being that of its field, and the files' bytes."""

    fields: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


def read_form(content_type: str, raw: bytes) -> Form | None:
    """The form in a body; None where it is none."""
    boundary = _BOUNDARY.match(content_type)
    if not boundary:
        return None
    fields: dict[str, str] = {}
    files: dict[str, bytes] = {}
    # What stands before the first boundary and after the last one belongs to no part.
    for part in raw.split(b"--" + boundary[1].encode())[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        name, filename = _NAME.search(head), _FILENAME.search(head)
        if not name:
            continue
        content = content.removesuffix(b"\r\n")
        if filename:
            files[name[1].decode()] = content
        text = filename[1] if filename else content
        fields[name[1].decode()] = text.decode(errors="replace")
    return Form(fields, files)
