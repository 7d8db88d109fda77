"""One artifact in one environment's process: what checks ask of it, with typed answers."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_kerasload.artifacts.record import Artifact, ConfigObject, Format, TensorSpec
from pytest_kerasload.environments.process import Limits, Process
from pytest_kerasload.environments.versions import Versions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_kerasload.inputs import Plan

    Array = NDArray[Any]


@dataclass(frozen=True)
class InputSpec:
    """One input of a loaded model: ``shape`` has None where free and is None when unknown.

    ``aliases`` are the names by which expected outputs may call it; ``bound`` and ``vocabulary`` as in
    :class:`~pytest_kerasload.artifacts.record.TensorSpec`.
    """

    name: str
    shape: tuple[int | None, ...] | None
    dtype: str
    aliases: tuple[str, ...] = ()
    ragged: bool = False
    bound: int | None = None
    vocabulary: tuple[str, ...] = ()
    endpoint: str = ""
    """The SavedModel endpoint that takes it; empty for a Keras model."""
    sparse: bool = False
    sentences: bool = False
    """Values of a string input are several words."""
    choices: tuple[int, ...] = ()
    """Numbers that a layer behind it looks up, and one that it does not know."""
    centre: tuple[float, ...] = ()
    """Where its values usually lie, in all or for each feature (Normalization, Rescaling, Discretization)."""
    spread: tuple[float, ...] = ()
    padding: float | None = None
    """What steps hold that are masked out."""

    @classmethod
    def told(cls, spec: Mapping[str, Any], static: TensorSpec | None = None) -> InputSpec:
        """A worker's words, completed by what the file says where the loaded model does not tell."""
        shape = None if spec["shape"] is None else tuple(spec["shape"])
        bound, vocabulary = spec.get("bound"), tuple(spec.get("vocabulary") or ())
        if static is not None:
            bound = bound or static.bound
            vocabulary = vocabulary or static.vocabulary
            shape = static.shape if shape is None else shape
        return cls(
            name=spec["name"],
            shape=shape,
            dtype=spec["dtype"],
            aliases=tuple(spec["aliases"]),
            ragged=bool(spec.get("ragged")),
            bound=bound,
            vocabulary=vocabulary,
            endpoint=spec.get("endpoint", ""),
            sparse=bool(spec.get("sparse")),
            sentences=bool(spec.get("sentences")),
            choices=tuple(spec.get("choices") or ()),
            centre=tuple(spec.get("centre") or ()),
            spread=tuple(spec.get("spread") or ()),
            padding=spec.get("padding"),
        )


@dataclass(frozen=True)
class Output:
    """One output of a model: its names, best first, and its values."""

    names: tuple[str, ...]
    array: Array


@dataclass(frozen=True)
class Loaded:
    """A model that was loaded and is held in the process under ``key``."""

    key: str
    kind: str
    inputs: tuple[InputSpec, ...]
    endpoints: tuple[str, ...]
    remarks: tuple[str, ...]
    path: Path
    compile: bool
    unsafe: bool

    @property
    def way(self) -> str:
        """The way in which it was loaded: ``keras`` or ``signatures``."""
        return "signatures" if self.kind == "signatures" else "keras"


@dataclass(frozen=True)
class Difference:
    """How the weights (or optimizer variables) of two models differ."""

    counts: tuple[int, int]
    names: tuple[tuple[str, ...], tuple[str, ...]]
    places: tuple[tuple[str, int, str, str, float | None], ...]
    """Name, number of elements that differ, what it was and is (where shape or dtype differ), largest difference."""


@dataclass(frozen=True)
class Comparison:
    """Two models of one process side by side."""

    weights: Difference
    optimizer: Difference
    config: tuple[Any, Any] | None = None
    compiled: tuple[Mapping[str, Any], Mapping[str, Any]] | None = None


def _dump(array: Array) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _difference(reply: Mapping[str, Any]) -> Difference:
    first, second = reply["names"]
    return Difference(
        counts=(reply["counts"][0], reply["counts"][1]),
        names=(tuple(first), tuple(second)),
        places=tuple((p[0], p[1], p[2], p[3], p[4]) for p in reply["places"]),
    )


@dataclass
class Session:
    """Everything that checks ask of one artifact in one process.

    Methods raise RequestFailed (what the artifact made TensorFlow raise) or WorkerEnded.
    """

    artifact: Artifact
    process: Process
    versions: Versions
    limits: Limits
    directory: Path
    trusted: bool = False
    loads: dict[tuple[bool, bool, str], Loaded] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    """Inputs that each loaded model answers, by its key."""
    elsewhere: Callable[[], tuple[str, Session] | None] | None = None
    """Another process with other settings of the machine (oneDNN, threads), and what they are; None without one."""
    legacy: Callable[[], Session | None] | None = None
    """The artifact in a process of the same interpreter with tf_keras in place of Keras 3; None without one."""
    numbers: Iterator[int] = field(default_factory=count)
    """For names of what the process holds; of sessions that share one, the same."""

    @property
    def way(self) -> str:
        """``keras`` for what ``load_model`` has to bring back, ``signatures`` for an export."""
        return "signatures" if self.artifact.format == "savedmodel" and not self.artifact.keras_metadata else "keras"

    def load(self, *, compile: bool = True, unsafe: bool = False, way: str | None = None) -> Loaded:
        """The artifact, loaded once for each way of loading it."""
        key = (compile, unsafe, way or self.way)
        if key not in self.loads:
            self.loads[key] = self.load_path(self.artifact.path, compile=compile, unsafe=unsafe, way=way)
        return self.loads[key]

    def load_path(self, path: Path, *, compile: bool = True, unsafe: bool = False, way: str | None = None) -> Loaded:
        """A model loaded anew from any path."""
        key = f"model-{next(self.numbers)}"
        reply = self._ask(
            "load", key=key, path=self.process.place(path), way=way or self.way, compile=compile, trusted=unsafe
        )
        return Loaded(
            key=key,
            kind=reply["kind"],
            inputs=tuple(self._input(spec, index) for index, spec in enumerate(reply["inputs"])),
            endpoints=tuple(reply["endpoints"]),
            remarks=tuple(reply["remarks"]),
            path=path,
            compile=compile,
            unsafe=unsafe,
        )

    def again(self, loaded: Loaded) -> Loaded:
        """The same file loaded once more, in the same way."""
        return self.load_path(loaded.path, compile=loaded.compile, unsafe=loaded.unsafe, way=loaded.way)

    def _input(self, spec: Mapping[str, Any], index: int) -> InputSpec:
        static = self.artifact.inputs
        return InputSpec.told(spec, static[index] if index < len(static) else None)

    def predict(self, loaded: Loaded, inputs: Sequence[Array | None]) -> tuple[Output, ...]:
        """Every output of the model for one batch; of a SavedModel, those of the endpoints whose inputs are given."""
        data = [b"" if array is None else _dump(array) for array in inputs]
        reply = self._ask("predict", key=loaded.key, inputs=data)
        return tuple(Output(tuple(names), array) for names, array in reply["outputs"])

    def elements(self, loaded: Loaded) -> tuple[int, tuple[tuple[str, int], ...]]:
        """The number of weight elements of the model, and name and elements of each weight."""
        reply = self._ask("weights", key=loaded.key)
        return int(reply["elements"]), tuple((item[0], item[3]) for item in reply["weights"])

    def fingerprints(self, loaded: Loaded) -> tuple[Mapping[str, Any], ...]:
        """What is remembered of each floating weight of the model: name, shape, sum, mean, rms (worker/evidence.py)."""
        return tuple(self._ask("fingerprints", key=loaded.key)["weights"])

    def nested(self, loaded: Loaded) -> tuple[Mapping[str, str], ...]:
        """``layer``, ``class`` and ``attribute`` wherever sublayers are kept in lists or dicts inside of others."""
        return tuple(self._ask("nested", key=loaded.key)["found"])

    def perturbed(self, loaded: Loaded, inputs: Sequence[Array | None], seed: int, unit: float) -> tuple[Output, ...]:
        """What the model predicts with every weight moved by up to ``unit`` of its value; empty without weights."""
        try:
            moved = self._ask("perturb", key=loaded.key, seed=seed, unit=unit)["variables"]
            return self.predict(loaded, inputs) if moved else ()
        finally:
            if self.process.pid is not None:
                self._ask("restore", key=loaded.key)

    def compare(self, first: Loaded, second: Loaded) -> Comparison:
        """Where two models differ in weights, optimizer state, configuration and compile state."""
        reply = self._ask("compare", first=first.key, second=second.key)
        return Comparison(
            weights=_difference(reply["weights"]),
            optimizer=_difference(reply["optimizer"]),
            config=tuple(reply["config"]) if "config" in reply else None,
            compiled=tuple(reply["compile"]) if "compile" in reply else None,
        )

    def save(self, loaded: Loaded, format: Format, path: Path | None = None) -> Path:
        """Where the model was saved to, in one of the formats.

        A copy without a path of its own is for this process alone, and lives until :meth:`drop`.
        """
        kept = path is not None
        if path is None:
            folder = Path(tempfile.mkdtemp(prefix="copy-", dir=self.process.directory))
            path = folder / {"h5": "model.h5", "keras": "model.keras", "savedmodel": "model"}[format]
        self._ask("save", key=loaded.key, path=self.process.target(path), format=format)
        if kept:
            self.process.bring(path)
        return path

    def resolve(self, uses: Sequence[ConfigObject]) -> tuple[Mapping[str, Any], ...]:
        """For each use of a custom object: ``found``, ``complaint`` (type and text, or None), ``what``, and
        ``forgotten``, names and defaults of arguments that the saved configuration does not hold."""
        wanted = [
            {
                "name": use.name,
                "class_name": use.class_name,
                "registered_name": use.registered_name,
                "module": use.module,
                "kind": use.kind,
                "config": use.config,
            }
            for use in uses
        ]
        # As JSON: execnet takes no whole number below -2**31, and configurations hold any.
        return tuple(self._ask("resolve", wanted=json.dumps(wanted, default=dict))["answers"])

    def latency(self, loaded: Loaded, inputs: Sequence[Array | None], repeat: int) -> list[float]:
        """Seconds of each of ``repeat`` calls of the model for one batch; each may take what one answer may."""
        data = [b"" if array is None else _dump(array) for array in inputs]
        limits = replace(self.limits, seconds=self.limits.seconds * (repeat + 1))
        return list(self.process.ask("latency", limits, key=loaded.key, inputs=data, repeat=repeat)["seconds"])

    def drop(self, *loaded: Loaded, copy: Path | None = None) -> None:
        """Let go of models, and of a copy that :meth:`save` made."""
        self._ask(
            "release",
            keys=[one.key for one in loaded],
            directory=self.process.target(copy.parent) if copy is not None else None,
        )

    def close(self) -> None:
        """Let go of everything that the process holds of this artifact."""
        self._ask("release", keys=None, directory=None)
        self.loads.clear()
        self.plans.clear()

    def _ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        return self.process.ask(do, self.limits, **arguments)
