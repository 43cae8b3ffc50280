"""The part of a GGUF file that describes the model: keys, values and the number of weights.

The format is described in ggml's docs/gguf.md.
"""

from __future__ import annotations

import math
import struct
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from .types import JsonObject, JsonValue

_STRUCTS = {0: "B", 1: "b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "?", 10: "<Q", 11: "<q"}
_STRUCTS[12] = "<d"
_STRING, _ARRAY = 8, 9
MAGIC = b"GGUF"


@lru_cache(maxsize=64)
def read_metadata(path: Path) -> JsonObject:
    """Keys and values of a GGUF file; arrays, which may be large, become None.

    ``general.parameter_count`` is added. Both as in Ollama's ``/api/show``. Blobs never change,
    so results are kept.

    Raises:
        ValueError: not a GGUF file.
    """
    try:
        return _read(path)
    except struct.error:
        raise ValueError("unexpected EOF in GGUF file") from None


def _read(path: Path) -> JsonObject:
    with path.open("rb") as file:
        if file.read(4) != MAGIC:
            raise ValueError("supplied file was not in GGUF format")
        _, tensors, pairs = struct.unpack("<IQQ", file.read(20))
        values: JsonObject = {}
        for _ in range(pairs):
            key = _string(file)
            values[key] = _value(file, _number(file, "<I"))
        values["general.parameter_count"] = sum(_weights(file) for _ in range(tensors))
    return values


def _weights(file: BinaryIO) -> int:
    """Number of weights of the tensor that is described next."""
    _string(file)
    shape = [_number(file, "<Q") for _ in range(_number(file, "<I"))]
    file.read(4 + 8)
    return math.prod(shape)


def _number(file: BinaryIO, code: str) -> JsonValue:
    return struct.unpack(code, file.read(struct.calcsize(code)))[0]


def _string(file: BinaryIO) -> str:
    return file.read(_number(file, "<Q")).decode(errors="replace")


def _value(file: BinaryIO, kind: int) -> JsonValue:
    if kind == _STRING:
        return _string(file)
    if kind == _ARRAY:
        element, length = _number(file, "<I"), _number(file, "<Q")
        for _ in range(length):
            _value(file, element)
        return None
    if kind not in _STRUCTS:
        raise ValueError(f"unknown type {kind} in GGUF file")
    return _number(file, _STRUCTS[kind])
