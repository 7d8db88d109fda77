"""What a round trip says of two models' weights, configuration, compile state and optimizer."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_kerasload.checks import losses
from pytest_kerasload.environments.session import Comparison, Difference
from pytest_kerasload.findings import Finding

SAME = Difference((2, 2), (("a", "b"), ("a", "b")), ())


def findings(*, inference_only: bool = False, **parts: Any) -> list[Finding]:
    """The findings for a comparison that differs in these parts."""
    context: Any = SimpleNamespace(
        artifact=SimpleNamespace(path=Path("clf.h5")),
        session=SimpleNamespace(way="keras"),
        settings=SimpleNamespace(inference_only=inference_only),
    )
    compared = Comparison(**{"weights": SAME, "optimizer": SAME, **parts})
    return list(losses.state(context, "h5", compared))


def test_the_same_model_has_no_findings() -> None:
    state = {"optimizer": "adam", "loss": ["mean_squared_error"]}
    assert findings(config=({"a": 1}, {"a": 1}), compiled=(state, dict(state))) == []


@pytest.mark.parametrize(
    ("parts", "code", "says"),
    [
        (
            {"weights": Difference((2, 2), (("a", "b"), ("a", "b")), (("b", 3, "", "", 0.5),))},
            "roundtrip-weights-differ",
            "1 of 2 weights",
        ),
        ({"weights": Difference((2, 1), (("a", "b"), ("a",)), ())}, "roundtrip-weights-differ", "2 weights, and 1"),
        ({"config": ({"units": 2}, {"units": 3})}, "roundtrip-config-differs", "configuration"),
        (
            {"compiled": ({"loss": ["mean_squared_error"]}, {"loss": []})},
            "roundtrip-compile-state-differs",
            "compiled differently",
        ),
        ({"compiled": ({"loss": ["mean_squared_error"]}, {})}, "roundtrip-compile-state-differs", "loss"),
        (
            {"optimizer": Difference((6, 2), (tuple("abcdef"), ("a", "b")), ())},
            "roundtrip-optimizer-state-differs",
            "had 6 variables and has 2",
        ),
        (
            {"optimizer": Difference((6, 6), (tuple("abcdef"), tuple("abcdef")), (("c", 1, "", "", 0.1),))},
            "roundtrip-optimizer-state-differs",
            "1 hold other values",
        ),
    ],
)
def test_what_is_lost_is_told(parts: dict[str, Any], code: str, says: str) -> None:
    (found,) = findings(**parts)
    assert found.cause == code
    assert says in found.message
    assert found.fails


def test_an_optimizer_that_was_never_used_has_nothing_to_lose() -> None:
    assert findings(optimizer=Difference((2, 1), (("a", "b"), ("a",)), ())) == []


def test_for_inference_the_training_state_does_not_count() -> None:
    (found,) = findings(inference_only=True, compiled=({"loss": ["mean_squared_error"]}, {"loss": []}))
    assert not found.fails
