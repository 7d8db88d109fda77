"""What loading a model does besides: an audit hook (PEP 578) that sees files, processes, connections and code.

It sees what Python does. What TensorFlow and HDF5 do by themselves it does not see; of those the ``safety`` check reads
beforehand, and the launcher holds them back.
"""

from __future__ import annotations

import os
import sys
from types import FrameType
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

FROM_FILE = "kerasload_objects_"
"""How the names of modules begin that were made of a file of custom objects."""

_MOST = 50
_LONGEST = 300

# Events with the places of the paths among their arguments, each with that of the directory that it may start at.
_CHANGES: Dict[str, Tuple[Tuple[int, Optional[int]], ...]] = {
    **dict.fromkeys(("os.remove", "os.rmdir", "shutil.rmtree"), ((0, 1),)),
    **dict.fromkeys(("os.mkdir", "os.chmod"), ((0, 2),)),
    "os.chown": ((0, 3),),
    "os.truncate": ((0, None),),
    **dict.fromkeys(("os.rename", "os.link"), ((0, 2), (1, 3))),
    "os.symlink": ((1, 2),),
}
_STARTS = {"subprocess.Popen": 1, "os.system": 0, "os.exec": 1, "os.posix_spawn": 1, "os.spawn": 2}
_FORKS = ("os.fork", "os.forkpty", "pty.spawn")
_CONNECTS = {
    **dict.fromkeys(("socket.connect", "socket.bind", "socket.sendto"), 1),
    **dict.fromkeys(("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "urllib.Request"), 0),
}
_SOCKETS = tuple(name for name in _CONNECTS if name.startswith("socket."))

_EVENTS = frozenset(("open", "marshal.loads", "pickle.find_class", "ctypes.dlopen", *_FORKS))
_EVENTS = _EVENTS.union(_CHANGES, _STARTS, _CONNECTS)

# What the standard library and TensorFlow look at on their own.
_PUBLIC = ("/proc", "/sys", "/dev", "/usr/share/zoneinfo", "/usr/share/locale", "/usr/lib/locale")
_PUBLIC_FILES = ("/etc/localtime", "/etc/timezone", "/etc/mime.types", "/etc/os-release", "/usr/lib/os-release")
_IMPORTING = (
    *("importlib._bootstrap", "importlib._bootstrap_external", "zipimport"),
    *("_frozen_importlib", "_frozen_importlib_external"),  # what they are called until importlib is imported
)
_OURS = ("__main__", "__channelexec__")
_SILENT = ("/dev/null", "/dev/zero", "/dev/tty")


class Watch:
    """Notes what happens between :meth:`begin` and :meth:`end`, once each.

    ``declared`` are the packages of the user's custom objects: what their code does is told as theirs.
    """

    def __init__(self) -> None:
        self.declared: Set[str] = set()
        self.loaded: Set[str] = set()
        self._active = False
        self._found: Dict[Tuple[str, str, str], None] = {}
        self._refusing = os.environ.get("KERASLOAD_SOCKETS") == "refused"
        self._own = os.path.realpath(os.path.dirname(os.path.expanduser("~")))
        self._installed = tuple(
            os.path.realpath(path) + os.sep for path in {sys.prefix, sys.base_prefix, sys.exec_prefix, *_packages()}
        )
        if hasattr(sys, "addaudithook"):
            sys.addaudithook(self._hook)

    def begin(self, *paths: str) -> None:
        """Begin to watch; files at or below these paths are the model's own from now on."""
        self.loaded.update(os.path.realpath(path) for path in paths)
        self._found.clear()
        self._active = True

    def end(self) -> List[List[str]]:
        """What was seen: a kind (``writes``, ``reads``, ``starts``, ``connects``, ``code``), what, and whose code."""
        self._active = False
        found = [list(row) for row in self._found]
        self._found.clear()
        return found

    # ---- the hook

    def _hook(self, event: str, arguments: Tuple[Any, ...]) -> None:
        if not self._active or event not in _EVENTS:  # there are thousands of others
            return
        try:
            for kind, what in self._seen(event, arguments):
                whose = self._whose(sys._getframe(1))
                near = kind == "reads" and whose and self._near(what)
                if not near and len(self._found) < _MOST:
                    self._found[kind, what[:_LONGEST], whose] = None
        except Exception:  # an event of another form than known: what it is about goes on
            pass
        if self._refusing and event in _SOCKETS:
            raise PermissionError(13, "sockets are refused while a model is loaded (--keras-allow-network)")

    def _seen(self, event: str, arguments: Tuple[Any, ...]) -> Iterator[Tuple[str, str]]:
        if event == "open":
            path, mode, flags = arguments[:3]
            if isinstance(path, (str, bytes, os.PathLike)) and not _walking(path, sys._getframe(2)):
                where = os.path.realpath(os.fsdecode(path))
                changing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
                if (flags or 0) & changing or set(mode or "") & set("wax+"):
                    if where not in _SILENT and not _inside(where, self._own):
                        yield "writes", where
                elif not (self._may_read(where) or _importing(sys._getframe(2)) or _is_source(where)):
                    yield "reads", where
        elif event in _CHANGES:
            for place, start in _CHANGES[event]:
                path = arguments[place]
                inner = start is not None and len(arguments) > start and arguments[start] not in (None, -1)
                # What starts at an open directory is in one that was told when it was opened or deleted by its path.
                if isinstance(path, (str, bytes, os.PathLike)) and (not inner or os.path.isabs(path)):
                    where = os.path.realpath(os.fsdecode(path))
                    if not _inside(where, self._own):
                        yield "writes", where
        elif event in _STARTS:
            command = arguments[_STARTS[event]]
            yield "starts", " ".join(map(_word, command)) if isinstance(command, (list, tuple)) else _word(command)
        elif event in _FORKS:
            yield "starts", "a copy of the process (%s)" % event
        elif event in _CONNECTS:
            address = arguments[_CONNECTS[event]]
            yield "connects", ":".join(map(_word, address)) if isinstance(address, tuple) else _word(address)
        elif event == "marshal.loads" and not _importing(sys._getframe(2)):
            yield "code", "unmarshals code"
        elif event == "pickle.find_class":
            yield "code", "unpickles %s.%s" % (arguments[0], arguments[1])
        elif event == "ctypes.dlopen" and os.sep in str(arguments[0]) and not self._may_read(str(arguments[0])):
            yield "code", "loads the library %s" % arguments[0]

    def _may_read(self, path: str) -> bool:
        if path.startswith(self._installed) or path in _PUBLIC_FILES or _inside(path, self._own):
            return True
        return any(_inside(path, root) for root in (*_PUBLIC, *self.loaded))

    def _near(self, path: str) -> bool:
        """Whether a file lies beside the user's own code: where it was started, or where it is imported from."""
        return any(_inside(path, os.path.realpath(root or os.curdir)) for root in ("", *sys.path))

    def _whose(self, frame: Optional[FrameType]) -> str:
        """The module whose code is at work: one of the user's, or one that is just imported, which may do more than to
        define things; empty where it is the artifact and the loader alone.

        A function out of an artifact has the globals of the loader's module, or none of a module's, whatever file it
        says that it is from.
        """
        while frame is not None:
            name = frame.f_globals.get("__name__")
            module = sys.modules.get(name) if isinstance(name, str) else None
            real = module is not None and vars(module) is frame.f_globals and name not in _OURS
            if real and (frame.f_code.co_name == "<module>" or self._is_users(str(name), module)):
                return _called(str(name), module)
            frame = frame.f_back
        return ""

    def _is_users(self, name: str, module: Any) -> bool:
        package = name.split(".")[0]
        if package in self.declared:
            return True
        file = getattr(module, "__file__", None)
        # What autograph makes of a function lies among temporary files.
        return bool(file) and not os.path.realpath(str(file)).startswith((*self._installed, self._own + os.sep))


def _called(name: str, module: Any) -> str:
    """What the user knows a module by: those of custom objects given by file have made-up names."""
    file = getattr(module, "__file__", None)
    return os.path.basename(file) if file and name.startswith(FROM_FILE) else name


def _inside(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)


def _packages() -> Iterator[str]:
    """Directories that packages were installed in."""
    return (path for path in sys.path if os.path.basename(path) in ("site-packages", "dist-packages"))


def _importing(frame: Optional[FrameType]) -> bool:
    """Whether it is Python that asks, for a module that is imported."""
    while frame is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    return frame is not None and frame.f_globals.get("__name__") in _IMPORTING


def _walking(path: Any, frame: Optional[FrameType]) -> bool:
    """Whether the standard library goes down a tree, where names are relative to a directory that is open."""
    while frame is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    return not os.path.isabs(path) and frame is not None and frame.f_globals.get("__name__") in ("shutil", "os")


def _is_source(path: str) -> bool:
    """Whether a file is the source of a module that is loaded: autograph and tracebacks read it again."""
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    return any(isinstance(file, str) and os.path.realpath(file) == path for file in files)


def _word(value: Any) -> str:
    return os.fsdecode(value) if isinstance(value, (str, bytes, os.PathLike)) else str(value)
