"""``predictions``: do the obtained outputs agree with the expected ones?"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_kerasload import comparison, expected, fingerprints, vetting
from pytest_kerasload.causes.catalogue import cause
from pytest_kerasload.checks import comparing
from pytest_kerasload.checks.recording import record
from pytest_kerasload.checks.verdict import Context, Verdict
from pytest_kerasload.environments.process import RequestFailed
from pytest_kerasload.environments.session import Loaded, Output
from pytest_kerasload.findings import Finding, Remedy
from pytest_kerasload.folding import BY
from pytest_kerasload.precision import Evidence, folded, tolerance

Array = NDArray[Any]


# What makes a check fail that lies with the stored outputs: `failing` replaces those. Not that the artifact answers
# differently each time, or with NaN, or not at all: of such an artifact nothing is to be kept.
_OUTDATED = frozenset(
    {
        *("expected-missing", "expected-unreadable", "expected-stale-digest", "expected-names-differ"),
        *("expected-not-finite", "expected-shape-differs", "expected-dtype-differs", "inputs-not-found"),
        *("predictions-differ", "predictions-refused", "expected-weights-differ"),
    }
)


def check(context: Context) -> Verdict:
    """What differs from the expected outputs; with ``--keras-record``, what was written instead, or left alone."""
    path, mode = context.expected_path, context.settings.record
    if mode is None or not context.records:
        return against_expected(context, context.loaded())
    known_to_fail = mode == "failing" and context.settings.overrides(context.artifact.path).xfail
    if not os.path.lexists(path) and not known_to_fail:  # a link to nothing is there: a file that was not fetched
        return record(context, "recorded")
    verdict = against_expected(context, context.loaded())
    failing = [finding for finding in verdict.findings if finding.fails]
    if mode == "missing":
        return _left_alone(context, verdict, "missing replaces nothing" if failing else "it agrees")
    if mode == "failing" and not failing:
        return _left_alone(context, verdict, "it agrees")
    if mode == "failing" and not all(finding.cause in _OUTDATED for finding in failing):
        return _left_alone(context, verdict, "what fails is the artifact")
    if known_to_fail:
        return _left_alone(context, verdict, "kerasload.toml expects this artifact to fail")
    written = record(context, "rewritten", _was(context, verdict))
    if any(finding.fails for finding in written.findings):
        both = replace(written, findings=(*failing, *written.findings), measured=verdict.measured)
        return _left_alone(context, both, "nothing could be recorded in its place")
    return written


def _left_alone(context: Context, verdict: Verdict, why: str) -> Verdict:
    note = cause("expected-kept").finding(f"left alone {context.shown(context.expected_path)}: {why}", fails=False)
    return replace(verdict, findings=(*verdict.findings, note))


def _was(context: Context, verdict: Verdict) -> str:
    """What was wrong with expected outputs that are rewritten, and whether the artifact changed since they were."""
    failing = [finding for finding in verdict.findings if finding.fails]
    largest = verdict.measured.max_abs_error
    by = "" if largest is None else f" by up to {largest:.3g}"
    if not failing:
        told = f"differed{by}, within tolerance" if largest else "agreed"
    elif all(finding.cause in ("predictions-differ", "expected-stale-digest") for finding in failing):
        outputs = ", ".join(dict.fromkeys(finding.where for finding in failing))
        told = f"{outputs} differed{by}"
    else:
        told = failing[0].message.splitlines()[0]
    try:
        digest = vetting.read(context.expected_path).provenance.get("sha256")
    except (OSError, expected.ExpectedUnreadable):
        return told
    if not digest:
        return told
    return f"{told}; the artifact's digest {'changed' if digest != context.artifact.sha256 else 'is the same'}"


# ---- comparing


def against_expected(context: Context, loaded: Loaded) -> Verdict:
    """What a loaded model's outputs differ from the expected ones in."""
    path = context.expected_path
    if not os.path.lexists(path):
        return Verdict((_missing(context),))
    try:
        known = vetting.read(path)
    except (OSError, expected.ExpectedUnreadable) as error:
        return Verdict((_unreadable(context, error),))
    empty = [name for name, array in known.outputs.items() if not comparison.comparable(array)]
    if empty:
        what = f"{path.name} holds no finite value of output {', '.join(map(repr, empty))}: nothing can be compared"
        return Verdict((cause("expected-not-finite").finding(what, where=empty[0]),))
    try:
        given = comparing.stored_inputs(loaded, known)
    except expected.NamesDiffer as error:
        since = "\n".join(_since(context, known))
        return Verdict((cause("expected-names-differ").finding(str(error), where=path.name, detail=since),))
    stored = list(known.inputs.values())
    asked = [next(place for place, one in enumerate(stored) if one is array) for array in given if array is not None]
    moved = _moved(context, known, loaded, asked, "inputs", list(known.inputs))
    if moved is not None:
        return Verdict((moved,))
    try:
        obtained = context.session.predict(loaded, given)
    except RequestFailed as error:
        return Verdict((_refused(context, known, error),))
    compared, problem = _pairs(context, known, obtained, loaded)
    if problem is not None:
        return Verdict((problem,))
    result = comparing.measured(compared, known.rows)
    wrong = [one for one in compared if not one.agrees]
    changed = _changed_weights(context, known, loaded)
    if not wrong:
        return Verdict((*_unseen(context, changed), *_released_again(context, known)), result)
    if any(one.kind == "values" for one in wrong) and not _deterministic(context, loaded, given, obtained):
        # An export of a stateful model remembers what it was asked before: one that was asked nothing decides.
        fresh = context.session.again(loaded)
        compared, _ = _pairs(context, known, context.session.predict(fresh, given), fresh)
        context.session.drop(fresh)
        if loaded.kind == "signatures" and compared and all(one.agrees for one in compared):
            return Verdict(_released_again(context, known), comparing.measured(compared, known.rows))
        return Verdict((comparing.random_outputs(context),), result)
    return Verdict(tuple(_differs(context, known, one, changed) for one in wrong), result)


def _pairs(
    context: Context, known: expected.Expected, obtained: Sequence[Output], loaded: Loaded
) -> tuple[list[comparison.ArrayComparison], Finding | None]:
    """Stored outputs against obtained ones, or a finding when their names do not fit."""
    names = list(known.outputs)
    wanted = [output.names for output in obtained]
    stored = {name.split("/")[0] for name in names}
    endpoints = {aliases[0].split("/")[0] for aliases in wanted if "/" in aliases[0]} & set(loaded.endpoints)
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
            since = "\n".join(_since(context, known))
            where = context.expected_path.name
            return [], cause("expected-names-differ").finding(str(error), where=where, detail=since)
        places = numbered
    moved = _moved(context, known, loaded, places, "outputs", names)
    if moved is not None:
        return [], moved
    dtypes = tuple(output.array.dtype.name for output in obtained)
    compared = []
    for output, place in zip(obtained, places, strict=True):
        assert place is not None
        name = names[place]
        allowed = tolerance(context.artifact, name, dtypes, context.settings, _evidence(context, known, name))
        ours = bool(known.provenance)
        compared.append(_against(known, name, output.array, allowed, ours))
    return compared, None


def _against(
    known: expected.Expected, name: str, obtained: Array, allowed: comparison.Tolerance, ours: bool
) -> comparison.ArrayComparison:
    """One output against the expected one, which is folded where it is large."""
    fold = known.fold(name)
    if fold is None:
        return comparison.compare(name, known.outputs[name], obtained, allowed, same_dtype=ours)
    was = np.broadcast_to(np.zeros((), fold.dtype), fold.shape)
    if obtained.shape != fold.shape or obtained.dtype != was.dtype:
        return comparison.compare(name, was, obtained, allowed, same_dtype=ours)
    return comparison.compare(name, known.outputs[name], fold(obtained), folded(allowed))


def _moved(
    context: Context,
    known: expected.Expected,
    loaded: Loaded,
    places: Sequence[int | None],
    what: str,
    names: Sequence[str],
) -> Finding | None:
    """The finding for inputs or outputs that go by the same names in another order than when they were recorded.

    Only where both are those of a Keras model: an export has them in the order of their names.
    """
    found = [place for place in places if place is not None]
    if loaded.kind != "keras" or known.provenance.get("kind") != "keras" or found == sorted(found):
        return None
    return cause("order-differs").finding(
        f"the {what} of {context.artifact.path.name} come in another order than when they were recorded: "
        f"{', '.join(names[place] for place in found)}; recorded was {', '.join(names)}. Whoever goes by position gets "
        "the wrong one",
        where=what,
        detail="\n".join(_since(context, known)),
    )


def _evidence(context: Context, known: expected.Expected, name: str) -> Evidence | None:
    """The noise that was stored with an output."""
    told, versions = known.noise(name), context.session.versions
    if told is None:
        return None
    recorded = known.provenance.get("tensorflow"), known.provenance.get("keras")
    return Evidence(told, here=recorded == (versions.tensorflow, versions.keras))


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


def _missing(context: Context) -> Finding:
    path = context.expected_path
    root = context.settings.root_of(context.artifact.path)
    unwritten = "" if context.settings.record is None else "; --keras-record writes in the first environment only"
    return cause("expected-missing").finding(
        f"there are no expected outputs to compare with: {path.name} does not exist{unwritten}",
        where=str(path),
        remedies=(
            Remedy(
                f"record them from a release that is known to be right: pytest --keras-models={root} --keras-record"
            ),
            Remedy("or from the live model, after saving it: pytest_kerasload.record(model, path)"),
        ),
    )


def _unreadable(context: Context, error: Exception) -> Finding:
    path = context.expected_path
    if isinstance(error, FileNotFoundError):
        what = f"it is a link to {os.readlink(path)}, which is not there: fetch it"
    elif isinstance(error, IsADirectoryError):
        what = "it is a directory: move it away"
    elif isinstance(error, OSError):
        what = error.strerror or str(error)
    else:
        what = str(error)
    rest = "; --keras-record=missing does not replace it, =all would" if context.settings.record == "missing" else ""
    return cause("expected-unreadable").finding(f"{path.name} cannot be used: {what}{rest}", where=str(path))


def _refused(context: Context, known: expected.Expected, error: RequestFailed) -> Finding:
    shapes = ", ".join(f"{name} {array.dtype.name}{list(array.shape)}" for name, array in known.inputs.items())
    return cause("predictions-refused").finding(
        f"{context.artifact.path.name} loads on {context.label} and does not answer the stored inputs ({shapes})",
        detail="\n".join(filter(None, [f"{error.type}: {error.text}", vetting.rows(known), *_since(context, known)])),
    )


def _released_again(context: Context, known: expected.Expected) -> tuple[Finding, ...]:
    """The note that another file than the one recorded from predicts the same."""
    if not _stale(context, known):
        return ()
    what = f"{context.artifact.path.name} is another file than the one recorded from, and predicts the same"
    then = Remedy("--keras-record=all, to have it recorded from this file")
    return (cause("expected-stale-digest").finding(what, remedies=(then,), fails=False),)


_CAUSES = {
    "dtype": "expected-dtype-differs",
    "shape": "expected-shape-differs",
    "finite": "predictions-not-finite-alike",
    "values": "predictions-differ",
}


def _differs(
    context: Context, known: expected.Expected, one: comparison.ArrayComparison, changed: list[str] | None
) -> Finding:
    stale = _stale(context, known)
    name = context.artifact.path.name
    if stale:
        head = f"{name} is another file than the one recorded from, and predicts something else: "
    else:
        head = f"{name} loads on {context.label} and predicts something else: "
    head += f"{one.name}: {one.problem}"
    if one.rows[1]:
        head += f", in {one.rows[0]} of {one.rows[1]} rows"
    lines = []
    measured = known.noise(one.name)
    if measured is not None and one.times is not None and one.max_abs is not None:
        lines.append(
            f"{_rounded(one.times)} times the noise measured when it was recorded, at the element that differs most "
            f"(largest difference {one.max_abs:.3g}, largest noise {measured.largest:.3g})"
        )
    if one.classes:
        lines.append(one.classes)
    if known.fold(one.name) is not None:
        lines.append(
            f"this output is large, and stored as sums of {BY} elements each; the differences are those of sums"
        )
    if one.kind == "shape":
        lines.append(vetting.rows(known))
    lines += _since(context, known)
    if changed:
        lines.append(f"weights that are others than when it was recorded: {_listed(changed)}")
    elif changed is not None:
        lines.append("every weight is as it was recorded: the layers compute something else with them")
    lines.append(comparison.table(one))
    # NaN where there were numbers is the artifact's own trouble, whichever file it is.
    code = "expected-stale-digest" if stale and one.kind != "finite" else _CAUSES[one.kind]
    return cause(code).finding(head, where=one.name, detail="\n".join(filter(None, lines)))


def _rounded(times: float) -> str:
    """``35``, ``10,400``, ``3.1e+08``."""
    return f"{times:.2g}" if times >= 1e7 else f"{float(f'{times:.3g}'):,.0f}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _changed_weights(context: Context, known: expected.Expected, loaded: Loaded) -> list[str] | None:
    """Names of weights that are others than when the outputs were recorded; None where that cannot be told."""
    if not known.weights:
        return None
    return fingerprints.changed(known.weights, context.session.fingerprints(loaded))


def _unseen(context: Context, changed: list[str] | None) -> tuple[Finding, ...]:
    """The finding for outputs that agree although weights are others: no stored input reaches what changed."""
    if not changed:
        return ()
    what = (
        f"{context.artifact.path.name} agrees with its expected outputs, but {len(changed)} of its weights "
        f"{'is another' if len(changed) == 1 else 'are others'} than when they were recorded: no stored input shows "
        "the difference"
    )
    return (cause("expected-weights-differ").finding(what, where=_listed(changed)),)


def _stale(context: Context, known: expected.Expected) -> bool:
    """Whether the outputs were recorded from another file than the artifact is now."""
    digest = known.provenance.get("sha256")
    return bool(isinstance(digest, str) and digest and context.artifact.sha256 not in ("", digest.lower()))


def _since(context: Context, known: expected.Expected) -> list[str]:
    """What changed since the outputs were recorded: the file, the release that reads it, or neither."""
    recorded = known.provenance
    if not recorded:
        return []
    running = context.session.versions
    source = f" from the {recorded['source']}" if recorded.get("source") else ""
    lines = [f"recorded{source} with TensorFlow {recorded.get('tensorflow')}, Keras {recorded.get('keras')}"]
    if not recorded.get("sha256"):
        return lines
    same_release = (recorded.get("tensorflow"), recorded.get("keras")) == (running.tensorflow, running.keras)
    if _stale(context, known):
        lines.append("the file changed since: its digest is another one than was recorded")
    elif not same_release:
        lines.append(
            f"the file is the one that was recorded (same digest); TensorFlow {running.tensorflow}, "
            f"{running.label} reads or computes it differently"
        )
    elif recorded.get("source") == "live model":
        lines.append("file and releases are those of then: saving lost something that the live model had")
    else:
        lines.append("file and releases are those of then: look at its custom objects, and at the machine")
    return lines
