"""`record_` and `path_`: what a fit has recorded, and what records it."""

from typing import Any

import numpy as np

from fastsgd.estimators.for_prediction import missing
from fastsgd.record import OF_ROWS, Asked, Record
from fastsgd.recorder import Recorder
from fastsgd.sources.scaling import Scaling


class Recordings:
    """Needs `_attributes(coef, intercept)`, which names the attributes."""

    @property
    def record_(self) -> Any:
        """What was recorded, a row each: see Attributes."""
        return _recorded(self, "record_").array()

    @property
    def path_(self) -> Any:
        """The coefficients that were recorded: see `fastsgd.record.Path`."""
        kept = _recorded(self, "path_").kept
        if kept is None:
            raise AttributeError(
                "path_ is there after fit(X, y, record='coef'), or a record of several that has 'coef'."
            )
        return kept.path()

    def _recorder(self, asked: Asked, table: Any, plan: Any, record: Record | None = None) -> Recorder:
        """What records a training on these rows; it goes on with a record."""
        if asked.what & OF_ROWS and getattr(getattr(table, "source", None), "once", False):
            names = " and ".join(map(repr, sorted(asked.what & OF_ROWS)))
            raise ValueError(
                f"record asks for {names}, which takes a pass over the rows each time, and this source can be read once only: "
                "make the source of what can be read again, or record 'coef' and 'step_length' alone."
            )
        return Recorder(asked, table, plan, self._as_published_of, record)

    def _as_published_of(self, state, model):
        """Coefficients and intercepts of a model in arrays of their own, finite or not."""
        W, b = model
        if state.std is not None:
            W, b = Scaling.of(state).outward(W, b)
        return self._attributes(np.array(W.T[: len(b)], order="C"), b)["coef_"], np.array(b)


def _recorded(est, name):
    record = vars(est).get("_record")
    if record is None:
        given = "coef" if name == "path_" else "objective"
        raise missing(est, name, f"it is there after fit(X, y, record={given!r})")
    return record
