"""The matrix of artifacts and environments: in the terminal, as Markdown, and of several runs together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import builders
import pytest

from pytest_kerasload.__main__ import main
from pytest_kerasload.reports import markdown, merging, table
from pytest_kerasload.reports.collected import summary
from pytest_kerasload.reports.matrix import Matrix

FIVE = ("tf2.8", "tf2.10", "tf2.15", "tf2.21", "tf2.21+legacy")


def check(name: str, environment: str | None, outcome: str = "passed", *causes: str, variant: str = "") -> Any:
    """One check; causes as ``family:code``."""
    findings = []
    for cause in causes:
        family, code = cause.split(":")
        finding = {"cause": code, "family": family, "message": f"what {code} is", "where": "", "remedies": []}
        findings.append(finding)
    measured = {"max_abs_error": None, "max_rel_error": None, "examples": 0}
    return {
        "check": name,
        "environment": environment,
        "variant": variant or None,
        "outcome": outcome,
        "seconds": 0.1,
        "findings": findings,
        "measured": measured,
    }


def report(environments: Sequence[str], **artifacts: Sequence[Any]) -> dict[str, Any]:
    """A report over artifacts with these checks."""
    found = [
        {
            "path": f"artifacts/{name}.h5",
            "format": "h5",
            "sha256": name * 8,
            "bytes": 1,
            "custom_objects": [],
            "saved_with": {"tensorflow": None, "keras": None},
            "inputs": [],
            "outputs": [],
            "checks": list(checks),
        }
        for name, checks in artifacts.items()
    ]
    told = [
        {"id": one, "python": "3.11.7", "tensorflow": "2.15.1", "keras": "2.15.0", "flavour": "keras2"}
        for one in environments
    ]
    counts = summary(one for artifact in found for one in artifact["checks"])
    start = {"format": "pytest-kerasload", "version": 1}
    return {**start, "environments": told, "artifacts": found, "summary": counts}


def static(outcome: str = "passed", *causes: str) -> list[Any]:
    return [check("file", None, outcome, *causes), check("safety", None, "skipped" if causes else "passed")]


LIVE = ("version", "custom-objects", "load", "predictions")


def good(environment: str) -> list[Any]:
    return [check(name, environment) for name in LIVE]


def bad(environment: str, failing: str, *causes: str) -> list[Any]:
    place = LIVE.index(failing)
    later = [check(name, environment, "skipped") for name in LIVE[place + 1 :]]
    return [
        *(check(name, environment) for name in LIVE[:place]),
        check(failing, environment, "failed", *causes),
        *later,
    ]


def drawn(told: dict[str, Any], width: int = 80) -> list[str]:
    return ["".join(text for text, _ in line).rstrip() for line in table.lines(Matrix.of(told), width)]


# ---- the terminal


def test_artifacts_down_environments_across() -> None:
    told = report(
        ("tf2.10", "tf2.15", "tf2.21"),
        ranker=[*static(), *good("tf2.10"), *good("tf2.15"), *bad("tf2.21", "load", "version:keras2-rnn-time-major")],
        towers=[*static(), *bad("tf2.10", "version", "version:too-new"), *good("tf2.15"), *good("tf2.21")],
        embedder=[*static(), *good("tf2.10"), *good("tf2.15"), check("load", "tf2.21", "skipped")],
        nothing=[
            *static("failed", "file:not-a-model"),
            *[check("load", one, "skipped") for one in ("tf2.10", "tf2.15")],
        ],
        some=[*static(), *good("tf2.15")],
        drifting=[*static(), *good("tf2.10"), *bad("tf2.15", "predictions", "numeric:predictions-differ")],
        unknown=[
            *static(),
            *bad("tf2.10", "predictions", "expected:expected-missing"),
            check("load", "tf2.15", "error"),
        ],
    )
    assert drawn(told, 100) == [
        "                         tf2.10     tf2.15     tf2.21",
        "  artifacts/ranker.h5    ok         ok         LOAD       keras2-rnn-time-major",
        "  artifacts/towers.h5    VERSION    ok         ok         too-new",
        "  artifacts/embedder.h5  ok         ok         -",
        "  artifacts/nothing.h5   FILE       FILE       FILE       not-a-model",
        "  artifacts/some.h5                 ok",
        "  artifacts/drifting.h5  ok         DIFFERS               predictions-differ",
        "  artifacts/unknown.h5   EXPECTED   ERROR                 expected-missing",
    ]


def test_colours() -> None:
    told = report(("a", "b"), x=[*static(), *good("a"), *bad("b", "load", "version:gone")])
    (_, row) = table.lines(Matrix.of(told), 80)
    assert [(text.strip(), colour) for text, colour in row if text.strip()] == [
        *(("artifacts/x.h5", ""), ("ok", "green"), ("LOAD", "red"), ("gone", ""))
    ]


def test_five_environments_in_eighty_columns() -> None:
    checks = [one for name in FIVE[1:] for one in good(name)]
    told = report(
        FIVE,
        ranker=[*static(), *bad("tf2.8", "load", "version:a-cause-of-some-length"), *checks],
        **{"a" * 40: [*static(), *good("tf2.8"), *checks]},
    )
    found = drawn(told)
    assert max(map(len, found)) <= 80
    assert found[0].split() == list(FIVE)
    assert found[2] == "    a-cause-of-some-length: tf2.8"
    assert found[3].startswith("  …aaaa")


def test_environments_of_long_names_are_numbered() -> None:
    names = [f"tensorflow==2.{minor}.0,keras==3.3.3" for minor in range(16, 21)]
    told = report(names, x=[*static(), *[one for name in names for one in good(name)]])
    found = drawn(told)
    assert max(map(len, found)) <= 80
    assert found[0].split() == ["(1)", "(2)", "(3)", "(4)", "(5)"]
    assert found[2:] == [f"  ({number}) {name}" for number, name in enumerate(names, 1)]


def test_environments_that_do_not_fit_follow_below() -> None:
    names = [f"tf2.{minor}" for minor in range(3, 22)]
    checks = [one for name in names[:-1] for one in good(name)]
    last = [*bad(names[-1], "load", "version:gone"), check("handover", "tf2.3->tf2.4", "failed", "version:lost")]
    told = report(names, x=[*static(), *checks, *last])
    found = drawn(told)
    assert max(map(len, found)) <= 80
    headings = [line.split() for line in found if line.startswith("   ") and "tf2" in line and ":" not in line]
    assert [name for line in headings[: len(headings) // 2] for name in line] == names
    assert [line for line in found if ":" in line] == ["    gone: tf2.21", "    lost: tf2.3->tf2.4"]


def test_names_that_do_not_fit_lose_what_they_share() -> None:
    folder = "a-directory-with-a-long-name/models"
    told = report(FIVE, x=[*static(), *[one for name in FIVE for one in good(name)]], y=[*static(), *good("tf2.8")])
    for artifact in told["artifacts"]:
        artifact["path"] = f"{folder}/{artifact['path']}"
    assert [line.split()[0] for line in drawn(told)[1:]] == ["x.h5", "y.h5"]
    told["artifacts"][0]["path"] = "/elsewhere/x.h5"
    assert drawn(told)[1].split()[0] == "/elsewhere/x.h5"


def test_a_cause_for_each_environment() -> None:
    told = report(
        ("a", "b", "c"),
        x=[
            *static(),
            *bad("a", "load", "version:one"),
            *bad("b", "load", "version:two"),
            *bad("c", "load", "version:one"),
        ],
    )
    assert drawn(told)[2:] == ["    one: a, c", "    two: b"]


def test_of_many_only_those_that_fail() -> None:
    good_ones = {f"x{number}": [*static(), *good("a"), *good("b")] for number in range(100)}
    told = report(("a", "b"), **good_ones, bad=[*static(), *good("a"), *bad("b", "load", "version:gone")])
    assert [line.split()[0] for line in drawn(told)] == ["a", "artifacts/bad.h5", "and"]
    assert drawn(told)[-1] == "  and 100 artifacts more, which fail nowhere"


def test_one_environment_has_no_table() -> None:
    assert drawn(report(("a",), x=[*static(), *good("a")])) == []


def test_who_takes_over_from_whom() -> None:
    pairs = [check("handover", "a->b"), check("handover", "b->a", "failed", "version:keras3-module-path")]
    more = [check("handover", "a->b"), check("handover", "b->a", "skipped")]
    told = report(("a", "b"), x=[*static(), *good("a"), *good("b"), *pairs], y=[*good("a"), *good("b"), *more])
    assert drawn(told)[1:] == [
        "  artifacts/x.h5  ok         ok",
        "    keras3-module-path: b->a",
        "  artifacts/y.h5  ok         ok",
        "  saved in  taken over in",
        "            a          b",
        "  a                    2 of 2",
        "  b         0 of 1",
    ]


def test_names_with_arrows() -> None:
    told = report(("a->b", "a", "b"), x=[check("handover", "a->b->a"), check("handover", "b->a->b", "failed")])
    assert Matrix.of(told).pairs == {("a->b", "a"): (1, 1), ("b", "a->b"): (0, 1)}


def test_the_table_ends_a_run(pytester: pytest.Pytester) -> None:
    builders.h5(pytester.path / "artifacts" / "clf.h5")
    (pytester.path / "artifacts" / "broken.h5").write_text("no model")
    for name, version in (("old", "2.15.0"), ("new", "2.20.0")):
        packages = {"tensorflow": version, "keras": "3.10.0" if name == "new" else version}
        builders.interpreter(pytester.path / name, packages)
    options = ("--keras-models=artifacts", "--keras-env=old=./old", "--keras-env=new=./new", "-k", builders.STATIC)
    result = pytester.runpytest_inprocess(*options, "--keras-markdown=out/summary.md", "--color=yes")
    result.stdout.re_match_lines(
        [r" +old +new", r"  artifacts/broken.h5 +.*FILE.*FILE.*file-not-a-model", r"  artifacts/clf.h5 +.*ok.*ok"]
    )
    assert "\x1b[31mFILE" in result.stdout.str()
    assert "| `artifacts/clf.h5` | ok | ok |" in (pytester.path / "out" / "summary.md").read_text()


def test_names_of_wide_characters() -> None:
    told = report(("a", "b"), **{"模型": good("b"), "e\u0301t\u00e9": good("b"), "模" * 40: good("b"), "x": good("b")})
    for width in (200, 60, 40):
        rows = drawn(told, width)
        places = [row.index("ok") + row.count("模") + row.count("型") - row.count("\u0301") for row in rows[1:]]
        assert len(set(places)) == 1, rows
        assert max(places) < width


# ---- Markdown


def test_markdown() -> None:
    told = report(
        ("a", "b|c"),
        x=[*static(), *good("a"), *bad("b|c", "load", "version:gone"), check("handover", "a->b|c")],
        **{"y|`z": [*static(), *good("a")]},
    )
    text = markdown.text(told)
    assert "2 artifacts: 15 passed, 1 failed, 1 skipped" in text
    assert "| artifact | a | b\\|c |" in text
    assert "| `artifacts/x.h5` | ok | **LOAD** `gone` |" in text
    assert "| `` artifacts/y\\|`z.h5 `` | ok |  |" in text
    assert "| a | 3.11.7 | 2.15.1 | keras2 2.15.0 |" in text
    assert "| a |  | 1 of 1 |" in text
    assert "**`gone`** what gone is\n\n- `artifacts/x.h5::load[b\\|c]`\n" in text


def test_what_artifacts_say_is_no_markup() -> None:
    told = report(("a",), x=[check("load", "a", "failed", "version:gone")])
    told["artifacts"][0]["checks"][0]["findings"][0]["message"] = "<img src=x> *bold* [link](http://e.com)\nmore"
    assert "**`gone`** \\<img src=x\\> \\*bold\\* \\[link\\](http://e.com)\n" in markdown.text(told)


def test_an_environment_without_tensorflow() -> None:
    told = report(("a",), x=good("a"))
    told["environments"][0] |= {"tensorflow": None, "keras": None, "flavour": "keras3"}
    assert "| a | 3.11.7 | – | – |" in markdown.text(told)


def test_a_summary_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable may reach a container in which its file is not."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "none"))
    path = tmp_path / "summary.md"
    for _ in range(2):
        markdown.write(path, report(("a",), x=good("a")))
    assert path.read_text().count("## Keras models") == 1


def test_the_summary_of_a_step_is_added_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "summary.md"
    path.write_text("what was there\n")
    told = report(("a",), x=[*good("a")])
    markdown.write(path, told)
    assert path.read_text().startswith("## Keras models")
    path.write_text("what was there\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    markdown.write(path, told)
    assert path.read_text().startswith("what was there\n\n## Keras models")


# ---- several runs


def merged(*reports: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    return merging.merge([(f"{index}.json", one) for index, one in enumerate(reports)])


def test_shards_by_artifact() -> None:
    one, two = report(("a", "b"), x=[*static(), *good("a")]), report(("a", "b"), y=[*static(), *good("b")])
    found, conflicts = merged(two, one)
    assert conflicts == []
    assert [one["path"] for one in found["artifacts"]] == ["artifacts/x.h5", "artifacts/y.h5"]
    assert [one["id"] for one in found["environments"]] == ["a", "b"]
    assert found["summary"] == {"passed": 12, "failed": 0, "skipped": 0, "error": 0}
    assert list(found) == list(one)


def test_shards_by_environment_that_are_all_called_current() -> None:
    one, two = (
        report(("current",), x=[*static(), *good("current")]),
        report(("current",), x=[*static(), *good("current")]),
    )
    two["environments"][0] |= {"tensorflow": "2.21.0", "keras": "3.15.1", "flavour": "keras3"}
    found, conflicts = merged(one, two)
    names = [
        "current (TensorFlow 2.15.1, keras2 2.15.0, Python 3.11.7)",
        "current (TensorFlow 2.21.0, keras3 3.15.1, Python 3.11.7)",
    ]
    assert [one["id"] for one in found["environments"]] == names
    assert found["summary"]["passed"] == 2 + 2 * len(LIVE)
    (conflict,) = conflicts
    assert conflict.startswith("'current' stands for 2 environments, which are told apart: TensorFlow 2.15.1")
    assert {one["environment"] for one in found["artifacts"][0]["checks"]} == {None, *names}


def test_handovers_keep_to_renamed_environments() -> None:
    one, two = report(("a", "b"), x=[check("handover", "a->b")]), report(("a", "b"), y=[check("handover", "b->a")])
    two["environments"][0]["tensorflow"] = "2.21.0"
    found, _ = merged(one, two)
    new, old = (f"a (TensorFlow {version}, keras2 2.15.0, Python 3.11.7)" for version in ("2.21.0", "2.15.1"))
    assert [one["checks"][0]["environment"] for one in found["artifacts"]] == [f"{old}->b", f"b->{new}"]


def test_the_worse_of_two_outcomes_counts() -> None:
    one = report(("a",), x=[check("load", "a"), check("predictions", "a", "skipped")])
    two = report(("a",), x=[check("load", "a", "failed", "version:gone"), check("predictions", "a")])
    for pair in ((one, two), (two, one)):
        found, conflicts = merged(*pair)
        assert {one["check"]: one["outcome"] for one in found["artifacts"][0]["checks"]} == {
            "load": "failed",
            "predictions": "passed",
        }
        assert len(conflicts) == 1
        assert conflicts[0].startswith("artifacts/x.h5::load[a] ")
        assert conflicts[0].endswith(": failed counts")


def test_artifacts_that_are_other_files() -> None:
    one, two = report(("a",), x=good("a")), report(("a",), x=good("a"))
    two["artifacts"][0]["sha256"] = "f" * 64
    found, conflicts = merged(one, two)
    assert len(found["artifacts"]) == 2
    assert conflicts == [
        "artifacts/x.h5 is not the same file in all reports (sha256 ffffffffffff, xxxxxxxx): it is listed once for each"
    ]


def test_one_that_a_run_skipped_is_the_one_of_the_other() -> None:
    one, two = report(("a",), x=good("a")), report(("a",), x=[check("load", "a", "skipped")])
    two["artifacts"][0] |= {"sha256": "", "format": "unknown"}
    for pair in ((one, two), (two, one)):
        found, conflicts = merged(*pair)
        assert conflicts == []
        (artifact,) = found["artifacts"]
        assert (artifact["sha256"], artifact["format"]) == ("x" * 8, "h5")
        assert {one["outcome"] for one in artifact["checks"]} == {"passed"}


def test_other_files_stay_apart_behind_one_that_was_skipped() -> None:
    skipped, one, two = (report(("a",), x=[check("load", "a", outcome)]) for outcome in ("skipped", "passed", "failed"))
    skipped["artifacts"][0]["sha256"] = ""
    two["artifacts"][0]["sha256"] = "f" * 64
    for order in ((skipped, one, two), (one, skipped, two), (one, two, skipped)):
        found, conflicts = merged(*order)
        assert [artifact["checks"][0]["outcome"] for artifact in found["artifacts"]] == ["failed", "passed"]
        assert len(conflicts) == 1


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, told in (("a", report(("a",), x=good("a"))), ("b", report(("b",), x=good("b")))):
        (tmp_path / f"{name}.json").write_text(json.dumps(told))
    inputs = [str(tmp_path / "a.json"), str(tmp_path / "b.json")]
    outputs = [f"--json={tmp_path / 'c.json'}", f"--markdown={tmp_path / 'c.md'}"]
    assert main(["merge", *inputs, *outputs]) == 0
    said = capsys.readouterr().out
    assert "  artifacts/x.h5  ok         ok\n" in said
    assert "2 reports, 1 artifacts: 8 passed" in said
    assert "| `artifacts/x.h5` | ok | ok |" in (tmp_path / "c.md").read_text()
    assert main(["merge", str(tmp_path / "c.json"), inputs[0]]) == 0  # what was merged can be merged again
    (tmp_path / "b.json").write_text(json.dumps(report(("a",), x=[check("load", "a", "failed")])))
    assert main(["merge", *inputs]) == 1
    assert "conflict: artifacts/x.h5::load[a]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "does not exist"),
        ("no json", "cannot be read as JSON"),
        ("[1]", "is no report of --keras-json"),
        ('{"format": "pytest-kerasload", "version": 2}', "is a report of version 2; this release reads version 1"),
    ],
)
def test_files_that_are_no_reports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, says: str
) -> None:
    path = tmp_path / "a.json"
    if content is not None:
        path.write_text(content)
    assert main(["merge", str(path)]) == 2
    assert says in capsys.readouterr().out
