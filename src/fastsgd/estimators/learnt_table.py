"""The coefficients of a model as a table: named, and the weightiest first."""

from dataclasses import dataclass
from html import escape
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_WIDTH = 60  # characters of a name that are printed


@dataclass(frozen=True)
class CoefficientTable:
    """What `coefficients` returns: printed it is a table, in a notebook too.

    Attributes
    ----------
    rows : structured array
        The features: "feature", with several classes or targets "class" or "target", "coef", "scale" and "share", which are nan
        where scales are not known. Classes are in their order, and in each the weightiest feature is first.
    intercept : dict
        Of each class or target its intercept; of a single one that of None.
    about : str
        Which model this is, what a positive coefficient speaks for, and what the order is by.
    n_features : int
        Features of the model; those with a coefficient of 0 are in no table.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsgd import LinearRegressor
    >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 5.0]])
    >>> table = LinearRegressor(penalty=None).fit(X, X @ [2.0, -1.0]).coefficients()
    >>> table["feature"].tolist(), table["coef"].round(6).tolist()
    (['x0', 'x1'], [2.0, -1.0])
    """

    rows: NDArray[Any]
    intercept: dict[Any, float]
    about: str
    n_features: int

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, column: str) -> NDArray[Any]:
        """A column."""
        return self.rows[column]

    @property
    def group(self) -> str | None:
        """What the column of classes or targets is called; None where there is one alone."""
        return next((name for name in self.rows.dtype.names if name in ("class", "target")), None)

    def to_frame(self) -> Any:
        """The rows as a DataFrame of pandas; `attrs` has the rest.

        Returns
        -------
        pandas.DataFrame
        """
        import pandas as pd

        frame = pd.DataFrame({name: self.rows[name] for name in self.rows.dtype.names})
        frame.attrs = {"intercept": self.intercept, "about": self.about, "n_features": self.n_features}
        return frame

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """The table in words: the names of its columns, and its rows, those of the intercepts too.

        Returns
        -------
        (list of str, list of list of str)
        """
        group, scaled = self.group, not np.isnan(self.rows["share"]).all()
        names = [*([group] if group else []), "feature", "coef", *(["scale", "share"] if scaled else [])]
        lines = []
        for label, intercept in self.intercept.items():
            some = self.rows if group is None else self.rows[self.rows[group] == label]
            first = [str(label)] if group else []
            for row in some:
                numbers = [f"{row[name]:.4g}" for name in names if name in ("coef", "scale", "share")]
                lines.append([*first, row["feature"], *numbers])
            lines.append([*first, "(intercept)", f"{intercept:.4g}", *([""] * 2 if scaled else [])])
        return names, lines

    def __str__(self) -> str:
        names, lines = self.cells()
        lines = [[short(cell) for cell in line] for line in lines]
        widths = [max(map(len, column)) for column in zip(names, *lines, strict=True)]
        words = names.index("feature") + 1  # so many columns hold words
        out = [self.about]
        for line in [names, *lines]:
            parts = [
                f"{cell:<{width}}" if i < words else f"{cell:>{width}}"
                for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            ]
            out.append("  ".join(parts).rstrip())
        return "\n".join(out)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        names, lines = self.cells()
        head = "".join(f"<th>{escape(name)}</th>" for name in names)
        body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in line)}</tr>" for line in lines)
        return (
            f"<div><p>{escape(self.about)}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        )


def short(text):
    """A name as it is printed, on one line."""
    text = " ".join(str(text).split())
    return text if len(text) <= MAX_WIDTH else f"{text[: MAX_WIDTH - 1]}\N{HORIZONTAL ELLIPSIS}"


# ---------------------------------------------------------------- how it is made
def check_top(top):
    """ValueError where it says of no number of features that they are asked for."""
    if top is not None and (isinstance(top, bool) or not isinstance(top, Integral) or top < 1):
        raise ValueError(f"top must be None, for all features, or an integer >= 1, got {top!r}.")


def weightiest(coef, scale, top):
    """The places of at most `top` coefficients that are not 0, those of largest share first.

    Parameters
    ----------
    coef : (n_features,) array
    scale : (n_features,) array or None
    top : int or None
    """
    there = np.flatnonzero(coef)
    size = np.abs(coef[there].astype(np.float64))
    if scale is not None:
        size *= scale[there]
    if top is not None and top < len(there):
        some = size >= np.partition(size, len(size) - top)[len(size) - top]
        there, size = there[some], size[some]
    return there[np.lexsort((there, -size))][:top]


def shown(labels):
    """Labels as Python has them."""
    return labels.tolist() if isinstance(labels, np.ndarray) else list(labels)


def groups_of(est, heads):
    """(what a head is, the label of each): ("class", ...), ("target", ...), or (None, [None]) of a single one."""
    if heads == 1:
        return None, [None]
    if est._task == "classifier":
        return "class", shown(est.classes_)
    names = getattr(est, "_label_columns", {}).get("target")
    called = isinstance(names, list) and len(names) == heads and all(isinstance(name, str) for name in names)
    return "target", names if called else list(range(heads))


def meaning(est, heads, what="coefficient"):
    """In words, what a positive coefficient, or share, speaks for."""
    if est._task == "classifier":
        if heads > 1:
            return f"a positive {what} speaks for its class"
        low, high = shown(est.classes_)
        return f"a positive {what} speaks for {high!r}, a negative one for {low!r}"
    if est._task == "regressor":
        return f"{what}s of {'the logarithm of the mean' if est._loss().offers('mean') else 'the prediction'}"
    return f"a positive {what} speaks for rows inside"


def table_of(est, coef, intercept, scale, words, top, names_of, of=""):
    """The CoefficientTable of coefficients (K, n_features) and intercepts (K,).

    Parameters
    ----------
    scale : (n_features,) array or None
        None where it is not known.
    words : str
        What it is.
    names_of : callable
        names_of(places) is (the name of each feature, its sign).
    of : str
        Which model this is, where there are several.
    """
    group, labels = groups_of(est, len(coef))
    chosen = [weightiest(of_head, scale, top) for of_head in coef]
    places = np.concatenate(chosen)
    there, number = np.unique(places, return_inverse=True)
    names, signs = names_of(there)
    head = np.repeat(np.arange(len(coef)), [len(some) for some in chosen])
    kind = [] if group is None else [(group, np.asarray(labels).dtype)]
    out = np.empty(len(places), [*kind, ("feature", object), ("coef", "f8"), ("scale", "f8"), ("share", "f8")])
    out["feature"] = np.asarray(names, dtype=object)[number]
    out["coef"] = coef[head, places] * np.asarray(signs, np.float64)[number]
    out["scale"] = np.nan if scale is None else scale[places]
    out["share"] = out["coef"] * out["scale"]
    if group is not None:
        out[group] = np.asarray(labels)[head]
    d = coef.shape[1]
    by = "by |coef|, as the scales of the features are not known" if scale is None else f"by |coef| times the {words}"
    about = f"{type(est).__name__}{of}, {d:,} features: {meaning(est, len(coef))}; ordered {by}"
    return CoefficientTable(out, dict(zip(labels, map(float, intercept), strict=True)), about, d)
