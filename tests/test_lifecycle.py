"""The life of expected outputs: recorded, rewritten, left alone, out of date, unreadable, no longer used."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import shutil
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import builders
import numpy as np
import pytest
from test_worker_limits import h5_model

from conftest import causes_of, checks_of
from pytest_kerasload import expected, files
from pytest_kerasload.artifacts.reading import read
from pytest_kerasload.artifacts.record import Artifact, ConfigObject
from pytest_kerasload.checks import comparing, predictions
from pytest_kerasload.checks.verdict import Context, Verdict
from pytest_kerasload.environments import driver
from pytest_kerasload.environments.process import RequestFailed
from pytest_kerasload.environments.session import Comparison, Difference, InputSpec, Loaded, Output, Session
from pytest_kerasload.environments.spec import EnvironmentSpec
from pytest_kerasload.environments.versions import Versions
from pytest_kerasload.findings import CheckResult
from pytest_kerasload.gate import Gate, Task
from pytest_kerasload.settings import Settings

Array = np.ndarray[Any, Any]
Model = Callable[[Array], Array]

X = np.arange(24, dtype="float32").reshape(8, 3)
DIGEST, OTHER = "a" * 64, "b" * 64
KERAS3 = Versions(python="3.11.7", tensorflow="2.16.1", keras="3.3.3", flavour="keras3")


def total(x: Array) -> Array:
    return x.sum(axis=1, keepdims=True)


def shifted(x: Array) -> Array:
    return total(x) + 0.5


def random(x: Array) -> Array:
    return total(x) + np.random.default_rng().normal(size=(len(x), 1)).astype("float32")


def nowhere_finite(x: Array) -> Array:
    return total(x) * np.float32("nan")


def partly_finite(x: Array) -> Array:
    return np.where(np.arange(len(x))[:, None] == 1, np.float32("nan"), total(x))


def two_columns(x: Array) -> Array:
    return x[:, :2]


def wider(x: Array) -> Array:
    """What a model gives that takes four numbers where three were taken before."""
    if x.shape[1] != 4:
        raise RequestFailed({"type": "ValueError", "text": "expected shape=(None, 4)", "traceback": ""}, [])
    return total(x)


@dataclass
class Told(Session):
    """A session with a model that is a function."""

    model: Model = total
    width: int = 3
    asked: list[Array] = field(default_factory=list)

    def load(self, *, compile: bool = True, unsafe: bool = False, way: str | None = None) -> Loaded:
        spec = InputSpec("x", (None, self.width), "float32", ("x", "0"))
        return Loaded("model", "keras", (spec,), (), (), self.artifact.path, compile, unsafe)

    def predict(self, loaded: Loaded, given: Any, **more: Any) -> tuple[Output, ...]:
        self.asked.append(given[0])
        return (Output(("score", "0"), self.model(given[0])),)

    def fingerprints(self, loaded: Loaded) -> tuple[Any, ...]:
        return ()

    def perturbed(self, loaded: Loaded, inputs: Any, seed: int, unit: float) -> tuple[Output, ...]:
        return ()  # a function has no weights to move

    def again(self, loaded: Loaded) -> Loaded:
        return loaded

    def compare(self, first: Loaded, second: Loaded) -> Comparison:
        same = Difference((0, 0), ((), ()), ())
        return Comparison(same, same)

    def resolve(self, uses: Sequence[ConfigObject]) -> tuple[Mapping[str, Any], ...]:
        return tuple({"found": True, "complaint": None, "what": "", "forgotten": []} for _ in uses)

    def drop(self, *loaded: Loaded, copy: Path | None = None) -> None:
        pass


def told(
    directory: Path,
    mode: str | None = None,
    model: Model = total,
    *,
    digest: str = DIGEST,
    records: bool = True,
    versions: Versions = KERAS3,
    width: int = 3,
    **more: Any,
) -> Verdict:
    """The verdict on an artifact whose model is that function; its expected outputs are at :func:`stored`."""
    root = directory / "artifacts"
    root.mkdir(exist_ok=True)
    path = root / "clf.h5"
    path.touch()
    settings = Settings((root,), (), directory, record=mode, **more)  # type: ignore[arg-type]
    artifact = Artifact(path, "h5", sha256=digest)
    session = Told(artifact, None, versions, None, directory, model=model, width=width)  # type: ignore[arg-type]
    return predictions.check(Context(session, settings, records=records))


def stored(directory: Path) -> Path:
    return directory / "artifacts" / "clf.h5.expected.npz"


def store(directory: Path, model: Model = total, x: Array = X, **provenance: Any) -> bytes:
    """Expected outputs as recorded from that model, and the file's content."""
    told = {"format_version": 1, "sha256": DIGEST, "tensorflow": "2.15.0", "keras": "2.15.0", "source": "file"}
    expected.write(stored(directory), expected.Expected({"x": x}, {"score": model(x)}, {**told, **provenance}))
    return stored(directory).read_bytes()


def causes(verdict: Verdict) -> list[str]:
    return [finding.cause for finding in verdict.findings if finding.fails]


def note(verdict: Verdict) -> str:
    """What a verdict notes besides its failures."""
    return "\n".join(finding.message for finding in verdict.findings if not finding.fails)


# ---- what the modes do


@pytest.mark.parametrize("mode", ["missing", "failing", "all"])
def test_what_is_not_there_is_recorded(tmp_path: Path, mode: str) -> None:
    """``failing`` too: a ``predictions`` check that has nothing to compare with fails."""
    verdict = told(tmp_path, mode)
    assert re.fullmatch(
        r"recorded artifacts/clf.h5.expected.npz \(\d+ rows, generated inputs, from the file\)", note(verdict)
    )
    assert "recorded clf.h5.expected.npz" in verdict.skipped
    assert causes(told(tmp_path)) == []


def test_nothing_is_written_unasked(tmp_path: Path) -> None:
    assert causes(told(tmp_path)) == ["expected-missing"]
    assert not stored(tmp_path).exists()


def test_what_is_not_in_the_directory_for_it_may_lie_beside_the_artifact(tmp_path: Path) -> None:
    """``record`` knows nothing of ``--keras-expected``."""
    (missing,) = told(tmp_path, expected_dir=tmp_path / "kept").findings
    record, live = (remedy.action for remedy in missing.remedies)
    assert record.endswith("pytest --keras-record --keras-models=artifacts --keras-expected=kept")
    assert live.endswith("which writes beside the artifact: move the file to kept")
    store(tmp_path)
    (missing,) = told(tmp_path, expected_dir=tmp_path / "kept").findings
    assert missing.remedies[0].action.endswith("mkdir -p kept && mv artifacts/clf.h5.expected.npz kept")


def damaged(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04 and no more")


def foreign(path: Path) -> None:
    np.savez(path, predictions=X)


def newer(path: Path) -> None:
    np.savez(path, **{"outputs/0": X, "provenance": np.array('{"format_version": 999}')})


def fetched_later(path: Path) -> None:
    path.symlink_to(path.parent / "objects" / "12ab")


@pytest.mark.parametrize("content", [damaged, foreign, newer, fetched_later, Path.mkdir])
def test_missing_never_touches_what_is_there(tmp_path: Path, content: Callable[[Path], None]) -> None:
    path = stored(tmp_path)
    path.parent.mkdir()
    content(path)
    before = os.lstat(path)
    verdict = told(tmp_path, "missing")
    assert causes(verdict) == ["expected-unreadable"]
    assert "--keras-record=missing does not replace it, =all would" in verdict.findings[0].message
    assert "left alone artifacts/clf.h5.expected.npz" in note(verdict)
    assert os.lstat(path) == before


@pytest.mark.parametrize("mode", ["failing", "all"])
@pytest.mark.parametrize("content", [damaged, foreign, newer, fetched_later])
def test_what_cannot_be_read_is_rewritten_where_that_is_asked_for(
    tmp_path: Path, mode: str, content: Callable[[Path], None]
) -> None:
    stored(tmp_path).parent.mkdir()
    content(stored(tmp_path))
    verdict = told(tmp_path, mode)
    assert causes(verdict) == []
    assert "rewritten" in note(verdict)
    assert "cannot be used" in note(verdict)
    assert causes(told(tmp_path)) == []


def test_missing_compares_with_what_is_there(tmp_path: Path) -> None:
    before = store(tmp_path)
    assert note(told(tmp_path, "missing")) == "left alone artifacts/clf.h5.expected.npz: it agrees"
    assert causes(told(tmp_path, "missing", shifted)) == ["predictions-differ"]
    assert stored(tmp_path).read_bytes() == before


def test_failing_leaves_what_agrees(tmp_path: Path) -> None:
    before = store(tmp_path)
    verdict = told(tmp_path, "failing")
    assert not verdict.skipped
    assert note(verdict) == "left alone artifacts/clf.h5.expected.npz: it agrees"
    assert stored(tmp_path).read_bytes() == before


@pytest.mark.parametrize("model", [shifted, two_columns])
def test_failing_rewrites_what_differs(tmp_path: Path, model: Model) -> None:
    store(tmp_path)
    verdict = told(tmp_path, "failing", model)
    assert causes(verdict) == []
    assert "rewritten artifacts/clf.h5.expected.npz" in note(verdict)
    assert note(verdict).endswith("the artifact's digest is the same")
    assert np.array_equal(expected.read(stored(tmp_path)).outputs["score"], model(X))


def test_sums_of_a_large_output_are_no_classes(tmp_path: Path) -> None:
    def large(x: Array) -> Array:
        return np.random.default_rng(1).normal(size=(len(x), 40_000)).astype("float32") + total(x)

    def moved(x: Array) -> Array:
        return np.where(np.arange(40_000) == 7, np.float32(9.0), large(x))

    told(tmp_path, "all", large)
    (found,) = told(tmp_path, model=moved).findings
    assert "stored as sums" in found.detail
    assert "argmax" not in found.detail


def test_it_is_said_what_changed_since(tmp_path: Path) -> None:
    store(tmp_path)
    assert "score differed by up to 0.5; the artifact's digest is the same" in note(told(tmp_path, "failing", shifted))
    store(tmp_path)
    assert "score differed by up to 0.5; the artifact's digest changed" in note(
        told(tmp_path, "all", shifted, digest=OTHER)
    )
    assert expected.read(stored(tmp_path)).provenance["sha256"] == OTHER
    assert ": agreed; the artifact's digest is the same" in note(told(tmp_path, "all", shifted, digest=OTHER))


@pytest.mark.parametrize("mode", ["failing", "all"])
@pytest.mark.parametrize(
    ("model", "cause"), [(random, "outputs-not-deterministic"), (nowhere_finite, "expected-not-finite")]
)
def test_of_an_artifact_that_cannot_be_recorded_the_old_file_stays(
    tmp_path: Path, mode: str, model: Model, cause: str
) -> None:
    before = store(tmp_path)
    verdict = told(tmp_path, mode, model)
    assert causes(verdict)
    assert mode == "failing" or cause in causes(verdict)
    assert "left alone" in note(verdict)
    assert not verdict.skipped
    assert stored(tmp_path).read_bytes() == before


def test_failing_does_not_make_nan_the_truth(tmp_path: Path) -> None:
    before = store(tmp_path)
    verdict = told(tmp_path, "failing", partly_finite)
    assert causes(verdict) == ["predictions-not-finite-alike"]
    assert "what fails is the artifact" in note(verdict)
    told_to = [remedy.action for finding in verdict.findings for remedy in finding.remedies]
    assert not any("=failing" in action for action in told_to)  # that was given, and did nothing
    assert stored(tmp_path).read_bytes() == before
    assert "rewritten" in note(told(tmp_path, "all", partly_finite))


@pytest.mark.parametrize("mode", ["failing", "all"])
def test_inputs_that_somebody_chose_are_kept(tmp_path: Path, mode: str) -> None:
    chosen = np.array([[100, 200, 300], [1, 0, 0]], "float32")
    store(tmp_path, x=chosen)
    assert "2 rows, the inputs stored before" in note(told(tmp_path, mode, shifted))
    known = expected.read(stored(tmp_path))
    assert np.array_equal(known.inputs["x"], chosen)
    assert np.array_equal(known.outputs["score"], shifted(chosen))


@pytest.mark.parametrize("mode", ["failing", "all"])
def test_inputs_that_were_made_up_are_not_taken_for_chosen_ones(tmp_path: Path, mode: str) -> None:
    store(tmp_path, x=X[:2], inputs="generated")
    for model in (shifted, total):
        assert "16 rows, generated inputs, from the file" in note(told(tmp_path, mode, model))
        assert expected.read(stored(tmp_path)).provenance["inputs"] == "generated"


def test_a_file_without_inputs(tmp_path: Path) -> None:
    (tmp_path / "artifacts").mkdir()
    np.savez(stored(tmp_path), **{"outputs/score": total(X)})  # type: ignore[arg-type]
    (found,) = told(tmp_path).findings
    assert found.cause == "inputs-not-found"
    assert "the model's inputs 'x' are not among the stored ones: none" in found.message
    assert "inputs/0" in found.remedies[0].action


def test_complaints_are_told_without_colours(tmp_path: Path) -> None:
    def bold(x: Array) -> Array:
        raise RequestFailed({"type": "ValueError", "text": "\x1b[1mInput 0\x1b[0m", "traceback": "\x1b[1mx"}, [])

    store(tmp_path)
    (found,) = told(tmp_path, model=bold).findings
    assert found.cause == "predictions-refused"
    assert found.detail.startswith("ValueError: Input 0\n")


def test_a_machine_that_cannot_answer_is_told_from_inputs_that_do_not_fit(tmp_path: Path) -> None:
    def exhausted(x: Array) -> Array:
        raise RequestFailed({"type": "ResourceExhaustedError", "text": "OOM when allocating", "traceback": ""}, [])

    store(tmp_path)
    (found,) = told(tmp_path, model=exhausted).findings
    assert found.cause == "worker-memory"
    assert "does not answer the stored inputs (x float32[8, 3])" in found.message
    assert not any("--keras-record" in remedy.action for remedy in found.remedies)


@pytest.mark.parametrize("mode", ["failing", "all"])
def test_inputs_that_the_artifact_takes_no_more_are_not_kept(tmp_path: Path, mode: str) -> None:
    store(tmp_path)
    assert causes(told(tmp_path, None, wider, width=4)) == ["predictions-refused"]
    assert "generated inputs" in note(told(tmp_path, mode, wider, width=4))
    assert expected.read(stored(tmp_path)).inputs["x"].shape[1] == 4


def test_what_is_expected_to_fail_is_no_failure(tmp_path: Path) -> None:
    """An artifact under ``xfail`` is known to be wrong: ``failing`` does not make what it says the truth."""
    before = store(tmp_path)
    tables = {tmp_path / "artifacts": (("*.h5", {"xfail": True, "reason": "known"}),)}
    verdict = told(tmp_path, "failing", shifted, tables=tables)
    assert causes(verdict) == ["predictions-differ"]
    assert "kerasload.toml expects this artifact to fail" in note(verdict)
    assert stored(tmp_path).read_bytes() == before
    assert "rewritten" in note(told(tmp_path, "all", shifted, tables=tables))
    stored(tmp_path).unlink()
    assert causes(told(tmp_path, "failing", tables=tables)) == ["expected-missing"]
    assert not stored(tmp_path).exists()
    assert "recorded" in note(told(tmp_path, "missing", tables=tables))


@pytest.mark.parametrize("mode", ["missing", "failing", "all"])
def test_a_directory_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    if mode != "missing":
        store(tmp_path)

    def denied(*arguments: Any, **more: Any) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setattr(files.tempfile, "mkstemp", denied)
    verdict = told(tmp_path, mode, shifted)
    assert causes(verdict)[-1] == "expected-not-written"
    assert (
        "artifacts/clf.h5.expected.npz cannot be written: Permission denied"
        in verdict.findings[-1 - (mode != "missing")].message
    )
    assert not verdict.skipped


def test_a_directory_in_its_place_is_not_replaced(tmp_path: Path) -> None:
    stored(tmp_path).mkdir(parents=True)
    verdict = told(tmp_path, "all")
    assert causes(verdict) == ["expected-unreadable", "expected-not-written"]
    assert stored(tmp_path).is_dir()
    assert sorted(path.name for path in stored(tmp_path).parent.iterdir()) == ["clf.h5", "clf.h5.expected.npz"]


# ---- another file, or read differently


def test_a_file_that_was_released_again(tmp_path: Path) -> None:
    store(tmp_path)
    verdict = told(tmp_path, None, shifted, digest=OTHER)
    (finding,) = verdict.findings
    assert finding.cause == "expected-stale-digest"
    assert finding.family == "expected"
    assert "clf.h5 is another file than the one recorded from" in finding.message
    assert "its digest is another one" in finding.detail
    assert any("--keras-record=failing" in remedy.action for remedy in finding.remedies)
    assert any("restore" in remedy.action for remedy in finding.remedies)
    assert verdict.measured.max_abs_error == 0.5


def test_the_same_file_read_differently(tmp_path: Path) -> None:
    store(tmp_path)
    (finding,) = told(tmp_path, None, shifted).findings
    assert finding.cause == "predictions-differ"
    assert "recorded from the file with TensorFlow 2.15.0, Keras 2.15.0" in finding.detail
    assert "same digest" in finding.detail
    assert "TensorFlow 2.16.1, Keras 3.3.3 reads or computes it differently" in finding.detail


def test_the_same_file_and_release(tmp_path: Path) -> None:
    store(tmp_path, tensorflow="2.16.1", keras="3.3.3", source="live model")
    assert "saving lost something" in told(tmp_path, None, shifted).findings[0].detail
    store(tmp_path, tensorflow="2.16.1", keras="3.3.3", source="file")
    assert "custom objects, and at the machine" in told(tmp_path, None, shifted).findings[0].detail


def test_a_file_that_was_released_again_and_predicts_the_same(tmp_path: Path) -> None:
    store(tmp_path)
    verdict = told(tmp_path, digest=OTHER)
    assert causes(verdict) == []
    assert "another file than the one recorded from, and predicts the same" in note(verdict)
    assert verdict.measured.max_abs_error == 0
    assert told(tmp_path).findings == ()


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_outputs_written_by_hand_in_few_bits_are_compared_in_all_of_them(tmp_path: Path, dtype: str) -> None:
    told(tmp_path, "missing")
    by_hand = {"inputs/x": X, "outputs/score": total(X).astype(dtype)}
    np.savez(stored(tmp_path), **by_hand)
    assert causes(told(tmp_path)) == []
    assert causes(told(tmp_path, model=lambda x: total(x) * np.float32(1.01))) == ["predictions-differ"]


def test_answers_at_random_are_not_their_own_noise(tmp_path: Path) -> None:
    told(tmp_path, "missing")
    np.savez(stored(tmp_path), **{"inputs/x": X + 0.3, "outputs/score": total(X + np.float32(0.3))})
    verdict = told(tmp_path, model=lambda x: total(x) + (0.01 * (random(x) - total(x))).astype("float32"))
    assert causes(verdict) == ["outputs-not-deterministic"]


def test_what_this_plugin_wrote_is_not_taken_for_few_digits(tmp_path: Path) -> None:
    def steps(x: Array) -> Array:
        return np.round(total(x)) + np.float32(0.5)

    told(tmp_path, "missing")
    store(tmp_path, steps)
    assert causes(told(tmp_path, model=lambda x: steps(x) + np.float32(0.04))) == ["predictions-differ"]
    assert causes(told(tmp_path, model=steps)) == []


def weight(total: float) -> dict[str, Any]:
    return {"name": "calls", "shape": [], "sum": total, "mean": total, "rms": total}


@dataclass
class Counting(Told):
    """A model with a weight that counts what it was asked since it was loaded."""

    def fingerprints(self, loaded: Loaded) -> tuple[Any, ...]:
        return (weight(3.0 + (len(self.asked) if loaded.key == "model" else 0)),)

    def again(self, loaded: Loaded) -> Loaded:
        return replace(loaded, key="fresh")


def test_a_weight_that_answering_changes_is_that_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "Told", Counting)
    assert told(tmp_path, "missing").skipped
    assert expected.read(stored(tmp_path)).weights == (weight(3.0),)
    assert causes(told(tmp_path)) == []
    store(tmp_path, weights=[weight(2.0)])
    assert causes(told(tmp_path)) == ["expected-weights-differ"]


def test_weights_that_changed_places_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = {**weight(1.0), "name": "a/bias"}, {**weight(2.0), "name": "b/bias"}
    told(tmp_path, "missing")
    store(tmp_path, weights=[{**one, "name": "b/bias"}, {**other, "name": "a/bias"}])
    monkeypatch.setattr(Told, "fingerprints", lambda *_: (one, other))
    (finding,) = told(tmp_path, model=shifted).findings
    assert "weights that changed places since it was recorded: a/bias, b/bias" in finding.detail


def test_a_file_written_by_hand_has_no_digest(tmp_path: Path) -> None:
    stored(tmp_path).parent.mkdir()
    np.savez(stored(tmp_path), **{"inputs/x": X, "outputs/score": total(X)})
    assert told(tmp_path, digest=OTHER).findings == ()
    assert causes(told(tmp_path, None, shifted, digest=OTHER)) == ["predictions-differ"]


@pytest.mark.parametrize("digest", [None, 5, "", DIGEST.upper()])
def test_odd_digests(tmp_path: Path, digest: Any) -> None:
    store(tmp_path, sha256=digest)
    assert told(tmp_path).findings == ()
    assert causes(told(tmp_path, None, shifted)) == ["predictions-differ"]


def test_the_digest_of_a_directory_is_that_of_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It changes by content, names and places of files; not by times, modes, order, empty directories or a copy."""
    first = builders.saved_model(tmp_path / "one")
    (first / "variables").mkdir()
    (first / "variables" / "variables.index").write_bytes(b"index")
    (first / "assets").mkdir()
    digest = read(first).sha256
    assert len(digest) == 64

    second = tmp_path / "two"
    shutil.copytree(first, second)
    (second / "assets").rmdir()
    for path in second.rglob("*"):
        os.utime(path, (1, 1))
        if path.is_file():
            path.chmod(0o600)
    expected.write(second / "inside.expected.npz", expected.Expected({}, {"0": X}))
    real = Path.rglob
    monkeypatch.setattr(Path, "rglob", lambda self, pattern: sorted(real(self, pattern), reverse=True))
    assert read(second).sha256 == digest

    (second / "variables" / "variables.index").write_bytes(b"Index")
    assert read(second).sha256 != digest
    (second / "variables" / "variables.index").write_bytes(b"index")
    assert read(second).sha256 == digest
    (second / "variables" / "variables.index").rename(second / "variables.index")
    assert read(second).sha256 != digest


# ---- what cannot be used


def unusable(directory: Path, **arrays: Any) -> str:
    stored(directory).parent.mkdir(exist_ok=True)
    np.savez(stored(directory), **{name.replace("__", "/"): array for name, array in arrays.items()})
    return unusable_file(directory)


def unusable_file(directory: Path) -> str:
    verdict = told(directory)
    (finding,) = verdict.findings
    assert finding.cause in ("expected-unreadable", "expected-not-finite")
    assert finding.remedies
    assert "clf.h5.expected.npz" in finding.message
    return finding.message


def test_a_link_to_nothing(tmp_path: Path) -> None:
    stored(tmp_path).parent.mkdir()
    fetched_later(stored(tmp_path))
    assert "a link to " in unusable_file(tmp_path)
    assert "which is not there" in unusable_file(tmp_path)


def test_a_directory_in_its_place(tmp_path: Path) -> None:
    stored(tmp_path).mkdir(parents=True)
    assert "it is a directory" in unusable_file(tmp_path)


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(tmp_path)

    def denied(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(expected, "read", denied)
    assert unusable_file(tmp_path) == "clf.h5.expected.npz cannot be used: Permission denied"


def test_pickled_objects(tmp_path: Path) -> None:
    assert "plain arrays" in unusable(tmp_path, inputs__x=X, outputs__score=np.array([{}], dtype=object))


def test_a_npy_file_under_that_name(tmp_path: Path) -> None:
    stored(tmp_path).parent.mkdir()
    with stored(tmp_path).open("wb") as stream:
        np.save(stream, X)
    assert "a single array (.npy) under another name" in unusable_file(tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty (0 bytes)"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n", "git lfs pull"),
        (b"<!DOCTYPE html><html>404</html>", "it is a web page"),
        (pickle.dumps([1]), "a Python pickle, which is not opened"),
        (b"0.5 1.5", "no NumPy .npz"),
        (b"PK\x03\x04 and no more", "it is cut off or damaged"),
    ],
)
def test_no_npz(tmp_path: Path, content: bytes, said: str) -> None:
    stored(tmp_path).parent.mkdir()
    stored(tmp_path).write_bytes(content)
    assert said in unusable_file(tmp_path)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_off(tmp_path: Path, part: float) -> None:
    whole = store(tmp_path)
    stored(tmp_path).write_bytes(whole[: int(len(whole) * part)])
    assert "it is cut off or damaged" in unusable_file(tmp_path)


def test_every_damaged_byte_is_refused_or_harmless(tmp_path: Path) -> None:
    whole = store(tmp_path)
    for at in range(0, len(whole), 5):
        stored(tmp_path).write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        assert set(causes(told(tmp_path))) <= {"expected-unreadable", "expected-names-differ", "inputs-not-found"}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("y", "outputs/0"),
        ("x", "inputs/0"),
        ("output/score", "outputs/score"),
        ("Outputs/score", "outputs/score"),
        ("output_1", "outputs/1"),
        ("predictions", "outputs/0"),
        ("features", "inputs/0"),
    ],
)
def test_arrays_that_are_named_otherwise(tmp_path: Path, name: str, meant: str) -> None:
    stored(tmp_path).parent.mkdir()
    np.savez(stored(tmp_path), **{"inputs/x": X, "outputs/score": X, name: X})
    said = unusable_file(tmp_path)
    assert "arrays are named inputs/<name> and outputs/<name>" in said
    assert f"{name!r} may be {meant!r}" in said


def test_a_name_that_says_nothing(tmp_path: Path) -> None:
    assert "may be" not in unusable(tmp_path, outputs__y=X, measurements=X)
    assert "by position it is outputs/0" in unusable(tmp_path, outputs__=X)


def test_a_name_that_is_there_twice(tmp_path: Path) -> None:
    stored(tmp_path).parent.mkdir()
    buffer = io.BytesIO()
    np.save(buffer, X)
    with zipfile.ZipFile(stored(tmp_path), "w") as archive:
        archive.writestr("outputs/y", buffer.getvalue())
        archive.writestr("outputs/y.npy", buffer.getvalue())
    assert "'outputs/y' twice" in unusable_file(tmp_path)


@pytest.mark.parametrize("array", [X[:0], X[:, :0], np.zeros((0,), "S1")])
def test_outputs_that_are_empty(tmp_path: Path, array: Array) -> None:
    assert "outputs/y is empty" in unusable(tmp_path, inputs__x=X, outputs__y=array)


def test_inputs_that_are_empty(tmp_path: Path) -> None:
    assert "inputs/x is empty (shape [0, 3])" in unusable(tmp_path, inputs__x=X[:0], outputs__y=X)


@pytest.mark.parametrize("dtype", ["M8[D]", "V5", [("a", "f4")]])
def test_arrays_that_nothing_can_be_compared_with(tmp_path: Path, dtype: Any) -> None:
    assert "it can hold numbers, bool or text" in unusable(tmp_path, outputs__y=np.zeros(2, dtype))


@pytest.mark.parametrize("version", [0, -1, True, False, None, 1.5, "1", "one", [1], {}])
def test_format_versions_that_there_are_none_of(tmp_path: Path, version: Any) -> None:
    provenance = np.array(json.dumps({"format_version": version}))
    assert "format version" in unusable(tmp_path, outputs__y=X, provenance=provenance)


def test_a_newer_format_version(tmp_path: Path) -> None:
    provenance = np.array(json.dumps({"format_version": expected.FORMAT_VERSION + 1}))
    assert "upgrade it" in unusable(tmp_path, outputs__y=X, provenance=provenance)


@pytest.mark.parametrize("text", ["{no JSON", "[]", "1", ""])
def test_a_provenance_that_is_none(tmp_path: Path, text: str) -> None:
    assert "provenance" in unusable(tmp_path, outputs__y=X, provenance=np.array(text))


def test_what_unpacks_to_more_than_there_is_memory_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is unpacked: the archive's list of contents tells."""
    store(tmp_path)
    real = zipfile.ZipFile.infolist

    def enormous(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
        for info in real(archive):
            info.file_size = 1 << 41
        return real(archive)

    monkeypatch.setattr(zipfile.ZipFile, "infolist", enormous)
    monkeypatch.setattr(expected, "read", None)
    assert "it unpacks to 6 TiB" in unusable_file(tmp_path)


def test_an_array_that_claims_more_than_is_stored(tmp_path: Path) -> None:
    stored(tmp_path).parent.mkdir()
    header = io.BytesIO()
    claim = {"descr": "<f4", "fortran_order": False, "shape": (1 << 40,)}
    np.lib.format.write_array_header_1_0(header, claim)
    with zipfile.ZipFile(stored(tmp_path), "w") as archive:
        archive.writestr("outputs/y.npy", header.getvalue() + bytes(100))
    assert "no NumPy .npz of plain arrays" in unusable_file(tmp_path)


def test_inputs_and_outputs_that_do_not_go_together(tmp_path: Path) -> None:
    """No fault by itself (a model may answer a batch with something that is none): said where the shapes differ."""
    stored(tmp_path).parent.mkdir()
    np.savez(stored(tmp_path), **{"inputs/x": X, "outputs/score": total(X)[:3]})
    (finding,) = told(tmp_path).findings
    assert finding.cause == "expected-shape-differs"
    assert "inputs/x has 8, outputs/score has 3" in finding.detail
    np.savez(stored(tmp_path), **{"inputs/x": X, "outputs/score": np.float32(276)})
    assert told(tmp_path, None, lambda x: np.asarray(x.sum())).findings == ()


def test_where_nothing_can_be_read_a_round_trip_makes_up_its_inputs(tmp_path: Path) -> None:
    stored(tmp_path).parent.mkdir()
    foreign(stored(tmp_path))
    settings = Settings((tmp_path / "artifacts",), (), tmp_path)
    artifact = Artifact(tmp_path / "artifacts" / "clf.h5", "h5")
    session = Told(artifact, None, KERAS3, None, tmp_path)  # type: ignore[arg-type]
    assert comparing.stored(Context(session, settings)) is None


# ---- several environments


def engine(directory: Path, monkeypatch: pytest.MonkeyPatch, jobs: int, **more: Any) -> tuple[Gate, list[str]]:
    """A gate over one artifact in environments ``a`` and ``b``, and the checks in the order in which they are made;
    ``+`` marks those that may write."""
    builders.h5(directory / "clf.h5")
    here = builders.interpreter(directory / "py", {"tensorflow": "2.15.0", "keras": "2.15.0"})
    environments = tuple(EnvironmentSpec(name, str(here)) for name in "ab")
    gate = Gate(Settings((directory,), environments, directory, jobs=jobs, record="all", **more))
    made: list[str] = []

    def judge(self: driver.Driver, group: driver.Group, task: Task) -> CheckResult:
        writes = "+" if gate.writer(task) == task else ""
        made.append(f"{task.check}[{task.environment.id if task.environment else ''}]{writes}")
        return gate.answer(task, ())

    monkeypatch.setattr(driver.Driver, "_judge", judge)
    return gate, made


def task(gate: Gate, check: str, environment: int) -> Task:
    return Task(gate.settings.models[0] / "clf.h5", check, gate.settings.environments[environment])


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("ahead", [True, False])
@pytest.mark.parametrize("turned", [True, False])
def test_one_environment_writes_before_the_others_compare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int, ahead: bool, turned: bool
) -> None:
    """Whatever the order in which the checks are asked for, and whether or not they are made ahead."""
    gate, made = engine(tmp_path, monkeypatch, jobs)
    tasks = [task(gate, check, number) for number in (0, 1) for check in ("load", "predictions")]
    if turned:
        tasks.reverse()
    try:
        gate.plan(tasks, ahead=ahead)
        assert {gate.result(one).outcome for one in tasks} == {"passed"}
    finally:
        gate.close()
    assert made.index("predictions[a]+") < made.index("predictions[b]")
    assert len(made) == 4


def test_an_environment_that_was_not_selected_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, made = engine(tmp_path, monkeypatch, 1)
    only = task(gate, "predictions", 1)
    try:
        gate.plan([only], ahead=True)
        gate.result(only)
    finally:
        gate.close()
    assert made == ["load[b]", "predictions[b]"]


def test_the_first_environment_of_the_artifact_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = {tmp_path: (("clf.h5", {"environments": ("b",)}),)}
    gate, made = engine(tmp_path, monkeypatch, 1, tables=tables)
    only = task(gate, "predictions", 1)
    try:
        gate.plan([only], ahead=True)
        gate.result(only)
    finally:
        gate.close()
    assert made == ["load[b]", "predictions[b]+"]


def test_a_run_that_is_closed_lets_nobody_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, _ = engine(tmp_path, monkeypatch, 1)
    waiting: list[Future[CheckResult]] = []
    monkeypatch.setattr(gate._pool, "_drive", lambda: None)
    gate.plan([task(gate, "predictions", number) for number in (1, 0)], ahead=True)
    waiting += gate._pool._futures.values()
    gate.close()
    assert len(waiting) == 2
    assert all(future.cancelled() for future in waiting)


def test_an_environment_that_does_not_write_leaves_everything_alone(tmp_path: Path) -> None:
    verdict = told(tmp_path, "all", records=False)
    assert causes(verdict) == ["expected-missing"]
    assert "in the first environment only" in verdict.findings[0].message
    before = store(tmp_path)
    assert causes(told(tmp_path, "all", shifted, records=False)) == ["predictions-differ"]
    assert told(tmp_path, "failing", records=False).findings == ()
    assert stored(tmp_path).read_bytes() == before


# ---- what no artifact uses any more


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """Two artifacts that fail before TensorFlow is needed, their expected outputs, and those of one that is gone."""
    root = pytester.path / "artifacts"
    (root / "deep").mkdir(parents=True)
    for name in ("one.h5", "deep/two.h5", "old.h5"):
        (root / name).write_text(f"no model: {name}")
        keep(root / name)
    (root / "old.h5").unlink()
    builders.interpreter(pytester.path / "py", {"tensorflow": "2.15.0", "keras": "2.15.0"})
    return pytester


def keep(artifact: Path, to: Path | None = None) -> Path:
    """Expected outputs as recorded from that file."""
    path = to or artifact.with_name(artifact.name + expected.SUFFIX)
    told = {"format_version": 1, "sha256": read(artifact).sha256, "source": "file"}
    expected.write(path, expected.Expected({"x": X}, {"score": total(X)}, told))
    return path


def run(pytester: pytest.Pytester, *arguments: str, models: str = "artifacts") -> pytest.RunResult:
    return pytester.runpytest_inprocess(f"--keras-models={models}", "--keras-env=py", *arguments)


def named(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if line.startswith("no artifact uses")]


GONE = "no artifact uses artifacts/old.h5.expected.npz any more: old.h5 is gone; rm artifacts/old.h5.expected.npz"


def test_a_file_that_nothing_uses_is_named(project: pytest.Pytester) -> None:
    result = run(project)
    assert named(result) == [GONE]
    result.assert_outcomes(failed=2, skipped=12)
    assert (project.path / "artifacts" / "old.h5.expected.npz").exists()


@pytest.mark.parametrize("mode", ["missing", "failing", "all"])
def test_recording_deletes_nothing(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    monkeypatch.delenv("CI", raising=False)
    assert named(run(project, f"--keras-record={mode}")) == [GONE]
    assert (project.path / "artifacts" / "old.h5.expected.npz").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["-k", "one"],
        ["-k", "file"],
        ["-m", "keras_file"],
        ["--deselect=artifacts/one.h5::load"],
        ["--ignore=artifacts/deep"],
        ["artifacts/one.h5::file"],
        ["artifacts/one.h5"],
        ["artifacts/deep"],
        ["-x"],
        ["--maxfail=1"],
        ["--collect-only"],
        ["--co", "-q"],
    ],
    ids=" ".join,
)
def test_a_run_that_was_about_something_else_names_nothing(project: pytest.Pytester, arguments: list[str]) -> None:
    assert named(run(project, *arguments)) == []


def test_last_failed(project: pytest.Pytester) -> None:
    run(project)
    assert named(run(project, "--lf")) == []
    assert named(run(project, "--ff")) == [GONE]
    assert named(run(project, "--sw")) == []


def test_a_collector_that_fails(project: pytest.Pytester) -> None:
    project.makeconftest(
        """
        import pytest

        @pytest.hookimpl(tryfirst=True)
        def pytest_collect_file(file_path, parent):
            if file_path.name == "two.h5":
                raise OSError("no such disk")
        """
    )
    assert named(run(project)) == []
    assert named(run(project, "--continue-on-collection-errors")) == []


def test_beside_tests_of_the_project(project: pytest.Pytester) -> None:
    (project.path / "test_own.py").write_text("def test_own(): pass")
    assert named(run(project, ".")) == [GONE]
    assert named(run(project, "test_own.py", "artifacts/deep")) == []


def test_an_artifact_that_is_skipped_is_there(project: pytest.Pytester) -> None:
    (project.path / "artifacts" / "kerasload.toml").write_text('["*one.h5"]\nskip = true\nreason = "later"\n')
    assert named(run(project)) == [GONE]


def test_a_part_of_the_roots(project: pytest.Pytester) -> None:
    assert named(run(project, models="artifacts/deep")) == []
    assert named(run(project, models="artifacts/one.h5")) == []


def test_under_xdist(project: pytest.Pytester) -> None:
    """The items of one artifact are made by several workers; only the process that hands them out tells."""
    pytest.importorskip("xdist")
    arguments = ["--keras-models=artifacts", "--keras-env=py", "-n2"]
    assert named(project.runpytest_subprocess(*arguments)) == [GONE]
    assert named(project.runpytest_subprocess(*arguments, "-k", "one")) == []


def test_a_renamed_artifact(project: pytest.Pytester) -> None:
    root = project.path / "artifacts"
    (root / "deep" / "new name.h5").write_text("no model: old.h5")
    assert named(run(project)) == [
        (
            "no artifact uses artifacts/old.h5.expected.npz any more: old.h5 is gone; renamed to new name.h5? "
            "mv artifacts/old.h5.expected.npz 'artifacts/deep/new name.h5.expected.npz'"
        )
    ]
    keep(root / "deep" / "new name.h5")
    assert named(run(project)) == [
        (
            "no artifact uses artifacts/old.h5.expected.npz any more: old.h5 is gone; artifacts/deep/new name.h5 "
            "is the same file, with expected outputs; rm artifacts/old.h5.expected.npz"
        )
    ]


@pytest.mark.parametrize("content", [b"", b"no npz"])
def test_a_file_that_nothing_uses_and_nothing_can_read(project: pytest.Pytester, content: bytes) -> None:
    (project.path / "artifacts" / "old.h5.expected.npz").write_bytes(content)
    assert named(run(project)) == [GONE]


def test_a_directory_that_is_no_savedmodel_any_more(project: pytest.Pytester) -> None:
    """What it was collected by is gone: it would drop out of the gate in silence."""
    (project.path / "artifacts" / "old.h5").mkdir()
    assert "old.h5 is there, and is no model" in named(run(project))[0]


def test_in_a_directory_of_their_own(project: pytest.Pytester) -> None:
    root, other = project.path / "artifacts", project.path / "kept"
    keep(root / "one.h5", other / "one.h5.expected.npz")
    keep(root / "deep" / "two.h5", other / "deep" / "two.h5.expected.npz")
    keep(root / "one.h5", other / "deep" / "one.h5.expected.npz")
    arguments = ["--keras-expected=kept"]
    assert named(run(project, *arguments)) == [
        (
            "no artifact uses kept/deep/one.h5.expected.npz any more: one.h5 is gone; artifacts/one.h5 is the same "
            "file, with expected outputs; rm kept/deep/one.h5.expected.npz"
        )
    ]
    assert named(run(project, *arguments, "-k", "one")) == []
    # One artifact given by its path tells nothing of the others whose files are kept there.
    assert named(run(project, *arguments, models="artifacts/one.h5")) == []


def test_what_lies_in_a_savedmodel_or_a_hidden_directory(project: pytest.Pytester) -> None:
    root = project.path / "artifacts"
    builders.saved_model(root / "towers")
    for folder in ("towers/assets", ".git"):
        (root / folder).mkdir()
        shutil.copy(root / "old.h5.expected.npz", root / folder / "old.h5.expected.npz")
    (root / "kerasload.toml").write_text('["towers"]\nskip = true\nreason = "needs TensorFlow"\n')
    keep(root / "towers")
    assert named(run(project)) == [GONE]


# ---- when recording is refused


def refused(pytester: pytest.Pytester, *arguments: str) -> str:
    """What the usage error says, before anything was collected."""
    result = pytester.runpytest_inprocess("--keras-env=py", *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "collected" not in result.stdout.str()
    return result.stderr.str()


@pytest.mark.parametrize("value", ["true", "1", "yes", "woodpecker"])
def test_never_in_ci_unasked(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CI", value)
    assert "refused where CI is set" in refused(project, "--keras-models=artifacts", "--keras-record")
    assert run(project, "--keras-record", "--keras-record-in-ci").ret == pytest.ExitCode.TESTS_FAILED
    assert run(project).ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize("value", ["", " ", "0", "false", "False", "no", "off"])
def test_what_says_that_it_is_no_ci(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CI", value)
    assert run(project, "--keras-record").ret == pytest.ExitCode.TESTS_FAILED


def test_nothing_to_record_for(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    assert "give --keras-models=PATH too" in refused(project, "--keras-record")


def test_checks_of_an_artifact_that_xdist_takes_apart(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first environment writes what the others are compared with: only one process knows when it has."""
    pytest.importorskip("xdist")
    monkeypatch.delenv("CI", raising=False)
    two = ["--keras-models=artifacts", "--keras-env=py", "--keras-env=b=py", "--keras-record"]
    for apart in (["-n2"], ["-n2", "--dist=worksteal"], ["-n2", "--dist=loadgroup"]):
        result = project.runpytest_subprocess(*two, *apart)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert "--dist=loadfile" in result.stderr.str()
    assert project.runpytest_subprocess(*two, "-n2", "--dist=loadfile").ret == pytest.ExitCode.TESTS_FAILED
    assert project.runpytest_inprocess(*two, "-n0").ret == pytest.ExitCode.TESTS_FAILED


# ---- with TensorFlow


def test_two_environments_and_one_file(gate: Callable[..., Any], tmp_path: Path) -> None:
    """The first one writes, the second is compared with what was written; nothing is written twice."""
    artifacts = tmp_path / "artifacts"
    artifacts.mkdir()
    h5_model(artifacts / "one.h5")
    path = artifacts / "one.h5.expected.npz"
    environments = [f"--keras-env=a={sys.executable}", f"--keras-env=b={sys.executable}"]
    report = gate(
        f"--keras-models={artifacts}", *environments, "--keras-record=all", "--keras-jobs=1", "-k", "predictions"
    )
    (artifact,) = report["artifacts"]
    outcomes = {check["environment"]: check["outcome"] for check in artifact["checks"]}
    assert outcomes == {"a": "skipped", "b": "passed"}, report["output"]
    assert path.exists()

    known = expected.read(path)
    moved = {name: array + np.float32(1) for name, array in known.outputs.items()}
    expected.write(path, replace(known, outputs=moved))
    failing = gate(f"--keras-models={artifacts}", *environments[:1], "--keras-record=failing", "-k", "predictions")
    check = checks_of(failing, "one.h5")["predictions"]
    assert causes_of(check) == []
    assert "rewritten" in check["findings"][0]["message"]
    assert "differed by up to 1" in failing["output"]
