"""The score on rows held out, by which a training of SGD is judged while it goes on."""

from inspect import signature

import numpy as np
from sklearn.metrics import check_scoring

from fastsgd import objective
from fastsgd.estimators import streams
from fastsgd.sources.base import Source


class Scored:
    """An estimator with `validation_scoring`."""

    def _score(self, held_out, plan):
        """A function of a Moment that gives the score, or minus the loss, of its model on the rows held out."""
        X_val, y_val, s_val, table = held_out
        if self.validation_scoring == "loss":
            return lambda moment: -objective.loss_of(table, plan, *moment.model)
        try:
            scorer = check_scoring(self, scoring=self.validation_scoring)
        except ValueError as error:
            raise ValueError(
                f"validation_scoring must be None, 'loss', a name of sklearn.metrics.get_scorer_names() or a callable "
                f"(estimator, X, y), got {self.validation_scoring!r}."
            ) from error
        if isinstance(X_val, Source):  # `score` takes it by blocks
            y_val, s_val = (None, None) if self.validation_scoring is None else streams.all_targets(X_val)
        weights = {} if s_val is None else {"sample_weight": s_val}
        if weights and not _takes_weights(scorer):
            raise ValueError(
                f"the validation rows have weights, and validation_scoring={self.validation_scoring!r} takes none: give a "
                "function that has the parameter sample_weight, (estimator, X, y, sample_weight=None); it may ignore them."
            )
        asked = np.atleast_1d(getattr(scorer, "_response_method", "predict"))
        if hasattr(self, "classes_") and not any(hasattr(self, name) for name in asked):
            raise ValueError(
                f"validation_scoring={self.validation_scoring!r} needs {' or '.join(asked)}, which {type(self).__name__} has "
                f"not with loss={self.loss!r}."
            )

        def score(moment):
            est = self._fitted_copy(moment)
            vars(est).pop("feature_names_in_", None)  # X_val was compared with them when it still had them
            found = scorer(est, X_val, y_val, **weights)
            try:
                return float(found)
            except TypeError:
                raise ValueError(f"validation_scoring must give a number, it gave {found!r}.") from None

        return score


def _takes_weights(scorer):
    found = signature(getattr(scorer, "_score_func", scorer)).parameters  # of make_scorer, which itself takes all
    return "sample_weight" in found or any(p.kind is p.VAR_KEYWORD for p in found.values())
