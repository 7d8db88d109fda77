"""Causes that lie with the functions of Lambda layers."""

from __future__ import annotations

from pytest_kerasload.causes import remedies as do
from pytest_kerasload.causes.cause import Cause, Entries

_cause = Entries("version")


CAUSES: tuple[Cause, ...] = (
    _cause(
        "lambda-restored-as-string",
        "The function of a Lambda comes back as its name",
        "give the function with --keras-custom-objects=package.module:name",
        "replace the Lambda by a registered layer",
        formats=("h5", "keras", "savedmodel"),
        saved_by="Keras 2.11 to 2.13",
        loaded_by="any",
        seen=("load",),
        explanation="Only the name of the function is saved, and it is looked up among the custom objects.",
        wording="'str' object is not callable",
        signatures=(r"'str' object is not callable",),
        source="tensorflow/tensorflow#58691",
    ),
    _cause(
        "lambda-python-version",
        "The bytecode of a Lambda belongs to another Python release, and cannot run on this one",
        "load it with the Python release that saved it",
        "replace the Lambda by a registered function or layer",
        formats=("h5", "keras"),
        saved_by="another Python minor version",
        loaded_by="any",
        seen=("version", "load", "predictions"),
        explanation="Bytecode is no exchange format: each minor version of Python has its own, and files do not "
        "say which. At best loading fails; at worst the process dies.",
        wording="bad marshal data (unknown type code)",
        signatures=(
            r"bad marshal data",
            r"EOF read where object expected",
            r"unknown opcode",
            r"code\(?\)? (?:expected|argument)|code expected at \w+ \d+ arguments",
        ),
        source="keras-team/keras#14875, #7440; a lambda of Python 3.11 on 3.13 is a segmentation fault; reproduced",
    ),
    _cause(
        "lambda-call-fails",
        "A Lambda comes back, and its function fails when this release calls it",
        do.LEGACY_KERAS,
        "replace the Lambda by a registered layer",
        formats=("h5", "keras"),
        saved_by="any",
        loaded_by="any",
        seen=("version", "load", "predictions"),
        explanation="The function uses names or TensorFlow calls that are not there, or meets symbols of Keras 3. "
        "Keras 3 gives a function that it made out of code no tf, np or K, whatever the module had that it was "
        "written in, and custom objects do not help.",
        wording="Exception encountered when calling Lambda.call().",
        signatures=(
            r"Exception encountered when calling Lambda\.call\(\)",
            r'Exception encountered when calling layer "[^"]*" \(type Lambda\)',
        ),
        source="reproduced on Keras 3.3; keras/src/utils/python_utils.py, func_load, 3.3 to 3.15",
    ),
    _cause(
        "lambda-output-shape-list",
        "The output shape of a Lambda comes back as a list, which Keras 3.0 to 3.9 cannot use",
        "drop the output_shape from the config: it is worked out from the function",
        "load it with Keras 3.10 or later",
        formats=("h5", "keras"),
        saved_by="any",
        loaded_by="Keras 3.0 to 3.9",
        seen=("load",),
        explanation="JSON has no tuples, and these releases put the size of the batch before the shape without asking.",
        wording='can only concatenate tuple (not "TrackedList") to tuple',
        signatures=(r'can only concatenate tuple \(not "(?:TrackedList|list)"\) to tuple',),
        source="keras/src/layers/core/lambda_layer.py of 3.3 and of 3.10, from_config; reproduced on 3.3",
    ),
    _cause(
        "lambda-defaults-not-read",
        "The function of a Lambda has default values, and Keras 3 does not bring such a function back",
        "pass the values as arguments: Lambda(f, arguments={'column': j})",
        do.LEGACY_KERAS,
        formats=("h5", "keras"),
        saved_by="any",
        loaded_by="Keras 3",
        seen=("version", "load"),
        explanation="JSON has no tuples. Keras 3 hands the list of default values to Python as it is, and Python takes "
        "a tuple only. It writes such files itself.",
        wording="arg 4 (defaults) must be None or tuple",
        signatures=(r"arg 4 \(defaults\) must be None or tuple",),
        source="keras/src/layers/core/lambda_layer.py, from_config, 3.3 to 3.15; reproduced on Keras 3.15",
    ),
    _cause(
        "lambda-closure-shared",
        "Lambdas that were made in a loop all come back with the value that the loop ended with",
        "pass the value as an argument: Lambda(f, arguments={'column': j}), or use a registered layer",
        do.REBUILD,
        formats=("h5", "keras"),
        saved_by="any",
        loaded_by="any",
        seen=("roundtrip", "predictions"),
        explanation="`Lambda(lambda x: x[:, j])` saves the value that `j` has when the model is saved, for each of "
        "the copies. Nothing is said, and the model predicts something else.",
        source="keras-team/keras#13697",
    ),
)
