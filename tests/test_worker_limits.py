"""A process that dies, hangs or fills the memory fails its item, and the next item goes on in a fresh one."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import psutil
import pytest

from conftest import causes_of, checks_of

OBJECTS = """
    import os
    import signal
    import time

    import tensorflow as tf


    class Crash(tf.keras.layers.Layer):
        def call(self, inputs):
            os.kill(os.getpid(), signal.SIGSEGV)


    class Hang(tf.keras.layers.Layer):
        def call(self, inputs):
            time.sleep(1000)


    class Grow(tf.keras.layers.Layer):
        def call(self, inputs):
            self.kept = [bytearray(b"x" * (64 << 20)) for _ in range(1000)]


    class Exit(tf.keras.layers.Layer):
        def call(self, inputs):
            os._exit(7)
"""


def h5_model(path: Path, *layers: tuple[str, dict[str, Any]], units: int = 2) -> None:
    """A legacy h5 file of a Sequential of one Dense layer with weights, after layers without any."""
    dense = {"name": "out", "units": units, "activation": "linear", "use_bias": True, "dtype": "float32"}
    first = {"batch_input_shape": [None, 3], "dtype": "float32", "name": "x"}
    config = {
        "name": "model",
        "layers": [
            {"class_name": "InputLayer", "config": first},
            *(
                {"class_name": name, "config": {"name": name.lower(), "dtype": "float32", **more}}
                for name, more in layers
            ),
            {"class_name": "Dense", "config": dense},
        ],
    }
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": config}).encode()
        file.attrs["keras_version"] = b"2.10.0"
        file.attrs["backend"] = b"tensorflow"
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [*(name.lower().encode() for name, _ in layers), b"out"]
        for name, _ in layers:
            group.create_group(name.lower()).attrs["weight_names"] = np.array([], dtype="S1")
        out = group.create_group("out")
        out.attrs["weight_names"] = [b"out/kernel:0", b"out/bias:0"]
        out["out/kernel:0"] = np.arange(3 * units, dtype=np.float32).reshape(3, units) / 7
        out["out/bias:0"] = np.resize(np.array([0.5, -0.5], np.float32), units)


@pytest.fixture(scope="module")
def hostile(gate: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report over four artifacts that take their process down, each followed by a good one."""
    directory = tmp_path_factory.mktemp("hostile")
    (directory / "objects.py").write_text(textwrap.dedent(OBJECTS))
    artifacts = directory / "artifacts"
    artifacts.mkdir()
    for name in ("Crash", "Exit", "Grow", "Hang"):
        h5_model(artifacts / f"{name.lower()}.h5", (name, {}))
        h5_model(artifacts / f"{name.lower()}_after.h5")
    return gate(
        f"--keras-models={artifacts}",
        f"--keras-custom-objects={directory / 'objects.py'}",
        "--keras-timeout=20",
        "--keras-memory=2G",
        "--keras-jobs=1",
        "-k",
        "load or custom or roundtrip",
    )


@pytest.mark.parametrize(
    ("name", "cause", "said"),
    [
        ("crash", "worker-crashed", "SIGSEGV"),
        ("exit", "worker-crashed", "exit status 7"),
        ("grow", "worker-memory", "limit of 2,147,483,648"),
        ("hang", "worker-timeout", "after 20 s"),
    ],
)
def test_a_process_that_ends_fails_its_item_with_what_happened(
    hostile: dict[str, Any], name: str, cause: str, said: str
) -> None:
    checks = checks_of(hostile, f"{name}.h5")
    assert causes_of(checks["load"]) == [cause], hostile["output"][-3000:]
    assert said in checks["load"]["findings"][0]["message"]
    assert checks["load"]["findings"][0]["family"] == "resource"
    assert checks["roundtrip[h5]"]["outcome"] == "skipped"


@pytest.mark.parametrize("name", ["crash", "exit", "grow", "hang"])
def test_the_next_artifact_is_checked_in_a_fresh_process(hostile: dict[str, Any], name: str) -> None:
    checks = checks_of(hostile, f"{name}_after.h5")
    assert {check["outcome"] for check in checks.values()} == {"passed"}, hostile["output"][-3000:]


def test_no_process_and_no_directory_is_left(hostile: dict[str, Any]) -> None:
    ours = [p for p in psutil.process_iter(["cmdline"]) if "kerasload_worker" in " ".join(p.info["cmdline"] or [])]
    assert not ours
    assert hostile["exit"] == 1


def test_objects_that_cannot_be_imported_fail_whatever_was_selected(gate: Callable[..., Any], tmp_path: Path) -> None:
    h5_model(tmp_path / "one.h5")
    report = gate(f"--keras-models={tmp_path}", "--keras-custom-objects=no_such_module", "-k", "load")
    assert report["exit"] == 1
    assert causes_of(checks_of(report, "one.h5")["load"]) == ["custom-objects-not-importable"]
