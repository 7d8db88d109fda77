"""Options and their ini twins: what they accept, what they refuse and how, and which of them holds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import builders
import pytest

from pytest_kerasload import options
from pytest_kerasload.settings import (
    FORMATS,
    BadSetting,
    Reference,
    Settings,
    parse_choices,
    parse_number,
    parse_reference,
    parse_size,
)


def read(pytester: pytest.Pytester, *arguments: str) -> Settings:
    """The settings of a run with these arguments."""
    config = pytester.parseconfig("--keras-models=artifacts", *arguments)
    return options.read(config, options.models(config)[0])


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    builders.h5(pytester.path / "artifacts" / "clf.h5")
    builders.interpreter(pytester.path / "py")
    (pytester.path / "code.py").write_text("raise SystemExit('it was run')")
    return pytester


def refused(pytester: pytest.Pytester, *arguments: str) -> str:
    """What a run says that ends because of its arguments."""
    result = pytester.runpytest_inprocess(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    return result.stderr.str()


BAD = [
    ("--keras-models", "nowhere", "nowhere does not exist"),
    ("--keras-models", "", "given without a value"),
    ("--keras-models", "code.py", "code.py is Python code, not a model"),
    ("--keras-env", "nowhere", "'nowhere' is no environment: give 'current', the path"),
    ("--keras-env", "artifacts", "'artifacts' is no environment"),
    ("--keras-env", "", "given without a value"),
    ("--keras-roundtrip", "onnx", "'onnx' is none of same, h5, keras, savedmodel, all"),
    ("--keras-roundtrip", "h5,onnx", "is none of"),
    ("--keras-roundtrip", ",", "is none of"),
    ("--keras-custom-objects", "own.py:Gate", "there is no file"),
    ("--keras-custom-objects", "not a module", "give package.module"),
    ("--keras-custom-objects", "Gate=acme", "an alias stands for one object: give acme:Name"),
    ("--keras-version-policy", "lenient", "lenient"),
    ("--keras-timeout", "soon", "'soon' is not a number of at least 0.001"),
    ("--keras-timeout", "0", "'0' is not a number"),
    ("--keras-timeout", "-1", "'-1' is not a number"),
    ("--keras-timeout", "inf", "'inf' is not a number"),
    ("--keras-timeout", "", "given without a value"),
    ("--keras-memory", "lots", "'lots' is no size: give a number with K, M, G or T, such as 2G"),
    ("--keras-memory", "0", "'0' is no size"),
    ("--keras-memory", "-2G", "'-2G' is no size"),
    ("--keras-examples", "0", "'0' is not a whole number of at least 1"),
    ("--keras-examples", "2.5", "'2.5' is not a whole number"),
    ("--keras-rtol", "nan", "'nan' is not a number of at least 0"),
    ("--keras-rtol", "inf", "'inf' is not a number of at least 0"),
    ("--keras-atol", "-1e-3", "'-1e-3' is not a number of at least 0"),
    ("--keras-jobs", "0", "'0' is not a whole number of at least 1"),
    ("--keras-jobs", "many", "'many' is not a whole number"),
    ("--keras-trust", "", "given without a value"),
    ("--keras-json", "", "given without a value"),
    ("--keras-json", "artifacts", "is a directory"),
    ("--keras-sarif", "", "given without a value"),
    ("--keras-sarif", "artifacts", "is a directory"),
    ("--keras-expected", "", "given without a value"),
    ("--keras-expected", "artifacts/clf.h5", "clf.h5 is no directory"),
]


@pytest.mark.parametrize(("option", "value", "said"), BAD)
def test_a_bad_value_names_the_option(project: pytest.Pytester, option: str, value: str, said: str) -> None:
    told = refused(project, "--keras-models=artifacts", f"{option}={value}")
    assert said in told
    assert option in told


@pytest.mark.parametrize(("option", "value", "said"), [bad for bad in BAD if bad[1] and bad[0] != "--keras-models"])
def test_a_bad_value_names_the_ini_setting(project: pytest.Pytester, option: str, value: str, said: str) -> None:
    name = option.removeprefix("--").replace("-", "_")
    quoted = f"'{value}'" if " " in value else value
    project.makeini(f"[pytest]\nkeras_models = artifacts\n{name} = {quoted}\n")
    told = refused(project)
    assert said in told
    assert f"{name}: " in told


def test_a_bad_bool(project: pytest.Pytester) -> None:
    project.makeini("[pytest]\nkeras_models = artifacts\nkeras_inference_only = perhaps\n")
    assert "keras_inference_only: " in refused(project)


def test_a_bad_record_mode(project: pytest.Pytester) -> None:
    assert "--keras-record" in refused(project, "--keras-models=artifacts", "--keras-record=some")


def test_two_environments_of_one_name(project: pytest.Pytester) -> None:
    told = refused(project, "--keras-models=artifacts", "--keras-env=a=py", "--keras-env=a=current")
    assert "two environments are called 'a'; name them NAME=SPEC" in told


def test_bad_values_do_not_matter_where_no_models_are_asked_for(project: pytest.Pytester) -> None:
    project.makeini("[pytest]\nkeras_rtol = nan\n")
    (project.path / "test_own.py").write_text("def test_own(): pass")
    assert project.runpytest_inprocess().ret == 0


# ---- recording in CI


@pytest.mark.parametrize("mode", ["--keras-record", "--keras-record=all", "--keras-record=failing"])
def test_recording_is_refused_in_ci(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    monkeypatch.setenv("CI", "true")
    told = refused(project, "--keras-models=artifacts", mode)
    assert "--keras-record is refused where CI is set" in told
    assert "--keras-record-in-ci" in told
    assert list((project.path / "artifacts").iterdir()) == [project.path / "artifacts" / "clf.h5"]


def test_recording_in_ci_where_it_is_wanted(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    assert read(project, "--keras-record", "--keras-record-in-ci").record == "missing"
    assert read(project).record is None
    monkeypatch.delenv("CI")
    assert read(project, "--keras-record=all").record == "all"


# ---- what holds


def test_defaults(project: pytest.Pytester) -> None:
    found = read(project)
    assert found.models == (project.path / "artifacts",)
    assert [environment.id for environment in found.environments] == ["current"]
    assert (found.roundtrip, found.version_policy, found.examples) == (("same",), "evidence", 10)
    empty = (found.record, found.expected_dir, found.timeout, found.memory, found.rtol, found.atol, found.jobs)
    assert empty == (None,) * 7
    assert (found.inference_only, found.trust, found.custom_objects) == (False, (), ())


GIVEN: list[tuple[str, str, str, Any]] = [
    ("roundtrip", "h5,keras", "roundtrip", ("h5", "keras")),
    ("version-policy", "strict", "version_policy", "strict"),
    ("timeout", "2.5", "timeout", 2.5),
    ("memory", "1.5GiB", "memory", 3 << 29),
    ("examples", "3", "examples", 3),
    ("rtol", "0", "rtol", 0.0),
    ("atol", "1e-3", "atol", 1e-3),
    ("jobs", "2", "jobs", 2),
    ("custom-objects", "acme.layers:Gate", "custom_objects", (Reference(module="acme.layers", name="Gate"),)),
]


@pytest.mark.parametrize(("option", "value", "field", "meant"), GIVEN)
def test_command_line_and_ini(project: pytest.Pytester, option: str, value: str, field: str, meant: Any) -> None:
    default = getattr(read(project), field)
    assert default != meant
    assert getattr(read(project, f"--keras-{option}={value}"), field) == meant
    project.makeini(f"[pytest]\nkeras_{option.replace('-', '_')} = {value}\n")
    assert getattr(read(project), field) == meant


def test_the_command_line_comes_before_ini(project: pytest.Pytester) -> None:
    project.makeini("[pytest]\nkeras_rtol = 1\nkeras_env = a=py\nkeras_inference_only = true\n")
    found = read(project, "--keras-rtol=2", "--keras-env=b=py", "--keras-env=current")
    assert found.rtol == 2
    assert [environment.id for environment in found.environments] == ["b", "current"]
    assert found.inference_only
    assert [environment.id for environment in read(project).environments] == ["a"]


def test_paths_start_where_they_were_given(project: pytest.Pytester) -> None:
    """On the command line at the directory pytest was started in, in ini at the ini file."""
    (project.path / "own.py").touch()
    (project.path / "below").mkdir()
    project.makeini(
        "[pytest]\nkeras_models = artifacts\nkeras_expected = stored\nkeras_env = e=py\n"
        "keras_custom_objects = ./own.py\nkeras_trust = artifacts/clf.h5\nkeras_json = told.json\n"
    )
    os.chdir(project.path / "below")
    config = project.parseconfig(project.path)
    found = options.read(config, options.models(config)[0])
    assert found.models == (project.path / "artifacts",)
    assert found.expected_dir == project.path / "stored"
    assert found.environments[0].python == str(project.path / "py")
    assert found.custom_objects == (Reference(file=project.path / "own.py"),)
    assert found.trusted(project.path / "artifacts" / "clf.h5", "")
    assert found.json == project.path / "told.json"
    config = project.parseconfig("--keras-models=../artifacts", "--keras-expected=mine", "--keras-json=x/y.json")
    found = options.read(config, options.models(config)[0])
    assert found.models == (project.path / "artifacts",)
    assert found.expected_dir == project.path / "below" / "mine"
    assert found.json == project.path / "below" / "x" / "y.json"


def test_the_environment_of_a_directory_is_its_interpreter(project: pytest.Pytester) -> None:
    builders.interpreter(project.path / "venv" / "bin" / "python")
    found = read(project, "--keras-env=venv+legacy").environments[0]
    assert (found.id, found.python, found.legacy) == (
        "venv+legacy",
        str(project.path / "venv" / "bin" / "python"),
        True,
    )


# ---- trust


def test_trust_by_digest_and_by_path(project: pytest.Pytester) -> None:
    clf, digest = project.path / "artifacts" / "clf.h5", "ab" * 32
    assert not read(project).trusted(clf, digest)
    assert read(project, f"--keras-trust={digest.upper()}").trusted(clf, digest)
    assert not read(project, f"--keras-trust={digest}").trusted(clf, "cd" * 32)
    assert not read(project, f"--keras-trust={digest[:-1]}").trusted(clf, digest)
    assert read(project, "--keras-trust=artifacts/clf.h5").trusted(clf, digest)
    assert read(project, "--keras-trust=artifacts").trusted(clf, digest)
    assert read(project, "--keras-trust=nowhere", "--keras-trust=./artifacts/../artifacts").trusted(clf, digest)
    assert not read(project, "--keras-trust=artifacts/clf").trusted(clf, digest)
    assert not read(project, "--keras-trust=art").trusted(clf, digest)


# ---- single values


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("acme", Reference(module="acme")),
        ("acme.layers", Reference(module="acme.layers")),
        ("acme.layers:Gate", Reference(module="acme.layers", name="Gate")),
        ("Acme>Gate=acme.layers:Gate", Reference(module="acme.layers", name="Gate", alias="Acme>Gate")),
        ("own.py", Reference(file=Path("own.py"))),
        ("deep/own.py:Gate", Reference(file=Path("deep/own.py"), name="Gate")),
        ("Old=own.py:Gate", Reference(file=Path("own.py"), name="Gate", alias="Old")),
    ],
)
def test_references(tmp_path: Path, text: str, meant: Reference) -> None:
    for name in ("own.py", "deep/own.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = parse_reference(text, tmp_path)
    file = None if meant.file is None else tmp_path / meant.file
    assert found == Reference(meant.module, file, meant.name, meant.alias)
    assert found.as_request(str)["file"] == (None if file is None else str(file))


@pytest.mark.parametrize(
    ("text", "bytes"), [("800M", 800 << 20), ("2G", 2 << 30), ("1.5GiB", 3 << 29), ("4096", 4096), ("1 t", 1 << 40)]
)
def test_sizes(text: str, bytes: int) -> None:
    assert parse_size(text) == bytes


def test_choices() -> None:
    assert parse_choices("h5, keras h5", FORMATS) == ("h5", "keras")
    with pytest.raises(BadSetting):
        parse_choices("  ", FORMATS)


def test_numbers() -> None:
    assert parse_number("3", least=1, whole=True) == 3
    assert parse_number("1e-3", least=0) == 0.001
    for text in ("nan", "inf", "-inf", "", "1,5", "0x10"):
        with pytest.raises(BadSetting):
            parse_number(text, least=0)
