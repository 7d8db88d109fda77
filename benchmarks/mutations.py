"""Changes made to good models: of one weight, of a layer, of an argument; and changes that change no prediction."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Config = dict[str, Any]

SIZES = (1e-1, 1e-2, 1e-3, 1e-4)


@dataclass(frozen=True)
class Parts:
    """A model taken apart: its configuration, and its weights by path. A path starts with the name of the layer."""

    config: Config
    weights: dict[str, Array]

    def layers(self) -> list[Config]:
        """The configurations of the top layers, in their order."""
        return list(self.config["config"]["layers"])

    def of(self, layer: Config) -> dict[str, Array]:
        """The weights of one layer."""
        name = layer["config"]["name"]
        return {path: value for path, value in self.weights.items() if path.split("/")[0] == name}


@dataclass(frozen=True)
class Change:
    """One mutated copy: what kind of change, how large, where; and what is new in it."""

    kind: str
    where: str
    size: float | None = None
    weights: dict[str, Array] = field(default_factory=dict)
    config: Config | None = None
    harmless: bool = False


Changes = Iterator[Change]
MUTATIONS: list[Callable[[Parts, np.random.Generator, int], Changes]] = []


def mutation(function: Callable[[Parts, np.random.Generator, int], Changes]) -> Any:
    """Enter a generator of changes in the list."""
    MUTATIONS.append(function)
    return function


def base(path: str) -> str:
    """``kernel`` of ``dense/dense/kernel:0``."""
    return path.split("/")[-1].split(":")[0]


def _floats(parts: Parts, wanted: Callable[[str], bool]) -> list[str]:
    return [
        path for path, value in parts.weights.items() if value.dtype.kind == "f" and value.size and wanted(base(path))
    ]


def _some(rng: np.random.Generator, items: list[Any], samples: int) -> list[Any]:
    """As many of the items as wanted, each at most once, at random."""
    return [items[i] for i in rng.permutation(len(items))[:samples]]


def _unit(value: Array) -> float:
    """The scale of a tensor: its standard deviation, or its size where all elements are alike."""
    return float(value.std()) or float(np.abs(value).max()) or 1.0


# ---- weights


def _element(rng: np.random.Generator, value: Array, size: float) -> Array:
    changed: Array = value.copy()
    changed.flat[int(rng.integers(value.size))] += size * _unit(value) * rng.choice((-1, 1))
    return changed


@mutation
def elements(parts: Parts, rng: np.random.Generator, samples: int) -> Changes:
    """One element of one tensor is moved by a share of the tensor's standard deviation."""
    for kind, wanted in (("element", False), ("embedding element", True)):
        paths = _floats(parts, lambda name, w=wanted: (name == "embeddings") == w)  # type: ignore[misc]
        for size in SIZES if paths else ():
            for _ in range(samples):
                path = str(rng.choice(paths))
                yield Change(kind, path, size, {path: _element(rng, parts.weights[path], size)})


@mutation
def tensors(parts: Parts, rng: np.random.Generator, samples: int) -> Changes:
    """A whole tensor is scaled, or every element of it moved at random."""
    paths = _floats(parts, lambda name: True)
    for size in SIZES if paths else ():
        for _ in range(samples):
            path = str(rng.choice(paths))
            value = parts.weights[path]
            yield Change("tensor scaled", path, size, {path: (value * (1 + size)).astype(value.dtype)})
        for _ in range(max(1, samples - 1)):
            path = str(rng.choice(paths))
            value = parts.weights[path]
            moved = value + size * _unit(value) * rng.standard_normal(value.shape)
            yield Change("tensor jittered", path, size, {path: moved.astype(value.dtype)})


@mutation
def columns(parts: Parts, rng: np.random.Generator, samples: int) -> Changes:
    """Two columns of the last layer change places, kernel and bias."""
    for layer in reversed(parts.layers()):
        mine = {path: value for path, value in parts.of(layer).items() if base(path) in ("kernel", "bias")}
        if not mine:
            continue
        width = min(value.shape[-1] for value in mine.values())
        for _ in range(samples if width > 2 else width - 1):
            one, other = rng.choice(width, 2, replace=False)
            order = np.arange(width)
            order[[one, other]] = order[[other, one]]
            yield Change(
                "columns swapped",
                f"{layer['config']['name']} {one}, {other}",
                None,
                {p: v[..., order] for p, v in mine.items()},
            )
        return


@mutation
def layers(parts: Parts, rng: np.random.Generator, samples: int) -> Changes:
    """Two layers of one class and shape change weights."""
    found = [(layer, parts.of(layer)) for layer in parts.layers()]
    pairs = []
    for index, (one, ours) in enumerate(found):
        for other, theirs in found[index + 1 :]:
            alike = one["class_name"] == other["class_name"] and ours
            if alike and [v.shape for v in ours.values()] == [v.shape for v in theirs.values()]:
                pairs.append((one["config"]["name"], other["config"]["name"], ours, theirs))
    for one, other, ours, theirs in _some(rng, pairs, samples):
        swapped = dict(zip([*ours, *theirs], [*theirs.values(), *ours.values()], strict=True))
        yield Change("layers swapped", f"{one}, {other}", None, swapped)


@mutation
def normalisations(parts: Parts, rng: np.random.Generator, samples: int) -> Changes:
    """A normalisation is left at its defaults: the identity of a batch normalisation, gamma and beta of the others."""
    defaults = {"gamma": 1.0, "beta": 0.0, "moving_mean": 0.0, "moving_variance": 1.0}
    found = [layer for layer in parts.layers() if layer["class_name"] in ("BatchNormalization", "LayerNormalization")]
    for layer in _some(rng, found, samples):
        new = {path: np.full_like(value, defaults[base(path)]) for path, value in parts.of(layer).items()}
        yield Change("normalisation dropped", layer["config"]["name"], None, new)
        statistics = {path: value for path, value in new.items() if base(path).startswith("moving")}
        if statistics:
            yield Change("moving statistics dropped", layer["config"]["name"], None, statistics)


@mutation
def biases(parts: Parts, rng: np.random.Generator, samples: int) -> Changes:
    """A bias is lost."""
    for path in _some(rng, _floats(parts, lambda name: name == "bias"), samples):
        yield Change("bias zeroed", path, None, {path: np.zeros_like(parts.weights[path])})


@mutation
def kernels(parts: Parts, rng: np.random.Generator, samples: int) -> Changes:
    """A kernel is turned around along its first axis; the gates of a recurrent one come in another order."""
    several = [
        path
        for path in _floats(parts, lambda name: name.endswith("kernel"))
        if parts.weights[path].ndim > 1 and len(parts.weights[path]) > 1
    ]
    for path in _some(rng, several, samples):
        yield Change("kernel flipped", path, None, {path: parts.weights[path][::-1].copy()})
    recurrent = [path for path in several if base(path) == "recurrent_kernel"]
    for path in _some(rng, recurrent, samples):
        folder = path.rsplit("/", 1)[0]
        units = len(parts.weights[path])
        count = parts.weights[path].shape[1] // units
        if count > 1:
            order = np.concatenate([np.arange(units) + units * gate for gate in [1, 0, *range(2, count)]])
            mine = {p: v[..., order] for p, v in parts.weights.items() if p.rsplit("/", 1)[0] == folder}
            yield Change("gates permuted", folder, None, mine)


@mutation
def embeddings(parts: Parts, rng: np.random.Generator, samples: int) -> Changes:
    """Two rows of an embedding change places; one row is another one; row 0, that of the padding, is another one."""
    for path in _floats(parts, lambda name: name == "embeddings"):
        value = parts.weights[path]
        for _ in range(samples):
            one, other = rng.choice(len(value), 2, replace=False)
            swapped, redrawn = value.copy(), value.copy()
            swapped[[one, other]] = value[[other, one]]
            redrawn[one] = value.std() * rng.standard_normal(value.shape[1])
            yield Change("embedding rows swapped", f"{path} {one}, {other}", None, {path: swapped})
            yield Change("embedding row changed", f"{path} {one}", None, {path: redrawn})
        shuffled = value[rng.permutation(len(value))]
        yield Change("embedding permuted", path, None, {path: shuffled})
        padding = value.copy()
        padding[0] = value.std() * rng.standard_normal(value.shape[1])
        yield Change("padding row changed", path, None, {path: padding})


@mutation
def means(parts: Parts, rng: np.random.Generator, samples: int) -> Changes:
    """The mean of a Normalization moves by a hundredth of itself."""
    for layer in parts.layers():
        if layer["class_name"] != "Normalization":
            continue
        name = layer["config"]["name"]
        mine = [path for path in parts.of(layer) if base(path) == "mean"]
        if mine:
            yield Change("normalisation mean", name, 1e-2, {mine[0]: parts.weights[mine[0]] * np.float32(1.01)})
        elif layer["config"].get("mean") is not None:
            mean = (np.asarray(layer["config"]["mean"]) * 1.01).tolist()
            yield _argument(parts, "normalisation mean", name, "mean", mean, 1e-2)


# ---- arguments


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Config]]:
    """Every object in a configuration, with the way to it."""
    if isinstance(value, dict):
        yield path, value
        for key, item in value.items():
            yield from _places(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _places(item, (*path, index))


def _with(config: Config, path: tuple[Any, ...], key: str, value: Any) -> Config:
    changed = copy.deepcopy(config)
    place: Any = changed
    for step in path:
        place = place[step]
    place[key] = value
    return changed


def _argument(
    parts: Parts, kind: str, layer: str, key: str, value: Any, size: float | None = None, *, harmless: bool = False
) -> Change:
    for path, place in _places(parts.config):
        if place.get("name") == layer and key in place and path[-1:] == ("config",):
            changed = _with(parts.config, path, key, value)
            return Change(kind, f"{layer} {key}: {str(value)[:40]}", size, config=changed, harmless=harmless)
    raise KeyError(f"{layer} has no {key}")


_ACTIVATIONS = {
    "relu": ("leaky_relu", "elu", "relu6", "softplus", "gelu"),
    "tanh": ("sigmoid", "softsign", "hard_tanh"),
    "gelu": ("swish", "relu"),
    "swish": ("gelu", "relu"),
    "silu": ("gelu", "relu"),
    "elu": ("selu", "relu"),
    "selu": ("elu", "relu"),
    "hard_sigmoid": ("sigmoid",),
    "sigmoid": ("hard_sigmoid",),
    "softmax": ("sigmoid",),
    "softplus": ("relu",),
    "softsign": ("tanh",),
}


@mutation
def activations(parts: Parts, rng: np.random.Generator, samples: int) -> Changes:
    """The activation of a layer is another one; in a recurrent layer its recurrent activation may be."""
    found = []
    for path, place in _places(parts.config):
        if path[-1:] != ("config",):
            continue
        for key in ("activation", "recurrent_activation"):
            given = place.get(key)
            now = given["config"] if isinstance(given, dict) else given
            found += [(path, key, new, f"{place.get('name')} {now} -> {new}") for new in _ACTIVATIONS.get(str(now), ())]
    for path, key, new, where in _some(rng, found, samples):
        yield Change("activation", where, None, config=_with(parts.config, path, key, new))


@mutation
def epsilons(parts: Parts, rng: np.random.Generator, samples: int) -> Changes:
    """The epsilon of a normalisation is that of another framework."""
    found = [layer["config"] for layer in parts.layers() if layer["class_name"].endswith("Normalization")]
    found = [config for config in found if "epsilon" in config]
    for config in _some(rng, found, samples):
        new = 1e-5 if config["epsilon"] > 5e-5 else 1e-3
        yield _argument(parts, f"epsilon {config['epsilon']:.0e} to {new:.0e}", config["name"], "epsilon", new)


_CONSTANTS: dict[str, tuple[tuple[str, Callable[[Any], Any]], ...]] = {
    "LeakyReLU": (("negative_slope", lambda v: 0.2), ("alpha", lambda v: 0.2)),
    "ELU": (("alpha", lambda v: 0.8),),
    "ReLU": (("max_value", lambda v: None if v else 6.0),),
    "Rescaling": (("offset", lambda v: v + 0.1), ("scale", lambda v: v * 1.01)),
    "Discretization": (("bin_boundaries", lambda v: [b * 1.1 for b in v]),),
    "ZeroPadding2D": (("padding", lambda v: [[side[0] + 1, side[1] - 1] for side in v]),),
    "Masking": (("mask_value", lambda v: -1.0),),
    "Embedding": (("mask_zero", lambda v: not v),),
    "Attention": (("score_mode", lambda v: "concat" if v == "dot" else "dot"),),
    "UpSampling2D": (("interpolation", lambda v: "bilinear"),),
    "Bidirectional": (("merge_mode", lambda v: v),),
    "Dot": (("normalize", lambda v: not v),),
}
_PADDINGS = {"Masking", "Embedding", "ZeroPadding2D"}


@mutation
def constants(parts: Parts, rng: np.random.Generator, samples: int) -> Changes:
    """An argument of a layer is another one: a slope, an offset, a boundary; what is padded, what is masked."""
    found = []
    for layer in parts.layers():
        name, kind = layer["config"]["name"], layer["class_name"]
        for key, new in _CONSTANTS.get(kind, ()):
            now = layer["config"].get(key)
            if key not in layer["config"] or new(now) == now:
                continue
            if kind == "Attention" or (key == "mask_zero" and not now):  # would change the weights or the graph
                continue
            found.append(_argument(parts, "padding" if kind in _PADDINGS else "constant", name, key, new(now)))
        if layer["class_name"] == "Conv1D" and layer["config"]["padding"] == "causal":
            found.append(_argument(parts, "padding", name, "padding", "same"))
    yield from _some(rng, found, samples)


@mutation
def outputs(parts: Parts, rng: np.random.Generator, samples: int) -> Changes:
    """Two outputs change places."""
    given = parts.config["config"].get("output_layers")
    if isinstance(given, list) and len(given) > 1 and isinstance(given[0], list):
        swapped = [given[1], given[0], *given[2:]]
        yield Change("outputs swapped", "0, 1", None, config=_with(parts.config, ("config",), "output_layers", swapped))
        heads = [{p: v for p, v in parts.weights.items() if p.split("/")[0] == output[0]} for output in given[:2]]
        if heads[0] and [v.shape for v in heads[0].values()] == [v.shape for v in heads[1].values()]:
            new = dict(zip([*heads[0], *heads[1]], [*heads[1].values(), *heads[0].values()], strict=True))
            yield Change("heads swapped", f"{given[0][0]}, {given[1][0]}", None, new)


@mutation
def harmless(parts: Parts, rng: np.random.Generator, samples: int) -> Changes:
    """What no prediction depends on: rates of dropout, momenta, initializers, whether a layer is trained."""
    yield Change("untouched copy", "", harmless=True)
    found = []
    for path, place in _places(parts.config):
        if path[-1:] != ("config",) or "name" not in place:
            continue
        for key, new in (("rate", 0.9), ("dropout", 0.7), ("momentum", 0.5), ("trainable", False)):
            if key in place and (key != "trainable" or re.search(r"dense|conv", str(place["name"]))):
                found.append((path, key, new, str(place["name"])))
    for path, key, new, name in _some(rng, found, samples):
        changed = _with(parts.config, path, key, new)
        yield Change(f"harmless {key}", f"{name} {key}: {new}", None, config=changed, harmless=True)
