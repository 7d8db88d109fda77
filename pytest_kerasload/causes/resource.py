"""Causes that lie with the limits of a machine."""

from __future__ import annotations

from pytest_kerasload.causes.cause import Cause, Entries

_cause = Entries("resource")


CAUSES: tuple[Cause, ...] = (
    _cause(
        "worker-crashed",
        "The process that loaded the artifact died",
        "run it alone to see what it said last: pytest --keras-jobs=1 -k <artifact>",
        "a Lambda saved by another Python release kills the process: replace it by a registered layer",
        seen=("load", "roundtrip", "predictions"),
        explanation="A segmentation fault or an abort in native code ends the process without a message. Bytecode"
        " of another Python release, damaged files and broken installations do that.",
        source="a lambda of Python 3.11 called on Python 3.13 is a segmentation fault; reproduced",
    ),
    _cause(
        "worker-timeout",
        "The check did not end in the time it was given",
        "--keras-timeout=SECONDS, if the model is that slow",
        "a graph that calls a nested model twice makes Keras 3.3 to 3.10 search for ever: load it with tf_keras",
        seen=("load", "roundtrip", "predictions"),
        explanation="The process was ended after its time. It may have been slow, waited for the network, or gone"
        " round in circles: Keras 3.3 to 3.10 never end on a Keras 2 graph that calls a nested model "
        "twice.",
        signatures=(r"\bDeadlineExceeded",),
        source="reproduced with HDF5 files of Keras 2 on Keras 3.3 to 3.10",
    ),
    _cause(
        "disk-full",
        "The disk is full",
        "free some space where temporary files are, or set TMPDIR to another disk",
        seen=("load", "roundtrip", "predictions", "handover"),
        explanation="Round trips save a copy of the model among temporary files, and the disk had no room for it. The "
        "artifact is not at fault, and what was released is untouched.",
        wording="[Errno 28] No space left on device",
        signatures=(r"No space left on device", r"\berrno = 28\b", r"\[Errno 122\]", r"Disk quota exceeded"),
    ),
    _cause(
        "file-too-large",
        "The check was to write a larger file than it may",
        "look at what the model saves: a copy may be four times as large as the artifact, and 4 GiB at any rate",
        seen=("roundtrip", "handover"),
        explanation="The process that loads models writes no files of more than four times the artifact's size (4 GiB "
        "for small ones), so that none fills the disk.",
        wording="[Errno 27] File too large",
        signatures=(r"File too large", r"\berrno = 27\b"),
    ),
    _cause(
        "worker-processes",
        "Loading or calling the model started more processes than any model needs",
        "look at what the artifact and your custom objects do: python -m pytest_kerasload inspect",
        seen=("load", "roundtrip", "predictions"),
        explanation="Processes multiplied below the one that loads the model, and all of them were ended. No layer of "
        "Keras or TensorFlow starts one.",
    ),
    _cause(
        "worker-reply-refused",
        "The process that loaded the artifact answered what no model answers",
        "do not load the artifact anywhere: python -m pytest_kerasload inspect says what is in it",
        seen=("load", "roundtrip", "predictions"),
        explanation="What comes back from the process that loads a model is checked for its form and size before "
        "anything is made of it. An answer of another form comes from code that took over the process, or from a "
        "process that was damaged.",
    ),
    _cause(
        "worker-memory",
        "The check needed more memory than it was given",
        "--keras-memory=SIZE, if the model is that large",
        "--keras-jobs=1, so that fewer models are in memory at once",
        seen=("load", "roundtrip", "predictions"),
        explanation="The model, or what it computes, is larger than the memory that the check may use.",
        wording="OOM when allocating tensor with shape[32768,32768]",
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
        loaded_by="any, by processor",
        seen=("load", "predictions"),
        explanation="oneDNN has kernels for half precision only where the processor has the instructions. The "
        "artifact is sound, and runs on another machine.",
        wording="could not create a primitive descriptor for a convolution forward propagation primitive",
        signatures=(r"could not create a primitive",),
        source="a convolution in bfloat16 on TensorFlow 2.15 with ONEDNN_MAX_CPU_ISA=SSE41; reproduced",
    ),
    _cause(
        "h5-locked",
        "The file system does not let HDF5 lock the file",
        "set HDF5_USE_FILE_LOCKING=FALSE in the environment",
        "copy the artifacts to a local disk first",
        formats=("h5",),
        loaded_by="any, on NFS, Lustre and the like",
        seen=("load",),
        explanation="HDF5 locks files it opens, which some file systems do not support, or another process holds "
        "the lock.",
        wording="unable to lock file, errno = 11, error message = 'Resource temporarily unavailable'",
        signatures=(r"unable to lock file",),
        source="h5py/h5py#1101; keras-team/keras#13632",
    ),
)
