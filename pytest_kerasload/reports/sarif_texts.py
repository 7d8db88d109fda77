"""Texts of SARIF: what a finding says, cut short, and without what a hostile artifact may have put there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pytest_kerasload.causes import CAUSES
from pytest_kerasload.reports.markdown import code, escaped

_LONGEST = 1000
_WHERE = 500
_REMEDY = 300
_REMEDIES = 10

_TRIED = {True: "works", False: "tried, does not help", None: "not tried"}

# What moves the cursor, turns the direction of reading, or is no text at all.
_UNSHOWN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)


# What ends a line for one reader or another: a name must not make one that looks like those below.
_ENDS = re.compile("[\\n\\r\\x0b\\x0c\\x1c-\\x1e\\x85\\u2028\\u2029]+")


def message(
    artifact: Mapping[str, Any], check: Mapping[str, Any], finding: Mapping[str, Any], inside: list[str]
) -> dict[str, str]:
    """What a finding says, for those who see text and for those who see Markdown.

    Braces stay as they are, although SARIF would have them doubled: there are no arguments to put in, and GitHub shows
    what is there.
    """
    said = _line(finding["message"].strip() or finding["cause"])
    asked = check["check"] + (f" ({check['variant']})" if check["variant"] else "")
    asked += f" in {check['environment']}" if check["environment"] else ""
    remedies = [(_TRIED[one["verified"]], _line(one["action"], _REMEDY)) for one in finding["remedies"][:_REMEDIES]]
    docs = CAUSES[finding["cause"]].docs if finding["cause"] in CAUSES else ""
    text = [said, f"Artifact: {_line(artifact['path'])}", f"Check: {_line(asked)}"]
    text += [f"Where: {_line(finding['where'], _WHERE)}"] if finding["where"] else []
    text += [f"Remedy ({tried}): {action}" for tried, action in remedies]
    text += [f"Docs: {docs}"] if docs else []
    lines = [escaped(said), "", f"* **Artifact** {code(artifact['path'])}", f"* **Check** {code(asked)}"]
    lines += [f"* **Where** {code(cut(', '.join(inside), _WHERE))}"] if inside else []
    lines += [f"* **Remedy**, {tried}: {escaped(action)}" for tried, action in remedies]
    lines += [f"* **Docs** {code(docs)}"] if docs else []
    return {"text": unlinked("\n".join(text)), "markdown": "\n".join(lines)}


def _line(text: str, longest: int = _LONGEST) -> str:
    return cut(_ENDS.sub(" ", text), longest)


def cut(text: str, longest: int = _LONGEST) -> str:
    """A text of so many characters at most."""
    return text if len(text) <= longest else f"{text[: longest - 2]} …"


def unlinked(text: str) -> str:
    """Plain text without links, which SARIF has there too: names such as ``[click](http://…)`` come from artifacts."""
    return text.replace("](", "] (")


def clean(value: Any) -> Any:
    """JSON whose strings can be shown and encoded: other characters are spelled out."""
    if isinstance(value, str):
        return _UNSHOWN.sub(lambda found: found[0].encode("unicode_escape").decode(), value)
    if isinstance(value, Mapping):
        return {key: clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [clean(item) for item in value]
    return value
