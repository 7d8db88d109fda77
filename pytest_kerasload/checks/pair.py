"""A model and its copy, asked the same examples."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from pytest_kerasload import comparison, inputs
from pytest_kerasload.checks import comparing
from pytest_kerasload.checks.examples import ask
from pytest_kerasload.checks.verdict import Context
from pytest_kerasload.environments.process import RequestFailed, WorkerEnded
from pytest_kerasload.environments.session import Loaded, Output
from pytest_kerasload.findings import Measured

Array = NDArray[Any]


@dataclass(frozen=True)
class Answer:
    """What a model and its copy said to one example."""

    example: list[Array]
    outputs: tuple[Sequence[Output], Sequence[Output]]
    found: tuple[comparison.ArrayComparison, ...]
    refusal: RequestFailed | None = None
    """What the copy raised for inputs that the model itself answers."""
    random: bool = False

    @property
    def agrees(self) -> bool:
        return self.refusal is None and not self.random and all(one.agrees for one in self.found)

    @property
    def shape(self) -> tuple[Any, ...]:
        """What distinguishes one disagreement from another: the output and how it differs."""
        wrong = next((one for one in self.found if not one.agrees), None)
        return self.refusal and self.refusal.type, self.random, wrong and (wrong.name, wrong.kind)


@dataclass
class Pair:
    """A model and its copy. Remembers what they said, so that an example has one answer however often it is tried:
    hypothesis takes a failure that does not come back for a flaw of the test, and a machine under load is no flaw."""

    context: Context
    plan: inputs.Plan
    first: Loaded
    second: Loaded
    seconds: float
    """How long more examples are asked once one failed."""

    def __post_init__(self) -> None:
        self.answers: dict[bytes, Answer | None] = {}
        self.failed: list[Answer] = []
        self.ended: WorkerEnded | None = None
        self.best = Measured()
        self.until = float("inf")

    def answer(self, example: Sequence[Array]) -> Answer | None:
        """The answer to one example; None when the model itself refuses it, and when no more is asked."""
        key = _key(example)
        if key not in self.answers:
            if self.ended is not None or time.monotonic() > self.until:
                return None
            try:
                answer = self._asked(list(example))
            except WorkerEnded as error:
                self.ended = error
                return None
            self.answers[key] = answer
            if answer is not None and answer.agrees:
                self.best = comparing.measured(answer.found, self.compared, self.best)
                self.answers[key] = Answer([], ((), ()), ())  # the arrays are not needed any more
            elif answer is not None:
                self.failed.append(answer)
                # What is random stays so on every other example: there is no smallest one.
                self.until = min(self.until, time.monotonic() + (0.0 if answer.random else self.seconds))
        return self.answers[key]

    @property
    def compared(self) -> int:
        """How many examples both were asked."""
        return sum(1 for answer in self.answers.values() if answer is not None)

    def refuses(self, example: Sequence[Array]) -> bool:
        """Whether the model itself was asked this example, and refused it."""
        return self.answers.get(_key(example), ...) is None

    def _asked(self, example: list[Array]) -> Answer | None:
        context, first, second = self.context, self.first, self.second
        try:
            wanted = ask(context, self.plan, first, example)
        except RequestFailed:
            return None
        try:
            obtained = self._copied(second, example, wanted)
        except RequestFailed:
            try:  # once more: it may have been short of memory for a moment
                obtained = self._copied(second, example, wanted)
            except RequestFailed as error:
                return Answer(example, (wanted, ()), (), refusal=error)
        answer = Answer(example, (wanted, obtained), tuple(comparing.side_by_side(context, wanted, obtained)))
        exports = "signatures" in (first.kind, second.kind)
        if answer.agrees or not (exports or self._changes(first, example, wanted)):
            return answer
        # Random, or an export of a stateful model, which remembers what it was asked before: models that were asked
        # nothing tell which.
        fresh = context.session.again(first), context.session.again(second)
        wanted = ask(context, self.plan, fresh[0], example)
        obtained = self._copied(fresh[1], example, wanted)
        found = tuple(comparing.side_by_side(context, wanted, obtained))
        random = not all(one.agrees for one in found) and self._random(fresh[0], example, wanted)
        context.session.drop(*fresh)
        return Answer(example, (wanted, obtained), found, random=random)

    def _copied(self, model: Loaded, example: Sequence[Array], wanted: Sequence[Output]) -> tuple[Output, ...]:
        obtained = ask(self.context, self.plan, model, example)
        # An export may have more endpoints; positions are the same, names are not.
        return obtained[: len(wanted)] if self.first.kind != self.second.kind else obtained

    def _changes(self, model: Loaded, example: Sequence[Array], before: Sequence[Output]) -> bool:
        after = ask(self.context, self.plan, model, example)
        return not all(one.agrees for one in comparing.side_by_side(self.context, before, after))

    def _random(self, model: Loaded, example: Sequence[Array], before: Sequence[Output]) -> bool:
        """Whether a model that was asked once answers something else, and not because it was."""
        if model.kind != "signatures":
            return self._changes(model, example, before)
        other = self.context.session.again(model)
        random = self._changes(other, example, before)
        self.context.session.drop(other)
        return random


def _key(example: Sequence[Array]) -> bytes:
    return hashlib.sha256(b"".join(str((a.dtype, a.shape)).encode() + a.tobytes() for a in example)).digest()
