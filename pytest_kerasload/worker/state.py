"""What a model is made of, as plain data that can be compared: its configuration and its compile state."""

from __future__ import annotations

import json
import re
from typing import Any, Dict, List

# One name for each loss and metric function, however it was given (keras/src/losses, keras/src/metrics).
_ALIASES = {
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "kld": "kl_divergence",
    "kldivergence": "kl_divergence",
    "kullback_leibler_divergence": "kl_divergence",
    "cosine_proximity": "cosine_similarity",
    "bce": "binary_crossentropy",
    "acc": "accuracy",
    "ce": "crossentropy",
    "logcosh": "log_cosh",
}


def plain(value: Any) -> Any:
    """The value as JSON can hold it: tuples as lists, NumPy and TensorFlow scalars as numbers, objects by name."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    if hasattr(value, "as_list"):
        return plain(value.as_list())
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if hasattr(value, "numpy"):
        return plain(value.numpy())
    if hasattr(value, "get_config"):
        try:
            return {"class_name": type(value).__name__, "config": plain(value.get_config())}
        except Exception:  # the user's own method may raise anything
            return type(value).__name__
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    return type(value).__name__ if type(value).__module__ != "builtins" else str(value)


def config(keras_model: Any) -> Any:
    """The model's configuration as plain data, or None for a model that has none (``get_config`` not written)."""
    try:
        # Through Keras' own JSON where there is one: it turns nested objects into their configurations.
        return plain(json.loads(keras_model.to_json())["config"])
    except Exception:  # a model without get_config raises NotImplementedError, others what they like
        pass
    try:
        return plain(keras_model.get_config())
    except Exception:
        return None


def canonical(identifier: Any) -> Any:
    """A loss, metric or optimizer by one name, whichever way it was spelled or serialised."""
    if identifier is None:
        return None
    if isinstance(identifier, dict) and "class_name" in identifier:
        inner = identifier.get("config")
        if identifier["class_name"] == "function":
            return canonical(inner)
        if (
            isinstance(inner, dict)
            and isinstance(inner.get("fn"), (str, dict))
            and "Wrapper" in identifier["class_name"]
        ):
            return canonical(inner["fn"])
        return canonical(str(identifier["class_name"]))
    if isinstance(identifier, dict):
        return {str(key): canonical(item) for key, item in sorted(identifier.items())}
    if isinstance(identifier, (list, tuple)):
        return [canonical(item) for item in identifier]
    if not isinstance(identifier, str):
        identifier = getattr(identifier, "__name__", None) or type(identifier).__name__
    name = identifier.split(">")[-1].split(".")[-1]
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    return _ALIASES.get(name, name)


def _wrapped(metric: Any) -> Any:
    """A metric's function where it is only a wrapper around one, else the metric."""
    function = getattr(metric, "_fn", None)
    return function if function is not None and type(metric).__name__ == "MeanMetricWrapper" else metric


def _flat(value: Any) -> List[Any]:
    if isinstance(value, dict):
        return [leaf for key in sorted(value) for leaf in _flat(value[key])]
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in _flat(item)]
    return [] if value is None else [value]


def _arguments(model: Any) -> Dict[str, Any]:
    """The arguments that the model was compiled with."""
    try:
        found = model._get_compile_args()  # Keras 2.3 to 2.15
    except Exception:  # a private method: absent, or refusing an uncompiled model
        found = None
    if found is None:
        try:
            found = model.get_compile_config()  # Keras 2.12+ and 3
        except Exception:
            found = None
    return dict(found or {})


def compile_state(model: Any) -> Dict[str, Any]:
    """Optimizer, loss, metrics, loss weights and flags that the model was compiled with; empty when it was not."""
    optimizer = getattr(model, "optimizer", None)
    arguments = _arguments(model)
    if optimizer is None and not arguments.get("loss"):
        return {}
    state: Dict[str, Any] = {}
    inner = getattr(optimizer, "inner_optimizer", None)
    if optimizer is not None:
        state["optimizer"] = canonical(type(inner if inner is not None else optimizer).__name__)
        try:
            described = dict(plain((inner if inner is not None else optimizer).get_config()))
            described.pop("name", None)  # counted on with every load: rmsprop, rmsprop_1
            state["optimizer_config"] = described
        except Exception:
            state["optimizer_config"] = None
    state["loss"] = [canonical(item) for item in _flat_identifiers(arguments.get("loss"))]
    for key in ("metrics", "weighted_metrics"):
        state[key] = sorted(str(canonical(_wrapped(item))) for item in _flat_identifiers(arguments.get(key)))
    state["loss_weights"] = plain(_flat(arguments.get("loss_weights")))
    state["run_eagerly"] = bool(getattr(model, "run_eagerly", False))
    steps = getattr(model, "steps_per_execution", None) or getattr(model, "_steps_per_execution", None) or 1
    state["steps_per_execution"] = int(steps.numpy()) if hasattr(steps, "numpy") else int(steps)
    return state


def _flat_identifiers(value: Any) -> List[Any]:
    """The losses or metrics in a structure of them; a serialised one (a dict with class_name) is one."""
    if isinstance(value, dict) and "class_name" in value:
        return [value]
    if isinstance(value, dict):
        return [leaf for key in sorted(value, key=str) for leaf in _flat_identifiers(value[key])]
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in _flat_identifiers(item)]
    return [] if value is None else [value]
