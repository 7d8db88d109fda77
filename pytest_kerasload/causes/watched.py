"""Causes that show only while a model is loaded and asked: what it does besides."""

from __future__ import annotations

from pytest_kerasload.causes.cause import Cause, Entries

_LOOK = "find out what in the artifact does that before it is loaded anywhere else: python -m pytest_kerasload inspect"
_OWN = "where it is code of your own: do it in the training script, and keep what it gives in the model"

_cause = Entries("safety", seen=("load", "roundtrip", "predictions"))

WRITES = _cause(
    "loading-writes-files",
    "Loading or calling the model writes files",
    _LOOK,
    _OWN,
    explanation="A model is data: to load it and to call it takes no file but its own. Files were opened for writing, "
    "deleted or renamed outside of the temporary directory that the process has to itself. Where the system has "
    "Landlock (Linux 5.13 and later) nothing was changed there: the attempt was refused.",
    source="audit events open, os.remove, os.rename and others (PEP 578)",
)
READS = _cause(
    "loading-reads-files",
    "Loading or calling the model reads files that are not its own",
    _LOOK,
    "where the model needs that file: make it an asset of the model, so that it is where the model is",
    explanation="A file outside of the artifact, of the interpreter and of the packages installed in it was read. "
    "What a model reads on the machine that checks it is not there on the one that serves it, or is somebody's.",
    source="audit event open (PEP 578)",
)
STARTS = _cause(
    "loading-starts-processes",
    "Loading or calling the model starts a process",
    _LOOK,
    _OWN,
    explanation="No layer needs another program. What it started was ended with the process that loads the model.",
    source="audit events subprocess.Popen, os.system, os.exec, os.fork and others (PEP 578)",
)
CONNECTS = _cause(
    "loading-reaches-network",
    "Loading or calling the model reaches for the network",
    _LOOK,
    "where custom objects of yours have to fetch something: --keras-allow-network",
    explanation="A connection was attempted or a name looked up. The process that loads models has no network unless "
    "--keras-allow-network is given, so nothing was reached.",
    source="audit events socket.connect, socket.getaddrinfo, urllib.Request and others (PEP 578)",
)
RUNS_CODE = _cause(
    "loading-runs-code",
    "Loading or calling the model makes code out of data",
    _LOOK,
    "replace lambdas and pickled objects by classes and functions registered with register_keras_serializable",
    explanation="Bytecode was unmarshalled, a pickle asked for classes or functions, or a native library was loaded "
    "that no package brought.",
    source="audit events marshal.loads, pickle.find_class, ctypes.dlopen (PEP 578)",
)
CAUSES: tuple[Cause, ...] = (WRITES, READS, STARTS, CONNECTS, RUNS_CODE)
