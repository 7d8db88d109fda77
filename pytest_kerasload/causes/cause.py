"""One entry of the catalogue of causes."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_kerasload.findings import Family, Finding, Remedy


@dataclass(frozen=True)
class Cause:
    """A named reason why an artifact fails.

    ``code`` is kebab-case and stable. ``title`` is one sentence without names of the case at hand; ``remedies``
    are what to do, most useful first. ``signatures`` are regular expressions searched in the text a loader raised
    (any may match), in the wordings of all releases that show it. ``source`` says where the fact comes from.
    """

    code: str
    family: Family
    title: str
    remedies: tuple[str, ...] = ()
    signatures: tuple[str, ...] = ()
    source: str = ""

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
