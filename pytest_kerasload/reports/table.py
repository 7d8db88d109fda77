"""The matrix in the terminal: in colour, and within its width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_kerasload.reports.matrix import Cell, Matrix, Row

Segment = tuple[str, str]
"""Text and its colour (``red``, ``green``, ``yellow``, or none)."""

Line = tuple[Segment, ...]

_COLUMN = 9
"""The longest word of a cell."""
_LEAST_NAME = 16
_ROWS = 60
"""More artifacts than these, and only those that fail are shown."""

_SHOWN = {"passed": ("ok", "green"), "skipped": ("-", "yellow"), "absent": ("", ""), "error": ("ERROR", "red")}


def lines(matrix: Matrix, width: int) -> Iterator[Line]:
    """The table, a line after the other; nothing where one environment or none was asked."""
    if len(matrix.environments) < 2 or not matrix.rows:
        return
    headings, legend = _headings(matrix.environments, width)
    columns = [max(len(heading), _COLUMN) for heading in headings]
    longest = max(len(row.artifact) for row in matrix.rows)
    name = min(longest, max(_LEAST_NAME, width - 2 - sum(columns) - 2 * len(columns)))
    yield ((" " * (2 + name) + "".join(f"  {text:<{size}}" for text, size in zip(headings, columns, strict=True)), ""),)
    failing = [row for row in matrix.rows if row.failed]
    shown = matrix.rows if len(matrix.rows) <= _ROWS else failing
    for row in shown:
        yield from _row(row, matrix, name, columns, width)
    if len(shown) < len(matrix.rows):
        yield ((f"  and {len(matrix.rows) - len(shown)} artifacts more, which fail nowhere", "green"),)
    for text in legend:
        yield ((f"  {text}", ""),)
    yield from _pairs(matrix, headings, columns)


def _headings(environments: Sequence[str], width: int) -> tuple[list[str], list[str]]:
    """What stands above the columns: the environments, or their numbers where they do not fit, which are explained."""
    if 2 + _LEAST_NAME + sum(2 + max(len(one), _COLUMN) for one in environments) <= width:
        return list(environments), []
    numbers = [f"({index})" for index in range(1, len(environments) + 1)]
    return numbers, [f"{number} {one}" for number, one in zip(numbers, environments, strict=True)]


def _row(row: Row, matrix: Matrix, name: int, columns: Sequence[int], width: int) -> Iterator[Line]:
    artifact = row.artifact if len(row.artifact) <= name else "…" + row.artifact[len(row.artifact) - name + 1 :]
    segments: list[Segment] = [(f"  {artifact:<{name}}", "")]
    for cell, size in zip(row.cells, columns, strict=True):
        text, colour = _text(cell)
        segments += [("  ", ""), (f"{text:<{size}}", colour)]
    causes = row.causes(matrix.environments)
    taken = sum(len(text) for text, _ in segments)
    if len(causes) == 1 and not row.handovers and taken + 2 + len(next(iter(causes))) <= width:
        yield (*segments, (f"  {next(iter(causes))}", ""))
        return
    yield tuple(segments)
    for cause, where in causes.items():
        yield ((f"    {cause}: {', '.join(where)}", ""),)


def _text(cell: Cell) -> Segment:
    return _SHOWN.get(cell.outcome, (cell.word, "red"))


def _pairs(matrix: Matrix, headings: Sequence[str], columns: Sequence[int]) -> Iterator[Line]:
    """Handovers: who saves down, who loads across, and how many artifacts of how many were taken over."""
    if not matrix.pairs:
        return
    first = max(len("saved in"), *(len(heading) for heading in headings))
    yield ((f"  {'saved in':<{first}}  taken over in", ""),)
    yield (
        (" " * (2 + first) + "".join(f"  {text:<{size}}" for text, size in zip(headings, columns, strict=True)), ""),
    )
    for giver, heading in zip(matrix.environments, headings, strict=True):
        segments: list[Segment] = [(f"  {heading:<{first}}", "")]
        for taker, size in zip(matrix.environments, columns, strict=True):
            passed, made = matrix.pairs.get((giver, taker), (0, 0))
            text = f"{passed} of {made}" if made else "" if giver == taker else "-"
            segments += [("  ", ""), (f"{text:<{size}}", "green" if made and passed == made else "red" if made else "")]
        yield tuple(segments)
