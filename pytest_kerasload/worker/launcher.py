"""Becomes an environment's interpreter, after it gave up what loading a model does not take.

Run by that interpreter itself, as ``python -I -S launcher.py TOLD ARGUMENTS...`` or with its source after ``-c`` where
the file is on another machine; needs the standard library alone. ARGUMENTS are those that the interpreter is run with
in the end. TOLD is base64-coded JSON:

``keep``, ``set``   patterns of the variables that the process keeps (null for all), and variables that it gets
``directory``       where it may write; made if it is not there. ``writable`` are more such places
``parent``          the process that it may not outlive, and in whose thread it is started; null where its input ends
                    with that. ``directory`` goes with it then
``network``         whether it may reach the network
``file_bytes``, ``processes``   how large a file it may write, and how many more processes and threads its user may have

What a system does not let us do is left out: with ``tell`` for arguments it prints what it let us do.
"""

from __future__ import annotations

import base64
import ctypes
import fnmatch
import json
import os
import shutil
import signal
import site
import struct
import subprocess
import sys
from typing import Any, Dict, List, Optional, Tuple

_CLONE = {"mounts": 0x00020000, "ipc": 0x08000000, "user": 0x10000000, "processes": 0x20000000, "network": 0x40000000}
_PDEATHSIG, _CAPBSET_DROP, _SUBREAPER, _NO_NEW_PRIVS, _SECCOMP = 1, 24, 36, 38, 22  # linux/prctl.h
_PRIVATE = 0x44000  # MS_REC | MS_PRIVATE
_KEPT_CAPABILITIES = (1, 2)  # dac_override, dac_read_search: root reads and saves as before
_DEVICES = ("null", "zero", "full", "random", "urandom", "shm", "dri", "kfd", "dxg")
# Landlock (linux/landlock.h): the rights that change something, by the version of the interface that has them.
_WRITING = ((1, 0x1FF2), (2, 1 << 13), (3, 1 << 14))
_OF_A_FILE = 1 << 1 | 1 << 14
# seccomp: how the kernel calls the architecture, and its numbers for socket and ioctl. That of io_uring_setup is one.
_CALLS = {"x86_64": (0xC000003E, 41, 16), "aarch64": (0xC00000B7, 198, 29)}
_TYPED = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: what a terminal takes for typed
_IO_URING_SETUP = 425


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _namespaces(wanted: Tuple[str, ...]) -> Tuple[str, ...]:
    """Give this process and what it starts namespaces of their own; which ones, and none where that is not allowed."""
    flags = 0
    for name in wanted:
        flags |= _CLONE[name]
    libc, uid, gid = _libc(), os.geteuid(), os.getegid()
    if libc.unshare(flags) != 0:
        if libc.unshare(flags | _CLONE["user"]) != 0:
            return ()
        lines = {"setgroups": "deny", "uid_map": "%d %d 1" % (uid, uid), "gid_map": "%d %d 1" % (gid, gid)}
        for name, text in lines.items():
            with open("/proc/self/" + name, "w") as stream:
                stream.write(text)
        wanted = wanted + ("user",)
    libc.mount(None, b"/", None, _PRIVATE, None)  # nothing that is mounted here is seen outside
    return wanted


def _read_only(writable: List[str]) -> bool:
    """Let nothing be changed outside of some places, modes and owners too: all that is mounted becomes read-only."""
    libc = _libc()
    if libc.unshare(_CLONE["mounts"]) != 0:  # the supervisor still has to delete those places
        return False
    for path in writable:
        if libc.mount(path.encode(), path.encode(), None, 0x1000, None) != 0:  # MS_BIND
            return False
    libc.mount(b"none", b"/dev/shm", b"tmpfs", 6, b"size=25%")
    places = [path for path in writable + ["/dev/shm"] if os.path.isdir(path)]
    # mount_setattr (Linux 5.12) of everything below; then of the places without what is below them.
    if libc.syscall(442, -100, b"/", 0x8000, struct.pack("=QQQQ", 1, 0, 0, 0), ctypes.c_size_t(32)) != 0:
        return False
    for path in places:
        libc.syscall(442, -100, path.encode(), 0, struct.pack("=QQQQ", 0, 1, 0, 0), ctypes.c_size_t(32))
    return all(os.access(path, os.W_OK) for path in writable)


def _landlock(writable: List[str]) -> bool:
    """Let nothing be written outside of some places, whatever asks the system for it: native code as well.

    A process in such a domain cannot look into those outside of it either: their variables stay their own.
    """
    libc = _libc()
    version = libc.syscall(444, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return False
    rights = sum(more for since, more in _WRITING if version >= since)
    # From version 6 on signals and abstract sockets stay inside too.
    wanted = struct.pack("=QQQ", rights, 0, 3) if version >= 6 else struct.pack("=Q", rights)
    rules = libc.syscall(444, wanted, ctypes.c_size_t(len(wanted)), 0)
    if rules < 0:
        return False
    devices = [name for name in os.listdir("/dev") if name in _DEVICES or name.startswith("nvidia")]
    for path in writable + [os.path.join("/dev", name) for name in devices]:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        allowed = rights if os.path.isdir(path) else rights & _OF_A_FILE
        libc.syscall(445, rules, 1, struct.pack("=Qi", allowed, place), 0)
        os.close(place)
    enforced = libc.syscall(446, rules, 0) == 0
    os.close(rules)
    return bool(enforced)


def _refuse_calls(sockets: bool) -> bool:
    """Refuse to type into a terminal, and every new socket, so that those that are files (of docker, of ssh-agent)
    stay out of reach too.

    Pairs of sockets, which connect nothing but a process' own parts, are made otherwise and go on.
    """
    machine = os.uname().machine
    if machine not in _CALLS:
        return False
    architecture, socket, ioctl = _CALLS[machine]
    program = [
        (0x20, 0, 0, 4),  # the architecture: another one has other numbers, and is not let in
        (0x15, 0, 8, architecture),
        (0x20, 0, 0, 0),  # the number of the call; those of x32 come on top
        (0x35, 6, 0, 0x40000000),
        (0x15, 5 if sockets else 0, 0, socket),
        (0x15, 4 if sockets else 0, 0, _IO_URING_SETUP),  # rings open sockets as well
        (0x15, 0, 4, ioctl),
        (0x20, 0, 0, 24),  # its second argument
        (0x15, 1, 0, _TYPED[0]),
        (0x15, 0, 1, _TYPED[1]),
        (0x06, 0, 0, 0x00050000 | 13),  # fails with EACCES
        (0x06, 0, 0, 0x7FFF0000),  # goes on
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    wanted = ctypes.create_string_buffer(struct.pack("=HxxxxxxQ", len(program), ctypes.addressof(code)))
    return bool(_libc().prctl(_SECCOMP, 2, wanted, 0, 0) == 0)


def _limit(name: str, value: int) -> None:
    import resource

    number = getattr(resource, name, None)
    if number is None:
        return
    _, hard = resource.getrlimit(number)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    try:
        resource.setrlimit(number, (value, value))
    except (OSError, ValueError):
        pass


def _threads_of_user() -> int:
    """What the limit on a user's processes counts."""
    count = 0
    for entry in os.listdir("/proc") if os.path.isdir("/proc") else []:
        try:
            if entry.isdigit() and os.stat("/proc/" + entry).st_uid == os.getuid():
                count += len(os.listdir("/proc/%s/task" % entry))
        except OSError:
            pass
    return count


def _confine(told: Dict[str, Any], threads: int, counted: bool) -> Dict[str, str]:
    """The last that is done before the command takes over, for good; by which means, for ``files`` and ``network``."""
    _limit("RLIMIT_CORE", 0)
    _limit("RLIMIT_FSIZE", told["file_bytes"])
    if counted:  # else the kernel counts what other programs of the user start later
        _limit("RLIMIT_NPROC", threads + told["processes"])
    done: Dict[str, str] = {}
    if sys.platform == "linux":
        libc = _libc()
        if os.geteuid() == 0:
            for capability in range(64):
                if capability not in _KEPT_CAPABILITIES:
                    libc.prctl(_CAPBSET_DROP, capability, 0, 0, 0)
        libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
        if _landlock([told["directory"]] + told["writable"]):
            done["files"] = "landlock"
        if _refuse_calls(not told["network"]) and not told["network"]:
            done["network"] = "seccomp"
    return done


def _run(told: Dict[str, Any], command: List[str], threads: int, done: Dict[str, str]) -> None:
    """Be the command, confined."""
    if sys.platform == "linux":
        _libc().prctl(_PDEATHSIG, signal.SIGKILL)
    done = dict(_confine(told, threads, "user" in done), **done)
    if command == ["tell"]:
        os.write(1, json.dumps(done).encode())
        os._exit(0)
    if not told["network"] and "network" not in done:
        told["set"]["KERASLOAD_SOCKETS"] = "refused"
    try:
        os.execve(sys.executable, [sys.executable] + command, _variables(told))
    except OSError as error:
        os.write(2, ("%s: %s\n" % (sys.executable, error)).encode())
        os._exit(127)


def _variables(told: Dict[str, Any]) -> Dict[str, str]:
    kept = dict(os.environ)
    if told["keep"] is not None:
        kept = {
            name: value
            for name, value in kept.items()
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in told["keep"])
        }
    # Packages of the user's own are found from their home, which the process does not have any more.
    kept.setdefault("PYTHONUSERBASE", site.getuserbase())
    return dict(kept, **told["set"])


def _wait(child: int) -> int:
    """The status of a child once it ended; whatever else it left to this process is waited for meanwhile."""
    while True:
        pid, status = os.wait()
        if pid == child:
            return status


def _orphans() -> List[int]:
    """The processes whose parent is this one."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            with open("/proc/%s/stat" % entry) as stream:
                if int(stream.read().rpartition(")")[2].split()[1]) == os.getpid():
                    found.append(int(entry))
        except (OSError, ValueError, IndexError):
            pass
    return found


def _end_orphans() -> None:
    """End what the command started and left behind, where no namespace of processes ends it."""
    while True:
        left = _orphans()
        if not left:
            return
        for pid in left:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def _away(path: str) -> None:
    try:
        shutil.rmtree(path, ignore_errors=True)
    except RecursionError:
        pass


class _Supervisor:
    """The process between pytest and the command: ends the one, with all it started, when the other is gone."""

    def __init__(self, told: Dict[str, Any]) -> None:
        self.told = told
        self.child: Optional[int] = None
        self.done: Dict[str, str] = {}
        # A script may stand between the two; then the end of the input says that the parent is gone.
        self.near = os.getppid() == told["parent"]

    def orphaned(self) -> bool:
        """Whether the parent is gone. One that nobody waited for yet can still be asked, but has no children."""
        if self.near:
            return bool(os.getppid() != self.told["parent"])
        return not _lives(self.told["parent"])

    def gone(self, *_: Any) -> None:
        """The parent ended, or somebody wants this process to: nothing is left."""
        if self.child is not None:
            os.kill(self.child, signal.SIGKILL)
            self.wait()
        _away(self.told["directory"])
        if self.told["parent"] is not None and self.orphaned():  # nobody else is left who could
            _away(os.path.dirname(self.told["directory"]))
        os._exit(1)

    def wait(self) -> int:
        """The status of the child; nothing of what it started is left then."""
        assert self.child is not None
        status = _wait(self.child)
        if sys.platform == "linux" and "processes" not in self.done:
            _end_orphans()
        return status

    def run(self, command: List[str]) -> int:
        """The status with which the command ended."""
        for name in ("SIGTERM", "SIGHUP"):
            signal.signal(getattr(signal, name), self.gone)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of the terminal; pytest ends this
        threads = _threads_of_user()
        try:
            os.setsid()  # away from the terminal
        except OSError:
            pass
        if sys.platform == "linux":
            if self.told["parent"] is not None:
                _libc().prctl(_PDEATHSIG, signal.SIGTERM)
                if self.orphaned():
                    self.gone()
            wanted = ("mounts", "ipc", "processes") + (() if self.told["network"] else ("network",))
            self.done = dict.fromkeys(_namespaces(wanted), "namespace")
            _libc().prctl(_SUBREAPER, 1, 0, 0, 0)
        reader, writer = os.pipe()
        self.child = os.fork()
        if self.child == 0:
            os.close(reader)
            for name in ("SIGTERM", "SIGHUP"):
                signal.signal(getattr(signal, name), signal.SIG_DFL)
            if "processes" not in self.done:
                os.close(writer)
                _run(self.told, command, threads, self.done)
            self._first(command, threads, writer)
        os.close(writer)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        status = self.wait()
        said = os.read(reader, 4)
        return struct.unpack("=i", said)[0] if len(said) == 4 else status

    def _first(self, command: List[str], threads: int, writer: int) -> None:
        """Be the first process of the namespace: with it, all others in it end. Signals from inside do not reach it."""
        _libc().prctl(_PDEATHSIG, signal.SIGKILL)
        # Processes outside are not seen then. Where a container hides parts of its own /proc, this is not allowed.
        _libc().mount(b"proc", b"/proc", b"proc", 14, None)
        if _read_only([self.told["directory"]] + self.told["writable"]):
            self.done["files"] = "mounts"
        child = os.fork()
        if child == 0:
            os.close(writer)
            _run(self.told, command, threads, self.done)
        os.close(0)
        os.close(1)
        os.write(writer, struct.pack("=i", _wait(child)))
        os._exit(0)


def main(arguments: List[str]) -> int:
    """Run the command; the status is the command's own, a signal included."""
    told, command = json.loads(base64.urlsafe_b64decode(arguments[0])), arguments[1:]
    for name in ("home", "tmp"):
        os.makedirs(os.path.join(told["directory"], name), exist_ok=True)
    if not hasattr(os, "fork"):
        return 0 if command == ["tell"] else subprocess.call([sys.executable] + command, env=_variables(told))
    status = _Supervisor(told).run(command)
    if told["parent"] is None:
        _away(told["directory"])
    if os.WIFSIGNALED(status):
        _limit("RLIMIT_CORE", 0)
        if os.WTERMSIG(status) != signal.SIGKILL:  # of which nothing can be set
            signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    return os.WEXITSTATUS(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
