"""Causes of silent change between releases: the artifact loads, and predicts something else."""

from __future__ import annotations

from pytest_kerasload.causes import remedies as do
from pytest_kerasload.causes.cause import Cause, Entries

_cause = Entries("version")


CAUSES: tuple[Cause, ...] = (
    _cause(
        "h5-axis-dropped",
        "Keras 3 drops the axis of a layer when it reads HDF5, and takes the last one",
        do.SAVE_AS_KERAS,
        "load it with Keras 3.9 or later, where the axis is one number",
        do.LEGACY_KERAS,
        formats=("h5",),
        saved_by="any",
        loaded_by="Keras 3; a single number: 3.0 to 3.8",
        seen=("version", "predictions"),
        explanation="Reading HDF5, Keras 3 throws the axis away where it is not a list of one, and the layer "
        "takes its default, the last axis. Nothing is said, and the model predicts something else.",
        source="keras/src/legacy/saving/saving_utils.py, model_from_config: before 3.9 only [axis] is kept, later "
        "a number too; reproduced with Concatenate, Softmax and LayerNormalization on Keras 3.3 to 3.15",
    ),
    _cause(
        "hashing-salt-written",
        "TensorFlow 2.3 wrote Hashing with a salt it did not use: after loading it puts words into other bins",
        "write null as the salt of the Hashing layer into the config",
        do.RECORD_AGAIN,
        formats=("h5", "savedmodel"),
        saved_by="TensorFlow 2.3",
        loaded_by="any",
        seen=("version", "predictions"),
        explanation="TensorFlow 2.3 wrote a salt without hashing with it. Later releases use what is written. "
        "Nothing is said, and words fall into other bins.",
        source="tensorflow v2.3 layers/preprocessing/hashing.py; measured on TensorFlow 2.15",
    ),
    _cause(
        "hard-sigmoid-changed",
        "hard_sigmoid has another formula in Keras 3: x/6 + 0.5, not 0.2x + 0.5",
        do.LEGACY_KERAS,
        "give the old formula, 0.2x + 0.5 clipped to 0..1, as a custom activation of another name, and save again",
        do.RECORD_AGAIN,
        formats=("h5", "keras"),
        saved_by="Keras 2, tf_keras",
        loaded_by="Keras 3",
        seen=("version", "predictions"),
        explanation="Keras 3 took over the formula of other frameworks under the same name. Nothing is said, and "
        "outputs move by some hundredths. Recurrent layers of Keras up to 2.2 use it by default.",
        source="keras-team/keras PR #19477; 0.04 to 0.09 measured on outputs of order 1",
    ),
    _cause(
        "normalization-not-restored",
        "Normalization from HDF5 acts as the identity on Keras 3.0 to 3.5",
        "load it with Keras 3.6 or later",
        "call finalize_state() of each Normalization layer after loading",
        do.SAVE_AS_KERAS,
        formats=("h5",),
        saved_by="any",
        loaded_by="Keras 3.0 to 3.5",
        seen=("version", "predictions"),
        explanation="The layer computes with copies of its mean and variance that are made before the weights are"
        " read, and not made again. Nothing is said. Every EfficientNet has such a layer; models that"
        " load its weights from HDF5 while they are built are affected too.",
        source="keras-team/keras#20147, PR #20168 (3.6.0); reproduced on Keras 3.3",
    ),
    _cause(
        "normalization-tf26",
        "Normalization comes back with another mean and variance on TensorFlow 2.6 and 2.7",
        "load it with TensorFlow 2.8 or later, or 2.5 or older",
        do.SAVE_AS_KERAS,
        formats=("h5",),
        saved_by="any",
        loaded_by="TensorFlow 2.6 and 2.7",
        seen=("version", "predictions"),
        explanation="The layer computes with copies of its mean and variance that are made before the weights are"
        " read, and not made again before 2.8: it acts as the identity. Nothing is said. Every "
        "EfficientNet has such a layer.",
        source="keras-team/keras#15348, #15513; keras/saving/hdf5_format.py calls finalize_state since 2.8",
    ),
    _cause(
        "nested-sublayers-not-restored",
        "Sublayers kept in nested lists come back with new weights: .keras files of Keras 2.12 to 3.14 lack them",
        "save the model that was trained (this file lost it) with Keras 3.15, or with the sublayers in a flat list",
        "save the model that was trained as HDF5, which is not affected",
        formats=("keras",),
        saved_by="Keras 2.12 to 3.14, tf_keras",
        loaded_by="any",
        seen=("load", "roundtrip", "predictions"),
        explanation="Lists or dicts inside a list were passed over when the weights were saved. They are not in "
        "the file, and the layers begin with new random weights at every load. Only Keras 3.15 says "
        "so.",
        wording="Skipping nested container at self.blocks",
        signatures=(r"Skipping nested container at",),
        source="keras-team/keras#20598, PRs #22210, #22362; reproduced with files of Keras 2.15 to 3.14",
    ),
    _cause(
        "normalization-invert-lost",
        "Normalization(invert=True) comes back without its invert: it scales instead of scaling back",
        "make the layer again in code with TensorFlow 2.13 or later, and save the model again",
        "put the scaling back into a Rescaling layer, or into the code that calls the model",
        saved_by="TensorFlow 2.10 to 2.12",
        loaded_by="any",
        seen=("roundtrip", "predictions"),
        explanation="The configuration does not hold the argument, so that the file cannot say how the layer was "
        "made. Nothing is said, and the outputs are of another size.",
        source="keras-team/keras#17556, #17486; get_config of keras/layers/preprocessing/normalization.py",
    ),
)
