"""Is the artifact what its name says, whole and readable? Asked of the file alone."""

from __future__ import annotations

from pytest_kerasload.artifacts.record import Artifact
from pytest_kerasload.findings import Finding


def check(artifact: Artifact) -> tuple[Finding, ...]:
    """Everything that was found wrong with the artifact while it was read, what fails the check first."""
    return tuple(sorted(artifact.problems, key=lambda finding: not finding.fails))
