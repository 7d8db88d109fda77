"""Every object in a model's configuration and its training configuration, found by one walk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pytest_kerasload.artifacts.layers import (
    Config,
    calls,
    class_name,
    config_of,
    is_model,
    is_object,
    joined,
    layer_name,
)
from pytest_kerasload.artifacts.ownership import is_builtin_of, is_custom, is_operation, resolved_name
from pytest_kerasload.artifacts.record import ConfigObject

Section = Literal["model", "training"]

_DEEPEST = 100
"""How deep the walk follows objects in objects; real models stay below 20."""

_SLOTS = {
    "layer": "layer",
    "layers": "layer",
    "forward_layer": "layer",
    "backward_layer": "layer",
    "cell": "layer",
    "cells": "layer",
    "activation": "activation",
    "inner_activation": "activation",
    "init": "initializer",
    "inner_init": "initializer",
    "dtype": "policy",
    "optimizer": "optimizer",
    "inner_optimizer": "optimizer",
    "learning_rate": "schedule",
    "loss": "loss",
    "metrics": "metric",
    "weighted_metrics": "metric",
    "fn": "function",
    "function": "function",
}
_SLOT_ENDINGS = ("activation", "initializer", "regularizer", "constraint")

_NAMED_KINDS = frozenset({"activation", "initializer", "regularizer", "constraint"})
"""Places in which a bare string is a name to be resolved, for Keras' own layers."""

_FUNCTION_WRAPPERS = frozenset({"MeanMetricWrapper", "SumOverBatchSizeMetricWrapper", "LossFunctionWrapper"})

_MODULE_KINDS = {
    "layers": "layer",
    "models": "model",
    "ops": "operation",
    "initializers": "initializer",
    "regularizers": "regularizer",
    "constraints": "constraint",
    "activations": "activation",
    "losses": "loss",
    "metrics": "metric",
    "schedules": "schedule",
    "optimizers": "optimizer",
    "dtype_policies": "policy",
    "mixed_precision": "policy",
}

_UNREAD_KEYS = frozenset({"name", "class_name", "vocabulary", "input_layers", "output_layers", "registered_name"})


def objects_in(config: Config | None, training: Config | None) -> tuple[ConfigObject, ...]:
    """Every object of the model's configuration, in order, then every one of its training configuration.

    Strings count as objects only where Keras itself resolves a string: activations, initializers, regularizers and
    constraints of its own layers, and losses, metrics and the optimizer given to compile(). A custom layer may keep
    any string of its own under such a key, so there only built-in names are taken.
    """
    walk = _Walk()
    if config is not None and is_object(config):
        walk.object(config, "model", str(config_of(config).get("name") or class_name(config)), "", "model", 0)
    if training is not None:
        walk.training(training, "compile", 0)
    return tuple(walk.found)


def object_at(entry: Config, kind: str, place: str, section: Section = "model") -> tuple[ConfigObject, ...]:
    """One serialised object that stands for itself at ``place``, and every object in it."""
    walk = _Walk()
    walk.object(entry, kind, place, place, section, 0)
    return tuple(walk.found)


class _Walk:
    def __init__(self) -> None:
        self.found: list[ConfigObject] = []

    def object(
        self,
        entry: Config,
        slot_kind: str,
        place: str,
        prefix: str,
        section: Section,
        depth: int,
        inbound: tuple[str, ...] = (),
    ) -> None:
        """One serialised object at ``place``; what is inside it has its place below ``prefix``."""
        name = entry["class_name"]
        if depth > _DEEPEST:
            return
        if name.startswith("__") and name.endswith("__"):
            # Tensors, arrays, slices, marshalled lambdas: data, not objects to resolve.
            return
        kind = _kind(entry, slot_kind)
        custom = is_custom(entry, kind)
        if entry.get("module") != "builtins" or name == "function":
            self.found.append(
                ConfigObject(
                    name=resolved_name(entry),
                    kind=kind,
                    place=place,
                    section=section,
                    class_name=name,
                    module=_text(entry.get("module")),
                    registered_name=_text(entry.get("registered_name")),
                    config=entry.get("config"),
                    custom=custom,
                    inbound=inbound,
                )
            )
        config = entry.get("config")
        if isinstance(config, list):
            config = {"layers": config} if is_model(entry) else {"items": config}
        if isinstance(config, Mapping):
            if class_name(entry) == "Lambda":
                self._lambda(config, place, section)
            self._config(config, name, custom, prefix, section, depth + 1)
        if isinstance(entry.get("inbound_nodes"), list):
            self._value(entry["inbound_nodes"], "", "call", joined(prefix, "call"), section, custom, depth + 1)
        if prefix and isinstance(entry.get("compile_config"), Mapping):
            self.training(entry["compile_config"], joined(prefix, "compile"), depth + 1)

    def _config(self, config: Config, owner: str, custom: bool, prefix: str, section: Section, depth: int) -> None:
        layers = config.get("layers")
        if isinstance(layers, list):
            known = frozenset(layer_name(layer) for layer in layers if is_object(layer))
            for layer in layers:
                if is_object(layer):
                    place = joined(prefix, layer_name(layer) or class_name(layer))
                    fed = [ref.layer for call in calls(layer, known) for ref in call]
                    self.object(layer, "layer", place, place, section, depth, tuple(dict.fromkeys(fed)))
        for key, value in config.items():
            if key in _UNREAD_KEYS or (key == "layers" and isinstance(layers, list)):
                continue
            if key == "fn" and owner not in _FUNCTION_WRAPPERS:
                continue
            self._value(value, owner, key, joined(prefix, key), section, custom, depth)

    def _value(self, value: Any, owner: str, slot: str, place: str, section: Section, custom: bool, depth: int) -> None:
        if depth > _DEEPEST:
            return
        kind = _slot_kind(slot)
        if isinstance(value, str):
            if kind in _NAMED_KINDS or (slot == "fn" and owner in _FUNCTION_WRAPPERS):
                self._name(value, kind, place, section, custom)
        elif isinstance(value, list):
            for item in value:
                name = config_of(item).get("name") if is_object(item) else None
                at = joined(place, name) if isinstance(name, str) and kind == "layer" else place
                self._value(item, owner, slot, at, section, custom, depth + 1)
        elif isinstance(value, Mapping):
            if is_object(value):
                self.object(value, kind, place, place, section, depth + 1)
            else:
                for key, item in value.items():
                    if key not in _UNREAD_KEYS:
                        # The keys of a plain dict say nothing about what Keras makes of its strings.
                        self._value(item, "", str(key), joined(place, key), section, True, depth + 1)

    def _name(self, name: str, kind: str, place: str, section: Section, owner_is_custom: bool) -> None:
        own = is_builtin_of(name, kind)
        if own or not owner_is_custom:
            self.found.append(ConfigObject(name, kind, place, section, name, custom=not own))

    def _lambda(self, config: Config, place: str, section: Section) -> None:
        """The named functions of a Keras 2 ``Lambda``: looked up among the custom objects, whatever their module.

        keras/layers/core/lambda_layer.py, Lambda._parse_function_from_config.
        """
        for key in ("function", "mask", "output_shape"):
            name = config.get(key)
            if config.get(f"{key}_type") == "function" and isinstance(name, str):
                module = _text(config.get("module" if key == "function" else f"{key}_module"))
                self.found.append(
                    ConfigObject(name, "function", joined(place, key), section, "function", module, custom=True)
                )

    def training(self, config: Config, prefix: str, depth: int) -> None:
        """What compile() was given: of ``training_config`` in HDF5, of ``compile_config`` in a .keras archive."""
        for key, value in config.items():
            slot = "optimizer" if key == "optimizer_config" else key
            if slot in ("optimizer", "loss", "metrics", "weighted_metrics"):
                self._compiled(value, slot, joined(prefix, slot), depth + 1)
            elif isinstance(value, (Mapping, list)) and slot != "loss_weights":
                self._value(value, "", slot, joined(prefix, slot), "training", True, depth + 1)

    def _compiled(self, value: Any, slot: str, place: str, depth: int) -> None:
        kind = _SLOTS[slot]
        if depth > _DEEPEST:
            return
        if isinstance(value, str):
            self._name(value, kind, place, "training", False)
        elif isinstance(value, list):
            for item in value:
                self._compiled(item, slot, place, depth + 1)
        elif isinstance(value, Mapping):
            if is_object(value):
                self.object(value, kind, place, place, "training", depth + 1)
            else:
                for key, item in value.items():
                    self._compiled(item, slot, joined(place, key), depth + 1)


def _kind(entry: Config, slot_kind: str) -> str:
    """What an object is: by its module, else by where it stands, else by what its configuration looks like."""
    if slot_kind == "model" or is_model(entry):
        return "model"
    if entry["class_name"] == "function":
        return slot_kind if slot_kind not in ("object", "layer") else "function"
    module = _text(entry.get("module")) or ""
    if module.partition(".")[0] in ("keras", "tf_keras"):
        if class_name(entry).endswith(("DTypePolicy", "DTypePolicyMap")):
            return "policy"
        for part in reversed(module.split(".")):
            if part in _MODULE_KINDS:
                return _MODULE_KINDS[part]
    if slot_kind == "layer" and not module and is_operation(entry):
        return "operation"
    if slot_kind != "object":
        return slot_kind
    config = config_of(entry)
    if "inbound_nodes" in entry or "build_config" in entry or ("trainable" in config and "name" in config):
        return "layer"
    return "object"


def _slot_kind(slot: str) -> str:
    if slot in _SLOTS:
        return _SLOTS[slot]
    return next((kind for kind in _SLOT_ENDINGS if slot.endswith(f"_{kind}")), "object")


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
