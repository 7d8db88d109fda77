"""The closing section: failures by cause, what was recorded, what nothing uses any more, counts, the next command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_kerasload.reports import table
from pytest_kerasload.reports.collected import Collected
from pytest_kerasload.reports.matrix import Matrix
from pytest_kerasload.reports.table import Line, Segment

_SHOWN = 5


def lines(
    collected: Collected, report: Mapping[str, Any], replay: str, width: int, unused: Sequence[str] = ()
) -> Iterator[Line]:
    """The section, line by line; ``report`` is what was collected as JSON holds it, ``replay`` the command that runs
    what failed again, ``unused`` are the lines of ``unused.lines`` and ``unheeded.lines``."""
    yield from (((text, colour),) for text, colour in _told(collected, unused))
    yield from table.lines(Matrix.of(report), width)
    yield from (((text, colour),) for text, colour in _counts(collected, replay))


def _told(collected: Collected, unused: Sequence[str]) -> Iterator[Segment]:
    causes: dict[str, dict[str, None]] = {}
    messages: dict[str, str] = {}
    for path, check in collected.checks:
        if check["outcome"] != "failed":
            continue
        for finding in check["findings"]:
            if finding.get("fails", True):
                causes.setdefault(f"{check['check']}: {finding['cause']}", {})[path] = None
                messages.setdefault(f"{check['check']}: {finding['cause']}", finding["message"])
    for name, paths in sorted(causes.items(), key=lambda item: -len(item[1])):
        listed = list(paths)
        more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
        yield f"{name}  ({len(listed)} artifact{'s' if len(listed) != 1 else ''})", "red"
        yield f"    {', '.join(listed[:_SHOWN])}{more}", ""
    yield from ((line, "yellow") for line in _let_through(collected))
    yield from ((message, "yellow") for message in _notes(collected, "expected-recorded"))
    for noted in ("expected-kept", "expected-stale-digest"):
        notes = _notes(collected, noted)
        yield from ((message, "") for message in notes[:_SHOWN])
        if len(notes) > _SHOWN:
            yield f"    and {len(notes) - _SHOWN} more of which the same is to be said", ""
    yield from ((line, "yellow") for line in unused)


def _let_through(collected: Collected) -> Iterator[str]:
    """What was loaded although it is not safe, by whose word; and what custom objects did while models were loaded."""
    trusted: dict[tuple[str, str], list[str]] = {}
    besides: dict[str, None] = {}
    for path, check in collected.checks:
        for finding in check["findings"]:
            if finding.get("trusted"):
                trusted.setdefault((path, finding["message"].partition(": ")[0]), []).append(finding["cause"])
            elif finding["cause"].startswith("loading-") and not finding.get("fails", True):
                besides[finding["message"]] = None
    yield from (f"{path}: not safe to load, {by} ({', '.join(causes)})" for (path, by), causes in trusted.items())
    yield from list(besides)[:_SHOWN]
    if len(besides) > _SHOWN:
        yield f"    and {len(besides) - _SHOWN} more things that were done while models were loaded"


def _counts(collected: Collected, replay: str) -> Iterator[Segment]:
    counts = collected.summary()
    told = ", ".join(f"{one['id']} ({_releases(one)})" for one in collected.environments.values())
    artifacts = len(collected.artifacts)
    number = f"{artifacts} artifact{'s' if artifacts != 1 else ''}"
    counted = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    colour = "red" if counts["failed"] or counts["error"] else "yellow" if not counts["passed"] else "green"
    yield f"{number}{', ' + told if told else ''}: {counted or 'nothing checked'}", colour
    if counts["failed"] or counts["error"]:
        yield f"replay: {replay}", ""


def _releases(environment: Mapping[str, Any]) -> str:
    tensorflow, keras = environment["tensorflow"], environment["keras"]
    if not tensorflow:
        return "no TensorFlow"
    return (
        f"TensorFlow {tensorflow}, {environment['flavour']} {keras}" if keras else f"TensorFlow {tensorflow}, no Keras"
    )


def _notes(collected: Collected, code: str) -> list[str]:
    """What notes of one cause say: findings that do not fail their check."""
    found = (f for _, check in collected.checks for f in check["findings"])
    return [finding["message"] for finding in found if finding["cause"] == code and not finding.get("fails", True)]
