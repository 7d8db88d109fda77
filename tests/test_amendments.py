"""Configurations changed for another Keras release, the copies that hold them, and the command that writes them."""

from __future__ import annotations

import hashlib
import json
import marshal
import shutil
import zipfile
from base64 import encodebytes
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np
import pytest

from conftest import ZOO
from pytest_kerasload.__main__ import main
from pytest_kerasload.amendments import Amendment, NotWritten, amended, write
from pytest_kerasload.artifacts.configs import objects_in
from pytest_kerasload.artifacts.reading import read
from pytest_kerasload.artifacts.record import Artifact, ConfigObject, Format, SavedWith
from pytest_kerasload.checks import version
from pytest_kerasload.environments.versions import Versions

ARTIFACTS = ZOO / "artifacts"
KERAS_315 = Versions("3.11.7", "2.21.0", "3.15.1", "keras3")
KERAS_33 = Versions("3.11.7", "2.16.2", "3.3.3", "keras3")
KERAS_215 = Versions("3.11.7", "2.15.1", "2.15.0", "keras2")


def told(name: str, versions: Versions) -> str:
    found = amended(read(ARTIFACTS / name), versions)
    return found.told if found is not None else ""


@pytest.mark.parametrize(
    ("name", "versions", "change"),
    [
        ("tf215/lstm.h5", KERAS_315, "drop time_major from the config"),
        ("tf23/nested_seq_twice.h5", KERAS_315, "count the calls of tower from 0"),
        ("tf115/bidirectional.h5", KERAS_315, "name the module of the layer in Bidirectional"),
        ("tf115/hard_sigmoid.h5", KERAS_315, "give the Sequential an InputLayer of shape [None, 4]"),
        ("tf215/lstm.h5", KERAS_215, ""),
        ("tf215/seq_dense.h5", KERAS_315, ""),
    ],
)
def test_what_is_changed(name: str, versions: Versions, change: str) -> None:
    assert change in told(name, versions) if change else told(name, versions) == ""


def test_functions_as_keras_3_takes_them(tmp_path: Path) -> None:
    """A list with its kinds beside it becomes an object, and default values arguments of the layer."""
    code = encodebytes(marshal.dumps((lambda x, n=2, m=3: x * n + m).__code__)).decode()
    config = {
        "name": "double",
        "function": [code, [2, 3], None],
        "function_type": "lambda",
        "module": "m",
        "output_shape_type": "raw",
        "output_shape_module": None,
        "output_shape": None,
        "arguments": {"m": 5},
    }
    entry = {"class_name": "Lambda", "config": config, "module": "keras.layers", "registered_name": None}
    model = {"class_name": "Sequential", "config": {"name": "s", "layers": [entry]}, "module": "keras"}
    objects = (ConfigObject("Lambda", "layer", "double", "model", "Lambda", "keras.layers", config=config),)
    native = Artifact(tmp_path / "m.keras", "keras", config=model, objects=objects)
    found = amended(native, KERAS_315)
    assert found is not None
    assert found.told == "write the function of Lambda as Keras 3 does; pass n, m as arguments of the Lambda"
    (changed,) = found.config["config"]["layers"]
    inner = {"code": code, "defaults": None, "closure": None}
    assert changed["config"]["function"] == {"class_name": "__lambda__", "config": inner}
    assert changed["config"]["arguments"] == {"n": 2, "m": 5}
    assert not {"function_type", "module", "output_shape_type", "output_shape_module"} & set(changed["config"])
    h5 = amended(replace(native, path=tmp_path / "m.h5", format="h5", objects=()), KERAS_315)
    assert h5 is not None
    assert h5.config["config"]["layers"][0]["config"]["function"] == [code, None, None]
    assert amended(native, KERAS_215) is None


def test_what_keras_3_writes_in_the_words_of_keras_2() -> None:
    artifact = read(Path("examples/artifacts/digits.h5").absolute())
    found = amended(artifact, KERAS_215)
    assert found is not None
    assert "batch_input_shape" in found.told
    assert not found.risky
    layers = found.config["config"]["layers"]
    assert "batch_shape" not in layers[0]["config"]
    assert layers[0]["config"]["batch_input_shape"][0] is None
    assert all(isinstance(layer["config"].get("dtype", ""), str) for layer in layers)


@pytest.mark.parametrize("versions", [KERAS_315, KERAS_33, KERAS_215], ids=lambda one: one.keras)
def test_no_rejected_key_is_left_and_the_original_stays(versions: Versions, tmp_path: Path) -> None:
    """Over all artifacts of the zoo; what is kept as it was read is not touched."""
    changed = 0
    for path in sorted(ARTIFACTS.rglob("*")):
        if path.suffix not in (".h5", ".keras") or not (artifact := read(path)).readable:
            continue
        before = json.dumps(artifact.config)
        found = amended(artifact, versions)
        assert json.dumps(artifact.config) == before
        if found is None:
            continue
        changed += 1
        copy = tmp_path / f"{changed}{path.suffix}"
        write(artifact, found, copy)
        codes = {finding.cause for finding in version.check(read(copy), versions, "evidence")}
        assert not codes & {
            *("keras2-rnn-time-major", "keras2-conv-groups", "keras3-batch-shape", "keras3-quantization-config"),
            *("keras3-initializer-axes", "keras2-wrapped-layer", "keras2-sequential-input-shape", "keras2-axis-list"),
            *("nested-model-used-twice", "keras3-unwrapped-inputs", "keras3-orthogonal"),
        }, path
    assert changed > 10


def weights_of(file: h5py.File) -> dict[str, str]:
    found: dict[str, str] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = hashlib.sha256(item[()].tobytes()).hexdigest()

    file.visititems(visit)
    return found


def test_an_hdf5_copy_holds_the_same_weights(tmp_path: Path) -> None:
    path = ARTIFACTS / "tf215" / "lstm.h5"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert main(["repair", str(path), str(tmp_path / "copy.h5"), "--for=keras==3.15.1"]) == 0
    with h5py.File(path) as one, h5py.File(tmp_path / "copy.h5") as other:
        assert weights_of(one) == weights_of(other)
        assert b"time_major" in str(one.attrs["model_config"]).encode()
        assert b"time_major" not in str(other.attrs["model_config"]).encode()
        assert one.attrs["keras_version"] == other.attrs["keras_version"]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    assert [one.name for one in tmp_path.iterdir()] == ["copy.h5"]


def test_an_archive_copy_holds_the_same_members(tmp_path: Path) -> None:
    path = ARTIFACTS / "tf215" / "seq_dense.keras"
    assert main(["repair", str(path), str(tmp_path / "copy.keras"), "--for=keras==3.15.1"]) == 0
    with zipfile.ZipFile(path) as one, zipfile.ZipFile(tmp_path / "copy.keras") as other:
        assert one.namelist() == other.namelist()
        same = [name for name in one.namelist() if one.read(name) == other.read(name)]
        assert set(one.namelist()) - set(same) == {"config.json"}


def test_nothing_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, copy = ARTIFACTS / "tf215" / "lstm.h5", tmp_path / "copy.h5"
    copy.write_bytes(b"mine")
    assert main(["repair", str(path), str(copy), "--for=keras==3.15.1"]) == 1
    assert copy.read_bytes() == b"mine"
    assert "is there already" in capsys.readouterr().err


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    artifact = read(ARTIFACTS / "tf215" / "lstm.h5")
    with pytest.raises(NotWritten, match="could not be written"):
        write(artifact, Amendment(dict(artifact.config or {}), ()), tmp_path / "nowhere" / "copy.h5")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone.h5", "copy.h5", "--for=keras==3.15.1"], "does not exist"),
        ([str(ARTIFACTS / "tf215/weights_only.weights.h5"), "copy.h5", "--for=keras==3.15.1"], "weights only"),
        ([str(ARTIFACTS / "tf215/seq_dense.h5"), "copy.h5", "--for=keras==2.15.0"], "nothing is known"),
        (
            [str(ARTIFACTS / "tf215/nested_lists_sm"), "copy", "--for=keras==3.15.1"],
            "nothing is known that could be changed",
        ),
    ],
)
def test_what_cannot_be_repaired(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["repair", *arguments]) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("release", ["3.15", "torch==2.0", "keras==", "keras"])
def test_a_release_that_is_none(release: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["repair", "a.h5", "b.h5", f"--for={release}"])
    assert ended.value.code == 2
    assert "is no release" in capsys.readouterr().err


# ---- rules, one at a time

KERAS_310 = Versions("3.11.7", "2.19.1", "3.10.0", "keras3")


def of(format: Format, *layers: dict[str, Any], keras: str, functional: bool = False) -> Artifact:
    """An artifact of these layers."""
    module = {"module": "keras.layers", "registered_name": None} if format == "keras" else {}
    entries = [{**module, **layer} for layer in layers]
    config: dict[str, Any] = {"name": "m", "layers": entries}
    if functional:
        config.update(input_layers=[["x", 0, 0]], output_layers=[[layers[-1]["name"], 0, 0]])
    model = {"class_name": "Functional" if functional else "Sequential", "config": config, "module": "keras"}
    objects = tuple(objects_in(model, None))
    return Artifact(Path(f"m.{format}"), format, config=model, objects=objects, saved_with=SavedWith(keras=keras))


def changed(artifact: Artifact, versions: Versions) -> tuple[str, list[dict[str, Any]]]:
    """What is told of the changes, and the layers as they are then."""
    found = amended(artifact, versions)
    return ("", []) if found is None else (found.told, found.config["config"]["layers"])


def layer(class_name: str, inbound: Any = None, **config: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {"class_name": class_name, "config": config}
    return entry if inbound is None else {**entry, "name": config["name"], "inbound_nodes": inbound}


INPUT = layer("InputLayer", [], name="x", batch_input_shape=[None, 4])


def test_tensors_among_the_arguments_of_a_call() -> None:
    """Keras 3 takes them for names as Keras 2 writes them; all else of the call stays."""
    node = [["x", 0, 0, {"value": ["x", 0, 0], "scores": True, "mask": None}]]
    attention = layer("MultiHeadAttention", [node], name="attend", num_heads=2, key_dim=2)
    told, layers = changed(of("h5", INPUT, attention, keras="2.10.0", functional=True), KERAS_315)
    assert "write the calls of MultiHeadAttention as Keras 3 does" in told
    (call,) = layers[-1]["inbound_nodes"]
    history = {"class_name": "__keras_tensor__", "config": {"shape": [None], "dtype": "float32"}}
    history["config"]["keras_history"] = ["x", 0, 0]
    assert call == {"args": [history], "kwargs": {"value": history, "scores": True, "mask": None}}
    plain = layer("Dense", [[["x", 0, 0, {"training": False}]]], name="d", units=2)
    assert "calls" not in changed(of("h5", INPUT, plain, keras="2.10.0", functional=True), KERAS_315)[0]


def test_calls_of_keras_3_by_name_where_keras_2_has_names() -> None:
    tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": ["x", 0, 0]}}
    node = {"args": [tensor, tensor], "kwargs": {"attention_mask": tensor, "training": False, "mask": None}}
    attention = layer("MultiHeadAttention", [node], name="attend", num_heads=2, key_dim=2)
    told, layers = changed(of("keras", INPUT, attention, keras="3.10.0", functional=True), KERAS_215)
    assert "write the calls of layers as Keras 2 does" in told
    here = ["x", 0, 0]
    assert layers[-1]["inbound_nodes"] == [[[*here, {"value": here, "attention_mask": here, "training": False}]]]
    assert layers[-1]["config"]["query_shape"] is None
    two = layer("Dot", [{"args": [tensor, tensor], "kwargs": {}}], name="dot", axes=1)
    assert "calls" not in changed(of("keras", INPUT, two, keras="3.10.0", functional=True), KERAS_215)[0]


@pytest.mark.parametrize(
    ("versions", "before", "after"), [(KERAS_315, 1, 0), (KERAS_215, 0, 1), (KERAS_315, 0, 0), (KERAS_215, 1, 1)]
)
def test_calls_of_nested_models(versions: Versions, before: int, after: int) -> None:
    inner = layer("Functional", [[["x", 0, 0, {}]]], name="tower", layers=[INPUT], input_layers=[], output_layers=[])
    head = layer("Dense", [[["tower", before, 0, {}]]], name="head", units=1)
    told, layers = changed(of("h5", INPUT, inner, head, keras="2.15.0", functional=True), versions)
    assert (f"count the calls of tower from {after}" in told) is (before != after)
    if layers:
        assert layers[-1]["inbound_nodes"][0][0][1] == after


def test_functions_as_keras_2_takes_them() -> None:
    code = {"class_name": "__lambda__", "config": {"code": "4w==", "defaults": None, "closure": None}}
    named = {"module": "builtins", "class_name": "function", "config": "acme>double", "registered_name": "function"}
    lambdas = [layer("Lambda", name=name, function=one) for name, one in (("a", code), ("b", named))]
    told, layers = changed(of("keras", *lambdas, keras="3.10.0"), KERAS_215)
    assert told == "write the function of Lambda as Keras 2 does"
    assert layers[0]["config"]["function"] == ["4w==", None, None]
    assert layers[0]["config"]["function_type"] == "lambda"
    assert (layers[1]["config"]["function"], layers[1]["config"]["function_type"]) == ("acme>double", "function")


LEAKY = layer("LeakyReLU", name="l", negative_slope=0.1)


@pytest.mark.parametrize(
    ("format", "entry", "saved", "versions", "told", "now"),
    [
        (
            "h5",
            LEAKY,
            "3.10.0",
            KERAS_215,
            "LeakyReLU alpha",
            {"alpha": 0.1},
        ),
        ("h5", LEAKY, "3.10.0", KERAS_315, "", {}),
        (
            *("keras", layer("TextVectorization", name="t", dtype="float32"), "3.6.0", KERAS_215),
            *("give TextVectorization the dtype", {"dtype": "string"}),
        ),
        ("keras", layer("TextVectorization", name="t", dtype="float32"), "2.13.0", KERAS_215, "", {}),
        (
            *("h5", layer("Attention", name="a", score_mode="dot"), "3.15.0", KERAS_315),
            *("drop score_mode from the config", {"score_mode": None}),
        ),
        ("h5", layer("Attention", name="a", score_mode="dot"), "3.15.0", KERAS_310, "", {}),
        ("h5", layer("Attention", name="a", score_mode="concat"), "3.15.0", KERAS_315, "", {}),
        (
            *("h5", layer("MultiHeadAttention", name="a", num_heads=1, key_dim=1), "2.4.0", KERAS_215),
            *("write the shapes of MultiHeadAttention as null", {"query_shape": None}),
        ),
    ],
)
def test_single_keys(
    format: Format, entry: dict[str, Any], saved: str, versions: Versions, told: str, now: dict[str, Any]
) -> None:
    found, layers = changed(of(format, entry, keras=saved), versions)
    assert told in found if told else not found
    for key, value in now.items():
        assert layers[0]["config"].get(key) == value


@pytest.mark.parametrize(
    ("written", "versions", "read"),
    [
        ("OrthogonalInitializer", KERAS_215, "Orthogonal"),
        ("Orthogonal", KERAS_33, "OrthogonalInitializer"),
        ("Orthogonal", KERAS_315, "Orthogonal"),
    ],
)
def test_the_initializer_that_has_two_names(written: str, versions: Versions, read: str) -> None:
    entry = layer("Dense", name="d", units=2, kernel_initializer={"class_name": written, "config": {"gain": 1.0}})
    _, layers = changed(of("h5", entry, keras="3.6.0"), versions)
    assert (layers or [entry])[0]["config"]["kernel_initializer"]["class_name"] == read


def test_shapes_that_keras_3_notes_for_several_inputs() -> None:
    kept, gone = ({**layer("Dense", name=name, units=1), "build_config": told} for name, told in SHAPES.items())
    told, layers = changed(of("keras", kept, gone, keras="3.15.0"), KERAS_215)
    assert "leave out the shapes that Keras 3 notes" in told
    assert ["build_config" in one for one in layers] == [True, False]


SHAPES = {"one": {"input_shape": [None, 4]}, "several": {"query_shape": [None, 4], "value_shape": [None, 4]}}


def test_a_users_own_layer_inside_a_wrapper_keeps_its_name() -> None:
    """Keras' own is looked for in keras.layers; the user's among the custom objects."""
    cells = [{"class_name": name, "config": {"name": "c", "units": 2}} for name in ("GRUCell", "LeakyCell")]
    wrapped = [layer("RNN", name=f"rnn_{place}", cell=cell) for place, cell in enumerate(cells)]
    _, layers = changed(of("h5", *wrapped, keras="2.10.0"), KERAS_315)
    built_in, own = (one["config"]["cell"] for one in layers)
    assert (built_in["module"], built_in["registered_name"]) == ("keras.layers", None)
    assert (own["module"], own["registered_name"]) == (None, "LeakyCell")


def test_weights_of_keras_2_13_where_later_releases_look(tmp_path: Path) -> None:
    """It counts a layer with weights twice. Models inside of models are laid out alike; values stay."""
    old = tmp_path / "old.h5"
    with h5py.File(old, "w") as file:
        for place, name in enumerate(
            ("dense", "dense_2", "conv2d", "dense_10", "model/_layer_checkpoint_dependencies/gru_2")
        ):
            file[f"_layer_checkpoint_dependencies/{name}/vars/0"] = np.full(3, place, "float32")
        file["optimizer/vars/0"] = np.zeros(1)
    archive = tmp_path / "m.keras"
    config = {"class_name": "Sequential", "module": "keras", "config": {"name": "s", "layers": []}}
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("metadata.json", json.dumps({"keras_version": "2.13.1"}))
        written.writestr("config.json", json.dumps(config))
        written.write(old, "model.weights.h5")
    artifact = read(archive)
    assert amended(artifact, Versions("3.11.7", "2.13.1", "2.13.1", "keras2")) is None
    found = amended(artifact, KERAS_315)
    assert found is not None
    assert found.told == "put the weights where this release looks for them"
    write(artifact, found, tmp_path / "new.keras")
    with zipfile.ZipFile(tmp_path / "new.keras") as copy, copy.open("model.weights.h5") as member:
        weights = h5py.File(member, "r")
        held = {name: weights[f"layers/{name}/vars/0"][0] for name in ("dense", "dense_1", "conv2d", "dense_2")}
        assert held == {"dense": 0, "dense_1": 1, "conv2d": 2, "dense_2": 3}
        assert weights["layers/model/layers/gru/vars/0"][0] == 4
        assert set(weights) == {"layers", "optimizer"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.keras", "new.keras", "old.h5"]


def test_a_savedmodel_becomes_an_export_without_its_optimizer(tmp_path: Path) -> None:
    """What nothing has a class for beside Keras 3 goes; graph, signatures and variables stay to the byte."""
    source = ARTIFACTS / "tf23" / "trained_adam_sm"
    artifact = read(source)
    before = {path.relative_to(source): path.read_bytes() for path in source.rglob("*") if path.is_file()}
    found = amended(artifact, KERAS_315)
    assert found is not None
    assert found.told == "make an export of it, without the slots of its optimizer"
    assert amended(artifact, KERAS_215) is None
    assert amended(artifact, replace(KERAS_315, tf_keras="2.21.0")) is None
    write(artifact, found, tmp_path / "copy")
    export = read(tmp_path / "copy")
    assert export.readable
    assert not export.problems
    assert not export.keras_metadata
    assert not export.weights.optimizer_tensors
    assert export.signatures == artifact.signatures
    assert export.ops == artifact.ops
    assert version.check(export, KERAS_315, "evidence") == ()
    after = {path.relative_to(tmp_path / "copy"): path for path in (tmp_path / "copy").rglob("*") if path.is_file()}
    kept = [name for name in before if name.name not in ("saved_model.pb", "keras_metadata.pb")]
    assert [after[name].read_bytes() == before[name] for name in kept] == [True] * len(kept)
    assert before == {path.relative_to(source): path.read_bytes() for path in source.rglob("*") if path.is_file()}
    with pytest.raises(NotWritten, match="is there already"):
        write(artifact, found, tmp_path / "copy")
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


ODD = (
    *("null", "3", '"x"', "[]", "{}", "[null, null, null, null]", '{"class_name": "Dense"}'),
    *("[[0, 0], [1, 3], [1, 3]]", '[["x", 0, 0], ["x", 0, 0], ["x", 0, 0]]'),
)


@pytest.mark.parametrize("versions", [KERAS_315, KERAS_33, KERAS_215], ids=lambda one: one.keras)
@pytest.mark.parametrize(
    "name", ["tf215/lstm.h5", "tf23/nested_seq_twice.h5", "tf219/seq_dense.keras", "tf215/lambda_python.h5"]
)
def test_no_configuration_takes_it_down(name: str, versions: Versions) -> None:
    """Whatever stands in a configuration: what cannot be changed is left alone."""
    original = read(ARTIFACTS / name)
    random = Random(name)
    for _ in range(100):
        config = json.loads(json.dumps(original.config))
        for _ in range(random.randint(1, 3)):
            *path, last = random.choice(list(_places(config)))
            inside = config
            for key in path:
                inside = inside[key]
            inside[last] = json.loads(random.choice(ODD))
        objects = tuple(objects_in(config, None)) if isinstance(config.get("config"), dict) else ()
        amended(replace(original, config=config, objects=objects), versions)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from _places(inner, (*path, key))


def test_three_tensors_by_name_are_no_reference() -> None:
    arguments = {"memories": [["x", 0, 0], ["x", 0, 0], ["x", 0, 0]], "sizes": [[0, 0], [1, 3], [1, 3]]}
    call = layer("Dense", [[["x", 0, 0, arguments]]], name="mix", units=1)
    assert changed(of("h5", INPUT, call, keras="2.10.0", functional=True), KERAS_315)[0] == ""


@pytest.mark.parametrize(
    ("mode", "dtype", "now"),
    [("int", "float32", "int64"), ("int", "int32", "int32"), ("multi_hot", "float32", "float32")],
)
def test_hashing_keeps_the_dtype_of_what_it_counts(mode: str, dtype: str, now: str) -> None:
    entry = layer("Hashing", name="h", num_bins=4, output_mode=mode, dtype=dtype)
    _, layers = changed(of("keras", entry, keras="3.15.0"), KERAS_215)
    assert (layers or [entry])[0]["config"]["dtype"] == now


def test_the_command_says_how_the_copy_is_held_to_the_original(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Recorded from the copy, they would be compared with themselves."""
    here, copy = tmp_path / "my lstm.h5", tmp_path / "copy.h5"
    shutil.copy(ARTIFACTS / "tf215" / "lstm.h5", here)
    outputs = here.with_name("my lstm.h5.expected.npz")
    shutil.copy(ARTIFACTS / "tf215" / "lstm.h5.expected.npz", outputs)
    assert main(["repair", str(here), str(copy), "--for=keras==3.15.1"]) == 0
    told = f"hold it to the outputs of the original: cp '{outputs}' {copy}.expected.npz\n"
    assert told in capsys.readouterr().out
    assert not copy.with_name("copy.h5.expected.npz").exists()  # nothing is written that was not asked for
    copy.unlink()
    outputs.unlink()
    assert main(["repair", str(here), str(copy), "--for=keras==3.15.1"]) == 0
    assert "cp " not in capsys.readouterr().out


def test_the_command_says_how_an_export_is_called(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = ARTIFACTS / "tf23" / "trained_adam_sm"
    assert main(["repair", str(source), str(tmp_path / "copy"), "--for=keras==3.15.1"]) == 0
    assert "load_model of Keras 3 reads none: call tf.saved_model.load(path).signatures" in capsys.readouterr().out
