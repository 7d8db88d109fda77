"""Finite inputs that give NaN or infinity: a failure, or numbers that the model was never meant for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pytest_kerasload.causes.catalogue import cause
from pytest_kerasload.checks.examples import Shelf, domains, told
from pytest_kerasload.checks.verdict import Context
from pytest_kerasload.environments.process import RequestFailed
from pytest_kerasload.environments.session import Loaded, Output
from pytest_kerasload.findings import Finding, Remedy
from pytest_kerasload.shrinking import reduced

if TYPE_CHECKING:
    from pytest_kerasload.checks.properties import Asked

Array = NDArray[Any]

_SECONDS = 20.0
_MOST_INPUTS = 8


def nan_weights(context: Context, model: Loaded) -> tuple[str, ...]:
    """The model's weights that hold NaN. Infinity may stand in a mask."""
    known = context.session.fingerprints(model)
    return tuple(str(weight["name"]) for weight in known if math.isnan(weight["rms"]))


def of_weights(context: Context, missing: Sequence[str]) -> Iterator[Finding]:
    """The finding for weights that hold NaN."""
    if missing:
        yield cause("weights-not-finite").finding(
            f"{context.artifact.path.name}: {len(missing)} of its weights hold NaN", where=_some(missing)
        )


def findings(asked: Asked, missing: Sequence[str], shelf: Shelf) -> Iterator[Finding]:
    """What NaN and infinity in the outputs mean.

    Bad in [0, 1], or at 0 or 1 only: a failure. Bad around 0 and good in [0, 1]: numbers such as a logarithm does not
    take, which is a note with the line that says so in ``kerasload.toml``. Minus infinity among numbers whatever is
    asked: a mask, and a note too. ``missing`` are weights that hold NaN.
    """
    bad = [kind for kind, (_, outputs) in asked.answers.items() if not finite(outputs)]
    if missing and bad:
        yield _failure(asked, bad[-1], missing, shelf)
    elif missing:
        yield from of_weights(asked.context, missing)
    elif names := _masked(asked):
        yield cause("outputs-masked").finding(
            f"{asked.context.artifact.path.name} gives minus infinity in some places of {names}, whatever it is asked",
            where=names,
            fails=False,
        )
    elif "normal" in bad and (good := _good(asked, bad)) is not None and not _at_zero(asked, bad):
        yield _takes(asked, bad, good)
    elif bad == ["zeros"] and (padded := _padded(asked)):
        yield cause("outputs-not-finite").finding(
            f"{asked.context.artifact.path.name} gives NaN or infinity where {padded} holds nothing but padding "
            "(the lowest index, or what is masked out): such rows are not expected",
            where=padded,
            fails=False,
        )
    elif bad:
        yield _failure(asked, bad[-1], missing, shelf)


def finite(outputs: Sequence[Output]) -> bool:
    """Whether no output holds NaN or infinity."""
    return all(output.array.dtype.kind not in "fc" or bool(np.isfinite(output.array).all()) for output in outputs)


def _answers(asked: Asked, example: Sequence[Array]) -> bool | None:
    """Whether the outputs for an example are finite; None when the model refuses it."""
    try:
        return finite(asked.ask(example))
    except RequestFailed:
        return None


# ---- failures


def _failure(asked: Asked, kind: str, missing: Sequence[str], shelf: Shelf) -> Finding:
    example, outputs = asked.answers[kind]

    def shows(candidate: list[Array]) -> bool:
        return _answers(asked, candidate) is False

    rows = asked.plan.batch is None
    small = reduced(example, shows, domains(asked.plan, example), rows=rows, calls=40, seconds=_SECONDS)
    outputs = asked.ask(small)
    wrong = next((one for one in outputs if not finite([one])), outputs[0])
    count = int((~np.isfinite(wrong.array)).sum())
    name = asked.context.artifact.path.name
    what = f"gives NaN or infinity for finite inputs: {wrong.names[0]}: {count:,} of {wrong.array.size:,} elements"
    if missing:
        what = f"{len(missing)} of its weights hold NaN, and it {what}"
        code, name, remedies = "weights-not-finite", f"{name}:", None
    else:
        code, remedies = "outputs-not-finite", _remedies(asked, kind)
    return cause(code).finding(
        f"{name} {what}",
        where=_some(missing) or wrong.names[0],
        remedies=remedies,
        detail="\n".join([*told(asked.plan, small), *shelf.keep(asked.plan, small, {"outputs": outputs}, "finite")]),
    )


def _remedies(asked: Asked, kind: str) -> tuple[Remedy, ...] | None:
    """What to do where all elements of an input are the same and that is to blame: a norm, a spread, a maximum that is
    zero. None where numbers of several values are bad too."""
    if kind not in ("zeros", "ones") or any(
        not finite(asked.answers[k][1]) for k in ("normal", "uniform") if k in asked.answers
    ):
        return None
    specs = asked.plan.specs
    lines = [
        f"inputs.{_key(spec.name)} = {{ min = 0.01, max = 1 }}"
        for spec, array in zip(specs, asked.answers[kind][0], strict=True)
        if array.dtype.kind == "f"
    ]
    if not lines:
        return None
    said = "; ".join(lines[:_MOST_INPUTS])
    return (
        Remedy(
            "add a small number where the model divides by a norm, a sum, a spread or a maximum, or takes a logarithm"
        ),
        Remedy(
            f"where such inputs never come, have others tried: in kerasload.toml, under "
            f'["{asked.context.artifact.path.name}"]: {said} (or the range that they do have)'
        ),
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


# ---- notes


def _masked(asked: Asked) -> str:
    """The outputs that hold minus infinity among numbers in every answer, where no answer holds NaN or infinity: what
    must not be chosen, as masks and logarithms of a zero probability write it. Overflow gives both signs, or comes
    with large numbers only."""
    names: dict[str, None] = {}
    for _, outputs in asked.answers.values():
        found = [one for one in outputs if not finite([one])]
        if not found or not all(_is_mask(one.array) for one in found):
            return ""
        names |= dict.fromkeys(one.names[0] for one in found)
    return ", ".join(names)


def _is_mask(array: Array) -> bool:
    return array.dtype.kind == "f" and bool(
        (np.isfinite(array) | np.isneginf(array)).all() and np.isfinite(array).any()
    )


def _good(asked: Asked, bad: Sequence[str]) -> list[Array] | None:
    """Numbers in [0, 1] for which the outputs are finite: without the ends, where those are to blame."""
    if "uniform" not in asked.answers:
        return None
    example = asked.answers["uniform"][0]
    if "uniform" not in bad:
        return example
    inner = [np.clip(array, 0.01, 0.99) if array.dtype.kind == "f" else array for array in example]
    return inner if {"zeros", "ones"} & set(bad) and _answers(asked, inner) else None


def _at_zero(asked: Asked, bad: Sequence[str]) -> bool:
    """Whether of the numbers around 0 it is 0 itself that gives NaN or infinity."""
    if "zeros" not in bad:
        return False
    example = asked.answers["normal"][0]
    moved = [
        np.where(array == 0, array.dtype.type(0.01), array) if array.dtype.kind == "f" else array for array in example
    ]
    return bool(_answers(asked, moved))


def _padded(asked: Asked) -> str:
    """The inputs of indices, and those with steps that are masked out, where their zeros are to blame and no others."""
    example, good = asked.answers["zeros"][0], asked.answers.get("uniform", ((), ()))[0]
    names = [
        spec.name
        for spec, ask, array in zip(asked.plan.specs, asked.plan.asks, example, strict=True)
        if array.dtype.kind in "iu" or ask.bound is not None or spec.padding is not None
    ]
    if not names or len(good) != len(example):
        return ""
    mixed = [
        known if spec.name in names else array
        for spec, array, known in zip(asked.plan.specs, example, good, strict=True)
    ]
    return ", ".join(names) if _answers(asked, mixed) else ""


def _takes(asked: Asked, bad: Sequence[str], good: Sequence[Array]) -> Finding:
    """The note for a model that takes numbers of a smaller range than any: which, and the line that says so."""
    plan, name = asked.plan, asked.context.artifact.path.name
    normal = asked.answers["normal"][0]
    floating = [index for index, array in enumerate(normal) if array.dtype.kind == "f"]
    guilty = []
    for index in floating if 1 < len(floating) <= _MOST_INPUTS else ():
        only = [normal[index] if at == index else array for at, array in enumerate(good)]
        if _answers(asked, only) is False:
            guilty.append(index)
    guilty = guilty or floating
    low = "0" if "zeros" not in bad else "0.01"
    high = "1" if "ones" not in bad else "0.99"
    said = f"min = {low}, max = {high}"
    for change, words in ((_positive, f"min = {low}"), (_unit, "min = -1, max = 1")) if "ones" not in bad else ():
        if _answers(asked, [change(a) if i in guilty else a for i, a in enumerate(normal)]):
            said = words
            break
    if any(plan.specs[index].centre for index in guilty):  # in units of its own
        least = min(float(good[index].min()) for index in guilty)
        said = f"min = {least:.3g}"
    lines = [f"inputs.{_key(plan.specs[index].name)} = {{ {said} }}" for index in guilty]
    return cause("inputs-restricted").finding(
        f"{name} gives NaN or infinity for numbers that lie around 0, and none for those in [0, 1]: it takes some "
        "numbers only",
        where=", ".join(plan.specs[index].name for index in guilty),
        remedies=(Remedy(f'say so in kerasload.toml, under ["{name}"]: {"; ".join(lines)}'),),
        fails=False,
    )


def _positive(array: Array) -> Array:
    found: Array = np.maximum(np.abs(array), array.dtype.type(0.01))
    return found


def _unit(array: Array) -> Array:
    return np.clip(array, -1, 1)


def _key(name: str) -> str:
    """A key as TOML takes it."""
    return name if name.replace("-", "").replace("_", "").isalnum() and name.isascii() else f'"{name}"'
