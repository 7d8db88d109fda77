"""Changes of functions that are kept in a configuration: of Lambdas, by their code or their name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_kerasload.amendments.change import Change, Draft, Rule
from pytest_kerasload.artifacts.layers import class_name
from pytest_kerasload.hazards.bytecode import decoded
from pytest_kerasload.inspection.marshalled import parameters

_LAMBDA_KEYS = ("function_type", "module", "output_shape_type", "output_shape_module")
"""What Keras 2 says beside a function, and Keras 3 in it (keras/src/layers/core/lambda_layer.py, 2.15 and 3.15)."""


def _lambdas(draft: Draft) -> Iterator[Change]:
    """Functions that are kept as code: a list in Keras 2, an object in ``.keras`` files of Keras 3."""
    for entry in draft.entries() if draft.loader.keras3 else ():
        config = entry["config"]
        if class_name(entry) != "Lambda" or not isinstance(config, dict):
            continue
        name = str(config.get("name", ""))
        if draft.artifact.format == "keras" and "function_type" in config:
            for key in ("function", "output_shape"):
                code = config.get(key)
                if config.get(f"{key}_type") == "lambda" and isinstance(code, list) and len(code) == 3:
                    inner = dict(zip(("code", "defaults", "closure"), code, strict=True))
                    config[key] = {"class_name": "__lambda__", "config": inner}
            for key in _LAMBDA_KEYS:
                config.pop(key, None)
            yield Change("write the function of {} as Keras 3 does", "Lambda", name)
        yield from _default_values(config, name)
        shape = config.get("output_shape")
        if draft.loader.keras < (3, 10) and isinstance(shape, list) and config.get("output_shape_type", "raw") == "raw":
            config["output_shape"] = None
            yield Change("drop {} from the config", "output_shape", name)


def _default_values(config: dict[str, Any], name: str) -> Iterator[Change]:
    """The default values of a function, which Keras 3 does not bring back, as arguments of its layer."""
    held = config.get("function")
    function = held.get("config") if isinstance(held, dict) else held
    where: Any = "code" if isinstance(function, dict) else 0
    rest: Any = "defaults" if isinstance(function, dict) else 1
    if not isinstance(function, (dict, list)) or len(function) != 3:
        return
    if isinstance(function, dict) and not {"code", "defaults"} <= function.keys():
        return
    code, defaults, given = function[where], function[rest], config.get("arguments") or {}
    if not isinstance(code, str) or not isinstance(defaults, list) or not defaults or not isinstance(given, dict):
        return
    names = parameters(decoded(code))[-len(defaults) :]
    if len(names) == len(defaults):
        function[rest] = None
        config["arguments"] = {**dict(zip(names, defaults, strict=True)), **given}
        yield Change("pass {} as arguments of the Lambda", ", ".join(names), name)


def _old_lambdas(draft: Draft) -> Iterator[Change]:
    """Functions as Keras 3 writes them, in the words of Keras 2: code as a list, or a name, with its kind beside it."""
    for entry in draft.entries() if not draft.loader.keras3 else ():
        config = entry["config"]
        if class_name(entry) != "Lambda" or not isinstance(config, dict) or "function_type" in config:
            continue
        function = config.get("function")
        inner = function.get("config") if isinstance(function, dict) else None
        if isinstance(inner, dict):
            config["function"] = [inner.get("code"), inner.get("defaults"), inner.get("closure")]
        elif isinstance(inner, str):
            config["function"] = inner
        elif not isinstance(function, list):
            continue
        kind = "function" if isinstance(inner, str) else "lambda"
        config.update(function_type=kind, module=None, output_shape_type="raw", output_shape_module=None)
        yield Change("write the function of {} as Keras 2 does", "Lambda", str(config.get("name", "")))


RULES: tuple[Rule, ...] = (_lambdas, _old_lambdas)
