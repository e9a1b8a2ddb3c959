"""What the library says of its arguments, in the words of the command line."""

import ast
import re
from shlex import quote

from fastsgd.cli.data import READING
from fastsgd.cli.options import parameters

OTHERS = {
    "early_stopping": "--early-stopping",
    "validation_fraction": "--valid-fraction",
    "X_val": "--valid",
    "y_val": "--valid-target",
    "resume_from": "--resume",
    "sample_weight": "--weight",
    "sample_weight_val": "--weight",
}  # arguments with flags of other names
NO_WORDS = "alpha", "eta0", "tol"  # of English, as all with an underscore
BUFFERED = re.compile(r" \(`buffered`\)|`buffered`")
# What there is in Python alone, and what stands for it on the command line: pattern to words.
IN_PYTHON = {
    r",? or scale X with StandardScaler": "",
    r"Scaling input data with \w+ or \w+ might help, and so might standardize=True\.": "standardize=True might help.",
    r",? or Linear(?:Classifier|Regressor), which have no step size": ", which has no step size",
    r", or take Linear(?:Classifier|Regressor), which has no step size": "",
    r"(?: or|,)(?: such an object| objects?) of fastsgd\.\w+": "",
    r"(?: or|,) a callable(?! \()": "",
    r", an instance of 'numpy\.\S+RandomState'": "",
    r"It is a loss of SGD(Classifier|Regressor)\.": lambda found: f"It is a loss for --task {TASK_OF[found[1]]}.",
    r"a name of sklearn\S+ or a callable \(estimator, X, y\)": "the name of a scorer of scikit-learn",
    r"give a function that has the parameter sample_weight, .*": "name another.",
    r"needs early_stopping=True, or X_val and y_val in fit": "needs --valid or --valid-fraction",
    r" \(sklearn\.[\w.]+\)": "",
    r"Give X_val and y_val\.": "Give X_val.",
    r"^paths: ": "",
}
TASK_OF = {"Classifier": "classification", "Regressor": "regression"}
VALUE = r"""'[^']*'|"[^"]*"|\[(?:[^][]|\[[^]]*\])*\]|\{[^}]*\}|[-+\w]+(?:\.\w+)*"""


def in_flags(text):
    """A message that names arguments, with the flags in their place, quoted as a shell needs them.

    >>> in_flags("n_hashed=100, in training it was 1024. Leave columns='a' out (columns=), or give n_features.")
    '--n-hashed 100, in training it was 1024. Leave --columns a out (--columns), or give --n-features.'
    >>> in_flags("shuffle=False silences this; '/data/n_hashed=3/columns: a' and /data/target=1/x.csv are paths.")
    "--no-shuffle silences this; '/data/n_hashed=3/columns: a' and /data/target=1/x.csv are paths."
    >>> in_flags("Take it as a category (categorical_features=['signup date']).")
    "Take it as a category (--categorical-features 'signup date')."
    """
    kinds = parameters() | {name: bool if hint.__origin__ == bool | None else str for name, hint in READING.items()}
    kinds |= dict.fromkeys(OTHERS, str) | {"early_stopping": bool}
    names = "|".join(sorted(kinds, key=len, reverse=True))
    own = "|".join(name for name in kinds if "_" in name or name in NO_WORDS)
    pattern = re.compile(
        rf"""The '(?P<theirs>{names})' parameter of \w+(?= must )"""  # as scikit-learn has it
        rf"""|(?P<quoted>(?<![\w=])'[^']*'(?!\w)|(?<![\w=])"[^"]*")"""
        rf"""|(?<![\w/.-])(?P<given>{names})=(?P<value>{VALUE})?(?P<and>,(?= (?:{names})=))?"""
        rf"""|(?:^|(?<=[.:] ))(?P<first>{names})(?=: | must )"""
        rf"""|(?<![\w/.=-])(?P<bare>{own})(?![\w/=]|\.\w)"""
    )

    def put(found):
        if found["quoted"]:
            return found["quoted"]
        name = found["theirs"] or found["given"] or found["first"] or found["bare"]
        flag = OTHERS.get(name, f"--{name.replace('_', '-')}")
        return flag if found["value"] is None else _with(flag, found["value"], kinds[name])

    for python, words in IN_PYTHON.items():
        text = re.sub(python, words, text)
    text = BUFFERED.sub(lambda found: "" if found[0][0] == " " else "--max-memory", text)
    return pattern.sub(put, text)


def _with(flag, value, kind):
    """A flag and its value, as they are typed."""
    try:
        value = ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return f"{flag} {value.removeprefix('np.')}"
    if kind is bool:
        if isinstance(value, str):
            return f"{flag}-{value}"
        return flag if value else flag.replace("--", "--no-", 1)
    if isinstance(value, dict):
        value = [f"{key}:{one}" for key, one in value.items()]
    if isinstance(value, list | tuple):
        words = (":".join(one) if isinstance(one, list | tuple) else str(one) for one in value)
        return " ".join(f"{flag} {quote(word)}" for word in words) or flag
    return f"{flag} {str(value).lower() if value is None or isinstance(value, bool) else quote(str(value))}"
