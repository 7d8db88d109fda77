"""Reading in a child process: what damage does to it, and what is left of it afterwards."""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from pathlib import Path

import builders
import h5py
import pytest

from pytest_kerasload.artifacts.isolation import ChildGone, isolated
from pytest_kerasload.artifacts.reading import read

ENDLESS = ("(a+)+$", "a" * 64 + "b")
"""A pattern and a text that the regular expressions of Python are not through with before the sun burns out."""


def test_the_child_lives_on() -> None:
    first = isolated(os.getpid)
    assert isolated(os.fspath, "Grüße \udce9") == "Grüße \udce9"
    assert isolated(print, "not part of the answer") is None
    assert isolated(os.getpid) == first != os.getpid()


def test_an_exception_is_a_defect_of_ours() -> None:
    with pytest.raises(RuntimeError, match="JSONDecodeError"):
        isolated(json.loads, "{")
    assert isolated(os.fspath, "still there") == "still there"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no limit on the processor's time")
def test_an_endless_loop_ends() -> None:
    with pytest.raises(ChildGone, match="never comes back"):
        isolated(re.match, *ENDLESS, seconds=1)
    assert isolated(os.fspath, "again") == "again"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals")
def test_a_crash_is_told() -> None:
    with pytest.raises(ChildGone, match=r"crashes on reading it \(signal 6\)"):
        isolated(os.abort)
    assert isolated(os.fspath, "again") == "again"


@pytest.mark.skipif(sys.platform != "linux", reason="the confinement of Linux")
def test_the_child_is_confined(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"PermissionError|Read-only file system"):
        isolated(os.mkdir, str(tmp_path / "new"))
    with pytest.raises(RuntimeError, match=r"PermissionError|Read-only file system"):
        isolated(socket.create_server, "")
    assert isolated(os.getenv, "PYTEST_CURRENT_TEST") is None


def test_what_happens_to_the_child_is_said_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise ChildGone("never comes back from reading it")

    monkeypatch.setattr("pytest_kerasload.artifacts.hdf5.isolated", gone)
    artifact = read(builders.h5(tmp_path / "model.h5"))
    assert not artifact.readable
    (finding,) = artifact.problems
    assert finding.cause == "file-corrupt"
    assert finding.message == "model.h5 is damaged: the HDF5 library never comes back from reading it"
    archive = read(builders.keras(tmp_path / "model.keras"))
    assert [finding.cause for finding in archive.problems] == ["file-corrupt"]


def test_links_are_not_followed(tmp_path: Path) -> None:
    other = builders.h5(tmp_path / "other.h5")
    path = builders.h5(tmp_path / "model.h5")
    with h5py.File(path, "a") as file:
        del file["model_weights/score"]
        file["model_weights/score"] = h5py.ExternalLink(str(other), "/model_weights/score")
    found = read(path)
    assert (found.problems, found.weights.elements, found.weights.tensors) == ((), None, 0)
