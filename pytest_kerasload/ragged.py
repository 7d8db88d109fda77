"""Ragged batches: in memory a padded array, on disk values and row lengths."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_kerasload.worker.arrays import lengths

Array = NDArray[Any]

_MOST_PADDED = 1 << 28
_RATIO = 100
"""A padded batch of more than so many bytes, and so many times what is stored, is not made."""


def filler(dtype: np.dtype[Any]) -> Any:
    """What stands behind the end of a ragged row in a padded batch: NaN, the lowest whole number, no text."""
    if dtype.kind in "fc":
        return np.nan
    if dtype.kind in "iu":
        return np.iinfo(dtype).min if dtype.kind == "i" else np.iinfo(dtype).max
    return np.zeros((), dtype)[()]


def packed(rows: Array) -> tuple[Array, Array]:
    """A padded ragged batch as values and row lengths."""
    found = lengths(rows)
    return rows[np.arange(rows.shape[1]) < found[:, None]], found


def padded(values: Array, row_lengths: Array) -> Array:
    """Values and row lengths as a padded batch; ValueError when they do not fit each other."""
    row_lengths = np.asarray(row_lengths)
    if row_lengths.ndim != 1 or row_lengths.dtype.kind not in "iu" or (row_lengths < 0).any():
        raise ValueError("row lengths are whole numbers, one for each row")
    if values.ndim < 1 or int(row_lengths.sum()) != values.shape[0]:
        raise ValueError(f"the row lengths sum up to {int(row_lengths.sum())}, there are {values.shape[:1]} values")
    longest = int(row_lengths.max(initial=0))
    padding = len(row_lengths) * max(longest, 1) * math.prod(values.shape[1:]) * values.itemsize
    if padding > max(_MOST_PADDED, _RATIO * values.nbytes):
        raise ValueError("the rows are too long to be padded")
    found = np.full((len(row_lengths), longest, *values.shape[1:]), filler(values.dtype), values.dtype)
    found[np.arange(longest) < row_lengths[:, None]] = values
    return found
