"""Properties of every artifact, asked of functions in place of models, and of real files once."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import Phase
from hypothesis import settings as hypothesis_settings
from hypothesis.database import DirectoryBasedExampleDatabase
from numpy.typing import NDArray
from test_worker_limits import h5_model

from conftest import causes_of, checks_of
from pytest_kerasload import options
from pytest_kerasload.artifacts.record import Artifact
from pytest_kerasload.checks import agreement, examples, properties
from pytest_kerasload.checks.verdict import Context, Verdict
from pytest_kerasload.environments.process import RequestFailed, WorkerEnded
from pytest_kerasload.environments.session import InputSpec, Loaded, Output
from pytest_kerasload.environments.spec import EnvironmentSpec
from pytest_kerasload.findings import Finding
from pytest_kerasload.inputs import Plan, plan_for
from pytest_kerasload.settings import Generation, Settings

Array = NDArray[Any]
Function = Callable[..., Array]


@dataclass
class FakeSession:
    """Models that are functions of arrays, made by name; loading one again makes it anew."""

    makers: dict[str, Callable[[], Function]]
    artifact: Artifact
    nan_weights: tuple[str, ...] = ()
    rounding: float = 0.0
    calls: int = 0
    loads: int = 0
    functions: dict[str, Function] = field(default_factory=dict)
    process: Any = field(default_factory=lambda: SimpleNamespace(spec=EnvironmentSpec("current", "python"), pid=1))
    versions: Any = field(default_factory=lambda: SimpleNamespace(label="Keras 3.15.1"))

    def load(self, name: str, kind: str = "keras") -> Loaded:
        self.loads += 1
        key = f"{name} {self.loads}"
        self.functions[key] = self.makers[name]()
        return Loaded(key, kind, (), (), (), Path(name), True, False)

    def again(self, loaded: Loaded) -> Loaded:
        return self.load(loaded.path.name, loaded.kind)

    def compare(self, first: Any, second: Any) -> Any:
        return SimpleNamespace(weights=SimpleNamespace(places=()))

    def drop(self, *loaded: Loaded, copy: Path | None = None) -> None:
        for one in loaded:
            del self.functions[one.key]

    def predict(self, loaded: Loaded, given: Sequence[Array | None]) -> tuple[Output, ...]:
        self.calls += 1
        with np.errstate(all="ignore"):
            found = self.functions[loaded.key](*given)
        return tuple(Output((name,), array) for name, array in zip(("y", "z"), _several(found), strict=False))

    def perturbed(self, loaded: Loaded, given: Sequence[Array | None], seed: int, unit: float) -> tuple[Output, ...]:
        if not self.rounding:
            return ()
        moved = np.random.default_rng(seed).uniform(-self.rounding, self.rounding)
        return tuple(Output(one.names, one.array + np.float32(moved)) for one in self.predict(loaded, given))

    def fingerprints(self, loaded: Loaded) -> list[dict[str, Any]]:
        return [{"name": "w", "rms": 1.0}, *({"name": name, "rms": float("nan")} for name in self.nan_weights)]


def _several(found: Any) -> tuple[Array, ...]:
    return found if isinstance(found, tuple) else (found,)


def refused(text: str = "no") -> RequestFailed:
    return RequestFailed({"type": "ValueError", "text": text, "traceback": ""}, [])


X = InputSpec("x", (None, 4), "float32", ("x",))


@dataclass
class Subject:
    """A model made of a function, and what the checks say of it."""

    session: FakeSession
    context: Context
    plan: Plan
    kind: str

    def tried(self) -> tuple[Finding, ...]:
        model = self.session.load("one", self.kind)
        return properties.tried(self.context, self.plan, model, self.shelf())

    def shelf(self) -> examples.Shelf:
        return examples.Shelf.of(self.context, "h5")

    def agreement(self) -> Verdict:
        one, other = self.session.load("one", self.kind), self.session.load("other", self.kind)
        return agreement.verdict(self.context, "h5", self.plan, one, other, self.shelf())


def subject(
    function: Callable[[], Function] | Function,
    other: Callable[[], Function] | None = None,
    *,
    specs: Sequence[InputSpec] = (X,),
    words: dict[str, Any] | None = None,
    kind: str = "keras",
    made: bool = False,
    nan_weights: tuple[str, ...] = (),
    **more: Any,
) -> Subject:
    """``function`` is the model, or makes it (``made``)."""
    maker: Any = function if made else lambda: function
    path = Path("/models/clf.h5")
    session = FakeSession({"one": maker, "other": other or maker}, Artifact(path, "h5"), nan_weights)
    settings = Settings((path.parent,), (EnvironmentSpec("current", "python"),), Path("/"), **more)
    return Subject(session, Context(session, settings), plan_for(specs, words), kind)  # type: ignore[arg-type]


def dense(x: Array) -> Array:
    return x @ np.arange(8, dtype=np.float32).reshape(4, 2) / 7


def causes(found: Sequence[Finding]) -> dict[str, bool]:
    return {one.cause: one.fails for one in found}


# ---- the same inputs twice


def test_a_good_model_has_all_properties_and_is_asked_little() -> None:
    good = subject(dense)
    assert good.tried() == ()
    assert good.session.calls <= 7
    assert good.session.loads == 1


class Random:
    """Something else each time."""

    def __init__(self) -> None:
        self.generator = np.random.default_rng()

    def __call__(self, x: Array) -> Array:
        return dense(x) + self.generator.normal(size=(len(x), 2)).astype(np.float32)


class Seeded(Random):
    """Something else each time, and the same in each load."""

    def __init__(self) -> None:
        self.generator = np.random.default_rng(0)


class Memory:
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.state = np.float32(1)

    def __call__(self, x: Array) -> Array:
        answer = dense(x) * self.state
        self.state = np.float32(0.5) * self.state + np.abs(x).mean()
        return answer


@pytest.mark.parametrize("kind", ["keras", "signatures"])
@pytest.mark.parametrize("maker", [Random, Seeded])
def test_random_outputs_fail_with_that_cause_only(kind: str, maker: type[Random]) -> None:
    made = subject(maker, made=True, kind=kind)
    assert causes(made.tried()) == {"outputs-not-deterministic": True}
    if maker is Random:
        assert causes(made.agreement().findings) == {"outputs-not-deterministic": True}


def test_an_export_that_remembers_is_not_random() -> None:
    made = subject(Memory, made=True, kind="signatures")
    assert causes(made.tried()) == {"stateful-prediction": False}
    assert causes(made.agreement().findings) == {}


def test_an_export_that_remembers_and_loses_something_is_told() -> None:
    class Other(Memory):
        def __call__(self, x: Array) -> Array:
            return super().__call__(x) + np.float32(1)

    made = subject(Memory, Other, made=True, kind="signatures")
    assert causes(made.agreement().findings) == {"roundtrip-predictions-differ": True}


# ---- alone and in a batch


def softmax_over_rows(x: Array) -> Array:
    grown = np.exp(x - x.max(axis=0))
    return np.asarray(grown / grown.sum(axis=0))


@pytest.mark.parametrize(
    "function", [softmax_over_rows, lambda x: np.cumsum(x, axis=0), lambda x: np.cumsum(x[::-1], axis=0)[::-1]]
)
def test_a_model_that_looks_at_other_rows_is_noted(function: Function) -> None:
    (found,) = subject(function).tried()
    assert (found.cause, found.fails) == ("batch-dependent", False)
    assert "whole batches only" in found.message


def test_a_row_that_changes_with_their_number_fails(tmp_path: Path) -> None:
    made = subject(lambda x: x + np.float32(len(x)), examples_dir=tmp_path)
    (found,) = made.tried()
    assert (found.cause, found.fails, found.where) == ("batch-size-dependent", True, "y")
    assert "x: float32[2, 4] = [[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]" in found.detail
    (saved,) = tmp_path.iterdir()
    with np.load(saved) as archive:
        assert sorted(archive.files) == ["alone/y", "in_batch/y", "inputs/x"]
        assert archive["alone/y"].shape == (1, 4)


def test_an_output_that_loses_its_rows_when_there_is_one_fails() -> None:
    (found,) = subject(lambda x: np.squeeze(x.sum(axis=1, keepdims=True))).tried()
    assert (found.cause, found.fails) == ("batch-size-dependent", True)
    assert "[3] for 3 rows and [] for 1" in found.message.replace("2 rows", "3 rows").replace("[2]", "[3]")


@pytest.mark.parametrize("function", [lambda x: x.sum(axis=0), lambda x: x.reshape(-1), lambda x: x.sum()])
def test_outputs_without_rows_are_not_compared_by_row(function: Function) -> None:
    assert subject(function).tried() == ()


def test_rows_of_a_fixed_batch_are_not_asked_alone() -> None:
    fixed = InputSpec("x", (4, 4), "float32")
    assert subject(softmax_over_rows, specs=(fixed,)).tried() == ()


def test_a_row_that_is_refused_alone_is_left() -> None:
    def pairs(x: Array) -> Array:
        if len(x) == 1:
            raise refused()
        return softmax_over_rows(x)

    assert subject(pairs).tried() == ()


def test_words_are_compared_by_row() -> None:
    words = InputSpec("words", (None,), "string")
    assert subject(lambda x: np.char.add(x, b"!"), specs=(words,)).tried() == ()
    (found,) = subject(lambda x: np.char.add(x, str(len(x)).encode()), specs=(words,)).tried()
    assert (found.cause, found.fails) == ("batch-size-dependent", True)
    (found,) = subject(lambda x: np.char.add(x, x[::-1]), specs=(words,)).tried()
    assert (found.cause, found.fails) == ("batch-dependent", False)


def test_noise_of_a_sum_that_nearly_cancels_is_none() -> None:
    """A batch of one is multiplied by other code, and rounds otherwise: 1e-7 is nothing beside outputs of size 1."""

    def noisy(x: Array) -> Array:
        y = np.where((x < 0).any(axis=1, keepdims=True), np.float32(1e-6), dense(x))
        return np.asarray(y + np.float32(1e-7) * (len(x) == 1))

    assert subject(noisy).tried() == ()


def test_what_rounding_does_too_is_none() -> None:
    """A model that amplifies rounding gives other numbers in a batch of one: as far as rounding its weights does."""
    made = subject(lambda x: dense(x) + np.float32(0.02) * (len(x) == 1))
    assert causes(made.tried()) == {"batch-size-dependent": True}
    made.session.rounding = 1e-6
    assert causes(made.tried()) == {"batch-size-dependent": True}
    made.session.rounding = 0.01
    assert made.tried() == ()


# ---- finite


def test_not_a_number_for_negative_numbers_is_a_domain() -> None:
    (found,) = subject(np.sqrt).tried()
    assert (found.cause, found.fails) == ("inputs-restricted", False)
    assert 'under ["clf.h5"]: inputs.x = { min = 0 }' in found.remedies[0].action


@pytest.mark.parametrize(
    ("function", "line"),
    [
        (np.log, "inputs.x = { min = 0.01 }"),
        (np.arcsin, "inputs.x = { min = -1, max = 1 }"),
        (lambda x: np.log(x / (1 - x)), "inputs.x = { min = 0.01, max = 0.99 }"),
        (lambda x: np.sqrt(x - x * x), "inputs.x = { min = 0, max = 1 }"),
    ],
)
def test_the_line_names_the_range(function: Function, line: str) -> None:
    (found,) = subject(function).tried()
    assert (found.cause, found.fails) == ("inputs-restricted", False)
    assert line in found.remedies[0].action


def test_the_line_mends_it() -> None:
    assert subject(np.sqrt, words={"x": {"min": 0}}).tried() == ()
    assert subject(np.log, words={"x": {"min": 0.01}}).tried() == ()


def test_the_input_to_blame_is_named() -> None:
    two = (X, InputSpec("odd name", (None, 4), "float32"), InputSpec("k", (None,), "int32", bound=5))
    (found,) = subject(lambda x, y, k: x + np.sqrt(y), specs=two).tried()
    assert found.where == "odd name"
    assert 'inputs."odd name" = { min = 0 }' in found.remedies[0].action


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x / np.linalg.norm(x, axis=1, keepdims=True),
        lambda x: np.float32(1) / x,
        lambda x: x / (x - np.float32(1)),
    ],
)
def test_not_a_number_at_zero_or_one_fails(function: Function) -> None:
    (found,) = subject(function).tried()
    assert (found.cause, found.family, found.fails) == ("outputs-not-finite", "numeric", True)


def test_not_a_number_in_the_unit_interval_fails_with_the_smallest_input(tmp_path: Path) -> None:
    def bad(x: Array) -> Array:
        return np.where((x > 0.2)[:, 2:3], np.float32("nan"), x)

    (found,) = subject(bad, examples_dir=tmp_path).tried()
    assert found.cause == "outputs-not-finite"
    assert "x: float32[1, 4] = [[0.0, 0.0, 1.0, 0.0]]" in found.detail
    assert "4 of 4 elements" in found.message
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"]


def test_overflow_far_out_is_no_failure() -> None:
    def half(x: Array) -> Array:
        return np.where(np.abs(x).max(axis=1, keepdims=True) > 20, np.float32("inf"), x)

    made = subject(half)
    assert made.tried() == ()
    assert made.agreement().findings == ()


def test_zeros_among_many_numbers_are_told_from_negative_ones() -> None:
    """Generated numbers have few digits: among thousands some are 0 and 1 exactly."""
    large = (InputSpec("x", (None, 5000), "float32"),)
    (found,) = subject(np.log, specs=large).tried()
    assert (found.cause, found.fails) == ("inputs-restricted", False)
    assert "inputs.x = { min = 0.01 }" in found.remedies[0].action
    (found,) = subject(lambda x: np.float32(1) / x, specs=large).tried()
    assert (found.cause, found.fails) == ("outputs-not-finite", True)


def test_padding_only_is_a_note() -> None:
    tokens = InputSpec("tokens", (None, 6), "int32", bound=9)

    def mean(tokens: Array) -> Array:
        return np.asarray((tokens > 0).sum(axis=1) * 1.0 / (tokens > 0).sum(axis=1))

    (found,) = subject(mean, specs=(tokens,)).tried()
    assert (found.cause, found.fails, found.where) == ("outputs-not-finite", False, "tokens")


def test_steps_that_are_masked_out_are_padding() -> None:
    series = InputSpec("series", (None, 5, 2), "float32", padding=0.0)

    def mean(series: Array) -> Array:
        used = (series != 0).any(axis=2, keepdims=True)
        return np.asarray((series * used).sum(axis=1) / used.sum(axis=1))

    (found,) = subject(mean, specs=(series,)).tried()
    assert (found.cause, found.fails, found.where) == ("outputs-not-finite", False, "series")


def test_weights_that_hold_nan_fail() -> None:
    (found,) = subject(dense, nan_weights=("dense/kernel",)).tried()
    assert (found.cause, found.fails, found.where) == ("weights-not-finite", True, "dense/kernel")
    (found,) = subject(lambda x: x * np.float32("nan"), nan_weights=("dense/kernel",)).tried()
    assert (found.cause, found.fails, found.where) == ("weights-not-finite", True, "dense/kernel")
    assert found.message.startswith("clf.h5: 1 of its weights hold NaN, and it gives NaN or infinity")


def _one_hot(x: Array) -> Array:
    return np.eye(4, dtype=np.float32)[x.argmax(1)]


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: np.log(_one_hot(x)), ("outputs-masked", False)),
        (lambda x: (dense(x), x + np.array([0, 0, -np.inf, 0], np.float32)), ("outputs-masked", False)),
        (lambda x: x + np.array([0, 0, np.inf, -np.inf], np.float32), ("outputs-not-finite", True)),
        (lambda x: x + np.array([0, 0, np.nan, -np.inf], np.float32), ("outputs-not-finite", True)),
        (lambda x: x - np.float32(np.inf), ("outputs-not-finite", True)),
        (lambda x: np.log(np.round(np.clip(x, 0, 1))), ("outputs-not-finite", True)),
    ],
)
def test_minus_infinity_among_numbers_is_a_mask(function: Function, said: tuple[str, bool]) -> None:
    found = subject(function).tried()
    assert [(one.cause, one.fails) for one in found] == [said]


def test_what_only_a_constant_input_shows_is_told_with_the_line_that_leaves_it_out() -> None:
    def spread(x: Array) -> Array:
        return (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)

    (found,) = subject(spread).tried()
    assert (found.cause, found.fails) == ("outputs-not-finite", True)
    assert 'under ["clf.h5"]: inputs.x = { min = 0.01, max = 1 }' in found.remedies[1].action
    assert subject(spread, words={"x": {"min": 0.01, "max": 1}}).tried() == ()


def test_values_that_are_refused_are_left_out() -> None:
    def positive(x: Array) -> Array:
        if (x < 0).any():
            raise refused()
        return dense(x)

    assert subject(positive).tried() == ()


# ---- a model and its copy


def shifted(at: int = 2, above: float = 0.5) -> Callable[[], Function]:
    """A copy that answers something else where one feature is large."""
    return lambda: lambda x: dense(x) + np.where(x[:, at : at + 1] > above, np.float32(1), np.float32(0))


def test_a_disagreement_is_shrunk_told_and_saved(tmp_path: Path) -> None:
    made = subject(dense, shifted(), examples_dir=tmp_path)
    verdict = made.agreement()
    (found,) = verdict.findings
    assert found.cause == "roundtrip-predictions-differ"
    assert "x: float32[1, 4] = [[0.0, 0.0, 1.0, 0.0]]" in found.detail
    (saved,) = tmp_path.iterdir()
    assert f"saved: {saved}" in found.detail
    assert "replay: pytest 'models/clf.h5::roundtrip[h5]' --keras-models=models" in found.detail
    with np.load(saved) as archive:
        assert archive["inputs/x"].tolist() == [[0, 0, 1, 0]]
        assert np.allclose(archive["copy/y"] - archive["original/y"], 1)
    assert verdict.measured.max_abs_error == pytest.approx(1)


def test_a_saved_example_is_tried_first_whatever_the_seed(tmp_path: Path) -> None:
    subject(dense, shifted(), examples_dir=tmp_path).agreement()
    (saved,) = tmp_path.iterdir()
    np.savez(saved, **{"inputs/x": np.full((2, 4), 0.75, np.float32)})
    again = subject(dense, shifted(), examples_dir=tmp_path, generation=Generation(seed="7"))
    (found,) = again.agreement().findings
    assert "0.75" in found.detail
    assert again.session.calls <= 6  # both, whether the first is random, and whether two loads differ already


@pytest.mark.parametrize("content", [b"", b"PK nothing", b"\x93NUMPY"])
def test_a_saved_example_that_cannot_be_read_is_a_note(tmp_path: Path, content: bytes) -> None:
    made = subject(dense, examples_dir=tmp_path)
    path = made.shelf().file()
    assert path is not None
    path.write_bytes(content)
    verdict = made.agreement()
    assert causes(verdict.findings) == {"example-unreadable": False}
    assert 5 < verdict.measured.examples <= 10  # of which some may be the same


@pytest.mark.parametrize(
    "arrays",
    [
        {"inputs/other": np.zeros((1, 4), np.float32)},
        {"inputs/x": np.zeros((1, 5), np.float32)},
        {"inputs/x": np.zeros((1, 4), np.float64)},
        {"inputs/x": np.zeros((0, 4), np.float32)},
        {"inputs/x": np.zeros((1, 4), np.float32), "inputs/y": np.zeros(1)},
    ],
)
def test_a_saved_example_of_another_model_is_left(tmp_path: Path, arrays: dict[str, Array]) -> None:
    made = subject(dense, examples_dir=tmp_path)
    path = made.shelf().file()
    assert path is not None
    np.savez(path, **arrays)  # type: ignore[arg-type]
    assert made.shelf().kept(made.plan) == (None, None)


def test_nothing_is_saved_where_there_is_no_cache() -> None:
    (found,) = subject(dense, shifted()).agreement().findings
    assert "saved" not in found.detail
    assert "replay" in found.detail


def test_runs_are_the_same_and_artifacts_have_seeds_of_their_own() -> None:
    def tried(**more: Any) -> list[bytes]:
        seen: list[bytes] = []

        def model(x: Array) -> Array:
            seen.append(x.tobytes())
            return dense(x)

        subject(model, **more).agreement()
        return seen

    assert tried() == tried()
    assert tried() != tried(generation=Generation(seed="1"))
    assert tried(generation=Generation(seed="1")) == tried(generation=Generation(seed="1"))
    profile = hypothesis_settings(derandomize=True, max_examples=3, database=None)
    assert tried() == tried(generation=Generation(profile=profile))
    free = hypothesis_settings(derandomize=False, max_examples=3, database=None)
    assert len({tuple(tried(generation=Generation(profile=free))) for _ in range(4)}) > 1


def test_a_process_that_ends_while_an_example_is_made_smaller_keeps_the_finding() -> None:
    seen = 0

    def dies(x: Array) -> Array:
        nonlocal seen
        y = shifted()()(x)
        seen += bool((y != dense(x)).any())
        if seen > 2:
            raise WorkerEnded("worker-timeout", "it took too long", "")
        return y

    made = subject(dense, lambda: dies)
    assert causes(made.agreement().findings) == {"roundtrip-predictions-differ": True}


def test_a_process_that_ends_before_anything_differs_is_told() -> None:
    def dies(x: Array) -> Array:
        raise WorkerEnded("worker-timeout", "it took too long", "")

    with pytest.raises(WorkerEnded):
        subject(dense, lambda: dies).agreement()


def test_a_copy_that_answers_no_more() -> None:
    def refuses(x: Array) -> Array:
        if (x > 0.5).any():
            raise refused("the copy is lame")
        return dense(x)

    (found,) = subject(dense, lambda: refuses).agreement().findings
    assert found.cause == "roundtrip-predictions-differ"
    assert "answers no more" in found.message


def test_a_copy_that_fails_once_under_load_is_asked_again() -> None:
    failed = 0

    def busy(x: Array) -> Array:
        nonlocal failed
        failed += 1
        if failed == 2:
            raise refused("out of memory")
        return dense(x)

    assert subject(dense, lambda: busy).agreement().findings == ()


def test_several_round_trips_at_once() -> None:
    """As in a run: several threads, each with an artifact of its own, on a machine that has other things to do."""

    def slow(x: Array) -> Array:
        time.sleep(0.001)
        return dense(x)

    def made(index: int) -> Sequence[Finding]:
        return subject(slow, shifted() if index % 2 else None).agreement().findings

    with ThreadPoolExecutor(8) as pool:
        found = [causes(one) for one in pool.map(made, range(24))]
    assert found == [{}, {"roundtrip-predictions-differ": True}] * 12


def test_a_difference_that_comes_once_has_one_answer() -> None:
    """Hypothesis sees the same answer for the same example: a failure that does not come back is none of its own."""
    asked = 0

    def once(x: Array) -> Array:
        nonlocal asked
        asked += 1
        return dense(x) + np.float32(asked == 3)

    (found,) = subject(dense, lambda: once).agreement().findings
    assert found.cause == "roundtrip-predictions-differ"


def test_a_model_that_refuses_everything_is_not_compared() -> None:
    def refuses(x: Array) -> Array:
        raise refused()

    made = subject(refuses)
    assert made.tried() == ()
    (found,) = made.agreement().findings
    assert (found.cause, found.fails) == ("inputs-not-found", True)


# ---- what hypothesis was told


@pytest.fixture
def profile() -> Iterator[Callable[..., None]]:
    """Registers and loads a profile; the one that was there comes back."""
    before = hypothesis_settings.get_current_profile_name()

    def load(name: str = "thorough", **values: Any) -> None:
        hypothesis_settings.register_profile(name, **values)
        hypothesis_settings.load_profile(name)

    yield load
    hypothesis_settings.load_profile(before)


def late(examples: str | None = None, cache: Any = None, **given: Any) -> Settings:
    """The settings of a run that was given these options."""
    told = {"keras_examples": examples, **given}
    config: Any = SimpleNamespace(
        getoption=lambda name, default=None: told.get(name, default),
        getini=lambda name: None,
        inipath=None,
        rootpath=Path("/"),
        invocation_params=SimpleNamespace(dir=Path("/")),
    )
    if cache is not None:
        config.cache = cache
    plain = Settings((Path("/models"),), (EnvironmentSpec("current", "python"),), Path("/"))
    return options.late(config, replace(plain, examples=int(examples or 10)))


def test_without_a_word_runs_are_derandomised(profile: Callable[..., None]) -> None:
    profile("default")
    assert late() == Settings((Path("/models"),), (EnvironmentSpec("current", "python"),), Path("/"))
    assert late(hypothesis_verbosity="quiet").generation == Generation(verbosity="quiet")
    profile("default-with-verbose-verbosity")
    assert late().generation.profile is None


def test_a_profile_is_taken(profile: Callable[..., None]) -> None:
    profile(max_examples=33, derandomize=True)
    found = late()
    assert found.examples == 33
    assert found.generation.profile.derandomize
    assert late("7").examples == 7
    assert late("7").generation.profile == found.generation.profile


def test_a_profile_named_on_the_command_line_is_taken_whatever_its_name(profile: Callable[..., None]) -> None:
    profile("ci")
    assert late().generation.profile is None
    assert late(hypothesis_profile="ci").generation.profile == hypothesis_settings.default


def test_a_seed_is_taken() -> None:
    assert late(hypothesis_seed="5").generation.seed == "5"
    assert late(hypothesis_seed="5").examples == 10


def test_examples_are_kept_in_the_cache(tmp_path: Path) -> None:
    def fails(name: str) -> Path:
        raise PermissionError(name)

    assert late(cache=SimpleNamespace(mkdir=lambda name: tmp_path / name)).examples_dir == tmp_path / "kerasload"
    assert late(cache=SimpleNamespace(mkdir=fails)).examples_dir is None


def test_phases_that_generate_nothing_and_trace_are_none_of_ours() -> None:
    seen: list[bytes] = []

    def model(x: Array) -> Array:
        seen.append(x.tobytes())
        return dense(x)

    quiet = hypothesis_settings(phases=[Phase.reuse, Phase.explain], max_examples=4, database=None)
    assert subject(model, examples=4, generation=Generation(profile=quiet)).agreement().findings == ()
    assert seen
    assert Phase.explain not in agreement._settings(Generation(profile=quiet), 4).phases
    unshrunk = hypothesis_settings(phases=[Phase.generate], max_examples=50, database=None, derandomize=True)
    made = subject(dense, shifted(), examples=50, generation=Generation(profile=unshrunk))
    (found,) = made.agreement().findings
    assert "x: float32[1, 4] = [[0.0, 0.0, 1.0, 0.0]]" not in found.detail


def test_a_database_brings_a_failure_back(tmp_path: Path) -> None:
    database = DirectoryBasedExampleDatabase(tmp_path)
    free = hypothesis_settings(derandomize=False, database=database, max_examples=60)
    rare = shifted(above=1.5)
    first = subject(dense, rare, examples=60, generation=Generation(profile=free))
    assert causes(first.agreement().findings) == {"roundtrip-predictions-differ": True}
    again = subject(dense, rare, examples=1, generation=Generation(profile=free))
    assert causes(again.agreement().findings) == {"roundtrip-predictions-differ": True}


# ---- an example in words


def test_a_large_example_is_told_by_what_is_not_zero() -> None:
    image = np.zeros((1, 20, 20, 3), np.float32)
    image[0, 3, 4, 1] = 0.1
    image[0, 19, 19, 2] = -1
    words = np.array([[b""] * 20])
    words[0, 2] = b"the"
    plan = plan_for([InputSpec("image", (None, 20, 20, 3), "float32"), InputSpec("words", (None, 20), "string")])
    assert examples.told(plan, [image, np.zeros((1, 20), "S3")])[-1] == "  words: string[1, 20], all ''"
    assert examples.told(plan, [image, words]) == [
        "smallest input that shows it:",
        "  image: float32[1, 20, 20, 3], zero but for 2 of 1,200 elements:",
        "    [0, 3, 4, 1] = 0.1",
        "    [0, 19, 19, 2] = -1.0",
        "  words: string[1, 20], empty but for 1 of 20 elements:",
    ] + ["    [0, 2] = 't'"] * (words.dtype.itemsize == 1) + ["    [0, 2] = 'the'"] * (words.dtype.itemsize > 1)
    many = examples.told(plan, [np.ones((1, 20, 20, 3)), words])
    assert "    ... and 1,190 more" in many


# ---- real files

OBJECTS = """
    import tensorflow as tf


    class Noise(tf.keras.layers.Layer):
        def call(self, inputs):
            return inputs + tf.random.normal(tf.shape(inputs))


    class Centre(tf.keras.layers.Layer):
        def call(self, inputs):
            return inputs - tf.reduce_mean(inputs, axis=0, keepdims=True)


    class Count(tf.keras.layers.Layer):
        def call(self, inputs):
            return inputs + tf.cast(tf.shape(inputs)[0], inputs.dtype)


    class Root(tf.keras.layers.Layer):
        def call(self, inputs):
            return tf.sqrt(inputs)


    class Unit(tf.keras.layers.Layer):
        def call(self, inputs):
            return inputs / tf.norm(inputs, axis=-1, keepdims=True)


    class Gate(tf.keras.layers.Layer):
        def __init__(self, factor=1.0, **kwargs):
            super().__init__(**kwargs)
            self.factor = factor

        def call(self, inputs):
            return tf.where(inputs[:, 1:2] > 0.5, inputs * self.factor, inputs)

        def get_config(self):
            return {**super().get_config(), "factor": self.factor + 1.0}
"""


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with an h5 file for each property, and the layers they are made of."""
    directory = tmp_path_factory.mktemp("properties")
    (directory / "objects.py").write_text(textwrap.dedent(OBJECTS))
    artifacts = directory / "artifacts"
    artifacts.mkdir()
    for name in ("Noise", "Centre", "Count", "Root", "Unit", "Gate"):
        h5_model(artifacts / f"{name.lower()}.h5", (name, {"factor": 1.0} if name == "Gate" else {}))
    h5_model(artifacts / "dropout.h5", ("Dropout", {"rate": 0.5}), ("GaussianNoise", {"stddev": 1.0}))
    h5_model(artifacts / "nan.h5")
    with h5py.File(artifacts / "nan.h5", "r+") as file:
        file["model_weights/out/out/kernel:0"][1, 1] = np.nan
    return directory


def arguments(directory: Path, *more: str) -> list[str]:
    return [
        *(f"--keras-models={directory / 'artifacts'}", f"--keras-custom-objects={directory / 'objects.py'}"),
        *("-p", "cacheprovider", "-o", f"cache_dir={directory / 'cache'}", "--keras-jobs=1", *more),
    ]


@pytest.fixture(scope="module")
def told(gate: Callable[..., Any], real: Path) -> dict[str, Any]:
    return gate(*arguments(real, "-k", "roundtrip"))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("name", "failing", "notes"),
    [
        ("noise", ["outputs-not-deterministic"], []),
        ("centre", [], ["batch-dependent"]),
        ("count", ["batch-size-dependent"], []),
        ("root", [], ["inputs-restricted"]),
        ("unit", ["outputs-not-finite"], []),
        ("dropout", [], []),
        ("nan", ["weights-not-finite"], []),
        ("gate", ["roundtrip-config-differs", "roundtrip-predictions-differ"], []),
    ],
)
def test_what_the_gate_says_of_real_files(
    told: dict[str, Any], name: str, failing: list[str], notes: list[str]
) -> None:
    check = checks_of(told, f"{name}.h5")["roundtrip[h5]"]
    assert causes_of(check) == failing, told["output"][-3000:]
    assert [one["cause"] for one in check["findings"] if not one.get("fails", True)] == notes
    assert check["outcome"] == ("failed" if failing else "passed")


def test_the_smallest_input_is_saved_and_tried_first(
    gate: Callable[..., Any], told: dict[str, Any], real: Path
) -> None:
    assert "x: float32[1, 3] = [[0.0, 1.0, 0.0]]" in told["output"]
    (saved,) = (real / "cache" / "d" / "kerasload").glob("gate.h5-h5-????????.npz")
    assert f"saved: {saved}" in told["output"]
    item = f"{real / 'artifacts' / 'gate.h5'}::roundtrip[h5]"
    assert f"replay: pytest '{item}' --keras-models={real / 'artifacts'} --keras-" in told["output"]
    np.savez(saved, **{"inputs/x": np.array([[0.25, 0.75, 0.5]], np.float32)})
    again = gate(item, *arguments(real, "--hypothesis-seed=5"))
    assert "x: float32[1, 3] = [[0.25, 0.75, 0.5]]" in again["output"]
    assert again["exit"] == 1
