"""What is advised where outputs differ: it depends on what changed since they were recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_lifecycle import DIGEST, KERAS3, OTHER, Told, shifted, store

from pytest_kerasload.artifacts.record import Artifact, ConfigObject
from pytest_kerasload.checks import predictions
from pytest_kerasload.checks.verdict import Context
from pytest_kerasload.findings import Finding
from pytest_kerasload.settings import Settings

HERE = {"tensorflow": KERAS3.tensorflow, "keras": KERAS3.keras}
LAYER = ConfigObject("acme>Scale", "layer", "scale", "model", "acme>Scale", custom=True)
FUNCTION = ConfigObject("acme>swish", "activation", "dense/activation", "model", "function", custom=True)
UNNEEDED = (
    ConfigObject("acme>Init", "initializer", "dense/kernel_initializer", "model", "acme>Init", custom=True),
    ConfigObject("acme>loss", "loss", "compile/loss", "training", "function", custom=True),
)


def differing(directory: Path, *objects: ConfigObject, digest: str = DIGEST, **provenance: Any) -> Finding:
    """The finding for a model that predicts something else than was recorded."""
    path = directory / "artifacts" / "clf.h5"
    path.parent.mkdir()
    path.touch()
    store(directory, **provenance)
    artifact = Artifact(path, "h5", sha256=digest, objects=objects)
    session = Told(artifact, None, KERAS3, None, directory, model=shifted)  # type: ignore[arg-type]
    (found,) = predictions.check(Context(session, Settings((path.parent,), (), directory))).findings  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize("source", ["file", "live model"])
def test_custom_objects_are_named_where_nothing_else_changed(tmp_path: Path, source: str) -> None:
    found = differing(tmp_path, LAYER, FUNCTION, *UNNEEDED, source=source, **HERE)
    assert "custom objects (acme>Scale, acme>swish)" in found.detail
    assert "get_config()" in found.remedies[0].action
    assert not any("the release that recorded" in remedy.action for remedy in found.remedies)
    assert not any(one.name in found.detail for one in UNNEEDED)


def test_without_custom_objects_what_the_live_model_had_is_asked_for(tmp_path: Path) -> None:
    found = differing(tmp_path, *UNNEEDED, source="live model", **HERE)
    assert "custom objects" not in found.detail
    assert "the live model" in found.remedies[0].action


def test_another_release_is_asked_first(tmp_path: Path) -> None:
    found = differing(tmp_path, LAYER, source="live model")
    assert "the release that recorded" in found.remedies[0].action
    assert "custom objects (acme>Scale)" in found.detail


def test_another_file_is_another_matter(tmp_path: Path) -> None:
    found = differing(tmp_path, LAYER, digest=OTHER, source="live model", **HERE)
    assert found.cause == "expected-stale-digest"
    assert "get_config()" not in found.remedies[0].action
