"""Which columns of a table become which features.

The features of numbers come first, in the order of the columns, then products of numbers; then, in rows of CSR, what lists
of (index, value) name, one column for each category, and last the space that hashed tokens share. It imports pyarrow, and
so is imported in functions alone.
"""

import json
import math
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fastsgd.sources import encode
from fastsgd.sources.base import checked_floats, checked_integer
from fastsgd.sources.reading import offer
from fastsgd.sources.spelling import KINDS, SPELLING, can_be, is_text, spelled, spelling_of

ENCODINGS = "hash", "one-hot", "error"
DENSE = "number", "vector", "product"  # The values of parts of these kinds are all stored.
INDEX = "__index_level_"  # So begins what pandas calls a column that was an index without a name.
SPELLINGS = "text", *KINDS  # These are the kinds of categories.
WORDS = {
    "number": "a number",
    "text": "text",
    "numeral": "a category that numbers name",
    "boolean": "a category, true or false",
    "time": "a category that days or times name",
}
# In place of `kinds`, this stands for those of the data themselves: for models that were trained before kinds were kept.
OWN = "own"


class Columns:
    """The columns of one schema as features, target and weight. For the parameters see `from_parquet`.

    Attributes
    ----------
    parts : list of (kind, name or pair of names, position, width)
    learnable : list of str
        Columns that must be read once before `assign_places`, for their categories or widths.
    """

    def __init__(
        self,
        schema,
        where,
        *,
        target=None,
        weight=None,
        segment=None,
        columns=None,
        categorical="hash",
        categorical_features=(),
        categories=None,
        kinds=None,
        n_hashed=2**20,
        alternate_sign=True,
        interactions=(),
        fill_null=None,
        n_features=None,
        dtype=np.float32,
    ):
        if categorical not in ENCODINGS:
            raise ValueError(f"categorical must be one of {', '.join(ENCODINGS)}, got {categorical!r}.")
        if fill_null is not None and not (isinstance(fill_null, (int, float)) and math.isfinite(fill_null)):
            raise ValueError(f"fill_null must be None or a finite number, got {fill_null!r}.")
        if not isinstance(weight, str | None):
            raise ValueError(f"weight must be the name of a column, got {weight!r}.")
        self.target, self.weight, self.segment = target, weight, segment
        self.dtype, self.n_hashed = checked_floats(dtype), checked_integer("n_hashed", n_hashed)
        self.alternate_sign = bool(alternate_sign)
        self.one_hot, self.fill = categorical == "one-hot", fill_null
        self.targets = [] if target is None else [target] if isinstance(target, str) else _names("target", target)
        self.labels = list(dict.fromkeys(self.targets + [name for name in (weight, segment) if name is not None]))
        self.categorical_features = sorted(set(_names("categorical_features", categorical_features)))
        self.given_kinds = _checked_kinds(kinds)
        self.as_category = {*self.categorical_features, *self.trained(SPELLINGS)}
        self.pairs = [tuple(_names("interactions", pair)) for pair in interactions]
        with encode.named(where):
            self.features = self._features(schema, where, columns)
        self._know(schema, where, categorical, categories, n_features)

    def _know(self, schema, where, categorical, categories, n_features):
        """Set what each column is, what is known of its categories, and what must be learnt."""
        self.schema = schema
        self.needed = list(dict.fromkeys(self.features + self.labels))
        self.types = {name: str(schema.field(name).type) for name in self.needed}
        self.kinds = {name: self._kind(schema, name, where) for name in self.needed}
        self.spellings = {name: self._spelling(schema.field(name), where) for name in self._of("category")}
        self._check_kinds(schema, where, categorical)
        self.categories = {name: self._spelled(name, found) for name, found in (categories or {}).items()}
        if unknown := [name for name in self.categories if self.kinds.get(name) not in ("category", "tokens")]:
            raise ValueError(f"categories are given for {unknown}, which is no column of categories in {where}.")
        self.widths = {name: encode.width_of(schema.field(name), n_features) for name in self._of("pairs")}
        wanted = self._of("category") + self._of("tokens") if self.one_hot else []
        self.learnable = [name for name in wanted if name not in self.categories]
        self.learnable += [name for name, width in self.widths.items() if width is None]

    # ------------------------------------------------------------ which columns there are
    def _features(self, schema, where, columns):
        there = Counter(schema.names)
        if columns is None:
            indices = _indices(schema)
            found = [
                name for name in there if name not in self.labels and name not in indices and not name.startswith(INDEX)
            ]
        else:
            found = _names("columns", columns)
        asked = [("columns", found), ("target", self.targets)]
        asked += [("segments", [self.segment] if self.segment else []), ("weight", self.labels)]
        for argument, names in [*asked, ("categorical_features", self.categorical_features)]:
            for name in names:
                if name not in there:
                    lacks = f"there is no column {name!r} in {where}; it has {offer(name, schema.names)}"
                    if argument == "columns" and self.given_kinds is not None:
                        raise ValueError(f"{lacks} The model was trained with {name!r}.")
                    raise ValueError(f"{argument}: {lacks}")
                if there[name] > 1:
                    raise ValueError(f"{where} has several columns {name!r}. Rename them.")
        if not found:
            raise ValueError(f"{where} has no columns that are features.")
        if both := set(found) & set(self.labels):
            raise ValueError(f"columns: {sorted(both)} can't be features and target, weight or segments at once.")
        if lost := [name for name in self.categorical_features if name not in found]:
            raise ValueError(f"categorical_features: {lost[0]!r} is not among the features, {offer(lost[0], found)}")
        for pair in self.pairs:
            if len(pair) != 2 or not set(pair) <= set(found):
                lost = next((name for name in pair if name not in found), pair[0])
                raise ValueError(
                    f"interactions must be pairs of columns that are features, got {pair!r}; these are {offer(lost, found)}"
                )
        return found

    def _kind(self, schema, name, where):
        """What becomes of a column of this schema."""
        dtype = schema.field(name).type
        kind = encode.kind_of(dtype, name in self.as_category)
        if kind == "null":
            kind = "category" if name in self.as_category else "number"
        elif kind is None and name in self.labels:
            raise ValueError(self._no_label(name, dtype, where))
        elif kind is None and spelling_of(dtype) and not self.trained():
            raise ValueError(
                f"{where}: column {name!r} is of type {dtype}. Leave it out (columns=), or take it as a category "
                f"(categorical_features=[{name!r}])."
            )
        if name in self.features and self.trained():
            self._check_trained(name, kind, dtype, where)
            return "number" if self.given_kinds.get(name, "number") == "number" else kind
        if kind is None:
            raise ValueError(
                f"{where}: column {name!r} is of type {dtype}, which is neither a number, a category, nor a list of "
                f"{'fixed size of numbers' if encode.is_list(dtype) else 'them'}. Leave it out (columns=), or cast it."
            )
        return kind

    def trained(self, kinds=None):
        """The columns that were of those kinds in training; by default, whether that is known."""
        known = isinstance(self.given_kinds, dict)
        if kinds is None:
            return known
        return [name for name, kind in self.given_kinds.items() if kind in kinds] if known else []

    def _check_trained(self, name, kind, dtype, where):
        """That a column is of the kind that it was in training, or can be read as that."""
        was = self.given_kinds.get(name, "number")
        if was == "number":
            same = kind == "number" or (kind == "category" and spelling_of(dtype) in ("numeral", "boolean", "text"))
        elif was in SPELLINGS:
            same = kind == "category" and can_be(was, dtype)
        else:
            same = kind == was
        if not same:
            words = WORDS.get(was, f"a column of {was}s")
            raise ValueError(
                f"{where}: column {name!r} is of type {dtype}, in training it was {words}. Cast it to that, as it was then."
            )

    def _spelling(self, field, where):
        """As what a column of categories is spelled."""
        if self.trained():
            return self.given_kinds.get(field.name, "text")
        asked = (field.metadata or {}).get(SPELLING, b"").decode("ascii", "replace")
        return asked if asked in SPELLINGS and is_text(field.type) else spelling_of(field.type) or "text"

    def _spelled(self, name, categories):
        """Categories that were given, as those of the column are."""
        return spelled(pa.array(map(str, categories), pa.string()), self.spellings.get(name, "text"))

    def _check_kinds(self, schema, where, categorical):
        for name in self.features:
            if self.kinds[name] in ("category", "tokens") and categorical == "error":
                raise ValueError(
                    f"{where}: column {name!r} is of type {schema.field(name).type}. Leave it out (columns=), or set "
                    "categorical='hash' or 'one-hot'."
                )
        for name in {name for pair in self.pairs for name in pair}:
            if self.kinds[name] not in ("number", "category"):
                raise ValueError(f"interactions: {name!r} is of type {schema.field(name).type}, which has no products.")
        if self.weight is not None and self.kinds[self.weight] != "number":
            raise ValueError(self._no_label(self.weight, schema.field(self.weight).type, where))
        for name in self.targets:
            if self.kinds[name] not in ("number", "category"):
                raise ValueError(self._no_label(name, schema.field(name).type, where))

    def _no_label(self, name, dtype, where):
        """In words, that a column of that type is no target, or no weight."""
        if name == self.weight:
            return f"{where}: weight={name!r} is of type {dtype}, not a number. Name a column of numbers."
        return (
            f"{where}: target={name!r} is of type {dtype}. Make it numbers, true and false, or text, or name another."
        )

    def _of(self, kind):
        return [name for name in self.features if self.kinds[name] == kind]

    def check(self, schema, where):
        """That another file's schema is like the first one's, as far as it is read."""
        with encode.named(where):
            names = schema.names
            there = Counter(names)
        for name in self.needed:
            if there[name] != 1:
                raise ValueError(
                    f"{where} must have one column {name!r}, as the first file has; it has {offer(name, names)}"
                )
            dtype = schema.field(name).type
            kind = encode.kind_of(dtype, name in self.as_category)
            same = kind in (self.kinds[name], "null")
            if name in self.spellings:
                same = same and can_be(self.spellings[name], dtype)
            elif self.trained() and name in self.features and self.kinds[name] == "number":
                same = same or spelling_of(dtype) in ("numeral", "boolean", "text")
            if not same or (kind == "vector" and dtype.list_size != self.schema.field(name).type.list_size):
                raise ValueError(
                    f"{where}: column {name!r} is of type {dtype}, in the first file it is {self.types[name]}."
                )

    # ------------------------------------------------------------ where they go
    def learn(self, batches):
        """Find the categories, and the widths of lists of (index, value), in (where, batch) of the columns `learnable`."""
        seen = dict.fromkeys(self.learnable)
        for where, batch in batches:
            with encode.named(where):
                for name, before in seen.items():
                    seen[name] = self._learnt(self.of(batch, name), name, before)
        for name, found in seen.items():
            if self.kinds[name] == "pairs":
                self.widths[name] = 1 + (found or 0)
            else:
                found = pa.array([], pa.string()) if found is None else found
                self.categories[name] = found.take(pc.array_sort_indices(found))

    def of(self, batch, name):
        """A column of a batch; of the type of the schema where there are nulls alone."""
        array = batch.column(name)
        return array.cast(self.schema.field(name).type) if pa.types.is_null(array.type) else array

    def _learnt(self, array, name, before):
        """The largest index, or the categories, of a column, and of what was found before."""
        if self.kinds[name] == "pairs":
            return max(before or 0, pc.max(encode.lists(array)[1].field(0)).as_py() or 0)
        array = encode.lists(array)[1] if self.kinds[name] == "tokens" else array
        strings, codes = encode.words(array, self.spellings.get(name))
        strings = strings if codes is None else strings.take(pa.array(np.unique(codes[codes >= 0])))
        strings = strings.cast(pa.large_string()).drop_null()
        strings = pc.unique(strings if before is None else pa.concat_arrays([before, strings]))
        strings.validate(full=True)
        return strings

    def assign_places(self, where):
        """Give each feature its place: sets `parts`, `n_features`, `feature_names`, `sparse`."""
        parts = [(self.kinds[name], name) for name in self.features]
        parts += [(self._crossed(pair), pair) for pair in self.pairs]
        late = sorted((part for part in parts if part[0] not in DENSE), key=lambda part: part[0] != "pairs")
        parts = [part for part in parts if part[0] in DENSE]
        self.n_dense = sum(self._width(*part) for part in parts)
        self.sparse, self.parts, at = bool(late), [], 0
        for kind, name in parts + late:
            width = self._width(kind, name)
            self.parts.append((kind, name, at, width))
            at += width
        self.hashed_at = at
        hashes = not self.one_hot and any(kind != "pairs" for kind, _ in late)
        self.n_features = at + (self.n_hashed if hashes else 0)
        if self.n_features >= 2**31:
            raise ValueError(
                f"{where}: {self.n_features} features are more than 2**31 - 1. Hash the categories, or lower n_hashed."
            )
        if not self.n_features:
            raise ValueError(f"{where} has no features: its columns have no categories.")
        if hashes or any(kind == "pairs" for kind, _ in late):
            self.feature_names = None
        else:
            self.feature_names = [text for kind, name, *_ in self.parts for text in self._feature_names(kind, name)]

    def _crossed(self, pair):
        kinds = [self.kinds[name] for name in pair]
        return {0: "product", 1: "scaled", 2: "categories"}[kinds.count("category")]

    def _width(self, kind, name):
        if kind == "vector":
            return self.schema.field(name).type.list_size
        if kind == "pairs":
            return self.widths[name]
        if kind in ("number", "product"):
            return 1
        return math.prod(len(self.categories[name]) for name in self._words_of(kind, name)) if self.one_hot else 0

    def _words_of(self, kind, name):
        """The columns of categories of which a part is."""
        return [
            part for part in (name if isinstance(name, tuple) else [name]) if self.kinds[part] in ("category", "tokens")
        ]

    def _feature_names(self, kind, name):
        if kind == "vector":
            return [f"{name}[{i}]" for i in range(self._width(kind, name))]
        title = name if isinstance(name, str) else ":".join(name)
        if kind in DENSE:
            return [title]
        values = [self.categories[part].to_pylist() for part in self._words_of(kind, name)]
        words = values[0] if len(values) == 1 else [f"{a}:{b}" for a in values[0] for b in values[1]]
        return [f"{title}={word}" for word in words]

    def describe(self):
        """All that says which features and targets these are, in JSON values."""
        said = {name: value for name, value in self.reading().items() if name != "kinds"}  # which follow from the types
        return said | {
            "columns": {name: self.types[name] for name in self.features},
            "target": self.target if isinstance(self.target, str | None) else list(self.target),
            "weight": self.weight,
            **({} if self.segment is None else {"segment": self.segment}),
            "n_features": self.n_features,
        }

    def reading(self):
        """The arguments that make the same features of other data."""
        kinds = {name: self.spellings.get(name, self.kinds[name]) for name in self.features}
        known = {"kinds": {name: kind for name, kind in kinds.items() if kind != "number"}}
        return {
            "columns": list(self.features),
            "categorical": "one-hot" if self.one_hot else "hash",
            "categorical_features": self.categorical_features,
            "categories": {name: found.to_pylist() for name, found in self.categories.items()},
            "n_hashed": self.n_hashed,
            "alternate_sign": self.alternate_sign,
            "interactions": [list(pair) for pair in self.pairs],
            "fill_null": self.fill,
            "n_features": max(self.widths.values(), default=None),
            "dtype": self.dtype.name,
            **({} if self.given_kinds == OWN else known),
        }


def _names(argument, names):
    if isinstance(names, str) or not np.iterable(names) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{argument} must be a list of column names, got {names!r}.")
    return list(names)


def _checked_kinds(kinds):
    if kinds is None or kinds == OWN:
        return kinds
    known = "number", "vector", "pairs", "tokens", *SPELLINGS
    if not isinstance(kinds, dict) or any(kind not in known for kind in kinds.values()):
        raise ValueError(
            f"kinds must be a dict of columns to one of {', '.join(known)}, as reading_ has it, got {kinds!r}."
        )
    return kinds


def _indices(schema):
    """The columns that pandas says were an index."""
    try:
        said = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))["index_columns"]
    except (ValueError, KeyError, TypeError):
        return ()
    return [name for name in said if isinstance(name, str)] if isinstance(said, list) else ()
