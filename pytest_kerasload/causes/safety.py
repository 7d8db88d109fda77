"""Causes of the ``safety`` check: what an artifact could do to the machine that loads it."""

from __future__ import annotations

from pytest_kerasload.causes.cause import Cause

_FROM_SOURCE = "save the model again from code you can read, and release that file"
_NOT_BY_KERAS = "no release of Keras writes this: do not load the file before it is clear where it comes from"


def _cause(code: str, title: str, *remedies: str, signatures: tuple[str, ...] = (), source: str = "") -> Cause:
    return Cause(code, "safety", title, remedies, signatures, source)


LAMBDA_BYTECODE = _cause(
    "lambda-bytecode",
    "The artifact carries Python bytecode, which runs when the model is loaded and called",
    "replace the lambda by a function or layer registered with register_keras_serializable, and save again",
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
    _NOT_BY_KERAS,
    "register the function with register_keras_serializable, and save again",
    signatures=(r"Could not locate function '", r"is not a KerasSaveable subclass"),
    source="CVE-2025-1550 (Keras 3.0 to 3.8); tf_keras 2.21 and Keras 2.13+ resolve any module (tf-keras PR #910)",
)
KERAS_GADGET = _cause(
    "keras-gadget",
    "The configuration names a function of Keras that is no part of a model: it fetches, loads or saves files",
    _NOT_BY_KERAS,
    signatures=(r"because it is not a modeling function",),
    source="CVE-2025-8747, CVE-2025-9906; keras.datasets stays open in Keras 3.15.1",
)
EXTERNAL_MODEL = _cause(
    "external-savedmodel",
    "A TFSMLayer loads another SavedModel, from outside the artifact, and runs its graph",
    "check that SavedModel too, and load it by your own code instead of through the configuration",
    signatures=(r"Requested the deserialization of a `TFSMLayer`",),
    source="CVE-2026-1462; keras PR #23654 for TFSMLayer named as a function",
)
TORCH_PICKLE = _cause(
    "torch-pickle",
    "A TorchModuleWrapper carries a pickled PyTorch module, and unpickling runs code",
    "wrap the module in a layer that builds it from arguments, and save again",
    signatures=(r"Requested the deserialization of a `torch\.nn\.Module`",),
    source="CVE-2025-49655 (Keras 3.11.0 to 3.11.2)",
)
PICKLED_WEIGHTS = _cause(
    "pickled-weights",
    "Weights are stored as pickled objects, and unpickling runs code",
    "save the model again with its weights as HDF5, which is what model.save does",
    signatures=(r"Object arrays cannot be loaded when allow_pickle=False",),
    source="Keras 3.0 to 3.8 unpickle the dicts in model.weights.npz (keras commit 57c94f305c)",
)
PICKLED_VALUE = _cause(
    "pickled-value",
    "The configuration holds pickled data; a custom class that unpickles it runs whatever code is in it",
    "let get_config return plain values, and save again",
)
VOCABULARY_FILE = _cause(
    "vocabulary-file",
    "A vocabulary is given as a path, which loading opens on the machine that loads, or fetches",
    "build the layer from a list of words (or adapt it), and save again: the vocabulary is then in the artifact",
    signatures=(r"Requested the loading of a vocabulary file", r"Vocabulary file .* does not exist"),
    source="CVE-2025-12058 (fixed in Keras 3.12); Keras 2 and tf_keras open the path",
)
OPERATION_LAYER = _cause(
    "unsafe-operation-layer",
    "A layer made from a TensorFlow function (TFOpLambda and its kin) calls one that is no tensor operation",
    _NOT_BY_KERAS,
    source="reproduced on tf.keras 2.10.1 and tf_keras 2.21.0: the function is called while the model is rebuilt",
)
HDF5_EXTERNAL = _cause(
    "hdf5-external-data",
    "The HDF5 content takes data from other files of the machine that loads it",
    _NOT_BY_KERAS,
    "copy the data into the file: h5repack, or h5py with the datasets read and written again",
    signatures=(r"Not allowed: H5 file with (?:ExternalLink|external|virtual)",),
    source="CVE-2026-1669 (Keras up to 3.13.1); Keras 2 and tf_keras 2.21 follow links and external storage",
)
HDF5_SOFT_LINK = _cause(
    "hdf5-soft-link",
    "The HDF5 content has soft links, which Keras never writes and Keras 3.14+ refuses",
    "copy the data into the file with h5repack",
    signatures=(r"Not allowed: H5 file with SoftLink",),
    source="keras PR #22900",
)
HDF5_CYCLE = _cause(
    "hdf5-cycle",
    "A group of the HDF5 content is inside itself: a reader that walks the groups does not come to an end",
    _NOT_BY_KERAS,
)
HDF5_BOMB = _cause(
    "hdf5-shape-bomb",
    "HDF5 datasets claim far more memory than there are bytes stored for them",
    _NOT_BY_KERAS,
    signatures=(r"refusing to load a potential decompression/shape bomb", r"Unable to allocate .* for an array"),
    source="CVE-2026-0897, CVE-2026-12570, keras PR #23100",
)
HDF5_FILTER = _cause(
    "hdf5-filter-plugin",
    "HDF5 datasets are packed by a filter that HDF5 takes from a plugin library of the machine",
    "write the file again without the filter: h5repack -f NONE",
    source="registered filters above 256 are dynamically loaded (HDF5 Dynamically Loaded Filters)",
)
ARCHIVE_BOMB = _cause(
    "archive-bomb",
    "The archive unfolds to far more than its size",
    _NOT_BY_KERAS,
    signatures=(r"refusing to (?:load|extract) a potential decompression bomb",),
    source="keras PRs #23010, #23101; Keras stores members uncompressed",
)
PATH_TRAVERSAL = _cause(
    "path-traversal",
    "A name in the artifact leads to files outside of it",
    _NOT_BY_KERAS,
    source="GHSA-hqp4-2352-xf5r (Keras before 3.14.0), CVE-2026-12479; asset paths: reproduced on TensorFlow 2.21",
)
SYMLINK = _cause(
    "artifact-symlink",
    "The artifact holds a symbolic link that leads to something outside of it",
    "replace the link by a copy of the file it leads to",
    source="keras PR #22896",
)
AMBIGUOUS = _cause(
    "ambiguous-content",
    "The artifact can be read in two ways: what is checked need not be what a loader reads",
    _NOT_BY_KERAS,
    _FROM_SOURCE,
)
UNINSPECTABLE = _cause(
    "uninspectable-content",
    "Part of the artifact cannot be looked into, and loading it would use it",
    _FROM_SOURCE,
)
UNUSUAL_MEMBER = _cause(
    "code-in-archive",
    "The archive holds files with code, which no Keras puts there; loading does not run them by itself",
    "remove them from the archive",
)
CONFIG_BOMB = _cause(
    "config-bomb",
    "The configuration asks for sizes or searches that exhaust the machine",
    _NOT_BY_KERAS,
    source="reproduced on Keras 3.15.1: layers are built before weights are read; regular expressions: keras PR #23102",
)
REMOTE_RESOURCE = _cause(
    "remote-resource",
    "A custom class is given an address, which it may fetch from when it is loaded",
    "put the resource into the release, and give its path",
)
GRAPH_FILES = _cause(
    "graph-file-access",
    "The graph has ops that read or write files of the machine that loads it",
    "take reading and writing files out of the exported functions, and export again",
    source="TensorFlow SECURITY.md: a model is a program; JFrog TFLOW-MALOPS, PAIT-TF-301 and 302",
)
GRAPH_NETWORK = _cause(
    "graph-network-access",
    "The graph has ops that reach the network or other processes",
    "take them out of the exported functions (and switch tf.debugging dumps off), and export again",
    source="tensorflow/core/ops of TensorFlow 1.15 to 2.21",
)
GRAPH_PYTHON = _cause(
    "graph-python-call",
    "The graph calls Python or native code that is not in it",
    "replace tf.py_function and tf.numpy_function by TensorFlow ops, and export again",
    signatures=(r"callback .* is not found",),
    source="tensorflow/python/ops/script_ops.py: the graph holds a token, the function stays behind",
)
GRAPH_ABORT = _cause(
    "graph-abort",
    "The graph has an op that kills the process",
    _NOT_BY_KERAS,
    source="op Abort, tensorflow/core/ops/control_flow_ops.cc",
)
GRAPH_CHECKPOINT = _cause(
    "graph-checkpoint-access",
    "Ops that save or restore checkpoints are outside the saver, so that a call can write or read any path",
    "export the model again without saving or restoring in its functions",
    source="SaverDef of the MetaGraphDef is the only place where TensorFlow itself puts SaveV2 and RestoreV2",
)
GRAPH_BOMB = _cause(
    "graph-bomb",
    "The graph makes tensors that exhaust the machine",
    _NOT_BY_KERAS,
    source="CVE-2022-23586, CVE-2022-23594 and others: tensors are made while the graph is loaded",
)
GRAPH_MALFORMED = _cause(
    "graph-malformed",
    "The graph breaks rules that every TensorFlow keeps, which crashes some releases",
    _NOT_BY_KERAS,
    source="CVE-2020-15206, CVE-2022-23565, CVE-2022-23582, CVE-2022-23590",
)
OPAQUE_OP = _cause(
    "graph-opaque-op",
    "The graph has ops that carry a compiled program, which is not looked into",
    "export once more from the original code, where the origin of the artifact is not known",
)
CUSTOM_OP = _cause(
    "graph-custom-op",
    "The graph has ops that no TensorFlow brings along: what they do is up to the library they come from",
    "load that library only from where you trust it",
)

CAUSES: tuple[Cause, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Cause))
