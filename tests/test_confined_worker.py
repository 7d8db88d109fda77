"""A model that wants more than to be loaded: its process cannot, what it tried is told, and nothing is left of it."""

from __future__ import annotations

import base64
import json
import marshal
import os
import shutil
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from test_worker_limits import h5_model

from conftest import causes_of, checks_of
from pytest_kerasload.artifacts import reading, stamp
from pytest_kerasload.gate import Gate, Task
from pytest_kerasload.settings import Settings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the confinement of Linux")

OBJECTS = """
    import json
    import os
    import socket
    import subprocess
    import sys
    import tempfile
    import time

    import tensorflow as tf

    HERE = os.path.dirname(os.path.abspath(__file__))


    def refused(action):
        try:
            action()
        except OSError as error:
            return error.errno
        return 0


    class Look(tf.keras.layers.Layer):
        def __init__(self, **config):
            super().__init__(**config)
            found = {
                "secret": os.environ.get("ACME_SECRET"),
                "passed": os.environ.get("ACME_PASSED"),
                "home": os.path.expanduser("~"),
                "temporary": tempfile.gettempdir(),
                "write": refused(lambda: open(os.path.join(HERE, "written"), "w")),
                "native": "",
                "socket": refused(socket.socket),
                "parent": refused(lambda: open("/proc/%d/environ" % PARENT)),
            }
            try:
                tf.io.write_file(os.path.join(HERE, "written"), "x")
            except tf.errors.OpError as error:
                found["native"] = type(error).__name__
            raise ValueError("LOOK " + json.dumps(found) + " KOOL")


    PARENT = {parent}


    class Leave(tf.keras.layers.Layer):
        def __init__(self, **config):
            super().__init__(**config)
            if not os.fork():
                os.setsid()
                os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(300)", "{mark}"])
            with open(os.path.join(tempfile.gettempdir(), "left"), "w") as stream:
                stream.write("x")

        def call(self, inputs):
            return inputs


    class Flood(tf.keras.layers.Layer):
        def __init__(self, **config):
            super().__init__(**config)
            for _ in range(100):
                subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)", "{mark}"])
            time.sleep(30)


    class Babble(tf.keras.layers.Layer):
        def call(self, inputs):
            for name in os.listdir("/proc/self/fd"):
                try:
                    if os.readlink("/proc/self/fd/" + name).startswith("pipe:"):
                        os.write(int(name), bytes(range(256)) * 64)
                except OSError:
                    pass
            time.sleep(30)


    class Marked(tf.keras.layers.Layer):
        def __init__(self, **config):
            super().__init__(**config)
            if hasattr(tf, "marked"):
                raise ValueError("what another artifact left")

        def call(self, inputs):
            return inputs


    class Number(tf.keras.layers.Layer):
        def __init__(self, number=0, **config):
            super().__init__(**config)
            self.number = number

        def call(self, inputs):
            return inputs

        def get_config(self):
            return dict(super().get_config(), number=self.number)


    class Fill(tf.keras.layers.Layer):
        def __init__(self, **config):
            super().__init__(**config)
            with open(os.path.join(tempfile.gettempdir(), "large"), "wb") as stream:
                stream.truncate(1 << 40)
"""
NAMES = ("Look", "Leave", "Flood", "Babble", "Fill")
MARK = f"kerasload-left-{os.getpid()}"


@pytest.fixture(scope="module")
def report(gate: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report over an artifact of each kind, each followed by a good one; with the directory they lie in."""
    directory = tmp_path_factory.mktemp("confined")
    objects = textwrap.dedent(OBJECTS).replace("{parent}", str(os.getpid())).replace("{mark}", MARK)
    (directory / "objects.py").write_text(objects)
    artifacts = directory / "artifacts"
    artifacts.mkdir()
    for name in NAMES:
        h5_model(artifacts / f"{name.lower()}.h5", (name, {}))
        h5_model(artifacts / f"{name.lower()}_after.h5")
    code = base64.b64encode(marshal.dumps((lambda x: [setattr(__import__("tensorflow"), "marked", 1), x][1]).__code__))
    function = {"class_name": "__lambda__", "config": {"code": code.decode(), "defaults": None, "closure": None}}
    h5_model(artifacts / "poison.h5", ("Lambda", {"function": function, "output_shape": [3]}))
    h5_model(artifacts / "poison_after.h5", ("Marked", {}))
    h5_model(artifacts / "number.h5", ("Number", {"number": -(2**70)}))
    (directory / "temporary").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(directory / "temporary"))
        patch.setenv("ACME_SECRET", "hidden")
        patch.setenv("ACME_PASSED", "seen")
        found = gate(
            f"--keras-models={artifacts}",
            f"--keras-custom-objects={directory / 'objects.py'}",
            "--keras-pass-env=ACME_PASSED",
            f"--keras-trust={artifacts / 'poison.h5'}",
            "--keras-jobs=1",
            "-k",
            "load or roundtrip or (custom and number)",
        )
    return {**found, "directory": directory}


def test_it_sees_and_reaches_nothing(report: dict[str, Any]) -> None:
    assert checks_of(report, "look.h5")["load"]["outcome"] == "failed"
    print(report["output"])
    found = json.loads(report["output"].partition("LOOK ")[2].partition(" KOOL")[0])
    assert (found["secret"], found["passed"]) == (None, "seen")
    assert found["home"] != os.path.expanduser("~")
    assert Path(found["home"]).parent == Path(found["temporary"]).parent
    assert all(found[refused] for refused in ("write", "socket", "parent"))
    assert found["native"] == "PermissionDeniedError"
    assert not (report["directory"] / "written").exists()


def test_what_the_users_own_code_does_is_a_note(report: dict[str, Any]) -> None:
    load = checks_of(report, "leave.h5")["load"]
    assert load["outcome"] == "passed", report["output"][-3000:]
    assert [(one["cause"], one["fails"]) for one in load["findings"]] == [("loading-starts-processes", False)]
    assert "objects.py, which is no part of it, starts a copy" in load["findings"][0]["message"]


@pytest.mark.parametrize(
    ("name", "cause"),
    [("flood", "worker-processes"), ("babble", "worker-reply-refused"), ("fill", "file-too-large")],
)
def test_what_goes_too_far_is_told(report: dict[str, Any], name: str, cause: str) -> None:
    assert causes_of(checks_of(report, f"{name}.h5")["load"]) == [cause], report["output"][-3000:]


@pytest.mark.parametrize("name", NAMES)
def test_the_next_artifact_is_checked_as_if_nothing_was(report: dict[str, Any], name: str) -> None:
    checks = checks_of(report, f"{name.lower()}_after.h5")
    assert {check["outcome"] for check in checks.values()} == {"passed"}, report["output"][-3000:]
    assert not [finding for check in checks.values() for finding in check["findings"]]


def test_what_code_of_an_artifact_changed_is_gone(report: dict[str, Any]) -> None:
    assert checks_of(report, "poison.h5")["load"]["outcome"] == "passed", report["output"][-3000:]
    assert checks_of(report, "poison_after.h5")["load"]["outcome"] == "passed", report["output"][-3000:]


def test_numbers_of_any_size_reach_it(report: dict[str, Any]) -> None:
    checks = checks_of(report, "number.h5")
    assert checks["custom-objects"]["outcome"] == "passed", report["output"][-3000:]


def test_nothing_is_left(report: dict[str, Any]) -> None:
    assert not [p for p in psutil.process_iter(["cmdline"]) if MARK in (p.info["cmdline"] or [])]
    assert not list((report["directory"] / "temporary").iterdir())


# ---- an artifact that is not what was read any more


def judged(tmp_path: Path, change: Callable[[Path], object]) -> list[str]:
    """The causes that the safety check has after a change behind the back of the gate."""
    path = tmp_path / "model.h5"
    h5_model(path)
    gate = Gate(Settings(models=(tmp_path,), environments=(), invocation_dir=tmp_path))
    try:
        gate.artifact(path)
        change(path)
        return [finding.cause for finding in gate.static(Task(path, "safety")).findings]
    finally:
        gate.close()


def test_another_file_in_its_place_is_seen(tmp_path: Path) -> None:
    def replaced(path: Path) -> None:
        h5_model(path.with_name("new.h5"), ("Other", {}))
        os.replace(path.with_name("new.h5"), path)

    assert judged(tmp_path, replaced) == ["file-changed"]


def test_other_content_of_the_same_size_and_time_is_seen(tmp_path: Path) -> None:
    def rewritten(path: Path) -> None:
        told = path.stat()
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(bytes(data))
        os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))

    assert judged(tmp_path, rewritten) == ["file-changed"]


def test_a_file_that_is_gone_is_seen(tmp_path: Path) -> None:
    assert judged(tmp_path, lambda path: path.unlink()) == ["file-changed"]


def test_what_came_and_went_during_a_check_counts(tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    h5_model(path)
    task = Task(path, "safety")
    gate = Gate(Settings(models=(tmp_path,), environments=(), invocation_dir=tmp_path))
    try:
        gate.artifact(path)
        since = stamp.of(path)
        path.rename(path.with_name("aside.h5"))
        h5_model(path, ("Other", {}))
        path.with_name("aside.h5").replace(path)
        found = gate.changed(task, since)
        assert found is not None
        assert [finding.cause for finding in found.findings] == ["file-changed"]
        assert gate.changed(task, stamp.of(path)) is None
    finally:
        gate.close()


def test_what_is_written_while_it_is_read_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.h5"
    h5_model(path)
    whole = path.read_bytes()
    left = [whole, whole[:5000]]
    real = reading.content_of

    def written(path: Path) -> Any:
        found = real(path)
        if left:
            path.write_bytes(left.pop())
        return found

    monkeypatch.setattr(reading, "content_of", written)
    found = reading.read(path)
    assert found.readable
    assert found.sha256 == reading.sha256(path)
    assert found.stamp == stamp.of(path)


def test_what_is_written_to_all_the_time_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.h5"
    h5_model(path)
    real = reading.content_of
    monkeypatch.setattr(
        reading, "content_of", lambda path: (path.touch(), os.utime(path, (1, next(times)))) and real(path)
    )
    times = iter(range(9))
    found = reading.read(path)
    assert [problem.cause for problem in found.problems] == ["file-changed"]
    assert not found.readable


def test_the_same_content_is_the_same_artifact(tmp_path: Path) -> None:
    def copied(path: Path) -> None:
        shutil.copy(path, path.with_name("copy"))
        os.replace(path.with_name("copy"), path)

    assert judged(tmp_path, copied) == []
    assert judged(tmp_path, lambda path: path.chmod(0o600)) == []
