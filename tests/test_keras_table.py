"""The command that keeps the table of Keras' names up to date: what is missing, and what is merged in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras_entries
import keras_table
import pytest
from keras_entries import Entry, Table, Values
from keras_table import Mistake, Target

from pytest_kerasload.environments import uv
from pytest_kerasload.environments.making import Unavailable

OLD: Entry = ("standalone", (2, 3))
K14: Entry = ("keras3", (3, 14))
K15: Entry = ("keras3", (3, 15))


def measured(entry: Entry, classes: Mapping[str, Mapping[str, bool | None] | None], **config: Any) -> dict[str, Any]:
    """What a release of these layers says; ``config`` is what each of them writes."""
    flavour, (major, minor) = entry
    return {
        "flavour": flavour,
        "version": f"{major}.{minor}.1",
        "names": {"layer": sorted(classes)},
        "configs": {"layer": {name: {"units": 3, **config} for name in classes}},
        "accepts": {"layer": classes},
    }


def again(table: Table, entry: Entry) -> dict[str, Any]:
    """What a release says, out of the table."""
    answers: dict[str, dict[str, Any]] = {}
    for (kind, name, key), taken in table.answers_of(entry).items():
        if taken or kind != "operation":
            answers.setdefault(kind, {}).setdefault(name, {})[key] = taken
    for classes in answers.values():
        classes.update({name: None for name, keys in classes.items() if "*" in keys})
    names: dict[str, list[str]] = {}
    for kind, name in table.names_of(entry):
        names.setdefault(kind, []).append(name)
    return {
        "flavour": entry[0],
        "version": "{}.{}.0".format(*entry[1]),
        "names": names,
        "configs": {},
        "accepts": answers,
    }


@dataclass(frozen=True)
class Bench:
    """In place of the real one: what is measured is given, by target."""

    given: Mapping[str, Any]
    asked: dict[str, Values] = field(default_factory=dict)

    def configurations(self, one: Target) -> Any:
        return self._given(one)

    def answers(self, one: Target, values: Values) -> Any:
        self.asked[str(one)] = values
        return self._given(one)

    def ops(self, one: Target) -> Any:
        return self._given(one)

    def _given(self, one: Target) -> Any:
        if str(one) not in self.given:
            raise Unavailable(f"{one}: the package index has none")
        return self.given[str(one)]


def refresh(table: Table, values: Values, bench: Bench, *targets: str) -> keras_table.Outcome:
    return keras_table.refresh([keras_table.target(one) for one in targets], table, values, bench)  # type: ignore[arg-type]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copies of the committed files, which are written in place of those."""
    for name, path in (("TABLE", keras_entries.TABLE), ("VALUES", keras_entries.VALUES)):
        copy = tmp_path / path.name
        copy.write_bytes(path.read_bytes())
        monkeypatch.setattr(keras_entries, name, copy)
    return tmp_path


# ---- the committed files


def test_the_committed_files_are_written_as_they_were_read(files: Path) -> None:
    assert keras_entries.write(*keras_entries.read()) == []


@pytest.mark.parametrize("entry", [("keras3", (3, 15)), ("keras2", (2, 15)), ("tf_keras", (2, 16)), OLD])
def test_a_release_that_is_measured_anew_is_back_as_it_was(entry: Entry) -> None:
    table, _ = keras_entries.read()
    gone = table.without(entry)
    assert entry not in gone.releases
    assert not gone.answers_of(entry)
    assert gone.with_measured(again(table, entry)).as_json() == table.as_json()


def test_nothing_of_other_releases_is_lost() -> None:
    table, _ = keras_entries.read()
    later: Entry = ("keras3", (3, 99))
    grown = table.with_measured({**again(table, K15), "version": "3.99.0"})
    for entry in table.releases:
        assert grown.names_of(entry) == table.names_of(entry)
        assert grown.answers_of(entry) == table.answers_of(entry)
    assert grown.answers_of(later) == table.answers_of(K15)
    assert grown.as_json()["releases"][-1] == ["keras3", "3.99"]


def test_values_hold_no_code() -> None:
    """Marshalled functions are of one Python, and have the path of where they were made."""
    values: Values = {}
    code = ["4w" + "A" * 900, None, None]
    values = keras_entries.with_configurations(values, measured(K14, {"Lambda": {}}, function=code))
    assert values == {"layer": {"Lambda": {"units": [3]}}}


def test_few_values_are_kept() -> None:
    values: Values = {}
    for seed in range(9):
        values = keras_entries.with_configurations(values, measured(K14, {"Dropout": {}}, seed=seed))
    assert values["layer"]["Dropout"]["seed"] == [0, 1, 2, 3]
    raw = json.loads(json.dumps(keras_entries.values_as_json(values, ["Abs", "Add"])))
    assert keras_entries.values_of_json(raw) == values
    assert raw["ops"].split() == ["Abs", "Add"]


# ---- what is missing


def test_what_the_index_has_and_the_table_has_not_is_missing() -> None:
    table = Table(
        releases=frozenset({("keras2", (2, 14)), ("tf_keras", (2, 16)), K14}),
        tensorflow=frozenset({(2, 13), (2, 14), (2, 16)}),
    )
    tensorflows = [(2, 5), (2, 13), (2, 14), (2, 16), (2, 17)]
    others = [
        Target("keras", "3.16.0"),
        Target("keras", "3.15.1"),
        Target("keras", "3.14.1"),
        Target("tf_keras", "2.17.0"),
        Target("tf_keras", "2.16.0"),
    ]
    found = keras_table.missing(table, tensorflows, others)
    assert [str(one) for one in found] == [
        "tensorflow==2.5.*",
        "tensorflow==2.13.*",  # its ops are there, its Keras is not
        "tensorflow==2.17.*",
        "keras==3.15.1",
        "keras==3.16.0",
        "tf_keras==2.17.0",
    ]


def test_tensorflow_2_5_has_ops_only() -> None:
    assert Target("tensorflow", "2.5.*").entry is None
    assert Target("tensorflow", "2.17.0").entry is None
    assert Target("tensorflow", "2.15.1").entry == ("keras2", (2, 15))


def test_the_index_is_asked_for_one_minor_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"keras>=3.0": "3.15.1", "keras>=3.0,<3.15": "3.14.2", "keras>=3.0,<3.14": None}
    monkeypatch.setattr(uv, "newest", lambda requirement, interpreter: answers[requirement])
    assert list(keras_table.patches("keras", (3, 0), "python")) == ["3.15.1", "3.14.2"]


def test_an_index_without_keras_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uv, "newest", lambda requirement, interpreter: None)
    monkeypatch.setattr(keras_table, "pythons", lambda: ["python"])
    with pytest.raises(Mistake, match="the package index has no keras for any Python at hand"):
        keras_table.others()


def test_a_table_that_has_all_is_left(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(keras_table, "tensorflows", lambda: ((2, 15), (2, 21)))
    monkeypatch.setattr(keras_table, "others", lambda: [Target("keras", "3.15.1"), Target("tf_keras", "2.21.0")])
    assert keras_table.main(["refresh"]) == 0
    assert capsys.readouterr().out == "The table has every release.\n"


# ---- what a user names


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("keras==3.15.1", "keras==3.15.1"),
        ("keras==3.15", "keras==3.15.*"),
        ("Keras == 3.15.*", "keras==3.15.*"),
        ("tensorflow-cpu==2.15.1", "tensorflow==2.15.1"),
        ("tf-keras==2.21.0", "tf_keras==2.21.0"),
    ],
)
def test_a_release_is_named(text: str, release: str) -> None:
    assert str(keras_table.target(text)) == release


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("keras", "'keras' is no release; give a release like keras==3.15.1, tensorflow==2.15.1 or tf_keras==2.21.0"),
        ("keras>=3.1", "'keras>=3.1' is no release; give a release like"),
        ("keras==3", "'keras==3' is no release; give"),
        ("keras 3.15", "'keras 3.15' is no release; give"),
        ("torch==2.9.0", "torch is not in the table; give a release like"),
        ("keras==2.15.0", "this Keras is measured in its TensorFlow; give tensorflow==2.15"),
        ("tf_keras==2.15.1", "this Keras is measured in its TensorFlow; give tensorflow==2.15"),
        ("keras==2.3.1", "no environment is made of it; what the table has of it stays. Give a release like"),
        ("tensorflow==1.15.5", "older than the oldest that is supported, 2.3; what the table has of older ones stays"),
    ],
)
def test_what_cannot_be_measured_is_told(text: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert keras_table.main(["refresh", text]) == 2
    assert said in capsys.readouterr().err


# ---- merging


def start(*releases: dict[str, Any]) -> tuple[Table, Values]:
    table, values = Table(), Values()
    for one in releases:
        table = table.with_measured(one)
        values = keras_entries.with_configurations(values, one)
    return table, values


def test_a_new_key_is_asked_of_every_release() -> None:
    table, values = start(
        measured(OLD, {"Dense": {"units": True}}),
        measured(K14, {"Dense": {"units": True}, "Any": None, "Gone": {"units": True}}),
    )
    bench = Bench(
        {
            "keras==3.15.1": measured(K15, {"Dense": {"units": True, "gate": True}, "Any": None}, gate=0.5),
            "keras==3.14.*": measured(K14, {"Dense": {"units": False, "gate": False}, "Any": None}),
        }
    )
    done = refresh(table, values, bench, "keras==3.15.1")
    assert bench.asked["keras==3.14.*"] == {"layer": {"Dense": {"gate": [0.5]}}}
    assert done.table.answers_of(K15) == {
        ("layer", "Dense", "units"): True,
        ("layer", "Dense", "gate"): True,
        ("layer", "Any", "*"): True,
    }
    # What it was not asked about is as it was.
    assert done.table.answers_of(K14) == {**table.answers_of(K14), ("layer", "Dense", "gate"): False}
    assert done.table.answers_of(OLD) == table.answers_of(OLD)
    assert done.table.names_of(K14) == table.names_of(K14)
    assert done.unasked == (OLD,)
    assert not done.failed
    told = keras_table.changes(table, done.table)
    assert told == ["Keras 3.14: 1 answers more", "Keras 3.15: added, 2 names (0 that no release had), 3 keys"]


def test_keys_that_are_known_are_asked_of_nobody_else() -> None:
    table, values = start(measured(K14, {"Dense": {"units": True}}))
    bench = Bench({"keras==3.15.1": measured(K15, {"Dense": {"units": True}})})
    done = refresh(table, values, bench, "keras==3.15.1")
    assert list(bench.asked) == ["keras==3.15.1"]
    assert done.values == values


def test_new_keys_of_an_optimizer_are_asked_of_the_legacy_one() -> None:
    table = Table(keys={"optimizer": {"legacy>Adam": {"lr": (frozenset({K14}), frozenset({K14}))}}})
    assert table.unanswered(K14, {"optimizer": {"Adam": {"gate": [1]}}}) == {
        "optimizer": {"legacy>Adam": {"gate": [1]}}
    }


def test_a_release_that_cannot_be_had_keeps_none_back() -> None:
    table, values = start(measured(K14, {"Dense": {"units": True}}))
    bench = Bench({"keras==3.15.1": measured(K15, {"Dense": {"units": True}})})
    done = refresh(table, values, bench, "keras==3.99.0", "tensorflow==2.99.0", "keras==3.15.1")
    assert done.table.releases == {K14, K15}
    assert done.failed == (
        "keras==3.99.0: the package index has none",
        "tensorflow==2.99.0: the package index has none",
    )


def test_one_that_could_not_be_asked_is_asked_the_next_time() -> None:
    table, values = start(measured(K14, {"Dense": {"units": True}}))
    newer = measured(K15, {"Dense": {"units": True, "gate": True}}, gate=1)
    done = refresh(table, values, Bench({"keras==3.15.1": newer}), "keras==3.15.1")
    assert "it was not asked about new keys: refresh keras==3.15.1 asks it again" in done.failed[0]
    older = measured(K14, {"Dense": {"gate": False}})
    bench = Bench({"keras==3.15.1": newer, "keras==3.14.*": older})
    done = refresh(done.table, done.values, bench, "keras==3.15.1")
    assert done.table.answers_of(K14)["layer", "Dense", "gate"] is False
    assert not done.failed


def test_what_a_release_has_no_more_is_told() -> None:
    table, values = start(measured(K14, {"Dense": {"units": True, "gate": True}, "Gone": {"units": True}}))
    bench = Bench({"keras==3.14.2": measured(K14, {"Dense": {"units": True, "gate": False}, "More": {"units": True}})})
    done = refresh(table, values, bench, "keras==3.14.2")
    told = "Keras 3.14: 1 answers more, +More (layer), -Gone (layer), Dense.gate (layer): taken -> refused"
    assert keras_table.changes(table, done.table) == [told]


def test_a_class_of_which_none_could_be_made_is_told() -> None:
    table, values = start(measured(K14, {"Dense": {"units": True}}))
    newer = measured(K15, {"Dense": {"units": True}})
    newer["names"]["layer"].append("Odd")
    done = refresh(table, values, Bench({"keras==3.15.1": newer}), "keras==3.15.1")
    assert keras_table.changes(table, done.table)[-1].startswith("  no instance could be made of Odd: see ARGUMENTS")


def ops(table: Table) -> dict[str, str]:
    found: dict[str, str] = table.as_json()["ops"]["names"]
    return found


def test_ops_that_every_tensorflow_has_are_left_out() -> None:
    table = Table().with_ops((2, 20), ["Abs", "Add"]).with_ops((2, 21), ["Abs", "Add", "New"])
    assert ops(table) == {"2": "New"}
    assert table.common == ["Abs", "Add"]
    bench = Bench({"tensorflow==2.19.1": ["Abs", "Gone"]})
    done = refresh(table, {}, bench, "tensorflow==2.19.1").table
    assert ops(done) == {"6": "Add", "1": "Gone", "4": "New"}
    assert done.common == ["Abs"]
    assert keras_table.changes(table, done) == ["TensorFlow 2.19: added, 2 ops (1 new)"]
    assert done.with_ops((2, 19), ["Abs", "Add"]).ops == table.with_ops((2, 19), ["Abs", "Add"]).ops


# ---- the command


def run(monkeypatch: pytest.MonkeyPatch, given: Mapping[str, Any], arguments: Sequence[str]) -> int:
    monkeypatch.setattr(keras_table, "Bench", lambda folder: Bench(given))
    return keras_table.main(["refresh", *arguments])


def test_a_release_is_added(files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    table, _ = keras_entries.read()
    newer = {**again(table, K15), "version": "3.99.0"}
    assert run(monkeypatch, {"keras==3.99.0": newer}, ["keras==3.99.0"]) == 0
    told = capsys.readouterr().out
    assert "Keras 3.99: added, " in told
    assert "Written: builtins.json" in told
    grown, _ = keras_entries.read()
    assert grown.releases == table.releases | {("keras3", (3, 99))}
    assert sorted(path.name for path in files.iterdir()) == ["builtins.json", "keras_values.json"]
    assert run(monkeypatch, {"keras==3.99.0": newer}, ["keras==3.99.0"]) == 0
    assert capsys.readouterr().out == "Nothing changed.\n"


def test_a_failure_is_told_and_leaves_the_files(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in files.iterdir()}
    assert run(monkeypatch, {}, ["keras==3.99.0"]) == 1
    out, err = capsys.readouterr()
    assert out == "Nothing changed.\n"
    assert "keras_table: keras==3.99.0: the package index has none" in err
    assert {path: path.read_bytes() for path in files.iterdir()} == before
