"""Causes that lie with the expected outputs an artifact is compared with."""

from __future__ import annotations

from pytest_kerasload.causes import remedies as do
from pytest_kerasload.causes.cause import Cause, Entries

_cause = Entries("expected", seen=("predictions",))


_FROM_TRAINING = "pytest_kerasload.record(model, path) in the training script, right after model.save(path)"

CAUSES: tuple[Cause, ...] = (
    _cause(
        "expected-missing",
        "No expected outputs are stored for the artifact: there is nothing to compare with",
        _FROM_TRAINING,
        "--keras-record, to write what it predicts now",
        explanation="A comparison that did not happen never passes.",
    ),
    _cause(
        "expected-recorded",
        "Expected outputs were written: what the model predicts now is what it is compared with from now on",
        "look them over and put them under version control beside the artifact",
        explanation="It is told so that nobody mistakes a recording for a comparison.",
    ),
    _cause(
        "expected-kept",
        "--keras-record left the stored expected outputs as they were",
        "--keras-record=failing rewrites those whose check fails, --keras-record=all rewrites",
        explanation="Without =failing or =all an existing file is never touched.",
    ),
    _cause(
        "expected-not-written",
        "The expected outputs could not be written",
        "make the directory writable, or keep them in another one: --keras-expected=DIR",
        explanation="The operating system does not let the file be written.",
    ),
    _cause(
        "expected-unreadable",
        "The file of expected outputs cannot be read, or is none",
        "restore it from version control",
        "--keras-record=failing, to write it again from what the model predicts now",
        explanation="It is no .npz of plain arrays, or is damaged; pickled arrays are not read.",
    ),
    _cause(
        "expected-stale-digest",
        "The expected outputs were recorded from another file than the artifact is now",
        "restore the artifact that was recorded, if it was replaced by mistake",
        f"if it was released again on purpose, record it anew: {_FROM_TRAINING}; or --keras-record=failing",
        explanation="The digest of the artifact is stored with the outputs, and it is another one now.",
    ),
    _cause(
        "expected-weights-differ",
        "Weights are others than when the expected outputs were recorded, and no stored input shows it",
        "restore the artifact, or find out what changed it: an embedding, a branch or a table that the inputs miss",
        "--keras-record=failing, if it was changed on purpose; give inputs that reach what changed",
        explanation="The outputs agree, and the weights do not: the stored inputs do not reach what changed.",
    ),
    _cause(
        "expected-layers-differ",
        "Layers are configured otherwise than when the expected outputs were recorded, and no stored input shows it",
        "restore the artifact, or give inputs that reach what changed: masked steps, values above a ceiling",
        "--keras-record=failing, if it was changed on purpose",
        explanation="The outputs agree, and the configuration does not: the stored inputs do not reach what changed.",
    ),
    _cause(
        "expected-names-differ",
        "The expected outputs have other names than the model's outputs",
        "name arrays outputs/<name> after the model's outputs, or by position: outputs/0, outputs/1",
        do.RECORD_AGAIN,
        explanation="Arrays are matched by the names of outputs, or by position, and these match neither.",
    ),
    _cause(
        "expected-not-finite",
        "An expected output holds no finite value: nothing can be compared",
        "record again with inputs for which the model gives numbers: inputs in kerasload.toml, or record(..., inputs)",
        explanation="Where everything is NaN, any model would agree.",
    ),
    _cause(
        "expected-shape-differs",
        "An output has another shape than the expected one",
        do.RECORD_AGAIN,
        explanation="The number or the size of the dimensions is another one, so that elements cannot be compared.",
    ),
    _cause(
        "expected-dtype-differs",
        "An output has another dtype than the expected one",
        do.RECORD_AGAIN,
        explanation="Numbers became text, or whole numbers became floating ones: whoever reads them breaks.",
    ),
    _cause(
        "inputs-not-found",
        "Inputs of the model are not in the file of expected outputs, or have names the model does not know",
        "name arrays inputs/<name> after the model's inputs, or by position: inputs/0, inputs/1",
        do.RECORD_AGAIN,
        seen=("load", "predictions"),
        explanation="Arrays are matched by the names of inputs, or by position, and some are missing or left over.",
    ),
    _cause(
        "inputs-not-generated",
        "No input fits the model: its input specification does not tell enough",
        'describe it in kerasload.toml: inputs.NAME = {shape = [..], dtype = "..", min = .., max = ..}',
        "store inputs and outputs beside the artifact",
        seen=("load", "roundtrip", "predictions"),
        explanation="Inputs were made from what the model says of them, and corrected by its complaints, and none"
        " fitted.",
    ),
    _cause(
        "predictions-refused",
        "The model loads, and does not answer the inputs stored with the expected outputs",
        "compare the stored inputs with what the model takes; store new ones if its inputs were changed on purpose",
        do.RECORD_AGAIN,
        explanation="The model loads and raises when it is called with the inputs that were stored.",
    ),
    _cause(
        "inputs-refused",
        "The model does not take the inputs it was given",
        'describe them in kerasload.toml: inputs.NAME = {shape = [..], dtype = "..", min = .., max = ..}',
        seen=("roundtrip", "predictions"),
        explanation="The model raises when it is called with inputs made from its own specification.",
    ),
)
