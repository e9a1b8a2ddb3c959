"""Standard errors and intervals of SGDClassifier and SGDRegressor, from models that were trained beside the model."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from fastsgd import penalties
from fastsgd.estimators.for_prediction import refuse
from fastsgd.estimators.hints import Data
from fastsgd.estimators.intervals import OfHeads
from fastsgd.estimators.streams import of_all_blocks
from fastsgd.estimators.validation import check_X
from fastsgd.sources.base import Source
from fastsgd.sources.telling import tell

METHODS = {"bootstrap": "n_bootstrap", "split": "n_splits"}


class ResampledIntervals(OfHeads):
    """Needs the parameters `n_bootstrap` and `n_splits`, and `_state`, where the models are."""

    _constraints: dict = {name: [Interval(Integral, 0, None, closed="left")] for name in METHODS.values()}

    def coef_table(self, confidence_level: float = 0.95, method: str | None = None) -> Any:
        """Coefficients with standard errors, tests against 0 and confidence intervals.

        They follow from the models that were trained beside this one, with learning_rate="auto" and `n_bootstrap` or
        `n_splits`, in `fit` or `partial_fit`: no row is needed any more. They hold whatever the variance of y is, where the
        rows are independent of one another. What they are of is said at `LinearRegressor.coef_table`, with a penalty too;
        what they cost and when to trust them in docs/intervals.md.

        Parameters
        ----------
        confidence_level : float in (0, 1), default=0.95
        method : {"bootstrap", "split"} or None, default=None
            "bootstrap": coef +- t sqrt(mean squared difference of the resampled models) (the cheap bootstrap, Lam and Wang
            2023). "split": coef +- t s / sqrt(K), s the standard deviation of the models of K disjoint parts of the rows
            (Ibragimov and Mueller 2010). None: the one that was asked for by n_bootstrap or n_splits; of both the first.

        Returns
        -------
        pandas.DataFrame, or structured array without pandas
            As that of `LinearRegressor.coef_table`. `coef` is the estimate in the middle of the interval. That is `coef_` with
            loss="squared_error" and on CSR. Else, on dense rows, it is `coef_` less the bias that steps of some length have,
            which is known from a model of steps twice as long (`attrs` says how large it is). After a single pass it is
            all of the model of which `coef_` may be a share (`auto_rule_`).

        Raises
        ------
        ValueError
            No models were trained beside this one; or `coef_` is not what training has made it.

        Warns
        -----
        UserWarning
            The average has not settled, few rows for the coefficients, or columns of which the rows say nothing.

        Examples
        --------
        >>> import numpy as np
        >>> from fastsgd import SGDRegressor
        >>> rng = np.random.default_rng(0)
        >>> X = rng.standard_normal((1000, 2))
        >>> y = X @ [1.0, 0.0] + rng.standard_normal(1000)
        >>> reg = SGDRegressor(learning_rate="auto", penalty=None, n_bootstrap=20, random_state=0)
        >>> reg.fit(X, y).coef_table().round(2)
                   coef    se  z_value  p_value  ci_lower  ci_upper
        intercept -0.04  0.03    -1.52     0.14     -0.11      0.02
        x0         0.97  0.03    33.37     0.00      0.91      1.03
        x1        -0.01  0.03    -0.29     0.77     -0.08      0.06
        """
        from fastsgd.estimators.coef_table import Table

        return Table(self, self._spread(method), confidence_level).frame()

    def std_errors(self, method: str | None = None) -> NDArray[np.float64]:
        """Standard errors of the intercept, if there is one, and the coefficients: see `coef_table`.

        Parameters
        ----------
        method : {"bootstrap", "split"} or None, default=None

        Returns
        -------
        ndarray of shape (n,) or (n_classes or n_targets, n)
        """
        found = self._spread(method).se
        return found if self._several else found[0]

    def predict_interval(
        self, X: Data, confidence_level: float = 0.95, *, kind: str = "mean", method: str | None = None
    ) -> NDArray[np.float64]:
        """Confidence intervals of predictions.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or Source
        confidence_level : float in (0, 1), default=0.95
        kind : {"mean", "margin"}, default="mean"
            "mean": of the mean that is predicted, with "log_loss" the probability of the second class; where there is a link the
            interval of the margin, through the link. "margin": of x.w + b.
        method : {"bootstrap", "split"} or None, default=None
            As in `coef_table`: of the predictions of the models beside this one.

        Returns
        -------
        ndarray of shape (n_samples, 2), or (n_samples, n_classes or n_targets, 2)
            Lower and upper ends.
        """
        from fastsgd.estimators.coef_table import check_level, ends

        found = self._spread(method)
        check_level(confidence_level)
        self._check_kind(kind, False, new=False)

        def of(X):
            out = ends(self, found.intervals_of_rows(check_X(self, X), confidence_level), kind)
            return out if self._several else out[:, 0]

        return of_all_blocks(self, X, of) if isinstance(X, Source) else of(X)

    def summary(self, confidence_level: float = 0.95, method: str | None = None) -> None:
        """Print `coef_table`, with the loss, the number of rows, how the fit ended, and what the intervals are of.

        Parameters
        ----------
        confidence_level, method
            As in `coef_table`.
        """
        from fastsgd.estimators.coef_table import Table

        print(Table(self, self._spread(method), confidence_level).text())

    # ------------------------------------------------------------ what they need
    def _spread(self, method):
        """The Spread of a method, with the warnings that it calls for."""
        from fastsgd.estimators.spread import Spread

        check_is_fitted(self)
        refuse(self, "models beside it")
        if method not in (None, *METHODS):
            raise ValueError(f"method must be 'bootstrap', 'split' or None, got {method!r}.")
        found = Spread.of(self, method)
        for words in found.warnings(self):
            tell(words)
        return found

    def _check_beside(self, rate):
        """ValueError where the spread of models beside this one is not what it is sure of."""
        for name in METHODS.values():
            if getattr(self, name) == 1:
                raise ValueError(f"{name} must be 0 (none), or 2 or more: one model more says nothing of a spread.")
        asked = ", ".join(f"{name}={n}" for name in METHODS.values() if (n := getattr(self, name)))
        if not rate.auto:
            raise ValueError(
                f"{asked} needs learning_rate='auto', got {self.learning_rate!r}: of steps of a schedule, the spread of "
                "resampled models says what the step sizes are, and not how sure the model is (Carter and Kuchibhotla 2025). Set "
                f"learning_rate='auto', or take Linear{self._task.title()}, whose coef_table needs no resampling."
            )
        if self.multi_class == "multinomial":
            raise ValueError(
                f"{asked} needs multi_class='ovr', got 'multinomial': models beside this one are of one "
                "class against the rest."
            )
        if penalties.weights(self.penalty, self._alpha, self.l1_ratio)[0]:
            raise ValueError(
                f"{asked} is not for penalty={self.penalty!r}, which chooses among the columns, and intervals that do not "
                "know of the choice are wrong. Fit with penalty='l2' or None; on the columns chosen, but on other rows than they "
                "were chosen by, that is valid."
            )

    def _kept_beside(self, state):
        """A state that partial_fit goes on from, as n_bootstrap and n_splits are now; 0 of both leaves the models out."""
        beside, asked = state.beside, (self.n_bootstrap, self.n_splits)
        there = (0, 0) if beside is None else (len(beside.resampled), len(beside.parts))
        if asked == there:
            return state
        if any(asked):
            raise ValueError(
                f"n_bootstrap={asked[0]} and n_splits={asked[1]}, and the model was begun with {there[0]} and {there[1]}: models "
                "that begin now know nothing of the rows before. Set them as they were, or both to 0; or begin anew."
            )
        state = state.copy()
        state.beside = None
        return state
