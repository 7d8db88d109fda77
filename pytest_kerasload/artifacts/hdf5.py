"""Legacy HDF5 models and HDF5 weights, read without TensorFlow and without following links."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py

from pytest_kerasload.artifacts import specs
from pytest_kerasload.artifacts.configs import objects_in
from pytest_kerasload.artifacts.layers import is_object
from pytest_kerasload.artifacts.record import Artifact, ConfigObject, SavedWith, Weights
from pytest_kerasload.artifacts.sniffing import hdf5_offset
from pytest_kerasload.artifacts.weights import has_store, layered_weights, member, names, stored_weights, text
from pytest_kerasload.causes import file as causes
from pytest_kerasload.findings import Finding

ERRORS = (OSError, KeyError, ValueError, RuntimeError, TypeError, AttributeError, RecursionError, MemoryError)
"""What h5py raises on damaged files, depending on where the damage is."""

_SHOWN = 5
"""How many missing parts a message names."""

_WITH_WEIGHTS = frozenset(
    {
        *("Dense", "Embedding", "EinsumDense", "BatchNormalization", "PReLU", "MultiHeadAttention"),
        *("Conv1D", "Conv2D", "Conv3D", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose", "SeparableConv1D"),
        *("SeparableConv2D", "DepthwiseConv1D", "DepthwiseConv2D", "LocallyConnected1D", "LocallyConnected2D"),
        *("LSTM", "GRU", "SimpleRNN", "LSTMCell", "GRUCell", "SimpleRNNCell", "CuDNNLSTM", "CuDNNGRU"),
        *("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"),
    }
)
"""Keras' own layers that cannot be without weights once they are built."""


def read(path: Path) -> Artifact:
    """What an HDF5 file says of itself: a model (``h5``), weights (``weights``), or neither (``unknown``)."""
    cut = truncation(path)
    if cut is not None:
        return Artifact(path, "unknown", readable=False, problems=(cut,))
    try:
        with h5py.File(path, "r") as file:
            return _read(path, file)
    except ERRORS as error:
        return Artifact(path, "unknown", readable=False, problems=(damage(path.name, error),))


def damage(what: str, error: BaseException) -> Finding:
    """The finding for an HDF5 file that opens not, or only in part."""
    return causes.CORRUPT.finding(f"{what} is damaged: the HDF5 library says {first_line(error)}", detail=str(error))


def first_line(error: BaseException) -> str:
    """The first line of what an exception says, or its type where it says nothing."""
    lines = str(error).strip().strip("'\"").splitlines()
    return lines[0] if lines else type(error).__name__


def truncation(path: Path) -> Finding | None:
    """Whether the file ends before the end that its superblock names (HDF5 File Format Specification, II.A)."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = hdf5_offset(file)
        if start is None:
            return None
        file.seek(start)
        block = file.read(96)
    version = block[8] if len(block) > 8 else 255
    if version in (0, 1):
        width = block[13] if len(block) > 13 else 0
        first = 24 + 4 * version
    elif version in (2, 3):
        width = block[9] if len(block) > 9 else 0
        first = 12
    else:
        return None
    # Base address, address of free space or of the extension, end of file.
    field = block[first + 2 * width : first + 3 * width]
    if width not in (2, 4, 8) or len(field) < width:
        return causes.TRUNCATED.finding(f"{path.name} ends within its HDF5 header, after {size} bytes")
    end = int.from_bytes(field, "little") + start
    if size >= end:
        return None
    return causes.TRUNCATED.finding(f"{path.name} is cut off: it has {size} bytes, and its HDF5 header says {end}")


def _read(path: Path, file: h5py.File) -> Artifact:
    saved_with = _saved_with(file)
    if "model_config" in file.attrs:
        return _model(path, file, saved_with)
    if names(file, "layer_names") is not None:
        weights, missing = layered_weights(file)
        problems = (_incomplete(path, missing),) if missing else ()
        return _weights_only(path, weights, saved_with, problems)
    if has_store(file):
        return _weights_only(path, stored_weights(file), saved_with, ())
    held = ", ".join(list(file)[:_SHOWN]) or "nothing"
    problem = causes.NOT_A_KERAS_HDF5.finding(
        f"{path.name} is HDF5, and neither a Keras model (no model_config) nor Keras weights: it holds {held}"
    )
    return Artifact(path, "unknown", readable=False, problems=(problem,))


def _saved_with(file: h5py.File) -> SavedWith:
    """Root attributes, and those of ``model_weights``, which weights files and old models have alone."""
    group = member(file, "model_weights")
    places = [file.attrs] + ([group.attrs] if isinstance(group, h5py.Group) else [])
    found = {
        key: next((value for place in places if (value := text(place.get(key)))), None)
        for key in ("keras_version", "backend")
    }
    return SavedWith(keras=found["keras_version"], backend=found["backend"])


def _weights_only(path: Path, weights: Weights, saved_with: SavedWith, problems: tuple[Finding, ...]) -> Artifact:
    made = f", saved with Keras {saved_with.keras}" if saved_with.keras else ""
    finding = causes.WEIGHTS_ONLY.finding(
        f"{path.name} holds weights only ({weights.tensors} tensors, {weights.elements} elements{made}): "
        "there is no model configuration in it to build a model from"
    )
    return Artifact(
        path, "weights", readable=False, problems=(finding, *problems), saved_with=saved_with, weights=weights
    )


def _model(path: Path, file: h5py.File, saved_with: SavedWith) -> Artifact:
    problems: list[Finding] = []
    config = _json(path, "model_config", file.attrs["model_config"], problems)
    training = (
        _json(path, "training_config", file.attrs["training_config"], problems)
        if "training_config" in file.attrs
        else None
    )
    try:
        weights, missing = layered_weights(file)
    except ERRORS as error:
        weights, missing = Weights(None), ()
        problems.append(damage(path.name, error))
    objects = objects_in(config, training)
    if missing:
        problems.append(_incomplete(path, missing))
    elif weights.elements == 0:
        problems.extend(without_weights(path, objects))
    return Artifact(
        path,
        "h5",
        readable=config is not None,
        problems=tuple(problems),
        saved_with=saved_with,
        config=config,
        training_config=training,
        objects=objects,
        inputs=specs.inputs_of(config) if config is not None else (),
        outputs=specs.outputs_of(config) if config is not None else (),
        weights=weights,
    )


def _json(path: Path, name: str, value: Any, problems: list[Finding]) -> dict[str, Any] | None:
    """An attribute's JSON object; a model configuration has to be a serialised object besides."""
    written = text(value)
    try:
        found = json.loads(written or "")
    except (ValueError, RecursionError) as error:
        shown = (written or repr(value))[:60]
        problems.append(
            causes.CONFIG_NOT_JSON.finding(
                f"{name} of {path.name} is not JSON ({first_line(error)}): it begins {shown!r}", where=name
            )
        )
        return None
    if not isinstance(found, dict) or (name == "model_config" and not is_object(found)):
        if not (name == "training_config" and found is None):
            problems.append(
                causes.CONFIG_NOT_JSON.finding(
                    f"{name} of {path.name} is JSON, but no configuration with class_name and config", where=name
                )
            )
        return None
    return found


def _incomplete(path: Path, missing: tuple[str, ...]) -> Finding:
    more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    return causes.WEIGHTS_MISSING.finding(
        f"{path.name} lists weights that are not in it: {', '.join(missing[:_SHOWN])}{more}",
        where=missing[0],
        detail="\n".join(missing) if more else "",
    )


def without_weights(path: Path, objects: tuple[ConfigObject, ...]) -> tuple[Finding, ...]:
    """The finding for a file without a single weight, if a layer in its configuration has to have some."""
    layers = [
        item for item in objects if item.section == "model" and item.kind == "layer" and item.name in _WITH_WEIGHTS
    ]
    if not layers:
        return ()
    return (
        causes.UNBUILT.finding(
            f"{path.name} has no weights, and its {layers[0].name} layer {layers[0].place} needs some: "
            "a loaded model starts with random ones",
            where=layers[0].place,
        ),
    )
