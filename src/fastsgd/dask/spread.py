"""Rows spread over the workers of a cluster: what `Table` is to the engine, and to any other algorithm."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastsgd.dask.pieces import pieces
from fastsgd.dask.runners import blame
from fastsgd.dask.tasks import Survey, checked, described, table_of
from fastsgd.estimators.streams import Surveyed
from fastsgd.sources.arrays import START, Order, stacked
from fastsgd.sums import added

SAMPLE_ROWS, SAMPLE_VALUES = 2000, 2e6  # A sample has about as many rows or values at most.
FULL = 0.5  # From this share of values on, CSR takes more room and time than an array.


class Loaded:
    """Checked rows of a collection, on the workers: what `X` is until the targets are known.

    Attributes
    ----------
    runner : Cluster or LocalRunner
    parts : list of Part
        Of `Piece`.
    survey : Survey
    columns, reading, label_columns
        As those of Pieces.
    """

    def __init__(self, runner, parts, survey, columns, found):
        self.runner, self.parts, self.survey, self.columns = runner, parts, survey, columns
        self.reading, self.label_columns = found.reading, found.label_columns
        self.dtype, self.shape = survey.dtype, (survey.n_rows, survey.width)

    @property
    def full(self):
        """Whether it is CSR of so many values that an array would take less."""
        return self.survey.sparse and self.survey.values >= FULL * self.shape[0] * self.shape[1]

    def table(self, targets, dense=False):
        """The Spread of these rows, with the targets of the heads; as arrays where `dense`."""
        parts = [part for part in self.parts if self.survey.rows[part.number]]
        kept = self.runner.keep(table_of, parts, targets, self.dtype, dense)
        return Spread(self.runner, kept, self, self.survey.sparse and not dense)


def load(runner, given, targets, names=("X", "y", "sample_weight"), like=None):
    """(Loaded, Surveyed) of (X, y, weight) as users give them.

    Parameters
    ----------
    runner : Cluster or LocalRunner
    given : (X, y, weight)
    targets : Targets
        They look at y; nothing need be known of the classes.
    like : fitted estimator or None
        Its features there must be, of a validation set or in a later call.

    Raises
    ------
    ValueError
        A partition is not like the others, or there are no rows; it says which.
    """
    found = pieces(*given, names=names, like=like)
    width, columns = getattr(like, "n_features_in_", None), getattr(like, "feature_names_in_", None)
    columns = None if columns is None else list(columns)
    if columns is not None and found.columns is not None and sorted(columns) != sorted(found.columns):
        raise ValueError(f"the features of {names[0]} have other names than those of fit.")
    if width is not None and found.n_features not in (None, width):
        raise ValueError(f"{names[0]} has {found.n_features} features, but {width} are expected.")
    columns = columns if found.columns is not None and columns is not None else found.columns
    raw = runner.load(found.delayed, found.names)
    parts = runner.keep(checked, raw, targets, columns, found.n_features if width is None else width, names)
    survey = _surveyed(parts, runner.run(Survey.of, parts, targets))
    _sound(survey, parts, names, runner)
    surveyed = Surveyed(survey.n_rows, next(iter(survey.shapes)))
    if targets.needs_classes:
        surveyed.soft, surveyed.classes, surveyed.counts = survey.labels.soft, *survey.labels.finish()
    return Loaded(runner, parts, survey, columns, found), surveyed


def _surveyed(parts, found):
    """The sum of Surveys; an error says which partition does not go with those before."""
    survey = None
    for part, one in zip(parts, found, strict=True):
        try:
            survey = one if survey is None else survey + one
        except ValueError as error:
            raise blame(part, error) from error
    return survey


def _sound(survey, parts, names, runner):
    """ValueError where partitions do not go together, or there is nothing in them."""
    if not survey.n_rows:
        raise ValueError(f"{names[0]} has no rows, in none of its {len(parts)} partitions.")
    if not survey.labels.weighed:
        raise ValueError(f"{names[2]} must not be all zero: there is nothing to train on.")
    what = {
        "layouts (CSR and dense)": {kind[0] for kind in survey.kinds},
        "numbers of features": {kind[2] for kind in survey.kinds},
    }
    what[f"shapes of a row of {names[1]}"] = survey.shapes
    odd = next((name for name, values in what.items() if len(values) > 1), None)
    if odd is not None:
        each = runner.run(_kind_of, parts)
        first = next(kind for kind in each if kind is not None)
        other = next(at for at, kind in enumerate(each) if kind not in (None, first))
        raise ValueError(
            f"the partitions of {names[0]} have different {odd}: {parts[other]} has {each[other]}, those before have {first}."
        )
    if not survey.width:
        raise ValueError(f"{names[0]} has 0 features, at least 1 is needed.")


def _kind_of(piece):
    """In words, what rows are; None where there are none."""
    rows = piece.rows
    if not rows.X.shape[0]:
        return None
    shape = "" if rows.y is None else f", y of shape {rows.y.shape[1:]} a row"
    return f"{'CSR' if hasattr(rows.X, 'indptr') else 'dense'} rows of {rows.X.shape[1]} features{shape}"


@dataclass
class Spread:
    """Partitions as Tables on the workers. It is to the engine what a Table is, but for the rows, which are not here.

    Attributes
    ----------
    runner : Cluster or LocalRunner
    parts : list of Part
        Of `Partition`, Tables that the kernels read as they lie; partitions without rows are left out.
    loaded : Loaded
        What they were made of, which is there if a worker is lost.
    sparse : bool
    scaling : Scaling or None
    """

    runner: Any
    parts: list[Any]
    loaded: Loaded
    sparse: bool
    scaling: Any = None
    shuffled: bool | str = True
    rows, empty = None, False

    @property
    def n_rows(self):
        return self.loaded.shape[0]

    @property
    def row_values(self):
        """Values in a row, on average."""
        return self.loaded.survey.values / self.n_rows

    def run(self, function, *args, then=None):
        """[function(table, *args)] of all partitions, in their order; or then(that, *args), made where it takes less time."""
        if self.scaling is not None:
            args = (self.scaling, function, *args)
            return self.runner.run(_scaled, self.parts, *args, then=then and _Unscaled(then))
        return self.runner.run(function, self.parts, *args, then=then)

    def summed(self, of, *args):
        """The sum that of(table, *args) is of all rows; of parts, in their order."""
        return self.run(of, *args, then=added)

    def each(self, function, *args):
        """function(table, *args) of Tables that together are all rows."""
        return self.run(function, *args)

    def tables(self):
        """A sample of the rows, as a Table in memory: for advice to the user, which says so of streams too."""
        values = max(1.0, self.row_values)
        most = max(len(self.parts), min(SAMPLE_ROWS, SAMPLE_VALUES / values))
        found = replace(self, scaling=None).run(some_rows, min(1.0, most / self.n_rows))
        yield replace(stacked(found), scaling=self.scaling)

    def without_features(self, rows):
        """All rows, for a model without weights; `rows` are those that would do."""
        return _Featureless(self)

    def chunks(self, dtype, heads, shuffle, seed, epoch, start=START):
        """As `Table.chunks`: all rows in one round, whose order is drawn where they are."""
        yield replace(self, shuffled=shuffle), Order(None, None, 0, self.n_rows, self.n_rows), None

    def describe(self):
        """What a checkpoint says of the rows: a dict of str to JSON values."""
        return {
            "the number of rows": self.n_rows,
            "the rows of each partition": list(self.loaded.survey.rows),
            "the checksum of each partition": replace(self, scaling=None).run(described),
        }


class _Featureless:
    """The rows of a Spread, without features."""

    empty = False

    def __init__(self, spread):
        self.spread = spread

    def summed(self, of, *args):
        """As that of a Spread."""
        return replace(self.spread, scaling=None).run(_without_features, of, *args, then=added)


def _without_features(table, of, *args):
    return of(table.without_features(np.arange(table.n_rows)), *args)


def some_rows(table, share):
    """About that share of the rows of a Table, at even distances; at least one."""
    n = max(1, round(share * table.n_rows))
    rows = np.linspace(0, table.n_rows - 1, n).astype(np.int64)
    return table.with_rows(rows, table.X[rows])


def _scaled(table, scaling, function, *args):
    return function(replace(table, scaling=scaling), *args)


@dataclass(frozen=True)
class _Unscaled:
    """`then`, of the arguments that it knows."""

    then: Any

    def __call__(self, found, scaling, function, *args):
        return self.then(found, *args)
