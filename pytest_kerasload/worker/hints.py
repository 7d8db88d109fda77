"""What the layers behind an input say of its values: indices into a table, words of a vocabulary."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Optional, Tuple

# Layers that hand their input on with the same values.
_TRANSPARENT = {"Dropout", "SpatialDropout1D", "Masking", "Reshape", "Flatten", "Activation", "Permute", "RepeatVector"}


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
    if type(layer).__name__ not in ("StringLookup", "TextVectorization", "IntegerLookup"):
        return []
    try:
        found = layer.get_vocabulary()
    except Exception:  # an unadapted layer raises
        return []
    return [str(word) for word in found[:200]]


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
    """Write ``bound`` and ``vocabulary`` into the specs whose layers tell."""
    for (_, leaf), spec in zip(leaves, specs):
        try:
            layers = list(_first_layers(model, leaf))
        except Exception:  # hints only: inputs are tried all the same, and complaints are read
            continue
        if not layers and len(specs) == 1:
            layers = list(getattr(model, "layers", None) or [])[:2]
        bounds = [bound for bound in map(_bound, layers) if bound]
        words = [word for layer in layers for word in _words(layer)]
        if bounds:
            spec["bound"] = min(bounds)
        if words:
            spec["vocabulary"] = words
