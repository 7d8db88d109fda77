"""Remedies that were tried: what a failing load suggests, and which environments of the run do read the artifact."""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from conftest import ZOO, checks_of
from pytest_kerasload.amendments import amended
from pytest_kerasload.artifacts.reading import read
from pytest_kerasload.causes import remedies as do
from pytest_kerasload.causes.catalogue import cause
from pytest_kerasload.checks import ways
from pytest_kerasload.checks.elsewhere import Neighbour, advised
from pytest_kerasload.environments.versions import Versions
from pytest_kerasload.findings import CheckResult, Finding, Measured, Outcome, Remedy
from pytest_kerasload.reports import failure
from pytest_kerasload.settings import Settings

KERAS_215 = Versions("3.11.7", "2.15.1", "2.15.0", "keras2")


def neighbour(load: Outcome, predictions: Outcome, *findings: Finding) -> Neighbour:
    answered = CheckResult("predictions", predictions, findings, measured=Measured(3e-8))
    return Neighbour("tf2.15", KERAS_215, CheckResult("load", load), answered)


@pytest.mark.parametrize(
    ("one", "verified"),
    [
        (neighbour("passed", "passed"), True),
        (neighbour("passed", "failed", cause("expected-missing").finding("none")), None),
        (neighbour("passed", "failed", cause("predictions-differ").finding("other")), False),
        (neighbour("failed", "skipped"), False),
    ],
)
def test_environments_that_read_it(one: Neighbour, verified: bool | None) -> None:
    """Verified where it loads and its outputs match; one that does no better is no remedy."""
    failing = cause("keras2-rnn-time-major").finding("no", remedies=(Remedy("try"), Remedy("tried", verified=False)))
    found = advised(CheckResult("load", "failed", (failing,)), [one]).findings[0].remedies
    advice = [remedy for remedy in found if remedy.action.startswith("use tf2.15: TensorFlow 2.15.1, Keras 2.15.0")]
    assert [remedy.verified for remedy in advice] == ([] if verified is False else [verified])
    if verified:
        assert found[0] == advice[0]
        assert "3.0e-08" in advice[0].detail
    assert found[-1].verified is False


def test_what_has_no_expected_outputs_is_recorded_and_not_moved_elsewhere() -> None:
    failing = cause("expected-missing").finding("none")
    result = CheckResult("predictions", "failed", (failing,))
    assert advised(result, [neighbour("passed", "passed")]) == result


@pytest.mark.parametrize(
    ("way", "action", "told"),
    [
        ("amend", "drop groups from the config", True),
        ("amend", do.SAVE_FOR_OLDEST, False),
        ("compile", do.COMPILE_FALSE, True),
        ("legacy", do.LEGACY_KERAS, True),
        ("legacy", do.NEWER_LOADER, False),
        ("signatures", do.SIGNATURES, True),
        ("signatures", do.TFSM_LAYER, True),
    ],
)
def test_what_a_way_tells_of_the_catalogue(way: do.WayName, action: str, told: bool) -> None:
    assert do.answers(way, action) is told


def test_a_command_stands_alone_on_its_line() -> None:
    command = "python -m pytest_kerasload repair a/clf.h5 a/clf-repaired.h5 --for=keras==3.15.1"
    remedy = Remedy(f"drop time_major from the config: {command}", verified=True, detail="outputs match")
    finding = cause("keras2-rnn-time-major").finding("no", remedies=(remedy,))
    lines = failure.lines(CheckResult("load", "failed", (finding,)))
    place = next(index for index, line in enumerate(lines) if "works" in line)
    assert lines[place].endswith("works  drop time_major from the config  (outputs match):")
    assert lines[place + 1].strip() == command


@pytest.mark.parametrize("copy", [False, True])
def test_no_command_for_a_copy_that_goes_with_the_run(copy: bool, tmp_path: Path) -> None:
    artifact = read(ZOO / "artifacts" / "tf215" / "lstm.h5")
    settings = Settings((), (), tmp_path, copies={artifact.path: tmp_path / "own.h5"} if copy else {})
    keras3 = Versions("3.11.7", "2.21.0", "3.15.1", "keras3")
    context: Any = SimpleNamespace(
        artifact=artifact, settings=settings, session=SimpleNamespace(versions=keras3), shown=str
    )
    amendment = amended(artifact, keras3)
    assert amendment is not None
    action = ways._repair(context, amendment)
    assert action.startswith("drop time_major from the config")
    assert ("python -m pytest_kerasload repair" in action) is not copy


# ---- in the TensorFlow at hand


def load_remedies(zoo: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    check = checks_of(dict(zoo), name)["load"]
    if check["outcome"] != "failed":
        pytest.skip(f"{name} loads on this release")
    remedies: list[dict[str, Any]] = check["findings"][0]["remedies"]
    return remedies


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("tf215/lstm.h5", "drop time_major from the config"),
        ("tf23/nested_seq_twice.h5", "count the calls of tower from 0"),
        ("tf26/nested_functional.h5", "count the calls of inner from 0"),
        ("tf26/optimizer_lr.h5", "load_model(path, compile=False)"),
        ("tf213/seq_dense.keras", "put the weights where this release looks for them"),
        ("tf213/gru_after.keras", "drop time_major"),
        ("tf23/trained_adam_sm", "make an export of it, without the slots of its optimizer"),
        ("tf213/dict_inputs.keras", "name Functional where it is there"),
    ],
)
def test_a_remedy_that_works(name: str, action: str, zoo: Mapping[str, Any], versions: Versions) -> None:
    """It loads in another way, with the expected outputs: that way is verified, and stands first."""
    if not versions.keras3:
        pytest.skip("Keras 2 loads them")
    first = load_remedies(zoo, name)[0]
    assert first["action"].startswith(action)
    assert first["verified"] is True


@pytest.fixture(scope="module")
def beside(versions: Versions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds this TensorFlow, its Keras 3, and tf_keras."""
    if not versions.keras3:
        pytest.skip("tf_keras lies beside Keras 3")
    made = tmp_path_factory.mktemp("beside") / "venv"
    venv.create(made, symlinks=True)
    python = made / "bin" / "python"
    places = [path for path in sys.path if path.endswith("site-packages")]
    (folder,) = made.glob("lib/python*/site-packages")
    (folder / "these.pth").write_text("\n".join(places))
    minor = ".".join((versions.tensorflow or "").split(".")[:2])
    install = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--python",
        python,
        f"tf_keras~={minor}.0",
    ]
    done = subprocess.run(install, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"needs tf_keras: {done.stderr.strip()[-200:]}")
    return python


@pytest.mark.parametrize(
    ("name", "check"),
    [("tf215/hard_sigmoid.h5", "predictions"), ("tf210/multi_io_sm", "load"), ("tf215/lstm.h5", "load")],
)
def test_tf_keras_beside_keras_3_is_tried(
    name: str, check: str, beside: Path, gate: Callable[..., Mapping[str, Any]]
) -> None:
    """In a process of its own, whatever Keras the environment loads models with."""
    report = gate(f"--keras-models={ZOO / 'artifacts' / name}", f"--keras-env={beside}", "-k", check)
    remedies = checks_of(dict(report), name)[check]["findings"][0]["remedies"]
    tried = [one for one in remedies if one["action"].startswith(do.LEGACY_KERAS)]
    assert [one["verified"] for one in tried] == [True], report["output"][-3000:]


def test_no_verified_remedy_predicts_something_else(zoo: Mapping[str, Any]) -> None:
    """Of a custom class that forgets its arguments no way of loading brings the outputs back."""
    for artifact in zoo["artifacts"]:
        if "forgetful" in artifact["path"]:
            for check in artifact["checks"]:
                remedies = [one for finding in check["findings"] for one in finding["remedies"]]
                assert not [one for one in remedies if one["verified"]], (artifact["path"], remedies)
