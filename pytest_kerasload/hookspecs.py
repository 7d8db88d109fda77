"""The hooks that users can implement, in a ``conftest.py`` or a plugin of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_kerasload.artifacts.record import Artifact
    from pytest_kerasload.environments.session import InputSpec


@pytest.hookspec(firstresult=True)
def pytest_kerasload_inputs(artifact: Artifact, inputs: Sequence[InputSpec]) -> Mapping[str, Any] | None:
    """Say what an artifact is tried on, where its layers do not tell.

    ``artifact`` is what the file says of itself (``path``, ``format``, ``saved_with``, ``custom_objects``, ...),
    ``inputs`` the inputs of the model that was loaded from it (``name``, ``shape``, ``dtype``).

    Give None for an artifact that you have nothing to say of, else, for any of its inputs by name, either a table as
    in ``kerasload.toml`` (any of ``shape``, ``dtype``, ``min``, ``max``, ``values``) or a NumPy batch of real rows::

        def pytest_kerasload_inputs(artifact, inputs):
            if artifact.path.name == "ranker.keras":
                return {"tokens": {"max": 999}, "image": np.load("tests/data/images.npy")}

    What ``kerasload.toml`` says of an input goes before it. The first answer that is not None is taken. It may be
    called several times for an artifact: keep what is slow to read. Of ``conftest.py`` files, the one in the root
    directory is always there, whatever is collected.
    """


class InputsHook:
    """The hook as the engine calls it, with who implements it."""

    def __init__(self, config: pytest.Config) -> None:
        self._caller = config.hook.pytest_kerasload_inputs

    def __call__(self, artifact: Artifact, inputs: Sequence[InputSpec]) -> Any:
        return self._caller(artifact=artifact, inputs=inputs)

    @property
    def origin(self) -> str:
        """Where the hook is implemented: the file and line of each function."""
        codes = [getattr(found.function, "__code__", None) for found in self._caller.get_hookimpls()]
        return ", ".join(f"{code.co_filename}:{code.co_firstlineno}" for code in codes if code is not None)
