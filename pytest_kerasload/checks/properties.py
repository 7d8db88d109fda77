"""What should hold of every artifact, asked of a few batches: the same inputs give the same outputs twice, a row gives
the same alone and in a batch, finite inputs give finite outputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_kerasload import comparison, inputs
from pytest_kerasload.causes.catalogue import cause
from pytest_kerasload.checks import comparing, domain
from pytest_kerasload.checks.examples import Shelf, ask, domains, told
from pytest_kerasload.checks.verdict import Context
from pytest_kerasload.environments.process import RequestFailed
from pytest_kerasload.environments.session import Loaded, Output
from pytest_kerasload.findings import Finding
from pytest_kerasload.inputs import Plan
from pytest_kerasload.shrinking import reduced

Array = NDArray[Any]

# Numbers that any model may be asked: around 0, in [0, 1], and the two that models divide by and take logarithms of.
# What overflows at 255 or at thirty times the usual size is no fault of the model.
KINDS = ("normal", "uniform", "zeros", "ones")
# Three rows: an output whose first dimension is 3 by chance is rare, and so is one that changes shape with it.
ROWS = 3
_SEED = 3
_SECONDS = 20.0


@dataclass
class Asked:
    """What a model answered to one batch of each kind; kinds that it refuses are left out."""

    context: Context
    plan: Plan
    model: Loaded
    answers: dict[str, tuple[list[Array], tuple[Output, ...]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind in KINDS:
            example = inputs.sample(self.plan, ROWS, _SEED, kind)
            known = next((answer for answer in self.answers.values() if _equal(answer[0], example)), None)
            try:  # what only takes indices or words gets the same batch by several names
                self.answers[kind] = known or (example, self.ask(example))
            except RequestFailed:
                continue

    def ask(self, example: Sequence[Array]) -> tuple[Output, ...]:
        return ask(self.context, self.plan, self.model, example)

    def disagreement(self, wanted: Sequence[Output], obtained: Sequence[Output]) -> comparison.ArrayComparison | None:
        """The first output that differs; None when all agree."""
        found = comparing.side_by_side(self.context, wanted, obtained)
        return next((one for one in found if not one.agrees), None)


def tried(context: Context, plan: Plan, model: Loaded, shelf: Shelf) -> tuple[Finding, ...]:
    """What does not hold; only that the outputs are random, where they are."""
    asked = Asked(context, plan, model)
    missing = domain.nan_weights(context, model)
    if not asked.answers:  # the comparison of generated examples says that nothing is answered
        return tuple(domain.of_weights(context, missing))
    found: list[Finding] = []
    kind = next(iter(asked.answers))
    example, answer = asked.answers[kind]
    remembers = False
    if asked.disagreement(answer, asked.ask(example)) is not None:
        if not _remembers(asked, example):
            return (comparing.random_outputs(context),)
        remembers = True
        found.append(
            cause("stateful-prediction").finding(
                f"{context.artifact.path.name} remembers what it was asked before: its answers are compared on fresh "
                "loads, each asked once",
                fails=False,
            )
        )
    found += domain.findings(asked, missing, shelf)
    if not remembers:
        found += _rows(asked, kind, shelf)
    return tuple(found)


def _equal(one: Sequence[Array], other: Sequence[Array]) -> bool:
    return all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))


# ---- twice


def _remembers(asked: Asked, example: Sequence[Array]) -> bool:
    """Whether an export that answers differently each time does so because of what it was asked before: two that were
    asked nothing yet agree. A Keras model forgets before each prediction, so its answers must not change."""
    if asked.model.kind != "signatures":
        return False
    session = asked.context.session
    fresh = [session.again(asked.model) for _ in range(2)]
    one, other = (ask(asked.context, asked.plan, model, example) for model in fresh)
    session.drop(*fresh)
    return asked.disagreement(one, other) is None


# ---- alone and in a batch


def _rows(asked: Asked, kind: str, shelf: Shelf) -> Iterator[Finding]:
    """A row that answers something else alone than in a batch: for what is in the other rows, or for their number."""
    example, whole = asked.answers[kind]
    if asked.plan.batch is not None or not _batched(example, whole):
        return
    name = asked.context.artifact.path.name
    for row in (0, ROWS - 1):
        wrong = _alone(asked, example, whole, row)
        if wrong is None:
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


def _with_row(array: Array, row: int, given: Array) -> Array:
    """The array with another row; words may be longer than those it has."""
    return np.concatenate([array[:row], given, array[row + 1 :]])


def _depends_on_others(asked: Asked, example: Sequence[Array], whole: Sequence[Output], row: int) -> bool:
    """Whether a row answers something else when only the others change, their number staying the same."""
    for seed, kind in enumerate(("normal", "ones", "zeros"), _SEED + 1):  # words are the same for a seed, not a kind
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
