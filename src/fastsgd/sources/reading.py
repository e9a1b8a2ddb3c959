"""How the data of a fit were read, and other data brought to the same."""

from fastsgd.sources.features.date_parts import same_parts
from fastsgd.sources.rules import MAX_LISTED, by_column, fits, is_rule, matching, pairs_of, word_of
from fastsgd.sources.telling import tell

# What models were trained with whose reading does not say it, be they older than that or not.
UNSAID = {"null_indicator": False, "polynomial": None, "bins": None, "log1p": (), "center": False}
NOT_CROSSED = "vector", "pairs", "tokens", "date", "words"  # Columns of these kinds have no products.
DENSE = "number", "vector", "date"  # Columns of these kinds alone are no CSR.
# How values are written in text; `Formats` checks it.
FORMATS = "na_values", "thousands", "decimal", "percent", "currency", "date_format"
MARKS = {"thousands", "decimal"}
# Other data than those of the training may be written in other ways.
OF_FILES = "delimiter", "column_names", "column_types", "encoding", *FORMATS


def as_in_fit(estimator, source):
    """The source, read as that of `fit` was.

    Raises
    ------
    ValueError
        It can't be, or its features have other names; the first difference is named.
    """
    reading, column = getattr(estimator, "reading_", None), getattr(estimator, "segment_column_", None)
    if isinstance(column, str) and not source.segmented:
        source = source.with_segments(column)
    if reading:
        source = source.like(reading)
        wide, found = estimator.n_features_in_, source.n_features
        if "columns" in reading and "columns" in source.reading and found != wide:
            raise ValueError(f"the source has {found} features where the data of fit had {wide}: its columns differ.")
    names, own = source.feature_names, getattr(estimator, "feature_names_in_", None)
    if names is None and own is not None:  # scikit-learn's words for arrays
        listed = ", ".join(map(str, own[:MAX_LISTED])) + ", ..." * (len(own) > MAX_LISTED)
        tell(
            f"X does not have valid feature names, but {type(estimator).__name__} was fitted with feature names: the features of "
            f"this source must be in their order, {listed}."
        )
    elif own is not None and list(names) != list(own):
        raise ValueError(f"the source has other features than those of fit: {difference(names, own)}.")
    return source


def difference(names, own):
    """The first of some names that is not as it should be, in words."""
    odd = next((pair for pair in zip(names, own, strict=False) if pair[0] != pair[1]), (len(names), len(own)))
    return f"{odd[0]!r} in place of {odd[1]!r}"


def first_names(reading):
    """The names of the first features, as far as a table says: those of numbers, which come before hashed words.

    Files of older versions have no such names. There the columns say them, up to one that is several features.
    """
    if isinstance(names := reading.get("first_names"), list):
        return names
    kinds, names = reading.get("kinds", {}), []
    for name in reading["columns"] if "kinds" in reading else ():
        kind = kinds.get(name, "number")
        if kind in ("vector", "date"):
            break
        names += [name] if kind == "number" else []
    return names


def merged(reading, given, booleans=()):
    """The arguments given, and for all others what the reading says.

    Parameters
    ----------
    reading : dict
        As `Source.reading` of a table.
    given : dict
        Arguments of `from_parquet` and the like, as far as they were given.
    booleans : sequence of str
        Columns of true and false, as far as they are known: a reading has them as numbers, and rules by kind have not.

    Raises
    ------
    ValueError
        One that was given contradicts the reading.
    """
    reading = {**UNSAID, **reading} if "columns" in reading else reading
    given = _by_name(reading, given, booleans)
    found = {**reading, **given}
    if MARKS & set(given):  # Both are of the same file.
        found = {name: value for name, value in found.items() if name in given or name not in MARKS}
    kinds = reading.get("kinds")
    words = kinds is None or any(kind not in ("number", "vector", "pairs", "date") for kind in kinds.values())
    hashed = (words and reading.get("categorical") == "hash") or "words" in (kinds or {}).values()
    matters = {
        "categorical": words and given.get("categorical") != "error",
        "n_hashed": hashed,
        "alternate_sign": hashed,
        "center": _has_centers(reading),
    }
    for name, own in reading.items():
        if name not in given or name in ("dtype", *OF_FILES):
            continue
        value = given[name]
        if name in AGREE and AGREE[name](value, own, kinds or ()):
            found[name] = own  # in the order of the reading
        elif name == "categories":
            _same_categories(own, value)
            found[name] = own
        elif name == "n_features" and (own is None or value is None):
            found[name] = own
        elif name == "fill_null" and own is None:
            pass  # in training there was nothing to fill
        elif not matters.get(name, True):
            found[name] = own
        elif not _same(value, own):
            raise contradiction(name, value, own)
    return found


def _has_centers(reading):
    """Whether center=True took anything off: there were features of numbers, and beside them others."""
    kinds, bins = reading.get("kinds") or {}, reading.get("bins") or {}
    columns = reading.get("columns") or ()
    return len({kinds.get(name, "number") in DENSE and name not in bins for name in columns}) == 2


def _by_name(reading, given, booleans):
    """The arguments given, with the columns of the reading in place of patterns and kinds; those left out were none of them."""
    given = dict(given)
    if "columns" not in reading:
        return given
    own = reading["columns"]
    kinds = {name: word_of(reading.get("kinds", {}).get(name, "number")) for name in own}
    kinds |= {name: "boolean" for name in booleans if kinds.get(name) == "number"}
    for name in ("columns", "categorical_features", "text_features", "log1p"):
        if isinstance(given.get(name), list | tuple):
            meant = [matching(name, one, own, kinds) if is_rule(one, own) else [one] for one in given[name]]
            given[name] = list(dict.fromkeys(column for columns in meant for column in columns))
    for rule in given.pop("exclude", ()):
        if lost := [name for name in own if fits(rule, name, kinds)]:
            raise ValueError(f"exclude: {lost[0]!r} was a feature in training: leave it out, or train anew.")
    if isinstance(given.get("interactions"), list | tuple):
        crossed = [name for name in own if reading.get("kinds", {}).get(name) not in NOT_CROSSED]
        given["interactions"] = pairs_of(given["interactions"], own, crossed, kinds)
    filled = [name for name in own if kinds[name] not in ("category", "text")]
    dates, numbers = reading.get("dates"), [name for name in own if kinds[name] == "number"]
    for name, columns in (("dates", dates), ("time_zone", dates), ("fill_null", filled), ("bins", numbers)):
        if isinstance(given.get(name), dict) and columns:
            given[name] = by_column(name, given[name], columns, kinds)
    return given


def contradiction(name, value, own):
    """The ValueError where an argument is another than in training."""
    return ValueError(
        f"{name}={_brief(value)}, in training it was {_brief(own)}{_odd(value, own)}: leave it out, or train anew."
    )


def _as_set(value):
    """The names, or pairs of names, of an argument."""
    try:
        return {tuple(one) if isinstance(one, list) else one for one in value}
    except TypeError:
        return {repr(value)}


def _of_each(value, own):
    """Pairs of what is said of each column, by one word for all or by a dict, and of what the reading says."""
    return [(value.get(name, one) if isinstance(value, dict) else value, one) for name, one in own.items()]


AGREE = {  # Whether a value says what the reading says, in other words; given (value, that of the reading, its kinds).
    "columns": lambda value, own, _: _as_set(value) == _as_set(own),
    "interactions": lambda value, own, _: _as_set(value) == _as_set(own),
    "categorical_features": lambda value, own, kinds: _as_set(value) <= _as_set(own) | _as_set(kinds),
    "log1p": lambda value, own, _: _as_set(value) == _as_set(own),
    "n_hashed": lambda value, own, _: value in ("auto", own),
    "idf": lambda value, own, _: value == "auto" or value is own,
    "text_features": lambda value, own, _: value == "auto" or _as_set(value) == _as_set(own),
    "center": lambda value, own, _: value is True and bool(own),
    "dates": lambda value, own, _: all(same_parts(parts, rule) for rule, parts in _of_each(value, own)),
    "time_zone": lambda value, own, _: all(zone == one for zone, one in _of_each(value, own)),
}


def _same(a, b):
    return a == b or (isinstance(a, list | tuple) and isinstance(b, list | tuple) and list(a) == list(b))


def _same_categories(own, given):
    for name, values in (given or {}).items():
        values = list(map(str, values))
        if name in own and values != own[name]:
            odd = next((value for value in values if value not in own[name]), None)
            what = "are others than in training" if odd is None else f"have {odd!r}, which was none in training"
            raise ValueError(f"categories: those of {name!r} {what}. Leave them out, or train anew.")


def _odd(value, own):
    """The first difference of two lists or dicts, in words."""
    if isinstance(value, dict) and isinstance(own, dict):
        odd = next((key for key in [*own, *value] if own.get(key) != value.get(key)), None)
        return f" ({odd!r})"
    if not isinstance(value, list | tuple) or not isinstance(own, list | tuple):
        return ""
    there, before = _as_set(value), _as_set(own)
    for one in own:
        if not _as_set([one]) <= there:
            return f" ({one!r} is missing)"
    return next((f" ({one!r} is new)" for one in value if not _as_set([one]) <= before), "")


def _brief(value):
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:197]}..."
