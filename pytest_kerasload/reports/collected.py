"""What the items of a run reported, gathered from pytest's reports, so that it is the same with and without xdist."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import permutations
from pathlib import Path
from typing import Any

from pytest_kerasload.files import replacing

FORMAT = "pytest-kerasload"
VERSION = 1


def artifact_json(artifact: Any, path: str) -> dict[str, Any]:
    """An artifact as the JSON report of the contract holds it, without its checks."""
    return {
        "path": path,
        "format": artifact.format,
        "sha256": artifact.sha256,
        "bytes": artifact.bytes,
        "saved_with": {"tensorflow": artifact.saved_with.tensorflow, "keras": artifact.saved_with.keras},
        "custom_objects": list(artifact.custom_objects),
        "inputs": [spec.as_json() for spec in artifact.inputs],
        "outputs": [spec.as_json() for spec in artifact.outputs],
    }


class Collected:
    """Artifacts and their checks in the order of the run, environments, and the counts of outcomes."""

    def __init__(self) -> None:
        self.artifacts: dict[str, dict[str, Any]] = {}
        self.environments: dict[str, dict[str, Any]] = {}
        self.order: dict[tuple[str, str, str, str], int] = {}

    def add(self, told: Mapping[str, Any]) -> None:
        """Take in what one item told (``artifact``, ``check``, and the environment's versions)."""
        path = told["artifact"]["path"]
        entry = self.artifacts.setdefault(path, {**told["artifact"], "checks": []})
        if told["artifact"].get("sha256") and not entry.get("sha256"):
            entry |= told["artifact"]
        check = told["check"]
        same = ("check", "environment", "variant")
        entry["checks"] = [c for c in entry["checks"] if any(c[key] != check[key] for key in same)] + [check]
        for environment in told["environments"]:
            self.environments[environment["id"]] = dict(environment)

    @property
    def checks(self) -> list[tuple[str, dict[str, Any]]]:
        """Every check with its artifact's path."""
        return [(path, check) for path, entry in self.artifacts.items() for check in entry["checks"]]

    def summary(self) -> dict[str, int]:
        """The number of checks by outcome."""
        return summary(check for _, check in self.checks)

    def as_json(self, order: Mapping[str, int]) -> dict[str, Any]:
        """The report of the contract. ``order`` ranks checks, which xdist reports as they come."""
        ids = list(self.environments)
        pairs = [f"{giver}->{taker}" for giver, taker in permutations(ids, 2)]
        places = {environment: place for place, environment in enumerate([None, *ids, *pairs])}
        artifacts = []
        for path in sorted(self.artifacts):
            entry = dict(self.artifacts[path])
            entry["checks"] = sorted(
                entry["checks"],
                key=lambda c: (
                    places.get(c["environment"], len(places)),
                    order.get(c["check"], 99),
                    c["variant"] or "",
                ),
            )
            artifacts.append(entry)
        return {
            "format": FORMAT,
            "version": VERSION,
            "environments": list(self.environments.values()),
            "artifacts": artifacts,
            "summary": self.summary(),
        }


def summary(checks: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """The number of checks by outcome, as the report of the contract holds it."""
    counts = dict.fromkeys(("passed", "failed", "skipped", "error"), 0)
    for check in checks:
        counts[check["outcome"]] += 1
    return counts


def write_json(path: Path, report: Mapping[str, Any]) -> None:
    """Write a report as a whole."""
    text = json.dumps(_finite(report), indent=1, ensure_ascii=False, allow_nan=False)
    with replacing(path) as stream:
        # The name of a file need not be UTF-8: what is not comes as ``\udce9``, which JSON takes.
        stream.write(f"{text}\n".encode("utf-8", "backslashreplace"))


def _finite(value: Any) -> Any:
    """JSON knows no NaN and no infinity: they become null."""
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value
