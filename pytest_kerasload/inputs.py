"""Inputs worth trying: hypothesis strategies made from input specs, and the search for what a model accepts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from pytest_kerasload.environments.session import InputSpec
from pytest_kerasload.settings import DTYPES
from pytest_kerasload.values import Ask, array

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


def find(plan: Plan, attempt: Try, rows: int | None = None) -> Plan:
    """A plan whose inputs the model answers with non-empty outputs.

    Free dimensions are tried at growing sizes; what the model complains of (an index out of range, features of an
    example, an image) is put right first. ``rows`` is a batch size that is known to work, for models that take one
    only and do not say so (exports of stateful models). InputsNotFound when nothing works.
    """
    try:
        return _find(plan, attempt)
    except InputsNotFound:
        if rows is None or plan.batch is not None:
            raise
    fixed = [replace(spec, shape=(rows, *spec.shape[1:])) if spec.shape else spec for spec in plan.specs]
    return _find(replace(plan, specs=tuple(fixed)), attempt)


def _find(plan: Plan, attempt: Try) -> Plan:
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
        array(spec, ask, _shape(spec, plan.batch or batch), generator, kind)
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
