"""Causes of silent change between releases: the artifact loads, and predicts something else."""

from __future__ import annotations

from pytest_kerasload.causes import remedies as do
from pytest_kerasload.causes.cause import Cause


def _cause(code: str, title: str, *remedies: str, signatures: tuple[str, ...] = (), source: str = "") -> Cause:
    return Cause(code, "version", title, remedies, signatures, source)


CAUSES: tuple[Cause, ...] = (
    _cause(
        "h5-axis-dropped",
        "Keras 3 drops the axis of a layer when it reads HDF5, and takes the last one",
        do.SAVE_AS_KERAS,
        "load it with Keras 3.9 or later, where the axis is one number",
        do.LEGACY_KERAS,
        source="keras/src/legacy/saving/saving_utils.py, model_from_config: before 3.9 only [axis] is kept, later "
        "a number too; reproduced with Concatenate, Softmax and LayerNormalization on Keras 3.3 to 3.15",
    ),
    _cause(
        "hashing-salt-written",
        "TensorFlow 2.3 wrote Hashing with a salt it did not use: after loading it puts words into other bins",
        "write null as the salt of the Hashing layer into the config",
        do.RECORD_AGAIN,
        source="tensorflow v2.3 layers/preprocessing/hashing.py; measured on TensorFlow 2.15",
    ),
    _cause(
        "hard-sigmoid-changed",
        "hard_sigmoid has another formula in Keras 3: x/6 + 0.5, not 0.2x + 0.5",
        do.LEGACY_KERAS,
        "give the old formula as a custom activation under a name of its own, and save again",
        do.RECORD_AGAIN,
        source="keras-team/keras PR #19477; 0.04 to 0.09 measured on outputs of order 1",
    ),
    _cause(
        "normalization-not-restored",
        "Normalization from HDF5 acts as the identity on Keras 3.0 to 3.5",
        "load it with Keras 3.6 or later",
        "call finalize_state() of each Normalization layer after loading",
        do.SAVE_AS_KERAS,
        source="keras-team/keras#20147, PR #20168 (3.6.0); reproduced on Keras 3.3",
    ),
    _cause(
        "normalization-tf26",
        "Normalization comes back with another mean and variance on TensorFlow 2.6 and 2.7",
        "load it with TensorFlow 2.5 or 2.8",
        source="keras-team/keras#15348, #15513; tensorflow/tensorflow#53030",
    ),
    _cause(
        "nested-sublayers-not-restored",
        "Sublayers kept in nested lists come back with new weights: .keras files of Keras 2.12 to 3.14 lack them",
        "save it again with Keras 3.15, or keep the sublayers in a flat list: this file cannot be repaired",
        "save it as HDF5, which is not affected",
        signatures=(r"Skipping nested container at",),
        source="keras-team/keras#20598, PRs #22210, #22362; reproduced with files of Keras 2.15 to 3.14",
    ),
)
