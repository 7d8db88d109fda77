"""What a run tells: JSON, JUnit, the short summary, the closing section, and the text of a failure."""

from __future__ import annotations

import hashlib
import json
import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import builders
import pytest

from pytest_kerasload.causes import CAUSES
from pytest_kerasload.checks import file as file_check
from pytest_kerasload.findings import CheckResult, Finding, Measured, Remedy
from pytest_kerasload.reports import failure, terminal
from pytest_kerasload.reports.collected import Collected, write_json

TF215 = {"tensorflow": "2.15.0", "keras": "2.15.0"}
TF220 = {"tensorflow": "2.20.0", "keras": "3.10.0"}


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """An artifact of each format and one that is none; two environments that answer for static checks."""
    root = pytester.path / "artifacts"
    builders.h5(root / "clf.h5")
    builders.keras(root / "new.keras")
    builders.saved_model(root / "towers")
    (root / "broken.h5").write_text("no model")
    builders.interpreter(pytester.path / "py2", TF215)
    builders.interpreter(pytester.path / "py3", TF220, python="3.12.1")
    return pytester


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest_inprocess(
        "--keras-models=artifacts", "--keras-env=py2", "-k", builders.STATIC, *arguments
    )


def told(path: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return report


def without_seconds(report: dict[str, Any]) -> dict[str, Any]:
    for artifact in report["artifacts"]:
        for check in artifact["checks"]:
            assert isinstance(check.pop("seconds"), float)
    return report


# ---- JSON


def test_json_is_what_the_contract_says(project: pytest.Pytester) -> None:
    run(project, "--keras-env=old=py2", "--keras-env=new=py3", "--keras-json=out/told.json")
    report = told(project.path / "out" / "told.json")
    assert list(report) == ["format", "version", "environments", "artifacts", "summary"]
    assert (report["format"], report["version"]) == ("pytest-kerasload", 1)
    assert report["environments"] == [
        {"id": "py2", "python": "3.11.7", "tensorflow": "2.15.0", "keras": "2.15.0", "flavour": "keras2"},
        {"id": "old", "python": "3.11.7", "tensorflow": "2.15.0", "keras": "2.15.0", "flavour": "keras2"},
        {"id": "new", "python": "3.12.1", "tensorflow": "2.20.0", "keras": "3.10.0", "flavour": "keras3"},
    ]
    paths = [artifact["path"] for artifact in report["artifacts"]]
    assert paths == ["artifacts/broken.h5", "artifacts/clf.h5", "artifacts/new.keras", "artifacts/towers"]
    broken, clf, new, towers = report["artifacts"]
    content = (project.path / "artifacts" / "clf.h5").read_bytes()
    checks = clf.pop("checks")
    assert clf == {
        "path": "artifacts/clf.h5",
        "format": "h5",
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "saved_with": {"tensorflow": None, "keras": "2.10.0"},
        "custom_objects": [],
        "inputs": [{"name": "x", "shape": [None, 3], "dtype": "float32"}],
        "outputs": [{"name": "score", "shape": [None, 2], "dtype": "float32"}],
    }
    made = [(check["check"], check["environment"], check["variant"], check["outcome"]) for check in checks]
    assert made == [
        ("file", None, None, "passed"),
        ("safety", None, None, "passed"),
        ("version", "py2", None, "passed"),
        ("version", "old", None, "passed"),
        ("version", "new", None, "passed"),
    ]
    assert all(
        list(check) == ["check", "environment", "variant", "outcome", "seconds", "findings", "measured"]
        for check in checks
    )
    assert checks[0]["measured"] == {"max_abs_error": None, "max_rel_error": None, "examples": 0}
    assert [artifact["format"] for artifact in (broken, new, towers)] == ["unknown", "keras", "savedmodel"]
    assert towers["saved_with"] == {"tensorflow": "2.15.0", "keras": None}
    (finding,) = broken["checks"][0]["findings"]
    assert list(finding) == ["cause", "family", "message", "where", "remedies"]
    assert (finding["cause"], finding["family"]) == ("file-not-a-model", "file")
    assert all(list(remedy) == ["action", "verified"] and remedy["verified"] is None for remedy in finding["remedies"])
    assert [check["outcome"] for check in broken["checks"]] == ["failed"] + ["skipped"] * 4
    rejected = [check for check in new["checks"] if check["outcome"] == "failed"]
    assert [check["environment"] for check in rejected] == ["py2", "old"]
    assert report["summary"] == {"passed": 13, "failed": 3, "skipped": 4, "error": 0}


def test_json_of_an_artifact_that_was_not_read(project: pytest.Pytester) -> None:
    """Skipped from the start: it is there, with what is known of it."""
    (project.path / "artifacts" / "kerasload.toml").write_text('["clf.h5"]\nskip = true\nreason = "later"\n')
    run(project, "--keras-json=told.json")
    clf = told(project.path / "told.json")["artifacts"][1]
    assert [check["outcome"] for check in clf["checks"]] == ["skipped"] * 3
    assert (clf["path"], clf["sha256"]) == ("artifacts/clf.h5", "")


def test_json_does_not_count_what_is_expected_to_fail(project: pytest.Pytester) -> None:
    (project.path / "artifacts" / "kerasload.toml").write_text('["broken.h5"]\nxfail = true\nreason = "ticket 12"\n')
    result = project.runpytest_inprocess(
        "--keras-models=artifacts", "--keras-env=py2", "-k", "file", "--keras-json=t.json"
    )
    assert result.ret == 0
    report = told(project.path / "t.json")
    assert report["summary"] == {"passed": 3, "failed": 0, "skipped": 1, "error": 0}
    (check,) = report["artifacts"][0]["checks"]
    assert (check["outcome"], check["findings"][0]["cause"]) == ("skipped", "file-not-a-model")
    assert "replay:" not in result.stdout.str()


def test_json_is_not_written_by_collecting(project: pytest.Pytester) -> None:
    run(project, "--collect-only", "--keras-json=told.json")
    assert not (project.path / "told.json").exists()


def test_json_of_a_run_that_was_stopped(project: pytest.Pytester) -> None:
    run(project, "-x", "--keras-json=told.json")
    assert told(project.path / "told.json")["summary"] == {"passed": 0, "failed": 1, "skipped": 0, "error": 0}


def test_paths_are_told_from_where_pytest_was_started(project: pytest.Pytester) -> None:
    (project.path / "pytest.ini").write_text("[pytest]\n")
    os.chdir(project.path / "artifacts")
    project.runpytest_inprocess(
        "--keras-models=towers", "--keras-env=../py2", "-k", "file", "--keras-json=../told.json"
    )
    assert [artifact["path"] for artifact in told(project.path / "told.json")["artifacts"]] == ["towers"]


# ---- JUnit


def properties(path: Path) -> dict[str, list[tuple[str, str]]]:
    """The properties of each test case, by its name and class."""
    return {
        f"{case.get('classname')}::{case.get('name')}": [
            (entry.get("name", ""), entry.get("value", "")) for entry in case.iter("property")
        ]
        for case in ElementTree.parse(path).iter("testcase")
    }


def test_junit_properties(project: pytest.Pytester) -> None:
    run(project, "--junitxml=junit.xml")
    found = properties(project.path / "junit.xml")
    assert len(found) == 12
    by_artifact = {(dict(told)["kerasload_artifact"], dict(told)["kerasload_check"]): told for told in found.values()}
    assert by_artifact["artifacts/clf.h5", "version"] == [
        ("kerasload_artifact", "artifacts/clf.h5"),
        ("kerasload_check", "version"),
        ("kerasload_environment", "py2"),
        ("kerasload_saved_with", "keras 2.10.0"),
    ]
    assert by_artifact["artifacts/broken.h5", "file"] == [
        ("kerasload_artifact", "artifacts/broken.h5"),
        ("kerasload_check", "file"),
        ("kerasload_cause", "file-not-a-model"),
        ("kerasload_family", "file"),
    ]
    assert by_artifact["artifacts/broken.h5", "safety"][:2] == [
        ("kerasload_artifact", "artifacts/broken.h5"),
        ("kerasload_check", "safety"),
    ]
    assert by_artifact["artifacts/towers", "file"]


def test_the_same_is_told_under_xdist(project: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    run(project, "--junitxml=one.xml", "--keras-json=one.json")
    arguments = ("--keras-models=artifacts", "--keras-env=py2", "-k", builders.STATIC, "-ra")
    result = project.runpytest_subprocess(*arguments, "-n2", "--junitxml=two.xml", "--keras-json=two.json")
    assert properties(project.path / "one.xml") == properties(project.path / "two.xml")
    one, two = (without_seconds(told(project.path / name)) for name in ("one.json", "two.json"))
    assert one == two
    assert "SKIPPED [2] artifacts/broken.h5:1: file failed: file-not-a-model" in result.outlines
    result.stdout.fnmatch_lines(["FAILED artifacts/broken.h5::file - broken.h5 is text of 8 bytes, not a model*"])


# ---- the terminal


def test_one_clear_line_an_item(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    (project.path / "artifacts" / "kerasload.toml").write_text('["clf.h5"]\nskip = true\nreason = "goes in May"\n')
    result = run(project, "-ra")
    begins = result.outlines.index(next(line for line in result.outlines if "short test summary" in line))
    lines = result.outlines[begins + 1 : -1]
    assert lines[:2] == [
        "SKIPPED [2] artifacts/broken.h5:1: file failed: file-not-a-model",
        "SKIPPED [3] artifacts/clf.h5: goes in May",
    ]
    assert lines[2] == (
        "FAILED artifacts/broken.h5::file - broken.h5 is text of 8 bytes, not a model: it begins 'no model'"
    )
    assert lines[3].startswith("FAILED artifacts/new.keras::version - Keras 2.15.0 reads a dtype as a name")
    assert lines[3].endswith("(and 1 more)")
    assert len(lines) == 4


def test_the_closing_section(project: pytest.Pytester) -> None:
    result = run(project)
    result.stdout.fnmatch_lines(
        [
            "*= keras models =*",
            "file: file-not-a-model  (1 artifact)",
            "    artifacts/broken.h5",
            "version: keras3-*  (1 artifact)",
            "    artifacts/new.keras",
            "4 artifacts, py2 (TensorFlow 2.15.0, keras2 2.15.0): 8 passed, 2 failed, 2 skipped",
            "replay: pytest --lf --keras-models=artifacts --keras-env=py2",
        ]
    )


def test_the_header(project: pytest.Pytester) -> None:
    result = run(project, "--keras-env=new=py3", "--collect-only")
    assert "kerasload: artifacts in artifacts; environments: py2, new" in result.outlines


def test_a_failure_shows_the_artifact_and_no_code(project: pytest.Pytester) -> None:
    for style in ("auto", "long", "short", "native", "line"):
        result = run(project, f"--tb={style}", "artifacts/broken.h5")
        text = result.stdout.str()
        assert "not a model" in text
        assert "Traceback" not in text
        assert "pytest_kerasload/" not in text
    result = run(project, "artifacts/broken.h5")
    result.stdout.fnmatch_lines(["___* artifacts/broken.h5::file *___", "broken.h5 is text of 8 bytes, not a model*"])


# ---- a defect of the plugin


def defect(*arguments: object) -> tuple[Finding, ...]:
    raise ZeroDivisionError("a defect")


def test_a_defect_is_an_error_and_no_failure(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_check, "check", defect)
    result = run(project, "artifacts/clf.h5", "-k", "file", "--keras-json=told.json", "-ra")
    result.assert_outcomes(errors=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "kerasload: internal error, a defect of the plugin and not of the artifact:",
            "*ZeroDivisionError: a defect",
            "1 artifact, *: 1 error",
            "ERROR artifacts/clf.h5::file - kerasload: internal error*",
        ]
    )
    report = told(project.path / "told.json")
    assert report["summary"] == {"passed": 0, "failed": 0, "skipped": 0, "error": 1}
    assert report["artifacts"][0]["checks"][0]["outcome"] == "error"
    run(project, "--lf", "-k", "file").assert_outcomes(errors=1)


def test_a_defect_is_not_what_was_expected_to_fail(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_check, "check", defect)
    (project.path / "artifacts" / "kerasload.toml").write_text('["*"]\nxfail = true\nreason = "ticket 12"\n')
    result = run(project, "artifacts/clf.h5", "-k", "file")
    result.assert_outcomes(errors=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


# ---- text made from findings

WORKS, TRIED, OPEN = Remedy("set it", True, "max |d| 1e-8"), Remedy("compile=False", False), Remedy("save it again")


def failed(*findings: Finding) -> CheckResult:
    return CheckResult("load", "failed", findings, environment="tf2.15")


def finding(message: str = "it does not load", **more: Any) -> Finding:
    return Finding("keras2-rnn-time-major", "version", message, **more)


def test_the_headline_is_one_line() -> None:
    assert failure.headline(failed(finding("first\nsecond"))) == "first"
    assert failure.headline(failed(finding("a"), finding("b"), finding("c", fails=False))) == "a (and 1 more)"
    assert failure.headline(CheckResult("load", "skipped", (), reason="file failed")) == "file failed"


def test_the_text_of_a_failure() -> None:
    told = failure.lines(
        failed(
            finding("a note", fails=False),
            finding(where="encoder/lstm_1", remedies=(WORKS, TRIED, OPEN), detail="line 1\nline 2", traceback="deep"),
        )
    )
    assert told == [
        "it does not load",
        "  where     encoder/lstm_1",
        "  remedies  works  set it  (max |d| 1e-8)",
        "            no     compile=False",
        "            try    save it again",
        "  loader    line 1",
        "            line 2",
        "  cause     keras2-rnn-time-major (version)",
        f"  docs      {CAUSES['keras2-rnn-time-major'].docs}",
        "a note",
        "  cause     keras2-rnn-time-major (version)",
    ]


@pytest.mark.parametrize(
    ("check", "label"), [("load", "loader"), ("predictions", "detail"), ("roundtrip", "detail"), ("file", "detail")]
)
def test_what_the_detail_of_a_check_is(check: str, label: str) -> None:
    told = failure.lines(CheckResult(check, "failed", (finding(detail="words"),)))
    assert f"  {label:<9} words" in told


def test_remedies_of_several_findings_are_told_once() -> None:
    one = finding("a differs", where="a", remedies=(TRIED, OPEN), detail="argmax differs in 2 of 3 rows")
    other = finding("b differs", where="b", remedies=(TRIED, WORKS), detail="argmax differs in 2 of 3 rows")
    told = failure.lines(CheckResult("predictions", "failed", (one, other)))
    assert told[told.index("b differs") :] == [
        "b differs",
        "  where     b",
        "  remedies  works  set it  (max |d| 1e-8)",
        "  detail    argmax differs in 2 of 3 rows",
        "  cause     keras2-rnn-time-major (version)",
    ]


def test_tables_are_not_folded() -> None:
    row = f"{'[1, 2]':<90}{'0.5':>60}"
    assert f"  detail    {row}" in failure.lines(CheckResult("predictions", "failed", (finding(detail=row),)))


def test_the_traceback_is_shown_to_those_who_ask() -> None:
    result = failed(finding(traceback="Traceback:\n  deep"))
    assert not any("deep" in line for line in failure.lines(result, 1))
    assert failure.lines(result, 2)[-2:] == ["  raised    Traceback:", "              deep"]


def test_long_text_is_folded_and_names_are_not_broken() -> None:
    name = "a-very-long-name/" * 12
    told = failure.lines(failed(finding("word " * 60, where=name)))
    assert max(len(line) for line in told if name not in line) <= 110
    assert any(name in line for line in told)


def test_commands_are_not_folded() -> None:
    long, short = f"pytest --keras-models={'models/' * 12} --keras-record", "pytest --keras-models=a"
    told = failure.lines(failed(finding(remedies=(Remedy(f"record them: {long}"), Remedy(f"record them: {short}")))))
    assert told[1:4] == [
        "  remedies  try    record them:",
        f"            {long}",
        f"            try    record them: {short}",
    ]


# ---- what is gathered


def item(path: str, check: str, outcome: str = "passed", env: str | None = None, **more: Any) -> dict[str, Any]:
    result = CheckResult(check, outcome, environment=env, **more)  # type: ignore[arg-type]
    artifact = {"path": path, "sha256": "0" * 64}
    environments = [{"id": name, "tensorflow": "2", "flavour": "keras2", "keras": "2"} for name in ("b", "a")]
    return {"artifact": artifact, "check": result.as_json(), "environments": environments}


def test_a_check_that_was_repeated_counts_once() -> None:
    """Reruns of an item (pytest-rerunfailures) replace what was told before."""
    collected = Collected()
    for outcome in ("failed", "passed"):
        collected.add(item("clf.h5", "load", outcome, "a"))
    collected.add(item("clf.h5", "load", "failed", "b"))
    assert collected.summary() == {"passed": 1, "failed": 1, "skipped": 0, "error": 0}


def test_the_order_does_not_depend_on_who_was_first() -> None:
    items = [
        item(path, check, env=env, variant=variant)
        for path in ("a.h5", "b.h5")
        for check, env, variant in (
            ("file", None, None),
            ("load", "b", None),
            ("roundtrip", "b", "h5"),
            ("roundtrip", "b", "keras"),
            ("load", "a", None),
            ("handover", "b->a", None),
            ("handover", "a->b", None),
        )
    ]
    ranks = {"file": 0, "load": 1, "roundtrip": 2, "handover": 3}
    reports = []
    for order in (items, items[::-1], items[5:] + items[:5]):
        collected = Collected()
        for one in order:
            collected.add(one)
        reports.append(collected.as_json(ranks))
    assert reports[0] == reports[1] == reports[2]
    checks = [(c["check"], c["environment"], c["variant"]) for c in reports[0]["artifacts"][0]["checks"]]
    assert checks[0] == ("file", None, None)
    assert [c[1] for c in checks[1:]] == ["b", "b", "b", "a", "b->a", "a->b"]


def test_numbers_that_json_does_not_know(tmp_path: Path) -> None:
    collected = Collected()
    collected.add(item("a.h5", "predictions", measured=Measured(float("inf"), float("nan"), 3)))
    write_json(tmp_path / "told.json", collected.as_json({}))
    text = (tmp_path / "told.json").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    check = json.loads(text)["artifacts"][0]["checks"][0]
    assert check["measured"] == {"max_abs_error": None, "max_rel_error": None, "examples": 3}


def test_a_report_is_written_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "told.json").write_text("old")

    def stop(*arguments: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(OSError, match="no space"):
        write_json(tmp_path / "told.json", Collected().as_json({}))
    assert (tmp_path / "told.json").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_causes_by_the_number_of_artifacts() -> None:
    collected = Collected()
    for number in range(7):
        found = finding() if number else finding("a rarer one")
        result = CheckResult("load", "failed", (found,), environment="a")
        told = item(f"{number}.h5", "load", "failed", "a")
        told["check"] = result.as_json()
        collected.add(told)
    lines = [
        "".join(text for text, _ in line) for line in terminal.lines(collected, collected.as_json({}), "pytest", 80)
    ]
    assert lines[0] == "load: keras2-rnn-time-major  (7 artifacts)"
    assert lines[1] == "    0.h5, 1.h5, 2.h5, 3.h5, 4.h5 and 2 more"


def test_a_note_is_no_cause(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finding that fails nothing is told as such, and neither counted nor shown among the causes."""
    note = Finding("file-unusual-suffix", "file", "an odd suffix", fails=False)
    real = file_check.check
    monkeypatch.setattr(file_check, "check", lambda artifact: (*real(artifact), note))
    result = run(project, "artifacts/broken.h5", "artifacts/clf.h5", "--keras-json=told.json", "--junitxml=junit.xml")
    assert "file: file-not-a-model  (1 artifact)" in result.outlines
    assert "file: file-unusual-suffix" not in result.stdout.str()
    broken, clf = told(project.path / "told.json")["artifacts"]
    assert clf["checks"][0]["outcome"] == "passed"
    assert clf["checks"][0]["findings"][0]["fails"] is False
    assert "fails" not in broken["checks"][0]["findings"][0]
    causes = [
        value for case in properties(project.path / "junit.xml").values() for name, value in case if "cause" in name
    ]
    assert causes == ["file-not-a-model"]


def test_nothing_passed_is_not_green() -> None:
    collected = Collected()
    collected.add(item("a.h5", "load", "skipped", "a"))
    assert [line[0][1] for line in terminal.lines(collected, collected.as_json({}), "pytest", 80)][-1] == "yellow"


def test_a_report_that_cannot_be_written_hides_nothing(pytester: pytest.Pytester) -> None:
    builders.h5(pytester.path / "clf.h5")
    (pytester.path / "broken.h5").write_text("no model")
    (pytester.path / "file").write_text("")
    result = pytester.runpytest_subprocess(
        "--keras-models=broken.h5", "-k", "file", "--keras-json=file/report.json", "--keras-markdown=told.md"
    )
    assert result.ret == pytest.ExitCode.INTERNAL_ERROR
    result.stdout.fnmatch_lines(
        ["*broken.h5 is text of 8 bytes*", "kerasload: the report *report.json could not be written: *", "*1 failed*"]
    )
    assert (pytester.path / "told.md").exists()
