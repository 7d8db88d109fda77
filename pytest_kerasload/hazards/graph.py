"""The ops of a SavedModel: which of them do more than compute."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from google.protobuf.message import DecodeError

from pytest_kerasload.causes import graph_safety, safety
from pytest_kerasload.causes.cause import Cause
from pytest_kerasload.hazards import policy, tensors
from pytest_kerasload.hazards.dataflow import Flow, attributes
from pytest_kerasload.hazards.hazard import Hazard
from pytest_kerasload.hazards.messages import message
from pytest_kerasload.hazards.saver import Checkpoints
from pytest_kerasload.hazards.sources import Source, Sources

_FILE_INPUTS = {"InitializeTableFromTextFile": 1, "InitializeTableFromTextFileV2": 1, "ReadFile": 0}
"""Ops that may read an asset, with the input that says which."""

_CACHE_FILES = {"CacheDataset": 1, "CacheDatasetV2": 1}
"""Ops that write a file, unless the input that names it is empty."""

_DEEPEST = 8
_UNUSED = ", in a part of the graph that nothing runs"

_TRAINING = frozenset({graph_safety.GRAPH_FILES, graph_safety.GRAPH_PYTHON})
"""What training leaves in graphs of TensorFlow 1: readers and map functions of its data, and summaries."""

_CODE_NAMES = re.compile(r"shell|exec(?!ut(?:or|able))|(?<!file)system|popen|load_?library|subprocess", re.IGNORECASE)
"""Words in the name of a foreign op that say what it is for."""


def hazards(meta: Any, depth: int = 0, within: str = "", seen: set[bytes] | None = None) -> Iterator[Hazard]:
    """The hazards of one MetaGraphDef; ``within`` is where it was found, for a graph inside a graph.

    ``seen`` are those inside it that were gone through: a hundred ops may run the same one, and so on in that.
    """
    seen = set() if seen is None else seen
    flow = Flow(meta)
    checkpoints, sources = Checkpoints(flow), Sources(flow)
    known, special, opaque, sized = policy.known_ops(), policy.special_ops(), policy.ops("opaque"), tensors.SIZED_OPS
    # TensorFlow 2 writes a graph of its own for saving: what nothing runs there was put in by something else.
    spared = _TRAINING if not meta.object_graph_def.nodes else frozenset()
    foreign: dict[str, str] = {}
    for scope, node in flow.nodes():
        op = node.op
        if op in known and op not in special and op not in sized and op not in opaque:
            continue
        place = f"{within}{f'function {scope}' if scope else f'graph node {node.name}'}: {op}"
        if op in sized:
            yield from tensors.hazards(sources, scope, node, place)
        if op in policy.ops("checkpoints"):
            yield from checkpoints.hazards(scope, node, place)
        elif op in special:
            live = flow.is_live(scope, node)
            for hazard in _special(sources, scope, node, place, depth, seen):
                if not live:
                    fails = hazard.fails and hazard.cause not in (spared - {_writes(op)})
                    hazard = replace(hazard, text=f"{hazard.text}{_UNUSED}", fails=fails)
                yield hazard
        elif op in opaque:
            yield Hazard(graph_safety.OPAQUE_OP, place, f"{op} carries a program of its own", fails=False)
        elif op not in known and op not in flow.functions and not op.startswith("_"):
            foreign.setdefault(op, place)
    for op, place in foreign.items():
        yield Hazard(graph_safety.CUSTOM_OP, place, f"{op} is no op of TensorFlow", _CODE_NAMES.search(op) is not None)


def _writes(op: str) -> Cause | None:
    """The cause that holds for an op even where nothing runs it: no training needs files written by the graph."""
    return graph_safety.GRAPH_FILES if op == "WriteFile" else None


def _special(sources: Sources, scope: str, node: Any, place: str, depth: int, seen: set[bytes]) -> Iterator[Hazard]:
    op = node.op
    if op in policy.ops("nested_graphs"):
        yield from _nested(sources, scope, node, place, depth, seen)
    elif op in _CACHE_FILES:
        yield from _cache(sources, scope, node, place)
    elif op in policy.FILE_ATTRIBUTE_OPS:
        for name, value in attributes(node).items():
            if policy.opens_file(name, value.s.decode("utf-8", "replace")):
                yield Hazard(graph_safety.GRAPH_FILES, place, f"{name} is {value.s.decode('utf-8', 'replace')!r}")
    elif op in _FILE_INPUTS:
        yield from _file(sources, scope, node, place)
    elif found := policy.op_hazard(op):
        yield Hazard(found[0], place, f"{op} {found[1]}")


def _file(sources: Sources, scope: str, node: Any, place: str) -> Iterator[Hazard]:
    """A file is read: one of the artifact's assets is what SavedModels are for, anything else is not."""
    found = _input(sources, scope, node, _FILE_INPUTS[node.op])
    fed = node.op != "ReadFile"
    for source in [source for source in found if source.kind != "asset" or (source.tensor is not None and not fed)][:1]:
        yield Hazard(graph_safety.GRAPH_FILES, place, f"{node.op} reads a file that is no asset: {_told(source)}")
    if not found:
        yield Hazard(graph_safety.GRAPH_FILES, place, f"{node.op} reads a file")


def _told(source: Source) -> str:
    if source.tensor is not None:
        return ", ".join(repr(text.decode("utf-8", "replace")) for text in tensors.strings(source.tensor)[:3]) or "''"
    return f"its name comes from {source.text}"


def _cache(sources: Sources, scope: str, node: Any, place: str) -> Iterator[Hazard]:
    for source in _input(sources, scope, node, _CACHE_FILES[node.op]):
        if source.kind != "constant" or any(tensors.strings(source.tensor)):
            yield Hazard(graph_safety.GRAPH_FILES, place, f"{node.op} writes a file: {_told(source)}")


def _nested(sources: Sources, scope: str, node: Any, place: str, depth: int, seen: set[bytes]) -> Iterator[Hazard]:
    """A graph in a string: looked through like the one around it, where the string is in the file."""
    found = _input(sources, scope, node, 0)
    texts = [text for source in found if source.kind == "constant" for text in tensors.strings(source.tensor)]
    if depth >= _DEEPEST or not texts or any(source.kind != "constant" for source in found):
        yield Hazard(safety.UNINSPECTABLE, place, f"{node.op} runs a graph that is not in the file as it stands")
        return
    for text in texts:
        if text in seen:
            continue
        seen.add(text)
        meta = message("MetaGraphDef")
        try:
            meta.graph_def.ParseFromString(text)
        except (DecodeError, RuntimeError, ValueError):
            yield Hazard(safety.UNINSPECTABLE, place, f"{node.op} runs a graph that cannot be parsed")
            continue
        yield from hazards(meta, depth + 1, f"{place} > ", seen)


def _input(sources: Sources, scope: str, node: Any, number: int) -> list[Source]:
    inputs = [name for name in node.input if not name.startswith("^")]
    return sources.of(scope, inputs[number]) if number < len(inputs) else []
