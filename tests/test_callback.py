"""``SaveAndRecord`` in ``fit``, under every Keras that the TensorFlow at hand has beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import checks_of
from pytest_kerasload import expected
from pytest_kerasload.environments.versions import Versions

SCRIPT = """
    import json
    import pathlib
    import sys

    import numpy as np
    import tensorflow as tf

    import pytest_kerasload

    directory = pathlib.Path(sys.argv[1])
    kerases = {"keras": tf.keras}
    try:
        import tf_keras

        kerases["tf_keras"] = tf_keras
    except ImportError:
        pass
    import keras

    if hasattr(keras, "ops") and not hasattr(tf.keras, "ops"):  # TF_USE_LEGACY_KERAS is set
        kerases["keras3"] = keras
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(24, 4)).astype("float32"), rng.normal(size=(24, 2)).astype("float32")
    said = {}


    def model(keras, *more):
        inputs = keras.Input((4,), name="x")
        outputs = inputs
        for layer in (keras.layers.Dense(8, activation="tanh"), *more, keras.layers.Dense(2, name="y")):
            outputs = layer(outputs)
        found = keras.Model(inputs, outputs)
        found.compile("sgd", "mean_squared_error", metrics=["mean_absolute_error"])
        return found


    def failure(fit):
        try:
            fit()
        except Exception as error:
            return type(error).__name__ + ": " + str(error)


    for name, keras in kerases.items():
        keras.utils.set_random_seed(3)

        class Random(keras.layers.Layer):
            def call(self, inputs):
                return inputs + tf.random.normal(tf.shape(inputs))

        class Interrupting(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                raise KeyboardInterrupt

        class Worsening(keras.callbacks.Callback):
            # So that the last epoch's weights are far from the best one's.
            def on_train_batch_begin(self, batch, logs=None):
                weights = self.model.get_weights()
                self.model.set_weights([weight + 0.5 for weight in weights])

        class WithLogs(pytest_kerasload.SaveAndRecord):
            seen = 0

            def on_epoch_end(self, epoch, logs=None):
                self.seen += "val_loss" in logs

        here = directory / name  # made by the callback
        best = here / ("best.keras" if hasattr(keras, "ops") else "best.h5")
        live = model(keras)
        stopping = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
        recorder = WithLogs(best)
        history = live.fit(
            x, y, validation_data=(x, y), epochs=9, verbose=2, callbacks=[Worsening(), stopping, recorder]
        )
        known = np.load(str(best) + ".expected.npz")
        now = live(known["inputs/x"], training=False)
        answers = {"epochs": len(history.epoch), "seen": recorder.seen}
        answers["live"] = float(np.abs(known["outputs/y"] - np.asarray(now)).max())

        before = sorted(file.stat().st_mtime_ns for file in here.iterdir())
        live.evaluate(x, y, verbose=0, callbacks=[recorder])
        live.predict(x, verbose=0, callbacks=[recorder])
        answers["untouched"] = before == sorted(file.stat().st_mtime_ns for file in here.iterdir())

        given = pytest_kerasload.SaveAndRecord(str(here / "given.h5"), inputs=x[:5])
        model(keras).fit(x, y, verbose=0, callbacks=given)
        again = model(keras)
        again.fit(x, y, verbose=0, callbacks=[given])
        again.fit(x, y, verbose=0, callbacks=[given])

        aside = directory.parent / name
        noisy = model(keras, Random())
        answers["random"] = failure(
            lambda: noisy.fit(x, y, verbose=0, callbacks=[pytest_kerasload.SaveAndRecord(aside / "random.h5")])
        )
        answers["history"] = len(noisy.history.history["loss"])
        try:
            model(keras).fit(
                x, y, verbose=0, callbacks=[Interrupting(), pytest_kerasload.SaveAndRecord(aside / "interrupted.h5")]
            )
        except KeyboardInterrupt:
            answers["interrupted"] = True
        untrained = model(keras)
        bare = pytest_kerasload.SaveAndRecord(aside / "bare")
        answers["bare"] = failure(lambda: untrained.fit(x, y, verbose=0, callbacks=[bare]))
        answers["steps"] = int(untrained.optimizer.iterations.numpy())
        answers["files"] = sorted(str(file.relative_to(aside)) for file in aside.rglob("*.*"))
        answers["keras3"] = hasattr(keras, "ops")
        answers["recorded"] = json.loads(str(known["provenance"]))["keras"]
        said[name] = answers
    (directory.parent / "said.json").write_text(json.dumps(said))
"""


@pytest.fixture(scope="module")
def trained(versions: Versions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of artifacts that a training script's callbacks wrote; what it said of them is beside it."""
    directory = tmp_path_factory.mktemp("trained")
    script = directory / "train.py"
    script.write_text(textwrap.dedent(SCRIPT))
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, str(script), str(directory / "artifacts")], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return directory / "artifacts"


@pytest.fixture(scope="module")
def said(trained: Path) -> dict[str, dict[str, Any]]:
    """The script's answers, by the Keras that the model was of."""
    found: dict[str, dict[str, Any]] = json.loads((trained.parent / "said.json").read_text())
    return found


def test_the_model_of_the_end_of_training_is_recorded(said: dict[str, dict[str, Any]]) -> None:
    for answers in said.values():
        assert answers["epochs"] < 9, "early stopping has to restore weights for this test to tell"
        assert answers["live"] < 1e-6
        assert answers["recorded"].startswith("3." if answers["keras3"] else "2."), "the model's own Keras is told"
        assert answers["seen"] == answers["epochs"], "a subclass's own methods are called, with logs"


def test_evaluating_and_predicting_writes_nothing(said: dict[str, dict[str, Any]]) -> None:
    assert all(answers["untouched"] for answers in said.values())


def test_given_inputs_are_recorded_and_training_on_replaces_the_pair(
    trained: Path, said: dict[str, dict[str, Any]]
) -> None:
    for name in said:
        known = expected.read(trained / name / "given.h5.expected.npz")
        assert known.inputs["x"].shape == (5, 4)
        assert known.provenance["source"] == "live model"


def test_a_model_that_cannot_be_recorded_is_saved_first(trained: Path, said: dict[str, dict[str, Any]]) -> None:
    for name, answers in said.items():
        assert answers["random"].startswith("RuntimeError: the trained model is saved at ")
        assert "another one each time" in answers["random"]
        assert (trained.parent / name / "random.h5").stat().st_size > 1000
        assert answers["history"] == 1


def test_an_interrupted_training_writes_nothing(said: dict[str, dict[str, Any]]) -> None:
    for answers in said.values():
        assert answers["interrupted"]
        assert not [file for file in answers["files"] if "interrupted" in file]


def test_a_path_that_keras_3_does_not_save_to_is_refused_before_training(said: dict[str, dict[str, Any]]) -> None:
    for answers in said.values():
        if answers["keras3"]:
            assert "ends in .keras or .h5" in answers["bare"]
            assert answers["steps"] == 0
        else:
            assert answers["bare"] is None
            assert "bare/saved_model.pb" in answers["files"]
            assert "bare.expected.npz" in answers["files"]


def test_what_the_callback_wrote_passes_the_gate(gate: Callable[..., Any], trained: Path) -> None:
    readable = [path for path in sorted(trained.iterdir()) if path.name != "keras3"]  # what tf.keras is made to read
    report = gate(*(f"--keras-models={path}" for path in readable), "--keras-jobs=1")
    assert report["exit"] == 0, report["output"]
    for artifact in report["artifacts"]:
        check = checks_of(report, "/".join(Path(artifact["path"]).parts[-2:]))["predictions"]
        assert check["outcome"] == "passed"
        assert check["measured"]["max_abs_error"] < 1e-5


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = ("numpy", "h5py", "hypothesis", "tensorflow", "keras", "execnet")
    code = f"""
        import sys

        before = set(sys.modules)
        from pytest_kerasload import SaveAndRecord

        SaveAndRecord("model.keras")
        print([name for name in {heavy!r} if name in sys.modules and name not in before])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
