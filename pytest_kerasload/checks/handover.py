"""``handover``: what one environment saves, another one loads and predicts the same with.

Two steps, each in its own environment's process: :func:`hand_over` saves the artifact and says what it predicts, and
:func:`check` takes over what was saved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pytest_kerasload import inputs
from pytest_kerasload.artifacts.reading import read
from pytest_kerasload.artifacts.record import Format
from pytest_kerasload.capture import NotRecorded
from pytest_kerasload.causes.catalogue import cause
from pytest_kerasload.checks import comparing, load
from pytest_kerasload.checks.against import against_expected
from pytest_kerasload.checks.recording import known_of
from pytest_kerasload.checks.roundtrip import failed, writes
from pytest_kerasload.checks.verdict import Context, Verdict
from pytest_kerasload.environments.process import RequestFailed
from pytest_kerasload.expected import Expected
from pytest_kerasload.files import away
from pytest_kerasload.findings import Finding, Measured, Remedy


@dataclass(frozen=True)
class Handed:
    """What an environment handed over: copies by format, and what it predicts itself; or why there is none of it."""

    label: str
    """Its Keras."""
    directory: Path
    copies: Mapping[Format, Path] = field(default_factory=dict)
    known: Expected | None = None
    findings: tuple[Finding, ...] = ()
    """Why a format was not saved, or nothing can be compared."""
    skipped: str = ""

    def away(self) -> None:
        """Delete the copies: every environment has read them."""
        away(self.directory)


def hand_over(context: Context, formats: Sequence[Format], directory: Path) -> Handed:
    """Save the artifact in every format that this release writes, and record what it predicts.

    RequestFailed when it does not load here.
    """
    session, name = context.session, context.artifact.path.stem
    first = context.loaded()
    if first.kind == "signatures":
        # The one that was asked already may have changed by it, and would be saved with its changed state.
        first = session.again(first)
    none = Handed(context.label, directory)
    copies: dict[Format, Path] = {}
    findings: list[Finding] = []
    for format in formats:
        if not writes(context, format):
            continue
        folder = directory / format
        folder.mkdir(parents=True)
        try:
            copies[format] = session.save(first, format, folder / _NAMES[format].format(name))
        except RequestFailed as error:
            if first.kind == "signatures":
                return replace(none, skipped=f"TensorFlow cannot save this export again there ({error.type})")
            findings.append(failed(context, format, "roundtrip-save-failed", "cannot be saved again", error))
    if not copies and not findings:
        return replace(none, skipped=f"{context.label} writes no {' or '.join(formats)} files")
    try:
        known = known_of(context, first)
    except inputs.InputsNotFound as error:
        return replace(none, findings=(comparing.no_inputs(context, error),))
    except NotRecorded as error:
        return replace(none, findings=(cause(error.cause).finding(f"{context.artifact.path.name}: {error}"),))
    return replace(none, copies=copies, known=known, findings=tuple(findings))


_NAMES: Mapping[Format, str] = {"h5": "{}.h5", "keras": "{}.keras", "savedmodel": "{}"}


def check(context: Context, handed: Handed, giver: str) -> Verdict:
    """Whether this environment loads each copy, and predicts what the one that saved it does."""
    findings = list(handed.findings)
    best = Measured()
    good: list[str] = []
    for format, path in handed.copies.items():
        verdict = _taken_over(context, handed, path)
        told = f"saved as {format} by {handed.label} ({giver}): "
        findings += [_told(finding, told, path) for finding in verdict.findings]
        good += [] if any(finding.fails for finding in verdict.findings) else [format]
        best = best.joined(verdict.measured)
    failing = any(finding.fails for finding in findings)
    if failing and good:
        way = Remedy(f"save it as {' or '.join(good)} there", verified=True, detail="loads here, and outputs match")
        findings = [replace(one, remedies=(way, *one.remedies)) if one.fails else one for one in findings]
    return Verdict(tuple(findings), best, "" if failing or handed.copies else handed.skipped)


def _told(finding: Finding, told: str, path: Path) -> Finding:
    """A finding on a copy: whose it is, and without the directory in which it lay for the time of the run."""
    compared = finding.family in ("numeric", "expected") and finding.cause != "outputs-not-deterministic"
    advice = _REMEDIES if compared else finding.remedies
    return replace(
        finding,
        message=told + finding.message.replace(str(path), path.name),
        detail=finding.detail.replace(str(path), path.name).replace(*_RECORDED),
        remedies=tuple(replace(one, detail=one.detail.replace(str(path), path.name)) for one in advice),
    )


# Nothing of the user's was recorded that could be recorded anew.
_REMEDIES = (
    Remedy("--keras-roundtrip=all tries the other formats: one of them may bring it over"),
    Remedy("where the artifact itself predicts the same in both, hand that over, and not what is saved again"),
)
_RECORDED = ("recorded from the file with", "expected is what the environment that saved it predicts, with")


def _taken_over(context: Context, handed: Handed, path: Path) -> Verdict:
    """One copy loaded and asked here."""
    assert handed.known is not None
    session, original = context.session, context.artifact.path
    copy = read(path)
    known = replace(handed.known, provenance={**handed.known.provenance, "sha256": copy.sha256})
    taken = replace(
        context,
        session=replace(session, artifact=copy, loads={}, plans={}, elsewhere=None),
        settings=replace(context.settings, copies={**context.settings.copies, path: original}),
        known=known,
        records=False,
    )
    try:
        verdict = load.check(taken)
        if any(finding.fails for finding in verdict.findings):
            return verdict
        answered = against_expected(taken, taken.loaded())
        return replace(answered, findings=(*verdict.findings, *answered.findings))
    finally:
        if session.process.pid is not None:
            session.drop(*taken.session.loads.values())
