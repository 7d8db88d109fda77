"""Whether a model and its copy answer the same: generated examples, and the smallest one for which they do not."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, assume, find, settings
from hypothesis.errors import Flaky, NoSuchExample, Unsatisfiable
from numpy.typing import NDArray

from pytest_kerasload import comparison, inputs
from pytest_kerasload.artifacts.record import Format
from pytest_kerasload.causes.catalogue import cause
from pytest_kerasload.checks import comparing
from pytest_kerasload.checks.examples import Shelf, domains, told
from pytest_kerasload.checks.pair import Answer, Pair
from pytest_kerasload.checks.verdict import Context, Verdict
from pytest_kerasload.environments.session import Loaded
from pytest_kerasload.findings import Finding, Remedy
from pytest_kerasload.settings import Generation
from pytest_kerasload.shrinking import reduced

Array = NDArray[Any]

# How long a failing example is made smaller, by hypothesis and then by its elements.
_SECONDS = 20.0


def verdict(
    context: Context, format: Format, plan: inputs.Plan, first: Loaded, second: Loaded, shelf: Shelf
) -> Verdict:
    """Whether a model and what came back from ``format`` agree; a disagreement is shrunk to its smallest example."""
    pair = Pair(context, plan, first, second, _SECONDS / 2)

    def disagrees(example: list[Array]) -> bool:
        answer = pair.answer(example)
        assume(not pair.refuses(example))  # then another one is made up
        return answer is not None and not answer.agrees

    kept, note = shelf.kept(plan)
    notes = () if note is None else (note,)
    answer = pair.answer(kept) if kept is not None else None
    replayed = answer is not None and not answer.agrees
    if not replayed:
        told_by = context.settings.generation
        options = _settings(told_by, context.settings.examples)
        key = f"{_place(context)}::roundtrip[{format}]"
        try:
            find(
                inputs.examples(plan),
                disagrees,
                settings=options,
                random=_random(told_by, key),
                database_key=f"pytest-kerasload {key}".encode(),
            )
        except (NoSuchExample, Unsatisfiable):
            if not pair.compared and pair.ended is None:
                refused = inputs.InputsNotFound("the model refuses every example that was generated")
                return Verdict((*notes, comparing.no_inputs(context, refused)))
        except Flaky:  # each example has one answer here: what failed once failed
            if not pair.failed:
                raise
        shrinks = Phase.shrink in options.phases
    else:
        shrinks = False
    if pair.failed:
        return _failed(pair, format, shelf, notes, shrinks)
    if pair.ended is not None:
        raise pair.ended
    return Verdict(notes, pair.best)


def _place(context: Context) -> str:
    """The artifact's path below its root: the same on every machine."""
    path = context.artifact.path
    root = context.settings.root_of(path)
    return path.relative_to(root).as_posix() if path != root else path.name


def _settings(told_by: Generation, examples: int) -> settings:
    """How hypothesis runs: as the profile that the user chose says, else derandomised and without a database."""
    common: dict[str, Any] = {
        "max_examples": examples,
        "deadline": None,  # a machine under load is slow, and no flaw of the artifact
        "suppress_health_check": list(HealthCheck),
        "report_multiple_bugs": False,
        "print_blob": False,
        "backend": "hypothesis",
    }
    if told_by.verbosity:
        common["verbosity"] = Verbosity[told_by.verbosity]
    profile = told_by.profile
    if profile is None:
        return settings(derandomize=False, database=None, phases=(Phase.generate, Phase.shrink), **common)
    # A comparison that did not happen never passes: examples are generated whatever the profile says.
    wanted = {Phase.generate, *profile.phases} - {Phase.explain}
    return settings(profile, phases=tuple(phase for phase in Phase if phase in wanted), **common)


def _random(told_by: Generation, key: str) -> Random | None:
    """Numbers that are the artifact's own and the same in every run; None where the profile wants others each time."""
    if told_by.seed is not None:
        return Random(f"{told_by.seed} {key}")
    return Random(key) if told_by.profile is None or told_by.profile.derandomize else None


def _failed(pair: Pair, format: Format, shelf: Shelf, notes: tuple[Finding, ...], shrinks: bool) -> Verdict:
    """The finding for the smallest example of those that failed."""
    context, plan = pair.context, pair.plan
    if any(answer.random for answer in pair.failed):
        return Verdict((*notes, comparing.random_outputs(context)), pair.best)
    smallest = min(pair.failed, key=lambda answer: _size(answer.example))
    if shrinks and pair.ended is None:
        pair.until = time.monotonic() + _SECONDS

        def shows(candidate: list[Array]) -> bool:
            answer = pair.answer(candidate)
            return answer is not None and not answer.agrees and answer.shape == smallest.shape

        small = reduced(
            smallest.example, shows, domains(plan, smallest.example), rows=plan.batch is None, seconds=_SECONDS / 2
        )
        smallest = pair.answer(small) or smallest
    finding = _drawn_anew(pair, smallest) or _differs(context, format, smallest)
    before, after = smallest.outputs
    lines = [
        *told(plan, smallest.example),
        *finding.detail.splitlines(),
        *shelf.keep(plan, smallest.example, {"original": before, "copy": after}),
    ]
    finding = replace(finding, detail="\n".join(lines))
    return Verdict((*notes, finding), comparing.measured(smallest.found, pair.compared, pair.best))


def _size(example: Sequence[Array]) -> tuple[int, int]:
    """How much there is in an example: rows, and elements that are not zero."""
    return (
        max((array.shape[0] for array in example if array.ndim), default=0),
        sum(int((array != array.dtype.type()).sum()) for array in example),
    )


def _drawn_anew(pair: Pair, answer: Answer) -> Finding | None:
    """The finding that two loads of the artifact differ already, whatever is saved."""
    if answer.refusal is not None:
        return None
    return comparing.loads_differ(pair.context, pair.first, comparing.fit(pair.plan, pair.first, answer.example))


def _differs(context: Context, format: Format, answer: Answer) -> Finding:
    name = context.artifact.path.name
    if answer.refusal is not None:
        lines = answer.refusal.text.rpartition("Exception encountered:")[2].strip().splitlines()
        return cause("roundtrip-predictions-differ").finding(
            f"{name} answers no more after saving as {format} on {context.label}: {answer.refusal.type}: "
            f"{lines[0][:300] if lines else ''}",
            traceback=answer.refusal.traceback,
        )
    wrong = next(one for one in answer.found if not one.agrees)
    return cause("roundtrip-predictions-differ").finding(
        f"{name} predicts something else after saving as {format} and loading again: {wrong.name}: {wrong.problem}",
        where=wrong.name,
        remedies=(Remedy("compare get_config() and the weights of the layers before that output"),),
        detail=comparison.table(wrong),
    )
