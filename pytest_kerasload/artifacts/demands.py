"""Which values an input has to have, because something behind it looks them up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_kerasload.artifacts.layers import (
    Config,
    calls,
    class_name,
    config_of,
    endpoints,
    is_functional,
    is_model,
    layer_name,
    layers_of,
)

_WORDS_KEPT = 1000
"""Words kept of a vocabulary: enough to make inputs of, without holding every word of a language in memory."""

_PASSING = frozenset(
    {
        *("InputLayer", "Reshape", "Flatten", "Permute", "RepeatVector", "Concatenate", "Masking", "Identity", "Merge"),
        *("Cropping1D", "ZeroPadding1D", "Lambda", "TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer", "ClassMethod"),
        # Operations of Keras 3.
        *("GetItem", "Cast", "Squeeze", "ExpandDims", "Transpose", "Stack", "Split", "Take", "Pad", "Where", "Maximum"),
        *("Minimum", "Clip", "Swapaxes", "Moveaxis", "Ravel", "Repeat", "Tile", "Flip", "Roll", "Hstack", "Vstack"),
    }
)
"""Layers behind which an index is, or may be, still the same index. Following one too many only narrows inputs."""

_SIZES = {"Embedding": ("input_dim",), "CategoryEncoding": ("num_tokens", "max_tokens")}
_SIZES_ELSEWHERE = ("vocab_size", "vocabulary_size", "input_vocab_size")
"""What the embedding layers of users and of keras_hub call it; believed for integer inputs only."""


@dataclass(frozen=True)
class Demand:
    """What is asked of one input: indices below ``bound``, words out of ``vocabulary``; ``guess`` is a weaker bound."""

    bound: int | None = None
    guess: int | None = None
    vocabulary: tuple[str, ...] = ()

    def and_also(self, other: Demand) -> Demand:
        """Both demands: the lower bounds, the first vocabulary."""
        return Demand(
            _lower(self.bound, other.bound), _lower(self.guess, other.guess), self.vocabulary or other.vocabulary
        )

    def bound_for(self, dtype: str) -> int | None:
        """The bound on values of this dtype: the guess counts for integers, nothing does for strings."""
        if dtype in ("string", "bool"):
            return None
        return _lower(self.bound, self.guess) if "int" in dtype else self.bound

    def vocabulary_for(self, dtype: str) -> tuple[str, ...]:
        """The words for an input of this dtype."""
        return self.vocabulary if dtype == "string" else ()


Memo = dict[int, list["Demand"]]
"""What was found for each model already: one can be called many times in each of many that are called themselves."""


def of_model(model: Config) -> list[Demand]:
    """The demand on each input of a model, in the order of its inputs."""
    return _of_model(model, 0, {})


def _of_model(model: Config, depth: int, memo: Memo) -> list[Demand]:
    if depth > 16 or not is_model(model):
        return []
    if id(model) not in memo:
        memo[id(model)] = _of_functional(model, depth, memo) if is_functional(model) else _of_chain(model, depth, memo)
    return memo[id(model)]


def _of_chain(model: Config, depth: int, memo: Memo) -> list[Demand]:
    layers = layers_of(model)
    if not layers:
        return []
    found = Demand()
    for index, layer in enumerate(layers):
        here = _of_layer(layer, 0, depth, memo)
        if index == 0 and is_model(layer):
            nested = _of_model(layer, depth + 1, memo)
            if len(nested) > 1:
                return nested
        found = found.and_also(here)
        if class_name(layer) not in _PASSING:
            break
    return [found]


def _of_functional(model: Config, depth: int, memo: Memo) -> list[Demand]:
    layers = layers_of(model)
    known = frozenset(layer_name(layer) for layer in layers)
    # Each layer with the position at which it takes another one's tensor, by that one's name.
    takers: dict[str, list[tuple[Config, int]]] = {}
    for layer in layers:
        for call in calls(layer, known):
            for position, ref in enumerate(call):
                takers.setdefault(ref.layer, []).append((layer, position))
    asked: dict[str, Demand] = {}
    found = []
    for _, start in endpoints(config_of(model).get("input_layers"), known):
        if start.layer not in asked:
            asked[start.layer] = _behind(start.layer, takers, depth, memo)
        found.append(asked[start.layer])
    return found


def _behind(start: str, takers: Mapping[str, list[tuple[Config, int]]], depth: int, memo: Memo) -> Demand:
    """What is asked of a tensor by all that take it, and by those behind layers that hand it on."""
    carriers = [start]
    seen = {start}
    demand = Demand()
    for carrier in carriers:
        for layer, position in takers.get(carrier, ()):
            demand = demand.and_also(_of_layer(layer, position, depth, memo))
            name = layer_name(layer)
            if class_name(layer) in _PASSING and name not in seen:
                seen.add(name)
                carriers.append(name)
    return demand


def _of_layer(layer: Config, position: int, depth: int, memo: Memo) -> Demand:
    """What a layer asks of the tensor at ``position`` of its call."""
    if is_model(layer):
        nested = _of_model(layer, depth + 1, memo)
        return nested[position] if position < len(nested) else Demand()
    name = class_name(layer)
    config = config_of(layer)
    if name == "TimeDistributed" and isinstance(config.get("layer"), dict) and depth < 16:
        return _of_layer(config["layer"], position, depth + 1, memo)
    for key in _SIZES.get(name, ()):
        if _is_size(config.get(key)):
            return Demand(bound=config[key])
    if name in ("StringLookup", "TextVectorization"):
        words = config.get("vocabulary")
        if isinstance(words, list):
            return Demand(vocabulary=tuple(word for word in words[:_WORDS_KEPT] if isinstance(word, str)))
    return Demand(guess=next((config[key] for key in _SIZES_ELSEWHERE if _is_size(config.get(key))), None))


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _lower(one: int | None, other: int | None) -> int | None:
    return min((value for value in (one, other) if value is not None), default=None)
