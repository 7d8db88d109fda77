"""One entry of the catalogue of causes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pytest_kerasload.causes import directions
from pytest_kerasload.findings import Family, Finding, Remedy

if TYPE_CHECKING:
    from pytest_kerasload.artifacts.record import Artifact, Format
    from pytest_kerasload.environments.versions import Versions

Check = Literal["file", "safety", "version", "custom-objects", "load", "roundtrip", "predictions", "handover"]


@dataclass(frozen=True)
class Cause:
    """A named reason why an artifact fails.

    ``code`` is kebab-case and stable. ``title`` is one sentence without names of the case at hand; ``remedies``
    are what to do, most useful first. ``signatures`` are regular expressions searched in the text a loader raised
    (any may match), in the wordings of all releases that show it. ``source`` says where the fact comes from.

    ``formats`` are those it can happen to (none named: any); ``saved_by`` and ``loaded_by`` say between which releases
    it lies, empty where any can show it. ``seen`` are the checks that can find it, those that need no TensorFlow
    first. ``explanation`` says why it happens and what it means, and ``wording`` is an example of what a loader says.
    """

    code: str
    family: Family
    title: str
    remedies: tuple[str, ...] = ()
    signatures: tuple[str, ...] = ()
    source: str = ""
    formats: tuple[Format, ...] = ()
    saved_by: str = ""
    loaded_by: str = ""
    seen: tuple[Check, ...] = ()
    explanation: str = ""
    wording: str = ""

    @property
    def docs(self) -> str:
        """The command that describes the cause; ``docs/causes.md`` says the same under the heading of its code."""
        return f"python -m pytest_kerasload causes {self.code}"

    def remedies_for(self, versions: Versions, artifact: Artifact | None = None) -> tuple[str, ...]:
        """Those of the remedies that make sense for an artifact on that loader."""
        return directions.fitting(self.remedies, versions, artifact)

    def finding(
        self,
        message: str,
        *,
        where: str = "",
        remedies: tuple[Remedy, ...] | None = None,
        detail: str = "",
        fails: bool = True,
        traceback: str = "",
    ) -> Finding:
        """A finding of this cause; without ``remedies``, those of the catalogue, not tried."""
        if remedies is None:
            remedies = tuple(Remedy(action) for action in self.remedies)
        return Finding(self.code, self.family, message, where, remedies, detail, fails, traceback)


@dataclass(frozen=True)
class Entries:
    """Makes the causes of one family, with what most of them share."""

    family: Family
    seen: tuple[Check, ...] = ()
    remedies: tuple[str, ...] = ()

    def __call__(
        self,
        code: str,
        title: str,
        *remedies: str,
        formats: tuple[Format, ...] = (),
        saved_by: str = "",
        loaded_by: str = "",
        seen: tuple[Check, ...] = (),
        explanation: str,
        signatures: tuple[str, ...] = (),
        wording: str = "",
        source: str = "",
    ) -> Cause:
        return Cause(
            code,
            self.family,
            title,
            remedies or self.remedies,
            signatures,
            source,
            formats,
            saved_by,
            loaded_by,
            seen or self.seen,
            explanation,
            wording,
        )
