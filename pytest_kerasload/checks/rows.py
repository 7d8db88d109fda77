"""A row that answers something else alone than in a batch: for what is in the other rows, or for their number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pytest_kerasload import comparison, inputs
from pytest_kerasload.causes.catalogue import cause
from pytest_kerasload.checks import comparing
from pytest_kerasload.checks.examples import Shelf, domains, told
from pytest_kerasload.environments.process import RequestFailed
from pytest_kerasload.environments.session import Output
from pytest_kerasload.findings import Finding
from pytest_kerasload.noise import SEEDS, UNITS
from pytest_kerasload.precision import precision
from pytest_kerasload.shrinking import reduced

if TYPE_CHECKING:
    from pytest_kerasload.checks.properties import Asked

Array = NDArray[Any]

_OTHER_SEED = 4
_SECONDS = 20.0
# So many times what a rounding error in each weight does is still rounding: the sums of every layer have their own.
_TIMES = 20.0


def findings(asked: Asked, kind: str, shelf: Shelf) -> Iterator[Finding]:
    """What a row that is asked alone answers differently from the batch of it."""
    example, whole = asked.answers[kind]
    if asked.plan.batch is not None or not _batched(example, whole):
        return
    name = asked.context.artifact.path.name
    for row in (0, len(example[0]) - 1):
        wrong = _alone(asked, example, whole, row)
        if wrong is None or (wrong.kind == "values" and _is_noise(asked, example, whole, row)):
            continue
        if _depends_on_others(asked, example, whole, row):
            yield cause("batch-dependent").finding(
                f"{name}: what a row gives depends on the other rows of its batch ({wrong.name}): it is compared in "
                "whole batches only",
                where=wrong.name,
                fails=False,
            )
        else:
            yield _by_number(asked, example, row, wrong, shelf)
        return


def _batched(example: Sequence[Array], outputs: Sequence[Output]) -> bool:
    """Whether every input and output has a row for each row of the batch."""
    arrays = [*example, *(output.array for output in outputs)]
    return all(array.ndim > 0 and array.shape[0] == len(example[0]) for array in arrays)


def _alone(
    asked: Asked, example: Sequence[Array], whole: Sequence[Output], row: int
) -> comparison.ArrayComparison | None:
    """How a row answers differently alone; None when it answers the same, or nothing that can be compared."""
    try:
        alone = asked.ask([array[row : row + 1] for array in example])
    except RequestFailed:
        return None
    if len(alone) != len(whole):
        return None
    for one, other in zip(whole, alone, strict=True):
        if other.array.shape == one.array.shape[1:]:
            what = (
                f"its shape is {list(one.array.shape)} for {len(example[0])} rows and {list(other.array.shape)} for 1"
            )
            return comparison.ArrayComparison(one.names[0], "shape", what)
        if other.array.shape != (1, *one.array.shape[1:]):
            return None  # its first dimension is none of the batch
    return _differing(asked, whole, [Output(o.names, o.array) for o in alone], row)


def _differing(
    asked: Asked, whole: Sequence[Output], answer: Sequence[Output], row: int
) -> comparison.ArrayComparison | None:
    """How one row (or the batch of it alone) differs from the row of the whole batch.

    Compared among all rows that were answered, so that the tolerance comes from the size that the outputs usually
    have: the sums of one row are rounded otherwise in a batch of one, and a row may be nearly zero by cancellation.
    """
    wanted, obtained = [], []
    for index, (one, other) in enumerate(zip(whole, answer, strict=True)):
        others = [found[index].array for _, found in asked.answers.values() if index < len(found)]
        known = [a for a in others if a.dtype == one.array.dtype and a.shape[1:] == one.array.shape[1:]]
        given = other.array[row : row + 1] if other.array.shape == one.array.shape else other.array
        changed = _with_row(one.array, row, given)
        wanted.append(Output(one.names, np.concatenate([one.array, *known])))
        obtained.append(Output(one.names, np.concatenate([changed, *known])))
    return asked.disagreement(wanted, obtained)


def _is_noise(asked: Asked, example: Sequence[Array], whole: Sequence[Output], row: int) -> bool:
    """Whether rounding alone, in the weights, moves the row about as far: a model that amplifies it as long
    recurrences do, or that is near a jump. A batch of one is summed up in another order."""
    context, plan, model = asked.context, asked.plan, asked.model
    unit = UNITS[precision(context.artifact, tuple(output.array.dtype.name for output in whole))]
    given = comparing.fit(plan, model, example)
    moved = [context.session.perturbed(model, given, seed, unit) for seed in SEEDS]
    try:
        alone = asked.ask([array[row : row + 1] for array in example])
    except RequestFailed:
        return False
    for index, (one, other) in enumerate(zip(whole, alone, strict=True)):
        steps = [_distance(one.array[row], answer[index].array[row]) for answer in moved if len(answer) > index]
        if _distance(one.array[row], other.array[0]) > _TIMES * max(steps, default=0.0):
            return False
    return True


def _distance(one: Array, other: Array) -> float:
    """The largest difference of two arrays; 1 for texts that differ, infinity where one is not finite."""
    if one.dtype.kind in "SU":
        return float(np.any(one != other))
    wide = np.complex128 if one.dtype.kind == "c" else np.float64
    with np.errstate(all="ignore"):
        apart = np.abs(np.asarray(one, wide) - np.asarray(other, wide))
    same = (one == other) | (np.isnan(one) & np.isnan(other)) if one.dtype.kind in "fc" else one == other
    return float(np.where(same, 0.0, np.where(np.isfinite(apart), apart, np.inf)).max(initial=0.0))


def _with_row(array: Array, row: int, given: Array) -> Array:
    """The array with another row; words may be longer than those it has."""
    return np.concatenate([array[:row], given, array[row + 1 :]])


def _depends_on_others(asked: Asked, example: Sequence[Array], whole: Sequence[Output], row: int) -> bool:
    """Whether a row answers something else when only the others change, their number staying the same."""
    for seed, kind in enumerate(("normal", "ones", "zeros"), _OTHER_SEED):  # words are the same for a seed, not a kind
        others = inputs.sample(asked.plan, len(example[0]), seed, kind)
        changed = [_with_row(array, row, known[row : row + 1]) for array, known in zip(others, example, strict=True)]
        try:
            answer = asked.ask(changed)
        except RequestFailed:
            continue
        same = [one.array.shape == other.array.shape for one, other in zip(whole, answer, strict=False)]
        if len(answer) != len(whole) or not all(same) or _differing(asked, whole, answer, row) is not None:
            return True
    return False


def _by_number(
    asked: Asked, example: list[Array], row: int, wrong: comparison.ArrayComparison, shelf: Shelf
) -> Finding:
    """The failure of a row that changes with the number of rows, with its smallest example."""

    def differs(candidate: Sequence[Array]) -> comparison.ArrayComparison | None:
        if len(candidate[0]) < 2:
            return None
        try:
            whole = asked.ask(candidate)
        except RequestFailed:
            return None
        if not _batched(candidate, whole):
            return None
        rows = (0, len(candidate[0]) - 1)
        return next((found for found in (_alone(asked, candidate, whole, one) for one in rows) if found), None)

    def shows(candidate: list[Array]) -> bool:
        found = differs(candidate)
        return found is not None and (found.name, found.kind) == (wrong.name, wrong.kind)

    small = reduced(example, shows, domains(asked.plan, example), calls=30, seconds=_SECONDS)
    wrong = differs(small) or wrong
    outputs = {"in_batch": asked.ask(small), "alone": asked.ask([array[:1] for array in small])}
    table = comparison.table(wrong)
    how = wrong.problem if wrong.max_abs is None else f"it differs by up to {wrong.max_abs:.3g}"
    return cause("batch-size-dependent").finding(
        f"{asked.context.artifact.path.name}: a row gives something else alone than among {len(small[0])} rows, "
        f"whatever is in the others: {wrong.name}: {how}",
        where=wrong.name,
        detail="\n".join(
            [*told(asked.plan, small), *([table] if table else []), *shelf.keep(asked.plan, small, outputs, "rows")]
        ),
    )
