"""How far rounding moves a model's outputs: measured when they are recorded, and what a comparison makes of it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_kerasload import comparison
from pytest_kerasload.comparison import Units

Array = NDArray[Any]

UNITS = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
"""The spacing of numbers at 1, by what a model computes in: one rounding error."""

SEEDS = (1, 2, 3, 4)
"""Perturbations tried: the largest of several says more than one."""


@dataclass(frozen=True)
class Noise:
    """The noise of one output: the largest difference seen, and for each row the largest in units of the usual size
    ``by`` says (:func:`comparison.usual`). ``sources`` says which variation gave what."""

    largest: float
    rows: tuple[float, ...]
    sources: Mapping[str, float]
    by: Units = "column"

    def as_json(self) -> dict[str, Any]:
        """The noise as the provenance of expected outputs holds it."""
        return {
            "largest": _short(self.largest),
            "rows": [_short(value) for value in self.rows],
            "by": self.by,
            "sources": {name: _short(value) for name, value in self.sources.items()},
        }

    @classmethod
    def of_json(cls, told: Any) -> Noise | None:
        """The noise out of a provenance, None where it holds none (written by hand, or by another release)."""
        if not isinstance(told, Mapping):
            return None
        rows, largest = told.get("rows"), told.get("largest")
        if not isinstance(rows, list) or not rows or not all(_number(value) for value in (largest, *rows)):
            return None
        by = told.get("by")
        return cls(float(largest), tuple(map(float, rows)), {}, by if by in ("output", "alone") else "column")  # type: ignore[arg-type]


def _short(value: float) -> float:
    return float(f"{value:.3g}")


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= sys.float_info.max


def measured(outputs: Sequence[Array], varied: Iterable[tuple[str, Sequence[Array]]], batch: int) -> list[Noise | None]:
    """The noise of each output: how far it moves in answers to the same inputs under other conditions.

    ``varied`` holds what was varied and all of the outputs then. None for outputs that are no floating numbers. An
    output whose first dimension is not the batch has one row.
    """
    told = list(varied)
    found: list[Noise | None] = []
    for index, output in enumerate(outputs):
        if output.dtype.kind not in "fc" or not output.size:
            found.append(None)
            continue
        moves = [(what, _moved(output, a[index])) for what, a in told if a[index].shape == output.shape]
        sources: dict[str, float] = {}
        for what, moved in moves:
            sources[what] = max(sources.get(what, 0.0), float(moved.max()))
        most = np.max([moved for _, moved in moves], axis=0) if moves else np.zeros(output.shape)
        rows, by = _by_row(output, most, batch if output.shape[:1] == (batch,) else 1)
        found.append(Noise(max(sources.values(), default=0.0), rows, sources, by))
    return found


# Columns count alone where each of them is as exact as this, so that a column which is small because large terms
# cancel, or which half precision can hardly hold, does not.
_EXACT = 1e-4


def _by_row(output: Array, moved: Array, rows: int) -> tuple[tuple[float, ...], Units]:
    """The noise of each row, in those units in which it is less in all.

    Columns of different scales (a price, a share) are noisy each in its own; columns that are alike are noisy alike,
    and one in which all rows happen to be small would make the others look noisy.
    """
    magnitude = np.abs(np.where(np.isfinite(output), output, 0)).astype(np.float64)
    every: tuple[Units, ...] = ("column", "output", "alone")
    found: list[tuple[float, int, Array]] = []
    for rank, by in enumerate(every):
        units = comparison.usual(magnitude, by)
        noise = (moved / units).reshape(rows, -1).max(axis=1)
        if by == "alone" and noise.max() > _EXACT:
            continue
        spread = np.log(units.reshape(rows, -1)).mean(axis=1) + np.log(np.maximum(noise, 1e-300))
        found.append((float(spread.mean()), rank, noise))
    _, rank, noise = min(found, key=lambda one: one[:2])
    return tuple(map(float, noise)), every[rank]


def _moved(one: Array, other: Array) -> Array:
    """How far each element moved; infinitely where one became finite, or ceased to be."""
    wide = np.complex128 if one.dtype.kind == "c" else np.float64
    with np.errstate(all="ignore"):
        moved = np.abs(one.astype(wide) - other.astype(wide))
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    found: Array = np.where(same, 0.0, np.where(np.isfinite(moved), moved, np.inf))
    return found


def unsteady(noise: Sequence[Noise | None], most: float) -> set[int]:
    """Rows that rounding moves by more than ``most`` of the usual size: near a jump of the model, where they say
    nothing."""
    return {row for one in noise if one is not None for row, value in enumerate(one.rows) if value > most}
