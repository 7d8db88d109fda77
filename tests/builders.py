"""Small artifacts and environments for tests of the plugin itself: no TensorFlow writes them, none loads them.

The configurations are those that Keras writes for one Dense layer; the weights have the shapes that it asks for.
"""

from __future__ import annotations

import importlib
import io
import json
import pkgutil
import stat
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import pytest_kerasload
from pytest_kerasload.artifacts import protos

# pytester takes modules out of sys.modules that a run in this process brought in. NumPy and h5py cannot be imported
# twice, and two copies of the plugin's classes are not each other's instances: they are all here before.
for _module in pkgutil.walk_packages(pytest_kerasload.__path__, "pytest_kerasload."):
    if ".worker" not in _module.name:
        importlib.import_module(_module.name)

STATIC = "file or safety or version"
"""For ``-k``: the checks that need no TensorFlow."""


def _input(shape: list[int | None]) -> dict[str, Any]:
    return {"batch_input_shape": shape, "dtype": "float32", "sparse": False, "ragged": False, "name": "x"}


def dense(**keys: Any) -> dict[str, Any]:
    """The configuration of a Sequential model of one Dense layer, as Keras 2 writes it; ``keys`` go to the layer."""
    layer = {
        "name": "score",
        "trainable": True,
        "batch_input_shape": [None, 3],
        "dtype": "float32",
        "units": 2,
        "activation": "linear",
        "use_bias": True,
        "kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None}},
        "bias_initializer": {"class_name": "Zeros", "config": {}},
        "kernel_regularizer": None,
        "bias_regularizer": None,
        "activity_regularizer": None,
        "kernel_constraint": None,
        "bias_constraint": None,
        **keys,
    }
    layers = [
        {"class_name": "InputLayer", "config": _input([None, 3])},
        {"class_name": "Dense", "config": layer},
    ]
    return {"class_name": "Sequential", "config": {"name": "small", "layers": layers}}


def h5(path: Path, config: Mapping[str, Any] | None = None, *, keras: str = "2.10.0") -> Path:
    """An HDF5 model of one Dense layer (or of another configuration, with the same weights)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = keras
        file.attrs["backend"] = "tensorflow"
        file.attrs["model_config"] = json.dumps(dense() if config is None else config)
        weights = file.create_group("model_weights")
        weights.attrs["layer_names"] = [b"score"]
        weights.attrs["keras_version"] = keras
        layer = weights.create_group("score")
        layer.attrs["weight_names"] = [b"score/kernel:0", b"score/bias:0"]
        layer.create_dataset("score/kernel:0", data=np.ones((3, 2), "float32"))
        layer.create_dataset("score/bias:0", data=np.zeros(2, "float32"))
    return path


def weights_h5(path: Path) -> Path:
    """An HDF5 file of weights, without an architecture."""
    h5(path)
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = [b"score"]
        file.move("model_weights/score", "score")
        del file["model_weights"], file.attrs["model_config"]
    return path


def plain_h5(path: Path) -> Path:
    """An HDF5 file that has nothing to do with Keras."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset("measurements", data=np.arange(10.0))
    return path


def keras(path: Path, *, version: str = "3.6.0") -> Path:
    """A ``.keras`` archive of one Dense layer, as Keras 3 writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)

    def built_in(class_name: str, module: str, **config: Any) -> dict[str, Any]:
        return {"module": module, "class_name": class_name, "config": config, "registered_name": None}

    policy = built_in("DTypePolicy", "keras", name="float32")
    layer = {
        "name": "score",
        "trainable": True,
        "dtype": policy,
        "units": 2,
        "activation": "linear",
        "use_bias": True,
        "kernel_initializer": built_in("GlorotUniform", "keras.initializers", seed=None),
        "bias_initializer": built_in("Zeros", "keras.initializers"),
        "kernel_regularizer": None,
        "bias_regularizer": None,
        "kernel_constraint": None,
        "bias_constraint": None,
    }
    first = {"batch_shape": [None, 3], "dtype": "float32", "sparse": False, "name": "x"}
    config = built_in(
        "Sequential",
        "keras",
        name="small",
        trainable=True,
        dtype=policy,
        layers=[
            built_in("InputLayer", "keras.layers", **first),
            {**built_in("Dense", "keras.layers", **layer), "build_config": {"input_shape": [None, 3]}},
        ],
        build_input_shape=[None, 3],
    )
    store = io.BytesIO()
    with h5py.File(store, "w") as file:
        file.create_dataset("layers/dense/vars/0", data=np.ones((3, 2), "float32"))
        file.create_dataset("layers/dense/vars/1", data=np.zeros(2, "float32"))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": version, "date_saved": "2024-01-01@00:00:00"}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", store.getvalue())
    return path


def unpacked(directory: Path) -> Path:
    """The same as a directory, as ``save_model(..., zipped=False)`` of Keras 3 writes it."""
    packed = keras(directory.with_suffix(".zip"))
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(directory)
    packed.unlink()
    return directory


def saved_model(directory: Path, *, tensorflow: str = "2.15.0") -> Path:
    """A SavedModel directory: an export without variables, that doubles ``x``."""
    message = protos.message("SavedModel")
    graph = message.meta_graphs.add()
    graph.meta_info_def.tags.append("serve")
    graph.meta_info_def.tensorflow_version = tensorflow
    signature = graph.signature_def.add(key="serving_default")
    signature.value.method_name = "tensorflow/serving/predict"
    for entries, name in ((signature.value.inputs, "x"), (signature.value.outputs, "doubled")):
        info = entries.add(key=name).value
        info.name = f"{name}:0"
        info.dtype = protos.DTYPES.index("float32")
        info.tensor_shape.dim.add(size=-1)
        info.tensor_shape.dim.add(size=3)
    for name, op in (("x", "Placeholder"), ("two", "Const"), ("doubled", "Mul")):
        graph.graph_def.node.add(name=name, op=op)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "saved_model.pb").write_bytes(message.SerializeToString())
    return directory


def interpreter(path: Path, packages: Mapping[str, str] | None = None, python: str = "3.11.7") -> Path:
    """An interpreter that only answers which packages are installed: an environment as static checks see it."""
    answer = json.dumps({"python": python, "packages": dict(packages or {})})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def ids(lines: Iterable[str]) -> list[str]:
    """The item ids among the lines of ``--collect-only -q``."""
    return [line for line in lines if "::" in line and not line.startswith(("ERROR", "=", " "))]


HEAVY = ("tensorflow", "keras", "h5py", "numpy", "hypothesis.strategies", "google.protobuf", "execnet")
"""Modules that collecting must not import."""

SPY = f"""
import sys

def pytest_unconfigure(config):
    print("IMPORTED", [name for name in {HEAVY!r} if name in sys.modules])
"""
"""A plugin that says which of them were imported."""
