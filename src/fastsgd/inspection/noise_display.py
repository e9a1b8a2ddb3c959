"""GradientNoiseDisplay: how far gradients of batches are from that of all rows, by the size of the batch."""

from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsgd.estimators.hints import Data, RandomState
from fastsgd.inspection import style, viewpoint
from fastsgd.random_states import generator

DRAWS = 30  # batches of each size
USUAL_SIZES = 12  # at most, from 1 to half of the rows
FAR_BELOW = 1e-3  # A gradient this much shorter than the least noise is not drawn, as it would take most of the axis.


class GradientNoiseDisplay:
    """How long the noise of a step is beside the gradient, by batch size.

    The gradient of a batch is that of all rows plus noise of mean 0. Its variance, the mean of ``|g_batch - g|^2``, is
    ``row_variance / B * (n - B) / (n - 1)`` for B of n rows drawn without replacement. Where the noise is longer than the
    gradient, a step says little about where to go, and a constant step size moves the model about without getting nearer to the
    optimum: take larger batches or a step size that falls.

    Make one by `from_estimator`.

    Parameters
    ----------
    batch_sizes : ndarray of shape (n_sizes,)
    row_variance : float
        Mean of ``|g_i - g|^2`` over the rows, g_i being the gradient of row i.
    n_rows : int
        Rows of weight above 0.
    gradient_norm : float
        ``|g|``, with the penalty.
    sampled : ndarray of shape (n_sizes, n_draws), default=None
        ``|g_batch - g|^2`` of batches that were drawn.
    name : str, default=None
        A title.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    line_ : matplotlib Line2D
        The noise by the formula.
    lines_ : dict of str to matplotlib Line2D
        "exact", and "sampled" and "gradient" where they are drawn.

    See Also
    --------
    fastsgd.SGDClassifier.gradient : the gradient of all rows.

    References
    ----------
    Bottou, Curtis and Nocedal (2018), Optimization methods for large-scale machine learning, section 4. McCandlish, Kaplan and
    Amodei (2018), An empirical model of large-batch training.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from fastsgd import LinearRegressor
    >>> from fastsgd.inspection import GradientNoiseDisplay
    >>> X, y = np.array([[1.0], [1.0], [2.0], [2.0]]), np.array([1.0, 3.0, 2.0, 6.0])
    >>> reg = LinearRegressor(alpha=0.0, fit_intercept=False)
    >>> display = GradientNoiseDisplay.from_estimator(reg, X, y, batch_sizes=[1, 2], point=[1.0])
    >>> display.row_variance, display.variance  # The gradients of the rows are 0, -2, 0 and -8.
    (10.75, array([10.75      ,  3.58333333]))
    >>> print(f"gradient {display.gradient_norm}, as long as the noise of batches of {display.critical_batch_size:.1f}")
    gradient 2.5, as long as the noise of batches of 1.5
    """

    def __init__(
        self,
        *,
        batch_sizes: NDArray[np.int64],
        row_variance: float,
        n_rows: int,
        gradient_norm: float,
        sampled: NDArray[np.float64] | None = None,
        name: str | None = None,
    ) -> None:
        self.batch_sizes = batch_sizes
        self.row_variance = row_variance
        self.n_rows = n_rows
        self.gradient_norm = gradient_norm
        self.sampled = sampled
        self.name = name

    @property
    def variance(self) -> NDArray[np.float64]:
        """Mean of ``|g_batch - g|^2`` of each batch size, by the formula; 0 for all rows."""
        B, n = np.asarray(self.batch_sizes, np.float64), self.n_rows
        return self.row_variance / B * (n - B) / max(1, n - 1)

    @property
    def critical_batch_size(self) -> float:
        """The batch size from which on the gradient is longer than the noise: below 1 where it is longer than that of a row."""
        n = self.n_rows
        scale = (n - 1) * self.gradient_norm**2 + self.row_variance
        return n * self.row_variance / scale if scale > 0 else 1.0

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Data,
        y: ArrayLike | None = None,
        *,
        batch_sizes: ArrayLike | None = None,
        n_draws: int | None = None,
        point: Any = None,
        sample_weight: ArrayLike | None = None,
        random_state: RandomState = 0,
        **plot_kw: Any,
    ) -> Self:
        """Work out the gradients of single rows in two passes, draw batches to compare, and plot both.

        Parameters
        ----------
        estimator : SGDClassifier, SGDRegressor, LinearClassifier or LinearRegressor
            Fitted or not.
        X, y, sample_weight
            As in `estimator.gradient`.
        batch_sizes : array-like of int, default=None
            From 1 to the number of rows. None: up to 12, from 1 to half of the rows.
        n_draws : int, default=None
            Batches to draw of each size; 0 for none. None: 30, and 0 for a source, whose rows are not at hand.
        point : coef or (coef, intercept), default=None
            Where. None: at the fitted model; at zeros if the estimator is not fitted.
        random_state : int, Generator or RandomState, default=0
            Of the batches.
        **plot_kw
            As in `plot`.

        Returns
        -------
        GradientNoiseDisplay

        Raises
        ------
        ValueError
            A bad argument or bad data.
        ImportError
            matplotlib is not installed.

        Notes
        -----
        Of weighted rows g_i is n s_i / sum s times the gradient of row i, so that their mean is that of all rows. With one
        class against the rest g has the numbers of all classes, as `gradient` gives them. With standardize=True all is in
        the units in which steps are made, of standardised columns.
        """
        at = viewpoint.point(estimator, X, y, point, sample_weight)
        found = at.row_gradients()
        sizes = _sizes(batch_sizes, found.n_rows)
        draws = (DRAWS if at.in_memory else 0) if n_draws is None else n_draws
        if not isinstance(draws, Integral) or isinstance(draws, bool) or draws < 0:
            raise ValueError(f"n_draws must be a whole number of at least 0, or None, found {n_draws!r}.")
        if draws and not at.in_memory:
            raise ValueError(f"n_draws must be 0 or None for a source, whose rows are not at hand, found {n_draws!r}.")
        sampled = at.sampled_noise(sizes, int(draws), generator(random_state)) if draws else None
        return cls(
            batch_sizes=sizes,
            row_variance=found.variance,
            n_rows=found.n_rows,
            gradient_norm=found.norm,
            sampled=sampled,
        ).plot(**plot_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        name: str | None = None,
        line_kw: dict[str, Any] | None = None,
        sampled_kw: dict[str, Any] | None = None,
        gradient_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw root mean squares of the noise, and the length of the gradient, on logarithmic axes.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.
        name : str, default=None
            A title.
        line_kw, sampled_kw, gradient_kw : dict, default=None
            For the lines of the formula, of the drawn batches, and of the gradient; they override single defaults.

        Returns
        -------
        GradientNoiseDisplay
            Itself.

        Raises
        ------
        ValueError
            A bad argument, or no noise at any batch size.
        ImportError
            matplotlib is not installed.
        """
        title = style.one_name(name) or self.name
        noise = np.sqrt(self.variance)
        if not (noise > 0).any():
            raise ValueError(
                "there is no noise to draw: all rows have the same gradient, or every batch has all of them."
            )
        self.ax_ = style.one_axes(ax, "GradientNoiseDisplay", "the noise by batch size")
        self.figure_ = self.ax_.figure
        first, second, _ = (look["color"] for look in style.looks(3))
        sizes = self.batch_sizes
        look = style.merged("line_kw", line_kw, color=first, linewidth=1.8, label="noise, by the formula")
        (self.line_,) = self.ax_.plot(sizes, noise, **look, **({} if len(sizes) > 1 else {"marker": "_"}))
        self.lines_ = {"exact": self.line_}
        if self.sampled is not None:
            look = {"color": first, "marker": "o", "markersize": 5.0, "linestyle": "none"}
            label = f"noise of {self.sampled.shape[1]} drawn batches"
            look = style.merged("sampled_kw", sampled_kw, **look, label=label)
            drawn = np.sqrt(self.sampled.mean(axis=1))
            (self.lines_["sampled"],) = self.ax_.plot(sizes, drawn, **look)
        if self.gradient_norm > FAR_BELOW * noise[noise > 0].min():
            label = f"gradient of all rows ({self.gradient_norm:.3g})"
            look = style.merged("gradient_kw", gradient_kw, color=second, linewidth=1.8, linestyle="--", label=label)
            self.lines_["gradient"] = self.ax_.axhline(self.gradient_norm, **look)
        style.dress(self.ax_, "rows of a batch", "length of gradient and noise")
        style.logarithmic(self.ax_, "x", "batch_sizes", [sizes])
        style.logarithmic(self.ax_, "y", "noise", [noise])
        note = [] if "gradient" in self.lines_ else [f"gradient: {self.gradient_norm:.2g}, far below"]
        if title or note:
            self.ax_.set_title(", ".join([style.plain(title, 60)] * bool(title) + note) if title else note[0])
        style.legend(self.ax_, list(self.lines_.values()))
        return self


def _sizes(given: ArrayLike | None, n: int) -> NDArray[np.int64]:
    """The batch sizes, which rise."""
    if given is None:
        return np.unique(np.geomspace(1, max(1, n // 2), min(USUAL_SIZES, max(1, n // 2))).round().astype(np.int64))
    try:
        sizes = np.unique(np.asarray(given, np.float64))
    except (TypeError, ValueError):
        sizes = np.empty(0)
    if not len(sizes) or not ((sizes == np.floor(sizes)) & (sizes >= 1) & (sizes <= n)).all():
        raise ValueError(f"batch_sizes must be whole numbers from 1 to {n}, the number of rows, found {given!r:.80}.")
    return sizes.astype(np.int64)
