"""Causes of the ``safety`` check: what an artifact could do to the machine that loads it."""

from __future__ import annotations

from pytest_kerasload.causes.cause import Cause, Entries

_FROM_SOURCE = "save the model again from code you can read, and release that file"
NOT_BY_KERAS = "no release of Keras writes this: do not load the file before it is clear where it comes from"


_cause = Entries("safety", seen=("safety",))


LAMBDA_BYTECODE = _cause(
    "lambda-bytecode",
    "The artifact carries Python bytecode, which runs when the model is loaded and called",
    "replace the lambda by a function or layer registered with register_keras_serializable, and save again",
    formats=("h5", "keras", "savedmodel"),
    saved_by="any",
    loaded_by="refused by Keras 2.13 and later for .keras, by Keras 3.11.3 and later for HDF5 too",
    seen=("safety", "load"),
    explanation="Whoever made the file decides what the bytecode does, with the rights of the process that "
    "loads it. HDF5 and SavedModels ran it without asking until Keras 3.11.3.",
    wording="Requested the deserialization of a `Lambda` layer whose `function` is a Python lambda.",
    signatures=(
        r"is a Python lambda\. Deserializing it is unsafe",
        r"Requested the deserialization of a `Lambda` layer",
        r"Requested the deserialization of a Python lambda",
    ),
    source="CVE-2024-3660, CVE-2025-9905, CVE-2026-12481; safe_mode never covers .h5 and SavedModels of Keras 2",
)
CODE_REFERENCE = _cause(
    "code-reference",
    "The configuration names a function or class outside Keras that loading would import and call",
    NOT_BY_KERAS,
    "register the function with register_keras_serializable, and save again",
    formats=("h5", "keras"),
    saved_by="other tools",
    loaded_by="run by Keras 3.0 to 3.7, Keras 2.13 and later, tf_keras",
    seen=("safety", "load"),
    explanation="A module and a name in the configuration are imported and called: any function of the "
    "machine can be named.",
    wording="Could not deserialize 'os.system' because it is not a KerasSaveable subclass",
    signatures=(r"Could not locate function '", r"is not a KerasSaveable subclass"),
    source="CVE-2025-1550 (Keras 3.0 to 3.7); tf_keras 2.21 and Keras 2.13+ resolve any module (tf-keras PR #910)",
)
KERAS_GADGET = _cause(
    "keras-gadget",
    "The configuration names a function of Keras that is no part of a model: it fetches, loads or saves files",
    NOT_BY_KERAS,
    formats=("h5", "keras"),
    saved_by="other tools",
    loaded_by="run by Keras 3.0 to 3.10",
    seen=("safety", "load"),
    explanation="Until 3.11 anything under keras was allowed, also functions that download, unpack or switch "
    "safe_mode off.",
    wording="Could not deserialize 'keras.utils.get_file' because it is not a modeling function",
    signatures=(r"because it is not a modeling function",),
    source="CVE-2025-8747, CVE-2025-9906; keras.datasets stays open in Keras 3.15.1",
)
EXTERNAL_MODEL = _cause(
    "external-savedmodel",
    "A TFSMLayer loads another SavedModel, from outside the artifact, and runs its graph",
    "check that SavedModel too, and load it by your own code instead of through the configuration",
    formats=("h5", "keras"),
    saved_by="any",
    loaded_by="refused by recent Keras 3",
    seen=("safety", "load"),
    explanation="What is checked and released is not what runs: the SavedModel lies at a path outside the artifact.",
    wording="Requested the deserialization of a `TFSMLayer`, which loads an external SavedModel.",
    signatures=(r"Requested the deserialization of a `TFSMLayer`",),
    source="CVE-2026-1462; keras PR #23654 for TFSMLayer named as a function",
)
TORCH_PICKLE = _cause(
    "torch-pickle",
    "A TorchModuleWrapper carries a pickled PyTorch module, and unpickling runs code",
    "wrap the module in a layer that builds it from arguments, and save again",
    formats=("keras",),
    saved_by="any with PyTorch",
    loaded_by="Keras 3.11.0 to 3.11.2 without asking",
    seen=("safety", "load"),
    explanation="Unpickling is running code. It is refused by other releases unless asked for.",
    wording="Requested the deserialization of a `torch.nn.Module` object via `torch.load()`.",
    signatures=(r"Requested the deserialization of a `torch\.nn\.Module`",),
    source="CVE-2025-49655 (Keras 3.11.0 to 3.11.2)",
)
PICKLED_WEIGHTS = _cause(
    "pickled-weights",
    "Weights are stored as pickled objects, and unpickling runs code",
    "save the model again with its weights as HDF5, which is what model.save does",
    formats=("keras",),
    saved_by="other tools",
    loaded_by="Keras 3.0 to 3.8",
    explanation="Arrays of objects in an .npz are pickles, and unpickling is running code.",
    wording="Object arrays cannot be loaded when allow_pickle=False",
    signatures=(r"Object arrays cannot be loaded when allow_pickle=False",),
    source="Keras 3.0 to 3.8 unpickle the dicts in model.weights.npz (keras commit 57c94f305c)",
)
PICKLED_VALUE = _cause(
    "pickled-value",
    "The configuration holds pickled data; a custom class that unpickles it runs whatever code is in it",
    "let get_config return plain values, and save again",
    formats=("h5", "keras", "savedmodel"),
    saved_by="custom classes",
    loaded_by="any",
    explanation="Base64 or hexadecimal text that begins as a pickle does is data for pickle.loads, in code of"
    " the user's own.",
)
VOCABULARY_FILE = _cause(
    "vocabulary-file",
    "A vocabulary is given as a path, which loading opens on the machine that loads, or fetches",
    "build the layer from a list of words (or adapt it), and save again: the vocabulary is then in the artifact",
    formats=("h5", "keras", "savedmodel"),
    saved_by="Keras 2, tf_keras, Keras 3.0 to 3.11",
    loaded_by="refused by Keras 3.12 and later",
    seen=("safety", "load"),
    explanation="The path is opened wherever the model is loaded: it is missing there, or is a file that was "
    "not meant to be read.",
    wording="Requested the loading of a vocabulary file outside of the model archive",
    signatures=(r"Requested the loading of a vocabulary file", r"Vocabulary file .* does not exist"),
    source="CVE-2025-12058 (fixed in Keras 3.12); Keras 2 and tf_keras open the path",
)
OPERATION_LAYER = _cause(
    "unsafe-operation-layer",
    "A layer made from a TensorFlow function (TFOpLambda and its kin) calls one that is no tensor operation",
    NOT_BY_KERAS,
    formats=("h5", "keras"),
    saved_by="other tools",
    loaded_by="Keras 2, tf_keras",
    explanation="Any function under tensorflow can be named, also those that write files.",
    source="reproduced on tf.keras 2.10.1 and tf_keras 2.21.0: the function is called while the model is rebuilt",
)
HDF5_EXTERNAL = _cause(
    "hdf5-external-data",
    "The HDF5 content takes data from other files of the machine that loads it",
    NOT_BY_KERAS,
    "copy the data into the file: h5repack, or h5py with the datasets read and written again",
    formats=("h5", "keras"),
    saved_by="other tools",
    loaded_by="any but Keras 3.13.2 and later",
    explanation="Links and external storage make weights out of files of the machine that loads, which then "
    "leave it with the model.",
    wording="Not allowed: H5 file with ExternalLink",
    signatures=(r"Not allowed: H5 file with (?:ExternalLink|external|virtual)",),
    source="CVE-2026-1669 (Keras up to 3.13.1); Keras 2 and tf_keras 2.21 follow links and external storage",
)
HDF5_SOFT_LINK = _cause(
    "hdf5-soft-link",
    "The HDF5 content has soft links, which Keras never writes and Keras 3.14+ refuses",
    "copy the data into the file with h5repack",
    formats=("h5", "keras"),
    saved_by="other tools",
    loaded_by="refused by Keras 3.14 and later",
    explanation="A soft link is another name for a dataset in the same file. It is harmless, and newer "
    "releases refuse it.",
    wording="Not allowed: H5 file with SoftLink",
    signatures=(r"Not allowed: H5 file with SoftLink",),
    source="keras PR #22900",
)
HDF5_CYCLE = _cause(
    "hdf5-cycle",
    "A group of the HDF5 content is inside itself: a reader that walks the groups does not come to an end",
    NOT_BY_KERAS,
    formats=("h5", "keras"),
    saved_by="other tools",
    loaded_by="any",
    explanation="Groups can be linked into themselves, and whoever follows the links goes on for ever.",
)
HDF5_BOMB = _cause(
    "hdf5-shape-bomb",
    "HDF5 datasets claim far more memory than there are bytes stored for them",
    NOT_BY_KERAS,
    formats=("h5", "keras"),
    saved_by="other tools",
    loaded_by="any but recent Keras 3",
    explanation="A dataset without stored bytes can claim any shape, and reading it takes that much memory.",
    wording="refusing to load a potential decompression/shape bomb",
    signatures=(r"refusing to load a potential decompression/shape bomb", r"Unable to allocate .* for an array"),
    source="CVE-2026-0897, CVE-2026-12570, keras PR #23100",
)
HDF5_FILTER = _cause(
    "hdf5-filter-plugin",
    "HDF5 datasets are packed by a filter that HDF5 takes from a plugin library of the machine",
    "write the file again without the filter: h5repack -f NONE",
    formats=("h5", "keras"),
    saved_by="any",
    loaded_by="any",
    explanation="Only a machine with that library can read the file, and it loads native code to do so.",
    source="registered filters above 256 are dynamically loaded (HDF5 Dynamically Loaded Filters)",
)
ARCHIVE_BOMB = _cause(
    "archive-bomb",
    "The archive unfolds to far more than its size",
    NOT_BY_KERAS,
    formats=("keras",),
    saved_by="other tools",
    loaded_by="any",
    explanation="A few kilobytes can unfold to as many gigabytes. Keras itself does not compress.",
    wording="refusing to extract a potential decompression bomb",
    signatures=(r"refusing to (?:load|extract) a potential decompression bomb",),
    source="keras PRs #23010, #23101; Keras stores members uncompressed",
)
PATH_TRAVERSAL = _cause(
    "path-traversal",
    "A name in the artifact leads to files outside of it",
    NOT_BY_KERAS,
    formats=("keras", "savedmodel"),
    saved_by="other tools",
    loaded_by="Keras before 3.14; TensorFlow for assets",
    explanation="A name such as ../../x in an archive, or in the assets of a SavedModel, is written or read "
    "outside of it.",
    source="GHSA-hqp4-2352-xf5r (Keras before 3.14.0), CVE-2026-12479; asset paths: reproduced on TensorFlow 2.21",
)
SYMLINK = _cause(
    "artifact-symlink",
    "The artifact holds a symbolic link that leads to something outside of it",
    "replace the link by a copy of the file it leads to",
    formats=("savedmodel",),
    saved_by="any",
    loaded_by="any",
    explanation="What the link leads to is another file on another machine, or is not part of the release at all.",
    source="keras PR #22896",
)
AMBIGUOUS = _cause(
    "ambiguous-content",
    "The artifact can be read in two ways: what is checked need not be what a loader reads",
    NOT_BY_KERAS,
    _FROM_SOURCE,
    formats=("h5", "keras"),
    saved_by="other tools",
    loaded_by="any",
    explanation="Two members of one name, two keys of one name, bytes before the archive or the HDF5 content, or a "
    "configuration that is not in UTF-8: readers differ in which they take.",
)
UNINSPECTABLE = _cause(
    "uninspectable-content",
    "Part of the artifact cannot be looked into, and loading it would use it",
    _FROM_SOURCE,
    saved_by="any",
    loaded_by="any",
    explanation="What cannot be parsed here may still be loaded elsewhere, so that nothing can be said about it.",
)
UNUSUAL_MEMBER = _cause(
    "code-in-archive",
    "The artifact holds files with code, which no Keras puts there",
    "remove them from the archive",
    formats=("keras",),
    saved_by="other tools",
    loaded_by="any",
    explanation="Loading does not run them by itself. Scripts, libraries and pickles beside the model wait for "
    "somebody or something to do so, and a release of a model has no use for them.",
)
CONFIG_BOMB = _cause(
    "config-bomb",
    "The configuration asks for sizes or searches that exhaust the machine",
    NOT_BY_KERAS,
    formats=("h5", "keras"),
    saved_by="other tools",
    loaded_by="any",
    explanation="Layers are built before weights are read: one number in the configuration can ask for all the memory.",
    source="reproduced on Keras 3.15.1: layers are built before weights are read; regular expressions: keras PR #23102",
)
REMOTE_RESOURCE = _cause(
    "remote-resource",
    "A custom class is given an address, which it may fetch from when it is loaded",
    "put the resource into the release, and give its path",
    formats=("h5", "keras"),
    saved_by="custom classes",
    loaded_by="any",
    explanation="A release that fetches something when it is loaded is not whole, and gives whoever holds the"
    " address a say.",
)

CAUSES: tuple[Cause, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Cause))
