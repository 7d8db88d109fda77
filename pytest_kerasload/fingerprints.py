"""Whether a model's weights are those that were there when its outputs were recorded.

Stored inputs do not reach every weight: a row of an embedding that no stored token names, a branch that none of them
takes. What is stored of each weight (worker/evidence.py) is four numbers; names are not compared, because Keras
releases name weights differently.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

Fingerprint = Mapping[str, Any]


def is_one(told: Any) -> bool:
    """Whether a value out of a file is a fingerprint."""
    if not isinstance(told, Mapping) or not isinstance(told.get("name"), str):
        return False
    shape, numbers = told.get("shape"), [told.get(key) for key in ("sum", "mean", "rms")]
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        return False
    # A whole number that is no float's is nobody's; NaN and infinity are those of weights.
    return all(isinstance(value, float) or (type(value) is int and abs(value) < 1 << 60) for value in numbers)


def changed(recorded: Sequence[Fingerprint], found: Sequence[Fingerprint]) -> list[str] | None:
    """Names of weights that are others than when they were recorded; None where the two cannot be compared.

    They cannot when the shapes are not the same ones: an export that folded constants holds other variables than the
    live model, and may well be right.
    """
    wanted, had = _by_shape(recorded), _by_shape(found)
    if not wanted or {shape: len(all_) for shape, all_ in wanted.items()} != {s: len(all_) for s, all_ in had.items()}:
        return None
    names = []
    for shape, weights in wanted.items():
        rest = list(had[shape])
        for weight in weights:
            # Of its own name first: with many alike, the one that changed is then named right.
            rest.sort(key=lambda one: one["name"] != weight["name"])
            match = next((one for one in rest if _same(weight, one)), None)
            if match is not None:
                rest.remove(match)
        names += [str(one["name"]) for one in rest]
    return names


def exchanged(recorded: Sequence[Fingerprint], found: Sequence[Fingerprint]) -> list[str]:
    """Names of weights that hold what others held; empty where weights do not go by the names that they had."""
    wanted, had = ({str(one["name"]): one for one in weights} for weights in (recorded, found))
    if len(wanted) < len(recorded) or len(had) < len(found) or wanted.keys() != had.keys():
        return []
    return [name for name, one in had.items() if one["shape"] != wanted[name]["shape"] or not _same(wanted[name], one)]


def _by_shape(weights: Sequence[Fingerprint]) -> dict[tuple[int, ...], list[Fingerprint]]:
    found = defaultdict(list)
    for weight in weights:
        found[tuple(weight["shape"])].append(weight)
    return found


def _same(one: Fingerprint, other: Fingerprint) -> bool:
    """Equal but for the last bit of each element: a thousandth of the spread of one element is a difference."""
    values = [(float(one[key]), float(other[key])) for key in ("sum", "rms")]
    if any(math.isfinite(a) != math.isfinite(b) for a, b in values):
        return False
    if not all(math.isfinite(a) for a, _ in values):
        return True
    (sums, others), (size, _) = values
    spread = math.sqrt(max(size * size - float(one["mean"]) ** 2, 0.0))
    elements = math.prod(one["shape"])
    return abs(sums - others) <= 3e-7 * math.sqrt(elements) * size + 5e-5 * spread
