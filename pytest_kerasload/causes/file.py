"""Causes of the ``file`` check: what is wrong with an artifact before any Keras looks at it."""

from __future__ import annotations

from pytest_kerasload.causes.cause import Cause

_COPY_AGAIN = "copy or download the artifact again from where it was released, and compare sizes and checksums"
_SAVE_AGAIN = "save the model again in the training environment, to a new name, and move it into place once it is whole"


def _cause(code: str, title: str, *remedies: str, signatures: tuple[str, ...] = (), source: str = "") -> Cause:
    return Cause(code, "file", title, remedies, signatures, source)


MISSING = _cause(
    "file-missing",
    "There is no artifact at this path",
    "check the path, and that the release step that puts the file there ran",
)
NO_PERMISSION = _cause(
    "file-no-permission",
    "The artifact cannot be read by this user",
    "give the user who runs the gate (and the one who serves the model) read access, e.g. chmod a+rX",
)
EMPTY = _cause(
    "file-empty",
    "The file has no bytes",
    _COPY_AGAIN,
    _SAVE_AGAIN,
    source="Keras 3 calls an empty .keras file 'not found' (keras/src/saving/saving_api.py)",
)
LFS_POINTER = _cause(
    "file-lfs-pointer",
    "The file is a Git LFS pointer, not the model it points to",
    "run `git lfs install && git lfs pull` in the checkout",
    "in CI, check out with LFS switched on (actions/checkout: `lfs: true`; GitLab: GIT_LFS_SKIP_SMUDGE unset)",
    source="https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md",
)
HTML_PAGE = _cause(
    "file-error-page",
    "The file is a web page or an error message of a server, not a model",
    "download it again with a tool that fails on an HTTP error (curl --fail --location) and is logged in where needed",
)
PACKED = _cause(
    "file-packed",
    "The file is an archive or compressed, and Keras loads neither",
    "unpack it and give the path of the model inside",
)
NOT_A_MODEL = _cause(
    "file-not-a-model",
    "The content is of no format that Keras saves models in",
    _COPY_AGAIN,
    "if it is something else on purpose, exclude it from the artifacts or give it another suffix",
    signatures=(r"file signature not found",),
)
NOT_A_KERAS_HDF5 = _cause(
    "file-plain-hdf5",
    "The HDF5 file holds neither a Keras model nor Keras weights",
    "exclude it from the artifacts, or give a data file a suffix other than .h5 and .hdf5",
)
NOT_A_KERAS_ZIP = _cause(
    "file-plain-zip",
    "The zip archive holds no Keras model",
    "unpack it, if the model is inside, and give the path of that",
    "exclude it from the artifacts",
)
NOT_A_SAVEDMODEL = _cause(
    "file-not-a-savedmodel",
    "The directory is no SavedModel",
    "give the path of the directory that holds saved_model.pb",
)
TRUNCATED = _cause(
    "file-truncated",
    "The file is shorter than it says it is: part of it is missing",
    _COPY_AGAIN,
    _SAVE_AGAIN,
    signatures=(r"truncated file: eof = ", r"File is not a zip file", r"unexpected end of data"),
)
CORRUPT = _cause(
    "file-corrupt",
    "The content is damaged",
    _COPY_AGAIN,
    _SAVE_AGAIN,
    signatures=(r"Bad CRC-32 for file", r"bad (?:object header|symbol table node|heap|B-tree)", r"wrong fletcher32"),
)
MEMBER_MISSING = _cause(
    "file-member-missing",
    "A part that every .keras archive has is not in this one",
    _COPY_AGAIN,
    _SAVE_AGAIN,
    signatures=(
        r"There is no item named 'config\.json' in the archive",
        r"Expected a model\.weights\.h5 or model\.weights\.npz file",
    ),
    source="reproduced on Keras 3.3 to 3.15; a missing metadata.json is tolerated",
)
HDF5_NAMED_KERAS = _cause(
    "file-hdf5-named-keras",
    "The content is HDF5 under the suffix of a .keras archive; Keras 3 goes by the suffix and refuses it",
    "rename the file to .h5",
    "save it again as .keras with Keras 2.12 or later",
    signatures=(r"Please ensure the file is an accessible `\.keras` zip file",),
    source="Keras up to 2.11 writes HDF5 for the suffix .keras (keras/saving/hdf5_format.py, is_hdf5_filepath)",
)
ZIP_NAMED_HDF5 = _cause(
    "file-keras-named-hdf5",
    "The content is a .keras archive under the suffix of HDF5; loaders that go by the suffix refuse it",
    "rename the file to .keras",
    signatures=(r"file signature not found",),
    source="reproduced on Keras 3.3 to 3.15",
)
SUFFIX = _cause(
    "file-unusual-suffix",
    "The suffix is none that Keras 3 loads models from",
    "rename the file to .h5 (HDF5) or .keras (zip archive)",
    signatures=(r"File format not supported: filepath=",),
    source="keras/src/saving/saving_api.py, load_model",
)
WEIGHTS_ONLY = _cause(
    "file-weights-only",
    "The file holds weights without an architecture: load_model has nothing to build",
    "save the whole model with model.save(path), where this came from model.save_weights or a checkpoint callback",
    "keep the weights with the code that builds their model, and exclude them here",
    signatures=(r"No model config found in the file", r"No model found in config file"),
    source="keras-team/keras#5231, #18728",
)
WEIGHTS_MISSING = _cause(
    "file-weights-missing",
    "Weights that the file lists, or its layers need, are not in it: saving stopped half way",
    _SAVE_AGAIN,
    "on Keras 3.0 to 3.2, where saving HDF5 fails half way on equal weight names, save as .keras or with Keras 3.3+",
    signatures=(r"Unable to (?:synchronously )?open object", r"Layer count mismatch when loading weights"),
    source="keras-team/keras#19375; reproduced on Keras 3.2.1",
)
UNBUILT = _cause(
    "file-unbuilt-model",
    "The model was saved before it was built: it has layers with weights, and the file has no weights",
    "call the model on a batch, or give it an Input, before it is saved",
    signatures=(
        r"You are saving a model that has not yet been built",
        r"You are trying to load a weight file containing \d+ layers into a model with 0 layers",
    ),
    source="keras/src/saving/saving_lib.py; keras-team/keras#19577, #10417",
)
CONFIG_NOT_JSON = _cause(
    "file-config-unreadable",
    "The configuration of the model is not the JSON it has to be",
    _COPY_AGAIN,
    _SAVE_AGAIN,
)
SAVED_MODEL_PB_MISSING = _cause(
    "savedmodel-pb-missing",
    "The directory has the other parts of a SavedModel, but no saved_model.pb",
    "copy the whole directory again: saved_model.pb, variables/ and assets/",
    signatures=(r"SavedModel file does not exist at:",),
    source="tensorflow/tensorflow#40991",
)
SAVED_MODEL_PB_UNREADABLE = _cause(
    "savedmodel-pb-unreadable",
    "saved_model.pb cannot be parsed",
    _COPY_AGAIN,
    "save the model again",
    signatures=(r"Cannot parse file",),
)
SAVED_MODEL_PBTXT = _cause(
    "savedmodel-pbtxt",
    "The SavedModel is in text form, and cannot be read",
    "save it again in binary form (saved_model.pb)",
)
NO_SERVE_GRAPH = _cause(
    "savedmodel-no-serve-graph",
    "None of the graphs of the SavedModel is tagged for serving",
    "export it again with the tag `serve`",
    signatures=(r"MetaGraphDef associated with tags? .* could not be found",),
    source="tensorflow/python/saved_model/loader_impl.py",
)
KERAS_METADATA_UNREADABLE = _cause(
    "savedmodel-keras-metadata-unreadable",
    "keras_metadata.pb cannot be parsed: the Keras model does not come back",
    _COPY_AGAIN,
    "load the SavedModel with tf.saved_model.load and use its signatures",
)
VARIABLES_MISSING = _cause(
    "savedmodel-variables-missing",
    "The graph has variables, and their values are not (all) in variables/",
    "copy the whole directory again, with variables/variables.index and every variables.data-… file",
    signatures=(
        r"Failed to find any matching files for .*variables/variables",
        r"Could not find (?:variable|checkpoint)",
    ),
    source="francismontalbo/fused-densenet-tiny#2",
)
VARIABLES_DAMAGED = _cause(
    "savedmodel-variables-damaged",
    "The values of the variables are damaged or cut off",
    "copy the whole directory again, and compare sizes and checksums",
    signatures=(r"Data loss: ", r"DATA_LOSS", r"Read less bytes than requested", r"not an sstable"),
    source="tensorflow/core/util/tensor_bundle/tensor_bundle.cc",
)
VARIABLES_OF_ANOTHER = _cause(
    "savedmodel-variables-of-another-save",
    "variables/ and saved_model.pb were not saved together: the model loads with the weights of another one",
    "copy the whole directory again into an empty one, so that no older variables/ stays behind",
    "if the variables were exchanged on purpose, delete fingerprint.pb, which says otherwise",
    source="keras-team/keras#4875; tensorflow/cc/saved_model/fingerprinting.cc",
)
KERAS_METADATA_MISSING = _cause(
    "savedmodel-keras-metadata-missing",
    "The SavedModel was made of Keras objects and has no keras_metadata.pb: load_model brings no Keras model back",
    "use its signatures (tf.saved_model.load), where it was exported with tf.saved_model.save",
    "copy the whole directory again, where it was saved with model.save",
    signatures=(r"lacks the Keras metadata file", r"SavedModel saved prior to TF 2\.5 detected"),
    source="FigmaAI/design-system-detector#1; seen on TF 2.6 to 2.15, where tf.saved_model.save(model) writes none",
)
ASSETS_MISSING = _cause(
    "savedmodel-assets-missing",
    "The SavedModel names files in assets/ that are not there",
    "copy the whole directory again, with assets/",
)

FILE_CAUSES: tuple[Cause, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Cause))
