"""Causes that lie with HDF5 and .keras archives, and with the code of Lambda layers in them."""

from __future__ import annotations

from pytest_kerasload.causes import remedies as do
from pytest_kerasload.causes.cause import Cause


def _cause(code: str, title: str, *remedies: str, signatures: tuple[str, ...] = (), source: str = "") -> Cause:
    return Cause(code, "version", title, remedies, signatures, source)


CAUSES: tuple[Cause, ...] = (
    _cause(
        "h5-functional-ops",
        "The graph holds operations of keras.ops, which Keras writes into HDF5 but never reads from it",
        do.SAVE_AS_KERAS,
        "wrap each operation in a layer",
        signatures=(),
        source="reproduced on Keras 3.2 to 3.15 with files of the same release",
    ),
    _cause(
        "h5-mixed-precision-cast",
        "Keras 3.5 to 3.9 write a Cast into the graph of a mixed precision model, which HDF5 does not bring back",
        do.SAVE_AS_KERAS,
        "save it with Keras 3.10 or later",
        signatures=(r"Unknown layer: '?Cast\b",),
        source="reproduced",
    ),
    _cause(
        "h5-lookup-layer",
        "HDF5 does not hold the tables of lookup layers (TextVectorization, StringLookup, IntegerLookup)",
        do.SAVE_AS_KERAS,
        "save it as a SavedModel",
        signatures=(r"Save or restore weights that is not an instance of `tf\.Variable` is not supported in h5",),
        source="keras-team/keras#16657; tensorflow/text#980",
    ),
    _cause(
        "h5-custom-function",
        "Keras 2.13 to 2.15 and tf_keras write a custom function into HDF5 as `function`, and never find it again",
        do.SAVE_AS_KERAS,
        "make the function a layer of its own, or save the model with TensorFlow 2.12 or older",
        signatures=(r"Unknown \w+ function: 'function'",),
        source="reproduced on Keras 2.13 and 2.15 and tf_keras 2.21, with registered functions and with custom_objects",
    ),
    _cause(
        "h5-layer-count-differs",
        "The file has weights for another number of layers than the model has on this release",
        do.SAME_RELEASE,
        do.SAVE_AS_KERAS,
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
        signatures=(
            r"axes don't match array",
            r"Shape mismatch in layer",
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
        signatures=(r"string indices must be integers", r"list indices must be integers or slices, not str"),
        source="keras-team/keras#11275",
    ),
    _cause(
        "constant-call-argument",
        "A constant tensor given to a layer's call was written as a number, and comes back as one",
        "make it an input of the model, or a weight of a layer",
        signatures=(r"'(?:float|int)' object has no attribute 'shape'",),
        source="keras-team/keras#17173",
    ),
    _cause(
        "custom-function-not-json",
        "Keras 3.0 to 3.10 cannot read HDF5 of Keras 2.12 and older that names a custom function, even a given one",
        "load it with Keras 3.11 or later",
        do.LEGACY_KERAS,
        signatures=(r"Object of type function is not JSON serializable",),
        source="keras/src/legacy/saving/saving_utils.py, _find_replace_nested_dict; reproduced on Keras 3.3 and 3.10",
    ),
    _cause(
        "weights-not-found-in-archive",
        "A layer does not find its weights in the archive",
        do.SAME_RELEASE,
        "build sublayers in build(), and keep the names of attributes that hold them",
        signatures=(
            r"expected \d+ variables, but received \d+ variables during loading",
            r"objects could not be loaded",
            r"was never built and thus it doesn't have any variables",
            r"KeyError: [\"']Unable to (?:synchronously )?open object",
        ),
        source="keras-team/tf-keras#664; keras-team/keras#19615, #18823",
    ),
    _cause(
        "bidirectional-not-restored",
        "Bidirectional does not come back from .keras on Keras 3.0 to 3.2",
        "load it with Keras 3.3 or later",
        signatures=(r"Layer 'lstm_cell' expected 3 variables, but received 0 variables",),
        source="tensorflow/tensorflow#65395; keras-team/keras#19615",
    ),
    _cause(
        "text-vectorization-tf-idf",
        "An adapted tf_idf TextVectorization does not come back on this release",
        "load it with a newer Keras release (keras-team/keras PR #22330)",
        signatures=(r"object of type 'bool' has no len\(\)",),
        source="keras-team/keras#22004, PR #22330",
    ),
    _cause(
        "vocabulary-file-missing",
        "A lookup layer was saved with the path of a vocabulary file, not with its words",
        "save it again with Keras 3.12 or later, or ship the vocabulary file with the artifact",
        signatures=(
            r"Loading vocabulary files outside of the model archive",
            r"Vocabulary file .* does not exist",
        ),
        source="keras-team/keras PR #21751",
    ),
    _cause(
        "keras213-weights-layout",
        "Keras 2.13 and older keep weights of .keras files in other places than newer releases, which do not find them",
        "load it with a release on the same side of 2.14 as the one that saved it, and save it as HDF5",
        "copy the weights: new.set_weights(old.get_weights())",
        signatures=(),
        source="keras-team/keras#18830; tensorflow/tensorflow#62363",
    ),
    _cause(
        "keras3-weights-layout",
        "Keras 2 and tf_keras do not find weights of a custom model or layer where Keras 3 puts them",
        do.SAME_RELEASE,
        "copy the weights: new.set_weights(old.get_weights())",
        source="reproduced with subclassed models of Keras 3 on Keras 2.15",
    ),
    _cause(
        "keras-zip-in-old-tensorflow",
        "TensorFlow 2.11 and older take a .keras file for HDF5, and this one is an archive",
        "load it with TensorFlow 2.13 or later",
        "save it as HDF5 for older releases",
        source="keras-team/keras#21663",
    ),
    _cause(
        "lambda-restored-as-string",
        "The function of a Lambda comes back as its name",
        "give the function with --keras-custom-objects=package.module:name",
        "replace the Lambda by a registered layer",
        signatures=(r"'str' object is not callable",),
        source="tensorflow/tensorflow#58691",
    ),
    _cause(
        "lambda-python-version",
        "The bytecode of a Lambda belongs to another Python release, and cannot run on this one",
        "load it with the Python release that saved it",
        "replace the Lambda by a registered function or layer",
        signatures=(
            r"bad marshal data",
            r"EOF read where object expected",
            r"unknown opcode",
            r"code\(?\)? (?:expected|argument)|code expected at \w+ \d+ arguments",
        ),
        source="keras-team/keras#14875, #7440; a lambda of Python 3.11 on 3.13 is a segmentation fault; reproduced",
    ),
    _cause(
        "lambda-call-fails",
        "A Lambda comes back, and its function fails when this release calls it",
        do.LEGACY_KERAS,
        "replace the Lambda by a registered layer",
        signatures=(
            r"Exception encountered when calling Lambda\.call\(\)",
            r'Exception encountered when calling layer "[^"]*" \(type Lambda\)',
        ),
        source="reproduced on Keras 3.3",
    ),
)
