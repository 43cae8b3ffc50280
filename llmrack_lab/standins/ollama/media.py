"""Images of a request, as llama.cpp's server takes or refuses them (tools/server, tools/mtmd)."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from collections.abc import Iterable

from .errors import ApiError, RunnerError
from .types import JsonObject, JsonValue

_NO_BASE64 = re.compile(r"[^A-Za-z0-9+/=\r\n]")
_PNG = b"\x89PNG\r\n\x1a\n"
_OTHERS = (b"\xff\xd8\xff", b"GIF8", b"BM", b"RIFF")


def decode_image(image: JsonValue) -> bytes:
    """The bytes of an image in base64.

    Raises:
        ApiError: 400, not base64; in the words of Go's ``encoding/base64``.
    """
    text = str(image)
    if wrong := _NO_BASE64.search(text):
        raise ApiError(400, f"illegal base64 data at input byte {wrong.start()}")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise ApiError(400, f"illegal base64 data at input byte {len(text)}") from None


def images_of(messages: Iterable[JsonObject]) -> list[bytes]:
    """The images of messages.

    Raises:
        ApiError: 400, one is not base64.
    """
    return [decode_image(image) for message in messages for image in message.get("images") or []]


def check_images(images: list[bytes], *, sees: bool) -> None:
    """Check images for a model.

    Raises:
        ApiError: 400, the model ``sees`` nothing, or an image cannot be read.
    """
    if images and not sees:
        raise RunnerError(
            "Multimodal data provided, but model does not support multimodal requests."
        )
    if not all(map(_readable, images)):
        raise RunnerError("Failed to load image or audio file")


def _readable(data: bytes) -> bool:
    """Whether this is an image: a PNG is read, of others the first bytes have to do."""
    if not data.startswith(_PNG):
        return data.startswith(_OTHERS) and data[8:12] != b"WAVE"
    packed, position, kind = b"", len(_PNG), b""
    try:
        while kind != b"IEND":
            length, kind = struct.unpack_from(">I4s", data, position)
            content = data[position + 8 : position + 8 + length]
            packed += content if kind == b"IDAT" else b""
            position += length + 12
        return bool(zlib.decompress(packed))
    except (struct.error, zlib.error):
        return False
