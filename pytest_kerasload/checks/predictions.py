"""``predictions``: do the obtained outputs agree with the expected ones?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_kerasload import comparison, expected, inputs
from pytest_kerasload.causes.catalogue import cause
from pytest_kerasload.causes.explaining import explain
from pytest_kerasload.checks import comparing
from pytest_kerasload.checks.verdict import Context, Verdict
from pytest_kerasload.environments.process import RequestFailed
from pytest_kerasload.environments.session import Loaded, Output
from pytest_kerasload.findings import Finding, Remedy
from pytest_kerasload.precision import tolerance

Array = NDArray[Any]


def check(context: Context) -> Verdict:
    """What differs from the expected outputs; with ``--keras-record``, what was written instead."""
    path, mode = context.expected_path, context.settings.record
    if mode == "all" or (mode is not None and not path.exists()):
        return _record(context, "rewritten" if path.exists() else "recorded")
    verdict = against_expected(context, context.loaded())
    if mode == "failing" and any(finding.fails for finding in verdict.findings):
        return _record(context, "rewritten")
    return verdict


# ---- comparing


def against_expected(context: Context, loaded: Loaded) -> Verdict:
    """What a loaded model's outputs differ from the expected ones in."""
    path = context.expected_path
    try:
        known = expected.read(path)
    except FileNotFoundError:
        return Verdict((_missing(context),))
    except (OSError, expected.ExpectedUnreadable) as error:
        return Verdict((cause("expected-unreadable").finding(f"{path.name} cannot be used: {error}", where=str(path)),))
    try:
        given = comparing.stored_inputs(loaded, known)
    except expected.NamesDiffer as error:
        return Verdict((cause("expected-names-differ").finding(str(error), where=path.name),))
    try:
        obtained = context.session.predict(loaded, given)
    except RequestFailed as error:
        return Verdict((_refused(context, known, error),))
    compared, problem = _pairs(context, known, obtained)
    if problem is not None:
        return Verdict((problem,))
    result = comparing.measured(compared, known.rows)
    wrong = [one for one in compared if not one.agrees]
    if not wrong:
        return Verdict(measured=result)
    if any(one.kind == "values" for one in wrong) and not _deterministic(context, loaded, given, obtained):
        return Verdict((random_outputs(context),), result)
    return Verdict(tuple(_differs(context, known, one) for one in wrong), result)


def _pairs(
    context: Context, known: expected.Expected, obtained: Sequence[Output]
) -> tuple[list[comparison.ArrayComparison], Finding | None]:
    """Stored outputs against obtained ones, or a finding when their names do not fit."""
    names = list(known.outputs)
    wanted = [output.names for output in obtained]
    stored = {name.split("/")[0] for name in names}
    endpoints = {aliases[0].split("/")[0] for aliases in wanted if "/" in aliases[0]}
    if endpoints - stored:  # endpoints other than the default one that were not stored
        keep = [i for i, aliases in enumerate(wanted) if aliases[0].split("/")[0] not in endpoints - stored]
        obtained, wanted = [obtained[i] for i in keep], [wanted[i] for i in keep]
    try:
        places = expected.assign(names, wanted, "outputs")
        missing = [aliases[0] for aliases, place in zip(wanted, places, strict=True) if place is None]
        if missing:
            raise expected.NamesDiffer(
                f"the model's outputs {', '.join(map(repr, missing))} are not among the stored ones: "
                f"{', '.join(map(repr, names))}"
            )
    except expected.NamesDiffer as error:
        numbered = _by_position(names, obtained)
        if numbered is None:
            return [], cause("expected-names-differ").finding(str(error), where=context.expected_path.name)
        places = numbered
    dtypes = tuple(output.array.dtype.name for output in obtained)
    compared = []
    for output, place in zip(obtained, places, strict=True):
        assert place is not None
        name = names[place]
        allowed = tolerance(context.artifact, name, dtypes, context.settings)
        ours = bool(known.provenance)
        compared.append(comparison.compare(name, known.outputs[name], output.array, allowed, same_dtype=ours))
    return compared, None


def _by_position(names: Sequence[str], obtained: Sequence[Output]) -> list[int | None] | None:
    """Positions for outputs that go by number on one side only, in the order in which the model gives them.

    Keras 3's exports call outputs ``output_0``, ``output_1``; the live model called them by its layers.
    """
    if len(names) != len(obtained):
        return None
    numbered = [[name for name in output.names if name.startswith("output_")] for output in obtained]
    if all(numbered):
        order = [int(found[0].removeprefix("output_")) for found in numbered if found[0][7:].isdigit()]
        if sorted(order) == list(range(len(names))):
            return list(order)
    return None


def _deterministic(context: Context, loaded: Loaded, given: Sequence[Array | None], obtained: Sequence[Output]) -> bool:
    """Whether the same inputs give the same outputs a second time."""
    again = context.session.predict(loaded, given)
    return all(one.agrees for one in comparing.side_by_side(context, obtained, again))


def random_outputs(context: Context) -> Finding:
    """The finding for a model that answers the same inputs differently each time."""
    return cause("outputs-not-deterministic").finding(
        f"{context.artifact.path.name} gives other outputs for the same inputs each time: they cannot be compared"
    )


def _missing(context: Context) -> Finding:
    path = context.expected_path
    root = context.settings.root_of(context.artifact.path)
    return cause("expected-missing").finding(
        f"there are no expected outputs to compare with: {path.name} does not exist",
        where=str(path),
        remedies=(
            Remedy(
                f"record them from a release that is known to be right: pytest --keras-models={root} --keras-record"
            ),
            Remedy("or from the live model, after saving it: pytest_kerasload.record(model, path)"),
        ),
    )


def _refused(context: Context, known: expected.Expected, error: RequestFailed) -> Finding:
    shapes = ", ".join(f"{name} {array.dtype.name}{list(array.shape)}" for name, array in known.inputs.items())
    return cause("predictions-refused").finding(
        f"{context.artifact.path.name} loads on {context.label} and does not answer the stored inputs ({shapes})",
        detail=f"{error.type}: {error.text}",
    )


_CAUSES = {
    "dtype": "expected-dtype-differs",
    "shape": "expected-shape-differs",
    "finite": "predictions-not-finite-alike",
    "values": "predictions-differ",
}


def _differs(context: Context, known: expected.Expected, one: comparison.ArrayComparison) -> Finding:
    artifact = context.artifact
    head = f"{artifact.path.name} loads on {context.label} and predicts something else: {one.name}: {one.problem}"
    if one.rows[1]:
        head += f", in {one.rows[0]} of {one.rows[1]} rows"
    lines = []
    noise = known.provenance.get("noise", {})
    measured = noise.get(one.name) if isinstance(noise, Mapping) else None
    if measured and one.max_abs:
        lines.append(f"{one.max_abs / measured:,.0f} times the noise measured when recorded ({measured:.3g})")
    if one.classes:
        lines.append(one.classes)
    recorded = known.provenance
    if recorded:
        lines.append(
            f"recorded from the {recorded.get('source', 'file')} with TensorFlow {recorded.get('tensorflow')}, "
            f"Keras {recorded.get('keras')}"
        )
        if recorded.get("sha256") and artifact.sha256 and recorded["sha256"] != artifact.sha256:
            lines.append("the artifact is another one than was recorded from: its digest changed since")
    lines.append(comparison.table(one))
    return cause(_CAUSES[one.kind]).finding(head, where=one.name, detail="\n".join(filter(None, lines)))


# ---- recording


def _record(context: Context, word: str) -> Verdict:
    """Write the expected outputs; skipped, because nothing was compared, or the finding that kept it from writing."""
    loaded = context.loaded()
    try:
        plan = comparing.plan(context, loaded)
    except inputs.InputsNotFound as error:
        return Verdict((no_inputs(context, error),))
    given = inputs.sample(plan, batch=8, seed=0, kind="normal")
    every = comparing.fit(plan, loaded, given)
    outputs = context.session.predict(loaded, every)
    again = context.session.predict(loaded, every)
    if any(not one.agrees for one in comparing.side_by_side(context, outputs, again)):
        return Verdict((random_outputs(context),))
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
    expected.write(context.expected_path, record)
    rows = given[0].shape[0] if given and given[0].ndim else 1
    note = Finding(
        "expected-recorded", "expected", f"{word} {context.expected_path} ({rows} rows, from the file)", fails=False
    )
    return Verdict((note,), skipped=f"{word} {context.expected_path.name}; run without --keras-record to compare")


def unique_names(outputs: Sequence[Output]) -> list[str]:
    """The best name of each output, or its position where two share one."""
    best = [output.names[0] for output in outputs]
    return [name if best.count(name) == 1 else str(index) for index, name in enumerate(best)]


def no_inputs(context: Context, error: inputs.InputsNotFound) -> Finding:
    """The finding for a model that no generated input satisfied; where its complaint is a known one, that."""
    found = explain(error.said, context.session.versions, context.artifact) if error.said else cause("inputs-not-found")
    if found.family == "unknown":
        found = cause("inputs-not-found")
    return found.finding(f"{context.artifact.path.name}: {error}", detail=error.said[:600])


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
