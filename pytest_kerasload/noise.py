"""How far rounding moves a model's outputs: measured when they are recorded, and what a comparison makes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_kerasload import comparison

Array = NDArray[Any]

UNITS = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
"""The spacing of numbers at 1, by what a model computes in: one rounding error."""

SEEDS = (1, 2, 3, 4)
"""Perturbations tried: the largest of several says more than one."""


@dataclass(frozen=True)
class Noise:
    """The noise of one output: the largest difference seen, and for each row the largest in units of the usual size
    of its column (:func:`comparison.usual`). ``sources`` says which variation gave what."""

    largest: float
    rows: tuple[float, ...]
    sources: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        """The noise as the provenance of expected outputs holds it."""
        return {
            "largest": _short(self.largest),
            "rows": [_short(value) for value in self.rows],
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
        return cls(float(largest), tuple(map(float, rows)), {})  # type: ignore[arg-type]


def _short(value: float) -> float:
    return float(f"{value:.3g}")


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")


def measured(outputs: Sequence[Array], varied: Iterable[tuple[str, Sequence[Array]]], batch: int) -> list[Noise | None]:
    """The noise of each output: how far it moves in answers to the same inputs under other conditions.

    ``varied`` holds what was varied and the outputs then. None for outputs that are no floating numbers. An output
    whose first dimension is not the batch has one row.
    """
    told = list(varied)
    found: list[Noise | None] = []
    for index, output in enumerate(outputs):
        if output.dtype.kind not in "fc" or not output.size:
            found.append(None)
            continue
        sources: dict[str, float] = {}
        rows = np.zeros(batch if output.shape[:1] == (batch,) else 1)
        for what, answers in told:
            if index >= len(answers) or answers[index].shape != output.shape:
                continue
            moved = _moved(output, answers[index])
            sources[what] = max(sources.get(what, 0.0), float(moved.max()))
            relative = moved / comparison.usual(np.abs(np.where(np.isfinite(output), output, 0)).astype(np.float64))
            rows = np.maximum(rows, relative.reshape(len(rows), -1).max(axis=1))
        found.append(Noise(max(sources.values(), default=0.0), tuple(map(float, rows)), sources))
    return found


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
