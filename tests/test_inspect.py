"""The command inspect: what it says of artifacts, and its forecast against what releases really did."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import builders
import pytest
from bytecode import DOUBLES, SUMS

from conftest import ZOO
from pytest_kerasload.__main__ import main
from pytest_kerasload.artifacts.reading import read
from pytest_kerasload.inspection.forecast import SILENT, Outlook, forecast
from pytest_kerasload.inspection.marshalled import global_names, parameters, pythons
from pytest_kerasload.inspection.needs import Bytecode, needs_of

TRUTH: dict[str, Any] = json.loads((ZOO / "truth.json").read_text(encoding="utf-8"))

OWN_CODE = "what the code of a custom object does there is not in the file"
BYTECODE = "the loader ran on another Python than the one that is told as a need"
CLASS_OF_LATER_KERAS = "a class of the artifact's own has the name of one that later releases bring along"
NOT_CALLABLE = "it loads, and raises when it is called"
BESIDE = "it is read where tf_keras lies beside Keras 3, as it did for some of the loaders"
VERSION = "nothing static tells the version check of it"

# Where the forecast says something else than what was seen. Anything that is not here fails.
KNOWN = {
    "tf210/custom_wrap.h5": OWN_CODE,
    "tf213/nested_lists_layer.keras": OWN_CODE,
    "tf213/custom_dict_model.keras": VERSION,
    "tf215/bool_input.h5": NOT_CALLABLE,
    "tf215/custom_closed.h5": OWN_CODE,
    "tf215/custom_demanding.h5": OWN_CODE,
    "tf215/custom_forgetful.h5": OWN_CODE,
    "tf215/custom_shadow.h5": CLASS_OF_LATER_KERAS,
    "tf215/nested_lists_layer.keras": OWN_CODE,
    "tf216/nested_lists_layer.keras": OWN_CODE,
    "tf218/nested_lists_layer.keras": OWN_CODE,
    "tf219/custom_forgetful.keras": OWN_CODE,
    "tf219/nested_lists_layer.keras": OWN_CODE,
    "tf221/custom_forgetful.keras": OWN_CODE,
    "tf221/custom_model.keras": VERSION,
    "tf221legacy/custom_forgetful.keras": OWN_CODE,
    "tf23/trained_adam_sm": BESIDE,
}


def outlook_on(outlooks: tuple[Outlook, ...], flavour: str, number: str) -> Outlook | None:
    return next((one for one in outlooks if one.flavour == flavour and number in one.releases), None)


def asked(name: str) -> Iterator[tuple[str, str, Outlook]]:
    """For each recorded loader what really happened, and what the forecast says; of SavedModels by signature too."""
    artifact = read(ZOO / "artifacts" / name)
    bytecode = needs_of(artifact).bytecode
    outlooks = forecast(artifact, bytecode)
    for loader, told in TRUTH["loaders"].items():
        keras, tensorflow, python = (".".join(told[key].split(".")[:2]) for key in ("keras", "tensorflow", "python"))
        if bytecode is not None and python not in bytecode.pythons:
            continue
        flavour = "tf_keras" if told["legacy"] else "keras3" if keras[0] == "3" else "keras2"
        ways = {way: one["status"] for way, one in TRUTH["artifacts"][name][loader]["ways"].items()}
        signature = ways.pop("signature", None)
        one = outlook_on(outlooks, flavour, tensorflow if flavour == "keras2" else keras)
        if one is not None:
            yield loader, _happened(ways), one
        one = outlook_on(outlooks, "tensorflow", tensorflow)
        if one is not None and signature is not None:
            yield f"{loader}, signatures", _happened({"plain": signature}), one


def _happened(ways: dict[str, str]) -> str:
    whole = {status for way, status in ways.items() if "compile=False" not in way}
    part = {status for way, status in ways.items() if "compile=False" in way}
    if whole & {"ok", "loads", "object"}:
        return "loads"
    if "ok" in part:
        return "loads with compile=False"
    return next((status for status in ("differs", "uncallable") if status in whole), "rejects")


def said(one: Outlook) -> str:
    return "loads with compile=False" if not one.compiles and one.outcome == "loads" else one.outcome


def test_the_forecast_agrees_with_what_releases_did() -> None:
    wrong, right = [], 0
    for name in TRUTH["artifacts"]:
        for loader, happened, one in asked(name):
            if said(one) == happened or (happened == "uncallable" and one.outcome == "loads"):
                right += 1
            elif name not in KNOWN:
                wrong.append((name, loader, happened, said(one), one.causes))
    assert not wrong
    assert right > 1100
    assert set(TRUTH["artifacts"]) >= set(KNOWN)


def test_what_fails_the_file_check_has_no_forecast() -> None:
    for name in TRUTH["artifacts"]:
        artifact = read(ZOO / "artifacts" / name)
        assert bool(forecast(artifact, None)) is not any(problem.fails for problem in artifact.problems)


def test_the_text_of_one_artifact(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ZOO / "artifacts")
    assert main(["inspect", "tf215/lstm_hard_sigmoid.h5"]) == 0
    assert capsys.readouterr().out == GOLDEN


GOLDEN = """\
tf215/lstm_hard_sigmoid.h5
  HDF5, saved with Keras 2.15.0, 16.5 kB

  Keras 3    3.0 to 3.15             does not load
  Keras 2    TensorFlow 2.4 to 2.15  loads
  tf_keras   2.15 to 2.21            loads

  because    hard-sigmoid-changed: Keras 3
               hard_sigmoid is another function on Keras 3
               at lstm/recurrent_activation
               do run with TF_USE_LEGACY_KERAS=1 and tf_keras
             keras3-orthogonal: Keras 3.0 to 3.3
               Keras 3 has no Orthogonal (new in Keras 3.4)
               at lstm/recurrent_initializer
               do load it with Keras 3.4 or later
             keras2-rnn-time-major: Keras 3
               LSTM takes no time_major any more (gone since Keras 3.0)
               at lstm
               do drop time_major from the config (only where it is false: true
                  changes the layout of the data)

  needs      nothing besides TensorFlow and Keras

  inputs     input_2 float32 (None, 6, 3)
  outputs    out float32 (None, 2)
  weights    138 parameters in 5 tensors, 3 layers
  compiled   no
  expected   lstm_hard_sigmoid.h5.expected.npz: 8 rows, of this very file, under
             TensorFlow 2.15.1, Keras 2.15.0
  sha256     32f4af9094b89a98356ad94979f09a6950b16b8d143f405b7399c51de11d25c1
"""


def test_json_has_the_keys_of_the_report(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ZOO / "artifacts")
    assert main(["inspect", "--json", "tf215/compiled_objects.h5", "tf215/custom_nested.keras"]) == 0
    compiled, custom = json.loads(capsys.readouterr().out)
    assert list(compiled) == [
        *("path", "format", "sha256", "bytes", "saved_with", "custom_objects", "inputs", "outputs"),
        *("signatures", "layers", "weights", "compiled", "needs", "checks", "expected", "forecast"),
    ]
    assert compiled["saved_with"] == {"tensorflow": None, "keras": "2.15.0"}
    assert compiled["compiled"] == {
        "optimizer": "SGD",
        "losses": ["Huber", "BinaryCrossentropy"],
        "metrics": ["RootMeanSquaredError", "AUC"],
    }
    assert compiled["expected"]["same_artifact"] is True
    assert [check["check"] for check in compiled["checks"]] == ["file", "safety"]
    first = compiled["forecast"][0]
    assert (first["flavour"], first["releases"][0], first["outcome"], first["compile"]) == (
        "keras3",
        "3.0",
        "loads",
        False,
    )
    assert {finding["family"] for finding in first["findings"]} == {"training-state"}
    needed = custom["needs"]["custom_objects"]
    assert [one["name"] for one in needed] == custom["custom_objects"]
    assert all(one["where"] for one in needed)


def test_a_directory_is_searched_and_what_is_no_model_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    builders.h5(tmp_path / "a" / "good.h5")
    builders.saved_model(tmp_path / "b" / "export")
    builders.weights_h5(tmp_path / "c" / "only.h5")
    assert main(["inspect", str(tmp_path / "a"), str(tmp_path / "b"), str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert out.count("good.h5\n") == 1
    assert "SavedModel without a Keras model (an export)" in out
    assert "forecast   none while the file check fails" in out
    assert out.endswith("\n3 artifacts, 1 of them not readable as a model\n")
    assert main(["inspect", str(tmp_path / "a" / "good.h5")]) == 0


def test_paths_without_an_artifact(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "none"
    folder.mkdir()
    (folder / "notes.txt").write_text("none", encoding="utf-8")
    (tmp_path / "lost.h5").symlink_to(tmp_path / "nowhere")
    assert main(["inspect", "--json", str(tmp_path / "gone.h5"), str(tmp_path / "lost.h5"), str(folder)]) == 1
    told = capsys.readouterr()
    assert json.loads(told.out) == []
    gone, lost, empty = told.err.splitlines()
    assert gone.endswith("gone.h5 does not exist")
    assert "a link that leads to nothing" in lost
    assert "holds no artifact: no *.h5, *.hdf5, *.keras and no SavedModel directory" in empty
    with pytest.raises(SystemExit) as ended:
        main(["inspect"])
    assert ended.value.code == 2


def test_expected_outputs_of_another_file_and_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored = ZOO / "artifacts" / "tf215" / "seq_dense.h5.expected.npz"
    builders.h5(tmp_path / "models" / "small.h5")
    shutil.copy(stored, tmp_path / "models" / "small.h5.expected.npz")
    main(["inspect", str(tmp_path / "models")])
    assert "8 rows, of another file than this one" in capsys.readouterr().out
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "small.h5.expected.npz").write_bytes(b"PK\3\4")
    main(["inspect", "--json", f"--expected={tmp_path / 'kept'}", str(tmp_path / "models")])
    told = json.loads(capsys.readouterr().out)[0]["expected"]
    assert told["same_artifact"] is None
    assert told["problem"]


@pytest.mark.parametrize(
    ("python", "told"),
    [
        ("2.7", ("2.7",)),
        ("3.7", ("3.5", "3.6", "3.7")),
        ("3.8", ("3.8", "3.9")),
        ("3.10", ("3.10",)),
        ("3.11", ("3.11", "3.12")),
        ("3.13", ("3.13",)),
    ],
)
def test_which_python_wrote_a_function(python: str, told: tuple[str, ...]) -> None:
    code = base64.b64decode(DOUBLES[python])
    assert pythons(code) == told
    for end in range(len(code)):
        assert pythons(code[:end]) != told
    for place in range(len(code)):
        pythons(code[:place] + b"\xff" + code[place + 1 :])  # survives


@pytest.mark.parametrize("python", sorted(SUMS))
def test_which_globals_a_function_uses_and_what_it_is_called_with(python: str) -> None:
    code = base64.b64decode(SUMS[python])
    assert global_names(code) == {"tf", "np", "len"}
    assert parameters(code) == ("x", "n")
    for place in range(len(code)):
        global_names(code[:place] + b"\xff" + code[place + 1 :])  # survives
        parameters(code[:place])


def test_bytecode_is_a_need_and_keeps_releases_of_other_pythons_out() -> None:
    artifact = read(ZOO / "artifacts" / "tf215" / "lambda_python.h5")
    assert needs_of(artifact).bytecode == Bytecode(("3.11",), ("double",))
    old = outlook_on(forecast(artifact, needs_of(artifact).bytecode), "keras2", "2.10")
    assert old is not None
    assert old.causes == ("lambda-python-version",)
    assert "code of Python 3.11" in old.findings[0].message


def test_ops_of_libraries() -> None:
    export = read(ZOO / "artifacts" / "tf219" / "multi_io_export")
    assert needs_of(export).op_libraries == ()
    foreign = replace(export, ops=export.ops | {"CaseFoldUTF8", "TFText>ByteSplit", "Addons>Gelu", "Mine", "_Fused"})
    assert [(one.package, one.ops) for one in needs_of(foreign).op_libraries] == [
        ("", ("Mine",)),
        ("tensorflow_addons", ("Addons>Gelu",)),
        ("tensorflow_text", ("CaseFoldUTF8", "TFText>ByteSplit")),
    ]


def test_silent_causes() -> None:
    assert {"hard-sigmoid-changed", "normalization-not-restored", "h5-axis-dropped"} <= SILENT


def test_neither_tensorflow_nor_pytest_plugins_are_imported() -> None:
    code = (
        "import sys; from pytest_kerasload.__main__ import main; main(sys.argv[1:]);"
        "assert not {'tensorflow', 'keras', 'tf_keras'} & set(sys.modules)"
    )
    artifact = ZOO / "artifacts" / "tf221legacy" / "seq_dense_sm"
    subprocess.run([sys.executable, "-c", code, "inspect", str(artifact)], check=True, capture_output=True)


def test_colour_is_for_terminals(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    artifact = str(ZOO / "artifacts" / "tf215" / "lstm.h5")
    main(["inspect", artifact])
    assert "\033" not in capsys.readouterr().out
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    main(["inspect", artifact])
    assert "\033[31mdoes not load\033[0m" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    main(["inspect", artifact])
    assert "\033" not in capsys.readouterr().out


@pytest.mark.parametrize("opens", [b")\x01", b"(\x01\0\0\0", b"[\x01\0\0\0", b"<\x01\0\0\0"])
def test_code_that_nests_without_end_is_no_function(opens: bytes) -> None:
    """As constants of a function of Python 3.11: it is stepped over, and no deeper than anyone nests."""
    code = base64.b64decode(DOUBLES["3.11"])
    place = code.index(b")\x03N")
    assert pythons(code[:place] + opens * 20_000 + b"N" + code[place + 3 :]) == ()
    assert pythons(code + b"\0" * (1 << 20)) == ()
