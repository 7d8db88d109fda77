"""The search for inputs that a model answers: sizes of free dimensions, ranges of indices, contents of strings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_kerasload.complaints import ASKED, heeded, same_table
from pytest_kerasload.inputs import InputsNotFound, Plan, Refused, sample
from pytest_kerasload.settings import DTYPES

Array = NDArray[Any]
Try = Callable[[Sequence[Array]], Sequence[Array]]
"""Gives the outputs for one batch of inputs; raises Refused with what the model said."""
Fits = Callable[[Sequence[tuple[int, ...]]], bool]
"""Whether the model's layers leave something of inputs of these shapes, as far as its configuration tells."""

# A free dimension is tried at these sizes, in this order, until the model answers. Models want enough of it (what
# strides, croppings and windows take away) more often than little, and powers of two divide well.
SIZES = (16, 32, 64, 8, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 4, 2, 1, 3, 5, 7, 10, 100)
_MAX_ELEMENTS = 1 << 24
_RANKS_TRIED = (2, 1, 3, 4)
# An index that every table refuses: the complaint says how many rows the table has.
_FAR = 1 << 20


def find(plan: Plan, attempt: Try, rows: int | None = None, fits: Fits | None = None) -> Plan:
    """A plan whose inputs the model answers with non-empty outputs.

    Free dimensions are tried at growing sizes, those left out of which ``fits`` knows that nothing remains; what the
    model complains of (an index out of range, a size, features of an example, an image) is put right first. Where
    nothing that is made up is answered, rows that somebody chose may be. ``rows`` is a batch size that is known to
    work, for models that take one only and do not say so (exports of stateful models). InputsNotFound when nothing
    works.
    """
    try:
        return _find(plan, attempt, fits)
    except InputsNotFound:
        if plan.given and _answers(attempt, plan.given):
            return replace(plan, only_given=True)
        if rows is None or plan.batch is not None:
            raise
    fixed = [replace(spec, shape=(rows, *spec.shape[1:])) if spec.shape else spec for spec in plan.specs]
    return _find(replace(plan, specs=tuple(fixed)), attempt, fits)


def _find(plan: Plan, attempt: Try, fits: Fits | None) -> Plan:
    if not plan.specs:
        raise InputsNotFound("the model does not say what its inputs are")
    unfit = next((spec for spec in plan.specs if spec.dtype not in DTYPES), None)
    if unfit is not None:
        raise InputsNotFound(f"input {unfit.name!r} is a {unfit.dtype}: such values are not made up")
    first = said = ""
    for rank in _RANKS_TRIED if any(spec.shape is None for spec in plan.specs) else _RANKS_TRIED[:1]:
        for size in SIZES:
            free = _free(plan)
            if free and not _reasonable(plan.filled(size, rank), fits):
                continue
            plan, outputs, said = _asked(plan, size, rank, attempt)
            if outputs and all(output.size for output in outputs):
                return _ranged(plan.filled(size, rank), attempt)
            if outputs is None:
                first = first or said
            else:
                said = "the outputs are empty: " + ", ".join(str(list(output.shape)) for output in outputs)
            if not _free(plan):
                break
    # Of many complaints the first is about the likeliest size, and the best to show.
    words = first or said
    line = next((line.strip() for line in words.splitlines() if line.strip()), "no answer")[:300]
    raise InputsNotFound(f"no inputs were found that the model answers; it says: {line}", words)


def _free(plan: Plan) -> bool:
    return any(spec.shape is None or None in spec.shape[1:] for spec in plan.specs)


def _reasonable(current: Plan, fits: Fits | None) -> bool:
    shapes = current.shapes(ASKED)
    return max(np.prod(shape, dtype=float) for shape in shapes) <= _MAX_ELEMENTS and (fits is None or fits(shapes))


def _asked(plan: Plan, size: int, rank: int, attempt: Try) -> tuple[Plan, Sequence[Array] | None, str]:
    """The model's answer at one size, None when it refuses; with the plan as its complaints changed it."""
    before, earlier = plan, ""
    for _ in range(40):  # each round mends one complaint
        current = plan.filled(size, rank)
        try:
            return plan, attempt(sample(current, batch=ASKED, seed=1)), ""
        except Refused as refusal:
            said = str(refusal)
        mended = heeded(plan, current, said)
        if mended is None:
            if same_table(said, earlier):
                # Not the values were out of range but positions, of which a table has fewer than the size: what was
                # learned of the values is forgotten.
                plan = before
            break
        before, earlier, plan = plan, said, mended
    return plan, None, said


def _ranged(plan: Plan, attempt: Try) -> Plan:
    """The plan with the number of rows of the tables that its whole numbers index, where nobody told it.

    Of a table of 50,000 rows, indices below 128 would show next to nothing. Only inputs of at least one dimension
    besides the batch are asked for numbers far out: a single number may be a size.
    """
    unknown = [
        index
        for index, (spec, ask) in enumerate(zip(plan.specs, plan.asks, strict=True))
        if ask == type(ask)() and not spec.choices and "int" in spec.dtype and "8" not in spec.dtype
        if len(spec.shape or ()) > 1
    ]
    for index in unknown:
        far = list(plan.asks)
        far[index] = replace(far[index], bound=min(_FAR, int(np.iinfo(plan.specs[index].dtype).max)))
        asked = replace(plan, asks=tuple(far))
        try:
            attempt(sample(asked, batch=ASKED, seed=1))
        except Refused as refusal:
            mended = heeded(asked, asked, str(refusal))
            found = mended.asks[index].bound if mended is not None else None
            if found is not None and found < _FAR:
                asks = list(plan.asks)
                asks[index] = replace(asks[index], bound=found)
                plan = _confirmed(replace(plan, asks=tuple(asks)), plan, attempt)
    return plan


def _answers(attempt: Try, batch: Sequence[Array]) -> bool:
    try:
        outputs = attempt(batch)
    except Refused:
        return False
    return bool(outputs) and all(output.size for output in outputs)


def _confirmed(wider: Plan, plan: Plan, attempt: Try) -> Plan:
    """The wider plan, if the model answers it."""
    return wider if _answers(attempt, sample(wider, batch=ASKED, seed=1)) else plan
