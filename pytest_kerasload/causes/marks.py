"""Static marks: what in a file tells, before anything loads it, that a release rejects it or reads it otherwise.

Each mark is a function of an artifact and a loader that yields places with what is to be said about them. What a
table of names and keys can tell is not here but in ``checks/version.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_kerasload.artifacts.builtins import is_builtin, op_exists, op_since
from pytest_kerasload.artifacts.layers import class_name
from pytest_kerasload.artifacts.record import Artifact, ConfigObject
from pytest_kerasload.causes.graph_marks import GRAPH_RULES
from pytest_kerasload.causes.lambda_marks import LAMBDA_RULES
from pytest_kerasload.causes.layer_marks import LAYER_RULES
from pytest_kerasload.causes.loader import Loader, Mark, Rule, from_keras2, is_legacy


def marks(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    """Every mark of the artifact that matters to the loader.

    Where the format itself is refused there is nothing else to say.
    """
    formats = [*_format(artifact, loader), *_ops(artifact, loader)]
    yield from formats
    if not formats:
        for rule in _RULES:
            yield from rule(artifact, loader)


def _format(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    if artifact.format == "savedmodel" and artifact.keras_metadata and loader.keras3:
        yield Mark("savedmodel-needs-keras2", "load_model of {loader} reads no SavedModel")
    slots = artifact.format == "savedmodel" and artifact.weights.optimizer_tensors
    if slots and loader.keras3 and not loader.versions.tf_keras:
        yield Mark(
            "savedmodel-add-slot", "TensorFlow has no class for its optimizer beside {loader}, and reads none of it"
        )
    if artifact.format == "keras" and artifact.path.suffix == ".keras" and loader.tensorflow < (2, 12):
        # keras/saving/saving_api.py of Keras 2.12 is the first that looks for an archive.
        yield Mark("keras-zip-in-old-tensorflow", "{loader} takes a .keras archive for HDF5, and cannot open it")


def _ops(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    tensorflow = loader.versions.tensorflow
    for op in sorted(artifact.ops) if tensorflow else ():
        if op_exists(op, str(tensorflow)) is False:
            first = op_since(op) or "0.0"
            newer = tuple(map(int, first.split("."))) > loader.tensorflow
            came = f" (it came with {first})" if newer else ""
            yield Mark("savedmodel-op-missing", f"TensorFlow {tensorflow} has no op {op}{came}")


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
            foreign = inside_keras3 or module.startswith("keras.engine")
        elif loader.keras < (2, 13):
            foreign = module.startswith(("tf_keras.src", "keras.src"))
        else:
            foreign = inside_keras3 or module.startswith(("tf_keras.src", "keras.engine"))
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


WRAPPED = ("layer", "cell", "cells", "forward_layer", "backward_layer", "activation")
"""Keys of a layer's configuration that another layer stands behind."""


def _wrapped(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    """Wrappers of Keras 3 resolve what is in them by its module, which legacy HDF5 does not have."""
    if not loader.keras3:
        return
    for use in artifact.objects:
        config = use.config
        if use.section != "model" or not is_legacy(use) or not isinstance(config, Mapping):
            continue
        for key in WRAPPED:
            inner = config.get(key)
            for entry in inner if isinstance(inner, list) else [inner]:
                if isinstance(entry, Mapping) and "class_name" in entry and "module" not in entry:
                    message = f"{{loader}} does not resolve the {class_name(entry)} inside {use.class_name}"
                    yield Mark("keras2-wrapped-layer", message, f"{use.place}/{key}")


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
                    message = f"{{loader}} takes the {key} '{value}' of {use.class_name} for a function of that name"
                    yield Mark("keras2-word-is-function", message, use.place)


def _names(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    if loader.keras3:
        for use in artifact.objects:
            name = use.config.get("name") if isinstance(use.config, Mapping) else None
            if use.kind in ("layer", "model") and use.section == "model" and isinstance(name, str) and "/" in name:
                yield Mark("layer-name-slash", f"{{loader}} takes no slash in the name of a layer: {name}", use.place)


def _hard_sigmoid(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    if loader.keras3 and from_keras2(artifact):
        for use in artifact.objects:
            if use.section == "model" and not use.custom and use.name == "hard_sigmoid":
                yield Mark("hard-sigmoid-changed", "hard_sigmoid is another function on {loader}", use.place)


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


def _h5_operations(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    if artifact.format != "h5" or not loader.keras3:
        return
    for use in artifact.objects:
        if use.section != "model" or use.custom or use.kind not in ("layer", "operation"):
            continue
        if not is_builtin(use.class_name, "operation"):
            continue
        # x + y and layers.Add are both an Add: only a layer says whether it is trainable.
        layer = is_builtin(use.class_name, "layer") and isinstance(use.config, Mapping) and "trainable" in use.config
        if not layer and not from_keras2(artifact):
            code = "h5-mixed-precision-cast" if use.class_name == "Cast" else "h5-functional-ops"
            yield Mark(code, f"{{loader}} does not read the operation {use.class_name} from HDF5", use.place)


_ALIASES = frozenset({"mse", "mae", "mape", "msle", "MSE", "MAE", "MAPE", "MSLE", "bce", "BCE", "kld", "KLD"})
"""Short names that are not read as a loss; as those of metrics they are."""


def _training(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    if not loader.keras3:
        for use in artifact.objects if loader.keras < (2, 14) and artifact.format == "keras" else ():
            if (use.module or "").startswith("keras.optimizers.legacy"):
                message = f"{{loader}} does not bring {use.module}.{use.class_name} back"
                yield Mark("legacy-optimizer-in-archive", message, use.place)
        return
    for use in artifact.objects:
        if use.section != "training":
            continue
        config = use.config if isinstance(use.config, Mapping) else {}
        if artifact.format == "h5" and use.kind == "loss" and use.config is None and use.name in _ALIASES:
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
    *GRAPH_RULES,
    *LAYER_RULES,
    *LAMBDA_RULES,
    _words,
    _names,
    _hard_sigmoid,
    _custom_functions,
    _h5_operations,
    _training,
)
