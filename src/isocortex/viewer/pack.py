"""One binary block: a JSON head and little-endian arrays behind it, as the browser reads them.

A head of ``uint32`` length (bytes, padded with spaces so that arrays begin at multiples of eight),
then the arrays, each padded to eight bytes. The head says of every array its type, shape and
offset, so that ``new Float32Array(buffer, offset, length)`` is all a reader does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

ALIGN = 8
#: What JavaScript has typed arrays for.
TYPES = ("u1", "u2", "u4", "i2", "i4", "f4", "f8")


def pack(head: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """``head`` and ``arrays`` as one block; ``head["arrays"]`` says where each lies."""
    places, parts, offset = {}, [], 0
    for name, values in arrays.items():
        little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
        kind = little.dtype.str[1:]
        if kind not in TYPES:
            raise TypeError(f"{name} is {values.dtype}, which a browser has no array for")
        places[name] = {"type": kind, "shape": list(little.shape), "offset": offset}
        data = little.tobytes()
        data += bytes(-len(data) % ALIGN)
        parts.append(data)
        offset += len(data)
    text = json.dumps({**head, "arrays": places}, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-(len(text) + 4) % ALIGN)
    return b"".join([np.uint32(len(text)).astype("<u4").tobytes(), text, *parts])


def unpack(block: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Head and arrays of a block; what the browser does, for tests and other readers."""
    length = int(np.frombuffer(block, "<u4", 1)[0])
    head = json.loads(block[4 : 4 + length])
    arrays = {}
    for name, place in head.pop("arrays").items():
        count = int(np.prod(place["shape"]))
        start = 4 + length + place["offset"]
        values = np.frombuffer(block, "<" + place["type"], count, start)
        arrays[name] = values.reshape(place["shape"])
    return head, arrays
