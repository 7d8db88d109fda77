"""The channel to an environment's process, from which nothing is taken on trust.

What an artifact computes, and perhaps code of its own, sits at the other end of the pipe. execnet would make objects of
whatever arrives, of any size that a few bytes claim; so each message is looked at before execnet has it, and the only
one with content that gets through is a byte string no longer than what came.
"""

from __future__ import annotations

import contextlib
import struct
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import execnet
from execnet import gateway_bootstrap, gateway_io

LARGEST = 1 << 30
"""Bytes of a message: the outputs of a batch, at most."""

_LARGEST_ERROR = 1 << 20
_ASKING, _WATCHING = 1, 3
"""The channels of a process, as execnet numbers them: questions, and on another machine how large the process is."""
_LARGEST_SIZE = 64
_DATA, _CLOSE, _CLOSE_ERROR, _LAST = 4, 5, 6, 7
_BYTES, _TEXT, _STOP = b"A", b"N", b"Q"
# execnet 2.1, gateway_base.py: Message.from_io, Message._types, opcode.
_HEADER = struct.Struct("!bii")


class _Pipe(gateway_io.Popen2IOMaster):
    """The pipes of a process; ``abuse`` says what came that cannot be, after which nothing is read any more."""

    def __init__(self, arguments: Sequence[str], model: Any, variables: Mapping[str, str] | None) -> None:
        # As its base class does, but for the variables.
        self.popen = subprocess.Popen(
            list(arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=None if variables is None else {**variables},
        )
        super(gateway_io.Popen2IOMaster, self).__init__(self.popen.stdin, self.popen.stdout, execmodel=model)
        self.abuse = ""
        self.questions = 1
        """To how many questions an answer may come; what starts the process is one."""
        self._kind: int | None = None

    def read(self, numbytes: int) -> bytes:
        """As execnet asks: a header, then what the header announced."""
        if self.abuse:
            raise EOFError(self.abuse)
        if self._kind is None:
            data = super().read(numbytes)
            if numbytes == _HEADER.size:
                self._kind, channel, size = _HEADER.unpack(data)
                largest = {_DATA: LARGEST, _CLOSE_ERROR: _LARGEST_ERROR, _CLOSE: 0, _LAST: 0}.get(self._kind, -1)
                if channel == _WATCHING and self._kind == _DATA:
                    largest = _LARGEST_SIZE
                if not 0 <= size <= largest:
                    raise self._refused(f"a message of kind {self._kind} with {size:,} bytes")
                if channel not in (_ASKING, _WATCHING):
                    raise self._refused(f"a message for channel {channel}, which is none")
                if channel == _ASKING and self._kind == _DATA:
                    self.questions -= 1
                    if self.questions < 0:
                        raise self._refused("an answer that nobody asked for")
            return data
        kind, self._kind = self._kind, None
        data = super().read(numbytes)
        if kind in (_DATA, _CLOSE_ERROR) and not _is_string(data, _BYTES if kind == _DATA else _TEXT):
            raise self._refused("a message that is no byte string")
        return data

    def _refused(self, what: str) -> EOFError:
        self.abuse = f"it sent {what}"
        return EOFError(self.abuse)


def _is_string(data: bytes, kind: bytes) -> bool:
    """Whether execnet makes a single string of this message, as long as what is there."""
    return data[:1] == kind and data[-1:] == _STOP and int.from_bytes(data[1:5], "big") == len(data) - 6


def opened(
    group: execnet.Group, arguments: Sequence[str], variables: Mapping[str, str] | None = None, ssh: str = ""
) -> Any:
    """A gateway to the process that a command line starts; over ssh where that is what the command line runs.

    OSError, EOFError or execnet.HostNotFound where it does not start.
    """
    spec = execnet.XSpec(f"ssh={ssh}" if ssh else "popen//python=python")
    group.allocate_id(spec)
    spec.execmodel = group.remote_execmodel.backend
    pipe = _Pipe(arguments, group.execmodel, variables)
    if ssh:
        pipe.remoteaddress = ssh
    try:
        gateway = gateway_bootstrap.bootstrap(pipe, spec)
    except BaseException:
        pipe.kill()
        pipe.wait()
        for end in (pipe.infile, pipe.outfile):
            with contextlib.suppress(OSError):
                end.close()
        raise
    gateway.spec = spec
    group._register(gateway)
    return gateway


COMMAND = ("-u", "-B", "-c", gateway_io.popen_bootstrapline)
"""What execnet has an interpreter run."""


def asking(gateway: Any) -> None:
    """Let one more answer come."""
    gateway._io.questions += 1


def abuse(gateway: Any) -> str:
    """What came over a gateway's pipe that cannot be; empty where nothing did."""
    return str(getattr(gateway._io, "abuse", ""))


def parts(data: bytes) -> list[memoryview]:
    """The parts of a reply (``worker/packing.py``); ValueError where the lengths are not those of what came."""
    view = memoryview(data)
    count = int.from_bytes(view[:8], "big")
    if not 1 <= count <= len(data) // 8:
        raise ValueError("a reply that is cut off")
    at = 8 + 8 * count
    lengths = struct.unpack_from(f"!{count}Q", view, 8) if at <= len(data) else (-1,)
    if sum(lengths) != len(data) - at:
        raise ValueError("a reply whose parts are not there")
    found = []
    for length in lengths:
        found.append(view[at : at + length])
        at += length
    return found
