"""Recognising code and pickles in text, without unmarshalling or unpickling anything."""

from __future__ import annotations

import base64
import binascii
from typing import Any

_CODE = (b"c", b"\xe3")
"""How marshalled code begins: TYPE_CODE, with and without FLAG_REF (CPython, Python/marshal.c)."""

_SHORTEST = 24


def is_dump(value: Any) -> bool:
    """Whether this is what ``func_dump`` of Keras 2 gives: marshalled code as text, alone or with its defaults.

    To be asked only of what stands where a function is kept: the first byte and a small number behind it decide.
    """
    if isinstance(value, list):
        return 1 <= len(value) <= 3 and isinstance(value[0], str) and is_dump(value[0])
    if not isinstance(value, str) or len(value) < _SHORTEST:
        return False
    code = decoded(value)
    return code.startswith(_CODE) and b"\0\0" in code[1:10]


def is_marshalled(text: str) -> bool:
    """Whether text that may stand anywhere is marshalled code: its counts of arguments have to make sense too."""
    if len(text) < 2 * _SHORTEST or text[:2] not in ("4w", "Yw"):
        return False
    head = decoded(text[:_SHORTEST])
    return head.startswith(_CODE) and head[2:5] == b"\0\0\0" and head[6:9] == b"\0\0\0"


def is_pickled(text: str) -> bool:
    """Whether text is a base64 coded pickle, of protocol 2 or later (``\\x80`` and the protocol come first)."""
    if len(text) < 16 or not text.startswith("gA"):
        return False
    head = decoded(text[: len(text) // 4 * 4])
    return head[:1] == b"\x80" and 2 <= head[1] <= 5 and decoded(text).endswith(b".")


def decoded(text: str) -> bytes:
    """The bytes of a dump, as ``func_load`` decodes it: base64, or else as they are (Keras 2.0)."""
    try:
        return base64.b64decode(text.encode("ascii"))
    except (UnicodeEncodeError, binascii.Error):
        return text.encode("raw_unicode_escape")
