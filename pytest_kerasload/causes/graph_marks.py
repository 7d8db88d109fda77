"""Static marks in how the layers of a model are put together and where their weights are stored."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from packaging.version import Version

from pytest_kerasload.artifacts.layers import class_name, config_of, is_functional, is_model, layer_name, layers_of
from pytest_kerasload.artifacts.record import Artifact
from pytest_kerasload.causes.loader import Loader, Mark, Rule, models, release_number
from pytest_kerasload.causes.ranks import input_ranks


def _graphs(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    """Functional models of Keras 2 in HDF5, whose nodes are lists."""
    if not loader.keras3:
        return
    for entry, place in models(artifact.config):
        if not is_functional(entry):
            continue
        layers = layers_of(entry)
        names = frozenset(layer_name(layer) for layer in layers)
        nested = {layer_name(layer) for layer in layers if is_model(layer)}
        first = _first_calls(layers)
        for layer in layers:
            where = f"{place}/{layer_name(layer)}" if place else layer_name(layer)
            for call in _references(layer):
                # Counted from 0, as a repaired file has them, Keras 3 finds every call.
                if call[0] in nested and first[call[0]] > 0:
                    yield Mark(
                        "nested-model-used-twice",
                        f"{{loader}} does not find call {call[1]} of the nested model {call[0]}",
                        where,
                    )
                arguments = call[3] if len(call) > 3 else None
                if isinstance(arguments, Mapping) and any(_refers(value, names) for value in arguments.values()):
                    yield Mark(
                        "keras2-call-arguments",
                        "{loader} gives a tensor that is a keyword argument of the call as its name",
                        where,
                    )


def _references(layer: Mapping[str, Any]) -> Iterator[list[Any]]:
    """What a layer is called with, as Keras 2 writes it: ``[layer, node, tensor, arguments]``."""
    nodes = layer.get("inbound_nodes")
    for node in nodes if isinstance(nodes, list) else []:
        for call in node if isinstance(node, list) else []:
            if isinstance(call, list) and len(call) >= 3 and isinstance(call[0], str) and isinstance(call[1], int):
                yield call


def _first_calls(layers: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """The smallest call of each layer that another one takes the output of."""
    found: dict[str, int] = {}
    for layer in layers:
        for call in _references(layer):
            found[call[0]] = min(call[1], found.get(call[0], call[1]))
    return found


def _refers(value: Any, names: frozenset[str]) -> bool:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            if len(one) >= 3 and isinstance(one[0], str) and one[0] in names and isinstance(one[1], int):
                return True
            waiting.extend(one)
    return False


def _sequential_shapes(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    if not loader.keras3 or artifact.format != "h5":
        return
    for entry, place in models(artifact.config):
        layers = layers_of(entry)
        if class_name(entry) != "Sequential" or not layers or "module" in layers[0]:
            continue
        shape = config_of(layers[0]).get("batch_input_shape")
        if class_name(layers[0]) != "InputLayer" and shape is not None:
            where = f"{place}/{layer_name(layers[0])}" if place else layer_name(layers[0])
            yield Mark(
                "keras2-sequential-input-shape",
                f"{{loader}} takes batch_input_shape {shape} for a shape without the batch, and adds it again",
                where,
            )


_ONE_AXIS = frozenset({"BatchNormalization", "SyncBatchNormalization"})


def _axes(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    if not loader.keras3:
        return
    for entry, place in models(artifact.config):
        ranks = input_ranks(entry)
        for layer in layers_of(entry):
            config, name = config_of(layer), layer_name(layer)
            if "axis" not in config:
                continue
            axis, owner = config["axis"], class_name(layer)
            where = f"{place}/{name}" if place else name
            if layer.get("module") is not None:
                if owner in _ONE_AXIS and isinstance(axis, list):
                    yield Mark(
                        "keras2-axis-list", f"{{loader}} takes one number as the axis of {owner}, not {axis}", where
                    )
            elif _drops(axis, owner, ranks.get(name), loader):
                yield Mark("h5-axis-dropped", f"{{loader}} takes -1 for the axis of {owner}, which is {axis}", where)


def _drops(axis: Any, owner: str, rank: int | None, loader: Loader) -> bool:
    """Whether ``model_from_config`` takes the axis out, so that the layer has its default, -1, and that is another one.

    keras/src/legacy/saving/saving_utils.py: before 3.9 a number is dropped, and lists of several axes and None always
    are. Seen on Keras 3.3, 3.8, 3.10 and 3.15: no message, other predictions.
    """
    if isinstance(axis, list):
        return len(axis) != 1
    if axis is None:
        return owner == "Normalization"
    if not isinstance(axis, int) or loader.keras >= (3, 9) or axis == -1:
        return False
    return axis < 0 or (rank is not None and axis != rank - 1)


def _unwrapped_io(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    if not loader.keras3 or loader.keras >= (3, 4):
        return
    for entry, place in models(artifact.config):
        for key in ("input_layers", "output_layers"):
            value = config_of(entry).get(key)
            if not isinstance(value, list) or not value:
                continue
            nested = any(isinstance(one, list) and one and not isinstance(one[0], str) for one in value)
            if isinstance(value[0], str) or nested:
                yield Mark("keras3-unwrapped-inputs", f"{{loader}} expects a list of tensors in {key}", place)


def _weights_layout(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    weights = artifact.weights
    if artifact.format != "keras" or not weights.tensors:
        return
    if weights.style == "keras" and not loader.keras3 and loader.keras < (2, 14):
        saved = release_number(artifact.saved_with.keras)
        newer = saved is not None and saved >= Version("2.14")
        # Weights of a custom model are found by both, or not, as its attributes are named.
        custom = artifact.objects[0].custom if artifact.objects else True
        if newer and not custom and any(group.startswith("layers/") for group in weights.layers):
            yield Mark("keras213-weights-layout", "{loader} does not find the weights where newer releases put them")
    if weights.style != "keras-2.13":
        return
    if not loader.keras3 and loader.keras >= (2, 14):
        yield Mark("keras213-weights-layout", "{loader} does not find the weights where Keras 2.13 and older put them")
    if loader.keras3:
        for group in weights.layers:
            # The second layer of a class is dense_2 there, and Keras 3 looks for dense_1.
            if re.fullmatch(r"_layer_checkpoint_dependencies/[a-z0-9_]+?_\d+", group):
                yield Mark("keras213-weights-layout", "{loader} does not find the weights of every layer", group)


GRAPH_RULES: tuple[Rule, ...] = (_graphs, _sequential_shapes, _axes, _unwrapped_io, _weights_layout)
