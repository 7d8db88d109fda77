"""What a configuration (or any other JSON of an artifact) makes a loader do besides building layers."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_kerasload.artifacts.builtins import is_builtin
from pytest_kerasload.artifacts.layers import class_name, config_of, is_object, layer_name
from pytest_kerasload.causes import safety
from pytest_kerasload.hazards import operations
from pytest_kerasload.hazards.bytecode import is_dump, is_marshalled, is_pickled
from pytest_kerasload.hazards.documents import Node, label, nodes, parsed, texts
from pytest_kerasload.hazards.hazard import Hazard
from pytest_kerasload.hazards.patterns import is_exponential
from pytest_kerasload.hazards.references import hazard_of

_LARGEST = 1 << 33
"""No size in a configuration reaches this: one row of so many half precision numbers takes 16 GiB."""

_UNSTORED = 1 << 20
"""From this size on a layer has to have its weights in the file: a kernel may take the square of it."""

_WEIGHT_SIZES = frozenset({"units", "filters", "input_dim", "output_dim", "key_dim", "value_dim", "lora_rank"})
"""Arguments of Keras' layers that are a dimension of their weights."""

_SIZES = _WEIGHT_SIZES | frozenset(
    {
        *("n", "size", "padding", "num_tokens", "max_tokens", "num_heads", "depth_multiplier", "kernel_size"),
        *("pool_size", "target_shape", "batch_shape", "batch_input_shape", "shape", "height", "width"),
        *("sequence_length", "output_sequence_length", "hidden_dim"),
    }
)
_LOOKUPS = frozenset({"StringLookup", "IntegerLookup", "TextVectorization", "IndexLookup"})
_FUNCTIONS = frozenset({"function", "output_shape", "mask"})
"""What a Lambda of Keras 2 keeps as code."""

_SOURCE = re.compile(r"[(;=\n]|\blambda\b.*:")
_ADDRESS = re.compile(r"(?:https?|ftp|gs|s3|hdfs)://\S+", re.IGNORECASE)


def text_hazards(text: str | bytes, document: str, place: str = "", elements: int | None = None) -> Iterator[Hazard]:
    """The hazards of one JSON text; ``document`` is its name in the artifact, ``place`` where its objects hang."""
    content, twice = parsed(text)
    for key in twice:
        yield Hazard(safety.AMBIGUOUS, document, f"the key {key!r} twice in one object: parsers differ on which counts")
    if isinstance(text, bytes) and json.detect_encoding(text) not in ("utf-8", "utf-8-sig"):
        coded = json.detect_encoding(text)
        yield Hazard(safety.AMBIGUOUS, document, f"is in {coded}: Keras writes UTF-8, and other readers see no JSON")
    yield from hazards(content, place, elements)


def hazards(content: Any, place: str = "", elements: int | None = None) -> Iterator[Hazard]:
    """The hazards of a parsed configuration. ``elements`` is how many numbers are stored as weights, where known."""
    for node in nodes(content, place):
        yield from _code(node)
        if isinstance(node.value.get("class_name"), str):
            yield from _reference(node)
        if is_object(node.value):
            yield from _object(node, elements)


def _code(node: Node) -> Iterator[Hazard]:
    """Bytecode: where Keras 2 and Keras 3 put it, and anywhere else where it can be told by its first bytes."""
    value = node.value
    if value.get("class_name") == "__lambda__":
        yield Hazard(safety.LAMBDA_BYTECODE, node.owner or node.place or "config", "a lambda as Python bytecode")
        return
    found = False
    for key, item in value.items():
        typed = value.get(f"{key}_type") == "lambda" and isinstance(item, (str, list))
        kept = key in _FUNCTIONS
        # A Lambda unmarshals what is said to be one, whatever it looks like.
        if (typed and kept) or ((typed or (kept and isinstance(item, list))) and is_dump(item)):
            what = "a function" if key == "function" else f"{key}: a function"
            yield Hazard(safety.LAMBDA_BYTECODE, node.owner or node.place or "config", f"{what} as Python bytecode")
            found = True
    for key, item in texts(value):
        if not found and is_marshalled(item):
            yield Hazard(safety.LAMBDA_BYTECODE, node.place, f"{key}: Python bytecode")
        elif is_pickled(item):
            yield Hazard(safety.PICKLED_VALUE, node.place, f"{key}: pickled data", fails=False)


def _reference(node: Node) -> Iterator[Hazard]:
    value = node.value
    module, name = value.get("module"), value["class_name"]
    function = name == "function"
    if function or name == "__typespec__":
        name = value.get("config" if function else "spec_name")
    if not isinstance(name, str):
        return
    # Older configurations have no module, and their names are looked up among Keras' own.
    found = hazard_of(module if isinstance(module, str) else "keras.layers", name, function)
    if found is not None and (isinstance(module, str) or found[0] in (safety.EXTERNAL_MODEL, safety.TORCH_PICKLE)):
        cause, text, fails = found
        if cause is safety.EXTERNAL_MODEL and isinstance(path := config_of(value).get("filepath"), str):
            text += f", {path!r}"
        yield Hazard(cause, node.place or label(value), text, fails)


def _object(node: Node, elements: int | None) -> Iterator[Hazard]:
    name, config, place = class_name(node.value), config_of(node.value), node.place or label(node.value)
    if ".." in re.split(r"[/\\]", layer_name(node.value)):
        # Keras 3 keeps assets in folders of this name; none of its releases was seen to follow it.
        yield Hazard(safety.PATH_TRAVERSAL, place, "its name leads out of the folder of its assets", fails=False)
    if name in _LOOKUPS and isinstance(path := config.get("vocabulary"), str):
        yield Hazard(safety.VOCABULARY_FILE, place, f"opens {path!r} for its vocabulary")
    if name == "VocabularyFileCategoricalColumn" and isinstance(path := config.get("vocabulary_file"), str):
        yield Hazard(safety.VOCABULARY_FILE, place, f"opens {path!r} for its vocabulary")
    if name == "DTypePolicyMap":
        yield from _patterns(config, place)
    if name == "Lambda":
        yield from _named_functions(config, place)
    yield from operations.hazards(name, node.value, place)
    if is_builtin(name, "layer"):
        yield from _sizes(config, place, elements)
        built = max(_numbers(node.value.get("build_config")), default=0)
        if built >= _LARGEST:
            yield Hazard(safety.CONFIG_BOMB, place, f"it is built for an input of size {built:,}")
    elif not is_builtin(name):
        for key, item in texts(config):
            if _ADDRESS.fullmatch(item):
                yield Hazard(safety.REMOTE_RESOURCE, place, f"{name} is given {key}={item[:200]!r}", fails=False)


def _named_functions(config: Mapping[str, Any], place: str) -> Iterator[Hazard]:
    """Functions a Lambda of Keras 2 has by name, with their modules beside them."""
    for key, beside in (("function", "module"), ("output_shape", "output_shape_module"), ("mask", "mask_module")):
        name, module = config.get(key), config.get(beside)
        if isinstance(name, str) and config.get(f"{key}_type") != "lambda" and _SOURCE.search(name):
            yield Hazard(
                safety.LAMBDA_BYTECODE, place, f"{key}: Python code as text, where the name of a function belongs"
            )
        elif isinstance(name, str) and isinstance(module, str) and config.get(f"{key}_type") != "lambda":
            found = hazard_of(module, name, True)
            if found is not None and found[2]:
                yield Hazard(found[0], place, found[1])


def _sizes(config: Mapping[str, Any], place: str, elements: int | None) -> Iterator[Hazard]:
    for key in sorted(_SIZES & config.keys()):
        largest = max(_numbers(config[key]), default=0)
        if largest >= _LARGEST:
            yield Hazard(safety.CONFIG_BOMB, place, f"{key} is {largest:,}: no machine has memory for it")
        elif key in _WEIGHT_SIZES and elements is not None and largest > max(_UNSTORED, elements):
            yield Hazard(
                safety.CONFIG_BOMB,
                place,
                f"{key} is {largest:,}, and all weights of the artifact together are {elements:,} numbers",
            )
    kernel = [config.get("filters"), *_numbers(config.get("kernel_size"))]
    if all(isinstance(number, int) for number in kernel):
        wanted = math.prod(kernel)  # type: ignore[arg-type]
        if wanted >= _LARGEST and (elements or 0) < wanted:
            yield Hazard(safety.CONFIG_BOMB, place, f"filters times kernel_size is {wanted:,}: so much is not stored")
    rows, columns = config.get("input_dim"), config.get("output_dim")
    if isinstance(rows, int) and isinstance(columns, int) and rows < _LARGEST > columns:
        wanted = rows * columns
        if wanted >= _LARGEST and (elements or 0) < wanted:
            yield Hazard(safety.CONFIG_BOMB, place, f"input_dim times output_dim is {wanted:,}: so much is not stored")


def _numbers(value: Any) -> Iterator[int]:
    waiting = [value]
    seen = 0
    while waiting and seen < _MOST_NUMBERS:
        one = waiting.pop()
        seen += 1
        if isinstance(one, Mapping):
            waiting.extend(one.values())
        elif isinstance(one, (list, tuple)):
            waiting.extend(one)
        elif isinstance(one, int):
            yield one


_MOST_NUMBERS = 1000
"""More values than this no size is made of; what is inside them is looked at for itself."""


def _patterns(config: Mapping[str, Any], place: str) -> Iterator[Hazard]:
    policies = config.get("policy_map")
    for pattern in policies if isinstance(policies, Mapping) else ():
        if is_exponential(pattern):
            yield Hazard(
                safety.CONFIG_BOMB, place, f"the pattern {pattern[:100]!r} takes exponential time to match layer names"
            )
