"""How many dimensions the tensors of a model have, as far as its configuration tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_kerasload.artifacts.layers import calls, class_name, config_of, is_functional, layer_name, layers_of

_SAME = frozenset(
    {
        *("Activation", "ActivityRegularization", "Add", "AlphaDropout", "Average", "AveragePooling1D"),
        *("AveragePooling2D", "AveragePooling3D", "BatchNormalization", "CenterCrop", "Concatenate", "Conv1D"),
        *("Conv1DTranspose", "Conv2D", "Conv2DTranspose", "Conv3D", "Conv3DTranspose", "Cropping1D", "Cropping2D"),
        *("Cropping3D", "Dense", "DepthwiseConv1D", "DepthwiseConv2D", "Dropout", "ELU", "GaussianDropout"),
        *("GaussianNoise", "GroupNormalization", "LayerNormalization", "LeakyReLU", "Masking", "MaxPooling1D"),
        *("MaxPooling2D", "MaxPooling3D", "Maximum", "Minimum", "Multiply", "Normalization", "PReLU", "Permute"),
        *("ReLU", "Rescaling", "Resizing", "SeparableConv1D", "SeparableConv2D", "Softmax", "SpatialDropout1D"),
        *("SpatialDropout2D", "SpatialDropout3D", "Subtract", "ThresholdedReLU", "UnitNormalization"),
        *("UpSampling1D", "UpSampling2D", "UpSampling3D", "ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D"),
    }
)
_RECURRENT = frozenset({"LSTM", "GRU", "SimpleRNN", "RNN", "CuDNNLSTM", "CuDNNGRU"})


def input_ranks(model: Mapping[str, Any]) -> dict[str, int]:
    """The rank of what each layer of a model takes, by the layer's name; layers of which it is not known are left out.

    The rank has the batch in it: 4 for a batch of images.
    """
    taken: dict[str, int] = {}
    given: dict[str, int] = {}
    layers = layers_of(model)
    known = frozenset(layer_name(layer) for layer in layers)
    previous: int | None = None
    for layer in layers:
        name = layer_name(layer)
        if is_functional(model):
            refs = [ref for call in calls(layer, known) for ref in call][:1]
            rank = len(refs[0].shape) if refs and refs[0].shape else given.get(refs[0].layer) if refs else None
        else:
            rank = previous
        if rank is not None:
            taken[name] = rank
        previous = _output(layer, rank)
        if previous is not None:
            given[name] = previous
    return taken


def _output(layer: Mapping[str, Any], rank: int | None) -> int | None:
    """The rank of what a layer gives, None where it is not known."""
    name, config = class_name(layer), config_of(layer)
    for key in ("batch_shape", "batch_input_shape"):
        if rank is None and isinstance(config.get(key), list):
            rank = len(config[key])
    if name == "InputLayer" or name in _SAME:
        return rank
    if name == "Flatten":
        return 2
    if name == "RepeatVector":
        return 3
    if name == "Reshape" and isinstance(config.get("target_shape"), list):
        return 1 + len(config["target_shape"])
    if name == "Embedding" and rank is not None:
        return rank + 1
    if name in _RECURRENT:
        return 3 if config.get("return_sequences") else 2
    if name.startswith("Global") and "Pooling" in name:
        return rank if config.get("keepdims") else 2
    return None
