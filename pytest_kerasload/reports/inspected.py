"""What ``inspect`` says of one artifact, as lines for people; what matters most comes first."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from pytest_kerasload.artifacts.record import TensorSpec
from pytest_kerasload.findings import Finding, listed, printable
from pytest_kerasload.inspection.forecast import NAMES, Flavour, Outlook
from pytest_kerasload.inspection.inspected import Inspected, Recorded

Line = tuple[tuple[str, str], ...]
"""Pieces of text, each with its style: ``title``, ``label``, ``good``, ``doubtful``, ``bad`` or none."""

_LABEL = 11
_NAMES_SHOWN = 12
_FORMATS = {
    "h5": "HDF5",
    "keras": ".keras archive",
    "savedmodel": "SavedModel",
    "weights": "weights only",
    "unknown": "no model",
}
_BY: dict[Flavour, str] = {"keras3": "", "keras2": "TensorFlow ", "tf_keras": "", "tensorflow": "TensorFlow "}
_LABELS: dict[Flavour, str] = {**NAMES, "tensorflow": "signatures"}
_NUMBERED: dict[Flavour, str] = {**NAMES, "keras3": "Keras", "keras2": "Keras"}


def lines(inspected: Inspected, shown: str, width: int) -> Iterator[Line]:
    """Everything about an artifact, under the path as it is shown."""
    yield ((shown, "title"),)
    yield from _row("", _headline(inspected), width)
    for part in (_checks, _forecast, _reasons, _needs, _model):
        found = list(part(inspected, width))
        if found:
            yield ()
            yield from found


def _row(label: str, text: str, width: int, style: str = "", lead: str = "") -> Iterator[Line]:
    """A label and its text, wrapped beside it; ``lead`` stands in front of the text and keeps its own column."""
    first = f"  {label}".ljust(_LABEL + 2)
    if len(first) > _LABEL + 2 or not label:
        first = f"  {label} " if label else "  "
    indent = " " * len(first)
    room = max(width - len(first) - len(lead), 20)
    wrapped = textwrap.wrap(printable(text), room, break_long_words=False, break_on_hyphens=False) or [""]
    for number, line in enumerate(wrapped):
        start = (first, "label") if number == 0 else (indent, "")
        yield (start, (lead if number == 0 else " " * len(lead), ""), (line, style))


def _headline(inspected: Inspected) -> str:
    artifact = inspected.artifact
    told = [_FORMATS[artifact.format]]
    if artifact.format == "savedmodel":
        told[0] += " of a Keras model" if artifact.keras_metadata else " without a Keras model (an export)"
    saved = artifact.saved_with
    by = " and ".join(
        f"{name} {number}" for name, number in (("TensorFlow", saved.tensorflow), ("Keras", saved.keras)) if number
    )
    if artifact.readable:
        told.append(f"saved with {by}" if by else "it does not say what saved it")
    told.append(_size(artifact.bytes))
    return ", ".join(told)


def _size(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


def _checks(inspected: Inspected, width: int) -> Iterator[Line]:
    """What the checks that need no TensorFlow find."""
    for check in inspected.checks:
        for number, finding in enumerate(check.findings):
            label = check.check if number == 0 else " "
            yield from _row(label, finding.cause, width, "bad" if finding.fails else "doubtful")
            yield from _explained(finding, width, [remedy.action for remedy in finding.remedies[:2]])


def _explained(finding: Finding, width: int, remedies: Iterable[str]) -> Iterator[Line]:
    """What lies under the name of a cause: what was seen, where, and what to do."""
    yield from _row(" ", finding.message, width, lead="  ")
    if finding.where:
        yield from _row(" ", _shortened(finding.where.split(", ")), width, lead="  at ")
    for remedy in remedies:
        yield from _row(" ", remedy, width, lead="  do ")


def _shortened(names: Sequence[str]) -> str:
    return listed(names, most=_NAMES_SHOWN)


def _forecast(inspected: Inspected, width: int) -> Iterator[Line]:
    """One line for neighbouring releases that end alike, whatever the reasons."""
    if not inspected.forecast:
        if inspected.readable:
            return
        yield from _row("forecast", "none while the file check fails: mend that first", width)
        return
    label = ""
    rows = []
    for (flavour, *_), group in groupby(inspected.forecast, lambda one: (one.flavour, one.outcome, one.compiles)):
        several = list(group)
        where = f"{_BY[flavour]}{span([number for one in several for number in one.releases])}"
        rows.append((_LABELS[flavour], where, several[0]))
    column = max(len(where) for _, where, _ in rows) + 2
    for name, where, one in rows:
        text, style = _answer(one)
        yield from _row(name if name != label else " ", text, width, style, lead=where.ljust(column))
        label = name


def span(releases: Sequence[str]) -> str:
    """``3.4 to 3.12``, or the one release that it is."""
    return releases[0] if len(releases) == 1 else f"{releases[0]} to {releases[-1]}"


def _answer(one: Outlook) -> tuple[str, str]:
    if one.outcome == "rejects":
        return "does not load", "bad"
    loads = "loads" if one.compiles else "loads with compile=False"
    if one.outcome == "differs":
        return f"{loads}, and predicts something else", "bad"
    return loads, "good" if one.compiles else "doubtful"


def _reasons(inspected: Inspected, width: int) -> Iterator[Line]:
    """Each cause once, with the releases that it stands in the way of, and a remedy that was not told yet."""
    found: dict[str, Finding] = {}
    affected: dict[str, dict[Flavour, list[str]]] = {}
    measured: dict[Flavour, int] = {}
    for one in inspected.forecast:
        measured[one.flavour] = measured.get(one.flavour, 0) + len(one.releases)
        for finding in one.findings:
            found.setdefault(finding.cause, finding)
            affected.setdefault(finding.cause, {}).setdefault(one.flavour, []).extend(one.releases)
    told: set[str] = set()
    for number, (code, finding) in enumerate(found.items()):
        where = ", ".join(
            NAMES[flavour] if len(releases) == measured[flavour] else f"{_NUMBERED[flavour]} {span(releases)}"
            for flavour, releases in affected[code].items()
        )
        yield from _row("because" if number == 0 else " ", f"{code}: {where}", width, "doubtful")
        remedies = [one.action for one in finding.remedies if one.action not in told][:1]
        told.update(remedies)
        yield from _explained(finding, width, remedies)


def _needs(inspected: Inspected, width: int) -> Iterator[Line]:
    needs = inspected.needs
    rows: list[str] = []
    for own in needs.custom_objects:
        module = f" of {own.module}" if own.module and not own.name.startswith(f"{own.module}>") else ""
        rows.append(f"{own.name} ({own.kind}{module}): {_shortened(own.places)}")
    if rows:
        yield from _row("needs", f"custom objects, which the forecast takes as given ({len(rows)}):", width)
        for row in rows:
            yield from _row(" ", row, width, lead="  ")
    elif inspected.forecast and not (needs.op_libraries or needs.bytecode):
        keras = " and Keras" if inspected.forecast[0].flavour != "tensorflow" else ""
        yield from _row("needs", f"nothing besides TensorFlow{keras}", width)
    for library in needs.op_libraries:
        what = f"import {library.package}" if library.package else "a library of ops that is not known here"
        yield from _row("needs", f"{what}, before it is loaded: {_shortened(library.ops)}", width)
    if needs.bytecode is not None:
        python = needs.bytecode.label or "the Python that wrote it"
        text = f"{python}, and safe_mode=False: there is bytecode in it, of {_shortened(needs.bytecode.places)}"
        yield from _row("needs", text, width)


def _model(inspected: Inspected, width: int) -> Iterator[Line]:
    artifact = inspected.artifact
    if artifact.signatures:
        for signature in artifact.signatures:
            takes, gives = _tensors(signature.inputs), _tensors(signature.outputs)
            yield from _row("signature", f"{signature.name}: {takes or 'nothing'} -> {gives or 'nothing'}", width)
    else:
        for label, tensors in (("inputs", artifact.inputs), ("outputs", artifact.outputs)):
            if tensors:
                yield from _row(label, _tensors(tensors), width)
            elif inspected.readable:
                yield from _row(label, "not told: they are in the code of the model's class", width)
    yield from _row("weights", _weights(inspected), width)
    if (inspected.readable and artifact.format != "savedmodel") or artifact.keras_metadata:
        yield from _row("compiled", _compiled(inspected), width)
    if inspected.readable:
        text, style = _recorded(inspected.recorded)
        yield from _row("expected", text, width, style)
    if artifact.sha256:
        yield from _row("sha256", artifact.sha256, width)


def _tensors(specs: Iterable[TensorSpec]) -> str:
    return ", ".join(f"{spec.name} {spec.dtype} {_shape(spec.shape)}" for spec in specs)


def _shape(shape: tuple[int | None, ...] | None) -> str:
    if shape is None:
        return "(shape not told)"
    return f"({', '.join(str(size) for size in shape)}{',' if len(shape) == 1 else ''})"


def _weights(inspected: Inspected) -> str:
    weights = inspected.artifact.weights
    count = "an unknown number of" if weights.elements is None else f"{weights.elements:,}"
    tensors = f" in {_counted(weights.tensors, 'tensor')}" if weights.tensors else ""
    layers = f", {_counted(inspected.layers, 'layer')}" if inspected.layers else ""
    state = (
        f", and {_counted(weights.optimizer_tensors, 'tensor')} of the optimizer" if weights.optimizer_tensors else ""
    )
    return f"{count} parameters{tensors}{layers}{state}"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _compiled(inspected: Inspected) -> str:
    compiled = inspected.compiled
    if compiled is None:
        return "no"
    told = [
        f"optimizer {compiled.optimizer}" if compiled.optimizer else "an optimizer that is not told",
        f"loss {', '.join(compiled.losses)}" if compiled.losses else "no loss",
        f"metrics {', '.join(compiled.metrics)}" if compiled.metrics else "",
    ]
    return "; ".join(part for part in told if part)


def _recorded(recorded: Recorded | None) -> tuple[str, str]:
    if recorded is None:
        return "no outputs are stored beside it (pytest --keras-record, pytest_kerasload.record)", ""
    if recorded.problem:
        return f"{recorded.path.name} is not read: {recorded.problem}", "bad"
    rows = _counted(recorded.rows, "row")
    by = f", under TensorFlow {recorded.tensorflow}, Keras {recorded.keras}" if recorded.tensorflow else ""
    if recorded.same is None:
        return f"{recorded.path.name}: {rows}; it does not say of which file", ""
    if not recorded.same:
        return f"{recorded.path.name}: {rows}, of another file than this one{by}", "doubtful"
    return f"{recorded.path.name}: {rows}, of this very file{by}", "good"
