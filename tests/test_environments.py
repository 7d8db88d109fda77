"""Environments made on demand: what a spec stands for, how uv makes it here of small wheels, and what cannot be had."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import builders
import pytest

from pytest_kerasload.__main__ import main
from pytest_kerasload.environments import making, recipe, releases, spec, uv, versions
from pytest_kerasload.environments.making import Unavailable


def wheel(folder: Path, name: str, version: str, *requires: str, module: str = "") -> None:
    """A wheel with nothing in it but what it needs, and perhaps one module that says its version."""
    stem = f"{name.replace('-', '_')}-{version}"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {one}\n" for one in requires)
    files = {
        f"{stem}.dist-info/METADATA": metadata,
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: here\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if module:
        files[f"{module}/__init__.py"] = f"__version__ = {version!r}\n"
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        archive.writestr(f"{stem}.dist-info/RECORD", "".join(f"{path},,\n" for path in files))


@pytest.fixture
def index(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package index of small wheels, a cache of its own, and no network."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for patch in ("2.20.0", "2.21.0", "2.21.1"):
        wheel(folder, "tensorflow-cpu", patch, "keras>=3.10", "numpy", module="tensorflow")
        wheel(folder, "tensorflow", patch, "keras>=3.10", "numpy", module="tensorflow")
    for version in ("3.10.0", "3.15.1"):
        wheel(folder, "keras", version, module="keras")
    wheel(folder, "tf-keras", "2.21.0", "tensorflow<2.22,>=2.21", module="tf_keras")
    wheel(folder, "numpy", "2.0.0", module="numpy")
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    (tmp_path / "simple").mkdir()
    monkeypatch.setenv("UV_DEFAULT_INDEX", (tmp_path / "simple").as_uri())  # uv heeds no UV_NO_INDEX
    # What uv finds out of the machine's Pythons takes it seconds.
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "uv"))
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    folders = os.environ["PATH"].split(os.pathsep)  # pyenv's shims are scripts, each of which takes uv its time
    monkeypatch.setenv("PATH", os.pathsep.join(one for one in folders if "shims" not in one))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "cache"))
    monkeypatch.setattr(recipe, "_distribution", lambda version: "tensorflow-cpu")
    yield folder
    if sys.platform == "darwin":  # platformdirs asks no variable there
        for one in making.kept():
            one.directory.rename(tmp_path / one.directory.name)


def made(*texts: str) -> tuple[list[spec.EnvironmentSpec], list[str]]:
    """The environments that specs stand for once they are made, and what was told meanwhile."""
    told: list[str] = []
    specs = [spec.parse(text, Path()) for text in texts]
    making.make([(one.id, one.recipe) for one in specs if one.recipe], told.append)
    return specs, told


def unavailable(text: str) -> str:
    """Why an environment cannot be had."""
    with pytest.raises(Unavailable) as caught:
        made(text)
    return str(caught.value)


def asked(environment: spec.EnvironmentSpec, expression: str) -> str:
    """What an environment's interpreter says."""
    code = f"import importlib.metadata as metadata, sys; print({expression})"
    return subprocess.run([environment.python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


# ---- what a spec stands for


@pytest.mark.parametrize(
    ("text", "requirements", "pins"),
    [
        ("tf2.15", ("tensorflow-cpu==2.15.*",), ("numpy<2",)),
        ("tf2.15.1", ("tensorflow-cpu==2.15.1",), ("numpy<2",)),
        ("tf2.8", ("tensorflow-cpu==2.8.*",), ("protobuf<3.21", "numpy<2")),
        ("tf2.6,protobuf==3.19.6", ("tensorflow-cpu==2.6.*", "protobuf==3.19.6"), releases.release((2, 6)).pins[1:]),
        ("tf2.16,keras==3.3.3", ("tensorflow-cpu==2.16.*", "keras==3.3.3"), ("numpy<2",)),
        ("tensorflow==2.21.0", ("tensorflow==2.21.0",), ()),
        ("tensorflow==2.21.0,numpy>=2,<2.3", ("tensorflow==2.21.0", "numpy<2.3,>=2"), ()),
        ("tf2.99", ("tensorflow-cpu==2.99.*",), ()),
        ("TensorFlow_CPU==2.15.1", ("tensorflow-cpu==2.15.1",), ("numpy<2",)),
        ("tensorflow[and-cuda]==2.21.0", ("tensorflow[and-cuda]==2.21.0",), ()),
        ("tf2.15,numpy>=1.26", ("tensorflow-cpu==2.15.*", "numpy>=1.26"), ("numpy<2",)),
    ],
)
def test_a_spec_stands_for_requirements(
    text: str, requirements: tuple[str, ...], pins: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe, "_distribution", lambda version: "tensorflow-cpu")
    found = spec.parse(f"old={text}", Path())
    assert found.id == "old"
    assert found.recipe is not None
    assert (found.recipe.requirements, found.recipe.pins) == (requirements, pins)
    assert found.python == str(making.interpreter(found.recipe))
    assert spec.parse(text, Path()).id == text


def test_the_users_python_is_the_only_one() -> None:
    found = spec.parse("tf2.15,python==3.10", Path()).recipe
    assert found is not None
    assert found.pythons == ("3.10",)


def test_legacy_needs_tf_keras_since_tensorflow_2_15() -> None:
    assert recipe.parse("tf2.21", legacy=True).requirements[1:] == ("tf-keras~=2.21.0",)
    assert recipe.parse("tf2.15", legacy=True).requirements[1:] == ("tf-keras~=2.15.0",)
    assert recipe.parse("tf2.14", legacy=True).requirements[1:] == ()
    assert recipe.parse("tf2.21,tf_keras==2.21.0", legacy=True).requirements[1:] == ("tf_keras==2.21.0",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tf2.15,python==3.13", "TensorFlow 2.15 was never built for Python 3.13; it was for 3.9, 3.10, 3.11"),
        ("tf2.15,python>3", "give one Python: python==3.11"),
        ("tf2.15,keras", "keras without a version; give keras==X"),
        ("tf2.15,keras=3", "'keras=3' is no requirement"),
        ("tf2.15,", "'tf2.15,': nothing stands behind a comma"),
        ("tf2.15,tensorflow==2.16.1", "'tf2.15,tensorflow==2.16.1': TensorFlow is named twice"),
        ("keras==3.3.3", "the first requirement is TensorFlow's"),
        ("tensorflow>=2.15", "the first requirement is TensorFlow's"),
        ("tf1.12", "older than the oldest that is supported"),
    ],
)
def test_a_spec_that_makes_no_sense(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=r".+") as caught:
        spec.parse(text, Path())
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("keras", "legacy", "told"),
    [
        ({"keras": "2.15.0"}, False, ("2.15.0", "keras2")),
        ({"keras": "2.15.0", "tf-keras": "2.15.1"}, False, ("2.15.0", "keras2")),
        ({"keras": "2.15.0", "tf-keras": "2.15.1"}, True, ("2.15.1", "tf_keras")),
        ({"keras": "2.15.0"}, True, (None, "tf_keras")),
        ({"keras": "3.3.3"}, False, ("3.3.3", "keras3")),
    ],
)
def test_tensorflow_2_15_takes_the_keras_that_it_is_told(
    keras: dict[str, str], legacy: bool, told: tuple[str | None, str]
) -> None:
    """As its lazy_loader.py does."""
    found = versions.of_packages("3.11.7", {"tensorflow-cpu": "2.15.1", **keras}, legacy)
    assert (found.keras, found.flavour) == told
    assert bool(found.problem) == (found.keras is None)


def test_equal_wishes_share_an_environment() -> None:
    key = recipe.parse("tf2.16,keras==3.3.3,h5py==3.11").key
    assert recipe.parse("tf2.16,h5py==3.11,keras==3.3.3").key == key
    others = ("tf2.16", "tf2.16,keras==3.3.3,h5py==3.12", "tf2.17,keras==3.3.3,h5py==3.11")
    assert key not in {recipe.parse(other).key for other in others}
    assert recipe.parse("tf2.16,keras==3.3.3,h5py==3.11", legacy=True).key != key


def test_the_nearest_releases_come_first() -> None:
    assert [one.spec for one in releases.nearest((2, 99))][:2] == ["tf2.21", "tf2.20"]
    assert [one.spec for one in releases.nearest((2, 15))][:3] == ["tf2.15", "tf2.16", "tf2.14"]


# ---- made


def test_an_environment_is_made_once(index: Path) -> None:
    (first,), told = made("tf2.21")
    assert asked(first, "metadata.version('tensorflow-cpu'), metadata.version('keras')") == "2.21.1 3.15.1"
    assert told[0].startswith("tf2.21: making it of tensorflow-cpu==2.21.1 and 2 other packages, with ")
    assert any("installed 3 packages" in line for line in told)
    assert told[-1].startswith("tf2.21: made in ")
    began = time.monotonic()
    (again, other), told = made("tf2.21", "name=tf2.21")
    assert time.monotonic() - began < 0.5
    assert told == []
    assert again.python == other.python == first.python
    assert [one.name for one in making.kept()] == ["tensorflow-cpu==2.21.*"]


def test_nothing_is_left_of_one_that_was_interrupted(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(uv, "install", interrupted)
        with pytest.raises(KeyboardInterrupt):
            made("tf2.21")
    assert [path.name for path in making.cache().iterdir() if path.is_dir()] == []
    _, told = made("tf2.21")
    assert "made in" in told[-1]


def test_one_whose_interpreter_is_gone_is_made_again(index: Path) -> None:
    (first,), _ = made("tf2.21")
    os.unlink(first.python)
    _, told = made("tf2.21")
    assert "made in" in told[-1]
    assert asked(first, "1") == "1"


def test_processes_that_ask_at_once_make_it_once(index: Path) -> None:
    code = (
        "from pytest_kerasload.environments import making, recipe\n"
        "making.make([('tf', recipe.parse('tensorflow==2.21.0'))], print)"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = "".join(process.communicate()[0] for process in processes)
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert said.count("making it of") == said.count("made in") == 1
    assert len(making.kept()) == 1


def test_legacy_brings_no_second_tensorflow(index: Path) -> None:
    (found,), _ = made("tf2.21+legacy")
    names = asked(found, "sorted(one.metadata['Name'] for one in metadata.distributions())")
    assert names == "['keras', 'numpy', 'tensorflow-cpu', 'tf-keras']"


def test_pins_of_an_old_release_are_heeded(index: Path) -> None:
    wheel(index, "tensorflow-cpu", "2.16.2", "keras>=3.0", "numpy", module="tensorflow")
    wheel(index, "numpy", "1.26.4", module="numpy")
    old = recipe.parse("tf2.16")
    running = ".".join(map(str, sys.version_info[:2]))
    wanted = recipe.Recipe(old.tensorflow, old.requirements, old.pins, (running,))
    making.make([("old", wanted)], lambda line: None)
    found = spec.EnvironmentSpec("old", str(making.interpreter(wanted)))
    assert asked(found, "metadata.version('numpy')") == "1.26.4"


def test_a_package_of_a_url_is_installed(index: Path, tmp_path: Path) -> None:
    wheel(tmp_path, "acme-layers", "1.0")
    (found,), _ = made(f"tf2.21,acme-layers @ {(tmp_path / 'acme_layers-1.0-py3-none-any.whl').as_uri()}")
    assert asked(found, "metadata.version('acme-layers')") == "1.0"


def test_the_newest_is_found_without_making_it(index: Path) -> None:
    assert uv.newest("keras>=3.0", sys.executable) == "3.15.1"
    assert uv.newest("keras>=3.0,<3.15", sys.executable) == "3.10.0"
    assert uv.newest("keras>=3.0,<3.10", sys.executable) is None
    assert uv.newest("nothing-here>=1", sys.executable) is None
    # tf_keras says which TensorFlow it wants; that is not asked.
    assert uv.newest("tf_keras>=2.16", sys.executable) == "2.21.0"
    assert making.resolvable(recipe.parse("tf2.21,keras==3.15.1"))
    assert not making.resolvable(recipe.parse("tf2.21,keras==3.3.3"))
    assert making.kept() == []


# ---- what cannot be had


def test_a_release_that_was_never_made(index: Path) -> None:
    assert unavailable("tf2.21.9") == (
        "tf2.21.9: the package index has no tensorflow-cpu==2.21.9. The nearest that can be had: "
        "tensorflow-cpu==2.21.1 or tensorflow-cpu==2.20.0"
    )
    assert "has no tensorflow-cpu==2.99.*. The nearest that can be had: tensorflow-cpu==2.21.1" in unavailable("tf2.99")


def test_releases_that_do_not_go_together(index: Path) -> None:
    wheel(index, "keras", "3.0.5", module="keras")
    told = unavailable("tf2.21,keras==3.0.5")
    assert "no such environment can be made" in told
    assert "keras>=3.10" in told
    assert "The nearest that can be had: tensorflow-cpu==2.21.1,keras==3.15.1" in told


def test_all_are_resolved_before_one_is_made(index: Path) -> None:
    with pytest.raises(Unavailable, match=r"tf2\.21\.9"):
        made("tf2.21", "tf2.21.9")
    assert making.kept() == []


def test_no_network(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made("tf2.21")
    monkeypatch.delenv("UV_FIND_LINKS")
    monkeypatch.setenv("UV_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    told = unavailable("tf2.20")
    assert told.startswith("tf2.20: the package index cannot be reached (")
    assert told.endswith(". In the cache: tensorflow-cpu==2.21.*")


def test_without_a_network_nothing_is_taken_for_missing(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    for ask in (
        lambda: uv.newest("keras>=3.0", sys.executable),
        lambda: making.resolvable(recipe.parse("tf2.21,keras==3.3.3")),
    ):
        with pytest.raises(uv.UvRefused) as refused:
            ask()
        assert refused.value.reason == "network"


def test_a_cache_that_cannot_be_written(
    index: Path, monkeypatch: pytest.MonkeyPatch, pytester: pytest.Pytester
) -> None:
    builders.h5(pytester.path / "clf.h5")
    (index.parent / "file").touch()
    monkeypatch.setattr(making, "cache", lambda: index.parent / "file" / "environments")
    result = pytester.runpytest_inprocess("--keras-models=clf.h5", "--keras-env=tf2.21")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--keras-env=tf2.21: it cannot be kept in " in result.stderr.str()
    assert "Not a directory" in result.stderr.str()


def test_no_uv(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setenv("PATH", "")
    assert unavailable("tf2.21") == (
        "tf2.21: environments are made by uv, which is not installed. pip install 'pytest-kerasload[uv]', or give the "
        "path of an environment of your own"
    )


def test_no_python_for_it(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for release in ("2.8.0", "2.12.0"):
        wheel(index, "tensorflow-cpu", release, module="tensorflow")
        wheel(index, "numpy", "1.26.4", module="numpy")
        wheel(index, "protobuf", "3.20.0")
    running = ".".join(map(str, sys.version_info[:2]))
    monkeypatch.setattr(uv, "python", lambda wanted: sys.executable if running in wanted else None)
    monkeypatch.setattr(uv, "downloaded", lambda version: uv.create(index.parent / "none", "3.99") or "")
    told = unavailable("tf2.3")
    assert "TensorFlow 2.3 runs on Python 3.8, and it is neither installed, nor can be downloaded" in told
    assert "The nearest that can be had: tensorflow-cpu==2." in told


# ---- in a run


def test_an_environment_that_cannot_be_had_ends_the_run(index: Path, pytester: pytest.Pytester) -> None:
    builders.h5(pytester.path / "clf.h5")
    result = pytester.runpytest_inprocess("--keras-models=clf.h5", "--keras-env=tf2.21.9")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--keras-env=tf2.21.9: the package index has no tensorflow-cpu==2.21.9" in result.stderr.str()


@pytest.mark.parametrize("arguments", [(), ("-n1",)])
def test_environments_are_made_before_the_first_check(
    index: Path, pytester: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    builders.h5(pytester.path / "clf.h5")
    options = ("--keras-models=clf.h5", "--keras-env=tf2.21", "-k", "version", *arguments)
    result = pytester.runpytest_subprocess(*options, "--keras-json=told.json")
    result.stdout.fnmatch_lines(["kerasload: tf2.21: making it of *", "kerasload: tf2.21: made in *"])
    assert result.ret == 0
    assert '"tensorflow": "2.21.1"' in (pytester.path / "told.json").read_text()
    assert "making" not in pytester.runpytest_subprocess(*options).stdout.str()


def test_environments_are_made_for_tests_that_ask_alone(index: Path, pytester: pytest.Pytester) -> None:
    builders.h5(pytester.path / "models" / "clf.h5")
    pytester.makepyfile(test_own="def test_own(keras_artifact): pass")
    options = ("--keras-models=models", "--keras-env=tf2.21", "test_own.py", "-k", "test_own")
    result = pytester.runpytest_inprocess(*options)
    result.assert_outcomes(passed=1, deselected=7)
    result.stdout.fnmatch_lines(["kerasload: tf2.21: making it of *"])


@pytest.mark.parametrize("arguments", [("--collect-only",), ("-k", "file")])
def test_none_is_made_where_none_is_asked(index: Path, pytester: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    builders.h5(pytester.path / "clf.h5")
    result = pytester.runpytest_inprocess("--keras-models=clf.h5", "--keras-env=tf2.21.9", *arguments)
    assert result.ret == 0


# ---- the cache


def test_what_nobody_uses_is_pruned(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (new, old), _ = made("tf2.21", "tf2.20")
    half = making.cache() / "tf2.19-0123456789ab.x1.making"
    half.mkdir()
    long_ago = time.time() - 40 * 24 * 3600
    os.utime(Path(old.python).parent.parent / "kerasload.json", (long_ago, long_ago))
    os.utime(half, (long_ago, long_ago))
    assert main(["environments"]) == 0
    assert "tensorflow-cpu==2.20.*" in (said := capsys.readouterr().out)
    assert "last used 40 days ago" in said
    assert "last used today" in said
    assert main(["prune"]) == 0
    assert "2 environments deleted, 1 left" in capsys.readouterr().out
    assert [one.name for one in making.kept()] == ["tensorflow-cpu==2.21.*"]
    assert main(["prune", "--days=0"]) == 0
    assert making.kept() == []
    assert not Path(new.python).exists()


def test_what_is_being_made_is_not_pruned(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from filelock import FileLock

    (one,), _ = made("tf2.21")
    with FileLock(f"{Path(one.python).parent.parent}.lock"):
        assert main(["prune", "--days=0"]) == 0
    assert "it is being made" in capsys.readouterr().out
    assert len(making.kept()) == 1


def test_what_a_run_works_in_is_not_pruned(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (one,), _ = made("tf2.21")
    with subprocess.Popen([one.python, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert main(["prune", "--days=0"]) == 0
        assert f"process {process.pid} runs in it" in capsys.readouterr().out
        process.communicate(b"\n")
    assert len(making.kept()) == 1


def test_a_prune_that_was_interrupted_is_finished(
    index: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    made("tf2.21")
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", interrupted)
        with pytest.raises(KeyboardInterrupt):
            main(["prune", "--days=0"])
    assert making.kept() == []
    made("tf2.21")
    assert main(["prune"]) == 0  # however young: nobody is at work on it
    assert "1 environment deleted, 1 left" in capsys.readouterr().out
    assert [path for path in making.cache().iterdir() if path.is_dir()] == [one.directory for one in making.kept()]


def test_a_python_that_is_too_old(pytester: pytest.Pytester) -> None:
    builders.h5(pytester.path / "clf.h5")
    builders.interpreter(pytester.path / "old", {"tensorflow": "1.15.0"}, python="3.7.16")
    result = pytester.runpytest_inprocess("--keras-models=clf.h5", "--keras-env=./old", "-k", "version")
    result.assert_outcomes(failed=1)
    assert "Python 3.7.16 is too old: the gate works in" in " ".join(result.stdout.str().split())
