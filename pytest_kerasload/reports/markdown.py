"""``--keras-markdown``: the matrix, the causes and the counts, for a job's summary or a comment."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_kerasload.files import replacing
from pytest_kerasload.reports.matrix import Cell, Matrix

_SHOWN = {"passed": "ok", "skipped": "–", "absent": "", "error": "**ERROR**"}
_MESSAGE = 300


def text(report: Mapping[str, Any]) -> str:
    """A report of ``--keras-json`` as Markdown, as GitHub and GitLab read it."""
    return "\n".join(_lines(report)) + "\n"


def write(path: Path, report: Mapping[str, Any]) -> None:
    """Write it as a whole; behind what is there where the file is GitHub's summary of the step, which others write to
    as well."""
    content = text(report).encode("utf-8", "backslashreplace")  # names of files need not be UTF-8
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary and path.exists() and os.path.exists(summary) and path.samefile(summary):
        content = path.read_bytes() + b"\n" + content
    with replacing(path) as stream:
        stream.write(content)


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    matrix = Matrix.of(report)
    counts = ", ".join(f"{count} {outcome}" for outcome, count in report["summary"].items() if count)
    artifacts = len(report["artifacts"])
    yield "## Keras models"
    yield ""
    yield f"{artifacts} artifact{'' if artifacts == 1 else 's'}: {counts or 'nothing checked'}"
    yield ""
    columns = matrix.environments or ("",)
    yield f"| artifact | {' | '.join(map(escaped, columns))} |"
    yield f"|---|{'---|' * len(columns)}"
    for row in matrix.rows:
        yield f"| {code(row.artifact)} | {' | '.join(_cell(cell) for cell in row.cells) or ' '} |"
    yield ""
    yield "| environment | Python | TensorFlow | Keras |"
    yield "|---|---|---|---|"
    for one in report["environments"]:
        keras = f"{one['flavour']} {one['keras']}" if one["keras"] else "–"
        yield f"| {escaped(one['id'])} | {one['python'] or '–'} | {one['tensorflow'] or '–'} | {keras} |"
    yield from _pairs(matrix)
    yield from _failures(report)
    yield from _trusted(report)


def _cell(cell: Cell) -> str:
    if cell.outcome in _SHOWN:
        return _SHOWN[cell.outcome]
    return f"**{cell.word}** {', '.join(map(code, cell.causes))}"


def _trusted(report: Mapping[str, Any]) -> Iterator[str]:
    """What was loaded although it is not safe, and by whose word."""
    found = [
        f"* {code(artifact['path'])} is not safe to load: {escaped(finding['message'][:_MESSAGE])}"
        for artifact in report["artifacts"]
        for check in artifact["checks"]
        for finding in check["findings"]
        if finding.get("trusted")
    ]
    if found:
        yield from ("", "### Let through", "", *found)


def _pairs(matrix: Matrix) -> Iterator[str]:
    if not matrix.pairs:
        return
    yield ""
    yield "### Handover"
    yield ""
    yield f"| saved in, taken over in | {' | '.join(map(escaped, matrix.environments))} |"
    yield f"|---|{'---|' * len(matrix.environments)}"
    for giver in matrix.environments:
        cells = []
        for taker in matrix.environments:
            passed, made = matrix.pairs.get((giver, taker), (0, 0))
            cells.append(f"{passed} of {made}" if made else "")
        yield f"| {escaped(giver)} | {' | '.join(cells)} |"


def _failures(report: Mapping[str, Any]) -> Iterator[str]:
    """What fails by cause: where, and in the words of the first."""
    found: dict[str, tuple[str, list[str]]] = {}
    several = len(report["environments"]) > 1
    for artifact in report["artifacts"]:
        for check in artifact["checks"]:
            inside = "-".join(filter(None, (check["environment"] if several else None, check["variant"])))
            place = f"{artifact['path']}::{check['check']}" + (f"[{inside}]" if inside else "")
            for finding in check["findings"]:
                if finding.get("fails", True) and check["outcome"] == "failed":
                    first = finding["message"].splitlines()[0] if finding["message"] else ""
                    places = found.setdefault(finding["cause"], (first, []))[1]
                    places += [] if place in places else [place]
    if not found:
        return
    yield ""
    yield "### What fails"
    for cause, (message, places) in sorted(found.items(), key=lambda item: -len(item[1][1])):
        yield ""
        yield f"**{code(cause)}** {escaped(message if len(message) <= _MESSAGE else message[:_MESSAGE] + ' …')}"
        yield ""
        yield from (f"- {code(place)}" for place in places)


def code(word: str) -> str:
    """Text as code, whatever is in it: names come from artifacts."""
    longest = max((len(run) for run in re.findall(r"`+", word)), default=0)
    ticks = "`" * (longest + 1)
    inner = word.replace("|", "\\|").replace("\n", " ")
    return f"{ticks} {inner} {ticks}" if longest else f"{ticks}{inner}{ticks}"


def escaped(message: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", message.replace("\n", " "))
