"""In which precision an artifact computes, and the tolerance that follows from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pytest_kerasload.artifacts.record import Artifact
from pytest_kerasload.comparison import BY_PRECISION, Tolerance
from pytest_kerasload.folding import BY
from pytest_kerasload.noise import UNITS, Noise
from pytest_kerasload.settings import Settings


@dataclass(frozen=True)
class Evidence:
    """The noise that was stored with an output, and whether it is compared with the releases it was recorded with."""

    noise: Noise
    here: bool
    quantum: float = 0.0
    """Of outputs that somebody wrote with few digits."""


_ORDER = ("bfloat16", "float16", "float32")


def _policies(value: Any, key: str = "") -> Iterator[str]:
    """Every dtype or dtype policy named in a configuration."""
    if isinstance(value, str):
        if key in ("dtype", "name", "policy", "compute_dtype", "source_name", "to_dtype"):
            yield value
    elif isinstance(value, Mapping):
        inside_policy = key == "dtype" or "Policy" in str(value.get("class_name", ""))
        for name, item in value.items():
            if name == "name" and not inside_policy:  # what a layer is called
                continue
            yield from _policies(item, "dtype" if inside_policy and name == "config" else name)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _policies(item, key)


def precision(artifact: Artifact, dtypes: tuple[str, ...] = ()) -> str:
    """The coarsest floating type that the artifact computes in, among its policies, ops, inputs and outputs.

    A mixed_float16 model with float32 outputs is float16 inside, and so is its noise. float64 only where all is.
    """
    named = {word.removeprefix("mixed_") for word in _policies(artifact.config or {})}
    named |= {spec.dtype for spec in (*artifact.inputs, *artifact.outputs)} | set(dtypes) | artifact.computes_in
    for name in _ORDER[:2]:
        if name in named:
            return name
    floating = {name for name in named if name in ("float32", "float64")}
    return "float64" if floating == {"float64"} else "float32"


# How many times the measured noise an output may lie off. Of the equal pairs that benchmarks/agreement.py made (three
# releases, oneDNN on, off and held to older instruction sets, one core and two) the largest lay 1.4 times off.
_FACTOR = 12.0
_FACTOR_ELSEWHERE = 48.0


def tolerance(
    artifact: Artifact, output: str, dtypes: tuple[str, ...], settings: Settings, evidence: Evidence | None = None
) -> Tolerance:
    """The tolerance for one output: ``kerasload.toml`` over command line and ini over the noise that was measured
    when it was recorded; without that, what the dtypes say."""
    name = precision(artifact, dtypes)
    chosen = BY_PRECISION[name]
    overrides = settings.overrides(artifact.path)
    mine = overrides.outputs.get(output, {})
    rtol = next((v for v in (mine.get("rtol"), overrides.rtol, settings.rtol) if v is not None), None)
    atol = next((v for v in (mine.get("atol"), overrides.atol, settings.atol) if v is not None), None)
    if rtol is not None or atol is not None or evidence is None:
        return Tolerance(chosen.rtol if rtol is None else rtol, chosen.share, atol, overrides.max_mismatch)
    return Tolerance(
        chosen.rtol,
        chosen.share,
        max_mismatch=overrides.max_mismatch,
        noise=evidence.noise.rows,
        by=evidence.noise.by,
        factor=_FACTOR if evidence.here else _FACTOR_ELSEWHERE,
        quantum=evidence.quantum,
        unit=UNITS[name],
    )


def folded(allowed: Tolerance) -> Tolerance:
    """The tolerance for sums in place of elements (folding.py): what was caught in an element is caught in its sum.

    The noise was measured of the sums, and is larger than that of their elements by the root of their number; it is
    the largest of very many. Tolerances of the user's own are for elements, which may all lie off the same way; where
    a share of elements may differ, so may the sums that one of them falls into.
    """
    return replace(
        allowed,
        rtol=allowed.rtol * BY**0.5,
        absolute=None if allowed.absolute is None else allowed.absolute * BY,
        max_mismatch=1.0 - (1.0 - allowed.max_mismatch) ** BY,
        factor=allowed.factor / BY**0.5,
    )
