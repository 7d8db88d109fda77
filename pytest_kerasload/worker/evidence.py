"""Evidence for a comparison: what the weights were, and how far rounding alone moves the outputs."""

from __future__ import annotations

from typing import Any, Dict, List

import numpy as np

# A model of more elements than this is not perturbed: the copy of its weights would double its memory.
MOST_ELEMENTS = 500_000_000


def _floating(array: np.ndarray) -> bool:
    return array.dtype.kind in "fc" or array.dtype.name == "bfloat16"


def fingerprint(name: str, array: np.ndarray) -> Dict[str, Any]:
    """A weight in four numbers: shape, mean, root mean square, and one sum in which every element has a weight of
    its own, so that an element that moved or changed places shows.

    ``RandomState`` gives the same numbers in every NumPy release (NEP 19).
    """
    flat = np.asarray(array, dtype=np.float64).ravel()
    drawn = 2.0 * np.random.RandomState(5).random_sample(flat.size)
    coefficients = np.where(drawn < 1.0, -0.5 - drawn, drawn - 0.5)  # no element counts for less than half
    with np.errstate(all="ignore"):
        return {
            "name": name,
            "shape": [int(size) for size in array.shape],
            "sum": float(np.dot(coefficients, flat)),
            "mean": float(flat.mean()) if flat.size else 0.0,
            "rms": float(np.sqrt(np.mean(flat * flat))) if flat.size else 0.0,
        }


def fingerprints(weights: List[Any]) -> List[Dict[str, Any]]:
    """A fingerprint of every floating weight, in the model's order."""
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
            dtype = str(getattr(variable.dtype, "name", variable.dtype))
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
            factor = 1.0 + unit * (2.0 * generator.random_sample(value.shape) - 1.0)
            variable.assign((value.astype(np.float64) * factor).astype(value.dtype))
        return len(self.variables)

    def restore(self) -> None:
        """Every variable as it was, to the bit."""
        for variable, value in zip(self.variables, self.kept):
            variable.assign(value)
        self.kept = []
