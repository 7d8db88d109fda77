"""What the static marks of causes are made of: the release that is to load, and one place that shows a cause."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from packaging.version import Version

from pytest_kerasload.artifacts.layers import is_model, joined, layer_name, layers_of
from pytest_kerasload.artifacts.record import Artifact, ConfigObject
from pytest_kerasload.environments.versions import Versions


@dataclass(frozen=True)
class Loader:
    """The release that is to load an artifact."""

    versions: Versions
    release: str
    """The version by which the table of built-in names is asked."""

    @property
    def keras(self) -> tuple[int, int]:
        version = Version(self.release)
        return version.major, version.minor

    @property
    def tensorflow(self) -> tuple[int, int]:
        version = Version(self.versions.tensorflow or "0")
        return version.major, version.minor

    @property
    def keras3(self) -> bool:
        return self.versions.keras3

    @property
    def label(self) -> str:
        return self.versions.label


@dataclass(frozen=True)
class Mark:
    """One place that shows a cause. ``message`` may say ``{loader}``; marks with the same code and message are one."""

    code: str
    message: str
    place: str = ""


Rule = Callable[[Artifact, Loader], Iterator[Mark]]


def built_in(artifact: Artifact, *names: str) -> Iterator[tuple[ConfigObject, Mapping[str, Any]]]:
    """Every object of these classes of Keras' own, with its configuration."""
    for use in artifact.objects:
        if use.class_name in names and not use.custom and isinstance(use.config, Mapping):
            yield use, use.config


def is_legacy(use: ConfigObject) -> bool:
    """Whether the object is written as Keras 2 writes HDF5: without the module of its class.

    Keras 3 then takes another way through ``keras/src/legacy/saving``.
    """
    return use.module is None


def release_number(written: str | None) -> Version | None:
    """The version that an artifact tells (``2.2.4-tf``), None where it tells none that can be compared."""
    try:
        return Version((written or "").split("-")[0])
    except ValueError:  # InvalidVersion, or a number of thousands of digits
        return None


def from_keras2(artifact: Artifact) -> bool:
    """Whether Keras 2, or tf_keras, wrote the artifact, as far as it tells."""
    saved = release_number(artifact.saved_with.keras)
    return saved.major < 3 if saved is not None else artifact.weights.style in ("h5-keras2", "keras-2.13")


def models(entry: Any, place: str = "") -> Iterator[tuple[Mapping[str, Any], str]]:
    """Every model in a configuration, the outermost first, with its place."""
    waiting = [(entry, place)]
    while waiting:
        one, where = waiting.pop()
        if is_model(one):
            yield one, where
            for layer in reversed(layers_of(one)):
                name = layer_name(layer)
                waiting.append((layer, joined(where, name)))
