"""The arithmetic of shapes, layer by layer, for the layers where it is simple."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from pytest_kerasload.artifacts.layers import Config, class_name, config_of

Shape = tuple[int | None, ...]
MaybeShape = Shape | None

_SAME = frozenset(
    {
        *("Activation", "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianDropout"),
        *("GaussianNoise", "AlphaDropout", "ActivityRegularization", "Masking", "Identity", "BatchNormalization"),
        *("LayerNormalization", "GroupNormalization", "UnitNormalization", "Normalization", "Rescaling", "Softmax"),
        *("ReLU", "LeakyReLU", "PReLU", "ELU", "ThresholdedReLU", "BatchNormalizationV1", "RMSNormalization"),
        *("RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast", "RandomBrightness"),
    }
)
MERGES = frozenset({"Concatenate", "Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"})
RECURRENT = frozenset({"Bidirectional", "LSTM", "GRU", "SimpleRNN", "RNN", "CuDNNLSTM", "CuDNNGRU"})


def single(name: str, config: Config, shape: Shape) -> MaybeShape:
    """The output shape of a layer that takes one tensor; None for a layer whose arithmetic is not known."""
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
    return _at_ends(config, shape, config["padding"], 1)


def _cropping(config: Config, shape: Shape) -> Shape:
    return _at_ends(config, shape, config["cropping"], -1)


def _at_ends(config: Config, shape: Shape, sizes: Any, sign: int) -> Shape:
    """What is put to, or taken from, both ends of each dimension: (before, after); of several, a pair for each."""
    spatial = shape[2:] if _channels_first(config) else shape[1:-1]
    pairs = [sizes] if len(spatial) == 1 else sizes
    found = [None if length is None else length + sign * sum(pair) for length, pair in zip(spatial, pairs, strict=True)]
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
    "Cropping": _cropping,
}
_RULES |= {f"Conv{rank}D": _convolution for rank in (1, 2, 3)}
_RULES |= {f"Conv{rank}DTranspose": _transposed for rank in (1, 2, 3)}


def merged(name: str, config: Config, given: list[MaybeShape]) -> MaybeShape:
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


def recurrent(name: str, config: Config, shape: Shape) -> list[MaybeShape]:
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
        units = config.get("units") if name in RECURRENT else None
    if not isinstance(units, int) or config.get("return_state") or len(shape) != 3:
        return [None]
    last = units * factor
    return [(shape[0], shape[1], last) if config.get("return_sequences") else (shape[0], last)]
