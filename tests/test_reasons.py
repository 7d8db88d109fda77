"""Why an artifact that loads predicts something else, or takes its process down."""

from __future__ import annotations

import json
import marshal
import sys
from base64 import encodebytes
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import builders
import numpy as np
import pytest

from conftest import causes_of, checks_of
from pytest_kerasload.artifacts.reading import read
from pytest_kerasload.artifacts.record import Artifact
from pytest_kerasload.causes.catalogue import cause
from pytest_kerasload.checks import comparing, deviations, load, reasons
from pytest_kerasload.checks.verdict import Context
from pytest_kerasload.environments.process import RequestFailed, WorkerEnded
from pytest_kerasload.environments.session import Output
from pytest_kerasload.environments.versions import Versions
from pytest_kerasload.expected import NamesDiffer
from pytest_kerasload.settings import Settings
from pytest_kerasload.worker import keras_model, serving, suspects

KERAS_315 = Versions("3.11.7", "2.21.0", "3.15.1", "keras3")


# ---- what a class forgets


class Base:
    """Stands for a layer of Keras."""

    __module__ = "keras.src.layers.layer"

    def __init__(self, name: str = "layer", dtype: str | None = None) -> None:
        self.name = name
        self.weights = [1.0]

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Base:
        return cls(**config)


class Gate(Base):
    def __init__(self, units: int, scale: float = 1.0, *, offset: float = 0.0, **more: Any) -> None:
        super().__init__(**more)


class OwnFromConfig(Gate):
    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Base:
        return cls(**config, scale=2.0)


def test_arguments_that_a_configuration_does_not_hold() -> None:
    assert suspects.forgotten_arguments(Gate, {"units": 3, "name": "gate"}) == [("scale", "1.0"), ("offset", "0.0")]
    assert suspects.forgotten_arguments(Gate, {"units": 3, "scale": 2.0, "offset": 0.0}) == []


@pytest.mark.parametrize("value", [OwnFromConfig, Base, len, "Gate"])
def test_nothing_is_said_of_what_cannot_be_told(value: Any) -> None:
    assert suspects.forgotten_arguments(value, {}) == []


# ---- what is kept where it is not saved


class Tower(Gate):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(3)
        vars(self).update(attributes)

    def _flatten_layers(self, include_self: bool, recursive: bool) -> list[Base]:
        return [self, Base()]


@pytest.mark.parametrize(
    ("held", "found"),
    [
        ([Base(), Base()], False),
        ({"a": Base()}, False),
        ([[Base()], [Base()]], True),
        ({"a": (Base(), Base())}, True),
        ([[1, 2], [3, 4]], False),
        (["deep", {"a": [Base()]}], True),
    ],
)
def test_sublayers_in_lists_inside_of_lists(held: Any, found: bool) -> None:
    keras = SimpleNamespace(layers=SimpleNamespace(Layer=Base))
    told = suspects.nested_containers(SimpleNamespace(keras=keras), Tower(blocks=held))
    assert told == ([{"layer": "layer", "class": "Tower", "attribute": "blocks"}] if found else [])


# ---- the process that ended


def lambda_h5(path: Path, functions: int = 1, closure: Any = None) -> Artifact:
    """Lambdas of this Python, in HDF5 of Keras 2."""
    code = encodebytes(marshal.dumps((lambda x: x).__code__)).decode()
    layers = [
        {
            "class_name": "Lambda",
            "config": {"name": f"lambda_{one}", "function": [code, None, closure], "function_type": "lambda"},
        }
        for one in range(functions)
    ]
    return read(builders.h5(path, {"class_name": "Sequential", "config": {"name": "s", "layers": layers}}))


def test_bytecode_of_another_python_is_why_the_process_died(tmp_path: Path) -> None:
    artifact = lambda_h5(tmp_path / "clf.h5")
    crashed = WorkerEnded("worker-crashed", "the process died (segmentation fault)", "the log")
    finding = reasons.ended(artifact, replace(KERAS_315, python="3.4.1"), crashed)
    assert (finding.cause, finding.family, finding.where) == ("lambda-python-version", "version", "lambda_0")
    assert finding.message.startswith("clf.h5: the process died (segmentation fault): its functions are code of Python")
    assert finding.message.endswith("and Python 3.4 reads them otherwise")
    assert finding.detail == "the log"
    plain = read(builders.h5(tmp_path / "plain.h5"))
    assert reasons.ended(plain, KERAS_315, crashed).cause == "worker-crashed"
    timeout = WorkerEnded("worker-timeout", "it did not end")
    assert reasons.ended(artifact, replace(KERAS_315, python="3.4.1"), timeout).cause == "worker-timeout"


# ---- functions that share what they look at


@pytest.mark.parametrize(
    ("functions", "closure", "told"), [(3, [2], "lambda_0, lambda_1, lambda_2"), (3, None, ""), (1, [2], "")]
)
def test_lambdas_that_were_made_in_a_loop(tmp_path: Path, functions: int, closure: Any, told: str) -> None:
    context: Any = SimpleNamespace(
        artifact=lambda_h5(tmp_path / "clf.h5", functions, closure), known=SimpleNamespace(provenance={})
    )
    loaded: Any = SimpleNamespace(kind="keras")
    assert ", ".join(one.where for one in reasons._shared_closures(context, loaded)) == told
    context.known = SimpleNamespace(provenance={"source": "file"})  # whose functions share it already
    assert list(reasons._shared_closures(context, loaded)) == []


def test_a_finding_with_its_reason(tmp_path: Path) -> None:
    session = SimpleNamespace(versions=KERAS_315)
    context: Any = SimpleNamespace(artifact=read(builders.h5(tmp_path / "clf.h5")), session=session)
    differs = cause("predictions-differ").finding("clf.h5 predicts something else: 0", where="0", detail="rows")
    reason = reasons.Reason("hard-sigmoid-changed", "hard_sigmoid is another function on Keras 3.15.1", "lstm")
    found = reasons.told(context, differs, reason)
    assert (found.cause, found.family, found.where, found.detail) == ("hard-sigmoid-changed", "version", "lstm", "rows")
    assert found.message == f"{differs.message}, because {reason.clause}"
    assert found.remedies
    assert found.remedies != differs.remedies


# ---- on real ones

_REASONS = {
    "tf215/hard_sigmoid.h5": "hard-sigmoid-changed",
    "tf219/custom_forgetful.keras": "get-config-forgets-argument",
    "tf218/nested_lists_layer.keras": "nested-sublayers-not-restored",
}


@pytest.mark.parametrize("name", sorted(_REASONS))
def test_what_differs_has_its_reason(name: str, zoo: Mapping[str, Any], versions: Versions) -> None:
    """Only Keras 3.15 loads all of them."""
    if not versions.keras3 or versions.keras_version.release < (3, 15):
        pytest.skip("not every release loads them")
    checks = checks_of(dict(zoo), name)
    assert causes_of(checks["predictions"]) == [_REASONS[name]], json.dumps(checks["predictions"], indent=1)
    if "nested" in name:
        trips = [causes_of(check) for place, check in checks.items() if place.startswith("roundtrip")]
        assert trips == [["nested-sublayers-not-restored"]]


# ---- a loader's words, and what was known before


def context_of(artifact: Artifact) -> Context:
    """The artifact under Keras 3.15, in the Python that runs the tests."""
    running = replace(KERAS_315, python=".".join(map(str, sys.version_info[:3])))
    session: Any = SimpleNamespace(artifact=artifact, versions=running)
    return Context(session, Settings((artifact.path.parent,), (), artifact.path.parent))


def without_its_global(path: Path) -> Artifact:
    """A Lambda that uses a name which nothing gives it."""
    code = encodebytes(marshal.dumps((lambda x: missing(x)).__code__)).decode()  # type: ignore[name-defined]  # noqa: F821
    config = {"name": "scale", "function": [code, None, None], "function_type": "lambda"}
    layers = [{"class_name": "Lambda", "config": config}]
    return read(builders.h5(path, {"class_name": "Sequential", "config": {"name": "s", "layers": layers}}))


def failed(text: str, type: str = "ValueError") -> RequestFailed:
    return RequestFailed({"type": type, "text": text, "traceback": ""}, [])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (
            "Layer count mismatch when loading weights from file. Model expected 0 layers, found 1 saved layers.",
            "lambda-call-fails",
        ),
        ("Sequential model 'sequential' has already been configured to use input shape", "lambda-call-fails"),
        ("Unrecognized keyword arguments passed to LSTM: {'time_major': False}", "keras2-rnn-time-major"),
    ],
)
def test_a_consequence_is_told_by_what_it_comes_of(text: str, code: str, tmp_path: Path) -> None:
    """A function that cannot run leaves the model unbuilt, and loaders speak of that."""
    assert load._cause(context_of(without_its_global(tmp_path / "clf.h5")), failed(text)).code == code


@pytest.mark.parametrize(
    ("type", "code"), [("ValueError", "lambda-call-fails"), ("FileNotFoundError", "unknown-load-error")]
)
def test_what_lies_outside_of_the_file_is_not_blamed_on_it(type: str, code: str, tmp_path: Path) -> None:
    error = failed("vocabulary.txt", type)
    assert load._cause(context_of(without_its_global(tmp_path / "clf.h5")), error).code == code


def test_what_nothing_is_known_of_stays_unknown(tmp_path: Path) -> None:
    context = context_of(read(builders.h5(tmp_path / "clf.h5")))
    assert load._cause(context, failed("the moon is full")).code == "unknown-load-error"


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["lstm", "lstm", "lstm"], ["lstm", "lstm_1", "lstm_2"]),
        (["a", "b"], ["a", "b"]),
        (["a", "a", "a_1"], ["a", "a_1", "a_1_1"]),
    ],
)
def test_outputs_of_one_layer_are_told_apart_as_keras_2_does(names: list[str], told: list[str]) -> None:
    """Else outputs that were recorded with Keras 2 stand for none of those of Keras 3."""
    assert keras_model._told_apart(names) == told


@pytest.mark.parametrize(
    "error",
    [
        failed("no"),
        WorkerEnded("worker-crashed", "the process died"),
        NamesDiffer("no such input"),
    ],
)
def test_looking_for_a_reason_never_takes_the_place_of_what_was_found(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(context: Any, loaded: Any) -> Iterator[reasons.Reason]:
        raise error
        yield

    def known(context: Any, loaded: Any) -> Iterator[reasons.Reason]:
        yield reasons.Reason("hard-sigmoid-changed", "it is another function")

    monkeypatch.setattr(reasons, "_ASKED", (fails, known))
    anything: Any = None
    found = reasons.of_difference(anything, anything)
    assert (found is None) is isinstance(error, WorkerEnded)


def test_the_reason_stands_behind_the_whole_configuration_of_a_large_model() -> None:
    config = "config={" + "'layer', " * 20_000 + "}"
    told = serving.failure(
        TypeError(f"Functional could not be deserialized. {config}\n\nException encountered: no axes")
    )
    assert told["text"].startswith("Functional could not be deserialized")
    assert told["text"].endswith("Exception encountered: no axes")
    assert len(told["text"]) < 21_000


@pytest.mark.parametrize(
    ("fits", "text", "code"),
    [
        (True, "name 'tf' is not defined: Exception encountered when calling Lambda.call()", "lambda-call-fails"),
        (False, "name 'tf' is not defined: Exception encountered when calling Lambda.call()", "predictions-refused"),
        (True, "Exception encountered when calling Sequential.call()", "predictions-refused"),
        (True, "input 0 is incompatible: expected min_ndim=4, found ndim=5", "predictions-refused"),
        (False, "OOM when allocating tensor", "worker-memory"),
    ],
)
def test_what_a_model_refuses(fits: bool, text: str, code: str, tmp_path: Path) -> None:
    """Inputs of other shapes are refused by every model: nothing that it says then is the reason."""
    known: Any = SimpleNamespace(inputs={}, outputs={}, provenance={}, rows=0)
    context = context_of(read(builders.h5(tmp_path / "clf.h5")))
    assert deviations.refused(context, known, failed(text), fits=fits).cause == code


class Twice:
    """A session in which every load gives another model, by its weights or by what it answers."""

    def __init__(self, weights: bool, raises: Exception | None = None) -> None:
        self.weights, self.raises = weights, raises
        self.dropped: list[Any] = []
        self.count = 0

    def again(self, loaded: Any) -> Any:
        self.count += 1
        if self.raises is not None and self.count == 2:
            raise self.raises
        return self.count

    def compare(self, first: Any, second: Any) -> Any:
        return SimpleNamespace(weights=SimpleNamespace(places=(("kernel", 1, "", "", 1.0),) if self.weights else ()))

    def predict(self, model: Any, given: Any) -> Any:
        return (Output(("out",), np.full((2, 1), float(model), "float32")),)

    def drop(self, *models: Any) -> None:
        self.dropped += models


def test_two_loads_that_differ(tmp_path: Path) -> None:
    def asked(session: Twice) -> Any:
        artifact = read(builders.h5(tmp_path / "clf.h5")) if not (tmp_path / "clf.h5").exists() else None
        artifact = artifact or read(tmp_path / "clf.h5")
        context: Any = SimpleNamespace(session=session, artifact=artifact, settings=Settings((tmp_path,), (), tmp_path))
        loaded: Any = None
        found = comparing.loads_differ(context, loaded, [])
        return found and found.cause

    same = Twice(weights=False)
    assert asked(same) == "loads-differ"
    assert same.dropped == [1, 2]
    assert asked(Twice(weights=True)) is None  # that they differ is told by what compares weights
    refused = Twice(False, failed("busy"))
    assert asked(refused) is None
    assert refused.dropped == [1]
    ended = Twice(False, WorkerEnded("worker-timeout", "no answer"))
    assert asked(ended) is None
    assert ended.dropped == []  # they went with the process
