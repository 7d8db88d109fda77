"""Makes the example artifacts: one of each format, with the expected outputs of the live models.

    python examples/make.py [DIRECTORY]

Needs TensorFlow with Keras 3. The weights are seeded, not trained: what matters here is that they come back.
"""

from __future__ import annotations

import sys
from pathlib import Path

import keras

import pytest_kerasload


def digits() -> keras.Model:
    """Images of digits to ten scores: convolutions with batch normalisation."""
    return keras.Sequential(
        [
            keras.Input((16, 16, 1), name="image"),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.MaxPooling2D(2),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="softmax", name="scores"),
        ],
        name="digits",
    )


def sentiment() -> keras.Model:
    """Token ids of any number of words to one score: a masked embedding and a recurrent layer."""
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    embedded = keras.layers.Embedding(50, 8, mask_zero=True)(tokens)
    state = keras.layers.LSTM(6)(embedded)
    model = keras.Model(tokens, keras.layers.Dense(1, activation="sigmoid", name="score")(state), name="sentiment")
    model.compile(optimizer="adam", loss=keras.losses.BinaryCrossentropy(), metrics=[keras.metrics.AUC(name="auc")])
    return model


def ranker() -> keras.Model:
    """Two named inputs to two outputs."""
    user, item = keras.Input((5,), name="user"), keras.Input((7,), name="item")
    joined = keras.layers.concatenate([keras.layers.Dense(4)(user), keras.layers.Dense(4)(item)])
    hidden = keras.layers.LayerNormalization()(keras.layers.Dense(8, activation="gelu")(joined))
    outputs = [keras.layers.Dense(1, name="rank")(hidden), keras.layers.Dense(3, "softmax", name="reason")(hidden)]
    return keras.Model([user, item], outputs, name="ranker")


def main(directory: Path) -> None:
    """Save each model in a format of its own, and record it right after."""
    directory.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(20)
    model = digits()
    model.save(directory / "digits.h5")
    pytest_kerasload.record(model, directory / "digits.h5")
    model = sentiment()
    model.save(directory / "sentiment.keras")
    pytest_kerasload.record(model, directory / "sentiment.keras")
    model = ranker()
    model.export(directory / "ranker")
    pytest_kerasload.record(model, directory / "ranker")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "artifacts")
