"""An example that shows a failure, made small: fewer rows, fewer values that matter, shorter numbers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Shows = Callable[[list[Array]], bool]
"""Whether a smaller example still shows the failure."""

_MOST_ROUNDED = 6


@dataclass(frozen=True)
class Domain:
    """What the values of one array may become.

    ``simplest`` is one value, or an array of one for each element (an element's own value where it has to stay).
    ``rounds`` says whether other numbers than those given make sense, from ``least`` to ``most``.
    """

    simplest: Any = 0
    least: float = -math.inf
    most: float = math.inf
    rounds: bool = True


class _Enough(Exception):
    """The calls or the time are used up."""


def reduced(
    example: Sequence[Array],
    shows: Shows,
    domains: Sequence[Domain] | None = None,
    *,
    rows: bool = True,
    calls: int = 60,
    seconds: float = 20.0,
) -> list[Array]:
    """The smallest example found that still shows the failure; the example itself where none is smaller.

    By delta debugging (Zeller and Hildebrandt, 2002): rows are left out, then blocks of elements take their simplest
    value, then what remains is rounded. ``shows`` is asked at most ``calls`` times, and not again after ``seconds``.
    ``rows`` is false where the number of rows is fixed.
    """
    search = _Search(example, shows, domains or [Domain()] * len(example), calls, seconds)
    try:
        if rows:
            search.fewer_rows()
        with_rounding = calls // 5
        search.simpler_elements(with_rounding)
        search.shorter_numbers()
    except _Enough:
        pass
    return search.best


class _Search:
    """The smallest example so far, and what may still be asked."""

    def __init__(
        self, example: Sequence[Array], shows: Shows, domains: Sequence[Domain], calls: int, seconds: float
    ) -> None:
        self.best = [np.array(array) for array in example]
        self.domains = domains
        self.simplest = [_simplest(a, domain) for a, domain in zip(self.best, domains, strict=True)]
        self.shows = shows
        self.calls = calls
        self.end = time.monotonic() + seconds

    def attempt(self, candidate: list[Array], spare: int = 0) -> bool:
        """Whether the candidate shows the failure; it is the best one then. ``spare`` calls are left for later."""
        if all(_equal(one, other) for one, other in zip(candidate, self.best, strict=True)):
            return True
        if self.calls <= spare or time.monotonic() > self.end:
            raise _Enough
        self.calls -= 1
        if not self.shows([array.copy() for array in candidate]):
            return False
        self.best = candidate
        return True

    def fewer_rows(self) -> None:
        counts = {array.shape[0] if array.ndim else 0 for array in self.best}
        if len(counts) != 1 or counts <= {0, 1}:
            return
        whole, simplest = self.best, self.simplest

        def holds(kept: list[int]) -> bool:
            if not kept or not self.attempt([array[kept] for array in whole]):
                return False
            self.simplest = [array[kept] for array in simplest]
            return True

        _smallest(list(range(counts.pop())), holds)

    def simpler_elements(self, spare: int) -> None:
        whole = self.best
        sizes = np.cumsum([0, *(array.size for array in whole)])
        changed = [
            start + np.flatnonzero(~_same(array, simple))
            for start, array, simple in zip(sizes, whole, self.simplest, strict=False)
        ]
        places = [int(place) for places in changed for place in places]

        def holds(kept: list[int]) -> bool:
            chosen = np.zeros(sizes[-1], bool)
            chosen[kept] = True
            candidate = [
                np.where(chosen[start : start + array.size].reshape(array.shape), array, simple).astype(array.dtype)
                for start, array, simple in zip(sizes, whole, self.simplest, strict=False)
            ]
            return self.attempt(candidate, spare)

        try:
            if places and not holds([]):
                _smallest(places, holds)
        except _Enough:
            if self.calls < spare or time.monotonic() > self.end:
                raise

    def shorter_numbers(self) -> None:
        left = [
            (index, int(place))
            for index, (array, simple) in enumerate(zip(self.best, self.simplest, strict=True))
            if self.domains[index].rounds and array.dtype.kind in "fciu"
            for place in np.flatnonzero(~_same(array, simple))
        ]
        if left and not self._rounded(left) and 1 < len(left) <= _MOST_ROUNDED:
            for one in left:
                self._rounded([one])

    def _rounded(self, places: list[tuple[int, int]]) -> bool:
        for digits in (0, 1, 2, 3):
            candidate = [array.copy() for array in self.best]
            for index, place in places:
                flat, domain = candidate[index].reshape(-1), self.domains[index]
                flat[place] = _short(flat[place], digits, domain)
            if self.attempt(candidate):
                return True
        return False


def _smallest(items: list[int], holds: Callable[[list[int]], bool]) -> list[int]:
    """A smallest part of ``items`` for which ``holds``: none of its own parts of the last size tried does."""
    parts = 2
    while len(items) > 1:
        size = math.ceil(len(items) / parts)
        chunks = [items[start : start + size] for start in range(0, len(items), size)]
        found = next((chunk for chunk in chunks if len(chunk) < len(items) and holds(chunk)), None)
        if found is not None:
            items, parts = found, 2
            continue
        rests = ([item for other in chunks if other is not chunk for item in other] for chunk in chunks)
        found = next((rest for rest in rests if rest and holds(rest)), None) if len(chunks) > 2 else None
        if found is not None:
            items, parts = found, max(2, parts - 1)
        elif size == 1:
            break
        else:
            parts = min(len(items), parts * 2)
    return items


def _simplest(array: Array, domain: Domain) -> Array:
    """The simplest value of each element, where the dtype holds it; else the element's own."""
    simple = np.broadcast_to(np.asarray(domain.simplest), array.shape)
    if (array.dtype.kind in "SU") != (simple.dtype.kind in "SU"):
        return array
    return simple.astype(array.dtype)


def _equal(one: Array, other: Array) -> bool:
    return one.shape == other.shape and bool(_same(one, other).all())


def _same(one: Array, other: Array) -> Array:
    """Where two arrays hold the same, NaN being the same as NaN."""
    same = np.asarray(one == other)
    if one.dtype.kind in "fc":
        same = same | (np.isnan(one) & np.isnan(other))
    return same


def _short(value: Any, digits: int, domain: Domain) -> Any:
    """The number with this many significant digits, nearer to zero; for none of them 1 or -1."""
    if np.iscomplexobj(value):
        return complex(_short(value.real, digits, domain), _short(value.imag, digits, domain))
    number = float(value)
    if not math.isfinite(number) or number == 0:
        return value
    if digits == 0:
        short = math.copysign(1.0, number)
    else:
        unit = 10.0 ** (math.floor(math.log10(abs(number))) - digits + 1)
        short = float(f"{math.trunc(number / unit) * unit:.{digits}g}") if math.isfinite(number / unit) else number
    short = min(max(short, domain.least), domain.most)
    whole = isinstance(value, np.integer)
    return value.dtype.type(math.ceil(short) if whole else short)
