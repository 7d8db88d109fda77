"""JSON documents, such as configurations, changed where readers may not look for it.

The mutators take a :class:`random.Random`: hypothesis gives one that it records and shrinks, atheris a seeded one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from random import Random
from typing import Any

_MARK = "\ue000raw"
"""Stands before text that goes into the document as it is, for what ``json.dumps`` would not write."""

_RAW = (
    *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "-0.0", "1e-999", "0.1e1", "9" * 40, "-" + "9" * 40),
    *("9" * 400, "9" * 4400, "18446744073709551616", "9223372036854775807", "-9223372036854775808", "[", "", "tru"),
)
_TEXTS = (
    *("", " ", "\0", "a\0b", "\ud800", "\udfff\ud800", "\ufeff", "\u202egnp.h5", "e\u0301", "\U0010ffff", "\x1b[2J"),
    *("../../etc/passwd", "C:\\x", "/", "//", "a/b/c", "layers", "config", "class_name", "function", "__lambda__"),
    *("builtins", "os", "keras.src.layers", "keras", "tf_keras.src", "Dense", "Functional", "Sequential", "Model"),
    *("InputLayer", "Embedding", "Custom>X", "a>b>c", ">", "None", "NaN", "%s%n", "{}", "{loader}", "\r\n::error::x"),
    *("int99", "float", "-1", "1e5", "TimeDistributed", "Bidirectional", "TensorFlowOpLayer", "4wAAAAAA", "gASVAAAA"),
    *(
        "__tuple__",
        "TensorShape",
        "TypeSpec",
        "__typespec__",
        "__keras_tensor__",
        "__tensor__",
        "3.999.0",
        "2.x",
        "1!2",
    ),
)
_NASTY = ("\ud800", "a\0b", "\x1b[31mred\x1b[0m", "a\nb\r\n::error::c", "9" * 6000, "x\ud800y/z")
_KEYS = (
    *("class_name", "config", "layers", "name", "module", "registered_name", "inbound_nodes", "input_layers"),
    *("output_layers", "batch_shape", "batch_input_shape", "dtype", "activation", "units", "axis", "cell", "cells"),
    *("layer", "build_config", "input_shape", "compile_config", "optimizer_config", "loss", "metrics", "optimizer"),
    *("vocabulary", "function", "function_type", "items", "serialized", "save_spec", "full_save_spec", "node_def"),
    *("kernel_size", "strides", "padding", "input_dim", "output_dim", "target_shape", "policy_map", "seed", "mask"),
    *("output_shape", "code", "defaults", "closure", "shape", "keras_history", "fn", "learning_rate", "merge_mode"),
    *(
        "training_config",
        "model_config",
        "keras_version",
        "data_format",
        "cropping",
        "dims",
        "size",
        "is_legacy_optimizer",
    ),
)

_TELLING = frozenset({"class_name", "name", "config", "module", "registered_name", "layers", "inbound_nodes", "units"})
"""Keys that most readers go by."""

Place = tuple[Any, Any]
"""A list or dict, and a position in it."""


def mutated(text: str | bytes, rng: Random, scale: int = 100) -> str:
    """A JSON text with some changes; ``scale`` bounds how often something is repeated. Garbage if it was none."""
    try:
        document: Any = [json.loads(text)]
    except (ValueError, RecursionError):
        return _cut(str(text), rng)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        rng.choice(_MUTATORS)(document, rng, scale)
    written = _written(document[0]) if document else ""
    return _cut(written, rng) if rng.random() < 0.04 else written


def value(rng: Random, scale: int = 100) -> Any:
    """Some JSON value that stands where another was expected."""
    kind = rng.randrange(12)
    if kind < 2:
        return rng.choice((None, True, False, 0, -1, 1, 2, 3.5, -7, 2**31, 2**63, 10**30))
    if kind < 4:
        return rng.choice(_TEXTS if rng.random() < 0.7 else _NASTY)
    if kind == 4:
        return _MARK + rng.choice(_RAW)
    if kind == 5:
        return _MARK + _nested(rng, scale)
    if kind == 6:
        return rng.choice(("x", "\ud800", "é", "a/")) * rng.choice((300, 70000))
    if kind == 7:
        return [value(rng, scale) for _ in range(rng.randrange(4))]
    if kind == 8:
        return {rng.choice(_KEYS): value(rng, scale) for _ in range(rng.randrange(4))}
    if kind == 9:
        return {"class_name": rng.choice(_TEXTS), "config": value(rng, scale)}
    if kind == 10:
        return [rng.choice(_TEXTS), rng.choice((0, -1, 7, None, "0")), rng.choice((0, -1, 9, {})), {}]
    return [] if rng.random() < 0.5 else {}


def _nested(rng: Random, scale: int) -> str:
    deep = rng.choice((5, 60, 120, 150, 400, min(3000, 30 * scale)))
    opening, closing = rng.choice(
        (
            ("[", "]"),
            ('{"a":', "}"),
            ('{"class_name":"Dense","config":', "}"),
            ('{"class_name":"Sequential","config":{"name":"s","layers":[', "]}}"),
            ('{"class_name":"Functional","name":"f","config":{"name":"f","input_layers":[],"layers":[', "]}}"),
            ('{"class_name":"TimeDistributed","config":{"name":"t","layer":', "}}"),
            ('{"class_name":"__tuple__","items":[', "]}"),
        )
    )
    return opening * deep + rng.choice(("1", "[]", "{}", '""')) + closing * deep


def _places(document: Any, most: int = 3000) -> list[Place]:
    found: list[Place] = []
    waiting = [document]
    while waiting and len(found) < most:
        one = waiting.pop()
        keys = list(one) if isinstance(one, dict) else range(len(one))
        for key in keys:
            found.append((one, key))
            if isinstance(one[key], (dict, list)):
                waiting.append(one[key])
    return found


def _place(document: Any, rng: Random, kinds: tuple[type, ...] = (object,)) -> Place | None:
    found = [(one, key) for one, key in _places(document) if isinstance(one[key], kinds)]
    return rng.choice(found) if found else None


def _replace(document: Any, rng: Random, scale: int) -> None:
    telling = [(one, key) for one, key in _places(document) if key in _TELLING]
    if place := rng.choice(telling) if telling and rng.random() < 0.4 else _place(document, rng):
        place[0][place[1]] = value(rng, scale)


def _drop(document: Any, rng: Random, scale: int) -> None:
    if place := _place(document, rng):
        del place[0][place[1]]


def _retype(document: Any, rng: Random, scale: int) -> None:
    """A value in a list, a list as a dict, a number as text and so on: what a lenient writer may do."""
    if place := _place(document, rng):
        one, key = place
        old = one[key]
        made: list[Any] = [[old], {"class_name": "Dense", "config": old}, {"0": old}, str(old)[:200], [old, old], None]
        if isinstance(old, dict):
            made += [list(old.items()), list(old), list(old.values())]
        if isinstance(old, list):
            made += [{str(number): item for number, item in enumerate(old)}, old[0] if old else None, [*old, None]]
        one[key] = rng.choice(made)


def _rekey(document: Any, rng: Random, scale: int) -> None:
    place = _place(document, rng, (dict,))
    if place and place[0][place[1]]:
        inside = place[0][place[1]]
        key = rng.choice(list(inside))
        inside[rng.choice((*_KEYS, *_TEXTS))] = inside.pop(key)


def _known(document: Any, rng: Random, scale: int) -> None:
    """A known key with an unexpected value, in a dict that may have it."""
    place = _place(document, rng, (dict,))
    if place:
        place[0][place[1]][rng.choice(_KEYS)] = value(rng, scale)


def _swap(document: Any, rng: Random, scale: int) -> None:
    """One part of the document copied over another: layers in slots, nodes in names. Never into itself."""
    first, second = _place(document, rng), _place(document, rng)
    if first and second:
        second[0][second[1]] = json.loads(json.dumps(first[0][first[1]]))


def _repeat(document: Any, rng: Random, scale: int) -> None:
    place = _place(document, rng, (list,))
    if place and place[0][place[1]]:
        items = place[0][place[1]]
        copy = json.dumps(rng.choice(items))
        times = max(1, min(rng.choice((2, 30, scale)), 2_000_000 // len(copy)))
        items.extend(json.loads(copy) for _ in range(times))


def _many(document: Any, rng: Random, scale: int) -> None:
    """Many layers of different names, each fed by the next: what is worked through in order has to go through often."""
    place = _place(document, rng, (list,))
    if place:
        count = rng.choice((5, scale // 2, 10 * scale))
        name = rng.choice(("Dense", "Custom>X", "Flatten", "Lambda", "Add"))
        order = rng.choice((1, -1))
        layers = [
            {
                "class_name": name,
                "name": f"l{number}",
                "config": {"name": f"l{number}", "units": 3, "trainable": True},
                "inbound_nodes": [[[f"l{number + order}", 0, 0, {}]]],
            }
            for number in range(count)
        ]
        place[0][place[1]].extend(layers)


def _wide(document: Any, rng: Random, scale: int) -> None:
    """A wide dict below a long key."""
    place = _place(document, rng, (dict,))
    if place:
        key = rng.choice(("k", "é")) * rng.choice((1, 1000, 100 * scale))
        inner = rng.choice(({}, [], 0, {"class_name": "X", "config": {}}, "s"))
        place[0][place[1]][key] = {str(number): inner for number in range(rng.choice((3, 20 * scale)))}


def _cycle(document: Any, rng: Random, scale: int) -> None:
    """Names that refer to each other, or all the same."""
    names = [(one, key) for one, key in _places(document) if key == "name" and isinstance(one, dict)]
    if names:
        told = rng.choice(("same", "", "a/b", names[0][0]["name"]))
        for one, key in names:
            one[key] = told


def _twice(document: Any, rng: Random, scale: int) -> None:
    place = _place(document, rng, (dict,))
    if place and place[0][place[1]]:
        inside = place[0][place[1]]
        inside[_Again(rng.choice([str(key) for key in inside]))] = value(rng, scale)


class _Again(str):
    """A key that a dict may have beside an equal one."""

    __slots__ = ()

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


_MUTATORS: tuple[Callable[[Any, Random, int], None], ...] = (
    *(_replace, _replace, _replace, _replace, _drop, _drop, _retype, _retype, _retype, _rekey, _known, _known, _known),
    *(_swap, _swap, _repeat, _many, _wide, _cycle, _twice),
)


_RAW_TEXT = re.compile(r'"\\ue000raw((?:[^"\\]|\\.)*)"')
"""What ``json.dumps`` makes of a text after the mark."""


def _written(document: Any) -> str:
    return _RAW_TEXT.sub(lambda found: str(json.loads(f'"{found[1]}"')), json.dumps(document))


def _cut(text: str, rng: Random) -> str:
    at = rng.randrange(len(text) + 1)
    return rng.choice((text[:at], text[:at] + rng.choice(_TEXTS) + text[at:], text + text, "\ufeff" + text))
