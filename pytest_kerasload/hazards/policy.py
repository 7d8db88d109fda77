"""What TensorFlow ops and functions an artifact may use, and which it may not.

``policy.json`` was made from the ops (``TF_GetAllOpList``) and exported symbols (``tf_export``) of TensorFlow 1.15 to
2.21: every op with an argument or attribute that is a path, an address or a callback was read through, and the
patterns of functions take in every symbol that dispatches, which are the only ones that end up in a ``TFOpLambda``.
``known_ops.json`` holds the names of the ops by the first of these releases that has them.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

from pytest_kerasload.causes import graph_safety, safety
from pytest_kerasload.causes.cause import Cause

_CAUSES = {
    "files": (graph_safety.GRAPH_FILES, "reads or writes files"),
    "text_file_tables": (graph_safety.GRAPH_FILES, "reads a file"),
    "checkpoints": (graph_safety.GRAPH_CHECKPOINT, "reads or writes checkpoints"),
    "network": (graph_safety.GRAPH_NETWORK, "reaches the network or another process"),
    "python": (graph_safety.GRAPH_PYTHON, "calls code that is not in the graph"),
    "nested_graphs": (safety.UNINSPECTABLE, "runs a graph out of a string"),
    "abort": (graph_safety.GRAPH_ABORT, "kills the process"),
}


@cache
def table(name: str) -> Any:
    """One table of ``policy.json``."""
    return json.loads((files(__package__) / "policy.json").read_text("utf-8"))[name]


@cache
def known_ops() -> frozenset[str]:
    """The names of all ops of TensorFlow 1.15 to 2.21."""
    releases = json.loads((files(__package__) / "known_ops.json").read_text("utf-8"))
    return frozenset(name for names in releases.values() for name in names.split())


@cache
def ops(group: str) -> frozenset[str]:
    """The ops of one group: ``files``, ``checkpoints``, ``opaque`` and so on."""
    return frozenset(table("ops")[group])


@cache
def _dangerous_ops() -> dict[str, tuple[Cause, str]]:
    return {name: what for group, what in _CAUSES.items() for name in ops(group)}


def op_hazard(name: str) -> tuple[Cause, str] | None:
    """Why an op is dangerous wherever it stands, and in words what it does; None where it is not.

    Ops of the saver and of tables that are made from assets are dangerous too: whoever asks knows the place.
    """
    return _dangerous_ops().get(name)


FILE_ATTRIBUTE_OPS = frozenset({"PrintV2", "DecodeProtoV2", "EncodeProto", "FixedUnigramCandidateSampler"})
"""Ops that open a file only where an attribute says so."""


def opens_file(argument: str, value: str) -> bool:
    """Whether this value of an op's attribute, or of an argument of its function, makes it open a file."""
    if argument == "output_stream":
        return value.startswith("file:")
    if argument == "descriptor_source":
        return value not in ("", "local://") and not value.startswith("bytes://")
    return argument == "vocab_file" and value != ""


@cache
def special_ops() -> frozenset[str]:
    """The ops that need a look at more than their names."""
    return FILE_ATTRIBUTE_OPS | _dangerous_ops().keys() | {"CacheDataset", "CacheDatasetV2"}


@cache
def _denied_functions() -> frozenset[str]:
    return frozenset(table("denied_functions")) | {_snake(op) for op in _dangerous_ops()}


@cache
def _tensor_functions() -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in table("tensor_functions")))


def is_tensor_function(symbol: str) -> bool:
    """Whether a public TensorFlow symbol, written without ``tf.``, computes tensors and does nothing else."""
    while symbol.startswith(("compat.v1.", "compat.v2.")):
        symbol = symbol[len("compat.v1.") :]
    if symbol.startswith("raw_ops."):
        return op_hazard(symbol.removeprefix("raw_ops.")) is None
    return symbol.rpartition(".")[2] not in _denied_functions() and _tensor_functions().fullmatch(symbol) is not None


def is_denied_function(name: str) -> bool:
    """Whether this is the name of a TensorFlow function that touches files, the network or Python."""
    return name in _denied_functions()


def _snake(op: str) -> str:
    """The Python name of an op: ``ReadFile`` is ``read_file`` (tensorflow/python/framework/python_op_gen.cc)."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", op).lower()
