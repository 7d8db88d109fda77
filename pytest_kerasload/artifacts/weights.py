"""The weights in a file: how many elements, in which store. Shapes only; no data is read, no link followed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

from pytest_kerasload.artifacts.record import Weights

_DEPENDENCIES = "_layer_checkpoint_dependencies"
"""Where Keras 2.12 and 2.13 put the layers of a native store (keras/saving/saving_lib.py)."""

_METRIC_GROUPS = frozenset({"metrics", "compiled_metrics", "compiled_loss", "compile_metrics", "loss_tracker"})


def children(group: h5py.Group) -> Iterator[tuple[str, Any]]:
    """The members of a group that are in this file by a hard link: soft and external links are left alone."""
    for name in group:
        if isinstance(group.get(name, getlink=True), h5py.HardLink):
            yield name, group[name]


def member(group: h5py.Group, path: str) -> Any:
    """The object at ``path`` below ``group``, reached by hard links only; None where there is none."""
    found: Any = group
    for name in path.split("/"):
        if not name:
            continue
        if not isinstance(found, h5py.Group) or not isinstance(found.get(name, getlink=True), h5py.HardLink):
            return None
        found = found[name]
    return found


def leads_elsewhere(group: h5py.Group, path: str) -> bool:
    """Whether there is a link of another kind on the way to ``path``: what it leads to is not looked at."""
    found: Any = group
    for name in path.split("/"):
        if not name:
            continue
        link = found.get(name, getlink=True) if isinstance(found, h5py.Group) else None
        if not isinstance(link, h5py.HardLink):
            return link is not None
        found = found[name]
    return False


def text(value: Any) -> str | None:
    """An attribute as text, whether it was written as bytes, as str or as an array of one; None for anything else."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    # h5py gives bytes that are no UTF-8 as halves of characters.
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace") if isinstance(value, str) else None


def names(group: h5py.Group, attribute: str) -> list[str] | None:
    """A list of names stored as an attribute, put together again where it was cut in pieces; None where absent.

    HDF5 takes at most 64 kB in an attribute, so Keras writes ``layer_names0``, ``layer_names1`` … for longer
    lists (keras/saving/hdf5_format.py, save_attributes_to_hdf5_group).
    """
    if attribute in group.attrs:
        return _texts(group.attrs[attribute])
    found: list[str] | None = None
    piece = 0
    while f"{attribute}{piece}" in group.attrs:
        found = [] if found is None else found
        found.extend(_texts(group.attrs[f"{attribute}{piece}"]))
        piece += 1
    return found


def _texts(value: Any) -> list[str]:
    return [text(item) or "" for item in np.atleast_1d(np.asarray(value, dtype=object)).reshape(-1)]


def elements(shape: tuple[int, ...] | None) -> int:
    """How many numbers a dataset of this shape holds; 0 for a null dataset."""
    return 0 if shape is None else math.prod(shape)


def layered_weights(file: h5py.File) -> tuple[Weights, tuple[str, ...]]:
    """The weights of a legacy HDF5 file by layer, and what it lists but does not hold.

    What a link to another place stands for is not missing, and not counted: then the sum cannot be told.
    Its root (weights only) or its group ``model_weights`` has ``layer_names``, each layer's group ``weight_names``.
    A nested model is one layer here; one that is shared by two layers is stored, and counted, once for each.
    """
    root = member(file, "model_weights")
    if not isinstance(root, h5py.Group):
        root = file
    found: dict[str, int] = {}
    missing: list[str] = []
    linked = False
    tensors = 0
    keras2 = False
    unadapted: dict[str, bool] = {}
    layers = names(root, "layer_names") or []
    # Weights that hang on the model itself, since Keras 2.9.
    extra = ["top_level_model_weights"] if isinstance(member(root, "top_level_model_weights"), h5py.Group) else []
    for layer in [*layers, *extra]:
        group = member(root, layer)
        if not isinstance(group, h5py.Group):
            if leads_elsewhere(root, layer):
                linked = True
            else:
                missing.append(layer)
            continue
        weight_names = names(group, "weight_names")
        if weight_names is None:
            missing.append(f"{layer} (weight_names)")
            continue
        for name in weight_names:
            dataset = member(group, name)
            if not isinstance(dataset, h5py.Dataset):
                if leads_elsewhere(group, name):
                    linked = True
                else:
                    missing.append(f"{layer}/{name}")
                continue
            keras2 = keras2 or name.endswith(":0")
            tensors += 1
            found[layer] = found.get(layer, 0) + elements(dataset.shape)
            owner, kind = f"{layer}/{name.partition(':')[0]}".split("/")[-2:]
            if kind in _IDENTITY:
                unadapted[owner] = unadapted.get(owner, True) and _holds_only(dataset, _IDENTITY[kind])
    version = text(root.attrs.get("keras_version")) or text(file.attrs.get("keras_version")) or ""
    style = "h5-keras3" if version.startswith("3") or (not version and not keras2) else "h5-keras2"
    optimizer = member(file, "optimizer_weights")
    state = (names(optimizer, "weight_names") or []) if isinstance(optimizer, h5py.Group) else []
    weights = Weights(
        None if linked else sum(found.values()),
        tensors,
        style,
        found,
        len(state),
        tuple(name for name, nothing in unadapted.items() if nothing),
    )
    return weights, tuple(missing)


_IDENTITY = {"mean": 0.0, "variance": 1.0}
"""What a Normalization holds before it was adapted, by the name of its weight."""


def _holds_only(dataset: h5py.Dataset, value: float) -> bool:
    """Whether every element is that value; not asked of what is too large for statistics of features."""
    return elements(dataset.shape) <= _MOST_FEATURES and bool(np.all(np.asarray(dataset[()]) == value))


_MOST_FEATURES = 1 << 20


def stored_weights(file: h5py.Group) -> Weights:
    """The weights of a native store (``model.weights.h5``, ``*.weights.h5``) by the group each is in.

    Every saved object is a group, its variables are in the group ``vars`` of that. What belongs to the optimizer,
    to metrics and to seed generators is not counted: it is no part of ``model.count_params()``.
    """
    found: dict[str, int] = {}
    tensors = optimizer = 0
    for path, dataset in _variables(file):
        parts = path.split("/")
        if parts[0] == "optimizer":
            optimizer += 1
        elif parts[0] not in _METRIC_GROUPS and not _is_seed(parts, dataset):
            tensors += 1
            found[path] = found.get(path, 0) + elements(dataset.shape)
    style = "keras-2.13" if _DEPENDENCIES in file else "keras"
    linked = any(len(list(children(group))) < len(group) for _, group in _groups(file))
    return Weights(None if linked else sum(found.values()), tensors, style, found, optimizer)


def _is_seed(parts: list[str], dataset: h5py.Dataset) -> bool:
    """Whether this is the state of a random generator, of Keras 3 (two integers) or of tf.random (three)."""
    if dataset.dtype == np.uint32 and dataset.shape == (2,):
        return True
    return dataset.dtype.kind in "iu" and dataset.shape in ((2,), (3,)) and any("generator" in part for part in parts)


def _variables(root: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
    """Every dataset in a group named ``vars``, with the path of the object it belongs to."""
    for path, group in _groups(root):
        if path == "vars" or path.endswith("/vars"):
            for _, child in children(group):
                if isinstance(child, h5py.Dataset):
                    yield path.removesuffix("vars").rstrip("/"), child


def _groups(root: h5py.Group) -> Iterator[tuple[str, h5py.Group]]:
    """Every group with its path, each once, even where one contains itself."""
    seen: set[Any] = set()
    waiting: list[tuple[str, h5py.Group]] = [("", root)]
    while waiting:
        path, group = waiting.pop()
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:
            continue
        seen.add(address)
        yield path, group
        for name, child in children(group):
            if isinstance(child, h5py.Group):
                waiting.append((f"{path}/{name}" if path else name, child))


def has_store(file: h5py.Group) -> bool:
    """Whether this is a native store: an object with a group ``vars`` is in it, however deep."""
    return any(path == "vars" or path.endswith("/vars") for path, _ in _groups(file))
