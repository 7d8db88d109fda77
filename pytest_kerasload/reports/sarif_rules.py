"""Causes as rules of SARIF, in the words of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_kerasload.causes import CAUSES
from pytest_kerasload.reports.causes_page import entry, shown

# GitHub ranks an alert by the `security-severity` of its rule, a CVSS base score, where the rule is tagged `security`.
# The vector is that of a file that somebody has to fetch and load, which takes no privileges: AV:N/AC:L/PR:N/UI:R.
# There is one score for each kind of harm: which releases it comes to is not known here, and a rule has no other for
# an artifact that is trusted.
_TAKES_OVER = "8.8"
"""Loading it runs code, or reads, writes or sends what is not its own: S:U/C:H/I:H/A:H. Also any new cause."""
_EXHAUSTS = "6.5"
"""Loading it ends the process, or takes all of its time or memory: S:U/C:N/I:N/A:H."""
_WORTH_A_LOOK = "3.1"
"""Harmless until something else uses it: AC:H, S:U/C:L/I:N/A:N."""

SEVERITIES: Mapping[str, str] = {
    **dict.fromkeys(("archive-bomb", "config-bomb", "graph-bomb", "hdf5-shape-bomb", "hdf5-cycle"), _EXHAUSTS),
    **dict.fromkeys(("graph-abort", "graph-malformed"), _EXHAUSTS),
    **dict.fromkeys(("code-in-archive", "graph-custom-op", "graph-opaque-op", "pickled-value"), _WORTH_A_LOOK),
    **dict.fromkeys(("hdf5-filter-plugin", "hdf5-soft-link", "remote-resource"), _WORTH_A_LOOK),
}

_LONGEST = 1024
"""Of a description, on GitHub."""


def rule(code: str, family: str) -> dict[str, Any]:
    """The ``reportingDescriptor`` of a cause; of one that the catalogue does not have (a note), what its code says."""
    cause = CAUSES.get(code)
    if cause is None:
        title = code.replace("-", " ")
        return _rule(code, family, title, title, title, title, "note")
    told = (*entry(cause), "", f"Also: `{cause.docs}`")
    full = f"{cause.title}. {cause.explanation}".strip()
    level = "note" if SEVERITIES.get(code) == _WORTH_A_LOOK else "error"
    return _rule(code, family, cause.title, full, "\n".join(told), "\n".join(map(shown, told)), level)


def _rule(code: str, family: str, title: str, full: str, text: str, markdown: str, level: str) -> dict[str, Any]:
    properties: dict[str, Any] = {"tags": ["keras", family]}
    if family == "safety":
        properties["tags"].append("security")
        properties["security-severity"] = SEVERITIES.get(code, _TAKES_OVER)
    # There is no helpUri: the catalogue's page is a file and a command (`cause.docs`), and has no address of its own.
    return {
        "id": code,
        "shortDescription": {"text": title[:_LONGEST]},
        "fullDescription": {"text": full[:_LONGEST]},
        "help": {"text": text, "markdown": markdown},
        "defaultConfiguration": {"level": level},
        "properties": properties,
    }
