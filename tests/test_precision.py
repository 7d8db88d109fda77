"""In which precision an artifact computes, and whose tolerance holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import builders
import pytest

from pytest_kerasload.artifacts.record import Artifact, TensorSpec
from pytest_kerasload.comparison import BY_PRECISION
from pytest_kerasload.environments.spec import EnvironmentSpec
from pytest_kerasload.precision import precision, tolerance
from pytest_kerasload.settings import Settings


def artifact(config: dict[str, Any] | None = None, *dtypes: str) -> Artifact:
    specs = tuple(TensorSpec("x", (None, 3), dtype) for dtype in dtypes)
    return Artifact(Path("/models/clf.h5"), "h5", config=config, inputs=specs)


KERAS2_POLICY = {"class_name": "Policy", "config": {"name": "mixed_float16"}}
KERAS3_POLICY = {
    "module": "keras",
    "class_name": "DTypePolicy",
    "config": {"name": "mixed_bfloat16"},
    "registered_name": None,
}
MAP = {
    "module": "keras.dtype_policies",
    "class_name": "DTypePolicyMap",
    "config": {"default_policy": {"class_name": "DTypePolicy", "config": {"name": "float32"}}, "policy_map": {}},
}
QUANTIZED = {
    "module": "keras",
    "class_name": "QuantizedDTypePolicy",
    "config": {"mode": "int8", "source_name": "mixed_bfloat16"},
}


@pytest.mark.parametrize(
    ("dtype", "found"),
    [
        ("float32", "float32"),
        ("float16", "float16"),
        ("bfloat16", "bfloat16"),
        ("mixed_float16", "float16"),
        (KERAS2_POLICY, "float16"),
        (KERAS3_POLICY, "bfloat16"),
        ({**MAP, "config": {**MAP["config"], "policy_map": {"score": KERAS3_POLICY}}}, "bfloat16"),  # type: ignore[dict-item]
        (MAP, "float32"),
        (QUANTIZED, "bfloat16"),
        ("float64", "float32"),  # its input is float32
    ],
)
def test_the_coarsest_policy_of_a_layer(dtype: Any, found: str) -> None:
    assert precision(artifact(builders.dense(dtype=dtype), "float32"), ("float32",)) == found


@pytest.mark.parametrize("name", ["float16", "bfloat16", "mixed_float16"])
def test_a_layer_of_that_name_is_no_policy(name: str) -> None:
    """A tolerance a hundred times wider must not come from what somebody called a layer."""
    assert precision(artifact(builders.dense(name=name), "float32")) == "float32"
    named = {"class_name": "Sequential", "config": {"name": name, "layers": []}}
    assert precision(artifact(named)) == "float32"


def test_words_elsewhere_are_no_policy() -> None:
    assert precision(artifact(builders.dense(activation="float16", units_note=["bfloat16"]))) == "float32"


def test_float64_only_where_all_is() -> None:
    assert precision(artifact(None, "float64"), ("float64",)) == "float64"
    assert precision(artifact(None, "float64"), ("float32",)) == "float32"
    assert precision(artifact(None, "float64", "int32"), ("float64",)) == "float64"


def test_inputs_and_outputs_count() -> None:
    assert precision(artifact(None, "float16"), ("float32",)) == "float16"
    assert precision(artifact(None, "float32"), ("bfloat16",)) == "bfloat16"
    assert precision(artifact(None)) == "float32"


def settings(table: dict[str, Any] | None = None, **more: Any) -> Settings:
    root = Path("/models")
    tables = {root: (("*", table),)} if table else {}
    return Settings((root,), (EnvironmentSpec("current", "python"),), root, tables=tables, **more)


def test_the_tolerance_of_the_dtypes() -> None:
    assert tolerance(artifact(None, "float16"), "score", (), settings()) == BY_PRECISION["float16"]


def test_whose_tolerance_holds() -> None:
    """Output over artifact over command line over dtypes, each of the two values on its own."""
    plain = artifact(None, "float32")
    told = settings(rtol=0.1, atol=0.2)
    assert tolerance(plain, "score", (), told).rtol == 0.1
    assert tolerance(plain, "score", (), told).absolute == 0.2
    table = {"rtol": 0.3, "outputs": {"score": {"atol": 0.4}}, "max_mismatch": 0.5}
    mine = tolerance(plain, "score", (), settings(table, rtol=0.1, atol=0.2))
    assert (mine.rtol, mine.absolute, mine.max_mismatch) == (0.3, 0.4, 0.5)
    other = tolerance(plain, "other", (), settings(table, rtol=0.1, atol=0.2))
    assert (other.rtol, other.absolute) == (0.3, 0.2)


def test_zero_is_a_tolerance() -> None:
    mine = tolerance(artifact(None), "score", (), settings(rtol=0.0, atol=0.0))
    assert (mine.rtol, mine.absolute) == (0.0, 0.0)
    table = {"rtol": 0.3, "atol": 0.3, "outputs": {"score": {"rtol": 0.0, "atol": 0.0}}}
    mine = tolerance(artifact(None), "score", (), settings(table))
    assert (mine.rtol, mine.absolute) == (0.0, 0.0)
