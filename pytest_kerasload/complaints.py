"""What a model's complaint about its inputs asks for, and the plan with that put right."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from pytest_kerasload.inputs import Plan
from pytest_kerasload.values import Ask

ASKED = 2
"""Rows of the batch that a model is asked while its inputs are searched."""

_INDEX = re.compile(r"indices(?:\[[^\]]*\])? = (-?\d+) is not in \[0, (\d+)\)")
_FEATURE = re.compile(r"[Ff]eature:? (\S+) \(data type: (\w+)\) is required but could not be found")
_COUNT = re.compile(r"Key: (\S+?),? .*?values size: (\d+) but output shape: \[(\d*)\]", re.DOTALL)
_WRONG_TYPE = re.compile(r"Key: (\S+?)\.? .*?[Dd]ata types don't match.*?[Ee]xpected type: (\w+)", re.DOTALL)

# A size that the model was given, and the one it wants. TensorFlow's kernels and shape functions, Keras' input specs.
_SIZES = (
    re.compile(r"Matrix size-incompatible: In\[0\]: \[(?:\d+,)*(?P<given>\d+)\], In\[1\]: \[(?P<wanted>\d+),\d+\]"),
    re.compile(r"Incompatible shapes: \[(?:[\d?]+,)*(?P<given>\d+)\] vs\.? \[(?:[\d?]+,)*(?P<wanted>\d+)\]"),
    re.compile(r"input and filter must have the same depth: (?P<given>\d+) vs\.? (?P<wanted>\d+)"),
    re.compile(r"input depth must be evenly divisible by filter depth: (?P<given>\d+) vs\.? (?P<wanted>\d+)"),
    re.compile(r"Dimensions must be equal, but are (?P<given>\d+) and (?P<wanted>\d+)"),
    re.compile(r"axis -?\d+ of input shape to have value (?P<wanted>\d+),? but received.*?(?P<given>\d+)[\])]", re.S),
    re.compile(r"Depth of input \((?P<given>\d+)\) is not a multiple of input depth of filter \((?P<wanted>\d+)\)"),
)
_SHAPE = re.compile(r"expected shape=\((?P<wanted>[^)]*)\), found shape=\((?P<given>[^)]*)\)")
_RANK = re.compile(r"expected (?:min_)?ndim=(?P<wanted>\d+), found ndim=(?P<given>\d+)")


def heeded(plan: Plan, current: Plan, said: str) -> Plan | None:
    """The plan with one complaint put right, or None when there is nothing to put right.

    ``current`` is the plan with its free dimensions filled, as the model was asked.
    """
    for heed in (_index, _size, _shape, _rank, _batch, _example, _style):
        found = heed(plan, current, said)
        if found is not None:
            return found
    return None


def same_table(said: str, earlier: str) -> bool:
    """Whether both complaints are of an index out of range in a table of the same number of rows."""
    one, other = _INDEX.search(said), _INDEX.search(earlier)
    return one is not None and other is not None and one[2] == other[2]


def _changed(plan: Plan, asks: Sequence[Ask]) -> Plan | None:
    return replace(plan, asks=tuple(asks)) if tuple(asks) != plan.asks else None


def _index(plan: Plan, current: Plan, said: str) -> Plan | None:
    match = _INDEX.search(said)
    if not match:
        return None
    bound = int(match[2])
    asks = [
        replace(ask, bound=bound)
        if spec.dtype != "string" and ask.style == "numbers" and (ask.bound is None or ask.bound > bound)
        else ask
        for spec, ask in zip(plan.specs, plan.asks, strict=True)
    ]
    return _changed(plan, asks)


def _fixed(plan: Plan, current: Plan, fits: Callable[[int, int], bool], size: int) -> Plan | None:
    """The plan with one free dimension at a size: the last of the first input whose (input, axis) fits."""
    for index, (spec, filled) in enumerate(zip(plan.specs, current.specs, strict=True)):
        shape = spec.shape if spec.shape is not None else (None,) * len(filled.shape or ())
        for axis in range(len(shape) - 1, 0, -1):
            if shape[axis] is None and fits(index, axis) and (filled.shape or ())[axis] != size > 0:
                specs = list(plan.specs)
                specs[index] = replace(spec, shape=(*shape[:axis], size, *shape[axis + 1 :]))
                return replace(plan, specs=tuple(specs))
    return None


def _size(plan: Plan, current: Plan, said: str) -> Plan | None:
    for pattern in _SIZES:
        match = pattern.search(said)
        if match:
            given, wanted = int(match["given"]), int(match["wanted"])
            found = _fixed(plan, current, lambda i, axis: (current.specs[i].shape or ())[axis] == given, wanted)  # noqa: B023
            if found is not None:
                return found
    return None


def _shape(plan: Plan, current: Plan, said: str) -> Plan | None:
    """Keras' input specs: the shape that was found and the one that is expected, axis by axis."""
    match = _SHAPE.search(said)
    if not match:
        return None
    given = [word.strip() for word in match["given"].split(",") if word.strip()]
    wanted = [word.strip() for word in match["wanted"].split(",") if word.strip()]
    if len(given) != len(wanted):
        return None
    for axis in range(len(given) - 1, 0, -1):
        if given[axis] != wanted[axis] and wanted[axis].isdigit():
            size = int(wanted[axis])

            def fits(index: int, place: int, axis: int = axis) -> bool:
                return place == axis and len(current.specs[index].shape or ()) == len(given)

            found = _fixed(plan, current, fits, size)
            if found is not None:
                return found
    return None


def _rank(plan: Plan, current: Plan, said: str) -> Plan | None:
    match = _RANK.search(said)
    if not match:
        return None
    given, wanted = int(match["given"]), int(match["wanted"])
    for index, (spec, filled) in enumerate(zip(plan.specs, current.specs, strict=True)):
        if spec.shape is None and len(filled.shape or ()) == given and 0 < wanted <= 6:
            specs = list(plan.specs)
            specs[index] = replace(spec, shape=(None,) * wanted)
            return replace(plan, specs=tuple(specs))
    return None


# A batch that the model was given first, or second, and one that it was made for: states of a fixed batch.
_BATCHES = (
    re.compile(r"Incompatible shapes: \[(\d+),[\d,]+\] vs\.? \[(\d+),[\d,]+\]"),
    re.compile(
        r"ConcatOp : Dimension 0 in both shapes must be equal: shape\[0\] = \[(\d+),.*? vs\. shape\[1\] = \[(\d+),"
    ),
)


def _batch(plan: Plan, current: Plan, said: str) -> Plan | None:
    """A stateful model keeps a state for each row of the batch that it was made for, and names that number."""
    if plan.batch is not None:
        return None
    for pattern in _BATCHES:
        match = pattern.search(said)
        sizes = {int(match[1]), int(match[2])} if match else set()
        if len(sizes) == 2 and ASKED in sizes:
            (size,) = sizes - {ASKED}
            specs = [
                replace(spec, shape=(size, *spec.shape[1:])) if spec.shape and spec.shape[0] is None else spec
                for spec in plan.specs
            ]
            return replace(plan, specs=tuple(specs)) if size > 0 else None
    return None


def _strings(plan: Plan) -> list[int]:
    return [index for index, spec in enumerate(plan.specs) if spec.dtype == "string"]


def _example(plan: Plan, current: Plan, said: str) -> Plan | None:
    """A parser of tf.train.Example names one feature after another."""
    strings, asks = _strings(plan), list(plan.asks)
    matches = [(pattern, match) for pattern in (_FEATURE, _COUNT, _WRONG_TYPE) if (match := pattern.search(said))]
    if matches and strings:
        pattern, match = matches[0]
        for index in strings:
            features = dict(asks[index].features)
            known = features.get(match[1], ("float", 1))
            features[match[1]] = (known[0], int(match[3] or 1)) if pattern is _COUNT else (match[2], known[1])
            asks[index] = replace(asks[index], style="examples", features=features)
        return _changed(plan, asks)
    if strings and re.search(r"(?i)could not parse example|can't parse serialized example|parse_example", said):
        return _styled(plan, "examples")
    return None


def _style(plan: Plan, current: Plan, said: str) -> Plan | None:
    for style, pattern in (
        ("images", r"(?i)unknown image file format|expected image|decode.*(jpeg|png|image)|bad png|invalid jpeg"),
        ("numerals", r"(?i)StringToNumber|could not correctly convert string"),
    ):
        if re.search(pattern, said):
            return _styled(plan, style)
    return None


def _styled(plan: Plan, style: str) -> Plan | None:
    strings = _strings(plan)
    asks = [replace(a, style=style) if i in strings and a.style == "words" else a for i, a in enumerate(plan.asks)]
    return _changed(plan, asks)
