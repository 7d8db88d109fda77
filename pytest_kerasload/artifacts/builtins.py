"""Keras' own names: which release knows them, and which configuration keys its classes take.

The facts are in ``builtins.json``, measured under the releases themselves by ``tools/keras_table.py``. A release is
looked up by its flavour and minor version; between two measured releases an answer is given only where both agree.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

KINDS_TRIED = ("layer", "model", "optimizer", "schedule", "loss", "metric", "initializer", "regularizer", "constraint",
               "policy", "operation", "other")  # fmt: skip

# Functions are looked up where the configuration has room for a class or a function.
FUNCTIONS = {"loss": "function", "metric": "function", "activation": "layer"}

Masks = tuple[int, int]


@dataclass(frozen=True)
class Table:
    """What was measured: sets of releases are numbers whose bit n stands for release n."""

    releases: tuple[tuple[str, tuple[int, int]], ...]
    names: Mapping[str, Mapping[str, int]]
    keys: Mapping[str, Mapping[str, Mapping[str, Masks]]]
    """kind -> class -> key -> (accepted, known); a class with the key ``*`` takes every key."""
    tensorflow: tuple[tuple[int, int], ...]
    ops: Mapping[str, int]
    """Ops of TensorFlow that some release of ``tensorflow`` does not have."""


@cache
def table() -> Table:
    """The table, read on first use."""
    raw = json.loads(files("pytest_kerasload.artifacts").joinpath("builtins.json").read_text(encoding="utf-8"))

    def pair(text: str) -> Masks:
        accepted, known = text.split("/")
        return int(accepted, 16), int(known, 16)

    return Table(
        tuple((flavour, _minor(version)) for flavour, version in raw["releases"]),
        {
            kind: {name: int(mask, 16) for mask, names in groups.items() for name in names.split()}
            for kind, groups in raw["names"].items()
        },
        {
            kind: {
                name: {key: pair(masks) for masks, keys in groups.items() for key in keys.split()}
                for name, groups in classes.items()
            }
            for kind, classes in raw["keys"].items()
        },
        tuple(_minor(version) for version in raw["ops"]["releases"]),
        {name: int(mask, 16) for mask, names in raw["ops"]["names"].items() for name in names.split()},
    )


def is_builtin(name: str, kind: str | None = None) -> bool:
    """Whether any Keras release brings the name along; ``Custom>Adam`` counts, as Keras 2.11 to 2.15 write it."""
    return any(name in table().names.get(one, {}) for one in _kinds(kind))


def exists_in(name: str, kind: str | None, flavour: str, version: str) -> bool | None:
    """Whether that release resolves the name when it loads a model; None where it is not known."""
    mask = 0
    for one in _kinds(kind):
        mask |= table().names.get(one, {}).get(name, 0)
    everything = (1 << len(table().releases)) - 1
    return _answer(mask, everything, flavour, version)


def accepts(class_name: str, key: str, flavour: str, version: str, kind: str | None = None) -> bool | None:
    """Whether that release's class takes the configuration key; None where it is not known.

    Where several kinds have a class of that name (``Identity``: layer, initializer), layers go first.
    """
    for one in (kind,) if kind else KINDS_TRIED:
        entry = table().keys.get(one, {}).get(class_name)
        if entry is not None:
            everything, anywhere = entry.get("*", (0, 0))
            accepted, known = entry.get(key, (0, 0))
            return _answer(accepted | everything, known | anywhere, flavour, version)
    return None


def op_exists(name: str, tensorflow: str) -> bool | None:
    """Whether that TensorFlow has the op; None where it is not known, as for ops of other libraries."""
    mask = table().ops.get(name)
    if mask is None:
        return None
    releases = [("tensorflow", version) for version in table().tensorflow]
    return _answer(mask, -1, "tensorflow", tensorflow, releases)


def op_since(name: str) -> str | None:
    """The oldest measured TensorFlow that has the op, as ``2.10``; None where it is not known."""
    mask = table().ops.get(name, 0)
    return next((f"{a}.{b}" for bit, (a, b) in enumerate(table().tensorflow) if mask >> bit & 1), None)


def since(name: str, kind: str | None, flavour: str) -> str | None:
    """The oldest measured release of the flavour that knows the name, as ``3.6``; None where none does."""
    mask = 0
    for one in _kinds(kind):
        mask |= table().names.get(one, {}).get(name, 0)
    return _first(mask, flavour)


def key_since(class_name: str, key: str, flavour: str, kind: str) -> str | None:
    """The oldest measured release of the flavour whose class takes the key; None where none does."""
    accepted, _ = table().keys.get(kind, {}).get(class_name, {}).get(key, (0, 0))
    return _first(accepted, flavour)


def _kinds(kind: str | None) -> tuple[str, ...]:
    if kind is None:
        return tuple(table().names)
    return (kind, FUNCTIONS[kind]) if kind in FUNCTIONS else (kind,)


def _minor(version: str) -> tuple[int, int]:
    numbers = [int(part) if part.isdigit() else 0 for part in version.split("-")[0].split("rc")[0].split(".")[:2]]
    return numbers[0], numbers[1] if len(numbers) > 1 else 0


def _first(mask: int, flavour: str) -> str | None:
    for bit, (measured, version) in enumerate(table().releases):
        if measured == flavour and mask >> bit & 1:
            return f"{version[0]}.{version[1]}"
    return None


def _answer(
    yes: int, known: int, flavour: str, version: str, releases: Sequence[tuple[str, tuple[int, int]]] | None = None
) -> bool | None:
    """The answer at a release: measured, or that of both neighbours; newer than all: that of the newest."""
    wanted = _minor(version)
    if (flavour, wanted) == ("tf_keras", (2, 15)):  # the first of its name: Keras 2.15 once more
        flavour = "keras2"
    below: bool | None = None
    older = False
    for bit, (measured, at) in enumerate(releases or table().releases):
        if measured != flavour:
            continue
        here = bool(yes >> bit & 1) if known >> bit & 1 else None
        if at == wanted:
            return here
        if at > wanted:
            return here if older and here == below else None
        older, below = True, here
    return below
