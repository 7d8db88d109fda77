"""A little of the fuzzing in every run of the tests, so that it keeps working; fuzzing/README.md tells of the rest."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import builders
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzzing import asking, mutations, readers, workers

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="limits and peaks are measured as Linux tells them"),
    pytest.mark.filterwarnings("ignore:Duplicate name"),
]


@pytest.fixture(autouse=True)
def own_temporary_directory(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else's files are there, so that what is left over shows."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("temporary")))


@settings(
    max_examples=150,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
@given(readers.RANDOM, st.sampled_from(mutations.KINDS))
def test_every_artifact_is_answered(rng: Random, kind: mutations.Kind) -> None:
    answer = readers.asked(rng, readers.Run(), kind, 10)
    assert not answer.troubles, answer.troubles


def test_mutated_artifacts_are_of_every_sort() -> None:
    run = readers.Run()
    for seed in range(150):
        readers.asked(Random(seed), run, scale=10)
    found = {outcome.partition(":")[2] for outcome in run.outcomes}
    assert {"passed", "failed", "file-corrupt", "file-config-unreadable", "uninspectable-content"} <= found
    assert not run.troubles, run.told()


def test_the_same_seed_makes_the_same_artifact(tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made = mutations.made(tmp_path / name, Random(7), "savedmodel", 10)
        contents.append([path.read_bytes() for path in sorted(made.rglob("*")) if path.is_file()])
    assert contents[0] == contents[1]


def test_troubles_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception, time, memory, a file and a child that is left."""
    path = builders.h5(tmp_path / "m.h5")

    def careless(artifact: Any) -> Any:
        tempfile.mkstemp()
        kept.append(bytearray(asking.MEMORY + (1 << 24)))
        kept.clear()
        while True:
            pass

    kept: list[bytearray] = []
    monkeypatch.setattr(asking, "SECONDS", 0.2)
    monkeypatch.setattr(asking.file, "check", careless)
    kinds = {trouble.kind for trouble in asking.ask(path).troubles}
    assert kinds == {"never ends", "takes much memory", "leaves a file"}
    monkeypatch.setattr(asking.file, "check", lambda artifact: artifact.nothing_of_the_kind)
    assert [trouble.kind for trouble in asking.ask(path).troubles] == ["raises AttributeError"]


def test_runs_of_real_environments_are_compared() -> None:
    def run(outcome: str, *left: str) -> workers.Gated:
        check = {"check": "load", "variant": None, "outcome": outcome, "findings": []}
        return workers.Gated(0, 1.0, {"good.h5": {"checks": [check]}}, "", left)

    assert workers.troubles(run("passed"), run("passed"), ["good.h5"], 1) == []
    (other,) = workers.troubles(run("passed"), run("failed"), ["good.h5"], 1)
    assert other.startswith("good.h5 is answered otherwise")
    assert len(workers.troubles(run("passed"), run("error", "a file"), ["good.h5"], 2)) == 4
