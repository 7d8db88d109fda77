"""``record`` in a training script, and ``--keras-record``."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_worker_limits import h5_model

from conftest import causes_of, checks_of
from pytest_kerasload import expected
from pytest_kerasload.environments.versions import Versions

SCRIPT = """
    import sys

    import numpy as np
    import tensorflow as tf

    import pytest_kerasload

    keras = tf.keras
    keras.utils.set_random_seed(3)


    class Forgetful(keras.layers.Layer):
        def __init__(self, factor=1.0, **kwargs):
            super().__init__(**kwargs)
            self.factor = factor

        def call(self, inputs):
            return inputs * self.factor


    directory = sys.argv[1]
    left, right = keras.Input((4,), name="left"), keras.Input((2,), name="right")
    joined = keras.layers.Concatenate()([left, right])
    outputs = [keras.layers.Dense(3, name="a")(joined), keras.layers.Dense(1, name="b")(joined)]
    model = keras.Model([left, right], outputs)
    model.save(directory + "/two.h5")
    print(pytest_kerasload.record(model, directory + "/two.h5"))
    given = {"right": np.ones((5, 2), "float32"), "left": np.zeros((5, 4), "float32")}
    model.save(directory + "/given.h5")
    pytest_kerasload.record(model, directory + "/given.h5", given)
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    pooled = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(7, 3)(tokens))
    words = keras.Model(tokens, keras.layers.Dense(2)(pooled))
    words.save(directory + "/words.h5")
    pytest_kerasload.record(words, directory + "/words.h5")
    try:
        pytest_kerasload.record(model, directory + "/nowhere.h5")
    except FileNotFoundError as error:
        print("refused:", error)
    for place in (directory, directory + "/../train.py"):
        try:
            pytest_kerasload.record(model, place)
        except ValueError as error:
            print("refused:", error)
    try:
        pytest_kerasload.record(model, directory + "/two.h5", [np.ones((1, 4), "float32")])
    except ValueError as error:
        print("refused:", error)


    class Counting(keras.layers.Layer):
        def build(self, shape):
            self.calls = self.add_weight(name="calls", shape=(), initializer="zeros", trainable=False)

        def call(self, inputs):
            self.calls.assign_add(1.0)
            return inputs


    sequences = keras.Input(batch_shape=(2, 5, 3))
    recurrent = keras.layers.LSTM(4, stateful=True)
    moving = keras.Model(sequences, Counting()(recurrent(sequences)))
    moving(np.ones((2, 5, 3), "float32"))
    held = [one.numpy() for one in [*moving.weights, *recurrent.states]]
    moving.save(directory + "/../moving.h5")
    pytest_kerasload.record(moving, directory + "/../moving.h5")
    now = [one.numpy() for one in [*moving.weights, *recurrent.states]]
    print("kept:", len(held), all(one.any() for one in held[-3:]), all(map(np.array_equal, held, now)))
"""


@pytest.fixture(scope="module")
def trained(versions: Versions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory into which a training script saved and recorded models."""
    directory = tmp_path_factory.mktemp("trained")
    script = directory / "train.py"
    script.write_text(textwrap.dedent(SCRIPT))
    artifacts = directory / "artifacts"
    artifacts.mkdir()
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, str(script), str(artifacts)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    (directory / "said").write_text(done.stdout)
    return artifacts


def test_the_live_model_is_recorded_by_its_own_names(trained: Path) -> None:
    known = expected.read(trained / "two.h5.expected.npz")
    assert {name: array.shape[1:] for name, array in known.inputs.items()} == {"left": (4,), "right": (2,)}
    assert {name: array.shape[1:] for name, array in known.outputs.items()} == {"a": (3,), "b": (1,)}
    assert known.provenance["source"] == "live model"
    assert len(known.provenance["sha256"]) == 64


def test_given_inputs_are_taken_by_name(trained: Path) -> None:
    known = expected.read(trained / "given.h5.expected.npz")
    assert np.array_equal(known.inputs["left"], np.zeros((5, 4)))
    assert np.array_equal(known.inputs["right"], np.ones((5, 2)))


def test_generated_token_ids_stay_within_the_vocabulary(trained: Path) -> None:
    tokens = expected.read(trained / "words.h5.expected.npz").inputs["tokens"]
    assert tokens.dtype.kind == "i"
    assert 0 <= tokens.min() <= tokens.max() < 7


def test_bad_calls_say_what_is_wrong(trained: Path) -> None:
    said = (trained.parent / "said").read_text()
    assert "there is no artifact at" in said
    assert said.count("there is no model at") == said.count("give the path that the model was saved to") == 2
    assert not [*trained.parent.glob("*.py.expected.npz"), *trained.parent.glob("artifacts.expected.npz")]
    assert "1 array is given for 2 inputs; the model takes left float32[None, 4], right float32[None, 2]" in said


def test_states_and_counters_of_the_live_model_are_as_they_were(trained: Path) -> None:
    assert "kept: 6 True True" in (trained.parent / "said").read_text()
    known = expected.read(trained.parent / "moving.h5.expected.npz")
    assert [weight["sum"] != 0 for weight in known.weights if weight["shape"] == []] == [True]


def test_what_was_recorded_passes_the_gate(gate: Callable[..., Any], trained: Path) -> None:
    report = gate(f"--keras-models={trained}")
    assert report["exit"] == 0, report["output"]
    assert report["summary"]["passed"] == 21


def test_recording_skips_then_compares_then_notices(gate: Callable[..., Any], tmp_path: Path) -> None:
    artifacts = tmp_path / "artifacts"
    artifacts.mkdir()
    h5_model(artifacts / "one.h5")
    stored = artifacts / "one.h5.expected.npz"

    first = gate(f"--keras-models={artifacts}")
    assert causes_of(checks_of(first, "one.h5")["predictions"]) == ["expected-missing"]
    assert "--keras-record" in first["output"]
    assert not stored.exists()

    recorded = gate(f"--keras-models={artifacts}", "--keras-record")
    assert checks_of(recorded, "one.h5")["predictions"]["outcome"] == "skipped"
    written = stored.read_bytes()

    again = gate(f"--keras-models={artifacts}", "--keras-record")
    assert checks_of(again, "one.h5")["predictions"]["outcome"] == "passed"
    assert stored.read_bytes() == written

    known = expected.read(stored)
    shifted = {name: array + 1e-3 * abs(array).max() for name, array in known.outputs.items()}
    expected.write(stored, expected.Expected(known.inputs, shifted, known.provenance))
    differs = gate(f"--keras-models={artifacts}")
    check = checks_of(differs, "one.h5")["predictions"]
    assert causes_of(check) == ["predictions-differ"]
    assert check["measured"]["max_abs_error"] > 0
    assert "expected" in differs["output"]

    failing = gate(f"--keras-models={artifacts}", "--keras-record=failing")
    assert checks_of(failing, "one.h5")["predictions"]["outcome"] == "skipped"
    assert gate(f"--keras-models={artifacts}")["exit"] == 0


def test_inputs_without_rows_are_refused() -> None:
    from pytest_kerasload import batches, live
    from pytest_kerasload.environments.session import InputSpec

    with pytest.raises(batches.BadBatch, match="hold no row"):
        live._batch(None, [InputSpec("x", (None, 4), "float32")], np.zeros((0, 4)))  # type: ignore[arg-type]
