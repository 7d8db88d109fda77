"""A live Keras model, seen the same way under Keras 2, tf_keras and Keras 3."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np

from . import arrays, hints

Spec = Dict[str, Any]
"""One input or output: name, aliases, shape (None where free, None when unknown), dtype, ragged, and hints."""


def _shape(value: Any) -> Optional[List[Optional[int]]]:
    if value is None:
        return None
    if hasattr(value, "as_list"):
        return None if getattr(value, "rank", 0) is None else value.as_list()
    try:
        return [None if size is None else int(size) for size in value]
    except TypeError:
        return None


def _dtype(value: Any) -> str:
    name = getattr(value, "name", None) or str(value)
    return str(name).replace("<dtype: '", "").replace("'>", "")


def _is(leaf: Any, kind: str) -> bool:
    """Whether an input is ``Ragged`` or ``Sparse``: by its class, its type spec, or a flag (Keras 3)."""
    spec = getattr(leaf, "type_spec", None) or getattr(leaf, "_type_spec", None)
    return kind in type(leaf).__name__ or kind in type(spec).__name__ or bool(getattr(leaf, kind.lower(), False))


def _told_apart(names: Sequence[str]) -> List[str]:
    """The names of outputs as Keras 2 tells those of one layer apart (lstm, lstm_1); Keras 3 calls all of them alike.

    keras/engine/functional.py, _set_output_names.
    """
    found: List[str] = []
    counts: Dict[str, int] = {}
    for name in names:
        proposal = name
        while proposal in found:
            counts[name] = counts.get(name, 1)
            proposal = "%s_%d" % (name, counts[name])
            counts[name] += 1
        found.append(proposal)
    return found


class KerasModel:
    """One Keras model: its inputs and outputs, what it predicts, its weights and its state."""

    kind = "keras"

    def __init__(self, runtime: Any, model: Any) -> None:
        self.runtime = runtime
        self.model = model
        self._specs: Optional[List[Spec]] = None

    # ---- inputs and outputs

    def _structure(self) -> Any:
        """The model's inputs as nested by its author (lists, dicts), or None for a model that never said."""
        for attribute in ("_inputs_struct", "_nested_inputs"):  # Keras 3, Keras 2
            found = getattr(self.model, attribute, None)
            if found is not None:
                return found
        try:
            inputs = self.model.inputs
        except (AttributeError, ValueError):
            return None
        return inputs[0] if inputs and len(inputs) == 1 else (inputs or None)

    def _saved_spec(self) -> Any:
        """The nested TensorSpec of a model that is neither functional nor Sequential, where it was kept."""
        try:
            spec = self.model.save_spec()  # Keras 2.7+
        except Exception:  # any failure means: not kept
            spec = None
        if spec is None:
            return getattr(self.model, "_saved_model_inputs_spec", None)  # Keras 2.4 to 2.6
        args = spec[0] if isinstance(spec, tuple) else spec
        return args[0] if isinstance(args, (tuple, list)) and len(args) == 1 else args

    def _leaves(self, structure: Any) -> List[Tuple[str, Any]]:
        if isinstance(structure, dict):
            return [(str(key), leaf) for key in sorted(structure) for _, leaf in self._leaves(structure[key])]
        if isinstance(structure, (list, tuple)):
            return [leaf for item in structure for leaf in self._leaves(item)]
        return [("", structure)]

    def _pack(self, structure: Any, flat: Iterator[Any]) -> Any:
        if isinstance(structure, dict):
            return {key: self._pack(structure[key], flat) for key in sorted(structure)}
        if isinstance(structure, (list, tuple)):
            return [self._pack(item, flat) for item in structure]
        return next(flat)

    def inputs(self) -> List[Spec]:
        """The model's inputs in the order in which :meth:`predict` takes them; empty when it cannot be told."""
        if self._specs is None:
            self._specs = self._describe()
        return self._specs

    def _describe(self) -> List[Spec]:
        structure = self._structure()
        if structure is None:
            structure = self._saved_spec()
        if structure is None:
            return self._inputs_from_build()
        leaves = self._leaves(structure)
        layer_names = list(getattr(self.model, "input_names", None) or [])
        specs = []
        for index, (key, leaf) in enumerate(leaves):
            names = [key] if key else []
            history = getattr(leaf, "_keras_history", None)
            if history is not None:
                layer = getattr(history, "operation", None) or getattr(history, "layer", None) or history[0]
                names.append(str(layer.name))
            if index < len(layer_names):
                names.append(str(layer_names[index]))
            if getattr(leaf, "name", None):
                names.append(str(leaf.name).split(":")[0])
            names.append(str(index))
            spec = {
                "name": names[0],
                "aliases": sorted(set(names)),
                "shape": _shape(getattr(leaf, "shape", None)),
                "dtype": _dtype(leaf.dtype),
                "ragged": _is(leaf, "Ragged"),
                "sparse": _is(leaf, "Sparse"),
            }
            specs.append(spec)
        hints.add(self.model, leaves, specs)
        return specs

    def _inputs_from_build(self) -> List[Spec]:
        """Inputs of a subclassed model as far as what it was built with tells."""
        shapes: Any = None
        config = None
        try:
            config = self.model.get_build_config()  # Keras 2.12+ and 3
        except Exception:  # the user's own method may raise anything
            config = None
        if config:
            shapes = config.get("input_shape") or config.get("shapes_dict")
        if shapes is None:
            shapes = getattr(self.model, "_build_input_shape", None)
        if shapes is None:
            return []
        if isinstance(shapes, dict):
            if len(shapes) > 1 and not all(isinstance(shape, (list, tuple)) for shape in shapes.values()):
                return []
            entries = [(str(key), shapes[key]) for key in sorted(shapes)]
        elif shapes and isinstance(shapes[0], (list, tuple)):
            entries = [(str(index), shape) for index, shape in enumerate(shapes)]
        else:
            entries = [("0", shapes)]
        dtype = str(getattr(self.model, "compute_dtype", None) or "float32")
        return [
            {
                "name": name,
                "aliases": sorted({name, str(index)}),
                "shape": _shape(shape) and [None] + list(_shape(shape) or [])[1:],
                "dtype": "float32" if dtype in ("float16", "bfloat16") else dtype,
                "ragged": False,
                "guessed": True,
            }
            for index, (name, shape) in enumerate(entries)
        ]

    def outputs(self, count: int) -> List[List[str]]:
        """For each of ``count`` flat outputs its names, best first, the position last."""
        names = list(getattr(self.model, "output_names", None) or [])
        tensors = list(getattr(self.model, "outputs", None) or [])
        found = []
        for index in range(count):
            one = []
            if len(names) == count and names.count(names[index]) == 1:
                one.append(str(names[index]))
            if len(tensors) == count:
                history = getattr(tensors[index], "_keras_history", None)
                if history is not None:
                    layer = getattr(history, "operation", None) or getattr(history, "layer", None) or history[0]
                    one.append(str(layer.name))
            one.append(str(index))
            found.append(one)
        for aliases, name in zip(found, _told_apart([aliases[0] for aliases in found])):
            if name not in aliases:
                aliases.insert(0, name)
        return found

    # ---- what it predicts

    def _reset(self) -> None:
        """Forget the state of stateful layers, so that every prediction begins from the same one."""
        for layer in self.layers():
            if getattr(layer, "stateful", False):
                reset = getattr(layer, "reset_states", None) or getattr(layer, "reset_state", None)
                if reset is not None:
                    reset()

    def predict(self, given: Sequence[np.ndarray]) -> List[Tuple[List[str], np.ndarray]]:
        """Names and array of every output for one batch of inputs, in inference mode."""
        tf = self.runtime.tf
        specs = self.inputs()
        tensors = []
        for index, array in enumerate(given):
            dtype = specs[index]["dtype"] if index < len(specs) else array.dtype.name
            guessed = index < len(specs) and specs[index].get("guessed")
            if array.dtype.kind in "SU":
                dtype = "string"
            elif guessed and array.dtype.kind not in "f":
                dtype = array.dtype.name
            kind = specs[index] if index < len(specs) else {}
            tensors.append(arrays.tensor(tf, dtype, array, bool(kind.get("ragged")), bool(kind.get("sparse"))))
        structure = self._structure()
        if structure is None:
            structure = self._saved_spec()
        if structure is None:
            packed = tensors[0] if len(tensors) == 1 else self._guessed_structure(specs, tensors)
        else:
            packed = self._pack(structure, iter(tensors))
        self._reset()
        result = self.model(packed, training=False)
        self._reset()
        flat = self._flat_outputs(result)
        names = self.outputs(len(flat))
        outputs = []
        for index, (key, value) in enumerate(flat):
            aliases = ([key] if key else []) + names[index]
            parts = arrays.flatten(tf, aliases[0], value)
            for name, array in parts:
                outputs.append((aliases if name == aliases[0] else [name], array))
        return outputs

    def _guessed_structure(self, specs: List[Spec], tensors: List[Any]) -> Any:
        if specs and not all(spec["name"].isdigit() for spec in specs):
            return {spec["name"]: tensor for spec, tensor in zip(specs, tensors)}
        return tensors

    def _flat_outputs(self, result: Any) -> List[Tuple[str, Any]]:
        if isinstance(result, dict):
            return [(str(key), leaf) for key in sorted(result) for _, leaf in self._flat_outputs(result[key])]
        if isinstance(result, (list, tuple)):
            return [leaf for item in result for leaf in self._flat_outputs(item)]
        return [("", result)]

    # ---- what it holds

    def layers(self) -> Iterator[Any]:
        """Every layer, nested ones too."""
        flat = getattr(self.model, "_flatten_layers", None)
        if flat is not None:
            for layer in flat(include_self=False, recursive=True):
                yield layer

    def weights(self) -> List[Tuple[str, np.ndarray]]:
        """Name and value of every weight in the model's own order; no metric, optimizer or seed state."""
        try:
            weights = self.model.weights
        except ValueError:  # a model that was never built: it has none yet
            weights = []
        return [item for item in arrays.named(weights) if not item[0].split(":")[0].endswith("seed_generator_state")]

    def variables(self) -> List[Any]:
        """Every weight as the variable that holds it."""
        try:
            return list(self.model.weights)
        except ValueError:  # never built
            return []

    def moving(self) -> List[Any]:
        """Every variable that an answer may change: those that are not trained, seeds and states among them."""
        found = []
        try:
            found += [one for one in self.model.variables if not getattr(one, "trainable", False)]
        except ValueError:  # never built
            pass
        for layer in self.layers():
            if getattr(layer, "stateful", False):
                found += self.runtime.tf.nest.flatten(getattr(layer, "states", None))
        # Keras 2 says of states that they are trainable.
        return list({id(one): one for one in found if hasattr(one, "numpy") and hasattr(one, "assign")}.values())

    def optimizer_state(self) -> List[Tuple[str, np.ndarray]]:
        """Name and value of every variable of the optimizer; empty without one."""
        optimizer = getattr(self.model, "optimizer", None)
        if optimizer is None:
            return []
        variables = getattr(optimizer, "variables", None)
        if callable(variables):
            variables = variables()
        if variables is None:
            variables = getattr(optimizer, "weights", [])
        return arrays.named(variables)
