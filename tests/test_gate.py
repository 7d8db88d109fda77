"""The engine: which checks there are, what keeps one from being made, and that a run never is green for nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import builders
import pytest

from pytest_kerasload.checks import file as file_check
from pytest_kerasload.checks import safety as safety_check
from pytest_kerasload.checks import version as version_check
from pytest_kerasload.environments.spec import EnvironmentSpec
from pytest_kerasload.environments.versions import Versions
from pytest_kerasload.findings import CheckResult, Finding
from pytest_kerasload.gate import Gate, Task, environment_finding, tasks_for, variants
from pytest_kerasload.settings import Settings

STATIC = ("file", "safety", "version")
LIVE = ("custom-objects", "load", "roundtrip", "predictions")


def settings(root: Path, *environments: EnvironmentSpec, **more: Any) -> Settings:
    return Settings((root,), environments or (EnvironmentSpec("here", str(root / "py")),), root, jobs=1, **more)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A good artifact and one that is none; an environment that answers for static checks, and one without anything."""
    builders.h5(tmp_path / "clf.h5")
    (tmp_path / "broken.h5").write_text("no model")
    builders.interpreter(tmp_path / "py", {"tensorflow": "2.15.0", "keras": "2.15.0"})
    builders.interpreter(tmp_path / "bare")
    return tmp_path


@pytest.fixture
def gate(root: Path) -> Iterator[Gate]:
    made = Gate(settings(root))
    yield made
    made.close()


@pytest.fixture
def bare(root: Path) -> Iterator[Gate]:
    made = Gate(settings(root, EnvironmentSpec("bare", str(root / "bare"))))
    yield made
    made.close()


def task(gate: Gate, name: str, check: str) -> Task:
    environment = None if check in ("file", "safety") else gate.settings.environments[0]
    return Task(gate.settings.models[0] / name, check, environment, "h5" if check == "roundtrip" else None)


def hazard(*arguments: object) -> tuple[Finding, ...]:
    return (Finding("lambda-layer", "safety", "it would run code", where="somewhere"),)


def defect(*arguments: object) -> tuple[Finding, ...]:
    raise ZeroDivisionError("a defect")


# ---- which checks there are


def test_the_checks_of_an_artifact(root: Path) -> None:
    two = (EnvironmentSpec("a", "py"), EnvironmentSpec("b", "py"))
    found = tasks_for(root / "clf.h5", "h5", settings(root, *two, roundtrip=("keras", "same")))
    told = [(t.check, t.environment.id if t.environment else None, t.variant) for t in found]
    assert told == [
        ("file", None, None),
        ("safety", None, None),
        *(
            entry
            for name in "ab"
            for entry in (
                ("version", name, None),
                ("custom-objects", name, None),
                ("load", name, None),
                ("roundtrip", name, "keras"),
                ("roundtrip", name, "h5"),
                ("predictions", name, None),
            )
        ),
    ]


def test_variants() -> None:
    assert [variants(name, ["same"]) for name in ("h5", "keras", "savedmodel", "weights", "unknown")] == [  # type: ignore[arg-type]
        ["h5"],
        ["keras"],
        ["savedmodel"],
        ["h5"],
        ["h5"],
    ]
    assert variants("keras", ["same", "all"]) == ["keras", "h5", "savedmodel"]
    assert variants("keras", ["h5", "h5", "same"]) == ["h5", "keras"]


# ---- what is in the way


@pytest.mark.parametrize("check", [*STATIC[1:], *LIVE])
def test_beside_the_check_that_failed_the_others_are_skipped(gate: Gate, check: str) -> None:
    gate.plan([task(gate, "broken.h5", "file"), task(gate, "broken.h5", check)], ahead=False)
    result = gate.result(task(gate, "broken.h5", check))
    assert (result.outcome, result.reason, result.findings) == ("skipped", "file failed: file-not-a-model", ())


@pytest.mark.parametrize("check", [*STATIC[1:], *LIVE])
def test_without_it_they_fail_with_its_findings(gate: Gate, check: str) -> None:
    gate.plan([task(gate, "broken.h5", check)], ahead=False)
    result = gate.result(task(gate, "broken.h5", check))
    assert (result.check, result.outcome) == (check, "failed")
    assert [finding.cause for finding in result.findings] == ["file-not-a-model"]
    assert result.environment == (None if check == "safety" else "here")
    assert result.variant == ("h5" if check == "roundtrip" else None)


@pytest.mark.parametrize("check", LIVE)
def test_what_is_not_safe_is_not_loaded(gate: Gate, monkeypatch: pytest.MonkeyPatch, check: str) -> None:
    monkeypatch.setattr(safety_check, "check", hazard)
    alone = task(gate, "clf.h5", check)
    gate.plan([alone], ahead=False)
    assert gate.result(alone).outcome == "failed"
    assert gate.result(alone).findings[0].cause == "lambda-layer"


@pytest.mark.parametrize("check", LIVE)
def test_what_is_not_safe_is_skipped_beside_the_safety_check(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, check: str
) -> None:
    monkeypatch.setattr(safety_check, "check", hazard)
    both = [task(gate, "clf.h5", "safety"), task(gate, "clf.h5", check)]
    gate.plan(both, ahead=False)
    assert gate.result(both[0]).outcome == "failed"
    assert gate.result(both[1]).outcome == "skipped"
    assert gate.result(both[1]).reason == "safety failed: lambda-layer (somewhere)"


@pytest.mark.parametrize("check", LIVE)
@pytest.mark.parametrize("planned", [True, False])
def test_what_could_not_be_found_safe_is_not_loaded(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, check: str, planned: bool
) -> None:
    """A safety check that broke down has not said that the artifact is safe."""
    monkeypatch.setattr(safety_check, "check", defect)
    live, safety = task(gate, "clf.h5", check), task(gate, "clf.h5", "safety")
    gate.plan([safety, live] if planned else [live], ahead=False)
    found = gate.unmet(live)
    assert found is not None
    assert found.outcome == ("skipped" if planned else "error")


def test_a_version_that_is_known_to_fail_keeps_nothing_from_being_tried(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The forecast does not keep the loader from having the last word."""
    monkeypatch.setattr(version_check, "check", lambda *arguments: (Finding("x", "version", "it will not load"),))
    gate.plan([task(gate, "clf.h5", check) for check in ("version", "load")], ahead=False)
    assert gate.result(task(gate, "clf.h5", "version")).outcome == "failed"
    assert gate.unmet(task(gate, "clf.h5", "load"), {}) is None


@pytest.mark.parametrize("check", ["roundtrip", "predictions"])
def test_after_a_load_that_failed(gate: Gate, check: str) -> None:
    load, mine = task(gate, "clf.h5", "load"), task(gate, "clf.h5", check)
    failed = CheckResult("load", "failed", (Finding("c", "version", "m"), Finding("n", "version", "n", fails=False)))
    gate.plan([load, mine], ahead=False)
    found = gate.unmet(mine, {load: failed})
    assert found is not None
    assert (found.outcome, found.reason) == ("skipped", "load failed")
    gate.plan([mine], ahead=False)
    found = gate.unmet(mine, {load: failed})
    assert found is not None
    assert (found.outcome, [finding.cause for finding in found.findings]) == ("failed", ["c"])
    assert gate.unmet(mine, {load: replace(failed, outcome="passed")}) is None


def test_after_a_load_that_could_not_be_made(gate: Gate) -> None:
    """Predictions asked for alone are not green because loading broke down."""
    load, mine = task(gate, "clf.h5", "load"), task(gate, "clf.h5", "predictions")
    gate.plan([mine], ahead=False)
    found = gate.unmet(mine, {load: CheckResult("load", "error", reason="the reason")})
    assert found is not None
    assert found.outcome == "error"


def test_a_load_in_another_environment_does_not_matter(root: Path) -> None:
    one, two = EnvironmentSpec("a", str(root / "py")), EnvironmentSpec("b", str(root / "py"))
    gate = Gate(settings(root, one, two))
    try:
        clf = root / "clf.h5"
        tasks = [Task(clf, "load", one), Task(clf, "load", two), Task(clf, "predictions", two)]
        gate.plan(tasks, ahead=False)
        live = {
            tasks[0]: CheckResult("load", "failed", (Finding("c", "version", "m"),)),
            tasks[1]: CheckResult("load", "passed"),
        }
        assert gate.unmet(tasks[2], live) is None
    finally:
        gate.close()


@pytest.mark.parametrize("check", ["version", *LIVE])
def test_without_tensorflow(bare: Gate, check: str) -> None:
    mine = task(bare, "clf.h5", check)
    bare.plan([mine], ahead=False)
    result = bare.result(mine)
    assert result.outcome == "failed"
    assert result.findings[0].cause == "tensorflow-missing"
    assert "bare" in result.findings[0].message


# ---- answers


def test_an_answer_is_made_once(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    real = file_check.check
    monkeypatch.setattr(file_check, "check", lambda artifact: (asked.append(artifact), real(artifact))[1])
    mine = task(gate, "clf.h5", "file")
    assert gate.result(mine) is gate.result(mine)
    gate.result(task(gate, "clf.h5", "version"))
    assert len(asked) == 1


def test_an_artifact_is_read_once(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_kerasload.artifacts import reading

    read: list[Path] = []
    real = reading.read
    monkeypatch.setattr(reading, "read", lambda path: (read.append(path), real(path))[1])
    path = gate.settings.models[0] / "clf.h5"
    threads = [threading.Thread(target=gate.artifact, args=(path,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read == [path]


@pytest.mark.parametrize("check", STATIC)
def test_a_defect_of_a_static_check_is_an_error(gate: Gate, monkeypatch: pytest.MonkeyPatch, check: str) -> None:
    module = {"file": file_check, "safety": safety_check, "version": version_check}[check]
    monkeypatch.setattr(module, "check", defect)
    gate.plan([task(gate, "clf.h5", name) for name in STATIC], ahead=False)
    results = {name: gate.result(task(gate, "clf.h5", name)) for name in STATIC}
    assert {name for name, result in results.items() if result.outcome == "error"} == {check}
    assert "ZeroDivisionError: a defect" in results[check].reason


def test_a_defect_in_the_way_to_an_environment_is_an_error(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_kerasload.environments.driver.Driver._judge", defect)
    result = gate.result(task(gate, "clf.h5", "custom-objects"))
    assert result.outcome == "error"
    assert "ZeroDivisionError: a defect" in result.reason


def test_trust_makes_a_note_of_a_refusal(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safety_check, "check", hazard)
    gate = Gate(settings(root, trust=(str(root / "clf.h5"),)))
    try:
        result = gate.result(task(gate, "clf.h5", "safety"))
        assert result.outcome == "passed"
        assert (result.findings[0].fails, result.findings[0].cause) == (False, "lambda-layer")
        assert result.findings[0].message.startswith("trusted by --keras-trust")
    finally:
        gate.close()


@pytest.mark.parametrize(("inference_only", "outcome"), [(True, "passed"), (False, "failed")])
def test_inference_only_is_about_training_state(
    root: Path, monkeypatch: pytest.MonkeyPatch, inference_only: bool, outcome: str
) -> None:
    monkeypatch.setattr(version_check, "check", lambda *arguments: (Finding("x", "training-state", "m"),))
    gate = Gate(settings(root, inference_only=inference_only))
    try:
        result = gate.result(task(gate, "clf.h5", "version"))
        assert (result.outcome, len(result.findings)) == (outcome, 1)
    finally:
        gate.close()


def test_a_note_does_not_fail() -> None:
    note = Finding("x", "version", "m", fails=False)
    one = Task(Path("clf.h5"), "file")
    assert Gate.answer(one, (note,)).outcome == "passed"
    assert Gate.answer(one, (note, replace(note, fails=True))).outcome == "failed"


@pytest.mark.parametrize(
    ("versions", "cause"),
    [
        (Versions("3.11.7", None, None, "keras3", "TensorFlow is not installed there"), "tensorflow-missing"),
        (Versions("", None, None, "keras3", "its interpreter does not run"), "tensorflow-broken"),
        (Versions("3.11.7", "2.16.1", None, "tf_keras", "tf_keras is not installed"), "legacy-keras-missing"),
        (Versions("3.11.7", "2.16.1", None, "keras3", "Keras is not installed there"), "tensorflow-broken"),
    ],
)
def test_an_environment_that_loads_nothing(versions: Versions, cause: str) -> None:
    found = environment_finding(versions, EnvironmentSpec("mine", "/opt/py/bin/python"))
    assert (found.cause, found.family, found.fails) == (cause, "environment", True)
    assert found.message == f"mine (/opt/py/bin/python): {versions.problem}"


# ---- the end


def test_nothing_is_left(root: Path) -> None:
    gate = Gate(settings(root))
    directory = gate._pool.directory
    assert directory.is_dir()
    gate.result(task(gate, "clf.h5", "file"))
    gate.close()
    assert not directory.exists()
    assert [thread for thread in threading.enumerate() if thread.name.startswith("kerasload-")] == []
    gate.close()  # a second time does no harm
