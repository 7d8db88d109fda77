"""``custom-objects``: does every object of the artifact's own resolve there, and accept its saved configuration?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_kerasload.artifacts.record import ConfigObject
from pytest_kerasload.causes.catalogue import cause
from pytest_kerasload.checks.verdict import Context, Verdict
from pytest_kerasload.environments.process import RequestFailed, WorkerEnded
from pytest_kerasload.findings import Finding, Remedy, listed


def check(context: Context) -> Verdict:
    """Every custom object that is not found or refuses its configuration, each with all the places of its use."""
    session, artifact = context.session, context.artifact
    if context.import_error is not None:
        return Verdict((not_importable(context.import_error),))
    if session.way == "keras" and artifact.format == "savedmodel" and session.versions.keras3:
        return Verdict(skipped=f"{context.label} brings no Keras model back from a SavedModel")
    uses = [use for objects in artifact.custom_objects.values() for use in objects]
    if not uses:
        return Verdict()
    findings = []
    answers = session.resolve(uses)
    by_name: dict[str, list[tuple[ConfigObject, dict[str, object]]]] = {}
    for use, answer in zip(uses, answers, strict=True):
        by_name.setdefault(use.name, []).append((use, dict(answer)))
    for name, found in by_name.items():
        missing = [use for use, answer in found if not answer["found"]]
        if missing:
            findings.append(_missing(context, name, missing))
        refused = [(use, answer) for use, answer in found if answer["complaint"]]
        if refused:
            findings.append(_refused(name, refused))
    notes = forgotten(uses, answers)
    # The loader knows better: a SavedModel carries the functions of layers whose class is not there, and an object
    # that is never called for does no harm.
    if findings and _loads(context, compile=True):
        findings = [_as_note(finding) for finding in findings]
    elif any(not _in_training(finding) for finding in findings) and _loads(context, compile=False):
        findings = [finding if _in_training(finding) else _as_note(finding) for finding in findings]
    return Verdict((*findings, *notes))


def forgotten(uses: Sequence[ConfigObject], answers: Sequence[Mapping[str, Any]]) -> tuple[Finding, ...]:
    """The note that classes have arguments which their saved configurations do not hold.

    Whether the artifact was made with others than the defaults, the file cannot tell: ``predictions`` does.
    """
    found = [(use, answer["forgotten"]) for use, answer in zip(uses, answers, strict=True) if answer["forgotten"]]
    found = [(use, arguments) for use, arguments in found if _matters(use)]
    if not found:
        return ()
    shown = listed((f"{use.name} with {_defaults(arguments)}" for use, arguments in found), "; ")
    message = f"get_config() does not keep every argument, and objects come back with the defaults: {shown}"
    return (
        cause("get-config-forgets-argument").finding(message, where=places([use for use, _ in found]), fails=False),
    )


def _defaults(arguments: Sequence[Sequence[str]]) -> str:
    return listed(f"{name}={default}" for name, default in arguments)


def _matters(use: ConfigObject) -> bool:
    """Whether predictions may depend on the object."""
    return use.section == "model" and use.kind not in ("initializer", "regularizer", "constraint")


def _in_training(finding: Finding) -> bool:
    """Whether a finding is about the training configuration alone."""
    return finding.where.startswith("compile/")


def _loads(context: Context, *, compile: bool) -> bool:
    try:
        if compile:
            context.loaded()
        else:
            context.session.load(compile=False)
    except (RequestFailed, WorkerEnded):
        return False
    return True


def _as_note(finding: Finding) -> Finding:
    return Finding(
        finding.cause, finding.family, finding.message + "; it loads all the same", finding.where, fails=False
    )


def places(uses: Iterable[ConfigObject]) -> str:
    """Where objects are used: the first few places, and how many more."""
    return listed(use.place for use in uses)


def _missing(context: Context, name: str, uses: list[ConfigObject]) -> Finding:
    kind = uses[0].kind if uses[0].kind != "unknown" else "object"
    training = all(use.section == "training" for use in uses)
    bare = name.split(">")[-1]
    if name == "<lambda>":
        remedies = [Remedy("give the function a name (def instead of lambda) and save the model again")]
    else:
        remedies = [Remedy(f"--keras-custom-objects=package.module:{bare} (where {bare} is defined)")]
    if ">" in name and name != "<lambda>":
        package = name.split(">")[0]
        remedies.append(
            Remedy(f"register it under the same name: register_keras_serializable(package={package!r}), and import it")
        )
    if training:
        remedies.append(Remedy("--keras-inference-only, if the model is only used for inference"))
    return cause("custom-object-unresolved").finding(
        f"the {kind} {name} of this artifact is not known to {context.label}",
        where=places(uses),
        remedies=tuple(remedies),
        fails=not (training and context.settings.inference_only),
    )


def _refused(name: str, refused: list[tuple[ConfigObject, dict[str, object]]]) -> Finding:
    complaint = refused[0][1]["complaint"]
    assert isinstance(complaint, dict)
    text = str(complaint["text"]).strip().splitlines()
    what = f"{complaint['type']}: {text[0] if text else ''}"
    return cause("custom-object-rejects-config").finding(
        f"{name} is found ({refused[0][1]['what']}) but cannot be made from its saved configuration: {what}",
        where=places([use for use, _ in refused]),
    )


def not_importable(error: RequestFailed) -> Finding:
    """The finding for custom objects that the user gave and that cannot be imported in the environment."""
    return cause("custom-objects-not-importable").finding(
        f"the custom objects given cannot be imported there: {error.type}: {error.text}",
        traceback=error.traceback,
    )
