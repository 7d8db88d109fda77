"""Outputs and inputs that change places: whoever takes them by position gets the wrong one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import h5py
import pytest

from conftest import causes_of, checks_of
from pytest_kerasload.environments.versions import Versions

SCRIPT = """
    import sys

    import tensorflow as tf

    import pytest_kerasload

    keras = tf.keras
    keras.utils.set_random_seed(3)
    left, right = keras.Input((3,), name="left"), keras.Input((3,), name="right")
    joined = keras.layers.Concatenate()([left, right])
    outputs = [keras.layers.Dense(2, name=name)(joined) for name in ("start", "end")]
    model = keras.Model([left, right], outputs)
    for name in ("kept", "outputs", "inputs"):
        model.save(sys.argv[1] + "/" + name + ".h5")
        pytest_kerasload.record(model, sys.argv[1] + "/" + name + ".h5")
"""


@pytest.fixture(scope="module")
def reordered(versions: Versions, gate: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The report over a model, and two copies of it: with its outputs, and with its inputs, in another order."""
    directory = tmp_path_factory.mktemp("order")
    script = directory / "train.py"
    script.write_text(textwrap.dedent(SCRIPT))
    artifacts = directory / "artifacts"
    artifacts.mkdir()
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, str(script), str(artifacts)], check=True, capture_output=True, env=environment)
    for what in ("outputs", "inputs"):
        with h5py.File(artifacts / f"{what}.h5", "r+") as file:
            told = json.loads(file.attrs["model_config"])
            layers = f"{what.removesuffix('s')}_layers"
            told["config"][layers] = told["config"][layers][::-1]
            file.attrs["model_config"] = json.dumps(told)
    return {**gate(f"--keras-models={artifacts}", "-k", "load or predictions"), "directory": artifacts}


def test_the_order_that_was_recorded_passes(reordered: Any) -> None:
    assert checks_of(reordered, "kept.h5")["predictions"]["outcome"] == "passed", reordered["output"][-3000:]


@pytest.mark.parametrize(("what", "order"), [("outputs", "end, start"), ("inputs", "right, left")])
def test_another_order_fails(reordered: Any, what: str, order: str) -> None:
    checks = checks_of(reordered, f"{what}.h5")
    assert checks["load"]["outcome"] == "passed"
    assert causes_of(checks["predictions"]) == ["order-differs"], reordered["output"][-3000:]
    (finding,) = (one for one in checks["predictions"]["findings"] if one.get("fails", True))
    assert f"{order}; recorded was" in finding["message"]


def test_another_order_on_purpose_is_recorded(reordered: Any, gate: Callable[..., Any]) -> None:
    """What the failure says to do: ``--keras-record=failing``."""
    arguments = (f"--keras-models={reordered['directory']}", "-k", "predictions")
    recorded = gate(*arguments, "--keras-record=failing")
    assert "rewritten" in recorded["output"], recorded["output"][-3000:]
    again = gate(*arguments)
    assert again["summary"] == {"passed": 3, "failed": 0, "skipped": 0, "error": 0}, again["output"][-3000:]
