"""Stored outputs and obtained ones, paired by name and compared, with the noise that is known of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_kerasload import comparison, expected, inputs
from pytest_kerasload.capture import noise_here
from pytest_kerasload.causes.catalogue import cause
from pytest_kerasload.checks import deviations
from pytest_kerasload.checks.verdict import Context
from pytest_kerasload.environments.process import RequestFailed
from pytest_kerasload.environments.session import Loaded, Output
from pytest_kerasload.findings import Finding
from pytest_kerasload.noise import Noise
from pytest_kerasload.precision import Evidence, folded, precision, tolerance

Array = NDArray[Any]


def pairs(
    context: Context,
    known: expected.Expected,
    given: Sequence[Array | None],
    obtained: Sequence[Output],
    loaded: Loaded,
) -> tuple[list[comparison.ArrayComparison], Finding | None]:
    """Stored outputs against obtained ones, or a finding when their names do not fit."""
    names = list(known.outputs)
    wanted = [output.names for output in obtained]
    answered, positions = obtained, list(range(len(obtained)))
    stored = {name.split("/")[0] for name in names}
    endpoints = {aliases[0].split("/")[0] for aliases in wanted if "/" in aliases[0]} & set(loaded.endpoints)
    if endpoints - stored:  # endpoints other than the default one that were not stored
        keep = [i for i, aliases in enumerate(wanted) if aliases[0].split("/")[0] not in endpoints - stored]
        obtained, wanted, positions = [obtained[i] for i in keep], [wanted[i] for i in keep], keep
    try:
        places = expected.assign(names, wanted, "outputs")
        missing = [aliases[0] for aliases, place in zip(wanted, places, strict=True) if place is None]
        if missing:
            raise expected.NamesDiffer(
                f"the model's outputs {', '.join(map(repr, missing))} are not among the stored ones: "
                f"{', '.join(map(repr, names))}"
            )
    except expected.NamesDiffer as error:
        numbered = _by_position(names, obtained)
        if numbered is None:
            since = "\n".join(deviations.since(context, known))
            where = context.expected_path.name
            return [], cause("expected-names-differ").finding(str(error), where=where, detail=since)
        places = numbered
    moved = reordered(context, known, loaded, places, "outputs", names)
    if moved is not None:
        return [], moved
    dtypes = tuple(output.array.dtype.name for output in obtained)
    compared = []
    measured: list[Noise | None] | None = None
    for index, (output, place) in enumerate(zip(obtained, places, strict=True)):
        assert place is not None
        name, ours = names[place], bool(known.provenance)
        evidence = _evidence(context, known, name)
        if evidence is None and not _bare(context, known, name, output.array, dtypes):
            # Recorded without its noise, by hand or by another tool: it is measured here and now.
            if measured is None:
                measured = _noise_here(context, loaded, given, answered)
            noise = measured[positions[index]] if measured else None
            if noise is not None:
                digits = 0.0 if ours else comparison.quantum(known.outputs[name])
                evidence = Evidence(noise, here=False, quantum=digits)
        allowed = tolerance(context.artifact, name, dtypes, context.settings, evidence)
        compared.append(_against(known, name, output.array, allowed, ours))
    return compared, None


def _bare(context: Context, known: expected.Expected, name: str, obtained: Array, dtypes: tuple[str, ...]) -> bool:
    """Whether an output agrees with the stored one but for a rounding error: nothing has to be measured then."""
    bare = Evidence(Noise(0.0, (0.0,), {}), here=True)
    allowed = tolerance(context.artifact, name, dtypes, context.settings, bare)
    return _against(known, name, obtained, allowed, bool(known.provenance)).agrees


class _Given:
    """A loaded model that is asked the stored inputs (capture.Subject)."""

    def __init__(self, context: Context, loaded: Loaded) -> None:
        self.session, self.loaded = context.session, loaded

    def predict(self, batch: Sequence[Array]) -> Sequence[Output]:
        try:
            return self.session.predict(self.loaded, batch)
        except RequestFailed as error:
            raise inputs.Refused(error.text) from error

    def perturbed(self, batch: Sequence[Array], seed: int, unit: float) -> Sequence[Output]:
        try:
            return self.session.perturbed(self.loaded, batch, seed, unit)
        except RequestFailed:
            return ()


def _noise_here(
    context: Context, loaded: Loaded, given: Sequence[Array | None], obtained: Sequence[Output]
) -> list[Noise | None]:
    """The noise of each obtained output; empty where it cannot be measured."""
    batch = [array for array in given if array is not None]
    if len(batch) < len(given):
        return []
    arrays = [output.array for output in obtained]
    return noise_here(_Given(context, loaded), batch, arrays, precision(context.artifact))


def _against(
    known: expected.Expected, name: str, obtained: Array, allowed: comparison.Tolerance, ours: bool
) -> comparison.ArrayComparison:
    """One output against the expected one, which is folded where it is large."""
    fold = known.fold(name)
    if fold is None:
        return comparison.compare(name, known.outputs[name], obtained, allowed, same_dtype=ours)
    was = np.broadcast_to(np.zeros((), fold.dtype), fold.shape)
    if obtained.shape != fold.shape or obtained.dtype != was.dtype:
        return comparison.compare(name, was, obtained, allowed, same_dtype=ours)
    return comparison.compare(name, known.outputs[name], fold(obtained), folded(allowed))


def reordered(
    context: Context,
    known: expected.Expected,
    loaded: Loaded,
    places: Sequence[int | None],
    what: str,
    names: Sequence[str],
) -> Finding | None:
    """The finding for inputs or outputs that go by the same names in another order than when they were recorded.

    Only where both are those of a Keras model: an export has them in the order of their names.
    """
    found = [place for place in places if place is not None]
    if loaded.kind != "keras" or known.provenance.get("kind") != "keras" or found == sorted(found):
        return None
    return cause("order-differs").finding(
        f"the {what} of {context.artifact.path.name} come in another order than when they were recorded: "
        f"{', '.join(names[place] for place in found)}; recorded was {', '.join(names)}. Whoever goes by position gets "
        "the wrong one",
        where=what,
        detail="\n".join(deviations.since(context, known)),
    )


def _evidence(context: Context, known: expected.Expected, name: str) -> Evidence | None:
    """The noise that was stored with an output."""
    told, versions = known.noise(name), context.session.versions
    if told is None:
        return None
    recorded = known.provenance.get("tensorflow"), known.provenance.get("keras")
    return Evidence(told, here=recorded == (versions.tensorflow, versions.keras))


def _by_position(names: Sequence[str], obtained: Sequence[Output]) -> list[int | None] | None:
    """Positions for outputs that go by number on one side only, in the order in which the model gives them.

    Keras 3's exports call outputs ``output_0``, ``output_1``; the live model called them by its layers.
    """
    if len(names) != len(obtained):
        return None
    numbered = [[name for name in output.names if name.startswith("output_")] for output in obtained]
    if all(numbered):
        order = [int(found[0].removeprefix("output_")) for found in numbered if found[0][7:].isdigit()]
        if sorted(order) == list(range(len(names))):
            return list(order)
    return None
