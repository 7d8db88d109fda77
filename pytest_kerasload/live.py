"""Recording from a live model, in the process that holds it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from pytest_kerasload import batches, capture, expected, inputs, search
from pytest_kerasload.artifacts import outline
from pytest_kerasload.artifacts.reading import read
from pytest_kerasload.environments.session import InputSpec, Output
from pytest_kerasload.precision import precision
from pytest_kerasload.worker import evidence
from pytest_kerasload.worker.keras_model import KerasModel
from pytest_kerasload.worker.runtime import Runtime

Array = NDArray[Any]


class Live:
    """A live model as the recording asks it (capture.Subject)."""

    def __init__(self, model: KerasModel) -> None:
        self.model = model

    def predict(self, batch: Sequence[Array]) -> Sequence[Output]:
        try:
            return self._answer(batch)
        except Exception as error:  # whatever the model raises says what it wants
            raise inputs.Refused(str(error)) from error

    def _answer(self, batch: Sequence[Array]) -> Sequence[Output]:
        return [Output(tuple(names), array) for names, array in self.model.predict(batch)]

    def perturbed(self, batch: Sequence[Array], seed: int, unit: float) -> Sequence[Output]:
        perturbation = evidence.Perturbation(self.model.variables())
        try:
            return self._answer(batch) if perturbation.apply(seed, unit) else ()
        except Exception:  # noise only: what it would show is left out
            return ()
        finally:
            perturbation.restore()  # the user's model: to the bit as it was


def record(model: Any, path: Path, given: Any = None) -> Path:
    """See :func:`pytest_kerasload.record`."""
    if not path.exists():
        raise FileNotFoundError(f"there is no artifact at {path}: save the model there first, then record")
    artifact = read(path)
    if not artifact.readable:
        what = "; ".join(problem.message for problem in artifact.problems)
        raise ValueError(f"there is no model at {path} ({what}): give the path that the model was saved to")
    runtime = Runtime.of(model)
    live = KerasModel(runtime, model)
    subject = Live(live)
    weights = evidence.fingerprints(live.weights())  # before anything is asked: a layer may count its calls
    kept = evidence.Kept(live.moving())
    try:
        batch, specs = _batch(subject, [InputSpec.told(spec) for spec in live.inputs()], given)
        chosen = capture.capture(subject, batch, precision(artifact), choose=given is None)
    except inputs.Refused as error:
        raise ValueError(f"the model does not answer these inputs: {error}") from error
    except capture.NotRecorded as error:
        raise ValueError(str(error)) from error
    finally:
        kept.restore()
    told = runtime.describe()
    keys = [spec.name for spec in specs] or [str(index) for index in range(len(chosen.batch))]
    stored = expected.Expected(
        inputs=dict(zip(keys, chosen.batch, strict=True)),
        outputs={name: output.array for name, output in zip(chosen.names, chosen.outputs, strict=True)},
        provenance=expected.provenance(
            sha256=artifact.sha256,
            tensorflow=told["tensorflow"],
            keras=told["keras"],
            python=told["python"],
            source="live model",
            kind="keras",
            inputs="generated" if given is None else "given",
            noise=chosen.noise_by_name,
            weights=weights,
            folds=chosen.folds_by_name,
            layers=outline.of(artifact.config),
            saved_with=artifact.saved_with.keras,
        ),
        ragged=frozenset(spec.name for spec in specs if spec.ragged),
    )
    target = path.with_name(path.name + expected.SUFFIX)
    expected.write(target, stored)
    return target


def _batch(subject: Live, specs: Sequence[InputSpec], given: Any) -> tuple[list[Array], Sequence[InputSpec]]:
    """The rows to record with, the user's or generated ones; ValueError when they do not fit or none can be had."""
    if given is not None:
        rows = [array for array in batches.by_input(given, specs) if array is not None]
        if any(array.ndim and not len(array) for array in rows):
            raise batches.BadBatch("the inputs hold no row; give a few that the model was made for")
        return rows, specs

    def attempt(batch: Sequence[Array]) -> list[Array]:
        return [output.array for output in subject.predict(batch)]

    try:
        plan = search.find(inputs.plan_for(specs), attempt)
        return capture.generated(subject, plan), plan.specs
    except (inputs.InputsNotFound, inputs.Refused) as error:
        raise ValueError(f"{error}; give one batch: record(model, path, inputs=...)") from error
    except capture.NotRecorded as error:
        raise ValueError(f"{error}; give one batch: record(model, path, inputs=...)") from error
