"""Flags that follow from the parameters of the estimators: their names, their meaning, and their values as text."""

import ast
import copy
import functools
import inspect
from typing import Annotated, get_args

import typer

from fastsgd.cli.flags import OUTPUT, PARAMETERS

WORDS = {"none": None, "true": True, "false": False}
# The words that a parameter may also be whose flag takes no value: each is a flag of its own, --shuffle-replace.
WORDS_OF_FLAGS = {
    "shuffle": {
        "replace": "The row of each step is drawn anew, so that an epoch has a row several times or not at all."
    }
}
# For data of any size; `Passes` makes more of few rows. The estimators' own are for many passes over data in memory.
DEFAULTS = {"loss": "log_loss", "learning_rate": "auto", "max_iter": 1, "tol": None, "random_state": 0}
# What learning_rate="auto" does not take, but for the estimators' own value of most.
NOT_AUTO = "average", "batch_size", "gradient_noise", "init", "intercept_decay", "n_init", "multi_class"
STEPS = "optimizer", "eta0", "power_t"  # By these the user says what steps are to be made.
# What stands in place of "auto" for classes that are trained together, where it is not for them. With another eta0 or optimizer
# or on raw columns one pass was worse on most, and "optimal" diverged.
TOGETHER = {"optimizer": "adagrad", "learning_rate": "constant", "eta0": 0.1, "standardize": True}
Model = Annotated[
    str,
    typer.Option(
        help="A model file, as `train --model` writes it.", metavar="FILE", show_default=False, rich_help_panel=OUTPUT
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="One JSON object on stdout, and nothing else there.", rich_help_panel=OUTPUT)
]


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


def parameters():
    """The parameters that are flags: {name: type of the value}."""
    return {name: bool if one.metavar is None else literal for name, one in PARAMETERS.items()}


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


def flag(kind, text, panel, *names, rare=False, **how):
    """The annotation of a flag that may be left out; of a rare one the help has the name alone, and --help-all the text."""
    more = {"rich_help_panel": panel, "hidden": rare, "show_default": False}
    return Annotated[kind | None, typer.Option(*names, help=text, **more, **how)]


def less_often(flags, common):
    """The same flags, all rare but those in common."""
    found = dict(flags)
    for name, hint in flags.items():
        kind, option = get_args(hint)
        option = copy.copy(option)
        option.hidden = name not in common
        found[name] = Annotated[kind, option]
    return found


def parameter_flags():
    """A flag for each parameter of the estimators. Its value is a tuple of one, as None stands for one not given."""
    found = {}
    for name, one in PARAMETERS.items():
        if one.metavar is None:
            found[name] = flag(bool, one.text, one.panel, rare=one.rare)
            for word in WORDS_OF_FLAGS.get(name, ()):
                found[f"{name}_{word}"] = flag(
                    bool, WORDS_OF_FLAGS[name][word], one.panel, f"{as_flag(name)}-{word}", rare=one.rare
                )
        else:
            value = {"parser": lambda words: (literal(words),), "metavar": one.metavar}
            found[name] = flag(str, one.text, one.panel, rare=one.rare, **value)
    return found


def _of_words(params):
    """These parameters, where the words of WORDS_OF_FLAGS are values."""
    for name, words in WORDS_OF_FLAGS.items():
        for word in words:
            if params.pop(f"{name}_{word}", False):
                if params.setdefault(name, word) is False:
                    raise ValueError(f"{as_flag(name)}-{word} does not go with --no-{name}: give one of them.")
                params[name] = word
    return params


def estimator(params, task, more=None, cluster=False):
    """(estimator, what to say of it) of what `parameter_flags` gives.

    Parameters
    ----------
    params : dict
    task : str or None
        None follows from the loss.
    more : dict or None
        Parameters in place of DEFAULTS.
    cluster : bool
        Whether it is to be trained on a cluster, where "auto" is for one class against the rest.
    """
    from fastsgd import SGDClassifier, SGDRegressor, losses
    from fastsgd.estimators.regressor import LOSSES as REGRESSION

    params = _of_words({name: value[0] if isinstance(value, tuple) else value for name, value in params.items()})
    defaults = DEFAULTS | (more or {}) | ({"loss": "squared_error"} if task == "regression" else {})
    if (coupled := losses.MULTICLASS.get(params.get("multi_class"))) is not None:
        defaults["loss"] = coupled.binary
    loss = (defaults | params)["loss"]
    if task is None:
        task = "classification" if loss not in REGRESSION else "regression"
    cls = SGDClassifier if task == "classification" else SGDRegressor
    own = {name: parameter.default for name, parameter in inspect.signature(cls).parameters.items()}
    for name in sorted(params.keys() - own.keys()):
        raise ValueError(f"{as_flag(name)} does not go with --task {task}: leave it out.")
    against = [name for name in STEPS if name in params] + [n for n in NOT_AUTO if n in params and params[n] != own[n]]
    if params.get("multi_class") == "multinomial" and not cluster:
        against.remove("multi_class")
    alone = cluster or against or "multi_class" in params or params.get("n_bootstrap") or params.get("n_splits")
    if params.get("half_life"):
        defaults["shuffle"] = False
    if task == "classification" and loss == "log_loss" and params.get("learning_rate", "auto") == "auto" and not alone:
        defaults["multi_class"] = "multinomial"
    said = None
    if against and "learning_rate" not in params:
        del defaults["learning_rate"]
        if params.get("multi_class", "ovr") != "ovr" and not set(STEPS) & set(params):
            defaults |= TOGETHER
        made = {name: (own | defaults | params)[name] for name in ("learning_rate", *STEPS[:2], "standardize")}
        flags = ", ".join(f"{as_flag(name)} {value}" for name, value in made.items() if value is not False)
        said = (
            f"--learning-rate auto does not go with {as_flag(against[0])}; in its place: {flags.replace(' True', '')}"
        )
    return cls(**defaults | params), said


def as_flag(name):
    """The flag of a parameter."""
    return f"--{name.replace('_', '-')}"
