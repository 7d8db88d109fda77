"""Inputs worth trying: a plan made from input specs, and hypothesis strategies and batches made from a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from pytest_kerasload.environments.session import InputSpec
from pytest_kerasload.values import KINDS, Ask, array

Array = NDArray[Any]


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

    In a plan that :func:`~pytest_kerasload.search.find` gives, only the batch dimension of a spec's shape is still
    free. ``given`` are rows that somebody chose for this model, an array for each input; they are tried among others.
    """

    specs: tuple[InputSpec, ...]
    asks: tuple[Ask, ...]
    given: tuple[Array, ...] = ()
    only_given: bool = False
    """Nothing that was made up is answered."""
    remark: str = ""
    """What the user should know of rows that are not used."""

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

    def shapes(self, batch: int) -> list[tuple[int, ...]]:
        """The shape of each input of a found plan, for a batch of this size."""
        return [tuple(size if size is not None else batch for size in spec.shape or ()) for spec in self.specs]


def plan_for(specs: Sequence[InputSpec], overrides: Mapping[str, Mapping[str, Any] | Array] | None = None) -> Plan:
    """The first guess for a model's inputs, the user's own words (``kerasload.toml``, the hook) over the spec's.

    A word for an input is a table, or an array of rows (then there has to be one for each input, or it only tells
    the shape and the range).
    """
    asks, final, rows = [], [], []
    for spec in specs:
        override = next((overrides[n] for n in (spec.name, *spec.aliases) if overrides and n in overrides), {})
        if isinstance(override, np.ndarray):
            rows.append(override)
            final.append(like(spec, override))
            asks.append(Ask(style="words" if spec.dtype == "string" else "numbers", bound=final[-1].bound))
            continue
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
    plan = Plan(tuple(final), tuple(asks))
    return with_rows(plan, rows) if rows and len(rows) == len(final) else plan


def with_rows(plan: Plan, rows: Sequence[Array]) -> Plan:
    """The plan with rows that somebody chose; without them where they are not as many for each input."""
    counts = {array.shape[0] if array.ndim else 0 for array in rows}
    fit = len(rows) == len(plan.specs) and len(counts) == 1 and counts != {0}
    return replace(plan, given=tuple(rows)) if fit else plan


def like(spec: InputSpec, known: Array) -> InputSpec:
    """A spec with what an array that the model is known to take tells: sizes of free dimensions, a range of whole
    numbers, words."""
    whole = known.dtype.kind in "iu" and known.size > 0 and known.min() >= 0
    words = tuple(word.decode("utf-8", "replace") for word in known.ravel()[:50]) if known.dtype.kind == "S" else ()
    batch = spec.shape[0] if spec.shape else None
    return replace(
        spec,
        shape=(batch, *known.shape[1:]) if known.ndim else (),
        bound=spec.bound or (int(known.max()) + 1 if whole and "int" in spec.dtype else None),
        vocabulary=spec.vocabulary or words,
    )


# ---- batches


def sample(plan: Plan, batch: int, seed: int, kind: str = "uniform") -> list[Array]:
    """One batch of inputs, all of one kind of values; the same for the same arguments."""
    generator = np.random.default_rng(seed)
    if plan.given and (kind == "given" or plan.only_given):
        count = plan.given[0].shape[0]
        rows = [int(row) for row in generator.permutation(count)[: plan.batch or batch]]
        rows += [rows[0]] * ((plan.batch or batch) - len(rows) if plan.batch else 0)
        return [known[rows] for known in plan.given]
    return [
        array(spec, ask, shape, generator, kind)
        for spec, ask, shape in zip(plan.specs, plan.asks, plan.shapes(plan.batch or batch), strict=True)
    ]


MIXED = ("normal", "uniform", "normal", "wide", "normal", "image", "normal", "one-hot")


def mixed(plan: Plan, rows: int, seed: int) -> list[Array]:
    """A batch in which rows are of several kinds: what one kind does not show, another does.

    Rows that somebody chose come first, as many as half of them; a fixed batch decides the number of rows.
    """
    rows = plan.batch or rows
    found: list[list[Array]] = []
    if plan.given:
        chosen = min(plan.given[0].shape[0], rows if plan.batch or plan.only_given else max(1, rows // 2))
        found += [[known[row : row + 1] for known in plan.given] for row in range(chosen)]
    for row in range(len(found), len(found) if plan.only_given else rows):
        batch = sample(plan, 1, seed + row, MIXED[row % len(MIXED)])
        place = row if plan.batch else 0
        found.append([array[place : place + 1] if array.ndim else array for array in batch])
    return [_stacked([row[index] for row in found]) for index in range(len(plan.specs))]


def _stacked(rows: Sequence[Array]) -> Array:
    return np.concatenate(rows) if rows[0].ndim else rows[0]


def examples(plan: Plan) -> st.SearchStrategy[list[Array]]:
    """Batches of inputs: one to three rows (or the model's own batch), of several kinds of values.

    They shrink towards one row of zeros.
    """
    kinds = (*KINDS[:2], "given", *KINDS[2:]) if plan.given else KINDS
    return st.builds(
        lambda kind, batch, seed: sample(plan, batch, seed, kind),
        st.sampled_from(kinds),
        st.integers(1, 3) if plan.batch is None else st.just(plan.batch),
        st.integers(0, 2**16),
    )
