"""The record of what an artifact says of itself, read once and without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pytest_kerasload.artifacts.stamp import Stamp
from pytest_kerasload.findings import Finding

Format = Literal["h5", "keras", "savedmodel", "weights", "unknown"]


@dataclass(frozen=True)
class TensorSpec:
    """One input or output: ``shape`` has the batch first, None where a dimension is free; None when unknown.

    ``bound`` is the exclusive upper bound of values that index something (an Embedding's ``input_dim``);
    ``vocabulary`` holds words that the model knows, for string inputs.
    """

    name: str
    shape: tuple[int | None, ...] | None
    dtype: str
    bound: int | None = None
    vocabulary: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "shape": None if self.shape is None else list(self.shape), "dtype": self.dtype}


@dataclass(frozen=True)
class SavedWith:
    """The releases that wrote the artifact, as far as it tells."""

    tensorflow: str | None = None
    keras: str | None = None
    backend: str | None = None
    date: str | None = None


@dataclass(frozen=True)
class ConfigObject:
    """One serialised object, found anywhere in the configurations of an artifact.

    ``name`` is what has to be resolved: a class name, or a function's name; ``class_name`` and
    ``registered_name`` are as written. ``place`` is where it is used, in the user's words:
    ``encoder/lstm_1``, ``encoder/lstm_1/cell``, ``compile/loss``, ``compile/optimizer/learning_rate``.
    ``custom`` is true when no Keras release brings it along.
    """

    name: str
    kind: str
    place: str
    section: Literal["model", "training"]
    class_name: str
    module: str | None = None
    registered_name: str | None = None
    config: Any = None
    custom: bool = False
    inbound: tuple[str, ...] = ()
    """Names of the layers that feed this one, for layers of a functional model."""


@dataclass(frozen=True)
class Signature:
    """One signature of a SavedModel: its endpoint name, inputs and outputs by argument name."""

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    method: str = ""


@dataclass(frozen=True)
class Weights:
    """The weights stored in a file: number of elements and tensors, without optimizer, metric and seed state.

    ``elements`` is None where it cannot be told without TensorFlow. ``style`` says which store it is:
    ``h5-keras2`` (names end in ``:0``), ``h5-keras3``, ``keras``, ``keras-2.13`` (``_layer_checkpoint_dependencies``),
    ``npz``, ``checkpoint``.
    """

    elements: int | None = None
    tensors: int = 0
    style: str = ""
    layers: Mapping[str, int] = field(default_factory=dict)
    """Elements by layer name (HDF5) or group path (.keras)."""
    optimizer_tensors: int = 0
    unadapted: tuple[str, ...] = ()
    """Names of Normalization layers in HDF5 that hold a mean of 0 and a variance of 1: they do nothing."""


@dataclass(frozen=True)
class Artifact:
    """What one artifact says of itself.

    ``problems`` are findings of the ``file`` check: reading never raises for a bad file, it records.
    ``readable`` is false when nothing further can be asked of the artifact (then ``problems`` is not empty).
    """

    path: Path
    format: Format
    bytes: int = 0
    sha256: str = ""
    readable: bool = True
    problems: tuple[Finding, ...] = ()
    saved_with: SavedWith = field(default_factory=SavedWith)
    config: Mapping[str, Any] | None = None
    """The model's configuration: ``class_name`` and ``config``, as stored."""
    training_config: Mapping[str, Any] | None = None
    objects: tuple[ConfigObject, ...] = ()
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    signatures: tuple[Signature, ...] = ()
    weights: Weights = field(default_factory=Weights)
    keras_metadata: bool = False
    """A SavedModel that Keras wrote with what it takes to bring the Keras model back."""
    ops: frozenset[str] = frozenset()
    """Names of the ops in a SavedModel's graphs and function library."""
    stamp: Stamp = ()
    """What the file system said of its files before they were read."""
    computes_in: frozenset[str] = frozenset()
    """Floating types that ops of a SavedModel compute in, however its inputs and outputs are stored."""

    @property
    def custom_objects(self) -> dict[str, tuple[ConfigObject, ...]]:
        """Custom objects by the name to resolve, each with every use, in order of first use."""
        found: dict[str, list[ConfigObject]] = {}
        for item in self.objects:
            if item.custom:
                found.setdefault(item.name, []).append(item)
        return {name: tuple(uses) for name, uses in found.items()}
