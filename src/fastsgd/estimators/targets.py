"""From y to the targets of the heads: plain values, which know no estimator and go with the rows to wherever these are read."""

from dataclasses import dataclass, replace

import numpy as np
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from fastsgd.estimators.validation import (
    check_dense,
    check_distributions,
    check_labels,
    check_targets,
    check_weight,
    distributions,
    encode,
)
from fastsgd.losses import Loss
from fastsgd.sources.arrays import Table
from fastsgd.sources.base import Rows, labelled_as
from fastsgd.sources.blocks import sound_labels
from fastsgd.sums import Labels


@dataclass
class Targets:
    """Base of how labels become targets. Itself: every row is of the one class there is, and y is not looked at."""

    needs_y = needs_classes = False
    heads = 1

    def named(self, name):
        """The same for a y of that name in errors."""
        return self

    def labels(self, y):
        """By which rows are split off evenly; None where there are no classes."""
        return None

    def compare(self, y, y_val):
        """Refuse targets of a validation set that are of another kind than y."""

    def scored_by(self, scoring):
        """Refuse what can't score a validation set of such targets."""

    def checked(self, y, name="y"):
        """y, as the other methods take it; ValueError where it is no y for these rows, which calls it by the name."""
        return None

    def seen(self, rows):
        """The Rows of a block, whose X has been checked, with y as it lies; ValueError where there is no number."""
        sound_labels(rows.y if self.needs_y else None, rows.weight)
        return labelled_as(rows._replace(y=flat(rows.y)), rows)

    def check(self, rows):
        """The Rows of a block, whose X has been checked, for `table`."""
        rows = self.seen(rows)
        found = Rows(rows.X, self.checked(rows.y), check_weight(rows.weight, rows.X.shape[0]))
        return labelled_as(found, rows)

    def count(self, y, weight, soft=False):
        """The Labels of a block of a source, and the shape of a row's y; `soft` if one before held probabilities."""
        if y is None:
            raise ValueError("it has no y, which is needed here.")
        sound_labels(y, weight)
        y = self.checked(flat(y))
        return self._labels(y, check_weight(weight, len(y), "weight"), soft), y.shape[1:]

    def _labels(self, y, weight, soft):
        return Labels.of(y, weight)

    def table(self, X, y, s):
        """The Table of rows that have been checked."""
        return Table(X, y=np.ones((X.shape[0], 1)), s=s)


@dataclass
class Numbers(Targets):
    """Those of a regression.

    Attributes
    ----------
    loss : Loss
        It has bounds for the targets.
    columns : tuple, or None
        The shape of a row's y; None takes any.
    """

    loss: Loss
    columns: tuple | None = None
    needs_y = True

    @property
    def heads(self):
        return self.columns[0] if self.columns else 1

    def compare(self, y, y_val):
        if y_val.shape[1:] != y.shape[1:]:
            raise ValueError(f"y_val must have as many targets as y: its shape is {y_val.shape}, that of y {y.shape}.")

    def checked(self, y, name="y"):
        return check_targets(given(y, name), self.loss, name)

    def check(self, rows):
        y = flat(rows.y)
        if y is not None and self.columns not in (None, y.shape[1:]):
            raise ValueError(f"y has rows of shape {y.shape[1:]}, expected {self.columns}.")
        return super().check(rows)

    def table(self, X, y, s):
        return Table(X, y=np.ascontiguousarray(y.reshape(len(y), -1)), s=s)


@dataclass
class Classes(Targets):
    """Those of a classification.

    Attributes
    ----------
    loss : Loss
        That of two classes, which says whether y may hold probabilities of class 1.
    together : bool
        Whether y may hold probabilities of all classes, (n, n_classes).
    classes : array
        The sorted labels.
    weight : (n_classes,) array, or None for ones
    heads_loss : Loss
        That of the heads, which may couple the classes.
    soft : bool or None
        Whether y holds probabilities; None where each table is looked at.
    name : str
        What to call y in errors.
    """

    loss: Loss
    together: bool
    classes: np.ndarray | None = None
    weight: np.ndarray | None = None
    heads_loss: Loss | None = None
    soft: bool | None = None
    name: str = "y"
    needs_y = needs_classes = True

    @property
    def heads(self):
        return 1 if len(self.classes) == 2 else len(self.classes)

    def named(self, name):
        return replace(self, name=name)

    def labels(self, y):
        return None if self.soft else y

    def compare(self, y, y_val):
        if y_val.ndim != y.ndim:
            raise ValueError(
                "y and y_val must both hold labels, or both probabilities of the classes: "
                f"y has the shape {y.shape}, y_val {y_val.shape}."
            )

    def scored_by(self, scoring):
        if self.soft and scoring != "loss":
            raise ValueError(
                "with soft labels the validation set needs validation_scoring='loss': there are no classes to compare."
            )

    def checked(self, y, name="y"):
        check_dense(given(y, name), name)
        shape = np.asarray(y).shape if self.together else ()
        y = (check_distributions if len(shape) == 2 and shape[1] > 1 else check_labels)(y, name)
        whole = y.dtype.kind in "biuU" or not len(y) or is_soft(y, self.loss)
        if not whole and type_of_target(y) not in ("binary", "multiclass"):  # Of few rows many classes are no mistake.
            check_classification_targets(y)
        return y

    def _labels(self, y, weight, soft):
        if not (len(y) and (soft or is_soft(y, self.loss))):
            return Labels.of(y, weight, soft=False)
        y = distributions(y)
        if y.min() < 0:
            raise ValueError(f"y holds probabilities of class 1, and not everywhere: found {y[:, 1].min():g}.")
        return Labels.of(y, weight, soft=True)

    def table(self, X, y, s):
        """Numbers for one head, class codes for several; of probabilities, numbers for all."""
        if is_soft(y, self.loss) if self.soft is None else self.soft:
            return self._soft_table(X, distributions(y), s)
        weight, loss = self.weight, self.heads_loss
        table = Table(X, negative=loss.negative, s=s)
        if len(self.classes) == 2:
            # The class of the one head is 0.
            table.code = (y != self.classes[1]).astype(np.int32)
            if np.count_nonzero(table.code) != np.count_nonzero(y == self.classes[0]):
                encode(y, self.classes, self.name)
        else:
            table.code = encode(y, self.classes, self.name)
        if weight is not None and loss.coupled:
            table.s = weight[table.code] * (1.0 if s is None else s)
        elif weight is not None:
            pos, neg = (weight[1:], weight[:1]) if len(weight) == 2 else (weight, np.ones(len(weight)))
            table.s_pos, table.s_neg = (np.ascontiguousarray(w, np.float64) for w in (pos, neg))
        return table

    def _soft_table(self, X, y, s):
        """That of probabilities of all classes; their weights become one of the row."""
        if y.shape[1] != len(self.classes):
            raise ValueError(f"{self.name} has probabilities of {y.shape[1]} classes, there are {len(self.classes)}.")
        if y.min() < 0:
            raise ValueError(f"{self.name} must hold probabilities of class 1, as y does, found {y[:, 1].min():g}.")
        if self.weight is not None:
            pull = y @ self.weight
            y = np.divide(y * self.weight, pull[:, None], out=y.copy(), where=pull[:, None] > 0)
            s = pull if s is None else pull * s
        return Table(X, y=np.ascontiguousarray(y[:, 1:] if y.shape[1] == 2 else y, np.float64), s=s)


def is_soft(y, loss):
    """Whether y holds probabilities and not labels."""
    if y.ndim == 2:
        return True
    if not loss.log_odds or y.dtype.kind != "f":
        return False
    return bool(len(y)) and y.min() >= 0 and y.max() <= 1 and bool(np.any((y > 0) & (y < 1)))


def given(y, name):
    """y, which must be there."""
    if y is None:
        raise ValueError(f"requires y to be passed, but the target {name} is None")
    return y


def flat(y):
    """Targets of a single column as those of one dimension."""
    return y[:, 0] if y is not None and y.ndim == 2 and y.shape[1] == 1 else y
