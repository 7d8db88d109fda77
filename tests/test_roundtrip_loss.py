"""A model that changes each time it is saved: the round trip says so."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from test_worker_limits import h5_model

from conftest import causes_of, checks_of

DRIFT = """
    import tensorflow as tf


    class Drift(tf.keras.layers.Layer):
        def __init__(self, factor=1.0, **kwargs):
            super().__init__(**kwargs)
            self.factor = factor

        def call(self, inputs):
            return inputs * self.factor

        def get_config(self):
            return {**super().get_config(), "factor": self.factor + 1.0}
"""


def test_a_configuration_and_predictions_that_saving_changes(gate: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "drift.py").write_text(textwrap.dedent(DRIFT))
    artifacts = tmp_path / "artifacts"
    artifacts.mkdir()
    h5_model(artifacts / "one.h5", ("Drift", {"factor": 1.0}))
    report = gate(
        f"--keras-models={artifacts}", f"--keras-custom-objects={tmp_path / 'drift.py'}", "-k", "load or roundtrip"
    )
    checks = checks_of(report, "one.h5")
    assert checks["load"]["outcome"] == "passed", report["output"][-2000:]
    found = causes_of(checks["roundtrip[h5]"])
    assert found == ["roundtrip-config-differs", "roundtrip-predictions-differ"], report["output"][-2000:]
    assert "drift" in checks["roundtrip[h5]"]["findings"][0]["where"]
