"""Causes that lie with the expected outputs an artifact is compared with."""

from __future__ import annotations

from pytest_kerasload.causes import remedies as do
from pytest_kerasload.causes.cause import Cause


def _cause(code: str, title: str, *remedies: str, source: str = "") -> Cause:
    return Cause(code, "expected", title, remedies, (), source)


_FROM_TRAINING = "pytest_kerasload.record(model, path) in the training script, right after model.save(path)"

CAUSES: tuple[Cause, ...] = (
    _cause(
        "expected-missing",
        "No expected outputs are stored for the artifact: there is nothing to compare with",
        _FROM_TRAINING,
        "--keras-record, to write what it predicts now",
    ),
    _cause(
        "expected-recorded",
        "Expected outputs were written: what the model predicts now is what it is compared with from now on",
        "look them over and put them under version control beside the artifact",
    ),
    _cause(
        "expected-kept",
        "--keras-record left the stored expected outputs as they were",
        "--keras-record=failing rewrites those whose check fails, --keras-record=all rewrites",
    ),
    _cause(
        "expected-not-written",
        "The expected outputs could not be written",
        "make the directory writable, or keep them in another one: --keras-expected=DIR",
    ),
    _cause(
        "expected-unreadable",
        "The file of expected outputs cannot be read, or is none",
        "restore it from version control",
        "--keras-record=failing, to write it again from what the model predicts now",
    ),
    _cause(
        "expected-stale-digest",
        "The expected outputs were recorded from another file than the artifact is now",
        "restore the artifact that was recorded, if it was replaced by mistake",
        f"if it was released again on purpose, record it anew: {_FROM_TRAINING}; or --keras-record=failing",
    ),
    _cause(
        "expected-weights-differ",
        "Weights are others than when the expected outputs were recorded, and no stored input shows it",
        "restore the artifact, or find out what changed it: an embedding, a branch or a table that the inputs miss",
        "--keras-record=failing, if it was changed on purpose; give inputs that reach what changed",
    ),
    _cause(
        "expected-layers-differ",
        "Layers are configured otherwise than when the expected outputs were recorded, and no stored input shows it",
        "restore the artifact, or give inputs that reach what changed: masked steps, values above a ceiling",
        "--keras-record=failing, if it was changed on purpose",
    ),
    _cause(
        "expected-names-differ",
        "The expected outputs have other names than the model's outputs",
        "name arrays outputs/<name> after the model's outputs, or by position: outputs/0, outputs/1",
        do.RECORD_AGAIN,
    ),
    _cause(
        "expected-not-finite",
        "An expected output holds no finite value: nothing can be compared",
        "record again with inputs for which the model gives numbers: inputs in kerasload.toml, or record(..., inputs)",
    ),
    _cause(
        "expected-shape-differs",
        "An output has another shape than the expected one",
        do.RECORD_AGAIN,
    ),
    _cause(
        "expected-dtype-differs",
        "An output has another dtype than the expected one",
        do.RECORD_AGAIN,
    ),
    _cause(
        "inputs-not-found",
        "Inputs of the model are not in the file of expected outputs, or have names the model does not know",
        "name arrays inputs/<name> after the model's inputs, or by position: inputs/0, inputs/1",
        do.RECORD_AGAIN,
    ),
    _cause(
        "inputs-not-generated",
        "No input fits the model: its input specification does not tell enough",
        'describe it in kerasload.toml: inputs.NAME = {shape = [..], dtype = "..", min = .., max = ..}',
        "store inputs and outputs beside the artifact",
    ),
    _cause(
        "predictions-refused",
        "The model loads, and does not answer the inputs stored with the expected outputs",
        "compare the stored inputs with what the model takes; store new ones if its inputs were changed on purpose",
        do.RECORD_AGAIN,
    ),
    _cause(
        "inputs-refused",
        "The model does not take the inputs it was given",
        'describe them in kerasload.toml: inputs.NAME = {shape = [..], dtype = "..", min = .., max = ..}',
    ),
)
