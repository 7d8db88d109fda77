"""``load``: does ``load_model(path)``, as a user would write it, work there?"""

from __future__ import annotations

import re

from pytest_kerasload import inputs
from pytest_kerasload.causes.catalogue import cause
from pytest_kerasload.causes.cause import Cause
from pytest_kerasload.causes.explaining import explain
from pytest_kerasload.checks import comparing, ways
from pytest_kerasload.checks.custom_objects import not_importable
from pytest_kerasload.checks.verdict import Context, Verdict
from pytest_kerasload.environments.process import RequestFailed
from pytest_kerasload.environments.session import Loaded
from pytest_kerasload.findings import Finding, listed


def check(context: Context) -> Verdict:
    """Why the artifact does not load, with what would work instead; notes where it loads only as the user allowed."""
    session = context.session
    if context.import_error is not None:
        # load_model itself is not to blame; without the user's objects its answer would mislead.
        return Verdict((not_importable(context.import_error),))
    try:
        loaded = session.load()
    except RequestFailed as error:
        return _as_allowed(context, error)
    if loaded.kind == "signatures":
        return _answers(context, loaded)
    return Verdict(tuple(_remarks(loaded)))


def _as_allowed(context: Context, error: RequestFailed) -> Verdict:
    """After the plain call failed: whether it loads in a way that the user allowed, else the failure."""
    for way in context.ways()[1:]:
        try:
            loaded = way()
        except RequestFailed as other:
            # Where the user trusts the artifact, that Keras does not is no news: what comes after it is.
            if explain(error.text, context.session.versions, context.artifact).code == "lambda-bytecode":
                error = other
            continue
        found = explain(error.text, context.session.versions, context.artifact)
        note = found.finding(
            f"load_model(path) does not work on {context.label} ({ways.first_line(error)}); "
            "it loads in the way that was allowed",
            remedies=(),
            fails=False,
        )
        return Verdict((note, *_remarks(loaded)))
    return Verdict((_failure(context, error),))


def _answers(context: Context, loaded: Loaded) -> Verdict:
    """An export has to answer through its signatures, not only to load."""
    name = context.artifact.path.name
    if not loaded.endpoints:
        message = f"{name} loads, but has no signatures and no functions: nothing in it can be called"
        return Verdict((cause("savedmodel-no-signatures").finding(message),))
    try:
        answered = {spec.endpoint for spec in comparing.plan(context, loaded).specs}
    except inputs.InputsNotFound as error:
        return Verdict((comparing.no_inputs(context, error),))
    asked = dict.fromkeys(spec.endpoint for spec in loaded.inputs)
    silent = [endpoint for endpoint in asked if endpoint not in answered]
    if not silent:
        return Verdict()
    note = (
        f"{name} answers through {', '.join(sorted(answered))}; no inputs were found that {', '.join(silent)} answers"
    )
    return Verdict((cause("inputs-not-found").finding(note, where=", ".join(silent), fails=False),))


def _failure(context: Context, error: RequestFailed) -> Finding:
    found = _cause(context, error)
    saved = context.artifact.saved_with
    with_ = f" (saved with Keras {saved.keras})" if saved.keras else ""
    return found.finding(
        f"{context.artifact.path.name} does not load on {context.label}: {_lower(found.title)}{_named(error)}{with_}",
        where=_where(context, error),
        remedies=ways.remedies(context, found.remedies_for(context.session.versions, context.artifact), error),
        detail=f"{error.type}: {ways.said(error)}",
        traceback=error.traceback,
    )


_BLAMED = {"h5-sequential-unbuilt": "lambda-call-fails", "h5-weight-order": "h5-axis-dropped"}
"""What a text says of a model that another cause had left unbuilt, or built in other shapes, by then."""


_OF_THE_SYSTEM = frozenset(
    {"FileNotFoundError", "PermissionError", "ConnectionError", "TimeoutError", "ImportError", "ModuleNotFoundError"}
)
"""What code of the user's raises for reasons that lie outside of the file."""


def _cause(context: Context, error: RequestFailed) -> Cause:
    """The cause that the loader's text shows; where it shows none, or a consequence, what the forecast says."""
    found = explain(error.text, context.session.versions, context.artifact)
    if found.family != "unknown" and found.code not in _BLAMED:
        return found
    forecast = context.forecast()
    if found.family != "unknown":
        blamed = _BLAMED[found.code]
        return cause(blamed) if any(one.cause == blamed for one in forecast) else found
    if error.type in _OF_THE_SYSTEM:
        return found
    quoted = set(re.findall(r"'([A-Za-z_]\w+)'", error.text))
    rejected = [one for one in forecast if "load" in cause(one.cause).seen and one.family != "training-state"]
    named = [one for one in rejected if quoted & set(re.findall(r"\w+", one.message))]
    return cause((named or rejected)[0].cause) if rejected else found


_NAMES = re.compile(r"Keras\b|[A-Z][a-z]+[A-Z]|Bidirectional\b|Normalization\b")
"""Of programs and classes, with which titles begin."""


def _lower(title: str) -> str:
    """A title as it stands behind a colon."""
    plain = (title[:2].istitle() or title[:2] == "A ") and not _NAMES.match(title)
    return title[:1].lower() + title[1:] if plain else title


_NAMED = re.compile(
    r"(?:Unknown [\w ]+|Could not locate \w+|[Uu]nable to restore a layer of class|custom object of type)"
    r":? *'?([^'\s.,]+)"
)


def _named(error: RequestFailed) -> str:
    """The object that the loader's words name, where they name one."""
    match = _NAMED.search(ways.said(error))
    return f": {match[1]}" if match else ""


def _where(context: Context, error: RequestFailed) -> str:
    """Places of the artifact whose class or function the loader's words name."""
    text = ways.said(error).replace('"', "'")
    named = set(re.findall(r"passed to (\w+)|(?:class|layer|function):? '?([\w>]+)'?", text))
    names = {name for pair in named for name in pair if name}
    return listed(
        use.place for use in context.artifact.objects if use.name in names or use.name.split(">")[-1] in names
    )


# Warnings that say that something of the training state was not restored. The model predicts all the same.
_NOT_RESTORED = ("Skipping variable loading for optimizer", "Error in loading the saved optimizer state")


def _remarks(loaded: Loaded) -> list[Finding]:
    return [
        cause("optimizer-not-restored").finding(remark.splitlines()[0][:300], fails=False)
        for remark in loaded.remarks
        if any(words in remark for words in _NOT_RESTORED)
    ]
