"""One example that shows a failure: told in a few lines, saved for the user, and tried again in the next run."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_kerasload import npy
from pytest_kerasload.artifacts.record import Format
from pytest_kerasload.artifacts.sniffing import directory_marker
from pytest_kerasload.causes.catalogue import cause
from pytest_kerasload.checks import comparing
from pytest_kerasload.checks.verdict import Context
from pytest_kerasload.commands import command
from pytest_kerasload.environments.session import Loaded, Output
from pytest_kerasload.files import replacing
from pytest_kerasload.findings import Finding
from pytest_kerasload.inputs import Plan
from pytest_kerasload.ragged import filler
from pytest_kerasload.shrinking import Domain
from pytest_kerasload.values import Ask

Array = NDArray[Any]

_MOST_SHOWN = 10


def ask(context: Context, plan: Plan, model: Loaded, example: Sequence[Array]) -> tuple[Output, ...]:
    """What a model answers to an example of a plan; RequestFailed when it refuses it."""
    return context.session.predict(model, comparing.fit(plan, model, example))


# ---- what it may become


def domains(plan: Plan, example: Sequence[Array]) -> list[Domain]:
    """What the values of an example may become and still be inputs of the plan."""
    return [
        _domain(ask, bool(spec.choices), spec.ragged, array)
        for spec, ask, array in zip(plan.specs, plan.asks, example, strict=True)
    ]


def _domain(ask: Ask, looked_up: bool, ragged: bool, array: Array) -> Domain:
    if ask.style == "values":
        first = ask.values[0]
        return Domain(str(first).encode("utf-8") if array.dtype.kind in "SU" else first, rounds=False)
    if array.dtype.kind in "SU":
        return Domain(b"" if ask.style == "words" else array, rounds=False)
    least = -np.inf if ask.minimum is None else ask.minimum
    if ask.minimum is None and (ask.bound is not None or array.dtype.kind in "iu"):
        least = 0.0
    most = np.inf if ask.maximum is None else ask.maximum
    if ask.bound is not None:
        most = min(most, ask.bound - 1)
    simplest: Any = min(max(0.0, least), most)
    if ragged:  # what stands behind the end of a row tells how long it is
        end = filler(array.dtype)
        behind = np.isnan(array) if array.dtype.kind in "fc" else array == end
        simplest = np.where(behind, array, np.asarray(simplest).astype(array.dtype))
    whole = ask.bound is not None and array.dtype.kind == "f"  # indices in a floating input
    return Domain(simplest, least, most, rounds=not looked_up and not whole)


# ---- in words


def told(plan: Plan, example: Sequence[Array]) -> list[str]:
    """The example, input by input: whole where it is small, else what is not zero."""
    lines = ["smallest input that shows it:"]
    for spec, array in zip(plan.specs, example, strict=True):
        lines += [f"  {line}" for line in _told(spec.name, array)]
    return lines


def _told(name: str, array: Array) -> Iterator[str]:
    dtype = "string" if array.dtype.kind in "SU" else array.dtype.name
    head = f"{name}: {dtype}{list(array.shape)}"
    if array.size <= _MOST_SHOWN:
        yield f"{head} = {_nested(array)}"
        return
    places = np.flatnonzero(array != np.zeros((), array.dtype))
    if not places.size:
        yield f"{head}, all {_text(array.flat[0])}"
        return
    yield f"{head}, {'empty' if dtype == 'string' else 'zero'} but for {places.size:,} of {array.size:,} elements:"
    for place in places[:_MOST_SHOWN]:
        index = ", ".join(str(int(i)) for i in np.unravel_index(place, array.shape))
        yield f"  [{index}] = {_text(array.flat[place])}"
    if places.size > _MOST_SHOWN:
        yield f"  ... and {places.size - _MOST_SHOWN:,} more"


def _nested(array: Any) -> str:
    if not isinstance(array, np.ndarray):
        return _text(array)
    if array.ndim == 0:
        return _text(array[()])
    return "[" + ", ".join(_nested(part) for part in array) + "]"


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return repr(value.decode("utf-8", "replace"))[:40]
    return str(value)


# ---- between runs


@dataclass(frozen=True)
class Shelf:
    """Where the examples of one check of one artifact are kept between runs, and what makes that check again.

    ``stem`` is None where nothing is kept.
    """

    stem: Path | None
    replay: str

    @classmethod
    def of(cls, context: Context, format: Format) -> Shelf:
        """The shelf of a round trip."""
        settings, path = context.settings, context.artifact.path
        environment = context.session.process.spec.id if len(settings.environments) > 1 else ""
        marker = directory_marker(path) if path.is_dir() else None
        root = settings.root_of(path)
        inside = "-".join(filter(None, (environment, format)))
        stem = None
        if settings.examples_dir is not None:
            place = os.path.relpath(path, settings.examples_dir)  # the same when the project moves
            digest = hashlib.sha256(f"{place} {inside}".encode()).hexdigest()[:8]
            stem = settings.examples_dir / re.sub(r"[^\w.+-]", "_", f"{path.name}-{inside}-{digest}")
        return cls(
            stem,
            command(settings, context.shown, [root], f"{context.shown(marker or path)}::roundtrip[{inside}]"),
        )

    def file(self, what: str = "") -> Path | None:
        """The file for one kind of failure."""
        return None if self.stem is None else self.stem.with_name(f"{self.stem.name}{what and '-' + what}.npz")

    def keep(
        self, plan: Plan, example: Sequence[Array], outputs: Mapping[str, Sequence[Output]], what: str = ""
    ) -> list[str]:
        """Save an example with the outputs that it gave; lines that say where, and how to run it again."""
        path = self.file(what)
        lines = []
        if path is not None:
            arrays = {f"inputs/{spec.name}": array for spec, array in zip(plan.specs, example, strict=True)}
            for title, given in outputs.items():
                for index, output in enumerate(given):
                    name = output.names[0] if output.names else str(index)
                    key = f"{title}/{name}"
                    arrays[key if key not in arrays else f"{title}/{index}"] = output.array
            try:
                with replacing(path) as stream:
                    np.savez_compressed(stream, **arrays)  # type: ignore[arg-type] # allow_pickle came with NumPy 2
            except OSError as error:
                lines.append(f"it could not be saved: {error}")
            else:
                lines.append(f"saved: {path}")
        return [*lines, f"replay: {self.replay}"]

    def kept(self, plan: Plan) -> tuple[list[Array] | None, Finding | None]:
        """The example of an earlier run, where it still fits the model's inputs; a note when it cannot be read."""
        path = self.file()
        if path is None or not path.exists():
            return None, None
        try:
            with path.open("rb") as stream:
                found = {name: array for name, array in npy.archive(stream).items() if name.startswith("inputs/")}
        except Exception as error:  # NumPy and zipfile raise many things on files that are damaged
            note = f"the example saved by an earlier run, {path}, cannot be read and was not tried: {error}"
            return None, cause("example-unreadable").finding(note, where=str(path), fails=False)
        arrays = [found.pop(f"inputs/{spec.name}", None) for spec in plan.specs]
        if found or not fits(plan, arrays):
            return None, None
        return [array for array in arrays if array is not None], None


def fits(plan: Plan, arrays: Sequence[Array | None]) -> bool:
    """Whether arrays have the shapes and dtypes of a plan's inputs, and the same number of rows."""
    rows = set()
    for spec, array in zip(plan.specs, arrays, strict=True):
        if not isinstance(array, np.ndarray):
            return False
        wanted = spec.shape or ()
        dtype = "string" if array.dtype.kind in "SU" else array.dtype.name
        if dtype != ("float32" if spec.dtype == "bfloat16" else spec.dtype) or array.ndim != len(wanted):
            return False
        if any(size is not None and size != there for size, there in zip(wanted, array.shape, strict=True)):
            return False
        rows |= {there for size, there in zip(wanted, array.shape, strict=True) if size is None}
    return len(rows) <= 1 and 0 not in rows
