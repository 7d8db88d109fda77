"""Changes of single objects in a configuration: keys, policies, names and modules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_kerasload.amendments.change import Change, Draft, Rule
from pytest_kerasload.artifacts.builtins import exists_in
from pytest_kerasload.artifacts.layers import class_name
from pytest_kerasload.causes.loader import is_legacy
from pytest_kerasload.causes.marks import WRAPPED
from pytest_kerasload.checks import version
from pytest_kerasload.hazards.bytecode import decoded
from pytest_kerasload.inspection.marshalled import parameters

_DROP = "drop {} from the config"

_DEFAULTS: dict[str, tuple[Any, ...]] = {
    "groups": (1,),
    "time_major": (False,),
    "implementation": (1, 2),
    "renorm_momentum": (0.99,),
    "data_format": ("channels_last",),
    "flash_attention": (None, False),
    "oov_method": ("floormod",),
    "training": (False,),
    "build_config": (),
}
"""Values that say the same as saying nothing, beside None, False and empty ones (keras/src/layers, 2.15 and 3.15)."""

_ONLY_TRAINING = ("_initializer", "_regularizer", "_constraint")
"""Ends of keys that no prediction of a saved model depends on: its weights are stored."""

_INITIALIZER_KEYS = frozenset({"input_axes", "output_axes", "seed", "dtype"})


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


def _default_values(config: dict[str, Any], name: str) -> Iterator[Change]:
    """The default values of a function, which Keras 3 does not bring back, as arguments of its layer."""
    held = config.get("function")
    function = held.get("config") if isinstance(held, dict) else held
    where: Any = "code" if isinstance(function, dict) else 0
    rest: Any = "defaults" if isinstance(function, dict) else 1
    if not isinstance(function, (dict, list)) or len(function) != 3:
        return
    code, defaults, given = function[where], function[rest], config.get("arguments") or {}
    if not isinstance(code, str) or not isinstance(defaults, list) or not defaults or not isinstance(given, dict):
        return
    names = parameters(decoded(code))[-len(defaults) :]
    if len(names) == len(defaults):
        function[rest] = None
        config["arguments"] = {**dict(zip(names, defaults, strict=True)), **given}
        yield Change("pass {} as arguments of the Lambda", ", ".join(names), name)


def _rejected_keys(draft: Draft) -> Iterator[Change]:
    """Configuration keys that a class of Keras' own does not take there."""
    for use, key in version.rejected(draft.artifact, draft.loader):
        config = draft.copies.get(id(use.config))
        if use.section != "model" or not isinstance(config, dict) or key not in config:
            continue
        value = config.pop(key)
        if key == "batch_shape" and not draft.loader.keras3:
            config["batch_input_shape"] = value
            yield Change("write {} as batch_input_shape", "batch_shape", use.place)
            continue
        harmless = _is_default(use.kind, key, value)
        yield Change(_DROP, key if harmless else f"{key}={_short(value)}", use.place, harmless)


def _is_default(kind: str, key: str, value: Any) -> bool:
    if value is None or value is False or value in ([], {}, ""):
        return True
    if kind == "initializer" and key in _INITIALIZER_KEYS:
        return True
    return key.endswith(_ONLY_TRAINING) or any(value == one for one in _DEFAULTS.get(key, ()))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:40] + "..."


def _policies(draft: Draft) -> Iterator[Change]:
    """A dtype policy written as an object, where the release takes its name."""
    names = ("Policy", "PolicyV1") if draft.loader.keras3 else ("DTypePolicy", "FloatDTypePolicy")
    for entry in draft.entries():
        config = entry["config"]
        held = config.get("dtype") if isinstance(config, dict) else None
        if not isinstance(held, dict) or str(held.get("class_name", "")).rpartition(">")[2] not in names:
            continue
        name = held["config"].get("name") if isinstance(held.get("config"), dict) else None
        if isinstance(name, str):
            config["dtype"] = name
            yield Change("write the {} by its name", "dtype policy")


def _wrapped(draft: Draft) -> Iterator[Change]:
    """Layers inside wrappers, which Keras 3 resolves by their module; HDF5 of Keras 2 has none."""
    if not draft.loader.keras3:
        return
    for use in draft.artifact.objects:
        config = draft.copies.get(id(use.config))
        if use.section != "model" or not is_legacy(use) or not isinstance(config, dict):
            continue
        for key in WRAPPED:
            held = config.get(key)
            for inner in held if isinstance(held, list) else [held]:
                if isinstance(inner, dict) and "class_name" in inner and "module" not in inner:
                    inner.update(module="keras.layers", registered_name=None)
                    yield Change("name the module of the layer in {}", use.class_name, f"{use.place}/{key}")


_MODULES = (
    ("keras.src.engine.functional", "keras.src.models.functional"),
    ("keras.src.engine.sequential", "keras.src.models.sequential"),
    ("keras.src.engine.training", "keras.src.models.model"),
)
"""Where models are defined in Keras 2.13 to 2.15, and in Keras 3."""


def _modules(draft: Draft) -> Iterator[Change]:
    """Modules of Keras' own models and layers."""
    for entry in draft.entries():
        module = entry.get("module")
        if not isinstance(module, str) or module.partition(".")[0] not in ("keras", "tf_keras"):
            continue
        new = module.removeprefix("tf_")
        if new.startswith("keras.engine."):  # 2.12 and older
            new = new.replace("keras.engine.", "keras.src.engine.", 1)
        for old, now in _MODULES:
            before, after = (old, now) if draft.loader.keras3 else (now, old)
            if new == before:
                new = after
        if not draft.loader.keras3 and draft.loader.keras < (2, 13):
            new = new.replace("keras.src.", "keras.", 1)
        if new != module:
            entry["module"] = new
            yield Change("name {} where it is there", str(entry["class_name"]))


def _orthogonal(draft: Draft) -> Iterator[Change]:
    """Keras 3.7 and later write the initializer by its shorter name."""
    loader = draft.loader
    if exists_in("Orthogonal", "initializer", loader.versions.flavour, loader.release) is not False:
        return
    for entry in draft.entries():
        if entry["class_name"] == "Orthogonal":
            entry["class_name"] = "OrthogonalInitializer"
            yield Change("call the initializer {} by its longer name", "Orthogonal")


def _axis_lists(draft: Draft) -> Iterator[Change]:
    """An axis that Keras 2 writes as a list of one number."""
    if not draft.loader.keras3:
        return
    for entry in draft.entries():
        config = entry["config"] if isinstance(entry["config"], dict) else {}
        axis = config.get("axis")
        owner = entry["class_name"] in ("BatchNormalization", "SyncBatchNormalization")
        if owner and isinstance(axis, list) and len(axis) == 1 and entry.get("module") is not None:
            config["axis"] = axis[0]
            yield Change("write the {} as a number", "axis", str(config.get("name", "")))


def _attention_shapes(draft: Draft) -> Iterator[Change]:
    """What MultiHeadAttention of Keras 2 takes out of its configuration; null, it is built at its first call."""
    if draft.loader.keras3 or draft.loader.tensorflow < (2, 6):
        return
    for entry in draft.entries():
        config = entry["config"]
        if class_name(entry) == "MultiHeadAttention" and isinstance(config, dict) and "query_shape" not in config:
            config.update(query_shape=None, key_shape=None, value_shape=None)
            yield Change("write the shapes of {} as null", "MultiHeadAttention", str(config.get("name", "")))


RULES: tuple[Rule, ...] = (
    _lambdas,
    _rejected_keys,
    _policies,
    _wrapped,
    _modules,
    _orthogonal,
    _axis_lists,
    _attention_shapes,
)
