"""What the process of an environment may do, told to its launcher (``worker/launcher.py``), and to the user."""

from __future__ import annotations

import base64
import fnmatch
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

LAUNCHER = Path(__file__).parent.parent / "worker" / "launcher.py"

KEPT = (
    # How programs are found, and how text and time are written.
    *(
        "PATH",
        "LANG",
        "LANGUAGE",
        "LC_*",
        "TZ",
        "LD_LIBRARY_PATH",
        "LD_PRELOAD",
        "DYLD_*",
        "GLIBC_TUNABLES",
        "MALLOC_*",
    ),
    *("VIRTUAL_ENV", "CONDA_PREFIX", "PYENV_*", "PYTHONPATH", "PYTHONHOME", "PYTHONHASHSEED", "PYTHONUTF8"),
    *("PYTHONIOENCODING", "PYTHONWARNINGS", "PYTHONMALLOC", "PYTHONNOUSERSITE", "PYTHONUSERBASE", "PYTHONPLATLIBDIR"),
    # How TensorFlow and the libraries below it compute. Not TF_*: Terraform keeps its secrets in TF_VAR_ and TF_TOKEN_.
    *("TF_CPP_*", "TF_ENABLE_*", "TF_DISABLE_*", "TF_USE_*", "TF_GPU_*", "TF_FORCE_*", "TF_CUDNN_*", "TF_XLA_*"),
    *("TF_DETERMINISTIC_*", "TF_NUM_*", "TF_KERAS", "TF2_*", "XLA_*", "KERAS_BACKEND", "AUTOGRAPH_*"),
    *("CUDA_*", "CUDNN_*", "NCCL_*", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES", "HIP_*", "ROCR_*"),
    *("OMP_*", "KMP_*", "MKL_*", "DNNL_*", "ONEDNN_*", "OPENBLAS_*", "GOTO_*", "BLIS_*", "VECLIB_*", "NUMEXPR_*"),
    *("HDF5_*", "PROTOCOL_BUFFERS_*"),
    # Without which nothing runs on Windows.
    *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "OS", "PROCESSOR_*", "NUMBER_OF_PROCESSORS"),
)
"""Variables that a process keeps. No secret is known to be in any of them."""

PROCESSES = 64
"""Processes that may run at once below a worker; none are needed to load a model."""

_THREADS = 4096
_LEAST_FILE = 4 << 30
_LARGER = 4


@dataclass(frozen=True)
class Confinement:
    """What the user lets processes do beyond what TensorFlow needs: reach the network, and see more variables."""

    network: bool = False
    pass_env: tuple[str, ...] = ()

    def environment(self) -> dict[str, str]:
        """The variables that the launcher is started with: those that processes keep, and where the user's home is."""
        kept = (*KEPT, *self.pass_env, "HOME", "USERPROFILE")
        return {
            name: value
            for name, value in os.environ.items()
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in kept)
        }

    def told(
        self,
        directory: str,
        variables: Mapping[str, str],
        parent: int | None,
        file_bytes: int,
        writable: Sequence[str] = (),
    ) -> str:
        """The first argument of the launcher."""
        private = {name: os.path.join(directory, "home") for name in ("HOME", "USERPROFILE")}
        private |= {name: os.path.join(directory, "tmp") for name in ("TMPDIR", "TEMP", "TMP")}
        told = {
            # Here they were left out before the launcher was started; a script that stands for it may add some.
            "keep": [*KEPT, *self.pass_env] if parent is None else None,
            "set": {**private, **variables},
            "directory": directory,
            "writable": list(writable),
            "parent": parent,
            "network": self.network,
            "file_bytes": file_bytes,
            "processes": _THREADS,
        }
        return base64.urlsafe_b64encode(json.dumps(told).encode()).decode()


def largest_file(artifact: int) -> int:
    """How large a file a process may write that is given an artifact of so many bytes."""
    return max(_LEAST_FILE, _LARGER * artifact)


@cache
def held_back(network: bool) -> Mapping[str, Any]:
    """By which means this system keeps a process from the ``network``, from other ``processes`` and from ``files``."""
    with tempfile.TemporaryDirectory(prefix="kerasload-") as folder:
        told = Confinement(network).told(os.path.join(folder, "worker"), {}, os.getpid(), 0)
        command = [sys.executable, "-I", "-S", str(LAUNCHER), told, "tell"]
        try:
            environment = Confinement().environment()
            done = subprocess.run(command, env=environment, capture_output=True, timeout=20, check=True)
            answer: dict[str, Any] = json.loads(done.stdout or b"{}")
        except (OSError, ValueError, subprocess.SubprocessError):
            return {}
    return answer


def header(confinement: Confinement) -> str:
    """One line on how the processes of a run are confined here."""
    found = held_back(confinement.network)
    network = {
        "namespace": "none (a namespace of its own)",
        "seccomp": "sockets refused by the kernel",
    }.get(found.get("network", ""), "sockets refused in Python only")
    files = {
        "mounts": "all but a temporary directory read-only",
        "landlock": "writes only to a temporary directory",
    }.get(found.get("files", ""), "writes are watched, not refused")
    processes = "processes apart from others" if "processes" in found else "processes beside others"
    passed = f"; passes {', '.join(confinement.pass_env)}" if confinement.pass_env else ""
    reach = "allowed (--keras-allow-network)" if confinement.network else network
    return f"confined: network {reach}; {files}; {processes}{passed}"
