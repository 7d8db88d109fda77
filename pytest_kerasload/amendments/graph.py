"""Changes of how a configuration joins the layers of its models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_kerasload.amendments.change import Change, Draft, Rule
from pytest_kerasload.artifacts.layers import class_name, is_functional, is_model, layer_name, layers_of


def _sequential_inputs(draft: Draft) -> Iterator[Change]:
    """A Sequential of Keras 2 without an InputLayer: its first layer's ``batch_input_shape`` becomes one."""
    if not draft.loader.keras3 or draft.artifact.format != "h5":
        return
    for entry in draft.entries():
        config = entry["config"]
        layers = config if isinstance(config, list) else config.get("layers") if isinstance(config, dict) else None
        if class_name(entry) != "Sequential" or not isinstance(layers, list) or not layers:
            continue
        first = layers[0]
        inner = first.get("config") if isinstance(first, dict) else None
        if not isinstance(inner, dict) or class_name(first) == "InputLayer" or "module" in first:
            continue
        shape = inner.pop("batch_input_shape", None)
        if not isinstance(shape, list):
            continue
        dtype = inner.get("dtype") if isinstance(inner.get("dtype"), str) else "float32"
        name = f"{inner.get('name', 'first')}_input"
        layers.insert(
            0, {"class_name": "InputLayer", "config": {"batch_shape": shape, "dtype": _plain(dtype), "name": name}}
        )
        yield Change("give the Sequential an InputLayer of shape {}", str(shape), str(inner.get("name", "")))


def _plain(dtype: Any) -> str:
    """The dtype of an input under a policy: mixed precision takes float32."""
    return "float32" if str(dtype).startswith("mixed") else str(dtype)


def _nested_calls(draft: Draft) -> Iterator[Change]:
    """Calls of nested models: Keras 2 counts the call with which it was made, Keras 3 does not."""
    if not draft.loader.keras3:
        return
    for entry in draft.entries():
        if not is_functional(entry):
            continue
        nested = {layer_name(layer) for layer in layers_of(entry) if is_model(layer)}
        refs = [ref for layer in layers_of(entry) for ref in _references(layer.get("inbound_nodes"))]
        for key in ("input_layers", "output_layers"):
            refs += _references(entry["config"].get(key))
        for name in sorted(nested):
            mine = [ref for ref in refs if ref[0] == name]
            if mine and min(ref[1] for ref in mine) > 0:
                for ref in mine:
                    ref[1] -= 1
                yield Change("count the calls of {} from 0", name, name)


def _references(value: Any) -> list[list[Any]]:
    """The ``[layer, call, tensor, ...]`` lists in a value, as they stand."""
    if not isinstance(value, list):
        return []
    if len(value) >= 3 and isinstance(value[0], str) and isinstance(value[1], int) and isinstance(value[2], int):
        return [value, *(ref for item in value[3:] for ref in _inside(item))]
    return [ref for item in value for ref in _references(item)]


def _inside(value: Any) -> list[list[Any]]:
    if isinstance(value, dict):
        return [ref for item in value.values() for ref in _references(item)]
    return _references(value)


def _unwrapped(draft: Draft) -> Iterator[Change]:
    """A single input or output without the list around it, as Keras 3.11 and later write it."""
    if draft.loader.keras3 and draft.loader.keras >= (3, 4):
        return
    for entry in draft.entries():
        config = entry["config"]
        for key in ("input_layers", "output_layers"):
            value = config.get(key) if isinstance(config, dict) else None
            if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str):
                config[key] = [value]
                yield Change("write {} as lists of tensors", key)


def _nodes(draft: Draft) -> Iterator[Change]:
    """Calls as Keras 3 writes them (args, kwargs), in the words of Keras 2 (layer, call, tensor, arguments)."""
    if draft.loader.keras3:
        return
    for entry in draft.entries():
        if not is_functional(entry):
            continue
        for layer in layers_of(entry):
            nodes = layer.get("inbound_nodes")
            if not isinstance(nodes, list) or not any(isinstance(node, dict) for node in nodes):
                continue
            old = [_old_node(node) for node in nodes]
            if all(node is not None for node in old):
                nodes[:] = old
                yield Change("write the {} as Keras 2 does", "calls of layers")


def _old_node(node: Any) -> list[Any] | None:
    """One call in the words of Keras 2; None where it has none for it (tensors among the keyword arguments)."""
    if not isinstance(node, dict):
        return None
    args, kwargs = node.get("args"), node.get("kwargs") or {}
    if not isinstance(args, list) or len(args) != 1 or not isinstance(kwargs, dict):
        return None
    tensors = args[0] if isinstance(args[0], list) else [args[0]]
    histories = [_history(tensor) for tensor in tensors]
    plain = {key: value for key, value in kwargs.items() if value is not None and _is_plain(value)}
    lost = [value for value in kwargs.values() if value is not None and not _is_plain(value)]
    # A mask is computed along the way there, and not given.
    if not histories or any(one is None for one in histories) or any(not _is_mask(value) for value in lost):
        return None
    return [[*one, dict(plain)] for one in histories if one is not None]


def _history(tensor: Any) -> list[Any] | None:
    if not isinstance(tensor, dict) or tensor.get("class_name") != "__keras_tensor__":
        return None
    config = tensor.get("config")
    history = config.get("keras_history") if isinstance(config, dict) else None
    return list(history) if isinstance(history, list) and len(history) == 3 else None


def _is_plain(value: Any) -> bool:
    return isinstance(value, (bool, int, float, str))


def _is_mask(value: Any) -> bool:
    """Whether a value is an empty mask."""
    return isinstance(value, list) and all(item is None for item in value)


RULES: tuple[Rule, ...] = (_sequential_inputs, _nested_calls, _unwrapped, _nodes)
