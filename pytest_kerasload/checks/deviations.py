"""What is said of expected outputs that are not met, or cannot be used."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from pytest_kerasload import comparison, expected, fingerprints, vetting
from pytest_kerasload.artifacts import outline
from pytest_kerasload.causes import remedies as do
from pytest_kerasload.causes.catalogue import cause
from pytest_kerasload.causes.explaining import understood
from pytest_kerasload.checks.verdict import Context
from pytest_kerasload.commands import command
from pytest_kerasload.environments.process import RequestFailed
from pytest_kerasload.environments.session import Loaded
from pytest_kerasload.findings import Finding, Remedy, listed
from pytest_kerasload.folding import BY


def missing(context: Context) -> Finding:
    path, artifact, elsewhere = context.expected_path, context.artifact.path, context.settings.expected_dir
    root = context.settings.root_of(artifact)
    unwritten = "" if context.settings.record is None else "; --keras-record writes in the first environment only"
    again = command(context.settings, context.shown, [root], "--keras-record")
    live = "or from the live model, after saving it: pytest_kerasload.record(model, path)"
    moved = []
    if elsewhere is not None:
        live += f", which writes beside the artifact: move the file to {context.shown(path.parent)}"
        beside = artifact.with_name(path.name)
        if beside.is_file():
            folder = shlex.quote(context.shown(path.parent))
            move = f"mkdir -p {folder} && mv {shlex.quote(context.shown(beside))} {folder}"
            moved = [Remedy(f"one lies beside the artifact; if it is the right one, move it: {move}")]
    return cause("expected-missing").finding(
        f"there are no expected outputs to compare with: {path.name} does not exist{unwritten}",
        where=str(path),
        remedies=(
            *moved,
            Remedy(f"record them from a release that is known to be right: {again}"),
            Remedy(live),
        ),
    )


def unreadable(context: Context, error: Exception) -> Finding:
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


_BY_RANK = "keras2-sequential-input-shape"
"""What every model says of inputs of another rank."""

_OF_THE_MACHINE = ("resource", "environment")


def refused(context: Context, known: expected.Expected, error: RequestFailed, *, fits: bool) -> Finding:
    """The finding for a model that loads and does not answer; ``fits``: the stored inputs have the shapes it asks.

    What a loader would mean by the same words is another matter.
    """
    shapes = ", ".join(f"{name} {array.dtype.name}{list(array.shape)}" for name, array in known.inputs.items())
    found = understood(str(error), context.session.versions, context.artifact)
    if found is not None and found.code == _BY_RANK and _BY_RANK not in {one.cause for one in context.forecast()}:
        found = None
    if found is None or not (found.family in _OF_THE_MACHINE or (fits and "predictions" in found.seen)):
        found = cause("predictions-refused")
    return found.finding(
        f"{context.artifact.path.name} loads on {context.label} and does not answer the stored inputs ({shapes})",
        detail="\n".join(filter(None, [f"{error.type}: {error.text}", vetting.rows(known), *since(context, known)])),
    )


def released_again(context: Context, known: expected.Expected) -> tuple[Finding, ...]:
    """The note that another file than the one recorded from predicts the same."""
    if not stale(context, known):
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


def differs(
    context: Context,
    known: expected.Expected,
    one: comparison.ArrayComparison,
    changed: list[str] | None,
    exchanged: Sequence[str],
) -> Finding:
    another = stale(context, known)
    name = context.artifact.path.name
    if another:
        head = f"{name} is another file than the one recorded from, and predicts something else: "
    else:
        head = f"{name} loads on {context.label} and predicts something else: "
    head += f"{one.name}: {one.problem}"
    if one.rows[1]:
        head += f", in {one.rows[0]} of {one.rows[1]} rows"
    lines = []
    if one.times is not None and one.max_abs is not None:
        recorded = known.noise(one.name)
        when = f"when it was recorded, at most {recorded.largest:.3g}" if recorded is not None else "here and now"
        lines.append(
            f"{_rounded(one.times)} times the noise that was measured ({when}); largest difference {one.max_abs:.3g}"
        )
    folded = known.fold(one.name) is not None
    if one.classes and not folded:  # sums have no classes
        lines.append(one.classes)
    if folded:
        lines.append(
            f"this output is large, and stored as sums of {BY} elements each; the differences are those of sums"
        )
    if one.kind == "shape":
        lines.append(vetting.rows(known))
    lines += since(context, known)
    layers = changed_layers(context, known)
    if layers:
        lines.append(f"layers that are configured otherwise than when it was recorded: {listed(layers)}")
    if changed:
        lines.append(f"weights that are others than when it was recorded: {listed(changed)}")
    elif exchanged:
        lines.append(f"weights that changed places since it was recorded: {listed(exchanged)}")
    elif changed is not None and not layers:
        lines.append(
            "no weight is another one than when it was recorded: layers compute something else with them, or have "
            "exchanged weights of the same shape"
        )
    lines.append(comparison.table(one))
    # NaN where there were numbers is the artifact's own trouble, whichever file it is.
    code = "expected-stale-digest" if another and one.kind != "finite" else _CAUSES[one.kind]
    advice = _remedies(context, known) if code == "predictions-differ" else None
    return cause(code).finding(head, where=one.name, remedies=advice, detail="\n".join(filter(None, lines)))


def _remedies(context: Context, known: expected.Expected) -> tuple[Remedy, ...] | None:
    """What to do where neither the file nor the release is another one than then; None for what the cause says."""
    if not _same_file(context, known) or not same_release(context, known):
        return None
    own = listed(_custom_objects(context))
    if own:
        first = f"compare the arguments of {own} with what get_config() keeps of them, and the code with that of then"
    elif known.provenance.get("source") == "live model":
        first = "compare the layers, weights and attributes of the live model with those of load_model(path)"
    else:
        return None
    return Remedy(first), Remedy(do.RECORD_AGAIN)


def _custom_objects(context: Context) -> list[str]:
    """Names of the artifact's own classes and functions that its outputs may depend on."""
    without = ("initializer", "regularizer", "constraint")
    own = (use for use in context.artifact.objects if use.custom and use.section == "model")
    return list(dict.fromkeys(use.name for use in own if use.kind not in without))


def _rounded(times: float) -> str:
    """``35``, ``10,400``, ``3.1e+08``."""
    return f"{times:.2g}" if times >= 1e7 else f"{float(f'{times:.3g}'):,.0f}"


def changed_weights(context: Context, known: expected.Expected, loaded: Loaded) -> list[str] | None:
    """Names of weights that are others than when the outputs were recorded; None where that cannot be told."""
    if not known.weights:
        return None
    found = fingerprints.changed(known.weights, context.session.fingerprints(loaded))
    if not found:
        return found
    # A layer that counts, an export that remembers: what they hold changed since they were loaded. One that was asked
    # nothing decides.
    fresh = context.session.again(loaded)
    try:
        return fingerprints.changed(known.weights, context.session.fingerprints(fresh))
    finally:
        context.session.drop(fresh)


def exchanged_weights(
    context: Context, known: expected.Expected, loaded: Loaded, changed: list[str] | None
) -> list[str]:
    """Names of weights that hold what others held, where all that were recorded are there."""
    return [] if changed != [] else fingerprints.exchanged(known.weights, context.session.fingerprints(loaded))


def changed_layers(context: Context, known: expected.Expected) -> list[str]:
    """Names of layers whose configuration changed since, in another file that the same Keras wrote."""
    written = context.artifact.saved_with.keras
    if not stale(context, known) or not written or known.provenance.get("saved_with") != written:
        return []
    return outline.changed(known.provenance.get("layers"), outline.of(context.artifact.config))


def unseen(context: Context, known: expected.Expected, changed: list[str] | None) -> tuple[Finding, ...]:
    """The finding for outputs that agree although weights or layers are others: no stored input reaches those."""
    if not changed:
        layers = changed_layers(context, known)
        if not layers:
            return ()
        what = (
            f"{context.artifact.path.name} agrees with its expected outputs, but {len(layers)} of its layers "
            f"{'is' if len(layers) == 1 else 'are'} configured otherwise than when they were recorded: no stored input "
            "shows the difference"
        )
        return (cause("expected-layers-differ").finding(what, where=listed(layers)),)
    what = (
        f"{context.artifact.path.name} agrees with its expected outputs, but {len(changed)} of its weights "
        f"{'is another' if len(changed) == 1 else 'are others'} than when they were recorded: no stored input shows "
        "the difference"
    )
    return (cause("expected-weights-differ").finding(what, where=listed(changed)),)


def stale(context: Context, known: expected.Expected) -> bool:
    """Whether the outputs were recorded from another file than the artifact is now."""
    digest = known.provenance.get("sha256")
    return bool(isinstance(digest, str) and digest and context.artifact.sha256 not in ("", digest.lower()))


def _same_file(context: Context, known: expected.Expected) -> bool:
    return bool(known.provenance.get("sha256")) and not stale(context, known)


def same_release(context: Context, known: expected.Expected) -> bool:
    """Whether the releases here are those that recorded the outputs."""
    running = context.session.versions
    return (known.provenance.get("tensorflow"), known.provenance.get("keras")) == (running.tensorflow, running.keras)


_SAME_FILE = "the file is the one that was recorded (same digest); "
_SAME_ALL = "file and releases are those of then: "


def without_guesses(detail: str) -> str:
    """The detail of a difference without what is only guessed where its reason is not known."""
    lines = detail.splitlines()
    return "\n".join(line for line in lines if not line.startswith((_SAME_FILE, _SAME_ALL)))


def since(context: Context, known: expected.Expected) -> list[str]:
    """What changed since the outputs were recorded: the file, the release that reads it, or neither."""
    recorded = known.provenance
    if not recorded:
        return []
    running = context.session.versions
    source = f" from the {recorded['source']}" if recorded.get("source") else ""
    lines = [f"recorded{source} with TensorFlow {recorded.get('tensorflow')}, Keras {recorded.get('keras')}"]
    if not recorded.get("sha256"):
        return lines
    own = _custom_objects(context)
    named = f"its custom objects ({listed(own)})" if own else ""
    if stale(context, known):
        lines.append("the file changed since: its digest is another one than was recorded")
    elif not same_release(context, known):
        lines.append(
            f"{_SAME_FILE}TensorFlow {running.tensorflow}, {running.label} reads or computes it differently"
            + (f", or {named} changed" if own else "")
        )
    elif recorded.get("source") == "live model":
        lines.append(
            f"{_SAME_ALL}saving lost something that the live model had"
            + (f", or the code of {named} changed" if own else "")
        )
    else:
        lines.append(f"{_SAME_ALL}look at {named or 'its custom objects'}, and at the machine")
    return lines
