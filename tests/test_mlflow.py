"""What MLflow writes beside an artifact: found for every layout, its example read as MLflow predicts it.

The texts of ``MLmodel`` and of the examples are those that MLflow 1.27, 2.9.2 and 3.17.2 wrote, with fewer rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_worker_limits import h5_model

from conftest import checks_of
from pytest_kerasload import discovery, expected
from pytest_kerasload.artifacts import mlflow

KERAS_1_27 = """
flavors:
  keras:
    code: null
    data: data
    keras_module: tensorflow.keras
    keras_version: 2.8.0
    save_format: tf
  python_function:
    data: data
    env: conda.yaml
    loader_module: mlflow.keras
    python_version: 3.10.13
mlflow_version: 1.27.0
"""
TENSORFLOW_1_27 = """
flavors:
  python_function:
    env: conda.yaml
    loader_module: mlflow.tensorflow
    python_version: 3.10.13
  tensorflow:
    code: null
    meta_graph_tags:
    - serve
    saved_model_dir: tfmodel
    signature_def_key: serving_default
mlflow_version: 1.27.0
"""
TENSORFLOW_2_9 = """
flavors:
  python_function:
    data: data
    env:
      conda: conda.yaml
      virtualenv: python_env.yaml
    loader_module: mlflow.tensorflow
    python_version: 3.11.7
  tensorflow:
    code: null
    data: data
    keras_version: 2.15.0
    model_type: keras
    save_format: tf
mlflow_version: 2.9.2
utc_time_created: '2026-11-24 01:57:20.912709'
"""
MODULE_2_9 = """
flavors:
  python_function:
    loader_module: mlflow.tensorflow
  tensorflow:
    code: null
    model_type: tf2-module
    saved_model_dir: tf2model
mlflow_version: 2.9.2
"""
KERAS_3_17 = """
flavors:
  keras:
    data: data
    keras_backend: tensorflow
    keras_version: 3.10.0
    save_exported_model: false
  python_function:
    env:
      conda: conda.yaml
      virtualenv: python_env.yaml
    loader_module: mlflow.keras
    python_version: 3.11.7
is_signature_from_type_hint: false
mlflow_version: 3.17.2
model_id: null
prompts: null
"""
UNNAMED = """
signature:
  inputs: '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 3]}}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1,
    2]}}]'
  params: null
"""
NAMED = """
signature:
  inputs: '[{"name": "left", "type": "tensor", "tensor-spec": {"dtype": "float32",
    "shape": [-1, 4]}}, {"name": "right", "type": "tensor", "tensor-spec": {"dtype":
    "int32", "shape": [-1, 2, 1]}}]'
  outputs: null
  params: null
"""
COLUMNS = """
signature:
  inputs: '[{"type": "long", "name": "a"}, {"type": "double", "name": "b"}, {"type": "binary", "name": "c"}]'
  outputs: null
"""
WORDS = """
signature:
  inputs: '[{"name": "words", "type": "tensor", "tensor-spec": {"dtype": "str", "shape": [-1, 1]}}]'
"""


def example(kind: str, *more: str) -> str:
    """The part of an ``MLmodel`` that names an input example of a kind."""
    lines = ["saved_input_example_info:", "  artifact_path: input_example.json", f"  type: {kind}"]
    return "\n".join([*lines, *(f"  {line}" for line in more)]) + "\n"


Make = Callable[..., Path]


@pytest.fixture
def saved(tmp_path: Path) -> Make:
    """Lays out a model directory of MLflow, with a file in place of the model; gives the artifact in it."""

    def make(marker: str, content: Any = None, artifact: str = "data/model.keras") -> Path:
        root = tmp_path / "mlruns" / "0" / "model"
        path = root / artifact
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        (root / "MLmodel").write_text(marker)
        (root / "conda.yaml").write_text("name: mlflow-env\n")
        if content is not None:
            text = content if isinstance(content, str) else json.dumps(content)
            (root / "input_example.json").write_text(text)
            (root / "serving_input_example.json").write_text(json.dumps({"inputs": content}))
        return discovery.artifact_of(path)

    return make


@pytest.mark.parametrize(
    ("marker", "artifact"),
    [
        (KERAS_1_27, "data/model/saved_model.pb"),
        (KERAS_1_27, "data/model.h5"),
        (TENSORFLOW_1_27, "tfmodel/saved_model.pb"),
        (TENSORFLOW_2_9, "data/model/saved_model.pb"),
        (TENSORFLOW_2_9, "data/model.h5"),
        (MODULE_2_9, "tf2model/saved_model.pb"),
        (KERAS_3_17, "data/model.keras"),
        (KERAS_3_17, "data/model/saved_model.pb"),
    ],
)
def test_every_layout_is_collected_once_and_known(
    saved: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, marker: str, artifact: str
) -> None:
    found = saved(marker + UNNAMED + example("ndarray"), [[1, 2, 3]], artifact)
    assert [discovery.artifact_of(path) for path in discovery.walk(tmp_path)] == [found]
    told = mlflow.signature(found)
    assert told is not None
    assert [(spec.name, spec.dtype, spec.shape) for spec in told.values()] == [("0", "float32", (None, 3))]
    content = mlflow.input_example(found)
    assert content is not None
    assert content["0"].dtype == np.float32
    monkeypatch.chdir(found.parent)
    assert mlflow.input_example(Path(found.name)) is not None


def test_arrays_are_written_in_two_ways(saved: Make) -> None:
    rows = [[1.1, None, float("inf")]]
    for marker, content in (
        (TENSORFLOW_2_9 + example("ndarray", "format: tf-serving"), {"inputs": rows}),
        (TENSORFLOW_2_9 + example("ndarray", "format: tf-serving", "params: 'true'"), {"inputs": {"inputs": rows}}),
        (KERAS_3_17 + example("ndarray"), rows),
        (KERAS_3_17 + example("ndarray", "params: 'true'"), {"inputs": rows, "params": {"temperature": 0.5}}),
        (KERAS_3_17 + example("json_object"), rows),
    ):
        found = mlflow.input_example(saved(marker + UNNAMED, content))
        assert found is not None
        assert list(found) == ["0"]
        assert np.array_equal(found["0"], np.array([[1.1, np.nan, np.inf]], "float32"), equal_nan=True)


def test_named_arrays_have_the_dtypes_of_the_signature(saved: Make) -> None:
    content = {"left": [[1, 2, 3, 4]], "right": [[[5], [6]]]}
    for marker, written in (
        (TENSORFLOW_2_9 + example("ndarray", "format: tf-serving"), {"inputs": content}),
        (KERAS_3_17 + example("ndarray"), content),
        (KERAS_3_17 + example("json_object"), [{"left": [1, 2, 3, 4], "right": [[5], [6]]}]),
    ):
        found = mlflow.input_example(saved(marker + NAMED, written))
        assert found is not None
        assert {name: (array.dtype.name, array.shape) for name, array in found.items()} == {
            "left": ("float32", (1, 4)),
            "right": ("int32", (1, 2, 1)),
        }


def test_an_input_of_its_own_called_inputs(saved: Make) -> None:
    found = mlflow.input_example(saved(KERAS_3_17 + example("ndarray"), {"inputs": [[1.0]]}))
    assert found is not None
    assert list(found) == ["inputs"]


def test_a_table_is_a_matrix_unless_its_columns_are_inputs(saved: Make) -> None:
    frame = example("dataframe", "pandas_orient: split")
    artifact = saved(KERAS_1_27 + frame, {"columns": ["a", "b"], "data": [[1.0, 2], [3.0, None]]})
    matrix = mlflow.input_example(artifact, {"x": (None, 2), "0": (None, 2)})
    assert matrix is not None
    assert np.array_equal(matrix["0"], [[1, 2], [3, np.nan]], equal_nan=True)
    apart = mlflow.input_example(artifact, {"a": (None, 1), "0": (None, 1), "b": (None,), "1": (None,)})
    assert apart is not None
    assert {name: array.shape for name, array in apart.items()} == {"a": (2, 1), "b": (2,)}

    values = saved(KERAS_1_27 + UNNAMED + example("dataframe", "pandas_orient: values"), {"data": [[1, 2, 3]]})
    unnamed = mlflow.input_example(values)
    assert unnamed is not None
    assert unnamed["0"].shape == (1, 3)


def test_a_table_of_flattened_tensors(saved: Make) -> None:
    frame = example("dataframe", "pandas_orient: split")
    rows = [[9, [5, 6], [1, 2, 3, 4]], [9, [7, 8], [1, 2, 3, 4]]]
    named = mlflow.input_example(saved(KERAS_1_27 + NAMED + frame, {"columns": ["id", "right", "left"], "data": rows}))
    assert named is not None
    assert {name: array.shape for name, array in named.items()} == {"left": (2, 4), "right": (2, 2, 1)}
    one = mlflow.input_example(saved(KERAS_1_27 + UNNAMED + frame, {"columns": ["v"], "data": [[[1, 2, 3]]]}))
    assert one is not None
    assert one["0"].shape == (1, 3)
    untold = mlflow.input_example(saved(KERAS_1_27 + frame, {"columns": ["v"], "data": [[[1, 2, 3]]]}))
    assert untold is not None
    assert untold["0"].shape == (1, 3)


def test_columns_have_types_and_no_shapes(saved: Make) -> None:
    artifact = saved(
        KERAS_1_27 + COLUMNS + example("dataframe", "pandas_orient: split"),
        {"columns": ["a", "b", "c"], "data": [[1, 2, "YSBi\n"]]},
    )
    told = mlflow.signature(artifact)
    assert told is not None
    assert [(spec.name, spec.dtype, spec.shape) for spec in told.values()] == [
        ("a", "int64", None),
        ("b", "float64", None),
        ("c", "bytes", None),
    ]
    found = mlflow.input_example(artifact, {"a": (None, 1), "b": None, "c": None})
    assert found is not None
    assert [(array.dtype.name, array.shape) for array in found.values()] == [
        ("int64", (1, 1)),
        ("float64", (1,)),
        ("bytes24", (1,)),
    ]
    assert found["c"][0] == b"a b"


@pytest.mark.parametrize(
    ("value", "shape", "wanted"),
    [
        ([1.0, 2.0, 3.0], (None, 3), (1, 3)),  # one row, without a batch
        ([1.0, 2.0, 3.0], (None, 1), (3, 1)),  # a column
        ([1, 2, 3], (None, None), (1, 3)),  # one sequence
        ([[[1.0], [2.0]]], (None, None, 1), (1, 2, 1)),
        ([[1.0, 2.0]], (None, 2, 1), (1, 2, 1)),
        ([[1.0, 2.0]], None, (1, 2)),
        (7.0, (None, 1), (1, 1)),
        (7.0, None, (1,)),
        ([[1.0, 2.0]], (None, 5, 5), (1, 2)),  # it fits in no way: the model will say so
    ],
)
def test_the_batch_comes_first(saved: Make, value: Any, shape: Any, wanted: tuple[int, ...]) -> None:
    found = mlflow.input_example(saved(KERAS_3_17 + example("json_object"), {"x": value}), {"x": shape})
    assert found is not None
    assert found["x"].shape == wanted


def test_words_are_bytes(saved: Make) -> None:
    found = mlflow.input_example(saved(KERAS_3_17 + WORDS + example("ndarray"), [["a b"], ["é"]]))
    assert found is not None
    assert found["0"].tolist() == [[b"a b"], ["é".encode()]]


def test_none_where_nothing_was_saved(saved: Make, tmp_path: Path) -> None:
    bare = saved(KERAS_3_17)
    assert mlflow.signature(bare) is None
    assert mlflow.input_example(bare) is None
    assert mlflow.input_example(tmp_path / "other.keras") is None


@pytest.mark.parametrize("artifact", ["artifacts/other.keras", "data/deep/model/er.keras", "code/model.h5"])
def test_another_file_of_the_directory_is_not_the_model(saved: Make, artifact: str) -> None:
    assert mlflow.input_example(saved(KERAS_3_17 + example("ndarray"), [[1]], artifact)) is None


def test_a_model_of_another_flavor_is_not_asked(saved: Make) -> None:
    marker = "flavors:\n  python_function: {data: data, loader_module: mlflow.sklearn}\n  sklearn: {data: data}\n"
    assert mlflow.input_example(saved(marker + example("ndarray"), [[1]])) is None


@pytest.mark.parametrize(
    ("marker", "content", "said"),
    [
        ("[" * 100_000, [[1]], "MLmodel is no YAML"),
        ("just text", [[1]], "no mapping"),
        ("flavors: {keras: {data: data}}\nx: *nowhere", [[1]], "no YAML"),
        ("a: &a {<<: *a}", [[1]], "no YAML"),
        ("x" * (1 << 20) + "y", [[1]], "more than 1 MB are not read"),
        (KERAS_3_17 + example("ndarray"), "not JSON", "no JSON"),
        (KERAS_3_17 + example("ndarray"), "[" * 100_000, "no JSON"),
        (KERAS_3_17 + example("ndarray"), None, "is not there"),
        (KERAS_3_17 + example("ndarray"), [[1], [1, 2]], "rows are not of one shape"),
        (KERAS_3_17 + example("ndarray"), [[1], 2], "rows are not of one shape"),
        (KERAS_3_17 + example("ndarray"), [["a", 1]], "not all numbers"),
        (KERAS_3_17 + example("ndarray"), [[True, 1]], "not all numbers"),
        (KERAS_3_17 + example("ndarray"), [[{"a": 1}]], "not all numbers"),
        (KERAS_3_17 + example("ndarray"), [[10**30]], "too large"),
        (KERAS_3_17 + example("ndarray"), [["\ud800"]], "surrogates"),
        (KERAS_3_17 + example("ndarray"), [], "no values"),
        (KERAS_3_17 + example("ndarray"), {}, "no inputs"),
        (KERAS_3_17 + example("ndarray", "params: 'true'"), [[1]], "no 'inputs'"),
        (KERAS_3_17 + example("ndarray", "format: tf-serving"), [[1]], "no 'inputs'"),
        (KERAS_3_17 + example("dataframe"), {"columns": ["a"]}, "no 'data'"),
        (KERAS_3_17 + example("dataframe"), {"columns": ["a"], "data": [1]}, "no list of rows"),
        (KERAS_3_17 + example("dataframe"), {"columns": ["a"], "data": [[1, 2]]}, "each of its 1 columns"),
        (KERAS_3_17 + example("dataframe"), {"columns": ["a"], "data": []}, "no values"),
        (KERAS_3_17 + example("json_object"), [{"a": 1}, {"b": 1}], "the same names"),
        (KERAS_3_17 + example("sparse_matrix_csr"), {"data": [1.0]}, "'sparse_matrix_csr'"),
        (KERAS_3_17 + "signature: {inputs: '{'}\n" + example("ndarray"), [[1]], "signature in MLmodel is no JSON"),
        (KERAS_3_17 + "signature: {inputs: '[1]'}\n" + example("ndarray"), [[1]], "no list of inputs"),
        (
            KERAS_3_17 + """signature: {inputs: '[{"tensor-spec": {"shape": "all"}}]'}\n""" + example("ndarray"),
            [[1]],
            "the shape 'all'",
        ),
    ],
)
def test_what_cannot_be_read_is_said(saved: Make, marker: str, content: Any, said: str) -> None:
    artifact = saved(marker, content)
    with pytest.raises(mlflow.MLflowUnreadable, match=said):
        mlflow.input_example(artifact)


@pytest.mark.parametrize("place", ["../secret.json", "/etc/secret.json", "data/../../secret.json", "..\\\\secret.json"])
def test_no_path_leads_out_of_the_directory(saved: Make, tmp_path: Path, place: str) -> None:
    (tmp_path / "mlruns" / "0").mkdir(parents=True)
    (tmp_path / "mlruns" / "0" / "secret.json").write_text("[[1]]")
    artifact = saved(KERAS_3_17 + f'saved_input_example_info:\n  artifact_path: "{place}"\n  type: ndarray\n')
    with pytest.raises(mlflow.MLflowUnreadable, match="out of its directory"):
        mlflow.input_example(artifact)


def test_the_directory_passes_the_gate(gate: Callable[..., Any], saved: Make, tmp_path: Path) -> None:
    artifact = saved(TENSORFLOW_2_9 + UNNAMED + example("ndarray", "format: tf-serving"), {"inputs": [[1.5, 2, 3]]})
    artifact.unlink()
    model = artifact.with_name("model.h5")
    h5_model(model)
    (model.parent / "save_format.txt").write_text("h5")
    (model.parent / "keras_module.txt").write_text("tensorflow.keras")
    (model.parent / "global_custom_objects.cloudpickle").write_bytes(b"\x80\x05}\x94.")
    report = gate(f"--keras-models={tmp_path}", "--keras-record", "--keras-jobs=1")
    assert report["exit"] == 0, report["output"]
    assert [Path(told["path"]).name for told in report["artifacts"]] == ["model.h5"]
    checks = checks_of(report, "data/model.h5")
    assert {name for name, check in checks.items() if check["outcome"] != "passed"} == {"predictions"}
    known = expected.read(model.parent / "model.h5.expected.npz")
    assert [array[0].tolist() for array in known.inputs.values()] == [[1.5, 2, 3]]
    again = gate(f"--keras-models={tmp_path}", "--keras-jobs=1")
    assert again["exit"] == 0, again["output"]
