"""Expected outputs on disk: what is read, what is refused, and how they are written."""

from __future__ import annotations

import json
import os
import stat
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_kerasload import expected
from pytest_kerasload.expected import Expected, ExpectedUnreadable
from pytest_kerasload.noise import Noise

X, Y = np.arange(6, dtype="float32").reshape(2, 3), np.array([[0.5], [1.5]], "float32")


def npz(path: Path, **arrays: Any) -> Path:
    """A file as any tool may write it; ``__`` in a name stands for a slash."""
    np.savez(path, **{name.replace("__", "/"): array for name, array in arrays.items()})
    return path


def refused(path: Path) -> str:
    """Why the file is refused."""
    with pytest.raises(ExpectedUnreadable) as raised:
        expected.read(path)
    return str(raised.value)


# ---- reading


def test_written_by_hand(tmp_path: Path) -> None:
    found = expected.read(npz(tmp_path / "m.expected.npz", inputs__x=X, outputs__score=Y))
    assert list(found.inputs) == ["x"]
    assert list(found.outputs) == ["score"]
    assert np.array_equal(found.inputs["x"], X)
    assert found.provenance == {}
    assert found.rows == 2


def test_names_with_slashes_and_positions(tmp_path: Path) -> None:
    content = {"inputs/0": X, "inputs/tower/left:0": X, "outputs/serving_default/score": Y}
    np.savez(tmp_path / "m.npz", **content)
    found = expected.read(tmp_path / "m.npz")
    assert list(found.inputs) == ["0", "tower/left:0"]
    assert list(found.outputs) == ["serving_default/score"]


def test_pickled_arrays_are_refused_and_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(marker),)

    np.savez(tmp_path / "m.npz", **{"outputs/0": np.array([Bomb()], dtype=object)})
    assert "plain arrays" in refused(tmp_path / "m.npz")
    assert not marker.exists()


def test_a_pickle_under_that_name_is_refused_and_not_run(tmp_path: Path) -> None:
    import pickle

    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "ran"),)

    (tmp_path / "m.npz").write_bytes(pickle.dumps(Bomb()))
    refused(tmp_path / "m.npz")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\n", b"PK\x03\x04", b"<html>"])
def test_no_npz_at_all(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.npz").write_bytes(content)
    assert refused(tmp_path / "m.npz")


def test_a_single_array_is_no_npz(tmp_path: Path) -> None:
    with (tmp_path / "m.npz").open("wb") as stream:
        np.save(stream, X)
    assert "no NumPy .npz" in refused(tmp_path / "m.npz")


def test_every_damaged_byte_is_refused_or_harmless(tmp_path: Path) -> None:
    """A file cut off or with a wrong byte anywhere never raises anything else than what callers expect."""
    path = tmp_path / "m.npz"
    expected.write(path, Expected({"x": X}, {"y": Y}, {"format_version": 1}))
    whole = path.read_bytes()
    for at in range(0, len(whole), 3):
        for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]):
            path.write_bytes(damaged)
            try:
                found = expected.read(path)
            except (ExpectedUnreadable, OSError):
                continue
            assert all(isinstance(array, np.ndarray) for array in found.outputs.values())


def test_foreign_keys(tmp_path: Path) -> None:
    said = refused(npz(tmp_path / "m.npz", inputs__x=X, outputs__y=Y, predictions=Y))
    assert "'predictions'" in said
    assert "outputs/<name>" in said


def test_members_that_are_no_arrays(tmp_path: Path) -> None:
    path = npz(tmp_path / "m.npz", inputs__x=X, outputs__y=Y)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("outputs/z", "0.5 1.5")
    assert "'outputs/z'" in refused(path)


def test_without_outputs(tmp_path: Path) -> None:
    assert "nothing to compare with" in refused(npz(tmp_path / "m.npz", inputs__x=X))
    assert "nothing to compare with" in refused(npz(tmp_path / "m.npz"))


@pytest.mark.parametrize("stored", ["{not JSON", "[1, 2]", "null", "5", ""])
def test_provenance_that_is_no_json_object(tmp_path: Path, stored: str) -> None:
    said = refused(npz(tmp_path / "m.npz", outputs__y=Y, provenance=np.array(stored)))
    assert "provenance" in said


@pytest.mark.parametrize("stored", [Y, np.array(3), np.array([b"{}", b"{}"]), np.array(b"\xff")])
def test_provenance_that_is_no_text(tmp_path: Path, stored: Any) -> None:
    assert "provenance" in refused(npz(tmp_path / "m.npz", outputs__y=Y, provenance=stored))


def test_provenance_as_bytes(tmp_path: Path) -> None:
    found = expected.read(npz(tmp_path / "m.npz", outputs__y=Y, provenance=np.array(b'{"source": "caf\xc3\xa9"}')))
    assert found.provenance == {"source": "café"}


def test_a_newer_format_version(tmp_path: Path) -> None:
    newer = json.dumps({"format_version": expected.FORMAT_VERSION + 1})
    said = refused(npz(tmp_path / "m.npz", outputs__y=Y, provenance=np.array(newer)))
    assert "upgrade" in said
    assert str(expected.FORMAT_VERSION + 1) in said


def test_a_missing_file_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        expected.read(tmp_path / "m.npz")


# ---- writing


def provenance() -> dict[str, Any]:
    return expected.provenance(
        sha256="0" * 64,
        tensorflow="2.15.0",
        keras="2.15.0",
        python="3.11.7",
        source="file",
        kind="keras",
        inputs="generated",
        noise={"y": Noise(1e-8, (1e-7, 0.0), {"again": 0.0})},
        weights=[{"name": "w", "shape": [2], "sum": 0.5, "mean": 1.0, "rms": 1.0}],
        folds={},
        layers=[("dense", "0123456789abcdef")],
        saved_with="2.15.0",
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    words = np.array(["é".encode(), b"dog"])
    written = Expected({"x": X, "words": words, "1": np.array([True])}, {"y": Y, "a/b": X}, provenance())
    path = tmp_path / "deep" / "er" / "m.h5.expected.npz"
    expected.write(path, written)
    found = expected.read(path)
    assert found.provenance == written.provenance
    for mine, other in ((written.inputs, found.inputs), (written.outputs, found.outputs)):
        assert list(mine) == list(other)
        for name, array in mine.items():
            assert array.dtype == other[name].dtype
            assert np.array_equal(array, other[name])


def test_any_tool_can_read_it(tmp_path: Path) -> None:
    """The file holds what the contract says, and nothing else."""
    expected.write(tmp_path / "m.npz", Expected({"x": X}, {"y": Y}, provenance()))
    with np.load(tmp_path / "m.npz", allow_pickle=False) as archive:
        assert sorted(archive.files) == ["inputs/x", "outputs/y", "provenance"]
        told = json.loads(str(archive["provenance"]))
    assert set(told) == {
        *("format_version", "sha256", "tensorflow", "keras", "numpy", "python", "machine", "source", "kind"),
        *("inputs", "noise", "weights", "layers", "saved_with"),
    }


def test_objects_are_not_written(tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    with pytest.raises(ValueError):
        expected.write(path, Expected({}, {"y": np.array([{}], dtype=object)}))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["replace", "fsync"])
@pytest.mark.parametrize("error", [OSError("no space left"), KeyboardInterrupt()])
def test_a_run_that_is_stopped_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, error: BaseException
) -> None:
    path = tmp_path / "m.npz"
    expected.write(path, Expected({"x": X}, {"y": Y}))
    before = path.read_bytes()

    def stop(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(os, where, stop)
    with pytest.raises(type(error)):
        expected.write(path, Expected({"x": X}, {"y": Y + 1}))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_new_file_is_there_as_a_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.npz"
    real = os.replace
    seen: list[bytes] = []

    def replaced(source: str, target: str) -> None:
        seen.append(Path(source).read_bytes())
        assert not path.exists()
        assert Path(source).parent == path.parent  # else it would not be a rename
        real(source, target)

    monkeypatch.setattr(os, "replace", replaced)
    expected.write(path, Expected({"x": X}, {"y": Y}))
    assert seen == [path.read_bytes()]
    assert expected.read(path).outputs


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
def test_colleagues_can_read_it(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        expected.write(tmp_path / "m.npz", Expected({"x": X}, {"y": Y}))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "m.npz").stat().st_mode) == 0o644


# ---- where it lives


def test_beside_the_artifact(tmp_path: Path) -> None:
    root = tmp_path / "artifacts"
    assert expected.path_for(root / "a" / "clf.h5", root, None) == root / "a" / "clf.h5.expected.npz"
    assert expected.path_for(root / "towers", root, None) == root / "towers.expected.npz"
    assert expected.path_for(root / "ranker" / "1", root, None) == root / "ranker" / "1.expected.npz"


def test_mirroring_the_tree(tmp_path: Path) -> None:
    root, other = tmp_path / "artifacts", tmp_path / "expected"
    (root / "a").mkdir(parents=True)
    (root / "towers").mkdir()
    (root / "a" / "clf.h5").touch()
    assert expected.path_for(root / "a" / "clf.h5", root, other) == other / "a" / "clf.h5.expected.npz"
    assert expected.path_for(root / "towers", root, other) == other / "towers.expected.npz"
    # A root that is itself an artifact: a file, or a SavedModel.
    assert expected.path_for(root / "a" / "clf.h5", root / "a" / "clf.h5", other) == other / "clf.h5.expected.npz"
    assert expected.path_for(root / "towers", root / "towers", other) == other / "towers.expected.npz"
