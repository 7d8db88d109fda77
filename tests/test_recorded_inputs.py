"""The inputs that real models are recorded with: what their layers say is heeded, in every kind of artifact."""

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

from conftest import checks_of
from pytest_kerasload import expected
from pytest_kerasload.environments.versions import Versions

SCRIPT = """
    import sys

    import numpy as np
    import tensorflow as tf

    keras = tf.keras
    L = keras.layers
    keras.utils.set_random_seed(3)
    three = not keras.__version__.startswith("2") if hasattr(keras, "__version__") else False
    out = sys.argv[1] + "/"
    made = []


    def save(name, model):
        suffix = ".keras" if three else ""  # Keras 2's HDF5 does not hold vocabularies
        model.save(out + name + suffix)
        made.append(name + suffix)


    def attempt(name, build):
        try:
            save(name, build())
        except Exception as error:
            print("not made:", name, type(error).__name__, str(error)[:200])


    def normalised():
        layer = L.Normalization(axis=-1)
        layer.adapt(np.random.RandomState(0).normal([1000.0, -3.0], [50.0, 0.5], (500, 2)).astype("float32"))
        x = keras.Input((2,), name="x")
        return keras.Model(x, L.Dense(3, activation="tanh")(layer(x)))


    def rescaled():
        x = keras.Input((8, 8, 3), name="image")
        y = L.Conv2D(4, 3)(L.Rescaling(1 / 127.5, offset=-1.0)(x))
        return keras.Model(x, L.Dense(2)(L.Flatten()(y)))


    def binned():
        x = keras.Input((2,), name="age")
        bins = L.Discretization(bin_boundaries=[20.0, 40.0, 60.0])(x)
        return keras.Model(x, L.Dense(2)(L.Flatten()(L.Embedding(4, 3)(bins))))


    def looked_up():
        x = keras.Input((5,), dtype="int64", name="code")
        ids = L.IntegerLookup(vocabulary=[1000, 2000, 7])(x)
        return keras.Model(x, L.Dense(2)(L.Flatten()(L.Embedding(4, 3)(ids))))


    def text():
        x = keras.Input((1,), dtype="string", name="text")
        layer = L.TextVectorization(output_sequence_length=6)
        layer.adapt(np.array(["the cat sat", "on the mat"]))
        pooled = L.GlobalAveragePooling1D()(L.Embedding(10, 3)(layer(x)))
        return keras.Model(x, L.Dense(2)(pooled))


    def masked():
        x = keras.Input((None,), dtype="int32", name="tokens")
        return keras.Model(x, L.Dense(2)(L.LSTM(4)(L.Embedding(700, 3, mask_zero=True)(x))))


    def ragged():
        x = keras.Input((None,), dtype="int64", ragged=True, name="tokens")
        pooled = L.GlobalAveragePooling1D()(L.Embedding(9, 3)(x))
        return keras.Model(x, L.Dense(2)(pooled))


    def sparse():
        x = keras.Input((30,), sparse=True, name="features")
        return keras.Model(x, L.Dense(2)(x))


    def cropped():
        x = keras.Input((None, 4), name="sequence")
        y = L.Cropping1D(5000)(L.Conv1D(3, 11, padding="same")(x))
        return keras.Model(x, L.Conv1D(2, 1)(y))


    def nested():
        x = {"left": keras.Input((2,), name="left"), "right": keras.Input((3,), name="right")}
        joined = L.Concatenate()([x["left"], x["right"]])
        return keras.Model(x, {"sum": L.Dense(2)(joined), "one": L.Dense(1)(x["left"])})


    for build in (normalised, rescaled, binned, looked_up, text, masked, ragged, sparse, cropped, nested):
        attempt(build.__name__, build)


    class Module(tf.Module):
        def __init__(self):
            super().__init__()
            self.table = tf.Variable(np.random.RandomState(0).normal(size=(5000, 3)).astype("float32"))

        @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32, name="ids")])
        def serve(self, ids):
            return {"mean": tf.reduce_mean(tf.gather(self.table, ids), axis=1)}


    module = Module()
    tf.saved_model.save(module, out + "table", signatures=module.serve)


    class Waves(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 16], tf.complex64, name="wave")])
        def serve(self, wave):
            return {"spectrum": tf.signal.fft(wave), "power": tf.abs(tf.signal.fft(wave))}


    waves = Waves()
    tf.saved_model.save(waves, out + "waves", signatures=waves.serve)
    print("made:", *made, "table", "waves")
"""


@pytest.fixture(scope="module")
def recorded(
    versions: Versions, gate: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[str], Any, Any]:
    """Where models were made and recorded, which could be made, and the reports of recording and of the run after."""
    directory = tmp_path_factory.mktemp("made")
    script = directory / "make.py"
    script.write_text(textwrap.dedent(SCRIPT))
    artifacts = directory / "artifacts"
    artifacts.mkdir()
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, str(script), str(artifacts)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    made = next(line for line in done.stdout.splitlines() if line.startswith("made:")).split()[1:]
    trusted = (f"--keras-models={artifacts}", f"--keras-trust={artifacts}")
    first = gate(*trusted, "--keras-record", "-k", "predictions")
    return artifacts, made, first, gate(*trusted)


def stored(recorded: tuple[Path, list[str], Any, Any], name: str) -> expected.Expected:
    artifacts, made, first, _ = recorded
    path = next((artifacts / one for one in made if one.split(".")[0] == name), None)
    if path is None:
        pytest.skip(f"this release makes no {name} model")
    target = path.with_name(path.name + ".expected.npz")
    assert target.exists(), first["output"][-3000:]
    return expected.read(target)


def test_everything_that_was_recorded_passes(recorded: tuple[Path, list[str], Any, Any]) -> None:
    _, made, _, report = recorded
    for name in made:
        outcomes = {check: told["outcome"] for check, told in checks_of(report, name).items()}
        assert outcomes["predictions"] == "passed", report["output"][-3000:]
        assert set(outcomes.values()) <= {"passed", "skipped"}, (name, outcomes, report["output"][-3000:])
    assert len(made) >= 9


def test_a_normalisation_is_fed_what_it_was_adapted_to(recorded: tuple[Path, list[str], Any, Any]) -> None:
    known = stored(recorded, "normalised")
    middle = np.median(known.inputs["x"], axis=0)
    assert abs(middle[0] - 1000) < 60
    assert abs(middle[1] + 3) < 1
    (output,) = known.outputs.values()
    assert np.median(np.abs(output)) < 0.98  # not saturated


def test_images_lie_between_0_and_255(recorded: tuple[Path, list[str], Any, Any]) -> None:
    images = stored(recorded, "rescaled").inputs["image"]
    assert 100 < np.median(images) < 155
    assert np.quantile(images, 0.9) > 180


def test_every_bin_is_reached(recorded: tuple[Path, list[str], Any, Any]) -> None:
    ages = stored(recorded, "binned").inputs["age"]
    assert set(np.digitize(ages, [20, 40, 60]).ravel()) == {0, 1, 2, 3}


def test_numbers_of_a_vocabulary_and_one_that_it_lacks(recorded: tuple[Path, list[str], Any, Any]) -> None:
    codes = set(stored(recorded, "looked_up").inputs["code"].ravel().tolist())
    assert {1000, 2000, 7} < codes


def test_texts_are_sentences_of_known_words_and_others(recorded: tuple[Path, list[str], Any, Any]) -> None:
    texts = b" ".join(stored(recorded, "text").inputs["text"].ravel()).decode().split()
    assert {"cat", "mat"} <= set(texts)
    assert "loaded" in texts or "model" in texts


def test_tokens_have_padding_behind_them(recorded: tuple[Path, list[str], Any, Any]) -> None:
    tokens = stored(recorded, "masked").inputs["tokens"]
    assert tokens.max() > 300
    assert len({int((row != 0).sum()) for row in tokens}) > 3


def test_ragged_rows_are_stored_as_values_and_lengths(recorded: tuple[Path, list[str], Any, Any]) -> None:
    known = stored(recorded, "ragged")
    assert known.ragged == {"tokens"}
    path = next(recorded[0].glob("ragged*.expected.npz"))
    with np.load(path) as archive:
        assert {"inputs/tokens/values", "inputs/tokens/row_lengths"} <= set(archive.files)
        assert len(set(archive["inputs/tokens/row_lengths"].tolist())) > 2


def test_a_sequence_as_long_as_the_cropping_asks_for(recorded: tuple[Path, list[str], Any, Any]) -> None:
    known = stored(recorded, "cropped")
    assert known.inputs["sequence"].shape[1] > 10_000


def test_sparse_and_nested_inputs(recorded: tuple[Path, list[str], Any, Any]) -> None:
    known = stored(recorded, "nested")
    assert set(known.inputs) == {"left", "right"}
    assert stored(recorded, "sparse").inputs["features"].shape[1:] == (30,)


def test_the_rows_of_a_table_in_an_export_are_found(recorded: tuple[Path, list[str], Any, Any]) -> None:
    assert 2000 < stored(recorded, "table").inputs["ids"].max() < 5000


def test_complex_numbers(recorded: tuple[Path, list[str], Any, Any]) -> None:
    known = stored(recorded, "waves")
    assert known.inputs["wave"].dtype == np.complex64
    assert known.outputs["spectrum"].dtype == np.complex64
    assert known.noise("spectrum") is not None
