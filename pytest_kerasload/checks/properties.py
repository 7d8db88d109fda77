"""What should hold of every artifact, asked of a few batches: the same inputs give the same outputs twice, a row gives
the same alone and in a batch, finite inputs give finite outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from pytest_kerasload import comparison, inputs
from pytest_kerasload.causes.catalogue import cause
from pytest_kerasload.checks import comparing, domain, rows
from pytest_kerasload.checks.examples import Shelf, ask
from pytest_kerasload.checks.verdict import Context
from pytest_kerasload.environments.process import RequestFailed
from pytest_kerasload.environments.session import Loaded, Output
from pytest_kerasload.findings import Finding
from pytest_kerasload.inputs import Plan

Array = NDArray[Any]

# Numbers that any model may be asked: around 0, in [0, 1], and the two that models divide by and take logarithms of.
# What overflows at 255 or at thirty times the usual size is no fault of the model.
KINDS = ("normal", "uniform", "zeros", "ones")
# Three rows: an output whose first dimension is 3 by chance is rare, and so is one that changes shape with it.
ROWS = 3
SEED = 3


@dataclass
class Asked:
    """What a model answered to one batch of each kind; kinds that it refuses are left out."""

    context: Context
    plan: Plan
    model: Loaded
    answers: dict[str, tuple[list[Array], tuple[Output, ...]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind in KINDS:
            example = inputs.sample(self.plan, ROWS, SEED, kind)
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
        found += rows.findings(asked, kind, shelf)
    return tuple(found)


def _equal(one: Sequence[Array], other: Sequence[Array]) -> bool:
    return all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))


# ---- twice


def _remembers(asked: Asked, example: Sequence[Array]) -> bool:
    """Whether an export that answers differently each time does so because of what it was asked before.

    Two that were asked nothing yet agree then, and agree no more once they were asked different things. Where they
    still agree, they only count: random numbers from a seed of the model's own. A Keras model forgets before each
    prediction, so its answers must not change.
    """
    if asked.model.kind != "signatures":
        return False
    session, plan = asked.context.session, asked.plan
    fresh = [session.again(asked.model) for _ in range(2)]

    def agree(*examples: Sequence[Array]) -> bool:
        one, other = (ask(asked.context, plan, model, given) for model, given in zip(fresh, examples, strict=True))
        return asked.disagreement(one, other) is None

    remembers = agree(example, example)
    if remembers:
        agree(example, inputs.sample(plan, ROWS, SEED + 1, "normal"))
        remembers = not agree(example, example)
    session.drop(*fresh)
    return remembers
