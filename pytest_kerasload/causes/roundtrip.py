"""Causes of losses between saving and loading."""

from __future__ import annotations

from pytest_kerasload.causes import remedies as do
from pytest_kerasload.causes.cause import Cause


def _cause(code: str, title: str, *remedies: str, signatures: tuple[str, ...] = (), source: str = "") -> Cause:
    return Cause(code, "roundtrip", title, remedies, signatures, source)


CAUSES: tuple[Cause, ...] = (
    _cause(
        "roundtrip-save-names-collide",
        "Keras 3.0 to 3.2 cannot write two weights of one layer with the same short name into HDF5",
        "save with Keras 3.3 or later, or as .keras; throw the half-written file away",
        signatures=(r"Unable to (?:synchronously )?create dataset \(name already exists\)",),
        source="keras-team/keras#19375; reproduced on Keras 3.2.1",
    ),
    _cause(
        "roundtrip-save-header-too-large",
        "The names of layers or weights do not fit into an HDF5 attribute (64 KB)",
        "save it as .keras, give shorter names, or save with include_optimizer=False",
        signatures=(r"object header message is too large",),
        source="h5py/h5py#1053; keras-team/keras#11104",
    ),
    _cause(
        "roundtrip-save-not-json",
        "A configuration holds something that JSON does not",
        "let get_config return plain numbers, text, lists and dicts",
        "TensorFlow 2.10 to 2.12 cannot save EfficientNet: save with 2.9, or 2.13 or later",
        signatures=(r"Unable to serialize .* to JSON", r"is not JSON [Ss]erializable", r"\(\"Can't \w+ .* JSON"),
        source="keras-team/keras#17199, #18218",
    ),
    _cause(
        "roundtrip-save-no-config",
        "A layer or model cannot say how it was made, so that the format cannot hold it",
        "write get_config for it, or save it as a SavedModel",
        signatures=(
            r"NotImplementedError.*get_config",
            r"must (?:override|implement) `?get_config",
            r"Saving the model to HDF5 format requires the model to be a Functional model or a Sequential model",
            r"Layer \w+ (?:has arguments|was created by passing)",
        ),
        source="keras/engine/base_layer.py, Layer.get_config",
    ),
    _cause(
        "roundtrip-save-variables-only",
        "A layer has state that is no variable, which HDF5 does not hold",
        do.SAVE_AS_KERAS,
        "save it as a SavedModel",
        signatures=(r"Save or restore weights that is not an instance of `tf\.Variable`",),
        source="keras-team/keras#16657",
    ),
    _cause(
        "roundtrip-save-failed",
        "The model loads, and cannot be saved again in this format",
        "save it in another format: --keras-roundtrip takes h5, keras and savedmodel",
    ),
    _cause(
        "roundtrip-load-failed",
        "What was saved does not load again on the release that saved it",
        "save it in another format: --keras-roundtrip takes h5, keras and savedmodel",
    ),
    _cause(
        "roundtrip-config-differs",
        "The configuration comes back different",
        "let get_config hold every argument of __init__",
        source="tensorflow/tensorflow#39793",
    ),
    _cause(
        "roundtrip-weights-differ",
        "Weights come back different",
        "keep sublayers in flat lists and build them in build()",
        do.SAVE_AS_KERAS,
        source="keras-team/keras#20598",
    ),
    _cause(
        "roundtrip-compile-state-differs",
        "The loss, metrics or flags of compile() come back different",
        "save it as .keras, which holds all of them; HDF5 loses run_eagerly, steps_per_execution and jit_compile",
        do.INFERENCE_ONLY,
        source="tensorflow/tensorflow#42900; reproduced on Keras 3.3 to 3.15",
    ),
    _cause(
        "roundtrip-optimizer-state-differs",
        "The state of the optimizer comes back different: training goes on from another point",
        do.SAVE_AS_KERAS,
        do.INFERENCE_ONLY,
        source="keras-team/tf-keras#70; tensorflow/tensorflow PR #42749",
    ),
    _cause(
        "roundtrip-predictions-differ",
        "After a round trip the model predicts something else",
        "look for arguments that get_config forgets and for weights that are kept in nested lists",
        do.SAVE_AS_KERAS,
        source="tensorflow/tensorflow#39793; keras-team/keras#20598",
    ),
    _cause(
        "example-unreadable",
        "The example that failed in an earlier run cannot be read, and was not tried",
        "delete the file",
    ),
)
