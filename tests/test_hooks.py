"""``pytest_kerasload_inputs``: what users say of inputs is validated, and their mistakes are told as theirs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import builders
import numpy as np
import pytest

from conftest import checks_of
from pytest_kerasload import hooks
from pytest_kerasload.artifacts.record import Artifact
from pytest_kerasload.environments.session import InputSpec
from pytest_kerasload.environments.spec import EnvironmentSpec
from pytest_kerasload.findings import CheckResult
from pytest_kerasload.gate import Gate, Task
from pytest_kerasload.hooks import HookMistake, inputs_for
from pytest_kerasload.settings import Settings

SPECS = (
    InputSpec("tokens", (None, None), "int32", ("0", "tokens")),
    InputSpec("image", (None, 4, 4, 1), "float32", ("1", "image", "serving_image")),
    InputSpec("text", (None, 1), "string", ("2", "text")),
)


def asked(answer: Any, tmp_path: Path, toml: dict[str, Any] | None = None, specs: Any = SPECS) -> hooks.Inputs:
    """What is made of a hook's answer, or of the hook, where it is a function."""
    hook = answer if callable(answer) else lambda artifact, inputs: answer
    tables = {tmp_path: (("*.h5", {"inputs": toml}),)} if toml else {}
    settings = Settings((tmp_path,), (), tmp_path, inputs_hook=hook, tables=tables)
    return inputs_for(settings, Artifact(tmp_path / "clf.h5", "h5"), specs)


def test_without_a_hook_and_with_nothing_to_say(tmp_path: Path) -> None:
    assert inputs_for(Settings((tmp_path,), (), tmp_path), Artifact(tmp_path / "clf.h5", "h5"), SPECS) == {}
    assert asked(None, tmp_path) == asked({}, tmp_path) == {}


def test_the_hook_is_told_the_artifact_and_its_inputs(tmp_path: Path) -> None:
    seen: list[Any] = []
    asked(lambda artifact, inputs: seen.extend((artifact.path.name, inputs)), tmp_path)
    assert seen == ["clf.h5", SPECS]


def test_tables_and_rows_by_the_names_of_the_inputs(tmp_path: Path) -> None:
    rows = np.zeros((5, 4, 4), "float64")
    found = asked({"0": {"max": np.int64(9), "shape": (None, 8)}, "serving_image": rows}, tmp_path)
    assert found["tokens"] == {"max": 9, "shape": [-1, 8]}
    image = found["image"]
    assert isinstance(image, np.ndarray)
    assert image.shape == (5, 4, 4, 1)


def test_text_becomes_bytes(tmp_path: Path) -> None:
    found = asked({"text": np.array(["ä", "b"], dtype=object)}, tmp_path)["text"]
    assert isinstance(found, np.ndarray)
    assert found.tolist() == [["ä".encode()], [b"b"]]
    assert asked({"text": {"values": np.array(["a", "b"])}}, tmp_path) == {"text": {"values": ["a", "b"]}}


def test_kerasload_toml_goes_first(tmp_path: Path) -> None:
    toml = {"tokens": {"max": 3}, "1": {"min": 0.5}, "gone": {"max": 1}}
    found = asked({"0": {"max": 9, "min": 1}, "image": np.zeros((2, 4, 4, 1))}, tmp_path, toml)
    assert found == {"tokens": {"max": 3, "min": 1}, "image": {"min": 0.5}, "gone": {"max": 1}}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ([1, 2], "it gave list [1, 2]; give None, or a dict of input names"),
        ({"token": {"max": 1}}, "the model has no input 'token'; did you mean 'tokens'?"),
        ({7: {"max": 1}}, "the model has no input 7; its inputs are 'tokens', 'image', 'text'"),
        ({"tokens": {"maximum": 1}}, "inputs.tokens: unknown key 'maximum'; did you mean 'max'?"),
        ({"tokens": {"min": 2, "max": 1}}, "inputs.tokens: min = 2 is over max = 1"),
        ({"tokens": {"shape": (0, 3)}}, "inputs.tokens: shape = [0, 3] should be whole numbers"),
        ({"tokens": {"dtype": "int33"}}, "inputs.tokens: dtype = 'int33' is no dtype; did you mean 'int32'?"),
        ({"tokens": [1, 2]}, "inputs.tokens: it is list [1, 2]; give a table or a NumPy array of rows"),
        ({"tokens": {}, "0": {}}, "input 'tokens' is given twice"),
        ({"image": np.zeros((2, 5, 4, 1))}, "inputs.image: it is float64[2, 5, 4, 1]; the input takes float32[None, 4"),
        ({"image": np.zeros((0, 4, 4, 1))}, "inputs.image: it holds no row"),
        ({"tokens": np.array(["a"])}, "inputs.tokens: it is string[1]; the input takes int32[None, None]"),
        ({"text": np.array([object()])}, "inputs.text: it holds Python objects (object), not numbers or text"),
        (
            {"tokens": np.zeros((2, 3)), "image": np.zeros((3, 4, 4, 1))},
            "batches of one model have one number of rows: tokens has 2, image has 3",
        ),
    ],
)
def test_what_cannot_be_meant(tmp_path: Path, answer: Any, told: str) -> None:
    with pytest.raises(HookMistake) as raised:
        asked(answer, tmp_path)
    text = str(raised.value)
    assert text.startswith("pytest_kerasload_inputs (")
    assert "asked about clf.h5" in text
    assert told in text


def test_endpoints_have_batches_of_their_own(tmp_path: Path) -> None:
    specs = (InputSpec("x", (None, 2), "float32", endpoint="a"), InputSpec("b/x", (None, 2), "float32", endpoint="b"))
    assert set(asked({"x": np.zeros((2, 2)), "b/x": np.zeros((3, 2))}, tmp_path, specs=specs)) == {"x", "b/x"}


def test_what_the_hook_raises_is_told_with_where(tmp_path: Path) -> None:
    def hook(artifact: Any, inputs: Any) -> Any:
        return {}["gone"]

    with pytest.raises(HookMistake) as raised:
        asked(hook, tmp_path)
    text = str(raised.value)
    assert "raised KeyError: 'gone'" in text
    assert 'return {}["gone"]' in text
    assert "pytest_kerasload" not in text.partition("raised")[2]


def test_what_is_no_exception_ends_no_thread(tmp_path: Path) -> None:
    def hook(artifact: Any, inputs: Any) -> Any:
        raise SystemExit("not today")

    with pytest.raises(HookMistake, match="raised SystemExit: not today"):
        asked(hook, tmp_path)


def test_it_is_asked_by_one_thread_at_a_time(tmp_path: Path) -> None:
    def hook(artifact: Any, inputs: Any) -> None:
        assert hooks._lock.locked()

    asked(hook, tmp_path)
    assert not hooks._lock.locked()


def test_checks_that_need_one_with_a_mistake_tell_it_as_such(tmp_path: Path) -> None:
    builders.h5(tmp_path / "clf.h5")
    environment = EnvironmentSpec("here", "python")
    gate = Gate(Settings((tmp_path,), (environment,), tmp_path, jobs=1))
    try:
        load = Task(tmp_path / "clf.h5", "load", environment)
        mistake = CheckResult("load", "error", reason="the hook raised", mistake=True)
        found = gate.unmet(Task(tmp_path / "clf.h5", "predictions", environment), {load: mistake})
    finally:
        gate.close()
    assert found is not None
    assert (found.outcome, found.reason, found.mistake) == ("error", "the hook raised", True)


# ---- in a run


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    builders.h5(pytester.path / "artifacts" / "clf.h5")
    return pytester


def roundtrip(project: pytest.Pytester, gate: Callable[..., dict[str, Any]], hook: str) -> dict[str, Any]:
    """The report of a round trip under this hook."""
    root = project.path / "artifacts"
    (root / "conftest.py").write_text(
        f"import numpy as np\n\ndef pytest_kerasload_inputs(artifact, inputs):\n    {hook}"
    )
    return gate(f"--keras-models={root}", "--keras-jobs=1", "-k", "load or roundtrip")


def test_a_mistake_is_an_error_and_none_of_the_plugin(
    project: pytest.Pytester, gate: Callable[..., dict[str, Any]]
) -> None:
    report = roundtrip(project, gate, "return {'y': {'max': 1}}")
    assert checks_of(report, "clf.h5")["load"]["outcome"] == "passed"
    assert checks_of(report, "clf.h5")["roundtrip[h5]"]["outcome"] == "error"
    assert report["exit"] == 1
    assert "the model has no input 'y'; its inputs are 'x'" in report["output"]
    assert "conftest.py:3)" in report["output"]
    assert "internal error" not in report["output"]


def test_its_rows_are_tried(project: pytest.Pytester, gate: Callable[..., dict[str, Any]]) -> None:
    seen = project.path / "seen"
    hook = f"open({str(seen)!r}, 'a').write(f'{{artifact.path.name}} {{inputs[0].name}}\\n'); "
    report = roundtrip(project, gate, hook + "return {'x': np.ones((4, 3))}")
    assert checks_of(report, "clf.h5")["roundtrip[h5]"]["outcome"] == "passed", report["output"]
    assert "clf.h5 x" in seen.read_text().splitlines()
