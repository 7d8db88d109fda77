"""Arrays against arrays: what differs, where, by how much, and whether that is noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


Units = Literal["column", "output", "alone"]
"""The size in which noise is told: the usual one of a column, or of the whole output. ``alone`` is that of a column
however small it is beside the others."""


@dataclass(frozen=True)
class Tolerance:
    """``|obtained - expected| <= rtol * |expected| + atol``, with ``atol`` a share of the output's usual size.

    ``absolute`` is an absolute tolerance that the user gave; it replaces the share. ``max_mismatch`` is the share
    of elements that may differ (0 unless the user allows some).
    """

    rtol: float
    share: float
    absolute: float | None = None
    max_mismatch: float = 0.0
    noise: tuple[float, ...] = ()
    """The noise of each row in units of :func:`usual`, where it was measured; it decides then, times ``factor``."""
    factor: float = 1.0
    by: Units = "column"
    """The units of the noise."""
    quantum: float = 0.0
    """How far an expected value may lie from what was predicted, because it was written with few digits."""
    unit: float = 0.0
    """One rounding error of what the model computes in: noise is taken to be at least a few of them."""


# What two correct releases were seen to differ by, times a margin. The share of the usual size covers elements
# that are small because large terms cancel. Half precision keeps 11 bits (bfloat16: 8), so its noise is 1e-3 (1e-2)
# however the outputs are stored.
BY_PRECISION = {
    "float64": Tolerance(rtol=1e-6, share=1e-7),
    "float32": Tolerance(rtol=1e-4, share=2e-5),
    "float16": Tolerance(rtol=1e-2, share=5e-3),
    "bfloat16": Tolerance(rtol=5e-2, share=3e-2),
}

# Below this, differences of outputs that are all zero are not looked at.
_FLOOR = 1e-7


@dataclass(frozen=True)
class Place:
    """One element that differs."""

    index: tuple[int, ...]
    expected: str
    obtained: str
    difference: float | None


@dataclass(frozen=True)
class ArrayComparison:
    """One output against another. ``problem`` is empty when they agree.

    ``kind`` says what differs first: ``dtype``, ``shape``, ``finite`` (NaN or infinity at other places), ``values``.
    """

    name: str
    kind: str = ""
    problem: str = ""
    differing: int = 0
    total: int = 0
    rows: tuple[int, int] = (0, 0)
    """Rows of the batch that differ, and rows in all."""
    max_abs: float | None = None
    max_rel: float | None = None
    worst: tuple[Place, ...] = ()
    classes: str = ""
    """In words, when the largest element of rows is another one."""
    times: float | None = None
    """How many times its noise the element differs that does so most; None where no noise was measured."""

    @property
    def agrees(self) -> bool:
        return not self.problem


def compare(
    name: str, expected: Array, obtained: Array, tolerance: Tolerance, *, same_dtype: bool = False
) -> ArrayComparison:
    """How ``obtained`` differs from ``expected``: dtype and shape first, then non-finite places, then values.

    Numbers of another width count as the same dtype unless ``same_dtype`` (a file written by hand may well hold
    float64); numbers against text, or floating against whole numbers, never do.
    """
    problem = _dtype_problem(expected, obtained, same_dtype)
    if problem:
        return ArrayComparison(name, "dtype", problem)
    if expected.shape != obtained.shape:
        what = f"expected shape {list(expected.shape)}, obtained {list(obtained.shape)}"
        return ArrayComparison(name, "shape", what)
    if expected.size == 0:
        return ArrayComparison(name, "shape", f"there is nothing to compare: its shape is {list(expected.shape)}")
    if expected.dtype.kind in "SUb" or (expected.dtype.kind in "iu" and obtained.dtype.kind in "iu"):
        return _exact(name, expected, obtained, tolerance)
    return _numeric(name, expected, obtained, tolerance)


def comparable(array: Array) -> bool:
    """Whether there is anything in the array to compare: outputs that are all NaN or infinite say nothing."""
    return array.size > 0 and (array.dtype.kind not in "fc" or bool(np.isfinite(array).any()))


_KINDS = {"f": "floating", "c": "complex", "i": "whole", "u": "whole", "b": "bool", "S": "text", "U": "text"}


def _dtype_problem(expected: Array, obtained: Array, same: bool) -> str:
    kinds = _KINDS.get(expected.dtype.kind), _KINDS.get(obtained.dtype.kind)
    if kinds[0] != kinds[1] or (same and kinds[0] != "text" and expected.dtype != obtained.dtype):
        return f"expected dtype {_dtype(expected)}, obtained {_dtype(obtained)}"
    return ""


def _dtype(array: Array) -> str:
    return "string" if array.dtype.kind in "SU" else array.dtype.name


def _rows(mask: Array) -> tuple[int, int]:
    if mask.ndim == 0:
        return int(mask), 1
    return int(mask.reshape(mask.shape[0], -1).any(axis=1).sum()), mask.shape[0]


def _places(mask: Array, order: Array, expected: Array, obtained: Array, difference: Array | None) -> tuple[Place, ...]:
    flat = np.flatnonzero(mask)
    flat = flat[np.argsort(-order.ravel()[flat].astype(np.float64), kind="stable")][:10]
    found = []
    for position in flat:
        index = tuple(int(i) for i in np.unravel_index(position, mask.shape)) if mask.ndim else ()
        delta = None if difference is None else float(difference.ravel()[position])
        found.append(Place(index, _text(expected.ravel()[position]), _text(obtained.ravel()[position]), delta))
    return tuple(found)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return repr(value.decode("utf-8", "replace"))[:40]
    if isinstance(value, float | np.floating):
        return f"{value:.7g}"
    return str(value)[:40]


def _exact(name: str, expected: Array, obtained: Array, tolerance: Tolerance) -> ArrayComparison:
    words = expected.dtype.kind in "SU"
    if words:
        expected, obtained = (np.char.encode(a) if a.dtype.kind == "U" else a for a in (expected, obtained))
    mask = np.asarray(expected != obtained)
    count = int(mask.sum())
    difference = None if words else np.abs(expected.astype(np.float64) - obtained.astype(np.float64))
    largest = None if difference is None else float(difference.max())
    if count <= tolerance.max_mismatch * mask.size:
        return ArrayComparison(name, "", "", count, mask.size, _rows(mask), largest)
    return ArrayComparison(
        name,
        "values",
        f"{count:,} of {mask.size:,} elements differ",
        differing=count,
        total=mask.size,
        rows=_rows(mask),
        max_abs=largest,
        worst=_places(mask, mask if difference is None else difference, expected, obtained, difference),
    )


def _numeric(name: str, expected: Array, obtained: Array, tolerance: Tolerance) -> ArrayComparison:
    wide = np.complex128 if "c" in (expected.dtype.kind, obtained.dtype.kind) else np.float64
    one, other = expected.astype(wide), obtained.astype(wide)
    odd = _odd(one) != _odd(other)
    if odd.any():
        count = int(odd.sum())
        return ArrayComparison(
            name,
            "finite",
            f"NaN or infinity at other places: {count:,} of {one.size:,} elements",
            differing=count,
            total=one.size,
            rows=_rows(odd),
            worst=_places(odd, odd, expected, obtained, None),
        )
    finite = np.isfinite(one)
    magnitude = np.where(finite, np.abs(one), 0.0)
    with np.errstate(all="ignore"):
        difference = np.where(finite, np.abs(one - other), 0.0)
        relative = np.where(magnitude > 0, difference / np.where(magnitude > 0, magnitude, 1.0), 0.0)
    units = usual(magnitude, tolerance.by)
    noise, silent = _noise(tolerance, magnitude, units) if tolerance.noise else None, ""
    if noise is None:
        allowed = _allowed(tolerance, magnitude)
    else:
        # A gate that is all but shut makes a row tiny, and its noise too; what is rounded inside of it is not.
        noise = np.maximum(noise, _LEAST_UNITS * tolerance.unit * units / tolerance.factor)
        allowed = noise * _factor(tolerance, noise / units) + tolerance.quantum
        if not (allowed < units).any():  # whatever came out, noise would excuse it: that is no comparison
            allowed, noise, silent = _allowed(tolerance, magnitude), None, _SILENT
    if expected.dtype == np.float16 != obtained.dtype:  # written by hand: half of its last digit is not known
        allowed = allowed + magnitude * 2.0**-11
    mask = difference > allowed
    count = int(mask.sum())
    largest, largest_relative = float(difference.max()), float(relative.max())
    if count <= tolerance.max_mismatch * one.size:
        return ArrayComparison(name, "", "", count, one.size, _rows(mask), largest, largest_relative)
    rows = _rows(mask)
    return ArrayComparison(
        name,
        "values",
        f"{count:,} of {one.size:,} elements differ, by up to {largest:.3g}{silent}",
        differing=count,
        total=one.size,
        rows=rows,
        max_abs=largest,
        max_rel=largest_relative,
        worst=_places(mask, difference, expected, obtained, difference),
        classes=_classes(one, other),
        times=None if noise is None else float((difference[mask] / noise[mask]).max()),
    )


def _allowed(tolerance: Tolerance, magnitude: Array) -> Array:
    """How far each element may lie off, by the table of what releases were seen to differ by."""
    if tolerance.absolute is not None:
        absolute: Any = tolerance.absolute
    else:
        scale = _scale(magnitude)
        absolute = np.maximum(tolerance.share * scale, _FLOOR * np.minimum(1.0, np.where(scale > 0, scale, 1.0)))
    return np.asarray(absolute + tolerance.rtol * magnitude)


# Noise is measured a few times, and could have been larger: it is taken to be at least so many rounding errors, and
# this share of what is usual for the model.
_LEAST_ROUNDINGS = 2.0
_LEAST_UNITS = 1.0
"""Rounding errors of the usual size that any element may lie off, however small its row is."""
_LEAST_SHARE = 0.5
# A model with noise of this share of its outputs, half precision mostly, is not given many times it: nothing would
# ever differ. Nor is it what is usual: rows near a jump of the model say nothing of the others.
MUCH = 0.1
_LEAST_FACTOR = 3.0
_SILENT = " (the noise that was measured is as large as the output: what its dtypes suggest is allowed instead)"


def _noise(tolerance: Tolerance, magnitude: Array, units: Array) -> Array:
    """The noise of each element: that of its row, in the units of its column."""
    rows = np.asarray(tolerance.noise, dtype=np.float64)
    if magnitude.ndim == 0 or len(rows) != magnitude.shape[0]:
        rows = np.full(magnitude.shape[0] if magnitude.ndim else 1, rows.max())
    sizes = np.maximum((magnitude / units).reshape(len(rows), -1).max(axis=1), 1e-3)
    typical = min(float(np.median(rows / sizes)), MUCH)
    least = np.maximum(_LEAST_ROUNDINGS * tolerance.unit, _LEAST_SHARE * typical) * sizes
    shape = (len(rows), *(1,) * (magnitude.ndim - 1)) if magnitude.ndim else ()
    return np.asarray(np.maximum(rows, least).reshape(shape) * units)


def _factor(tolerance: Tolerance, noise: Array) -> Array:
    """How many times its noise an element may differ."""
    with np.errstate(all="ignore"):
        return np.asarray(np.minimum(tolerance.factor, np.maximum(_LEAST_FACTOR, MUCH / noise)))


_KNOWN = 1e-2


def quantum(expected: Array) -> float:
    """Half of the last digit, where all of several values are written with few decimals (0.1234); else 0.

    Also 0 where that is more than a hundredth of the largest value: 0.5, 0.7, 0.9 may as well be what a model gives.
    """
    finite = expected[np.isfinite(expected)].astype(np.float64) if expected.dtype.kind == "f" else np.zeros(0)
    if finite.size < 4 or np.all(finite == np.round(finite)):
        return 0.0
    for decimals in range(1, 7):
        scaled = finite * 10.0**decimals
        # What float32 keeps of a decimal number lies a rounding error beside it.
        if np.all(np.abs(scaled - np.round(scaled)) <= 1e-2 + np.abs(scaled) * 2.0**-23):
            half = 0.5 * 10.0**-decimals
            return half if half <= _KNOWN * np.abs(finite).max() else 0.0
    return 0.0


def usual(magnitude: Array, by: Units) -> Array:
    """The size of each element that counts for its noise: its own, or the usual one where that is larger."""
    found = np.maximum(magnitude, _scale(magnitude, by))
    return np.asarray(np.where(found > 0, found, 1.0))


# Below this, float32 is near the end of its range, where some machines give 0.
_LEAST_SCALE = 1e-30


def _scale(magnitude: Array, by: Units = "column") -> Array:
    """How large the outputs usually are: by column (the last axis) where there are several rows, else in all.

    Not the largest value: one masked logit of -1e9, or a column in other units, would hide every other difference.
    A column that is nearly zero counts as a hundredth of the usual one, because its noise comes from the same sums; not
    where it counts alone, unless it is zero.
    """
    several = magnitude.ndim >= 2 and magnitude.shape[-1] > 0 and magnitude.size // magnitude.shape[-1] >= 2
    axes = tuple(range(magnitude.ndim - 1)) if several and by != "output" else None
    largest = magnitude.max(axis=axes)
    with np.errstate(over="ignore"):
        usual = 10 * np.quantile(magnitude, 0.75, axis=axes)
    scale = np.where(usual > 0, np.minimum(largest, usual), largest)
    floor = 1e-2 * np.median(scale)
    return np.asarray(np.where(scale > _LEAST_SCALE, scale, floor) if by == "alone" else np.maximum(scale, floor))


def _odd(array: Array) -> Array:
    """NaN, +inf and -inf told apart by place; 0 where finite."""
    real = array.real if array.dtype.kind == "c" else array
    found = np.where(np.isnan(array), 1, 0)
    infinite = np.isinf(array)
    return np.where(infinite, np.where(real > 0, 2, 3), found)


def _classes(expected: Array, obtained: Array) -> str:
    """``argmax differs in 3 of 8 rows``, for outputs that look like scores of classes."""
    if expected.ndim != 2 or expected.shape[1] < 2 or expected.dtype.kind == "c":
        return ""
    if not (np.isfinite(expected).all() and np.isfinite(obtained).all()):
        return ""
    changed = int((expected.argmax(axis=1) != obtained.argmax(axis=1)).sum())
    return f"argmax differs in {changed} of {expected.shape[0]} rows" if changed else "argmax is the same in every row"


def table(comparison: ArrayComparison) -> str:
    """The worst places as text: index, expected, obtained, difference."""
    if not comparison.worst:
        return ""
    lines = [f"{'index':<16}{'expected':>16}{'obtained':>16}{'difference':>14}"]
    for place in comparison.worst:
        index = "[" + ", ".join(map(str, place.index)) + "]"
        delta = "" if place.difference is None else f"{place.difference:.3g}"
        lines.append(f"{index:<16}{place.expected:>16}{place.obtained:>16}{delta:>14}")
    more = comparison.differing - len(comparison.worst)
    if more > 0:
        lines.append(f"... and {more:,} more")
    return "\n".join(lines)
