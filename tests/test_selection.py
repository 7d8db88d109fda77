"""pytest's own ways of choosing, ordering and repeating items, on items of artifacts."""

from __future__ import annotations

import os
import shlex
import tempfile
from pathlib import Path

import builders
import pytest

TF215 = {"tensorflow": "2.15.0", "keras": "2.15.0"}


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """Two artifacts that pass every static check, and one that is no model; an environment that answers for those."""
    root = pytester.path / "artifacts"
    builders.h5(root / "clf.h5")
    (root / "broken.h5").write_text("no model")
    builders.saved_model(root / "towers")
    builders.interpreter(pytester.path / "py", TF215)
    builders.interpreter(pytester.path / "bare")
    return pytester


def run(pytester: pytest.Pytester, *arguments: str, env: str = "py") -> pytest.RunResult:
    return pytester.runpytest_inprocess("--keras-models=artifacts", f"--keras-env={env}", *arguments)


def chosen(pytester: pytest.Pytester, *arguments: str) -> list[str]:
    """The ids that a run with these arguments would make, without ``artifacts/``."""
    result = run(pytester, "--collect-only", "-q", *arguments)
    return [item.removeprefix("artifacts/") for item in builders.ids(result.outlines)]


# ---- choosing


def test_an_id_on_the_command_line(project: pytest.Pytester) -> None:
    assert chosen(project, "artifacts/clf.h5::load") == ["clf.h5::load"]
    assert chosen(project, "artifacts/clf.h5::roundtrip[h5]", "artifacts/broken.h5::file") == [
        "clf.h5::roundtrip[h5]",
        "broken.h5::file",
    ]
    assert chosen(project, "artifacts/towers/saved_model.pb::file") == ["towers/saved_model.pb::file"]
    assert len(chosen(project, "artifacts/clf.h5")) == 7
    assert len(chosen(project, "artifacts/towers")) == 7
    result = run(project, "artifacts/clf.h5::file", "-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["artifacts/clf.h5::file PASSED*"])


def test_an_id_that_there_is_not(project: pytest.Pytester) -> None:
    for gone in ("artifacts/clf.h5::lod", "artifacts/gone.h5::load", "artifacts/clf.h5::load[tf2.15]"):
        result = run(project, gone)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert "not found" in result.stderr.str()


def test_an_id_with_an_environment(project: pytest.Pytester) -> None:
    arguments = ["--keras-env=b=bare", "artifacts/clf.h5::roundtrip[b-h5]"]
    assert chosen(project, *arguments) == ["clf.h5::roundtrip[b-h5]"]


def test_k(project: pytest.Pytester) -> None:
    assert chosen(project, "-k", "load") == ["broken.h5::load", "clf.h5::load", "towers/saved_model.pb::load"]
    assert chosen(project, "-k", "clf and predictions") == ["clf.h5::predictions"]
    assert chosen(project, "-k", "towers and not (load or roundtrip)") == [
        f"towers/saved_model.pb::{check}" for check in ("file", "safety", "version", "custom-objects", "predictions")
    ]
    assert chosen(project, "-k", "roundtrip and savedmodel") == ["towers/saved_model.pb::roundtrip[savedmodel]"]


def test_m(project: pytest.Pytester) -> None:
    (project.path / "test_own.py").write_text("def test_own(): pass")
    assert chosen(project, "-m", "keras_load", "--strict-markers")[1] == "clf.h5::load"
    assert chosen(project, "-m", "keras_custom_objects")[1] == "clf.h5::custom-objects"
    assert len(chosen(project, "-m", "keras_models", ".")) == 21
    assert chosen(project, "-m", "not keras_models", ".") == ["test_own.py::test_own"]
    markers = run(project, "--markers").stdout.str()
    assert "@pytest.mark.keras_models" in markers
    assert "@pytest.mark.keras_custom_objects" in markers


def test_deselect(project: pytest.Pytester) -> None:
    found = chosen(project, "--deselect=artifacts/clf.h5::load", "--deselect=artifacts/towers")
    assert "clf.h5::load" not in found
    assert len(found) == 13


def test_ignore(project: pytest.Pytester) -> None:
    assert len(chosen(project, "--ignore=artifacts/broken.h5")) == 14
    assert len(chosen(project, "--ignore-glob=*/towers")) == 14


def test_beside_tests_of_the_project(project: pytest.Pytester) -> None:
    (project.path / "test_own.py").write_text("def test_own(): pass")
    result = run(project, ".", "-k", f"own or (clf and ({builders.STATIC}))")
    result.assert_outcomes(passed=4)


# ---- running


def test_static_checks_pass_and_fail(project: pytest.Pytester) -> None:
    result = run(project, "-k", builders.STATIC)
    result.assert_outcomes(passed=6, failed=1, skipped=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_lf_and_ff(project: pytest.Pytester) -> None:
    run(project, "-k", builders.STATIC).assert_outcomes(passed=6, failed=1, skipped=2)
    again = run(project, "--lf", "-v")
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(["artifacts/broken.h5::file FAILED*"])
    assert run(project, "--ff", "--collect-only", "-q").outlines[0] == "artifacts/broken.h5::file"
    builders.h5(project.path / "artifacts" / "broken.h5")
    run(project, "--lf").assert_outcomes(passed=1)


@pytest.mark.parametrize("option", ["--lf", "--sw"])
def test_items_with_brackets_are_found_again(project: pytest.Pytester, option: str) -> None:
    """pytest 9.2 takes a stored id apart at its bracket, and compares the parts."""
    builders.keras(project.path / "artifacts" / "new.keras")
    several = ["--keras-env=again=py", "-k", "version and not broken", option]
    assert "artifacts/clf.h5 .." in run(project, *several).stdout.str()
    again = run(project, *several, "-v")
    assert "artifacts/new.keras::version[py] FAILED" in again.stdout.str()
    assert "clf.h5" not in again.stdout.str()


def test_the_command_that_is_told_replays_the_failures(project: pytest.Pytester) -> None:
    first = run(project, "-k", builders.STATIC)
    (replay,) = [line for line in first.outlines if line.startswith("replay: ")]
    assert replay == "replay: pytest --lf --keras-models=artifacts --keras-env=py"
    again = project.runpytest_inprocess(*shlex.split(replay)[2:])
    again.assert_outcomes(failed=1)


def test_the_command_that_is_told_repeats_options_and_is_quoted(project: pytest.Pytester) -> None:
    (project.path / "artifacts").rename(project.path / "all of them")
    (project.path / "kept here").mkdir()
    project.makeini("[pytest]\naddopts = --keras-env=py --keras-timeout 50 --keras-rtol=1")
    given = ["--keras-models=all of them", "--keras-expected=kept here", "--keras-trust=all of them"]
    more = ["--keras-rtol=0.5", "--keras-inference-only", "--keras-json=told.json", "--keras-record"]
    first = project.runpytest_inprocess(*given, *more, "-k", builders.STATIC)
    (replay,) = [line for line in first.outlines if line.startswith("replay: ")]
    assert replay == (
        "replay: pytest --lf --keras-models='all of them' --keras-expected='kept here' --keras-inference-only "
        "--keras-trust='all of them' --keras-rtol=0.5"
    )
    again = project.runpytest_inprocess(*shlex.split(replay)[2:])
    again.assert_outcomes(failed=1)


def test_without_a_cache_nothing_failed_last(project: pytest.Pytester) -> None:
    first = run(project, "-p", "no:cacheprovider", "-k", builders.STATIC)
    assert "replay: pytest --keras-models=artifacts --keras-env=py" in first.outlines


def test_x_and_maxfail(project: pytest.Pytester) -> None:
    stopped = run(project, "-x", "-k", builders.STATIC)
    stopped.assert_outcomes(failed=1)
    assert "stopping after 1 failures" in stopped.stdout.str()
    (project.path / "artifacts" / "broken2.h5").write_text("no model")
    run(project, "--maxfail=2", "-k", "file").assert_outcomes(failed=2)


def test_stepwise(project: pytest.Pytester) -> None:
    run(project, "--sw", "-k", "file").assert_outcomes(failed=1)
    builders.h5(project.path / "artifacts" / "broken.h5")
    run(project, "--sw", "-k", "file").assert_outcomes(passed=3)


def test_without_xdist(project: pytest.Pytester) -> None:
    result = run(project, "-p", "no:xdist", "-k", builders.STATIC)
    result.assert_outcomes(passed=6, failed=1, skipped=2)


def test_without_other_plugins(project: pytest.Pytester) -> None:
    plugins = [part for name in ("cacheprovider", "hypothesispytest", "junitxml") for part in ("-p", f"no:{name}")]
    result = run(project, *plugins, "-k", builders.STATIC)
    result.assert_outcomes(passed=6, failed=1, skipped=2)


def test_with_xdist(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("xdist")
    temporary = project.mkdir("tmp")
    monkeypatch.setenv("TMPDIR", str(temporary))
    arguments = ["--keras-models=artifacts", "--keras-env=py", "-n2", "--dist=loadgroup", "-v", "-k", builders.STATIC]
    result = project.runpytest_subprocess(*arguments)
    result.assert_outcomes(passed=6, failed=1, skipped=2)
    result.stdout.fnmatch_lines_random(["*FAILED artifacts/broken.h5::file*", "*PASSED artifacts/clf.h5::safety*"])
    assert "3 artifacts, py (TensorFlow 2.15.0, keras2 2.15.0): 6 passed, 1 failed, 2 skipped" in result.outlines
    assert left_in(temporary) == []


def test_no_artifact_is_an_error_with_xdist_too(project: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    (project.path / "empty").mkdir()
    result = project.runpytest_subprocess("--keras-models=empty", "-n2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "no Keras model artifact" in result.stderr.str()


# ---- what cannot be answered is not green


@pytest.mark.parametrize("check", ["safety", "version", "custom-objects", "load", "roundtrip", "predictions"])
def test_one_check_alone_of_a_file_that_cannot_be_read(project: pytest.Pytester, check: str) -> None:
    result = run(project, "-m", f"keras_{check.replace('-', '_')}", "artifacts/broken.h5")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*broken.h5 is text of 8 bytes, not a model*", "*file-not-a-model*"])


def test_one_check_alone_of_an_artifact_that_does_not_load(project: pytest.Pytester) -> None:
    result = run(project, "artifacts/clf.h5::predictions", env="bare")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*tensorflow-missing*"])


def test_checks_that_rest_on_another_are_skipped_beside_it(project: pytest.Pytester) -> None:
    result = run(project, "-ra", "artifacts/clf.h5", env="bare")
    result.assert_outcomes(passed=2, failed=3, skipped=2)
    assert "SKIPPED [2] artifacts/clf.h5:1: load failed" in result.outlines
    result = run(project, "-ra", "artifacts/broken.h5", env="bare")
    result.assert_outcomes(failed=1, skipped=6)
    assert "SKIPPED [6] artifacts/broken.h5:1: file failed: file-not-a-model" in result.outlines


def test_deselected_the_check_in_the_way_is_told_by_the_others(project: pytest.Pytester) -> None:
    result = run(project, "artifacts/clf.h5", "-k", "roundtrip or predictions", env="bare")
    result.assert_outcomes(failed=2)


# ---- what is left behind


def left_in(temporary: Path) -> list[str]:
    """What the plugin left in the directory for temporary files."""
    return [path.name for path in temporary.iterdir() if path.name.startswith("kerasload")]


@pytest.mark.parametrize("arguments", [["-x"], ["--collect-only"], ["-k", "clf"]])
def test_no_temporary_files_are_left(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    temporary = project.mkdir("tmp")
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    result = run(project, *arguments, env="bare")
    assert result.ret in (0, 1)
    assert left_in(temporary) == []
    assert sorted(path.name for path in (project.path / "artifacts").iterdir()) == ["broken.h5", "clf.h5", "towers"]


def test_no_temporary_files_are_left_by_ctrl_c(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = project.mkdir("tmp")
    monkeypatch.setenv("TMPDIR", str(temporary))
    project.makeconftest("def pytest_runtest_teardown(item): raise KeyboardInterrupt")
    result = project.runpytest_subprocess("--keras-models=artifacts", "--keras-env=bare")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert left_in(temporary) == []


def test_started_below_the_artifacts(project: pytest.Pytester) -> None:
    os.chdir(project.path / "artifacts")
    Path("pytest.ini").touch()
    result = project.runpytest_inprocess("--keras-models=.", "--keras-env=../py", "-k", builders.STATIC, "-v")
    result.assert_outcomes(passed=6, failed=1, skipped=2)
    result.stdout.fnmatch_lines(["clf.h5::file PASSED*"])
