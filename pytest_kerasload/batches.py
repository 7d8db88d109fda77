"""Batches that a user gives, made to fit what a model asks for; what cannot fit is said with what the model takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_kerasload.environments.session import InputSpec
from pytest_kerasload.ragged import padded

Array = NDArray[Any]


class BadBatch(ValueError):
    """A batch that the model's inputs cannot take; the message says which they are."""


def as_array(value: Any) -> Array:
    """The value as a NumPy array, text as fixed-width bytes; BadBatch when it is none."""
    try:
        array = np.asarray(value)
    except ValueError as error:  # rows of unequal lengths
        raise BadBatch(f"it is no array: {error}") from None
    if array.dtype.kind == "U":
        return np.char.encode(array, "utf-8")
    if array.dtype.kind != "O":
        return array
    items = [item.encode("utf-8") if isinstance(item, str) else item for item in array.ravel()]
    if not all(isinstance(item, bytes) for item in items):
        strange = next(type(item).__name__ for item in items if not isinstance(item, bytes))
        raise BadBatch(f"it holds Python objects ({strange}), not numbers or text")
    return np.array(items, dtype="S" if any(items) else "S1").reshape(array.shape)


def fitting(array: Array, spec: InputSpec) -> Array | None:
    """The batch in the rank that the input has (a last dimension of 1 may be left out); None when it cannot fit."""
    if (array.dtype.kind == "S") != (spec.dtype == "string"):
        return None
    if spec.shape is None:
        return array
    if array.ndim == len(spec.shape) - 1 and spec.shape[-1] == 1:
        array = array[..., None]
    sizes = zip(array.shape[1:], spec.shape[1:], strict=False)  # the ranks are compared first
    fits = array.ndim == len(spec.shape) and all(wanted in (None, size) for size, wanted in sizes)
    return array if fits else None


def shown(array: Array) -> str:
    """``float32[8, 4]``."""
    return f"{'string' if array.dtype.kind == 'S' else array.dtype.name}{list(array.shape)}"


def told(spec: InputSpec) -> str:
    """``float32[None, 4]``."""
    return f"{spec.dtype}{'[any shape]' if spec.shape is None else list(spec.shape)}"


def by_input(x: Any, specs: Sequence[InputSpec]) -> list[Array | None]:
    """What is given for each input of a model, in their order: an array, a list of arrays, or a dict by input name.

    None for inputs of endpoints that were not asked. A model that does not say what its inputs are gets what was
    given in the order in which it was. BadBatch, with what the model takes, when it cannot fit.
    """
    try:
        given = _given(x, specs)
        found: list[Array | None] = [None] * max(len(specs), len(given))
        for place, name, value in given:
            try:
                array = _array_for(value, specs[place]) if specs else as_array(value)
            except BadBatch as error:
                raise BadBatch(f"{name}: {error}") from None
            fit = fitting(array, specs[place]) if specs else array
            if fit is None:
                raise BadBatch(f"{name} is {shown(array)}")
            found[place] = fit
        endpoints = {specs[place].endpoint for place, _, _ in given if specs}
        missing = [
            spec.name for spec, array in zip(specs, found, strict=False) if array is None and spec.endpoint in endpoints
        ]
        if missing or not given:
            raise BadBatch(f"nothing is given for {', '.join(map(repr, missing)) or 'any input'}")
        rows = {name: len(one) for place, name, _ in given if (one := found[place]) is not None and one.ndim}
        if len(set(rows.values())) > 1:
            sizes = ", ".join(f"{name} has {size}" for name, size in rows.items())
            raise BadBatch(f"inputs of one batch have one number of rows: {sizes}")
    except BadBatch as error:
        takes = ", ".join(f"{spec.name} {told(spec)}" for spec in specs)
        raise BadBatch(f"{error}; the model takes {takes}" if takes else str(error)) from None
    return found


def called(name: Any, specs: Sequence[InputSpec]) -> int | None:
    """The position of the input that goes by this name, its own names before aliases."""
    own = (index for index, spec in enumerate(specs) if spec.name == name)
    aliases = (index for index, spec in enumerate(specs) if name in spec.aliases)
    return next(own, next(aliases, None))


def _given(x: Any, specs: Sequence[InputSpec]) -> list[tuple[int, str, Any]]:
    """Position, name and value of each input that was given."""
    default = [index for index, spec in enumerate(specs) if spec.endpoint == specs[0].endpoint]
    if isinstance(x, Mapping):
        found: dict[int, tuple[int, str, Any]] = {}
        for index, (name, value) in enumerate(x.items()):
            place = called(name, specs) if specs else index
            if place is None and len(x) == len(default) == 1:
                place = default[0]  # as with expected outputs: releases call inputs differently
            if place is None:
                raise BadBatch(f"the model has no input {name!r}")
            if place in found:
                raise BadBatch(f"{name!r} and {found[place][1]!r} are the same input")
            found[place] = (place, str(name), value)
        return list(found.values())
    parts = [x]
    if isinstance(x, list | tuple) and not (len(default) == 1 and _is_one(x, specs[default[0]])):
        parts = list(x)
    if specs and len(parts) != len(default):
        raise BadBatch(f"{len(parts)} array{'s are' if len(parts) > 1 else ' is'} given for {len(default)} inputs")
    places = default or list(range(len(parts)))
    return [
        (place, specs[place].name if specs else f"input {place}", part)
        for place, part in zip(places, parts, strict=True)
    ]


def _is_one(x: Sequence[Any], spec: InputSpec) -> bool:
    """Whether a list given to a model of one input is its batch, and not a list with the batch in it."""
    if len(x) != 1 or not hasattr(x[0], "__array__"):
        return True
    return spec.shape is not None and np.ndim(x[0]) < len(spec.shape) - (spec.shape[-1] == 1)


def _array_for(value: Any, spec: InputSpec) -> Array:
    """The value as an array; rows of unequal lengths for a ragged input as the worker takes them, padded."""
    rows = list(value) if spec.ragged and isinstance(value, list | tuple) else []
    if len({np.shape(row)[:1] for row in rows}) < 2:
        return as_array(value)
    parts = [as_array(row) for row in rows]
    return padded(np.concatenate(parts), np.array([len(part) for part in parts]))
