"""The values of one generated input: numbers of a kind, words, images, serialised examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_kerasload.environments.session import InputSpec

Array = NDArray[Any]


@dataclass(frozen=True)
class Ask:
    """What is known of one input's values beyond its dtype.

    ``style`` is one of ``numbers``, ``words``, ``numerals``, ``images``, ``examples`` (serialised tf.train.Example
    with these features) or ``values`` (drawn from a stored list).
    """

    style: str = "numbers"
    bound: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    features: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    values: tuple[Any, ...] = ()


def _numpy(dtype: str) -> np.dtype[Any]:
    """The dtype in which values are handed over; float32 holds all of bfloat16."""
    return np.dtype("float32" if dtype == "bfloat16" else dtype)


def array(spec: InputSpec, ask: Ask, shape: tuple[int, ...], generator: np.random.Generator, kind: str) -> Array:
    """Values of that shape for one input. ``kind`` is one of ``zeros``, ``ones``, ``uniform``, ``normal``, ``image``
    (0 to 255) and ``wide``; indices and words stay what the model knows."""
    if ask.style == "values":
        given = np.array([str(value).encode("utf-8") for value in ask.values] if spec.dtype == "string" else ask.values)
        drawn = generator.choice(given, size=shape)
        return drawn if spec.dtype == "string" else drawn.astype(_numpy(spec.dtype))
    if spec.dtype == "string":
        return _strings(spec, ask, shape, generator)
    if spec.dtype == "bool":
        return generator.integers(0, 2, size=shape).astype(bool) if kind != "zeros" else np.zeros(shape, bool)
    dtype = _numpy(spec.dtype)
    if ask.bound is not None or dtype.kind in "iu":
        ends = [end for end in (ask.bound, None if ask.maximum is None else int(ask.maximum) + 1) if end is not None]
        high = min(ends, default=128)  # exclusive
        low = min(0, high - 1) if ask.minimum is None else int(ask.minimum)
        if kind == "zeros":
            return np.full(shape, low, dtype)
        return generator.integers(low, max(high, low + 1), size=shape).astype(dtype)
    if ask.minimum is not None or ask.maximum is not None or kind == "uniform":
        least = min(0.0, ask.maximum or 0.0) if ask.minimum is None else float(ask.minimum)
        most = max(1.0, least + 1) if ask.maximum is None else float(ask.maximum)
        return generator.uniform(least, most, size=shape).astype(dtype)
    if kind == "zeros":
        return np.zeros(shape, dtype)
    if kind == "ones":
        return np.ones(shape, dtype)
    if kind == "image":
        return generator.integers(0, 256, size=shape).astype(dtype)
    scale = 30.0 if kind == "wide" else 1.0
    real = generator.normal(0.0, scale, size=shape)
    return (real + 1j * generator.normal(0.0, scale, size=shape) if dtype.kind == "c" else real).astype(dtype)


_WORDS = ("the", "model", "is", "loaded", "again", "Ünïcode", "42", "", "a b c", "x" * 12)


def _strings(spec: InputSpec, ask: Ask, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    count = int(np.prod(shape))
    if ask.style == "examples":
        items = [_example(ask.features, generator) for _ in range(count)]
    elif ask.style == "images":
        items = [_png(generator) for _ in range(count)]
    elif ask.style == "numerals":
        items = [str(generator.integers(0, 10)).encode() for _ in range(count)]
    else:
        known = [word for word in spec.vocabulary if word] or list(_WORDS)
        pool = known + list(_WORDS[:4])
        items = [str(pool[generator.integers(len(pool))]).encode("utf-8") for _ in range(count)]
    return np.array(items, dtype="S" if any(items) else "S1").reshape(shape)


def _example(features: Mapping[str, tuple[str, int]], generator: np.random.Generator) -> bytes:
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


def _png(generator: np.random.Generator) -> bytes:
    """A small RGB image as PNG."""
    import struct
    import zlib

    size = 32
    pixels = generator.integers(0, 256, (size, size * 3), dtype=np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    # The bytes after the end are ignored by decoders and keep NumPy from dropping trailing NULs.
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
