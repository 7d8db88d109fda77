"""Causes of the ``file`` check: what is wrong with an artifact before any Keras looks at it."""

from __future__ import annotations

from pytest_kerasload.causes.cause import Cause, Entries

COPY_AGAIN = "copy or download the artifact again from where it was released, and compare sizes and checksums"
_SAVE_AGAIN = "save the model again in the training environment, to a new name, and move it into place once it is whole"


_cause = Entries("file", seen=("file",))


MISSING = _cause(
    "file-missing",
    "There is no artifact at this path",
    "check the path, and that the release step that puts the file there ran",
    explanation="Nothing is at the path that was given, or the artifact was removed while the gate ran.",
)
NO_PERMISSION = _cause(
    "file-no-permission",
    "The artifact cannot be read by this user",
    "give the user who runs the gate (and the one who serves the model) read access, e.g. chmod a+rX",
    explanation="The file or directory is there, and the operating system does not let this user read it. A "
    "service that runs as another user may meet the same.",
)
CHANGED = _cause(
    "file-changed",
    "The artifact changed while it was checked",
    "check it once nothing writes to it any more: a release is written to another name and moved into place",
    "check a copy, where something writes there all the time",
    seen=("file", "safety", "load", "roundtrip", "predictions"),
    explanation="What was read and found to be safe is not what lies there now. No answer would be about either of the "
    "two, so there is none; a file that was only touched, and has the same content, does not count.",
)
EMPTY = _cause(
    "file-empty",
    "The file has no bytes",
    COPY_AGAIN,
    _SAVE_AGAIN,
    explanation='Saving or copying stopped before the first byte was written. Keras calls such a file "not found".',
    wording="File not found: filepath=model.keras. Please ensure the file is an accessible `.keras` zip file.",
    source="Keras 3 calls an empty .keras file 'not found' (keras/src/saving/saving_api.py)",
)
LFS_POINTER = _cause(
    "file-lfs-pointer",
    "The file is a Git LFS pointer, not the model it points to",
    "run `git lfs install && git lfs pull` in the checkout",
    "in CI, check out with LFS switched on (actions/checkout: `lfs: true`; GitLab: GIT_LFS_SKIP_SMUDGE unset)",
    formats=("h5", "keras"),
    explanation="The checkout was made without Git LFS, so that a text of some 130 bytes stands where the "
    "model should be.",
    wording="Unable to synchronously open file (file signature not found)",
    source="https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md",
)
HTML_PAGE = _cause(
    "file-error-page",
    "The file is a web page or an error message of a server, not a model",
    "download it again with a tool that fails on an HTTP error (curl --fail --location) and is logged in where needed",
    formats=("h5", "keras"),
    explanation="A download was answered with a page (a login, an error 404) that was stored under the model's name.",
    wording="Unable to synchronously open file (file signature not found)",
)
PACKED = _cause(
    "file-packed",
    "The file is an archive or compressed, and Keras loads neither",
    "unpack it and give the path of the model inside",
    explanation="Loaders of Keras open HDF5 files, .keras archives and SavedModel directories, and nothing "
    "that is packed once more.",
)
NOT_A_MODEL = _cause(
    "file-not-a-model",
    "The content is of no format that Keras saves models in",
    COPY_AGAIN,
    "if it is something else on purpose, exclude it from the artifacts or give it another suffix",
    explanation="The first bytes are neither those of HDF5 nor those of a zip archive, and nothing else that is known.",
    wording="Unable to synchronously open file (file signature not found)",
    signatures=(r"file signature not found",),
)
NOT_A_KERAS_HDF5 = _cause(
    "file-plain-hdf5",
    "The HDF5 file holds neither a Keras model nor Keras weights",
    "exclude it from the artifacts, or give a data file a suffix other than .h5 and .hdf5",
    formats=("h5",),
    explanation="HDF5 holds any data. This file has no attributes and groups of the kind that Keras writes.",
)
NOT_A_KERAS_ZIP = _cause(
    "file-plain-zip",
    "The zip archive holds no Keras model",
    "unpack it, if the model is inside, and give the path of that",
    "exclude it from the artifacts",
    formats=("keras",),
    explanation="The archive has neither a config.json nor weights under the names that Keras gives them.",
)
NOT_A_SAVEDMODEL = _cause(
    "file-not-a-savedmodel",
    "The directory is no SavedModel",
    "give the path of the directory that holds saved_model.pb",
    formats=("savedmodel",),
    explanation="Nothing in the directory is what TensorFlow writes when it saves a model.",
)
TRUNCATED = _cause(
    "file-truncated",
    "The file is shorter than it says it is: part of it is missing",
    COPY_AGAIN,
    _SAVE_AGAIN,
    formats=("h5", "keras"),
    explanation="A copy or download stopped early, or the disk was full. HDF5 and zip both say how long they are.",
    wording="Unable to open file (truncated file: eof = 96, stored_eof = 2048)",
    signatures=(r"truncated file: eof = ", r"File is not a zip file", r"unexpected end of data"),
)
CORRUPT = _cause(
    "file-corrupt",
    "The content is damaged",
    COPY_AGAIN,
    _SAVE_AGAIN,
    formats=("h5", "keras"),
    explanation="Checksums or structures inside the file do not fit. What can still be read of it cannot be relied on.",
    wording="Bad CRC-32 for file 'model.weights.h5'",
    signatures=(r"Bad CRC-32 for file", r"bad (?:object header|symbol table node|heap|B-tree)", r"wrong fletcher32"),
)
MEMBER_MISSING = _cause(
    "file-member-missing",
    "A part that every .keras archive has is not in this one",
    COPY_AGAIN,
    _SAVE_AGAIN,
    formats=("keras",),
    explanation="A .keras archive needs its configuration and its weights; only metadata.json may be missing.",
    wording="There is no item named 'config.json' in the archive",
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
    formats=("h5",),
    saved_by="Keras up to 2.11 under the suffix .keras, or a renamed file",
    loaded_by="Keras 3; Keras 2.13 to 2.15 go by the content",
    seen=("file", "load"),
    explanation='Keras 3 goes by the suffix alone, and says "not found" about a file that is there. The '
    "content is sound.",
    wording="File not found: filepath=model.keras. Please ensure the file is an accessible `.keras` zip file.",
    signatures=(r"Please ensure the file is an accessible `\.keras` zip file",),
    source="Keras up to 2.11 writes HDF5 for the suffix .keras (keras/saving/hdf5_format.py, is_hdf5_filepath)",
)
ZIP_NAMED_HDF5 = _cause(
    "file-keras-named-hdf5",
    "The content is a .keras archive under the suffix of HDF5; loaders that go by the suffix refuse it",
    "rename the file to .keras",
    formats=("keras",),
    saved_by="Keras 2.12 and later",
    loaded_by="any",
    seen=("file", "load"),
    explanation="The loader takes the file for HDF5 because of its suffix. The content is sound.",
    wording="Unable to synchronously open file (file signature not found)",
    signatures=(r"file signature not found",),
    source="reproduced on Keras 3.3 to 3.15",
)
SUFFIX = _cause(
    "file-unusual-suffix",
    "The suffix is none that Keras 3 loads models from",
    "rename the file to .h5 (HDF5) or .keras (zip archive)",
    formats=("h5", "keras"),
    loaded_by="Keras 3",
    seen=("file", "load"),
    explanation="Keras 3 chooses the loader by the suffix, where Keras 2 looks into the file.",
    wording="File format not supported: filepath=model.model. Keras 3 only supports V3 `.keras` files and"
    " legacy H5 format files",
    signatures=(r"File format not supported: filepath=",),
    source="keras/src/saving/saving_api.py, load_model",
)
WEIGHTS_ONLY = _cause(
    "file-weights-only",
    "The file holds weights without an architecture: load_model has nothing to build",
    "save the whole model with model.save(path), where this came from model.save_weights or a checkpoint callback",
    "keep the weights with the code that builds their model, and exclude them here",
    formats=("h5", "keras", "weights"),
    seen=("file", "load"),
    explanation="The file was written by save_weights or by a checkpoint callback. It needs the code that "
    "builds the model, in the version it had then: keras.applications changed MobileNetV3 and "
    "EfficientNet between releases, and the same weights then give other results without a word.",
    wording="No model config found in the file at <_io.BufferedReader name='weights.h5'>",
    signatures=(r"No model config found in the file", r"No model found in config file"),
    source="keras-team/keras#5231, #18728",
)
WEIGHTS_MISSING = _cause(
    "file-weights-missing",
    "Weights that the file lists, or its layers need, are not in it: saving stopped half way",
    _SAVE_AGAIN,
    "on Keras 3.0 to 3.2, where saving HDF5 fails half way on equal weight names, save as .keras or with Keras 3.3+",
    formats=("h5", "keras"),
    saved_by="Keras 3.0 to 3.2 where saving HDF5 failed; any that was interrupted",
    loaded_by="any",
    seen=("file", "load"),
    explanation="The configuration is whole and the weights are not: the writer failed between the two and "
    "left the file behind.",
    wording="\"Unable to synchronously open object (object 'input_layer_15' doesn't exist)\"",
    signatures=(r"Unable to (?:synchronously )?open object", r"Layer count mismatch when loading weights"),
    source="keras-team/keras#19375; reproduced on Keras 3.2.1",
)
UNBUILT = _cause(
    "file-unbuilt-model",
    "The model was saved before it was built: it has layers with weights, and the file has no weights",
    "call the model on a batch, or give it an Input, before it is saved",
    formats=("h5", "keras"),
    seen=("file", "load"),
    explanation="A model that was never called has no weights to save. What loads has new, random ones, and "
    "nothing says so.",
    wording="You are saving a model that has not yet been built. It might not contain any weights yet.",
    signatures=(r"You are saving a model that has not yet been built",),
    source="keras/src/saving/saving_lib.py; keras-team/keras#19577, #10417",
)
CONFIG_NOT_JSON = _cause(
    "file-config-unreadable",
    "The configuration of the model is not the JSON it has to be",
    COPY_AGAIN,
    _SAVE_AGAIN,
    formats=("h5", "keras"),
    explanation="The text that describes the model is cut off or is not JSON, so that no loader can build it.",
)

CAUSES: tuple[Cause, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Cause))
