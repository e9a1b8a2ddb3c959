"""Whether what was learnt is enough, and holds on other rows."""

from dataclasses import replace
from typing import Any

import numpy as np

from fastsgd.diagnosis.case import Case
from fastsgd.diagnosis.finding import Finding

RARE = 0.05  # A class of fewer than this share of the rows is rare.
NO_BETTER = 0.6  # A balanced accuracy (of two classes) up to which predictions are no better than the commonest class.
SEEMS_GOOD = 0.01  # An accuracy down to this much below the share of the commonest class.
EXPLAINED = 0.05  # A model that takes off less than this share of the loss of the best constant has learnt nothing.
GAIN = 0.3  # Other features, or less penalty, take off that much more of the loss of the best constant.
HELD = 0.5  # Less than this share of what was learnt holds on other rows.
ROWS_PER_COLUMN = 10  # With fewer rows than this for each column, folds are trained where no other rows are given.
FOLDS, FOLD_WORK = 5, 2e8  # And products x * w of all of them together, at most.
PRODUCT_COLUMNS, PRODUCT_ROWS = 30, 4000  # Squares and products are tried of so many columns, on so many rows.
LESS_PENALTY = 100.0


class Generalising:
    """Losses of a model beside that of the best constant, on the rows of training and on others."""

    def __init__(self, case: Case, other: Any = None) -> None:
        self.case, self.other = case, other
        self.of_constant = case.loss(*case.constant)
        self.least = self._least_loss()

    def _least_loss(self) -> float:
        """The mean loss of perfect predictions."""
        loss, table = self.case.plan.loss, self.case.table
        if loss.name in ("poisson", "gamma") and table.y is not None:
            y = np.maximum(table.y, 1e-300)
            return float(loss.value(np.log(y), table.y).mean())
        return float(loss.least_value) if np.isfinite(loss.least_value) else 0.0

    def share(self, loss: float, of_constant: float | None = None) -> float:
        """The share of the loss of the best constant that is taken off."""
        constant = self.of_constant if of_constant is None else of_constant
        return (constant - loss) / max(constant - self.least, 1e-300)

    # ------------------------------------------------------------ classes
    def rare_classes(self) -> tuple[Finding, bool] | None:
        """The finding, and whether it comes before the training: the best model, too, predicts next to nothing but the commonest
        class, or this one does, so that its accuracy seems good."""
        case = self.case
        if case.est._task != "classifier":
            return None
        code = self._classes()
        if code is None:
            return None
        weights = np.ones(len(code)) if case.table.s is None else case.table.s
        counts = np.bincount(code, weights)
        shares = counts / counts.sum()
        used = np.flatnonzero(np.bincount(code) > 0)
        rare = used[shares[used] < RARE]
        if not len(rare) or (len(used) > 2 and shares.max() < 0.5):
            return None
        predicted, best = (self._predicted(*at) for at in ((case.W, case.b), case.best[1:]))
        accuracy = float((weights * (predicted == code)).sum() / weights.sum())
        balanced, of_best = (float(np.mean([(p == code)[code == k].mean() for k in used])) for p in (predicted, best))
        labels = getattr(case.est, "classes_", used)
        rarest = rare[np.argmin(shares[rare])]
        better = "no better than" if accuracy <= shares.max() + 1e-12 else "beside"
        words = (
            f"class {labels[rarest]!r} has {shares[rarest]:.2%} of the rows, so that accuracy says next to nothing: it is "
            f"{accuracy:.4f}, {better} {shares.max():.4f} of always predicting {labels[int(np.argmax(shares))]!r}; the balanced "
            f"accuracy is {balanced:.3f}."
        )
        advice = "Score with average_precision, roc_auc or balanced_accuracy, and set class_weight='balanced' if rare ones count."
        numbers = {
            "share": float(shares[rarest]),
            "accuracy": accuracy,
            "majority": float(shares.max()),
            "balanced_accuracy": balanced,
            "recall": float((predicted == rarest)[code == rarest].mean()),
        }
        limit = NO_BETTER if len(used) == 2 else NO_BETTER / (len(used) / 2)
        seems_good = accuracy > shares.max() - SEEMS_GOOD and balanced < limit
        return Finding("rare_classes", words, advice, numbers), bool(of_best < limit or seems_good)

    def _classes(self) -> Any:
        case = self.case
        if case.table.code is not None:
            return case.table.code if len(case.b) > 1 else 1 - case.table.code
        y = case.table.y
        if case.plan.loss.coupled or y.shape[1] > 1:
            return y.argmax(axis=1) if y.shape[1] > 1 else y[:, 0].astype(int)
        values = np.unique(y[:, 0])
        return (y[:, 0] == values[-1]).astype(int) if len(values) == 2 else None

    def _predicted(self, W: Any, b: Any) -> Any:
        margins = np.asarray(self.case.table.X @ W[:, : len(b)]) + b
        return margins.argmax(axis=1) if len(b) > 1 else (margins[:, 0] > 0).astype(int)

    # ------------------------------------------------------------ too simple
    def underfitting(self) -> Finding | None:
        """The best model takes off next to nothing, or less penalty or products of columns would take off much more."""
        case = self.case
        _, W, b = case.best
        if case.est._task is None or not self.of_constant - self.least > 0:
            return None
        now = self.share(case.loss(W, b))
        chance = case.columns / max(1, case.table.n_rows)
        numbers: dict[str, Any] = {"explained": now}
        said = f"even the best model takes off {max(now, 0.0):.1%} of the loss of a constant"
        freer = self._with_less_penalty() if now < 1 - GAIN and (case.plan.l1 or case.plan.l2) else now
        if freer - now > GAIN and chance < 1 / ROWS_PER_COLUMN:
            alpha = float(f"{case.est._alpha / LESS_PENALTY:.1e}")
            return Finding(
                "underfitting",
                f"the penalty is too strong: {said}, with {LESS_PENALTY:g} times less of it {freer:.1%}.",
                f"Set alpha={alpha:g}.",
                numbers | {"alpha": alpha, "explained_with_less": freer, "reason": "penalty"},
            )
        bent = self._with_products(now)
        if bent is not None and bent - now > GAIN:
            return Finding(
                "underfitting",
                f"a linear model is too simple: {said}, with squares and products of columns {bent:.1%} on rows left out.",
                "Add sklearn.preprocessing.PolynomialFeatures(2), SplineTransformer or other features that bend.",
                numbers | {"explained_with_products": bent, "reason": "too simple"},
            )
        if chance < 1 / ROWS_PER_COLUMN and now < EXPLAINED + chance:
            return Finding(
                "underfitting",
                f"{said}: these columns say next to nothing of y.",
                "Look for other columns, or other forms of these; nothing in the training will mend it.",
                numbers | {"reason": "no signal"},
            )
        return None

    def _with_less_penalty(self) -> float:
        plan = self.case.plan
        _, W, b = self.case.solved(self.case.table, plan.l1 / LESS_PENALTY, plan.l2 / LESS_PENALTY)
        return self.share(self.case.loss(W, b))

    def _with_products(self, now: float) -> float | None:
        """The share of squares and products too, on a third of the rows, by a model of the others; None if it is too much."""
        case = self.case
        if now > 1 - GAIN:
            return None
        table, n = case.table, case.table.n_rows
        step = max(1, n // PRODUCT_ROWS)
        X = table.X[::step]
        some = np.argsort(-np.asarray(abs(X).sum(axis=0)).ravel(), kind="stable")[:PRODUCT_COLUMNS]
        X = X[:, np.sort(some)]
        X = X.toarray() if table.sparse else X
        spread = X.std(axis=0)
        X = (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        first, second = np.triu_indices(X.shape[1])
        bent = np.column_stack([X, X[:, first] * X[:, second]])
        rows = np.arange(0, n, step)
        kept = np.arange(len(rows)) % 3 > 0
        if bent.shape[1] * 2 > kept.sum():  # too many for so few rows: squares alone
            bent = np.column_stack([X, X * X])
        if bent.shape[1] * 2 > kept.sum():
            return None
        of, others = (table.with_rows(rows[take], np.ascontiguousarray(bent[take])) for take in (kept, ~kept))
        of.sparse = others.sparse = False
        _, W, b = case.solved(of, 0.0, max(case.plan.l2, 1e-4))
        return self.share(case.loss(W, b, others))

    # ------------------------------------------------------------ too much
    def overfitting(self) -> Finding | None:
        """Less than half of what was learnt holds on other rows."""
        case = self.case
        here = self.of_constant - case.loss(case.W, case.b)
        if case.est._task is None or not here > EXPLAINED * (self.of_constant - self.least):
            return None
        found = self._on_other_rows()
        if found is None:
            return None
        loss, constant, n, where = found
        held = (constant - loss) / here
        train = case.loss(case.W, case.b)
        if held >= HELD or not loss - train > 2 * abs(loss - self.least) / np.sqrt(n):
            return None
        alpha = float(f"{max(10 * case.est._alpha, 1e-3):.1e}")
        return Finding(
            "overfitting",
            f"of what was learnt {max(held, 0.0):.0%} holds on other rows: the mean loss is {train:.6g} on the rows of training, "
            f"{loss:.6g} on {where}, and {constant:.6g} there of the best constant.",
            f"Raise alpha, to {alpha:g} and beyond ({type(case.est).__name__}CV chooses it), have more rows or fewer columns, or "
            "stop earlier (early_stopping=True)."
            if case.sgd or hasattr(case.est, "alpha")
            else "Raise alpha.",
            {"held": held, "loss": train, "loss_of_others": loss, "alpha": alpha},
        )

    def _on_other_rows(self) -> tuple[float, float, int, str] | None:
        """(mean loss on other rows, that of the best constant there, how many these are, in words which they are)."""
        case = self.case
        if self.other is not None:
            other = self.other
            return (
                case.loss(other.W, other.b, other.table),
                case.loss(*case.constant, other.table),
                other.table.n_rows,
                "the rows held out",
            )
        if case.table.n_rows > ROWS_PER_COLUMN * case.columns or case.table.n_rows < 2 * FOLDS:
            return None
        work = FOLDS * case.table.n_rows * case.table.row_values
        passes = max(1, len(vars(case.est).get("history_", ())))
        if work * passes > FOLD_WORK:
            return None
        losses, constants, n = [], [], case.table.n_rows
        order = np.random.default_rng(0).permutation(n)
        for fold in range(FOLDS):
            left = np.zeros(n, bool)
            left[order[fold::FOLDS]] = True
            of, others = (replace(case.table, rows=np.flatnonzero(take)) for take in (~left, left))
            if case.sgd and not case.plan.auto:
                _, W, b = case.trained(None, passes, of, case.zeros(), average=case.est.average)
            else:
                W, b = case.solved(case.table.read(of.rows, np.float64))[1:]
            losses.append(case.loss(W, b, others))
            constants.append(case.loss(*case.constant, others))
        found = float(np.mean(losses)), float(np.mean(constants))
        return (*found, n, "rows left out of five trainings") if np.isfinite(found[0]) else None

    def separable(self) -> Finding | None:
        """Classes that a model separates, without a penalty: there is no least objective, and weights grow for ever."""
        case = self.case
        loss, table = case.plan.loss, case.table
        if case.est._task != "classifier" or case.plan.l1 or case.plan.l2 or loss.name != "log_loss":
            return None
        code = self._classes()
        if code is None or (self._predicted(case.W, case.b) != code).any():
            return None
        size = float(np.sqrt((case.W**2).sum()))
        return Finding(
            "separable",
            "the classes can be separated, and there is no penalty: the loss falls for ever as weights grow (norm "
            f"{size:.3g} now), and probabilities are 0 or 1. There is no best model of these {table.n_rows} rows.",
            "Set penalty='l2' with alpha=1e-4 or so.",
            {"norm": size, "alpha": 1e-4},
        )
