"""The pool: nobody waits for an answer that does not come any more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import builders
import pytest

from pytest_kerasload.environments import driver
from pytest_kerasload.environments.spec import EnvironmentSpec
from pytest_kerasload.gate import Gate, Task
from pytest_kerasload.settings import Settings


def test_a_thread_that_breaks_down_answers_for_what_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    builders.h5(tmp_path / "one.h5")
    builders.h5(tmp_path / "two.h5")
    environment = EnvironmentSpec("here", str(builders.interpreter(tmp_path / "python")))
    gate = Gate(Settings(models=(tmp_path,), environments=(environment,), invocation_dir=tmp_path, jobs=1))

    def broken(*arguments: Any) -> None:
        raise OSError("the process is gone")

    monkeypatch.setattr(driver.Driver, "leave", broken)
    tasks = [Task(tmp_path / name, "load", environment) for name in ("one.h5", "two.h5")]
    try:
        gate.plan(tasks, ahead=True)
        for task in tasks:
            with pytest.raises(OSError, match="the process is gone"):
                gate.result(task)
    finally:
        gate.close()
