"""Handover: saved in one environment, loaded and asked in another one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import builders
import pytest

from conftest import causes_of
from pytest_kerasload.environments.versions import Versions

OBJECTS = """
    import os

    import tensorflow as tf

    OTHER = os.environ.get("KERASLOAD_TEST") == "other"


    class Shift(tf.keras.layers.Layer):
        def call(self, x):
            return x + 0.5 if OTHER else x


    class Picky(tf.keras.layers.Layer):
        @classmethod
        def from_config(cls, config):
            if OTHER:
                raise ValueError("not in this house")
            return cls(**config)

        def call(self, x):
            return x
"""

SCRIPT = """
    import sys

    import own
    import tensorflow as tf

    keras = tf.keras
    keras.utils.set_random_seed(3)
    for name, layer in (("plain", keras.layers.ReLU()), ("shift", own.Shift()), ("picky", own.Picky())):
        x = keras.Input((3,), name="x")
        keras.Model(x, keras.layers.Dense(2)(layer(keras.layers.Dense(4)(x)))).save(sys.argv[1] + "/" + name + ".h5")
"""


@pytest.fixture(scope="module")
def house(versions: Versions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Artifacts, their custom objects, and an interpreter in which two of those are something else."""
    directory = tmp_path_factory.mktemp("house")
    (directory / "own.py").write_text(textwrap.dedent(OBJECTS))
    (directory / "train.py").write_text(textwrap.dedent(SCRIPT))
    (directory / "artifacts").mkdir()
    other = directory / "other"
    other.write_text(f'#!/bin/sh\nKERASLOAD_TEST=other exec {sys.executable} "$@"\n')
    other.chmod(0o755)
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, str(directory / "train.py"), str(directory / "artifacts")]
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return directory


@pytest.fixture(scope="module")
def report(house: Path, gate: Callable[..., Any]) -> Any:
    """The report over them in both environments, with every format that an artifact may be saved in."""
    return gate(
        f"--keras-models={house / 'artifacts'}",
        f"--keras-custom-objects={house / 'own.py'}",
        "--keras-env=a=current",
        f"--keras-env=b={house / 'other'}",
        "--keras-handover",
        "--keras-roundtrip=h5,savedmodel",
        "-k",
        "load or handover",
    )


def handovers(report: Any, name: str) -> dict[str, Any]:
    """The handovers of an artifact by their pair."""
    (artifact,) = (one for one in report["artifacts"] if Path(one["path"]).name == name)
    return {check["environment"]: check for check in artifact["checks"] if check["check"] == "handover"}


def test_a_plain_model_is_taken_over(report: Any) -> None:
    found = handovers(report, "plain.h5")
    assert list(found) == ["a->b", "b->a"]
    assert {check["outcome"] for check in found.values()} == {"passed"}, report["output"][-3000:]
    assert all(check["variant"] is None for check in found.values())
    assert all(check["measured"]["examples"] >= 4 for check in found.values())  # of both formats
    assert all(check["measured"]["max_abs_error"] is not None for check in found.values())


def test_what_computes_something_else_there_is_told(report: Any, versions: Versions) -> None:
    for pair, check in handovers(report, "shift.h5").items():
        assert check["outcome"] == "failed", pair
        assert "predictions-differ" in causes_of(check)
        message = check["findings"][0]["message"]
        assert message.startswith(f"saved as h5 by {versions.label} ({pair[0]}): shift.h5 loads on ")
        assert "predicts something else" in message
        assert "--keras-record" not in json.dumps(check)  # nothing of the user's was recorded
        assert "kerasload-" not in json.dumps(check)  # where copies lie for the time of the run


def test_the_format_that_goes_over_is_a_remedy(report: Any, versions: Versions) -> None:
    """A SavedModel holds the code of the layer as a graph where Keras 3 writes it: it does not ask for the class."""
    if not versions.keras3:
        pytest.skip("Keras 2 brings the class back from a SavedModel too")
    check = handovers(report, "picky.h5")["a->b"]
    assert len([finding for finding in check["findings"] if finding.get("fails", True)]) == 1
    first = check["findings"][0]["remedies"][0]
    assert (first["action"], first["verified"]) == ("save it as savedmodel there", True)


def test_it_is_told_what_is_expected_of_it(report: Any) -> None:
    assert "expected is what the environment that saved it predicts, with TensorFlow" in report["output"]
    assert "recorded from the file" not in report["output"]


def test_what_does_not_load_there_is_told(report: Any) -> None:
    found = handovers(report, "picky.h5")
    assert found["a->b"]["outcome"] == "failed"
    assert "picky.h5 does not load on" in found["a->b"]["findings"][0]["message"]
    assert found["b->a"]["outcome"] == "skipped"
    assert "load[b] failed" in report["output"] or "SKIPPED" not in report["output"]


def test_alone_it_fails_with_what_keeps_it_from_being_saved(house: Path, gate: Callable[..., Any]) -> None:
    """A run that selects only what cannot be answered must not be green."""
    alone = gate(
        f"--keras-models={house / 'artifacts' / 'picky.h5'}",
        f"--keras-custom-objects={house / 'own.py'}",
        "--keras-env=a=current",
        f"--keras-env=b={house / 'other'}",
        "--keras-handover",
        "-k",
        "handover",
    )
    assert {pair: check["outcome"] for pair, check in handovers(alone, "picky.h5").items()} == {
        "a->b": "failed",
        "b->a": "failed",
    }
    assert alone["exit"] == pytest.ExitCode.TESTS_FAILED


# ---- without TensorFlow


def test_items_of_a_handover(pytester: pytest.Pytester) -> None:
    builders.h5(pytester.path / "clf.h5")
    for name in ("a", "b", "c"):
        builders.interpreter(pytester.path / name)
    options = ["--keras-models=clf.h5", *(f"--keras-env={name}=./{name}" for name in "abc"), "--keras-handover"]
    result = pytester.runpytest_inprocess(*options, "--collect-only", "-q", "-m", "keras_handover")
    assert builders.ids(result.outlines) == [
        f"clf.h5::handover[{pair}]" for pair in ("a->b", "a->c", "b->a", "b->c", "c->a", "c->b")
    ]
    one = pytester.runpytest_inprocess(*options, "--collect-only", "-q", "clf.h5::handover[b->a]")
    assert builders.ids(one.outlines) == ["clf.h5::handover[b->a]"]


def test_only_the_environments_of_an_artifact(pytester: pytest.Pytester) -> None:
    builders.h5(pytester.path / "models" / "clf.h5")
    (pytester.path / "models" / "kerasload.toml").write_text('["clf.h5"]\nenvironments = ["a", "c"]\n')
    for name in ("a", "b", "c"):
        builders.interpreter(pytester.path / name)
    options = ["--keras-models=models", *(f"--keras-env={name}=./{name}" for name in "abc"), "--keras-handover"]
    result = pytester.runpytest_inprocess(*options, "--collect-only", "-q", "-k", "handover")
    assert builders.ids(result.outlines) == ["models/clf.h5::handover[a->c]", "models/clf.h5::handover[c->a]"]


def test_a_handover_takes_two(pytester: pytest.Pytester) -> None:
    builders.h5(pytester.path / "clf.h5")
    result = pytester.runpytest_inprocess("--keras-models=clf.h5", "--keras-handover")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--keras-handover takes at least two environments" in result.stderr.str()


def test_an_environment_without_tensorflow_is_named(pytester: pytest.Pytester) -> None:
    builders.h5(pytester.path / "clf.h5")
    for name in ("a", "b"):
        builders.interpreter(pytester.path / name)
    options = ["--keras-models=clf.h5", "--keras-env=a=./a", "--keras-env=b=./b", "--keras-handover"]
    result = pytester.runpytest_inprocess(*options, "-k", "handover")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*cause     tensorflow-missing (environment)"])
