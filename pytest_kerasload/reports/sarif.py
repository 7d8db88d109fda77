"""``--keras-sarif``: findings as SARIF 2.1.0, as GitHub's code scanning and other viewers of alerts read it."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest_kerasload
from pytest_kerasload.files import replacing
from pytest_kerasload.reports.sarif_places import ROOT, Places, physical
from pytest_kerasload.reports.sarif_rules import rule
from pytest_kerasload.reports.sarif_texts import clean, cut, message, unlinked

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"

# GitHub refuses a run of more than 25,000 results (and shows the 5,000 worst), and a file of more than 10 MB packed by
# gzip. Of what one result may have, 1,000 locations and 20 tags of a rule, there is one and there are three.
_RESULTS = 25_000
_BYTES = 10_000_000

_LEVELS = ("error", "warning", "note")


def write(path: Path, report: Mapping[str, Any], base: Path) -> None:
    """Write a report of ``--keras-json`` as SARIF; its paths are relative to ``base``."""
    most = _RESULTS
    while True:
        told = log(report, base, most)
        text = json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"
        results = len(told["runs"][0]["results"])
        if not results or len(text) <= _BYTES or len(gzip.compress(text, 6)) <= _BYTES:
            break
        most = results // 2
    with replacing(path) as stream:
        stream.write(text)


def log(report: Mapping[str, Any], base: Path, most: int = _RESULTS) -> dict[str, Any]:
    """The ``sarifLog``: one run, with at most so many results, the worst of them."""
    places = Places.of(base)
    every = list(_results(report, places))
    results = _worst(every, most)
    families = {result["ruleId"]: result["properties"]["family"] for result in results}
    indices = {cause: index for index, cause in enumerate(sorted(families))}
    for result in results:
        result["ruleIndex"] = indices[result["ruleId"]]
    notifications = list(_notifications(report, places))
    failed = bool(notifications)
    if len(results) < len(every):
        left = f"{len(every) - len(results)} results are left out, which would be more than GitHub takes"
        notifications.append({"level": "warning", "message": {"text": left}})
    driver = {
        "name": "pytest-kerasload",
        "version": pytest_kerasload.__version__,
        "rules": [rule(cause, families[cause]) for cause in indices],
    }
    # No automationDetails: upload-sarif writes the category it is given there, and only where there are none.
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": not failed, "toolExecutionNotifications": notifications}],
        # Without its URI: nothing needs it, and the log says the same on every machine.
        "originalUriBaseIds": {ROOT: {"description": {"text": "The root of the repository, or where pytest started."}}},
        "artifacts": [_artifact(artifact, places) for artifact in report["artifacts"]],
        "results": results,
        "properties": {"environments": report["environments"], "summary": report["summary"]},
    }
    cleaned: dict[str, Any] = clean({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})
    return cleaned


def _worst(results: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """So many of the results in their order; where there are more, those of a higher level."""
    ranked = sorted(range(len(results)), key=lambda index: _LEVELS.index(results[index]["level"]))
    return [results[index] for index in sorted(ranked[:most])]


def _artifact(artifact: Mapping[str, Any], places: Places) -> dict[str, Any]:
    found: dict[str, Any] = {"location": places.artifact(artifact), "roles": ["analysisTarget"]}
    told = {"path": artifact["path"], "format": artifact["format"], "savedWith": artifact["saved_with"]}
    if artifact["sha256"] and places.file(artifact) == artifact["path"]:
        found |= {"length": artifact["bytes"], "hashes": {"sha-256": artifact["sha256"]}}
    elif artifact["sha256"]:  # those of a directory are not those of the file that stands for it
        told |= {"length": artifact["bytes"], "sha256": artifact["sha256"]}
    return {**found, "properties": told}


def _results(report: Mapping[str, Any], places: Places) -> Iterator[dict[str, Any]]:
    """Every finding of every check, in the order of the report."""
    seen: Counter[str] = Counter()
    for index, artifact in enumerate(report["artifacts"]):
        location = {**places.artifact(artifact), "index": index}
        for check in artifact["checks"]:
            for finding in check["findings"]:
                inside = places.inside(finding["where"])
                level, suppressions = _standing(check, finding)
                facts = (finding["cause"], check["check"], check["environment"], check["variant"])
                mark = _mark(location["uri"], *facts, *inside)
                seen[mark] += 1
                same = f"{mark}:{seen[mark]}"
                yield {
                    "ruleId": finding["cause"],
                    "level": level,
                    "message": message(artifact, check, finding, inside),
                    "locations": [physical(location, inside)],
                    # GitHub knows an alert again by the first, and by nothing else. Without it, upload-sarif takes one
                    # from the first line of the file: every release would close its alerts and open others. (It warns
                    # that its own would be another.) The numbers of a message are in neither.
                    "partialFingerprints": {"primaryLocationLineHash": same, "kerasloadFinding/v1": same},
                    # All of a run's results have them, or none: an empty list says that this one is not suppressed.
                    "suppressions": suppressions,
                    "properties": {
                        "artifact": artifact["path"],
                        "check": check["check"],
                        "environment": check["environment"],
                        "variant": check["variant"],
                        "outcome": check["outcome"],
                        "family": finding["family"],
                    },
                }


def _mark(*facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def _standing(check: Mapping[str, Any], finding: Mapping[str, Any]) -> tuple[str, list[dict[str, str]]]:
    """The level of a finding, and why it is let through where it would otherwise fail its check.

    What is let through is no ``error``: GitHub takes no notice of suppressions unless it is told to.
    """
    if finding.get("trusted"):
        return "warning", [_suppression("the artifact is trusted: --keras-trust, or trust in kerasload.toml")]
    if not finding.get("fails", True):
        return "note", []
    if check["outcome"] == "failed":
        return "error", []
    if "expected_to_fail" in check:
        reason = check["expected_to_fail"]
        return "warning", [_suppression(f"expected to fail{': ' if reason else ''}{reason}")]
    return "note", []


def _suppression(justification: str) -> dict[str, str]:
    return {"kind": "external", "status": "accepted", "justification": cut(justification)}


def _notifications(report: Mapping[str, Any], places: Places) -> Iterator[dict[str, Any]]:
    """Checks that were not made because of a defect: they say nothing of their artifacts."""
    for index, artifact in enumerate(report["artifacts"]):
        for check in artifact["checks"]:
            if check["outcome"] == "error":
                inside = "-".join(filter(None, (check["environment"], check["variant"])))
                name = f"{artifact['path']}::{check['check']}" + (f"[{inside}]" if inside else "")
                reason = check.get("reason") or "an error of the plugin"
                yield {
                    "level": "error",
                    "message": {"text": unlinked(cut(f"{name} could not be made: {reason}"))},
                    "locations": [physical({**places.artifact(artifact), "index": index}, [])],
                }
