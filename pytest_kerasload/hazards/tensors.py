"""Tensors of a graph that are larger than a machine, and constants that are none."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from pytest_kerasload.artifacts.layers import product
from pytest_kerasload.artifacts.protos import DTYPES
from pytest_kerasload.causes import graph_safety
from pytest_kerasload.hazards.dataflow import attributes
from pytest_kerasload.hazards.hazard import Hazard, size, unfolds
from pytest_kerasload.hazards.sources import Sources

_LARGEST = 1 << 33
"""Elements of one tensor, made in a graph, that no machine is expected to hold."""

_RANK = 254
"""More dimensions than this no tensor has (tensorflow/core/framework/tensor_shape.h)."""

_SIZES = {
    **dict.fromkeys(("uint8", "int8", "bool", "qint8", "quint8", "float8_e5m2", "float8_e4m3fn"), 1),
    **dict.fromkeys(("int16", "uint16", "bfloat16", "float16", "qint16", "quint16"), 2),
    **dict.fromkeys(("float64", "int64", "uint64", "complex64", "resource", "variant"), 8),
    "complex128": 16,
    "string": 24,
}

_SHAPED = {
    "Fill": 0,
    "Empty": 0,
    "BroadcastTo": 1,
    "Tile": 1,
    **dict.fromkeys(("RandomUniform", "RandomUniformInt", "RandomStandardNormal", "TruncatedNormal"), 0),
    **dict.fromkeys(("ParameterizedTruncatedNormal", "RandomPoissonV2", "RandomGamma"), 0),
    **dict.fromkeys(("OneHot", "Range"), 1),
    "LinSpace": 2,
    **{
        f"Stateless{name}{version}": 0
        for name in ("RandomUniform", "RandomNormal", "TruncatedNormal", "RandomUniformInt", "RandomUniformFullInt")
        for version in ("", "V2")
    },
}
"""Ops that make a tensor of any shape, with the input that holds it: its dimensions, or one of them."""


SIZED_OPS = frozenset({"Const", *_SHAPED})
"""The ops that :func:`hazards` has something to say about."""


def item_size(dtype: int) -> int:
    """How many bytes one element of a dtype takes in memory."""
    return _SIZES.get(DTYPES[dtype % 100], 4) if dtype % 100 < len(DTYPES) else 4


def elements(shape: Any) -> int:
    """How many elements a tensor of this shape has; 0 where it is not known."""
    return 0 if shape.unknown_rank else product(max(dim.size, 0) for dim in shape.dim)


def strings(tensor: Any) -> list[bytes]:
    """The strings of a constant; coded ones, which TensorFlow reads too, as one string."""
    return [*tensor.string_val, *([tensor.tensor_content] if tensor.tensor_content else [])]


def integers(tensor: Any) -> list[int]:
    """The numbers of a constant of int32 or int64."""
    if tensor.tensor_content:
        kind = "q" if item_size(tensor.dtype) == 8 else "i"
        count = min(len(tensor.tensor_content) // struct.calcsize(f"<{kind}"), _RANK)
        return list(struct.unpack_from(f"<{count}{kind}", tensor.tensor_content))
    values = list(tensor.int_val) or list(tensor.int64_val)
    # A value that is repeated to the end is stored once.
    return values + values[-1:] * (min(elements(tensor.tensor_shape), _RANK) - len(values))


def hazards(sources: Sources, scope: str, node: Any, place: str) -> Iterator[Hazard]:
    """What is wrong with the size of what this node makes."""
    if node.op == "Const":
        values = attributes(node)
        if "value" not in values or "dtype" not in values:
            yield Hazard(graph_safety.GRAPH_MALFORMED, place, "a constant without a value or a dtype", fails=False)
            return
        tensor = values["value"].tensor
        if any(dim.size < 0 for dim in tensor.tensor_shape.dim):
            yield Hazard(graph_safety.GRAPH_MALFORMED, place, "a constant with a negative dimension", fails=False)
        declared, stored = elements(tensor.tensor_shape) * item_size(tensor.dtype), 0
        # Equal values are stored once: only what is large in memory is worth a look.
        if unfolds(declared, stored) and unfolds(declared, stored := tensor.ByteSize()):
            yield Hazard(graph_safety.GRAPH_BOMB, place, f"a constant of {size(declared)}, stored in {size(stored)}")
    elif node.op in _SHAPED and len(node.input) > _SHAPED[node.op]:
        for source in sources.of(scope, node.input[_SHAPED[node.op]]):
            numbers = integers(source.tensor)[:_RANK] if source.kind == "constant" else []
            if numbers and product(numbers) >= _LARGEST:
                text = " x ".join(f"{number:,}" for number in numbers)
                yield Hazard(graph_safety.GRAPH_BOMB, place, f"{node.op} makes a tensor of {text}")
