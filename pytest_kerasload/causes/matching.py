"""What signatures, keys and names of classes lead to: the pieces that texts are explained with."""

from __future__ import annotations

import re
from types import ModuleType

from pytest_kerasload.artifacts.builtins import is_builtin
from pytest_kerasload.artifacts.record import Artifact
from pytest_kerasload.causes import training
from pytest_kerasload.causes.catalogue import VERSION, entries
from pytest_kerasload.causes.cause import Cause
from pytest_kerasload.environments.versions import Versions

REJECTED = {
    "optimizer": "optimizer-config-rejected",
    "schedule": "optimizer-config-rejected",
    "loss": "loss-config-rejected",
    "metric": "metric-config-rejected",
}
"""The cause that a kind of object does not take a key; layers and all others have ``config-key-rejected``."""


def by_signature(text: str, *modules: ModuleType) -> Cause | None:
    """The first cause in these parts of the catalogue one of whose signatures is in the text."""
    for module in modules:
        for entry in entries(module):
            if shows(text, entry):
                return entry
    return None


def shows(text: str, entry: Cause) -> bool:
    """Whether one of a cause's signatures is in the text."""
    text = _ends(text)
    return any(re.search(signature, text, re.DOTALL) for signature in entry.signatures)


def _ends(text: str) -> str:
    """Both ends of a text that is longer than complaints are: in between there is a configuration that it shows.

    Some signatures take time quadratic in the text, and what is in it was chosen by who made the artifact.
    """
    return text if len(text) <= 2 * _END else f"{text[:_END]} {text[-_END:]}"


_END = 20_000
_LONGEST_NAME = 200


def of_rejected_key(name: str, key: str, kind: str) -> str:
    """The code of the cause that a class of Keras' own does not take a configuration key."""
    name, key = name[:_LONGEST_NAME], key[:_LONGEST_NAME]
    known = by_signature(f"Unrecognized keyword arguments passed to {name}: {{'{key}': None}}", training, *VERSION)
    return known.code if known is not None else REJECTED.get(kind, "config-key-rejected")


def of_unknown_class(name: str) -> str:
    """The code of the cause that a release does not have a class of Keras' own."""
    if name == "Orthogonal":
        return "keras3-orthogonal"
    known = by_signature(f"Unknown layer: '{name[:_LONGEST_NAME]}'", *VERSION)
    if known is not None:
        return known.code
    return "optimizer-not-in-this-keras" if is_optimizer(name) else "class-not-in-this-keras"


def is_optimizer(name: str) -> bool:
    """Whether a class of Keras' own is an optimizer, by its name alone."""
    return is_builtin(name, "optimizer") and not is_builtin(name, "layer")


def is_custom(name: str, artifact: Artifact | None) -> bool:
    """Whether the artifact has a class or function of its own by that name."""
    bare = name.rpartition(">")[2]
    return artifact is not None and any(
        use.custom and bare in (use.class_name, use.name.rpartition(">")[2]) for use in artifact.objects
    )


def match(patterns: tuple[str, ...], text: str, group: str) -> str | None:
    """What ``group`` holds in the first pattern that is in the text."""
    text = _ends(text)
    for pattern in patterns:
        found = re.search(pattern, text, re.DOTALL)
        if found:
            return found[group]
    return None


def release_of(versions: Versions) -> str:
    """The version by which the table of built-in names is asked: that of TensorFlow where Keras was a part of it."""
    bundled = versions.flavour == "keras2" and versions.tensorflow is not None
    return (versions.tensorflow if bundled else versions.keras) or "0"
