"""An artifact as tests ask it: what the file says, and what the model that was loaded from it predicts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from pytest_kerasload import batches
from pytest_kerasload import expected as stored
from pytest_kerasload.artifacts.record import Artifact, Format, SavedWith, TensorSpec
from pytest_kerasload.checks.verdict import Context
from pytest_kerasload.environments.process import RequestFailed, WorkerEnded
from pytest_kerasload.environments.session import Loaded, Output
from pytest_kerasload.environments.spec import EnvironmentSpec
from pytest_kerasload.environments.versions import Versions
from pytest_kerasload.findings import PredictionFailed
from pytest_kerasload.lending import Lender, Refuse

Array = NDArray[Any]

# A failed test shows the line that asked, not how it is answered here (pytest; --full-trace shows all).
__tracebackhide__ = True


class KerasArtifact:
    """One artifact in one environment.

    What the file says (``format``, ``sha256``, ``saved_with``, ``inputs``, ...) is read without TensorFlow. The model
    is loaded when it is first asked, in a process of the environment's own, under the run's limits, with its custom
    objects, and never when the ``file`` or ``safety`` check refuses the artifact.
    """

    path: Path
    """The file or the SavedModel directory."""
    name: str
    """Its path under the ``--keras-models`` directory, with forward slashes."""
    environment: str
    """The id of the environment that it is loaded in."""

    def __init__(self, path: Path, name: str, environment: EnvironmentSpec, lender: Lender, refuse: Refuse) -> None:
        self.path = path
        self.name = name
        self.environment = environment.id
        self._spec = environment
        self._lender = lender
        self._refuse = refuse

    def __repr__(self) -> str:
        return f"<KerasArtifact {self.name} in {self.environment}>"

    # ---- what the file says

    @property
    def _artifact(self) -> Artifact:
        return self._lender.readable(self.path, self._refuse)

    @property
    def format(self) -> Format:
        """``h5``, ``keras``, ``savedmodel`` or ``weights``."""
        return self._artifact.format

    @property
    def sha256(self) -> str:
        """The digest of the file (of a directory: over its files)."""
        return self._artifact.sha256

    @property
    def saved_with(self) -> SavedWith:
        """The releases that wrote it, as far as it tells: ``tensorflow``, ``keras``, ``backend``, ``date``."""
        return self._artifact.saved_with

    @property
    def custom_objects(self) -> tuple[str, ...]:
        """Names of the layers, functions, losses, ... in it that no Keras release brings along."""
        return tuple(self._artifact.custom_objects)

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Name, shape (batch first, None where free) and dtype of each input.

        Where the file does not tell, the model is loaded and asked; empty when it does not know either.
        """
        if self._artifact.inputs:
            return self._artifact.inputs
        return tuple(TensorSpec(spec.name, spec.shape, spec.dtype) for spec in self._loaded()[1].inputs)

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Name, shape and dtype of each output; empty when the file does not tell."""
        return self._artifact.outputs

    @property
    def expected(self) -> stored.Expected | None:
        """The expected outputs that are stored for it (``inputs``, ``outputs``, ``provenance``), or None."""
        settings = self._lender.gate.settings
        path = stored.path_for(self.path, settings.root_of(self.path), settings.expected_dir)
        try:
            return stored.read(path)
        except FileNotFoundError:
            return None

    @property
    def versions(self) -> Versions:
        """The releases in the environment: ``python``, ``tensorflow``, ``keras``, ``flavour``."""
        return self._lender.gate.versions(self._spec)

    # ---- what the model answers

    def predict(self, x: Any, *, batch_size: int = 32) -> Any:
        """What the model predicts, in inference mode: an array, or a dict by output name where it has several outputs.

        ``x`` is a batch: an array; for several inputs a list of arrays in their order, or a dict by input name. It is
        handed to the model in parts of ``batch_size`` rows. Of a SavedModel the default endpoint answers; with a dict
        of inputs called ``endpoint/name``, that one.

        BadBatch (a ValueError) where ``x`` does not fit the model's inputs, PredictionFailed where the model raises.
        """
        context, loaded, given = self._asked(x)
        rows = _rows(given)
        size = _batch(loaded, rows, batch_size)
        parts = []
        for start in range(0, max(rows, 1), size):
            part = [array if array is None or not array.ndim else array[start : start + size] for array in given]
            try:
                with self._lender.asking():
                    parts.append(context.session.predict(loaded, part))
            except (RequestFailed, WorkerEnded) as error:
                self._failed(context, given, error)
        return _joined(loaded, given, parts, rows, size)

    def latency(self, x: Any, *, repeat: int = 20) -> list[float]:
        """Seconds of each of ``repeat`` calls of the model on one batch, measured inside the environment.

        Measured are ``model(x, training=False)``, and of an export its signature: neither loading, nor the way to the
        process, nor a first call, which builds what the others use again. No other check of this run is at work
        meanwhile; those of other processes of pytest-xdist are.
        """
        if repeat < 1:
            raise ValueError(f"repeat is {repeat}: give at least 1")
        context, loaded, given = self._asked(x)
        if (size := _batch(loaded, rows := _rows(given), max(_rows(given), 1))) != rows:
            raise batches.BadBatch(f"{self.name} takes batches of {size} rows, and {rows} are given: give one")
        try:
            with self._lender.alone(), self._lender.asking():
                return context.session.latency(loaded, given, repeat)
        except (RequestFailed, WorkerEnded) as error:
            self._failed(context, given, error)

    def _loaded(self) -> tuple[Context, Loaded]:
        try:
            return self._lender.loaded(self.path, self._spec, self._refuse)
        except (RequestFailed, WorkerEnded) as error:  # it did load before: its process ended in between
            raise PredictionFailed(f"{self.name} could not be loaded again: {_said(error)}") from None

    def _asked(self, x: Any) -> tuple[Context, Loaded, list[Array | None]]:
        """The loaded model, and ``x`` in the order of its inputs."""
        context, loaded = self._loaded()
        try:
            return context, loaded, batches.by_input(x, loaded.inputs)
        except batches.BadBatch as error:
            raise batches.BadBatch(f"{self.name}: {error}") from None

    def _failed(self, context: Context, given: Sequence[Array | None], error: RequestFailed | WorkerEnded) -> NoReturn:
        shapes = ", ".join(batches.shown(array) for array in given if array is not None)
        raise PredictionFailed(f"{self.name} on {context.label} does not answer {shapes}: {_said(error)}") from None


def _said(error: RequestFailed | WorkerEnded) -> str:
    if isinstance(error, WorkerEnded):
        return f"{error.message}\n{error.log}".rstrip()
    return f"{error.type}: {error.text[:2000]}"


def _rows(given: Sequence[Array | None]) -> int:
    return next((len(array) for array in given if array is not None and array.ndim), 1)


def _batch(loaded: Loaded, rows: int, wanted: int) -> int:
    """The number of rows to hand over at once: the model's own where it takes only that."""
    if wanted < 1:
        raise ValueError(f"batch_size is {wanted}: give at least 1")
    fixed = next((spec.shape[0] for spec in loaded.inputs if spec.shape and spec.shape[0] is not None), None)
    if fixed is None:
        return wanted
    if rows % fixed or not rows:
        raise batches.BadBatch(f"the model takes batches of {fixed} rows, and {rows} are given: give a multiple")
    return fixed


def _joined(
    loaded: Loaded, given: Sequence[Array | None], parts: Sequence[Sequence[Output]], rows: int, size: int
) -> Any:
    """The outputs of all parts: one array, or several by name."""
    outputs: dict[str, Array] = {}
    for index, output in enumerate(parts[0]):
        name = output.names[0]
        if _unasked(name, loaded, given):
            continue
        arrays = [part[index].array for part in parts]
        if len(parts) > 1 and not _by_row(name, arrays, rows, size):
            raise batches.BadBatch(
                f"output {name!r} is {batches.shown(arrays[0])} for {size} rows, not one for each: it cannot be put "
                f"together from parts; give all at once with batch_size={rows}"
            )
        outputs[name] = np.concatenate(arrays) if len(parts) > 1 else arrays[0]
    return next(iter(outputs.values())) if len(outputs) == 1 else outputs


def _by_row(name: str, arrays: Sequence[Array], rows: int, size: int) -> bool:
    """Whether the parts of an output hold something for each row; those of ragged ones are in the worker's form."""
    if "/row_lengths" in name or name.endswith("/values"):
        return True
    lengths = [min(size, rows - start) for start in range(0, rows, size)]
    return [array.shape[:1] for array in arrays] == [(length,) for length in lengths]


def _unasked(name: str, loaded: Loaded, given: Sequence[Array | None]) -> bool:
    """Whether an output is of an endpoint that takes no inputs, and answers whatever is asked."""
    asked: set[str] = {spec.endpoint for spec, array in zip(loaded.inputs, given, strict=False) if array is not None}
    endpoint, slash, _ = name.partition("/")
    return bool(slash and asked) and endpoint in loaded.endpoints and endpoint not in asked
