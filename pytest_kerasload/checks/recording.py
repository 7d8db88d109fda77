"""``--keras-record``: expected outputs written from what the file gives now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from pytest_kerasload import expected, inputs
from pytest_kerasload.artifacts import outline
from pytest_kerasload.capture import Captured, NotRecorded, capture, generated
from pytest_kerasload.causes.catalogue import cause
from pytest_kerasload.checks import comparing
from pytest_kerasload.checks.verdict import Context, Verdict
from pytest_kerasload.environments.process import RequestFailed, WorkerEnded
from pytest_kerasload.environments.session import Loaded
from pytest_kerasload.findings import Finding
from pytest_kerasload.precision import precision

Array = NDArray[Any]


def record(context: Context, word: str, was: str = "") -> Verdict:
    """Write the expected outputs; skipped, because nothing was compared, or the finding that kept it from writing.

    Where a file is rewritten (``was`` says what was wrong with it) and somebody chose its inputs, the model is asked
    the same ones again, if it takes them.
    """
    loaded = context.loaded()
    try:
        plan = _anew(comparing.plan(context, loaded))
    except inputs.InputsNotFound as error:
        return Verdict((comparing.no_inputs(context, error),))
    asked = comparing.Asked(context, loaded, plan)
    given, which = _stored(context, plan, asked), "the inputs stored before"
    computes_in = precision(context.artifact)
    before = context.session.fingerprints(loaded)
    try:
        if given is None:
            given = generated(asked, plan)
            chosen_rows = plan.given and not plan.made_up
            which = "generated inputs behind rows that were given" if chosen_rows else "generated inputs"
        chosen = capture(
            asked, given, computes_in, lambda batch: _elsewhere(context, plan, batch), choose=which[0] == "g"
        )
    except inputs.Refused as error:
        return Verdict((comparing.no_inputs(context, inputs.InputsNotFound(str(error), str(error))),))
    except NotRecorded as error:
        what = f"{context.artifact.path.name}: {error}; nothing was recorded"
        return Verdict((cause(error.cause).finding(what),))
    record = described(context, loaded, plan, chosen, before, "generated" if which == "generated inputs" else "given")
    path = context.shown(context.expected_path)
    try:
        expected.write(context.expected_path, record)
    except OSError as error:
        what = f"{path} cannot be written: {error.strerror or error}"
        return Verdict((cause("expected-not-written").finding(what, where=str(context.expected_path)),))
    rows = record.rows or 1
    told = f"{word} {path} ({rows} rows, {which}, from the file){': ' + was if was else ''}"
    told += f"; {plan.remark}" if plan.remark else ""
    note = Finding("expected-recorded", "expected", told, fails=False)
    return Verdict((note,), skipped=f"{word} {context.expected_path.name}; run without --keras-record to compare")


def known_of(context: Context, loaded: Loaded) -> expected.Expected:
    """What the model predicts here, with its noise, as expected outputs hold it: for comparisons within a run.

    InputsNotFound or NotRecorded where there is nothing to compare.
    """
    plan = comparing.plan(context, loaded)
    asked = comparing.Asked(context, loaded, plan)
    before = context.session.fingerprints(loaded)
    try:
        captured = capture(asked, generated(asked, plan), precision(context.artifact), choose=True)
    except inputs.Refused as error:
        raise inputs.InputsNotFound(str(error), str(error)) from None
    return described(context, loaded, plan, captured, before)


def described(
    context: Context,
    loaded: Loaded,
    plan: inputs.Plan,
    chosen: Captured,
    before: Sequence[Mapping[str, Any]],
    origin: str = "generated",
) -> expected.Expected:
    """What a model answered, with everything that is known of it; ``before`` are the fingerprints of its weights before
    it was asked anything."""
    versions = context.session.versions
    return expected.Expected(
        inputs={spec.name: array for spec, array in zip(plan.specs, chosen.batch, strict=True)},
        outputs={name: output.array for name, output in zip(chosen.names, chosen.outputs, strict=True)},
        provenance=expected.provenance(
            sha256=context.artifact.sha256,
            tensorflow=versions.tensorflow or "",
            keras=versions.keras or "",
            python=versions.python,
            source="file",
            kind=loaded.kind,
            inputs=origin,
            noise=chosen.noise_by_name,
            weights=_weights(context, loaded, before),
            folds=chosen.folds_by_name,
            layers=outline.of(context.artifact.config),
            saved_with=context.artifact.saved_with.keras,
        ),
        ragged=frozenset(spec.name for spec in plan.specs if spec.ragged),
    )


def _anew(plan: inputs.Plan) -> inputs.Plan:
    """The plan without rows that an earlier run made up, where others can be: kept, they would pass for chosen ones."""
    return replace(plan, given=()) if plan.made_up and not plan.only_given else plan


def _weights(context: Context, loaded: Loaded, before: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Fingerprints of the weights that the file holds: of one loaded anew, where answering changes some."""
    if context.session.fingerprints(loaded) == before:
        return before
    fresh = context.session.again(loaded)
    try:
        return context.session.fingerprints(fresh)
    finally:
        context.session.drop(fresh)


def _stored(context: Context, plan: inputs.Plan, asked: comparing.Asked) -> list[Array] | None:
    """The inputs stored already, where somebody chose them and the model still answers them."""
    known = comparing.stored(context)
    if known is None or not known.inputs or known.provenance.get("inputs") == "generated":
        return None
    try:
        wanted = [(spec.name, *spec.aliases) for spec in plan.specs]
        places = expected.assign(list(known.inputs), wanted, "inputs")
        given = [list(known.inputs.values())[place] for place in places if place is not None]
        if len(given) != len(plan.specs):
            return None
        asked.predict(given)
    except (expected.NamesDiffer, inputs.Refused):  # the model takes other inputs now
        return None
    return given


def _elsewhere(context: Context, plan: inputs.Plan, batch: Sequence[Array]) -> list[tuple[str, list[Array]]]:
    """The same batch in a process that computes otherwise: with or without oneDNN, with another number of threads."""
    found = context.session.elsewhere() if context.session.elsewhere is not None else None
    if found is None:
        return []
    what, session = found
    try:
        loaded = replace(context, session=session).loaded()
        outputs = session.predict(loaded, comparing.fit(plan, loaded, batch))
        return [(what, [output.array for output in outputs])]
    except (RequestFailed, WorkerEnded):  # what it would show is left out; the artifact itself was answered for
        return []
