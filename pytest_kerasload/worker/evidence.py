"""Evidence for a comparison: what the weights were, and how far rounding alone moves the outputs."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List

import numpy as np

# A model of more elements than this is not perturbed: the copy of its weights would double its memory.
MOST_ELEMENTS = 500_000_000
_PART = 1 << 20


def _floating(array: np.ndarray) -> bool:
    return array.dtype.kind in "fc" or array.dtype.name == "bfloat16"


def fingerprint(name: str, array: np.ndarray) -> Dict[str, Any]:
    """A weight in four numbers: shape, mean, root mean square, and one sum in which every element has a weight of
    its own, so that an element that moved or changed places shows.

    ``RandomState`` gives the same numbers in every NumPy release (NEP 19).
    """
    total = mean = square = 0.0
    generator = np.random.RandomState(5)
    with np.errstate(all="ignore"):
        for part in _parts(array):
            drawn = 2.0 * generator.random_sample(part.size)
            # No element counts for less than half.
            total += float(np.dot(np.where(drawn < 1.0, -0.5 - drawn, drawn - 0.5), part))
            mean += float(part.sum()) / array.size
            square += float(np.dot(part, part)) / array.size
    return {
        "name": name,
        "shape": [int(size) for size in array.shape],
        "sum": total,
        "mean": mean,
        "rms": float(np.sqrt(square)),
    }


def _parts(array: np.ndarray) -> Iterator[np.ndarray]:
    """The elements in float64, some at a time: at once they would take several times the memory of the weight."""
    flat = array.reshape(-1)
    for start in range(0, flat.size, _PART):
        yield np.asarray(flat[start : start + _PART], dtype=np.float64)


def fingerprints(weights: List[Any]) -> List[Dict[str, Any]]:
    """A fingerprint of every floating weight, in the model's order.

    None of a model with LoRA: its file holds kernels with the factors multiplied in, and the factors that a load
    begins with are random (Keras 3.3 to 3.15, ``Dense.save_own_variables``).
    """
    if any("lora_" in name.rpartition("/")[2] for name, _ in weights):
        return []
    return [fingerprint(name, array) for name, array in weights if _floating(array)]


class Perturbation:
    """Moves every floating variable by a rounding error or so, and puts back what was there.

    The outputs then differ by what another order of summation, another instruction set or another release may
    change them by: it finds out how a model amplifies rounding, without another machine.
    """

    def __init__(self, variables: List[Any]) -> None:
        self.variables = []
        elements = 0
        for variable in variables:
            # Vocabularies are weights in Keras 2.10 to 2.15, and have no dtype (VocabWeightHandler).
            dtype = getattr(variable, "dtype", None)
            dtype = str(getattr(dtype, "name", dtype))
            if dtype.startswith(("float", "bfloat")) and hasattr(variable, "assign"):
                self.variables.append(variable)
                elements += int(np.prod([int(size) for size in variable.shape]))
        if elements > MOST_ELEMENTS:
            self.variables = []
        self.kept: List[np.ndarray] = []

    def apply(self, seed: int, unit: float) -> int:
        """Multiply each element by ``1 + unit * u`` with u between -1 and 1; gives the number of variables moved."""
        if not self.kept:
            self.kept = [np.array(variable.numpy()) for variable in self.variables]
        generator = np.random.RandomState(seed)
        for variable, value in zip(self.variables, self.kept):
            moved = np.empty(value.size, value.dtype)
            for place, part in enumerate(_parts(value)):
                factor = 1.0 + unit * (2.0 * generator.random_sample(part.size) - 1.0)
                moved[place * _PART : place * _PART + part.size] = (part * factor).astype(value.dtype)
            variable.assign(moved.reshape(value.shape))
        return len(self.variables)

    def restore(self) -> None:
        """Every variable as it was, to the bit; also where the user interrupts this."""
        try:
            self._put_back()
        except KeyboardInterrupt:
            self._put_back()
            raise
        self.kept = []

    def _put_back(self) -> None:
        for variable, value in zip(self.variables, self.kept):
            variable.assign(value)


class Kept:
    """Variables that answering changes (states, counters, seeds), and what they held."""

    def __init__(self, variables: List[Any]) -> None:
        self.kept = [(variable, np.array(variable.numpy())) for variable in variables]

    def restore(self) -> None:
        """Every variable as it was, to the bit; those that did not change are not written to."""
        for variable, value in self.kept:
            if np.asarray(variable.numpy()).tobytes() != value.tobytes():
                variable.assign(value)
