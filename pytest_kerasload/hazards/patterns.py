"""Regular expressions that take exponential time to say no."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise

_TOKEN = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?[:=!]|\(\?<[=!]|\(\?P<\w+>|\(|\)|\||[*+?]\??|\{\d*,?\d*\}\??|.", re.DOTALL
)
"""An escape, a set, the begin or end of a group, an alternative, a quantifier, or one character."""

_LONGEST = 10_000


@dataclass
class _Group:
    """A group that is not closed yet: whether something in it repeats, and its alternatives as written."""

    repeats: bool = False
    branches: list[str] = field(default_factory=lambda: [""])


def is_exponential(pattern: str) -> bool:
    """Whether a group is repeated that repeats something itself (``(a+)+``), or has alternatives that begin alike.

    In such a group one text can be matched in many ways, and all of them are tried before the answer is no.
    """
    tokens = _TOKEN.findall(pattern[:_LONGEST])
    open_groups = [_Group()]
    for number, token in enumerate(tokens):
        here = open_groups[-1]
        if token.startswith("("):
            open_groups.append(_Group())
        elif token == ")" and len(open_groups) > 1:
            closed = open_groups.pop()
            if _is_unbounded(tokens[number + 1 : number + 2]) and (closed.repeats or _alike(closed.branches)):
                return True
            open_groups[-1].repeats |= closed.repeats
            open_groups[-1].branches[-1] += f"({'|'.join(closed.branches)})"
        elif token == "|":
            here.branches.append("")
        else:
            here.repeats |= _is_unbounded([token])
            here.branches[-1] += token
    return False


def _is_unbounded(tokens: list[str]) -> bool:
    return any(token[0] in "*+" or re.fullmatch(r"\{\d*,\}\??", token) is not None for token in tokens)


def _alike(branches: list[str]) -> bool:
    """Whether one of several alternatives is the begin of another."""
    ordered = sorted(branches)
    return any(after.startswith(before) for before, after in pairwise(ordered))
