"""The matrix in the terminal: in colour, and within its width."""

from __future__ import annotations

import posixpath
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pytest_kerasload.reports.matrix import Cell, Matrix, Row

Segment = tuple[str, str]
"""Text and its colour (``red``, ``green``, ``yellow``, or none)."""

Line = tuple[Segment, ...]

_COLUMN = 9
"""The longest word of a cell."""
_LEAST_NAME = 16
_LONGEST = 24
"""Longer names of environments are numbered."""
_ROWS = 60
"""More artifacts than these, and only those that fail are shown."""

_SHOWN = {"passed": ("ok", "green"), "skipped": ("-", "yellow"), "absent": ("", ""), "error": ("ERROR", "red")}


def lines(matrix: Matrix, width: int) -> Iterator[Line]:
    """The table, a line after the other; nothing where one environment or none was asked.

    Environments that do not fit beside each other follow below; where names do not fit, the directory that all
    artifacts are in is left out.
    """
    if len(matrix.environments) < 2 or not matrix.rows:
        return
    headings, legend = _headings(matrix.environments)
    columns = [max(len(heading), _COLUMN) for heading in headings]
    rows = matrix.rows
    if max(_width(row.artifact) for row in rows) > width - 2 - sum(columns) - 2 * len(columns):
        shared = _shared([row.artifact for row in rows])
        rows = tuple(replace(row, artifact=row.artifact.removeprefix(shared)) for row in rows)
    longest = max(_width(row.artifact) for row in rows)
    blocks = list(_blocks(columns, width - 2 - min(longest, _LEAST_NAME)))
    for block in blocks:
        name = min(longest, max(_LEAST_NAME, width - 2 - sum(columns[block]) - 2 * len(columns[block])))
        yield _line(" " * (2 + name), headings[block], columns[block])
        shown = rows if len(rows) <= _ROWS else [row for row in rows if row.failed]
        for row in shown:
            part = Row(row.artifact, row.cells[block], row.handovers if block is blocks[-1] else {})
            yield from _row(part, matrix.environments[block], name, columns[block], width)
    if len(shown) < len(rows):
        yield ((f"  and {len(rows) - len(shown)} artifacts more, which fail nowhere", "green"),)
    for text in legend:
        yield ((f"  {text}", ""),)
    yield from _pairs(matrix, headings, columns, width)


def _shared(artifacts: Sequence[str]) -> str:
    """The directory that all artifacts are in, with its slash; empty where there is none."""
    try:
        found = posixpath.commonpath([posixpath.dirname(one) for one in artifacts])
    except ValueError:  # some of them absolute
        return ""
    return f"{found}/" if found.strip("/") else ""


def _headings(environments: Sequence[str]) -> tuple[list[str], list[str]]:
    """What stands above the columns: the environments, or their numbers where some are long, which are explained."""
    if max(map(len, environments)) <= _LONGEST:
        return list(environments), []
    numbers = [f"({index})" for index in range(1, len(environments) + 1)]
    return numbers, [f"{number} {one}" for number, one in zip(numbers, environments, strict=True)]


def _blocks(columns: Sequence[int], width: int) -> Iterator[slice]:
    """Columns that fit beside each other; at least one."""
    start = taken = 0
    for place, size in enumerate(columns):
        if place > start and taken + 2 + size > width:
            yield slice(start, place)
            start, taken = place, 0
        taken += 2 + size
    yield slice(start, len(columns))


def _line(first: str, texts: Sequence[str], columns: Sequence[int]) -> Line:
    return ((first + "".join(f"  {text:<{size}}" for text, size in zip(texts, columns, strict=True)), ""),)


def _row(row: Row, environments: Sequence[str], name: int, columns: Sequence[int], width: int) -> Iterator[Line]:
    segments: list[Segment] = [(f"  {_fitted(row.artifact, name)}", "")]
    for cell, size in zip(row.cells, columns, strict=True):
        text, colour = _text(cell)
        segments += [("  ", ""), (f"{text:<{size}}", colour)]
    causes = row.causes(environments)
    taken = sum(_width(text) for text, _ in segments)
    if len(causes) == 1 and not row.handovers and taken + 2 + len(next(iter(causes))) <= width:
        yield (*segments, (f"  {next(iter(causes))}", ""))
        return
    yield tuple(segments)
    for cause, where in causes.items():
        yield ((f"    {cause}: {', '.join(where)}", ""),)


def _width(text: str) -> int:
    """The columns of a terminal that a text takes: two for a Chinese character, none for an accent of its own."""
    wide = (2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text if not unicodedata.combining(one))
    return sum(wide)


def _fitted(text: str, size: int) -> str:
    """A text of so many columns: its end, where it has more."""
    start = ""
    while _width(start + text) > size:
        start, text = "…", text[1:]
    return start + text + " " * (size - _width(start + text))


def _text(cell: Cell) -> Segment:
    return _SHOWN.get(cell.outcome, (cell.word, "red"))


def _pairs(matrix: Matrix, headings: Sequence[str], columns: Sequence[int], width: int) -> Iterator[Line]:
    """Handovers: who saves down, who loads across, and how many artifacts of how many were taken over."""
    if not matrix.pairs:
        return
    first = max(len("saved in"), *(len(heading) for heading in headings))
    yield ((f"  {'saved in':<{first}}  taken over in", ""),)
    for block in _blocks(columns, width - 2 - first):
        yield _line(" " * (2 + first), headings[block], columns[block])
        for giver, heading in zip(matrix.environments, headings, strict=True):
            segments: list[Segment] = [(f"  {heading:<{first}}", "")]
            for taker, size in zip(matrix.environments[block], columns[block], strict=True):
                passed, made = matrix.pairs.get((giver, taker), (0, 0))
                text = f"{passed} of {made}" if made else "" if giver == taker else "-"
                colour = "" if not made else "green" if passed == made else "red"
                segments += [("  ", ""), (f"{text:<{size}}", colour)]
            yield tuple(segments)
