"""``--keras-record``: expected outputs written from what the file gives now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_kerasload import comparison, expected, inputs
from pytest_kerasload.causes.catalogue import cause
from pytest_kerasload.checks import comparing
from pytest_kerasload.checks.verdict import Context, Verdict
from pytest_kerasload.environments.process import RequestFailed
from pytest_kerasload.environments.session import Loaded, Output
from pytest_kerasload.findings import Finding

Array = NDArray[Any]


def record(context: Context, word: str, was: str = "") -> Verdict:
    """Write the expected outputs; skipped, because nothing was compared, or the finding that kept it from writing.

    Where a file is rewritten (``was`` says what was wrong with it), the model is asked its inputs again, if it
    takes them: they may be ones that somebody chose.
    """
    loaded = context.loaded()
    try:
        plan = comparing.plan(context, loaded)
    except inputs.InputsNotFound as error:
        return Verdict((comparing.no_inputs(context, error),))
    given, which = _batch(context, loaded, plan)
    every = comparing.fit(plan, loaded, given)
    outputs = context.session.predict(loaded, every)
    again = context.session.predict(loaded, every)
    if not all(comparison.comparable(output.array) for output in outputs):
        what = f"{context.artifact.path.name} gives no finite output for {which}: nothing was recorded"
        return Verdict((cause("expected-not-finite").finding(what),))
    if any(not one.agrees for one in comparing.side_by_side(context, outputs, again)):
        return Verdict((comparing.random_outputs(context),))
    versions = context.session.versions
    record = expected.Expected(
        inputs={spec.name: array for spec, array in zip(plan.specs, given, strict=True)},
        outputs={name: output.array for name, output in zip(unique_names(outputs), outputs, strict=True)},
        provenance=expected.provenance(
            sha256=context.artifact.sha256,
            tensorflow=versions.tensorflow or "",
            keras=versions.keras or "",
            python=versions.python,
            source="file",
            noise=_noise(context, loaded, plan, given, outputs),
        ),
    )
    path = context.shown(context.expected_path)
    try:
        expected.write(context.expected_path, record)
    except OSError as error:
        what = f"{path} cannot be written: {error.strerror or error}"
        return Verdict((cause("expected-not-written").finding(what, where=str(context.expected_path)),))
    rows = given[0].shape[0] if given and given[0].ndim else 1
    told = f"{word} {path} ({rows} rows, {which}, from the file){': ' + was if was else ''}"
    note = Finding("expected-recorded", "expected", told, fails=False)
    return Verdict((note,), skipped=f"{word} {context.expected_path.name}; run without --keras-record to compare")


def _batch(context: Context, loaded: Loaded, plan: inputs.Plan) -> tuple[list[Array], str]:
    """The inputs to record with, and which they are: those stored already, if the model answers them, else new ones."""
    known = comparing.stored(context)
    if known is not None and known.inputs:
        try:
            wanted = [(spec.name, *spec.aliases) for spec in plan.specs]
            places = expected.assign(list(known.inputs), wanted, "inputs")
            given = [list(known.inputs.values())[place] for place in places if place is not None]
            if len(given) == len(plan.specs):
                context.session.predict(loaded, comparing.fit(plan, loaded, given))
                return given, "the inputs stored before"
        except (expected.NamesDiffer, RequestFailed):
            pass  # the model takes other inputs now
    return inputs.sample(plan, batch=8, seed=0, kind="normal"), "generated inputs"


def unique_names(outputs: Sequence[Output]) -> list[str]:
    """The best name of each output, or its position where two share one."""
    best = [output.names[0] for output in outputs]
    return [name if best.count(name) == 1 else str(index) for index, name in enumerate(best)]


def _noise(
    context: Context, loaded: Loaded, plan: inputs.Plan, given: Sequence[Array], outputs: Sequence[Output]
) -> dict[str, float]:
    """The largest difference between rows predicted together and alone, by output; empty for a fixed batch."""
    if plan.batch is not None or any(not array.ndim or array.shape[0] != given[0].shape[0] for array in given):
        return {}
    noise: dict[str, float] = {}
    names = unique_names(outputs)
    for row in range(min(3, given[0].shape[0])):
        try:
            alone = context.session.predict(loaded, comparing.fit(plan, loaded, [a[row : row + 1] for a in given]))
        except RequestFailed:
            return {}
        for name, whole, single in zip(names, outputs, alone, strict=False):
            if whole.array.dtype.kind != "f" or whole.array.shape[:1] != given[0].shape[:1] or not single.array.size:
                continue
            with np.errstate(all="ignore"):
                delta = np.abs(whole.array[row : row + 1].astype(np.float64) - single.array.astype(np.float64))
            if delta.shape and np.isfinite(delta).all():
                noise[name] = max(noise.get(name, 0.0), float(delta.max(initial=0.0)))
    return noise
