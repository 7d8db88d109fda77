"""JSON out of artifacts: read so that nothing is lost, and walked so that nothing is left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_kerasload.artifacts import json_text
from pytest_kerasload.artifacts.layers import class_name, config_of, is_object, joined, layer_name


@dataclass(frozen=True)
class Node:
    """One dict of a configuration: where it is, and which object's configuration it is part of."""

    place: str
    owner: str
    value: Mapping[str, Any]


def parsed(text: str | bytes) -> tuple[Any, tuple[str, ...]]:
    """The document, and the keys that some object in it has twice.

    Parsers differ in which of two equal keys counts (Python's takes the last). None for what is no JSON: no loader
    reads it either. RecursionError for what is nested too deep for this interpreter, but perhaps not for another.
    """
    twice: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> Any:
        found = dict(items)
        if len(found) < len(items):
            seen: set[str] = set()
            twice.extend(key for key, _ in items if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        # Tuples and shapes in the metadata of SavedModels (keras/saving/saved_model/json_utils.py, _decode_helper).
        if found.get("class_name") in ("__tuple__", "TensorShape") and "items" in found:
            return found["items"]
        return found

    try:
        # Bytes may be UTF-16 and UTF-32 as well: json tells, for the loader as for us.
        return json_text.loads(text, object_pairs_hook=pairs), tuple(dict.fromkeys(twice))
    except ValueError:
        twice.clear()
    try:
        # Python 3.11 and later refuse to parse numbers of thousands of digits; earlier ones do not.
        return json_text.loads(text, object_pairs_hook=pairs, parse_int=_number), tuple(dict.fromkeys(twice))
    except ValueError:
        return None, ()


def _number(digits: str) -> int:
    return int(digits) if len(digits) < 20 else 1 << 63


def nodes(document: Any, place: str = "") -> Iterator[Node]:
    """Every dict in ``document``, in order, with the place it has for users: ``encoder/lstm_1``, ``compile/loss``.

    No key is left out: what is in an unusual place is what this is for.
    """
    # What is still to be seen of each dict and list that the walk is in: none of it is made before its turn, because
    # there may be as many places as the document has bytes.
    waiting: list[Iterator[tuple[Any, str, str]]] = [iter([(document, place, "")])]
    while waiting:
        value, place, owner = next(waiting[-1], (None, "", ""))
        if isinstance(value, Mapping):
            if is_object(value) and not value["class_name"].startswith("__"):
                owner = place
            yield Node(place, owner, value)
            if value.get("class_name") != "__lambda__":
                waiting.append(_members(value, place, owner))
        elif isinstance(value, list):
            waiting.append(_items(value, place, owner))
        else:
            waiting.pop()


def _items(value: list[Any], place: str, owner: str) -> Iterator[tuple[Any, str, str]]:
    return ((item, place, owner) for item in value if isinstance(item, (Mapping, list)))


def _members(value: Mapping[str, Any], place: str, owner: str) -> Iterator[tuple[Any, str, str]]:
    for key, item in value.items():
        if not isinstance(item, (Mapping, list)):
            continue
        if key == "config" and isinstance(value.get("class_name"), str):
            # The list that is the whole configuration of a Sequential of Keras up to 2.2.2 holds layers.
            yield from _named(item, place, owner) if isinstance(item, list) else [(item, place, owner)]
        elif key in ("layers", "cells") and isinstance(item, list):
            yield from _named(item, place if key == "layers" else _join(place, key), owner)
        else:
            yield item, _join(place, _NAMES.get(key, key)), owner


_NAMES = {
    "inbound_nodes": "call",
    "optimizer_config": "optimizer",
    "compile_config": "compile",
    "training_config": "compile",
    "model_config": "",
}
"""Keys that are known to users by another name, or say nothing to them."""


def _named(items: list[Any], place: str, owner: str) -> Iterator[tuple[Any, str, str]]:
    for item in items:
        if is_object(item):
            yield item, _join(place, layer_name(item) or class_name(item)), owner
        elif isinstance(item, (Mapping, list)):
            yield item, place, owner


def texts(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The strings that stand directly in a dict, or in lists in it, with their keys."""
    for key, item in value.items():
        waiting = [item]
        while waiting:
            one = waiting.pop()
            if isinstance(one, str):
                yield key, one
            elif isinstance(one, list):
                waiting.extend(one)


def label(value: Mapping[str, Any]) -> str:
    """What to call a dict where it has no place: the name in its configuration, else its class."""
    name = config_of(value).get("name") or value.get("name")
    return name if isinstance(name, str) else class_name(value) or "config"


def _join(prefix: str, name: Any) -> str:
    return joined(prefix, name) if name else prefix
