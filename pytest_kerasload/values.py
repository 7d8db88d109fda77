"""The values of one generated input: numbers of a kind, indices, words, images, serialised examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_kerasload import payloads
from pytest_kerasload.environments.session import InputSpec
from pytest_kerasload.ragged import filler

Array = NDArray[Any]

KINDS = ("zeros", "ones", "uniform", "normal", "image", "one-hot", "wide", "large", "tiny")
"""Kinds of numbers, simplest first: 0; 1; within [0, 1] or the usual range; around 0 or the usual value; 0 to 255 as
whole numbers; one 1 in each vector; thirty and a thousand times the usual size; zeros with denormals among them."""


@dataclass(frozen=True)
class Ask:
    """What is known of one input's values beyond its dtype.

    ``style`` is one of ``numbers``, ``words``, ``numerals``, ``images``, ``examples`` (serialised tf.train.Example
    with these features) or ``values`` (drawn from a stored list). ``bound`` is exclusive, ``maximum`` is not.
    """

    style: str = "numbers"
    bound: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    features: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    values: tuple[Any, ...] = ()


def numpy_dtype(dtype: str) -> np.dtype[Any]:
    """The dtype in which values are handed over; float32 holds all of bfloat16."""
    return np.dtype("float32" if dtype == "bfloat16" else dtype)


def array(spec: InputSpec, ask: Ask, shape: tuple[int, ...], generator: np.random.Generator, kind: str) -> Array:
    """Values of that shape and one of the KINDS for one input; indices and words stay what the model knows.

    Rows of ragged inputs, and of those that have masked steps, are of several lengths; what stands behind the end of
    a ragged one is :func:`ragged.filler`.
    """
    drawn = _drawn(spec, ask, shape, generator, kind)
    if spec.ragged and drawn.ndim > 1:
        return _cut(drawn, filler(drawn.dtype), generator)
    masked = spec.padding is not None and ask.style == "numbers" and drawn.ndim > 1 and kind != "zeros"
    if masked and drawn.dtype.kind not in "SUb" and _allows(ask, spec.padding or 0.0):
        return _cut(drawn, spec.padding, generator)
    return drawn


def _allows(ask: Ask, value: float) -> bool:
    return (ask.minimum is None or value >= ask.minimum) and (ask.maximum is None or value <= ask.maximum)


def _cut(drawn: Array, rest: Any, generator: np.random.Generator) -> Array:
    """Each row with a length of its own, at least one step; the rest of it holds ``rest``."""
    steps = drawn.shape[1]
    if steps < 2:
        return drawn
    lengths = generator.integers(1, steps + 1, size=drawn.shape[0])
    if drawn.shape[0] > 1:
        lengths[0] = steps  # a batch is as long as its longest row
    cut: Array = drawn.copy()
    cut[np.arange(steps) >= lengths[:, None]] = rest
    return cut


def _drawn(spec: InputSpec, ask: Ask, shape: tuple[int, ...], generator: np.random.Generator, kind: str) -> Array:
    if ask.style == "values":
        given = np.array([str(value).encode("utf-8") for value in ask.values] if spec.dtype == "string" else ask.values)
        drawn = generator.choice(given, size=shape)
        return drawn if spec.dtype == "string" else drawn.astype(numpy_dtype(spec.dtype))
    if spec.dtype == "string":
        return _strings(spec, ask, shape, generator)
    if spec.dtype == "bool":
        if kind in ("zeros", "ones"):
            return np.full(shape, kind == "ones")
        return generator.integers(0, 2, size=shape).astype(bool)
    dtype = numpy_dtype(spec.dtype)
    if spec.choices and ask.minimum is None and ask.maximum is None and kind != "zeros":
        return generator.choice(np.array(spec.choices), size=shape).astype(dtype)
    if ask.bound is not None or dtype.kind in "iu":
        return _whole(ask, shape, generator, kind, dtype)
    if ask.minimum is not None or ask.maximum is not None:
        least = min(0.0, ask.maximum or 0.0) if ask.minimum is None else float(ask.minimum)
        most = max(1.0, least + 1) if ask.maximum is None else float(ask.maximum)
        steps = generator.integers(0, 4097, size=shape) / 4096
        return np.asarray(least + (most - least) * steps, dtype=dtype).reshape(shape)
    return _floating(spec, shape, generator, kind, dtype)


def _whole(ask: Ask, shape: tuple[int, ...], generator: np.random.Generator, kind: str, dtype: np.dtype[Any]) -> Array:
    """Whole numbers: indices into a table, or what the user allows; small ones where nothing is known."""
    ends = [end for end in (ask.bound, None if ask.maximum is None else int(ask.maximum) + 1) if end is not None]
    limit = np.iinfo(dtype).max if dtype.kind in "iu" else 1 << 53
    high = min(min(ends, default=128), limit)  # exclusive
    low = min(0, high - 1) if ask.minimum is None else int(ask.minimum)
    high = max(high, low + 1)
    if kind == "zeros":
        return np.full(shape, low, dtype)
    if kind in ("wide", "large"):  # the ends of the range: a table that lost its last row
        return generator.choice(np.array([low, high - 1, low + (high - low) // 2]), size=shape).astype(dtype)
    return generator.integers(low, high, size=shape).astype(dtype)


_SCALES = {"normal": 1.0, "wide": 30.0, "large": 1000.0}


def _floating(
    spec: InputSpec, shape: tuple[int, ...], generator: np.random.Generator, kind: str, dtype: np.dtype[Any]
) -> Array:
    if kind == "zeros":
        return np.zeros(shape, dtype)
    if kind == "ones":
        return np.ones(shape, dtype)
    if kind == "image":
        return generator.integers(0, 256, size=shape).astype(dtype)
    if kind == "one-hot" and len(shape) > 1 and shape[-1] > 1:
        return np.eye(shape[-1], dtype=dtype)[generator.integers(0, shape[-1], size=shape[:-1])]
    if kind == "tiny":
        smallest = float(np.finfo(np.zeros(0, dtype).real.dtype).tiny)
        return (generator.integers(0, 2, size=shape) * smallest * generator.uniform(0.1, 4.0, size=shape)).astype(dtype)
    centre, spread = (np.array(values) if values else None for values in (spec.centre, spec.spread))
    if centre is not None and spread is not None and (centre.size == 1 or centre.size == shape[-1]):
        scale = {"wide": 6.0, "large": 30.0}.get(kind, 1.0)
        drawn = generator.uniform(-1.7, 1.7, shape) if kind in ("uniform", "one-hot") else generator.normal(size=shape)
        return (centre + spread * scale * _short(drawn)).astype(dtype)
    if kind in ("uniform", "one-hot"):
        real, imaginary = generator.uniform(size=shape), generator.uniform(size=shape) if dtype.kind == "c" else None
    else:
        real, imaginary = generator.normal(size=shape), generator.normal(size=shape) if dtype.kind == "c" else None
    scale = _SCALES.get(kind, 1.0)
    found: Array = _short(real) * scale
    if imaginary is not None:
        found = found + 1j * scale * _short(imaginary)
    limit = float(np.finfo(np.zeros(0, dtype).real.dtype).max)
    return found.astype(dtype) if limit > 1e5 else np.clip(found, -limit, limit).astype(dtype)


def _short(drawn: Array) -> Array:
    """Numbers of few digits: they take a third of the room on disk, and a person can read them."""
    found: Array = np.round(drawn * 256) / 256
    return found


_WORDS = ("the", "model", "is", "loaded", "again", "Ünïcode", "42", "", "a b c", "x" * 12)


def _strings(spec: InputSpec, ask: Ask, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    count = int(np.prod(shape))
    if ask.style == "examples":
        items = [payloads.example(ask.features, generator) for _ in range(count)]
    elif ask.style == "images":
        items = [payloads.png(generator) for _ in range(count)]
    elif ask.style == "numerals":
        items = [str(generator.integers(0, 10)).encode() for _ in range(count)]
    else:
        known = [word for word in spec.vocabulary if word] or list(_WORDS)
        pool = known + list(_WORDS[:4])
        items = [_words(pool, spec.sentences, generator).encode("utf-8") for _ in range(count)]
    return np.array(items, dtype="S" if any(items) else "S1").reshape(shape)


def _words(pool: list[str], sentences: bool, generator: np.random.Generator) -> str:
    count = int(generator.integers(1, 9)) if sentences else 1
    return " ".join(str(pool[generator.integers(len(pool))]) for _ in range(count))
