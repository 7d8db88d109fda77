"""A SavedModel directory: its graphs, what Keras left in it, and where its files lead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from google.protobuf.message import DecodeError

from pytest_kerasload.causes import graph_safety, safety
from pytest_kerasload.hazards import configs, graph, paths
from pytest_kerasload.hazards.dataflow import assets
from pytest_kerasload.hazards.documents import label, parsed
from pytest_kerasload.hazards.hazard import Hazard, size, unfolds
from pytest_kerasload.hazards.messages import message
from pytest_kerasload.hazards.tensors import elements, item_size

_ENDS = 16
"""Parts of a place: objects of Keras stand in each other less deep."""

_FOREIGN_PATH = re.compile(r"[/\\]|[A-Za-z]:|\w+://")


def hazards(directory: Path) -> Iterator[Hazard]:
    """The hazards of a SavedModel; ValueError where one of its messages cannot be parsed."""
    binary, text = directory / "saved_model.pb", directory / "saved_model.pbtxt"
    saved = message("SavedModel")
    try:
        if binary.is_file():
            saved.ParseFromString(binary.read_bytes())
        elif text.is_file():
            text_format.Parse(text.read_text("utf-8"), saved, allow_unknown_field=True)
    except (DecodeError, text_format.ParseError, RuntimeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    yield from paths.hazards(directory)
    if (directory / "saved_model.cpb").exists():
        text_of = "a graph in chunks, which TensorFlow 2.15 and later may read in place of saved_model.pb"
        yield Hazard(safety.UNINSPECTABLE, "saved_model.cpb", text_of)
    for meta in saved.meta_graphs:
        yield from _assets(meta)
        yield from graph.hazards(meta)
        yield from _variables(directory, meta)
    yield from _metadata(directory, saved)


def _assets(meta: Any) -> Iterator[Hazard]:
    for asset in assets(meta):
        name = asset.filename
        if ".." in re.split(r"[/\\]", name) or _FOREIGN_PATH.match(name):
            yield Hazard(safety.PATH_TRAVERSAL, f"assets/{name}", "an asset that is not below assets/")


def _variables(directory: Path, meta: Any) -> Iterator[Hazard]:
    """Variables that claim far more than the checkpoint holds."""
    claimed = sum(
        elements(node.variable.shape) * item_size(node.variable.dtype)
        for node in meta.object_graph_def.nodes
        if node.HasField("variable")
    )
    if unfolds(claimed, 1):
        stored = sum(file.stat().st_size for file in (directory / "variables").glob("variables.data-*"))
        if unfolds(claimed, stored):
            text = f"the variables claim {size(claimed)}, and {size(stored)} are stored"
            yield Hazard(graph_safety.GRAPH_BOMB, "variables", text)


def _metadata(directory: Path, saved: Any) -> Iterator[Hazard]:
    """The configurations Keras 2 left: in keras_metadata.pb, and in the object graph, where TensorFlow 2.4 has them.

    A loader of TensorFlow 2.5 and later goes to the object graph where keras_metadata.pb is missing, so both count.
    """
    written: list[tuple[str, str]] = []
    file = directory / "keras_metadata.pb"
    if file.is_file():
        found = message("SavedMetadata")
        try:
            found.ParseFromString(file.read_bytes())
        except (DecodeError, RuntimeError) as error:
            raise ValueError(str(error)) from error
        written.extend((node.node_path, node.metadata) for node in found.nodes)
    for meta in saved.meta_graphs:
        for number, node in enumerate(meta.object_graph_def.nodes):
            if node.user_object.metadata:
                written.append((f"node {number}", node.user_object.metadata))
    # Codes and texts with the ends of the places they were seen at: all of them is quadratic.
    seen: set[tuple[str, str, str]] = set()
    for path, text in written:
        content, twice = parsed(text)
        for key in twice:
            yield Hazard(safety.AMBIGUOUS, path, f"its metadata has the key {key!r} twice in one object")
        if not isinstance(content, dict):
            continue
        # The root's configuration holds that of all layers; each of them is described once more for itself.
        place = "" if path in ("root", "node 0") else str(content.get("name") or label(content))
        for hazard in configs.hazards(content, place):
            if (hazard.cause.code, hazard.place, hazard.text) not in seen:
                parts = hazard.place.split("/")
                ends = ["/".join(parts[-count:]) for count in range(1, min(len(parts), _ENDS) + 1)]
                seen.update((hazard.cause.code, end, hazard.text) for end in (hazard.place, *ends))
                yield hazard
