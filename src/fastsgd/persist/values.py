"""Parameters to JSON and back. What is code does not go into a file, and what a file says never runs as code.

Numbers, strings, None and lists are themselves. All else is an object of one entry, whose key says what it is:
{"tuple": [...]}, {"dict": [[key, value], ...]} (the keys of class_weight need not be strings), {"float": "inf"},
{"RandomState": [...]}, {"array": [...]} of numbers or of rows, {"object": [name, parameters]} for those of fastsgd, and
{"code": name}.
"""

import math
import reprlib

import numpy as np

from fastsgd import losses, optimizers, schedules, stopping

SCALARS = (bool, int, float, str, type(None))
INTEGER_LIMIT = 2**63  # Integers are below this, and above its negative.
MT_WORDS = 624  # The state of NumPy's RandomState has this many words.
_SHORT = reprlib.Repr()


def _objects():
    of = {"losses": losses.LOSSES, "schedules": schedules.SCHEDULES, "stopping": stopping.STOPPING}
    found = {f"{module}.{cls.__name__}": cls for module, registry in of.items() for cls in registry.values()}
    for cls in vars(optimizers).values():
        if isinstance(cls, type) and issubclass(cls, optimizers.Optimizer) and cls.name:
            found[f"optimizers.{cls.__name__}"] = cls
    return found


OBJECTS = _objects()  # a file names one of these; nothing is ever imported by a name
NAMES = {cls: name for name, cls in OBJECTS.items()}


class Code(Exception):
    """Of the argument: a function, or an object of a class that is not fastsgd's."""


def pack(value):
    """A parameter as JSON has it.

    Raises
    ------
    Code
        It is, or holds, what a file can't.
    ValueError
        It is one of fastsgd's objects, with parameters that it should not have.

    Examples
    --------
    >>> pack({0: 1.0, 1: float("inf")})
    {'dict': [[0, 1.0], [1, {'float': 'inf'}]]}
    >>> pack(optimizers.AdaGrad())
    {'object': ['optimizers.AdaGrad', {'eps': 1e-10, 'lazy': True}]}
    """
    if type(value) is str:  # as most of millions of values are
        return value
    if type(value) is list:
        return [v if type(v) is str else pack(v) for v in value]
    if isinstance(value, (np.bool_, np.integer, np.floating, np.str_)):
        value = value.item()
    if type(value) is float and not math.isfinite(value):
        return {"float": str(value)}
    if type(value) in SCALARS and not (type(value) is int and abs(value) >= INTEGER_LIMIT):
        return value
    if type(value) is tuple:
        return {"tuple": [pack(v) for v in value]}
    if type(value) is np.ndarray and value.ndim in (1, 2) and value.dtype.kind in "iuf":
        return {"array": [pack(v) for v in value.tolist()]}
    if type(value) is dict:
        return {"dict": [[pack(k), pack(v)] for k, v in value.items()]}
    if type(value) is np.random.RandomState:
        state = value.get_state(legacy=False)
        if state["bit_generator"] == "MT19937":
            key = state["state"]["key"].tolist()
            return {"RandomState": [key, state["state"]["pos"], state["has_gauss"], state["gauss"]]}
    if type(value) in NAMES:
        packed = {"object": [NAMES[type(value)], {k: pack(v) for k, v in value.get_params(deep=False).items()}]}
        unpack(packed)  # what could not be read again is not written
        return packed
    raise Code(getattr(value, "__qualname__", type(value).__qualname__))


def pack_or_name(value):
    """As `pack`; of code its name."""
    try:
        return pack(value)
    except Code as what:
        return {"code": str(what)}


def unpack(value):
    """The parameter that `pack` made this of, by type and range what it may be; else a ValueError.

    >>> unpack({"object": ["stopping.Objective", {"tol": 0.1, "patience": 2}]})
    Objective(tol=0.1, patience=2, absolute=False)
    """
    if type(value) in SCALARS:
        if type(value) is int and abs(value) >= INTEGER_LIMIT:
            raise ValueError(f"an integer must be of 64 bits, found {brief(value)}")
        return value
    if type(value) is list:
        return [v if type(v) is str else unpack(v) for v in value]
    if type(value) is not dict or len(value) != 1 or next(iter(value)) not in KINDS:
        raise ValueError(f"an object must have one entry, of {list(KINDS)}, found {brief(value)}")
    kind, content = next(iter(value.items()))
    return KINDS[kind](content)


def _float(content):
    if content not in ("inf", "-inf", "nan"):
        raise ValueError(f"a float that is not a number must be inf, -inf or nan, found {brief(content)}")
    return float(content)


def _tuple(content):
    return tuple(unpack(v) for v in expect(content, list, "the content of a tuple"))


def _array(content):
    numbers = [unpack(v) for v in expect(content, list, "the content of an array")]
    rows = numbers if numbers and all(type(row) is list for row in numbers) else [numbers]
    if len(set(map(len, rows))) > 1 or any(type(number) not in (int, float) for row in rows for number in row):
        raise ValueError(f"an array must be of numbers, or of rows of as many each, found {brief(numbers)}")
    return np.array(numbers)


def _dict(content):
    out = {}
    for entry in expect(content, list, "the content of a dict"):
        if type(entry) is not list or len(entry) != 2:
            raise ValueError(f"a dict must be a list of pairs, found {brief(entry)} in it")
        key = unpack(entry[0])
        if type(key) not in SCALARS:
            raise ValueError(f"the keys of a dict must be numbers, strings or None, found {brief(key)}")
        out[key] = unpack(entry[1])
    return out


def _random_state(content):
    # NumPy does not check `pos`, with which it reads from memory
    if type(content) is not list or len(content) != 4 or type(content[0]) is not list:
        raise ValueError(f"a RandomState must be [words, position, has_gauss, gauss], found {brief(content)}")
    words, pos, has_gauss, gauss = content
    if len(words) != MT_WORDS or any(type(w) is not int or not 0 <= w < 2**32 for w in words):
        raise ValueError(f"a RandomState must have {MT_WORDS} words of 32 bits")
    if type(pos) is not int or not 0 <= pos <= MT_WORDS or type(has_gauss) is not int or has_gauss not in (0, 1):
        raise ValueError(f"a RandomState must have its position in [0, {MT_WORDS}], found {brief(pos)}")
    if type(gauss) is not float or not math.isfinite(gauss):
        raise ValueError(f"a RandomState must have a finite number gauss, found {brief(gauss)}")
    state = {"key": np.array(words, np.uint32), "pos": pos}
    out = np.random.RandomState()
    out.set_state({"bit_generator": "MT19937", "state": state, "has_gauss": has_gauss, "gauss": gauss})
    return out


def _object(content):
    if type(content) is not list or len(content) != 2 or type(content[0]) is not str or type(content[1]) is not dict:
        raise ValueError(f"an object must be [name, parameters], found {brief(content)}")
    name, given = content
    if name not in OBJECTS:
        raise ValueError(f"this version of fastsgd has no {brief(name)}")
    params, default = {key: unpack(value) for key, value in given.items()}, OBJECTS[name]().get_params()
    for key, value in params.items():
        if key not in default:
            raise ValueError(f"{name} has no parameter {brief(key)}")
        flag = type(default[key]) is bool
        number = type(value) in (int, float) or (value is None and default[key] is None)
        if not (type(value) is bool if flag else number):
            raise ValueError(f"{name}: {key} must be {'a bool' if flag else 'a number'}, found {brief(value)}")
    return OBJECTS[name](**params)


def _code(content):
    raise ValueError("what is code can't be within another parameter")


KINDS = {
    "tuple": _tuple,
    "array": _array,
    "dict": _dict,
    "float": _float,
    "RandomState": _random_state,
    "object": _object,
    "code": _code,
}


def expect(value, kind, what):
    """The value, if its type is exactly that one."""
    if type(value) is not kind:
        raise ValueError(f"{what} must be of type {kind.__name__}, found {brief(value)}")
    return value


def brief(value):
    """A value in words that are not too many.

    >>> brief("x" * 1000)
    "'xxxxxxxxxxxx...xxxxxxxxxxxxx'"
    """
    return _SHORT.repr(value)
