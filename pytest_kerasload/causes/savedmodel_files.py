"""Causes of the ``file`` check that lie with the parts of a SavedModel directory."""

from __future__ import annotations

from pytest_kerasload.causes.cause import Cause, Entries
from pytest_kerasload.causes.file import COPY_AGAIN

_cause = Entries("file", seen=("file",))

SAVED_MODEL_PB_MISSING = _cause(
    "savedmodel-pb-missing",
    "The directory has the other parts of a SavedModel, but no saved_model.pb",
    "copy the whole directory again: saved_model.pb, variables/ and assets/",
    formats=("savedmodel",),
    loaded_by="any",
    explanation="variables/ or assets/ were copied without the graph they belong to.",
    wording="SavedModel file does not exist at: model/{saved_model.pbtxt|saved_model.pb}",
    signatures=(r"SavedModel file does not exist at:",),
    source="tensorflow/tensorflow#40991",
)
SAVED_MODEL_PB_UNREADABLE = _cause(
    "savedmodel-pb-unreadable",
    "saved_model.pb cannot be parsed",
    COPY_AGAIN,
    "save the model again",
    formats=("savedmodel",),
    loaded_by="any",
    explanation="The file is damaged, cut off, or something else under that name.",
    wording="Cannot parse file b'model/saved_model.pb'",
    signatures=(r"Cannot parse file",),
)
SAVED_MODEL_PBTXT = _cause(
    "savedmodel-pbtxt",
    "The SavedModel is in text form, and cannot be read",
    "save it again in binary form (saved_model.pb)",
    formats=("savedmodel",),
    explanation="TensorFlow can read the text form, but nothing that serves models does, and this gate does not.",
)
NO_SERVE_GRAPH = _cause(
    "savedmodel-no-serve-graph",
    "None of the graphs of the SavedModel is tagged for serving",
    "export it again with the tag `serve`",
    formats=("savedmodel",),
    loaded_by="any",
    explanation="Graphs in a SavedModel have tags, and loaders take the one tagged `serve`. Exports of "
    "TensorFlow 1 for training only have none.",
    wording="MetaGraphDef associated with tags {'serve'} could not be found in SavedModel",
    signatures=(r"MetaGraphDef associated with tags? .* could not be found",),
    source="tensorflow/python/saved_model/loader_impl.py",
)
KERAS_METADATA_UNREADABLE = _cause(
    "savedmodel-keras-metadata-unreadable",
    "keras_metadata.pb cannot be parsed: the Keras model does not come back",
    COPY_AGAIN,
    "load the SavedModel with tf.saved_model.load and use its signatures",
    formats=("savedmodel",),
    saved_by="TensorFlow 2.5 to 2.15, tf_keras",
    loaded_by="Keras 2, tf_keras",
    explanation="The graph may be whole, but what Keras needs to make its layers again is damaged.",
)
VARIABLES_MISSING = _cause(
    "savedmodel-variables-missing",
    "The graph has variables, and their values are not (all) in variables/",
    "copy the whole directory again, with variables/variables.index and every variables.data-… file",
    formats=("savedmodel",),
    loaded_by="any",
    explanation="The graph names variables whose values lie in variables/, and that directory or some of its "
    "files are missing.",
    wording="Unsuccessful TensorSliceReader constructor: Failed to find any matching files for "
    "model/variables/variables",
    signatures=(
        r"Failed to find any matching files for .*variables/variables",
        r"Could not find checkpoint",
    ),
    source="francismontalbo/fused-densenet-tiny#2",
)
VARIABLES_DAMAGED = _cause(
    "savedmodel-variables-damaged",
    "The values of the variables are damaged or cut off",
    "copy the whole directory again, and compare sizes and checksums",
    formats=("savedmodel",),
    loaded_by="any",
    seen=("file", "load"),
    explanation="The values of the variables fail their checksums or end too early.",
    wording="Data loss: file is too short to be an sstable",
    signatures=(r"Data loss: ", r"DATA_LOSS", r"Read less bytes than requested", r"not an sstable"),
    source="tensorflow/core/util/tensor_bundle/tensor_bundle.cc",
)
VARIABLES_OF_ANOTHER = _cause(
    "savedmodel-variables-of-another-save",
    "variables/ and saved_model.pb were not saved together: the model loads with the weights of another one",
    "copy the whole directory again into an empty one, so that no older variables/ stays behind",
    "if the variables were exchanged on purpose, delete fingerprint.pb, which says otherwise",
    formats=("savedmodel",),
    saved_by="TensorFlow 2.11 and later (older ones write no fingerprint)",
    loaded_by="any",
    explanation="A new saved_model.pb was copied over an older directory, or the other way round. It loads "
    "without a word and predicts with the weights of another model.",
    source="keras-team/keras#4875; tensorflow/cc/saved_model/fingerprinting.cc",
)
KERAS_METADATA_MISSING = _cause(
    "savedmodel-keras-metadata-missing",
    "The SavedModel was made of Keras objects and has no keras_metadata.pb: load_model brings no Keras model back",
    "use its signatures (tf.saved_model.load), where it was exported with tf.saved_model.save",
    "copy the whole directory again, where it was saved with model.save",
    formats=("savedmodel",),
    saved_by="TensorFlow 2.5 to 2.15, tf_keras",
    loaded_by="Keras 2, tf_keras",
    explanation="tf.saved_model.save writes no keras_metadata.pb, and an incomplete copy loses it. The graph "
    "still answers through its signatures.",
    wording="SavedModel saved prior to TF 2.5 detected when loading Keras model.",
    signatures=(r"lacks the Keras metadata file", r"SavedModel saved prior to TF 2\.5 detected"),
    source="FigmaAI/design-system-detector#1; seen on TF 2.6 to 2.15, where tf.saved_model.save(model) writes none",
)
ASSETS_MISSING = _cause(
    "savedmodel-assets-missing",
    "The SavedModel names files in assets/ that are not there",
    "copy the whole directory again, with assets/",
    formats=("savedmodel",),
    loaded_by="any",
    explanation="Vocabularies and other files that the graph reads are stored in assets/; without them its "
    "tables stay empty or loading fails.",
)

CAUSES: tuple[Cause, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Cause))
