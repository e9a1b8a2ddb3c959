"""PathDisplay: coefficients along alphas, or along a training."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsgd.inspection import style
from fastsgd.inspection.models import model_of, names_of_columns

TOP = 10  # lines
BAND = 0.15  # opacity


class PathDisplay:
    """Coefficients along the alphas of a search, or along a training.

    Make one by `from_estimator` or `from_path`; `plot` draws it again, elsewhere or otherwise.

    Parameters
    ----------
    x : ndarray of shape (n,)
        Alphas, steps or epochs.
    coefs : ndarray of shape (n, n_lines)
        Of a search the mean over the folds.
    names : sequence of str
        What the lines are called.
    spread : ndarray of shape (n, n_lines), default=None
        Standard deviation over the folds.
    chosen : float, default=None
        The x to mark: the alpha that was chosen.
    x_name : str, default="steps"
        What x is: "alpha", which has a logarithmic axis, or any other words.
    n_all : int, default=None
        How many coefficients there are, of which those drawn are the largest.
    name : str, default=None
        A title.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    lines_ : list of matplotlib Line2D
        The largest first.
    fill_between_ : list of matplotlib PolyCollection
        Bands of one standard deviation over the folds, if there are.
    chosen_line_ : matplotlib Line2D or None

    See Also
    --------
    LossSurfaceDisplay : the path of two weights on the objective.

    References
    ----------
    Friedman, Hastie and Tibshirani (2010), Regularization paths for generalized linear models via coordinate descent.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from fastsgd import LinearRegressorCV, SGDRegressor
    >>> from fastsgd.inspection import PathDisplay
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 4))
    >>> y = X @ [3.0, 0.0, -1.0, 0.0] + rng.standard_normal(200)
    >>> display = PathDisplay.from_estimator(LinearRegressorCV(penalty="l1", alphas=20).fit(X, y), top=2)
    >>> [line.get_label() for line in display.lines_], display.x_name
    (['x0', 'x2'], 'alpha')
    >>> reg = SGDRegressor(random_state=0).fit(X, y, record="coef", record_every=20)
    >>> PathDisplay.from_estimator(reg, top=2).x_name
    'epochs'
    """

    def __init__(
        self,
        *,
        x: NDArray[Any],
        coefs: NDArray[Any],
        names: Sequence[str],
        spread: NDArray[Any] | None = None,
        chosen: float | None = None,
        x_name: str = "steps",
        n_all: int | None = None,
        name: str | None = None,
    ) -> None:
        self.x = x
        self.coefs = coefs
        self.names = names
        self.spread = spread
        self.chosen = chosen
        self.x_name = x_name
        self.n_all = n_all
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        x: str | None = None,
        top: int | None = TOP,
        target: Any = None,
        l1_ratio: float | None = None,
        feature_names: Sequence[str] | None = None,
        **plot_kw: Any,
    ) -> Self:
        """Draw the paths that an estimator keeps.

        Parameters
        ----------
        estimator : fitted estimator
            LinearClassifierCV, LinearRegressorCV, SGDClassifierCV or SGDRegressorCV; or one with `path_`
            (``fit(..., record="coef")``). Of a pipeline its last step, of scikit-learn's searches the best estimator.
        x : {"alpha", "epochs", "steps"}, default=None
            None: "alpha" of a search, "epochs" of a training.
        top : int or None, default=10
            How many coefficients to draw: those that are largest anywhere on the path. None draws all.
        target : label of a class, or int, default=None
            Of several classes, or targets of a regression, the one whose coefficients to draw. None: those of all.
        l1_ratio : float, default=None
            Of a search with several, the one whose alphas to draw. None: that chosen.
        feature_names : sequence of str, default=None
            None: `feature_names_in_`, or what the steps of a pipeline say, or x0, x1 and so on.
        **plot_kw
            As in `plot`.

        Returns
        -------
        PathDisplay

        Raises
        ------
        ValueError
            A bad argument, or the estimator keeps no path.
        ImportError
            matplotlib is not installed.
        """
        given, estimator = estimator, model_of(estimator)
        search = hasattr(estimator, "coefs_paths_")
        if not search and not hasattr(estimator, "path_"):
            raise ValueError(
                f"estimator must keep a path, found {type(estimator).__name__} with neither coefs_paths_ nor path_: fit a search "
                "such as LinearClassifierCV, or one of SGDClassifier, SGDRegressor and SGDOneClassSVM with record='coef'."
            )
        known = ["alpha"] if search else ["epochs", "steps"]
        if x is not None and x not in known:
            raise ValueError(f"x must be one of {known} for this {type(estimator).__name__}, found {x!r}.")
        if search:
            at, coefs = _of_search(estimator, l1_ratio)
            chosen = float(estimator.alpha_)
        else:
            if l1_ratio is not None:
                raise ValueError(f"l1_ratio={l1_ratio!r} is for a search, a training has one.")
            path = estimator.path_
            at, chosen = np.asarray(path.steps, np.float64), None
            if x != "steps":
                record = estimator.record_
                at = np.interp(at, record["steps"], record["epoch"])
            coefs = np.asarray(path.coef)[None]
        d = estimator.n_features_in_
        coefs = coefs.reshape(*coefs.shape[:2], -1, d)
        features = names_of_columns(given, d) if feature_names is None else feature_names
        names = style.column_names(features, d)
        coefs, names = _heads(estimator, coefs, names, target)
        return cls._of(at, coefs, names, top, chosen, x or known[0]).plot(**plot_kw)

    @classmethod
    def from_path(
        cls,
        path: Any,
        *,
        x: ArrayLike | None = None,
        top: int | None = TOP,
        feature_names: Sequence[str] | None = None,
        x_name: str = "steps",
        **plot_kw: Any,
    ) -> Self:
        """Draw a path of other origin: the numbers of w at each step.

        Parameters
        ----------
        path : array-like of shape (n, ...), `path_` of an estimator, or what `fastsgd.minimize` gives
        x : array-like of shape (n,), default=None
            Where each point is. None: the steps of the path, or 0, 1, 2 ...
        top, feature_names
            As in `from_estimator`; of w they name its numbers, flat.
        x_name : str, default="steps"
            What x is.
        **plot_kw
            As in `plot`.

        Returns
        -------
        PathDisplay

        Raises
        ------
        ValueError
            A bad argument.

        Examples
        --------
        >>> import matplotlib
        >>> matplotlib.use("Agg")
        >>> from fastsgd import minimize
        >>> from fastsgd.inspection import PathDisplay
        >>> found = minimize(lambda w: (w[0] - 1) ** 2 + (w[1] + 2) ** 2, [0.0, 0.0], steps=100)
        >>> [line.get_label() for line in PathDisplay.from_path(found, feature_names=["a", "b"]).lines_]
        ['b', 'a']
        """
        points = getattr(path, "coef", getattr(path, "path", path))
        try:
            coefs = np.asarray(points, np.float64)
            coefs = coefs.reshape(1, len(coefs), -1)
        except (TypeError, ValueError):
            raise ValueError(f"path must be an array of points, found {type(path).__name__}.") from None
        if not coefs.size:
            raise ValueError("path has no points: there is nothing to draw.")
        at = getattr(path, "steps", np.arange(coefs.shape[1])) if x is None else x
        at = np.asarray(at, np.float64)
        if at.shape != coefs.shape[1:2]:
            raise ValueError(f"x must have a number for each of {coefs.shape[1]} points, found the shape {at.shape}.")
        given = [f"w{j}" for j in range(coefs.shape[2])] if feature_names is None else feature_names
        return cls._of(at, coefs, style.column_names(given, coefs.shape[2]), top, None, x_name).plot(**plot_kw)

    @classmethod
    def _of(
        cls, x: NDArray[Any], coefs: NDArray[Any], names: list[str], top: int | None, chosen: float | None, x_name: str
    ) -> Self:
        """The display of coefs (n_folds, n, n_lines), without NaN in all folds of a point."""
        top = style.largest(top)
        sound = np.where(np.isfinite(coefs), coefs, np.nan)
        some = np.isfinite(sound).any(axis=0)
        mean = np.full(some.shape, np.nan)
        count = np.isfinite(sound).sum(axis=0)
        mean[some] = np.nansum(sound, axis=0)[some] / count[some]
        largest = np.where(some, abs(mean), 0.0).max(axis=0)
        drawn = np.argsort(-largest, kind="stable")[: len(names) if top is None else top]
        spread = None
        if len(coefs) > 1:
            spread = np.sqrt(
                np.nansum((sound[:, :, drawn] - mean[:, drawn]) ** 2, axis=0) / np.maximum(1, count[:, drawn])
            )
        return cls(
            x=x,
            coefs=mean[:, drawn],
            names=[names[k] for k in drawn],
            spread=spread,
            chosen=chosen,
            x_name=x_name,
            n_all=len(names),
        )

    def plot(
        self,
        ax: Any = None,
        *,
        name: str | None = None,
        line_kw: Any = None,
        fill_between_kw: dict[str, Any] | None = None,
        chosen_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.
        name : str, default=None
            A title.
        line_kw : dict or list of dict, default=None
            For the lines, one for all or one for each; overrides single defaults.
        fill_between_kw : dict, default=None
            For the bands of one standard deviation over the folds.
        chosen_kw : dict, default=None
            For the vertical line at the chosen alpha.

        Returns
        -------
        PathDisplay
            Itself.

        Raises
        ------
        ValueError
            A bad argument, or alphas of which none is above 0.
        ImportError
            matplotlib is not installed.
        """
        title = style.one_name(name) or self.name
        self.ax_ = style.one_axes(ax, "PathDisplay", "coefficients")
        self.figure_ = self.ax_.figure
        few = style.markers(len(self.x))
        labels = [style.plain(label) for label in self.names]
        looks = zip(style.looks(len(labels)), labels, strict=True)
        kws = style.merged_each(
            "line_kw", line_kw, [{**look, **few, "linewidth": 1.6, "label": label} for look, label in looks]
        )
        self.lines_ = [self.ax_.plot(self.x, y, **kw)[0] for y, kw in zip(self.coefs.T, kws, strict=True)]
        self.fill_between_ = []
        for line, y, by in zip(self.lines_, self.coefs.T, () if self.spread is None else self.spread.T, strict=False):
            look = style.merged(
                "fill_between_kw", fill_between_kw, "collection", facecolor=line.get_color(), alpha=BAND, linewidth=0
            )
            self.fill_between_.append(self.ax_.fill_between(self.x, y - by, y + by, **look))
        style.dress(self.ax_, self.x_name, "coefficient")
        self.ax_.axhline(0.0, color=style.ink(self.ax_), linewidth=0.8, alpha=0.5, zorder=1)
        self.chosen_line_ = None
        listed = list(self.lines_)
        if self.chosen is not None:
            look = {"color": style.ink(self.ax_), "linestyle": ":", "linewidth": 1.4}
            look = style.merged("chosen_kw", chosen_kw, **look, label=f"chosen: {self.chosen:.3g}")
            self.chosen_line_ = self.ax_.axvline(self.chosen, **look)
            listed.append(self.chosen_line_)
        if self.x_name == "alpha":
            style.logarithmic(self.ax_, "x", "alphas", [self.x])
        if title:
            self.ax_.set_title(style.plain(title, 60))
        left = (self.n_all or len(labels)) - len(labels)
        style.legend(self.ax_, listed, title=f"largest {len(labels)} of {self.n_all}" if left > 0 else None)
        return self


def _of_search(estimator: Any, l1_ratio: float | None) -> tuple[NDArray[Any], NDArray[Any]]:
    """(alphas, coefs (n_folds, n_alphas, K, d)) of a search, at an l1_ratio and the eta0 that was chosen."""
    ratios = np.asarray(estimator.l1_ratios_)
    wanted = estimator.l1_ratio_ if l1_ratio is None else l1_ratio
    if not isinstance(wanted, int | float | np.number) or wanted not in ratios:
        raise ValueError(f"l1_ratio must be one of {ratios.tolist()}, found {l1_ratio!r}.")
    place = int(np.flatnonzero(ratios == wanted)[0])
    alphas = np.atleast_2d(estimator.alphas_)
    coefs = np.asarray(estimator.coefs_paths_)[:, place]
    if coefs.ndim == 5:  # (n_folds, n_alphas, n_eta0s, K, d)
        coefs = coefs[:, :, int(np.flatnonzero(estimator.eta0s_ == estimator.eta0_)[0])]
    return alphas[place if len(alphas) > 1 else 0], coefs


def _heads(estimator: Any, coefs: NDArray[Any], names: list[str], target: Any) -> tuple[NDArray[Any], list[str]]:
    """(coefs (n_folds, n, n_lines), names of the lines), of (n_folds, n, K, d): of one class or target, or of all."""
    K = coefs.shape[2]
    known = np.asarray(getattr(estimator, "classes_", np.arange(K))).tolist()
    if target is not None and target not in known:
        raise ValueError(f"target must be one of {known}, found {target!r}.")
    if K == 1:
        return coefs[:, :, 0], names
    if target is not None:
        return coefs[:, :, known.index(target)], names
    return coefs.reshape(*coefs.shape[:2], -1), [f"{name} ({head})" for head in known for name in names]
