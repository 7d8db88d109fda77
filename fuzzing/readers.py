"""Asks all static questions of thousands of mutated artifacts: ``python -m fuzzing.readers --inputs 1000 --seed 1``.

hypothesis draws what is changed; troubles are gathered by kind and place, with the smallest artifact that shows each.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from fuzzing import asking, mutations
from fuzzing.asking import Answer, Trouble


@dataclass
class Run:
    """What came of the artifacts that were asked."""

    keep: Path | None = None
    inputs: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    troubles: dict[str, Trouble] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    largest: int = 0

    def add(self, path: Path, answer: Answer) -> None:
        self.inputs += 1
        self.outcomes.update(set(answer.outcomes))
        self.slowest, self.largest = max(self.slowest, answer.seconds), max(self.largest, answer.memory)
        for trouble in answer.troubles:
            self.counts[trouble.signature] += 1
            if trouble.signature not in self.troubles:
                self.troubles[trouble.signature] = trouble
                print(f"input {self.inputs}: {trouble.signature}\n{trouble.detail}", flush=True)
                self._kept(path, len(self.troubles))

    def _kept(self, path: Path, number: int) -> None:
        if self.keep is not None:
            shutil.copytree(path.parent, self.keep / f"{number:03}", symlinks=True, dirs_exist_ok=True)

    def told(self) -> str:
        lines = [f"{self.inputs} inputs, slowest {self.slowest:.1f} s, largest {self.largest >> 20} MiB"]
        lines += [f"  {count:6} {outcome}" for outcome, count in sorted(self.outcomes.items())]
        lines += [f"  TROUBLE {count} times: {what}" for what, count in self.counts.most_common()]
        return "\n".join(lines)


def asked(rng: Random, run: Run, kind: mutations.Kind | None = None, scale: int = 100) -> Answer:
    """Makes one artifact and asks it."""
    with tempfile.TemporaryDirectory() as directory:
        path = mutations.made(Path(directory), rng, kind, scale)
        answer = asking.ask(path)
        run.add(path, answer)
    return answer


RANDOM = st.randoms(use_true_random=False) | st.integers(0, 1 << 64).map(Random)
"""What hypothesis draws itself is shrunk, and often simple; out of a seed comes what is as likely as anything else."""


def fuzz(run: Run, number: int, inputs: int, scale: int = 100) -> None:
    """Asks so many artifacts."""

    @seed(number)
    @settings(
        max_examples=inputs,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(RANDOM, st.sampled_from(mutations.KINDS))
    def one(rng: Random, kind: mutations.Kind) -> None:
        asked(rng, run, kind, scale)

    one()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=int, default=100, help="how often something is repeated at most, roughly")
    parser.add_argument("--seconds", type=float, default=0.0, help="stop after so long")
    parser.add_argument("--keep", type=Path, help="keep one artifact of each trouble below this directory")
    chosen = parser.parse_args()
    asking.hurry()
    warnings.simplefilter("ignore")  # zipfile warns of the names that are written twice here
    with tempfile.TemporaryDirectory() as own:
        tempfile.tempdir = own
        return _fuzzed(chosen)


def _fuzzed(chosen: argparse.Namespace) -> int:
    run = Run(chosen.keep)
    # Batches: hypothesis remembers what it drew, and gets slower by it.
    batch = 250
    began = time.monotonic()
    for first in range(0, chosen.inputs, batch):
        if chosen.seconds and time.monotonic() - began > chosen.seconds:
            break
        fuzz(run, chosen.seed + first // batch, min(batch, chosen.inputs - first), chosen.scale)
        print(f"{run.inputs} inputs, {len(run.troubles)} troubles", flush=True)
    print(run.told())
    return 1 if run.troubles else 0


if __name__ == "__main__":
    sys.exit(main())
