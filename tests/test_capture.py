"""What is asked when outputs are recorded, and the noise measured then: with models that are plain functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from pytest_kerasload import capture, comparison, inputs, noise
from pytest_kerasload.capture import NotRecorded
from pytest_kerasload.environments.session import InputSpec, Output

Function = Callable[[Any, Any], Any]


class Model:
    """``function`` of a batch and a weight; keeps the sizes of the batches it was asked."""

    def __init__(self, function: Function, weight: Any = None) -> None:
        self.function = function
        self.weight = np.array([2.0, -1.0, 0.5]) if weight is None else weight
        self.asked: list[int] = []

    def predict(self, batch: Sequence[Any]) -> list[Output]:
        return self._answer(batch, self.weight)

    def perturbed(self, batch: Sequence[Any], seed: int, unit: float) -> list[Output]:
        moved = self.weight * (1 + unit * np.random.RandomState(seed).uniform(-1, 1, self.weight.shape))
        return self._answer(batch, moved)

    def _answer(self, batch: Sequence[Any], weight: Any) -> list[Output]:
        self.asked.append(len(batch[0]))
        found = self.function(batch[0].astype(np.float64), weight)
        found = found if isinstance(found, tuple) else (found,)
        return [Output((f"y{index}", str(index)), array.astype(np.float32)) for index, array in enumerate(found)]


def plan(*shape: int | None) -> inputs.Plan:
    return inputs.plan_for([InputSpec("x", shape or (None, 3), "float32", ("x",))])


def captured(function: Function, of: inputs.Plan | None = None, precision: str = "float32") -> capture.Captured:
    model = Model(function)
    return capture.capture(model, capture.generated(model, of or plan()), precision, choose=True)


def test_rows_of_several_kinds_are_recorded() -> None:
    found = captured(lambda x, w: x @ w[:, None])
    (batch,) = found.batch
    assert batch.shape == (16, 3)
    assert np.abs(batch).max() > 10  # one kind lies far out
    assert len(np.unique(batch, axis=0)) > 12  # there are only so many one-hot rows
    assert found.names == ["y0"]
    assert found.outputs[0].array.shape == (16, 1)


def test_rows_without_a_finite_answer_are_left_out() -> None:
    with np.errstate(all="ignore"):
        found = captured(lambda x, w: np.log(np.where(x.min(axis=1, keepdims=True) < -20, -1.0, 2.0)) + x @ w[:, None])
    assert 2 <= len(found.batch[0]) < 16
    assert np.isfinite(found.outputs[0].array).all()


def test_a_model_without_any_finite_answer_is_not_recorded() -> None:
    with pytest.raises(NotRecorded, match="no finite output") as raised:
        captured(lambda x, w: np.full((len(x), 1), np.nan))
    assert raised.value.cause == "expected-not-finite"


def test_random_outputs_are_not_recorded() -> None:
    generator = np.random.default_rng(0)
    with pytest.raises(NotRecorded, match="another one each time") as raised:
        captured(lambda x, w: generator.normal(size=(len(x), 2)))
    assert raised.value.cause == "outputs-not-deterministic"


def test_large_answers_are_asked_of_fewer_rows() -> None:
    found = captured(lambda x, w: np.tile((x @ w)[:, None], (1, 600_000)))
    assert len(found.batch[0]) == 2
    assert len(captured(lambda x, w: np.tile((x @ w)[:, None], (1, 100_000))).batch[0]) == 10


def test_a_fixed_batch_is_asked_as_it_is() -> None:
    model = Model(lambda x, w: x @ w[:, None])
    batch = capture.generated(model, plan(4, 3))
    assert batch[0].shape == (4, 3)
    assert len(np.unique(batch[0], axis=0)) == 4


def test_kinds_that_a_model_refuses_do_not_keep_it_from_being_recorded() -> None:
    def shy(x: Any, w: Any) -> Any:
        if np.abs(x).max() > 10:
            raise inputs.Refused("assertion failed: inputs within 10")
        return x @ w[:, None]

    found = captured(shy)
    assert len(found.batch[0]) == 8
    assert np.abs(found.batch[0]).max() < 10


def test_noise_is_that_of_rounding() -> None:
    found = captured(lambda x, w: x @ w[:, None])
    (one,) = found.noise
    assert one is not None
    assert set(one.sources) == {
        *("again", "rounding of the weights", "rounding of the inputs", "place in the batch"),
    }
    assert one.sources["again"] == 0
    assert 1e-8 < max(one.rows) < 2e-6
    assert found.noise_by_name == {"y0": one}


def test_a_model_that_amplifies_rounding_is_noisier() -> None:
    """Differences of large numbers: what a table of tolerances cannot know."""
    steady = captured(lambda x, w: x @ w[:, None]).noise[0]
    shaky = captured(lambda x, w: (1000 * x @ w[:, None] + x[:, :1]) - 1000 * x @ np.array([[2.0], [-1.0], [0.5]]))
    assert steady is not None
    assert shaky.noise[0] is not None
    assert np.median(shaky.noise[0].rows) > 100 * np.median(steady.rows)


class Frozen(Model):
    """A model whose weights are constants of its graph."""

    def perturbed(self, batch: Sequence[Any], seed: int, unit: float) -> list[Output]:
        return []


def test_a_model_of_constants_has_the_noise_of_its_inputs() -> None:
    model = Frozen(lambda x, w: 1000 * (x @ w[:, None]) - 999 * (x @ np.array([[2.0], [-1.0], [0.5]])))
    (one,) = capture.capture(model, capture.generated(model, plan()), "float32", choose=True).noise
    assert one is not None
    assert set(one.sources) == {"again", "rounding of the inputs", "place in the batch"}
    assert one.largest > 0


def test_whole_numbers_are_not_rounded() -> None:
    model = Frozen(lambda x, w: np.eye(300)[np.abs(x[:, 0]).astype(int)])
    rows = np.arange(24, dtype="float32").reshape(8, 3)
    (one,) = capture.capture(model, [rows], "float32").noise
    assert one is not None
    assert one.largest == 0


def test_half_precision_is_perturbed_by_its_own_rounding() -> None:
    single = captured(lambda x, w: x @ w[:, None]).noise[0]
    half = captured(lambda x, w: x @ w[:, None], precision="float16").noise[0]
    assert single is not None
    assert half is not None
    assert 1000 < half.largest / single.sources["rounding of the weights"] < 20_000


def test_rows_near_a_jump_are_left_out() -> None:
    """Which side of a threshold they fall on is up to rounding: they would be a false alarm elsewhere."""

    def steps(x: Any, w: Any) -> Any:
        return np.where(w[:1] * x[:, :1] >= 2 * np.round(x[:, :1] * 4) / 4, 1.0, 0.0) + 0.1 * x[:, :1]

    found = captured(steps)
    assert 2 <= len(found.batch[0]) < 16
    assert max(found.noise[0].rows) < 1e-3  # type: ignore[union-attr]


def test_rows_that_rounding_turns_over_are_left_out_in_half_precision_too() -> None:
    def steps(x: Any, w: Any) -> Any:
        return np.where(w[:1] * x[:, :1] >= 2 * np.round(x[:, :1] * 4) / 4, 1.0, 0.5)

    found = captured(steps, precision="bfloat16")
    assert 2 <= len(found.batch[0]) < 16
    assert max(found.noise[0].rows) < 0.1  # type: ignore[union-attr]


def test_models_in_which_rows_depend_on_each_other_have_no_noise_of_place() -> None:
    found = captured(lambda x, w: x - x.mean(axis=0, keepdims=True))
    assert "place in the batch" not in found.noise[0].sources  # type: ignore[union-attr]


def test_whole_numbers_and_text_have_no_noise() -> None:
    class Words(Model):
        def _answer(self, batch: Sequence[Any], weight: Any) -> list[Output]:
            return [Output(("n",), np.arange(len(batch[0]))), Output(("t",), np.array([b"a"] * len(batch[0])))]

    model = Words(lambda x, w: x)
    found = capture.capture(model, capture.generated(model, plan()), "float32", choose=True)
    assert found.noise == (None, None)
    assert found.noise_by_name == {}


def test_what_another_process_answers_counts() -> None:
    model = Model(lambda x, w: x @ w[:, None])
    batch = capture.generated(model, plan())
    elsewhere = [model.predict(batch)[0].array * np.float32(1.001)]
    found = capture.capture(model, batch, "float32", lambda rows: [("oneDNN off", elsewhere)])
    assert found.noise[0].sources["oneDNN off"] > 1e-4  # type: ignore[union-attr]
    assert max(found.noise[0].rows) == pytest.approx(1e-3, rel=0.01)  # type: ignore[union-attr]


def test_an_output_without_a_batch_has_one_row() -> None:
    (one,) = noise.measured([np.ones((7, 2), "float32")], [("again", [np.ones((7, 2), "float32") + 1e-3])], batch=16)
    assert one is not None
    assert len(one.rows) == 1


def test_noise_is_read_back_from_a_provenance_and_nothing_else_is() -> None:
    one = noise.Noise(1.5e-7, (1e-7, 0.0), {"again": 0.0})
    back = noise.Noise.of_json(one.as_json())
    assert back is not None
    assert (back.largest, back.rows) == (one.largest, one.rows)
    for told in (None, 1e-7, [], {}, {"rows": [], "largest": 1.0}, {"rows": ["1"], "largest": 1.0}):
        assert noise.Noise.of_json(told) is None
    assert noise.Noise.of_json({"rows": [float("inf")], "largest": 1.0}) is None
    assert noise.Noise.of_json({"rows": [-1.0], "largest": 1.0}) is None
    assert noise.Noise.of_json({"rows": [10**400], "largest": 1.0}) is None


def test_what_happens_before_the_first_weight_is_noise_too() -> None:
    """A logarithm of what nearly vanishes, with constants in front of it that no perturbation of weights reaches."""

    def spectrum(x: Any, w: Any) -> Any:
        return np.log10(np.abs(x @ np.array([1.0, -1.0, 0.0])) + 1e-10)[:, None] + 0 * w[0]

    (one,) = captured(spectrum).noise
    assert one is not None
    assert one.sources["rounding of the inputs"] > 1e-7
    assert one.sources["rounding of the weights"] == 0


def test_inputs_of_whole_numbers_are_not_moved() -> None:
    """They may be indices: one that is a little less is the one before it."""

    def table(x: Any, w: Any) -> Any:
        return np.arange(100.0)[np.clip(x, 0, 99).astype(int)] * w

    indices = inputs.plan_for([InputSpec("x", (None, 3), "float32", ("x",), bound=50)])
    (one,) = captured(table, indices).noise
    assert one is not None
    assert "rounding of the inputs" not in one.sources


def test_values_of_masked_steps_are_not_moved() -> None:
    def masked(x: Any, w: Any) -> Any:
        return (np.where(x == -1, 0.0, x) @ w)[:, None]

    rows = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    rows[:, 2] = -1
    (one,) = capture.capture(Model(masked), [rows], "float32").noise
    assert one is not None
    assert 0 < one.sources["rounding of the inputs"] < 1e-5


def test_answers_at_random_have_no_noise_that_excuses_them() -> None:
    draw = np.random.default_rng(0)
    model = Model(lambda x, w: x @ w[:, None] + 0.01 * draw.normal(size=(len(x), 1)))
    rows = draw.normal(size=(8, 3)).astype("float32")
    outputs = [output.array for output in model.predict([rows])]
    assert capture.noise_here(model, [rows], outputs, "float32") == []


def scaled(slope: float) -> Function:
    """A price and a share of very different size in one output."""
    return lambda x, w: np.stack([1e5 * (2 + np.tanh(x @ w)), 1e-3 * (2 + np.tanh(slope * (x @ w)))], axis=1)


def allowed(one: noise.Noise, factor: float = 48.0) -> comparison.Tolerance:
    """The tolerance that noise gives between releases."""
    return comparison.Tolerance(1e-4, 2e-5, noise=one.rows, by=one.by, factor=factor, unit=noise.UNITS["float32"])


def test_a_small_column_beside_a_large_one_is_noisy_alone() -> None:
    found = captured(scaled(1.0))
    (one,) = found.noise
    assert one is not None
    assert one.by == "alone"
    expected = found.outputs[0].array
    changed = Model(scaled(1.02)).predict(found.batch)[0].array
    assert not comparison.compare("y", expected, changed, allowed(one)).agrees
    rounded = Model(scaled(1.0)).perturbed(found.batch, 7, noise.UNITS["float32"])[0].array
    assert comparison.compare("y", expected, rounded, allowed(one, 3.0)).agrees


def test_a_column_that_is_small_because_large_terms_cancel_is_not() -> None:
    def cancelling(x: Any, w: Any) -> Any:
        return np.stack([x @ w, (1e3 + (x @ w).astype(np.float32)).astype(np.float32) - 1e3 - x @ w], axis=1)

    (one,) = captured(cancelling).noise
    assert one is not None
    assert one.by != "alone"


def test_a_column_without_a_size_counts_as_a_small_one() -> None:
    magnitude = np.array([[1.0, 3.0, 0.0, 1e-40], [2.0, 4.0, 0.0, 1e-41]])
    assert comparison.usual(magnitude, "alone")[0].tolist() == pytest.approx([2.0, 4.0, 0.01, 0.01])
    assert comparison.usual(np.array([[1.0, 3.0, 1e-3], [2.0, 4.0, 1e-4]]), "alone")[0, 2] == pytest.approx(1e-3)
