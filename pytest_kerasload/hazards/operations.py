"""Layers of Keras 2 that are made from a TensorFlow function: ``TFOpLambda``, ``ClassMethod``, ``TensorFlowOpLayer``.

What they name is called while a functional model is rebuilt (keras/layers/core/tf_op_layer.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.message import DecodeError

from pytest_kerasload.artifacts.layers import config_of
from pytest_kerasload.causes import safety
from pytest_kerasload.hazards.documents import nodes, parsed
from pytest_kerasload.hazards.hazard import Hazard
from pytest_kerasload.hazards.messages import message
from pytest_kerasload.hazards.policy import is_tensor_function, op_hazard, opens_file, table


def hazards(class_name: str, layer: Mapping[str, Any], place: str) -> Iterator[Hazard]:
    """The hazards of a layer of one of these classes; nothing for any other."""
    config = config_of(layer)
    if class_name in ("TFOpLambda", "SlicingOpLambda"):
        symbol = config.get("function")
        if isinstance(symbol, str):
            if not is_tensor_function(symbol):
                yield Hazard(safety.OPERATION_LAYER, place, f"calls tf.{symbol}")
            yield from _arguments(layer, symbol, place)
    elif class_name == "ClassMethod":
        symbol = config.get("cls_symbol")
        if isinstance(symbol, str) and symbol.removeprefix("compat.v1.") not in table("tensor_classes"):
            yield Hazard(safety.OPERATION_LAYER, place, f"calls tf.{symbol}.{config.get('method_name')}")
    elif class_name == "TensorFlowOpLayer":
        op = _op_of(config.get("node_def"))
        found = op_hazard(op)
        if found is not None:
            yield Hazard(safety.OPERATION_LAYER, place, f"op {op}: {found[1]}")


def _arguments(layer: Mapping[str, Any], symbol: str, place: str) -> Iterator[Hazard]:
    """Arguments that are given by keyword, in the calls of the layer."""
    for node in nodes(layer.get("inbound_nodes")):
        for key, value in node.value.items():
            if isinstance(value, str) and opens_file(key, value):
                yield Hazard(safety.OPERATION_LAYER, place, f"calls tf.{symbol} with {key}={value!r}")


def _op_of(node_def: Any) -> str:
    """The op of a NodeDef: as JSON, or serialised and kept as text (TensorFlow 1.15 and 2.0)."""
    if isinstance(node_def, str) and node_def.lstrip().startswith("{"):
        node_def = parsed(node_def)[0]
    if isinstance(node_def, Mapping):
        return str(node_def.get("op", ""))
    node = message("NodeDef")
    try:
        node.ParseFromString(str(node_def).encode())
    except (DecodeError, RuntimeError, ValueError):
        return ""
    return str(node.op)
