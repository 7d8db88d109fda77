"""One dangerous thing in an artifact."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_kerasload.causes.cause import Cause

BOMB_BYTES = 1 << 28
"""Nothing that unfolds to less than this is called a bomb: 256 MiB, the floor Keras 3.15 has for extracted members."""

BOMB_RATIO = 100
"""What unfolds to more than this many times its stored bytes is a bomb (saving_lib.py of Keras 3.15, zip members)."""


@dataclass(frozen=True)
class Hazard:
    """A cause of the family ``safety`` at one place of an artifact; ``text`` says what would happen there.

    ``fails`` is false where the user should know, but loading is not known to do harm.
    """

    cause: Cause
    place: str
    text: str
    fails: bool = True


def unfolds(declared: int, stored: int) -> bool:
    """Whether something that takes ``declared`` bytes once it is read, and ``stored`` in the file, is a bomb."""
    return declared > BOMB_BYTES and declared > BOMB_RATIO * max(stored, 1)


def size(count: int) -> str:
    """A number of bytes for a message: ``36 TiB``."""
    value = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if value < 1024:
            return f"{value:.3g} {unit}"
        value /= 1024
    return f"{value:.3g} EiB"
