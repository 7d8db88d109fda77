"""Which files become items, under which ids, and what stays out of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import builders
import pytest

from pytest_kerasload import discovery

H5 = ["file", "safety", "version", "custom-objects", "load", "roundtrip[h5]", "predictions"]


def collected(pytester: pytest.Pytester, *arguments: str) -> list[str]:
    """The ids of the items collected, in order."""
    result = pytester.runpytest_inprocess("--collect-only", "-q", *arguments)
    assert result.ret in (0, 5), result.stdout.str() + result.stderr.str()
    return builders.ids(result.outlines)


def artifacts(ids: list[str]) -> list[str]:
    """The files that items hang on, each once, in order."""
    return list(dict.fromkeys(item.split("::")[0] for item in ids))


def test_ids_and_order_of_the_contract(pytester: pytest.Pytester) -> None:
    root = pytester.path / "artifacts"
    builders.h5(root / "clf.h5")
    builders.keras(root / "ranker.keras")
    builders.saved_model(root / "towers")
    assert collected(pytester, "--keras-models=artifacts/") == [
        *(f"artifacts/clf.h5::{check}" for check in H5),
        *(f"artifacts/ranker.keras::{check}".replace("[h5]", "[keras]") for check in H5),
        *(f"artifacts/towers/saved_model.pb::{check}".replace("[h5]", "[savedmodel]") for check in H5),
    ]


def test_ids_with_two_environments(pytester: pytest.Pytester) -> None:
    builders.h5(pytester.path / "clf.h5")
    builders.interpreter(pytester.path / "py")
    found = collected(pytester, "--keras-models=clf.h5", "--keras-env=a=py", "--keras-env=b=py+legacy")
    live = ["version", "custom-objects", "load", "roundtrip", "predictions"]
    assert found == [
        "clf.h5::file",
        "clf.h5::safety",
        *(f"clf.h5::{check}[{env}{'-h5' * (check == 'roundtrip')}]" for env in "ab" for check in live),
    ]


def test_one_environment_that_is_not_the_current_one_keeps_short_ids(pytester: pytest.Pytester) -> None:
    builders.h5(pytester.path / "clf.h5")
    builders.interpreter(pytester.path / "py")
    assert collected(pytester, "--keras-models=clf.h5", "--keras-env=a=py") == [f"clf.h5::{check}" for check in H5]


def test_every_format_of_a_round_trip_is_an_item(pytester: pytest.Pytester) -> None:
    builders.h5(pytester.path / "clf.h5")
    found = collected(pytester, "--keras-models=clf.h5", "--keras-roundtrip=all", "-k", "roundtrip")
    assert found == [f"clf.h5::roundtrip[{name}]" for name in ("h5", "keras", "savedmodel")]
    found = collected(pytester, "--keras-models=clf.h5", "--keras-roundtrip=keras,same", "-k", "roundtrip")
    assert found == ["clf.h5::roundtrip[keras]", "clf.h5::roundtrip[h5]"]


def test_files_by_content_and_not_by_suffix_alone(pytester: pytest.Pytester) -> None:
    root = pytester.path / "artifacts"
    for taken in ("a.h5", "b.hdf5", "c.H5", "no_suffix", "d.bin", "e.ckpt"):
        builders.h5(root / taken)
    for taken in ("f.keras", "g.zip"):
        builders.keras(root / taken)
    builders.weights_h5(root / "h_weights.data")
    builders.plain_h5(root / "i.h5")  # the suffix claims that it is a model: not passed over
    (root / "j.keras").write_text("<html><title>Not found</title></html>")
    (root / "k.h5").touch()
    for left in ("l.bin", "m.nc", "n.mat"):
        builders.plain_h5(root / left)
    builders.h5(root / "o.nc")
    for name, content in (("p.txt", "model_config"), ("q.py", "def test_x(): pass"), ("r.json", "{}")):
        (root / name).write_text(content)
    (root / "a.h5.expected.npz").write_bytes(b"PK\x05\x06" + b"\0" * 18)
    found = artifacts(collected(pytester, "--keras-models=artifacts"))
    taken = "a.h5 b.hdf5 c.H5 d.bin e.ckpt f.keras g.zip h_weights.data i.h5 j.keras k.h5 no_suffix"
    assert sorted(Path(name).name for name in found) == taken.split()


def test_a_file_given_by_name_is_an_artifact_whatever_it_holds(pytester: pytest.Pytester) -> None:
    (pytester.path / "model.txt").write_text("version https://git-lfs.github.com/spec/v1\n")
    assert artifacts(collected(pytester, "--keras-models=model.txt")) == ["model.txt"]


def test_a_saved_model_is_one_artifact(pytester: pytest.Pytester) -> None:
    root = pytester.path / "artifacts"
    model = builders.saved_model(root / "towers")
    builders.h5(model / "assets" / "vocabulary.h5")
    builders.keras(model / "assets.extra" / "inner.keras")
    builders.saved_model(model / "inner")
    (model / "assets" / "test_inside.py").write_text("def test_inside(): pass")
    (model / "variables").mkdir()
    builders.h5(model / "variables" / "variables.data-00000-of-00001")
    builders.h5(model / "beside.h5")
    assert artifacts(collected(pytester, "--keras-models=artifacts")) == ["artifacts/towers/saved_model.pb"]
    assert artifacts(collected(pytester, "--keras-models=artifacts/towers")) == ["artifacts/towers/saved_model.pb"]
    # Beside the project's tests it is no less one artifact.
    (pytester.path / "test_own.py").write_text("def test_own(): pass")
    assert artifacts(collected(pytester, "--keras-models=artifacts", ".")) == [
        "artifacts/towers/saved_model.pb",
        "test_own.py",
    ]


def test_version_directories_as_serving_lays_them_out(pytester: pytest.Pytester) -> None:
    for number in ("1", "2", "10"):
        builders.saved_model(pytester.path / "artifacts" / "ranker" / number)
    assert artifacts(collected(pytester, "--keras-models=artifacts")) == [
        f"artifacts/ranker/{number}/saved_model.pb" for number in ("1", "10", "2")
    ]


def test_an_unpacked_archive_is_one_artifact(pytester: pytest.Pytester) -> None:
    root = pytester.path / "artifacts"
    path = builders.unpacked(root / "ranker")
    builders.h5(path / "assets" / "inside.h5")
    builders.h5(path / "beside.h5")
    found = collected(pytester, "--keras-models=artifacts/")
    assert artifacts(found) == ["artifacts/ranker/beside.h5", "artifacts/ranker/config.json"]
    assert "artifacts/ranker/config.json::roundtrip[keras]" in found
    result = pytester.runpytest_inprocess("--keras-models=artifacts/ranker", "-k", "file or safety")
    result.assert_outcomes(passed=4)
    (path / "model.weights.h5").unlink()
    (path / "model.weights.h5").symlink_to("gone")
    assert artifacts(collected(pytester, "--keras-models=artifacts/")) == artifacts(found)


def test_a_saved_model_that_lost_its_graph_is_not_passed_over(pytester: pytest.Pytester) -> None:
    broken = pytester.path / "artifacts" / "broken"
    (broken / "variables").mkdir(parents=True)
    (broken / "keras_metadata.pb").write_bytes(b"")
    assert artifacts(collected(pytester, "--keras-models=artifacts")) == ["artifacts/broken/keras_metadata.pb"]


NAMES = [
    "a name.h5",
    "with:colon.h5",
    "win C:x.h5",
    "[brackets].h5",
    "open[.h5",
    "ключ_模型_é.h5",
    "per%cent.h5",
    "x::y.h5",
]


@pytest.mark.parametrize("name", NAMES)
def test_names(pytester: pytest.Pytester, name: str) -> None:
    """Collected from the directory, and each by its own path; the ids that come out are taken again."""
    builders.h5(pytester.path / "models" / name)
    builders.h5(pytester.path / "models" / "other.h5")
    every = collected(pytester, "--keras-models=models")
    mine = [item for item in every if item.startswith(f"models/{name}::")]
    assert [item.removeprefix(f"models/{name}::") for item in mine] == H5
    assert len(every) == 2 * len(H5)
    assert collected(pytester, f"--keras-models=models/{name}") == mine
    assert collected(pytester, "--keras-models=models", mine[4]) == [mine[4]]
    assert collected(pytester, "--keras-models=models", mine[5]) == [mine[5]]


def test_directories_with_odd_names(pytester: pytest.Pytester) -> None:
    for name in ("my models", "v[1]", "größe"):
        builders.h5(pytester.path / name / "clf.h5")
        builders.saved_model(pytester.path / name / "towers")
        assert artifacts(collected(pytester, f"--keras-models={name}")) == [
            f"{name}/clf.h5",
            f"{name}/towers/saved_model.pb",
        ]


def test_links(pytester: pytest.Pytester) -> None:
    """Links are followed; one that leads back to a directory it lies in is not."""
    store, root = pytester.path / "store", pytester.path / "artifacts"
    builders.h5(store / "clf.h5")
    builders.saved_model(store / "towers")
    root.mkdir()
    (root / "file.h5").symlink_to(store / "clf.h5")
    (root / "tree").symlink_to(store, target_is_directory=True)
    (root / "latest").symlink_to(store / "towers", target_is_directory=True)
    (root / "again").symlink_to(root, target_is_directory=True)
    (root / "above").symlink_to(pytester.path, target_is_directory=True)
    (store / "round").symlink_to(root, target_is_directory=True)
    (root / "gone").symlink_to(root / "nowhere")
    expected = ["file.h5", "latest/saved_model.pb", "tree/clf.h5", "tree/towers/saved_model.pb"]
    assert artifacts(collected(pytester, "--keras-models=artifacts")) == [f"artifacts/{name}" for name in expected]
    assert [path.relative_to(root).as_posix() for path in discovery.walk(root)] == expected


def test_a_link_to_nothing_that_is_named_like_a_model_is_not_passed_over(pytester: pytest.Pytester) -> None:
    """What git-annex, DVC and the like leave of an artifact that was not fetched; pytest skips such links."""
    root = pytester.path / "artifacts"
    builders.h5(root / "a.h5")
    (root / "b.h5").symlink_to(root / "nowhere.h5")
    (root / "deep").mkdir()
    (root / "deep" / "c.keras").symlink_to(root / "nowhere.keras")
    expected = ["artifacts/a.h5", "artifacts/deep/c.keras", "artifacts/b.h5"]
    assert sorted(artifacts(collected(pytester, "--keras-models=artifacts"))) == sorted(expected)
    assert sorted(path.relative_to(pytester.path).as_posix() for path in discovery.walk(root)) == sorted(expected)
    result = pytester.runpytest_inprocess("--keras-models=artifacts", "-k", "file and b.h5")
    result.assert_outcomes(failed=1, deselected=len(H5) * 3 - 1)
    result.stdout.fnmatch_lines(["*b.h5 is not there*"])


def test_a_root_that_is_a_link(pytester: pytest.Pytester) -> None:
    builders.h5(pytester.path / "store" / "clf.h5")
    (pytester.path / "artifacts").symlink_to(pytester.path / "store", target_is_directory=True)
    assert artifacts(collected(pytester, "--keras-models=artifacts")) == ["artifacts/clf.h5"]


def test_directories_that_pytest_passes_over_are_looked_into(pytester: pytest.Pytester) -> None:
    """``build`` and ``dist`` are where releases lie; what is hidden, or belongs to tools, is not looked into."""
    root = pytester.path / "artifacts"
    for name in ("build", "dist", "CVS", "model.egg"):
        builders.h5(root / name / "clf.h5")
    for name in (".git", ".cache", "__pycache__", "node_modules", ".venv"):
        builders.h5(root / name / "clf.h5")
    builders.h5(root / "environment" / "lib" / "clf.h5")
    (root / "environment" / "pyvenv.cfg").touch()
    found = artifacts(collected(pytester, "--keras-models=artifacts"))
    assert sorted(found) == sorted(f"artifacts/{name}/clf.h5" for name in ("build", "dist", "CVS", "model.egg"))
    assert sorted(path.relative_to(pytester.path).as_posix() for path in discovery.walk(root)) == sorted(found)


def test_a_hidden_root_is_a_root(pytester: pytest.Pytester) -> None:
    builders.h5(pytester.path / ".models" / "build" / "clf.h5")
    builders.h5(pytester.path / "dist" / "clf.h5")
    assert artifacts(collected(pytester, "--keras-models=.models", "--keras-models=dist")) == [
        ".models/build/clf.h5",
        "dist/clf.h5",
    ]


def test_a_build_directory_beside_tests(pytester: pytest.Pytester) -> None:
    builders.h5(pytester.path / "artifacts" / "build" / "clf.h5")
    (pytester.path / "test_own.py").write_text("def test_own(): pass")
    found = artifacts(collected(pytester, "--keras-models=artifacts", "."))
    assert found == ["artifacts/build/clf.h5", "test_own.py"]


def test_the_same_every_time(pytester: pytest.Pytester) -> None:
    root = pytester.path / "artifacts"
    for name in ("zeta", "Alpha", "beta", "b/1", "b/0", "10", "9"):
        builders.h5(root / f"{name}.h5")
    first = collected(pytester, "--keras-models=artifacts")
    assert len(set(first)) == len(first) == 7 * len(H5)
    assert collected(pytester, "--keras-models=artifacts") == first
    assert collected(pytester, "--keras-models=artifacts/", "--keras-models=artifacts") == first
    assert collected(pytester, f"--keras-models={root}") == first


def test_a_tree_is_walked_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b/1", "b/0", "a/1", "c/0", "1", "0"):
        builders.h5(tmp_path / f"{name}.h5")
    real = os.scandir
    monkeypatch.setattr(os, "walk", lambda top, followlinks: reversed_walk(str(top)))

    def reversed_walk(top: str) -> Iterator[tuple[str, list[str], list[str]]]:
        entries = sorted(real(top), key=lambda entry: entry.name, reverse=True)
        folders = [entry.name for entry in entries if entry.is_dir()]
        yield top, folders, [entry.name for entry in entries if entry.is_file()]
        for name in folders:
            yield from reversed_walk(os.path.join(top, name))

    found = [path.relative_to(tmp_path).as_posix() for path in discovery.walk(tmp_path)]
    assert found == ["0.h5", "1.h5", "a/1.h5", "b/0.h5", "b/1.h5", "c/0.h5"]


def test_roots_in_the_order_given(pytester: pytest.Pytester) -> None:
    builders.h5(pytester.path / "b" / "x.h5")
    builders.h5(pytester.path / "a" / "y.h5")
    assert artifacts(collected(pytester, "--keras-models=b", "--keras-models=a")) == ["b/x.h5", "a/y.h5"]


def test_a_root_inside_another_is_collected_once(pytester: pytest.Pytester) -> None:
    builders.h5(pytester.path / "a" / "b" / "x.h5")
    found = collected(pytester, "--keras-models=a", "--keras-models=a/b")
    assert found == [f"a/b/x.h5::{check}" for check in H5]


def test_a_root_outside_of_the_directory_pytest_runs_in(pytester: pytest.Pytester) -> None:
    builders.h5(pytester.path / "models" / "clf.h5")
    (pytester.path / "project").mkdir()
    os.chdir(pytester.path / "project")
    (pytester.path / "project" / "pytest.ini").write_text("[pytest]\n")
    found = collected(pytester, "--keras-models=../models")
    assert [item.split("::")[1] for item in found] == H5


# ---- what else is collected


def project(pytester: pytest.Pytester) -> None:
    """A project with tests of its own, a collector in its conftest, and artifacts among which lie other files."""
    pytester.makeconftest(
        """
        import pytest

        class Note(pytest.File):
            def collect(self):
                yield Said.from_parent(self, name="note")

        class Said(pytest.Item):
            def runtest(self): pass

        def pytest_collect_file(file_path, parent):
            if file_path.suffix == ".note":
                return Note.from_parent(parent, path=file_path)
        """
    )
    (pytester.path / "tests").mkdir()
    (pytester.path / "tests" / "test_own.py").write_text("def test_own(): pass")
    root = pytester.path / "artifacts"
    builders.h5(root / "clf.h5")
    (root / "test_near.py").write_text("def test_near(): pass")
    (root / "a.note").touch()
    (root / "more").mkdir()
    (root / "more" / "test_deep.py").write_text("def test_deep(): pass")


def test_given_alone_only_artifacts_are_collected(pytester: pytest.Pytester) -> None:
    project(pytester)
    assert artifacts(collected(pytester, "--keras-models=artifacts")) == ["artifacts/clf.h5"]


def test_given_alone_testpaths_are_not_collected(pytester: pytest.Pytester) -> None:
    project(pytester)
    pytester.makeini("[pytest]\ntestpaths = tests")
    assert artifacts(collected(pytester, "--keras-models=artifacts")) == ["artifacts/clf.h5"]


def test_given_with_other_paths_artifacts_are_collected_beside(pytester: pytest.Pytester) -> None:
    project(pytester)
    found = artifacts(collected(pytester, "--keras-models=artifacts", "tests"))
    assert found[0] == "tests/test_own.py"
    assert "artifacts/clf.h5" in found
    assert "artifacts/test_near.py" in found  # a directory of artifacts that also holds tests keeps them


def test_the_directory_above_as_other_path(pytester: pytest.Pytester) -> None:
    project(pytester)
    found = collected(pytester, "--keras-models=artifacts", ".")
    assert {"tests/test_own.py", "artifacts/clf.h5", "artifacts/test_near.py"} <= set(artifacts(found))
    assert len(found) == len(set(found))


def test_ini_collects_beside_the_tests(pytester: pytest.Pytester) -> None:
    project(pytester)
    pytester.makeini("[pytest]\nkeras_models = artifacts\ntestpaths = tests")
    assert {"tests/test_own.py", "artifacts/clf.h5"} <= set(artifacts(collected(pytester)))


def test_ini_paths_start_at_the_ini_file(pytester: pytest.Pytester) -> None:
    project(pytester)
    pytester.makeini("[pytest]\nkeras_models = artifacts")
    os.chdir(pytester.path / "tests")
    assert "clf.h5" in {Path(name).name for name in artifacts(collected(pytester))}


def test_ini_does_not_come_along_where_a_path_was_given(pytester: pytest.Pytester) -> None:
    project(pytester)
    pytester.makeini("[pytest]\nkeras_models = artifacts")
    assert artifacts(collected(pytester, "tests")) == ["tests/test_own.py"]
    assert artifacts(collected(pytester, "artifacts/clf.h5")) == ["artifacts/clf.h5"]
    assert artifacts(collected(pytester, "artifacts")) == ["artifacts/clf.h5"]


def test_the_command_line_comes_before_ini(pytester: pytest.Pytester) -> None:
    project(pytester)
    builders.h5(pytester.path / "other" / "x.h5")
    pytester.makeini("[pytest]\nkeras_models = artifacts")
    assert artifacts(collected(pytester, "--keras-models=other")) == ["other/x.h5"]


@pytest.mark.parametrize("where", ["ini", "command line"])
@pytest.mark.parametrize("what", ["missing", "empty"])
def test_no_artifact_is_an_error(pytester: pytest.Pytester, where: str, what: str) -> None:
    builders.h5(pytester.path / "good" / "clf.h5")
    (pytester.path / "empty" / "inside").mkdir(parents=True)
    (pytester.path / "empty" / "readme.txt").write_text("nothing yet")
    (pytester.path / "test_own.py").write_text("def test_own(): pass")
    if where == "ini":
        pytester.makeini(f"[pytest]\nkeras_models =\n  good\n  {what}")
        result = pytester.runpytest_inprocess()
    else:
        result = pytester.runpytest_inprocess("--keras-models=good", f"--keras-models={what}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    said = "does not exist" if what == "missing" else "no Keras model artifact"
    result.stderr.fnmatch_lines([f"ERROR: *kerasload: *{said}*"])
    assert what in result.stderr.str()


def test_ignoring_every_artifact_is_no_green_run(pytester: pytest.Pytester) -> None:
    builders.h5(pytester.path / "artifacts" / "clf.h5")
    result = pytester.runpytest_inprocess("--keras-models=artifacts", "--ignore=artifacts/clf.h5")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_a_file_that_cannot_be_opened_is_collected(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """No access is for the ``file`` check to say, not an end of the run."""
    denied = builders.h5(pytester.path / "artifacts" / "denied.h5")
    builders.h5(pytester.path / "artifacts" / "good.h5")
    real = Path.open

    def opened(path: Path, *arguments: object, **more: object) -> object:
        if path == denied:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "open", opened)
    result = pytester.runpytest_inprocess("--keras-models=artifacts", "-k", "file")
    result.assert_outcomes(passed=1, failed=1, deselected=2 * (len(H5) - 1))
    result.stdout.fnmatch_lines(["denied.h5 cannot be opened: permission denied*"])


# ---- inert


def imported(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> tuple[pytest.RunResult, list[str]]:
    """A run, and which heavy modules it imported. Other plugins bring some of their own accord: they stay out."""
    (pytester.path / "spy.py").write_text(builders.SPY)
    pytester.syspathinsert()
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    result = pytester.runpytest_subprocess("-p", "spy", "-p", "pytest_kerasload.plugin", *arguments)
    said = [line for line in result.outlines if line.startswith("IMPORTED")]
    assert said, result.stdout.str() + result.stderr.str()
    return result, eval(said[-1].removeprefix("IMPORTED"))  # a list of names, printed by the spy


def test_inert_without_option_and_ini(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    builders.h5(pytester.path / "clf.h5")
    builders.saved_model(pytester.path / "towers")
    (pytester.path / "towers" / "test_inside.py").write_text("def test_inside(): pass")
    (pytester.path / "test_own.py").write_text("def test_own(): pass")
    (pytester.path / "kerasload.toml").write_text("this is no TOML")
    result, modules = imported(pytester, monkeypatch)
    result.assert_outcomes(passed=2)
    assert modules == []
    assert "kerasload:" not in result.stdout.str()


def test_collecting_a_thousand_artifacts_imports_nothing_heavy(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = pytester.path / "artifacts"
    model = builders.h5(root / "0.h5").read_bytes()
    for number in range(1, 800):
        folder = root / f"{number % 20}"
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.{'h5' if number % 2 else 'bin'}").write_bytes(model)
    for number in range(200):
        builders.saved_model(root / "saved" / str(number))
    result, modules = imported(pytester, monkeypatch, "--collect-only", "-q", "--keras-models=artifacts")
    assert len(artifacts(builders.ids(result.outlines))) == 1000
    assert modules == []
    assert result.duration < 60  # seconds rather than a minute, also where the machine is busy
