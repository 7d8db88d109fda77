"""What the tests share: the gate run once over the zoo's committed artifacts, in the TensorFlow at hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_kerasload.environments.spec import EnvironmentSpec
from pytest_kerasload.environments.versions import Versions, probe

ZOO = Path(__file__).parent / "tests" / "zoo"

Report = dict[str, Any]


@pytest.fixture(autouse=True)
def outside_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests say themselves whether CI is set: where it is, recording is refused, and pytest shortens less."""
    for name in ("CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def versions() -> Versions:
    """The TensorFlow beside the tests; tests that need one are skipped where there is none."""
    found = probe(EnvironmentSpec("current", sys.executable))
    if found.problem:
        pytest.skip(f"needs TensorFlow: {found.problem}")
    return found


@pytest.fixture(scope="session")
def gate(versions: Versions, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Report]:
    """Runs pytest on artifacts in a process of its own; gives its JSON report, with exit status and output."""

    def run(*arguments: str | Path) -> Report:
        directory = tmp_path_factory.mktemp("gate")
        told = directory / "report.json"
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", f"--keras-json={told}"]
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "2"}
        environment.pop("CI", None)  # session-scoped, so `outside_ci` may not have been there yet
        done = subprocess.run(
            [*command, *map(str, arguments)], cwd=directory, env=environment, capture_output=True, text=True
        )
        report: Report = json.loads(told.read_text(encoding="utf-8")) if told.exists() else {}
        return {**report, "exit": done.returncode, "output": done.stdout + done.stderr}

    return run


@pytest.fixture(scope="session")
def zoo(gate: Callable[..., Report]) -> Report:
    """The report over every committed artifact of the zoo, with its custom objects given and its lambdas trusted."""
    artifacts = ZOO / "artifacts"
    return gate(
        f"--keras-models={artifacts}", f"--keras-custom-objects={ZOO / 'acme.py'}", f"--keras-trust={artifacts}"
    )


def checks_of(report: Report, name: str) -> dict[str, dict[str, Any]]:
    """The checks of the artifact whose path ends in ``name``, by check (round trips as ``roundtrip[h5]``)."""
    for artifact in report["artifacts"]:
        if artifact["path"].endswith("/" + name):
            return {
                check["check"] + (f"[{check['variant']}]" if check["variant"] else ""): check
                for check in artifact["checks"]
            }
    raise AssertionError(f"no artifact {name} in the report:\n{report.get('output', '')[-3000:]}")


def causes_of(check: dict[str, Any]) -> list[str]:
    """The causes of the findings that made a check fail."""
    return [finding["cause"] for finding in check["findings"] if finding.get("fails", True)]
