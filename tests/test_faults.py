"""Faults injected into a run: disks that are full, a run that is killed. Nothing is lost, and no verdict is wrong."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_worker_limits import h5_model

from conftest import causes_of, checks_of
from pytest_kerasload import expected

_MOUNTS = ["unshare", "--mount", "--propagation", "private"]


def _can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*_MOUNTS, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode == 0


full = pytest.mark.skipif(not _can_mount(), reason="needs the right to mount a small disk")


@pytest.fixture
def small(tmp_path: Path) -> Callable[[Path, str], dict[str, str]]:
    """Variables that have the gate's interpreter run with a small disk at a path."""

    def made(path: Path, size: int, filled: int = 0) -> dict[str, str]:
        path.mkdir(exist_ok=True)
        script = tmp_path / "sitecustomize.py"
        # In the pytest process alone: its children see the same disk.
        script.write_text(
            "import ctypes, os\n"
            "if os.environ.pop('KERASLOAD_SMALL', None):\n"
            "    libc = ctypes.CDLL(None)\n"
            "    libc.unshare(0x20000)\n"
            "    libc.mount(None, b'/', None, 0x44000, None)\n"
            f"    libc.mount(b'none', {str(path).encode()!r}, b'tmpfs', 0, b'size={size}')\n"
            f"    with open({str(path / 'filler')!r}, 'wb') as stream:\n"
            f"        stream.write(bytes({filled}))\n"
        )
        return {"KERASLOAD_SMALL": "1", "PYTHONPATH": str(tmp_path)}

    return made


@full
def test_a_full_disk_while_recording_leaves_the_old_file(
    gate: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: Any
) -> None:
    artifacts, stored = tmp_path / "artifacts", tmp_path / "stored"
    artifacts.mkdir()
    h5_model(artifacts / "one.h5")
    for name, value in small(stored, 8192, 8192).items():
        monkeypatch.setenv(name, value)
    report = gate(f"--keras-models={artifacts}", f"--keras-expected={stored}", "--keras-record")
    checks = checks_of(report, "one.h5")
    assert checks["load"]["outcome"] == "passed", report["output"][-3000:]
    assert checks["predictions"]["outcome"] == "failed", report["output"][-3000:]
    assert causes_of(checks["predictions"]) == ["expected-not-written"]
    assert "No space left on device" in checks["predictions"]["findings"][0]["message"]
    assert not list(artifacts.glob("*.tmp"))


@full
def test_a_full_disk_for_temporary_files_is_told(
    gate: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: Any
) -> None:
    artifacts, temporary = tmp_path / "artifacts", tmp_path / "temporary"
    artifacts.mkdir()
    h5_model(artifacts / "one.h5", units=20_000)
    for name, value in {**small(temporary, 200_000), "TMPDIR": str(temporary)}.items():
        monkeypatch.setenv(name, value)
    report = gate(f"--keras-models={artifacts}", "-k", "load or roundtrip")
    checks = checks_of(report, "one.h5")
    assert report["summary"]["error"] == 0, report["output"][-3000:]
    assert {cause for check in checks.values() for cause in causes_of(check)} == {"disk-full"}, report["output"][-3000:]


def test_a_run_that_is_killed_while_it_records_leaves_old_or_new(gate: Callable[..., Any], tmp_path: Path) -> None:
    artifacts = tmp_path / "artifacts"
    artifacts.mkdir()
    for number in range(4):
        h5_model(artifacts / f"{number}.h5")
    options = (f"--keras-models={artifacts}", "--keras-record=all", "-k", "predictions", "--keras-jobs=1")
    assert gate(*options)["exit"] == 0
    old = {path: path.read_bytes() for path in artifacts.glob("*.expected.npz")}
    assert len(old) == 4
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", *options]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop("CI", None)
    environment["TMPDIR"] = str(tmp_path / "temporary")
    (tmp_path / "temporary").mkdir()
    for wanted in (0, 2):
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        answered = 0
        while answered <= wanted and (line := process.stdout.readline()):
            answered += "::predictions" in line
        time.sleep(random.random() / 10)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        for path in artifacts.glob("*.expected.npz"):
            known = expected.read(path)
            assert list(known.outputs)
        assert {path.name for path in artifacts.glob("*.h5")} == {f"{number}.h5" for number in range(4)}
    again = gate(f"--keras-models={artifacts}", "-k", "predictions")
    assert again["summary"] == {"passed": 4, "failed": 0, "skipped": 0, "error": 0}, again["output"][-3000:]
    gone = time.monotonic() + 15
    while time.monotonic() < gone and list((tmp_path / "temporary").iterdir()):
        time.sleep(0.1)
    assert not list((tmp_path / "temporary").iterdir())
