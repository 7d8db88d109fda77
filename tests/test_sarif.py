"""Findings as SARIF: valid by its schema, whole, the same in every run, and as GitHub's code scanning needs them."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import marshal
import os
import random
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import builders
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from pytest_kerasload.__main__ import main
from pytest_kerasload.causes import CAUSES
from pytest_kerasload.checks import file as file_check
from pytest_kerasload.findings import Finding, Remedy
from pytest_kerasload.reports import sarif
from pytest_kerasload.reports.collected import summary
from pytest_kerasload.reports.sarif_places import Places
from pytest_kerasload.reports.sarif_rules import SEVERITIES, rule

CODE = base64.encodebytes(marshal.dumps((lambda x: x).__code__)).decode("ascii")
TF215 = {"tensorflow": "2.15.0", "keras": "2.15.0"}


@cache
def schema() -> Draft4Validator:
    """The schema that OASIS publishes."""
    text = (Path(__file__).parent / "sarif" / "sarif-schema-2.1.0.json").read_text(encoding="utf-8")
    return Draft4Validator(json.loads(text))


def valid(log: dict[str, Any]) -> dict[str, Any]:
    """The run of a log, after all that holds for every log was looked at."""
    assert [error.message for error in schema().iter_errors(log)] == []
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [one["id"] for one in rules] == sorted({result["ruleId"] for result in run["results"]})
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        (location,) = result["locations"]
        where = dict(location["physicalLocation"]["artifactLocation"])
        assert run["artifacts"][where.pop("index")]["location"] == where
        assert ("uriBaseId" in where) == (not where["uri"].startswith("file:"))
        assert re.fullmatch(r"[\w.~/%:-]+", where["uri"], re.ASCII)
        assert location["physicalLocation"]["region"]["startLine"] == 1
        assert result["message"]["text"].strip()
    marks = [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]
    assert len(set(marks)) == len(marks)
    assert all(one["shortDescription"]["text"] and one["help"]["text"] for one in rules)
    return run  # type: ignore[no-any-return]


def finding(cause: str = "keras2-rnn-time-major", **more: Any) -> dict[str, Any]:
    family = CAUSES[cause].family if cause in CAUSES else "expected"
    return {"cause": cause, "family": family, "message": "it differs", "where": "", "remedies": [], **more}


def check(name: str, *findings: dict[str, Any], outcome: str = "failed", env: str | None = None, **more: Any) -> Any:
    told = {"check": name, "environment": env, "variant": None, "outcome": outcome, "seconds": 0.1}
    return {**told, "findings": list(findings), "measured": {}, **more}


def artifact(path: str, *checks: Any, format: str = "h5", sha256: str = "ab" * 32) -> dict[str, Any]:
    saved = {"tensorflow": None, "keras": "2.10.0"}
    return {"path": path, "format": format, "sha256": sha256, "bytes": 7, "saved_with": saved, "checks": list(checks)}


def report(*artifacts: dict[str, Any], environments: Sequence[str] = ("a",)) -> dict[str, Any]:
    told = [{"id": one, "python": "3.11", "tensorflow": "2", "keras": "2", "flavour": "keras2"} for one in environments]
    counts = summary(one for each in artifacts for one in each["checks"])
    return {"environments": told, "artifacts": list(artifacts), "summary": counts}


def written(path: Path) -> dict[str, Any]:
    log: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return log


def of(*artifacts: dict[str, Any], base: Path = Path("/repo")) -> dict[str, Any]:
    """The run of a log over these artifacts."""
    return valid(sarif.log(report(*artifacts), base))


# ---- a whole run


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A model that is sound, one that carries code, a directory that is damaged, a file that is none."""
    root = pytester.path / "artifacts"
    builders.h5(root / "clf.h5")
    config = builders.dense()
    code = {"name": "own/gate", "function": [CODE, None, None], "function_type": "lambda", "module": "__main__"}
    config["config"]["layers"].append({"class_name": "Lambda", "config": code})
    builders.h5(root / "code.h5", config)
    builders.saved_model(root / "towers")
    (root / "towers" / "saved_model.pb").write_bytes(b"\xff")
    (root / "broken model #1.h5").write_text("no model")
    builders.interpreter(pytester.path / "py", TF215)
    return pytester


def run(pytester: pytest.Pytester, *arguments: str) -> dict[str, Any]:
    options = ("--keras-env=py", "-k", builders.STATIC, "--keras-json=t.json", "--keras-sarif=out/t.sarif")
    roots = () if any(one.startswith("--keras-models") for one in arguments) else ("--keras-models=artifacts",)
    pytester.runpytest_inprocess(*roots, *options, *arguments)
    return valid(written(Path("out/t.sarif")))


def results(run: dict[str, Any], uri: str) -> list[dict[str, Any]]:
    return [one for one in run["results"] if uri in one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]]


def test_a_run(project: pytest.Pytester) -> None:
    found = run(project)
    told = written(project.path / "t.json")
    every = [
        (one["path"], each["check"], each["environment"], finding["cause"])
        for one in told["artifacts"]
        for each in one["checks"]
        for finding in each["findings"]
    ]
    listed = [
        (*(one["properties"][key] for key in ("artifact", "check", "environment")), one["ruleId"])
        for one in found["results"]
    ]
    assert listed == every
    (broken,) = results(found, "broken")
    assert broken["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "artifacts/broken%20model%20%231.h5", "uriBaseId": "SRCROOT", "index": 0},
        "region": {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 1},
    }
    assert (broken["ruleId"], broken["level"], broken["suppressions"]) == ("file-not-a-model", "error", [])
    (towers,) = results(found, "towers")
    assert towers["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "artifacts/towers/saved_model.pb"
    (code,) = results(found, "code.h5")
    assert code["level"] == "error"
    places = code["locations"][0]["logicalLocations"]
    assert [(place["name"], place["fullyQualifiedName"]) for place in places] == [("gate", "own/gate")]
    assert "Remedy (not tried): if you trust its author: --keras-trust=" in code["message"]["text"]
    assert found["invocations"] == [{"executionSuccessful": True, "toolExecutionNotifications": []}]
    assert found["properties"]["environments"] == told["environments"]


def test_artifacts_have_their_digests(project: pytest.Pytester) -> None:
    clf, towers = (run(project)["artifacts"][index] for index in (1, 3))
    content = (project.path / "artifacts" / "clf.h5").read_bytes()
    assert clf["hashes"] == {"sha-256": hashlib.sha256(content).hexdigest()}
    assert clf["length"] == len(content)
    assert "hashes" not in towers  # of all its files, not of the one that stands for it
    assert re.fullmatch("[0-9a-f]{64}", towers["properties"]["sha256"])


def test_the_same_bytes_every_time_and_under_xdist(project: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    run(project)
    first = (project.path / "out" / "t.sarif").read_bytes()
    (project.path / "out" / "t.sarif").unlink()
    arguments = ("--keras-models=artifacts", "--keras-env=py", "-k", builders.STATIC, "--keras-sarif=out/t.sarif")
    project.runpytest_subprocess(*arguments, "-n2")
    assert (project.path / "out" / "t.sarif").read_bytes() == first
    assert [path.name for path in (project.path / "out").iterdir()] == ["t.sarif"]
    assert str(project.path) not in first.decode()


def test_ini(project: pytest.Pytester) -> None:
    project.makeini("[pytest]\nkeras_models = artifacts\nkeras_env = py\nkeras_sarif = told/of.sarif\n")
    project.runpytest_inprocess("-k", "file")
    assert len(valid(written(project.path / "told" / "of.sarif"))["results"]) == 2


@pytest.mark.parametrize("how", ["option", "toml"])
def test_what_is_trusted_is_suppressed(project: pytest.Pytester, how: str) -> None:
    if how == "toml":
        (project.path / "artifacts" / "kerasload.toml").write_text('["code.h5"]\ntrust = true\n')
    found = run(project, *(["--keras-trust=artifacts/code.h5"] if how == "option" else []))
    (code,) = results(found, "code.h5")
    assert (code["level"], code["ruleId"]) == ("warning", "lambda-bytecode")
    (suppression,) = code["suppressions"]
    assert suppression["kind"] == "external"
    assert "trusted" in suppression["justification"]
    assert [one["suppressions"] for one in found["results"] if one != code] == [[], []]


def test_what_is_expected_to_fail_is_suppressed(project: pytest.Pytester) -> None:
    table = '["broken*"]\nxfail = true\nreason = "ticket 12"\n["towers"]\nxfail = true\nreason = "no reason"\n'
    (project.path / "artifacts" / "kerasload.toml").write_text(table)
    (broken,) = results(run(project), "broken")
    assert broken["level"] == "warning"
    assert [one["justification"] for one in broken["suppressions"]] == ["expected to fail: ticket 12"]
    (broken,) = results(run(project, "--runxfail"), "broken")
    assert (broken["level"], broken["suppressions"]) == ("error", [])


def test_a_note_is_a_note(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    note = Finding("file-unusual-suffix", "file", "an odd suffix", fails=False)
    monkeypatch.setattr(file_check, "check", lambda artifact: (note,))
    assert {(one["level"], len(one["suppressions"])) for one in run(project, "-k", "file")["results"]} == {("note", 0)}


def test_a_defect_is_a_notification(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(*arguments: object) -> tuple[Finding, ...]:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(file_check, "check", defect)
    found = run(project, "-k", "file and clf.h5")
    assert found["results"] == []
    (invocation,) = found["invocations"]
    assert not invocation["executionSuccessful"]
    (told,) = invocation["toolExecutionNotifications"]
    assert told["level"] == "error"
    assert told["message"]["text"] == "artifacts/clf.h5::file could not be made: ZeroDivisionError: a defect"
    assert told["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "artifacts/clf.h5"


def test_uris_start_at_the_root_of_the_repository(project: pytest.Pytester, tmp_path_factory: Any) -> None:
    """GitHub takes relative ones from there, wherever in it pytest was started; others are named in full."""
    (project.path / ".git").mkdir()
    (project.path / "artifacts" / "below").mkdir()
    outside = tmp_path_factory.mktemp("else where") / "broken.h5"
    outside.write_text("no model")
    builders.interpreter(project.path / "artifacts" / "below" / "py", TF215)
    os.chdir(project.path / "artifacts" / "below")
    found = run(project, "--keras-models=..", f"--keras-models={outside}")
    (broken,) = results(found, "broken%20model")
    location = broken["locations"][0]["physicalLocation"]["artifactLocation"]
    assert (location["uri"], location["uriBaseId"]) == ("artifacts/broken%20model%20%231.h5", "SRCROOT")
    (broken,) = results(found, "broken.h5")
    location = broken["locations"][0]["physicalLocation"]["artifactLocation"]
    assert location["uri"] == outside.as_uri()
    assert "uriBaseId" not in location


# ---- places


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("artifacts/clf.h5", "sub/artifacts/clf.h5"),
        ("modèle ünï.h5", "sub/mod%C3%A8le%20%C3%BCn%C3%AF.h5"),
        ("a#b?c%20[d]:e\\f.h5", "sub/a%23b%3Fc%2520%5Bd%5D%3Ae%5Cf.h5"),
        ("raw\udcff.h5", "sub/raw%FF.h5"),
        ("lone\ud800.h5", "sub/lone%3F.h5"),
        ("../clf.h5", "clf.h5"),
        ("/repo/sub/clf.h5", "sub/clf.h5"),
        ("/repository/clf.h5", "file:///repository/clf.h5"),
        ("../../else/clf.h5", "file:///else/clf.h5"),
        ("/other place/clf#.h5", "file:///other%20place/clf%23.h5"),
        ("C:/models/a b.h5", "file:///C:/models/a%20b.h5"),
        ("//server/share/a.h5", "file://server/share/a.h5"),
    ],
)
def test_uris(path: str, uri: str) -> None:
    location = Places("/repo/sub", "/repo").location(path)
    assert location["uri"] == uri
    assert ("uriBaseId" in location) == (not uri.startswith("file:"))


def test_uris_on_windows() -> None:
    places = Places("C:/repo/sub", "C:/repo")
    assert places.location("artifacts/a.h5") == {"uri": "sub/artifacts/a.h5", "uriBaseId": "SRCROOT"}
    assert places.location("C:/repo/a.h5") == {"uri": "a.h5", "uriBaseId": "SRCROOT"}
    assert places.location("D:/a.h5") == {"uri": "file:///D:/a.h5"}


@given(
    st.lists(
        st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=3
    )
)
@settings(deadline=None)
def test_a_uri_leads_back_to_its_path(parts: list[str]) -> None:
    path = "/".join(f"_{part}" for part in parts)
    assert unquote_to_bytes(Places("/repo", "/repo").location(path)["uri"]) == path.encode()


def test_where() -> None:
    places = Places("/repo/sub", "/repo")
    assert places.inside("") == []
    assert places.inside("layers/a, function f: ReadFile, layers/a") == ["layers/a", "function f: ReadFile"]
    assert places.inside("a, b and 12 more") == ["a", "b"]
    assert places.inside("/repo/sub/clf.h5.expected.npz") == ["sub/clf.h5.expected.npz"]
    assert len(places.inside(", ".join(map(str, range(5000))))) == 100


def test_a_directory_of_another_machine() -> None:
    found = of(artifact("towers", check("load", finding()), format="savedmodel"))
    assert found["artifacts"][0]["location"]["uri"] == "towers/saved_model.pb"


# ---- rules


def test_rules_say_what_the_catalogue_says() -> None:
    cause = CAUSES["keras2-rnn-time-major"]
    told = rule(cause.code, cause.family)
    assert told["shortDescription"]["text"] == cause.title
    assert cause.explanation in told["fullDescription"]["text"]
    assert all(remedy in told["help"]["text"] for remedy in cause.remedies)
    assert cause.docs in told["help"]["text"]
    assert told["properties"] == {"tags": ["keras", "version"]}
    assert told["defaultConfiguration"] == {"level": "error"}


def test_every_cause_makes_a_rule() -> None:
    findings = [finding(cause, where=str(index)) for index, cause in enumerate(CAUSES)]
    rules = of(artifact("a.h5", check("load", *findings)))["tool"]["driver"]["rules"]
    assert len(rules) == len(CAUSES)
    for one in rules:
        safety = "safety" in one["properties"]["tags"]
        assert ("security" in one["properties"]["tags"]) == safety
        assert ("security-severity" in one["properties"]) == safety
        assert max(len(one[key]["text"]) for key in ("shortDescription", "fullDescription")) <= 1024
        assert len(one["properties"]["tags"]) <= 10


def test_severities_are_of_causes_that_there_are() -> None:
    assert {CAUSES[code].family for code in SEVERITIES} == {"safety"}
    assert rule("lambda-bytecode", "safety")["properties"]["security-severity"] == "8.8"
    assert all(0 < float(score) <= 10 for score in SEVERITIES.values())
    assert rule("hdf5-soft-link", "safety")["defaultConfiguration"] == {"level": "note"}


def test_a_cause_without_an_entry() -> None:
    (told,) = of(artifact("a.h5", check("load", finding("no-such-cause", fails=False))))["tool"]["driver"]["rules"]
    assert told["shortDescription"]["text"] == "no such cause"
    assert told["defaultConfiguration"]["level"] == "note"


# ---- results


def test_the_message() -> None:
    remedies = [Remedy("set it", True), Remedy("compile=False", False), Remedy("save it again")]
    told = [{"action": one.action, "verified": one.verified} for one in remedies]
    one = finding(message="it has no time_major: {'time_major': False}", where="layers/lstm", remedies=told)
    (result,) = of(artifact("a.h5", check("load", one, env="tf2.15")))["results"]
    assert result["message"]["text"].splitlines() == [
        "it has no time_major: {'time_major': False}",
        "Artifact: a.h5",
        "Check: load in tf2.15",
        "Where: layers/lstm",
        "Remedy (works): set it",
        "Remedy (tried, does not help): compile=False",
        "Remedy (not tried): save it again",
        "Docs: python -m pytest_kerasload causes keras2-rnn-time-major",
    ]
    markdown = result["message"]["markdown"].splitlines()
    assert markdown[0] == r"it has no time\_major: \{'time\_major': False\}"
    assert "* **Where** `layers/lstm`" in markdown
    assert "* **Remedy**, works: set it" in markdown


def test_a_finding_of_a_check_that_was_skipped_fails_nothing() -> None:
    (result,) = of(artifact("a.h5", check("load", finding(), outcome="skipped")))["results"]
    assert (result["level"], result["suppressions"]) == ("note", [])


def test_expected_to_fail_without_a_reason() -> None:
    (result,) = of(artifact("a.h5", check("load", finding(), outcome="skipped", expected_to_fail="")))["results"]
    assert [one["justification"] for one in result["suppressions"]] == ["expected to fail"]


def fingerprints(*artifacts: dict[str, Any], base: Path = Path("/repo")) -> list[str]:
    return [one["partialFingerprints"]["primaryLocationLineHash"] for one in of(*artifacts, base=base)["results"]]


def test_fingerprints() -> None:
    base = fingerprints(artifact("a.h5", check("load", finding(where="x, y"), env="e")))
    again = finding(where="x, y", message="1 of 3 rows", remedies=[{"action": "now 0.1", "verified": True}])
    assert fingerprints(artifact("a.h5", check("load", again, env="e", outcome="skipped"), sha256="0" * 64)) == base
    assert fingerprints(artifact("a.h5", check("load", finding(where="x, y and 3 more"), env="e"))) == base
    others = [
        artifact("b.h5", check("load", finding(where="x, y"), env="e")),
        artifact("a.h5", check("load", finding("lambda-bytecode", where="x, y"), env="e")),
        artifact("a.h5", check("load", finding(where="x"), env="e")),
        artifact("a.h5", check("version", finding(where="x, y"), env="e")),
        artifact("a.h5", check("load", finding(where="x, y"), env="f")),
        artifact("a.h5", check("load", finding(where="x, y"), env="e", variant="h5")),
    ]
    found = [base[0], *(fingerprints(one)[0] for one in others)]
    assert len(set(found)) == len(found)
    # Where a check says the same of the same place twice, by their order.
    twice = fingerprints(artifact("a.h5", check("load", finding(), finding(message="another"))))
    assert [one.partition(":")[2] for one in twice] == ["1", "2"]
    here, there = (
        fingerprints(artifact("a.h5", check("load", finding(where=f"{one}/a.npz"))), base=Path(one))
        for one in ("/one", "/other")
    )
    assert here == there


# ---- what artifacts may have put into texts


def test_hostile_texts() -> None:
    bad = "\x1b[31m\u202egnp.\x00\r\nRemedy (works): pip install evil\n\ud800<b>[x](http://evil)\x85`|`"
    told = artifact(
        f"artifacts/{bad}.h5",
        check("load", finding(message=bad, where=bad, remedies=[{"action": bad, "verified": None}])),
        check("version", outcome="error", reason=bad),
    )
    log = sarif.log(report(told), Path("/repo"))
    run = valid(log)
    text = json.dumps(log, ensure_ascii=False)
    text.encode()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\ud800]", text)
    message = run["results"][0]["message"]
    lines = message["text"].splitlines()
    assert lines[0] == r"\x1b[31m\u202egnp.\x00 Remedy (works): pip install evil \ud800<b>[x] (http://evil) `|`"
    assert [line.partition(":")[0] for line in lines[1:]] == [
        *("Artifact", "Check", "Where", "Remedy (not tried)", "Docs")
    ]
    assert "](" not in message["text"] + run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]
    first = message["markdown"].splitlines()[0]
    assert r"\<b\>\[x\](" in first


def test_long_texts_are_cut() -> None:
    long = "x" * 100_000
    remedies = [{"action": long, "verified": None}] * 50
    told = check("load", finding(message=long, where=f"{long}, y", remedies=remedies))
    (result,) = of(artifact("a.h5", told))["results"]
    assert len(result["message"]["text"]) < 5000
    assert result["message"]["text"].splitlines()[0].endswith("x …")


texts = st.text(st.characters(), max_size=40)


@given(message=texts, where=texts, action=texts, path=texts, env=st.none() | texts, reason=texts)
@settings(max_examples=40, deadline=None)
def test_any_text_makes_a_valid_log(message: str, where: str, action: str, path: str, env: Any, reason: str) -> None:
    one = finding(message=message, where=where, remedies=[{"action": action, "verified": None}])
    told = artifact(
        f"_{path}",
        check("load", one, env=env),
        check("file", one, outcome="skipped", expected_to_fail=reason),
        check("safety", outcome="error", reason=reason),
    )
    log = sarif.log(report(told, environments=(env or "",)), Path("/repo"))
    assert len(valid(log)["results"]) == 2
    json.dumps(log, ensure_ascii=False).encode()


# ---- limits


def test_more_results_than_github_takes() -> None:
    checks = [check("load", finding(fails=False)), check("version", finding()), check("load", finding(), env="a")]
    told = report(artifact("a.h5", *checks))
    run = valid(sarif.log(told, Path("/repo"), most=2))
    assert [(one["level"], one["properties"]["check"]) for one in run["results"]] == [
        ("error", "version"),
        ("error", "load"),
    ]
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"]
    (told,) = invocation["toolExecutionNotifications"]
    assert told["message"]["text"].startswith("1 results are left out")


def test_more_bytes_than_github_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = random.Random(0)
    findings = [finding(message=noise.randbytes(400).hex()) for _ in range(60)]
    told = report(artifact("a.h5", check("load", *findings)))
    sarif.write(tmp_path / "all.sarif", told, Path("/repo"))
    assert len(valid(written(tmp_path / "all.sarif"))["results"]) == 60
    monkeypatch.setattr(sarif, "_BYTES", 20_000)
    sarif.write(tmp_path / "some.sarif", told, Path("/repo"))
    assert 0 < len(valid(written(tmp_path / "some.sarif"))["results"]) < 60
    assert len(gzip.compress((tmp_path / "some.sarif").read_bytes(), 6)) <= 20_000


# ---- of several runs


def test_merge(project: pytest.Pytester, capsys: pytest.CaptureFixture[str]) -> None:
    (project.path / "artifacts" / "kerasload.toml").write_text('["broken*"]\nxfail = true\nreason = "ticket 12"\n')
    for name, root in (("a", "artifacts/code.h5"), ("b", "artifacts")):
        options = (f"--keras-models={root}", "--keras-env=py", f"--keras-json={name}.json", "-k", builders.STATIC)
        project.runpytest_inprocess(*options, "--keras-trust=artifacts/code.h5", "--keras-sarif=b.sarif")
    assert main(["merge", "a.json", "b.json", "--sarif=deep/c.sarif"]) == 0
    assert (project.path / "deep" / "c.sarif").read_bytes() == (project.path / "b.sarif").read_bytes()
    assert len(valid(written(project.path / "b.sarif"))["results"]) == 3
    capsys.readouterr()
    assert main(["merge", "a.json", "--sarif=artifacts"]) == 2
    assert "merge: " in capsys.readouterr().out


def test_a_name_that_is_no_utf8(project: pytest.Pytester) -> None:
    """On its way through every report and back; file systems that take none such have none."""
    try:
        Path("artifacts", os.fsdecode(b"raw\xff.h5")).write_text("no model")
    except (OSError, UnicodeError):
        pytest.skip("names of files are text here")
    (raw,) = results(run(project, "--keras-markdown=t.md"), "raw")
    assert raw["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "artifacts/raw%FF.h5"
    assert written(Path("t.json"))["artifacts"][3]["path"] == os.fsdecode(b"artifacts/raw\xff.h5")
    assert "`artifacts/raw\\udcff.h5`" in Path("t.md").read_text(encoding="utf-8")
    assert main(["merge", "t.json", "--json=u.json", "--sarif=u.sarif"]) == 0
    assert Path("u.sarif").read_bytes() == Path("out/t.sarif").read_bytes()
    assert Path("u.json").read_bytes() == Path("t.json").read_bytes()


def test_merged_files_of_one_path() -> None:
    """Listed once each, and told apart."""
    both = [artifact("a.h5", check("load", finding()), sha256=digit * 64) for digit in "12"]
    run = of(*both)
    assert [one["hashes"]["sha-256"][0] for one in run["artifacts"]] == ["1", "2"]
    assert [one["locations"][0]["physicalLocation"]["artifactLocation"]["index"] for one in run["results"]] == [0, 1]
