"""What each parameter of an estimator may be, by scikit-learn's constraints, and what is said of one that is not."""

from difflib import get_close_matches
from functools import cache, lru_cache
from numbers import Integral

from sklearn.base import is_classifier
from sklearn.utils._param_validation import InvalidParameterError, StrOptions, make_constraint

from fastsgd import losses

# What scikit-learn called them in the past, or other libraries do.
RENAMED = {
    "log": "log_loss",
    "logistic": "log_loss",
    "deviance": "log_loss",
    "squared_loss": "squared_error",
    "least_squares": "squared_error",
    "mse": "squared_error",
}
ABSOLUTE = "absolute_error", "absolute", "mae", "l1", "lad"

BOOLEAN = type(make_constraint("boolean"))
PLAIN = frozenset((bool, int, float, str, type(None)))  # of which two that are equal are the same


def validate_params(est):
    """scikit-learn's check of the parameters, and its words; of a name that is not known first what may have been meant.

    Raises
    ------
    InvalidParameterError
    """
    for name in _kinds(type(est)):
        value = vars(est).get(name)
        if not _allows(type(est), name, value):
            raise InvalidParameterError(
                f"The {name!r} parameter of {type(est).__name__} must be {_said(est, name, value)}"
            )


def _said(est, name, value):
    """In words, what a parameter must be, what was found, and what may have been meant."""
    if isinstance(value, Integral) and not _in_64_bits(value):
        return f"within 64 bits. Got a whole number of about {int(value).bit_length() * 3 // 10} digits."
    kinds = _kinds(type(est))[name]
    options = sorted(set().union(*(kind.options for kind in kinds if isinstance(kind, StrOptions))))
    *some, last = dict.fromkeys(words for kind in kinds if not kind.hidden for words in _words(kind))
    known = f"{', '.join(some)} or {last}" if some else last
    if not options or not isinstance(value, str):
        return f"{known}. Got {value!r} instead."
    return f"a name that is known. Got {value!r} instead.{_hint(est, name, value, options, kinds)} It may be {known}."


def _hint(est, name, value, options, kinds):
    """What may have been meant by a name, as a sentence; "" if nothing is like it."""
    if name == "loss" and value in ABSOLUTE:
        ways = {"epsilon_insensitive": " with epsilon=0", "quantile": ", which is half of it"}
        near = next((way for way in ways if way in options and (way == "quantile" or hasattr(est, "epsilon"))), None)
        return "" if near is None else f" Did you mean loss={near!r}{ways[near]}?"
    if name == "loss" and value in losses.LOSSES:
        of = losses.LOSSES[value].task
        classifies = is_classifier(est) if len(of) > 1 else of == ("classifier",)
        return f" It is a loss of {'SGDClassifier' if classifies else 'SGDRegressor'}."
    if value == "none" and any(kind.is_satisfied_by(None) for kind in kinds):
        return f" Did you mean {name}=None?"
    near = [RENAMED[value]] if RENAMED.get(value) in options else get_close_matches(value.lower(), options, 1)
    return f" Did you mean {name}={near[0]!r}?" if near else ""


def _words(kind):
    """The words for a constraint, each for one thing that a parameter may be."""
    if isinstance(kind, StrOptions):
        return list(map(repr, sorted(kind.options)))
    if isinstance(kind, BOOLEAN):
        return ["True", "False"]
    cls = getattr(kind, "type", None)
    if not isinstance(cls, type) or hasattr(kind, "closed"):  # of an interval it is the type of its numbers
        return [str(kind)]
    if cls.__module__.startswith("fastsgd"):
        return [f"such an object of {cls.__module__}"]
    return [f"a {cls.__name__}" if cls in (list, tuple, dict) else str(kind)]


@cache
def _kinds(cls):
    """What each parameter of a class may be, as scikit-learn's objects, which are made once."""
    given = cls._parameter_constraints.items()
    return {name: [make_constraint(kind) for kind in kinds] for name, kinds in given if kinds != "no_validation"}


def _allows(cls, name, value):
    """Whether a parameter may have that value; what does not change is looked at once."""
    return (_look_once if type(value) in PLAIN else _look)(cls, name, value)


def _look(cls, name, value):
    if isinstance(value, Integral) and not _in_64_bits(value):
        return False
    return any(kind.is_satisfied_by(value) for kind in _kinds(cls)[name])


_look_once = lru_cache(maxsize=1024, typed=True)(_look)


def _in_64_bits(value):
    return -(2**63) <= value < 2**63
