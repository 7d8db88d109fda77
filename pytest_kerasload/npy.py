"""Arrays in NumPy's ``.npy`` format, and archives of them, read without Python's parser.

A header is written as a Python literal, and NumPy parses it as one. Checks are made in threads, and there the parser
of several Python releases fails on sound code (:mod:`pytest_kerasload.syntax`). So the headers that NumPy writes are
read by a pattern, and only others are left to NumPy.
"""

from __future__ import annotations

import io
import math
import re
import zipfile
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from pytest_kerasload import syntax

_LONGEST_HEADER = 1 << 16
_LAST = 0x10FFFF
"""The number of the last character of Unicode."""

_HEADER = re.compile(
    rb"\s*\{\s*'descr'\s*:\s*'(?P<descr>[<>|=]?[?a-zA-Z]\d*)'\s*,\s*'fortran_order'\s*:\s*(?P<order>True|False)\s*,"
    rb"\s*'shape'\s*:\s*\((?P<shape>[\d\s,]*)\)\s*,?\s*\}\s*"
)

Header = tuple[tuple[int, ...], bool, "np.dtype[Any]"]


def header(stream: IO[bytes]) -> Header:
    """Shape, whether it is in Fortran's order, and dtype of the array that follows; ValueError where none does."""
    version = npy.read_magic(stream)
    size = stream.read(2 if version == (1, 0) else 4)
    text = stream.read(min(int.from_bytes(size, "little"), _LONGEST_HEADER + 1))
    if len(text) > _LONGEST_HEADER:
        raise ValueError("its header is longer than that of any array")
    found = _HEADER.fullmatch(text)
    if found is not None:
        shape = tuple(int(part) for part in found["shape"].split(b",") if part.strip())
        return shape, found["order"] == b"True", _dtype(found["descr"].decode("ascii"))
    return _by_numpy(version, size + text)


def _dtype(text: str) -> np.dtype[Any]:
    try:
        return np.dtype(text)
    except Exception as error:  # TypeError, SystemError and others
        raise ValueError(f"no dtype is written {text!r}: {error}") from None


def _by_numpy(version: tuple[int, int], rest: bytes) -> Header:
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    try:
        shape, fortran, dtype = syntax.alone(lambda: read(io.BytesIO(rest)))
    except Exception as error:  # NumPy lets through what its parsers raise
        raise ValueError(f"a header that cannot be read: {error}") from None
    return shape, fortran, dtype


def load(stream: IO[bytes], largest: int | None = None) -> NDArray[Any]:
    """The array in a stream; ValueError where it holds none, Python objects, or fewer elements than it claims.

    ``largest``: so many bytes the array takes at most.
    """
    shape, fortran, dtype = header(stream)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are not unpickled")
    if any(size < 0 for size in shape):
        raise ValueError("an array with a negative size")
    count = math.prod(shape)
    if largest is not None and max(count, count * dtype.itemsize) > largest:
        raise ValueError("an array that is not there")
    data = bytearray(stream.read(count * dtype.itemsize))
    if len(data) != count * dtype.itemsize:
        raise ValueError(f"its data ends after {len(data):,} of {count * dtype.itemsize:,} bytes")
    if not dtype.itemsize or not count:
        return np.zeros(shape, dtype)
    array: NDArray[Any] = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
    if dtype.kind == "U" and int(np.frombuffer(data, np.dtype("u4").newbyteorder(dtype.byteorder)).max()) > _LAST:
        # NumPy makes a str of any number; one that stands for no character takes Python itself down.
        raise ValueError("it holds text of no characters")
    return array


def archive(stream: IO[bytes]) -> dict[str, NDArray[Any]]:
    """The arrays of an ``.npz``, by name; ValueError for a member that is none, and what ``zipfile`` raises."""
    found = {}
    with zipfile.ZipFile(stream) as members:
        for info in members.infolist():
            name = info.filename.removesuffix(".npy")
            with members.open(info) as content:
                try:
                    found[name] = load(content)
                except ValueError as error:
                    raise ValueError(f"{name!r} is no array that can be read: {error}") from None
    return found
