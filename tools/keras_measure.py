"""Measure which names and configuration keys the Keras of this interpreter knows.

``keras_table.py`` runs it inside each release; by hand it is::

    release/bin/python tools/keras_measure.py measure OUT            # names, and configurations as they are written
    release/bin/python tools/keras_measure.py measure OUT VALUES     # and which keys each class takes
    release/bin/python tools/keras_measure.py ops OUT                # what TensorFlow registers

A key counts as accepted where ``from_config`` of the class takes it, with a value of ``VALUES`` (what some release
really writes), and as rejected where it raises an error that names the key. Needs nothing but the release itself: runs
on Python 3.7 and later, on TensorFlow 1.15 to now. ``TF_USE_LEGACY_KERAS=1`` measures tf_keras, and
``KERAS_TABLE_STANDALONE=1`` the Keras 2.2 and 2.3 that were packages beside TensorFlow.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import json
import os
import pathlib
import re
import sys

NONSENSE = "no_keras_release_has_this_key"

# Values for constructor parameters without a default, by parameter name; "ClassName.parameter" goes first.
ARGUMENTS = {
    "units": 3, "filters": 2, "kernel_size": 3, "rate": 0.5, "input_dim": 4, "output_dim": 3, "n": 2, "stddev": 1.0,
    "Permute.dims": [1], "target_shape": [2], "axes": 1, "num_heads": 2, "key_dim": 2, "num_query_heads": 2,
    "num_key_value_heads": 2, "head_dim": 2, "height": 4, "width": 4, "height_factor": 0.5, "width_factor": 0.5,
    "target_height": 4, "target_width": 4, "factor": 0.5, "num_bins": 3, "num_tokens": 3, "bin_boundaries": [0.0, 1.0],
    "scale": 0.5, "offset": 0.0, "equation": "ab,bc->ac", "output_shape": 3, "num_classes": 2, "target_class_ids": [0],
    "recall": 0.5, "precision": 0.5, "sensitivity": 0.5, "specificity": 0.5, "initial_learning_rate": 0.1,
    "decay_steps": 10, "decay_rate": 0.9, "boundaries": [1], "values": [1.0, 0.5], "first_decay_steps": 10,
    "mask_value": 0.0, "size": 2, "cropping": 1, "padding": 1, "activation": "relu", "name": "float32",
    "max_value": 1.0, "min_value": 0.0, "learning_rate": 0.1, "momentum": 0.9, "l2": 0.1, "value": 1.0,
    "num_features": 3, "group_size": 2, "epsilon": 1e-3, "output_mode": "int", "bounding_box_format": "xyxy",
    "vocabulary": None, "fft_length": 256, "alpha": 0.2, "normalized_shape": 3, "gain": 1.0, "boxes": 1,
    "sequence_length": 8, "max_length": 8, "sequence_stride": 1, "norms": 1, "rank": 2, "pool_size": 2, "strides": 2,
    "thresholds": 0.5, "curve": "ROC", "input_specs": None, "num_spectral_iterations": 1, "mode": "fan_in",
    "distribution": "normal", "gamma": 2.0, "mean": 0.0, "variance": 1.0, "k": 2, "maxval": 1.0, "minval": 0.0,
    "attention_axes": None, "initial_scale": 1.0, "loss_scale": "dynamic", "value_dim": None, "feature_dim": 2,
}  # fmt: skip

# Keys that only appear where the layer or optimizer is used in some way, with a value.
CONDITIONAL = {
    "layer": {
        "batch_input_shape": [None, 4],
        "batch_shape": [None, 4],
        "lora_rank": 2,
        "lora_alpha": 2,
        "quantization_mode": "int8",
        "input_dim": 4,
        "input_length": None,
        "activity_regularizer": None,
        "dynamic": False,
        "autocast": True,
    },
    "optimizer": {
        "lr": 0.001,
        "decay": 0.0,
        "clipnorm": 1.0,
        "clipvalue": 1.0,
        "global_clipnorm": 1.0,
        "jit_compile": False,
        "is_legacy_optimizer": False,
        "weight_decay": None,
        "loss_scale_factor": None,
        "gradient_accumulation_steps": None,
    },
}
BUILT = {"MultiHeadAttention": {key: [None, 3, 4] for key in ("query_shape", "key_shape", "value_shape")}}
CONFIGURED = (
    "layer",
    "optimizer",
    "schedule",
    "loss",
    "metric",
    "initializer",
    "regularizer",
    "constraint",
    "policy",
    "other",
)


class Release:
    """The Keras of this interpreter: where its modules are, and what it is called."""

    def __init__(self):
        standalone = os.environ.get("KERAS_TABLE_STANDALONE")
        if standalone:
            import keras

            self.api, self.flavour = keras, "standalone"
            self.version, self.roots = keras.__version__, ["keras"]
            return
        import tensorflow as tf

        if os.environ.get("TF_USE_LEGACY_KERAS"):
            import tf_keras

            self.api, self.flavour = tf_keras, "tf_keras"
            self.version, self.roots = tf_keras.__version__, ["tf_keras.src", "tf_keras"]
            return
        try:
            import keras

            self.version = keras.__version__
        except ImportError:
            keras = None
            self.version = tf.__version__
        self.flavour = "keras3" if self.version.startswith("3") else "keras2"
        self.api = keras if self.flavour == "keras3" else tf.keras
        self.roots = ["keras.src", "keras"] if keras else ["tensorflow.python.keras"]
        if keras and self.flavour == "keras2" and not hasattr(keras, "src"):
            self.roots = ["keras"]

    def module(self, name):
        """An internal module by its path below the package, or None."""
        for root in self.roots:
            try:
                return importlib.import_module(root + "." + name)
            except ImportError:
                continue
        return None

    def public(self, name):
        """A module of the public interface, or None."""
        found = self.api
        for part in name.split("."):
            found = getattr(found, part, None)
        return found


def members(module):
    return {} if module is None else {k: v for k, v in vars(module).items() if not k.startswith("_")}


def tables(release):
    """Every name to object table that the release looks names up in, by kind."""
    found = {}

    def add(kind, table):
        # The first one wins: Keras 3 keeps stubs of the legacy optimizers under the same names.
        seen = found.setdefault(kind, {})
        for name, value in table.items():
            if isinstance(name, str) and not inspect.ismodule(value):
                seen.setdefault(name, value)

    serialization = release.module("layers.serialization")
    if serialization is not None:
        if hasattr(serialization, "populate_deserializable_objects"):
            serialization.populate_deserializable_objects()
            add("layer", serialization.LOCAL.ALL_OBJECTS)
        else:
            add("layer", members(serialization))
    for name in ("layers", "models", "layers.experimental.preprocessing", "layers.experimental", "experimental",
                 "layers.recurrent", "layers.recurrent_v2", "engine.functional", "engine.sequential",
                 "engine.training", "models.functional", "engine.input_layer", "engine.base_layer",
                 "layers.core.tf_op_layer", "premade", "premade_models", "layers.core.input_layer",
                 # Keras 3 has a module of this name too, which loading does not look into.
                 *(["legacy.layers"] if release.flavour == "standalone" else [])):  # fmt: skip
        add("layer", members(release.module(name)))
        add("layer", members(release.public(name)))
    simple = {
        "optimizer": ("optimizers", "optimizers.legacy", "optimizers.experimental", "optimizer_v2", "mixed_precision",
                      "mixed_precision.experimental", "mixed_precision.loss_scale_optimizer", "optimizer_v1",
                      "optimizers.optimizer_v1", "optimizers.legacy.optimizer_v1"),
        "schedule": ("optimizers.schedules", "optimizer_v2.learning_rate_schedule",
                     "optimizers.schedules.learning_rate_schedule"),
        "loss": ("losses",),
        "metric": ("metrics",),
        "initializer": ("initializers",),
        "regularizer": ("regularizers",),
        "constraint": ("constraints",),
        "activation": ("activations",),
        "policy": ("mixed_precision", "mixed_precision.experimental", "dtype_policies", "mixed_precision.policy",
                   "mixed_precision.loss_scale"),
    }  # fmt: skip
    for kind, names in simple.items():
        for name in names:
            internal = release.module(name)
            if release.flavour == "keras3" and hasattr(internal, "ALL_OBJECTS_DICT"):
                # This alone is asked for a name; public aliases such as keras.initializers.Orthogonal (3.3) are not.
                add(kind, internal.ALL_OBJECTS_DICT)
                add(kind, members(internal) if kind == "optimizer" else {})  # looked up in lower case
                continue
            # Optimizers: the public one first, as the module inside Keras 2.11 to 2.15 has the legacy one in its place.
            add(kind, members(release.public(name)) if kind == "optimizer" else {})
            add(kind, members(internal))
            add(kind, members(release.public(name)))
    initializers = release.module("initializers")
    if hasattr(initializers, "populate_deserializable_objects"):
        initializers.populate_deserializable_objects()
        add("initializer", initializers.LOCAL.ALL_OBJECTS)
    return found


def registered(release):
    """Keras' own classes that are looked up under a package name, such as ``Custom>Adam``."""
    for name in ("saving.object_registration", "utils.generic_utils", "saving.legacy.serialization"):
        module = release.module(name)
        for attribute in ("_GLOBAL_CUSTOM_OBJECTS", "GLOBAL_CUSTOM_OBJECTS"):
            table = getattr(module, attribute, None)
            if table:
                return {
                    k: v for k, v in table.items()
                    if re.match(r"(tf_)?keras\.|tensorflow\.(python\.)?keras", getattr(v, "__module__", ""))
                }  # fmt: skip
    return {}


def first(release, *paths):
    for path in paths:
        name, attribute = path.rsplit(".", 1)
        for module in (release.module(name), release.public(name)):
            if hasattr(module, attribute):
                return getattr(module, attribute)
    return None


def names_by_kind(release):
    """``{kind: {name: class or function}}``."""
    bases = {
        "layer": first(release, "engine.base_layer.Layer", "layers.layer.Layer", "layers.Layer"),
        "model": first(release, "engine.training.Model", "models.model.Model", "models.Model"),
        "loss": first(release, "losses.Loss", "losses.loss.Loss"),
        "metric": first(release, "metrics.Metric", "metrics.base_metric.Metric"),
        "optimizer": first(release, "optimizers.Optimizer", "optimizers.optimizer.Optimizer"),
        "schedule": first(release, "optimizers.schedules.LearningRateSchedule"),
        "constraint": first(release, "constraints.Constraint"),
        "regularizer": first(release, "regularizers.Regularizer"),
        "operation": first(release, "ops.operation.Operation"),
    }
    layer, model = bases["layer"], bases["model"]
    kinds = {kind: {} for kind in (*CONFIGURED, "model", "operation", "activation", "function")}
    for kind, table in tables(release).items():
        for name, value in table.items():
            if name.startswith("_"):
                continue
            if kind == "layer":
                # DenseFeatures and its like are layers by duck typing in some releases.
                if inspect.isclass(value) and model is not None and issubclass(value, model):
                    kinds["model"][name] = value
                elif inspect.isclass(value) and (issubclass(value, layer) or hasattr(value, "compute_output_shape")):
                    kinds["layer"][name] = value
            elif inspect.isclass(value):
                base = bases.get(kind)
                own = value.__module__.split(".")[0] in ("keras", "tf_keras", "tensorflow")
                if kind == "optimizer":
                    if (
                        hasattr(value, "apply_gradients")
                        or hasattr(value, "get_updates")
                        or name == "LossScaleOptimizer"
                    ):
                        kinds[kind][name] = value
                elif kind == "policy":
                    if re.search(r"Policy|LossScale$|LossScale(?!Opt)", name):
                        kinds[kind][name] = value
                elif own and (issubclass(value, base) if base else hasattr(value, "from_config")):
                    kinds[kind][name] = value
            elif inspect.isroutine(value) and kind in ("loss", "metric", "activation", "initializer", "regularizer"):
                home = getattr(value, "__module__", "") or ""
                if kind == "activation" and re.search(r"activation|\bops\b|backend|nn_ops|gen_nn", home):
                    kinds["activation"][name] = value
                elif kind in ("loss", "metric") and re.search(r"losses|metrics|numerics|confusion", home):
                    kinds["function"][name] = value
                elif kind not in ("loss", "metric", "activation") and kind + "s" in home:
                    kinds[kind][name] = value
    for kind in ("activation", "function", "initializer", "regularizer"):
        for helper in ("get", "serialize", "deserialize", "populate_deserializable_objects"):
            kinds[kind].pop(helper, None)
    kinds["function"] = {
        k: v for k, v in kinds["function"].items() if not k.startswith(("is_", "serialize_", "deserialize_"))
    }
    for name in ("clone_metric", "clone_metrics"):
        kinds["function"].pop(name, None)
    for name in ("acc", "accuracy", "ce", "crossentropy", "Accuracy", "Crossentropy"):
        kinds["function"].setdefault(name, None)
    if bases["operation"] is not None:
        for part in ("core", "einops", "fft", "image", "linalg", "math", "ml", "nn", "numpy", "node"):
            for name, value in members(release.module("ops." + part)).items():
                if inspect.isclass(value) and issubclass(value, bases["operation"]) and not issubclass(value, layer):
                    kinds["operation"][name] = value
    for name, value in registered(release).items():
        for kind, base in bases.items():
            fits = inspect.isclass(value) and base is not None and issubclass(value, base)
            if kind == "optimizer":
                fits = fits or hasattr(value, "apply_gradients")
            if fits and kind != "operation" and not (kind == "layer" and issubclass(value, model)):
                kinds[kind][name] = value
    if release.flavour != "keras3":
        # Keras 2.11 to 2.15 have two optimizers of each name; configurations of older releases get this one.
        # Keras 2.9 and 2.10 have the names already, of the optimizers that it has anyway.
        for name, value in members(release.public("optimizers.legacy")).items():
            same = release.public("optimizers." + name)
            if hasattr(value, "apply_gradients") and not (inspect.isclass(same) and issubclass(value, same)):
                kinds["optimizer"]["legacy>" + name] = value
    known = {name for table in kinds.values() for name in table}
    for space in ("quantizers", "random", "utils", "distribution"):
        for name, value in members(release.public(space)).items():
            if inspect.isclass(value) and hasattr(value, "from_config") and name not in known:
                kinds["other"][name] = value
    return kinds


def plain(value):
    """A configuration value as JSON holds it; None where it cannot."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if hasattr(value, "as_list"):
        return value.as_list()
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, (str, int, float, bool, type(None))):
        return value
    return None


def example(release, name, cls):
    """An instance of the class, made with as few arguments as it takes; None where that does not work."""
    layers, optimizers = release.public("layers"), release.public("optimizers")
    builders = {
        "layer": lambda: layers.LSTM(3) if name.endswith("Bidirectional") else layers.Dense(3),
        "cell": lambda: layers.SimpleRNNCell(3),
        "cells": lambda: [layers.SimpleRNNCell(3)],
        "inner_optimizer": optimizers.SGD,
        "optimizer": optimizers.SGD,
        "opt": optimizers.SGD,
        "fn": lambda: release.public("losses").mean_squared_error,
        "layers": lambda: [layers.Rescaling(0.5)],
    }
    if name in ("ConvLSTM2D", "ConvLSTM1D", "ConvLSTM3D", "Lambda"):
        builders["function"] = lambda: release.public("activations").relu
    arguments = {}
    for parameter in list(inspect.signature(cls.__init__).parameters.values())[1:]:
        if parameter.default is not parameter.empty or parameter.kind in (2, 4):
            continue
        key = parameter.name
        if name + "." + key in ARGUMENTS:
            arguments[key] = ARGUMENTS[name + "." + key]
        elif key in builders:
            arguments[key] = builders[key]()
        elif key in ARGUMENTS:
            arguments[key] = ARGUMENTS[key]
        else:
            print("no value for", name, key, file=sys.stderr)
            return None
    if name == "LossScaleOptimizer" and "dynamic" in inspect.signature(cls.__init__).parameters:
        arguments["dynamic"] = True
    if name == "Lambda":
        arguments["function"] = release.public("activations").relu
    if name == "InputLayer":
        arguments["shape" if "shape" in inspect.signature(cls.__init__).parameters else "input_shape"] = (4,)
    if name == "Discretization":
        arguments["bin_boundaries"] = [0.0, 1.0]
    if name == "CategoryEncoding":
        arguments["output_mode"] = "count"
    try:
        return cls(**arguments)
    except Exception as error:
        print("cannot make", name, repr(error)[:150], file=sys.stderr)
        return None


def accepts(cls, config, key, values):
    """True, False, or None where it cannot be told."""
    answers = set()
    for value in values:
        try:
            cls.from_config({**copy.deepcopy(config), key: copy.deepcopy(value)})
            return True
        except Exception as error:
            text = str(error).split("Exception encountered:")[-1]
            named = re.search(rf"(?<!\w){re.escape(key)}(?!\w)", text) or "takes no arguments" in text
            answers.add(False if named else None)
    return False if answers == {False} else None


def measure(written):
    """Names and configurations; with ``written`` (``{kind: {class: {key: [value]}}}``) which keys are taken, too."""
    release = Release()
    kinds = names_by_kind(release)
    configs, answers = {}, {}
    for kind in CONFIGURED:
        for name, cls in sorted(kinds[kind].items()):
            if not inspect.isclass(cls):
                continue
            made = example(release, name, cls)
            try:
                config = plain(made.get_config()) if made is not None else None
            except Exception as error:
                print("no config of", name, repr(error)[:150], file=sys.stderr)
                continue
            if config is not None:
                configs.setdefault(kind, {})[name] = config
    for kind, mine in configs.items() if written is not None else ():
        for name, config in mine.items():
            cls = kinds[kind][name]
            if not hasattr(cls, "from_config"):
                continue
            try:
                cls.from_config(copy.deepcopy(config))
            except Exception as error:
                print("own config refused", kind, name, repr(error)[:150], file=sys.stderr)
                continue
            if accepts(cls, config, NONSENSE, [1]) is not False:
                answers.setdefault(kind, {})[name] = None
                continue
            conditional = {**CONDITIONAL.get(kind, {}), **BUILT.get(name, {})}
            universe = {key: [value] for key, value in conditional.items()}
            table = written.get(kind, {})
            for key, found in [*table.get(name, {}).items(), *table.get(name.split(">")[-1], {}).items()]:
                seen = universe.setdefault(key, [])
                seen.extend(value for value in found if value not in seen)
            result = dict.fromkeys(config, True)
            for key, values in universe.items():
                if key not in result:
                    result[key] = accepts(cls, config, key, values)
            answers.setdefault(kind, {})[name] = result
    for name, cls in kinds["operation"].items():
        # Operations are made by cls(**config), so that the signature tells all.
        parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
        swallows = any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters)
        answers.setdefault("operation", {})[name] = None if swallows else {p.name: True for p in parameters}
    return {
        "flavour": release.flavour,
        "version": release.version,
        "names": {kind: sorted(table) for kind, table in kinds.items()},
        "configs": configs,
        "accepts": answers,
    }


def operations():
    """Every op that this TensorFlow registers, hidden ones too."""
    import tensorflow as tf
    from tensorflow.core.framework import op_def_pb2

    try:
        from tensorflow.python.client import pywrap_tf_session as session

        buffer = session.TF_GetAllOpList()
    except (ImportError, AttributeError):
        from tensorflow.python import pywrap_tensorflow as session

        buffer = session.TF_GetAllOpList()
    found = op_def_pb2.OpList()
    found.ParseFromString(session.TF_GetBuffer(buffer))
    return {"version": tf.__version__, "ops": sorted(op.name for op in found.op)}


def main(arguments):
    command, out, rest = arguments[0], arguments[1], arguments[2:]
    if command == "measure":
        found = measure(json.loads(pathlib.Path(rest[0]).read_text(encoding="utf-8")) if rest else None)
    else:
        found = operations()
    pathlib.Path(out).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    main(sys.argv[1:])
