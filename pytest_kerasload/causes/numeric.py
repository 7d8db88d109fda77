"""Causes of predictions that differ."""

from __future__ import annotations

from pytest_kerasload.causes import remedies as do
from pytest_kerasload.causes.cause import Cause, Entries

_cause = Entries("numeric")


CAUSES: tuple[Cause, ...] = (
    _cause(
        "predictions-differ",
        "The model predicts something else than what was recorded",
        "give --keras-env the release that recorded, to see whether the artifact or the release changed",
        do.RECORD_AGAIN,
        seen=("predictions",),
        explanation="Outputs lie further off than the noise that was measured when they were recorded. The "
        "artifact was replaced, or the release computes something else.",
    ),
    _cause(
        "predictions-not-finite-alike",
        "Not a number, or infinity, stands where a number was recorded, or the other way round",
        "look for overflow in half precision, division by zero and logarithms of zero in the model",
        "--keras-record=all, once the difference is understood and accepted",
        seen=("predictions",),
        explanation="Releases and processors treat overflow, division by zero and logarithms of zero differently,"
        " and a NaN spreads.",
        source="keras-team/keras#18904; tensorflow/tensorflow#62592",
    ),
    _cause(
        "order-differs",
        "Inputs or outputs of the model come in another order than when it was recorded",
        "restore the order in which the model was built with them, or take them by name everywhere",
        do.RECORD_AGAIN,
        seen=("predictions",),
        explanation="The arrays are right and their order is not. Whoever takes them by position gets the wrong ones.",
    ),
    _cause(
        "outputs-not-deterministic",
        "The model predicts something else each time it is asked",
        "take randomness out of inference (dropout with training=True, random ops), or give it a fixed seed",
        "give a tolerance for this artifact in kerasload.toml",
        seen=("roundtrip", "predictions"),
        explanation="The same inputs give other outputs in the next call, so that nothing can be compared.",
    ),
    _cause(
        "outputs-not-finite",
        "Finite inputs give NaN or infinity",
        "look for divisions by zero, logarithms and roots in the model, and for weights that hold NaN",
        "where it takes some numbers only, say in kerasload.toml which: inputs.NAME = { min = ..., max = ... }",
        seen=("roundtrip", "predictions"),
        explanation="Generated inputs of the size that the model takes lead to numbers that are none.",
    ),
    _cause(
        "weights-not-finite",
        "Weights in the file are not numbers: its training diverged",
        "take a checkpoint from before the loss became NaN",
        seen=("roundtrip", "predictions"),
        explanation="NaN or infinity stands in a weight, and every output that it reaches is worthless.",
    ),
    _cause(
        "inputs-restricted",
        "The model gives NaN or infinity for some numbers around 0, as logarithms and roots do",
        "say in kerasload.toml which numbers it takes: inputs.NAME = { min = ..., max = ... }",
        seen=("roundtrip",),
        explanation="The model is defined for some numbers only. Which, it does not say.",
    ),
    _cause(
        "outputs-masked",
        "Some outputs are minus infinity whatever the model is asked, as masks and logarithms of zero are",
        "where it is not meant to: add a small number before the logarithm, or mask with a large negative number",
        seen=("roundtrip",),
        explanation="Minus infinity is what masks and logarithms of zero give. It is told, and not held against "
        "the model.",
    ),
    _cause(
        "batch-dependent",
        "What a row gives depends on what is in the other rows of its batch",
        "take statistics over the batch out of inference (training=True, softmax over the first axis), or always "
        "serve the same batches",
        seen=("roundtrip",),
        explanation="A model that serves single requests and batches gives one customer another answer because of"
        " the next.",
    ),
    _cause(
        "batch-size-dependent",
        "A row gives something else alone than in a batch, whatever is in the other rows",
        "look for sizes of the batch in the model: tf.shape(x)[0], tf.squeeze without an axis, reductions over axis 0",
        seen=("roundtrip",),
        explanation="The number of rows changes what is computed for each of them.",
    ),
    _cause(
        "loads-differ",
        "Two loads of the same file give different models: something that predictions depend on is not in the file",
        "save it again with sublayers in flat lists, and with everything built before saving",
        "keep what a layer draws when it is made in a weight: add_weight(trainable=False)",
        seen=("roundtrip", "predictions"),
        explanation="Weights that are not in the file are made anew at each load, at random. So is what a custom layer "
        "draws in its constructor and keeps in an attribute: a projection, a mask, an order.",
        source="keras-team/keras#20598; reproduced with .keras files of Keras 2.15 to 3.14",
    ),
    _cause(
        "weights-missing-in-file",
        "The model has more weights than the file: the others have their initial values",
        "save it again with every layer built, and sublayers in flat lists",
        seen=("roundtrip", "predictions"),
        explanation="Layers that were not built when saving, or that sit in nested lists, have no weights in the "
        "file. Loading succeeds without a word.",
        source="keras-team/keras#20598, #18823",
    ),
    _cause(
        "jit-compile-differs",
        "The model predicts something else when it is compiled by XLA, as its training configuration asks for",
        do.COMPILE_FALSE,
        formats=("keras",),
        saved_by="Keras 3",
        loaded_by="Keras 3",
        seen=("predictions",),
        explanation="jit_compile is part of the training configuration of an archive: predict() then runs another"
        " compiler than with compile=False.",
        source="keras-team/keras#18467",
    ),
    _cause(
        "stateful-prediction",
        "The model keeps state from one prediction to the next",
        "reset its states before each prediction",
        seen=("roundtrip",),
        explanation="A stateful recurrent layer goes on from where the last call stopped.",
    ),
    _cause(
        "vocabulary-not-restored",
        "A lookup layer comes back with another vocabulary, or an empty one",
        do.SAVE_AS_KERAS,
        formats=("h5", "savedmodel"),
        saved_by="TensorFlow 2.12 to 2.14 and others",
        loaded_by="any",
        seen=("predictions",),
        explanation="The words are in the graph or in a file, and the layer comes back without them. Every word "
        "is then unknown, and nothing says so.",
        source="keras-team/keras#18376; tensorflow/tensorflow#61369",
    ),
)
