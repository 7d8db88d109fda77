"""What each of a model's layers computes, as its configuration says: remembered when outputs are recorded.

Stored inputs do not reach everything: an activation that differs only above 6, a mask that no stored token asks for.
Only Keras' own layers are looked at, without what an answer cannot depend on, because a change of it would be a false
alarm; and only files that the same Keras release wrote are compared, because releases write the same layer
differently.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_kerasload.artifacts.layers import Config, class_name, is_model, is_object, layer_name, layers_of
from pytest_kerasload.artifacts.ownership import is_custom

# Layers that hand on what they get once training is over.
_IDLE = re.compile(
    r"InputLayer|(Spatial|Gaussian|Alpha)?Dropout(\dD)?|GaussianNoise|ActivityRegularization|Identity|Random\w+|"
    r"Lambda|TFOpLambda|SlicingOpLambda|TensorFlowOpLayer|RandAugment|MixUp|CutMix|AugMix"
)
# What an answer does not depend on: how it is called, trained and initialised; and code, which has no stable form.
_ASIDE = re.compile(
    r"name|trainable|\w*seed|\w*_initializer|\w*_regularizer|\w*_constraint|regularizer|constraint|momentum|"
    r"(recurrent_)?dropout|rate|renorm\w*|unroll|implementation|build_config|build_input_shape|batch_shape|"
    r"batch_input_shape|input_shape|input_length|input_dtype|dtype|virtual_batch_size|unit_forget_bias|"
    r"quantization_config|autocast|synchronized|ragged|sparse|use_legacy_format|vocabulary|vocabulary_size|"
    r"idf_weights|input_mean|input_variance|mean|variance|flash_attention|module|registered_name|shared_object_id|"
    r"output_padding_config|inbound_nodes"
)
_DEPTH = 32

Outline = Sequence[tuple[str, str]]
"""Name and digest of each layer."""


def of(model: Config | None) -> list[tuple[str, str]]:
    """The outline of a model; empty without a configuration."""
    return list(_layers(model, 0)) if model is not None else []


def _layers(model: Config, depth: int) -> Iterator[tuple[str, str]]:
    if depth > _DEPTH:
        return
    for layer in layers_of(model):
        if is_model(layer):
            yield from _layers(layer, depth + 1)
        elif not _IDLE.fullmatch(class_name(layer)) and not is_custom(layer, "layer"):
            told = json.dumps([class_name(layer), _kept(layer.get("config"), 0)], sort_keys=True)
            yield layer_name(layer), hashlib.sha256(told.encode()).hexdigest()[:16]


def _kept(value: Any, depth: int) -> Any:
    """A configuration without what answers do not depend on."""
    if depth > _DEPTH:
        return None
    if isinstance(value, Mapping):
        kept = {
            key: _kept(item, depth + 1) for key, item in value.items() if not _ASIDE.fullmatch(key) and item is not None
        }
        return [class_name(value), kept.get("config")] if is_object(value) else kept
    if isinstance(value, list | tuple):
        return [_kept(item, depth + 1) for item in value]
    return value


def changed(recorded: Any, found: Outline) -> list[str]:
    """Names of layers that compute something else than when they were recorded, of those that are there now, or were.

    Names themselves do not count, nor does the order; nothing for an outline that is none.
    """
    if not isinstance(recorded, list) or not recorded or not all(_is_entry(entry) for entry in recorded):
        return []
    had, has = Counter(digest for _, digest in recorded), Counter(digest for _, digest in found)
    return _over(found, had) or _over(recorded, has)


def _over(layers: Outline, others: Counter[str]) -> list[str]:
    """Names of layers whose digest the others do not have as often."""
    rest, names = others.copy(), []
    for name, digest in layers:
        if rest[digest]:
            rest[digest] -= 1
        else:
            names.append(name)
    return names


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, list) and len(entry) == 2 and all(isinstance(word, str) for word in entry)
