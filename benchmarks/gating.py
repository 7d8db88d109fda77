"""One run of the gate in a process of its own, and its JSON report."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

Report = dict[str, Any]


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of a TensorFlow process of a benchmark: no GPU, few words, and those given."""
    found = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONDONTWRITEBYTECODE": "1"}
    found.pop("CI", None)  # recording is refused there
    return {**found, **(more or {})}


def run(
    python: str, models: Path, arguments: Sequence[str], told: Path, more: Mapping[str, str] | None = None
) -> Report:
    """The JSON report of one run of the gate over a folder of artifacts; written to ``told`` too."""
    told.unlink(missing_ok=True)
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=no", "-k", "predictions"]
    command += [f"--keras-models={models}", f"--keras-json={told}", *arguments]
    began = time.monotonic()
    done = subprocess.run(command, cwd=models.parent, env=environment(more), capture_output=True, text=True)
    if not told.exists():
        raise SystemExit(f"the gate wrote no report: {' '.join(command)}\n{(done.stdout + done.stderr)[-4000:]}")
    report: Report = json.loads(told.read_text(encoding="utf-8"))
    report["seconds"] = time.monotonic() - began
    return report


def predictions(report: Report) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Name of the artifact, environment and check, for every ``predictions`` in a report."""
    for artifact in report["artifacts"]:
        for check in artifact["checks"]:
            if check["check"] == "predictions":
                yield Path(artifact["path"]).name, check["environment"], check


def failing(check: Mapping[str, Any]) -> list[str]:
    """The causes for which a check failed."""
    return [finding["cause"] for finding in check["findings"] if finding.get("fails", True)]


def said(check: Mapping[str, Any]) -> str:
    """The first message of a check that did not pass."""
    found = [finding["message"] for finding in check["findings"] if finding.get("fails", True)]
    return (
        (found or [check.get("reason") or ""])[0].strip().splitlines()[-1][:200] if found or check.get("reason") else ""
    )
