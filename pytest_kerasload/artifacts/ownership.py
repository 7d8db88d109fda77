"""Whether a serialised object is Keras' own, or has to be brought along by who loads it."""

from __future__ import annotations

from typing import Any

from pytest_kerasload.artifacts.builtins import is_builtin
from pytest_kerasload.artifacts.layers import Config, config_of

_OWN_ROOTS = frozenset({"keras", "tf_keras", "keras_core", "tensorflow"})
"""Packages in which a loader finds an object by its ``module`` alone (``keras_hub``, ``keras_nlp`` are not here)."""

_KINDS: dict[str, tuple[str, ...]] = {
    "layer": ("layer", "model"),
    "model": ("layer", "model"),
    # An activation can be a layer, a loss a metric's function and the other way round.
    "activation": ("activation", "function", "layer", "operation"),
    "loss": ("loss", "metric", "function"),
    "metric": ("metric", "loss", "function"),
    "initializer": ("initializer", "function"),
    "regularizer": ("regularizer", "function"),
    "constraint": ("constraint", "function"),
}
"""Which kinds a place takes; any other kind takes itself, and ``function`` and ``object`` take all."""

_COMPILE_WORDS = frozenset({"accuracy", "acc", "crossentropy", "ce"})
"""Words that compile() resolves by the shape of the output (keras/engine/compile_utils.py, get_metric)."""

_KERAS_1 = frozenset({"Merge", "Graph", "Highway", "MaxoutDense", "TimeDistributedDense", "ParametricSoftplus"})
"""Classes of Keras 1 that were gone before the releases whose names are measured."""


def is_custom(entry: Config, kind: str) -> bool:
    """Whether no Keras release brings the class or function of a serialised object along."""
    name = entry["class_name"]
    if "module" not in entry and "registered_name" not in entry:
        return not is_operation(entry) and _is_custom_name(name, kind)
    module = entry.get("module")
    registered = entry.get("registered_name")
    if name == "function":
        function = entry.get("config")
        if not isinstance(function, str) or not (module is None or module == "builtins"):
            return not _is_own_module(module)
        return ">" in function or not is_builtin_of(function, "function")
    if isinstance(registered, str) and ">" in registered:
        return _is_custom_name(registered, kind)
    return module != "builtins" and not _is_own_module(module)


def is_operation(entry: Config) -> bool:
    """Whether a layer's entry in HDF5 is an operation of Keras 3 (``x[:, 0]``: GetItem): their names are plain words.

    Layers write ``trainable``, operations do not, so a custom layer of Keras 2 named Split or Cast is told apart.
    """
    name = entry["class_name"]
    return "trainable" not in config_of(entry) and is_builtin(name, "operation") and not is_builtin(name, "layer")


def resolved_name(entry: Config) -> str:
    """What has to be resolved: ``acme>Gate``, ``Gate``, or the name of a function."""
    registered = entry.get("registered_name")
    if entry["class_name"] == "function":
        function = entry.get("config")
        if not isinstance(function, str):
            return "function"
        return registered if isinstance(registered, str) and registered.endswith(f">{function}") else function
    if isinstance(registered, str) and ">" in registered:
        return registered
    return str(entry["class_name"])


def is_builtin_of(name: str, kind: str) -> bool:
    """Whether Keras brings ``name`` along for a place that takes ``kind``."""
    if kind in ("metric", "loss") and name in _COMPILE_WORDS:
        return True
    if kind in ("function", "object"):
        return is_builtin(name)
    return any(is_builtin(name, one) for one in _KINDS.get(kind, (kind,)))


def _is_custom_name(name: str, kind: str) -> bool:
    return not (is_builtin_of(name, kind) or name in _KERAS_1)


def _is_own_module(module: Any) -> bool:
    return isinstance(module, str) and module.partition(".")[0] in _OWN_ROOTS
