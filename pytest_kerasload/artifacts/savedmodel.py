"""SavedModel directories, read without TensorFlow: who wrote them, what they take, what Keras left in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from google.protobuf.message import DecodeError

from pytest_kerasload.artifacts import protos, specs
from pytest_kerasload.artifacts.configs import objects_in
from pytest_kerasload.artifacts.keras_nodes import is_keras, keras_nodes, objects_of_nodes
from pytest_kerasload.artifacts.layers import Config, is_model, is_object, product, shape_of
from pytest_kerasload.artifacts.record import Artifact, SavedWith, Signature, TensorSpec, Weights
from pytest_kerasload.artifacts.savedmodel_files import missing_files
from pytest_kerasload.artifacts.sniffing import savedmodel_marker
from pytest_kerasload.causes import file as causes
from pytest_kerasload.causes import savedmodel_files as parts
from pytest_kerasload.findings import Finding

_TEXT_LIMIT = 64 * 1024 * 1024
"""Bytes of saved_model.pbtxt that are parsed: protobuf takes a minute for each hundred megabytes of text."""

_TRAINING_CHILDREN = frozenset(
    {"optimizer", "keras_api", "metrics", "compiled_metrics", "compiled_loss", "loss_tracker"}
)


def read(directory: Path) -> Artifact:
    """What a SavedModel directory says of itself."""
    marker = savedmodel_marker(directory)
    if marker is None:
        problem = causes.NOT_A_SAVEDMODEL.finding(f"{directory.name} has no saved_model.pb: it is no SavedModel")
        return Artifact(directory, "unknown", readable=False, problems=(problem,))
    if marker.stem != "saved_model":
        problem = parts.SAVED_MODEL_PB_MISSING.finding(
            f"{directory.name} has {marker.name} and variables/, and no saved_model.pb", where="saved_model.pb"
        )
        return Artifact(directory, "savedmodel", readable=False, problems=(problem,))
    saved, problem_found = _parsed(directory, marker)
    if saved is None:
        return Artifact(directory, "savedmodel", readable=False, problems=(problem_found,) if problem_found else ())
    graph = _serving_graph(saved)
    if graph is None:
        tags = "; ".join(", ".join(one.meta_info_def.tags) or "none" for one in saved.meta_graphs) or "no graphs"
        problem = parts.NO_SERVE_GRAPH.finding(f"{directory.name} has no graph tagged `serve`: its tags are {tags}")
        return Artifact(directory, "savedmodel", readable=False, problems=(problem,))
    return _read(directory, graph)


def _parsed(directory: Path, marker: Path) -> tuple[Any, Finding | None]:
    """The SavedModel message, or why there is none."""
    content = marker.read_bytes()
    saved = protos.message("SavedModel")
    where = f"{directory.name}/{marker.name}"
    if marker.suffix == ".pbtxt":
        if len(content) > _TEXT_LIMIT:
            return None, parts.SAVED_MODEL_PBTXT.finding(
                f"{where} is in text form and has {len(content)} bytes, too many to be parsed", where=marker.name
            )
        try:
            text_format.Parse(content.decode("utf-8"), saved, allow_unknown_field=True)
        except (text_format.ParseError, ValueError, RecursionError) as error:
            return None, parts.SAVED_MODEL_PBTXT.finding(
                f"{where} is in text form and cannot be parsed: {str(error).splitlines()[0]}", where=marker.name
            )
        return saved, None
    try:
        saved.ParseFromString(content)
    except (DecodeError, RuntimeError, ValueError) as error:
        return None, parts.SAVED_MODEL_PB_UNREADABLE.finding(
            f"{where} is damaged or cut off: its {len(content)} bytes are no SavedModel message ({error})",
            where=marker.name,
        )
    if not saved.meta_graphs:
        return None, parts.SAVED_MODEL_PB_UNREADABLE.finding(
            f"{where} holds no graph: its {len(content)} bytes are not a SavedModel message with one",
            where=marker.name,
        )
    return saved, None


def _serving_graph(saved: Any) -> Any:
    """The graph that is loaded for serving: the only one, or the one whose tags are nearest to ``serve`` alone."""
    if len(saved.meta_graphs) == 1:
        return saved.meta_graphs[0]
    tagged = [graph for graph in saved.meta_graphs if "serve" in graph.meta_info_def.tags]
    return min(tagged, key=lambda graph: len(graph.meta_info_def.tags), default=None)


def _read(directory: Path, graph: Any) -> Artifact:
    problems: list[Finding] = []
    nodes = keras_nodes(directory, graph, problems)
    root = next((node for node in nodes if node.path == "root" or node.number == 0), None)
    metadata: Mapping[str, Any] = root.metadata if root is not None else {}
    config = _model_config(metadata)
    training = metadata.get("training_config")
    training = training if isinstance(training, dict) else None
    signatures = _signatures(graph)
    weights = _weights(graph)
    problems.extend(missing_files(directory, graph, weights))
    if not nodes and not problems and any(is_keras(node) for node in graph.object_graph_def.nodes):
        problems.append(
            parts.KERAS_METADATA_MISSING.finding(
                f"{directory.name} holds Keras objects and no keras_metadata.pb: load_model does not bring them back",
                fails=False,
            )
        )
    objects = objects_in(config, training)
    inputs, outputs = _endpoints(config, metadata, signatures)
    version = metadata.get("keras_version")
    return Artifact(
        directory,
        "savedmodel",
        problems=tuple(problems),
        saved_with=SavedWith(
            tensorflow=graph.meta_info_def.tensorflow_version or None,
            keras=version if isinstance(version, str) else None,
            backend="tensorflow",
        ),
        config=config,
        training_config=training,
        objects=objects + objects_of_nodes(nodes, objects),
        inputs=inputs,
        outputs=outputs,
        signatures=signatures,
        weights=weights,
        keras_metadata=root is not None,
        ops=_ops(graph),
        computes_in=_computes_in(graph),
    )


def _model_config(metadata: Mapping[str, Any]) -> dict[str, Any] | None:
    """The model's class and configuration; the configuration is empty where the model has none it can be built of."""
    written = metadata.get("model_config")
    if is_object(written) and is_model(written):
        return dict(written)  # type: ignore[arg-type]
    name = metadata.get("class_name")
    if not isinstance(name, str):
        return None
    config = metadata.get("config")
    return {"class_name": name, "config": config if isinstance(config, (dict, list)) else {}}


def _endpoints(
    config: Config | None, metadata: Mapping[str, Any], signatures: tuple[Signature, ...]
) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Inputs and outputs of the model as Keras brings it back, else those of the signature that serves."""
    serving = next((one for one in signatures if one.name == "serving_default"), None)
    if serving is None and len(signatures) == 1:
        serving = signatures[0]
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    if config is not None and is_model(config):
        inputs, outputs = specs.inputs_of(config), specs.outputs_of(config)
    if not inputs:
        full = metadata.get("full_save_spec")
        arguments = full[0] if isinstance(full, list) and full and isinstance(full[0], list) else []
        written = arguments[0] if arguments else metadata.get("save_spec")
        inputs = tuple(
            replace(spec, name=spec.name or str(index)) for index, spec in enumerate(_saved_specs(written, ""))
        )
    if serving is None:
        return inputs, outputs
    told = {spec.name: spec.shape for spec in serving.outputs}
    outputs = tuple(replace(spec, shape=spec.shape or told.get(spec.name)) for spec in outputs)
    return inputs or serving.inputs, outputs or serving.outputs


def _saved_specs(value: Any, name: str, depth: int = 0) -> Iterator[TensorSpec]:
    """The inputs a model was called with, as its ``save_spec`` holds them; the batch it saw is taken to be free."""
    if depth > 16:
        return
    if isinstance(value, Mapping):
        serialized = value.get("serialized")
        if value.get("class_name") == "TypeSpec" and isinstance(serialized, list) and len(serialized) > 1:
            shape = shape_of(serialized[0])
            given = serialized[2] if len(serialized) > 2 and isinstance(serialized[2], str) else ""
            dtype = serialized[1] if isinstance(serialized[1], str) else "float32"
            yield TensorSpec(name or given, (None, *shape[1:]) if shape else shape, dtype)
            return
        for key, item in value.items():
            yield from _saved_specs(item, str(key), depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield from _saved_specs(item, "", depth + 1)


def _signatures(graph: Any) -> tuple[Signature, ...]:
    """The signatures to call, in order of name; what TensorFlow keeps for its own use begins with two underscores."""
    found = [
        Signature(entry.key, _tensors(entry.value.inputs), _tensors(entry.value.outputs), entry.value.method_name)
        for entry in graph.signature_def
        if not entry.key.startswith("__saved_model")
    ]
    return tuple(sorted(found, key=lambda signature: signature.name))


def _tensors(entries: Any) -> tuple[TensorSpec, ...]:
    specs_found = [
        TensorSpec(entry.key, _tensor_shape(entry.value.tensor_shape), _dtype(entry.value.dtype)) for entry in entries
    ]
    return tuple(sorted(specs_found, key=lambda spec: spec.name))


def _tensor_shape(shape: Any) -> tuple[int | None, ...] | None:
    return None if shape.unknown_rank else tuple(None if dim.size < 0 else dim.size for dim in shape.dim)


def _dtype(number: int) -> str:
    # References to a dtype (TF1 variables) are 100 above it.
    number = number - 100 if number > 100 else number
    return protos.DTYPES[number] if 0 <= number < len(protos.DTYPES) else f"dtype {number}"


def _computes_in(graph: Any) -> frozenset[str]:
    """Floating types that ops of the graph and of its functions compute in: their attribute ``T``."""
    nodes = [*graph.graph_def.node, *(node for f in graph.graph_def.library.function for node in f.node_def)]
    numbers = {entry.value.type for node in nodes for entry in node.attr if entry.key == "T"}
    names = {protos.DTYPES[number] for number in numbers if 0 <= number < len(protos.DTYPES)}
    return frozenset(names & {"bfloat16", "float16", "float32", "float64"})


def _ops(graph: Any) -> frozenset[str]:
    """Names of the ops in the graph and in its functions; calls of functions by their name are no ops."""
    library = graph.graph_def.library.function
    ops = {node.op for node in graph.graph_def.node}
    for function in library:
        ops.update(node.op for node in function.node_def)
    return frozenset(ops - {function.signature.name for function in library})


def _weights(graph: Any) -> Weights:
    """Elements of the variables in the object graph; what it cannot tell (a TF1 graph has none) is None.

    Keras models and exports list their variables under ``variables``. Of any other object those count that are not
    an optimizer's or a metric's.
    """
    nodes = graph.object_graph_def.nodes
    if not nodes:
        return Weights(None, style="checkpoint")
    listed = next((child.node_id for child in nodes[0].children if child.local_name == "variables"), None)
    start = listed if listed is not None and 0 < listed < len(nodes) else 0
    found: dict[str, int] = {}
    tensors = total = 0
    unknown = False
    seen = {start}
    slots = {slot.slot_variable_node_id for node in nodes for slot in node.slot_variables}
    waiting = [start]
    for number in waiting:
        node = nodes[number]
        # A seed generator's state is no weight; exports of Keras 3 list it among the variables.
        seed = node.variable.name.rpartition("/")[2].startswith("seed_generator_state")
        if node.HasField("variable") and not seed:
            size = _elements(node.variable.shape)
            unknown = unknown or size is None
            tensors += 1
            total += size or 0
            found[node.variable.name] = found.get(node.variable.name, 0) + (size or 0)
        for child in node.children:
            if child.node_id in seen or child.node_id in slots or not 0 <= child.node_id < len(nodes):
                continue
            if child.local_name in _TRAINING_CHILDREN:
                continue
            seen.add(child.node_id)
            waiting.append(child.node_id)
    return Weights(None if unknown else total, tensors, "checkpoint", found, len(slots))


def _elements(shape: Any) -> int | None:
    sizes = _tensor_shape(shape)
    if sizes is None or None in sizes:
        return None
    return product(size for size in sizes if size is not None)
