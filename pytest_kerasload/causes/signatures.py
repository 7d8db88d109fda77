"""Wordings that many causes share."""

from __future__ import annotations


def rejected(key: str, owner: str = r"[\w>]+") -> tuple[str, ...]:
    """How releases say that a class does not take a configuration key."""
    return (
        rf"passed to `?(?:{owner})`?: \{{[^}}]*'{key}'",
        rf"(?:{owner})\.__init__\(\) got an unexpected keyword argument '{key}'",
        rf"'?Keyword argument not understood:'?, '{key}'",
        rf"Unrecognized keyword arguments: \[[^\]]*'{key}'",
    )
