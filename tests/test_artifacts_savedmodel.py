"""SavedModels: their signatures, what Keras left in them, and the files they need."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import builders
import pytest
from google.protobuf import text_format

from pytest_kerasload.artifacts import protos
from pytest_kerasload.artifacts.checkpoint import shard_sizes
from pytest_kerasload.artifacts.fingerprint import fingerprint64
from pytest_kerasload.artifacts.reading import read
from pytest_kerasload.artifacts.record import Artifact

MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")


def _varint(number: int) -> bytes:
    head = bytearray()
    while number > 0x7F:
        head.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*head, number])


def _block(entries: dict[bytes, bytes]) -> bytes:
    """A block of a LevelDB table without shared prefixes, with its restart point, compression byte and checksum."""
    body = b"".join(b"\0" + _varint(len(key)) + _varint(len(value)) + key + value for key, value in entries.items())
    return body + bytes(4) + (1).to_bytes(4, "little")


def index(sizes: list[int]) -> bytes:
    """The index of a checkpoint with one tensor in each of so many data files."""
    entries = {b"": protos.message("BundleHeader")}
    entries[b""].num_shards = len(sizes)
    for number, size in enumerate(sizes):
        entries[f"v{number}".encode()] = protos.message("BundleEntry")
        entries[f"v{number}".encode()].shard_id = number
        entries[f"v{number}".encode()].size = size
    data = _block({key: value.SerializeToString() for key, value in entries.items()})
    top = _block({b"z": _varint(0) + _varint(len(data))})
    handle = _varint(len(data) + 5) + _varint(len(top))
    return data + bytes(5) + top + bytes(5) + (_varint(0) + _varint(0) + handle).ljust(40, b"\0") + MAGIC


def changed(directory: Path, change: Any) -> Path:
    """Applies a change to the SavedModel message of a directory."""
    message = protos.message("SavedModel")
    message.ParseFromString((directory / "saved_model.pb").read_bytes())
    change(message)
    (directory / "saved_model.pb").write_bytes(message.SerializeToString())
    return directory


def with_variables(directory: Path) -> Path:
    """Two variables under ``variables``, an optimizer's slot beside them, and their values in two data files."""

    def change(message: Any) -> None:
        nodes = message.meta_graphs[0].object_graph_def.nodes
        root, listed, kernel, bias, slot, seed = (nodes.add() for _ in range(6))
        for number, name in ((1, "variables"), (2, "kernel"), (4, "slot")):
            root.children.add(node_id=number, local_name=name)
        for number in (2, 3, 5):
            listed.children.add(node_id=number, local_name=str(number))
        for node, name, shape in (
            (kernel, "kernel", (3, 2)),
            (bias, "bias", (2,)),
            (slot, "m", (3, 2)),
            (seed, "dropout/seed_generator_state", (2,)),
        ):
            node.variable.name = name
            node.variable.dtype = 1
            for size in shape:
                node.variable.shape.dim.add(size=size)
        root.slot_variables.add(slot_variable_node_id=4)

    changed(directory, change)
    variables = directory / "variables"
    variables.mkdir()
    (variables / "variables.index").write_bytes(index([24, 8]))
    (variables / "variables.data-00000-of-00002").write_bytes(bytes(24))
    (variables / "variables.data-00001-of-00002").write_bytes(bytes(8))
    return directory


def keras_nodes(directory: Path, *nodes: tuple[str, str, dict[str, Any]]) -> Path:
    """Writes keras_metadata.pb."""
    message = protos.message("SavedMetadata")
    for number, (path, identifier, metadata) in enumerate(nodes):
        message.nodes.add(node_id=number, node_path=path, identifier=identifier, metadata=json.dumps(metadata))
    (directory / "keras_metadata.pb").write_bytes(message.SerializeToString())
    return directory


def causes(artifact: Artifact) -> list[str]:
    return [finding.cause for finding in artifact.problems]


def test_an_export(tmp_path: Path) -> None:
    artifact = read(builders.saved_model(tmp_path / "double"))
    assert (artifact.format, artifact.readable, artifact.problems) == ("savedmodel", True, ())
    assert artifact.saved_with.tensorflow == "2.15.0"
    (signature,) = artifact.signatures
    assert (signature.name, signature.method) == ("serving_default", "tensorflow/serving/predict")
    (spec,) = artifact.inputs
    assert (spec.name, spec.shape, spec.dtype) == ("x", (None, 3), "float32")
    assert [spec.name for spec in artifact.outputs] == ["doubled"]
    assert artifact.ops == {"Placeholder", "Const", "Mul"}
    assert not artifact.keras_metadata


def test_the_file_it_hangs_on_stands_for_the_directory(tmp_path: Path) -> None:
    directory = builders.saved_model(tmp_path / "double")
    artifact = read(directory / "saved_model.pb")
    assert artifact.path == directory
    assert artifact == read(directory)


def test_the_checksum_is_of_all_files(tmp_path: Path) -> None:
    directory = with_variables(builders.saved_model(tmp_path / "double"))
    before = read(directory)
    (directory / "double.expected.npz").write_bytes(b"kept by the gate itself")
    assert read(directory).sha256 == before.sha256
    shard = directory / "variables" / "variables.data-00000-of-00002"
    shard.write_bytes(b"\1" + shard.read_bytes()[1:])
    after = read(directory)
    assert after.sha256 != before.sha256
    assert (
        after.bytes
        == before.bytes
        == sum(file.stat().st_size for file in directory.rglob("*.*[ax]*"))
        + (directory / "saved_model.pb").stat().st_size
        - (directory / "double.expected.npz").stat().st_size
    )


def test_functions_are_no_ops(tmp_path: Path) -> None:
    def change(message: Any) -> None:
        graph = message.meta_graphs[0].graph_def
        graph.node.add(name="call", op="__inference_f_12")
        function = graph.library.function.add()
        function.signature.name = "__inference_f_12"
        function.node_def.add(name="t", op="Tanh")

    artifact = read(changed(builders.saved_model(tmp_path / "double"), change))
    assert artifact.ops == {"Placeholder", "Const", "Mul", "Tanh"}


def test_weights_are_the_variables_of_the_model(tmp_path: Path) -> None:
    artifact = read(with_variables(builders.saved_model(tmp_path / "double")))
    assert artifact.problems == ()
    assert (artifact.weights.elements, artifact.weights.tensors, artifact.weights.optimizer_tensors) == (8, 2, 1)
    assert dict(artifact.weights.layers) == {"kernel": 6, "bias": 2}


def test_graphs_for_serving_go_first(tmp_path: Path) -> None:
    def add(message: Any, *tags: str) -> None:
        graph = message.meta_graphs.add()
        graph.meta_info_def.tags.extend(tags)
        graph.meta_info_def.tensorflow_version = "-".join(tags)

    directory = builders.saved_model(tmp_path / "double")
    changed(directory, lambda message: message.meta_graphs[0].meta_info_def.tags.append("tpu"))
    changed(directory, lambda message: add(message, "train"))
    assert read(directory).saved_with.tensorflow == "2.15.0"
    changed(directory, lambda message: add(message, "serve"))
    assert read(directory).saved_with.tensorflow == "serve"

    def keep_training(message: Any) -> None:
        del message.meta_graphs[:]
        add(message, "train")
        add(message, "eval", "gpu")

    artifact = read(changed(directory, keep_training))
    assert causes(artifact) == ["savedmodel-no-serve-graph"]
    assert "train; eval, gpu" in artifact.problems[0].message
    changed(directory, lambda message: message.meta_graphs.pop())
    assert read(directory).readable, "a single graph is loaded whatever its tags"


def test_what_keras_left(tmp_path: Path) -> None:
    directory = builders.saved_model(tmp_path / "ranker")
    config = builders.dense()
    config["config"]["layers"].append({"class_name": "acme>Gate", "config": {"name": "gate"}})
    config["config"]["layers"][0]["config"]["batch_input_shape"] = {"class_name": "__tuple__", "items": [None, 3]}
    root = {"class_name": "Sequential", "model_config": config, "keras_version": "2.10.0",
            "training_config": {"loss": "lopsided", "optimizer_config": None}}  # fmt: skip
    keras_nodes(
        directory,
        ("root", "_tf_keras_sequential", root),
        ("root.layer-0", "_tf_keras_layer", {"name": "gate", "class_name": "acme>Gate", "config": {"name": "gate"}}),
        ("root.keras_api.metrics.0", "_tf_keras_metric", {"name": "hits", "class_name": "Hits", "config": {}}),
    )
    artifact = read(directory)
    assert artifact.keras_metadata
    assert artifact.saved_with.keras == "2.10.0"
    assert artifact.config == {**config, "config": artifact.config["config"]} if artifact.config else False
    assert [(spec.name, spec.shape) for spec in artifact.inputs] == [("x", (None, 3))]
    places = {name: [item.place for item in uses] for name, uses in artifact.custom_objects.items()}
    assert places == {"acme>Gate": ["gate"], "lopsided": ["compile/loss"], "Hits": ["compile/metrics/hits"]}


def test_layers_of_a_subclassed_model(tmp_path: Path) -> None:
    directory = builders.saved_model(tmp_path / "net")
    spec = {"class_name": "TypeSpec", "type_spec": "tf.TensorSpec",
            "serialized": [{"class_name": "TensorShape", "items": [2, 4]}, "int32", "tokens"]}  # fmt: skip
    full = {"class_name": "__tuple__", "items": [[spec], {}]}
    wrapped = {"name": "both", "layer": {"class_name": "LSTM", "config": {"name": "lstm"}}}
    keras_nodes(
        directory,
        ("root", "_tf_keras_model", {"class_name": "acme>Net", "name": "net", "full_save_spec": full}),
        ("root.gate", "_tf_keras_layer", {"name": "gate_1", "class_name": "Gate"}),
        ("root.gate.inner", "_tf_keras_layer", {"name": "dense", "class_name": "Dense", "config": {"units": 2}}),
        ("root.both", "_tf_keras_layer", {"name": "both", "class_name": "Bidirectional", "config": wrapped}),
        ("root.both.forward_layer", "_tf_keras_rnn_layer", {"name": "f", "class_name": "LSTM", "config": {}}),
    )
    artifact = read(directory)
    assert [(item.name, item.kind, item.place) for item in artifact.objects] == [
        ("acme>Net", "model", "Net"),
        ("Gate", "layer", "gate_1"),
        ("Dense", "layer", "gate_1/dense"),
        ("Bidirectional", "layer", "both"),
        ("LSTM", "layer", "both/layer"),
    ]
    assert [(spec.name, spec.shape, spec.dtype) for spec in artifact.inputs] == [("tokens", (None, 4), "int32")]


def test_before_tf_2_5_it_is_in_the_object_graph(tmp_path: Path) -> None:
    metadata = {"class_name": "Sequential", "model_config": builders.dense(), "keras_version": "2.4.0"}

    def change(message: Any) -> None:
        node = message.meta_graphs[0].object_graph_def.nodes[0]
        node.user_object.identifier = "_tf_keras_sequential"
        node.user_object.metadata = json.dumps(metadata)

    artifact = read(changed(with_variables(builders.saved_model(tmp_path / "old")), change))
    assert artifact.keras_metadata
    assert artifact.saved_with.keras == "2.4.0"


def test_keras_objects_without_their_metadata_are_a_note(tmp_path: Path) -> None:
    def change(message: Any) -> None:
        node = message.meta_graphs[0].object_graph_def.nodes.add()
        node.user_object.identifier = "_tf_keras_network"

    artifact = read(changed(with_variables(builders.saved_model(tmp_path / "exported")), change))
    assert not artifact.keras_metadata
    assert [(finding.cause, finding.fails) for finding in artifact.problems] == [
        ("savedmodel-keras-metadata-missing", False)
    ]


def test_damaged_keras_metadata(tmp_path: Path) -> None:
    directory = keras_nodes(builders.saved_model(tmp_path / "m"), ("root", "_tf_keras_model", {"class_name": "A"}))
    file = directory / "keras_metadata.pb"
    whole = file.read_bytes()
    file.write_bytes(whole[:-3])
    assert causes(read(directory)) == ["savedmodel-keras-metadata-unreadable"]
    file.write_bytes(whole.replace(b'{"class', b'["class'))
    assert causes(read(directory)) == ["savedmodel-keras-metadata-unreadable"]


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ("variables", "there is no variables/"),
        ("variables/variables.index", "there is no variables/variables.index"),
        ("variables/variables.data-00001-of-00002", "there is no variables/variables.data-00001-of-00002"),
    ],
)
def test_values_that_are_not_there(tmp_path: Path, lost: str, said: str) -> None:
    directory = with_variables(builders.saved_model(tmp_path / "double"))
    (directory / lost).rename(tmp_path / "elsewhere")
    artifact = read(directory)
    assert causes(artifact) == ["savedmodel-variables-missing"]
    assert artifact.problems[0].message.endswith(said)
    assert artifact.problems[0].message.startswith("double cannot be restored, it has 2 variables: ")


def test_values_that_are_cut_off(tmp_path: Path) -> None:
    directory = with_variables(builders.saved_model(tmp_path / "double"))
    shard = directory / "variables" / "variables.data-00000-of-00002"
    shard.write_bytes(bytes(23))
    artifact = read(directory)
    assert causes(artifact) == ["savedmodel-variables-damaged"]
    assert artifact.problems[0].message.endswith("is cut off: it has 23 bytes, and its index says 24")
    shard.write_bytes(bytes(24))
    listing = directory / "variables" / "variables.index"
    whole = listing.read_bytes()
    for size in range(len(whole)):
        listing.write_bytes(whole[:size])
        assert causes(read(directory)) == ["savedmodel-variables-damaged"]


def test_the_index_of_a_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "variables.index"
    path.write_bytes(index([24, 8, 1000]))
    assert shard_sizes(path) == {0: 24, 1: 8, 2: 1000}


def test_who_needs_values(tmp_path: Path) -> None:
    directory = builders.saved_model(tmp_path / "double")
    assert not (directory / "variables").exists()
    assert read(directory).problems == (), "a graph of TensorFlow 1 without variables"
    changed(directory, lambda message: message.meta_graphs[0].object_graph_def.nodes.add())
    assert causes(read(directory)) == ["savedmodel-variables-missing"], "TensorFlow 2 opens the checkpoint always"
    with_variables(directory)
    assert read(directory).problems == ()


def test_variables_of_tensorflow_1(tmp_path: Path) -> None:
    def change(message: Any) -> None:
        message.meta_graphs[0].graph_def.node.add(name="v", op="VariableV2")

    artifact = read(changed(builders.saved_model(tmp_path / "double"), change))
    assert causes(artifact) == ["savedmodel-variables-missing"]
    assert artifact.weights.elements is None


def test_values_of_another_save(tmp_path: Path) -> None:
    directory = with_variables(builders.saved_model(tmp_path / "double"))
    listing = directory / "variables" / "variables.index"
    message = protos.message("Fingerprint")
    message.checkpoint_hash = fingerprint64(listing.read_bytes())
    (directory / "fingerprint.pb").write_bytes(message.SerializeToString())
    assert read(directory).problems == ()
    listing.write_bytes(index([20, 8]))
    assert causes(read(directory)) == ["savedmodel-variables-of-another-save"]
    (directory / "fingerprint.pb").write_bytes(b"\xff")
    assert read(directory).problems == ()


@pytest.mark.parametrize(
    ("size", "value"),
    [
        (0, 0x9AE16A3B2F90404F),
        # tf.fingerprint of TensorFlow 2.15
        (3, 0x94A13D22E9EBA49A),
        (8, 0xAD5A13E1E8E93B98),
        (16, 0x0EFD25A0A34156D4),
        (17, 0xBBB6A6F8F20D1F1C),
        (32, 0x1A9D8199972CDF49),
        (33, 0xE8756EC1CB75524E),
        (64, 0xF58504BB53DECC4B),
        (65, 0xC6A3282C3E793DBE),
        (129, 0xCE8BA3741121083E),
        (500, 0xB6214686DF0BE933),
    ],
)
def test_fingerprints_are_those_of_tensorflow(size: int, value: int) -> None:
    assert fingerprint64((bytes(range(256)) * 2)[:size]) == value


def test_assets(tmp_path: Path) -> None:
    directory = builders.saved_model(tmp_path / "double")
    changed(directory, lambda message: message.meta_graphs[0].asset_file_def.add(filename="words.txt"))
    artifact = read(directory)
    assert causes(artifact) == ["savedmodel-assets-missing"]
    assert artifact.problems[0].message == "double has no assets/words.txt"
    (directory / "assets").mkdir()
    (directory / "assets" / "words.txt").touch()
    assert read(directory).problems == ()


def test_text_form(tmp_path: Path) -> None:
    directory = builders.saved_model(tmp_path / "double")
    message = protos.message("SavedModel")
    message.ParseFromString((directory / "saved_model.pb").read_bytes())
    written = text_format.MessageToString(message)
    assert "DT_FLOAT" in written
    (directory / "saved_model.pb").unlink()
    (directory / "saved_model.pbtxt").write_text(written.replace("op: ", 'device: "/cpu"\n op: '), encoding="utf-8")
    artifact = read(directory)
    assert (artifact.format, artifact.problems) == ("savedmodel", ())
    assert artifact.inputs[0].shape == (None, 3)
    (directory / "saved_model.pbtxt").write_text(written[:-20], encoding="utf-8")
    assert causes(read(directory)) == ["savedmodel-pbtxt"]


def test_a_savedmodel_without_its_graph(tmp_path: Path) -> None:
    directory = with_variables(builders.saved_model(tmp_path / "double"))
    (directory / "fingerprint.pb").touch()
    whole = (directory / "saved_model.pb").read_bytes()
    for size in (0, 5, len(whole) - 1):
        (directory / "saved_model.pb").write_bytes(whole[:size])
        artifact = read(directory)
        assert causes(artifact) == ["savedmodel-pb-unreadable"]
        assert not artifact.readable
    (directory / "saved_model.pb").unlink()
    assert causes(read(directory)) == ["savedmodel-pb-missing"]
    (directory / "fingerprint.pb").unlink()
    assert causes(read(directory)) == ["file-not-a-savedmodel"]
