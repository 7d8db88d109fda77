"""Bytes that stand in a string input: serialised tf.train.Example, images."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

import numpy as np


def example(features: Mapping[str, tuple[str, int]], generator: np.random.Generator) -> bytes:
    """A serialised tf.train.Example with these features (name → dtype and number of values)."""
    entries = b""
    for name, (dtype, count) in sorted(features.items()):
        if dtype in ("float", "float32"):
            packed = generator.uniform(0, 1, count).astype("<f4").tobytes()
            value = _field(2, _field(1, packed))
        elif dtype in ("int64", "int32"):
            value = _field(3, _field(1, b"".join(_varint(int(n)) for n in generator.integers(0, 2, count))))
        else:
            value = _field(1, b"".join(_field(1, b"word") for _ in range(count)))
        entries += _field(1, _field(1, name.encode("utf-8")) + _field(2, value))
    # A last byte that is no NUL: NumPy's fixed-width bytes drop trailing ones. Field 15 is unknown and skipped.
    return _field(1, entries) + _field(15, b".")


def _varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def png(generator: np.random.Generator) -> bytes:
    """A small RGB image as PNG."""
    size = 32
    pixels = generator.integers(0, 256, (size, size * 3), dtype=np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    # The bytes after the end are ignored by decoders and keep NumPy from dropping trailing NULs.
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
