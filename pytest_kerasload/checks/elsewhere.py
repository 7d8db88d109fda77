"""Environments of the run that read what another one of them does not: a remedy that was tried anyway."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pytest_kerasload.environments.versions import Versions
from pytest_kerasload.findings import CheckResult, Remedy


@dataclass(frozen=True)
class Neighbour:
    """What another environment of the run answered for the same artifact."""

    id: str
    versions: Versions
    load: CheckResult
    predictions: CheckResult

    @property
    def remedy(self) -> Remedy | None:
        """The advice to use it; None where it does no better."""
        if self.load.outcome != "passed":
            return None
        action = f"use {self.id}: TensorFlow {self.versions.tensorflow}, {self.versions.label}"
        if self.predictions.outcome == "passed":
            largest = self.predictions.measured.max_abs_error
            told = f", max |d| {largest:.1e}" if largest is not None else ""
            return Remedy(action, verified=True, detail=f"loads there, and outputs match{told}")
        missing = any(finding.cause == "expected-missing" for finding in self.predictions.findings)
        if missing or self.predictions.outcome == "skipped":
            return Remedy(action, detail="loads there; there are no expected outputs to compare with")
        return None


def advised(result: CheckResult, neighbours: Iterable[Neighbour]) -> CheckResult:
    """A failed result whose first finding names the environments that do read the artifact.

    Behind the ways that work where it failed, in front of what was not tried.
    """
    found = [one.remedy for one in neighbours]
    advice = [remedy for remedy in found if remedy is not None]
    failing = next((finding for finding in result.findings if finding.fails), None)
    if not advice or failing is None or failing.cause == "expected-missing":
        return result
    order = {True: 0, None: 1, False: 2}
    remedies = sorted([*failing.remedies, *advice], key=lambda remedy: order[remedy.verified])
    told = replace(failing, remedies=tuple(remedies))
    return replace(result, findings=tuple(told if one is failing else one for one in result.findings))
