"""Does a failure say why, and is what it suggests of use?

Runs the gate over the zoo of the tests in each environment, and compares with what the loaders were seen to do
(tests/zoo/truth.json, recorded by code that shares nothing with the plugin)::

    python benchmarks/causes.py --env tf2.10 --env tf2.15 --env tf2.21 [--first N] [--json PATH]

Told for each environment, and for all: how many failing cells have no cause; how many of those that some way of
loading would mend have a remedy that was tried and works; how often ``version`` says beforehand what the loader does.
Artifacts with code of the user's own are told apart: what that code does is not in the file.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from matrix import ROOT, gate, only, test_zoo

from conftest import checks_of
from pytest_kerasload.environments.versions import Versions

Check = Mapping[str, Any]


def failing(check: Check) -> list[Check]:
    """The findings that made a check fail."""
    return [finding for finding in check["findings"] if finding.get("fails", True)]


def judged(name: str, report: Mapping[str, Any], versions: Versions) -> Iterator[str]:
    """What is counted of one artifact in one environment."""
    told, export = test_zoo.truth_of(name, versions)
    every = test_zoo.TRUTH["artifacts"][name][test_zoo.loader_of(versions)]["ways"]
    statuses = {one["status"] for one in told.values()}
    checks = checks_of(dict(report), name)
    if checks["file"]["outcome"] == "failed":
        return
    fails = "ok" not in statuses and "loads" not in statuses
    # What tf.saved_model.save wrote of a Keras model is asked to come back as one, and Keras 3 reads none.
    fails = fails or (export and test_zoo.keras_metadata(checks))
    own = "custom" in name or "nested_lists" in name
    yield "cells"
    forecast = any(finding["family"] != "training-state" for finding in failing(checks["version"]))
    forecast = forecast or (bool(failing(checks["version"])) and fails)
    agrees = forecast == fails
    yield "forecast right" if agrees else ("forecast wrong, own code" if own else "forecast wrong")
    if not agrees:
        print(f"  forecast of {name}: {'fails' if forecast else 'loads'}, and it {', '.join(sorted(statuses))}")
    first = next((checks[one] for one in ("load", "predictions") if checks[one]["outcome"] == "failed"), None)
    if first is None:
        return
    yield "failing"
    if any(finding["family"] == "unknown" for finding in failing(first)):
        yield "unknown"
    remedies = [remedy for finding in failing(first) for remedy in finding["remedies"]]
    works = any(remedy["verified"] for remedy in remedies)
    other = ("compile=False", "custom,compile=False", "signature") if not export else ()
    if works or any(every.get(way, {}).get("status") == "ok" for way in other):
        yield "mended by another way"
        yield "verified" if works else "not verified"
        if not works:
            print(
                f"  {name}: {[finding['cause'] for finding in failing(first)]}, {[one['action'] for one in remedies]}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", action="append", required=True)
    parser.add_argument("--first", type=int, help="only so many artifacts, taken evenly")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    names = sorted(test_zoo.TRUTH["artifacts"])
    names = names if chosen.first is None else names[:: max(1, len(names) // chosen.first)][: chosen.first]
    total: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for artifact in names:
            source, place = ROOT / "tests" / "zoo" / "artifacts" / artifact, folder / "artifacts" / artifact
            place.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copy)(source, place)
            expected = source.with_name(f"{source.name}.expected.npz")
            if expected.exists():
                shutil.copy(expected, place.parent)
        report, _ = gate(folder, chosen.env, [])
    for environment in report["environments"]:
        versions = Versions(**{key: value for key, value in environment.items() if key != "id"})
        mine, found = only(report, environment["id"]), Counter[str]()
        for artifact in names:
            try:
                found.update(judged(artifact, mine, versions))
            except pytest.skip.Exception:
                found["no truth"] += 1
        print(f"{environment['id']}: {dict(found)}")
        total += found
    print(f"all: {dict(total)}")
    if total["cells"]:
        print(f"forecast right: {100 * total['forecast right'] / total['cells']:.1f} %")
    if chosen.json is not None:
        chosen.json.write_text(json.dumps({"report": report, "counted": dict(total)}))


if __name__ == "__main__":
    sys.exit(main())
