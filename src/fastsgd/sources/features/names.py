"""Which columns of a table are features."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from fastsgd.sources.features.options import Options, names_in
from fastsgd.sources.reading import offer

INDEX = "__index_level_"  # So begins what pandas calls a column that was an index without a name.


def features_of(schema: pa.Schema, where: str, options: Options) -> list[str]:
    """The columns that are features, in their order; that all that are named are there, once."""
    there, labels = Counter(schema.names), options.labels
    if options.columns is None:
        indices = _indices(schema)
        found = [name for name in there if name not in labels and name not in indices and not name.startswith(INDEX)]
    else:
        found = names_in("columns", options.columns)
    segments = [] if options.segment is None else [options.segment]
    asked = [("columns", found), ("target", options.targets), ("segments", segments), ("weight", labels)]
    for argument, names in [*asked, ("categorical_features", options.categorical_features)]:
        for name in names:
            if name not in there:
                lacks = f"there is no column {name!r} in {where}; it has {offer(name, schema.names)}"
                if argument == "columns" and options.kinds is not None:
                    raise ValueError(f"{lacks} The model was trained with {name!r}.")
                raise ValueError(f"{argument}: {lacks}")
            if there[name] > 1:
                raise ValueError(f"{where} has several columns {name!r}. Rename them.")
    if not found:
        raise ValueError(f"{where} has no columns that are features.")
    if both := set(found) & set(labels):
        raise ValueError(f"columns: {sorted(both)} can't be features and target, weight or segments at once.")
    if lost := [name for name in options.categorical_features if name not in found]:
        raise ValueError(f"categorical_features: {lost[0]!r} is not among the features, {offer(lost[0], found)}")
    _check_pairs(options.interactions, found)
    return found


def _check_pairs(pairs: Sequence[tuple[str, ...]], found: list[str]) -> None:
    for pair in pairs:
        if len(pair) != 2 or not set(pair) <= set(found):
            lost = next((name for name in pair if name not in found), pair[0])
            raise ValueError(
                f"interactions must be pairs of columns that are features, got {pair!r}; these are {offer(lost, found)}"
            )


def _indices(schema: pa.Schema) -> Sequence[Any]:
    """The columns that pandas says were an index."""
    try:
        said = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))["index_columns"]
    except (ValueError, KeyError, TypeError):
        return ()
    return [name for name in said if isinstance(name, str)] if isinstance(said, list) else ()
