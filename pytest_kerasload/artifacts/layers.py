"""The shape of a model's configuration: its layers, and how the layers of a functional model are joined.

Every function takes whatever stands in a file and gives back something empty where it makes no sense.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Config = Mapping[str, Any]


@dataclass(frozen=True)
class TensorRef:
    """One output tensor of one call of a layer; ``shape`` is given by Keras 3 only."""

    layer: str
    node: int
    tensor: int
    shape: tuple[int | None, ...] | None = None


def is_object(value: Any) -> bool:
    """Whether this is an object as Keras serialises it; both Keras 2 and 3 ask for these two keys."""
    return isinstance(value, Mapping) and isinstance(value.get("class_name"), str) and "config" in value


def class_name(entry: Config) -> str:
    """The class name as written, without the package it was registered under."""
    return str(entry.get("class_name", "")).rpartition(">")[2]


def config_of(entry: Any) -> Config:
    """The configuration of a serialised object; empty where it is none (a function's is its name)."""
    config = entry.get("config") if isinstance(entry, Mapping) else None
    return config if isinstance(config, Mapping) else {}


def layers_of(entry: Any) -> list[Config]:
    """The serialised layers of a model, in order; those of Keras up to 2.2.2 have a Sequential's config as a list."""
    config = entry.get("config") if isinstance(entry, Mapping) else None
    layers = config.get("layers") if isinstance(config, Mapping) else config
    return [layer for layer in layers if is_object(layer)] if isinstance(layers, list) else []


def is_model(entry: Any) -> bool:
    """Whether a serialised object is a model with layers in its configuration."""
    config = entry.get("config") if isinstance(entry, Mapping) else None
    if isinstance(config, list):
        return bool(layers_of(entry))
    return (
        isinstance(config, Mapping)
        and isinstance(config.get("layers"), list)
        and ("input_layers" in config or class_name(entry) in ("Sequential", "Functional", "Model", "Graph"))
    )


def is_functional(entry: Any) -> bool:
    """Whether a model's layers are joined by inbound nodes."""
    return is_model(entry) and "input_layers" in config_of(entry)


def layer_name(layer: Config) -> str:
    """The name a layer has in its model: of the entry in a functional model, else of its configuration."""
    name = layer.get("name") or config_of(layer).get("name")
    return name if isinstance(name, str) else ""


def calls(layer: Config, known: frozenset[str]) -> list[list[TensorRef]]:
    """The tensors each call of a functional layer takes, out of its ``inbound_nodes`` in any release's form."""
    nodes = layer.get("inbound_nodes")
    return [list(_refs(node, known, 0)) for node in nodes] if isinstance(nodes, list) else []


def _refs(value: Any, known: frozenset[str], depth: int) -> Iterator[TensorRef]:
    """Keras 3: ``__keras_tensor__`` in ``args`` and ``kwargs``. Keras 2: ``[layer, node, tensor, kwargs]``, nested."""
    if depth > 64:
        return
    if isinstance(value, Mapping):
        if value.get("class_name") == "__keras_tensor__":
            config = config_of(value)
            ref = _ref(config.get("keras_history"), known)
            if ref is not None:
                yield TensorRef(ref.layer, ref.node, ref.tensor, shape_of(config.get("shape")))
            return
        for item in value.values():
            yield from _refs(item, known, depth + 1)
    elif isinstance(value, list):
        ref = _ref(value, known)
        if ref is not None:
            yield ref
            value = value[3:]
        for item in value:
            if isinstance(item, (list, Mapping)):
                yield from _refs(item, known, depth + 1)


def _ref(value: Any, known: frozenset[str]) -> TensorRef | None:
    if not isinstance(value, list) or len(value) < 3 or not all(isinstance(number, int) for number in value[1:3]):
        return None
    return TensorRef(value[0], value[1], value[2]) if isinstance(value[0], str) and value[0] in known else None


def endpoints(value: Any, known: frozenset[str], depth: int = 0) -> list[tuple[str, TensorRef]]:
    """The tensors of ``input_layers`` or ``output_layers``, each with its key where these are a dict, else ``""``.

    Keras 3.11 and later write a single one without the list around it; dicts are in the order of their sorted keys,
    as tree.flatten and tf.nest.flatten have them.
    """
    if depth > 64 or is_object(value):
        return []
    if isinstance(value, Mapping):
        return [(str(key), ref) for key in sorted(value, key=str) for _, ref in endpoints(value[key], known, depth + 1)]
    ref = _ref(value, known)
    if ref is not None:
        return [("", ref)]
    if not isinstance(value, list):
        return []
    return [found for item in value for found in endpoints(item, known, depth + 1)]


def joined(place: str, name: Any) -> str:
    """A place one step further inside: ``encoder/lstm_1``. Of one that nobody would read, the end."""
    found = f"{place}/{name}" if place else str(name)
    return found if len(found) <= _LONGEST else f"…{found[1 - _LONGEST :]}"


_LONGEST = 500
"""Places are kept for every object; a key of a megabyte above thousands of them must not be kept as often."""


def product(sizes: Iterable[int]) -> int:
    """How many elements sizes make, as far as it matters: beyond any machine it may be less than it is.

    The exact product of the hundred thousand sizes that a file can hold takes minutes.
    """
    found = list(sizes)
    if 0 in found:
        return 0
    whole = 1
    for size in found:
        whole *= size
        if whole > _MOST_ELEMENTS:
            break
    return whole


_MOST_ELEMENTS = 1 << 80


def shape_of(value: Any) -> tuple[int | None, ...] | None:
    """A shape as JSON holds it; None for anything that is not one."""
    if not isinstance(value, (list, tuple)):
        return None
    if not all(size is None or (isinstance(size, int) and not isinstance(size, bool)) for size in value):
        return None
    if any(size is not None and size > _LARGEST for size in value):
        return None
    return tuple(None if size is None or size < 0 else size for size in value)


_LARGEST = 1 << 63
"""TensorFlow keeps sizes in 64 bits; JSON knows numbers of thousands of digits, which Python does not even print."""


def dtype_of(value: Any, default: str = "float32") -> str:
    """The dtype of an ``InputLayer``'s configuration: a name, or a policy (Keras 3.4 and later)."""
    if isinstance(value, Mapping):
        value = config_of(value).get("name")
    return value if isinstance(value, str) and value else default
