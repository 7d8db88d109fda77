"""``predictions``: do the obtained outputs agree with the expected ones?"""

from __future__ import annotations

import os
from dataclasses import replace

from pytest_kerasload import expected, vetting
from pytest_kerasload.causes.catalogue import cause
from pytest_kerasload.checks import reasons, ways
from pytest_kerasload.checks.against import against_expected
from pytest_kerasload.checks.recording import record
from pytest_kerasload.checks.verdict import Context, Verdict
from pytest_kerasload.findings import Finding, Remedy

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
        return _advised(context, against_expected(context, context.loaded()))
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


_DIFFERENT = frozenset({"predictions-differ", "predictions-not-finite-alike", "expected-shape-differs"})
"""What has a reason, where the file is the one that was recorded from."""


def _advised(context: Context, verdict: Verdict) -> Verdict:
    """The verdict with the reason of what differs, where one is known, and with the ways that were tried in front of
    its remedies."""
    findings = list(verdict.findings)
    if any(finding.fails and finding.cause in _DIFFERENT for finding in findings):
        reason = reasons.of_difference(context, context.loaded())
        if reason is not None:
            findings = [
                reasons.told(context, one, reason) if one.fails and one.cause in _DIFFERENT else one for one in findings
            ]
    place = next((place for place, one in enumerate(findings) if one.fails and _of_the_artifact(one)), None)
    if place is not None:
        first = findings[place]
        catalogue = [remedy.action for remedy in first.remedies]
        findings[place] = replace(first, remedies=ways.remedies(context, catalogue, None))
    return replace(verdict, findings=tuple(findings))


def _of_the_artifact(finding: Finding) -> bool:
    """Whether another way of loading may mend it: it lies not with what is stored, nor with the machine."""
    families = ("version", "custom-object")
    return finding.cause in (*_DIFFERENT, "predictions-refused", *_LOST) or finding.family in families


_LOST = ("weights-missing-in-file", "loads-differ")


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
