"""What is lost: weights that no load restores, and state that saving and loading again changes."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_kerasload.artifacts.record import Format
from pytest_kerasload.causes.catalogue import cause
from pytest_kerasload.checks.configuration import differences
from pytest_kerasload.checks.verdict import Context
from pytest_kerasload.environments.session import Comparison, Difference, Loaded
from pytest_kerasload.findings import Finding, listed


def missing_weights(context: Context, loaded: Loaded) -> Iterator[Finding]:
    """More weights in the model than in its file: some were never stored, and are made anew at each load."""
    stored = context.artifact.weights.elements
    if stored is None or loaded.kind != "keras":
        return
    elements, weights = context.session.elements(loaded)
    if elements > stored:
        names = ", ".join(name for name, _ in weights[:5]) + (" ..." if len(weights) > 5 else "")
        yield cause("weights-missing-in-file").finding(
            f"the model has {elements:,} weight elements, its file only {stored:,}: "
            f"{elements - stored:,} were not stored",
            where=f"among {names}",
        )


def lost_weights(context: Context, loaded: Loaded) -> Iterator[Finding]:
    """Weights that are not in the file; with the attribute that keeps them there, where it is known to lose them."""
    for missing in missing_weights(context, loaded):
        nested = context.session.nested(loaded) if context.artifact.format == "keras" else ()
        if not nested:
            yield missing
            continue
        written = context.artifact.saved_with.keras
        told = listed([f"{one['attribute']} of {one['class']}" for one in nested])
        message = (
            f"sublayers kept in nested lists were not saved{f' by Keras {written}' if written else ''}, and come back "
            f"with new weights: {told}; {missing.message}"
        )
        yield cause("nested-sublayers-not-restored").finding(message, where=listed([one["layer"] for one in nested]))


def two_loads(context: Context, first: Loaded) -> Iterator[Finding]:
    """Weights that differ between two loads of the same file: they were never restored."""
    session = context.session
    again = session.again(first)
    compared = session.compare(first, again)
    session.drop(again)
    difference = compared.weights
    if difference.places:
        yield cause("loads-differ").finding(
            f"two loads of {context.artifact.path.name} give different weights: "
            f"{len(difference.places)} of {difference.counts[0]} are not restored from the file",
            where=_names(difference),
        )


def state(context: Context, format: Format, compared: Comparison) -> Iterator[Finding]:
    """How weights, configuration, compile state and optimizer of a model came back from ``format``."""
    name = context.artifact.path.name
    weights = compared.weights
    if weights.counts[0] != weights.counts[1] and context.session.way == "keras":
        yield cause("roundtrip-weights-differ").finding(
            f"{name} has {weights.counts[0]} weights, and {weights.counts[1]} after saving as {format}"
        )
    elif weights.places and context.session.way == "keras":
        largest = max((place[4] or 0.0 for place in weights.places), default=0.0)
        yield cause("roundtrip-weights-differ").finding(
            f"{len(weights.places)} of {weights.counts[0]} weights of {name} are others after saving as {format} "
            f"(by up to {largest:.3g})",
            where=_names(weights),
        )
    if compared.config is not None and compared.config[0] is not None and compared.config[1] is not None:
        changed = list(differences(compared.config[0], compared.config[1]))
        if changed:
            yield cause("roundtrip-config-differs").finding(
                f"the configuration of {name} is another one after saving as {format}",
                where=", ".join(place for place, _, _ in changed[:5]),
                detail="\n".join(f"{place}: {one!r} became {other!r}" for place, one, other in changed[:20]),
            )
    fails = not context.settings.inference_only
    if compared.compiled is not None and any(compared.compiled):
        changed = list(differences(*compared.compiled))
        if changed:
            yield cause("roundtrip-compile-state-differs").finding(
                f"{name} is compiled differently after saving as {format}: {changed[0][0]}: "
                f"{changed[0][1]!r} became {changed[0][2]!r}",
                where=", ".join(place for place, _, _ in changed[:5]),
                fails=fails,
            )
    optimizer = compared.optimizer
    # Two variables are the step count and the learning rate, which every optimizer has before it was ever used.
    if optimizer.counts[0] > max(2, optimizer.counts[1]) or (
        optimizer.counts[0] == optimizer.counts[1] and optimizer.places
    ):
        yield cause("roundtrip-optimizer-state-differs").finding(
            f"the optimizer of {name} had {optimizer.counts[0]} variables and has {optimizer.counts[1]} after saving "
            f"as {format}; {len(optimizer.places)} hold other values",
            where=_names(optimizer),
            fails=fails,
        )


def _names(difference: Difference) -> str:
    return listed(place[0] for place in difference.places)
