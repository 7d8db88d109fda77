"""Causes of the ``safety`` check that lie with the graph of a SavedModel."""

from __future__ import annotations

from pytest_kerasload.causes.cause import Cause, Entries
from pytest_kerasload.causes.safety import NOT_BY_KERAS

_cause = Entries("safety", seen=("safety",))

GRAPH_FILES = _cause(
    "graph-file-access",
    "The graph has ops that read or write files of the machine that loads it",
    "take reading and writing files out of the exported functions, and export again",
    formats=("savedmodel",),
    saved_by="any",
    loaded_by="any",
    explanation="The op runs when the graph is loaded or called, with the rights of the process.",
    source="TensorFlow SECURITY.md: a model is a program; JFrog TFLOW-MALOPS, PAIT-TF-301 and 302",
)
GRAPH_NETWORK = _cause(
    "graph-network-access",
    "The graph has ops that reach the network or other processes",
    "take them out of the exported functions (and switch tf.debugging dumps off), and export again",
    formats=("savedmodel",),
    saved_by="any",
    loaded_by="any",
    explanation="The op runs when the graph is loaded or called, with the rights of the process.",
    source="tensorflow/core/ops of TensorFlow 1.15 to 2.21",
)
GRAPH_PYTHON = _cause(
    "graph-python-call",
    "The graph calls Python or native code that is not in it",
    "replace tf.py_function and tf.numpy_function by TensorFlow ops, and export again",
    formats=("savedmodel",),
    saved_by="any, from tf.py_function and tf.numpy_function",
    loaded_by="any",
    explanation="The graph holds a token for a function of the process that saved it. In another process "
    "there is none, or another.",
    wording="callback pyfunc_0 is not found",
    signatures=(r"callback .* is not found",),
    source="tensorflow/python/ops/script_ops.py: the graph holds a token, the function stays behind",
)
GRAPH_ABORT = _cause(
    "graph-abort",
    "The graph has an op that kills the process",
    NOT_BY_KERAS,
    formats=("savedmodel",),
    saved_by="other tools",
    loaded_by="any",
    explanation="The op ends the process that runs it, and a server with it.",
    source="op Abort, tensorflow/core/ops/control_flow_ops.cc",
)
GRAPH_CHECKPOINT = _cause(
    "graph-checkpoint-access",
    "Ops that save or restore checkpoints are outside the saver, so that a call can write or read any path",
    "export the model again without saving or restoring in its functions",
    formats=("savedmodel",),
    saved_by="other tools",
    loaded_by="any",
    explanation="SaveV2 and RestoreV2 take a path: outside the saver it can be any, given by whoever calls the model.",
    source="SaverDef of the MetaGraphDef is the only place where TensorFlow itself puts SaveV2 and RestoreV2",
)
GRAPH_BOMB = _cause(
    "graph-bomb",
    "The graph makes tensors that exhaust the machine",
    NOT_BY_KERAS,
    formats=("savedmodel",),
    saved_by="other tools",
    loaded_by="any",
    explanation="Constants and fills are made while the graph is loaded, in whatever size they ask for.",
    source="CVE-2022-23586, CVE-2022-23594 and others: tensors are made while the graph is loaded",
)
GRAPH_MALFORMED = _cause(
    "graph-malformed",
    "The graph breaks rules that every TensorFlow keeps, which crashes some releases",
    NOT_BY_KERAS,
    formats=("savedmodel",),
    saved_by="other tools",
    loaded_by="older TensorFlow crashes",
    explanation="TensorFlow checked less in the past, and such graphs end the process of releases without the fix.",
    source="CVE-2020-15206, CVE-2022-23565, CVE-2022-23582, CVE-2022-23590",
)
OPAQUE_OP = _cause(
    "graph-opaque-op",
    "The graph has ops that carry a compiled program, which is not looked into",
    "export once more from the original code, where the origin of the artifact is not known",
    formats=("savedmodel",),
    saved_by="any, with XLA or TensorRT",
    loaded_by="any",
    explanation="A compiled program is bytes to this check. It may be all right.",
)
CUSTOM_OP = _cause(
    "graph-custom-op",
    "The graph has ops that no TensorFlow brings along: what they do is up to the library they come from",
    "load that library only from where you trust it",
    formats=("savedmodel",),
    saved_by="any with a library of ops",
    loaded_by="any with that library",
    explanation="The library is native code, and has to be loaded before the model.",
)

CAUSES: tuple[Cause, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Cause))
