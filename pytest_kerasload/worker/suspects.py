"""What in a loaded model's own classes is known to come back otherwise than it was saved."""

from __future__ import annotations

import inspect
from typing import Any, Dict, Iterator, List, Tuple

_KERAS = ("keras", "tf_keras", "tensorflow")
_BASE = frozenset({"self", "name", "dtype", "trainable", "activity_regularizer", "autocast", "dynamic"})
"""What the base class of layers keeps by itself, or what does not matter to predictions."""

_DEEPEST = 8
"""Of containers in containers: one may hold itself."""


def _own(cls: Any) -> bool:
    """Whether a class is the user's, not one that Keras brings."""
    return str(getattr(cls, "__module__", "")).split(".")[0] not in _KERAS


def nested_containers(runtime: Any, model: Any) -> List[Dict[str, str]]:
    """Attributes of the user's layers that keep sublayers in lists or dicts inside of lists or dicts.

    Until Keras 3.15 the weights of such layers are not written into a ``.keras`` file: keras/src/saving/saving_lib.py,
    _save_container_state, passes over what is in a container and is a container itself.
    """
    skipped = set(dir(runtime.keras.layers.Layer()))
    found = []
    for layer in _owned(model):
        # What a functional model keeps of its graph, and Keras of what it tracks, is theirs and not the user's.
        theirs = ("_self_", "_") if hasattr(layer, "predict") else ("_self_", "_output_coordinates")
        for name, value in sorted(vars(layer).items()):
            if name not in skipped and not name.startswith(theirs) and _nests(value):
                found.append({"layer": str(layer.name), "class": type(layer).__name__, "attribute": name})
    return found


def _nests(value: Any) -> bool:
    """Whether layers with weights are in containers of a container."""
    return any(_is_container(child) and _weighs(child) for child in _children(value))


def _owned(model: Any) -> Iterator[Any]:
    """The model and its layers, as far as their classes are the user's."""
    flat = getattr(model, "_flatten_layers", None)
    for layer in flat(include_self=True, recursive=True) if flat is not None else [model]:
        if _own(type(layer)):
            yield layer


def _is_container(value: Any) -> bool:
    return isinstance(value, (list, tuple, dict, set))


def _children(value: Any) -> List[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if _is_container(value) else []


def _weighs(value: Any, depth: int = 0) -> bool:
    """Whether a layer with weights is somewhere in there."""
    if _is_container(value):
        return depth < _DEEPEST and any(_weighs(child, depth + 1) for child in _children(value))
    try:
        return bool(hasattr(value, "get_config") and len(value.weights))
    except Exception:  # the user's own property may raise anything; a layer that was never built does
        return False


def forgotten_arguments(cls: Any, config: Dict[str, Any]) -> List[Tuple[str, str]]:
    """Arguments with a default that a saved configuration does not hold, with that default as text.

    The object comes back with the default, whatever it was made with. Nothing is said of a class with a
    ``from_config`` of its own, nor of one whose arguments cannot be told.
    """
    if not inspect.isclass(cls) or not _own(cls) or _own_from_config(cls):
        return []
    try:
        parameters = inspect.signature(cls.__init__).parameters.values()
    except (TypeError, ValueError):
        return []
    return [
        (one.name, repr(one.default)[:60])
        for one in parameters
        if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
        and one.default is not one.empty
        and one.name not in _BASE
        and one.name not in config
    ]


def _own_from_config(cls: Any) -> bool:
    return any("from_config" in vars(base) and _own(base) for base in cls.__mro__)
