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
    """Calls of nested models: Keras 2 counts the call with which one was made, Keras 3 does not."""
    for entry in draft.entries():
        if not is_functional(entry):
            continue
        nested = {layer_name(layer) for layer in layers_of(entry) if _made_by_a_call(layer, draft.loader.keras3)}
        refs = [ref for layer in layers_of(entry) for ref in _references(layer.get("inbound_nodes"))]
        for key in ("input_layers", "output_layers"):
            refs += _references(entry["config"].get(key))
        for name in sorted(nested):
            mine = [ref for ref in refs if ref[0] == name]
            first = min((ref[1] for ref in mine), default=0)
            if mine and (first > 0 if draft.loader.keras3 else first == 0):
                for ref in mine:
                    ref[1] += -1 if draft.loader.keras3 else 1
                yield Change(f"count the calls of {{}} from {0 if draft.loader.keras3 else 1}", name, name)


def _made_by_a_call(layer: Any, keras3: bool) -> bool:
    """Whether a layer is a model with calls to count.

    Of a Sequential, Keras 2 counts the first one where it begins with an InputLayer (keras/engine/functional.py,
    _should_skip_first_node).
    """
    inner = layers_of(layer) if is_model(layer) else []
    return is_model(layer) if keras3 else bool(inner) and class_name(inner[0]) == "InputLayer"


def _called(draft: Draft) -> Iterator[tuple[Any, list[Any], frozenset[str]]]:
    """Every layer of a functional model, its calls, and the names of the layers there that are no models."""
    for entry in draft.entries():
        if not is_functional(entry):
            continue
        layers = layers_of(entry)
        names = frozenset(layer_name(layer) for layer in layers if not is_model(layer))
        for layer in layers:
            nodes = layer.get("inbound_nodes")
            if isinstance(nodes, list):
                yield layer, nodes, names


def _tensor_arguments(draft: Draft) -> Iterator[Change]:
    """Tensors that are keyword arguments of a call: Keras 3 finds them only where a call is written as it writes it."""
    for layer, nodes, names in _called(draft) if draft.loader.keras3 else ():
        for place, node in enumerate(nodes):
            new = _new_node(node, names)
            if new is not None:
                nodes[place] = new
                yield Change("write the calls of {} as Keras 3 does", class_name(layer), layer_name(layer))


def _new_node(node: Any, names: frozenset[str]) -> dict[str, Any] | None:
    """A call with tensors among its keyword arguments in the words of Keras 3; None for any other."""
    if not isinstance(node, list) or not all(isinstance(one, list) and len(one) == 4 for one in node) or not node:
        return None
    kwargs = node[0][3]
    tensors = [_tensor(one[:3], names) for one in node]
    if not isinstance(kwargs, dict) or any(tensor is None for tensor in tensors):
        return None
    if not any(_tensor(value, names) for value in kwargs.values()):
        return None
    given = {key: _tensor(value, names) or value for key, value in kwargs.items()}
    return {"args": [tensors if len(tensors) > 1 else tensors[0]], "kwargs": given}


def _tensor(value: Any, names: frozenset[str]) -> dict[str, Any] | None:
    """A reference to what a layer answered as Keras 3 writes it; its shape and dtype are not read from there."""
    if not isinstance(value, list) or len(value) != 3 or not isinstance(value[0], str) or value[0] not in names:
        return None
    history = {"shape": [None], "dtype": "float32", "keras_history": value}
    return {"class_name": "__keras_tensor__", "config": history}


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
    for layer, nodes, _ in _called(draft) if not draft.loader.keras3 else ():
        if not any(isinstance(node, dict) for node in nodes):
            continue
        old = [_old_node(node, class_name(layer) or "") for node in nodes]
        if all(node is not None for node in old):
            nodes[:] = old
            yield Change("write the {} as Keras 2 does", "calls of layers")


_POSITIONAL = {"MultiHeadAttention": ("value", "key")}
"""Names of what a layer takes by position behind its first input; Keras 2 keeps all but that one by name."""


def _old_node(node: Any, class_name: str) -> list[Any] | None:
    """One call in the words of Keras 2; None where it has none for it."""
    if not isinstance(node, dict):
        return None
    args, kwargs = node.get("args"), node.get("kwargs") or {}
    if not isinstance(args, list) or not args or not isinstance(kwargs, dict):
        return None
    names = _POSITIONAL.get(class_name, ())
    if len(args) > 1 + len(names):
        return None
    tensors = args[0] if isinstance(args[0], list) else [args[0]]
    histories = [_history(tensor) for tensor in tensors]
    given = {key: value for key, value in (*zip(names, args[1:], strict=False), *kwargs.items()) if value is not None}
    # A mask that is empty is computed along the way there, and not given.
    told = {key: _told(value) for key, value in given.items() if not _is_mask(value)}
    if not histories or any(one is None for one in (*histories, *told.values())):
        return None
    return [[*one, dict(told)] for one in histories if one is not None]


def _told(value: Any) -> Any:
    """An argument of a call as Keras 2 keeps it: a tensor by the call that it came of; None for what it cannot keep."""
    if isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, list) and value:
        histories = [_history(one) for one in value]
        return None if any(one is None for one in histories) else histories
    return _history(value)


def _history(tensor: Any) -> list[Any] | None:
    if not isinstance(tensor, dict) or tensor.get("class_name") != "__keras_tensor__":
        return None
    config = tensor.get("config")
    history = config.get("keras_history") if isinstance(config, dict) else None
    return list(history) if isinstance(history, list) and len(history) == 3 else None


def _is_mask(value: Any) -> bool:
    """Whether a value is an empty mask."""
    return isinstance(value, list) and all(item is None for item in value)


RULES: tuple[Rule, ...] = (_sequential_inputs, _tensor_arguments, _unwrapped, _nodes, _nested_calls)
