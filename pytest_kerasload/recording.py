"""``record``: expected outputs from the live model, in the training script."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any


def record(model: Any, path: str | PathLike[str], inputs: Any = None) -> Path:
    """Write what ``model`` predicts beside the artifact it was just saved to, and return where.

    ``inputs`` is one batch: an array, a list of arrays in the order of the model's inputs, or a dict by input name;
    without it, inputs are generated from the model's own. The file, ``<path>.expected.npz``, is replaced.

    Called right after ``model.save(path)``: only the live model can show what saving loses. ValueError when the
    inputs do not fit the model, when none can be generated, or when the model answers the same inputs differently
    each time; FileNotFoundError when there is nothing at ``path``, ValueError when that is no model.
    """
    # Imported late: this module is loaded with the plugin, in every pytest run.
    from pytest_kerasload import live

    return live.record(model, Path(path), inputs)
