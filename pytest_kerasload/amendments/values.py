"""Changes of single objects in a configuration: keys, policies, names and modules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_kerasload.amendments.change import Change, Draft, Rule
from pytest_kerasload.artifacts.builtins import exists_in, is_builtin
from pytest_kerasload.causes.loader import from_keras2, is_legacy
from pytest_kerasload.causes.marks import WRAPPED
from pytest_kerasload.checks import version

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
                    name = str(inner["class_name"])
                    own = not is_builtin(name, "layer")  # found by its name among the custom objects
                    inner.update(module=None if own else "keras.layers", registered_name=name if own else None)
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


_INITIALIZERS = ("Orthogonal", "OrthogonalInitializer")
"""What Keras 3.7 and later call it, Keras 2 too, and what Keras 3.0 to 3.6 do."""


def _orthogonal(draft: Draft) -> Iterator[Change]:
    """The initializer that has two names."""
    loader = draft.loader
    for entry in draft.entries():
        name = entry["class_name"]
        if name in _INITIALIZERS and exists_in(name, "initializer", loader.versions.flavour, loader.release) is False:
            entry["class_name"] = _INITIALIZERS[1 - _INITIALIZERS.index(name)]
            yield Change("call the initializer {} by its other name", name)


def _slopes(draft: Draft) -> Iterator[Change]:
    """What LeakyReLU calls alpha in Keras 2, and negative_slope in Keras 3, which takes both."""
    for use, config in draft.built_in("LeakyReLU") if not draft.loader.keras3 else ():
        if "negative_slope" in config:
            config["alpha"] = config.pop("negative_slope")
            yield Change("call the {} of LeakyReLU alpha", "negative_slope", use.place)


_WORDS = {"TextVectorization": "string", "StringLookup": "string", "IntegerLookup": "int64", "Hashing": "int64"}
"""The dtype that Keras 2 asks layers for whose inputs are no numbers to compute with; Keras 3 writes its policy."""


def _word_dtypes(draft: Draft) -> Iterator[Change]:
    if draft.loader.keras3 or from_keras2(draft.artifact):
        return
    for name, wanted in _WORDS.items():
        for use, config in draft.built_in(name):
            dtype = config.get("dtype", wanted)
            # What Hashing gives as counts or flags has the dtype that was asked for; so has an index.
            counts = name == "Hashing" and config.get("output_mode", "int") != "int"
            if counts or dtype == wanted or (name == "Hashing" and "int" in str(dtype)):
                continue
            config["dtype"] = wanted
            yield Change("give {} the dtype that Keras 2 asks for", name, use.place)


def _build_configs(draft: Draft) -> Iterator[Change]:
    """How Keras 3 notes the shapes of layers with several inputs; Keras 2 builds all of them when it calls them."""
    if draft.loader.keras3 or draft.artifact.format != "keras" or from_keras2(draft.artifact):
        return
    for entry in draft.entries():
        if isinstance(entry.get("build_config"), dict) and str(entry.get("module", "")).startswith("keras."):
            shape = entry["build_config"].get("input_shape")
            if not isinstance(shape, list) or not all(size is None or isinstance(size, int) for size in shape):
                del entry["build_config"]
                yield Change("leave out the {} that Keras 3 notes", "shapes")


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


def _score_modes(draft: Draft) -> Iterator[Change]:
    """A word that Keras 3.14 and later take for a function of that name in HDF5, where it is the default."""
    if not draft.loader.keras3 or draft.loader.keras < (3, 14) or draft.artifact.format != "h5":
        return
    for use, config in draft.built_in("Attention"):
        if config.get("score_mode") == "dot":
            del config["score_mode"]
            yield Change(_DROP, "score_mode", use.place)


def _attention_shapes(draft: Draft) -> Iterator[Change]:
    """What MultiHeadAttention of Keras 2 takes out of its configuration; null, it is built at its first call."""
    if draft.loader.keras3 or draft.loader.tensorflow < (2, 6):
        return
    for use, config in draft.built_in("MultiHeadAttention"):
        if "query_shape" not in config:
            config.update(query_shape=None, key_shape=None, value_shape=None)
            yield Change("write the shapes of {} as null", "MultiHeadAttention", use.place)


RULES: tuple[Rule, ...] = (
    _word_dtypes,
    _slopes,
    _rejected_keys,
    _build_configs,
    _policies,
    _wrapped,
    _modules,
    _orthogonal,
    _axis_lists,
    _score_modes,
    _attention_shapes,
)
