"""The safety check: every threat is named at its place, and nothing an honest model holds is taken for one.

The payloads do nothing: a lambda that gives its argument back, paths that are never opened, sizes that are only
written down.
"""

from __future__ import annotations

import base64
import io
import json
import marshal
import os
import pickle
import stat
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import builders
import h5py
import numpy as np
import pytest

from pytest_kerasload.artifacts.protos import DTYPES
from pytest_kerasload.artifacts.reading import read
from pytest_kerasload.checks import safety
from pytest_kerasload.findings import Finding
from pytest_kerasload.hazards.cycles import looped
from pytest_kerasload.hazards.messages import message
from pytest_kerasload.hazards.patterns import is_exponential

CODE = base64.encodebytes(marshal.dumps((lambda x: x).__code__)).decode("ascii")
"""What Keras stores of a lambda; the marked payload of these tests, and an inert one."""

Json = dict[str, Any]
Container = Callable[[Path, Json], Path]


def findings(path: Path) -> dict[str, Finding]:
    return {finding.cause: finding for finding in safety.check(read(path))}


def failing(path: Path) -> list[str]:
    return [finding.cause for finding in safety.check(read(path)) if finding.fails]


def notes(path: Path) -> list[str]:
    return [finding.cause for finding in safety.check(read(path)) if not finding.fails]


# Configurations, in every container that has one


def model(*layers: Json, **more: Any) -> Json:
    """A Sequential model of these layers, inside another one."""
    inner = {"class_name": "Sequential", "config": {"name": "encoder", "layers": list(layers)}}
    return {"class_name": "Sequential", "config": {"name": "outer", "layers": [inner]}, **more}


def layer(class_name: str, name: str = "bad", /, **config: Any) -> Json:
    return {"class_name": class_name, "config": {"name": name, **config}}


def reference(module: str, name: str) -> Json:
    return {"class_name": "function", "module": module, "config": name, "registered_name": name}


def calling(module: str, name: str) -> Json:
    """A Lambda layer of Keras 3 whose function is a reference."""
    return {"module": "keras.layers", **layer("Lambda", function=reference(module, name))}


def in_h5(directory: Path, config: Json) -> Path:
    return builders.h5(directory / "model.h5", config)


def in_keras(directory: Path, config: Json | str, **members: bytes) -> Path:
    path = builders.keras(directory / "model.keras")
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    held["config.json"] = (config if isinstance(config, str) else json.dumps(config)).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**held, **members}.items():
            archive.writestr(name, content)
    return path


def saved_model(directory: Path, change: Callable[[Any], None]) -> Path:
    """A SavedModel without a node in its graph, changed."""
    path = builders.saved_model(directory / "model")
    saved = message("SavedModel")
    saved.ParseFromString((path / "saved_model.pb").read_bytes())
    del saved.meta_graphs[0].graph_def.node[:]
    change(saved)
    (path / "saved_model.pb").write_bytes(saved.SerializeToString())
    return path


def in_metadata(directory: Path, config: Json) -> Path:
    """In keras_metadata.pb: the model at the root, as Keras 2.5 to 2.15 writes it."""
    path = saved_model(directory, lambda saved: None)
    metadata = message("SavedMetadata")
    metadata.nodes.add(
        node_id=0,
        node_path="root",
        identifier="_tf_keras_sequential",
        metadata=json.dumps({"name": "outer", "model_config": config, **config}),
    )
    (path / "keras_metadata.pb").write_bytes(metadata.SerializeToString())
    return path


def in_object_graph(directory: Path, config: Json) -> Path:
    """In saved_model.pb alone, as Keras 2.4 writes it and later ones still read it."""

    def described(saved: Any) -> None:
        node = saved.meta_graphs[0].object_graph_def.nodes.add()
        node.user_object.identifier = "_tf_keras_sequential"
        node.user_object.metadata = json.dumps({"name": "outer", **config})

    return saved_model(directory, described)


def in_folder(directory: Path, config: Json) -> Path:
    path = builders.unpacked(directory / "model")
    (path / "config.json").write_text(json.dumps(config))
    return path


CONTAINERS: list[Container] = [in_h5, in_keras, in_folder, in_metadata, in_object_graph]

BAD_LAYERS: dict[str, tuple[Json, str]] = {
    "keras3 lambda": (
        layer("Lambda", function={"class_name": "__lambda__", "config": {"code": CODE, "defaults": None}}),
        "lambda-bytecode",
    ),
    "keras2 lambda": (
        layer("Lambda", function=[CODE, None, None], function_type="lambda", module="__main__"),
        "lambda-bytecode",
    ),
    "keras2 lambda as a tuple": (
        layer("Lambda", function={"class_name": "__tuple__", "items": [CODE, None, None]}, function_type="lambda"),
        "lambda-bytecode",
    ),
    "keras2 lambda as text": (layer("Lambda", function=CODE, function_type="lambda"), "lambda-bytecode"),
    "keras2 lambda that is no bytecode": (
        layer("Lambda", function=["cHJpbnQoJ2hpJyk=", None, None], function_type="lambda"),
        "lambda-bytecode",
    ),
    "lambda as source": (layer("Lambda", function="lambda x: x", function_type="function"), "lambda-bytecode"),
    "call as source": (layer("Lambda", function="__import__('os').getcwd()"), "lambda-bytecode"),
    "keras2 lambda in disguise": (layer("Lambda", function=f"!{CODE}", function_type="lambda"), "lambda-bytecode"),
    "keras2.0 lambda": (
        layer("Lambda", function="ã\x01\x00\x00\x00" + 40 * "ÿ", function_type="lambda"),
        "lambda-bytecode",
    ),
    "disguised tuple": (
        layer(
            "Lambda", function={"class_name": "__tuple__", "items": [f"!{CODE}", None, None]}, function_type="lambda"
        ),
        "lambda-bytecode",
    ),
    "output_shape": (
        layer("Lambda", function="f", function_type="function", output_shape=[CODE], output_shape_type="lambda"),
        "lambda-bytecode",
    ),
    "mask": (layer("Lambda", function="f", mask=[CODE, None, None], mask_type="lambda"), "lambda-bytecode"),
    "wrapper": (
        layer("ResidualWrapper", residual_fn=[CODE, None, None], residual_fn_type="lambda"),
        "lambda-bytecode",
    ),
    "bytecode elsewhere": (layer("Gate", helper=CODE), "lambda-bytecode"),
    "os": (calling("os", "system"), "code-reference"),
    "submodule": (calling("importlib.util", "find_spec"), "code-reference"),
    "builtins": (calling("builtins", "eval"), "code-reference"),
    "numpy": (calling("numpy", "load"), "code-reference"),
    "tensorflow": (calling("tensorflow.io", "read_file"), "code-reference"),
    "tensorflow inside": (calling("tensorflow.python.ops.gen_io_ops", "write_file"), "code-reference"),
    "tensorflow op": (calling("tensorflow.python.ops.gen_control_flow_ops", "abort"), "code-reference"),
    "tensorflow library": (calling("tensorflow.python.framework.load_library", "load_op_library"), "code-reference"),
    "class": ({"module": "subprocess", **layer("Popen")}, "code-reference"),
    "function as a class": ({"module": "tensorflow.io.gfile", **layer("copy")}, "code-reference"),
    "type spec": (
        layer("Gate", spec={"class_name": "__typespec__", "module": "os", "spec_name": "popen", "config": ["true"]}),
        "code-reference",
    ),
    "get_file": (calling("keras.utils", "get_file"), "keras-gadget"),
    "get_file split elsewhere": (calling("keras", "utils.get_file"), "keras-gadget"),
    "tf_keras": (calling("tf_keras.src.utils.data_utils", "get_file"), "keras-gadget"),
    "tensorflow.keras": (calling("tensorflow.keras.utils", "get_file"), "keras-gadget"),
    "datasets": (calling("keras.datasets.mnist", "load_data"), "keras-gadget"),
    "applications": (calling("keras.applications", "ResNet50"), "keras-gadget"),
    "deserialize": (calling("keras.layers", "deserialize"), "keras-gadget"),
    "unsafe mode": (calling("keras.config", "enable_unsafe_deserialization"), "keras-gadget"),
    "TFSMLayer": (layer("TFSMLayer", filepath="/srv/other"), "external-savedmodel"),
    "TFSMLayer split elsewhere": ({"module": "keras", **layer("layers.TFSMLayer")}, "external-savedmodel"),
    "TFSMLayer as a function": (calling("keras.layers", "TFSMLayer"), "external-savedmodel"),
    "torch": ({"module": "keras.layers", **layer("TorchModuleWrapper", module="gASV")}, "torch-pickle"),
    "StringLookup": (layer("StringLookup", vocabulary="/etc/hostname"), "vocabulary-file"),
    "IntegerLookup": (layer("IntegerLookup", vocabulary="http://localhost/words"), "vocabulary-file"),
    "TextVectorization": (layer("TextVectorization", vocabulary="words.txt"), "vocabulary-file"),
    "units": (layer("Dense", units=1 << 40), "config-bomb"),
    "shape": (layer("Reshape", target_shape=[1, 1 << 40]), "config-bomb"),
    "built": ({**layer("Dense", units=2), "build_config": {"input_shape": [None, 1 << 40]}}, "config-bomb"),
    "embedding": (layer("Embedding", input_dim=1 << 19, output_dim=1 << 19), "config-bomb"),
    "kernel": (layer("Conv2D", filters=1 << 19, kernel_size=[1 << 10, 1 << 10]), "config-bomb"),
    "patterns": (
        layer("Dense", units=2, dtype=layer("DTypePolicyMap", policy_map={"(a+)+$": "float16"})),
        "config-bomb",
    ),
    "TFOpLambda": (layer("TFOpLambda", function="io.read_file"), "unsafe-operation-layer"),
    "TFOpLambda of a library": (layer("TFOpLambda", function="load_op_library"), "unsafe-operation-layer"),
    "TFOpLambda of gfile": (layer("TFOpLambda", function="io.gfile.rmtree"), "unsafe-operation-layer"),
    "TFOpLambda of an op": (layer("TFOpLambda", function="raw_ops.WriteFile"), "unsafe-operation-layer"),
    "TFOpLambda of v1": (layer("TFOpLambda", function="compat.v1.py_func"), "unsafe-operation-layer"),
    "print to a file": (
        {**layer("TFOpLambda", function="print"), "inbound_nodes": [["x", 0, 0, {"output_stream": "file:///tmp/x"}]]},
        "unsafe-operation-layer",
    ),
    "ClassMethod": (
        layer("ClassMethod", cls_symbol="data.Dataset", method_name="list_files"),
        "unsafe-operation-layer",
    ),
    "TensorFlowOpLayer": (layer("TensorFlowOpLayer", node_def={"op": "ReadFile"}), "unsafe-operation-layer"),
    "TensorFlowOpLayer as JSON": (
        layer("TensorFlowOpLayer", node_def='{"op": "ReadFile"}'),
        "unsafe-operation-layer",
    ),
    "keras2 function by name": (
        layer("Lambda", function="system", function_type="function", module="os"),
        "code-reference",
    ),
    "keras2 mask by name": (layer("Lambda", function="f", mask="eval", mask_module="builtins"), "code-reference"),
    "TensorFlowOpLayer as text": (
        layer("TensorFlowOpLayer", node_def="\n\x01a\x12\x08ReadFile"),
        "unsafe-operation-layer",
    ),
}


@pytest.mark.parametrize("name", BAD_LAYERS)
@pytest.mark.parametrize("container", CONTAINERS, ids=lambda container: container.__name__)
def test_bad_layer_is_named_at_its_place(tmp_path: Path, container: Container, name: str) -> None:
    bad, cause = BAD_LAYERS[name]
    found = findings(container(tmp_path, model(layer("Flatten", "fine"), bad)))
    assert [code for code, finding in found.items() if finding.fails] == [cause]
    assert found[cause].where.split("/")[:2] == ["encoder", "bad"], found[cause].where
    assert "," not in found[cause].where
    assert found[cause].message.startswith("model")
    assert any("--keras-trust=" in remedy.action for remedy in found[cause].remedies)


def test_places_of_one_cause_are_one_finding(tmp_path: Path) -> None:
    bad = BAD_LAYERS["keras2 lambda"][0]["config"]
    layers = [layer("Lambda", name, **{**bad, "name": name}) for name in ("first", "second")]
    (finding,) = safety.check(read(in_h5(tmp_path, model(*layers))))
    assert finding.where == "encoder/first, encoder/second"
    assert "a function as Python bytecode" in finding.message


def test_what_compile_was_given_is_looked_at(tmp_path: Path) -> None:
    loss = {"class_name": "__lambda__", "config": {"value": [CODE, None, None]}}
    path = in_keras(tmp_path, model(compile_config={"loss": loss, "optimizer": calling("os", "system")}))
    assert findings(path)["lambda-bytecode"].where == "compile/loss"
    assert findings(path)["code-reference"].where == "compile/optimizer/function"
    path = in_h5(tmp_path, model())
    with h5py.File(path, "a") as file:
        file.attrs["training_config"] = json.dumps({"loss": loss})
    assert findings(path)["lambda-bytecode"].where == "compile/loss"


def test_size_that_contradicts_the_stored_weights(tmp_path: Path) -> None:
    assert failing(in_h5(tmp_path, model(layer("Dense", units=3_000_000)))) == ["config-bomb"]
    assert failing(in_h5(tmp_path, model(layer("HashEmbedding", input_dim=1 << 40)))) == []


FINE_LAYERS: dict[str, Json] = {
    "custom class": layer("LambdaRank", function="rank", function_type="function"),
    "name of an op": layer("Dense", "ReadFile", units=2),
    "words": layer("StringLookup", vocabulary=["/etc/passwd", "os.system", "http://x"]),
    "no words": layer("TextVectorization", vocabulary=None),
    "named lambda of Keras 2": layer("Lambda", function="wavy", function_type="function", module="acme"),
    "named lambda of Keras 3": calling("builtins", "acme>wavy"),
    "name of a builtin": calling("builtins", "acme>eval"),
    "function of Keras": calling("keras.ops", "absolute"),
    "function inside Keras": calling("keras.src.activations.activations", "gelu"),
    "preprocess_input": calling("keras.applications.resnet", "preprocess_input"),
    "normalize": calling("keras.utils", "normalize"),
    "backend function": calling("keras.src.backend", "l2_normalize"),
    "function of TensorFlow": calling("tensorflow.nn", "l2_normalize"),
    "function inside TensorFlow": calling("tensorflow.python.ops.gen_math_ops", "tanh"),
    "own module": {"module": "acme.layers", "registered_name": "acme>Gate", **layer("Gate")},
    "own module that is named as one of Python": {"module": "code", "registered_name": "Gate", **layer("Gate")},
    "own package that is named as a module of Python": {"module": "types.layers", **layer("Gate")},
    "main": {"module": "__main__", "registered_name": "Custom>Gate", **layer("Gate")},
    "inside Keras 2": {"module": "keras.src.engine.functional", **layer("Functional", layers=[])},
    "feature space": {"module": "keras.utils", **layer("FeatureSpace")},
    "type spec": layer(
        "Gate",
        spec={
            "class_name": "__typespec__",
            "module": "tensorflow.python.framework.tensor_spec",
            "spec_name": "TensorSpec",
            "config": [[None, 3], "float32", None],
        },
    ),
    "kinds of a custom layer": layer("Mixer", merge="concatenate_features_and_more", merge_type="lambda"),
    "shapes of a lambda": layer("Lambda", function="f", function_type="function", output_shape=[3, 4]),
    "patterns": layer("Dense", units=2, dtype=layer("DTypePolicyMap", policy_map={"block_(1|2)/.*": "float16"})),
    "math": layer("TFOpLambda", function="math.reduce_mean"),
    "operator": layer("TFOpLambda", function="__operators__.add"),
    "slicing": layer("SlicingOpLambda", function="__operators__.getitem"),
    "decoding": layer("TFOpLambda", function="io.decode_base64"),
    "v1": layer("TFOpLambda", function="compat.v1.nn.conv2d"),
    "op": layer("TFOpLambda", function="raw_ops.MatMul"),
    "assertion": layer("TFOpLambda", function="debugging.assert_equal"),
    "print": {**layer("TFOpLambda", function="print"), "inbound_nodes": [["x", 0, 0, {"output_stream": "stdout"}]]},
    "ragged": layer("ClassMethod", cls_symbol="RaggedTensor", method_name="from_row_splits"),
    "op layer": layer("TensorFlowOpLayer", node_def={"op": "Mul", "name": "ReadFile"}),
    "random seed": layer("Dropout", rate=0.5, seed=1 << 40),
    "slash": layer("Dense", "block/conv", units=2),
}


@pytest.mark.parametrize("name", FINE_LAYERS)
@pytest.mark.parametrize("container", CONTAINERS, ids=lambda container: container.__name__)
def test_honest_layer_is_no_finding(tmp_path: Path, container: Container, name: str) -> None:
    assert safety.check(read(container(tmp_path, model(FINE_LAYERS[name])))) == ()


NOTED_LAYERS = {
    "function of another package": (calling("acme.functions", "wavy"), "code-reference"),
    "pickle": (layer("Gate", state=base64.b64encode(pickle.dumps([0], 4)).decode()), "pickled-value"),
    "address": (layer("KerasLayer", handle="https://tfhub.dev/google/nnlm-en-dim50/2"), "remote-resource"),
    "name that leads away": (layer("Dense", "../bad", units=2), "path-traversal"),
}


@pytest.mark.parametrize("name", NOTED_LAYERS)
def test_what_is_worth_a_look_does_not_fail(tmp_path: Path, name: str) -> None:
    noted, cause = NOTED_LAYERS[name]
    path = in_h5(tmp_path, model(noted))
    assert (failing(path), notes(path)) == ([], [cause])


# JSON and containers that can be read in two ways


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a*)*b", "((a+)b?)+$", "(?:a|aa)+$", "(a|a)*$", "(x{2,})*", r"(\\w+/?)+"]
)
def test_patterns_of_exponential_time(pattern: str) -> None:
    assert is_exponential(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        *(
            "dense",
            ".*/dense_[0-9]+",
            "^encoder/(attn|mlp)/.*$",
            "(dense|dense_1)/kernel",
            "(block_)?[0-9]+",
            r"a\(+b+",
        ),
        *("(attn|mlp)*", "(a{2})+", "[(+]+(a)+", "((a)(b))+", "(", ")+", "*"),
    ],
)
def test_honest_patterns(pattern: str) -> None:
    assert not is_exponential(pattern)


def test_key_that_is_there_twice(tmp_path: Path) -> None:
    written = json.dumps(model(layer("Dense", units=2))).replace('"units": 2', '"units": 2, "units": 3')
    assert findings(in_keras(tmp_path, written))["ambiguous-content"].where == "config.json"


def test_member_that_is_there_twice(tmp_path: Path) -> None:
    path = builders.keras(tmp_path / "model.keras")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("config.json", json.dumps(model(calling("os", "system"))))
    assert findings(path)["ambiguous-content"].where == "config.json"
    assert findings(path)["code-reference"].where == "encoder/bad/function"


def test_archive_behind_hdf5(tmp_path: Path) -> None:
    path = builders.h5(tmp_path / "model.h5")
    path.write_bytes(path.read_bytes() + builders.keras(tmp_path / "model.keras").read_bytes())
    assert findings(path)["ambiguous-content"].where == "model.h5"


def test_hdf5_inside_an_archive(tmp_path: Path) -> None:
    content = builders.h5(tmp_path / "model.h5").read_bytes()
    path = tmp_path / "model.keras"
    head = io.BytesIO()
    with zipfile.ZipFile(head, "w") as archive:
        archive.writestr("pad", bytes(512 - 33) + content)
        archive.writestr("config.json", json.dumps(builders.dense()))
        archive.writestr("model.weights.h5", content)
    path.write_bytes(head.getvalue())
    assert findings(path)["ambiguous-content"].where == "byte 512"


def test_weights_may_begin_where_hdf5_is_looked_for(tmp_path: Path) -> None:
    weights = zipfile.ZipFile(builders.keras(tmp_path / "whole.keras")).read("model.weights.h5")
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        config = json.dumps(builders.dense())
        fill = 1024 - (30 + len("config.json") + len(config)) - (30 + len("model.weights.h5"))
        archive.writestr("config.json", config + " " * (fill if fill >= 0 else fill + 1024))
        archive.writestr("model.weights.h5", weights)
    assert path.read_bytes()[(1024 if fill >= 0 else 2048) :].startswith(b"\x89HDF")
    assert safety.check(read(path)) == ()


def test_configuration_in_another_encoding(tmp_path: Path) -> None:
    path = in_keras(tmp_path, model(), **{"config.json": json.dumps(model(calling("os", "system"))).encode("utf-16")})
    assert failing(path) == ["ambiguous-content", "code-reference"]
    assert findings(path)["ambiguous-content"].where == "config.json"
    marked = json.dumps(builders.dense()).encode("utf-8-sig")
    assert safety.check(read(in_keras(tmp_path, model(), **{"config.json": marked}))) == ()


def test_numbers_that_only_some_pythons_parse(tmp_path: Path) -> None:
    def described(saved: Any) -> None:
        node = saved.meta_graphs[0].object_graph_def.nodes.add()
        written = json.dumps({"name": "outer", **model({**calling("os", "system"), "seed": 0})})
        node.user_object.metadata = written.replace('"seed": 0', f'"seed": {"9" * 5000}')

    assert failing(saved_model(tmp_path, described)) == ["code-reference"]


def test_nesting_that_is_too_deep_is_refused(tmp_path: Path) -> None:
    def described(saved: Any) -> None:
        node = saved.meta_graphs[0].object_graph_def.nodes.add()
        node.user_object.metadata = "[" * 200_000

    assert failing(saved_model(tmp_path, described)) == ["uninspectable-content"]


def test_layers_that_are_described_twice_are_told_once(tmp_path: Path) -> None:
    bad = BAD_LAYERS["keras2 lambda"][0]
    path = in_metadata(tmp_path, model(bad))
    metadata = message("SavedMetadata")
    metadata.ParseFromString((path / "keras_metadata.pb").read_bytes())
    metadata.nodes.add(node_id=1, node_path="root.layer-0.layer-0", metadata=json.dumps({"name": "bad", **bad}))
    (path / "keras_metadata.pb").write_bytes(metadata.SerializeToString())
    assert findings(path)["lambda-bytecode"].where == "encoder/bad"


# Archives


def test_names_of_members(tmp_path: Path) -> None:
    assert safety.check(read(in_keras(tmp_path, model(), **{"assets/words.txt": b"a"}))) == ()
    for name in ("assets/../../x", "/etc/x", "C:/x", "assets\\..\\..\\x"):
        assert findings(in_keras(tmp_path, model(), **{name: b""}))["path-traversal"].where == name
    for name in ("assets/a.py", "payload.pkl", "lib/x.so"):
        assert findings(in_keras(tmp_path, model(), **{name: b""}))["code-in-archive"].where == name
    for start in (b"\x7fELF\x02", b"#!/bin/sh\n", pickle.dumps(0)):
        path = in_keras(tmp_path, model(), **{"assets/words.txt": start})
        assert findings(path)["code-in-archive"].where == "assets/words.txt"


def test_members_whose_names_are_read_in_two_ways(tmp_path: Path) -> None:
    assert findings(in_keras(tmp_path, model(), **{"CONFIG.json": b""}))["ambiguous-content"].where == "config.json"
    assert findings(in_keras(tmp_path, model(), **{"../x/": b""}))["path-traversal"].where == "../x/"
    path = in_keras(tmp_path, model(), **{"assets/a.py.txt": b""})
    path.write_bytes(path.read_bytes().replace(b"a.py.txt", b"a.py\0txt"))
    assert findings(path)["ambiguous-content"].where == "assets/a.py"


def test_bytes_before_an_archive(tmp_path: Path) -> None:
    path = builders.keras(tmp_path / "model.keras")
    path.write_bytes(b"#!/bin/sh\nexit\n" + path.read_bytes())
    artifact = read(path)
    assert (artifact.format, artifact.problems) == ("keras", ())
    assert findings(path)["ambiguous-content"].where == "before the archive"


def test_member_that_has_two_names(tmp_path: Path) -> None:
    path = builders.keras(tmp_path / "model.keras")
    path.write_bytes(path.read_bytes().replace(b"metadata.json", b"lambdata.json", 1))
    assert findings(path)["ambiguous-content"].where == "metadata.json"


def test_archive_with_a_comment_and_large_fields(tmp_path: Path) -> None:
    path = builders.keras(tmp_path / "model.keras")
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**held, "assets/wörter.txt": b"a"}.items():
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(content)
        archive.comment = b"made by acme"
    assert safety.check(read(path)) == ()


def test_archive_of_a_configuration_alone(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(model(BAD_LAYERS["keras3 lambda"][0])))
    assert read(path).readable
    assert findings(path)["lambda-bytecode"].where == "encoder/bad"


def test_unsafe_archives_are_not_stopped_before_they_are_looked_at(tmp_path: Path) -> None:
    path = builders.keras(tmp_path / "model.keras")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("model.weights.h5", b"")
    assert read(path).readable
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", b"")
        archive.writestr("config.json", bytes(1000))
        archive.infolist()[-1].file_size = 1 << 40
    assert read(path).readable
    assert findings(path)["archive-bomb"].where == "config.json"
    folder = builders.unpacked(tmp_path / "folder")
    (folder / "model.weights.h5").unlink()
    (folder / "model.weights.h5").symlink_to("/nowhere/model.weights.h5")
    assert read(folder).readable
    assert findings(folder)["artifact-symlink"].where == "model.weights.h5"


def test_symbolic_link_and_encryption_in_an_archive(tmp_path: Path) -> None:
    path = builders.keras(tmp_path / "model.keras")
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("assets/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/hostname")
    assert findings(path)["artifact-symlink"].where == "assets/link"
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(content))
    assert findings(path)["uninspectable-content"].where == "assets/link"


def test_member_that_unfolds_to_more_than_it_takes(tmp_path: Path) -> None:
    path = builders.keras(tmp_path / "model.keras")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("assets/words.txt", bytes(1000))
        archive.infolist()[-1].file_size = 1 << 40
    assert findings(path)["archive-bomb"].where == "assets/words.txt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", json.dumps(model()))
        for number in range(20):
            archive.writestr(f"assets/{number}", bytes(1000))
            archive.infolist()[-1].file_size = (1 << 28) - 1
    assert findings(path)["archive-bomb"].where.split(", ") == [f"assets/{number}" for number in range(20)]


def test_deflated_weights_are_looked_into(tmp_path: Path) -> None:
    path = builders.keras(tmp_path / "model.keras")
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in held.items():
            archive.writestr(name, content)
    assert safety.check(read(path)) == ()


# Unpacked archives


def test_symbolic_links_in_a_folder(tmp_path: Path) -> None:
    path = builders.unpacked(tmp_path / "model")
    (tmp_path / "blobs").mkdir()
    os.rename(path / "config.json", tmp_path / "blobs" / ("0a" * 20))
    os.symlink(f"../blobs/{'0a' * 20}", path / "config.json")
    assert safety.check(read(path)) == ()
    (path / "assets").mkdir()
    (tmp_path / "secret").write_text("")
    os.symlink("../../secret", path / "assets" / "words.txt")
    assert findings(path)["artifact-symlink"].where == "assets/words.txt"


def test_what_stands_beside_a_model_in_a_folder(tmp_path: Path) -> None:
    path = builders.unpacked(tmp_path / "model")
    (path / "README.md").write_text("#! a card")
    (path / ".git").mkdir()
    (path / ".git" / "hook.sh").write_text("#!/bin/sh")
    assert safety.check(read(path)) == ()
    (path / "train.py").write_text("")
    assert (failing(path), notes(path)) == ([], ["code-in-archive"])
    (path / "assets").mkdir()
    (path / "assets" / "words.txt").write_text("#!/bin/sh")
    assert findings(path)["code-in-archive"].where in ("assets/words.txt", "train.py")
    assert failing(path) == ["code-in-archive"]


def test_weights_in_a_folder(tmp_path: Path) -> None:
    path = builders.unpacked(tmp_path / "model")
    (path / "model.weights.h5").write_bytes(weights(BAD_WEIGHTS["external link"][0]))
    assert findings(path)["hdf5-external-data"].where == "model.weights.h5: layers/dense/vars/bad"
    (path / "model.weights.h5").unlink()
    np.savez(path / "model.weights.npz", dense=np.array({"0": 1}, dtype=object))
    assert findings(path)["pickled-weights"].where == "model.weights.npz: dense"


# Weights


def weights(change: Callable[[h5py.File], object]) -> bytes:
    store = io.BytesIO()
    with h5py.File(store, "w") as file:
        file.create_dataset("layers/dense/vars/0", data=np.ones((3, 2), "float32"))
        change(file["layers/dense/vars"])
    return store.getvalue()


def external_storage(group: h5py.Group) -> None:
    group.create_dataset("bad", (4,), "float32", external=[("/etc/hostname", 0, 16)])


def virtual(group: h5py.Group) -> None:
    layout = h5py.VirtualLayout((4,), "float32")
    layout[:] = h5py.VirtualSource("/srv/other.h5", "data", (4,))
    group.create_virtual_dataset("bad", layout)


def cycle(group: h5py.Group) -> None:
    group["bad"] = group


def plugin_filter(group: h5py.Group) -> None:
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((4,))
    properties.set_filter(32001, h5py.h5z.FLAG_OPTIONAL)
    h5py.h5d.create(group.id, b"bad", h5py.h5t.NATIVE_FLOAT, h5py.h5s.create_simple((4,)), properties)


BAD_WEIGHTS: dict[str, tuple[Callable[[Any], object], str]] = {
    "external link": (
        lambda group: group.__setitem__("bad", h5py.ExternalLink("/srv/other.h5", "/data")),
        "hdf5-external-data",
    ),
    "external storage": (external_storage, "hdf5-external-data"),
    "virtual": (virtual, "hdf5-external-data"),
    "shape": (
        lambda group: group.create_dataset("bad", (1 << 40,), "float32", chunks=(1 << 20,), compression="gzip"),
        "hdf5-shape-bomb",
    ),
    "chunk": (
        lambda group: group.create_dataset("bad", (4,), "float32", maxshape=(None,), chunks=(1 << 28,)),
        "hdf5-shape-bomb",
    ),
    "cycle": (cycle, "hdf5-cycle"),
    "filter": (plugin_filter, "hdf5-filter-plugin"),
}


@pytest.mark.parametrize("name", BAD_WEIGHTS)
def test_bad_weights_are_named_at_their_place(tmp_path: Path, name: str) -> None:
    change, cause = BAD_WEIGHTS[name]
    found = findings(in_keras(tmp_path, model(), **{"model.weights.h5": weights(change)}))
    assert [code for code, finding in found.items() if finding.fails] == [cause]
    assert found[cause].where == "model.weights.h5: layers/dense/vars/bad"
    path = builders.h5(tmp_path / "model.h5")
    with h5py.File(path, "a") as file:
        change(file["model_weights/score"])
    assert findings(path)[cause].where == "model_weights/score/bad"
    builders.weights_h5(path)
    with h5py.File(path, "a") as file:
        change(file["score"])
    assert findings(path)[cause].where == "score/bad"


def test_many_datasets_that_claim_too_much_together(tmp_path: Path) -> None:
    path = builders.h5(tmp_path / "model.h5")
    with h5py.File(path, "a") as file:
        for number in range(20):
            file.create_dataset(f"part{number}", (60 << 20,), "float32", chunks=(1 << 20,))
    assert findings(path)["hdf5-shape-bomb"].where.split(", ") == sorted(f"part{number}" for number in range(20))


def test_layer_of_zeros_that_was_packed_again(tmp_path: Path) -> None:
    config = model(layer("Embedding", "table", input_dim=70_000, output_dim=1_000))
    path = builders.h5(tmp_path / "model.h5", config)
    chunk = zlib.compress(bytes(1000 * 1000 * 4), 9)

    def packed(rows: int) -> None:
        with h5py.File(path, "a") as file:
            file.pop("model_weights/score/table", None)
            shape = (70_000, 1_000)
            table = file["model_weights/score"].create_dataset(
                "table", shape, "float32", chunks=(1000, 1000), compression="gzip"
            )
            for row in range(0, rows, 1000):
                table.id.write_direct_chunk((row, 0), chunk)

    packed(70_000)
    assert safety.check(read(path)) == ()
    packed(69_000)
    assert findings(path)["hdf5-shape-bomb"].where == "model_weights/score/table"
    packed(70_000)
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = json.dumps(builders.dense())
    assert findings(path)["hdf5-shape-bomb"].where == "model_weights/score/table"


def test_bytes_before_hdf5(tmp_path: Path) -> None:
    whole = builders.h5(tmp_path / "whole.h5")
    path = tmp_path / "model.h5"
    with h5py.File(path, "w", userblock_size=512) as file, h5py.File(whole) as other:
        for name in other:
            other.copy(name, file)
        for name, value in other.attrs.items():
            file.attrs[name] = value
    assert (read(path).format, read(path).problems, safety.check(read(path))) == ("h5", (), ())
    for head in (b"#!/bin/sh\n", b"PK\x03\x04"):
        path.write_bytes(head + path.read_bytes()[len(head) :])
        assert (read(path).format, read(path).problems) == ("h5", ())
        assert findings(path)["ambiguous-content"].where == "user block"


def test_soft_links(tmp_path: Path) -> None:
    def linked(**links: str) -> Path:
        def change(group: h5py.Group) -> None:
            for name, target in links.items():
                group[name] = h5py.SoftLink(target)

        return in_keras(tmp_path, builders.dense(), **{"model.weights.h5": weights(change)})

    for fine in ({"bad": "0"}, {"bad": "/layers/dense/vars/0"}, {"bad": "good", "good": "0"}, {"bad": "/nowhere"}):
        path = linked(**fine)
        assert (failing(path), notes(path)) == ([], ["hdf5-soft-link"])
    for back in ({"bad": "bad"}, {"bad": "."}, {"bad": "/layers"}, {"bad": "good", "good": "bad"}, {"bad": "../.."}):
        assert "vars/bad" in findings(linked(**back))["hdf5-cycle"].where
    assert looped({"a/x": "b", "b/y": "c", "c/z": "a", "d": "a/x", "e": "f"}) == {"a/x", "b/y", "c/z"}
    chain = {f"a/{number}": f"a/{number + 1}" for number in range(5000)}
    assert looped(chain) == set()
    assert looped({**chain, "a/5000": "a/0"}) == {*chain, "a/5000"}
    assert looped({"/".join(["g"] * number): "" for number in range(1, 1500)}) == {
        "/".join(["g"] * number) for number in range(1, 1500)
    }
    path = builders.h5(tmp_path / "model.h5")
    with h5py.File(path, "a") as file:
        file.move("model_weights/score/score/bias:0", "bias")
        file["model_weights/score/score/bias:0"] = h5py.SoftLink("/bias")
    assert read(path).problems == ()


def test_unusual_weights_that_do_no_harm(tmp_path: Path) -> None:
    packed = weights(lambda group: group.create_dataset("1", data=np.zeros(1 << 20, "float32"), compression="gzip"))
    assert safety.check(read(in_keras(tmp_path, builders.dense(), **{"model.weights.h5": packed}))) == ()


def npz(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(builders.dense()))
        archive.writestr("model.weights.npz", content)
    return path


def test_pickled_weights(tmp_path: Path) -> None:
    store = io.BytesIO()
    np.savez(store, dense=np.array({"0": 1}, dtype=object), plain=np.ones(3))
    assert findings(npz(tmp_path, store.getvalue()))["pickled-weights"].where == "model.weights.npz: dense"
    assert failing(npz(tmp_path, pickle.dumps([0]))) == ["pickled-weights"]
    store = io.BytesIO()
    np.savez(store, plain=np.ones(3))
    assert failing(npz(tmp_path, store.getvalue())) == []
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40,)})
    store = io.BytesIO()
    with zipfile.ZipFile(store, "w") as archive:
        archive.writestr("plain.npy", header.getvalue())
    assert failing(npz(tmp_path, store.getvalue())) == ["hdf5-shape-bomb"]
    store = io.BytesIO()
    np.save(store, np.array([{"0": 1}], dtype=object))
    path = in_keras(tmp_path, builders.dense(), **{"assets/words.npy": store.getvalue()})
    assert findings(path)["pickled-weights"].where == "assets/words.npy"
    store = io.BytesIO()
    np.save(store, np.ones(3))
    assert safety.check(read(in_keras(tmp_path, builders.dense(), **{"assets/words.npy": store.getvalue()}))) == ()


# SavedModels


class Graph:
    """A SavedModel whose signature ``serving_default`` gives the node ``y``."""

    def __init__(self, tmp_path: Path) -> None:
        self.directory = builders.saved_model(tmp_path / "model")
        self.saved = message("SavedModel")
        self.saved.ParseFromString((self.directory / "saved_model.pb").read_bytes())
        self.meta = self.saved.meta_graphs[0]
        self.meta.signature_def[0].value.outputs[0].value.name = "y:0"
        del self.meta.graph_def.node[:]
        self.nodes = self.meta.graph_def.node

    def node(self, name: str, op: str, *inputs: str, within: Any = None, **attributes: Any) -> Any:
        node = (within.node_def if within is not None else self.nodes).add(name=name, op=op)
        node.input.extend(inputs)
        for key, value in attributes.items():
            attribute = node.attr.add(key=key).value
            if key in ("f", "body"):
                attribute.func.name = value
            elif key == "branches":
                attribute.list.func.add(name=value)
            else:
                attribute.s = value.encode()
        return node

    def constant(self, name: str, *strings: str | bytes, within: Any = None) -> None:
        node = self.node(name, "Const", within=within)
        tensor = node.attr.add(key="value").value.tensor
        tensor.dtype = DTYPES.index("string")
        tensor.string_val.extend(one.encode() if isinstance(one, str) else one for one in strings)
        node.attr.add(key="dtype").value.type = tensor.dtype

    def numbers(self, name: str, *values: int) -> None:
        node = self.node(name, "Const")
        tensor = node.attr.add(key="value").value.tensor
        tensor.dtype = DTYPES.index("int64")
        tensor.tensor_shape.dim.add(size=len(values))
        tensor.int64_val.extend(values)
        node.attr.add(key="dtype").value.type = tensor.dtype

    def function(self, name: str, *arguments: str, captured: tuple[int, ...] | None = None) -> Any:
        function = self.meta.graph_def.library.function.add()
        function.signature.name = name
        for argument in arguments:
            function.signature.input_arg.add(name=argument)
        if captured is not None:
            self.meta.object_graph_def.concrete_functions.add(key=name).value.bound_inputs.extend(captured)
        return function

    def asset(self, tensor: str, filename: str = "words.txt") -> None:
        asset = self.meta.asset_file_def.add(filename=filename)
        asset.tensor_info.name = f"{tensor}:0"
        if "/" not in filename:
            (self.directory / "assets").mkdir(exist_ok=True)
            (self.directory / "assets" / filename).write_text("a\n")

    def saver(self, prefix: str = "save") -> None:
        """A saver as TensorFlow 1 makes it, in the main graph."""
        self.constant(f"{prefix}/names", "w")
        self.constant(f"{prefix}/suffix", "part")
        self.node(f"{prefix}/Const", "PlaceholderWithDefault", f"{prefix}/names")
        self.node(f"{prefix}/path", "StringJoin", f"{prefix}/Const", f"{prefix}/suffix")
        self.node(f"{prefix}/SaveV2", "SaveV2", f"{prefix}/path", f"{prefix}/names")
        self.node(f"{prefix}/Merge", "MergeV2Checkpoints", f"{prefix}/path", f"{prefix}/Const", f"^{prefix}/SaveV2")
        self.node(f"{prefix}/Identity", "Identity", f"{prefix}/Const", f"^{prefix}/Merge")
        self.node(f"{prefix}/RestoreV2", "RestoreV2", f"{prefix}/Const", f"{prefix}/names")
        self.node(f"{prefix}/restore_all", "NoOp", f"^{prefix}/RestoreV2")
        self.meta.saver_def.filename_tensor_name = f"{prefix}/Const:0"
        self.meta.saver_def.save_tensor_name = f"{prefix}/Identity:0"
        self.meta.saver_def.restore_op_name = f"{prefix}/restore_all"

    def write(self) -> Path:
        (self.directory / "saved_model.pb").write_bytes(self.saved.SerializeToString())
        return self.directory


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    return Graph(tmp_path)


@pytest.mark.parametrize(
    ("op", "cause"),
    [
        ("WriteFile", "graph-file-access"),
        ("MatchingFiles", "graph-file-access"),
        ("TFRecordDataset", "graph-file-access"),
        ("ImmutableConst", "graph-file-access"),
        ("CreateSummaryFileWriter", "graph-file-access"),
        ("DebugIdentityV2", "graph-network-access"),
        ("RpcClient", "graph-network-access"),
        ("DataServiceDatasetV4", "graph-network-access"),
        ("EagerPyFunc", "graph-python-call"),
        ("XlaCustomCallV2", "graph-python-call"),
        ("PyCall", "graph-python-call"),
        ("ShellExecute", "graph-custom-op"),
        ("Abort", "graph-abort"),
        ("DatasetFromGraph", "uninspectable-content"),
    ],
)
def test_op_that_does_more_than_compute(graph: Graph, op: str, cause: str) -> None:
    body = graph.function("__inference_call_12", "x", captured=())
    graph.node("bad", op, "x", within=body)
    graph.node("y", "PartitionedCall", f="__inference_call_12")
    found = findings(graph.write())
    assert [code for code, finding in found.items() if finding.fails] == [cause]
    assert found[cause].where == f"function __inference_call_12: {op}"


def test_op_in_the_main_graph_and_in_text_form(graph: Graph) -> None:
    from google.protobuf import text_format

    graph.constant("path", "/etc/hostname")
    graph.node("y", "ReadFile", "path")
    finding = findings(graph.write())["graph-file-access"]
    assert finding.where == "graph node y: ReadFile"
    assert "'/etc/hostname'" in finding.message
    (graph.directory / "saved_model.pb").unlink()
    (graph.directory / "saved_model.pbtxt").write_text(text_format.MessageToString(graph.saved))
    assert findings(graph.directory)["graph-file-access"].where == "graph node y: ReadFile"


def test_attributes_that_open_files(graph: Graph) -> None:
    graph.node("y", "PrintV2", output_stream="file:///tmp/x")
    graph.node("fine", "PrintV2", "^y", output_stream="stdout")
    graph.node("sampler", "FixedUnigramCandidateSampler", vocab_file="")
    assert findings(graph.write())["graph-file-access"].where == "graph node y: PrintV2"


def test_graph_inside_a_graph(graph: Graph) -> None:
    inner = message("GraphDef")
    inner.node.add(name="w", op="WriteFile")
    graph.constant("text", inner.SerializeToString())
    graph.node("y", "DatasetFromGraph", "text")
    assert findings(graph.write())["graph-file-access"].where == (
        "graph node y: DatasetFromGraph > graph node w: WriteFile"
    )


def test_only_parts_that_nothing_runs(graph: Graph) -> None:
    graph.node("y", "NoOp")
    graph.node("reader", "TFRecordReaderV2")
    path = graph.write()
    assert (failing(path), notes(path)) == ([], ["graph-file-access"])
    for collection in ("table_initializer", "saved_model_main_op"):
        entry = graph.meta.collection_def.add(key=collection)
        entry.value.node_list.value.append("reader")
        assert failing(graph.write()) == ["graph-file-access"]
        del graph.meta.collection_def[:]
    # No training has its graph write files.
    graph.node("writer", "WriteFile")
    assert [one.where for one in safety.check(read(graph.write())) if one.fails] == ["graph node writer: WriteFile"]
    graph.nodes.pop()
    # TensorFlow 2 saves what is run and nothing else.
    graph.meta.object_graph_def.nodes.add()
    assert failing(graph.write()) == ["graph-file-access"]
    del graph.meta.object_graph_def.nodes[:]
    # Nothing says what is run where there is no signature.
    del graph.meta.signature_def[:]
    assert failing(graph.write()) == ["graph-file-access"]


def test_names_and_ordinary_ops_are_no_finding(graph: Graph) -> None:
    body = graph.function("ReadFile_like", "x", captured=())
    graph.node("WriteFile", "Identity", "x", within=body)
    graph.node("y", "PartitionedCall", f="ReadFile_like")
    for op in ("DecodeJpeg", "Assert", "ParseExampleV2", "LookupTableImportV2", "ShardedFilename", "_Retval"):
        graph.node(op, op)
    assert safety.check(read(graph.write())) == ()
    graph.node("custom", "Addons>Resampler")
    graph.node("compiled", "XlaCallModule")
    path = graph.write()
    assert (failing(path), notes(path)) == ([], ["graph-opaque-op", "graph-custom-op"])


@pytest.mark.parametrize("left_over", [False, True])
def test_saver_is_no_finding(graph: Graph, left_over: bool) -> None:
    graph.node("y", "NoOp")
    if left_over:
        graph.saver("save")
    graph.saver("save_1")
    assert safety.check(read(graph.write())) == ()


def test_saver_in_functions_is_no_finding(graph: Graph) -> None:
    save = graph.function("__inference__traced_save_1", "file_prefix")
    graph.constant("names", "w", within=save)
    graph.node("joined", "StringJoin", "file_prefix", "names:output:0", within=save)
    graph.node("SaveV2", "SaveV2", "joined:output:0", "names:output:0", within=save)
    graph.node("MergeV2Checkpoints", "MergeV2Checkpoints", "joined:output:0", "file_prefix", within=save)
    restore = graph.function("__inference__traced_restore_2", "file_prefix")
    graph.node("RestoreV2", "RestoreV2", "file_prefix", within=restore)
    graph.node("y", "NoOp")
    graph.node("saver_filename", "Placeholder")
    graph.node("Call", "StatefulPartitionedCall", "saver_filename", f="__inference__traced_save_1")
    graph.node("Call_1", "StatefulPartitionedCall", "saver_filename", f="__inference__traced_restore_2")
    graph.meta.saver_def.filename_tensor_name = "saver_filename:0"
    graph.meta.saver_def.save_tensor_name = "Call:0"
    graph.meta.saver_def.restore_op_name = "Call_1"
    assert safety.check(read(graph.write())) == ()
    # The same function, called by a signature as well.
    graph.node("z", "StatefulPartitionedCall", "x", f="__inference__traced_save_1")
    graph.meta.signature_def[0].value.outputs[0].value.name = "z:0"
    assert "function __inference__traced_save_1: SaveV2" in findings(graph.write())["graph-checkpoint-access"].where


def test_checkpoints_outside_of_the_saver(graph: Graph) -> None:
    graph.saver()
    graph.node("y", "SaveV2", "save/path", "save/names")
    assert findings(graph.write())["graph-checkpoint-access"].where == "graph node y: SaveV2"
    body = graph.function("__inference_call_3", "x", captured=())
    graph.node("RestoreV2", "RestoreV2", "x", within=body)
    assert "function __inference_call_3: RestoreV2" in findings(graph.write())["graph-checkpoint-access"].where


def test_saver_with_a_path_of_its_own(graph: Graph) -> None:
    graph.saver()
    graph.node("y", "NoOp")
    restore = next(node for node in graph.nodes if node.op == "RestoreV2")
    restore.input[0] = "save/suffix"
    assert findings(graph.write())["graph-checkpoint-access"].where == "graph node save/RestoreV2: RestoreV2"
    restore.input[0] = "save/Const"
    merge = next(node for node in graph.nodes if node.op == "MergeV2Checkpoints")
    merge.input[1] = "save/suffix"
    assert findings(graph.write())["graph-checkpoint-access"].where == "graph node save/Merge: MergeV2Checkpoints"


def test_checkpoints_in_a_branch_that_a_signature_takes(graph: Graph) -> None:
    graph.saver()
    branch = graph.function("branch_5", "x")
    graph.node("bad", "RestoreV2", "x", within=branch)
    graph.node("y", "StatelessCase", "x", branches="branch_5")
    assert findings(graph.write())["graph-checkpoint-access"].where == "function branch_5: RestoreV2"


def test_initializers_of_local_variables_are_run(graph: Graph) -> None:
    graph.node("y", "NoOp")
    graph.constant("path", "/etc/hostname")
    graph.node("reader", "ReadFile", "path")
    assert failing(graph.write()) == []
    variable = message("VariableDef")
    variable.initializer_name = "reader"
    entry = graph.meta.collection_def.add(key="local_variables")
    entry.value.bytes_list.value.append(variable.SerializeToString())
    assert failing(graph.write()) == ["graph-file-access"]


def test_function_that_may_stand_in_for_another_is_run(graph: Graph) -> None:
    body = graph.function("gpu_lstm_6", "x")
    graph.node("bad", "TFRecordDataset", "x", within=body)
    graph.node("unused", "PartitionedCall", f="gpu_lstm_6")
    graph.node("y", "NoOp")
    path = graph.write()
    assert (failing(path), notes(path)) == ([], ["graph-file-access"])
    body.attr.add(key="api_implements").value.s = b"lstm_7"
    assert failing(graph.write()) == ["graph-file-access"]


def table(graph: Graph, kind: str) -> None:
    """A table made from a file, by an initialiser that captured an asset or a constant."""
    body = graph.function("__inference__initializer_4", "path", captured=(0,))
    graph.node("init", "InitializeTableFromTextFileV2", "table", "path", within=body)
    captured = graph.meta.object_graph_def.nodes.add()
    if kind == "asset":
        captured.asset.asset_file_def_index = 0
    else:
        captured.constant.operation = "Const"


def test_tables_made_from_assets_are_no_finding(graph: Graph) -> None:
    """As TensorFlow 2 writes it: an asset captured, and a variable of its path for loaders of TensorFlow 1."""
    graph.asset("asset_path_initializer")
    table(graph, "asset")
    graph.node("asset_path_initializer", "Placeholder")
    graph.node("Variable", "VarHandleOp")
    graph.node("Variable/Assign", "AssignVariableOp", "Variable", "asset_path_initializer")
    graph.node("ReadVariableOp", "ReadVariableOp", "Variable")
    graph.node("y", "StatefulPartitionedCall", "ReadVariableOp", f="__inference__initializer_4")
    assert safety.check(read(graph.write())) == ()


def test_table_made_from_an_asset_in_tensorflow_1_is_no_finding(graph: Graph) -> None:
    graph.constant("asset_path", "/home/someone/words.txt")
    graph.node("y", "InitializeTableFromTextFileV2", "hash_table", "asset_path")
    asset = message("AssetFileDef")
    asset.filename = "words.txt"
    asset.tensor_info.name = "asset_path:0"
    entry = graph.meta.collection_def.add(key="saved_model_assets")
    entry.value.any_list.value.add(value=asset.SerializeToString())
    assert safety.check(read(graph.write())) == ()


def test_table_made_from_a_file_of_the_machine(graph: Graph) -> None:
    graph.node("y", "NoOp")
    graph.asset("Const")
    table(graph, "constant")
    graph.constant("Const", "/etc/passwd")
    finding = findings(graph.write())["graph-file-access"]
    assert finding.where == "function __inference__initializer_4: InitializeTableFromTextFileV2"
    assert "'/etc/passwd'" in finding.message


def test_path_handed_to_a_function(graph: Graph) -> None:
    body = graph.function("initializer_5", "path")
    graph.node("init", "InitializeTableFromTextFileV2", "table", "path", within=body)
    graph.constant("path", "/etc/passwd")
    graph.node("y", "StatefulPartitionedCall", "path", f="initializer_5")
    assert "'/etc/passwd'" in findings(graph.write())["graph-file-access"].message


def test_reading_an_asset(graph: Graph) -> None:
    """The path of an asset is put in place of a constant while tables are made, and not in calls."""
    graph.asset("path")
    graph.node("path", "Placeholder")
    graph.node("y", "ReadFile", "path")
    assert safety.check(read(graph.write())) == ()
    del graph.nodes[0]
    graph.constant("path", "/etc/passwd")
    assert "'/etc/passwd'" in findings(graph.write())["graph-file-access"].message


@pytest.mark.parametrize("name", ["../../etc/hostname", "/etc/hostname", "gs://bucket/words.txt", "C:\\words.txt"])
def test_asset_that_leads_out_of_the_artifact(graph: Graph, name: str) -> None:
    graph.node("y", "NoOp")
    graph.asset("path", name)
    artifact = graph.write()
    assert findings(artifact)["path-traversal"].where == f"assets/{name}"


def test_symbolic_links(graph: Graph, tmp_path: Path) -> None:
    graph.node("y", "NoOp")
    path = graph.write()
    (tmp_path / "secret").write_text("")
    os.symlink("saved_model.pb", path / "same")
    # As in the caches of Hugging Face, DVC and git-annex.
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / ("0a" * 20)).write_text("")
    os.symlink(f"../blobs/{'0a' * 20}", path / "cached")
    assert safety.check(read(path)) == ()
    (path / "assets").mkdir()
    os.symlink("../../secret", path / "assets" / "words.txt")
    assert findings(path)["artifact-symlink"].where == "assets/words.txt"


def test_graph_in_chunks_beside_the_graph(graph: Graph) -> None:
    graph.node("y", "NoOp")
    path = graph.write()
    (path / "saved_model.cpb").write_bytes(b"")
    assert findings(path)["uninspectable-content"].where == "saved_model.cpb"


def test_tensors_larger_than_a_machine(graph: Graph) -> None:
    graph.numbers("dims", 1 << 20, 1 << 20)
    graph.node("y", "Fill", "dims", "zero")
    assert findings(graph.write())["graph-bomb"].where == "graph node y: Fill"
    for op, inputs in {"Tile": ("x", "dims"), "LinSpace": ("x", "x", "dims"), "OneHot": ("x", "dims")}.items():
        graph.nodes[1].op = op
        graph.nodes[1].input[:] = inputs
        assert findings(graph.write())["graph-bomb"].where == f"graph node y: {op}"
    graph.nodes[1].op = "NoOp"
    graph.nodes[0].attr[0].value.tensor.tensor_shape.dim[0].size = 1 << 40
    assert findings(graph.write())["graph-bomb"].where == "graph node dims: Const"
    graph.nodes[0].attr[0].value.tensor.tensor_shape.dim[0].size = 1 << 20
    assert safety.check(read(graph.write())) == ()
    variable = graph.meta.object_graph_def.nodes.add().variable
    variable.dtype = DTYPES.index("float32")
    variable.shape.dim.add(size=1 << 40)
    assert findings(graph.write())["graph-bomb"].where == "variables"


def test_constants_that_are_none(graph: Graph) -> None:
    graph.node("y", "Const")
    path = graph.write()
    assert (failing(path), notes(path)) == ([], ["graph-malformed"])


# What cannot be gone through


def test_bad_files_never_raise_and_never_pass_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, content in {"a.h5": b"", "b.keras": b"PK\x03\x04", "c.h5": b"\x89HDF\r\n\x1a\n", "d.h5": b"text"}.items():
        (tmp_path / name).write_bytes(content)
        artifact = read(tmp_path / name)
        assert any(problem.fails for problem in artifact.problems)
        assert safety.check(artifact) == ()
    assert safety.check(read(tmp_path / "missing.h5")) == ()
    path = builders.h5(tmp_path / "model.h5")

    def crashes(*_: object) -> None:
        raise RuntimeError("the HDF5 library crashes on reading it")

    monkeypatch.setattr("pytest_kerasload.hazards.hdf5.isolated", crashes)
    assert failing(path) == ["uninspectable-content"]


def test_builders_are_safe(tmp_path: Path) -> None:
    for path in (
        builders.h5(tmp_path / "a.h5"),
        builders.keras(tmp_path / "b.keras"),
        in_metadata(tmp_path, builders.dense()),
        builders.weights_h5(tmp_path / "c.h5"),
    ):
        assert failing(path) == []
