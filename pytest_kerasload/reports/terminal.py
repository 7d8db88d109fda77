"""The closing section: failures by cause, what was recorded, what nothing uses any more, counts, the next command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_kerasload.reports.collected import Collected

_SHOWN = 5


def lines(collected: Collected, replay: str, unused: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
    """Lines with a colour each (``red``, ``yellow``, ``green`` or none); ``replay`` is the command that runs what
    failed again, ``unused`` are the lines of ``unused.lines`` and ``unheeded.lines``."""
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
    yield from ((message, "yellow") for message in _notes(collected, "expected-recorded"))
    for noted in ("expected-kept", "expected-stale-digest"):
        notes = _notes(collected, noted)
        yield from ((message, "") for message in notes[:_SHOWN])
        if len(notes) > _SHOWN:
            yield f"    and {len(notes) - _SHOWN} more of which the same is to be said", ""
    yield from ((line, "yellow") for line in unused)
    counts = collected.summary()
    told = ", ".join(
        f"{environment['id']} (TensorFlow {environment['tensorflow']}, {environment['flavour']} {environment['keras']})"
        for environment in collected.environments.values()
    )
    artifacts = len(collected.artifacts)
    number = f"{artifacts} artifact{'s' if artifacts != 1 else ''}"
    counted = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    colour = "red" if counts["failed"] or counts["error"] else "yellow" if not counts["passed"] else "green"
    yield f"{number}{', ' + told if told else ''}: {counted or 'nothing checked'}", colour
    if counts["failed"] or counts["error"]:
        yield f"replay: {replay}", ""


def _notes(collected: Collected, code: str) -> list[str]:
    """What notes of one cause say: findings that do not fail their check."""
    found = (f for _, check in collected.checks for f in check["findings"])
    return [finding["message"] for finding in found if finding["cause"] == code and not finding.get("fails", True)]
