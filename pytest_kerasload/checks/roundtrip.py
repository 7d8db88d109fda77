"""``roundtrip``: is anything lost when the model is saved and loaded again, or loaded twice?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis.errors import Flaky, Unsatisfiable
from numpy.typing import NDArray

from pytest_kerasload import comparison, inputs
from pytest_kerasload.artifacts.record import Format
from pytest_kerasload.causes.catalogue import cause
from pytest_kerasload.checks import comparing
from pytest_kerasload.checks.configuration import differences
from pytest_kerasload.checks.verdict import Context, Verdict
from pytest_kerasload.environments.process import RequestFailed, WorkerEnded
from pytest_kerasload.environments.session import Comparison, Difference, Loaded, Output
from pytest_kerasload.findings import Finding, Measured, Remedy

Array = NDArray[Any]


class _Disagree(Exception):
    """One example for which two models disagree."""

    def __init__(self, example: list[Array], found: list[comparison.ArrayComparison], random: bool) -> None:
        super().__init__("models disagree")
        self.example = example
        self.found = found
        self.random = random


def check(context: Context, format: Format) -> Verdict:
    """What saving to ``format`` and loading again loses, and what loading itself leaves to chance."""
    first = context.loaded()
    if first.kind == "signatures":
        # The one that was asked already may have changed by it, and would be saved with its changed state.
        first = context.session.again(first)
    findings = [*_missing_weights(context, first), *_two_loads(context, first)]
    if not _writes(context, format):
        return Verdict(tuple(findings), skipped="" if findings else f"{context.label} writes no {format} files")
    copy: Path | None = None
    try:
        copy = context.session.save(first, format)
    except RequestFailed as error:
        return _unsavable(context, first, format, error, findings)
    try:
        second = _load_copy(context, first, copy, format)
    except RequestFailed as error:
        findings.append(_failed(context, format, "roundtrip-load-failed", "saved, but does not load again", error))
        return Verdict(tuple(findings))
    if first.kind == second.kind:
        findings += _state_findings(context, format, context.session.compare(first, second))
    verdict = _predictions(context, format, first, second, copy)
    context.session.drop(second, copy=copy)
    return Verdict((*findings, *verdict.findings), verdict.measured)


def _writes(context: Context, format: Format) -> bool:
    """Whether this release writes the format: ``.keras`` came with TensorFlow 2.12 (before, the suffix meant HDF5)."""
    versions = context.session.versions
    if context.session.way == "signatures":
        return format == "savedmodel"
    return format != "keras" or versions.keras_version.release >= (2, 12)


def _load_copy(context: Context, first: Loaded, copy: Path, format: Format) -> Loaded:
    session = context.session
    if format == "savedmodel" and (first.kind == "signatures" or session.versions.keras3):
        return session.load_path(copy, way="signatures")
    last: RequestFailed | None = None
    for options in _options(context):
        try:
            return session.load_path(
                copy, way="keras", compile=options.get("compile", True), unsafe=options.get("unsafe", False)
            )
        except RequestFailed as error:
            last = last or error
    assert last is not None
    raise last


def _options(context: Context) -> list[dict[str, bool]]:
    """The ways in which the copy may be loaded: as the artifact itself may be."""
    options: list[dict[str, bool]] = [{}]
    if len(context.ways()) > 1:
        if context.session.trusted and context.session.versions.keras_version.release >= (2, 13):
            options.append({"unsafe": True})
        if context.settings.inference_only:
            options.append({"compile": False})
    return options


# ---- loading itself


def _missing_weights(context: Context, loaded: Loaded) -> Iterator[Finding]:
    """More weights in the model than in its file: some were never stored, and are made anew at each load."""
    stored = context.artifact.weights.elements
    if stored is None or loaded.kind != "keras":
        return
    elements, weights = context.session.elements(loaded)
    if elements > stored:
        names = ", ".join(name for name, _ in weights[:5]) + (" ..." if len(weights) > 5 else "")
        yield cause("weights-missing-in-file").finding(
            f"the model has {elements:,} weight elements, its file only {stored:,}: "
            f"{elements - stored:,} were not stored",
            where=f"among {names}",
        )


def _two_loads(context: Context, first: Loaded) -> Iterator[Finding]:
    """Weights that differ between two loads of the same file: they were never restored."""
    session = context.session
    again = session.again(first)
    compared = session.compare(first, again)
    session.drop(again)
    difference = compared.weights
    if difference.places:
        yield cause("loads-differ").finding(
            f"two loads of {context.artifact.path.name} give different weights: "
            f"{len(difference.places)} of {difference.counts[0]} are not restored from the file",
            where=_names(difference),
        )


def _names(difference: Difference) -> str:
    names = [place[0] for place in difference.places]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


# ---- saving and loading again


def _failed(context: Context, format: Format, code: str, what: str, error: RequestFailed) -> Finding:
    lines = error.text.rpartition("Exception encountered:")[2].strip().splitlines()
    return cause(code).finding(
        f"{context.artifact.path.name} {what} as {format} on {context.label}: {error.type}: "
        f"{lines[0][:300] if lines else ''}",
        traceback=error.traceback,
    )


def _unsavable(
    context: Context, first: Loaded, format: Format, error: RequestFailed, findings: list[Finding]
) -> Verdict:
    """A model that cannot be saved again; for an export that is no fault of the artifact."""
    if first.kind == "signatures" and not findings:
        # TensorFlow can serve every export, but not write every one again: those of TensorFlow 1, and those whose
        # resources (tables, assets) it does not track, are made to be loaded only.
        return Verdict(skipped=f"TensorFlow cannot save this export again ({error.type}); two loads of it agree")
    findings.append(_failed(context, format, "roundtrip-save-failed", "cannot be saved again", error))
    return Verdict(tuple(findings))


def _state_findings(context: Context, format: Format, compared: Comparison) -> Iterator[Finding]:
    name = context.artifact.path.name
    weights = compared.weights
    if weights.counts[0] != weights.counts[1] and context.session.way == "keras":
        yield cause("roundtrip-weights-differ").finding(
            f"{name} has {weights.counts[0]} weights, and {weights.counts[1]} after saving as {format}"
        )
    elif weights.places and context.session.way == "keras":
        largest = max((place[4] or 0.0 for place in weights.places), default=0.0)
        yield cause("roundtrip-weights-differ").finding(
            f"{len(weights.places)} of {weights.counts[0]} weights of {name} are others after saving as {format} "
            f"(by up to {largest:.3g})",
            where=_names(weights),
        )
    if compared.config is not None and compared.config[0] is not None and compared.config[1] is not None:
        changed = list(differences(compared.config[0], compared.config[1]))
        if changed:
            yield cause("roundtrip-config-differs").finding(
                f"the configuration of {name} is another one after saving as {format}",
                where=", ".join(place for place, _, _ in changed[:5]),
                detail="\n".join(f"{place}: {one!r} became {other!r}" for place, one, other in changed[:20]),
            )
    fails = not context.settings.inference_only
    if compared.compiled is not None and any(compared.compiled):
        changed = list(differences(*compared.compiled))
        if changed:
            yield cause("roundtrip-compile-state-differs").finding(
                f"{name} is compiled differently after saving as {format}: {changed[0][0]}: "
                f"{changed[0][1]!r} became {changed[0][2]!r}",
                where=", ".join(place for place, _, _ in changed[:5]),
                fails=fails,
            )
    optimizer = compared.optimizer
    # Two variables are the step count and the learning rate, which every optimizer has before it was ever used.
    if optimizer.counts[0] > max(2, optimizer.counts[1]) or (
        optimizer.counts[0] == optimizer.counts[1] and optimizer.places
    ):
        yield cause("roundtrip-optimizer-state-differs").finding(
            f"the optimizer of {name} had {optimizer.counts[0]} variables and has {optimizer.counts[1]} after saving "
            f"as {format}; {len(optimizer.places)} hold other values",
            where=_names(optimizer),
            fails=fails,
        )


# ---- predictions


def _predictions(context: Context, format: Format, first: Loaded, second: Loaded, copy: Path) -> Verdict:
    """Whether both models agree on generated inputs; a disagreement is shrunk to its smallest example."""
    session = context.session
    try:
        plan = comparing.plan(context, first)
    except inputs.InputsNotFound as error:
        return Verdict((comparing.no_inputs(context, error),))
    tally = {"examples": 0}
    best = Measured()

    ended: list[WorkerEnded] = []

    def disagreement(example: list[Array]) -> None:
        if ended:  # hypothesis would take a process that ended for a failing example, and try it again and again
            return
        try:
            compared(example)
        except WorkerEnded as error:
            ended.append(error)

    def outputs(model: Loaded, example: list[Array]) -> tuple[Output, ...]:
        return session.predict(model, comparing.fit(plan, model, example))

    def pair(one: Loaded, other: Loaded, example: list[Array]) -> list[comparison.ArrayComparison]:
        wanted, obtained = outputs(one, example), outputs(other, example)
        if one.kind != other.kind:  # an export may have more endpoints; positions are the same, names are not
            obtained = obtained[: len(wanted)]
        return comparing.side_by_side(context, wanted, obtained)

    def repeats(model: Loaded, example: list[Array]) -> bool:
        before, after = outputs(model, example), outputs(model, example)
        return all(one.agrees for one in comparing.side_by_side(context, before, after))

    def compared(example: list[Array]) -> None:
        nonlocal best
        try:
            outputs(first, example)
        except RequestFailed:  # the model itself refuses these values: nothing to compare
            assume(False)
        found = pair(first, second, example)
        tally["examples"] += 1
        random = False
        exports = "signatures" in (first.kind, second.kind)
        if not all(one.agrees for one in found) and (exports or not repeats(first, example)):
            # Random, or an export of a stateful model, which remembers what it was asked before: models that were
            # asked nothing tell which.
            fresh = session.again(first), session.again(second)
            found = pair(*fresh, example)
            random = not repeats(first, example)
            session.drop(*fresh)
        if all(one.agrees for one in found):
            best = comparing.measured(found, tally["examples"], best)
            return
        raise _Disagree(example, found, random)

    run = settings(
        max_examples=context.settings.examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )(given(inputs.examples(plan))(disagreement))
    try:
        run()
    except Flaky:
        return Verdict((comparing.random_outputs(context),), best)
    except Unsatisfiable:
        refused = inputs.InputsNotFound("the model refuses every example that was generated")
        return Verdict((comparing.no_inputs(context, refused),))
    except _Disagree as found:
        if found.random:
            return Verdict((comparing.random_outputs(context),), best)
        return Verdict((_differs(context, format, found),), comparing.measured(found.found, tally["examples"], best))
    except RequestFailed as error:
        return Verdict(
            (_failed(context, format, "roundtrip-predictions-differ", "answers no more after saving", error),), best
        )
    if ended:
        raise ended[0]
    return Verdict(measured=best)


def _differs(context: Context, format: Format, found: _Disagree) -> Finding:
    wrong = next(one for one in found.found if not one.agrees)
    shapes = ", ".join(f"{array.dtype.name}{list(array.shape)}" for array in found.example)
    return cause("roundtrip-predictions-differ").finding(
        f"{context.artifact.path.name} predicts something else after saving as {format} and loading again: "
        f"{wrong.name}: {wrong.problem}",
        where=wrong.name,
        remedies=(Remedy("compare get_config() and the weights of the layers before that output"),),
        detail=f"smallest input that shows it: {shapes}\n{comparison.table(wrong)}",
    )
