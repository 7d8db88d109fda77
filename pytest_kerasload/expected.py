"""Expected outputs: ``<artifact>.expected.npz``, read without unpickling, written by rename."""

from __future__ import annotations

import json
import platform
import tokenize
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_kerasload import fingerprints, npy
from pytest_kerasload.artifacts import json_text
from pytest_kerasload.artifacts.outline import Outline
from pytest_kerasload.artifacts.stamp import EXPECTED
from pytest_kerasload.artifacts.zip_errors import ZIP_ERRORS
from pytest_kerasload.files import replacing
from pytest_kerasload.folding import Fold
from pytest_kerasload.noise import Noise
from pytest_kerasload.ragged import packed, padded

Array = NDArray[Any]

SUFFIX = EXPECTED
FORMAT_VERSION = 2

_DAMAGES: tuple[type[Exception], ...] = (
    *(*ZIP_ERRORS, TypeError, AttributeError, MemoryError, SyntaxError, OverflowError, tokenize.TokenError),
    RecursionError,
)
"""What NumPy and zipfile raise on files that are damaged, or something else."""


_LONGEST = 1 << 26
"""Bytes of provenance, four for each character; it is parsed, which takes many times as much."""


class ExpectedUnreadable(Exception):
    """The file is no ``.npz`` of inputs and outputs; the message says what is wrong with it."""


class NamesDiffer(Exception):
    """The names in the file are not those of the model; the message lists both."""


@dataclass(frozen=True)
class Expected:
    """Stored inputs and the outputs that they gave, by name; ``provenance`` is empty for a file written by hand."""

    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    ragged: frozenset[str] = frozenset()
    """Inputs with rows of several lengths: in memory a padded batch (ragged.padded), on disk values and lengths."""

    def noise(self, output: str) -> Noise | None:
        """The noise that was measured when an output was recorded; None where none was."""
        told = self.provenance.get("noise")
        return Noise.of_json(told.get(output)) if isinstance(told, Mapping) else None

    def fold(self, output: str) -> Fold | None:
        """How a large output was folded; None where it is stored as it is."""
        told = self.provenance.get("folded")
        return Fold.of_json(told.get(output)) if isinstance(told, Mapping) else None

    @property
    def weights(self) -> tuple[Mapping[str, Any], ...]:
        """What is remembered of each weight; empty where nothing is, or nothing that can be compared."""
        told = self.provenance.get("weights")
        known = isinstance(told, list) and all(fingerprints.is_one(weight) for weight in told)
        return tuple(told) if known and told else ()

    @property
    def rows(self) -> int:
        """The size of the stored batch."""
        return next((array.shape[0] for array in self.inputs.values() if array.ndim), 0)


def path_for(artifact: Path, root: Path, directory: Path | None) -> Path:
    """Where the expected outputs of an artifact live: beside it, or in a directory that mirrors the artifact tree."""
    name = artifact.name + SUFFIX
    if directory is None:
        return artifact.with_name(name)
    top = root if root.is_dir() and root != artifact else root.parent
    return directory / artifact.relative_to(top).with_name(name)


def read(path: Path) -> Expected:
    """The expected outputs in a file; ExpectedUnreadable when it holds something else, OSError when it is not read."""
    with path.open("rb") as stream:
        try:
            arrays = {name: _plain(array) for name, array in npy.archive(stream).items()}
        except _DAMAGES as error:
            raise ExpectedUnreadable(f"it is no NumPy .npz of plain arrays ({error})") from error
    inputs = {name.removeprefix("inputs/"): a for name, a in arrays.items() if name.startswith("inputs/")}
    outputs = {name.removeprefix("outputs/"): a for name, a in arrays.items() if name.startswith("outputs/")}
    foreign = sorted(set(arrays) - {f"inputs/{n}" for n in inputs} - {f"outputs/{n}" for n in outputs} - {"provenance"})
    if foreign:
        raise ExpectedUnreadable(
            f"it holds {', '.join(map(repr, foreign[:5]))}; arrays are named inputs/<name> and outputs/<name>"
        )
    if not outputs:
        raise ExpectedUnreadable("it holds no outputs/<name>: there is nothing to compare with")
    inputs, ragged = _padded(inputs)
    provenance: Mapping[str, Any] = {}
    if "provenance" in arrays:
        if arrays["provenance"].nbytes > _LONGEST:
            raise ExpectedUnreadable(f"its provenance takes {arrays['provenance'].nbytes:,} bytes")
        try:
            stored = arrays["provenance"].item()
            provenance = json_text.loads(stored.decode("utf-8") if isinstance(stored, bytes) else str(stored))
        except (ValueError, RecursionError, json_text.TooLarge) as error:
            raise ExpectedUnreadable(f"its provenance is no JSON text ({error})") from error
        if not isinstance(provenance, dict):
            raise ExpectedUnreadable("its provenance is JSON, but no object with names and values")
        version = provenance.get("format_version", provenance.get("version", FORMAT_VERSION))
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise ExpectedUnreadable(
                f"it was written in format version {version}; this plugin reads up to {FORMAT_VERSION}: upgrade it"
            )
    return Expected(inputs, outputs, provenance, ragged)


def _padded(inputs: Mapping[str, Array]) -> tuple[dict[str, Array], frozenset[str]]:
    """Inputs with ragged ones, stored as values and row lengths, put together; and the names of those."""
    ragged = frozenset(
        name.removesuffix("/values")
        for name in inputs
        if name.endswith("/values") and name.removesuffix("values") + "row_lengths" in inputs
    )
    found: dict[str, Array] = {}
    for name, array in inputs.items():
        owner = name.rpartition("/")[0]
        if owner not in ragged or not name.endswith(("/values", "/row_lengths")):
            found[name] = array
        elif name.endswith("/values"):
            try:
                found[owner] = padded(array, inputs[f"{owner}/row_lengths"])
            except ValueError as error:
                raise ExpectedUnreadable(f"inputs/{owner}: {error}") from error
    return found, ragged


def _plain(array: Array) -> Array:
    """The array itself; bfloat16, which NumPy's format stores as two opaque bytes, as float32."""
    if array.dtype == np.dtype("V2"):
        widened: Array = (array.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
        return widened
    return array


def provenance(
    *,
    sha256: str,
    tensorflow: str,
    keras: str,
    python: str,
    source: str,
    kind: str,
    inputs: str,
    noise: Mapping[str, Noise],
    weights: Sequence[Mapping[str, Any]],
    folds: Mapping[str, Fold],
    layers: Outline,
    saved_with: str | None,
) -> dict[str, Any]:
    """What is stored of how the outputs came about. ``source`` is ``live model`` or ``file``; ``kind`` is ``keras``
    for a Keras model (inputs and outputs are then stored in its order) or ``signatures``; ``inputs`` is
    ``generated`` or ``given``; ``weights`` are fingerprints of the model's weights; ``folds`` tell which outputs
    are folded; ``layers`` is the outline of the file, and ``saved_with`` the Keras that wrote it."""
    return {
        # Who cannot unfold outputs must not compare them: files without any stay readable for older releases.
        "format_version": FORMAT_VERSION if folds else 1,
        "sha256": sha256,
        "tensorflow": tensorflow,
        "keras": keras,
        "numpy": np.__version__,
        "python": python,
        "machine": f"{platform.system()} {platform.machine()}",
        "source": source,
        "kind": kind,
        "inputs": inputs,
        "noise": {name: one.as_json() for name, one in noise.items()},
        "weights": [dict(weight) for weight in weights],
        "layers": [list(layer) for layer in layers],
        "saved_with": saved_with,
        **({"folded": {name: fold.as_json() for name, fold in folds.items()}} if folds else {}),
    }


def write(path: Path, expected: Expected) -> None:
    """Write the file as a whole: a run that is killed leaves the old file or the new one."""
    arrays: dict[str, Array] = {}
    for name, array in expected.inputs.items():
        if name in expected.ragged:
            arrays[f"inputs/{name}/values"], arrays[f"inputs/{name}/row_lengths"] = packed(array)
        else:
            arrays[f"inputs/{name}"] = array
    arrays |= {f"outputs/{name}": array for name, array in expected.outputs.items()}
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise ValueError(f"{name} holds Python objects, which are not written")
    if expected.provenance:
        arrays["provenance"] = np.array(json.dumps(expected.provenance, sort_keys=True))
    with replacing(path) as stream:
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type] # allow_pickle came with NumPy 2


def assign(given: Sequence[str], wanted: Sequence[Sequence[str]], what: str) -> list[int | None]:
    """For each wanted tensor (its aliases, best first) the position in ``given`` of the stored one.

    Names decide; positions (``0``, ``1``) are aliases like any other; where there is only one of each, names do
    not matter. None marks a wanted tensor that was not stored. NamesDiffer when a stored name stands for none.
    """
    if len(given) == len(wanted) == 1:
        return [0]
    found: list[int | None] = [None] * len(wanted)
    rest = list(range(len(given)))
    # Better names first: a name that is one tensor's own and another's alias belongs to the first.
    for rank in range(max((len(names) for names in wanted), default=0)):
        for index, names in enumerate(wanted):
            if found[index] is None and rank < len(names):
                match = next((i for i in rest if given[i] == names[rank]), None)
                if match is not None:
                    found[index] = match
                    rest.remove(match)
    if rest:
        stored = ", ".join(repr(given[i]) for i in rest)
        known = ", ".join(repr(names[0]) for names in wanted) or "none"
        raise NamesDiffer(f"stored {what} {stored} stand for none of the model's {what}: {known}")
    return found
