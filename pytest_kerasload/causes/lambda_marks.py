"""Static marks in functions that are kept as code."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator
from typing import Any

from pytest_kerasload.artifacts.layers import class_name
from pytest_kerasload.artifacts.record import Artifact
from pytest_kerasload.causes.loader import Loader, Mark, Rule
from pytest_kerasload.hazards.documents import Node, nodes
from pytest_kerasload.inspection.marshalled import ALIKE, global_names, pythons
from pytest_kerasload.inspection.needs import functions

_KERAS3_GLOBALS = frozenset(dir(builtins)) | frozenset(
    {"binascii", "codecs", "marshal", "os", "python_types", "default", "is_default", "func_dump", "func_load"}
)
"""What a function finds that Keras 3 made out of code: keras/src/utils/python_utils.py, func_load, 3.3 to 3.15.

Keras 2 gives it tf, np, the module that it was written in, and the custom objects too.
"""

_REMADE = ("h5", "keras")
"""Formats that functions come back from as code; those of a SavedModel are in its graph."""


def _functions(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    """What is wrong with any function of the artifact.

    Its configuration is walked over once, and none of it is kept: places in it can be long, and there can be many.
    """
    found: list[tuple[str, bytes]] = []
    parts: list[tuple[str, _Parts]] = []
    for node in _nodes(artifact):
        found += functions([node])
        parts += lambdas([node])
    if loader.keras3:
        yield from _globals(found)
    yield from _python(found, loader)
    if loader.keras3:
        yield from _defaults(parts)


def _nodes(artifact: Artifact) -> Iterator[Node]:
    return nodes(artifact.config) if artifact.format in _REMADE else iter(())


def kept(artifact: Artifact) -> Iterator[tuple[str, bytes]]:
    """The code of every function that loading makes again, with its place."""
    return functions(_nodes(artifact))


def _globals(found: Iterable[tuple[str, bytes]]) -> Iterator[Mark]:
    for place, code in found:
        missing = sorted(global_names(code) - _KERAS3_GLOBALS)
        if missing:
            message = f"{{loader}} runs a function without the {', '.join(missing)} it uses"
            yield Mark("lambda-call-fails", message, place)


def _python(found: Iterable[tuple[str, bytes]], loader: Loader) -> Iterator[Mark]:
    """Code of another Python: those with other fields are not read at all, and since 3.11 none runs that of another."""
    running = ".".join(loader.versions.python.split(".")[:2])
    group = next((alike for alike in ALIKE if running in alike), ())
    for place, code in found if running else ():
        written = pythons(code)
        if written and running not in written and (group == ALIKE[-1] or not set(group) & set(written)):
            message = f"a function is code of Python {' or '.join(written)}, which Python {running} does not run"
            yield Mark("lambda-python-version", message, place)


def _defaults(found: Iterable[tuple[str, _Parts]]) -> Iterator[Mark]:
    """keras/src/layers/core/lambda_layer.py, from_config, 3.3 to 3.15: a list goes where Python takes a tuple."""
    for place, (_, defaults, _) in found:
        if defaults:
            yield Mark("lambda-defaults-not-read", "{loader} does not bring back a function with default values", place)


_Parts = tuple[Any, Any, Any]
"""Code, defaults and closure of a function."""


def lambdas(found: Iterable[Node]) -> Iterator[tuple[str, _Parts]]:
    """Code, defaults and closure of every Lambda whose function is kept as code, with its place.

    A list in Keras 2, an object in Keras 3.
    """
    for node in found:
        inner = node.value.get("config")
        if not isinstance(inner, dict):
            continue
        if node.value.get("class_name") == "__lambda__":
            yield node.owner or node.place, (inner.get("code"), inner.get("defaults"), inner.get("closure"))
        elif class_name(node.value) == "Lambda" and isinstance(inner.get("function"), list):
            function = [*inner["function"], None, None][:3]
            yield node.owner or node.place, (function[0], function[1], function[2])


LAMBDA_RULES: tuple[Rule, ...] = (_functions,)
