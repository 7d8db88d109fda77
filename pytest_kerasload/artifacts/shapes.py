"""Shapes of a model's outputs, worked out from its configuration for the layers whose arithmetic is simple.

Keras 3 writes down the shape of every tensor that a layer takes, but of no output; Keras 2 writes neither. What is
not known here gives None and is left to the loaded model.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from pytest_kerasload.artifacts.layers import (
    Config,
    TensorRef,
    calls,
    class_name,
    config_of,
    dtype_of,
    endpoints,
    is_functional,
    is_model,
    layer_name,
    layers_of,
    shape_of,
)

Shape = tuple[int | None, ...]
MaybeShape = Shape | None
Memo = dict[tuple[int, tuple[MaybeShape, ...] | None], list[MaybeShape]]
"""What was worked out for each model and the shapes it was given: models can be called many times, in each other."""

_COMPUTE_DTYPES = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}

_SAME = frozenset(
    {
        *("Activation", "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianDropout"),
        *("GaussianNoise", "AlphaDropout", "ActivityRegularization", "Masking", "Identity", "BatchNormalization"),
        *("LayerNormalization", "GroupNormalization", "UnitNormalization", "Normalization", "Rescaling", "Softmax"),
        *("ReLU", "LeakyReLU", "PReLU", "ELU", "ThresholdedReLU", "BatchNormalizationV1", "RMSNormalization"),
        *("RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast", "RandomBrightness"),
    }
)
_MERGES = frozenset({"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"})
_RECURRENT = frozenset({"LSTM", "GRU", "SimpleRNN", "RNN", "CuDNNLSTM", "CuDNNGRU"})


def of_outputs(model: Config) -> list[tuple[MaybeShape, str]]:
    """Shape and dtype of each output of a model, in order; empty where it has no layers in its configuration."""
    shapes = _of_model(model, None, 0, {})
    ends = _output_layers(model)
    if len(shapes) != len(ends):
        shapes = [None] * len(ends)
    return [(shape, _dtype(layer)) for shape, layer in zip(shapes, ends, strict=True)]


def _dtype(layer: Config) -> str:
    while is_model(layer) and _output_layers(layer):
        layer = _output_layers(layer)[0]
    name = dtype_of(config_of(layer).get("dtype"))
    return _COMPUTE_DTYPES.get(name, name)


def _output_layers(model: Config) -> list[Config]:
    layers = layers_of(model)
    if not is_functional(model):
        return layers[-1:]
    named = {layer_name(layer): layer for layer in layers}
    return [named[ref.layer] for _, ref in endpoints(config_of(model).get("output_layers"), frozenset(named))]


def _of_model(model: Config, given: list[MaybeShape] | None, depth: int, memo: Memo) -> list[MaybeShape]:
    """The output shapes of a model; ``given`` are the shapes of its inputs, where it is called inside another."""
    if depth > 16:
        return []
    key = (id(model), None if given is None else tuple(given))
    if key not in memo:
        work_out = _of_functional if is_functional(model) else _of_chain
        memo[key] = work_out(model, given, depth, memo)
    return memo[key]


def _of_chain(model: Config, given: list[MaybeShape] | None, depth: int, memo: Memo) -> list[MaybeShape]:
    current = given
    for layer in layers_of(model):
        config = config_of(layer)
        if class_name(layer) == "InputLayer" or current is None:
            own = _own_shape(config)
            current = current or [own if own is not None else shape_of(config_of(model).get("build_input_shape"))]
        if class_name(layer) != "InputLayer":
            current = _of_layer(layer, current, depth, memo)
    return current or []


def _own_shape(config: Config) -> MaybeShape:
    shape = shape_of(config.get("batch_shape"))
    return shape if shape is not None else shape_of(config.get("batch_input_shape"))


def _of_functional(model: Config, given: list[MaybeShape] | None, depth: int, memo: Memo) -> list[MaybeShape]:
    layers = layers_of(model)
    known = frozenset(layer_name(layer) for layer in layers)
    starts = [ref.layer for _, ref in endpoints(config_of(model).get("input_layers"), known)]
    found: dict[str, list[list[MaybeShape]]] = {}
    for layer in layers:
        if class_name(layer) == "InputLayer":
            found[layer_name(layer)] = [[_own_shape(config_of(layer))]]
    for name, shape in zip(starts, given or [], strict=False):
        if shape is not None:
            found[name] = [[shape]]
    waiting = [(layer, calls(layer, known)) for layer in layers if class_name(layer) != "InputLayer"]
    while waiting:
        later = []
        for layer, layer_calls in waiting:
            if all(ref.layer in found for call in layer_calls for ref in call):
                found[layer_name(layer)] = [
                    _of_layer(layer, [_lookup(found, ref) for ref in call], depth, memo) for call in layer_calls
                ]
            else:
                later.append((layer, layer_calls))
        if len(later) == len(waiting):
            break
        waiting = later
    return [_lookup(found, ref) for _, ref in endpoints(config_of(model).get("output_layers"), known)]


def _lookup(found: dict[str, list[list[MaybeShape]]], ref: TensorRef) -> MaybeShape:
    """The shape of a tensor: as Keras 3 wrote it, else as worked out.

    Calls of a nested model are counted from 1 in Keras 2, where call 0 is the one that built it.
    """
    if ref.shape is not None:
        return ref.shape
    outputs = found.get(ref.layer) or [[]]
    call = outputs[ref.node] if 0 <= ref.node < len(outputs) else outputs[-1]
    return call[ref.tensor] if 0 <= ref.tensor < len(call) else None


def _of_layer(layer: Config, given: list[MaybeShape], depth: int, memo: Memo) -> list[MaybeShape]:
    if is_model(layer):
        return _of_model(layer, given, depth + 1, memo)
    name = class_name(layer)
    config = config_of(layer)
    if name in _MERGES or name == "Concatenate":
        return [_merged(name, config, given)]
    shape = given[0] if given else None
    if shape is None:
        # Of every layer of a .keras archive, unless it sits in another one.
        build = layer.get("build_config")
        shape = shape_of(build.get("input_shape")) if isinstance(build, dict) else None
        if shape is None:
            return [None]
    if name == "TimeDistributed" and isinstance(config.get("layer"), dict) and len(shape) > 2 and depth < 16:
        inner = _of_layer(config["layer"], [(shape[0], *shape[2:])], depth + 1, memo)
        return [None if one is None else (one[0], shape[1], *one[1:]) for one in inner]
    if name in _RECURRENT or name == "Bidirectional":
        return _recurrent(name, config, shape)
    try:
        return [_single(name, config, shape)]
    except (KeyError, IndexError, TypeError, ValueError, ZeroDivisionError):
        # A configuration that no layer would accept; that is for others to say.
        return [None]


def _single(name: str, config: Config, shape: Shape) -> MaybeShape:
    if name in _SAME:
        return shape
    rule = _RULES.get(name)
    if rule is not None:
        return rule(config, shape)
    for ending, window in _WINDOWS.items():
        if name.startswith(ending) and name.endswith(("1D", "2D", "3D")):
            return window(config, shape)
    return None


def _dense(config: Config, shape: Shape) -> Shape:
    return (*shape[:-1], int(config["units"]))


def _embedding(config: Config, shape: Shape) -> Shape:
    return (*shape, int(config["output_dim"]))


def _flatten(config: Config, shape: Shape) -> Shape:
    return (shape[0], _product(shape[1:]))


def _reshape(config: Config, shape: Shape) -> Shape:
    target = list(config["target_shape"])
    if -1 in target:
        whole = _product(shape[1:])
        rest = math.prod(size for size in target if size != -1)
        target[target.index(-1)] = None if whole is None else whole // rest
    return (shape[0], *target)


def _permute(config: Config, shape: Shape) -> Shape:
    return (shape[0], *(shape[axis] for axis in config["dims"]))


def _repeat(config: Config, shape: Shape) -> Shape:
    return (shape[0], int(config["n"]), *shape[1:])


def _product(sizes: Shape) -> int | None:
    return None if None in sizes else math.prod(size for size in sizes if size is not None)


_RULES: dict[str, Callable[[Config, Shape], MaybeShape]] = {
    "Dense": _dense,
    "Embedding": _embedding,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Permute": _permute,
    "RepeatVector": _repeat,
}


def _channels_first(config: Config) -> bool:
    return config.get("data_format") == "channels_first"


def _global_pooling(config: Config, shape: Shape) -> Shape:
    channels = shape[1] if _channels_first(config) else shape[-1]
    if not config.get("keepdims"):
        return (shape[0], channels)
    ones = (1,) * (len(shape) - 2)
    return (shape[0], channels, *ones) if _channels_first(config) else (shape[0], *ones, channels)


def _convolution(config: Config, shape: Shape) -> Shape:
    return _windowed(config, shape, config["kernel_size"], config.get("strides", 1), int(config["filters"]))


def _depthwise(config: Config, shape: Shape) -> Shape:
    channels = shape[1] if _channels_first(config) else shape[-1]
    whole = None if channels is None else channels * int(config.get("depth_multiplier", 1))
    return _windowed(config, shape, config["kernel_size"], config.get("strides", 1), whole)


def _transposed(config: Config, shape: Shape) -> MaybeShape:
    if config.get("padding") != "same" or config.get("output_padding") is not None:
        return None
    return _stretched(config, shape, config.get("strides", 1), int(config["filters"]))


def _upsampling(config: Config, shape: Shape) -> Shape:
    return _stretched(config, shape, config["size"], shape[1] if _channels_first(config) else shape[-1])


def _stretched(config: Config, shape: Shape, factors: Any, channels: int | None) -> Shape:
    spatial = shape[2:] if _channels_first(config) else shape[1:-1]
    found = [
        None if length is None else length * factor
        for length, factor in zip(spatial, _per_axis(factors, len(spatial)), strict=True)
    ]
    return (shape[0], channels, *found) if _channels_first(config) else (shape[0], *found, channels)


def _padding(config: Config, shape: Shape) -> Shape:
    spatial = shape[2:] if _channels_first(config) else shape[1:-1]
    padding = config["padding"]
    # Of one dimension: (before, after). Of more: a pair for each.
    pairs = [padding] if len(spatial) == 1 else padding
    found = [None if length is None else length + sum(pair) for length, pair in zip(spatial, pairs, strict=True)]
    ends = (shape[1],) if _channels_first(config) else (shape[-1],)
    return (shape[0], *ends, *found) if _channels_first(config) else (shape[0], *found, *ends)


def _pooling(config: Config, shape: Shape) -> Shape:
    size = config["pool_size"]
    channels = shape[1] if _channels_first(config) else shape[-1]
    return _windowed(config, shape, size, config.get("strides") or size, channels)


def _windowed(config: Config, shape: Shape, size: Any, strides: Any, channels: int | None) -> Shape:
    spatial = shape[2:] if _channels_first(config) else shape[1:-1]
    rank = len(spatial)
    padding = config.get("padding", "valid")
    if padding not in ("valid", "same", "causal"):
        raise ValueError(padding)
    found: list[int | None] = []
    dilations = _per_axis(config.get("dilation_rate", 1), rank)
    for length, window, stride, dilation in zip(
        spatial, _per_axis(size, rank), _per_axis(strides, rank), dilations, strict=True
    ):
        reach = 0 if padding != "valid" else (window - 1) * dilation
        found.append(None if length is None else -(-(length - reach) // stride))
    return (shape[0], channels, *found) if _channels_first(config) else (shape[0], *found, channels)


def _per_axis(value: Any, rank: int) -> list[int]:
    return [int(value)] * rank if isinstance(value, int) else [int(item) for item in value]


_WINDOWS: dict[str, Callable[[Config, Shape], MaybeShape]] = {
    "GlobalAveragePooling": _global_pooling,
    "GlobalMaxPooling": _global_pooling,
    "MaxPooling": _pooling,
    "AveragePooling": _pooling,
    "SeparableConv": _convolution,
    "DepthwiseConv": _depthwise,
    "UpSampling": _upsampling,
    "ZeroPadding": _padding,
}
_RULES |= {f"Conv{rank}D": _convolution for rank in (1, 2, 3)}
_RULES |= {f"Conv{rank}DTranspose": _transposed for rank in (1, 2, 3)}


def _merged(name: str, config: Config, given: list[MaybeShape]) -> MaybeShape:
    shapes = [shape for shape in given if shape is not None]
    if not shapes or len(shapes) != len(given) or len({len(shape) for shape in shapes}) != 1:
        return None
    if name != "Concatenate":
        return shapes[0] if all(shape == shapes[0] for shape in shapes) else None
    axis = config.get("axis", -1)
    rank = len(shapes[0])
    if not isinstance(axis, int) or not -rank <= axis < rank:
        return None
    whole = list(shapes[0])
    whole[axis] = None if any(s[axis] is None for s in shapes) else sum(s[axis] or 0 for s in shapes)
    return tuple(whole)


def _recurrent(name: str, config: Config, shape: Shape) -> list[MaybeShape]:
    factor = 1
    if name == "Bidirectional":
        merge = config.get("merge_mode")
        if merge not in ("concat", "sum", "mul", "ave"):
            return [None]
        factor = 2 if merge == "concat" else 1
        name = class_name(config["layer"]) if isinstance(config.get("layer"), dict) else ""
        config = config_of(config.get("layer"))
    if name == "RNN":
        cell = config.get("cell")
        cells = config_of(cell).get("cells")
        units = config_of(cells[-1] if isinstance(cells, list) and cells else cell).get("units")
    else:
        units = config.get("units") if name in _RECURRENT else None
    if not isinstance(units, int) or config.get("return_state") or len(shape) != 3:
        return [None]
    last = units * factor
    return [(shape[0], shape[1], last) if config.get("return_sequences") else (shape[0], last)]
