"""What a check has to say: findings, remedies and the result of a check.

Everything here is plain data that knows neither pytest nor TensorFlow; items, reports and exit codes are made
from it elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

Family = Literal[
    "file",
    "safety",
    "version",
    "custom-object",
    "training-state",
    "numeric",
    "roundtrip",
    "resource",
    "environment",
    "expected",
    "unknown",
]

Outcome = Literal["passed", "failed", "skipped", "error"]


_STYLE = re.compile(r"\x1b\[[0-9;]*m")
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """A text that names and words of an artifact are in, as it can go to a terminal, a file or another process.

    Without styles, as Keras puts them in its messages; with escapes for what would move a cursor, turn the direction
    of writing, or be refused by every encoding: half a character, as in a file's name that is no UTF-8.
    """
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode-escape").decode("ascii"), _STYLE.sub("", text))


@dataclass(frozen=True)
class Remedy:
    """Something the user can do: ``verified`` is true (tried, works), false (tried, does not) or None (not tried)."""

    action: str
    verified: bool | None = None
    detail: str = ""

    def __post_init__(self) -> None:
        for name in ("action", "detail"):
            object.__setattr__(self, name, printable(getattr(self, name)))


@dataclass(frozen=True)
class Finding:
    """One thing a check has to say: a cause, where in the artifact it sits, and what to do about it.

    ``fails`` is false for a note: something the user should know that does not make the check fail.
    ``detail`` holds further lines (a table of differences, the loader's own words), ready to print.
    """

    cause: str
    family: Family
    message: str
    where: str = ""
    remedies: tuple[Remedy, ...] = ()
    detail: str = ""
    fails: bool = True
    traceback: str = ""
    """The whole of what was raised, for those who ask for it (``-vv``)."""
    trusted: bool = False
    """It would make its check fail, had the user not let the artifact through (``--keras-trust``)."""

    def __post_init__(self) -> None:
        for name in ("message", "where", "detail", "traceback"):
            object.__setattr__(self, name, printable(getattr(self, name)))


def listed(names: Iterable[str], separator: str = ", ", most: int = 5) -> str:
    """The first few of some names, each once, and how many more there are."""
    found = list(dict.fromkeys(name for name in names if name))
    more = len(found) - most
    joint = " " if separator == ", " else separator
    return separator.join(found[:most]) + (f"{joint}and {more} more" if more > 0 else "")


def shortened(text: str, longest: int = 60) -> str:
    """The text, without its end where it is long."""
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


class PredictionFailed(Exception):
    """A model raised, or its process ended, when a test asked it; the message says what, and for which inputs."""


@dataclass(frozen=True)
class Measured:
    """What a comparison measured; None where nothing was compared."""

    max_abs_error: float | None = None
    max_rel_error: float | None = None
    examples: int = 0

    def joined(self, other: Measured) -> Measured:
        """The largest errors of both, and their examples together."""
        absolute, relative = (
            max((error for error in errors if error is not None), default=None)
            for errors in (
                (self.max_abs_error, other.max_abs_error),
                (self.max_rel_error, other.max_rel_error),
            )
        )
        return Measured(absolute, relative, self.examples + other.examples)


@dataclass(frozen=True)
class CheckResult:
    """The answer to one check of one artifact (in one environment, of one variant)."""

    check: str
    outcome: Outcome
    findings: tuple[Finding, ...] = ()
    environment: str | None = None
    variant: str | None = None
    measured: Measured = field(default_factory=Measured)
    seconds: float = 0.0
    reason: str = ""
    """Why a skipped check was skipped."""
    mistake: bool = False
    """An error that is none of this plugin's: a user's own hook gave what cannot be meant."""

    def as_json(self) -> dict[str, Any]:
        """The check as the JSON report of the contract holds it."""
        return {
            "check": self.check,
            "environment": self.environment,
            "variant": self.variant,
            "outcome": self.outcome,
            "seconds": round(self.seconds, 3),
            "findings": [
                {
                    "cause": finding.cause,
                    "family": finding.family,
                    "message": finding.message,
                    "where": finding.where,
                    "remedies": [{"action": r.action, "verified": r.verified} for r in finding.remedies],
                }
                for finding in self.findings
            ],
            "measured": {
                "max_abs_error": self.measured.max_abs_error,
                "max_rel_error": self.measured.max_rel_error,
                "examples": self.measured.examples,
            },
        }
