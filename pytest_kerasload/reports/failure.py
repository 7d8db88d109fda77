"""One failed check as text: cause, where, remedies, the loader's own words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from textwrap import wrap

from pytest_kerasload.causes import CAUSES
from pytest_kerasload.findings import CheckResult, Finding, Remedy

_WIDTH = 110
# What a finding's detail is, where a check has one kind only: the loader's own words.
_DETAIL = {"load": "loader"}
_COMMAND = re.compile(r"(?<=: )(?:pytest --|mkdir -p |python -m pytest_kerasload ).*")
_TRIED = {True: "works", False: "no", None: "try"}


def headline(result: CheckResult) -> str:
    """One line for the short summary: what is wrong, and how much more."""
    failing = [finding for finding in result.findings if finding.fails]
    if not failing:
        return result.reason
    more = f" (and {len(failing) - 1} more)" if len(failing) > 1 else ""
    return f"{failing[0].message.splitlines()[0]}{more}"


def lines(result: CheckResult, verbosity: int = 0) -> list[str]:
    """The whole text of a failed check; with ``-vv`` the traceback too.

    Remedies of several findings (an output each) are told with the first of them.
    """
    found: list[str] = []
    told: set[Remedy] = set()
    linked: set[str] = set()
    for finding in sorted(result.findings, key=lambda finding: not finding.fails):
        docs = finding.fails and finding.cause in CAUSES and finding.cause not in linked
        linked.add(finding.cause)
        found += _finding(_news(finding, told), _DETAIL.get(result.check, "detail"), verbosity, docs)
    return found


def _news(finding: Finding, told: set[Remedy]) -> Finding:
    """The finding without remedies that are told already; it adds its own to them."""
    remedies = tuple(one for one in finding.remedies if one not in told)
    told.update(finding.remedies)
    return replace(finding, remedies=remedies)


def _finding(finding: Finding, detail: str, verbosity: int, docs: bool) -> Iterator[str]:
    yield from wrap(finding.message, _WIDTH, break_on_hyphens=False, break_long_words=False) or [""]
    yield from _block("where", [finding.where] if finding.where else [])
    yield from _block("remedies", [_remedy(remedy) for remedy in finding.remedies])
    yield from _block(detail, finding.detail.splitlines(), folded=detail == "loader")
    yield from _block("cause", [f"{finding.cause} ({finding.family})"])
    if docs:
        yield from _block("docs", [CAUSES[finding.cause].docs])
    if verbosity >= 2:
        yield from _block("raised", finding.traceback.splitlines(), folded=False)


def _remedy(remedy: Remedy) -> str:
    """A remedy with what came of it; a command to paste comes last."""
    command = _COMMAND.search(remedy.action)
    told = remedy.action if command is None else remedy.action[: command.start()].rstrip(": ")
    detail = f"  ({remedy.detail})" if remedy.detail else ""
    then = "" if command is None else f": {command[0]}"
    return f"{_TRIED[remedy.verified]:<6} {told}{detail}{then}"


def _folded(text: str) -> list[str]:
    """A text in lines; a command at its end stays on one, so that it can be pasted."""
    found = _COMMAND.search(text)
    told, said = (text, "") if found is None else (text[: found.start()].rstrip(), found[0])
    lines = wrap(told, _WIDTH - 12, break_on_hyphens=False, break_long_words=False)
    if said and lines and len(lines[-1]) + 1 + len(said) <= _WIDTH - 12:
        lines[-1] += f" {said}"
    elif said:
        lines.append(said)
    return lines


def _block(label: str, texts: list[str], *, folded: bool = True) -> Iterator[str]:
    """Lines behind a label; the label stands once."""
    first = True
    for text in texts:
        for line in _folded(text) if folded else [text]:
            yield f"  {label if first else '':<9} {line}".rstrip()
            first = False
