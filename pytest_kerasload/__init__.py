"""A pytest plugin that gates releases of Keras model artifacts.

``pytest --keras-models=artifacts/`` checks artifacts; :func:`record` stores what the live model predicts beside the
artifact that it was just saved to; :class:`SaveAndRecord` is the Keras callback that does both at the end of training.
"""

from pytest_kerasload.callback import SaveAndRecord
from pytest_kerasload.recording import record

__all__ = ["SaveAndRecord", "record"]
__version__ = "0.1.0"
