"""How many passes `train` makes over the rows where nobody says it: one of many rows, several of few."""

from fastsgd.cli.options import STEPS

ENOUGH_ROWS, ENOUGH_TEXTS = (
    1_000_000,
    200_000,
)  # Passes are made until so many rows, or rows with texts, were learnt from.
MAX_PASSES = 10  # No more passes than this are made of however few rows.


class Passes:
    """The passes of a training, of which the number of rows may not be known before the first pass.

    Parameters
    ----------
    est : estimator
        Whose `max_iter` is set to the most there can be.
    source : Source
    params : dict
        The parameters that flags gave; with steps of their own, or where they say `max_iter`, it stays as it is.
    is_open : bool
        False: it stays as it is, too.
    """

    def __init__(self, est, source, params, is_open=True):
        self.est, self.callbacks = est, []
        self.enough = ENOUGH_TEXTS if source.reading.get("text_features") else ENOUGH_ROWS
        if is_open and not {*STEPS, "learning_rate", "max_iter"} & set(params):
            n_rows = source.n_rows
            est.max_iter = MAX_PASSES if n_rows is None else max(1, min(MAX_PASSES, -(-self.enough // max(1, n_rows))))
            self.callbacks = [self] if n_rows is None else []

    def __call__(self, at):
        """At the end of a pass: whether it was the last."""
        return at.estimator.t_ > self.enough

    def finish(self):
        """After the training: the model is that of so many passes, as --max-iter would have made."""
        if self.callbacks and self.est.stop_reason_ == "callback":
            self.est.set_params(max_iter=self.est.n_iter_)
            self.est.stop_reason_ = "max_iter"
