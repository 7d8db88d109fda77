"""What Keras 2 left in a SavedModel about its own objects: models, layers and metrics, with their configurations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from pytest_kerasload.artifacts import json_text, protos
from pytest_kerasload.artifacts.configs import object_at
from pytest_kerasload.artifacts.ownership import is_custom
from pytest_kerasload.artifacts.record import ConfigObject
from pytest_kerasload.causes import savedmodel_files as parts
from pytest_kerasload.findings import Finding


@dataclass(frozen=True)
class KerasNode:
    """One object that Keras described: its place among the tracked objects, what it is, and its metadata."""

    number: int
    path: str
    identifier: str
    metadata: Mapping[str, Any]


def keras_nodes(directory: Path, graph: Any, problems: list[Finding]) -> list[KerasNode]:
    """The objects Keras described: in keras_metadata.pb since TF 2.5, in the object graph before.

    keras/saving/saved_model/load.py, _read_legacy_metadata.
    """
    file = directory / "keras_metadata.pb"
    if file.is_file():
        message = protos.message("SavedMetadata")
        try:
            message.ParseFromString(file.read_bytes())
        except (DecodeError, RuntimeError, ValueError) as error:
            problems.append(
                parts.KERAS_METADATA_UNREADABLE.finding(
                    f"{directory.name}/{file.name} is damaged or cut off ({error}): the Keras model does not come back",
                    where=file.name,
                )
            )
            return []
        found = [(one.node_id, one.node_path, one.identifier, one.metadata) for one in message.nodes]
    else:
        paths = _paths(graph.object_graph_def)
        found = [
            (number, paths.get(number, ""), node.user_object.identifier, node.user_object.metadata)
            for number, node in enumerate(graph.object_graph_def.nodes)
            # Since TF 2.5 tf.saved_model.save leaves the identifiers of Keras objects here, and nothing about them.
            if is_keras(node) and node.user_object.metadata
        ]
    nodes = []
    for number, path, identifier, written in found:
        metadata = _metadata(written)
        if metadata is None:
            problems.append(
                parts.KERAS_METADATA_UNREADABLE.finding(
                    f"the Keras metadata of {path or number} in {directory.name} is not JSON: {written[:40]!r}",
                    where=path,
                )
            )
        nodes.append(KerasNode(number, path, identifier, metadata or {}))
    return nodes


def is_keras(node: Any) -> bool:
    return str(node.user_object.identifier).startswith("_tf_keras_")


def _metadata(written: str) -> dict[str, Any] | None:
    try:
        found = json_text.loads(written, object_hook=_plain)
    except (ValueError, RecursionError, json_text.TooLarge):
        return None
    return found if isinstance(found, dict) else None


def _plain(value: dict[str, Any]) -> Any:
    """Tuples and shapes as lists, as Keras reads them back (keras/saving/saved_model/json_utils.py, _decode_helper)."""
    if value.get("class_name") in ("__tuple__", "TensorShape") and "items" in value:
        return value["items"]
    return value


def _paths(objects: Any) -> dict[int, str]:
    """The shortest path from the root to each object, as keras_metadata.pb has it: ``root.layer-0.cell``."""
    paths = {0: "root"}
    waiting = [0]
    for number in waiting:
        if not 0 <= number < len(objects.nodes):
            continue
        for child in objects.nodes[number].children:
            if child.node_id not in paths and len(paths[number]) < _LONGEST:
                paths[child.node_id] = f"{paths[number]}.{child.local_name}"
                waiting.append(child.node_id)
    return paths


_LONGEST = 1000
"""Characters of a path, and layers in layers: what is further inside is left out, it would be kept for every object."""


def objects_of_nodes(nodes: list[KerasNode], known: tuple[ConfigObject, ...]) -> tuple[ConfigObject, ...]:
    """Layers and metrics that are described for themselves and not in the root's configuration.

    Those of subclassed models, above all: their configuration, if they have one, says nothing of their layers. A
    layer inside one of Keras' own layers is in the configuration of that.
    """
    by_path = {node.path: node for node in nodes}
    seen = {(item.name, item.place) for item in known}
    names = {item.name for item in known}
    rooted = any(item.kind == "layer" and item.section == "model" for item in known)
    found: list[ConfigObject] = []
    for node in nodes:
        name = node.metadata.get("class_name")
        if node.path in ("", "root") or not isinstance(name, str) or len(node.path) > _LONGEST:
            continue
        metric = node.identifier == "_tf_keras_metric" or ".keras_api.metrics." in node.path
        entry = {"class_name": name, "config": node.metadata.get("config") or {}}
        kind = "metric" if metric else "layer"
        custom = is_custom(entry, kind)
        alone = not metric and not rooted and not _inside_own_layer(node, by_path)
        wanted = name not in names if custom else alone
        place = f"compile/metrics/{node.metadata.get('name')}" if metric else _place(node.path, by_path)
        if wanted and (name, place) not in seen:
            inside = object_at(entry, kind, place, "training" if metric else "model")
            found.extend(inside)
            seen.update((item.name, item.place) for item in inside)
    return tuple(found)


def _inside_own_layer(node: KerasNode, by_path: Mapping[str, KerasNode]) -> bool:
    path = node.path.rpartition(".")[0]
    while path and path != "root":
        parent = by_path.get(path)
        if parent is not None:
            name = parent.metadata.get("class_name")
            return isinstance(name, str) and not is_custom({"class_name": name, "config": {}}, "layer")
        path = path.rpartition(".")[0]
    return False


def _place(path: str, by_path: Mapping[str, KerasNode]) -> str:
    """Where an object is, by the names of the layers above it; by attribute where a layer has no description."""
    place = []
    parts = path.split(".")
    for end in range(2, len(parts) + 1):
        node = by_path.get(".".join(parts[:end]))
        name = node.metadata.get("name") if node is not None else None
        if isinstance(name, str):
            place.append(name)
        elif end == len(parts):
            place.append(parts[-1])
    return "/".join(place)
