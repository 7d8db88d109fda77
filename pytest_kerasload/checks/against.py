"""A loaded model against its expected outputs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from pytest_kerasload import comparison, expected, vetting
from pytest_kerasload.causes.catalogue import cause
from pytest_kerasload.checks import comparing, deviations, pairing
from pytest_kerasload.checks.verdict import Context, Verdict
from pytest_kerasload.environments.process import RequestFailed
from pytest_kerasload.environments.session import Loaded, Output

Array = NDArray[Any]


def against_expected(context: Context, loaded: Loaded) -> Verdict:
    """What a loaded model's outputs differ from the expected ones in."""
    path = context.expected_path
    if context.known is None and not os.path.lexists(path):
        return Verdict((deviations.missing(context),))
    try:
        known = context.known or vetting.read(path)
    except (OSError, expected.ExpectedUnreadable) as error:
        return Verdict((deviations.unreadable(context, error),))
    empty = [name for name, array in known.outputs.items() if not comparison.comparable(array)]
    if empty:
        what = f"{path.name} holds no finite value of output {', '.join(map(repr, empty))}: nothing can be compared"
        return Verdict((cause("expected-not-finite").finding(what, where=empty[0]),))
    try:
        given = comparing.stored_inputs(loaded, known)
    except expected.NamesDiffer as error:
        since = "\n".join(deviations.since(context, known))
        return Verdict((cause("inputs-not-found").finding(str(error), where=path.name, detail=since),))
    stored = list(known.inputs.values())
    asked = [next(place for place, one in enumerate(stored) if one is array) for array in given if array is not None]
    moved = pairing.reordered(context, known, loaded, asked, "inputs", list(known.inputs))
    if moved is not None:
        return Verdict((moved,))
    try:
        obtained = context.session.predict(loaded, given)
    except RequestFailed as error:
        fits = all(
            array is None or comparing.takes(spec, array) for spec, array in zip(loaded.inputs, given, strict=False)
        )
        return Verdict((deviations.refused(context, known, error, fits=fits),))
    compared, problem = pairing.pairs(context, known, given, obtained, loaded)
    if problem is not None:
        return Verdict((problem,))
    result = comparing.measured(compared, known.rows)
    wrong = [one for one in compared if not one.agrees]
    changed = deviations.changed_weights(context, known, loaded)
    if not wrong:
        return Verdict(
            (*deviations.unseen(context, known, changed), *deviations.released_again(context, known)), result
        )
    if any(one.kind == "values" for one in wrong) and not _deterministic(context, loaded, given, obtained):
        # An export of a stateful model remembers what it was asked before: one that was asked nothing decides.
        fresh = context.session.again(loaded)
        compared, _ = pairing.pairs(context, known, given, context.session.predict(fresh, given), fresh)
        context.session.drop(fresh)
        if loaded.kind == "signatures" and compared and all(one.agrees for one in compared):
            return Verdict(deviations.released_again(context, known), comparing.measured(compared, known.rows))
        return Verdict((comparing.random_outputs(context),), result)
    exchanged = deviations.exchanged_weights(context, known, loaded, changed)
    return Verdict(tuple(deviations.differs(context, known, one, changed, exchanged) for one in wrong), result)


def _deterministic(context: Context, loaded: Loaded, given: Sequence[Array | None], obtained: Sequence[Output]) -> bool:
    """Whether the same inputs give the same outputs a second time."""
    again = context.session.predict(loaded, given)
    return all(one.agrees for one in comparing.side_by_side(context, obtained, again))
