"""The matrix of a report: artifacts down, environments across, and which environment takes over what another one saves.

Made from the report as JSON holds it, so that reports that were merged have it too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# The first check of an artifact that fails in an environment, most telling first, is what its cell says.
_WORDS = {
    "file": "FILE",
    "safety": "SAFETY",
    "load": "LOAD",
    "custom-objects": "OBJECTS",
    "version": "VERSION",
    "predictions": "DIFFERS",
    "roundtrip": "ROUNDTRIP",
}
_FAMILIES = {"environment": "NO TF", "expected": "EXPECTED", "resource": "RESOURCE"}
_STATIC = ("file", "safety")


@dataclass(frozen=True)
class Cell:
    """An artifact in an environment: ``passed``, ``failed``, ``error``, ``skipped`` or ``absent`` (not checked there).

    ``word`` says which check fails, ``causes`` why.
    """

    outcome: str
    word: str = ""
    causes: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        return self.outcome in ("failed", "error")


@dataclass(frozen=True)
class Row:
    """An artifact: a cell for each environment, and the handovers that fail, with their causes."""

    artifact: str
    cells: tuple[Cell, ...]
    handovers: Mapping[str, tuple[str, ...]]

    @property
    def failed(self) -> bool:
        return bool(self.handovers) or any(cell.failed for cell in self.cells)

    def causes(self, environments: Sequence[str]) -> dict[str, list[str]]:
        """The environments (and pairs of them) by the cause that they fail with."""
        found: dict[str, list[str]] = {}
        for environment, cell in zip(environments, self.cells, strict=True):
            for cause in cell.causes:
                found.setdefault(cause, []).append(environment)
        for pair, causes in self.handovers.items():
            for cause in causes:
                found.setdefault(cause, []).append(pair)
        return found


@dataclass(frozen=True)
class Matrix:
    """``pairs`` holds for each handover, giver first, how many artifacts were taken over, and of how many."""

    environments: tuple[str, ...]
    rows: tuple[Row, ...]
    pairs: Mapping[tuple[str, str], tuple[int, int]]

    @classmethod
    def of(cls, report: Mapping[str, Any]) -> Matrix:
        """The matrix of a report of ``--keras-json``."""
        environments = tuple(one["id"] for one in report["environments"])
        rows = tuple(_row(artifact, environments) for artifact in report["artifacts"])
        made: dict[tuple[str, str], list[str]] = {}
        for artifact in report["artifacts"]:
            for check in artifact["checks"]:
                if check["check"] == "handover" and check["outcome"] != "skipped":
                    made.setdefault(_pair(check["environment"], environments), []).append(check["outcome"])
        return cls(environments, rows, {pair: (one.count("passed"), len(one)) for pair, one in made.items()})


def _pair(text: str, environments: Iterable[str]) -> tuple[str, str]:
    """Giver and taker of ``tf2.15->tf2.21``; names may hold an arrow too."""
    known = set(environments)
    places = [place for place in range(len(text)) if text.startswith("->", place)]
    split = [(text[:place], text[place + 2 :]) for place in places]
    return next((pair for pair in split if known.issuperset(pair)), split[0])


def _row(artifact: Mapping[str, Any], environments: Sequence[str]) -> Row:
    checks = artifact["checks"]
    static = [check for check in checks if check["check"] in _STATIC]
    cells = [
        _cell(static, [check for check in checks if check["environment"] == one and check["check"] != "handover"])
        for one in environments
    ]
    failing = {
        check["environment"]: _causes(check)
        for check in checks
        if check["check"] == "handover" and check["outcome"] in ("failed", "error")
    }
    return Row(artifact["path"], tuple(cells), failing)


def _cell(static: Sequence[Mapping[str, Any]], checks: Sequence[Mapping[str, Any]]) -> Cell:
    every = [*static, *checks]
    if not checks and not any(check["outcome"] in ("failed", "error") for check in static):
        return Cell("absent")
    if any(check["outcome"] == "error" for check in every):
        return Cell("error", "ERROR")
    failing = {check["check"]: check for check in reversed(every) if check["outcome"] == "failed"}
    for name, word in _WORDS.items():
        if name in failing:
            families = [finding["family"] for finding in failing[name]["findings"] if finding.get("fails", True)]
            return Cell("failed", _FAMILIES.get(families[0] if families else "", word), _causes(failing[name]))
    return Cell("skipped" if all(check["outcome"] == "skipped" for check in checks) else "passed")


def _causes(check: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one["cause"] for one in check["findings"] if one.get("fails", True)))
