"""JSON out of artifacts, parsed to text that can be written down again."""

from __future__ import annotations

import json
import re
from typing import Any

_SURROGATES = re.compile("[\ud800-\udfff]")
_MAY_HAVE_SOME = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")


_MOST = 1_000_000
"""Lists and objects in a text; each takes fifty bytes of memory and more, and two of the text."""


_DEEPEST = 120
"""Levels of lists and objects in each other; Keras writes four for a model in a model. Whatever goes through what is
deeper, with four calls of Python for each level as execnet, ends where Python's stack does."""


class TooLarge(Exception):
    """A text that would take gigabytes, or the stack, once it is parsed; the message says why."""


def loads(text: str | bytes, **how: Any) -> Any:
    """What ``json.loads`` makes of a text, with U+FFFD for halves of characters (``"\\ud800"``), which JSON allows.

    No encoding has those: a report, a terminal or a channel to another process that is told one raises an error.
    """
    count = text.count("[") + text.count("{") if isinstance(text, str) else text.count(b"[") + text.count(b"{")
    if count > _MOST:
        raise TooLarge(f"it has {count:,} lists and objects, more than a configuration can have")
    if isinstance(text, bytes):
        text = text.decode(json.detect_encoding(text), "surrogatepass")  # as json does
    found = json.loads(text, **how)
    if count > _DEEPEST and _is_deeper(found, _DEEPEST):
        raise TooLarge(f"it is nested more than {_DEEPEST} levels deep")
    if not _MAY_HAVE_SOME.search(text):
        return found
    # The halves of one character were put together above.
    return json.loads(whole(json.dumps(found, ensure_ascii=False)))


def _is_deeper(document: Any, levels: int) -> bool:
    level = [document]
    for _ in range(levels + 1):
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return True


def whole(text: str) -> str:
    """A text with U+FFFD for halves of characters."""
    return _SURROGATES.sub("\ufffd", text)
