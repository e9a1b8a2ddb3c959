"""Model files: safetensors with JSON, which hold numbers and words and no code.

A model file has one entry of metadata, "fastsgd", a JSON text: format and version, class, parameters, labels, names of the
features, versions of the libraries, and the scalars of the state. Its tensors are `coef_`, `intercept_`, `history_`,
`_state.W` and so on, and a CRC-32 of all of it. `rules.py` and `tables.py` say what each must be.
"""

import json
import platform

import numpy as np
import scipy
import sklearn
from sklearn.utils.validation import check_is_fitted

from fastsgd import _version
from fastsgd.persist import CLASSES, FOR_PREDICTION, disk, files
from fastsgd.persist.checkpoint import Checkpoint
from fastsgd.persist.files import Refused
from fastsgd.persist.rules import Keywords, Names, Parts
from fastsgd.persist.segments import Absent
from fastsgd.persist.values import brief, expect, pack_or_name, unpack

FORMAT = "fastsgd model"
STATE_HELD = "training_state"  # False in what is fitted, where a file has none
KEYS = {"class", "params", "fitted", "versions"}


def save(est, path, training_state):
    """See `persist.save`."""
    if type(est) is not CLASSES.get(type(est).__name__):
        raise ValueError(f"est must be one of {', '.join(CLASSES)}, found {type(est).__name__}; joblib.dump takes any.")
    if FOR_PREDICTION not in vars(est):
        check_is_fitted(est, est._stored().fitted)
    path = disk.place(files.path_of("path", path))
    try:
        head, arrays, version = _prepared(est, training_state)
        files.write(path, head, arrays, version=version)
    except ValueError as error:
        raise ValueError(f"{type(est).__name__} can't be saved to {path}: {error}.") from error


def _prepared(est, training_state):
    """The JSON and the arrays of an estimator, which `load` will take, and the version of files that can hold them."""
    stored = est._stored()
    if type(training_state) is not bool:
        raise ValueError(f"training_state must be True or False, found {brief(training_state)}")
    if FOR_PREDICTION in vars(est) and training_state:
        raise ValueError("it was loaded from a file without the state of its training: give training_state=False")
    whole = training_state or not stored.training
    head, arrays = _parts(est._snapshot(), stored, whole)
    _check(est, head, arrays)
    return head, arrays, files.PLAIN if whole else files.THIN


def _parts(est, stored, whole):
    parts = Parts({}, {}, stored.sizes)
    for name, rule in stored.rules(whole).items():
        rule.put(name, getattr(est, name, None), parts)
    if whole:
        stored.put(est, parts)
    else:
        parts.values[STATE_HELD] = False
    head = {
        "format": FORMAT,
        "class": type(est).__name__,
        "params": {name: pack_or_name(value) for name, value in _params(est).items()},
        "fitted": parts.values,
        "versions": {
            "fastsgd": _version.__version__,
            "python": platform.python_version(),
            **{library.__name__: library.__version__ for library in (np, scipy, sklearn)},
        },
    }
    return head, parts.arrays


def _params(est):
    """The parameters of the model. Checkpoints are none: they say where a fit writes, and no stranger's file is to say that."""
    params = est.get_params(deep=False)
    given = params.get("callbacks")
    given = given if isinstance(given, list | tuple) else [given]
    kept = [one for one in given if not isinstance(one, Checkpoint)]
    if len(kept) < len(given):
        params["callbacks"] = kept or None
    return params


def _check(est, head, arrays):
    """That `load` will take what is to be written: the same rules make an estimator of it, without a copy of an array."""
    code = {name: getattr(est, name) for name in _absent(head["params"])}
    _estimator(head | {"fitted": dict(head["fitted"])}, {name: files.Held(a) for name, a in arrays.items()}, code)


def load(path, code):
    """See `persist.load`."""
    with files.reading(files.path_of("path", path), "model file", FORMAT, KEYS) as (head, arrays):
        return _estimator(head, arrays, code)


def versions(path):
    """The versions of what wrote a model file, which `load` has taken: {library: number}."""
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        return json.loads(file.metadata()["fastsgd"])["versions"]


def _estimator(head, arrays, code):
    cls = CLASSES.get(expect(head["class"], str, "class"))
    if cls is None:
        raise ValueError(f"its class must be one of {', '.join(CLASSES)}, found {brief(head['class'])}")
    est, stored = _unfitted(cls, head["params"], code), cls._stored()
    parts = Parts(expect(head["fitted"], dict, "fitted"), arrays, stored.sizes)
    whole = expect(parts.values.pop(STATE_HELD, True), bool, STATE_HELD) or not stored.training
    if not whole:
        vars(est)[FOR_PREDICTION] = True
    for name, rule in stored.rules(whole).items():
        value = rule.take(name, parts)
        if not (value is None and isinstance(rule, Names | Keywords | Absent)):
            setattr(est, name, value)
    stored.take(est, parts)
    if parts.sparse:
        est.sparsify()
    files.all_taken(parts, cls.__name__)
    return est


def _unfitted(cls, params, code):
    """The estimator with those parameters, which it checks itself."""
    params, known = expect(params, dict, "params"), cls().get_params(deep=False)
    absent = _absent(params)
    for name in sorted(params.keys() - known.keys()):
        raise ValueError(f"{cls.__name__} has no parameter {brief(name)}")
    for name in absent:
        if name not in code:
            raise Refused(
                f"{name} of this {cls.__name__} is code, {brief(params[name]['code'])}, which a file does not hold: keep it "
                f"in a module, and call fastsgd.load(path, {name}=...)."
            )
    for name in sorted(code.keys() - set(absent)):
        raise Refused(f"{name} is in the file: load it without, and change it by set_params.")
    est = cls(**{name: code[name] if name in absent else unpack(value) for name, value in params.items()})
    est._check_params()
    return est


def _absent(params):
    """The parameters that are code."""
    return [name for name, value in params.items() if type(value) is dict and set(value) == {"code"}]
