"""Large outputs, small on disk: sums of a few elements with signs, in place of the elements.

Every element takes part in one sum, with a factor of 1 or -1, so one that moves moves its sum by as much. The noise
of a sum of 16 is about four times that of an element, not sixteen, because rounding errors do not agree; what a
comparison allows is lowered by the same factor (precision.py), so what is caught stays what it was. Elements of one
sum lie far apart: what moves a region the same way moves many sums.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

LARGE = 1 << 18
"""An output of more elements than this is folded."""
BY = 16
"""Elements of a sum; the noise of a sum is four times that of an element."""
_DTYPES = ("float16", "float32", "float64")


@dataclass(frozen=True)
class Fold:
    """What an output was before it was folded."""

    shape: tuple[int, ...]
    dtype: str

    @classmethod
    def of(cls, array: Array) -> Fold | None:
        """How an output is folded; None for one that is stored as it is: small, not of floating numbers, or with
        elements that are not finite, which a sum would hide."""
        if array.size <= LARGE or array.ndim < 2 or array.dtype.kind != "f" or not np.isfinite(array).all():
            return None
        return cls(array.shape, array.dtype.name)

    def __call__(self, array: Array) -> Array:
        """The sums of each row: an array of (rows, elements of a row / BY), in float32 (float64 for float64).

        ``RandomState`` gives the same signs in every NumPy release (NEP 19).
        """
        rows = array.reshape(array.shape[0], -1)
        width = -(-rows.shape[1] // BY)
        generator = np.random.RandomState(11)
        sums = np.zeros((len(rows), width))
        for start in range(0, width * BY, width):  # in parts: outputs are large
            part = rows[:, start : start + width]
            signs = generator.randint(0, 2, width) * 2.0 - 1.0
            sums[:, : part.shape[1]] += part * signs[: part.shape[1]]
        return np.asarray(sums, dtype=np.float64 if self.dtype == "float64" else np.float32)

    def as_json(self) -> dict[str, Any]:
        return {"shape": list(self.shape), "dtype": self.dtype, "by": BY}

    @classmethod
    def of_json(cls, told: Any) -> Fold | None:
        """The fold out of a provenance; None where it holds none that is known."""
        if not isinstance(told, Mapping) or told.get("by") != BY or told.get("dtype") not in _DTYPES:
            return None
        shape = told.get("shape")
        if not isinstance(shape, list) or not all(type(size) is int and size > 0 for size in shape) or len(shape) < 2:
            return None
        if len(shape) > 32 or prod(shape) >= 1 << 60:
            return None
        return cls(tuple(shape), told["dtype"])
