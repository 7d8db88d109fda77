"""Which Python wrote a marshalled function, told by how its bytes are laid out.

Nothing is unmarshalled: the fields are stepped over, because ``marshal.loads`` may crash on bytes that someone chose.
Marshal has no version of Python in it, but a code object has other fields from release to release (CPython,
Python/marshal.c, TYPE_CODE), and other instructions.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_FIXED = {"i": 4, "I": 8, "g": 8, "y": 16, "r": 4, "R": 4}
_EMPTY = frozenset("0NFTS.")
_LONG_TEXT = frozenset("stuaA")
_DEEPEST = 50
_MOST_BYTES = 1 << 20
"""A function has hundreds of bytes. What is larger is none that a Lambda was made with."""


class _Foreign(Exception):
    """The bytes are no code object of that layout."""


@dataclass(frozen=True)
class _Layout:
    """How many numbers a code object begins with, and how many tables end it; all have seven objects in between."""

    numbers: int
    tables: int


_Value = Any
"""What is kept of an object: a text, a tuple of what is kept of others, or None."""


@dataclass(frozen=True)
class _Code:
    instructions: bytes
    line_table: bytes
    names: tuple[_Value, ...]
    parameters: tuple[_Value, ...]
    """Those that may be given by position."""


ALIKE = (("2.7",), ("3.5", "3.6", "3.7"), ("3.8", "3.9", "3.10"), ("3.11", "3.12", "3.13", "3.14"))
"""Releases whose code objects have the same fields. Those of another group cannot be read at all; of the same group
they may be read, and then do something else or take the interpreter down."""


def pythons(marshalled: bytes) -> tuple[str, ...]:
    """The minor releases of Python that may have written these bytes; empty where they are no function's."""
    return _read(marshalled)[0]


def global_names(marshalled: bytes) -> frozenset[str]:
    """The global names that a function surely looks up when it is called; none where it is not known.

    Those of comprehensions inside of it too, which are functions of their own before 3.12.
    """
    releases, codes = _read(marshalled)
    if not releases or releases[0] in ("2.7", "3.14"):
        return frozenset()
    sure = codes[-1:] if _branches(codes[-1], releases) else codes
    return frozenset(name for code in sure for name in _looked_up(code, releases))


def parameters(marshalled: bytes) -> tuple[str, ...]:
    """The names of a function's parameters, as far as they may be given by position."""
    _, codes = _read(marshalled)
    return tuple(one for one in codes[-1].parameters if isinstance(one, str)) if codes else ()


def _read(marshalled: bytes) -> tuple[tuple[str, ...], list[_Code]]:
    """Who may have written a function, and its code objects, the outermost last."""
    if len(marshalled) > _MOST_BYTES:
        return (), []
    for layout, releases in _LAYOUTS:
        walk = _Walk(marshalled, layout)
        try:
            code = walk.code()
            if walk.at == len(marshalled):
                return releases(code), walk.codes
        except (_Foreign, IndexError, struct.error):
            continue
    return (), []


_JUMPS: tuple[tuple[int, frozenset[int]], ...] = (
    (13, frozenset({97, 98, 99, 100})),
    (12, frozenset({114, 115, 128, 129})),
    (11, frozenset({111, 112, 114, 115, 128, 129, 173, 174, 175, 176})),
    (0, frozenset({111, 112, 114, 115, 121})),
)
"""Instructions that jump or not, by the first minor release of Python 3 that has them so (CPython, Lib/opcode.py)."""


def _branches(code: _Code, releases: tuple[str, ...]) -> bool:
    """Whether some of the code may not run."""
    return any(number in _jumps(releases) for number in code.instructions[::2])


def _jumps(releases: tuple[str, ...]) -> frozenset[int]:
    return next(found for first, found in _JUMPS if _minor(releases) >= first)


def _minor(releases: tuple[str, ...]) -> int:
    return int(releases[0].partition(".")[2])


def _looked_up(code: _Code, releases: tuple[str, ...]) -> Iterator[str]:
    """What LOAD_GLOBAL names, as far as it surely runs: before the first jump that may be taken or not.

    The first bit of its argument is a flag since 3.11.
    """
    newest, jumps = _minor(releases), _jumps(releases)
    load, extended = (91, 71) if newest >= 13 else (116, 144)
    above = 0
    for number, value in zip(code.instructions[::2], code.instructions[1::2], strict=False):
        argument = above | value
        above = argument << 8 if number == extended else 0
        if number in jumps:
            return
        if number == load:
            place = argument >> 1 if newest >= 11 else argument
            name = code.names[place] if place < len(code.names) else None
            if isinstance(name, str):
                yield name


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
    """Steps over marshalled objects, of which code objects have one layout; keeps the texts, for names.

    What has the flag can be referred to by its number further on, so that every one of them is counted.
    """

    def __init__(self, data: bytes, layout: _Layout) -> None:
        self.data, self.layout, self.at = data, layout, 0
        self.flagged: list[_Value] = []
        self.codes: list[_Code] = []

    def code(self, depth: int = 0) -> _Code:
        kind, flag = self._kind()
        if kind != "c":
            raise _Foreign
        return self._fields(depth, flag)

    def _fields(self, depth: int, flag: bool) -> _Code:
        self._keep(None, flag)
        arguments = self._length()
        self._skip(4 * (self.layout.numbers - 1))
        instructions = self._bytes()
        held = [self._object(depth) for _ in range(7)]  # constants, names, variables in two or three lists, the file...
        self._skip(4)  # its first line
        lines = self._bytes()
        for _ in range(self.layout.tables - 1):
            self._object(depth)
        names, variables = (one if isinstance(one, tuple) else () for one in held[1:3])
        code = _Code(instructions, lines, names, variables[:arguments])
        self.codes.append(code)
        return code

    def _kind(self) -> tuple[str, bool]:
        byte = self.data[self.at]
        self.at += 1
        return chr(byte & 0x7F), bool(byte & 0x80)

    def _keep(self, value: _Value, flag: bool) -> _Value:
        if flag:
            self.flagged.append(value)
        return value

    def _skip(self, size: int) -> None:
        if size < 0 or self.at + size > len(self.data):
            raise _Foreign
        self.at += size

    def _length(self) -> int:
        (size,) = struct.unpack_from("<i", self.data, self.at)
        self.at += 4
        return int(size)

    def _bytes(self) -> bytes:
        kind, flag = self._kind()
        if kind in "rR":  # again what stood before: empty
            self._skip(4)
            return b""
        if kind not in "st":
            raise _Foreign
        self._keep(None, flag)
        size = self._length()
        start = self.at
        self._skip(size)
        return self.data[start : self.at]

    def _text(self, size: int, flag: bool) -> _Value:
        start = self.at
        self._skip(size)
        return self._keep(self.data[start : self.at].decode("utf-8", "replace"), flag)

    def _object(self, depth: int) -> _Value:
        if depth > _DEEPEST:
            raise _Foreign
        kind, flag = self._kind()
        if kind == "r":
            number = self._length()
            return self.flagged[number] if 0 <= number < len(self.flagged) else None
        if kind in _LONG_TEXT:
            return self._text(self._length(), flag)
        if kind in "zZ":
            self._skip(1)
            return self._text(self.data[self.at - 1], flag)
        if kind in "()":
            place = len(self.flagged)
            self._keep(None, flag)
            if kind == ")":
                self._skip(1)
            found = self._objects(self.data[self.at - 1] if kind == ")" else self._length(), depth)
            if flag:
                self.flagged[place] = found
            return found
        if kind == "c":
            self._fields(depth + 1, flag)
            return None
        self._keep(None, flag and kind not in _EMPTY)
        if kind in _FIXED:
            self._skip(_FIXED[kind])
        elif kind == "f":
            self._skip(self.data[self.at] + 1)
        elif kind == "x":
            for _ in range(2):
                self._skip(self.data[self.at] + 1)
        elif kind == "l":
            self._skip(2 * abs(self._length()))
        elif kind in "[<>":
            self._objects(self._length(), depth)
        elif kind not in _EMPTY:
            raise _Foreign
        return None

    def _objects(self, count: int, depth: int) -> tuple[_Value, ...]:
        if count > len(self.data) - self.at:
            raise _Foreign
        return tuple(self._object(depth + 1) for _ in range(count))
