"""What ``builtins.json`` says, with sets of releases, and the values beside it: read, added to, and written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pytest_kerasload.environments.releases import Minor

HERE = Path(__file__).resolve().parent
TABLE = HERE.parent / "pytest_kerasload" / "artifacts" / "builtins.json"
VALUES = HERE / "keras_values.json"

FLAVOURS = ("standalone", "keras2", "tf_keras", "keras3")
_DISTINCT = 4
"""How many values of a key are kept: the ways to write it differ by release, and are few."""
_LONG = 400
"""Characters of a value of which one is enough: nested layers, and AUC's two hundred thresholds."""

Entry = tuple[str, Minor]
"""A release in the table: its flavour and minor version."""
Names = dict[str, dict[str, frozenset[Entry]]]
Keys = dict[str, dict[str, dict[str, tuple[frozenset[Entry], frozenset[Entry]]]]]
Values = dict[str, dict[str, dict[str, list[Any]]]]
"""kind -> class -> key -> what releases write there."""

EVERY = "*"
"""The key of a class that takes every key."""


# ---- the table


@dataclass(frozen=True)
class Table:
    """What was measured, with sets of releases in place of the numbers that ``builtins.json`` has."""

    releases: frozenset[Entry] = frozenset()
    names: Names = field(default_factory=dict)
    keys: Keys = field(default_factory=dict)
    """kind -> class -> key -> (releases that take it, releases of which it is known)."""
    tensorflow: frozenset[Minor] = frozenset()
    ops: dict[str, frozenset[Minor]] = field(default_factory=dict)
    """Those that every release has, too."""

    @classmethod
    def of_json(cls, raw: Mapping[str, Any], common: Iterable[str]) -> Table:
        """``common`` are the ops that every TensorFlow has, which the file leaves out."""
        releases = [(flavour, minor_of(version)) for flavour, version in raw["releases"]]
        tensorflow = [minor_of(version) for version in raw["ops"]["releases"]]
        names = {
            kind: {name: _members(mask, releases) for mask, group in groups.items() for name in group.split()}
            for kind, groups in raw["names"].items()
        }
        keys = {
            kind: {
                name: {
                    key: (_members(yes, releases), _members(known, releases))
                    for yes, known, group in ((*masks.split("/"), group) for masks, group in groups.items())
                    for key in group.split()
                }
                for name, groups in classes.items()
            }
            for kind, classes in raw["keys"].items()
        }
        ops = dict.fromkeys(common, frozenset(tensorflow))
        for mask, group in raw["ops"]["names"].items():
            ops.update((name, _members(mask, tensorflow)) for name in group.split())
        return cls(frozenset(releases), names, keys, frozenset(tensorflow), ops)

    def as_json(self) -> dict[str, Any]:
        """Releases in order; names by kind and set of releases; keys by class and set of releases.

        A set of releases is a number whose bit n stands for release n, in hexadecimal. The keys of a class are grouped
        by ``accepted/known``: the releases that take the key, and those where it is known whether they do. Of
        TensorFlow's ops there are only those that some release does not have.
        """
        order = sorted(self.releases, key=place)
        bits = {entry: 1 << bit for bit, entry in enumerate(order)}
        tensorflow = sorted(self.tensorflow)
        tensorflow_bits = {minor: 1 << bit for bit, minor in enumerate(tensorflow)}
        some = {name: there for name, there in self.ops.items() if there != self.tensorflow}
        return {
            "releases": [[flavour, text_of(minor)] for flavour, minor in order],
            "ops": {
                "releases": [text_of(minor) for minor in tensorflow],
                "names": _grouped({name: _mask(there, tensorflow_bits) for name, there in some.items()}),
            },
            "names": {
                kind: _grouped({name: _mask(there, bits) for name, there in table.items()})
                for kind, table in self.names.items()
            },
            "keys": {
                kind: {
                    name: _grouped({key: f"{_mask(yes, bits)}/{_mask(known, bits)}" for key, (yes, known) in e.items()})
                    for name, e in sorted(table.items())
                }
                for kind, table in self.keys.items()
            },
        }

    @property
    def common(self) -> list[str]:
        """The ops that every TensorFlow has."""
        return sorted(name for name, there in self.ops.items() if there == self.tensorflow)

    def without(self, entry: Entry) -> Table:
        """The table as if a release had not been measured."""
        gone = {entry}
        names = {kind: {name: there - gone for name, there in table.items()} for kind, table in self.names.items()}
        keys = {
            kind: {
                name: {key: (yes - gone, known - gone) for key, (yes, known) in classes.items() if known - gone}
                for name, classes in table.items()
            }
            for kind, table in self.keys.items()
        }
        return replace(
            self,
            releases=self.releases - gone,
            names={kind: {name: there for name, there in table.items() if there} for kind, table in names.items()},
            keys={kind: {name: one for name, one in table.items() if one} for kind, table in keys.items()},
        )

    def with_measured(self, measured: Mapping[str, Any]) -> Table:
        """The table with a release's names and answers in place of those that it had of it."""
        entry = entry_of(measured)
        old = self.without(entry)
        here = frozenset({entry})
        names = {kind: dict(table) for kind, table in old.names.items()}
        for kind, found in measured["names"].items():
            table = names.setdefault(kind, {})
            for name in found:
                table[name] = table.get(name, frozenset()) | here
        answers = {
            kind: {name: taken or {EVERY: True} for name, taken in found.items()}
            for kind, found in measured["accepts"].items()
        }
        new = replace(old, releases=old.releases | here, names=names)._answered(entry, answers)
        # An operation is made by what its constructor takes, which is known wherever there is one of that name.
        operations = {
            name: {key: (yes, names["operation"][name]) for key, (yes, _) in classes.items() if yes}
            for name, classes in new.keys.get("operation", {}).items()
        }
        return replace(new, keys={**new.keys, "operation": operations}) if operations else new

    def with_answers(self, measured: Mapping[str, Any], asked: Values) -> Table:
        """The table with a release's answers to what it was asked, where it had none."""
        entry = entry_of(measured)
        answers: dict[str, dict[str, dict[str, bool | None]]] = {}
        for kind, found in measured["accepts"].items():
            for name, keys in asked.get(kind, {}).items():
                known = self.keys.get(kind, {}).get(name, {})
                unknown = (key for key in keys if entry not in known.get(key, (frozenset(), frozenset()))[1])
                answers.setdefault(kind, {})[name] = {key: (found.get(name) or {}).get(key) for key in unknown}
        return self._answered(entry, answers)

    def _answered(self, entry: Entry, answers: Mapping[str, Mapping[str, Mapping[str, bool | None]]]) -> Table:
        here: frozenset[Entry] = frozenset({entry})
        keys = {kind: {name: dict(one) for name, one in table.items()} for kind, table in self.keys.items()}
        for kind, found in answers.items():
            for name, answered in found.items():
                for key, answer in answered.items():
                    if answer is not None:
                        known = keys.setdefault(kind, {}).setdefault(name, {})
                        yes, where = known.get(key, (frozenset(), frozenset()))
                        known[key] = (yes | here if answer else yes, where | here)
        return replace(self, keys=keys)

    def with_ops(self, minor: Minor, found: Iterable[str]) -> Table:
        """The table with the ops of a TensorFlow in place of those that it had of it."""
        there, here = set(found), frozenset({minor})
        ops = {
            name: self.ops.get(name, frozenset()) - here | (here if name in there else frozenset())
            for name in {*self.ops, *there}
        }
        return replace(self, tensorflow=self.tensorflow | here, ops={name: one for name, one in ops.items() if one})

    def unanswered(self, entry: Entry, keys: Values) -> Values:
        """Of these keys, those of which it is not known whether a release's classes of that name take them."""
        found: Values = {}
        for kind, table in self.keys.items():
            new = keys.get(kind, {})
            for name, known in table.items():
                # Configurations of older releases name the optimizer that is legacy>Adam in later ones Adam.
                mine = {**new.get(name.split(">")[-1], {}), **new.get(name, {})}
                answered = {key for key, (_, where) in known.items() if entry in where}
                if kind != "operation" and answered and EVERY not in answered and mine.keys() - answered:
                    found.setdefault(kind, {})[name] = {key: mine[key] for key in mine if key not in answered}
        return found

    def names_of(self, entry: Entry) -> set[tuple[str, str]]:
        """Kind and name of all that a release has."""
        return {(kind, name) for kind, table in self.names.items() for name, there in table.items() if entry in there}

    def answers_of(self, entry: Entry) -> dict[tuple[str, str, str], bool]:
        """Kind, class and key of all that is known of a release, and whether it takes the key."""
        return {
            (kind, name, key): entry in yes
            for kind, table in self.keys.items()
            for name, one in table.items()
            for key, (yes, known) in one.items()
            if entry in known
        }


def entry_of(measured: Mapping[str, Any]) -> Entry:
    """The release that was measured."""
    return measured["flavour"], minor_of(measured["version"])


def place(entry: Entry) -> tuple[int, Minor]:
    return FLAVOURS.index(entry[0]), entry[1]


def minor_of(version: str) -> Minor:
    first, second = version.split("-")[0].split(".")[:2]
    return int(first), int(second)


def text_of(minor: Minor) -> str:
    return f"{minor[0]}.{minor[1]}"


def _members(mask: str, order: Sequence[Any]) -> frozenset[Any]:
    return frozenset(one for bit, one in enumerate(order) if int(mask, 16) >> bit & 1)


def _mask(there: Iterable[Any], bits: Mapping[Any, int]) -> str:
    return format(sum(bits[one] for one in there), "x")


def _grouped(masks: Mapping[str, str]) -> dict[str, str]:
    groups: dict[str, list[str]] = {}
    for name, mask in sorted(masks.items()):
        groups.setdefault(mask, []).append(name)
    return {mask: " ".join(group) for mask, group in groups.items()}


# ---- the values


def with_configurations(values: Values, measured: Mapping[str, Any]) -> Values:
    """The values, with those that a release writes."""
    found = {kind: {name: dict(keys) for name, keys in table.items()} for kind, table in values.items()}
    for kind, table in measured["configs"].items():
        for name, config in table.items():
            for key, value in config.items():
                seen = found.setdefault(kind, {}).setdefault(name, {}).get(key, [])
                room = _DISTINCT if len(json.dumps(value)) <= _LONG else 1
                if value not in seen and len(seen) < room and not _is_code(value):
                    found[kind][name][key] = [*seen, value]
    return found


def _is_code(value: Any) -> bool:
    """Whether a value holds a marshalled function: it is of one Python only, and has the path that it came from."""
    if isinstance(value, list):
        return any(map(_is_code, value))
    return isinstance(value, str) and len(value) > _LONG


def beyond(values: Values, old: Values) -> Values:
    """The values of keys that the old ones have none of."""
    found: Values = {}
    for kind, table in values.items():
        for name, keys in table.items():
            known = old.get(kind, {}).get(name, {})
            if new := {key: value for key, value in keys.items() if key not in known}:
                found.setdefault(kind, {})[name] = new
    return found


def values_of_json(raw: Mapping[str, Any]) -> Values:
    found: Values = {}
    for kind, table in raw["values"].items():
        for key, groups in table.items():
            for values, names in groups:
                for name in names.split():
                    found.setdefault(kind, {}).setdefault(name, {})[key] = values
    return found


def values_as_json(values: Values, common: Sequence[str]) -> dict[str, Any]:
    """kind -> key -> the values, and the classes that have them; beside them the ops that ``builtins.json`` leaves out,
    as every TensorFlow has them."""
    groups: dict[str, dict[str, dict[str, list[str]]]] = {}
    for kind, table in values.items():
        for name, keys in sorted(table.items()):
            for key, one in sorted(keys.items()):
                text = json.dumps(one, separators=(",", ":"))
                groups.setdefault(kind, {}).setdefault(key, {}).setdefault(text, []).append(name)
    return {
        "ops": " ".join(common),
        "values": {
            kind: {
                key: [[json.loads(text), " ".join(names)] for text, names in sorted(one.items())]
                for key, one in sorted(table.items())
            }
            for kind, table in groups.items()
        },
    }


# ---- the files


def read() -> tuple[Table, Values]:
    """The committed table, and the values beside it."""
    beside = json.loads(VALUES.read_text(encoding="utf-8"))
    raw = json.loads(TABLE.read_text(encoding="utf-8"))
    return Table.of_json(raw, beside["ops"].split()), values_of_json(beside)


def write(table: Table, values: Values) -> list[str]:
    """Write what is not as it was; the names of the files that were not."""
    beside = values_as_json(values, table.common)
    # The values last: were they there without the table, nobody would be asked about their keys any more.
    texts = {
        TABLE: json.dumps(table.as_json(), separators=(",", ":")).replace('},"', '},\n"') + "\n",
        VALUES: json.dumps(beside, separators=(",", ":")).replace('"]],"', '"]],\n"') + "\n",
    }
    changed = [path for path, text in texts.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in changed:
        aside = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            aside.write_text(texts[path], encoding="utf-8")
            os.replace(aside, path)
        finally:
            aside.unlink(missing_ok=True)
    return [path.name for path in changed]
