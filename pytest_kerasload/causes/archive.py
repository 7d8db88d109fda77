"""Causes that lie with .keras archives."""

from __future__ import annotations

from pytest_kerasload.causes import remedies as do
from pytest_kerasload.causes.cause import Cause, Entries

_cause = Entries("version")


CAUSES: tuple[Cause, ...] = (
    _cause(
        "bidirectional-not-restored",
        "Bidirectional does not come back from .keras on Keras 3.0 to 3.2",
        "load it with Keras 3.3 or later",
        formats=("keras",),
        saved_by="Keras 3",
        loaded_by="Keras 3.0 to 3.2",
        seen=("version", "load"),
        explanation="These releases build the layers inside twice, and the weights go to variables that nothing uses.",
        wording="Layer 'lstm_cell' expected 3 variables, but received 0 variables during loading. Expected: "
        "['kernel', 'recurrent_kernel', 'bias']",
        signatures=(r"Layer 'lstm_cell' expected 3 variables, but received 0 variables",),
        source="tensorflow/tensorflow#65395; keras-team/keras#19615",
    ),
    _cause(
        "weights-not-found-in-archive",
        "A layer does not find its weights in the archive",
        do.SAME_RELEASE,
        "build sublayers in build(), and keep the names of attributes that hold them",
        formats=("keras",),
        saved_by="any",
        loaded_by="any",
        seen=("load",),
        explanation="Weights in an archive are found by the names of the attributes that hold their layers. "
        "Renamed attributes and sublayers that are made in call() lose them.",
        wording="Layer 'dense' expected 2 variables, but received 0 variables during loading. Expected: "
        "['kernel', 'bias']",
        signatures=(
            r"expected \d+ variables, but received \d+ variables during loading",
            r"objects could not be loaded",
            r"was never built and thus it doesn't have any variables",
            r"KeyError: [\"']Unable to (?:synchronously )?open object",
        ),
        source="keras-team/tf-keras#664; keras-team/keras#19615, #18823",
    ),
    _cause(
        "text-vectorization-tf-idf",
        "An adapted tf_idf TextVectorization does not come back on this release",
        "load it with a newer Keras release (keras-team/keras PR #22330)",
        formats=("keras",),
        saved_by="any",
        loaded_by="Keras 3.0 to 3.13",
        seen=("version", "load"),
        explanation="The weights of the words are read, and forgotten when the words are set.",
        wording="object of type 'bool' has no len()",
        signatures=(r"object of type 'bool' has no len\(\)",),
        source="keras-team/keras#22004, PR #22330",
    ),
    _cause(
        "vocabulary-file-missing",
        "A lookup layer was saved with the path of a vocabulary file, not with its words",
        "save it again with Keras 3.12 or later, or ship the vocabulary file with the artifact",
        formats=("keras",),
        saved_by="Keras 3.0 to 3.11, Keras 2, tf_keras",
        loaded_by="any",
        seen=("load",),
        explanation="The layer was given the path of a file, and only the path is in the artifact. Keras 3.12 and"
        " later write the words, and refuse files outside the archive.",
        wording="Vocabulary file /data/words.txt does not exist.",
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
        "put the weights of a file of 2.13 where this release looks for them: python -m pytest_kerasload repair IN OUT "
        "--for=keras==3.15.1",
        "copy the weights: new.set_weights(old.get_weights())",
        formats=("keras",),
        saved_by="Keras 2.12 and 2.13, or 2.14 and later",
        loaded_by="the other side of 2.14; Keras 3 for the second layer of a class",
        seen=("version", "load"),
        explanation="Keras 2.14 renamed the groups that hold the weights. Keras 3 looks in both places, but "
        "numbers layers of one class in its own way.",
        wording="Layer 'conv2d_1' expected 2 variables, but received 0 variables during loading. Expected: "
        "['kernel', 'bias']",
        source="keras-team/keras#18830; tensorflow/tensorflow#62363",
    ),
    _cause(
        "keras3-weights-layout",
        "Keras 2 and Keras 3 put the weights of a custom model or layer in other places, and do not find those of the "
        "other",
        do.SAME_RELEASE,
        "copy the weights: new.set_weights(old.get_weights())",
        formats=("keras",),
        saved_by="Keras 3; Keras 2, tf_keras",
        loaded_by="Keras 2, tf_keras; Keras 3",
        seen=("load",),
        explanation="Where the class is the user's own, the configuration can be read by both; the weights lie "
        "under other names.",
        wording="Layer 'dense' expected 2 variables, but received 0 variables during loading. Expected: "
        "['kernel', 'bias']",
        source="reproduced with subclassed models of Keras 3 on Keras 2.15, and of tf_keras 2.21 on Keras 3.15",
    ),
    _cause(
        "keras-zip-in-old-tensorflow",
        "TensorFlow 2.11 and older take a .keras file for HDF5, and this one is an archive",
        "load it with TensorFlow 2.13 or later",
        "save it as HDF5 for older releases",
        formats=("keras",),
        saved_by="Keras 2.12 and later",
        loaded_by="TensorFlow 2.11 and older",
        seen=("version", "load"),
        explanation="The suffix meant HDF5 before the archive was invented.",
        wording="Unable to open file (file signature not found)",
        source="keras-team/keras#21663",
    ),
)
