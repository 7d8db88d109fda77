"""The fingerprint TensorFlow puts beside a SavedModel since 2.11: whether its parts were saved together.

``fingerprint.pb`` holds FarmHash Fingerprint64 of saved_model.pb and of variables/variables.index
(tensorflow/cc/saved_model/fingerprinting.cc). The index has a checksum of every variable in it, so the second one is
wrong as soon as the values are those of another model or another day of training.
"""

from __future__ import annotations

import struct

_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F
_ALL = (1 << 64) - 1


def fingerprint64(data: bytes) -> int:
    """FarmHash Fingerprint64, which is farmhashna::Hash64 (https://github.com/google/farmhash)."""
    if len(data) <= 16:
        return _up_to_16(data)
    if len(data) <= 32:
        return _up_to_32(data)
    return _up_to_64(data) if len(data) <= 64 else _longer(data)


def _at(data: bytes, position: int) -> int:
    return int.from_bytes(data[position : position + 8], "little")


def _rotated(value: int, shift: int) -> int:
    value &= _ALL
    return (value >> shift | value << (64 - shift)) & _ALL


def _mixed(value: int) -> int:
    value &= _ALL
    return value ^ (value >> 47)


def _joined(one: int, other: int, factor: int) -> int:
    first = _mixed((one ^ other & _ALL) * factor)
    return _mixed((other ^ first) * factor) * factor & _ALL


def _up_to_16(data: bytes) -> int:
    size = len(data)
    factor = _K2 + size * 2
    if size >= 8:
        a, b = _at(data, 0) + _K2, _at(data, size - 8)
        return _joined((_rotated(b, 37) * factor + a) & _ALL, ((_rotated(a, 25) + b) * factor) & _ALL, factor)
    if size >= 4:
        a, b = int.from_bytes(data[:4], "little"), int.from_bytes(data[-4:], "little")
        return _joined(size + (a << 3), b, factor)
    if size:
        y, z = data[0] + (data[size >> 1] << 8), size + (data[-1] << 2)
        return _mixed((y * _K2 & _ALL) ^ (z * _K0 & _ALL)) * _K2 & _ALL
    return _K2


def _up_to_32(data: bytes) -> int:
    size = len(data)
    factor = _K2 + size * 2
    a, b = _at(data, 0) * _K1, _at(data, 8)
    c, d = _at(data, size - 8) * factor, _at(data, size - 16) * _K2
    return _joined((_rotated(a + b, 43) + _rotated(c, 30) + d) & _ALL, (a + _rotated(b + _K2, 18) + c) & _ALL, factor)


def _up_to_64(data: bytes) -> int:
    size = len(data)
    factor = _K2 + size * 2
    a, b = _at(data, 0) * _K2, _at(data, 8)
    c, d = _at(data, size - 8) * factor, _at(data, size - 16) * _K2
    y = (_rotated(a + b, 43) + _rotated(c, 30) + d) & _ALL
    z = _joined(y, (a + _rotated(b + _K2, 18) + c) & _ALL, factor)
    e, f = _at(data, 16) * factor, _at(data, 24)
    g, h = (y + _at(data, size - 32)) * factor, (z + _at(data, size - 24)) * factor
    return _joined((_rotated(e + f, 43) + _rotated(g, 30) + h) & _ALL, (e + _rotated(f + a, 18) + g) & _ALL, factor)


def _longer(data: bytes) -> int:
    size = len(data)
    x, y = 81, (81 * _K1 + 113) & _ALL
    z = _mixed(y * _K2 + 113) * _K2 & _ALL
    v = w = (0, 0)
    x = (x * _K2 + _at(data, 0)) & _ALL
    for block in struct.iter_unpack("<8Q", data[: (size - 1) // 64 * 64]):
        x, y, z, v, w = _step(block, x, y, z, v, w, _K1, 1)
    factor = _K1 + ((z & 0xFF) << 1)
    first = (w[0] + (size - 1 & 63)) & _ALL
    v = ((v[0] + first) & _ALL, v[1])
    w = ((first + v[0]) & _ALL, w[1])
    x, y, z, v, w = _step(struct.unpack("<8Q", data[-64:]), x, y, z, v, w, factor, 9)
    return _joined(
        (_joined(v[0], w[0], factor) + _mixed(y) * _K0 + z) & _ALL, (_joined(v[1], w[1], factor) + x) & _ALL, factor
    )


_Pair = tuple[int, int]


def _step(
    block: tuple[int, ...], x: int, y: int, z: int, v: _Pair, w: _Pair, factor: int, weight: int
) -> tuple[int, int, int, _Pair, _Pair]:
    """One block of 64 bytes; the last one has another factor and weight."""
    x = _rotated(x + y + v[0] + block[1], 37) * factor & _ALL
    y = _rotated(y + v[1] + block[6], 42) * factor & _ALL
    x ^= w[1] * weight & _ALL
    y = (y + v[0] * weight + block[5]) & _ALL
    z = _rotated(z + w[0], 33) * factor & _ALL
    v = _half(block[:4], v[1] * factor, x + w[0])
    w = _half(block[4:], z + w[1], y + block[2])
    return z, y, x, v, w


def _half(words: tuple[int, ...], a: int, b: int) -> _Pair:
    a += words[0]
    b = _rotated(b + a + words[3], 21)
    c = a
    a += words[1] + words[2]
    b += _rotated(a, 44)
    return (a + words[3]) & _ALL, (b + c) & _ALL
