"""The files a SavedModel needs beside its graph: the values of its variables, and its assets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from pytest_kerasload.artifacts import checkpoint, protos
from pytest_kerasload.artifacts.fingerprint import fingerprint64
from pytest_kerasload.artifacts.record import Weights
from pytest_kerasload.causes import savedmodel_files as parts
from pytest_kerasload.findings import Finding, listed

_VARIABLE_OPS = frozenset({"VarHandleOp", "VariableV2", "Variable"})
_LEADS_OUT = re.compile(r"^[/\\]|^[A-Za-z]:|^\w+://|(?:^|[/\\])\.\.(?:[/\\]|$)")


def missing_files(directory: Path, graph: Any, weights: Weights) -> Iterator[Finding]:
    """What the graph needs and is not there, not whole, or not its own."""
    # TensorFlow 2 opens the checkpoint even where there is no variable to restore (seen on TF 2.3, 2.15 and 2.21).
    if graph.object_graph_def.nodes or any(node.op in _VARIABLE_OPS for node in graph.graph_def.node):
        yield from _variables_problems(directory, weights)
    # A name that leads out of the artifact is for the safety check to tell.
    lost = sorted(
        {
            asset.filename
            for asset in graph.asset_file_def
            if not _LEADS_OUT.search(asset.filename) and not _is_there(directory / "assets" / asset.filename)
        }
    )
    if lost:
        yield parts.ASSETS_MISSING.finding(
            f"{directory.name} has no {listed(f'assets/{name}' for name in lost)}",
            where="assets",
        )


def _is_there(file: Path) -> bool:
    try:
        return file.is_file()
    except (OSError, ValueError):  # no system has a file of such a name
        return False


def _variables_problems(directory: Path, weights: Weights) -> Iterator[Finding]:
    """Files of the checkpoint that are not there, or are shorter than its index says."""
    variables = directory / "variables"
    index = variables / "variables.index"
    lost = "" if index.is_file() else "variables/variables.index" if variables.is_dir() else "variables/"
    if lost:
        yield parts.VARIABLES_MISSING.finding(
            f"{directory.name} cannot be restored, {_needed(weights)}: there is no {lost}", where="variables"
        )
        return
    try:
        sizes = checkpoint.shard_sizes(index)
    except ValueError as error:
        yield parts.VARIABLES_DAMAGED.finding(
            f"variables/{index.name} of {directory.name} is damaged or cut off: {error}",
            where=f"variables/{index.name}",
        )
        return
    shards = {number: variables / f"variables.data-{number:05}-of-{len(sizes):05}" for number in sorted(sizes)}
    gone = [shard.name for shard in shards.values() if not shard.is_file()]
    if gone:
        yield parts.VARIABLES_MISSING.finding(
            f"{directory.name} cannot be restored, {_needed(weights)}: "
            f"there is no {listed((f'variables/{name}' for name in gone), most=3)}",
            where=f"variables/{gone[0]}",
        )
    for number, shard in shards.items():
        if shard.is_file() and shard.stat().st_size < sizes[number]:
            yield parts.VARIABLES_DAMAGED.finding(
                f"variables/{shard.name} of {directory.name} is cut off: it has {shard.stat().st_size} bytes, "
                f"and its index says {sizes[number]}",
                where=f"variables/{shard.name}",
            )
    told = _fingerprint(directory)
    if told and told != fingerprint64(index.read_bytes()):
        yield parts.VARIABLES_OF_ANOTHER.finding(
            f"variables/ of {directory.name} was not saved with its saved_model.pb: fingerprint.pb has the checksum "
            f"of another {index.name}",
            where="variables",
        )


def _needed(weights: Weights) -> str:
    return f"it has {weights.tensors} variables" if weights.tensors else "its graph needs variables/"


def _fingerprint(directory: Path) -> int:
    """The checksum that variables.index had when the model was saved; 0 where nothing tells."""
    message = protos.message("Fingerprint")
    file = directory / "fingerprint.pb"
    if not file.is_file():  # nor a pipe or a device, which would be read without an end
        return 0
    try:
        message.ParseFromString(file.read_bytes())
    except (OSError, DecodeError, RuntimeError, ValueError):
        return 0
    return int(message.checkpoint_hash)
