"""A Keras callback: the model and its expected outputs, written together at the end of training."""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path
from typing import Any

from pytest_kerasload.recording import record


class SaveAndRecord:
    """At the end of ``fit``, saves the model to ``path`` and records beside it what the live model predicts.

    ``model.fit(..., callbacks=[..., SaveAndRecord("artifacts/clf.keras")])`` is ``model.save(path)`` and
    :func:`pytest_kerasload.record` with the same ``inputs``, so that the two files hold the same weights: a
    ``ModelCheckpoint`` may have kept those of another epoch. List it last: callbacks take their turns in order, and
    ``EarlyStopping(restore_best_weights=True)`` restores in its own, which under Keras 3 is the end of training too.

    An interrupted training writes no file, and neither do ``evaluate`` and ``predict``. A path that this Keras cannot
    save to is refused before training begins. RuntimeError when the model was saved and cannot be recorded; what was
    trained is then at ``path``, and in ``model.history``. With several workers, give it to the chief alone.

    It is no subclass of a Keras ``Callback``: there is one in every Keras, a process may hold two of them, and
    neither may be imported for the sake of this one. ``CallbackList`` (Keras 2.8 to 3.15) asks for the methods alone.
    """

    model: Any = None
    params: Any = None

    # Keras 2 and tf_keras: it reads no logs, so that they need not be fetched from the device for it.
    _supports_tf_logs = True
    # Keras 3.4 and later: the hooks of batches, which do nothing here, may run in other threads.
    async_safe = True

    def __init__(self, path: str | PathLike[str], inputs: Any = None) -> None:
        self.path = Path(path)
        self.inputs = inputs

    def set_model(self, model: Any) -> None:
        """Take the model that is trained."""
        self.model = model

    def set_params(self, params: Any) -> None:
        """Take the numbers of epochs and steps, as Keras tells them."""
        self.params = params

    def on_train_begin(self, logs: Any = None) -> None:
        """Refuse what could only fail when training is over."""
        from pytest_kerasload.worker.runtime import Runtime

        if Runtime.of(self.model).keras3 and self.path.suffix not in (".keras", ".h5", ".hdf5"):
            raise ValueError(
                f"Keras 3 saves a model to a file that ends in .keras or .h5, and not to {self.path}: "
                "give SaveAndRecord such a path"
            )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(self.path.parent, os.W_OK):
            raise PermissionError(f"nothing can be written to {self.path.parent}, where the trained model shall go")

    def on_train_end(self, logs: Any = None) -> None:
        """Save the model, then record it."""
        self.model.save(str(self.path))
        try:
            record(self.model, self.path, self.inputs)
        except Exception as error:  # whatever it is, the first thing to know is where the trained model is
            raise RuntimeError(
                f"the trained model is saved at {self.path}, but its expected outputs were not recorded: {error}"
            ) from error

    def _nothing(self, *arguments: Any, **named: Any) -> None:
        """What happens at every other moment."""

    on_epoch_begin = on_epoch_end = _nothing
    on_batch_begin = on_batch_end = on_train_batch_begin = on_train_batch_end = _nothing
    on_test_begin = on_test_end = on_test_batch_begin = on_test_batch_end = _nothing
    on_predict_begin = on_predict_end = on_predict_batch_begin = on_predict_batch_end = _nothing

    def _no(self) -> bool:
        """Keras 2 and tf_keras: which batches' hooks are worth calling."""
        return False

    _implements_train_batch_hooks = _implements_test_batch_hooks = _implements_predict_batch_hooks = _no
