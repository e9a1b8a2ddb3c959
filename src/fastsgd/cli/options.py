"""Flags that follow from the parameters of the estimators: their names, their meaning, and their values as text."""

import ast
import functools
import inspect
import re
from typing import Annotated

import typer

from fastsgd import SGDClassifier, SGDRegressor
from fastsgd.estimators.regressor import LOSSES as REGRESSION

# Not flags: what only means something in Python, or has a flag of another kind.
OTHERWISE = {"callbacks", "warm_start", "n_jobs", "verbose", "early_stopping", "validation_fraction"}
WORDS = {"none": None, "true": True, "false": False}
# For one pass over data of any size. The estimators' own are for many passes over data in memory.
DEFAULTS = {"loss": "log_loss", "learning_rate": "auto", "max_iter": 1, "tol": None, "random_state": 0}
# With one of these, learning_rate="auto" is no default: it takes none of them.
NOT_AUTO = {
    *("optimizer", "batch_size", "average", "gradient_noise", "init", "n_init", "intercept_decay", "multi_class"),
    *("eta0", "power_t"),
}


def literal(text):
    """The value that a text stands for: none, true, false, a Python literal, or itself.

    >>> literal("1e-5"), literal("none"), literal("hinge"), literal("{'a': 2}")
    (1e-05, None, 'hinge', {'a': 2})
    """
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def described(cls):
    """The first sentence of each parameter in a class's docstring, and what its type line says: {name: text}."""
    section = inspect.cleandoc(cls.__doc__).split("Parameters\n----------\n")[1].split("\n\n")[0]
    found = {}
    for entry in re.split(r"\n(?=\w)", section):
        head, *lines = entry.split("\n")
        names, _, kind = head.partition(" : ")
        kind = re.sub(r",? ?default=.*", "", kind)
        text = " ".join(line.strip() for line in lines)
        for name in names.split(", "):
            found[name] = f"{kind}. {text}".strip(" .").replace("[", "(").replace("]", ")") + "."
    return found


def parameters():
    """The parameters that are flags: {name: (type, text)}."""
    found = {}
    for cls in (SGDRegressor, SGDClassifier):  # the latter's words win
        texts = described(cls)
        for name, parameter in inspect.signature(cls).parameters.items():
            if name not in OTHERWISE:
                flag = isinstance(parameter.default, bool) and name != "average"
                found[name] = bool if flag else literal, texts[name]
    return found


def with_flags(into, flags):
    """A decorator: the command also takes these flags, {name: annotation}, and gets those given as one dict, `into`."""

    def wrap(command):
        @functools.wraps(command)
        def filled(**given):
            found = {name: given.pop(name) for name in flags}
            return command(**given, **{into: {name: v for name, v in found.items() if v not in (None, [])}})

        signature = inspect.signature(command)
        own = [p for p in signature.parameters.values() if p.name != into]
        more = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hint)
            for name, hint in flags.items()
        ]
        filled.__signature__ = signature.replace(parameters=[*own, *more])
        filled.__annotations__ = {p.name: p.annotation for p in filled.__signature__.parameters.values()}
        return filled

    return wrap


def flag(kind, text, panel, **how):
    """The annotation of a flag that may be left out."""
    return Annotated[kind | None, typer.Option(help=text, show_default=False, rich_help_panel=panel, **how)]


def parameter_flags():
    """A flag for each parameter of the estimators. Its value is a tuple of one, as None stands for one not given."""
    found = {}
    for name, (kind, text) in parameters().items():
        if name in DEFAULTS:
            text += f" Default here: {str(DEFAULTS[name]).lower()}."
        if kind is bool:
            found[name] = flag(bool, text, "Model")
        else:
            found[name] = flag(str, text, "Model", parser=lambda words: (literal(words),), metavar="VALUE")
    return found


def estimator(params, task):
    """The estimator of what `parameter_flags` gives, and of the task: None follows from the loss."""
    params = {name: value[0] if isinstance(value, tuple) else value for name, value in params.items()}
    defaults = {
        name: value for name, value in DEFAULTS.items() if name != "learning_rate" or not NOT_AUTO & set(params)
    }
    if task == "regression" and "loss" not in params:
        defaults["loss"] = "squared_error"
    params = defaults | params
    if task is None:
        task = "classification" if params["loss"] not in REGRESSION else "regression"
    cls = SGDClassifier if task == "classification" else SGDRegressor
    for name in sorted(params.keys() - inspect.signature(cls).parameters.keys()):
        raise ValueError(f"{cls.__name__} has no {name}: leave --{name.replace('_', '-')} out.")
    return cls(**params)
