"""Causes that lie with the limits of a machine."""

from __future__ import annotations

from pytest_kerasload.causes.cause import Cause


def _cause(code: str, title: str, *remedies: str, signatures: tuple[str, ...] = (), source: str = "") -> Cause:
    return Cause(code, "resource", title, remedies, signatures, source)


CAUSES: tuple[Cause, ...] = (
    _cause(
        "worker-crashed",
        "The process that loaded the artifact died",
        "run it alone to see what it said last: pytest --keras-jobs=1 -k <artifact>",
        "a Lambda saved by another Python release kills the process: replace it by a registered layer",
        source="a lambda of Python 3.11 called on Python 3.13 is a segmentation fault; reproduced",
    ),
    _cause(
        "worker-timeout",
        "The check did not end in the time it was given",
        "--keras-timeout=SECONDS, if the model is that slow",
        "a graph that calls a nested model twice makes Keras 3.3 to 3.10 search for ever: load it with tf_keras",
        signatures=(r"\bDeadlineExceeded",),
        source="reproduced with HDF5 files of Keras 2 on Keras 3.3 to 3.10",
    ),
    _cause(
        "worker-memory",
        "The check needed more memory than it was given",
        "--keras-memory=SIZE, if the model is that large",
        "--keras-jobs=1, so that fewer models are in memory at once",
        signatures=(
            r"\bMemoryError\b",
            r"ResourceExhausted(?:Error)?\b",
            r"OOM when allocating",
            r"std::bad_alloc",
            r"Unable to allocate .* for an array",
            r"Cannot allocate memory",
        ),
    ),
    _cause(
        "processor-lacks-kernel",
        "The processor has no instructions for the type that the model computes in (bfloat16, float16)",
        "set TF_ENABLE_ONEDNN_OPTS=0 there: TensorFlow's own kernels take any processor",
        "check it on a processor like the one that it is to run on",
        signatures=(r"could not create a primitive",),
        source="a convolution in bfloat16 on TensorFlow 2.15 with ONEDNN_MAX_CPU_ISA=SSE41; reproduced",
    ),
    _cause(
        "h5-locked",
        "The file system does not let HDF5 lock the file",
        "set HDF5_USE_FILE_LOCKING=FALSE in the environment",
        "copy the artifacts to a local disk first",
        signatures=(r"unable to lock file",),
        source="h5py/h5py#1101; keras-team/keras#13632",
    ),
)
