"""Which columns of a table are features, and what is asked of each of them."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from fastsgd.sources import encode
from fastsgd.sources.features.date_parts import SETS, available
from fastsgd.sources.features.options import AUTO, N_HASHED, N_WORDS, Options
from fastsgd.sources.features.prose import FirstRows, found_in
from fastsgd.sources.rules import MAX_PAIRS, by_column, is_rule, matching, offer, pairs_of, word_of
from fastsgd.sources.spelling import is_text, spelling_of

NEVER_FILLED = "category", "text"  # Columns of these kinds have no numbers that something else could stand for.
WITH_PRODUCTS = "number", "boolean", "category"  # Columns of these kinds have products.
INDEX = "__index_level_"  # So begins what pandas calls a column that was an index without a name.


def resolved(schema: pa.Schema, where: str, options: Options, first: FirstRows | None = None) -> Options:
    """The options with the names of columns in place of rules: those that are features, and what is asked of each of them.

    `first` gives the first rows of some columns, to see which are texts.
    """
    there, labels, indices = Counter(schema.names), options.labels, _indices(schema)
    free = [name for name in there if name not in labels and name not in indices and not name.startswith(INDEX)]
    kinds = {field.name: _word_of(field, options) for field in schema}
    wanted = _meant("categorical_features", options.categorical_features, there, free, kinds)
    kinds |= dict.fromkeys(wanted, "category")
    said = {*wanted, *(options.dates if isinstance(options.dates, dict) else ())}
    texts = _texts(schema, where, options, [name for name in free if name not in said], kinds, first)
    kinds |= dict.fromkeys(texts, "text")
    found = free if options.columns is None else _meant("columns", options.columns, there, free, kinds)
    left_out = {name for rule in options.exclude for name in matching("exclude", rule, there, kinds)}
    found = [name for name in found if name not in left_out]
    segments = [] if options.segment is None else [options.segment]
    asked = [("columns", found), ("target", options.targets), ("segments", segments), ("weight", labels)]
    for argument, names in [*asked, ("categorical_features", wanted)]:
        _check_there(argument, names, there, where, options)
    if both := set(found) & set(labels):
        raise ValueError(f"columns: {sorted(both)} can't be features and target, weight or segments at once.")
    if lost := [name for name in options.categorical_features if name in there and name not in found]:
        raise ValueError(f"categorical_features: {lost[0]!r} is not among the features, {offer(lost[0], found)}")
    dates = _dates(schema, where, options, [name for name in found if name not in wanted], kinds)
    found = [name for name in found if dates.get(name) != "drop"]
    if not found:
        raise ValueError(f"{where} has no columns that are features.")
    numbers = [name for name in found if kinds[name] == "number"]
    bins = by_column("bins", options.bins or {}, numbers, kinds)
    logs = _meant("log1p", options.log1p, there, numbers, kinds)
    _check_logs(logs, numbers, bins)
    return replace(
        options,
        columns=found,
        exclude=(),
        categorical_features=[name for name in wanted if name in found],
        dates={name: parts for name, parts in dates.items() if parts != "drop"},
        time_zone=_zones(options, kinds),
        interactions=_interactions(schema, replace(options, bins=bins), found, kinds),
        text_features=(texts := [name for name in found if name in texts]),
        n_hashed=_n_hashed(options, found, texts),
        idf=bool(texts and first is not None) if options.idf == AUTO else options.idf,
        fill_null=_fills(options, found, kinds),
        bins=bins or None,
        log1p=logs,
    )


def _check_logs(logs: list[str], numbers: list[str], bins: dict[str, int]) -> None:
    """That columns of which the logarithm is taken are features of numbers, and no bins."""
    if odd := [name for name in logs if name not in numbers]:
        raise ValueError(f"log1p: {odd[0]!r} is no feature of numbers, {offer(odd[0], numbers)}")
    if both := [name for name in logs if name in bins]:
        raise ValueError(
            f"log1p: {both[0]!r} is cut into bins, which are the same for its logarithm: leave out one of both."
        )


def _texts(
    schema: pa.Schema, where: str, options: Options, names: list[str], kinds: dict[str, str], first: FirstRows | None
) -> list[str]:
    """Which of those columns are texts."""
    asked = options.text_features
    if options.is_trained:
        known = options.of_kinds(["words"])
        asked = known if asked == AUTO else asked
        if new := [name for name in _meant("text_features", asked, names, names, kinds) if name not in known]:
            raise ValueError(f"text_features: {new[0]!r} was no text in training. Leave it out, or train anew.")
        return known
    found = _asked_texts(schema, where, options, names, kinds, first)
    own = {"ngram_range": options.ngram_range, "analyzer": options.analyzer, "idf": options.idf is True}
    if not found and (said := next((name for name in own if own[name] != getattr(Options, name)), None)):
        raise ValueError(
            f"{said}={own[said]!r} is of texts, and none of the columns of {where} is one, as far as is known: name it "
            "(text_features=), or leave that out."
        )
    return found


def _asked_texts(
    schema: pa.Schema, where: str, options: Options, names: list[str], kinds: dict[str, str], first: FirstRows | None
) -> list[str]:
    """Which of those columns are texts as the user says, or else by their first rows."""
    asked = options.text_features
    if asked == AUTO:
        said = {*(name for pair in options.interactions for name in pair), *(options.categories or ())}
        said |= set(options.dates) if isinstance(options.dates, dict) else set()
        return found_in(schema, [name for name in names if name not in said], first)
    found = _meant("text_features", asked, names, names, kinds)
    for name in found:
        if name not in names:
            raise ValueError(f"text_features: {name!r} is not among the features of {where}, {offer(name, names)}")
        if not is_text(dtype := schema.field(name).type) and not pa.types.is_null(dtype):
            raise ValueError(f"text_features: column {name!r} of {where} is of type {dtype}, not of text.")
    return found


def _n_hashed(options: Options, names: list[str], texts: list[str]) -> int:
    """How many features hashed tokens have: fewer where they are but words, which are fewer than categories or n-grams."""
    if options.n_hashed != AUTO:
        return options.n_hashed
    words = options.analyzer == "word" and options.ngram_range == (1, 1)
    return N_WORDS if words and texts == names else N_HASHED


def by_names(schema: pa.Schema, where: str, given: dict[str, Any], first: FirstRows | None = None) -> dict[str, Any]:
    """Keywords of `Options`, with the names of columns where there are rules that say which are features and categories."""
    said = [given.get(name) for name in ("columns", "categorical_features")]
    rules = [rule for names in said if isinstance(names, list | tuple) for rule in names if isinstance(rule, str)]
    if not given.get("exclude") and not any(is_rule(rule, schema.names) for rule in rules):
        return given
    found = resolved(schema, where, Options(**given), first)
    return {**given, "columns": found.columns, "exclude": (), "categorical_features": found.categorical_features}


def _word_of(field: pa.Field, options: Options) -> str:
    """What a column is called in rules: what it was in training, where that is known, or as its type is."""
    if options.is_trained:
        return word_of(options.kinds.get(field.name, "number"))
    return "boolean" if pa.types.is_boolean(field.type) else word_of(encode.kind_of(field.type))


def _meant(
    argument: str, rules: Sequence[str], there: Iterable[str], names: list[str], kinds: dict[str, str]
) -> list[str]:
    """The columns that those rules mean, each once; what is no rule stays, whether there is such a column or not."""
    found: list[str] = []
    for rule in rules:
        found += matching(argument, rule, names, kinds) if is_rule(rule, there) else [rule]
    return list(dict.fromkeys(found))


def _check_there(argument: str, names: Sequence[str], there: Counter[str], where: str, options: Options) -> None:
    for name in names:
        if name not in there:
            lacks = f"there is no column {name!r} in {where}; it has {offer(name, there)}"
            if argument == "columns" and options.kinds is not None:
                raise ValueError(f"{lacks} The model was trained with {name!r}.")
            raise ValueError(f"{argument}: {lacks}")
        if there[name] > 1:
            raise ValueError(f"{where} has several columns {name!r}. Rename them.")


def _dates(schema: pa.Schema, where: str, options: Options, names: list[str], kinds: dict[str, str]) -> dict[str, Any]:
    """The parts of each column of dates among those names, or "drop"."""
    given = options.dates if isinstance(options.dates, dict) else {}
    for name in [name for name in given if name in kinds]:
        dtype = schema.field(name).type
        if spelling_of(dtype) in ("text", "time") or pa.types.is_null(dtype):
            kinds[name] = "date"  # As that it is to be read.
        elif kinds[name] != "date":
            raise ValueError(f"dates: column {name!r} of {where} is of type {dtype}, not one of dates.")
    own = by_column("dates", given, _of_dates(kinds), kinds)
    names = [name for name in names if kinds[name] == "date"]
    found = {}
    for name in names:
        rule, dtype = own.get(name, SETS["cyclic"] if given else options.dates), schema.field(name).type
        if rule == "error":
            raise ValueError(
                f"{where}: column {name!r} is of type {dtype}. Leave it out (exclude=[{name!r}]), or take it as numbers "
                f"(dates={{{name!r}: 'cyclic'}}) or as a category (categorical_features=[{name!r}])."
            )
        exact = rule == "drop" or (options.is_trained and name in own)
        found[name] = rule if exact else available(rule, pa.types.is_date(dtype), pa.types.is_time(dtype))
        if not found[name]:
            raise ValueError(f"dates: column {name!r} is of type {dtype}, which has none of {', '.join(rule)}.")
    return found


def _zones(options: Options, kinds: dict[str, str]) -> Any:
    zones = options.time_zone
    return by_column("time_zone", zones, _of_dates(kinds), kinds) if isinstance(zones, dict) else zones


def _fills(options: Options, found: list[str], kinds: dict[str, str]) -> Any:
    fills = options.fill_null
    if not isinstance(fills, dict):
        return fills
    if lost := [name for name in fills if name in found and kinds[name] in NEVER_FILLED]:
        raise ValueError(
            f"fill_null: {lost[0]!r} is of categories or text, where a null is a row of zeros, and no column of numbers."
        )
    if lost := [name for name in fills if name in (options.bins or {})]:
        raise ValueError(f"fill_null: {lost[0]!r} is cut into bins, of which nulls have one of their own.")
    return by_column("fill_null", fills, [name for name in found if kinds[name] not in NEVER_FILLED], kinds)


def _of_dates(kinds: dict[str, str]) -> list[str]:
    return [name for name, kind in kinds.items() if kind == "date"]


def _interactions(
    schema: pa.Schema, options: Options, found: list[str], kinds: dict[str, str]
) -> list[tuple[str, str]]:
    """The pairs of columns whose products are features; that there are not too many of them."""
    for pair in options.interactions:
        lost = next((name for name in pair if name not in found and not is_rule(name)), None)
        if len(pair) != 2 or lost is not None:
            raise ValueError(
                f"interactions must be pairs of columns that are features, got {pair!r}; these are {offer(lost or '', found)}"
            )
    crossed = [name for name in found if kinds[name] in WITH_PRODUCTS]
    crossed = [name for name in crossed if encode.kind_of(schema.field(name).type) not in ("vector", "pairs", "tokens")]
    n = sum(kinds[name] in ("number", "boolean") and name not in (options.bins or {}) for name in crossed)
    if options.polynomial is not None and not 0 < n * (n + 1) // 2 <= MAX_PAIRS:
        raise ValueError(
            f"polynomial=2: {n:,} columns of numbers have {n * (n + 1) // 2:,} products, which must be from 1 to {MAX_PAIRS:,}. "
            "Leave columns out (exclude=), or name pairs (interactions=)."
        )
    return pairs_of(options.interactions, found, crossed, kinds)


def _indices(schema: pa.Schema) -> Sequence[Any]:
    """The columns that pandas says were an index."""
    try:
        said = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))["index_columns"]
    except (ValueError, KeyError, TypeError):
        return ()
    return [name for name in said if isinstance(name, str)] if isinstance(said, list) else ()
