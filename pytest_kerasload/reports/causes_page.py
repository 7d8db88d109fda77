"""The page of causes, ``docs/causes.md``, and the command that writes it: both say what the catalogue says."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Iterator
from typing import Any

from pytest_kerasload.causes.catalogue import CAUSES
from pytest_kerasload.causes.cause import Cause
from pytest_kerasload.findings import Family

_FAMILIES: dict[Family, str] = {
    "file": "The file is not what its name says, or not whole. Told without TensorFlow.",
    "safety": "Loading it would run code out of the file, or reach out of it. Told without loading.",
    "version": "Something in the artifact is not known, or is read otherwise, by the release that loads it.",
    "custom-object": "A class or function of your own is not found, or does not take what was saved.",
    "training-state": "What compile() was given does not come back. Inference needs none of it.",
    "numeric": "The artifact loads, and predicts something else.",
    "roundtrip": "Something is lost when the loaded artifact is saved again.",
    "resource": "Time or memory ran out, or the process ended.",
    "environment": "TensorFlow is missing or broken there, or the machine lacks something.",
    "expected": "Expected outputs are not there, or cannot be used.",
    "unknown": "What no other entry tells. Please report what the loader says.",
}


def page() -> str:
    """The whole page as Markdown, one heading a cause with its code as the anchor."""
    lines = [
        "# Causes",
        "",
        "Every finding names its cause by one of these codes, which do not change. The page is written by",
        "`python -m pytest_kerasload causes`, out of the catalogue that the checks go by.",
    ]
    for family, told in _FAMILIES.items():
        lines += ["", f"## {family}", "", told]
        for cause in CAUSES.values():
            if cause.family == family:
                lines += ["", f"### {cause.code}", "", *map(shown, entry(cause))]
    return "\n".join(lines) + "\n"


def shown(line: str) -> str:
    """A line of which Markdown shows ``__init__`` and ``**kwargs`` as they are; what stands in backticks stays code."""
    parts = re.split(r"(``.*?``|`[^`]*`)", line)
    head = "* " if line.startswith("* ") else ""
    parts[0] = parts[0].removeprefix(head)
    return head + "".join(part if index % 2 else re.sub(r"([*_<])", r"\\\1", part) for index, part in enumerate(parts))


def entry(cause: Cause) -> Iterator[str]:
    """What there is to say of a cause, line by line."""
    yield f"{cause.title}."
    if cause.explanation:
        yield from ("", cause.explanation)
    facts = [
        ("formats", ", ".join(cause.formats)),
        ("saved by", cause.saved_by),
        ("loaded by", cause.loaded_by),
        ("seen by", ", ".join(f"`{check}`" for check in cause.seen)),
        ("the loader says", f"`` {' '.join(cause.wording.split())} ``" if cause.wording else ""),
        ("source", cause.source),
    ]
    told = [f"* {label}: {value}" for label, value in facts if value]
    if told:
        yield from ("", *told)
    if cause.remedies:
        yield from ("", "What to do:", "", *(f"1. {action}" for action in cause.remedies))


def add(commands: Any) -> None:
    """Add the command to those of ``python -m pytest_kerasload``."""
    parser = commands.add_parser("causes", help="what the causes of findings mean, as Markdown; or one of them")
    parser.add_argument("code", nargs="?", help="one cause; without it the whole page")
    parser.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> int:
    if chosen.code is None:
        sys.stdout.write(page())
        return 0
    if chosen.code not in CAUSES:
        near = difflib.get_close_matches(chosen.code, CAUSES, 3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        print(f"causes: there is no cause {chosen.code!r}{hint}", file=sys.stderr)
        return 2
    print(f"{chosen.code}\n")
    print("\n".join(entry(CAUSES[chosen.code])))
    return 0
