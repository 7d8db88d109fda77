"""Arrays written as JSON: nested lists of numbers, or of texts."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Shape = tuple[int | None, ...]

_NUMBERS = re.compile(r"bool|float(16|32|64)|u?int(8|16|32|64)")


def array(value: Any, dtype: str) -> Array:
    """The array of the values: of ``dtype`` where they fit that, texts as bytes, null as NaN.

    Under the dtype ``bytes`` texts are base64. ValueError for values that are no array.
    """
    shape: list[int] = []
    first = value
    while isinstance(first, list):
        shape.append(len(first))
        first = first[0] if first else None
    if 0 in shape or len(shape) > 32:
        raise ValueError("no values, or too deeply nested")
    leaves = [value]
    for size in shape:
        if any(not isinstance(item, list) or len(item) != size for item in leaves):
            raise ValueError("its rows are not of one shape")
        leaves = [leaf for item in leaves for leaf in item]
    return _cast(_flat(leaves, dtype), dtype).reshape(shape)


def _flat(leaves: Sequence[Any], dtype: str) -> Array:
    kinds = {type(leaf) for leaf in leaves}
    try:
        if kinds == {str}:
            return np.array([base64.b64decode(leaf) if dtype == "bytes" else leaf.encode() for leaf in leaves])
        if kinds == {bool}:
            return np.array(leaves, dtype=np.bool_)
        if kinds == {int}:
            return np.array(leaves, dtype=np.int64)
        if kinds <= {int, float, type(None)}:
            return np.array([np.nan if leaf is None else leaf for leaf in leaves], dtype=np.float64)
    except OverflowError as error:
        raise ValueError(str(error)) from error
    names = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise ValueError(f"its values ({names}) are not all numbers, or all texts")


def _cast(found: Array, dtype: str) -> Array:
    if found.dtype.kind == "S" or not _NUMBERS.fullmatch(dtype):
        return found
    with np.errstate(all="ignore"):
        cast: Array = found.astype(dtype)
    return cast if cast.dtype.kind == "f" or np.array_equal(cast, found) else found


def shaped(given: Array, shape: Shape | None) -> Array:
    """The array with its batch first, in the shape that an input wants, where its values tell that they fit it."""
    if not given.ndim:
        given = given[np.newaxis]
    if shape is None or given.ndim == len(shape):
        return given
    rest = shape[1:]
    sizes = [size for size in rest if size is not None]
    if len(sizes) == len(rest) and prod(given.shape[1:]) == prod(sizes):
        return given.reshape(len(given), *sizes)
    if given.ndim == len(rest) and all(want in (None, have) for want, have in zip(rest, given.shape, strict=True)):
        return given[np.newaxis]
    return given
