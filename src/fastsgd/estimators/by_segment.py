"""A model for each segment: what `fit` is told of segments, what comes of it, and predictions by the segment of a row."""

from dataclasses import replace
from numbers import Integral
from time import perf_counter

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from fastsgd._kernels import kernels
from fastsgd.estimators import labels
from fastsgd.estimators.products import rows_between
from fastsgd.estimators.segmented import Segmented
from fastsgd.estimators.validation import check_X
from fastsgd.packs import Only, Seen
from fastsgd.segments import OF_ALL, Along, Segments
from fastsgd.sources import _order
from fastsgd.sources.arrays import Order, Table
from fastsgd.sources.base import Rows, Source
from fastsgd.sources.scaling import moments_of
from fastsgd.sources.telling import tell
from fastsgd.state import padded
from fastsgd.stopping import Objective
from fastsgd.sums import Moments
from fastsgd.threads import Threads, n_threads

NO_LABELS = "segments has no label at all: leave it out, or give labels."
BLOCK_ROWS = 1 << 14  # Margins are worked out of this many rows at once.


# ---------------------------------------------------------------- in fit
def given(est, X, segments):
    """(X without the column, Given) of what `fit` is given."""
    _check(est)
    column = _column(segments)
    if isinstance(X, Source):
        X = _with_column(X, column, segments)
        return X, Given(column, X)
    if column is not None:
        X, segments = taken_out(X, column)
    return X, Given(column, segments)


def _check(est):
    """Refuse parameters with which segments can't be trained."""
    wrong = {
        "max_iter='auto', which judges the model of all rows: give it a number": est.max_iter == "auto",
        "max_iter=0: their models come of passes over the rows": not est.max_iter,
        f"n_init={est.n_init}: set n_init=1": est.n_init > 1,
        "early_stopping=True, which stops by a validation set: the objective is what segments are judged by": est.early_stopping,
        "warm_start=True: segments begin anew": est.warm_start,
        "shuffle='replace', which would not visit each row of a segment: set shuffle=True": est.shuffle == "replace",
        "n_bootstrap or n_splits, which are of the model of all rows": est.n_bootstrap or est.n_splits,
    }
    for what, there in wrong.items():
        if there:
            raise ValueError(f"segments can't be trained with {what}.")
    if getattr(est.optimizer, "line_search", False):
        raise ValueError("segments can't be trained with a line search, which takes passes of its own.")


def _with_column(source, column, segments):
    """The source, whose rows say by that column of which segment they are."""
    if not isinstance(column, str):
        raise ValueError(
            f"X is a source, whose segments are the values of one of its columns: segments must be its name, got {segments!r}."
        )
    return source.with_segments(column)


def _column(segments):
    """The name or the index of a column; None where segments are labels."""
    if isinstance(segments, str) or (isinstance(segments, Integral) and not isinstance(segments, bool)):
        return segments if isinstance(segments, str) else int(segments)
    return None


def taken_out(X, column):
    """(X without a column, what it holds)"""
    if isinstance(column, str):
        names = getattr(X, "columns", None)
        if names is None:
            raise ValueError(
                f"segments={column!r} is the name of a column, and X is {type(X).__name__}, which has none: give the labels "
                "themselves, or the index of a column."
            )
        names = list(names)
        if names.count(column) != 1:
            raise ValueError(f"segments={column!r} must be the name of one column of X; it has {names[:10]}.")
        held = X[column]
        return (X.drop(columns=[column]) if hasattr(X, "iloc") else X.drop(column)), held
    X = X if sp.issparse(X) or hasattr(X, "iloc") else np.asarray(X)
    width = X.shape[1] if X.ndim == 2 else 0
    if not -width <= column < width:
        raise ValueError(f"segments={column} must be the index of a column of X, which has {width}.")
    others = np.delete(np.arange(width), column)
    if hasattr(X, "iloc"):
        return X.iloc[:, others], X.iloc[:, column]
    if sp.issparse(X):
        X = sp.csr_matrix(X) if X.format != "csr" else X
        return X[:, others], X[:, [column % width]].toarray()[:, 0]
    return np.ascontiguousarray(X[:, others]), X[:, column]


class Given:
    """What `fit` is told of the segments.

    Attributes
    ----------
    column : str, int or None
        That of X which holds them; None where they were given.
    known : labels.Known
        The labels there are.
    """

    def __init__(self, column, values):
        self.column, self.values, self.known = column, values, labels.Known()

    def put_into(self, table):
        """Have the rows of a table, or of a stream, know their segments."""
        if not isinstance(table, Table):
            table.segments = self.known
            return
        values = self.values.labels_read if isinstance(self.values, Source) else self.values
        table.fold, self.values = self.known.codes(values, table.X.shape[0]), None
        if not len(self.known):
            raise ValueError(NO_LABELS)

    def beside(self, est, table, state, plan, rules):
        """The training of the segments beside that of all rows."""
        return Beside(self, est, table, state, plan, rules)


class OfSegment(Seen):
    """The rows of a segment, of which the moments have been found."""

    def __init__(self, table, number, found):
        super().__init__(table, Only(number), 0)
        self.found = found

    def each(self, function, *args):
        return [self.found] if function is moments_of else Seen.each(self, function, *args)


class Beside:
    """The segments of a fit under way.

    Attributes
    ----------
    rows : Table or Stream
        What the model of all rows is trained on: with standardised rows, which are others in each segment, that alone;
        else the segments are trained in the same passes.
    """

    def __init__(self, given, est, table, state, plan, rules):
        if len(rules) > 1 or not all(type(rule) is Objective for rule in rules):
            raise ValueError(
                f"segments are judged by their objective: stopping={est.stopping!r} must be None or 'objective', or set tol=None."
            )
        self.given, self.table, self.plan, self.longest = given, table, plan, None
        self.training = Segments(
            state,
            plan,
            rules,
            passes=est.max_iter,
            sparse=table.sparse,
            shuffle=est.shuffle,
            threads=Threads(n_threads(est.n_jobs)),
            known=lambda: len(given.known),
            look=lambda part: self._look(part, state),
        )
        self.training.grow(len(given.known))
        self.rows = Along(table, self.training)
        if est.standardize:
            self.rows, self.table = table, replace(table)
            self._standardise(est, state, plan)

    def _standardise(self, est, state, plan):
        """Have each segment begin with the statistics of its own rows."""
        table, dtype, found = self.table, state.W.dtype, []
        none = Moments(0.0, np.zeros(len(state.W)), np.zeros(len(state.W)))
        for part in table.tables():
            n = len(self.given.known)
            found += [none] * (n - len(found))
            order = Order(part.rows, None, 0, part.n_rows, part.n_rows)
            rows, which, ends, _ = _order.by_model(order, part.fold, np.ones(n, np.int8))
            for number, lo, hi in zip(which.tolist(), [0, *ends.tolist()], ends.tolist(), strict=False):
                with np.errstate(over="ignore", invalid="ignore"):
                    found[number] += moments_of(replace(part, rows=rows[lo:hi]), dtype)
        self.training.grow(len(found))
        for number, of_rows in enumerate(found):
            own = state.copy()
            try:
                est._standardise(OfSegment(table, number, of_rows), own, plan)
            except ValueError as error:
                raise ValueError(f"segment {self.given.known.sorted()[0][number]!r}: {error}") from error
            self.training.bank.put(number, own)

    def finish(self, est, reason, moment, started):
        """Train what is left; the fitted attributes, and the reason why the fit ended."""
        training, budget = self.training, est.max_seconds
        if reason in OF_ALL:
            training.judge(self.table)
            training.stop(reason)
        else:
            training.go_on(self.table, lambda: budget is not None and perf_counter() - started > budget)
            if (training.models["reason"] == "interrupted").any():
                reason = "interrupted"
        return self._attributes(est, moment), reason

    def _attributes(self, est, moment):
        if not len(self.given.known):
            raise ValueError(NO_LABELS)
        self.training.grow(len(self.given.known))  # They may be more than were trained on, if the fit was cut short.
        found, (names, order) = self.training.ended(), self.given.known.sorted()
        of_all = est._publish(moment)
        coef, b = (np.asarray(of_all[name]) for name in est._names)
        K = len(moment.state.b)
        coefs = np.ascontiguousarray(found.W[order][:, :, :K].transpose(0, 2, 1))
        intercepts = found.b[order] if est._names[1] == "intercept_" else 1 - found.b[order]
        lacks = ~found.sound[order]
        coefs[lacks], intercepts[lacks] = coef.reshape(K, -1), b
        return {
            "segments_": names,
            "segment_column_": self.given.column,
            "segment_counts_": found.rows[order],
            "segment_coefs_": coefs,
            "segment_intercepts_": intercepts,
            "segment_n_iter_": found.epochs[order],
            "segment_stop_reasons_": found.reasons[order],
        }

    def warn(self, est):
        """Say how segments ended that did not end as they should."""
        reasons, n = est.segment_stop_reasons_, len(est.segments_)
        diverged = np.flatnonzero(reasons == "diverged")
        if len(diverged):
            tell(
                f"{len(diverged)} of {n} segments diverged, such as {est.segments_[diverged[0]]!r}: they have the weights of "
                "their last sound epoch, or if there is none the model of all rows (segment_stop_reasons_). Lower eta0, or set "
                "standardize=True.",
                ConvergenceWarning,
            )
        self._warn_of_steps(est)
        late = np.flatnonzero(reasons == "max_iter")
        if len(late) and self.training.rule is not None and self.training.rule.tol > 0:
            tell(
                f"{len(late)} of {n} segments ended at max_iter={est.max_iter} before convergence, such as "
                f"{est.segments_[late[0]]!r}: raise max_iter or tol.",
                ConvergenceWarning,
            )

    def _look(self, part, state):
        """Note how long steps may be, of the first rows."""
        from fastsgd import verdict

        self.longest = None if self.plan.auto else verdict.longest_along_rows(self.plan, part, state)

    def _warn_of_steps(self, est):
        """Say so where the last steps of most segments are so long that the last rows decide."""
        longest = self.longest
        if longest is None:
            return
        steps = np.maximum(est.segment_counts_ * est.segment_n_iter_, 1)
        etas = np.array([self.plan.eta(float(t)) for t in steps.tolist()])
        long, n = np.count_nonzero(etas > longest), len(etas)
        if 2 * long > n:
            how = f"raise alpha (it is {est.alpha:g}) to about {2 / (longest * np.median(steps)):.1e}"
            if self.plan.schedule.has_eta0:
                how = f"lower eta0 (it is {est.eta0:g}) to about {0.5 * est.eta0 * longest / etas.max():.1e}"
            tell(
                f"The last steps of {long} of {n} segments were longer than {longest:.3g}, up to {etas.max():.3g}: they go "
                "beyond where the loss of a row has no more slope, so that the last rows decide, and such models may predict "
                f"worse than that of all rows. Take learning_rate='auto', or {how}; compare both on other rows.",
                ConvergenceWarning,
            )


# ---------------------------------------------------------------- predictions
def segmented(est, X, segments):
    """What a method of X takes in its place: X itself where a model has no segments, else Segmented rows."""
    if isinstance(X, Segmented):
        return X
    names, column = getattr(est, "segments_", None), getattr(est, "segment_column_", None)
    if names is None:
        if segments is not None:
            check_is_fitted(est)
            raise ValueError(
                f"segments were given, and this {type(est).__name__} was fitted without: leave them out, or fit with segments=."
            )
        return X
    if isinstance(X, Source):
        return X if segments is None else _with_column(X, _column(segments), segments)
    if isinstance(X, Rows):  # of a block of a source
        checked, of = check_X(est, X), X.segment
        return checked if of is None else Segmented(checked, labels.looked_up(of, names, checked.shape[0]))
    asked = column if segments is None else segments
    if asked is None:
        return X
    own = _column(asked)
    if own is not None:
        X, asked = taken_out(X, own)
    elif isinstance(column, str) and column in getattr(X, "columns", ()):
        X = taken_out(X, column)[0]
    X = check_X(est, X)
    return Segmented(X, labels.looked_up(asked, names, X.shape[0]))


def products_of(est, X):
    """The products of Segmented rows with the coefficients of their segments, (n, K), and the intercepts of these."""
    coefs, intercepts, places = models_of(est, X)
    return products(X.X, coefs, places, Threads(n_threads(est.n_jobs))), intercepts[places]


def models_of(est, X):
    """Coefficients (n, K, n_features) and intercepts (n, K) of the models of Segmented rows, and which of them each row has."""
    of_all, b = est._weights()
    of_all = of_all.toarray() if sp.issparse(of_all) else of_all
    K, d = est.segment_coefs_.shape[1:]
    there, places = np.unique(X.places, return_inverse=True)
    own, places = there < len(est.segments_), places.astype(np.int32)
    coefs = np.empty((len(there), K, d), est.segment_coefs_.dtype)
    intercepts = np.empty((len(there), K))
    coefs[own], intercepts[own] = est.segment_coefs_[there[own]], est.segment_intercepts_[there[own]]
    coefs[~own], intercepts[~own] = np.reshape(of_all, (K, d)), b
    return coefs, intercepts, places


def model_of(est, segment):
    """((coefficients (K, n_features), intercepts (K,)), which it is in words) of the model of a segment."""
    check_is_fitted(est)
    if not hasattr(est, "segments_"):
        raise ValueError(
            f"segment={segment!r}, and this {type(est).__name__} was fitted without segments: leave it out."
        )
    place = int(labels.looked_up([segment], est.segments_, 1, "segment")[0])
    if place == len(est.segments_):
        raise ValueError(f"segment={segment!r} was not in fit: it has the model of all rows, which is that of None.")
    model = est.segment_coefs_[place], est.segment_intercepts_[place]
    return model, f" of the segment {segment!r}"


def products(X, coefs, places, threads):
    """The products of rows with the coefficients (n, K, n_features) at their places: (n_rows, K)."""
    (n, K, d), table = coefs.shape, Table(X)
    dtype = np.result_type(X.dtype if X.dtype.kind == "f" else np.float64, coefs.dtype)
    dtype = dtype if dtype == np.float32 else np.dtype(np.float64)
    W = np.zeros((n, d, padded(K)), dtype)
    W[:, :, :K] = coefs.transpose(0, 2, 1)
    out = np.empty((X.shape[0], K), dtype)

    def block(lo):
        hi = min(lo + BLOCK_ROWS, X.shape[0])
        if not table.readable(dtype):
            some = table.read(np.arange(lo, hi), dtype).X
        else:
            some = rows_between(X, lo, hi) if table.sparse else X[lo:hi]
        kernels.margins_each(some, W, places[lo:hi], out[lo:hi])

    threads.map(block, range(0, X.shape[0], BLOCK_ROWS))
    return out
