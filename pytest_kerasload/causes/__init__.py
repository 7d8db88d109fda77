"""The catalogue of causes: named reasons why an artifact fails, with what to do about each."""

from pytest_kerasload.causes.catalogue import CAUSES, cause
from pytest_kerasload.causes.explaining import explain

__all__ = ["CAUSES", "cause", "explain"]
