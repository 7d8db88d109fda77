"""Inputs worth trying: hypothesis strategies made from input specs, and the search for what a model accepts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from pytest_kerasload.environments.session import InputSpec
from pytest_kerasload.settings import DTYPES

Array = NDArray[Any]
Try = Callable[[Sequence[Array]], Sequence[Array]]
"""Gives the outputs for one batch of inputs; raises Refused with what the model said."""

# A free dimension is tried at these sizes, in this order, until the model answers. Models want enough of it (what
# strides, croppings and windows take away) more often than little, and powers of two divide well.
SIZES = (16, 32, 64, 8, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 4, 2, 1, 3, 5, 7, 10, 100)
_MAX_ELEMENTS = 1 << 24
_RANKS_TRIED = (2, 1, 3, 4)


class Refused(Exception):
    """The model raised: the text of it."""


class InputsNotFound(Exception):
    """No inputs were found that the model answers; ``said`` is what it raised last."""

    def __init__(self, message: str, said: str = "") -> None:
        super().__init__(message)
        self.said = said


@dataclass(frozen=True)
class Ask:
    """What is known of one input's values beyond its dtype.

    ``style`` is one of ``numbers``, ``words``, ``numerals``, ``images``, ``examples`` (serialised tf.train.Example
    with these features) or ``values`` (drawn from a stored list).
    """

    style: str = "numbers"
    bound: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    features: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    values: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Inputs that a model accepts: a spec and what is asked of its values for each.

    In a plan that :func:`find` gives, only the batch dimension of a spec's shape is still free.
    """

    specs: tuple[InputSpec, ...]
    asks: tuple[Ask, ...]

    @property
    def batch(self) -> int | None:
        """The model's fixed batch size, or None where any will do."""
        return next((spec.shape[0] for spec in self.specs if spec.shape and spec.shape[0] is not None), None)

    def filled(self, size: int, rank: int) -> Plan:
        """The plan with every free dimension but the batch at ``size``, and unknown shapes at ``rank``."""
        specs = []
        for spec in self.specs:
            shape = spec.shape if spec.shape is not None else (None,) * rank
            specs.append(replace(spec, shape=(*shape[:1], *(size if free is None else free for free in shape[1:]))))
        return replace(self, specs=tuple(specs))

    def joined(self, other: Plan) -> Plan:
        """Both plans' inputs, this one's first."""
        return Plan(self.specs + other.specs, self.asks + other.asks)


def _shape(spec: InputSpec, batch: int) -> tuple[int, ...]:
    """The shape of one input of a found plan, for a batch of this size."""
    return tuple(size if size is not None else batch for size in spec.shape or ())


def plan_for(specs: Sequence[InputSpec], overrides: Mapping[str, Mapping[str, Any]] | None = None) -> Plan:
    """The first guess for a model's inputs, the user's own words (``kerasload.toml``) over the spec's."""
    asks, final = [], []
    for spec in specs:
        override = next((dict(overrides[n]) for n in (spec.name, *spec.aliases) if overrides and n in overrides), {})
        if "shape" in override:
            spec = replace(spec, shape=tuple(None if size in (None, -1) else int(size) for size in override["shape"]))
        if "dtype" in override:
            spec = replace(spec, dtype=str(override["dtype"]))
        ask = Ask(
            style="words" if spec.dtype == "string" else "numbers",
            bound=spec.bound,
            minimum=override.get("min"),
            maximum=override.get("max"),
        )
        if "values" in override:
            ask = replace(ask, style="values", values=tuple(override["values"]))
        asks.append(ask)
        final.append(spec)
    return Plan(tuple(final), tuple(asks))


def find(plan: Plan, attempt: Try) -> Plan:
    """A plan whose inputs the model answers with non-empty outputs.

    Free dimensions are tried at growing sizes; what the model complains of (an index out of range, features of an
    example, an image) is put right first. InputsNotFound when nothing works.
    """
    if not plan.specs:
        raise InputsNotFound("the model does not say what its inputs are")
    unfit = next((spec for spec in plan.specs if spec.dtype not in DTYPES), None)
    if unfit is not None:
        raise InputsNotFound(f"input {unfit.name!r} is a {unfit.dtype}: such values are not made up")
    first = said = ""
    free = any(None in (spec.shape or (None,))[1:] or spec.shape is None for spec in plan.specs)
    ranks = _RANKS_TRIED if any(spec.shape is None for spec in plan.specs) else _RANKS_TRIED[:1]
    for rank in ranks:
        for size in SIZES if free else SIZES[:1]:
            current = plan.filled(size, rank)
            if free and max(np.prod(_shape(spec, 2), dtype=float) for spec in current.specs) > _MAX_ELEMENTS:
                continue
            for _ in range(40):  # each round mends one complaint
                try:
                    outputs = attempt(sample(current, batch=2, seed=1))
                except Refused as refusal:
                    said = str(refusal)
                    mended = _mend(current, said)
                    if mended is None:
                        first = first or said
                        break
                    current = mended
                    continue
                if outputs and all(output.size for output in outputs):
                    return current
                said = "the outputs are empty: " + ", ".join(str(list(output.shape)) for output in outputs)
                break
            plan = replace(plan, asks=current.asks)
    # Of many complaints the first is about the likeliest size, and the best to show.
    words = first or said
    line = next((line.strip() for line in words.splitlines() if line.strip()), "no answer")[:300]
    raise InputsNotFound(f"no inputs were found that the model answers; it says: {line}", words)


_INDEX = re.compile(r"indices\[[^\]]*\] = (-?\d+) is not in \[0, (\d+)\)")
_FEATURE = re.compile(r"[Ff]eature:? (\S+) \(data type: (\w+)\) is required but could not be found")
_COUNT = re.compile(r"Key: (\S+?),? .*?values size: (\d+) but output shape: \[(\d*)\]", re.DOTALL)
_WRONG_TYPE = re.compile(r"Key: (\S+?)\.? .*?[Dd]ata types don't match.*?[Ee]xpected type: (\w+)", re.DOTALL)


def _mend(plan: Plan, said: str) -> Plan | None:
    """The plan with one complaint put right, or None when there is nothing to put right."""
    match = _INDEX.search(said)
    if match:
        bound = int(match[2])
        asks = [
            replace(ask, bound=bound)
            if spec.dtype != "string" and ask.style == "numbers" and (ask.bound is None or ask.bound > bound)
            else ask
            for spec, ask in zip(plan.specs, plan.asks, strict=True)
        ]
        return _changed(plan, asks)
    strings = [index for index, spec in enumerate(plan.specs) if spec.dtype == "string"]
    if not strings:
        return None
    asks = list(plan.asks)
    if re.search(r"(?i)could not parse example|can't parse serialized example|parse_example", said) and not (
        _FEATURE.search(said) or _COUNT.search(said)
    ):
        asks = [replace(a, style="examples") if i in strings and a.style == "words" else a for i, a in enumerate(asks)]
        return _changed(plan, asks)
    for pattern in (_FEATURE, _COUNT, _WRONG_TYPE):
        match = pattern.search(said)
        if not match:
            continue
        for index in strings:
            ask = asks[index]
            features = dict(ask.features)
            known = features.get(match[1], ("float", 1))
            if pattern is _COUNT:
                features[match[1]] = (known[0], int(match[3] or 1))
            else:
                features[match[1]] = (match[2], known[1])
            asks[index] = replace(ask, style="examples", features=features)
        return _changed(plan, asks)
    for style, pattern_text in (
        ("images", r"(?i)unknown image file format|expected image|decode.*(jpeg|png|image)|bad png|invalid jpeg"),
        ("numerals", r"(?i)StringToNumber|could not correctly convert string"),
    ):
        if re.search(pattern_text, said):
            asks = [replace(a, style=style) if i in strings and a.style == "words" else a for i, a in enumerate(asks)]
            return _changed(plan, asks)
    return None


def _changed(plan: Plan, asks: Sequence[Ask]) -> Plan | None:
    return replace(plan, asks=tuple(asks)) if tuple(asks) != plan.asks else None


# ---- values


def sample(plan: Plan, batch: int, seed: int, kind: str = "uniform") -> list[Array]:
    """One batch of inputs; the same for the same arguments."""
    generator = np.random.default_rng(seed)
    return [
        _values(spec, ask, _shape(spec, plan.batch or batch), generator, kind)
        for spec, ask in zip(plan.specs, plan.asks, strict=True)
    ]


def examples(plan: Plan) -> st.SearchStrategy[list[Array]]:
    """Batches of inputs: one to three rows (or the model's own batch), of several kinds of values.

    They shrink towards one row of zeros.
    """
    return st.builds(
        lambda kind, batch, seed: sample(plan, batch, seed, kind),
        st.sampled_from(("zeros", "ones", "uniform", "normal", "image", "wide")),
        st.integers(1, 3) if plan.batch is None else st.just(plan.batch),
        st.integers(0, 2**16),
    )


def _numpy(dtype: str) -> np.dtype[Any]:
    """The dtype in which values are handed over; float32 holds all of bfloat16."""
    return np.dtype("float32" if dtype == "bfloat16" else dtype)


def _values(spec: InputSpec, ask: Ask, shape: tuple[int, ...], generator: np.random.Generator, kind: str) -> Array:
    if ask.style == "values":
        given = np.array([str(value).encode("utf-8") for value in ask.values] if spec.dtype == "string" else ask.values)
        drawn = generator.choice(given, size=shape)
        return drawn if spec.dtype == "string" else drawn.astype(_numpy(spec.dtype))
    if spec.dtype == "string":
        return _strings(spec, ask, shape, generator)
    if spec.dtype == "bool":
        return generator.integers(0, 2, size=shape).astype(bool) if kind != "zeros" else np.zeros(shape, bool)
    dtype = _numpy(spec.dtype)
    if ask.bound is not None or dtype.kind in "iu":
        ends = [end for end in (ask.bound, None if ask.maximum is None else int(ask.maximum) + 1) if end is not None]
        high = min(ends, default=128)  # exclusive
        low = min(0, high - 1) if ask.minimum is None else int(ask.minimum)
        if kind == "zeros":
            return np.full(shape, low, dtype)
        return generator.integers(low, max(high, low + 1), size=shape).astype(dtype)
    if ask.minimum is not None or ask.maximum is not None or kind == "uniform":
        least = min(0.0, ask.maximum or 0.0) if ask.minimum is None else float(ask.minimum)
        most = max(1.0, least + 1) if ask.maximum is None else float(ask.maximum)
        return generator.uniform(least, most, size=shape).astype(dtype)
    if kind == "zeros":
        return np.zeros(shape, dtype)
    if kind == "ones":
        return np.ones(shape, dtype)
    if kind == "image":
        return generator.integers(0, 256, size=shape).astype(dtype)
    scale = 30.0 if kind == "wide" else 1.0
    real = generator.normal(0.0, scale, size=shape)
    return (real + 1j * generator.normal(0.0, scale, size=shape) if dtype.kind == "c" else real).astype(dtype)


_WORDS = ("the", "model", "is", "loaded", "again", "Ünïcode", "42", "", "a b c", "x" * 12)


def _strings(spec: InputSpec, ask: Ask, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    count = int(np.prod(shape))
    if ask.style == "examples":
        items = [_example(ask.features, generator) for _ in range(count)]
    elif ask.style == "images":
        items = [_png(generator) for _ in range(count)]
    elif ask.style == "numerals":
        items = [str(generator.integers(0, 10)).encode() for _ in range(count)]
    else:
        known = [word for word in spec.vocabulary if word] or list(_WORDS)
        pool = known + list(_WORDS[:4])
        items = [str(pool[generator.integers(len(pool))]).encode("utf-8") for _ in range(count)]
    return np.array(items, dtype="S" if any(items) else "S1").reshape(shape)


def _example(features: Mapping[str, tuple[str, int]], generator: np.random.Generator) -> bytes:
    """A serialised tf.train.Example with these features (name → dtype and number of values)."""
    entries = b""
    for name, (dtype, count) in sorted(features.items()):
        if dtype in ("float", "float32"):
            packed = generator.uniform(0, 1, count).astype("<f4").tobytes()
            value = _field(2, _field(1, packed))
        elif dtype in ("int64", "int32"):
            value = _field(3, _field(1, b"".join(_varint(int(n)) for n in generator.integers(0, 2, count))))
        else:
            value = _field(1, b"".join(_field(1, b"word") for _ in range(count)))
        entries += _field(1, _field(1, name.encode("utf-8")) + _field(2, value))
    # A last byte that is no NUL: NumPy's fixed-width bytes drop trailing ones. Field 15 is unknown and skipped.
    return _field(1, entries) + _field(15, b".")


def _varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _png(generator: np.random.Generator) -> bytes:
    """A small RGB image as PNG."""
    import struct
    import zlib

    size = 32
    pixels = generator.integers(0, 256, (size, size * 3), dtype=np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    # The bytes after the end are ignored by decoders and keep NumPy from dropping trailing NULs.
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
