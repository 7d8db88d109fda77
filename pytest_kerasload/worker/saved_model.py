"""A SavedModel seen through its signatures (or, without any, through the functions it carries)."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from . import arrays

DEFAULT_ENDPOINTS = ("serving_default", "predict", "serve", "__call__")


def _endpoints(tf: Any, loaded: Any) -> Dict[str, Any]:
    """Concrete functions by endpoint name: the signatures, else the traced functions of the object."""
    found = {}
    for name, function in dict(getattr(loaded, "signatures", None) or {}).items():
        if not str(name).startswith("__"):  # __saved_model_init_op, __saved_model_train_op
            found[str(name)] = function
    if found:
        return found
    for name in ["__call__"] + sorted(vars(loaded)):
        function = getattr(loaded, name, None)
        traces = getattr(function, "concrete_functions", None)
        if traces and (name == "__call__" or not name.startswith("_")):
            found[name] = traces[0]
    return found


class SignatureModel:
    """A loaded SavedModel and its endpoints.

    Inputs and outputs of the default endpoint go by their own names, those of the others by ``endpoint/name``.
    """

    kind = "signatures"

    def __init__(self, runtime: Any, loaded: Any) -> None:
        self.runtime = runtime
        self.loaded = loaded
        self.endpoints = _endpoints(runtime.tf, loaded)

    def default_endpoint(self) -> Optional[str]:
        """The endpoint that a server answers by default."""
        for name in DEFAULT_ENDPOINTS:
            if name in self.endpoints:
                return name
        return sorted(self.endpoints)[0] if self.endpoints else None

    def _signature(self, function: Any) -> Tuple[List[Any], Dict[str, Any]]:
        args, kwargs = function.structured_input_signature
        tf = self.runtime.tf
        positional = [spec for spec in args if isinstance(spec, (tf.TensorSpec, tf.RaggedTensorSpec))]
        named = {key: spec for key, spec in kwargs.items() if hasattr(spec, "dtype")}
        return positional, named

    def inputs(self) -> List[Dict[str, Any]]:
        """Every endpoint's inputs, the default endpoint's first."""
        specs: List[Dict[str, Any]] = []
        default = self.default_endpoint()
        for endpoint in sorted(self.endpoints, key=lambda name: (name != default, name)):
            positional, named = self._signature(self.endpoints[endpoint])
            entries = [(str(getattr(spec, "name", None) or index), spec) for index, spec in enumerate(positional)]
            entries += sorted(named.items())
            for index, (name, spec) in enumerate(entries):
                shape = spec.shape
                full = name if endpoint == default else endpoint + "/" + name
                aliases = {full, str(getattr(spec, "name", None) or name)}
                if endpoint == default:
                    aliases.add(str(index))
                specs.append(
                    {
                        "name": full,
                        "aliases": sorted(aliases) if endpoint == default else [full],
                        "shape": None if shape.rank is None else shape.as_list(),
                        "dtype": spec.dtype.name,
                        "ragged": "Ragged" in type(spec).__name__,
                        "endpoint": endpoint,
                        "argument": name,
                        "positional": index < len(positional),
                    }
                )
        return specs

    def predict(self, given: Sequence[Optional[np.ndarray]]) -> List[Tuple[List[str], np.ndarray]]:
        """Names and array of every output of every endpoint whose inputs were given."""
        tf = self.runtime.tf
        calls: Dict[str, Tuple[List[Any], Dict[str, Any]]] = {name: ([], {}) for name in self.endpoints}
        for spec, array in zip(self.inputs(), given):
            if array is None:
                continue
            value = arrays.tensor(tf, spec["dtype"], array, spec["ragged"])
            args, kwargs = calls[spec["endpoint"]]
            if spec["positional"]:
                args.append(value)
            else:
                kwargs[spec["argument"]] = value
        default = self.default_endpoint()
        outputs = []
        for endpoint in sorted(self.endpoints, key=lambda name: (name != default, name)):
            args, kwargs = calls[endpoint]
            expected = len([spec for spec in self.inputs() if spec["endpoint"] == endpoint])
            if len(args) + len(kwargs) < expected:
                continue  # not every input of this endpoint was given
            result = self.endpoints[endpoint](*args, **kwargs)
            for index, (key, value) in enumerate(self._flat(result)):
                name = key or str(index)
                full = name if endpoint == default else endpoint + "/" + name
                for part, array in arrays.flatten(tf, full, value):
                    aliases = [part]
                    if endpoint == default and part == full:
                        aliases += [str(index)]
                    outputs.append((aliases, array))
        return outputs

    def _flat(self, result: Any) -> List[Tuple[str, Any]]:
        if isinstance(result, dict):
            return [(str(key), result[key]) for key in sorted(result)]
        if isinstance(result, (list, tuple)):
            return [(str(index), item) for index, item in enumerate(result)]
        return [("0", result)] if result is not None else []

    def weights(self) -> List[Tuple[str, np.ndarray]]:
        """Name and value of every variable, in the order of the file."""
        return arrays.named(self.variables())

    def variables(self) -> List[Any]:
        """Every variable of the object, or of the graphs of its endpoints where it does not list them."""
        variables = getattr(self.loaded, "variables", None)
        if variables:
            return list(variables)
        seen: Dict[int, Any] = {}
        for function in self.endpoints.values():
            for variable in function.graph.variables if hasattr(function, "graph") else ():
                seen.setdefault(id(variable), variable)
        return list(seen.values())

    def optimizer_state(self) -> List[Tuple[str, np.ndarray]]:
        """Nothing: an export has no optimizer."""
        return []
