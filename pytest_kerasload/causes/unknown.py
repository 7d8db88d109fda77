"""What is left when no cause of the catalogue fits."""

from __future__ import annotations

from pytest_kerasload.causes.cause import Cause

UNKNOWN = Cause(
    "unknown-load-error",
    "unknown",
    "The artifact does not load, for a reason that is not in the catalogue",
    (
        "read the loader's own words below",
        "load it with the release that saved it, to see whether the file or the release is at fault",
    ),
    seen=("load",),
    explanation="No signature of the catalogue is in the loader's text. Please report it with that text, so "
    "that it gets an entry.",
)

CAUSES: tuple[Cause, ...] = (UNKNOWN,)
