"""Causes of losses between saving and loading."""

from __future__ import annotations

from pytest_kerasload.causes import remedies as do
from pytest_kerasload.causes.cause import Cause, Entries

_cause = Entries("roundtrip", seen=("roundtrip",))


CAUSES: tuple[Cause, ...] = (
    _cause(
        "roundtrip-save-names-collide",
        "Keras 3.0 to 3.2 cannot write two weights of one layer with the same short name into HDF5",
        "save with Keras 3.3 or later, or as .keras; throw the half-written file away",
        formats=("h5",),
        saved_by="Keras 3.0 to 3.2",
        loaded_by="Keras 3.0 to 3.2",
        explanation="Names of weights became short in Keras 3, and two in one composite layer (Bidirectional, "
        "MultiHeadAttention, a nested model) may be equal. A half-written file stays behind.",
        wording="Unable to synchronously create dataset (name already exists)",
        signatures=(r"Unable to (?:synchronously )?create dataset \(name already exists\)",),
        source="keras-team/keras#19375; reproduced on Keras 3.2.1",
    ),
    _cause(
        "roundtrip-save-header-too-large",
        "The names of layers or weights do not fit into an HDF5 attribute (64 KB)",
        "save it as .keras, give shorter names, or save with include_optimizer=False",
        formats=("h5",),
        saved_by="any",
        loaded_by="any",
        explanation="HDF5 keeps lists of names as attributes, which have a limit; very deep models and long names"
        " pass it.",
        wording="Unable to create attribute (object header message is too large)",
        signatures=(r"object header message is too large",),
        source="h5py/h5py#1053; keras-team/keras#11104",
    ),
    _cause(
        "roundtrip-save-not-json",
        "A configuration holds something that JSON does not",
        "let get_config return plain numbers, text, lists and dicts",
        "TensorFlow 2.10 to 2.12 cannot save EfficientNet: save with 2.9, or 2.13 or later",
        formats=("h5", "keras", "savedmodel"),
        saved_by="any",
        loaded_by="any",
        explanation="Configurations are stored as JSON. Tensors and arrays have to be turned into lists first.",
        wording="Unable to serialize [2.0896919 2.1128857 2.1081853] to JSON. Unrecognized type <class 'EagerTensor'>.",
        signatures=(r"Unable to serialize .* to JSON", r"is not JSON [Ss]erializable", r"\(\"Can't \w+ .* JSON"),
        source="keras-team/keras#17199, #18218",
    ),
    _cause(
        "roundtrip-save-no-config",
        "A layer or model cannot say how it was made, so that the format cannot hold it",
        "write get_config for it, or save it as a SavedModel",
        formats=("h5", "keras"),
        saved_by="any",
        loaded_by="any",
        explanation="Without get_config the arguments of a layer are known to nobody but the object itself.",
        wording="Layer Gate was created by passing non-serializable argument values in `__init__()`, and "
        "therefore the layer must override `get_config()`",
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
        formats=("h5",),
        saved_by="Keras 2, tf_keras",
        loaded_by="the same",
        explanation="Tables of lookup layers are resources of TensorFlow, and HDF5 holds arrays.",
        wording="Save or restore weights that is not an instance of `tf.Variable` is not supported in h5",
        signatures=(r"Save or restore weights that is not an instance of `tf\.Variable`",),
        source="keras-team/keras#16657",
    ),
    _cause(
        "roundtrip-save-failed",
        "The model loads, and cannot be saved again in this format",
        "save it in another format: --keras-roundtrip takes h5, keras and savedmodel",
        explanation="The reason is in the words of the release, and none that the catalogue knows.",
    ),
    _cause(
        "roundtrip-load-failed",
        "What was saved does not load again on the release that saved it",
        "save it in another format: --keras-roundtrip takes h5, keras and savedmodel",
        explanation="Saving succeeded, and what was written cannot be read again by the release that wrote it.",
    ),
    _cause(
        "roundtrip-config-differs",
        "The configuration comes back different",
        "let get_config hold every argument of __init__",
        explanation="What get_config gives after loading is not what it gave before: an argument is forgotten, "
        "renamed or rounded.",
        source="tensorflow/tensorflow#39793",
    ),
    _cause(
        "roundtrip-weights-differ",
        "Weights come back different",
        "keep sublayers in flat lists and build them in build()",
        do.SAVE_AS_KERAS,
        explanation="Weights that were loaded are not those that were saved: some were not written, or went to "
        "another place.",
        source="keras-team/keras#20598",
    ),
    _cause(
        "roundtrip-compile-state-differs",
        "The loss, metrics or flags of compile() come back different",
        "save it as .keras, which holds all of them; HDF5 loses run_eagerly, steps_per_execution and jit_compile",
        do.INFERENCE_ONLY,
        formats=("h5", "keras", "savedmodel"),
        explanation="HDF5 holds the loss, metrics and optimizer only. run_eagerly, steps_per_execution and "
        "jit_compile fall back to their defaults without a word.",
        source="tensorflow/tensorflow#42900; reproduced on Keras 3.3 to 3.15",
    ),
    _cause(
        "roundtrip-optimizer-state-differs",
        "The state of the optimizer comes back different: training goes on from another point",
        do.SAVE_AS_KERAS,
        do.INFERENCE_ONLY,
        formats=("h5", "keras", "savedmodel"),
        explanation="Momenta and counts are lost or changed: SavedModels of TensorFlow 2.3 to 2.8 do not restore "
        "them. Predictions are not concerned.",
        source="keras-team/tf-keras#70; tensorflow/tensorflow PR #42749",
    ),
    _cause(
        "roundtrip-predictions-differ",
        "After a round trip the model predicts something else",
        "look for arguments that get_config forgets and for weights that are kept in nested lists",
        do.SAVE_AS_KERAS,
        explanation="Loading succeeds, nothing complains, and the model is another one.",
        source="tensorflow/tensorflow#39793; keras-team/keras#20598",
    ),
    _cause(
        "example-unreadable",
        "The example that failed in an earlier run cannot be read, and was not tried",
        "delete the file",
        explanation="Failing examples are kept beside the cache of pytest and tried first. This one is damaged.",
    ),
)
