"""What the layers behind an input say of its values: indices into a table, words of a vocabulary, their usual size."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Optional, Tuple

import numpy as np

# Layers that hand their input on with the same values.
_TRANSPARENT = {
    *("Dropout", "SpatialDropout1D", "Masking", "Reshape", "Flatten", "Permute", "RepeatVector", "InputLayer"),
    *("RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "RandomCrop", "Resizing", "CenterCrop"),
    *("GaussianNoise", "GaussianDropout", "AlphaDropout", "ZeroPadding1D", "ZeroPadding2D", "Identity", "Activation"),
}


def _bound(layer: Any) -> Optional[int]:
    """The exclusive upper bound of the values that this layer takes as indices."""
    kind = type(layer).__name__
    if kind == "Embedding" or (hasattr(layer, "input_dim") and hasattr(layer, "embeddings_initializer")):
        size = getattr(layer, "input_dim", None)
        return int(size) if size else None
    if kind == "CategoryEncoding":
        size = getattr(layer, "num_tokens", None)
        return int(size) if size else None
    return None


def _words(layer: Any) -> List[str]:
    if type(layer).__name__ not in ("StringLookup", "TextVectorization"):
        return []
    return [str(word) for word in _vocabulary(layer)[:1000]]


def _vocabulary(layer: Any) -> List[Any]:
    try:
        return list(layer.get_vocabulary())
    except Exception:  # an unadapted layer raises
        return []


def _choices(layer: Any) -> List[int]:
    """Numbers that a lookup knows, and one that it does not."""
    if type(layer).__name__ != "IntegerLookup":
        return []
    known = [int(number) for number in _vocabulary(layer)[:1000] if not isinstance(number, str)]
    return known + [max(known) + 1] if known else []


def _usual(layer: Any, width: Optional[int]) -> Optional[Tuple[List[float], List[float]]]:
    """Where the values of an input usually lie and how far they spread: a number each, or one for each feature."""
    kind = type(layer).__name__
    if kind == "Normalization" and not getattr(layer, "invert", False):
        mean, variance = (getattr(layer, name, None) for name in ("mean", "variance"))
        if mean is None or variance is None:
            return None
        centre = np.asarray(mean, dtype=np.float64).ravel()
        spread = np.sqrt(np.abs(np.asarray(variance, dtype=np.float64).ravel()))
        if centre.size not in (1, width) or spread.size != centre.size:
            centre, spread = centre.mean(keepdims=True), spread.mean(keepdims=True)
        return centre.tolist(), np.maximum(spread, 1e-3).tolist()
    if kind == "Rescaling":
        scale, offset = (np.asarray(getattr(layer, name), dtype=np.float64) for name in ("scale", "offset"))
        if scale.size != 1 or not scale.all():
            return None
        # What comes out is taken to lie within 0 and 1, or -1 and 1 where an offset makes it so.
        low = (np.minimum(offset.min(), 0.0) - offset.min()) / scale.ravel()[0]
        high = (1.0 - offset.min()) / scale.ravel()[0]
        return [float(low + high) / 2], [abs(float(high - low)) / 4]
    if kind == "Discretization":
        edges = getattr(layer, "bin_boundaries", None)
        if edges is None or not len(edges):
            return None
        return [float(edges[0] + edges[-1]) / 2], [max(float(edges[-1] - edges[0]), 1e-3) / 2]
    return None


def _padding(layer: Any) -> Optional[float]:
    """The value of steps that are masked out."""
    if type(layer).__name__ == "Embedding" and getattr(layer, "mask_zero", False):
        return 0.0
    if type(layer).__name__ == "Masking":
        return float(np.asarray(getattr(layer, "mask_value", 0.0)).ravel()[0])
    return None


def _consumers(model: Any, leaf: Any) -> Iterator[Tuple[Any, Any]]:
    """Layers of a functional model that take this tensor, with the tensors that they give."""
    for layer in list(getattr(model, "layers", None) or []):
        for node in list(getattr(layer, "_inbound_nodes", None) or []):
            taken = getattr(node, "input_tensors", None)
            if taken is None:
                continue
            taken = taken if isinstance(taken, (list, tuple)) else [taken]
            for position, one in enumerate(taken):
                if one is leaf:
                    given = getattr(node, "output_tensors", None)
                    if given is None:
                        given = getattr(node, "outputs", None)
                    yield layer, (position, given if isinstance(given, (list, tuple)) else [given])


def _inner(layer: Any, position: int) -> Tuple[Any, Any]:
    """The model inside a nested model or a wrapper, with the tensor that stands for the given input."""
    inner = layer if getattr(layer, "layers", None) else getattr(layer, "layer", None)
    inputs = getattr(inner, "inputs", None)
    if inner is None or not inputs or position >= len(inputs):
        return inner, None
    return inner, inputs[position]


def _first_layers(model: Any, leaf: Any, depth: int = 0) -> Iterator[Any]:
    """The layers that see the input's values unchanged."""
    if depth > 8:
        return
    for layer, (position, outputs) in _consumers(model, leaf):
        yield layer
        if type(layer).__name__ in _TRANSPARENT:
            for output in outputs:
                for found in _first_layers(model, output, depth + 1):
                    yield found
        inner, tensor = _inner(layer, position)
        if inner is not None and tensor is not None:
            for found in _first_layers(inner, tensor, depth + 1):
                yield found
        elif inner is not None:
            yield inner


def add(model: Any, leaves: List[Tuple[str, Any]], specs: List[Dict[str, Any]]) -> None:
    """Write what the layers behind each input tell into its spec.

    ``bound`` (indices lie below it), ``vocabulary`` (words), ``sentences`` (several of them make a value), ``choices``
    (numbers that are looked up), ``centre`` and ``spread`` (of usual values), ``padding`` (what masked steps hold).
    """
    for (_, leaf), spec in zip(leaves, specs):
        try:
            _add(model, leaf, spec, alone=len(specs) == 1)
        except Exception:  # hints only: inputs are tried all the same, and complaints are read
            continue


def _add(model: Any, leaf: Any, spec: Dict[str, Any], alone: bool) -> None:
    layers = list(_first_layers(model, leaf))
    if not layers and alone:
        layers = list(getattr(model, "layers", None) or [])[:2]
    bounds = [bound for bound in map(_bound, layers) if bound]
    words = [word for layer in layers for word in _words(layer)]
    choices = [number for layer in layers for number in _choices(layer)]
    width = spec["shape"][-1] if spec.get("shape") else None
    usual = [found for found in (_usual(layer, width) for layer in layers) if found]
    paddings = [value for value in map(_padding, layers) if value is not None]
    if bounds:
        spec["bound"] = min(bounds)
    if words:
        spec["vocabulary"] = words
        spec["sentences"] = any(type(layer).__name__ == "TextVectorization" for layer in layers)
    if choices:
        spec["choices"] = choices
    if usual:
        spec["centre"], spec["spread"] = usual[0]
    if paddings:
        spec["padding"] = paddings[0]
