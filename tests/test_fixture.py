"""``keras_artifact``: tests of the user's own over the artifacts of a run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import builders
import h5py
import numpy as np
import pytest

from pytest_kerasload.batches import BadBatch, by_input
from pytest_kerasload.environments.driver import Driver, Group
from pytest_kerasload.environments.session import InputSpec, Loaded, Output
from pytest_kerasload.environments.spec import EnvironmentSpec
from pytest_kerasload.findings import CheckResult
from pytest_kerasload.gate import Gate, Task
from pytest_kerasload.handle import _batch, _joined
from pytest_kerasload.settings import Settings

EXAMPLES = Path(__file__).parent.parent / "examples" / "artifacts"


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """Three artifacts, one of them no model; an environment for static checks; two tests, one of them for one."""
    root = pytester.path / "artifacts"
    builders.h5(root / "b" / "clf.h5")
    builders.saved_model(root / "towers")
    (root / "broken.h5").write_text("no model")
    builders.interpreter(pytester.path / "py", {"tensorflow": "2.15.0", "keras": "2.15.0"})
    builders.interpreter(pytester.path / "bare")
    pytester.makepyfile(
        test_own="""
        import pytest

        def test_every(keras_artifact):
            print(keras_artifact)

        @pytest.mark.keras_artifacts("b/*")
        def test_one(keras_artifact):
            assert keras_artifact.format == "h5"
        """
    )
    return pytester


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest_inprocess("test_own.py", "--keras-env=py", *arguments)


def collected(project: pytest.Pytester, *arguments: str) -> list[str]:
    """The ids of the user's own tests, without their module."""
    result = run(project, "--keras-models=artifacts", "--collect-only", "-q", *arguments)
    return [item.removeprefix("test_own.py::") for item in builders.ids(result.outlines) if "test_own" in item]


# ---- what is collected


def test_a_test_for_each_artifact(project: pytest.Pytester) -> None:
    assert collected(project) == [
        "test_every[b/clf.h5]",
        "test_one[b/clf.h5]",
        "test_every[broken.h5]",
        "test_every[towers]",
    ]
    assert collected(project, "-k", "towers") == ["test_every[towers]"]
    assert collected(project, "--ignore=artifacts/b", "-k", "every") == ["test_every[broken.h5]", "test_every[towers]"]


def test_a_test_for_each_environment(project: pytest.Pytester) -> None:
    (project.path / "artifacts" / "kerasload.toml").write_text('["towers"]\nenvironments = ["other"]\n')
    assert collected(project, "--keras-env=other=bare", "-k", "not broken") == [
        "test_every[b/clf.h5-py]",
        "test_one[b/clf.h5-py]",
        "test_every[b/clf.h5-other]",
        "test_one[b/clf.h5-other]",
        "test_every[towers-other]",
    ]


def test_environments_follow_each_other(project: pytest.Pytester) -> None:
    found = collected(project, "--keras-env=other=bare", "-k", "every and not towers")
    assert [item.partition("-")[2] for item in found] == ["py]", "py]", "other]", "other]"]


def test_tests_of_one_artifact_follow_each_other_over_modules(project: pytest.Pytester) -> None:
    project.makepyfile(test_more="def test_more(keras_artifact): pass")
    result = project.runpytest_inprocess(
        "test_own.py", "test_more.py", "--keras-env=py", "--keras-models=artifacts", "--collect-only", "-q"
    )
    found = [item.partition("::")[2] for item in builders.ids(result.outlines) if item.startswith("test_")]
    assert found == [
        *("test_every[b/clf.h5]", "test_one[b/clf.h5]", "test_more[b/clf.h5]"),
        *("test_every[broken.h5]", "test_more[broken.h5]"),
        *("test_every[towers]", "test_more[towers]"),
    ]


def test_artifacts_of_one_name_in_two_roots(project: pytest.Pytester) -> None:
    builders.h5(project.path / "more" / "b" / "clf.h5")
    found = collected(project, "--keras-models=more", "-k", "every and clf")
    assert [item.endswith("/b/clf.h5]") for item in found] == [True, True]
    assert "/artifacts/" in found[0]
    assert "/more/" in found[1]


def test_by_id_and_last_failed(project: pytest.Pytester) -> None:
    project.makepyfile(test_own="def test_every(keras_artifact): assert keras_artifact.name != 'towers'")
    result = project.runpytest_inprocess("test_own.py::test_every[b/clf.h5]", "--keras-models=artifacts/towers", "-q")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result = project.runpytest_inprocess("test_own.py::test_every[towers]", "--keras-models=artifacts", "-k", "every")
    result.assert_outcomes(failed=1)
    result = run(project, "--keras-models=artifacts", "--lf", "-p", "cacheprovider")
    result.assert_outcomes(failed=1)


def test_artifacts_of_the_ini_file(project: pytest.Pytester) -> None:
    project.makeini("[pytest]\nkeras_models = artifacts")
    result = run(project, "-v", "-k", "not broken")
    result.assert_outcomes(passed=3, deselected=3)


def test_artifacts_on_the_command_line_alone_collect_no_tests(project: pytest.Pytester) -> None:
    result = project.runpytest_inprocess("--keras-models=artifacts", "--collect-only", "-q")
    assert not [item for item in builders.ids(result.outlines) if "test_own" in item]


def test_without_artifacts_it_is_skipped_and_says_why(project: pytest.Pytester) -> None:
    result = run(project, "-rs", "--strict-markers")
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(["*there are no artifacts to ask: give them with --keras-models=PATH*"])


def test_collecting_imports_nothing_heavy(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    project.makepyfile(spy=builders.SPY)
    project.syspathinsert()
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # other plugins bring some
    plugins = ("-p", "spy", "-p", "pytest_kerasload.plugin")
    result = project.runpytest_subprocess("test_own.py", "--keras-models=artifacts", *plugins, "--collect-only", "-q")
    result.stdout.fnmatch_lines(["test_own.py::test_one*", "IMPORTED []"])


@pytest.mark.parametrize(
    ("marker", "told"),
    [
        ('"b/*", "rank*"', "keras_artifacts('rank*') names no artifact; there are b/clf.h5, broken.h5, towers"),
        ("", "keras_artifacts is given no glob; there are b/clf.h5, broken.h5, towers"),
    ],
)
def test_a_marker_that_names_nothing(project: pytest.Pytester, marker: str, told: str) -> None:
    project.makepyfile(
        test_own=f"import pytest\n\n@pytest.mark.keras_artifacts({marker})\ndef test_one(keras_artifact): pass"
    )
    result = run(project, "--keras-models=artifacts")
    result.assert_outcomes(errors=1)
    assert told in result.stdout.str()


def test_what_kerasload_toml_says(project: pytest.Pytester) -> None:
    (project.path / "artifacts" / "kerasload.toml").write_text(
        '["b/*"]\nskip = true\nreason = "later"\n["towers"]\nxfail = true\nreason = "rewritten"\n'
    )
    project.makepyfile(test_own="def test_every(keras_artifact): assert keras_artifact.name == 'broken.h5'")
    result = run(project, "--keras-models=artifacts", "-rsx", "-k", "every")
    result.assert_outcomes(passed=1, skipped=1, xfailed=1)
    result.stdout.fnmatch_lines(["SKIPPED*later", "XFAIL*towers* - rewritten*"], consecutive=False)


def test_it_has_to_be_an_argument(project: pytest.Pytester) -> None:
    project.makepyfile(test_own="def test_late(request): request.getfixturevalue('keras_artifact')")
    result = run(project, "--keras-models=artifacts", "-k", "late")
    assert "keras_artifact has to be an argument of the test" in result.stdout.str()


def test_fixtures_of_the_users_own_may_take_it(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_own="""
        import pytest

        @pytest.fixture
        def name(keras_artifact):
            return keras_artifact.name

        def test_name(name):
            assert name == "towers"
        """
    )
    run(project, "--keras-models=artifacts/towers", "-k", "test_name").assert_outcomes(passed=1)


def test_under_xdist(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess(
        "test_own.py", "--keras-env=py", "--keras-models=artifacts", "-n2", "-k", "not broken and (every or one)"
    )
    result.assert_outcomes(passed=3)


# ---- artifacts that cannot be asked


ASKING = """
def test_said(keras_artifact):
    assert keras_artifact.sha256

def test_ask(keras_artifact):
    keras_artifact.predict([[1, 2, 3]])
"""


def test_what_the_run_reports_is_skipped(project: pytest.Pytester) -> None:
    project.makepyfile(test_own=ASKING)
    result = run(project, "--keras-models=artifacts/broken.h5", "-rs", "-k", "file or said or ask")
    result.assert_outcomes(failed=1, skipped=2, deselected=6)
    result.stdout.fnmatch_lines(["*broken.h5 cannot be asked, file failed: broken.h5 *"])


def test_what_the_run_does_not_report_fails(project: pytest.Pytester) -> None:
    project.makepyfile(test_own=ASKING)
    result = run(project, "--keras-models=artifacts/broken.h5", "-k", "said or ask")
    result.assert_outcomes(failed=2, deselected=7)
    result.stdout.fnmatch_lines(
        ["broken.h5 is text of 8 bytes, *", "*file-not-a-model*", "FAILED*test_ask* broken.h5 is text*"]
    )


def test_an_environment_that_cannot_load(project: pytest.Pytester) -> None:
    project.makepyfile(test_own=ASKING)
    arguments = ("test_own.py", "--keras-env=bare", "--keras-models=artifacts/b/clf.h5")
    result = project.runpytest_inprocess(*arguments, "-k", "said or ask")
    result.assert_outcomes(passed=1, failed=1, deselected=7)
    result.stdout.fnmatch_lines(["bare (*): TensorFlow is not installed*", "*tensorflow-missing*"])
    result = project.runpytest_inprocess(*arguments, "-k", "said or ask or load", "-rs")
    result.assert_outcomes(passed=1, failed=1, skipped=1, deselected=6)
    result.stdout.fnmatch_lines(["*clf.h5 cannot be asked, load failed: *"])


class Told(Exception):
    """What a lender said when it refused."""

    def __init__(self, result: CheckResult, reported: bool) -> None:
        self.result, self.reported = result, reported


def refuse(result: CheckResult, reported: bool) -> Any:
    raise Told(result, reported)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    builders.h5(tmp_path / "clf.h5")
    environment = EnvironmentSpec("bare", str(builders.interpreter(tmp_path / "bare")))
    made = Gate(Settings((tmp_path,), (environment,), tmp_path, jobs=1))
    yield made
    made.close()


@pytest.mark.parametrize("planned", [True, False])
def test_what_is_not_safe_is_not_loaded(gate: Gate, monkeypatch: pytest.MonkeyPatch, planned: bool) -> None:
    path, environment = gate.settings.models[0] / "clf.h5", gate.settings.environments[0]
    safety = Task(path, "safety")
    gate.plan([safety] if planned else [], ahead=False)
    monkeypatch.setitem(gate._results, safety, CheckResult("safety", "failed"))
    monkeypatch.setattr(gate.lender, "_lent", None)
    with pytest.raises(Told) as told:
        gate.lender.loaded(path, environment, refuse)
    assert (told.value.result.check, told.value.reported) == ("safety", planned)


def test_a_load_that_failed_here_alone_is_no_reported_one(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    path, environment = gate.settings.models[0] / "clf.h5", gate.settings.environments[0]
    load = Task(path, "load", environment)
    gate.plan([load], ahead=False)
    monkeypatch.setattr(gate, "result", lambda task: CheckResult("load", "passed"))
    with pytest.raises(Told) as told:
        gate.lender.loaded(path, environment, refuse)
    assert (told.value.result.outcome, told.value.reported) == ("failed", False)


def test_a_request_that_is_interrupted_ends_the_process(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []
    driver, _ = gate.lender._lent(gate.settings.models[0] / "clf.h5", gate.settings.environments[0])
    monkeypatch.setattr(driver, "end", lambda: ended.append(1))
    with pytest.raises(KeyboardInterrupt), gate.lender.asking():
        raise KeyboardInterrupt
    assert ended == [1]


def test_the_pool_rests_while_time_is_measured(gate: Gate) -> None:
    path, environment = gate.settings.models[0] / "clf.h5", gate.settings.environments[0]
    answered = threading.Event()
    with gate.lender.alone():
        threading.Thread(target=lambda: (gate.result(Task(path, "load", environment)), answered.set())).start()
        assert not answered.wait(0.3)
    assert answered.wait(30)
    with gate.lender.alone():  # the thread waits for work, and does none
        pass


def test_time_is_not_measured_before_the_pool_rests(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    path, environment = gate.settings.models[0] / "clf.h5", gate.settings.environments[0]
    begun, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def make(driver: Driver, group: Group, task: Task) -> CheckResult:
        begun.set()
        go_on.wait(30)
        done.set()
        return CheckResult("load", "passed")

    monkeypatch.setattr(Driver, "make", make)
    gate.plan([Task(path, "load", environment)], ahead=True)
    assert begun.wait(30)
    threading.Timer(0.2, go_on.set).start()
    with gate.lender.alone():
        assert done.is_set()


def test_room_is_left_for_the_process_beside_the_pool(gate: Gate) -> None:
    alone = gate._pool._memory()
    gate.plan([], ahead=False, lending=True)
    assert gate._pool._memory() == pytest.approx(alone / 2, abs=1)


# ---- batches

ONE = (InputSpec("x", (None, 3), "float32", ("x", "0")),)
TWO = (InputSpec("left", (None, 3), "float32", ("left", "0")), InputSpec("right", (None, 1), "int32", ("right", "1")))
X, Y = np.zeros((4, 3)), np.zeros(4, int)


def shapes(x: Any, specs: Any) -> list[Any]:
    return [None if array is None else array.shape for array in by_input(x, specs)]


@pytest.mark.parametrize(
    ("x", "specs", "found"),
    [
        (X, ONE, [(4, 3)]),
        ([[1, 2, 3]], ONE, [(1, 3)]),
        ([X], ONE, [(4, 3)]),
        ([X[0]], ONE, [(1, 3)]),
        ([X[0], X[1]], ONE, [(2, 3)]),
        ({"x": X}, ONE, [(4, 3)]),
        ({"input_7": X}, ONE, [(4, 3)]),
        ([X, Y], TWO, [(4, 3), (4, 1)]),
        ((X, Y[:, None]), TWO, [(4, 3), (4, 1)]),
        ({"right": Y, "0": X}, TWO, [(4, 3), (4, 1)]),
        (X, (), [(4, 3)]),
        ([X, Y], (), [(4, 3), (4,)]),
        ({"a": X, "b": Y}, (), [(4, 3), (4,)]),
        (X[:0], ONE, [(0, 3)]),
        (["a", "bc"], (InputSpec("t", (None, 1), "string"),), [(2, 1)]),
        (["a", "bc"], (InputSpec("t", (None,), "string"),), [(2,)]),
        (X, (InputSpec("x", None, "float32"),), [(4, 3)]),
        (X, (InputSpec("x", (None, None), "float32"),), [(4, 3)]),
        (X, (*ONE, InputSpec("b/x", (None, 2), "float32", endpoint="b")), [(4, 3), None]),
        ({"b/x": X[:, :2]}, (*ONE, InputSpec("b/x", (None, 2), "float32", endpoint="b")), [None, (4, 2)]),
    ],
)
def test_what_is_given_for_each_input(x: Any, specs: Any, found: list[Any]) -> None:
    assert shapes(x, specs) == found


def test_rows_of_unequal_lengths_for_a_ragged_input() -> None:
    given = by_input([[1.0], [2.0, 3.0]], (InputSpec("x", (None, None), "float32", ragged=True),))[0]
    assert given is not None
    np.testing.assert_array_equal(given, [[1, np.nan], [2, 3]])


@pytest.mark.parametrize(
    ("x", "specs", "told"),
    [
        (np.zeros((4, 5)), ONE, "x is float64[4, 5]; the model takes x float32[None, 3]"),
        (np.zeros(3), ONE, "x is float64[3]; the model takes x float32[None, 3]"),
        (np.array([["a", "b", "c"]]), ONE, "x is string[1, 3]; the model takes x float32[None, 3]"),
        ([[1, 2, 3], [1]], ONE, "x: it is no array: "),
        (object(), ONE, "x: it holds Python objects (object), not numbers or text"),
        (X, TWO, "1 array is given for 2 inputs; the model takes left float32[None, 3], right int32[None, 1]"),
        ([X, X, X], TWO, "3 arrays are given for 2 inputs"),
        ({"left": X}, TWO, "nothing is given for 'right'"),
        ({"left": X, "top": X}, TWO, "the model has no input 'top'; the model takes left"),
        ({"left": X, "0": X}, TWO, "'0' and 'left' are the same input"),
        ([X, Y[:2]], TWO, "inputs of one batch have one number of rows: left has 4, right has 2"),
        ({}, ONE, "nothing is given for any input"),
    ],
)
def test_what_does_not_fit(x: Any, specs: Any, told: str) -> None:
    with pytest.raises(BadBatch) as raised:
        by_input(x, specs)
    assert told in str(raised.value)


def loaded(*specs: InputSpec, endpoints: tuple[str, ...] = ()) -> Loaded:
    return Loaded("model-1", "keras", specs, endpoints, (), Path("clf.h5"), True, False)


def outputs(*arrays: tuple[str, Any]) -> list[Output]:
    return [Output((name,), np.asarray(array)) for name, array in arrays]


def test_parts_are_put_together() -> None:
    parts = [outputs(("a", [[1], [2]])), outputs(("a", [[3]]))]
    np.testing.assert_array_equal(_joined(loaded(*ONE), [X], parts, 3, 2), [[1], [2], [3]])
    both = _joined(loaded(*ONE), [X], [outputs(("a", [1, 2]), ("b", [3, 4]))], 2, 32)
    assert {name: array.tolist() for name, array in both.items()} == {"a": [1, 2], "b": [3, 4]}


def test_batches_of_a_fixed_size() -> None:
    model = loaded(InputSpec("x", (4, 3), "float32"))
    assert _batch(model, 8, 32) == 4
    for rows in (6, 0):
        with pytest.raises(BadBatch, match=f"takes batches of 4 rows, and {rows} are given"):
            _batch(model, rows, 32)
    assert _batch(loaded(*ONE), 6, 32) == 32
    with pytest.raises(ValueError, match="batch_size is 0"):
        _batch(loaded(*ONE), 6, 0)


def test_what_is_not_by_row_is_not_put_together() -> None:
    parts = [outputs(("total", 1.0)), outputs(("total", 2.0))]
    with pytest.raises(BadBatch, match=r"output 'total' is float64\[\] for 2 rows.*batch_size=3"):
        _joined(loaded(*ONE), [X], parts, 3, 2)
    assert _joined(loaded(*ONE), [X], parts[:1], 2, 2) == 1.0


def test_endpoints_that_were_not_asked_are_left_out() -> None:
    spec = InputSpec("x", (None, 3), "float32", endpoint="serve")
    parts = [outputs(("scores", [1.0]), ("version/0", 3))]
    found = _joined(loaded(spec, endpoints=("serve", "version")), [X[:1]], parts, 1, 32)
    assert found.tolist() == [1.0]


# ---- real models


def test_tests_over_real_artifacts(pytester: pytest.Pytester, versions: Any) -> None:
    if versions.keras_version.release < (3, 15):
        pytest.skip("the example artifacts were saved by Keras 3.15")
    pytester.makepyfile(
        test_own="""
        import numpy as np
        import pytest
        from pytest_kerasload.batches import BadBatch

        @pytest.mark.keras_artifacts("digits.h5", "ranker")
        def test_expected(keras_artifact):
            known = keras_artifact.expected
            found = keras_artifact.predict(known.inputs, batch_size=3)
            found = found if isinstance(found, dict) else {keras_artifact.outputs[0].name: found}
            assert len(found) == len(known.outputs)
            for one, other in zip(found.values(), known.outputs.values()):  # an export calls them output_0, output_1
                np.testing.assert_allclose(one, other, atol=1e-4)

        @pytest.mark.keras_artifacts("digits.h5")
        def test_said(keras_artifact):
            assert keras_artifact.path.name == keras_artifact.name == "digits.h5"
            assert keras_artifact.format == "h5"
            assert keras_artifact.environment == "current"
            assert keras_artifact.versions.tensorflow
            assert keras_artifact.saved_with.keras
            assert keras_artifact.custom_objects == ()
            assert len(keras_artifact.sha256) == 64
            assert [spec.name for spec in keras_artifact.inputs] == ["image"]
            assert keras_artifact.outputs[0].shape == (None, 10)

        @pytest.mark.keras_artifacts("digits.h5")
        def test_latency(keras_artifact):
            seconds = keras_artifact.latency(np.zeros((1, 16, 16, 1)), repeat=3)
            assert len(seconds) == 3
            assert 0 < min(seconds) <= max(seconds) < 60

        @pytest.mark.keras_artifacts("digits.h5")
        def test_bad_batch(keras_artifact):
            keras_artifact.predict(np.zeros((2, 3)))
        """
    )
    result = pytester.runpytest_subprocess(
        "test_own.py", f"--keras-models={EXAMPLES}", "--keras-jobs=1", "-k", "test_own or digits.h5 and load"
    )
    result.assert_outcomes(passed=5, failed=1, deselected=result.parseoutcomes()["deselected"])
    result.stdout.fnmatch_lines(
        [
            ">*keras_artifact.predict(np.zeros((2, 3)))",
            "E*BadBatch: digits.h5: image is float64[[]2, 3]; the model takes*",
        ]
    )


MOODY = """
import os
import signal

import tensorflow as tf


class Moody(tf.keras.layers.Layer):
    def call(self, inputs):
        if tf.executing_eagerly():
            total = float(tf.reduce_sum(inputs))
            if total > 100:
                os.kill(os.getpid(), signal.SIGKILL)
            if total > 10:
                raise ValueError("this is too much")
        return inputs
"""


def test_a_model_that_raises_or_crashes(pytester: pytest.Pytester, versions: Any) -> None:
    pytester.makepyfile(moody=MOODY)
    config = builders.dense()
    layer = {"class_name": "Moody", "config": {"name": "moody", "dtype": "float32"}}
    config["config"]["layers"].insert(1, layer)
    path = builders.h5(pytester.path / "moody.h5", config)
    with h5py.File(path, "a") as file:
        weights = file["model_weights"]
        weights.attrs["layer_names"] = [b"moody", b"score"]
        weights.create_group("moody").attrs["weight_names"] = np.array([], "S1")
    pytester.makepyfile(
        test_own="""
        import pytest

        @pytest.mark.parametrize("value", [1, 5, 100, 2])
        def test_ask(keras_artifact, value):
            assert keras_artifact.predict([[value, value, value]]).tolist() == [[3 * value] * 2]
        """
    )
    result = pytester.runpytest_subprocess(
        "test_own.py", "--keras-models=moody.h5", "--keras-custom-objects=moody.py", "-k", "test_own"
    )
    result.assert_outcomes(passed=2, failed=2, deselected=7)
    result.stdout.fnmatch_lines(
        [
            "E *PredictionFailed: moody.h5 on * does not answer *int64[[]1, 3]: ValueError: *",
            "*this is too much*",
            "E *PredictionFailed: moody.h5 on * does not answer *: its process was killed by SIGKILL after *",
        ]
    )
    assert "handle.py" not in result.stdout.str()
