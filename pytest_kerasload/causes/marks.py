"""Static marks: what in a file tells, before anything loads it, that a release rejects it or reads it otherwise.

Each mark is a function of an artifact and a loader that yields places with what is to be said about them. What a
table of names and keys can tell is not here but in ``checks/version.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from packaging.version import Version

from pytest_kerasload.artifacts.builtins import exists_in
from pytest_kerasload.artifacts.layers import class_name, config_of, is_functional, is_model, layer_name, layers_of
from pytest_kerasload.artifacts.record import Artifact, ConfigObject
from pytest_kerasload.causes.ranks import input_ranks
from pytest_kerasload.environments.versions import Versions


@dataclass(frozen=True)
class Loader:
    """The release that is to load an artifact."""

    versions: Versions
    release: str
    """The version by which the table of built-in names is asked."""

    @property
    def keras(self) -> tuple[int, int]:
        version = Version(self.release)
        return version.major, version.minor

    @property
    def tensorflow(self) -> tuple[int, int]:
        version = Version(self.versions.tensorflow or "0")
        return version.major, version.minor

    @property
    def keras3(self) -> bool:
        return self.versions.keras3

    @property
    def label(self) -> str:
        return self.versions.label


@dataclass(frozen=True)
class Mark:
    """One place that shows a cause. ``message`` may say ``{loader}``; marks with the same code and message are one."""

    code: str
    message: str
    place: str = ""


Rule = Callable[[Artifact, Loader], Iterator[Mark]]


def marks(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    """Every mark of the artifact that matters to the loader.

    Where the format itself is refused there is nothing else to say.
    """
    formats = list(_format(artifact, loader))
    yield from formats
    if not formats:
        for rule in _RULES:
            yield from rule(artifact, loader)


def is_legacy(use: ConfigObject) -> bool:
    """Whether the object is written as Keras 2 writes HDF5: without the module of its class.

    Keras 3 then takes another way through ``keras/src/legacy/saving``.
    """
    return use.module is None


def from_keras2(artifact: Artifact) -> bool:
    """Whether Keras 2, or tf_keras, wrote the artifact, as far as it tells."""
    saved = artifact.saved_with.keras
    return Version(saved.split("-")[0]).major < 3 if saved else artifact.weights.style in ("h5-keras2", "keras-2.13")


def models(entry: Any, place: str = "") -> Iterator[tuple[Mapping[str, Any], str]]:
    """Every model in a configuration, the outermost first, with its place."""
    if is_model(entry):
        yield entry, place
        for layer in layers_of(entry):
            name = layer_name(layer)
            yield from models(layer, f"{place}/{name}" if place else name)


def _format(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    if artifact.format == "savedmodel" and artifact.keras_metadata and loader.keras3:
        yield Mark("savedmodel-needs-keras2", "load_model of {loader} reads no SavedModel")
    if artifact.format == "keras" and artifact.path.suffix == ".keras" and loader.tensorflow < (2, 12):
        # keras/saving/saving_api.py of Keras 2.12 is the first that looks for an archive.
        yield Mark("keras-zip-in-old-tensorflow", "{loader} takes a .keras archive for HDF5, and cannot open it")


def _module_paths(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    if artifact.format != "keras":
        return
    for use in artifact.objects:
        module = use.module or ""
        if use.custom or module.partition(".")[0] not in ("keras", "tf_keras"):
            continue
        inside_keras3 = module.startswith(("keras.src.models", "keras.src.ops", "keras.dtype_policies", "keras.random"))
        if loader.keras3:
            foreign = module.startswith(("tf_keras", "keras.engine", "keras.src.engine"))
        elif loader.versions.flavour == "tf_keras":  # it reads keras.src as tf_keras.src
            foreign = inside_keras3
        else:
            foreign = inside_keras3 or module.startswith("tf_keras.src")
        code = "keras3-module-path" if inside_keras3 else "keras2-module-path"
        if foreign:
            yield Mark(code, f"{use.class_name} is looked for in {module}, which {{loader}} does not have", use.place)


def _policies(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    for use in artifact.objects:
        if use.kind != "policy":
            continue
        name = use.class_name.rpartition(">")[2]
        if loader.keras3 and name in ("Policy", "PolicyV1"):
            yield Mark("keras2-policy-dict", "{loader} cannot read the dtype policy as Keras 2 writes it", _owner(use))
        if not loader.keras3 and name.endswith(("DTypePolicy", "DTypePolicyMap")):
            yield Mark("keras3-dtype-policy", "{loader} reads a dtype as a name; here it is a DTypePolicy", _owner(use))


def _owner(use: ConfigObject) -> str:
    return use.place.rpartition("/")[0] or use.place


def _wrapped(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    """Wrappers of Keras 3 resolve what is in them by its module, which legacy HDF5 does not have."""
    if not loader.keras3:
        return
    for use in artifact.objects:
        config = use.config
        if use.section != "model" or not is_legacy(use) or not isinstance(config, Mapping):
            continue
        for key in ("layer", "cell", "cells", "forward_layer", "backward_layer"):
            inner = config.get(key)
            for entry in inner if isinstance(inner, list) else [inner]:
                if isinstance(entry, Mapping) and "class_name" in entry and "module" not in entry:
                    yield Mark(
                        "keras2-wrapped-layer",
                        f"{{loader}} does not resolve the {class_name(entry)} inside {class_name({'class_name': use.class_name})}",
                        f"{use.place}/{key}",
                    )


def _graphs(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    """Functional models of Keras 2 in HDF5, whose nodes are lists."""
    if not loader.keras3:
        return
    for entry, place in models(artifact.config):
        if not is_functional(entry):
            continue
        layers = layers_of(entry)
        names = frozenset(layer_name(layer) for layer in layers)
        nested = {layer_name(layer) for layer in layers if is_model(layer)}
        for layer in layers:
            where = f"{place}/{layer_name(layer)}" if place else layer_name(layer)
            for node in layer.get("inbound_nodes") or []:
                for call in node if isinstance(node, list) else []:
                    if not isinstance(call, list) or len(call) < 3:
                        continue
                    if call[0] in nested and isinstance(call[1], int) and call[1] > 0:
                        yield Mark(
                            "nested-model-used-twice",
                            f"{{loader}} does not find call {call[1]} of the nested model {call[0]}",
                            where,
                        )
                    if len(call) > 3 and any(_refers(value, names) for value in (call[3] or {}).values()):
                        yield Mark(
                            "keras2-call-arguments",
                            "{loader} gives a tensor that is a keyword argument of the call as its name",
                            where,
                        )


def _refers(value: Any, names: frozenset[str]) -> bool:
    if not isinstance(value, list):
        return False
    if len(value) >= 3 and isinstance(value[0], str) and value[0] in names and isinstance(value[1], int):
        return True
    return any(_refers(item, names) for item in value)


def _sequential_shapes(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    if not loader.keras3 or artifact.format != "h5":
        return
    for entry, place in models(artifact.config):
        layers = layers_of(entry)
        if class_name(entry) != "Sequential" or not layers or "module" in layers[0]:
            continue
        shape = config_of(layers[0]).get("batch_input_shape")
        if class_name(layers[0]) != "InputLayer" and shape is not None:
            where = f"{place}/{layer_name(layers[0])}" if place else layer_name(layers[0])
            yield Mark(
                "keras2-sequential-input-shape",
                f"{{loader}} takes batch_input_shape {shape} for a shape without the batch, and adds it again",
                where,
            )


_WORDS = frozenset({"add", "average", "concatenate", "dot", "maximum", "minimum", "multiply", "subtract", "get"})
"""Functions in keras.src.layers, for which Keras 3 takes equal words in a legacy configuration.

keras/src/legacy/saving/serialization.py, class_and_config_for_serialized_keras_object, since 3.14.
"""


def _words(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    if not loader.keras3 or loader.keras < (3, 14):
        return
    for use in artifact.objects:
        if use.section == "model" and is_legacy(use) and use.kind == "layer" and isinstance(use.config, Mapping):
            for key, value in use.config.items():
                if key != "name" and isinstance(value, str) and value in _WORDS:
                    yield Mark(
                        "keras2-word-is-function",
                        f"{{loader}} takes the {key} '{value}' of {use.class_name} for the function keras.layers.{value}",
                        use.place,
                    )


def _names(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    if loader.keras3:
        for use in artifact.objects:
            name = use.config.get("name") if isinstance(use.config, Mapping) else None
            if use.kind in ("layer", "model") and use.section == "model" and isinstance(name, str) and "/" in name:
                yield Mark("layer-name-slash", f"{{loader}} takes no slash in the name of a layer: {name}", use.place)


_ONE_AXIS = frozenset({"BatchNormalization", "SyncBatchNormalization"})


def _axes(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    if not loader.keras3:
        return
    for entry, place in models(artifact.config):
        ranks = input_ranks(entry)
        for layer in layers_of(entry):
            config, name = config_of(layer), layer_name(layer)
            if "axis" not in config:
                continue
            axis, owner = config["axis"], class_name(layer)
            where = f"{place}/{name}" if place else name
            if layer.get("module") is not None:
                if owner in _ONE_AXIS and isinstance(axis, list):
                    yield Mark(
                        "keras2-axis-list", f"{{loader}} takes one number as the axis of {owner}, not {axis}", where
                    )
            elif _drops(axis, owner, ranks.get(name), loader):
                yield Mark("h5-axis-dropped", f"{{loader}} takes -1 for the axis of {owner}, which is {axis}", where)


def _drops(axis: Any, owner: str, rank: int | None, loader: Loader) -> bool:
    """Whether ``model_from_config`` takes the axis out, so that the layer has its default, -1, and that is another one.

    keras/src/legacy/saving/saving_utils.py: before 3.9 a number is dropped, and lists of several axes and None always
    are. Seen on Keras 3.3, 3.8, 3.10 and 3.15: no message, other predictions.
    """
    if isinstance(axis, list):
        return len(axis) != 1
    if axis is None:
        return owner == "Normalization"
    if not isinstance(axis, int) or loader.keras >= (3, 9) or axis == -1:
        return False
    return axis < 0 or (rank is not None and axis != rank - 1)


def _hard_sigmoid(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    if loader.keras3 and from_keras2(artifact):
        for use in artifact.objects:
            if use.section == "model" and not use.custom and use.name == "hard_sigmoid":
                yield Mark("hard-sigmoid-changed", "hard_sigmoid is another function on {loader}", use.place)


def _normalization(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    if artifact.format != "h5" or not loader.keras3 or loader.keras >= (3, 6):
        return
    for use in artifact.objects:
        if use.class_name == "Normalization" and not use.custom and isinstance(use.config, Mapping):
            if use.config.get("mean") is None:
                yield Mark("normalization-not-restored", "Normalization acts as the identity on {loader}", use.place)


def _hashing(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    """keras/src/layers/preprocessing/hashing.py asks for an integer dtype where output_mode is int, its default."""
    for use in artifact.objects:
        if use.class_name != "Hashing" or use.custom or not isinstance(use.config, Mapping):
            continue
        dtype = use.config.get("dtype")
        if loader.keras3 and use.config.get("output_mode", "int") == "int":
            if isinstance(dtype, str) and "float" in dtype:
                yield Mark("hashing-dtype", f"{{loader}} takes no {dtype} as the dtype of Hashing", use.place)
            if isinstance(dtype, Mapping) and loader.keras < (3, 4):
                yield Mark("hashing-dtype", "{loader} takes only a name as the dtype of Hashing", use.place)
        if "mask_value" not in use.config and isinstance(use.config.get("salt"), list):
            yield Mark("hashing-salt-written", "Hashing puts words into other bins than when it was saved", use.place)


def _custom_functions(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    """keras/src/legacy/saving/saving_utils.py, _find_replace_nested_dict (gone with 3.11)."""
    if loader.keras3 and loader.keras < (3, 11) and artifact.format == "h5":
        for use in artifact.objects:
            if use.custom and use.config is None and use.kind == "activation" and use.section == "model":
                yield Mark(
                    "custom-function-not-json",
                    f"{{loader}} cannot read HDF5 that names the function {use.name}",
                    use.place,
                )


def _unwrapped_io(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    if not loader.keras3 or loader.keras >= (3, 4):
        return
    for entry, place in models(artifact.config):
        for key in ("input_layers", "output_layers"):
            value = config_of(entry).get(key)
            if isinstance(value, list) and value and isinstance(value[0], str):
                yield Mark("keras3-unwrapped-inputs", f"{{loader}} expects a list of tensors in {key}", place)


def _h5_operations(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    if artifact.format != "h5" or not loader.keras3:
        return
    for use in artifact.objects:
        if use.section != "model" or use.custom or use.kind not in ("layer", "operation"):
            continue
        if exists_in(use.class_name, "operation", "keras3", loader.release):
            if not exists_in(use.class_name, "layer", "keras3", loader.release) or ".ops" in (use.module or ""):
                code = "h5-mixed-precision-cast" if use.class_name == "Cast" else "h5-functional-ops"
                yield Mark(code, f"{{loader}} does not read the operation {use.class_name} from HDF5", use.place)


def _weights_layout(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    weights = artifact.weights
    if artifact.format != "keras" or not weights.tensors:
        return
    if weights.style != "keras-2.13":
        return
    if not loader.keras3 and loader.keras >= (2, 14):
        yield Mark("keras213-weights-layout", "{loader} does not find the weights where Keras 2.13 and older put them")
    if loader.keras3:
        for group in weights.layers:
            # The second layer of a class is dense_2 there, and Keras 3 looks for dense_1.
            if re.fullmatch(r"_layer_checkpoint_dependencies/[a-z0-9_]+?_\d+", group):
                yield Mark("keras213-weights-layout", "{loader} does not find the weights of every layer", group)


_ALIASES = frozenset({"mse", "mae", "mape", "msle", "MSE", "MAE", "MAPE", "MSLE"})


def _training(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    if not loader.keras3:
        return
    for use in artifact.objects:
        if use.section != "training":
            continue
        config = use.config if isinstance(use.config, Mapping) else {}
        if artifact.format == "h5" and use.kind in ("loss", "metric") and use.config is None and use.name in _ALIASES:
            yield Mark("h5-loss-alias", f"{{loader}} does not read the name '{use.name}' from HDF5", use.place)
        if use.kind in ("loss", "metric") and config.get("reduction") == "auto":
            yield Mark("keras2-loss-reduction", "{loader} knows no reduction 'auto'", use.place)
        if artifact.format == "h5" and use.kind == "schedule" and is_legacy(use) and not use.custom:
            yield Mark(
                "training-config-not-read",
                f"{{loader}} does not resolve the {use.class_name} of the optimizer",
                use.place,
            )
        if (use.module or "").startswith("keras.optimizers.legacy"):
            yield Mark("optimizer-not-in-this-keras", f"{{loader}} has no {use.module}.{use.class_name}", use.place)
    if artifact.format == "h5" and artifact.training_config and "loss_weights" not in artifact.training_config:
        yield Mark("training-config-incomplete", "{loader} asks for loss_weights, which are not there", "compile")


_RULES: tuple[Rule, ...] = (
    _module_paths,
    _policies,
    _wrapped,
    _graphs,
    _sequential_shapes,
    _words,
    _names,
    _axes,
    _hard_sigmoid,
    _normalization,
    _hashing,
    _custom_functions,
    _unwrapped_io,
    _h5_operations,
    _weights_layout,
    _training,
)
