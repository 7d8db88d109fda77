"""Inputs that are made up: what a model's own words ask for, how its complaints are heeded, and the values."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import find as smallest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_kerasload import inputs, ragged, search
from pytest_kerasload.environments.session import InputSpec
from pytest_kerasload.inputs import Ask, InputsNotFound, Plan, Refused

Batch = Sequence[Any]


def spec(*shape: int | None, dtype: str = "float32", name: str = "x", **more: Any) -> InputSpec:
    return InputSpec(name, shape, dtype, (name,), **more)


def answers(batch: Batch) -> list[Any]:
    """A model that takes anything."""
    return [np.ones((batch[0].shape[0], 1))]


class Model:
    """Takes inputs for which ``complaint`` gives nothing; keeps what it was asked."""

    def __init__(self, complaint: Callable[[Batch], str]) -> None:
        self.complaint = complaint
        self.asked: list[Batch] = []

    def __call__(self, batch: Batch) -> list[Any]:
        self.asked.append(batch)
        assert len(self.asked) < 2000
        said = self.complaint(batch)
        if said:
            raise Refused(said)
        return [np.ones((2, 1))]


def only(plan: Plan, batch: int = 8, seed: int = 0, kind: str = "uniform") -> Any:
    """The first input of a batch."""
    return inputs.sample(plan, batch, seed, kind)[0]


# ---- the search


def test_a_shape_that_is_known_is_taken_as_it_is() -> None:
    model = Model(lambda batch: "")
    found = search.find(inputs.plan_for([spec(None, 4)]), model)
    assert found.specs[0].shape == (None, 4)
    assert len(model.asked) == 1
    assert model.asked[0][0].shape == (2, 4)


def test_free_dimensions_grow_until_the_model_answers() -> None:
    model = Model(lambda batch: "" if batch[0].shape[1] >= 1000 else "Computed output size would be negative")
    found = search.find(inputs.plan_for([spec(None, None, 3)]), model)
    assert found.specs[0].shape == (None, 1024, 3)
    assert found.batch is None
    sizes = [batch[0].shape[1] for batch in model.asked]
    assert sizes == list(search.SIZES[: len(sizes)])


def test_free_dimensions_shrink_where_less_is_wanted() -> None:
    model = Model(lambda batch: "" if batch[0].shape[1] == 3 else "a triple, please")
    assert search.find(inputs.plan_for([spec(None, None)]), model).specs[0].shape == (None, 3)


def test_unknown_shapes_are_tried_at_several_ranks() -> None:
    for rank in (1, 2, 3, 4):
        model = Model(lambda batch, rank=rank: "" if batch[0].ndim == rank else f"expected ndim={rank}")
        found = search.find(inputs.plan_for([InputSpec("x", None, "float32")]), model)
        assert len(found.specs[0].shape or ()) == rank


def test_a_fixed_batch_is_kept() -> None:
    found = search.find(inputs.plan_for([spec(4, 3), spec(4, None, name="y")]), Model(lambda batch: ""))
    assert found.batch == 4
    assert [array.shape for array in inputs.sample(found, 8, 0)] == [(4, 3), (4, 16)]


def test_an_index_that_is_out_of_range() -> None:
    def complaint(batch: Batch) -> str:
        worst = int(batch[0].max())
        return f"indices[1,0] = {worst} is not in [0, 7)\n\t [[node embed]]" if worst >= 7 else ""

    found = search.find(inputs.plan_for([spec(None, 50, dtype="int32")]), Model(complaint))
    assert found.asks[0].bound == 7
    for seed in range(20):
        for kind in ("zeros", "ones", "uniform", "normal", "image", "wide"):
            drawn = only(found, seed=seed, kind=kind)
            assert drawn.min() >= 0
            assert drawn.max() < 7


def test_two_embeddings_of_different_sizes() -> None:
    """The complaint does not say which input it is about: all keep to the smaller one."""

    def complaint(batch: Batch) -> str:
        for array, bound in zip(batch, (50, 9), strict=True):
            if array.max() >= bound:
                return f"indices[0,0] = {array.max()} is not in [0, {bound})"
        return ""

    specs = [spec(None, 30, dtype="int32"), spec(None, 30, dtype="int64", name="y")]
    found = search.find(inputs.plan_for(specs), Model(complaint))
    assert [ask.bound for ask in found.asks] == [9, 9]


def test_the_bound_of_the_file_is_kept_to_from_the_start() -> None:
    model = Model(lambda batch: "")
    search.find(inputs.plan_for([spec(None, 99, dtype="float32", bound=5)]), model)
    drawn = model.asked[0][0]
    assert drawn.dtype == np.float32
    assert set(np.unique(drawn)) <= set(range(5))


def test_the_features_of_an_example() -> None:
    """A tf.Example parser names one feature after another: missing, of another type, of another length."""
    wanted = {"age": ("float", 1), "tags": ("int64", 3), "title": ("string", 1)}

    def complaint(batch: Batch) -> str:
        if batch[0].ravel()[0][-1:] != b".":
            return "Could not parse example input, value: 'the'"
        known = features(batch[0].ravel()[0])
        for name, (dtype, count) in wanted.items():
            if name not in known:
                return f"Name: <unknown>, Feature: {name} (data type: {dtype}) is required but could not be found."
            if known[name][0] != dtype:
                return f"Key: {name}.  Data types don't match. Expected type: {dtype}"
            if known[name][1] != count:
                said = f"Key: {name}, Index: 0.  Number of {dtype} values != expected.  "
                return said + f"values size: {known[name][1]} but output shape: [{count}]"
        return ""

    found = search.find(inputs.plan_for([spec(None, dtype="string", name="examples")]), Model(complaint))
    assert found.asks[0].style == "examples"
    assert dict(found.asks[0].features) == wanted


def features(example: bytes) -> dict[str, tuple[str, int]]:
    """Type and number of values of each feature of a tf.train.Example, parsed by protobuf's own rules."""

    def fields(data: bytes) -> list[tuple[int, bytes]]:
        found, at = [], 0

        def varint() -> int:
            nonlocal at
            value = shift = 0
            while True:
                byte = data[at]
                at += 1
                value |= (byte & 0x7F) << shift
                shift += 7
                if byte < 0x80:
                    return value

        while at < len(data):
            key = varint()
            assert key & 7 == 2  # length-delimited: all that is written
            length = varint()
            found.append((key >> 3, data[at : at + length]))
            at += length
        assert at == len(data)
        return found

    told = {}
    for entry in fields(dict(fields(example))[1]):
        content = dict(fields(entry[1]))
        ((kind, values),) = fields(content[2])
        listed = fields(values)
        count = {1: len(listed), 2: len(dict(listed).get(1, b"")) // 4, 3: len(dict(listed).get(1, b""))}[kind]
        told[content[1].decode()] = ({1: "string", 2: "float", 3: "int64"}[kind], count)
    return told


def test_images_and_numerals() -> None:
    def wants_image(batch: Batch) -> str:
        return "" if batch[0].ravel()[0].startswith(b"\x89PNG") else "Unknown image file format. One of JPEG, PNG"

    found = search.find(inputs.plan_for([spec(None, dtype="string")]), Model(wants_image))
    assert found.asks[0].style == "images"
    image = only(found, 1)[0]
    assert image[12:16] == b"IHDR"
    at, end = image.index(b"IDAT"), image.index(b"IEND")
    assert len(zlib.decompress(image[at + 4 : end - 8])) == 32 * (1 + 32 * 3)

    def wants_number(batch: Batch) -> str:
        bad = [word for word in batch[0].ravel() if not word.isdigit()]
        return f"StringToNumberOp could not correctly convert string: {bad[0]!r}" if bad else ""

    found = search.find(inputs.plan_for([spec(None, 1, dtype="string")]), Model(wants_number))
    assert all(word.isdigit() for word in only(found).ravel())


def test_what_was_learned_at_one_size_is_kept_for_the_next() -> None:
    def complaint(batch: Batch) -> str:
        if batch[0].max() >= 5:
            return f"indices[0] = {batch[0].max()} is not in [0, 5)"
        return "" if batch[0].shape[1] > 500 else "too short"

    model = Model(complaint)
    found = search.find(inputs.plan_for([spec(None, None, dtype="int32")]), model)
    assert found.asks[0].bound == 5
    assert len(model.asked) < 12


def test_never_more_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model(lambda batch: "never enough")
    real = search.sample

    def sampled(plan: Plan, *arguments: Any, **more: Any) -> list[Any]:
        for one in plan.specs:  # before the memory is taken
            assert np.prod([size or 2 for size in one.shape or ()], dtype=float) <= 1 << 24
        return real(plan, *arguments, **more)

    monkeypatch.setattr(search, "sample", sampled)
    with pytest.raises(InputsNotFound):
        search.find(inputs.plan_for([spec(None, None, None, 3), spec(None, None, None, None, name="y")]), model)
    assert model.asked
    assert max(array.size for batch in model.asked for array in batch) <= 1 << 24


def test_a_large_input_of_fixed_shape_is_tried() -> None:
    """There is nothing smaller to try."""
    model = Model(lambda batch: "")
    found = search.find(inputs.plan_for([spec(None, 3000, 3000, dtype="bool")]), model)
    assert found.specs[0].shape == (None, 3000, 3000)


def test_a_complaint_that_repeats_itself_ends() -> None:
    model = Model(lambda batch: "indices[0] = 0 is not in [0, 1)")
    with pytest.raises(InputsNotFound):
        search.find(inputs.plan_for([spec(None, 3, dtype="int32")]), model)
    assert len(model.asked) < 5


def test_empty_outputs_are_no_answer() -> None:
    with pytest.raises(InputsNotFound, match=r"the outputs are empty: \[2, 0\]"):
        search.find(inputs.plan_for([spec(None, 3)]), lambda batch: [np.ones((2, 0))])
    with pytest.raises(InputsNotFound):
        search.find(inputs.plan_for([spec(None, 3)]), lambda batch: [])


def test_an_empty_output_at_one_size_is_not_the_end() -> None:
    found = search.find(
        inputs.plan_for([spec(None, None)]), lambda batch: [np.ones((2, max(0, batch[0].shape[1] - 40)))]
    )
    assert found.specs[0].shape == (None, 64)


def test_the_first_complaint_is_told() -> None:
    """It is about the likeliest size; later ones are about sizes that nobody would feed."""
    model = Model(lambda batch: f"\n  shape {batch[0].shape[1]} does not fit\nmore")
    with pytest.raises(InputsNotFound) as raised:
        search.find(inputs.plan_for([spec(None, None)]), model)
    assert str(raised.value).endswith("it says: shape 16 does not fit")
    assert raised.value.said == "\n  shape 16 does not fit\nmore"


def test_no_specs() -> None:
    with pytest.raises(InputsNotFound, match="does not say what its inputs are"):
        search.find(inputs.plan_for([]), answers)


def test_a_dtype_that_cannot_be_fed() -> None:
    with pytest.raises(InputsNotFound, match="resource"):
        search.find(inputs.plan_for([spec(None, dtype="resource")]), answers)


# ---- the user's own words


def test_overrides_go_by_name_or_alias() -> None:
    given_specs = [InputSpec("x", (None, None), "float32", ("x", "left", "0")), spec(None, 2, name="y")]
    found = inputs.plan_for(given_specs, {"left": {"shape": [-1, 12]}, "y": {"dtype": "float64"}})
    assert found.specs[0].shape == (None, 12)
    assert found.specs[1].dtype == "float64"


@pytest.mark.parametrize("kind", ["zeros", "ones", "uniform", "normal", "image", "wide"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint8"])
@pytest.mark.parametrize(("low", "high"), [(3, 9), (None, 2), (40, None), (0, 0), (None, 200)])
def test_minimum_and_maximum(dtype: str, low: int | None, high: int | None, kind: str) -> None:
    override = {key: value for key, value in (("min", low), ("max", high)) if value is not None}
    plan = inputs.plan_for([spec(None, 50, dtype=dtype)], {"x": override})
    drawn = only(plan, kind=kind)
    assert drawn.dtype == dtype
    if low is not None:
        assert drawn.min() >= low
    if high is not None:
        assert drawn.max() <= high


def test_maximum_comes_before_the_bound_of_the_file() -> None:
    plan = inputs.plan_for([spec(None, 50, dtype="int32", bound=1000)], {"x": {"max": 4}})
    assert only(plan).max() <= 4
    plan = inputs.plan_for([spec(None, 50, dtype="int32", bound=3)], {"x": {"max": 40}})
    assert only(plan).max() < 3  # the table of an Embedding has no more rows, whatever is asked for


def test_negative_minimum() -> None:
    drawn = only(inputs.plan_for([spec(None, 500)], {"x": {"min": -1, "max": 1}}))
    assert drawn.min() < -0.5
    assert drawn.max() > 0.5


@pytest.mark.parametrize(
    ("dtype", "values", "stored"),
    [("string", ["red", "grün"], "S"), ("float32", [1, 2], "f"), ("int64", [3], "i"), ("bool", [True], "b")],
)
def test_values_of_the_users_own(dtype: str, values: list[Any], stored: str) -> None:
    drawn = only(inputs.plan_for([spec(None, 20, dtype=dtype)], {"x": {"values": values}}))
    assert drawn.shape == (8, 20)
    assert drawn.dtype.kind == stored
    known = {value.encode() if isinstance(value, str) else value for value in values}
    assert set(drawn.ravel().tolist()) == known
    if dtype != "string":
        assert drawn.dtype == dtype


# ---- the values

DTYPES = [
    *("float16", "float32", "float64", "bfloat16", "int8", "int32", "int64", "uint8", "bool", "string", "complex64"),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["zeros", "ones", "uniform", "normal", "image", "wide"])
def test_dtype_and_shape(dtype: str, kind: str) -> None:
    drawn = only(inputs.plan_for([spec(None, 3, 2, dtype=dtype)]), 5, kind=kind)
    assert drawn.shape == (5, 3, 2)
    assert drawn.dtype.kind != "O"
    wanted = {"bfloat16": "float32", "string": drawn.dtype}.get(dtype, dtype)
    assert drawn.dtype == wanted
    if dtype == "string":
        assert drawn.dtype.kind == "S"
    else:
        assert np.isfinite(drawn).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_same_arguments_give_the_same_values(dtype: str) -> None:
    plan = inputs.plan_for([spec(None, 40, dtype=dtype), spec(None, 40, dtype=dtype, name="y")])
    for kind in ("uniform", "normal", "image", "wide"):
        one, two = inputs.sample(plan, 4, 7, kind), inputs.sample(plan, 4, 7, kind)
        assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
        assert not np.array_equal(one[0], one[1])
        other = inputs.sample(plan, 4, 8, kind)
        assert not np.array_equal(one[0], other[0])


def test_rows_differ() -> None:
    """A model that ignores its input, or mixes up rows, does not look right by chance."""
    drawn = only(inputs.plan_for([spec(None, 10)]), kind="normal")
    assert len(np.unique(drawn, axis=0)) == 8


def test_the_words_of_the_model_are_used() -> None:
    plan = inputs.plan_for([spec(None, 100, dtype="string", vocabulary=("", "alpha", "βeta"))])
    words = set(only(plan).ravel())
    assert {b"alpha", "βeta".encode()} < words
    assert len(words) > 2  # and some that it does not know


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_generated_batches_fit_the_plan(data: st.DataObject) -> None:
    plan = inputs.plan_for([spec(None, 3), spec(None, 2, dtype="int32", name="ids", bound=4)])
    x, ids = data.draw(inputs.examples(plan))
    assert x.shape == (x.shape[0], 3)
    assert ids.shape == (x.shape[0], 2)
    assert 1 <= x.shape[0] <= 3
    assert ids.max() < 4


def test_examples_shrink_to_one_row_of_zeros() -> None:
    plan = inputs.plan_for(
        [spec(None, 3), spec(None, 2, dtype="int32", name="ids"), spec(None, dtype="bool", name="b")]
    )
    x, ids, flag = smallest(inputs.examples(plan), lambda batch: True)
    assert x.tolist() == [[0.0, 0.0, 0.0]]
    assert ids.tolist() == [[0, 0]]
    assert flag.tolist() == [False]


def test_examples_shrink_to_what_still_fails() -> None:
    plan = inputs.plan_for([spec(None, 3)])
    (x,) = smallest(inputs.examples(plan), lambda batch: bool(np.abs(batch[0]).max() > 0))
    assert x.tolist() == [[1.0, 1.0, 1.0]]


def test_examples_keep_a_fixed_batch() -> None:
    (x,) = smallest(inputs.examples(inputs.plan_for([spec(6, 3)])), lambda batch: True)
    assert x.shape == (6, 3)


def test_plans_of_several_endpoints() -> None:
    one = Plan((spec(None, 3),), (Ask(),))
    two = Plan((spec(None, 2, name="y"),), (Ask(bound=3),))
    both = one.joined(two)
    assert [s.name for s in both.specs] == ["x", "y"]
    assert [ask.bound for ask in both.asks] == [None, 3]


# ---- what the layers behind an input tell


def test_usual_values_are_where_the_model_expects_them() -> None:
    """A normalisation with a mean of 1000 would saturate everything behind it for inputs around zero."""
    plan = inputs.plan_for([spec(None, 3, centre=(1000.0, -5.0, 0.0), spread=(50.0, 1.0, 0.1))])
    for kind in ("normal", "uniform"):
        drawn = inputs.sample(plan, 4000, 1, kind)[0]
        assert np.allclose(drawn.mean(axis=0), [1000, -5, 0], atol=[5, 0.1, 0.01])
        assert np.allclose(drawn.std(axis=0), [50, 1, 0.1], rtol=0.1)


def test_masked_steps_have_several_lengths_and_hold_the_padding() -> None:
    plan = inputs.plan_for([spec(None, 20, dtype="int32", bound=1000, padding=0.0)])
    drawn = only(plan, 8, kind="normal")
    lengths = [int(np.flatnonzero(row)[-1]) + 1 if row.any() else 0 for row in drawn]
    assert len(set(lengths)) > 3
    assert (drawn == 0).sum() > 20
    masked = only(inputs.plan_for([spec(None, 20, 4, padding=-1.0)]), 8, kind="normal")
    assert (masked == -1.0).all(axis=2).any()
    assert not (masked == -1.0).all(axis=(1, 2)).any()


def test_padding_outside_the_users_range_is_not_used() -> None:
    plan = inputs.plan_for([spec(None, 50, dtype="int32", bound=9, padding=0.0)], {"x": {"min": 1}})
    assert only(plan).min() == 1


def test_numbers_that_are_looked_up() -> None:
    drawn = only(inputs.plan_for([spec(None, 50, dtype="int64", choices=(3, 70, 71))]))
    assert set(drawn.ravel()) == {3, 70, 71}


def test_sentences_are_several_words() -> None:
    drawn = only(inputs.plan_for([spec(None, 1, dtype="string", vocabulary=("red", "green"), sentences=True)]))
    assert max(len(text.split()) for text in drawn.ravel()) > 2
    assert {b"red", b"green"} <= {word for text in drawn.ravel() for word in text.split()}


def test_one_hot_rows() -> None:
    drawn = only(inputs.plan_for([spec(None, 30, 4)]), kind="one-hot")
    assert drawn.dtype == np.float32
    assert (drawn.sum(axis=2) == 1).all()
    assert len(np.unique(drawn.argmax(axis=2))) == 4


def test_tiny_numbers_are_denormal_and_extremes_are_large() -> None:
    tiny = only(inputs.plan_for([spec(None, 100)]), kind="tiny")
    assert ((tiny > 0) & (tiny < np.finfo(np.float32).tiny)).any()
    assert (tiny == 0).any()
    assert np.abs(only(inputs.plan_for([spec(None, 100)]), kind="large")).max() > 1000
    ends = only(inputs.plan_for([spec(None, 100, dtype="int32", bound=5000)]), kind="wide")
    assert {0, 4999} <= set(ends.ravel())


def test_complex_numbers_have_two_parts() -> None:
    for kind in ("uniform", "normal", "wide"):
        drawn = only(inputs.plan_for([spec(None, 10, dtype="complex64")]), kind=kind)
        assert drawn.dtype == np.complex64
        assert (drawn.imag != 0).any()
        assert (drawn.real != 0).any()


def test_a_batch_of_mixed_rows_begins_with_those_that_somebody_chose() -> None:
    rows = np.arange(12, dtype="float32").reshape(4, 3) / 8
    plan = inputs.plan_for([spec(None, 3)], {"x": rows})
    assert plan.given
    (batch,) = inputs.mixed(plan, 16, seed=0)
    assert np.array_equal(batch[:4], rows)
    assert len(batch) == 16
    assert np.abs(batch[4:]).max() > 50
    (drawn,) = inputs.sample(plan, 2, 3, "given")
    assert {tuple(row) for row in drawn} <= {tuple(row) for row in rows}


def test_a_batch_of_mixed_rows_has_zeros_where_zeros_are_numbers() -> None:
    def rows_of_zeros(*specs: InputSpec) -> int:
        batch = inputs.mixed(inputs.plan_for(specs), 16, seed=0)
        return int(np.all([(array == 0).reshape(16, -1).all(axis=1) for array in batch], axis=0).sum())

    assert rows_of_zeros(spec(None, 30)) == 1
    assert rows_of_zeros(spec(None, 5, 4, name="a"), spec(None, 30, dtype="float64", name="b")) == 1
    # A row of padding only is answered otherwise by every release, and zeros of indices are one word.
    assert not rows_of_zeros(spec(None, 30, 2, padding=0.0))
    assert not rows_of_zeros(spec(None, 30, name="a"), spec(None, 30, dtype="int32", bound=50, name="b"))
    assert not rows_of_zeros(spec(None, 30, bound=50))


def test_rows_that_do_not_belong_together_are_left_out() -> None:
    plan = inputs.plan_for([spec(None, 3), spec(None, 2, name="y")])
    assert inputs.with_rows(plan, [np.ones((4, 3))]).given == ()
    assert inputs.with_rows(plan, [np.ones((4, 3)), np.ones((5, 2))]).given == ()
    assert len(inputs.with_rows(plan, [np.ones((4, 3)), np.ones((4, 2))]).given) == 2


# ---- ragged batches


@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8", "string"])
def test_ragged_rows_have_lengths_of_their_own(dtype: str) -> None:
    drawn = only(inputs.plan_for([spec(None, 12, dtype=dtype, ragged=True)]), 8, kind="normal")
    values, lengths = ragged.packed(drawn)
    assert len(set(lengths.tolist())) > 2
    assert lengths.max() == 12
    assert len(values) == lengths.sum()
    again = ragged.padded(values, lengths)
    assert np.array_equal(again, drawn, equal_nan=drawn.dtype.kind == "f")


def test_lengths_that_do_not_fit_the_values() -> None:
    for lengths in ([1, 2], [-1, 4], [[1, 2]], [0.5, 2.5]):
        with pytest.raises(ValueError):
            ragged.padded(np.arange(4), np.array(lengths))
    with pytest.raises(ValueError, match="too long"):
        ragged.padded(np.arange(1 << 20), np.array([1 << 20] + [0] * 4096))


# ---- sizes that the model asks for


def test_sizes_that_leave_nothing_are_not_asked() -> None:
    model = Model(lambda batch: "" if batch[0].shape[1] > 10_000 else "Computed output size would be negative")
    found = search.find(inputs.plan_for([spec(None, None, 4)]), model, fits=lambda shapes: shapes[0][1] > 10_000)
    assert found.specs[0].shape == (None, 16384, 4)
    assert len(model.asked) == 1


SIZES_ASKED_FOR = [
    "Matrix size-incompatible: In[0]: [2,{given}], In[1]: [10,3] [Op:MatMul]",
    "Incompatible shapes: [2,{given}] vs. [10] [Op:Mul]",
    (
        "Input 0 of layer dense is incompatible with the layer: expected axis -1 of input shape to have value 10 but "
        "received input with shape (2, {given})"
    ),
    (
        'Input 0 of layer "dense" is incompatible with the layer: expected axis -1 of input shape to have value 10, '
        "but received input with shape [2, {given}]"
    ),
    'Input 0 of layer "functional" is incompatible with the layer: expected shape=(None, 10), found shape=(2, {given})',
    "Dimensions must be equal, but are {given} and 10 for '{{{{node MatMul}}}}'",
]


@pytest.mark.parametrize("said", SIZES_ASKED_FOR)
def test_a_size_that_the_model_names(said: str) -> None:
    model = Model(lambda batch: "" if batch[0].shape[1] == 10 else said.format(given=batch[0].shape[1]))
    found = search.find(inputs.plan_for([spec(None, None)]), model)
    assert found.specs[0].shape == (None, 10)
    assert len(model.asked) == 2


def test_a_rank_that_the_model_names() -> None:
    def complaint(batch: Batch) -> str:
        return "" if batch[0].ndim == 4 else f"expected min_ndim=4, found ndim={batch[0].ndim}. Full shape received"

    model = Model(complaint)
    found = search.find(inputs.plan_for([InputSpec("x", None, "float32")]), model)
    assert len(found.specs[0].shape or ()) == 4
    assert len(model.asked) == 2


def test_the_size_of_a_table_is_found_by_asking_for_a_row_far_out() -> None:
    def complaint(batch: Batch) -> str:
        worst = int(batch[0].max())
        return f"indices[1,0] = {worst} is not in [0, 5000)" if worst >= 5000 else ""

    model = Model(complaint)
    found = search.find(inputs.plan_for([spec(None, 50, dtype="int32")]), model)
    assert found.asks[0].bound == 5000
    assert len(model.asked) == 3


def test_whole_numbers_that_index_nothing_stay_small() -> None:
    model = Model(lambda batch: "")
    assert only(search.find(inputs.plan_for([spec(None, 50, dtype="int32")]), model)).max() < 128
    single = Model(lambda batch: "")
    search.find(inputs.plan_for([spec(None, dtype="int32")]), single)
    assert len(single.asked) == 1  # it may be a size: nothing far out is asked


def test_rows_that_somebody_chose_are_the_last_resort() -> None:
    rows = np.full((5, 3), 7.0, "float32")
    model = Model(lambda batch: "" if (batch[0] == 7).all() else "only sevens")
    found = search.find(inputs.plan_for([spec(None, 3)], {"x": rows}), model)
    assert found.only_given
    assert np.array_equal(inputs.mixed(found, 16, 0)[0], rows)
    assert (inputs.sample(found, 2, 1, "zeros")[0] == 7).all()


@pytest.mark.parametrize(
    "said",
    [
        "{{function_node __wrapped__AddV2}} Incompatible shapes: [2,3] vs. [4,3] [Op:AddV2]",
        "ConcatOp : Dimension 0 in both shapes must be equal: shape[0] = [2,5] vs. shape[1] = [4,3]",
    ],
)
def test_a_batch_that_the_model_names(said: str) -> None:
    """Exports of stateful models do not say in their signature that they take one batch only."""
    model = Model(lambda batch: "" if len(batch[0]) == 4 else said)
    found = search.find(inputs.plan_for([spec(None, 3)]), model)
    assert found.batch == 4
    assert len(model.asked) == 2


def test_rows_of_whole_numbers_do_not_make_an_input_whole() -> None:
    """An example of 1, 2, 3 for a dense layer; an embedding that takes floating numbers names its range itself."""
    plan = inputs.plan_for([spec(None, 3)], {"x": np.array([[1.0, 2.0, 3.0]], "float32")})
    assert (only(plan, kind="normal") % 1 != 0).any()


def test_a_table_of_positions_does_not_narrow_the_values() -> None:
    """Sequences longer than the positional embedding: a shorter one is taken, not smaller token ids."""

    def complaint(batch: Batch) -> str:
        steps = batch[0].shape[1]
        return f"indices[0,{steps - 1}] = {steps - 1} is not in [0, 10)" if steps > 10 else ""

    found = search.find(inputs.plan_for([spec(None, None, dtype="int32", bound=5000)]), Model(complaint))
    assert found.specs[0].shape == (None, 8)
    assert found.asks[0].bound == 5000
