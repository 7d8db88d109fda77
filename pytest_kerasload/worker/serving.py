"""The loop of an environment's process: one request in, one reply out, until the channel closes."""

from __future__ import annotations

import copy
import json
import logging
import shutil
import time
import traceback
import warnings
from typing import Any, Callable, Dict, List, Optional

from . import arrays, custom_objects, evidence, packing, runtime, state, store, suspects, watching
from .keras_model import KerasModel
from .saved_model import SignatureModel

_UNWATCHED = ("declare", "files", "release")
"""Requests that are about the user's own code and files, and not about the artifact."""


class _Remarks(logging.Handler):
    """Collects what Keras and absl log as warnings while a request runs."""

    def __init__(self, found: List[str]) -> None:
        super().__init__(logging.WARNING)
        self.found = found

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.found.append(record.getMessage()[:2000])
        except Exception:  # a badly formed log call is not the artifact's fault
            pass


def failure(error: BaseException) -> Dict[str, str]:
    """An exception as text: type, message, and the traceback for those who ask for it."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return {"type": type(error).__name__, "text": _shortened(str(error)), "traceback": text[-20000:]}


def _shortened(text: str) -> str:
    """What an exception says without the middle: Keras puts the whole configuration before the reason."""
    return text if len(text) <= 20000 else text[:4000] + "\n\n...\n\n" + text[-16000:]


class Server:
    """Holds the models of the artifact at hand and answers requests about them."""

    def __init__(self) -> None:
        self.runtime = runtime.Runtime()
        self.models: Dict[str, Any] = {}
        self.objects: Dict[str, Any] = {}
        self.perturbed: Dict[str, evidence.Perturbation] = {}
        self.store: Any = None
        self.watch = watching.Watch()

    # ---- requests

    def hello(self) -> Dict[str, Any]:
        return self.runtime.describe()

    def files(self, what: str, arguments: Dict[str, Any]) -> Dict[str, Any]:
        """Ask the store of files, on a machine that is not pytest's; the first question opens it."""
        if what == "open":
            self.store = store.Store(**arguments)
            return {"answer": None}
        return {"answer": getattr(self.store, what)(**arguments)}

    def declare(self, references: List[Dict[str, Any]], paths: List[str]) -> Dict[str, Any]:
        """Import the user's custom objects; replies with the names under which they are known."""
        self.watch.declared = {str(one["module"]).split(".")[0] for one in references if one.get("module")}
        self.objects = custom_objects.load(self.runtime, references, paths)
        return {"names": sorted(self.objects)}

    def resolve(self, wanted: str) -> Dict[str, Any]:
        """Look for custom objects; ``wanted`` is a list of their uses, as JSON."""
        return {"answers": custom_objects.resolve(self.runtime, json.loads(wanted), self.objects)}

    def load(self, key: str, path: str, way: str, compile: bool, trusted: bool) -> Dict[str, Any]:
        """Load an artifact as ``way`` says (``keras`` or ``signatures``) and keep it under ``key``."""
        if way == "signatures":
            model: Any = SignatureModel(self.runtime, self.runtime.tf.saved_model.load(path))
            self.models[key] = model
            return {"kind": model.kind, "inputs": model.inputs(), "endpoints": sorted(model.endpoints)}
        options: Dict[str, Any] = {}
        if self.objects:
            options["custom_objects"] = dict(self.objects)
        if not compile:
            options["compile"] = False
        if trusted:
            options["safe_mode"] = False
        loaded = self.runtime.load_model(path, **options)
        if not hasattr(loaded, "layers") or not hasattr(loaded, "predict"):
            raise TypeError("load_model returned a %s, which is no Keras model" % type(loaded).__name__)
        model = KerasModel(self.runtime, loaded)
        self.models[key] = model
        return {"kind": model.kind, "inputs": model.inputs(), "endpoints": []}

    def predict(self, key: str, inputs: List[bytes]) -> Dict[str, Any]:
        outputs = self.models[key].predict([arrays.parse(data) if data else None for data in inputs])
        return {"outputs": [[names, arrays.dump(array)] for names, array in outputs]}

    def weights(self, key: str) -> Dict[str, Any]:
        """Name, shape, dtype and number of elements of every weight."""
        found = self.models[key].weights()
        return {
            "weights": [[name, list(array.shape), array.dtype.name, int(array.size)] for name, array in found],
            "elements": sum(int(array.size) for _, array in found),
        }

    def fingerprints(self, key: str) -> Dict[str, Any]:
        """What is remembered of each floating weight."""
        return {"weights": evidence.fingerprints(self.models[key].weights())}

    def nested(self, key: str) -> Dict[str, Any]:
        """Attributes that keep sublayers in lists inside of lists."""
        return {"found": suspects.nested_containers(self.runtime, self.models[key].model)}

    def perturb(self, key: str, seed: int, unit: float) -> Dict[str, Any]:
        """Move every floating weight by a rounding error, over its value in the file."""
        if key not in self.perturbed:
            self.perturbed[key] = evidence.Perturbation(self.models[key].variables())
        return {"variables": self.perturbed[key].apply(seed, unit)}

    def restore(self, key: str) -> Dict[str, Any]:
        """Undo :meth:`perturb`."""
        perturbation = self.perturbed.pop(key, None)
        if perturbation is not None:
            perturbation.restore()
        return {}

    def compare(self, first: str, second: str) -> Dict[str, Any]:
        """Where the weights, configuration, compile state and optimizer state of two models differ."""
        one, other = self.models[first], self.models[second]
        reply: Dict[str, Any] = {
            "weights": _differences(one.weights(), other.weights()),
            "optimizer": _differences(one.optimizer_state(), other.optimizer_state()),
        }
        if one.kind == other.kind == "keras":
            reply["config"] = [state.config(one.model), state.config(other.model)]
            reply["compile"] = [state.compile_state(one.model), state.compile_state(other.model)]
        return reply

    def save(self, key: str, path: str, format: str) -> Dict[str, Any]:
        """Save a model in one of the formats that this release writes."""
        held = self.models[key]
        if held.kind == "signatures":
            tf = self.runtime.tf
            tf.saved_model.save(held.loaded, path, signatures=dict(held.loaded.signatures) or None)
        elif self.runtime.keras3 and format == "savedmodel":
            held.model.export(path)
        elif self.runtime.keras3:
            held.model.save(path)
        else:
            save_format = {"h5": "h5", "keras": "keras", "savedmodel": "tf"}[format]
            held.model.save(path, save_format=save_format)
        return {}

    def release(self, keys: Optional[List[str]], directory: Optional[str]) -> Dict[str, Any]:
        """Drop models (all of them for None) and a directory of temporary copies."""
        for key in list(self.models) if keys is None else keys:
            self.models.pop(key, None)
            self.perturbed.pop(key, None)
        if directory:
            shutil.rmtree(directory, ignore_errors=True)
        if keys is None:
            self.watch.loaded.clear()
            self.runtime.forget()
        return {}

    def latency(self, key: str, inputs: List[bytes], repeat: int) -> Dict[str, Any]:
        """Seconds of each of ``repeat`` calls of a model, after one that builds what the others use again."""
        held = self.models[key]
        given = [arrays.parse(data) if data else None for data in inputs]
        seconds: List[float] = []
        timed = copy.copy(held)
        if held.kind == "signatures":
            timed.endpoints = {name: _Timed(self.runtime.tf, one, seconds) for name, one in held.endpoints.items()}
        else:
            timed.model = _Timed(self.runtime.tf, held.model, seconds)
        calls = []
        for _ in range(repeat + 1):
            del seconds[:]
            timed.predict(given)
            calls.append(sum(seconds))
        return {"seconds": calls[1:]}


class _Timed:
    """A callable that notes how long each call takes, until its values are there; all else is the callable's own."""

    def __init__(self, tf: Any, timed: Any, seconds: List[float]) -> None:
        self._tf = tf
        self._timed = timed
        self._seconds = seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(self._timed, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        result = self._timed(*args, **kwargs)
        for tensor in self._tf.nest.flatten(result, expand_composites=True):
            if hasattr(tensor, "numpy"):  # a GPU computes while Python goes on
                tensor.numpy()
        self._seconds.append(time.perf_counter() - began)
        return result


def _differences(first: List[Any], second: List[Any]) -> Dict[str, Any]:
    """How two lists of named arrays differ: in number, or by place with shapes and the largest difference."""
    import numpy as np

    places = []
    for (name, one), (_, other) in zip(first, second):
        if one.shape != other.shape or one.dtype != other.dtype:
            what = "%s %s" % (one.dtype.name, list(one.shape)), "%s %s" % (other.dtype.name, list(other.shape))
            places.append([name, int(one.size), what[0], what[1], None])
        elif one.dtype.kind in "fc":
            same = (one == other) | (np.isnan(one) & np.isnan(other))
            if not same.all():
                with np.errstate(all="ignore"):
                    largest = float(np.nanmax(np.abs(one.astype(np.float64) - other.astype(np.float64))))
                places.append([name, int((~same).sum()), "", "", largest])
        elif not np.array_equal(one, other):
            places.append([name, int((one != other).sum()), "", "", None])
    return {
        "counts": [len(first), len(second)],
        "names": [[name for name, _ in first], [name for name, _ in second]],
        "places": places,
    }


def serve(channel: Any) -> None:
    """Answer requests until the other side closes: ``{"do": NAME, ...arguments}`` → ``{"ok", ..., "remarks"}``."""
    try:
        server = Server()
    except BaseException as error:  # a broken TensorFlow may raise anything, SystemExit included
        channel.send(packing.pack({"ok": False, "error": failure(error), "remarks": []}))
        return
    channel.send(packing.pack(dict(server.hello(), ok=True, remarks=[])))
    for request in channel:
        remarks: List[str] = []
        handler = _Remarks(remarks)
        logger = logging.getLogger()
        loggers = [logger, logging.getLogger("absl"), logging.getLogger("tensorflow")]
        for one in loggers:
            one.addHandler(handler)
        if request["do"] not in _UNWATCHED:
            server.watch.begin(*([request["path"]] if request["do"] == "load" else []))
        action: Callable[..., Dict[str, Any]] = getattr(server, request.pop("do"))
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                reply = dict(action(**request), ok=True)
            remarks.extend(str(item.message)[:2000] for item in caught)
        except BaseException as error:  # whatever an artifact raises is an answer, not the worker's end
            reply = {"ok": False, "error": failure(error)}
        finally:
            watched = server.watch.end()
            for one in loggers:
                one.removeHandler(handler)
        reply["watched"] = watched
        reply["remarks"] = list(dict.fromkeys(remarks))[:50]
        channel.send(packing.pack(reply))
