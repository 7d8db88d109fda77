"""What can be changed in an artifact's configuration so that another Keras release reads it, and the changed copy."""

from pytest_kerasload.amendments.amendment import Amendment, amended
from pytest_kerasload.amendments.change import Change
from pytest_kerasload.amendments.writing import NotWritten, write

__all__ = ["Amendment", "Change", "NotWritten", "amended", "write"]
