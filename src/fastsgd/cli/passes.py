"""How many passes `train` makes over the rows, and with which alpha, where nobody says it."""

from fastsgd.cli.options import STEPS
from fastsgd.decide import MANY_ROWS, MAX_PASSES

ENDS = "tol", "n_iter_no_change", "stopping"  # By these the user says when passes end.


def set_passes(est, source, params, rows, on_cluster):
    """Set `max_iter` where the user has not: "auto", or where that does not go with what was asked for, a number.

    With "auto", alpha is "auto" too, unless it is given or follows from texts, or the rows are so many that one pass is
    made: then it hardly matters.

    Parameters
    ----------
    est : estimator
    source : Source
        The rows to train on.
    params : dict
        The parameters that flags gave. Where steps of their own, `max_iter` or half_life are among them, `max_iter` stays as
        it is.
    rows : dict
        The flags of `train.ROWS` that were given.
    on_cluster : bool
        There `max_iter` stays as it is, too, as it does with early_stopping.
    """
    if on_cluster or rows.get("early_stopping") or {*STEPS, "learning_rate", "max_iter", "half_life"} & set(params):
        return
    est.max_iter = "auto"
    if "segments" in rows or set(ENDS) & set(params):
        if source.n_rows is None:
            source.survey()
        est.max_iter = max(1, min(MAX_PASSES, -(-MANY_ROWS // max(1, source.n_rows))))
    elif "alpha" not in params and est.alpha == type(est)().alpha and _takes_auto(est) and not _many(source):
        est.alpha = "auto"


def _takes_auto(est):
    """Whether alpha="auto" goes with the other parameters."""
    from sklearn.base import clone

    try:
        clone(est).set_params(alpha="auto")._check_params()
    except ValueError:
        return False
    return True


def _many(source):
    """Whether the rows are so many that one pass is made of them; where that is not known, it takes as long as reading them."""
    if source.n_rows is None and not source.once:
        source.survey()
    return source.n_rows is not None and source.n_rows >= MANY_ROWS
