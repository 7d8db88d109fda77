"""The forecast: what the ``version`` check says of an artifact on every release that was measured, in ranges.

It knows what is in the file and what Keras' own classes take there. What the code of custom objects does on a release,
and whether they are at hand, it cannot know: they are told as needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

from pytest_kerasload.artifacts.builtins import table
from pytest_kerasload.artifacts.record import Artifact
from pytest_kerasload.causes import drift
from pytest_kerasload.causes.catalogue import cause
from pytest_kerasload.checks.version import check
from pytest_kerasload.environments.releases import release
from pytest_kerasload.environments.versions import Versions, of_packages
from pytest_kerasload.findings import Finding
from pytest_kerasload.inspection.marshalled import ALIKE
from pytest_kerasload.inspection.needs import Bytecode

Outcome = Literal["loads", "differs", "rejects"]
Flavour = Literal["keras3", "keras2", "tf_keras", "tensorflow"]
Minor = tuple[int, int]

SILENT = frozenset(entry.code for entry in drift.CAUSES)
"""Causes with which an artifact loads, and predicts something else."""

NAMES: dict[Flavour, str] = {
    "keras3": "Keras 3",
    "keras2": "Keras 2",
    "tf_keras": "tf_keras",
    "tensorflow": "TensorFlow",
}
"""What the releases of a flavour are called. Those of Keras 2 are told by the TensorFlow that brings them along, and
``tensorflow`` stands for ``tf.saved_model.load`` and the signatures of a SavedModel."""


@dataclass(frozen=True)
class Outlook:
    """What one release, or several neighbouring ones, will do with an artifact.

    ``compiles`` is false where it loads with ``compile=False`` only. ``releases`` are minor releases, oldest first.
    """

    flavour: Flavour
    releases: tuple[str, ...]
    outcome: Outcome
    compiles: bool
    findings: tuple[Finding, ...] = ()

    @property
    def causes(self) -> tuple[str, ...]:
        return tuple(finding.cause for finding in self.findings)

    @property
    def answer(self) -> tuple[Flavour, Outcome, bool, frozenset[str]]:
        """What neighbouring releases have in common to be told as one."""
        return self.flavour, self.outcome, self.compiles, frozenset(self.causes)


def forecast(artifact: Artifact, bytecode: Bytecode | None) -> tuple[Outlook, ...]:
    """The outlook on all measured releases, the likeliest in front; empty where the ``file`` check fails."""
    if not artifact.readable or any(problem.fails for problem in artifact.problems):
        return ()
    found = (outlook(artifact, bytecode, flavour, versions) for flavour, versions in _loaders(artifact))
    return tuple(_joined(list(group)) for _, group in groupby(found, key=lambda one: one.answer))


def outlook(artifact: Artifact, bytecode: Bytecode | None, flavour: Flavour, versions: Versions) -> Outlook:
    """The outlook on one release."""
    asked = artifact
    if flavour == "tensorflow":  # which knows nothing of Keras, and goes by the graph alone
        asked = replace(artifact, keras_metadata=False, config=None, training_config=None, objects=())
    findings = [_general(finding, flavour, versions) for finding in check(asked, versions, "evidence")]
    if bytecode is not None and flavour != "tensorflow":
        findings += _unreadable(bytecode, flavour, versions)
    kept = [finding for finding in findings if finding.family != "training-state"]
    told: Outcome = "loads" if not kept else "differs" if all(one.cause in SILENT for one in kept) else "rejects"
    number = versions.tensorflow if flavour in ("keras2", "tensorflow") else versions.keras
    minor = ".".join((number or "0").split(".")[:2])
    return Outlook(flavour, (minor,), told, told == "rejects" or len(kept) == len(findings), tuple(findings))


def _loaders(artifact: Artifact) -> Iterator[tuple[Flavour, Versions]]:
    """The measured releases that may be asked to load the artifact. Exports are none of Keras' business."""
    if artifact.format != "savedmodel" or artifact.keras_metadata:
        for flavour in ("keras3", "keras2", "tf_keras"):
            yield from ((flavour, _versions(flavour, minor)) for minor in _measured(flavour))
    if artifact.format == "savedmodel":
        yield from (("tensorflow", _versions("tensorflow", minor)) for minor in table().tensorflow)


def _measured(flavour: Flavour) -> list[Minor]:
    found = [minor for name, minor in table().releases if name == flavour]
    if flavour == "tf_keras":  # 2.15, the first of its name, is Keras 2.15 once more (artifacts/builtins.py)
        return [(2, 15), *found]
    return [minor for minor in found if flavour != "keras2" or minor >= OLDEST]


OLDEST: Minor = (2, 4)
"""The oldest TensorFlow that the gate runs."""

_BESIDE: tuple[tuple[int, str], ...] = ((13, "2.21"), (11, "2.20"), (8, "2.19"), (6, "2.18"), (4, "2.17"), (0, "2.16"))
"""The TensorFlow that was new when a Keras 3 came out, by the first minor release of Keras it holds for."""


def _versions(flavour: Flavour, minor: Minor) -> Versions:
    number = f"{minor[0]}.{minor[1]}"
    if flavour == "keras3":
        beside = next(tensorflow for first, tensorflow in _BESIDE if minor[1] >= first or minor[0] > 3)
        return of_packages("", {"tensorflow": beside, "keras": number}, legacy=False)
    if flavour == "tf_keras":
        return of_packages("", {"tensorflow": number, "tf-keras": number}, legacy=True)
    return of_packages("", {"tensorflow": number, "keras": number if minor < (2, 16) else "3.0"}, legacy=False)


def _unreadable(bytecode: Bytecode, flavour: Flavour, versions: Versions) -> list[Finding]:
    """The finding that no Python of a release can so much as read the functions in the file."""
    minor = tuple(int(part) for part in (versions.tensorflow or "0.0").split(".")[:2])
    here = set(release((minor[0], minor[1])).pythons)
    if minor < (2, 12):  # what ran on 3.7 and older as well, which the gate does not
        here |= set(ALIKE[1])
    if not bytecode.pythons or any(here & set(alike) and set(bytecode.pythons) & set(alike) for alike in ALIKE):
        return []
    message = f"no Python that {NAMES[flavour]} runs on there reads its functions, which are code of {bytecode.label}"
    return [cause("lambda-python-version").finding(message, where=", ".join(bytecode.places))]


def _general(finding: Finding, flavour: Flavour, versions: Versions) -> Finding:
    """The finding without the number of one release, and without what is told of the artifact elsewhere."""
    label = f"TensorFlow {versions.tensorflow}" if flavour == "tensorflow" else versions.label
    message = re.sub(r"; saved with (Keras|TensorFlow) \S+$", "", finding.message)
    return replace(finding, message=re.sub(rf"{re.escape(label)}(?!\.?\d)", NAMES[flavour], message))


def _joined(group: Sequence[Outlook]) -> Outlook:
    """Neighbours with the same answer as one; of each cause the message that says the most."""
    findings: dict[str, Finding] = {}
    for one in reversed(group):
        for finding in one.findings:
            if len(finding.message) > len(findings.setdefault(finding.cause, finding).message):
                findings[finding.cause] = finding
    releases = tuple(number for one in group for number in one.releases)
    return replace(group[0], releases=releases, findings=tuple(findings.values()))
