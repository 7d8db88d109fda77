"""What MLflow wrote beside a Keras artifact: the signature, and the input example.

A model directory of MLflow holds the artifact (``data/model.keras``, ``data/model.h5``, ``data/model`` or ``tfmodel``)
and a file ``MLmodel`` that says so (https://mlflow.org/docs/latest/ml/model/, and directories written by MLflow 2.9
and 3.17). It is read as text: nothing of MLflow is imported, nothing is constructed from its tags, no path in it is
followed out of the directory.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from pytest_kerasload.artifacts import json_arrays
from pytest_kerasload.artifacts.json_arrays import Array, Shape
from pytest_kerasload.artifacts.record import TensorSpec

MARKER = "MLmodel"
_LEVELS = 3
"""How far above an artifact its ``MLmodel`` is looked for: ``MLmodel`` and ``data/model/`` are two levels apart."""
_LARGEST_MARKER, _LARGEST_EXAMPLE = 1 << 20, 64 << 20
_FLAVORS = ("keras", "tensorflow")
_PLACES = ("data", "saved_model_dir")
_COLUMN_DTYPES = {
    "boolean": "bool",
    "integer": "int32",
    "long": "int64",
    "float": "float32",
    "double": "float64",
    "binary": "bytes",
}
"""Columns' types that have another name in NumPy (mlflow.types.DataType)."""


class MLflowUnreadable(Exception):
    """What MLflow wrote of the artifact cannot be used; says which file, and why."""


def signature(artifact: Path) -> dict[str, TensorSpec] | None:
    """The model's inputs as MLflow's signature tells them, by name, or by position ("0") where they have none.

    A column of a table has no shape: it may be an input, or a part of one. None for an artifact that is not MLflow's,
    or was saved without a signature.
    """
    found = _model(artifact)
    return None if found is None else _signature(*found)


def input_example(artifact: Path, shapes: Mapping[str, Shape | None] = MappingProxyType({})) -> dict[str, Array] | None:
    """The input example that was saved with the model, batch first, by input name, or by position ("0") without one.

    ``shapes`` holds the shapes of the model's own inputs, by each of their names: where they tell that an example is
    a single row, or a column whose values belong in a shape, it is given that shape. A table is one array a column
    where the columns are the inputs' names, and one matrix else, as MLflow predicts it.

    None for an artifact that is not MLflow's, or was saved without an example.
    """
    found = _model(artifact)
    if found is None:
        return None
    root, told = found
    info = told.get("saved_input_example_info")
    if not isinstance(info, dict):
        return None
    path = _inside(root, str(info.get("artifact_path")))
    content = _json(_text(path, _LARGEST_EXAMPLE), str(path))
    specs = _signature(root, told) or {}
    if info.get("params") == "true":
        content = _part(content, "inputs", path)
    kind = info.get("type")
    if kind == "dataframe":
        values = _columns(content, path, specs, shapes)
    elif kind in ("ndarray", "json_object"):
        # Up to 2.10 or so arrays are written the way of TensorFlow Serving, and `format` says so.
        values = _named(_part(content, "inputs", path) if info.get("format") == "tf-serving" else content, path)
    else:
        raise MLflowUnreadable(f"{path}: an example of the type {kind!r} is none that a Keras model takes")
    if not values:
        raise MLflowUnreadable(f"{path} holds no inputs")
    return {name: _array(name, value, path, specs.get(name), shapes.get(name)) for name, value in values.items()}


# ---- files


def _model(artifact: Path) -> tuple[Path, dict[str, Any]] | None:
    """The directory that MLflow wrote this artifact into, and what its ``MLmodel`` says."""
    artifact = artifact.absolute()
    for root in artifact.parents[:_LEVELS]:
        if (root / MARKER).is_file():
            told = _yaml(_text(root / MARKER, _LARGEST_MARKER))
            return (root, told) if _holds(root, told, artifact) else None
    return None


def _holds(root: Path, told: Mapping[str, Any], artifact: Path) -> bool:
    """Whether the artifact is the model itself, and not another file that was logged along with it."""
    flavors = told.get("flavors")
    entries = [flavors.get(flavor) for flavor in _FLAVORS] if isinstance(flavors, dict) else []
    named = [entry[place] for entry in entries if isinstance(entry, dict) for place in _PLACES if place in entry]
    return any(root / str(place) in (artifact, artifact.parent) for place in named)


def _inside(root: Path, place: str) -> Path:
    """A path that ``MLmodel`` gives, in its directory. Links there are followed: caches of models are made of them."""
    path = PurePosixPath(place)
    if path.is_absolute() or ".." in path.parts or "\\" in place:
        raise MLflowUnreadable(f"{MARKER} names a file out of its directory, {place!r}: it is not read")
    return root / path


def _text(path: Path, largest: int) -> str:
    try:
        if not path.is_file():
            raise MLflowUnreadable(f"{path} is not there, though {MARKER} names it")
        size = path.stat().st_size
        if size > largest:
            raise MLflowUnreadable(f"{path} has {size >> 20} MB: more than {largest >> 20} MB are not read")
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise MLflowUnreadable(f"{path} cannot be read: {error}") from error


def _yaml(text: str) -> dict[str, Any]:
    import yaml  # late: few artifacts are MLflow's

    try:
        # BaseLoader makes texts, lists and dicts, and nothing else: no dates, no numbers, no merged mappings. The
        # loaders in C crash the process on deep nesting.
        told = yaml.load(text, yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise MLflowUnreadable(f"{MARKER} is no YAML: {error}") from error
    if not isinstance(told, dict):
        raise MLflowUnreadable(f"{MARKER} is no mapping")
    return told


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MLflowUnreadable(f"{what} is no JSON that can be read: {error}") from error


# ---- the signature


def _signature(root: Path, told: Mapping[str, Any]) -> dict[str, TensorSpec] | None:
    written = told.get("signature")
    inputs = written.get("inputs") if isinstance(written, dict) else None
    entries = _json(inputs, f"the signature in {MARKER}") if isinstance(inputs, str) and inputs else None
    if entries is None:
        return None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise MLflowUnreadable(f"the signature in {MARKER} is no list of inputs")
    specs = [_spec(str(entry.get("name", index)), entry) for index, entry in enumerate(entries)]
    return {spec.name: spec for spec in specs}


def _spec(name: str, entry: Mapping[str, Any]) -> TensorSpec:
    tensor = entry.get("tensor-spec")
    if not isinstance(tensor, dict):
        kind = str(entry.get("type"))
        return TensorSpec(name, None, _COLUMN_DTYPES.get(kind, kind))
    sizes = tensor.get("shape")
    if not isinstance(sizes, list) or not all(isinstance(size, int) for size in sizes):
        raise MLflowUnreadable(f"the signature in {MARKER} gives {name!r} the shape {sizes!r}")
    dtype = str(tensor.get("dtype"))
    shape = tuple(None if size < 0 else size for size in sizes)
    return TensorSpec(name, shape, "string" if dtype == "str" else dtype)


# ---- the example


def _part(content: Any, key: str, path: Path) -> Any:
    if not isinstance(content, dict) or key not in content:
        raise MLflowUnreadable(f"{path} has no {key!r}, though {MARKER} says that it is written so")
    return content[key]


def _named(content: Any, path: Path) -> dict[str, Any]:
    """The example's values by name; records (a list of mappings) become one list a name."""
    if isinstance(content, list) and content and all(isinstance(row, dict) for row in content):
        if any(row.keys() != content[0].keys() for row in content):
            raise MLflowUnreadable(f"{path}: its rows do not have the same names")
        return {name: [row[name] for row in content] for name in content[0]}
    return content if isinstance(content, dict) else {"0": content}


def _columns(
    content: Any, path: Path, specs: Mapping[str, TensorSpec], shapes: Mapping[str, Shape | None]
) -> dict[str, Any]:
    """A table's values: by column where those are inputs of their own, else the matrix of all."""
    rows = _part(content, "data", path)
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise MLflowUnreadable(f"{path} is no table: its 'data' is no list of rows")
    named = content.get("columns")
    names = [str(name) for name in (named if isinstance(named, list) else range(len(rows[0]) if rows else 0))]
    if any(len(row) != len(names) for row in rows):
        raise MLflowUnreadable(f"{path}: its rows do not have a value for each of its {len(names)} columns")
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=False))
    if specs and "0" not in specs and all(spec.shape is not None and name in columns for name, spec in specs.items()):
        return {name: columns[name] for name in specs}
    if columns and shapes.keys() >= columns.keys():
        return columns
    nested = len(names) == 1 and any(isinstance(row[0], list) for row in rows)
    return {"0": [row[0] for row in rows] if nested else rows}


def _array(name: str, value: Any, path: Path, spec: TensorSpec | None, shape: Shape | None) -> Array:
    try:
        found = json_arrays.array(value, spec.dtype if spec else "")
    except ValueError as error:
        raise MLflowUnreadable(f"{path}, input {name!r}: {error}") from error
    return json_arrays.shaped(found, shape or (spec.shape if spec else None))
