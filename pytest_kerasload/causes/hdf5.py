"""Causes that lie with what HDF5 holds of a model, and how it is read."""

from __future__ import annotations

from pytest_kerasload.causes import remedies as do
from pytest_kerasload.causes.cause import Cause, Entries

_cause = Entries("version")


CAUSES: tuple[Cause, ...] = (
    _cause(
        "h5-functional-ops",
        "The graph holds operations of keras.ops, which Keras writes into HDF5 but never reads from it",
        do.SAVE_AS_KERAS,
        "wrap each operation in a layer",
        formats=("h5",),
        saved_by="Keras 3",
        loaded_by="Keras 3",
        seen=("version", "load"),
        explanation="Operations of a functional model are no layers, and the reader of HDF5 knows layers only. "
        "Saving succeeds, and loading never does, on the same release either.",
        wording="Unknown layer: 'Relu'. Please ensure you are using a `keras.utils.custom_object_scope`",
        source="reproduced on Keras 3.2 to 3.15 with files of the same release",
    ),
    _cause(
        "h5-mixed-precision-cast",
        "Keras 3.5 to 3.9 write a Cast into the graph of a mixed precision model, which HDF5 does not bring back",
        do.SAVE_AS_KERAS,
        "save it with Keras 3.10 or later",
        formats=("h5",),
        saved_by="Keras 3.5 to 3.9",
        loaded_by="Keras 3",
        seen=("version", "load"),
        explanation="The Cast is an operation and not a layer, and the reader of HDF5 knows layers only.",
        wording="Unknown layer: 'Cast'. Please ensure you are using a `keras.utils.custom_object_scope`",
        signatures=(r"Unknown layer: '?Cast\b",),
        source="reproduced",
    ),
    _cause(
        "h5-lookup-layer",
        "HDF5 does not hold the tables of lookup layers (TextVectorization, StringLookup, IntegerLookup)",
        do.SAVE_AS_KERAS,
        "save it as a SavedModel",
        formats=("h5",),
        saved_by="Keras 3",
        loaded_by="Keras 3",
        seen=("version", "load", "predictions"),
        explanation="The words of an adapted layer are no weights. Keras 2 refuses to save such a model as HDF5; "
        "Keras 3 saves it without a word and brings it back with an empty table.",
        wording="Save or restore weights that is not an instance of `tf.Variable` is not supported in h5",
        signatures=(r"Save or restore weights that is not an instance of `tf\.Variable` is not supported in h5",),
        source="keras-team/keras#16657; tensorflow/text#980",
    ),
    _cause(
        "h5-custom-function",
        "Keras 2.13 to 2.15 and tf_keras write a custom function into HDF5 as `function`, and never find it again",
        do.SAVE_AS_KERAS,
        "make the function a layer of its own, or save the model with TensorFlow 2.12 or older",
        formats=("h5",),
        saved_by="Keras 2.13 to 2.15, tf_keras, Keras 3",
        loaded_by="Keras 2, tf_keras",
        seen=("version", "load"),
        explanation="The kind of the object is written in place of its name, so that giving the function does not"
        " help.",
        wording="Unknown activation function: 'function'. Please ensure you are using a "
        "`keras.utils.custom_object_scope`",
        signatures=(r"Unknown \w+ function: '?function\b",),
        source="reproduced on Keras 2.13 and 2.15 and tf_keras 2.21, with registered functions and with custom_objects",
    ),
    _cause(
        "h5-sequential-unbuilt",
        "The Sequential does not say the shape of its input: it has no weights yet when those of the file are read",
        "load it with the code that builds it: build the model, call it on a batch, then model.load_weights(path)",
        "give the model an Input, and save it again",
        formats=("h5",),
        saved_by="standalone Keras, early TensorFlow",
        loaded_by="any",
        seen=("load",),
        explanation="A Sequential without an input shape is built at its first call. Releases that did not note the "
        "shape of that call in the file leave nothing to build it from.",
        wording="You are trying to load a weight file containing 1 layers into a model with 0 layers",
        signatures=(r"into a model with 0 layers", r"Model expected 0 layers, found \d+ saved layers"),
        source="keras-team/keras#10417; iamaaditya/VQA_Demo#30",
    ),
    _cause(
        "h5-subclassed-unbuilt",
        "The model is of a class of the user's own, and has no weights yet when those of HDF5 are read",
        do.SAVE_AS_KERAS,
        "build the model in code, call it on a batch, then model.load_weights(path)",
        "make the layers' weights in the constructor of the class: call their build() there",
        formats=("h5",),
        saved_by="Keras 3",
        loaded_by="any",
        seen=("load",),
        explanation="HDF5 keeps how the class is made, not what it was called with. Its layers are there after "
        "loading, and have no weights before their first call. Keras 3 writes such files without a word.",
        wording="Layer count mismatch when loading weights from file. Model expected 0 layers, found 4 saved layers.",
        source="reproduced with subclassed models of Keras 3.10 and 3.15 on Keras 2.8 to 3.15",
    ),
    _cause(
        "h5-layer-count-differs",
        "The file has weights for another number of layers than the model has on this release",
        do.SAME_RELEASE,
        do.SAVE_AS_KERAS,
        formats=("h5",),
        saved_by="any",
        loaded_by="any",
        seen=("load",),
        explanation="Weights in HDF5 are matched by the order of the layers that have some. Custom layers, nested"
        " models and changed keras.applications are counted otherwise on another release.",
        wording="Layer count mismatch when loading weights from file. Model expected 110 layers, found 111 "
        "saved layers.",
        signatures=(
            r"Layer count mismatch when loading weights from file",
            r"You are trying to load a weight file containing \d+ layers",
        ),
        source="keras-team/keras#14895; tensorflow/tensorflow#55432",
    ),
    _cause(
        "h5-weight-order",
        "The weights of a nested model are stored in another order: its trainable flags differ",
        "give the layers the trainable flags they had when saved, before the weights are loaded",
        do.SAVE_AS_KERAS,
        formats=("h5",),
        saved_by="any",
        loaded_by="any",
        seen=("load",),
        explanation="The weights of a nested model are stored trainable ones first. Where the flags differ when "
        "it is loaded, weights change places: with a complaint if their shapes differ, without one if"
        " they do not.",
        wording="axes don't match array",
        signatures=(
            r"axes don't match array",
            r"Shape mismatch in layer",
            r"shape of the target variable and the shape of the target value in `variable\.assign",
            r"Layer #\d+ \(named .*expects \d+ weight",
            r"Weight count mismatch for layer #\d+",
            r"You called `set_weights\(weights\)` on (?:layer|optimizer)",
        ),
        source="keras-team/keras#10777, #12470",
    ),
    _cause(
        "h5-sequential-config-list",
        "The configuration of the Sequential is a list, as Keras 2.2.2 and older wrote it",
        "load it with TensorFlow 2.4 to 2.15, or tf_keras, and save it again",
        do.LEGACY_KERAS,
        formats=("h5",),
        saved_by="Keras 2.2.2 and older",
        loaded_by="releases that expect a dict",
        seen=("load",),
        explanation="Until 2.2.2 a Sequential was written as a list of layers. TensorFlow 2.4 and later and Keras"
        " 3 read both.",
        wording="string indices must be integers",
        signatures=(r"string indices must be integers", r"list indices must be integers or slices, not str"),
        source="keras-team/keras#11275",
    ),
    _cause(
        "constant-call-argument",
        "A constant tensor given to a layer's call was written as a number, and comes back as one",
        "make it an input of the model, or a weight of a layer",
        formats=("h5",),
        saved_by="Keras 2, tf_keras",
        loaded_by="any",
        seen=("load",),
        explanation="A mask or an initial state made of constants is written into the configuration as numbers, "
        "and layers expect tensors.",
        wording="'float' object has no attribute 'shape'",
        signatures=(r"'(?:float|int)' object has no attribute 'shape'",),
        source="keras-team/keras#17173",
    ),
    _cause(
        "custom-function-not-json",
        "Keras 3.0 to 3.10 cannot read HDF5 of Keras 2.12 and older that names a custom function, even a given one",
        "load it with Keras 3.11 or later",
        do.LEGACY_KERAS,
        formats=("h5",),
        saved_by="Keras 2.12 and older",
        loaded_by="Keras 3.0 to 3.10",
        seen=("version", "load"),
        explanation="The reader puts the function that was given into the configuration and then turns that into JSON.",
        wording="Object of type function is not JSON serializable",
        signatures=(r"Object of type function is not JSON serializable",),
        source="keras/src/legacy/saving/saving_utils.py, _find_replace_nested_dict; reproduced on Keras 3.3 and 3.10",
    ),
)
