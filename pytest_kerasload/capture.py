"""What a model is asked and answers when its expected outputs are recorded, live or from its file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pytest_kerasload import comparison, inputs
from pytest_kerasload import noise as noises
from pytest_kerasload.comparison import BY_PRECISION, MUCH
from pytest_kerasload.environments.session import Output
from pytest_kerasload.folding import Fold

Array = NDArray[Any]

ROWS = 16
_FEWEST_ROWS = 2
_MOST_BYTES = 4 << 20
"""Of inputs and outputs together, before compression; a model with larger ones is asked fewer rows."""


class Subject(Protocol):
    """A model that can be asked."""

    def predict(self, batch: Sequence[Array]) -> Sequence[Output]:
        """Its outputs; raises inputs.Refused with what it said."""

    def perturbed(self, batch: Sequence[Array], seed: int, unit: float) -> Sequence[Output]:
        """Its outputs with weights moved by a rounding error; empty for a model that has none."""


class NotRecorded(Exception):
    """The model cannot be recorded; ``cause`` is a code of the catalogue."""

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause


@dataclass(frozen=True)
class Captured:
    """One batch of inputs, the outputs that it gives, and the noise of each (None where it is no floating number).

    Outputs that are large are folded; ``folds`` says how, None for those that are not.
    """

    batch: tuple[Array, ...]
    outputs: tuple[Output, ...]
    noise: tuple[noises.Noise | None, ...]
    folds: tuple[Fold | None, ...]

    @property
    def names(self) -> list[str]:
        """The best name of each output, or its position where two share one."""
        best = [output.names[0] for output in self.outputs]
        return [name if best.count(name) == 1 else str(index) for index, name in enumerate(best)]

    @property
    def noise_by_name(self) -> dict[str, noises.Noise]:
        """The noise of the outputs that have one."""
        return {name: one for name, one in zip(self.names, self.noise, strict=True) if one is not None}

    @property
    def folds_by_name(self) -> dict[str, Fold]:
        """How those outputs are folded that are."""
        return {name: fold for name, fold in zip(self.names, self.folds, strict=True) if fold is not None}


Varied = Callable[[Sequence[Array]], Sequence[tuple[str, Sequence[Array]]]]
"""What was varied of the machine (oneDNN, threads), with the outputs for the same batch then."""


def generated(subject: Subject, plan: inputs.Plan) -> list[Array]:
    """Rows of several kinds that the model answers with finite numbers, none of them where it jumps.

    Fewer rows where they are large. NotRecorded when no row gives a finite number.
    """
    batch, outputs = _answered(subject, plan)
    separable = plan.batch is None and _batched(batch, outputs)
    if not separable:
        return batch
    finite = [row for row in range(batch[0].shape[0]) if all(_finite(output[row]) for output in outputs)]
    some = [row for row in range(batch[0].shape[0]) if any(comparison.comparable(output[row]) for output in outputs)]
    if not some:
        raise NotRecorded("expected-not-finite", "no finite output for generated inputs")
    rows = (finite or some)[: _affordable(batch, outputs)]
    return [array[rows] for array in batch]


def _answered(subject: Subject, plan: inputs.Plan) -> tuple[list[Array], list[Array]]:
    """A batch that the model answers: rows of all kinds, else of one."""
    batch = inputs.mixed(plan, ROWS, seed=0)
    try:
        return batch, [output.array for output in subject.predict(batch)]
    except inputs.Refused as refused:
        refusal = refused
    for kind in ("normal", "uniform", "given"):
        batch = inputs.sample(plan, ROWS // 2, seed=0, kind=kind)
        try:
            return batch, [output.array for output in subject.predict(batch)]
        except inputs.Refused:
            continue
    raise refusal


def _batched(batch: Sequence[Array], outputs: Sequence[Array]) -> bool:
    """Whether the first dimension of every input and output is the batch."""
    rows = {array.shape[0] if array.ndim else -1 for array in (*batch, *outputs)}
    return len(rows) == 1 and rows != {-1} and bool(batch)


def _finite(array: Array) -> bool:
    return array.dtype.kind not in "fc" or bool(np.isfinite(array).all())


def _affordable(batch: Sequence[Array], outputs: Sequence[Array]) -> int:
    size = sum(array.nbytes for array in (*batch, *outputs)) // batch[0].shape[0]
    return int(np.clip(_MOST_BYTES // max(size, 1), _FEWEST_ROWS, ROWS))


def capture(
    subject: Subject, batch: Sequence[Array], precision: str, varied: Varied | None = None, *, choose: bool = False
) -> Captured:
    """What the model answers, and the noise of its answers.

    With ``choose``, rows that rounding moves too far to be compared are left out. NotRecorded for outputs that
    change from one time to the next, or are not finite anywhere; inputs.Refused when the model does not answer.
    """
    outputs = tuple(subject.predict(batch))
    arrays = [output.array for output in outputs]
    again = [output.array for output in subject.predict(batch)]
    _refuse(outputs, again, precision)
    told: list[tuple[str, Sequence[Array]]] = [("again", again), *_varied(subject, batch, arrays, precision)]
    told += varied(batch) if varied is not None else ()
    folds = tuple(Fold.of(array) for array in arrays)
    told = [(what, _folded(folds, answers)) for what, answers in told if len(answers) == len(arrays)]
    stored = _folded(folds, arrays)
    found = noises.measured(stored, told, batch[0].shape[0] if batch and batch[0].ndim else 0)
    if choose and _batched(batch, arrays):
        out = noises.unsteady(found, min(30 * BY_PRECISION[precision].share, MUCH))
        rows = [row for row in range(batch[0].shape[0]) if row not in out]
        if out and len(rows) >= _FEWEST_ROWS:
            # Answers may depend on the batch that a row is in: what is stored is what the smaller one gives.
            return capture(subject, [array[rows] for array in batch], precision, varied)
    kept = tuple(replace(output, array=array) for output, array in zip(outputs, stored, strict=True))
    return Captured(tuple(batch), kept, tuple(found), folds)


def _folded(folds: Sequence[Fold | None], arrays: Sequence[Array]) -> list[Array]:
    """The arrays as they are stored; one that came out in another shape stays as it is, and is not compared."""
    return [
        fold(array) if fold is not None and array.shape == fold.shape else array
        for fold, array in zip(folds, arrays, strict=True)
    ]


def _refuse(outputs: Sequence[Output], again: Sequence[Array], precision: str) -> None:
    if not all(comparison.comparable(output.array) for output in outputs):
        named = ", ".join(repr(output.names[0]) for output in outputs if not comparison.comparable(output.array))
        raise NotRecorded("expected-not-finite", f"output {named} has no finite value for these inputs")
    for output, other in zip(outputs, again, strict=False):
        one = comparison.compare(output.names[0], output.array, other, BY_PRECISION[precision])
        if not one.agrees:
            raise NotRecorded(
                "outputs-not-deterministic",
                f"output {output.names[0]!r} is another one each time for the same inputs ({one.problem}): expected "
                "outputs of such a model would never be met",
            )


def noise_here(
    subject: Subject, batch: Sequence[Array], outputs: Sequence[Array], precision: str
) -> list[noises.Noise | None]:
    """The noise of outputs that were recorded without: as far as this process can tell.

    Empty for a model that answers the same rows otherwise each time: that is no noise of rounding.
    """
    try:
        again = [output.array for output in subject.predict(batch)]
    except inputs.Refused:
        return []
    if len(again) != len(outputs) or not all(
        comparison.compare("", one, other, BY_PRECISION[precision]).agrees
        for one, other in zip(outputs, again, strict=True)
    ):
        return []
    rows = batch[0].shape[0] if batch and batch[0].ndim else 0
    return noises.measured(outputs, _varied(subject, batch, outputs, precision), rows)


def _varied(
    subject: Subject, batch: Sequence[Array], arrays: Sequence[Array], precision: str
) -> list[tuple[str, list[Array]]]:
    """What can be varied in one process, with the outputs then; only answers that are as many as the outputs."""
    told = [
        *_perturbed(subject, batch, precision),
        *_moved_inputs(subject, batch, precision),
        *_placed(subject, batch, arrays, precision),
    ]
    return [(what, answers) for what, answers in told if len(answers) == len(arrays)]


def _perturbed(subject: Subject, batch: Sequence[Array], precision: str) -> list[tuple[str, list[Array]]]:
    found = []
    for seed in noises.SEEDS:
        outputs = subject.perturbed(batch, seed, noises.UNITS[precision])
        if not outputs:
            break
        found.append(("rounding of the weights", [output.array for output in outputs]))
    return found


def _moved_inputs(subject: Subject, batch: Sequence[Array], precision: str) -> list[tuple[str, list[Array]]]:
    """Inputs moved by a rounding error: what a model does to them before its first weight, a logarithm of a spectrum,
    amplifies rounding too. Whole numbers stay: they may be indices, or stand for steps that are masked out."""
    found = []
    for seed in noises.SEEDS[:2]:
        generator = np.random.default_rng(seed)
        moved = [_moved_by(array, noises.UNITS[precision], generator) for array in batch]
        if all(one is other for one, other in zip(moved, batch, strict=True)):
            break
        try:
            found.append(("rounding of the inputs", [output.array for output in subject.predict(moved)]))
        except inputs.Refused:  # a value at the very end of what the model takes
            break
    return found


def _moved_by(array: Array, unit: float, generator: np.random.Generator) -> Array:
    if array.dtype.kind not in "fc":
        return array
    whole = (array == np.round(array)) | ~np.isfinite(array)
    factor = 1 + max(unit, float(np.finfo(array.dtype).eps)) * generator.uniform(-1, 1, array.shape)
    return array if whole.all() else np.asarray(np.where(whole, array, array * factor), dtype=array.dtype)


def _placed(
    subject: Subject, batch: Sequence[Array], arrays: Sequence[Array], precision: str
) -> list[tuple[str, list[Array]]]:
    """The same rows in other places and smaller batches, put back in order; nothing for models in which rows depend
    on each other."""
    if not _batched(batch, arrays) or batch[0].shape[0] < 2:
        return []
    count = batch[0].shape[0]
    found: list[tuple[str, list[Array]]] = []
    for parts in ([np.arange(count)[::-1]], [np.arange(1), np.arange(1, count)]):
        placed = [np.zeros_like(array) for array in arrays]
        try:
            for rows in parts:
                answer = [output.array for output in subject.predict([array[rows] for array in batch])]
                if not _batched([batch[0][rows]], answer) or len(answer) != len(arrays):
                    return []
                for place, array in zip(placed, answer, strict=True):
                    if place.shape[1:] != array.shape[1:]:
                        return []
                    place[rows] = array
        except inputs.Refused:  # a batch of one size only
            return found
        compared = [
            comparison.compare("", one, other, BY_PRECISION[precision])
            for one, other in zip(arrays, placed, strict=True)
        ]
        if not all(one.agrees for one in compared):
            return []
        found.append(("place in the batch", placed))
    return found
