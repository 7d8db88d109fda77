"""``predictions``: do the obtained outputs agree with the expected ones?"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from pytest_kerasload import comparison, expected, vetting
from pytest_kerasload.causes.catalogue import cause
from pytest_kerasload.checks import comparing, deviations, pairing
from pytest_kerasload.checks.recording import record
from pytest_kerasload.checks.verdict import Context, Verdict
from pytest_kerasload.environments.process import RequestFailed
from pytest_kerasload.environments.session import Loaded, Output
from pytest_kerasload.findings import Remedy

Array = NDArray[Any]


# What makes a check fail that lies with the stored outputs: `failing` replaces those. Not that the artifact answers
# differently each time, or with NaN, or not at all: of such an artifact nothing is to be kept.
_OUTDATED = frozenset(
    {
        *("expected-missing", "expected-unreadable", "expected-stale-digest", "expected-names-differ"),
        *("expected-not-finite", "expected-shape-differs", "expected-dtype-differs", "inputs-not-found"),
        *("predictions-differ", "predictions-refused", "expected-weights-differ", "order-differs"),
        "expected-layers-differ",
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
    what = f"left alone {context.shown(context.expected_path)}: {why}"
    # What `failing` leaves alone it leaves alone when it is given again.
    rest = (Remedy("--keras-record=all rewrites it all the same"),) if context.settings.record == "failing" else None
    note = cause("expected-kept").finding(what, remedies=rest, fails=False)
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
    if context.known is None and not os.path.lexists(path):
        return Verdict((deviations.missing(context),))
    try:
        known = context.known or vetting.read(path)
    except (OSError, expected.ExpectedUnreadable) as error:
        return Verdict((deviations.unreadable(context, error),))
    empty = [name for name, array in known.outputs.items() if not comparison.comparable(array)]
    if empty:
        what = f"{path.name} holds no finite value of output {', '.join(map(repr, empty))}: nothing can be compared"
        return Verdict((cause("expected-not-finite").finding(what, where=empty[0]),))
    try:
        given = comparing.stored_inputs(loaded, known)
    except expected.NamesDiffer as error:
        since = "\n".join(deviations.since(context, known))
        return Verdict((cause("inputs-not-found").finding(str(error), where=path.name, detail=since),))
    stored = list(known.inputs.values())
    asked = [next(place for place, one in enumerate(stored) if one is array) for array in given if array is not None]
    moved = pairing.reordered(context, known, loaded, asked, "inputs", list(known.inputs))
    if moved is not None:
        return Verdict((moved,))
    try:
        obtained = context.session.predict(loaded, given)
    except RequestFailed as error:
        return Verdict((deviations.refused(context, known, error),))
    compared, problem = pairing.pairs(context, known, given, obtained, loaded)
    if problem is not None:
        return Verdict((problem,))
    result = comparing.measured(compared, known.rows)
    wrong = [one for one in compared if not one.agrees]
    changed = deviations.changed_weights(context, known, loaded)
    if not wrong:
        return Verdict(
            (*deviations.unseen(context, known, changed), *deviations.released_again(context, known)), result
        )
    if any(one.kind == "values" for one in wrong) and not _deterministic(context, loaded, given, obtained):
        # An export of a stateful model remembers what it was asked before: one that was asked nothing decides.
        fresh = context.session.again(loaded)
        compared, _ = pairing.pairs(context, known, given, context.session.predict(fresh, given), fresh)
        context.session.drop(fresh)
        if loaded.kind == "signatures" and compared and all(one.agrees for one in compared):
            return Verdict(deviations.released_again(context, known), comparing.measured(compared, known.rows))
        return Verdict((comparing.random_outputs(context),), result)
    exchanged = deviations.exchanged_weights(context, known, loaded, changed)
    return Verdict(tuple(deviations.differs(context, known, one, changed, exchanged) for one in wrong), result)


def _deterministic(context: Context, loaded: Loaded, given: Sequence[Array | None], obtained: Sequence[Output]) -> bool:
    """Whether the same inputs give the same outputs a second time."""
    again = context.session.predict(loaded, given)
    return all(one.agrees for one in comparing.side_by_side(context, obtained, again))
