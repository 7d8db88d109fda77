"""The ``safety`` check: what loading an artifact would do to the machine besides loading it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pytest_kerasload.artifacts.record import Artifact
from pytest_kerasload.artifacts.sniffing import content_of, keras_marker, savedmodel_marker
from pytest_kerasload.causes import safety
from pytest_kerasload.findings import Finding, Remedy
from pytest_kerasload.hazards import archive, configs, folder, hdf5, savedmodel
from pytest_kerasload.hazards.hazard import Hazard

_SHOWN = 3
"""How many places a message tells of; all of them are in ``where`` and in the detail."""

_LISTED = 100


def check(artifact: Artifact) -> tuple[Finding, ...]:
    """One finding for each cause, with every place it was seen at; none where loading is safe.

    An artifact that cannot be gone through is refused, unless the ``file`` check stops at it already.
    """
    found: list[Hazard] = []
    try:
        found.extend(_hazards(artifact))
    except Exception as error:  # whatever a parser makes of bytes that someone chose: it must never look like "safe"
        if artifact.readable:
            said = next(iter(str(error).strip().splitlines()[-1:]), "") or type(error).__name__
            found.append(Hazard(safety.UNINSPECTABLE, artifact.path.name, f"it cannot be gone through: {said}"))
    return tuple(_findings(artifact, found))


def _hazards(artifact: Artifact) -> Iterator[Hazard]:
    path = artifact.path
    if path.is_dir():
        if savedmodel_marker(path) is None and keras_marker(path) is not None:
            yield from folder.hazards(path, artifact.weights.elements)
        else:
            yield from savedmodel.hazards(path)
        return
    content = content_of(path)
    if content == "zip":
        yield from archive.hazards(path, artifact.weights.elements)
    elif content == "hdf5":
        if archive.is_archive(path):
            yield Hazard(safety.AMBIGUOUS, path.name, "the file is HDF5 and a zip archive in one: loaders read either")
        found, written = hdf5.hazards(path)
        yield from found
        for name, text in written.items():
            place = "" if name == "model_config" else "compile"
            yield from configs.text_hazards(text, name, place, artifact.weights.elements)


def _findings(artifact: Artifact, found: Iterable[Hazard]) -> Iterator[Finding]:
    groups: dict[tuple[str, bool], list[Hazard]] = {}
    for hazard in dict.fromkeys(found):
        groups.setdefault((hazard.cause.code, hazard.fails), []).append(hazard)
    # What fails comes first.
    for (_, fails), hazards in sorted(groups.items(), key=lambda group: not group[0][1]):
        yield _finding(artifact, hazards, fails)


def _finding(artifact: Artifact, hazards: list[Hazard], fails: bool) -> Finding:
    cause = hazards[0].cause
    places = list(dict.fromkeys(hazard.place for hazard in hazards))
    texts = list(dict.fromkeys(hazard.text for hazard in hazards))
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    told = f"{'; '.join(texts[:_SHOWN])}{more}"
    verdict = "is not safe to load" if fails else "is worth a look"
    finding = cause.finding(
        f"{artifact.path.name} {verdict}: {cause.title[0].lower()}{cause.title[1:]} ({told})",
        where=", ".join(places[:_LISTED]) + (f" and {len(places) - _LISTED} more" if len(places) > _LISTED else ""),
        detail="\n".join(f"{hazard.place}: {hazard.text}" for hazard in hazards[:_LISTED]) if len(hazards) > 1 else "",
        fails=fails,
    )
    if not fails:
        return finding
    trust = f"if you trust its author: --keras-trust={artifact.sha256 or artifact.path.name}"
    return replace(finding, remedies=(*finding.remedies, Remedy(trust)))
