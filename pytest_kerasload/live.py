"""Recording from a live model, in the process that holds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_kerasload import comparison, expected, inputs
from pytest_kerasload.artifacts.reading import read
from pytest_kerasload.environments.session import InputSpec
from pytest_kerasload.worker.keras_model import KerasModel
from pytest_kerasload.worker.runtime import Runtime

Array = NDArray[Any]


def record(model: Any, path: Path, given: Any = None) -> Path:
    """See :func:`pytest_kerasload.record`."""
    if not path.exists():
        raise FileNotFoundError(f"there is no artifact at {path}: save the model there first, then record")
    runtime = Runtime.of(model)
    live = KerasModel(runtime, model)
    specs = [
        InputSpec(
            name=spec["name"],
            shape=None if spec["shape"] is None else tuple(spec["shape"]),
            dtype=spec["dtype"],
            aliases=tuple(spec["aliases"]),
            ragged=bool(spec.get("ragged")),
            bound=spec.get("bound"),
            vocabulary=tuple(spec.get("vocabulary") or ()),
        )
        for spec in live.inputs()
    ]
    batch = _generated(live, specs) if given is None else _given(given, specs)
    outputs, again = live.predict(batch), live.predict(batch)
    _same_twice(outputs, again)
    names = [aliases[0] for aliases, _ in outputs]
    if len(set(names)) < len(names):
        names = [str(index) for index in range(len(names))]
    keys = [spec.name for spec in specs] or [str(index) for index in range(len(batch))]
    told = runtime.describe()
    stored = expected.Expected(
        inputs=dict(zip(keys, batch, strict=True)),
        outputs={name: array for name, (_, array) in zip(names, outputs, strict=True)},
        provenance=expected.provenance(
            sha256=read(path).sha256,
            tensorflow=told["tensorflow"],
            keras=told["keras"],
            python=told["python"],
            source="live model",
            noise={},
        ),
    )
    target = path.with_name(path.name + expected.SUFFIX)
    expected.write(target, stored)
    return target


def _generated(live: KerasModel, specs: Sequence[InputSpec]) -> list[Array]:
    def attempt(batch: Sequence[Array]) -> list[Array]:
        try:
            return [array for _, array in live.predict(batch)]
        except Exception as error:  # whatever the model raises says what it wants
            raise inputs.Refused(str(error)) from error

    try:
        plan = inputs.find(inputs.plan_for(specs), attempt)
    except inputs.InputsNotFound as error:
        raise ValueError(f"{error}; give one batch: record(model, path, inputs=...)") from error
    return inputs.sample(plan, batch=8, seed=0, kind="normal")


def _given(given: Any, specs: Sequence[InputSpec]) -> list[Array]:
    """The user's batch as arrays, in the order of the model's inputs."""
    if isinstance(given, Mapping):
        names = [str(name) for name in given]
        wanted = [(spec.name, *spec.aliases) for spec in specs]
        if not wanted:
            raise ValueError("the model does not name its inputs; give them as a list in their order")
        try:
            places = expected.assign(names, wanted, "inputs")
        except expected.NamesDiffer as error:
            raise ValueError(str(error)) from error
        if None in places:
            missing = [spec.name for spec, place in zip(specs, places, strict=True) if place is None]
            raise ValueError(f"no inputs were given for {', '.join(map(repr, missing))}")
        values = list(given.values())
        chosen = [values[place] for place in places if place is not None]
    elif isinstance(given, list | tuple) and (len(specs) > 1 or (len(given) == 1 and hasattr(given[0], "shape"))):
        chosen = list(given)
    else:
        chosen = [given]
    if specs and len(chosen) != len(specs):
        raise ValueError(f"the model takes {len(specs)} inputs, {len(chosen)} were given")
    return [_array(value) for value in chosen]


def _array(value: Any) -> Array:
    from pytest_kerasload.worker import arrays

    return arrays.as_array(value)


def _same_twice(outputs: Sequence[tuple[list[str], Array]], again: Sequence[tuple[list[str], Array]]) -> None:
    for (names, one), (_, other) in zip(outputs, again, strict=True):
        if not comparison.comparable(one):
            raise ValueError(f"output {names[0]!r} has no finite value for these inputs: give others")
        found = comparison.compare(names[0], one, other, comparison.BY_PRECISION["float16"])
        if not found.agrees and np.size(one):
            raise ValueError(
                f"output {names[0]!r} is another one each time for the same inputs ({found.problem}); "
                "expected outputs of such a model would never be met"
            )
