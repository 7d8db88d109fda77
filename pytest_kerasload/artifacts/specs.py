"""What a model takes and gives, as its configuration tells: names, shapes, dtypes, and which values make sense."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pytest_kerasload.artifacts import demands, shapes
from pytest_kerasload.artifacts.layers import (
    Config,
    class_name,
    config_of,
    dtype_of,
    endpoints,
    is_functional,
    is_model,
    layer_name,
    layers_of,
    shape_of,
)
from pytest_kerasload.artifacts.record import TensorSpec


def inputs_of(model: Config) -> tuple[TensorSpec, ...]:
    """The inputs of a model in the order it takes them; empty where the configuration does not tell.

    A functional model has the names of its input layers, or its own keys where it takes a dict. A model that is
    known by its build shapes only has the keys of those, or positions, and a free batch.
    """
    return tuple(
        replace(spec, bound=demand.bound_for(spec.dtype), vocabulary=demand.vocabulary_for(spec.dtype))
        for spec, demand in zip_longest_inputs(_inputs(model, 0), demands.of_model(model))
    )


def zip_longest_inputs(
    specs: list[TensorSpec], wanted: list[demands.Demand]
) -> list[tuple[TensorSpec, demands.Demand]]:
    """Each input with what is asked of its values; with nothing, where the demands are of another number."""
    if len(wanted) != len(specs):
        wanted = [demands.Demand()] * len(specs)
    return list(zip(specs, wanted, strict=True))


def outputs_of(model: Config) -> tuple[TensorSpec, ...]:
    """The outputs of a model in order, named as Keras names them; shapes where they follow from the configuration."""
    names = _output_names(model, 0)
    found = shapes.of_outputs(model)
    if len(found) != len(names):
        found = [(None, "float32")] * len(names)
    return tuple(TensorSpec(name, shape, dtype) for name, (shape, dtype) in zip(_unique(names), found, strict=True))


def _inputs(model: Config, depth: int) -> list[TensorSpec]:
    if depth > 16:
        return []
    layers = {layer_name(layer): layer for layer in layers_of(model)}
    if is_functional(model):
        found = endpoints(config_of(model).get("input_layers"), frozenset(layers))
        return [_input_layer(layers[ref.layer], key or ref.layer) for key, ref in found]
    if is_model(model) and layers_of(model):
        first = layers_of(model)[0]
        config = config_of(first)
        if class_name(first) == "InputLayer":
            return [_input_layer(first, layer_name(first))]
        name = f"{layer_name(first)}_input"
        if _batch_shape(config) is not None:
            # Keras up to 2.2 has no InputLayer in a Sequential, its first layer says what it takes.
            return [TensorSpec(name, _batch_shape(config), dtype_of(config.get("dtype")))]
        nested = _inputs(first, depth + 1) if is_model(first) else []
        if nested:
            return [replace(nested[0], name=name)] if len(nested) == 1 else nested
        built = built_shapes(model)
        return [replace(spec, name=name) for spec in built] if len(built) == 1 else built
    return built_shapes(model)


def _input_layer(layer: Config, name: str) -> TensorSpec:
    config = config_of(layer)
    return TensorSpec(name, _batch_shape(config), dtype_of(config.get("dtype")))


def _batch_shape(config: Config) -> tuple[int | None, ...] | None:
    """``batch_shape`` (Keras 3) or ``batch_input_shape`` (Keras 1 and 2)."""
    for key in ("batch_shape", "batch_input_shape"):
        shape = shape_of(config.get(key))
        if shape is not None:
            return shape
    shape = shape_of(config.get("input_shape"))
    return None if shape is None else (None, *shape)


def built_shapes(model: Config) -> list[TensorSpec]:
    """Inputs out of the shapes a model was built with; the batch it saw then is taken to be free."""
    build = model.get("build_config")
    build = build if isinstance(build, Mapping) else {}
    config = config_of(model)
    for value in (build.get("input_shape"), build.get("shapes_dict"), config.get("build_input_shape")):
        found = _shape_leaves(value, "")
        if found:
            return [TensorSpec(name or str(index), shape, "float32") for index, (name, shape) in enumerate(found)]
    return []


def _shape_leaves(value: Any, name: str, depth: int = 0) -> list[tuple[str, tuple[int | None, ...]]]:
    if depth > 16:
        return []
    if isinstance(value, Mapping):
        return [
            leaf
            for key, item in value.items()
            for leaf in _shape_leaves(item, str(key).removesuffix("_shape") if depth == 0 else str(key), depth + 1)
        ]
    shape = shape_of(value)
    if shape:
        return [(name, (None, *shape[1:]))]
    if isinstance(value, list):
        return [leaf for item in value for leaf in _shape_leaves(item, "", depth + 1)]
    return []


def _output_names(model: Config, depth: int) -> list[str]:
    if depth > 16:
        return []
    layers = {layer_name(layer): layer for layer in layers_of(model)}
    if is_functional(model):
        found = endpoints(config_of(model).get("output_layers"), frozenset(layers))
        return [key or ref.layer for key, ref in found]
    return [layer_name(layers_of(model)[-1])] if is_model(model) and layers else []


def _unique(names: list[str]) -> list[str]:
    """Names as Keras tells equal ones apart: ``score``, ``score_1`` (keras/engine/functional.py, uniquify)."""
    found: list[str] = []
    counts: dict[str, int] = {}
    for name in names:
        count = counts.get(name, 0)
        counts[name] = count + 1
        found.append(f"{name}_{count}" if count else name)
    return found
