"""Other ways to load an artifact that does not load, or that predicts something else: tried before they are suggested.

A way is verified when the artifact loads in it and answers the stored inputs with the expected outputs; where none are
stored, when two ways that have nothing to do with each other answer alike.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from pytest_kerasload import amendments, inputs
from pytest_kerasload.artifacts.record import Format
from pytest_kerasload.capture import NotRecorded
from pytest_kerasload.causes import remedies as do
from pytest_kerasload.causes.loader import from_keras2
from pytest_kerasload.checks import comparing
from pytest_kerasload.checks.against import against_expected
from pytest_kerasload.checks.recording import known_of
from pytest_kerasload.checks.verdict import Context
from pytest_kerasload.environments.process import RequestFailed, WorkerEnded
from pytest_kerasload.environments.session import Loaded
from pytest_kerasload.environments.versions import Versions
from pytest_kerasload.expected import Expected
from pytest_kerasload.findings import Remedy

_MOST_BYTES = 1 << 30
"""Of an artifact that is copied to be changed."""


@dataclass(frozen=True)
class Way:
    """One way to load the artifact; ``load`` raises RequestFailed or WorkerEnded, and says in which context it did."""

    name: do.WayName
    action: str
    load: Callable[[], tuple[Context, Loaded]]


@dataclass(frozen=True)
class _Tried:
    """What came of a way: where it loaded, the model with the context in which it can be asked."""

    way: Way
    context: Context | None = None
    loaded: Loaded | None = None
    said: str = ""


# ---- the remedies of a failure


def remedies(context: Context, catalogue: Sequence[str], error: RequestFailed | None) -> tuple[Remedy, ...]:
    """What to do about a failure: ways that work first, then what was not tried, then ways that do not work.

    ``catalogue`` are the actions that the cause names; ``error`` is what the plain call raised, None where the artifact
    loads and predicts something else.
    """
    tried = [_try(context, way, error) for way in _ways(context, error)]
    found = _judged(context, tried)
    actions = [one.action for one in found]
    compiled = next((one for one, way in zip(found, tried, strict=True) if way.way.name == "compile"), None)
    for action in catalogue:
        if action in actions:
            continue
        if action == do.INFERENCE_ONLY:  # the gate then loads with compile=False
            if compiled is not None and compiled.verified is not False:
                found.append(replace(compiled, action=action))
        elif not any(do.answers(one.way.name, action) for one in tried):
            found += _untried(context, action)
    order = {True: 0, None: 1, False: 2}
    return tuple(sorted(found, key=lambda remedy: order[remedy.verified]))


def _untried(context: Context, action: str) -> Iterator[Remedy]:
    if action != do.LEGACY_KERAS:
        yield Remedy(action)
    elif context.session.versions.keras3:  # what it asks for is what runs, elsewhere
        minor = ".".join((context.session.versions.tensorflow or "").split(".")[:2])
        yield Remedy(action, detail=f"tf_keras is not installed in that environment: pip install 'tf_keras~={minor}.0'")


def first_line(error: RequestFailed) -> str:
    """The type and first line of what a loader said, without its wrappers."""
    lines = said(error).strip().splitlines()
    return f"{error.type}: {lines[0][:200] if lines else ''}"


def said(error: RequestFailed) -> str:
    """The loader's own words, shortened to what matters: in Keras 3, what follows the last wrapper."""
    text = error.text.rpartition("Exception encountered:")[2].strip() or error.text
    return text if len(text) <= 600 else text[:600] + " ..."


# ---- the ways


def _ways(context: Context, error: RequestFailed | None) -> Iterator[Way]:
    session, artifact = context.session, context.artifact
    keras = session.way == "keras"
    if keras and error is not None:
        action = "load_model(path, compile=False)"
        yield Way("compile", action, lambda: (context, session.load(compile=False, unsafe=context.unsafe)))
    amendment = amendments.amended(artifact, session.versions) if artifact.bytes <= _MOST_BYTES else None
    if amendment is not None:
        yield Way("amend", _repair(context, amendment), lambda: (context, _amended(context, amendment, error)))
    if keras and session.versions.keras3 and (from_keras2(artifact) or artifact.format == "savedmodel"):
        legacy = session.legacy() if session.legacy is not None else None
        if legacy is not None:
            there = replace(context, session=legacy)
            action = f"{do.LEGACY_KERAS} {legacy.versions.keras}"
            yield Way("legacy", action, lambda: (there, there.loaded()))
    if artifact.format == "savedmodel" and keras:
        layer = ", or keras.layers.TFSMLayer(path, call_endpoint=...)" if session.versions.keras3 else ""
        action = f"tf.saved_model.load(path).signatures{layer}"
        yield Way("signatures", action, lambda: (context, session.load(way="signatures")))


def _amended(context: Context, amendment: amendments.Amendment, error: RequestFailed | None) -> Loaded:
    """A changed copy, loaded; with compile=False where that is what is in the way then. It goes with the session."""
    session = context.session
    copy = session.directory / f"amended-{next(session.numbers)}{_SUFFIXES[context.artifact.format]}"
    amendments.write(context.artifact, amendment, copy)
    if context.artifact.format == "savedmodel":
        return session.load_path(copy, way="signatures")
    try:
        return session.load_path(copy, unsafe=context.unsafe)
    except RequestFailed:
        if error is None:
            raise
        return session.load_path(copy, compile=False, unsafe=context.unsafe)


_SUFFIXES: dict[Format, str] = {"h5": ".h5", "keras": ".keras", "savedmodel": ""}


def _repair(context: Context, amendment: amendments.Amendment) -> str:
    """The changes in words, and the command that makes them; not of a copy that goes with the run (a handover's)."""
    path = context.artifact.path
    if path in context.settings.copies:
        return amendment.told
    copy = path.with_name(f"{path.stem}-repaired{path.suffix}")
    shown = [shlex.quote(context.shown(one)) for one in (path, copy)]
    release = target(context.session.versions)
    return f"{amendment.told}: python -m pytest_kerasload repair {shown[0]} {shown[1]} --for={release}"


def target(versions: Versions) -> str:
    """A Keras release as ``python -m pytest_kerasload repair --for`` takes it."""
    return f"{'tf_keras' if versions.flavour == 'tf_keras' else 'keras'}=={versions.keras}"


# ---- trying


def _try(context: Context, way: Way, error: RequestFailed | None) -> _Tried:
    try:
        where, loaded = way.load()
    except RequestFailed as other:
        same = error is not None and _plain(other.text) == _plain(error.text)
        return _Tried(way, said="the same complaint" if same else first_line(other))
    except (WorkerEnded, amendments.NotWritten) as ended:
        return _Tried(way, said=str(ended))
    return _Tried(way, where, loaded)


_ADDRESS = re.compile(r"0x[0-9a-f]+")


def _plain(text: str) -> str:
    return _ADDRESS.sub("", text)


def _judged(context: Context, tried: Sequence[_Tried]) -> list[Remedy]:
    """A remedy for each way that was tried."""
    known = comparing.stored(context)
    reference = ""
    found: list[Remedy] = []
    for one in tried:
        if one.context is None or one.loaded is None:
            found.append(Remedy(_short(one.way.action), verified=False, detail=one.said))
            continue
        if known is None:
            known = _record(one.context, one.loaded)
            reference = one.way.action if known is not None else ""
            detail = "loads; there are no expected outputs to compare with"
            found.append(Remedy(one.way.action, verified=None, detail=_with(one, detail)))
            continue
        found.append(_compared(one, known if reference else None, reference))
    agreeing = [one for one in found if one.verified and reference]
    if agreeing and not _dependent(tried, found):  # then so is the one that they agree with
        told = f"outputs match those of: {_short(agreeing[0].action)}"
        found = [replace(one, verified=True, detail=told) if one.action == reference else one for one in found]
    return found


def _dependent(tried: Sequence[_Tried], found: Sequence[Remedy]) -> bool:
    """Whether all ways that agree load the same file with the same Keras: they say nothing about each other."""
    names = {one.way.name for one, remedy in zip(tried, found, strict=True) if remedy.verified is not False}
    return names <= {"compile", "amend"}


def _compared(one: _Tried, known: Expected | None, reference: str) -> Remedy:
    """Whether what a way predicts is what is expected, or what another way predicts."""
    assert one.context is not None
    assert one.loaded is not None
    context = one.context if known is None else replace(one.context, known=known, records=False)
    try:
        verdict = against_expected(context, one.loaded)
    except (RequestFailed, WorkerEnded) as error:
        return Remedy(one.way.action, verified=False, detail=f"loads, but does not answer: {str(error)[:200]}")
    wrong = next((finding for finding in verdict.findings if finding.fails), None)
    if wrong is not None:
        against = f"predicts something else than: {_short(reference)}" if reference else wrong.message
        return Remedy(one.way.action, verified=False, detail=_with(one, f"loads, but {against}"))
    largest = verdict.measured.max_abs_error
    told = "outputs match" + (f" those of: {_short(reference)}" if reference else "")
    told += f", max |d| {largest:.1e}" if largest is not None else ""
    return Remedy(one.way.action, verified=True, detail=_with(one, told))


def _with(one: _Tried, detail: str) -> str:
    """What came of a way, and what else it took."""
    assert one.loaded is not None
    if one.way.name != "amend":
        return detail
    if one.loaded.way == "signatures":  # what load_model gave before, it does not give now
        return f"through its signatures: {detail}"
    return detail if one.loaded.compile else f"with compile=False: {detail}"


def _short(action: str) -> str:
    return action.partition(": python -m")[0]


def _record(context: Context, loaded: Loaded) -> Expected | None:
    """What one way predicts, to compare others with; None where it cannot be asked."""
    try:
        return known_of(context, loaded)
    except (RequestFailed, WorkerEnded, NotRecorded, inputs.InputsNotFound):
        return None
