"""Which Python wrote a marshalled function, told by how its bytes are laid out.

Nothing is unmarshalled: the fields are stepped over, because ``marshal.loads`` may crash on bytes that someone chose.
Marshal has no version of Python in it, but a code object has other fields from release to release (CPython,
Python/marshal.c, TYPE_CODE), and other instructions.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

_FIXED = {"i": 4, "I": 8, "g": 8, "y": 16, "r": 4, "R": 4}
_EMPTY = frozenset("0NFTS.")
_LONG_TEXT = frozenset("stuaA")
_DEEPEST = 50


class _Foreign(Exception):
    """The bytes are no code object of that layout."""


@dataclass(frozen=True)
class _Layout:
    """How many numbers a code object begins with, and how many tables end it; all have seven objects in between."""

    numbers: int
    tables: int


@dataclass(frozen=True)
class _Code:
    instructions: bytes
    line_table: bytes


ALIKE = (("2.7",), ("3.5", "3.6", "3.7"), ("3.8", "3.9", "3.10"), ("3.11", "3.12", "3.13", "3.14"))
"""Releases whose code objects have the same fields. Those of another group cannot be read at all; of the same group
they may be read, and then do something else or take the interpreter down."""


def pythons(marshalled: bytes) -> tuple[str, ...]:
    """The minor releases of Python that may have written these bytes; empty where they are no function's."""
    for layout, releases in _LAYOUTS:
        try:
            walk = _Walk(marshalled, layout)
            code = walk.code()
            if walk.at == len(marshalled):
                return releases(code)
        except (_Foreign, IndexError, struct.error):
            continue
    return ()


def _covers(code: _Code) -> bool:
    """Whether the line table goes over all instructions, as that of 3.10 does (PEP 626)."""
    return bool(code.line_table) and sum(code.line_table[::2]) == len(code.instructions)


def _since_3_11(code: _Code) -> tuple[str, ...]:
    """Told apart by the number of RESUME, at which every function begins, and by instructions of one release."""
    units = list(zip(code.instructions[::2], code.instructions[1::2], strict=False))
    first = next((number for number, value in units if value == 0 and number in (128, 149, 151)), None)
    if first == 149:
        return ("3.13",)
    if first == 128:
        return ("3.14",)
    used = {number for number, _ in units}
    if used & {160, 166}:  # LOAD_METHOD, PRECALL
        return ("3.11",)
    # CALL without the PRECALL of 3.11; BINARY_SLICE, STORE_SLICE, RETURN_CONST, LOAD_SUPER_ATTR, CALL_INTRINSIC_1
    if used & {171, 26, 27, 121, 141, 173}:
        return ("3.12",)
    return ("3.11", "3.12")


# A layout fits where it uses up every byte.
_LAYOUTS: tuple[tuple[_Layout, Callable[[_Code], tuple[str, ...]]], ...] = (
    (_Layout(4, 1), lambda code: ("2.7",)),
    (_Layout(5, 1), lambda code: ("3.5", "3.6", "3.7")),
    (_Layout(6, 1), lambda code: ("3.10",) if _covers(code) else ("3.8", "3.9")),
    (_Layout(5, 2), _since_3_11),
)


class _Walk:
    """Steps over marshalled objects, of which code objects have one layout."""

    def __init__(self, data: bytes, layout: _Layout) -> None:
        self.data, self.layout, self.at = data, layout, 0

    def code(self, depth: int = 0) -> _Code:
        if self._kind() != "c":
            raise _Foreign
        return self._fields(depth)

    def _fields(self, depth: int) -> _Code:
        self._skip(4 * self.layout.numbers)
        instructions = self._bytes()
        for _ in range(7):  # constants, names, variables in two or three lists, the file, what it is called
            self._object(depth)
        self._skip(4)  # its first line
        lines = self._bytes()
        for _ in range(self.layout.tables - 1):
            self._object(depth)
        return _Code(instructions, lines)

    def _kind(self) -> str:
        kind = chr(self.data[self.at] & 0x7F)
        self.at += 1
        return kind

    def _skip(self, size: int) -> None:
        if size < 0 or self.at + size > len(self.data):
            raise _Foreign
        self.at += size

    def _length(self) -> int:
        (size,) = struct.unpack_from("<i", self.data, self.at)
        self.at += 4
        return int(size)

    def _bytes(self) -> bytes:
        kind = self._kind()
        if kind in "rR":  # again what stood before: empty
            self._skip(4)
            return b""
        if kind not in "st":
            raise _Foreign
        size = self._length()
        start = self.at
        self._skip(size)
        return self.data[start : self.at]

    def _object(self, depth: int) -> None:
        if depth > _DEEPEST:
            raise _Foreign
        kind = self._kind()
        if kind in _EMPTY:
            return
        if kind in _FIXED:
            self._skip(_FIXED[kind])
        elif kind in _LONG_TEXT:
            self._skip(self._length())
        elif kind in "zZf":
            self._skip(self.data[self.at] + 1)
        elif kind == "x":
            for _ in range(2):
                self._skip(self.data[self.at] + 1)
        elif kind == "l":
            self._skip(2 * abs(self._length()))
        elif kind == ")":
            self._skip(1)
            self._objects(self.data[self.at - 1], depth)
        elif kind in "([<>":
            self._objects(self._length(), depth)
        elif kind == "c":
            self._fields(depth + 1)
        else:
            raise _Foreign

    def _objects(self, count: int, depth: int) -> None:
        if count > len(self.data) - self.at:
            raise _Foreign
        for _ in range(count):
            self._object(depth + 1)
