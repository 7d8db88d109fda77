"""What an item tells with its report: data that survives the way from an xdist worker, and JUnit properties."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_kerasload.findings import CheckResult, Finding
from pytest_kerasload.nodes import ArtifactItem, display
from pytest_kerasload.reports.collected import artifact_json


def complete(item: ArtifactItem, call: pytest.CallInfo[None], report: pytest.TestReport, run: Any) -> None:
    """Add to an item's report what the check found; a skip is shown at the artifact, not at this plugin's code."""
    result = _result(item, call, report)
    if result is None:
        return
    if report.skipped and isinstance(report.longrepr, tuple) and call.when == "call":
        report.longrepr = (str(item.path), 1, f"Skipped: {result.reason}")
    gate = run.gate()
    path = display(item.task.path, item.config)
    if item.result is not None:
        artifact = artifact_json(gate.artifact(item.task.path), path)
    else:
        artifact = {
            "path": path,
            "format": "unknown",
            "sha256": "",
            "bytes": 0,
            "saved_with": {"tensorflow": None, "keras": None},
            "custom_objects": [],
            "inputs": [],
            "outputs": [],
        }
    environments = []
    for environment in run.settings.environments:
        versions = gate.versions(environment)
        environments.append({"id": environment.id, **versions.as_json()})
    report.kerasload = {  # type: ignore[attr-defined]
        "artifact": artifact,
        "check": _check(result, report),
        "environments": environments,
    }
    item.user_properties[:] = properties(result, artifact)  # JUnit takes those of the report at teardown
    report.user_properties = list(item.user_properties)


def _check(result: CheckResult, report: pytest.TestReport) -> dict[str, Any]:
    """A check as told; one that failed as expected says why it was expected, one that was not made what went wrong."""
    told = result.as_json()
    told["findings"] = [_finding(f, j) for f, j in zip(result.findings, told["findings"], strict=True)]
    if _expected(report):
        told["expected_to_fail"] = report.wasxfail
    if result.outcome == "error":
        lines = result.reason.strip().splitlines() or [""]
        told["reason"] = lines[0 if result.mistake else -1]  # of a traceback, what was raised
    return told


def _finding(finding: Finding, told: dict[str, Any]) -> dict[str, Any]:
    """A finding as told; one that does not fail its check says so, and whether that is because of the user's trust."""
    if finding.fails:
        return told
    return {**told, "fails": False, **({"trusted": True} if finding.trusted else {})}


def _expected(report: pytest.TestReport) -> bool:
    """Whether the check failed as it was expected to: as pytest counts it, no failure."""
    return hasattr(report, "wasxfail") and report.skipped


def properties(result: CheckResult, artifact: dict[str, Any]) -> list[tuple[str, str]]:
    """JUnit properties of a check, as text."""
    found = [("kerasload_artifact", artifact["path"]), ("kerasload_check", result.check)]
    if result.environment:
        found.append(("kerasload_environment", result.environment))
    saved = artifact["saved_with"]
    known = ", ".join(f"{name} {saved[name]}" for name in ("tensorflow", "keras") if saved[name])
    if known:
        found.append(("kerasload_saved_with", known))
    for finding in result.findings:
        if finding.fails:
            found += [("kerasload_cause", finding.cause), ("kerasload_family", finding.family)]
    return found


def _result(item: ArtifactItem, call: pytest.CallInfo[None], report: pytest.TestReport) -> CheckResult | None:
    """The result to tell at this phase: the check's own, or that it was skipped before it began."""
    if call.when == "call" and item.result is not None:
        if _expected(report):
            return replace(item.result, outcome="skipped", reason=f"expected to fail: {report.wasxfail}")
        return item.result
    if call.when == "setup" and report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        task = item.task
        return CheckResult(
            check=task.check,
            outcome="skipped",
            environment=task.where,
            variant=task.variant,
            reason=reason.removeprefix("Skipped: "),
        )
    return None
