"""Why an artifact that loads predicts something else, or takes its process down: what is known to do that.

A difference is measured first (``checks/against.py``); here it gets its reason, where the artifact, its classes or its
weights show one. What costs no load is asked first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from pytest_kerasload.artifacts.record import Artifact
from pytest_kerasload.causes.catalogue import cause
from pytest_kerasload.causes.lambda_marks import kept, lambdas
from pytest_kerasload.causes.loader import release_number
from pytest_kerasload.checks import comparing, custom_objects, deviations, losses, version
from pytest_kerasload.checks.verdict import Context
from pytest_kerasload.environments.process import RequestFailed, WorkerEnded
from pytest_kerasload.environments.session import Loaded
from pytest_kerasload.environments.versions import Versions
from pytest_kerasload.expected import NamesDiffer
from pytest_kerasload.findings import Finding, Remedy, listed
from pytest_kerasload.hazards.documents import nodes
from pytest_kerasload.inspection.marshalled import pythons


@dataclass(frozen=True)
class Reason:
    """A cause of the catalogue, as a clause that goes on a sentence, and where in the artifact it sits."""

    code: str
    clause: str
    where: str = ""
    sure: bool = True
    """Whether it is the reason; else it may be, and what was advised without it still holds."""


def of_difference(context: Context, loaded: Loaded) -> Reason | None:
    """Why the loaded artifact predicts something else than it did; None where nothing is known.

    Looking for it never takes the place of what was found: where a question fails, the next one is asked.
    """
    for ask in _ASKED:
        try:
            reason = next(ask(context, loaded), None)
        except (RequestFailed, NamesDiffer):
            continue
        except WorkerEnded:
            return None
        if reason is not None:
            return reason
    return None


def ended(artifact: Artifact, versions: Versions, error: WorkerEnded) -> Finding:
    """The finding for a process that died, or did not end in time, at work on the artifact."""
    said = f"{artifact.path.name}: {error.message}"
    reason: Reason | None = None
    if error.cause == "worker-crashed":
        reason = next(_foreign_bytecode(artifact, versions), None)
    elif error.cause == "worker-timeout":
        found = version.check(artifact, versions, "evidence")
        reason = next((_of(one) for one in found if one.cause in _ENDLESS), None)
    if reason is None:
        return cause(error.cause).finding(said, detail=error.log)
    return cause(reason.code).finding(f"{said}: {reason.clause}", where=reason.where, detail=error.log)


_ENDLESS = ("nested-model-used-twice",)
"""Forecasts of loaders that go round in circles."""


# ---- what is asked, the most certain first


def _known_to_drift(context: Context, loaded: Loaded) -> Iterator[Reason]:
    """What is in the file is read otherwise by this release than by the one that recorded."""
    known = comparing.stored(context)
    if loaded.kind == "keras" and known is not None and not deviations.same_release(context, known):
        for finding in context.forecast():
            if finding.family != "training-state" and "predictions" in cause(finding.cause).seen:
                yield _of(finding)


def _of(finding: Finding) -> Reason:
    return Reason(finding.cause, finding.message, finding.where)


def _lost(context: Context, loaded: Loaded) -> Iterator[Reason]:
    """Weights that are not in the file."""
    if loaded.kind == "keras":
        yield from map(_of, losses.lost_weights(context, loaded))


def _others(context: Context, loaded: Loaded) -> Iterator[Reason]:
    """Weights that are others at each load."""
    if loaded.kind == "keras":
        yield from map(_of, losses.two_loads(context, loaded))


def _drawn_anew(context: Context, loaded: Loaded) -> Iterator[Reason]:
    """What is neither weight nor configuration, and another one at each load."""
    known = comparing.stored(context)
    if loaded.kind == "keras" and context.artifact.custom_objects and known is not None:
        finding = comparing.loads_differ(context, loaded, comparing.stored_inputs(loaded, known))
        if finding is not None:
            yield _of(finding)


def _bytecode(context: Context, loaded: Loaded) -> Iterator[Reason]:
    if loaded.kind == "keras":
        yield from _foreign_bytecode(context.artifact, context.session.versions)


def _foreign_bytecode(artifact: Artifact, versions: Versions) -> Iterator[Reason]:
    """Functions that are made again from code of another Python than the one that runs."""
    running = ".".join(versions.python.split(".")[:2])
    found = [(place, pythons(code)) for place, code in kept(artifact)]
    foreign = [(place, written) for place, written in found if written and running and running not in written]
    if foreign:
        told = " or ".join(dict.fromkeys(one for _, written in foreign for one in written))
        clause = f"its functions are code of Python {told}, and Python {running} reads them otherwise"
        yield Reason("lambda-python-version", clause, listed([place for place, _ in foreign]))


def _shared_closures(context: Context, loaded: Loaded) -> Iterator[Reason]:
    """Lambdas of the same code that look at the same value outside: what it was for each of them is not saved."""
    if loaded.kind != "keras" or not _of_a_live_model(context):
        return
    places: dict[str, list[str]] = {}
    for place, (code, _, closure) in lambdas(nodes(context.artifact.config)):
        if closure:
            places.setdefault(f"{code} {closure}", []).append(place)
    for found in places.values():
        layers = list(dict.fromkeys(found))
        if len(layers) > 1:
            clause = f"{len(layers)} Lambdas of the same code hold the value that a variable outside ended with"
            yield Reason("lambda-closure-shared", clause, listed(layers))


def _forgotten_arguments(context: Context, loaded: Loaded) -> Iterator[Reason]:
    """Arguments that ``get_config`` of a class of the user's does not keep."""
    uses = [use for objects in context.artifact.custom_objects.values() for use in objects]
    if loaded.kind == "keras" and uses and context.import_error is None and _of_a_live_model(context):
        for finding in custom_objects.forgotten(uses, context.session.resolve(uses)):
            yield replace(_of(finding), sure=False)


def _of_a_live_model(context: Context) -> bool:
    """Whether the outputs may be those of the model before it was saved: what saving loses, a file never had."""
    known = comparing.stored(context)
    return known is not None and known.provenance.get("source") != "file"


def _lost_invert(context: Context, loaded: Loaded) -> Iterator[Reason]:
    """Keras 2.10 to 2.12 do not write ``invert`` (get_config of keras/layers/preprocessing/normalization.py)."""
    saved = release_number(context.artifact.saved_with.keras)
    if loaded.kind != "keras" or saved is None or not (2, 10) <= saved.release[:2] <= (2, 12):
        return
    if not _of_a_live_model(context):  # a file does not invert either
        return
    layers = [use for use in context.artifact.objects if use.class_name == "Normalization" and not use.custom]
    without = [use.place for use in layers if isinstance(use.config, dict) and "invert" not in use.config]
    if without:
        clause = f"Keras {saved} does not save whether Normalization inverts"
        yield Reason("normalization-invert-lost", clause, listed(without))


_ASKED: tuple[Callable[[Context, Loaded], Iterator[Reason]], ...] = (
    _known_to_drift,
    _lost,
    _bytecode,
    _shared_closures,
    _others,
    _drawn_anew,
    _forgotten_arguments,
    _lost_invert,
)


def told(context: Context, finding: Finding, reason: Reason) -> Finding:
    """The finding of a difference with its reason: its cause, its place, and its remedies where they are others."""
    message = f"{finding.message}, {'' if reason.sure else 'perhaps '}because {reason.clause}"
    remedies = tuple(
        Remedy(action) for action in cause(reason.code).remedies_for(context.session.versions, context.artifact)
    )
    if not reason.sure:
        remedies += tuple(one for one in finding.remedies if one not in remedies)
    detail = deviations.without_guesses(finding.detail)
    return cause(reason.code).finding(message, where=reason.where or finding.where, remedies=remedies, detail=detail)
