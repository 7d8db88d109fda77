"""What ``kerasload.toml`` says and no artifact heeds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_kerasload import unheeded
from pytest_kerasload.reports.collected import Collected
from pytest_kerasload.settings import Settings

INPUTS = {"clf.h5": ["tokens", "image"], "old.h5": ["x"]}


def told(root: Path, glob: str, given: dict[str, Any], known: dict[str, list[str]] | None = None) -> list[str]:
    """The lines for one table, in a run that reported ``known`` inputs of the artifacts."""
    for name in INPUTS:
        (root / name).write_bytes(b"\x89HDF\r\n\x1a\n")
    collected = Collected()
    for name, inputs in (INPUTS if known is None else known).items():
        collected.artifacts[name] = {"inputs": [{"name": one} for one in inputs], "outputs": [{"name": "y"}]}
    settings = Settings((root,), (), root, tables={root: ((glob, given),)})
    return unheeded.lines(settings, collected, lambda path: path.name)


@pytest.mark.parametrize(
    ("glob", "given", "line"),
    [
        ("clf.h6", {}, "[\"clf.h6\"] names no artifact; did you mean 'clf.h5'?"),
        ("models/*", {}, '["models/*"] names no artifact'),
        ("clf.h5", {"inputs": {"token": {}}}, "[\"clf.h5\"]: no input is called 'token'; did you mean 'tokens'?"),
        ("*.h5", {"inputs": {"words": {}}}, "[\"*.h5\"]: no input is called 'words'"),
        ("clf.h5", {"outputs": {"score": {}}}, "[\"clf.h5\"]: no output is called 'score'"),
    ],
)
def test_what_nothing_heeds_is_named(tmp_path: Path, glob: str, given: dict[str, Any], line: str) -> None:
    assert told(tmp_path, glob, given) == [f"kerasload.toml: {line}"]


@pytest.mark.parametrize(
    ("glob", "given"),
    [
        ("clf.h5", {"inputs": {"tokens": {}, "1": {}}, "outputs": {"y": {}}}),
        ("*.h5", {"inputs": {"tokens": {}, "x": {}}}),  # one of them has it
        ("*.h5", {"xfail": True, "reason": "old"}),
    ],
)
def test_what_is_heeded_is_not(tmp_path: Path, glob: str, given: dict[str, Any]) -> None:
    assert told(tmp_path, glob, given) == []


@pytest.mark.parametrize("known", [{}, {"clf.h5": ["tokens"]}, {"clf.h5": ["tokens"], "old.h5": []}])
def test_artifacts_that_tell_nothing_might_have_it(tmp_path: Path, known: dict[str, list[str]]) -> None:
    assert told(tmp_path, "*.h5", {"inputs": {"words": {}}}, known) == []


def test_trust_in_what_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "clf.h5").write_bytes(b"")
    collected = Collected()
    collected.artifacts["clf.h5"] = {"sha256": "a" * 64}
    trust = ("A" * 64, "b" * 64, str(tmp_path / "clf.h5"), str(tmp_path / "2174fbf2"))
    settings = Settings((tmp_path,), (), tmp_path, trust=trust)
    assert unheeded.lines(settings, collected, lambda path: path.name) == [
        f"--keras-trust={'b' * 64}: no artifact of this run has this digest",
        "--keras-trust=2174fbf2: there is no such path, and a digest has 64 digits",
    ]
