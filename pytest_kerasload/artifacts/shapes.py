"""Shapes of a model's outputs, worked out from its configuration for the layers whose arithmetic is simple.

Keras 3 writes down the shape of every tensor that a layer takes, but of no output; Keras 2 writes neither. What is
not known here gives None and is left to the loaded model.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_kerasload.artifacts.layers import (
    Config,
    TensorRef,
    calls,
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
from pytest_kerasload.artifacts.shape_rules import MERGES, RECURRENT, MaybeShape, merged, recurrent, single

Memo = dict[tuple[int, tuple[MaybeShape, ...] | None], list[MaybeShape]]
"""What was worked out for each model and the shapes it was given: models can be called many times, in each other."""


_MOST_WORKED_OUT = 500
"""Models in models, each called three times with other shapes, make millions of different calls in sixteen levels."""


class NothingLeft(Exception):
    """A layer takes away more than there is."""


_LARGEST = 1 << 63

_COMPUTE_DTYPES = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}


def of_outputs(model: Config) -> list[tuple[MaybeShape, str]]:
    """Shape and dtype of each output of a model, in order; empty where it has no layers in its configuration."""
    try:
        shapes = _of_model(model, None, 0, {})
    except NothingLeft:
        shapes = []
    ends = _output_layers(model)
    if len(shapes) != len(ends):
        shapes = [None] * len(ends)
    return [(shape, _dtype(layer)) for shape, layer in zip(shapes, ends, strict=True)]


def fit(model: Config, given: Sequence[tuple[int, ...]]) -> bool:
    """Whether every layer leaves something of inputs of these shapes, as far as the arithmetic is known.

    Croppings, windows and strides take away from the free dimensions of a model: what is too small for them need not
    be tried.
    """
    try:
        _of_model(model, list(given), 0, {})
    except NothingLeft:
        return False
    return True


def _dtype(layer: Config) -> str:
    while is_model(layer) and _output_layers(layer):
        layer = _output_layers(layer)[0]
    name = dtype_of(config_of(layer).get("dtype"))
    return _COMPUTE_DTYPES.get(name, name)


def _output_layers(model: Config) -> list[Config]:
    layers = layers_of(model)
    if not is_functional(model):
        return layers[-1:]
    named = {layer_name(layer): layer for layer in layers}
    return [named[ref.layer] for _, ref in endpoints(config_of(model).get("output_layers"), frozenset(named))]


def _of_model(model: Config, given: list[MaybeShape] | None, depth: int, memo: Memo) -> list[MaybeShape]:
    """The output shapes of a model; ``given`` are the shapes of its inputs, where it is called inside another."""
    key = (id(model), None if given is None else tuple(given))
    if depth > 16 or (key not in memo and len(memo) >= _MOST_WORKED_OUT):
        return []
    if key not in memo:
        work_out = _of_functional if is_functional(model) else _of_chain
        memo[key] = work_out(model, given, depth, memo)
    return memo[key]


def _of_chain(model: Config, given: list[MaybeShape] | None, depth: int, memo: Memo) -> list[MaybeShape]:
    current = given
    for layer in layers_of(model):
        config = config_of(layer)
        if class_name(layer) == "InputLayer" or current is None:
            own = _own_shape(config)
            current = current or [own if own is not None else shape_of(config_of(model).get("build_input_shape"))]
        if class_name(layer) != "InputLayer":
            current = _of_layer(layer, current, depth, memo)
    return current or []


def _own_shape(config: Config) -> MaybeShape:
    shape = shape_of(config.get("batch_shape"))
    return shape if shape is not None else shape_of(config.get("batch_input_shape"))


def _of_functional(model: Config, given: list[MaybeShape] | None, depth: int, memo: Memo) -> list[MaybeShape]:
    layers = layers_of(model)
    known = frozenset(layer_name(layer) for layer in layers)
    starts = [ref.layer for _, ref in endpoints(config_of(model).get("input_layers"), known)]
    found: dict[str, list[list[MaybeShape]]] = {}
    # What Keras 3 wrote down is the shape for any input; for given ones it is worked out.
    written = given is None or any(shape is None or None in shape for shape in given)
    for layer in layers:
        if class_name(layer) == "InputLayer":
            found[layer_name(layer)] = [[_own_shape(config_of(layer))]]
    for name, shape in zip(starts, given or [], strict=False):
        if shape is not None:
            found[name] = [[shape]]
    waiting = [(layer, calls(layer, known)) for layer in layers if class_name(layer) != "InputLayer"]
    # What each layer still waits for, and who waits for it: files may list a long chain last layer first.
    needs = [{ref.layer for call in layer_calls for ref in call} - found.keys() for _, layer_calls in waiting]
    takers: dict[str, list[int]] = {}
    for number, names in enumerate(needs):
        for name in names:
            takers.setdefault(name, []).append(number)
    ready = [number for number, names in enumerate(needs) if not names]
    for number in ready:
        layer, layer_calls = waiting[number]
        found[layer_name(layer)] = [
            _of_layer(layer, [_lookup(found, ref, written) for ref in call], depth, memo) for call in layer_calls
        ]
        for taker in takers.pop(layer_name(layer), ()):
            needs[taker].remove(layer_name(layer))
            if not needs[taker]:
                ready.append(taker)
    return [_lookup(found, ref, written) for _, ref in endpoints(config_of(model).get("output_layers"), known)]


def _lookup(found: dict[str, list[list[MaybeShape]]], ref: TensorRef, written: bool) -> MaybeShape:
    """The shape of a tensor: as Keras 3 wrote it, else as worked out.

    Calls of a nested model are counted from 1 in Keras 2, where call 0 is the one that built it.
    """
    if ref.shape is not None and written:
        return ref.shape
    outputs = found.get(ref.layer) or [[]]
    call = outputs[ref.node] if 0 <= ref.node < len(outputs) else outputs[-1]
    worked_out = call[ref.tensor] if 0 <= ref.tensor < len(call) else None
    return ref.shape if worked_out is None else worked_out


def _of_layer(layer: Config, given: list[MaybeShape], depth: int, memo: Memo) -> list[MaybeShape]:
    if is_model(layer):
        return _of_model(layer, given, depth + 1, memo)
    name = class_name(layer)
    config = config_of(layer)
    if name in MERGES:
        return [merged(name, config, given)]
    shape = given[0] if given else None
    if shape is None:
        # Of every layer of a .keras archive, unless it sits in another one.
        build = layer.get("build_config")
        shape = shape_of(build.get("input_shape")) if isinstance(build, dict) else None
        if shape is None:
            return [None]
    if name == "TimeDistributed" and isinstance(config.get("layer"), dict) and len(shape) > 2 and depth < 16:
        inner = _of_layer(config["layer"], [(shape[0], *shape[2:])], depth + 1, memo)
        return [None if one is None else (one[0], shape[1], *one[1:]) for one in inner]
    try:
        if name in RECURRENT:
            return recurrent(name, config, shape)
        found = single(name, config, shape)
    except (KeyError, IndexError, TypeError, ValueError, ArithmeticError, AttributeError):
        # A configuration that no layer would accept; that is for others to say.
        return [None]
    if found is not None and any(size is not None and size > _LARGEST for size in found):
        return [None]
    if found is not None and any(size is not None and size <= 0 for size in found):
        raise NothingLeft
    return [found]
