"""``kerasload.toml``: what it may say, what is refused, and to which artifact it speaks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import builders
import pytest

from pytest_kerasload import tables
from pytest_kerasload.environments.spec import EnvironmentSpec
from pytest_kerasload.settings import BadSetting, Overrides, Reference, Settings


def written(root: Path, text: str) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    root.mkdir(exist_ok=True)
    (root / "kerasload.toml").write_text(text, encoding="utf-8")
    return tables.read(root)


def refused(root: Path, text: str) -> str:
    with pytest.raises(BadSetting) as raised:
        written(root, text)
    said = str(raised.value)
    assert said.startswith(str(root / "kerasload.toml"))
    return said


def test_no_file(tmp_path: Path) -> None:
    assert tables.read(tmp_path) == ()


def test_everything_that_it_may_say(tmp_path: Path) -> None:
    (tmp_path / "own.py").touch()
    ((glob, found),) = written(
        tmp_path,
        """
        ["legacy/*.h5"]
        skip = true
        xfail = true
        reason = "trained in 2019"
        rtol = 0
        atol = 1e-3
        max_mismatch = 0.01
        custom_objects = ["own.py:Gate", "acme.layers"]
        trust = true
        roundtrip = "h5"
        environments = ["tf2.10"]
        outputs.score.rtol = 1e-2
        inputs.left = {shape = [-1, 12], dtype = "float32", min = 0, max = 1.5}
        inputs.words = {values = ["a", "b"]}
        """,
    )
    assert glob == "legacy/*.h5"
    assert Overrides(**found) == Overrides(
        skip=True,
        xfail=True,
        reason="trained in 2019",
        rtol=0,
        atol=1e-3,
        outputs={"score": {"rtol": 1e-2}},
        max_mismatch=0.01,
        inputs={"left": {"shape": [-1, 12], "dtype": "float32", "min": 0, "max": 1.5}, "words": {"values": ["a", "b"]}},
        custom_objects=(Reference(file=tmp_path / "own.py", name="Gate"), Reference(module="acme.layers")),
        trust=True,
        roundtrip=("h5",),
        environments=("tf2.10",),
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("skipp = true", "unknown key 'skipp'; did you mean 'skip'?"),
        ("custom_object = 'a'", "did you mean 'custom_objects'?"),
        ("zzz = 1", "it can be one of skip, xfail, reason"),
        ("outputs.score.rtoll = 1", "unknown key 'rtoll'; did you mean 'rtol'?"),
        ("inputs.left.shpae = [1]", "unknown key 'shpae'; did you mean 'shape'?"),
        ("inputs.left = 3", "inputs.left = 3 should be a table"),
        ("outputs.rtol = 1", "outputs.rtol = 1 should be a table"),
        ("skip = 'yes'", "skip = 'yes' should be true/false"),
        ("skip = 1", "skip = 1 should be true/false"),
        ("rtol = true", "rtol = True should be a number"),
        ("rtol = '1e-3'", "rtol = '1e-3' should be a number"),
        ("rtol = -1", "rtol = -1 is out of range"),
        ("atol = nan", "atol = nan is out of range"),
        ("rtol = inf", "rtol = inf is out of range"),
        ("outputs.score.atol = -1e-3", "atol = -0.001 is out of range"),
        ("max_mismatch = 1", "max_mismatch = 1 is out of range"),
        ("max_mismatch = -0.1", "max_mismatch = -0.1 is out of range"),
        ("reason = 5", "reason = 5 should be text"),
        ("roundtrip = 'h6'", "roundtrip = 'h6' is none of same, h5, keras, savedmodel, all"),
        ("roundtrip = ['h5', 'onnx']", "'onnx' is none of"),
        ("skip = true", 'say why with reason = "..."'),
        ("xfail = true", 'say why with reason = "..."'),
        ("custom_objects = 'nowhere/own.py'", "there is no file"),
        ("custom_objects = '1+1'", "give package.module"),
        ("inputs.left.shape = ['a']", "shape = ['a']"),
        ("inputs.left.shape = [-1, 0]", "shape = [-1, 0]"),
        ("inputs.left.shape = [2.5]", "shape = [2.5]"),
        ("inputs.left.dtype = 'flaot32'", "did you mean 'float32'?"),
        ("inputs.left.values = []", "values = []"),
        ("inputs.left = {min = 2, max = 1}", "min = 2 is over max = 1"),
        ("inputs.left.min = nan", "min = nan is out of range"),
    ],
)
def test_what_is_refused(tmp_path: Path, line: str, said: str) -> None:
    told = refused(tmp_path, f'["*.h5"]\n{line}\n')
    assert '["*.h5"]' in told
    assert said in told


def test_outside_of_a_table(tmp_path: Path) -> None:
    assert "'skip' stands outside a table" in refused(tmp_path, "skip = true\n")


@pytest.mark.parametrize("text", ["not TOML", "['*.h5'\n", '["a"]\n["a"]\n'])
def test_no_toml(tmp_path: Path, text: str) -> None:
    assert "it is no TOML" in refused(tmp_path, text)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "kerasload.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadSetting, match="it is no TOML"):
        tables.read(tmp_path)


def test_beside_a_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "clf.h5").touch()
    written(tmp_path, '["clf.h5"]\nrtol = 1\n')
    ((glob, found),) = tables.read(tmp_path / "clf.h5")
    assert (glob, found["rtol"]) == ("clf.h5", 1)


# ---- to which artifact


def settings(root: Path, *more: Path) -> Settings:
    roots = (root, *more)
    return Settings(
        roots, (EnvironmentSpec("current", "python"),), root, tables={one: tables.read(one) for one in roots}
    )


def test_globs(tmp_path: Path) -> None:
    written(
        tmp_path,
        """
        ["*"]
        rtol = 1
        ["legacy/*.h5"]
        rtol = 2
        atol = 2
        ["clf.h5"]
        rtol = 3
        ["towers/"]
        rtol = 4
        """,
    )
    told = settings(tmp_path)

    def rtol(name: str) -> float | None:
        return told.overrides(tmp_path / name).rtol

    assert rtol("other.keras") == 1
    assert rtol("legacy/old.h5") == 2
    assert rtol("legacy/clf.h5") == 3  # the later table, by the name alone
    assert told.overrides(tmp_path / "legacy" / "clf.h5").atol == 2  # and what it does not speak of stays
    assert rtol("towers") == 4
    assert rtol("Legacy/old.h5") == 1


def test_a_later_table_may_take_back(tmp_path: Path) -> None:
    """Later tables come over earlier ones, also where they say what is the case without any."""
    written(
        tmp_path,
        """
        ["*.h5"]
        skip = true
        reason = "old"
        trust = true
        max_mismatch = 0.5
        ["good.h5"]
        skip = false
        trust = false
        max_mismatch = 0
        """,
    )
    found = settings(tmp_path).overrides(tmp_path / "good.h5")
    assert (found.skip, found.trust, found.max_mismatch) == (False, False, 0)
    assert settings(tmp_path).overrides(tmp_path / "bad.h5").skip


def test_tables_of_inputs_and_outputs_add_up(tmp_path: Path) -> None:
    written(tmp_path, '["*"]\noutputs.a.rtol = 1\noutputs.b.rtol = 1\n["clf.h5"]\noutputs.b.atol = 2\n')
    assert settings(tmp_path).overrides(tmp_path / "clf.h5").outputs == {"a": {"rtol": 1}, "b": {"atol": 2}}


def test_the_file_of_the_innermost_root(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    written(tmp_path, '["*"]\nrtol = 1\n')
    written(inner, '["*"]\nrtol = 2\n')
    told = settings(tmp_path, inner)
    assert told.overrides(inner / "clf.h5").rtol == 2
    assert told.overrides(tmp_path / "clf.h5").rtol == 1


# ---- in a run


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    builders.interpreter(pytester.path / "py")
    return pytester.runpytest_inprocess("--keras-models=artifacts", "--keras-env=py", *arguments)


def test_skip_and_its_reason(pytester: pytest.Pytester) -> None:
    builders.h5(pytester.path / "artifacts" / "old.h5")
    (pytester.path / "artifacts" / "kerasload.toml").write_text('["old.h5"]\nskip = true\nreason = "goes in May"\n')
    result = run(pytester, "-ra")
    result.assert_outcomes(skipped=7)
    result.stdout.fnmatch_lines(["SKIPPED [[]7[]] artifacts/old.h5*: goes in May"])
    assert result.ret == 0


def test_xfail_and_its_reason(pytester: pytest.Pytester) -> None:
    (pytester.path / "artifacts").mkdir()
    (pytester.path / "artifacts" / "bad.h5").write_text("no model")
    (pytester.path / "artifacts" / "kerasload.toml").write_text('["bad.h5"]\nxfail = true\nreason = "ticket 12"\n')
    result = run(pytester, "-ra", "-k", "file or load")
    result.assert_outcomes(xfailed=1, skipped=1)
    result.stdout.fnmatch_lines(["XFAIL artifacts/bad.h5::file - ticket 12"])
    assert result.ret == 0


def test_a_bad_file_ends_the_run(pytester: pytest.Pytester) -> None:
    builders.h5(pytester.path / "artifacts" / "clf.h5")
    (pytester.path / "artifacts" / "kerasload.toml").write_text('["*.h5"]\nrtoll = 1\n')
    result = run(pytester)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: kerasload: *kerasload.toml: *unknown key 'rtoll'; did you mean 'rtol'?"])


def test_formats_and_environments_of_one_artifact(pytester: pytest.Pytester) -> None:
    for name in ("a", "b"):
        builders.h5(pytester.path / "artifacts" / f"{name}.h5")
    (pytester.path / "artifacts" / "kerasload.toml").write_text(
        '["a.h5"]\nroundtrip = ["keras", "h5"]\nenvironments = "two"\n'
    )
    builders.interpreter(pytester.path / "py")
    result = pytester.runpytest_inprocess(
        "--keras-models=artifacts", "--keras-env=one=py", "--keras-env=two=py", "--collect-only", "-q"
    )
    ids = [item.removeprefix("artifacts/") for item in builders.ids(result.outlines)]
    assert [item for item in ids if item.startswith("a.h5")] == [
        "a.h5::file",
        "a.h5::safety",
        "a.h5::version[two]",
        "a.h5::custom-objects[two]",
        "a.h5::load[two]",
        "a.h5::roundtrip[two-keras]",
        "a.h5::roundtrip[two-h5]",
        "a.h5::predictions[two]",
    ]
    assert len([item for item in ids if item.startswith("b.h5")]) == 12
