"""What the optimizer keeps beside each weight, as users see it."""

import numpy as np

from fastsgd.optimizers import SGD


def of_model(est, state, plan):
    """The slots of the optimizer and the step size of each weight, as of the last step; None before the first one.

    Parameters
    ----------
    est : SGDClassifier, SGDRegressor or SGDOneClassSVM
    state : State
        Its own.
    plan : Plan or None
        The one that it was trained by; None of an estimator that comes from a file or a pickle, which has its `history_`.

    Returns
    -------
    dict of str to ndarray, read-only
    """
    at, K = state.at[0], len(state.b)
    taken = state.t - 1
    if taken < 1:
        return None
    optimizer = SGD() if state.optimizer is None else state.optimizer
    t = taken - at["since"]
    sources = {"": (state.W.dtype, state.m, state.v)}
    if est.fit_intercept:
        sources["_intercept"] = (np.float64, state.mb, state.vb)
    eta, found = _last_eta(est, state, plan), {"t": np.array(t)}
    for of, (dtype, m, v) in sources.items():
        slots = {"m": m, "v": v}
        for slot in optimizer.slots:
            found[optimizer.symbols.get(slot, slot) + of] = slots[slot]
        if eta is not None:
            size = np.broadcast_to(optimizer.sizes(eta, t, v), (K,) if of else state.W.shape)
            found["step" + of] = size.astype(dtype)
    for name, array in found.items():
        if array.ndim == 2:
            found[name] = est._attributes(np.array(array[:, :K].T, order="C"), np.zeros(K))["coef_"]
        elif array.ndim == 1:
            found[name] = array[:K].copy()
        found[name].flags.writeable = False
    return found


def _last_eta(est, state, plan):
    """The step size of the schedule at the last step; None where a step follows from the row, or each weight has its own."""
    rate = est._schedule(state.optimizer or SGD()) if plan is None else plan.schedule
    if rate.auto or rate.pa:
        return None
    if plan is not None:
        return plan.eta(max(1.0, state.at["t"][0] - 1)) * state.at["eta_factor"][0]
    etas = est.history_["eta"]
    return float(etas[min(state.epoch, len(etas)) - 1])
