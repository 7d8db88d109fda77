"""``roundtrip``: is anything lost when the model is saved and loaded again, or loaded twice, and do the properties hold
that every model should have?"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pytest_kerasload import inputs
from pytest_kerasload.artifacts.record import Format
from pytest_kerasload.causes import environment, resource
from pytest_kerasload.causes.catalogue import cause
from pytest_kerasload.causes.matching import by_signature
from pytest_kerasload.checks import agreement, comparing, losses, properties
from pytest_kerasload.checks.examples import Shelf
from pytest_kerasload.checks.verdict import Context, Verdict
from pytest_kerasload.environments.process import RequestFailed, WorkerEnded
from pytest_kerasload.environments.session import Loaded
from pytest_kerasload.findings import Finding


@dataclass(frozen=True)
class _Trip:
    """What came back from saving and loading again: a copy, or the reason why there is none."""

    copy: Loaded | None = None
    path: Path | None = None
    findings: tuple[Finding, ...] = ()
    skipped: str = ""


def check(context: Context, format: Format) -> Verdict:
    """What saving to ``format`` and loading again loses, what loading itself leaves to chance, and which properties
    of every model this one has not."""
    first = context.loaded()
    if first.kind == "signatures":
        # The one that was asked already may have changed by it, and would be saved with its changed state.
        first = context.session.again(first)
    findings = [*losses.lost_weights(context, first)] or [*losses.two_loads(context, first)]
    if not writes(context, format):
        return Verdict(tuple(findings), skipped="" if findings else f"{context.label} writes no {format} files")
    trip = _trip(context, first, format)
    findings += trip.findings
    verdict = _answers(context, format, first, trip)
    findings += verdict.findings
    if trip.path is not None:
        with suppress(WorkerEnded):  # it ended while an example was made smaller: what was found stands
            context.session.drop(*([trip.copy] if trip.copy is not None else []), copy=trip.path)
    failed = any(finding.fails for finding in findings)
    return Verdict(tuple(findings), verdict.measured, "" if failed else trip.skipped)


def _trip(context: Context, first: Loaded, format: Format) -> _Trip:
    """The model saved and loaded again, before it was asked anything."""
    session = context.session
    try:
        path = session.save(first, format)
    except RequestFailed as error:
        if first.kind == "signatures":
            # TensorFlow can serve every export, but not write every one again: those of TensorFlow 1, and those whose
            # resources (tables, assets) it does not track, are made to be loaded only: no fault of the artifact.
            reason = f"TensorFlow cannot save this export again ({error.type}); two loads of it agree"
            return _Trip(skipped=reason)
        return _Trip(findings=(failed(context, format, "roundtrip-save-failed", "cannot be saved again", error),))
    try:
        second = _load_copy(context, first, path, format)
    except RequestFailed as error:
        what = "saved, but does not load again"
        return _Trip(path=path, findings=(failed(context, format, "roundtrip-load-failed", what, error),))
    if first.kind != second.kind:
        return _Trip(second, path)
    return _Trip(second, path, tuple(losses.state(context, format, session.compare(first, second))))


def _answers(context: Context, format: Format, first: Loaded, trip: _Trip) -> Verdict:
    """What the model answers: its properties, and whether its copy agrees."""
    try:
        plan = comparing.plan(context, first)
    except inputs.InputsNotFound as error:
        return Verdict((comparing.no_inputs(context, error),) if trip.copy is not None else ())
    shelf = Shelf.of(context, format)
    found = properties.tried(context, plan, first, shelf)
    if trip.copy is None or any(finding.cause == "outputs-not-deterministic" for finding in found):
        return Verdict(found)
    verdict = agreement.verdict(context, format, plan, first, trip.copy, shelf)
    return Verdict((*found, *verdict.findings), verdict.measured)


def writes(context: Context, format: Format) -> bool:
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


def failed(context: Context, format: Format, code: str, what: str, error: RequestFailed) -> Finding:
    """The finding for a model that cannot be saved in a format, or loaded again.

    Where the machine is at fault (a full disk, no memory), it and not the model is.
    """
    machine = by_signature(error.text, environment, resource)
    lines = error.text.rpartition("Exception encountered:")[2].strip().splitlines()
    return (machine or cause(code)).finding(
        f"{context.artifact.path.name} {what} as {format} on {context.label}: {error.type}: "
        f"{lines[0][:300] if lines else ''}",
        traceback=error.traceback,
    )
