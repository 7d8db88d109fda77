"""Python's parser, asked in one thread at a time.

Until Python 3.11.9 and 3.12.3 it counts how deep it is once for all threads, and sound code that is parsed in two at
once ends in ``SystemError: AST constructor recursion depth mismatch`` (python/cpython#106905). Threads that are not
ours parse too, so what ended so is tried again.
"""

from __future__ import annotations

import ast
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_LOCK = threading.Lock()
_TRIES = 10


def alone(parse: Callable[[], T]) -> T:
    """What a function gives that parses Python code or literals."""
    with _LOCK:
        for _ in range(_TRIES):
            try:
                return parse()
            except SystemError:
                continue
        return parse()


def tree(source: bytes) -> ast.Module:
    """``ast.parse``."""
    return alone(lambda: ast.parse(source))
