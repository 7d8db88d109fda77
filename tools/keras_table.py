"""Keep the table of Keras' names up to date: measure what it lacks, and merge that into ``builtins.json``::

    python tools/keras_table.py refresh                                     # releases that it does not have yet
    python tools/keras_table.py refresh keras==3.15.1 tensorflow==2.15.1 tf_keras==2.21.0     # these, anew

uv makes an environment of each release, in the cache that ``--keras-env`` uses, and ``keras_measure.py`` runs in it:
once for the names and for the configurations that the classes write, once more to try the configuration keys of every
other release on its classes. The values for that are in ``keras_values.json``. Where a release brings a key that is
not there yet, the other releases' classes are asked about that key, and about nothing else: what the table says of
them stays.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from keras_entries import (
    Entry,
    Table,
    Values,
    beyond,
    entry_of,
    minor_of,
    place,
    read,
    text_of,
    with_configurations,
    write,
)
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from pytest_kerasload.environments import making, recipe, uv
from pytest_kerasload.environments.releases import RELEASES, Minor, release

MEASURE = Path(__file__).resolve().with_name("keras_measure.py")

_KERAS_3 = (2, 16)
"""The first TensorFlow that brings Keras 3."""
_SECONDS = 3600
"""A release is measured within a minute or so."""
_TOLD = 30
"""How many differences of a release are told one by one; git has them all."""
_OWN = ("PYTHONPATH", "TF_USE_LEGACY_KERAS", "KERAS_TABLE_STANDALONE")
"""Variables of this process that would make it another release, or another package."""


class Mistake(Exception):
    """What cannot be done, and what can."""


# ---- the releases


@dataclass(frozen=True)
class Target:
    """A release to be measured: ``keras==3.15.*``."""

    package: str
    version: str

    def __str__(self) -> str:
        return f"{self.package}=={self.version}"

    @property
    def minor(self) -> Minor:
        return minor_of(self.version)

    @property
    def entry(self) -> Entry | None:
        """Where its names and keys go; None for a TensorFlow whose Keras has a version of its own."""
        if self.package != "tensorflow":
            return ("keras3" if self.package == "keras" else "tf_keras"), self.minor
        return ("keras2", self.minor) if self.minor < _KERAS_3 and self.minor != _CALLED_2_4 else None


_CALLED_2_4 = (2, 5)
"""tf.keras of this TensorFlow says that it is 2.4.0, and is looked up as that."""

_GIVE = "give a release like keras==3.15.1, tensorflow==2.15.1 or tf_keras==2.21.0"


def target(text: str) -> Target:
    """The release that an argument stands for; the newest patch where it names none."""
    try:
        wanted = Requirement(text)
    except InvalidRequirement:
        raise Mistake(f"{text!r} is no release; {_GIVE}") from None
    name = canonicalize_name(wanted.name)
    versions = [one.version.removesuffix(".*") for one in wanted.specifier if one.operator == "=="]
    if len(wanted.specifier) != 1 or not versions or versions[0].count(".") < 1:
        raise Mistake(f"{text!r} is no release; {_GIVE}")
    package = {"tensorflow-cpu": "tensorflow", "tf-keras": "tf_keras"}.get(name, name)
    if package not in ("keras", "tensorflow", "tf_keras"):
        raise Mistake(f"{text!r}: {wanted.name} is not in the table; {_GIVE}")
    minor = minor_of(versions[0])
    try:
        known = RELEASES[0] if package == "keras" else release(minor)
    except ValueError as error:
        raise Mistake(f"{text!r}: {error}; what the table has of older ones stays") from None
    if package == "keras" and minor < (2, 6):
        raise Mistake(f"{text!r}: no environment is made of it; what the table has of it stays. {_GIVE.capitalize()}")
    if (package == "keras" and minor < (3, 0)) or (package == "tf_keras" and known.minor < _KERAS_3):
        raise Mistake(f"{text!r}: this Keras is measured in its TensorFlow; give tensorflow=={text_of(minor)}")
    return Target(package, versions[0] if versions[0].count(".") > 1 else f"{versions[0]}.*")


def missing(table: Table, tensorflows: Iterable[Minor], others: Iterable[Target]) -> list[Target]:
    """What the table lacks of these releases of TensorFlow, and of these others."""
    each = [Target("tensorflow", f"{text_of(minor)}.*") for minor in sorted(tensorflows)]
    found = [one for one in each if one.minor not in table.tensorflow or one.entry not in {None, *table.releases}]
    lacking = (one for one in others if one.entry not in table.releases)
    return [*found, *sorted(lacking, key=lambda one: (one.package, one.minor))]


def again(entry: Entry) -> Target | None:
    """How a release of the table is measured once more; None where no environment can be made of it."""
    flavour, minor = entry
    if flavour == "standalone" or (flavour == "keras2" and minor < RELEASES[0].minor):
        return None
    package = {"keras3": "keras", "keras2": "tensorflow"}.get(flavour, flavour)
    return Target(package, f"{text_of(minor)}.*")


def pythons() -> list[str]:
    """The interpreters at hand of every Python that a TensorFlow was built for, the newest first."""
    later = release((RELEASES[-1].minor[0], RELEASES[-1].minor[1] + 1))
    versions = {version for one in (*RELEASES, later) for version in one.pythons}
    found = (uv.python([version]) for version in sorted(versions, key=Version, reverse=True))
    return [one for one in found if one]


def patches(package: str, since: Minor, interpreter: str) -> Iterator[str]:
    """The newest patch of each minor release that the package index has for an interpreter, the newest first."""
    below = ""
    while version := uv.newest(f"{package}>={text_of(since)}{below}", interpreter):
        yield version
        below = f",<{text_of(minor_of(version))}"


@cache
def tensorflows() -> tuple[Minor, ...]:
    """Every TensorFlow of which environments are made: those that are known, and later ones that the index has."""
    last = RELEASES[-1]
    name = Requirement(recipe.parse(last.spec).requirements[0]).name
    later = chain.from_iterable(patches(name, last.minor, one) for one in pythons())
    return tuple(sorted({*(one.minor for one in RELEASES), *map(minor_of, later)}))


def pure(package: str, since: Minor) -> list[str]:
    """The newest patch of every minor release of a package without code of a Python's own.

    Its later releases give up old Pythons, and none asks for an old one.
    """
    found = [version for one in pythons()[:1] for version in patches(package, since, one)]
    if not found:
        raise Mistake(f"the package index has no {package} for any Python at hand; install one that uv finds")
    return found


def others() -> list[Target]:
    """Every Keras 3 and tf_keras of the index."""
    since = {"keras": (3, 0), "tf_keras": _KERAS_3}
    return [Target(package, version) for package, first in since.items() for version in pure(package, first)]


@cache
def environment(one: Target) -> tuple[str, recipe.Recipe]:
    """The environment that holds a release, with the spec that asks for it; Unavailable where none can be had."""
    if one.package == "tensorflow":
        spec = f"tf{one.version.removesuffix('.*')}"
        return spec, recipe.parse(spec)
    if one.package == "tf_keras":
        spec = f"tf{text_of(one.minor)},{one}"
        return spec, recipe.parse(spec, legacy=True)
    # Keras does not say which TensorFlow it needs; each TensorFlow says which Keras.
    for minor in reversed(tensorflows()):
        spec = f"tf{text_of(minor)},{one}"
        try:
            if minor >= _KERAS_3 and making.resolvable(found := recipe.parse(spec)):
                return spec, found
        except uv.UvRefused as refused:
            raise making.Unavailable(f"{one}: {refused}") from None
    raise making.Unavailable(f"{one}: the package index has none, or no TensorFlow that goes with it")


# ---- measuring


@dataclass(frozen=True)
class Bench:
    """Where releases are measured."""

    folder: Path

    def configurations(self, one: Target) -> dict[str, Any]:
        """A release's names and what its classes write."""
        return self._run(one, "measure")

    def answers(self, one: Target, values: Values) -> dict[str, Any]:
        """Its names, and which of these keys its classes take."""
        given = self.folder / "values.json"
        given.write_text(json.dumps(values), encoding="utf-8")
        return self._run(one, "measure", str(given))

    def ops(self, one: Target) -> list[str]:
        """The ops of a TensorFlow."""
        found: list[str] = self._run(one, "ops")["ops"]
        return found

    def _run(self, one: Target, command: str, *more: str) -> dict[str, Any]:
        spec, made = environment(one)
        making.make([(spec, made)], tell)
        variables = {key: value for key, value in os.environ.items() if key not in _OWN}
        variables |= {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
        if one.package == "tf_keras":
            variables["TF_USE_LEGACY_KERAS"] = "1"
        out = self.folder / "out.json"
        out.unlink(missing_ok=True)
        ran = [str(making.interpreter(made)), str(MEASURE), command, str(out), *more]
        try:
            done = subprocess.run(
                ran, cwd=self.folder, env=variables, capture_output=True, text=True, errors="replace", timeout=_SECONDS
            )
        except subprocess.TimeoutExpired:
            raise making.Unavailable(f"{one}: it was not measured within {_SECONDS} s") from None
        if done.returncode or not out.exists():
            last = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
            raise making.Unavailable(f"{one}: it cannot be measured (in {spec}, exit status {done.returncode}): {last}")
        found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        if command == "measure" and entry_of(found) != one.entry:
            raise making.Unavailable(f"{one}: {spec} holds {_title(entry_of(found))}")
        return found


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _title(entry: Entry) -> str:
    return f"{'Keras' if entry[0].startswith('keras') else entry[0]} {text_of(entry[1])}"


@dataclass(frozen=True)
class Outcome:
    """What a refresh comes to, and what could not be done."""

    table: Table
    values: Values
    failed: tuple[str, ...] = ()
    unasked: tuple[Entry, ...] = ()
    """Releases that are not asked about new keys, as no environment is made of them."""
    new: Values = field(default_factory=dict)
    """Values of the keys that no release wrote before."""


def refresh(targets: Sequence[Target], table: Table, values: Values, bench: Bench) -> Outcome:
    """Measure releases and merge them in."""
    failed: list[str] = []
    first: dict[Target, dict[str, Any]] = {}
    for one in targets:
        try:
            if one.package == "tensorflow":
                tell(f"{one}: ops")
                table = table.with_ops(one.minor, bench.ops(one))
            if one.entry:
                tell(f"{one}: names and configurations")
                first[one] = bench.configurations(one)
        except making.Unavailable as error:
            failed.append(str(error))
    old = values
    for _, measured in sorted(first.items(), key=lambda pair: place(entry_of(pair[1]))):
        values = with_configurations(values, measured)
    done = set()
    for one, _ in first.items():
        try:
            tell(f"{one}: every release's keys")
            measured = bench.answers(one, values)
        except making.Unavailable as error:
            failed.append(str(error))
            continue
        table = table.with_measured(measured)
        done.add(one.entry)
    new = beyond(values, old)
    unasked: list[Entry] = []
    for entry in sorted(table.releases - done, key=place):
        asked = table.unanswered(entry, new)
        if not asked:
            continue
        other = again(entry)
        if other is None:
            unasked.append(entry)
            continue
        try:
            tell(f"{other}: {_count(asked)} new keys")
            table = table.with_answers(bench.answers(other, asked), asked)
        except making.Unavailable as error:
            failed.append(
                f"{error}; it was not asked about new keys: refresh {' '.join(map(str, first))} asks it again"
            )
            values = old  # in which they are new still
    return Outcome(table, values, tuple(failed), tuple(unasked), new)


def _count(values: Values) -> int:
    return sum(len(keys) for table in values.values() for keys in table.values())


def changes(old: Table, new: Table) -> list[str]:
    """What a table has that the old one has not, a line each."""
    lines = []
    known = {one for entry in old.releases for one in old.names_of(entry)}
    for entry in sorted(new.releases, key=place):
        names, answers = new.names_of(entry), new.answers_of(entry)
        if entry not in old.releases:
            lines.append(
                f"{_title(entry)}: added, {len(names)} names ({len(names - known)} that no release had), "
                f"{len(answers)} keys"
            )
            unmeasured = sorted(name for kind, name in names - known if _unmeasured(new, entry, kind, name))
            if unmeasured:
                lines.append(f"  no instance could be made of {', '.join(unmeasured)}: see ARGUMENTS in {MEASURE.name}")
            continue
        before, answered = old.names_of(entry), old.answers_of(entry)
        more = [f"+{name} ({kind})" for kind, name in sorted(names - before)]
        more += [f"-{name} ({kind})" for kind, name in sorted(before - names)]
        filled = 0
        for kind, name, key in sorted(answered.keys() | answers.keys()):
            was, now = answered.get((kind, name, key)), answers.get((kind, name, key))
            if was is None:
                filled += 1
            elif was != now and (kind, name) in names:
                more.append(f"{name}.{key} ({kind}): {_word(was)} -> {_word(now)}")
        if filled:
            more.insert(0, f"{filled} answers more")
        if more:
            lines.append(f"{_title(entry)}: {_listed(more)}")
    for minor in sorted(new.tensorflow):
        mine = {name for name, there in new.ops.items() if minor in there}
        if minor not in old.tensorflow:
            lines.append(f"TensorFlow {text_of(minor)}: added, {len(mine)} ops ({len(mine - old.ops.keys())} new)")
        elif mine != (was_there := {name for name, there in old.ops.items() if minor in there}):
            signs = [f"+{name}" for name in sorted(mine - was_there)]
            signs += [f"-{name}" for name in sorted(was_there - mine)]
            lines.append(f"TensorFlow {text_of(minor)}: {_listed(signs)}")
    return lines


def _unmeasured(table: Table, entry: Entry, kind: str, name: str) -> bool:
    if kind in ("model", "activation", "function", "operation"):  # nothing is made of these
        return False
    return not any(entry in known for _, known in table.keys.get(kind, {}).get(name, {}).values())


def _listed(items: Sequence[str]) -> str:
    more = f", and {len(items) - _TOLD} more" if len(items) > _TOLD else ""
    return ", ".join(items[:_TOLD]) + more


def _word(answer: bool | None) -> str:
    return {True: "taken", False: "refused", None: "unknown"}[answer]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Keep the table of Keras' names up to date.")
    commands = parser.add_subparsers(dest="command", required=True)
    refreshing = commands.add_parser("refresh", help="measure releases and merge them into the table")
    refreshing.add_argument("releases", nargs="*", metavar="RELEASE", help=f"{_GIVE}; none: those that it lacks")
    chosen = parser.parse_args(arguments)
    try:
        targets = list(dict.fromkeys(map(target, chosen.releases)))
        table, values = read()
        targets = targets or missing(table, tensorflows(), others())
        if not targets:
            print("The table has every release.")
            return 0
        tell(f"To be measured: {', '.join(map(str, targets))}")
        with tempfile.TemporaryDirectory(prefix="kerasload-") as folder:
            outcome = refresh(targets, table, values, Bench(Path(folder)))
    except (Mistake, uv.UvRefused) as error:
        print(f"keras_table: {error}", file=sys.stderr)
        return 2
    for line in changes(table, outcome.table):
        print(line)
    if outcome.new:
        unasked = ", ".join(map(_title, outcome.unasked)) or "none"
        print(f"{_count(outcome.new)} keys that no release wrote before; who could not be asked about them: {unasked}")
    written = write(outcome.table, outcome.values)
    print(f"Written: {', '.join(written)}" if written else "Nothing changed.")
    for line in outcome.failed:
        print(f"keras_table: {line}", file=sys.stderr)
    return 1 if outcome.failed else 0


if __name__ == "__main__":
    sys.exit(main())
