"""Many environments in one run: is every cell what the loaders were seen to do, and how long does it take?

Runs the gate over the zoo of the tests, or over a part of it, once in all environments and once in each::

    python benchmarks/matrix.py --env tf2.10 --env tf2.15 --env tf2.16,keras==3.3.3 --env tf2.21+legacy \\
        [--first N] [--no-separate] [--json PATH] [-- OPTIONS OF THE GATE]

A cell is judged as tests/test_zoo.py judges it; environments of which no truth was recorded are timed only.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import gating
import pytest

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import test_zoo  # noqa: E402 - it lies beside the tests

from pytest_kerasload.environments.versions import Versions  # noqa: E402

Report = dict[str, Any]


def gate(folder: Path, environments: list[str], more: list[str]) -> tuple[Report, float]:
    """The report of one run, and its seconds; environments are made before."""
    zoo, told = ROOT / "tests" / "zoo", folder / "told.json"
    artifacts = folder / "artifacts"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=no", f"--keras-json={told}"]
    command += [
        f"--keras-models={artifacts}",
        f"--keras-custom-objects={zoo / 'acme.py'}",
        f"--keras-trust={artifacts}",
    ]
    command += [*(f"--keras-env={one}" for one in environments), *more]
    told.unlink(missing_ok=True)
    began = time.monotonic()
    done = subprocess.run(command, cwd=folder, env=gating.environment(), capture_output=True, text=True)
    seconds = time.monotonic() - began
    if not told.exists():
        raise SystemExit(f"the gate wrote no report:\n{(done.stdout + done.stderr)[-4000:]}")
    return json.loads(told.read_text(encoding="utf-8")), seconds


def only(report: Report, environment: str) -> Report:
    """The report as it were with this environment alone."""
    artifacts = [
        {**one, "checks": [check for check in one["checks"] if check["environment"] in (None, environment)]}
        for one in report["artifacts"]
    ]
    return {**report, "artifacts": artifacts}


def judged(report: Report, names: list[str]) -> Counter[str]:
    """How many cells are right, wrong (printed) and without a truth."""
    found: Counter[str] = Counter()
    for environment in report["environments"]:
        told = {key: value for key, value in environment.items() if key != "id"}
        versions, mine = Versions(**told), only(report, environment["id"])
        for name in names:
            try:
                test_zoo.test_the_gate_says_what_is_true(name, mine, versions)
                found["right"] += 1
            except pytest.skip.Exception:
                found["no truth"] += 1
            except AssertionError as error:
                found["wrong"] += 1
                print(f"  {environment['id']}: {name}: {str(error)[:600]}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", action="append", required=True)
    parser.add_argument("--first", type=int, help="only so many artifacts, taken evenly")
    parser.add_argument("--no-separate", action="store_true", help="do not run each environment by itself")
    parser.add_argument("--json", type=Path)
    parser.add_argument("more", nargs="*")
    chosen = parser.parse_args()
    names = sorted(test_zoo.TRUTH["artifacts"])
    names = names if chosen.first is None else names[:: max(1, len(names) // chosen.first)][: chosen.first]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for artifact in names:
            place = folder / "artifacts" / artifact
            place.parent.mkdir(parents=True, exist_ok=True)
            source = ROOT / "tests" / "zoo" / "artifacts" / artifact
            (shutil.copytree if source.is_dir() else shutil.copy)(source, place)
            expected = source.with_name(f"{source.name}.expected.npz")
            if expected.exists():
                shutil.copy(expected, place.parent)
        gate(folder, chosen.env, ["-k", "version", *chosen.more])  # makes what is to be made
        report, together = gate(folder, chosen.env, chosen.more)
        found = judged(report, names)
        separate = [gate(folder, [one], chosen.more)[1] for one in chosen.env] if not chosen.no_separate else []
    print(f"{len(names)} artifacts, {len(chosen.env)} environments: {dict(found)}; {report['summary']}")
    print(f"together {together:.0f} s; each by itself {' + '.join(f'{one:.0f}' for one in separate)} s")
    if separate:
        print(f"together / separate: {together / sum(separate):.2f}")
    if chosen.json is not None:
        chosen.json.write_text(json.dumps({"report": report, "together": together, "separate": separate}))


if __name__ == "__main__":
    main()
