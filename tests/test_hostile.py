"""Artifacts made to take the gate down: it answers each, in little time and memory, and leaves nothing behind.

What fuzzing found, and what was found beside it by reading for what it does not reach in small inputs.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import builders
import h5py
import numpy as np
import pytest

from fuzzing import asking, checkpoints
from pytest_kerasload import amendments, expected
from pytest_kerasload.amendments import writing
from pytest_kerasload.artifacts import isolation, reading
from pytest_kerasload.hazards.messages import message

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits and peaks are measured as Linux tells them")

Made = Callable[[Path], Path]


@pytest.fixture(autouse=True)
def own_temporary_directory(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else's files are there, so that what is left over shows."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("temporary")))


def _model(layers: list[Any], **config: Any) -> dict[str, Any]:
    ends = [["l0", 0, 0]]
    inner = {"name": "m", "layers": layers, "input_layers": ends, "output_layers": ends, **config}
    return {"class_name": "Functional", "name": "m", "config": inner, "inbound_nodes": []}


def _layer(name: str, *feeds: str, class_name: str = "Flatten", **config: Any) -> dict[str, Any]:
    calls = [[[feed, 0, 0, {}] for feed in feeds]] if feeds else []
    return {"class_name": class_name, "name": name, "config": {"name": name, **config}, "inbound_nodes": calls}


def _sequential(*layers: Any) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": "s", "layers": list(layers)}}


def _h5(config: Any) -> Made:
    return lambda directory: builders.h5(directory / "m.h5", config)


def _h5_text(text: str) -> Made:
    def make(directory: Path) -> Path:
        path = builders.h5(directory / "m.h5")
        with h5py.File(path, "a") as file:
            file.attrs["model_config"] = text
        return path

    return make


def _backwards(count: int, class_name: str) -> dict[str, Any]:
    """A chain of layers, written last to first."""
    chain = [_layer(f"l{n}", f"l{n - 1}", class_name=class_name) for n in range(count, 0, -1)]
    start = _layer("l0", class_name="InputLayer", batch_input_shape=[None, 3])
    return _model([*chain, start], output_layers=[[f"l{count}", 0, 0]])


def _called_with_every_shape(levels: int) -> dict[str, Any]:
    """Models in models, each called with another shape every time: the number of shapes grows with every level."""
    model = _layer("inner", class_name="Dense", units=1)
    for _ in range(levels):
        start = _layer("l0", class_name="InputLayer", batch_input_shape=[None, 2])
        pads = [_layer(f"p{n}", "l0", class_name="ZeroPadding1D", padding=[n, n]) for n in range(1, 4)]
        inner = {**model, "name": "inner"}
        inner["inbound_nodes"] = [[[f"p{n}", 0, 0, {}]] for n in range(1, 4)]
        model = _model([start, *pads, inner], output_layers=[["inner", 1, 0]])
    return model


def _keras(members: dict[str, bytes], compress: int = zipfile.ZIP_DEFLATED) -> Made:
    def make(directory: Path) -> Path:
        path = builders.keras(directory / "m.keras")
        with zipfile.ZipFile(path) as archive:
            kept = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w", compress) as archive:
            for name, content in (kept | members).items():
                archive.writestr(zipfile.ZipInfo(name), content, compress)
        return path

    return make


def _damaged(directory: Path) -> Path:
    """An archive with a member of LZMA that is not."""
    path = _keras({"assets/x": bytes(range(256)) * 9}, zipfile.ZIP_LZMA)(directory)
    content = path.read_bytes()
    at = content.index(b"assets/x") + len(b"assets/x") + 12
    path.write_bytes(content[:at] + b"\xff" * 40 + content[at + 40 :])
    return path


def _saved_model(change: Callable[[Any], object], files: dict[str, bytes] | None = None) -> Made:
    def make(directory: Path) -> Path:
        made = builders.saved_model(directory / "sm")
        saved = message("SavedModel")
        saved.ParseFromString((made / "saved_model.pb").read_bytes())
        change(saved.meta_graphs[0])
        (made / "saved_model.pb").write_bytes(saved.SerializeToString())
        (made / "variables").mkdir()
        for name, content in (files or {}).items():
            (made / name).write_bytes(content)
        return made

    return make


def _dimensions(meta: Any) -> None:
    variable = meta.object_graph_def.nodes.add().variable
    variable.name = "v"
    for _ in range(200_000):
        variable.shape.dim.add(size=(1 << 63) - 1)


def _constant(meta: Any) -> None:
    node = meta.graph_def.node.add(name="c", op="Const")
    node.attr.add(key="dtype").value.type = 1
    tensor = node.attr.add(key="value").value.tensor
    for _ in range(200_000):
        tensor.tensor_shape.dim.add(size=(1 << 63) - 1)


def _chain_of_objects(meta: Any) -> None:
    nodes = meta.object_graph_def.nodes
    for number in range(20_000):
        nodes.add().children.add(node_id=number + 1, local_name="child_of_it")


def _graphs_in_graphs(meta: Any) -> None:
    """Every graph has ten ops that run the next one."""
    inner = b""
    for _ in range(8):
        graph = message("MetaGraphDef").graph_def
        constant = graph.node.add(name="c", op="Const")
        constant.attr.add(key="dtype").value.type = 7
        constant.attr.add(key="value").value.tensor.string_val.append(inner)
        for number in range(10):
            graph.node.add(name=f"n{number}", op="DatasetFromGraph", input=["c"])
        inner = graph.SerializeToString()
    meta.graph_def.ParseFromString(inner)


def _many_tables(meta: Any) -> None:
    """Each of many ops reads a variable of its own."""
    for number in range(6_000):
        meta.graph_def.node.add(name=f"v{number}", op="VarHandleOp")
        meta.graph_def.node.add(name=f"r{number}", op="ReadVariableOp", input=[f"v{number}"])
        meta.graph_def.node.add(name=f"a{number}", op="AssignVariableOp", input=[f"v{number}", f"r{number}"])
        meta.graph_def.node.add(name=f"t{number}", op="ReadFile", input=[f"r{number}"])


def _many_arguments(meta: Any) -> None:
    """A function of many arguments, each of which is a shape."""
    function = meta.graph_def.library.function.add()
    function.signature.name = "f"
    for number in range(8_000):
        function.signature.input_arg.add(name=f"a{number}")
        function.node_def.add(name=f"n{number}", op="Fill", input=[f"a{number}", "x"])


def _many_callers(meta: Any) -> None:
    """A function that is called often, with many ops that go by its argument."""
    function = meta.graph_def.library.function.add()
    function.signature.name = "f"
    function.signature.input_arg.add(name="a")
    for number in range(4_000):
        function.node_def.add(name=f"n{number}", op="Fill", input=["a", "x"])
        node = meta.graph_def.node.add(name=f"c{number}", op="PartitionedCall", input=["two"])
        node.attr.add(key="f").value.func.name = "f"


def _many_savers(meta: Any) -> None:
    meta.saver_def.restore_op_name = "r4000"
    for number in range(4_001):
        meta.graph_def.node.add(name=f"r{number}", op="RestoreV2", input=[f"r{number - 1}" if number else "two"])


def _odd_assets(meta: Any) -> None:
    for name in ("x" * 5000, "a\0b", "\n", ".", ""):
        meta.asset_file_def.add(filename=name)


def _metadata(*nodes: tuple[str, Any]) -> dict[str, bytes]:
    saved = message("SavedMetadata")
    for path, told in nodes:
        saved.nodes.add(node_path=path, identifier="_tf_keras_layer", metadata=json.dumps(told))
    return {"keras_metadata.pb": saved.SerializeToString()}


def _lambda(number: int) -> dict[str, Any]:
    code = "4wEAAAAAAAAAAAAAAAEAAAABAAAAQwAAAHMEAAAAfABTAA=="
    return _layer(f"l{number}", class_name="Lambda", function=[code, None, None], function_type="lambda")


_NUMBER = '{"class_name": "Sequential", "config": {"name": "s", "layers": [{"class_name": "Dense", "config": %s}]}}'

HOSTILE: dict[str, Made] = {
    "half a character": _h5(_sequential(_layer("\ud800", class_name="\udfff", batch_input_shape=[None, 3]))),
    "a name that clears the terminal": _h5(_sequential(_layer("\x1b[2J\r", class_name="X\0\x1b[2J"))),
    "half a character in an archive": _keras({"metadata.json": b'{"keras_version": "\\ud800"}'}),
    "no UTF-8": lambda directory: builders.h5(directory / "m.h5", keras=b"\xff\xfe"),  # type: ignore[arg-type]
    "an endless number": _h5_text(_NUMBER % '{"name": "d", "units": Infinity, "batch_input_shape": [null, 3]}'),
    "a long number": _h5_text(_NUMBER % '{"name": "d", "units": %s, "batch_input_shape": [null, 3]}' % ("9" * 5000)),
    "a long product": _h5(
        _sequential(
            _layer(
                "d", class_name="Reshape", target_shape=[-1, 10**4000], batch_input_shape=[None, 10**4000, 10**4000]
            ),
            _layer("f", class_name="Flatten"),
        )
    ),
    "a long version": lambda directory: builders.h5(directory / "m.h5", keras="9" * 6000),
    "calls that are none": _h5(
        _model(
            [
                {**_layer("l0"), "inbound_nodes": 5},
                {**_layer("l1"), "inbound_nodes": [[[["l0"], 0, 0, {}], ["l0", 0, 0, 7], ["l0", None, 0, [1]], {}]]},
            ]
        )
    ),
    "tensors in lists in lists": _h5(
        _model([{**_layer("l0"), "inbound_nodes": [[["l0", 0, 0, {"a": json.loads("[" * 700 + "]" * 700)}]]]}])
    ),
    "models in models": _h5_text('{"class_name": "Sequential", "config": {"layers": [' * 230 + "]}}" * 230),
    "lists in lists in a layer": _h5_text(
        _NUMBER % ('{"name": "d", "units": 2, "batch_input_shape": [null, 3], "x": ' + "[" * 600 + "]" * 600 + "}")
    ),
    "a long name": _h5(
        _sequential({**_layer("d", class_name="Unknown layer: '" * 5000), "module": "keras.layers"}),
    ),
    "long keys": _h5(
        _sequential(_layer("d", class_name="Dense", **{f"{n}passed to Dense" * 3000: 1 for n in range(9)}))
    ),
    "a function of three other keys": _h5(
        _sequential(_layer("l", class_name="Lambda", function={"config": {"a": 1, "b": 2, "c": 3}}))
    ),
    "many objects of a name": _h5(_sequential(*(_layer("c", class_name="Custom") for _ in range(10_000)))),
    "a chain written backwards": _h5(_backwards(4_000, "Flatten")),
    "another chain written backwards": _h5(_backwards(4_000, "Dense")),
    "a model called with every shape": _h5(_called_with_every_shape(15)),
    "a wide dict below a long key": _h5({**builders.dense(), "k" * 100_000: {str(n): {} for n in range(5_000)}}),
    "many wide layers below a long key": _h5(
        _sequential({"class_name": "X", "config": {"k" * 50_000: [_layer("l", class_name="Y")] * 20_000}})
    ),
    "sizes in sizes": _h5_text(
        _NUMBER
        % ('{"name":"d","units":{"class_name":"Dense","config":' * 300 + "[%s]" % ("1," * 90_000 + "1") + "}}" * 300)
    ),
    "a pattern of quantifiers": _h5(
        _sequential(
            _layer(
                "d",
                class_name="Dense",
                dtype={"class_name": "DTypePolicyMap", "config": {"policy_map": {"(" + "+" * 60_000: 1}}},
            )
        )
    ),
    "many lambdas": _saved_model(lambda meta: None, _metadata(*((f"root.l{n}", _lambda(n)) for n in range(6_000)))),
    "a member without a name": _keras({"": b"x"}),
    "a configuration of empty lists": _keras({"config.json": b"[" + b"[]," * 20_000_000 + b"[]]"}),
    "a damaged member": _damaged,
    "members that unfold together": _keras({f"assets/{n}": bytes(200_000_000) for n in range(3)}),
    "dimensions without end": _saved_model(_dimensions),
    "a constant without end": _saved_model(_constant),
    "a chain of objects": _saved_model(_chain_of_objects),
    "a path of dots": _saved_model(lambda meta: None, _metadata(("root." + "." * 300_000, {"class_name": "Dense"}))),
    "graphs in graphs": _saved_model(_graphs_in_graphs),
    "many variables that are read": _saved_model(_many_tables),
    "many arguments": _saved_model(_many_arguments),
    "many callers": _saved_model(_many_callers),
    "many savers": _saved_model(_many_savers),
    "odd assets": _saved_model(_odd_assets),
    "an index of one block": _saved_model(
        lambda meta: meta.object_graph_def.nodes.add(),
        {
            "variables/variables.index": checkpoints.table(
                [(b"a%d" % n, b"\x28\x01") for n in range(3_000)], blocks=3_000
            )
        },
    ),
    "an index of headers": _saved_model(
        lambda meta: meta.object_graph_def.nodes.add(),
        {"variables/variables.index": checkpoints.table([(b"", b"\x08\x9f\x8d\x06")] * 3_000)},
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_gate_answers(name: str, tmp_path: Path) -> None:
    answer = asking.ask(HOSTILE[name](tmp_path))
    assert not answer.troubles, "\n".join(f"{one.signature}\n{one.detail}" for one in answer.troubles)
    assert answer.outcomes


@pytest.mark.parametrize("name", ["m.h5", "sm/fingerprint.pb", "sm/saved_model.pb", "sm/variables/variables.index"])
@pytest.mark.parametrize("kind", ["pipe", "zeros"])
def test_what_is_no_file_is_not_read(name: str, kind: str, tmp_path: Path) -> None:
    made = _saved_model(lambda meta: meta.object_graph_def.nodes.add())(tmp_path)
    path = tmp_path / name
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    answer = asking.ask(path if name == "m.h5" else made)
    assert not answer.troubles, answer.troubles


def test_a_ragged_batch_is_not_padded_to_more_than_there_is(tmp_path: Path) -> None:
    lengths = np.zeros(20_000, "int64")
    lengths[0] = 10_000
    path = builders.h5(tmp_path / "m.h5")
    values = np.zeros((10_000, 10), "float32")
    given = {"inputs/x/values": values, "inputs/x/row_lengths": lengths, "outputs/y": np.zeros(3)}
    np.savez_compressed(tmp_path / "m.h5.expected.npz", **given)  # type: ignore[arg-type]
    assert not asking.ask(path).troubles


def test_a_provenance_of_megabytes_is_not_parsed(tmp_path: Path) -> None:
    told = np.array(b"[" * 100_000_000)
    path = tmp_path / "m.h5.expected.npz"
    np.savez_compressed(path, **{"outputs/y": np.zeros(3), "provenance": told})  # type: ignore[arg-type]
    with pytest.raises(expected.ExpectedUnreadable, match="its provenance takes 100,000,000 bytes"):
        expected.read(path)


@pytest.mark.parametrize("order", ["<", ">"])
def test_text_of_no_characters(order: str, tmp_path: Path) -> None:
    path = builders.h5(tmp_path / "m.h5")
    told = np.array('{"tensorflow": "2.15"}', dtype=f"{order}U22")
    np.savez(tmp_path / "m.h5.expected.npz", **{"outputs/y": np.zeros(3), "provenance": told})  # type: ignore[arg-type]
    assert not asking.ask(path).troubles
    numbers = told.reshape(1).view(f"{order}u4")
    numbers[17] = 0x110000
    np.savez(tmp_path / "m.h5.expected.npz", **{"outputs/y": np.zeros(3), "provenance": told})  # type: ignore[arg-type]
    assert not asking.ask(path).troubles
    with pytest.raises(expected.ExpectedUnreadable, match="text of no characters"):
        expected.read(tmp_path / "m.h5.expected.npz")


@pytest.mark.parametrize(
    "text",
    [
        '["*"]\nrtol = ' + "9" * 5000,
        '["*"]\nrtol = 0x' + "f" * 5000,
        "x = " + "[" * 3000,
        '["*"]\ninputs = {a = {shape = [0x' + "f" * 5000 + "]}}",
    ],
)
def test_settings_that_python_cannot_hold(text: str, tmp_path: Path) -> None:
    (tmp_path / "kerasload.toml").write_text(text)
    assert not asking.ask(builders.h5(tmp_path / "m.h5")).troubles


def test_arrays_whose_header_is_no_python(tmp_path: Path) -> None:
    path = builders.h5(tmp_path / "m.h5")
    for header in ("(" * 5000, "-" * 60_000, "{'descr': '<f4', 'fortran_order': False, 'shape': (3,"):
        content = b"\x93NUMPY\x02\x00" + len(header).to_bytes(4, "little") + header.encode()
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as made:
            made.writestr("outputs/0.npy", content)
        (tmp_path / "m.h5.expected.npz").write_bytes(stream.getvalue())
        assert not asking.ask(path).troubles
        archive = _keras({"model.weights.npz": stream.getvalue()})(tmp_path)
        assert not asking.ask(archive).troubles


def test_a_damaged_copy_is_written_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HDF5 that crashes its library when it is written takes another process down."""
    artifact = reading.read(builders.h5(tmp_path / "m.h5"))
    seen: list[str] = []

    def gone(function: Any, *arguments: str) -> None:
        seen.append(function.__name__)
        raise isolation.ChildGone("crashes on reading it (signal 11)")

    monkeypatch.setattr(writing, "isolated", gone)
    with pytest.raises(amendments.NotWritten, match="the HDF5 library crashes"):
        amendments.write(artifact, amendments.Amendment(artifact.config or {}, ()), tmp_path / "copy.h5")
    assert seen == ["with_config"]
    assert not (tmp_path / "copy.h5").exists()
