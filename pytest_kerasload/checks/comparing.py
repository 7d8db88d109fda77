"""What ``load``, ``roundtrip`` and ``predictions`` share: inputs that a model answers, and outputs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from pytest_kerasload import comparison, expected, inputs, vetting
from pytest_kerasload.artifacts import mlflow
from pytest_kerasload.artifacts.shapes import fit as fit_shapes
from pytest_kerasload.causes.catalogue import cause
from pytest_kerasload.causes.explaining import understood
from pytest_kerasload.checks.verdict import Context
from pytest_kerasload.environments.process import RequestFailed, WorkerEnded
from pytest_kerasload.environments.session import InputSpec, Loaded, Output
from pytest_kerasload.findings import Finding, Measured
from pytest_kerasload.hooks import inputs_for
from pytest_kerasload.precision import tolerance
from pytest_kerasload.search import find

Array = NDArray[Any]


def stored(context: Context) -> expected.Expected | None:
    """The artifact's expected outputs, or None when there are none that can be read."""
    if context.known is not None:
        return context.known
    try:
        return vetting.read(context.expected_path)
    except (OSError, expected.ExpectedUnreadable):
        return None


def stored_inputs(loaded: Loaded, known: expected.Expected) -> list[Array | None]:
    """The stored inputs in the order of the model's; None for those of endpoints that were not stored.

    NamesDiffer when they do not fit the model's names.
    """
    names = list(known.inputs)
    if not loaded.inputs:  # a model that does not say what its inputs are takes them as they were stored
        return [known.inputs[name] for name in names]
    wanted: list[Sequence[str]] = [_aliases(spec) for spec in loaded.inputs]
    default = [index for index, spec in enumerate(loaded.inputs) if spec.endpoint == loaded.inputs[0].endpoint]
    if len(names) == 1 and len(default) == 1 and len(wanted) > 1:
        # One input stored, and the endpoint that answers by default takes one: that is it.
        found: list[int | None] = [0 if index in default else None for index in range(len(wanted))]
    else:
        found = expected.assign(names, wanted, "inputs")
    missing = [wanted[index][0] for index in default if found[index] is None]
    if missing:
        raise expected.NamesDiffer(
            f"the model's inputs {', '.join(map(repr, missing))} are not among the stored ones: "
            f"{', '.join(map(repr, names)) or 'none'}"
        )
    return [None if place is None else known.inputs[names[place]] for place in found]


def _aliases(spec: InputSpec) -> tuple[str, ...]:
    return (spec.name, *(alias for alias in spec.aliases if alias != spec.name))


def plan(context: Context, loaded: Loaded) -> inputs.Plan:
    """Inputs that the loaded model answers, each endpoint of a SavedModel on its own; found once for a loaded model.

    InputsNotFound when the model (of a SavedModel: its default endpoint) answers none.
    """
    plans = context.session.plans
    if loaded.key not in plans:
        plans[loaded.key] = _plan(context, loaded)
    return plans[loaded.key]


def _plan(context: Context, loaded: Loaded) -> inputs.Plan:
    artifact = context.artifact
    words = inputs_for(context.settings, artifact, loaded.inputs)
    known = stored(context)
    specs, rows = list(loaded.inputs), None
    if known is not None:
        specs, rows = _from_stored(loaded, known)
    made_up = rows is not None and known is not None and known.provenance.get("inputs") == "generated"
    found: inputs.Plan | None = None
    remark = ""
    if rows is None:
        rows, remark = _from_example(artifact.path, specs)
        specs = specs if rows is None else [inputs.like(spec, row) for spec, row in zip(specs, rows, strict=True)]
    endpoints = list(dict.fromkeys(spec.endpoint for spec in specs)) or [""]
    for endpoint in endpoints:
        mine = [spec for spec in specs if spec.endpoint == endpoint]

        def attempt(given: Sequence[Array], endpoint: str = endpoint) -> list[Array]:
            queue = iter(given)
            every = [next(queue) if spec.endpoint == endpoint else None for spec in specs]
            try:
                return [output.array for output in context.session.predict(loaded, every)]
            except RequestFailed as error:
                raise inputs.Refused(error.text) from error

        def fits(shapes: Sequence[tuple[int, ...]]) -> bool:
            return artifact.config is None or fit_shapes(artifact.config, shapes)

        first = inputs.plan_for(mine, words)
        if rows is not None and not first.given and len(endpoints) == 1:
            first = replace(inputs.with_rows(first, rows), made_up=made_up)
        try:
            one = find(first, attempt, known.rows if known is not None else None, fits if len(endpoints) == 1 else None)
        except inputs.InputsNotFound:
            if found is None:
                raise
            continue  # another endpoint than the default one; it is left out of comparisons
        found = one if found is None else found.joined(one)
    assert found is not None
    return replace(found, remark=remark)


def _from_stored(loaded: Loaded, known: expected.Expected) -> tuple[list[InputSpec], list[Array] | None]:
    """The model's input specs with what the stored inputs tell, and the stored rows where they are for all of them."""
    try:
        given = stored_inputs(loaded, known)
    except expected.NamesDiffer:
        return list(loaded.inputs), None
    specs, rows = [], []
    for index, array in enumerate(given):
        spec = loaded.inputs[index] if index < len(loaded.inputs) else None
        if array is None or (spec is not None and not takes(spec, array)):  # the model was changed since
            assert spec is not None
            specs.append(spec)
            continue
        if spec is None:
            dtype = "string" if array.dtype.kind in "SU" else array.dtype.name
            spec = InputSpec(str(index), None, dtype, (str(index),))
        specs.append(inputs.like(spec, array))
        rows.append(array)
    return specs, rows if len(rows) == len(specs) else None


def _from_example(path: Path, specs: Sequence[InputSpec]) -> tuple[list[Array] | None, str]:
    """The input example of the MLflow model that the artifact belongs to, in the order of the model's inputs; or why
    it is not used."""
    try:
        example = mlflow.input_example(path, {name: spec.shape for spec in specs for name in _aliases(spec)})
        if example is None:
            return None, ""
        places = expected.assign(list(example), [_aliases(spec) for spec in specs], "inputs")
    except (mlflow.MLflowUnreadable, expected.NamesDiffer) as error:
        return None, f"MLflow's input example is not used: {error}"
    values = list(example.values())
    rows = [values[place] for place in places if place is not None]
    if len(rows) == len(specs) and all(takes(spec, array) for spec, array in zip(specs, rows, strict=True)):
        return rows, ""
    return None, "MLflow's input example is not used: it does not have the shapes that the model takes"


def takes(spec: InputSpec, array: Array) -> bool:
    """Whether an array has the sizes that an input asks for, whatever its batch."""
    if not spec.shape or spec.ragged:
        return True
    return array.ndim == len(spec.shape) and all(
        size in (None, given) for size, given in zip(spec.shape[1:], array.shape[1:], strict=True)
    )


def fit(plan: inputs.Plan, loaded: Loaded, given: Sequence[Array]) -> list[Array | None]:
    """Inputs made for a plan, in the order of another loaded model's inputs (by name, else by position)."""
    if not loaded.inputs:
        return list(given)
    try:
        places = expected.assign(
            [spec.name for spec in plan.specs], [_aliases(spec) for spec in loaded.inputs], "inputs"
        )
    except expected.NamesDiffer:
        places = [index if index < len(given) else None for index in range(len(loaded.inputs))]
    return [None if place is None else given[place] for place in places]


class Asked:
    """A loaded model as the recording asks it (capture.Subject)."""

    def __init__(self, context: Context, loaded: Loaded, plan: inputs.Plan) -> None:
        self.session, self.loaded, self.plan = context.session, loaded, plan

    def predict(self, batch: Sequence[Array]) -> Sequence[Output]:
        try:
            return self.session.predict(self.loaded, fit(self.plan, self.loaded, batch))
        except RequestFailed as error:
            raise inputs.Refused(error.text) from error

    def perturbed(self, batch: Sequence[Array], seed: int, unit: float) -> Sequence[Output]:
        try:
            return self.session.perturbed(self.loaded, fit(self.plan, self.loaded, batch), seed, unit)
        except RequestFailed:
            return ()


def side_by_side(
    context: Context, wanted: Sequence[Output], obtained: Sequence[Output], *, same_dtype: bool = True
) -> list[comparison.ArrayComparison]:
    """Two models' outputs compared by position."""
    if len(wanted) != len(obtained):
        what = f"{len(wanted)} outputs became {len(obtained)}"
        return [comparison.ArrayComparison("outputs", "shape", what)]
    dtypes = tuple(output.array.dtype.name for output in wanted)
    found = []
    for one, other in zip(wanted, obtained, strict=True):
        allowed = tolerance(context.artifact, one.names[0], dtypes, context.settings)
        found.append(comparison.compare(one.names[0], one.array, other.array, allowed, same_dtype=same_dtype))
    return found


def measured(found: Sequence[comparison.ArrayComparison], examples: int, earlier: Measured | None = None) -> Measured:
    """The largest errors of comparisons, over those of an earlier measurement."""
    absolute = [c.max_abs for c in found if c.max_abs is not None]
    relative = [c.max_rel for c in found if c.max_rel is not None]
    if earlier is not None:
        absolute += [] if earlier.max_abs_error is None else [earlier.max_abs_error]
        relative += [] if earlier.max_rel_error is None else [earlier.max_rel_error]
    return Measured(max(absolute, default=None), max(relative, default=None), examples)


def random_outputs(context: Context) -> Finding:
    """The finding for a model that answers the same inputs differently each time."""
    return cause("outputs-not-deterministic").finding(
        f"{context.artifact.path.name} gives other outputs for the same inputs each time: they cannot be compared"
    )


def loads_differ(context: Context, loaded: Loaded, given: Sequence[Array | None]) -> Finding | None:
    """The finding that two loads of the same file, alike in every weight, answer the same inputs differently.

    None where they do not, and where that cannot be found out: it is asked when something else was found already.
    """
    session = context.session
    held: list[Loaded] = []
    try:
        held.append(session.again(loaded))
        held.append(session.again(loaded))
        if session.compare(*held).weights.places:
            return None
        one, other = (session.predict(model, given) for model in held)
        session.drop(*held)
    except RequestFailed:
        session.drop(*held)
        return None
    except WorkerEnded:
        return None
    wrong = next((found for found in side_by_side(context, one, other) if not found.agrees), None)
    if wrong is None:
        return None
    name = context.artifact.path.name
    message = f"two loads of {name} answer the same inputs differently, with the same weights: {wrong.problem}"
    return cause("loads-differ").finding(message, where=wrong.name)


def no_inputs(context: Context, error: inputs.InputsNotFound) -> Finding:
    """The finding for a model that no generated input satisfied; where its complaint is a known one, that."""
    said = understood(error.said, context.session.versions, context.artifact) if error.said else None
    found = said or cause("inputs-not-found")
    return found.finding(f"{context.artifact.path.name}: {error}", detail=error.said[:600])
