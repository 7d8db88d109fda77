"""Which remedies make sense where: it depends on who wrote the artifact and on who is to load it.

"Run with tf_keras" is the remedy for a file of Keras 2 on Keras 3; where tf_keras is what runs, and the file is of
Keras 3, it is nonsense. Causes that lie in both directions hold the remedies of both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from packaging.version import Version

from pytest_kerasload.causes import remedies as do

if TYPE_CHECKING:
    from pytest_kerasload.artifacts.record import Artifact
    from pytest_kerasload.environments.versions import Versions

Direction = Literal["2 on 3", "3 on 2", "newer", "older", "same"]
"""Who wrote the artifact, as the loader sees it: Keras 2 (or tf_keras) seen by Keras 3, Keras 3 seen by Keras 2 (or
tf_keras), or a newer, an older or the same release on its own side."""

KERAS3 = "load it with Keras 3 (TensorFlow 2.16 or later, without TF_USE_LEGACY_KERAS)"

_EVERY: frozenset[Direction] = frozenset({"2 on 3", "3 on 2", "newer", "older", "same"})


@dataclass(frozen=True)
class _Where:
    directions: frozenset[Direction] = _EVERY
    keras3: bool | None = None
    """Whether the loader has to be Keras 3; None where that does not matter."""


_WHERE: Mapping[str, _Where] = {
    do.LEGACY_KERAS: _Where(frozenset({"2 on 3"})),
    do.SAVE_AGAIN_OLD: _Where(frozenset({"2 on 3"})),
    KERAS3: _Where(frozenset({"3 on 2"})),
    do.NEWER_LOADER: _Where(frozenset({"3 on 2", "newer"})),
    do.SAVE_FOR_OLDEST: _Where(frozenset({"3 on 2", "newer"})),
    do.SAME_RELEASE: _Where(_EVERY - {"same"}),
    do.TFSM_LAYER: _Where(keras3=True),
}
"""What is not here makes sense everywhere."""


def fitting(actions: Sequence[str], versions: Versions, artifact: Artifact | None) -> tuple[str, ...]:
    """Those remedies that make sense for an artifact on a loader, as far as the artifact tells who wrote it.

    Where none does, the release that saved it is what is left.
    """
    possible = _directions(versions, artifact)
    fit = tuple(action for action in actions if _fits(_WHERE.get(action, _Where()), versions, possible))
    return fit or (do.SAME_RELEASE,)


def _fits(where: _Where, versions: Versions, possible: frozenset[Direction]) -> bool:
    return where.keras3 in (None, versions.keras3) and bool(where.directions & possible)


def _directions(versions: Versions, artifact: Artifact | None) -> frozenset[Direction]:
    """The direction that an artifact is loaded in; those that are possible where it does not tell."""
    foreign: Direction = "2 on 3" if versions.keras3 else "3 on 2"
    writer = _writer(artifact)
    if writer is None:
        return frozenset({foreign, "newer", "older", "same"})
    if isinstance(writer, str):
        return frozenset({foreign}) if (writer == "3") != versions.keras3 else frozenset({"newer", "older", "same"})
    if (writer.major >= 3) != versions.keras3:
        return frozenset({foreign})
    if writer == versions.keras_version:
        return frozenset({"same"})
    return frozenset({"newer" if writer > versions.keras_version else "older"})


def _writer(artifact: Artifact | None) -> Version | Literal["2", "3"] | None:
    """The Keras that wrote the artifact, or its side where only that shows."""
    if artifact is None:
        return None
    try:
        return Version((artifact.saved_with.keras or "").split("-")[0])
    except ValueError:  # InvalidVersion, or a number of thousands of digits
        pass
    if artifact.keras_metadata or artifact.weights.style in ("h5-keras2", "keras-2.13"):
        return "2"
    return "3" if artifact.weights.style == "h5-keras3" else None
