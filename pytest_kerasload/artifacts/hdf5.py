"""Legacy HDF5 models and HDF5 weights: what stands in them, made into the record of an artifact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_kerasload.artifacts import json_text, specs
from pytest_kerasload.artifacts.configs import objects_in
from pytest_kerasload.artifacts.hdf5_contents import contents
from pytest_kerasload.artifacts.isolation import ChildGone, isolated
from pytest_kerasload.artifacts.layers import is_object
from pytest_kerasload.artifacts.record import Artifact, ConfigObject, SavedWith, Weights
from pytest_kerasload.artifacts.sniffing import hdf5_offset
from pytest_kerasload.causes import file as causes
from pytest_kerasload.findings import Finding, listed

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
    found, said = contents_of(path)
    if found is None:
        return Artifact(path, "unknown", readable=False, problems=(damage(path.name, said),))
    saved_with = SavedWith(keras=found["keras_version"], backend=found["backend"])
    weights = Weights(**found["weights"])
    if found["kind"] == "model":
        return _model(path, found, saved_with, weights)
    if found["kind"] == "weights":
        return _weights_only(path, found, saved_with, weights)
    held = ", ".join(found["members"][:_SHOWN]) or "nothing"
    problem = causes.NOT_A_KERAS_HDF5.finding(
        f"{path.name} is HDF5, and neither a Keras model (no model_config) nor Keras weights: it holds {held}"
    )
    return Artifact(path, "unknown", readable=False, problems=(problem,))


def contents_of(path: Path, member: str = "") -> tuple[dict[str, Any] | None, str]:
    """What ``hdf5_contents.contents`` says of a file, or of a member of an archive; or None, and why."""
    try:
        found: dict[str, Any] = isolated(contents, str(path), member)
    except ChildGone as gone:
        return None, f"the HDF5 library {gone}"
    return (None, f"the HDF5 library says {found['error']}") if "error" in found else (found, "")


def damage(what: str, said: str) -> Finding:
    """The finding for HDF5 that opens not, or only in part."""
    return causes.CORRUPT.finding(f"{what} is damaged: {said}")


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
    base = block[first : first + width]
    field = block[first + 2 * width : first + 3 * width]
    if width not in (2, 4, 8) or len(field) < width:
        return causes.TRUNCATED.finding(f"{path.name} ends within its HDF5 header, after {size} bytes")
    # Counted from the start of the file; a file that was put behind something (h5jam) still has its old addresses.
    end = int.from_bytes(field, "little") + start - int.from_bytes(base, "little")
    if size >= end:
        return None
    return causes.TRUNCATED.finding(f"{path.name} is cut off: it has {size} bytes, and its HDF5 header says {end}")


def _weights_only(path: Path, found: dict[str, Any], saved_with: SavedWith, weights: Weights) -> Artifact:
    made = f", saved with Keras {saved_with.keras}" if saved_with.keras else ""
    problems = [
        causes.WEIGHTS_ONLY.finding(
            f"{path.name} holds weights only ({weights.tensors} tensors, {weights.elements} elements{made}): "
            "there is no model configuration in it to build a model from"
        )
    ]
    if found["missing"]:
        problems.append(_incomplete(path, found["missing"]))
    if found["weights_error"]:
        problems.append(damage(path.name, f"the HDF5 library says {found['weights_error']}"))
    return Artifact(path, "weights", readable=False, problems=tuple(problems), saved_with=saved_with, weights=weights)


def _model(path: Path, found: dict[str, Any], saved_with: SavedWith, weights: Weights) -> Artifact:
    problems: list[Finding] = []
    config = _json(path, "model_config", found["model_config"], problems)
    training = None
    if found["training_config"] is not None:
        training = _json(path, "training_config", found["training_config"], problems)
    objects = objects_in(config, training)
    if found["weights_error"]:
        problems.append(damage(path.name, f"the HDF5 library says {found['weights_error']}"))
    elif found["missing"]:
        problems.append(_incomplete(path, found["missing"]))
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


def _json(path: Path, name: str, written: str, problems: list[Finding]) -> dict[str, Any] | None:
    """An attribute's JSON object; a model configuration has to be a serialised object besides."""
    try:
        found = json_text.loads(written)
    except (ValueError, RecursionError, json_text.TooLarge) as error:
        problems.append(
            causes.CONFIG_NOT_JSON.finding(
                f"{name} of {path.name} is not JSON ({first_line(error)}): it begins {written[:60]!r}", where=name
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


def _incomplete(path: Path, missing: list[str]) -> Finding:
    return causes.WEIGHTS_MISSING.finding(
        f"{path.name} lists weights that are not in it: {listed(missing, most=_SHOWN)}",
        where=missing[0],
        detail="\n".join(missing) if len(missing) > _SHOWN else "",
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
