"""The gate against the truth: what each check says of the zoo's artifacts, and what this release really does with them.

``tests/zoo/truth.json`` was recorded by loading each artifact under each release, by code that shares nothing with the
plugin. Nothing that is right may be called wrong, and nothing wrong right.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from conftest import ZOO, causes_of, checks_of
from pytest_kerasload.environments.versions import Versions

TRUTH: dict[str, Any] = json.loads((ZOO / "truth.json").read_text(encoding="utf-8"))
EXPORTS = tuple(name for name in TRUTH["artifacts"] if name.endswith("_export"))

# What the gate is run with: custom objects given, and lambdas trusted.
ALLOWED = ("plain", "custom", "safe_mode=False", "custom,safe_mode=False")


# What a release reads right and writes so that it cannot read it again itself: the round trip has to say so.
SAVED_WRONG = {
    # Keras 2.15 and tf_keras write an activation of the user's own into HDF5 as an object, and look it up by a name.
    ("tf215", "tf23/custom_activation.h5"): "roundtrip-load-failed",
    ("tf221legacy", "tf23/custom_activation.h5"): "roundtrip-load-failed",
}


def loader_of(versions: Versions) -> str:
    """The recorded loader that is this release; the test is skipped where there is none."""
    for name, told in TRUTH["loaders"].items():
        same_tensorflow = told["tensorflow"].split(".")[:2] == (versions.tensorflow or "").split(".")[:2]
        same_keras = told["keras"].split(".")[:2] == (versions.keras or "").split(".")[:2]
        if same_tensorflow and same_keras:
            return str(name)
    pytest.skip(f"no truth was recorded for TensorFlow {versions.tensorflow} with {versions.label}")


def truth_of(name: str, versions: Versions) -> tuple[Mapping[str, Any], bool]:
    """The ways to load an artifact that count for it, and whether it is an export."""
    ways = TRUTH["artifacts"][name][loader_of(versions)]["ways"]
    export = name.endswith("_export") and ways.get("plain", {}).get("status") != "ok"
    chosen = ("signature",) if export else ALLOWED
    return {way: told for way, told in ways.items() if way in chosen}, export


def unless_explained(checks: Mapping[str, Any], zoo: Mapping[str, Any]) -> str:
    """What the checks said, for a failing assertion; with what the plugin raised, where it did."""
    said = json.dumps({name: [check["outcome"], check["findings"]] for name, check in checks.items()}, indent=1)[:6000]
    _, raised, text = str(zoo.get("output", "")).partition("Traceback (most recent call last)")
    return f"{said}\n{raised}{text[:4000]}"


# Keras metadata in what tf.saved_model.save wrote of a Keras model: load_model is asked for, and Keras 3 has no answer.
def keras_metadata(checks: Mapping[str, Any]) -> bool:
    return any("savedmodel-needs-keras2" in causes_of(check) for check in checks.values())


@pytest.mark.parametrize("name", sorted(TRUTH["artifacts"]))
def test_the_gate_says_what_is_true(name: str, zoo: Mapping[str, Any], versions: Versions) -> None:
    ways, export = truth_of(name, versions)
    statuses = {told["status"] for told in ways.values()}
    checks = checks_of(dict(zoo), name)
    recorded = TRUTH["loaders"][loader_of(versions)]["python"].split(".")[:2]
    if "lambda_python" in name and recorded != versions.python.split(".")[:2]:
        # Bytecode of another Python: whatever happens (here, mostly the end of the process), it is told.
        assert "error" not in {check["outcome"] for check in checks.values()}
        return
    told = unless_explained(checks, zoo)
    assert "error" not in {check["outcome"] for check in checks.values()}, told
    if checks["file"]["outcome"] == "failed":
        assert "ok" not in statuses or "suffix" in checks["file"]["findings"][0]["message"], told
        return
    assert checks["safety"]["outcome"] == "passed", told
    load, predictions = checks["load"], checks["predictions"]
    if export and keras_metadata(checks):
        assert load["outcome"] == "failed", told
    elif statuses & {"ok", "differs", "loads", "uncallable"}:
        assert load["outcome"] == "passed", told
        assert checks["custom-objects"]["outcome"] != "failed", told
    else:
        assert load["outcome"] == "failed", told
        assert "unknown" not in [finding["family"] for finding in load["findings"]], told
        assert predictions["outcome"] == "skipped", told
        return
    if load["outcome"] != "passed":
        return
    if "ok" in statuses:
        assert predictions["outcome"] == "passed", told
        assert predictions["measured"]["examples"] > 0, told
        assert checks["version"]["outcome"] == "passed", told
        round_trips = [check for check_name, check in checks.items() if check_name.startswith("roundtrip")]
        if (loader_of(versions), name) in SAVED_WRONG:
            assert [causes_of(check) for check in round_trips] == [[SAVED_WRONG[loader_of(versions), name]]], told
        else:
            assert {check["outcome"] for check in round_trips} <= {"passed", "skipped"}, told
    elif "differs" in statuses:
        assert predictions["outcome"] == "failed", told


def test_weights_that_are_never_restored_are_noticed_without_expected_outputs(
    zoo: Mapping[str, Any], versions: Versions
) -> None:
    loader = loader_of(versions)
    unstable = [
        name
        for name, told in TRUTH["artifacts"].items()
        if told[loader].get("stable") is False and truth_of(name, versions)[0].get("plain", {}).get("status") != "fails"
    ]
    for name in unstable:
        checks = checks_of(dict(zoo), name)
        failed = [c for n, c in checks.items() if n.startswith("roundtrip") and c["outcome"] == "failed"]
        told = {cause for check in failed for cause in causes_of(check)}
        lost = {"loads-differ", "weights-missing-in-file", "nested-sublayers-not-restored"}
        assert told & lost or checks["file"]["outcome"] == "failed", name


def test_the_run_fails_and_its_summary_adds_up(zoo: Mapping[str, Any]) -> None:
    assert zoo["exit"] == 1
    outcomes = [check["outcome"] for artifact in zoo["artifacts"] for check in artifact["checks"]]
    assert zoo["summary"] == {name: outcomes.count(name) for name in ("passed", "failed", "skipped", "error")}
    assert len(zoo["artifacts"]) >= len(TRUTH["artifacts"])


def needs_compile_false(versions: Versions) -> list[str]:
    """Artifacts that this release loads right with ``compile=False`` and in no other way."""
    loader = loader_of(versions)
    found = []
    for name, told in TRUTH["artifacts"].items():
        right = [way for way, one in told[loader]["ways"].items() if one["status"] == "ok" and way != "signature"]
        if right and all("compile=False" in way for way in right):
            found.append(name)
    return found


def test_what_only_compile_keeps_from_loading_passes_for_inference(
    gate: Callable[..., Any], zoo: Mapping[str, Any], versions: Versions
) -> None:
    names = needs_compile_false(versions)
    if not names:
        pytest.skip("this release loads none of the zoo's artifacts with compile=False only")
    for name in names:
        remedies = checks_of(dict(zoo), name)["load"]["findings"][0]["remedies"]
        assert {"action": "load_model(path, compile=False)", "verified": True} in remedies, name
    report = gate(
        *(f"--keras-models={ZOO / 'artifacts' / name}" for name in names),
        f"--keras-custom-objects={ZOO / 'acme.py'}",
        f"--keras-trust={ZOO}",
        "--keras-inference-only",
    )
    for name in names:
        outcomes = {check: told["outcome"] for check, told in checks_of(report, name).items()}
        assert set(outcomes.values()) == {"passed"}, (name, outcomes, report["output"][-2000:])


def test_every_custom_object_is_named_with_its_places_when_none_are_given(
    gate: Callable[..., Any], versions: Versions
) -> None:
    """What loads with custom objects and not without: every one is listed, with where it is used and what to pass."""
    loader = loader_of(versions)
    names = [
        name
        for name, told in TRUTH["artifacts"].items()
        if told[loader]["best"] == "custom"
        and "shadow" not in name  # its class has the name of one that later releases bring along
        and told[loader]["ways"]["plain"]["status"] == "fails"
        and name.endswith((".h5", ".keras"))
        and "Unknown" in told[loader]["ways"]["plain"]["error"] + "Could not locate"
    ][:6]
    assert names
    report = gate(*(f"--keras-models={ZOO / 'artifacts' / name}" for name in names), f"--keras-trust={ZOO}")
    for name in names:
        checks = checks_of(report, name)
        artifact = next(told for told in report["artifacts"] if told["path"].endswith("/" + name))
        found = checks["custom-objects"]["findings"]
        assert checks["load"]["outcome"] == "failed", name
        assert checks["custom-objects"]["outcome"] == "failed", name
        assert {finding["cause"] for finding in found} == {"custom-object-unresolved"}, name
        assert len(found) == len(artifact["custom_objects"]), (name, found)
        assert all(finding["where"] and finding["remedies"] for finding in found), name
