"""From the text that a loader raised to the cause in the catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pytest_kerasload.artifacts.record import Artifact
from pytest_kerasload.causes import custom_objects, environment, resource, roundtrip, training
from pytest_kerasload.causes.catalogue import FILE, SAFETY, VERSION, cause
from pytest_kerasload.causes.cause import Cause
from pytest_kerasload.causes.matching import by_signature, shows
from pytest_kerasload.causes.refusals import refused_call, refused_object, rejected_key, unknown_class
from pytest_kerasload.causes.told_apart import by_artifact
from pytest_kerasload.environments.versions import Versions

_INNER = "Exception encountered:"
"""Keras 3 puts this before the reason, behind what it was doing: the last one is the reason."""


_DUMPED = re.compile(r"Full object config: .*?(?=\n\n|$)|\bconfig=\{.*?(?=\n\n|$)", re.DOTALL)
"""Whole configurations in a text: what is in them says nothing about what went wrong."""


def explain(text: str, versions: Versions, artifact: Artifact | None) -> Cause:
    """The cause that a loader's text shows; ``unknown-load-error`` where it shows none.

    The text behind the last ``Exception encountered:`` is asked first, then the whole text. What it says about a
    class is told apart by whether the class is Keras' own, and whether this release has it.
    """
    found = understood(text, versions, artifact)
    if found is not None:
        return found
    if artifact is not None and artifact.format == "savedmodel":
        # Without Keras metadata the loader of Keras 2 stops at an index (list index (0) out of range), or says so.
        return cause("savedmodel-not-revived" if artifact.keras_metadata else "savedmodel-without-keras")
    return cause("unknown-load-error")


def understood(text: str, versions: Versions, artifact: Artifact | None) -> Cause | None:
    """The cause that a text shows, whatever a loader or a model was asked; None where it shows none."""
    old_name = _old_function_name(text, versions)
    if old_name is not None:
        return old_name
    for part in dict.fromkeys((text.rpartition(_INNER)[2], text)):
        for found in _candidates(_DUMPED.sub("", part).strip(), versions, artifact):
            if found is not None:
                return found
    return None


def _old_function_name(text: str, versions: Versions) -> Cause | None:
    entry = cause("custom-function-old-name")
    affected = versions.keras3 and versions.keras_version.release[:2] in ((3, 7), (3, 8))
    return entry if affected and shows(text, entry) else None


def _candidates(text: str, versions: Versions, artifact: Artifact | None) -> Iterator[Cause | None]:
    yield by_artifact(text, versions, artifact)
    yield by_signature(text, environment, resource)
    yield refused_call(text, versions, artifact)
    yield rejected_key(text, artifact)
    yield by_signature(text, training, *VERSION)
    yield unknown_class(text, versions, artifact)
    yield refused_object(text, artifact)
    yield by_signature(text, custom_objects, *SAFETY, *FILE, roundtrip)
