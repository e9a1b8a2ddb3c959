"""What the history of a training says by itself, without the rows."""

from typing import Any

import numpy as np

from fastsgd.diagnosis.finding import Finding

EVEN = 0.5  # An even pace: the falls of the last third are at least this share of those of the first.
STILL = 0.02  # Of the whole fall: what the last tenth of the epochs takes off, from which on it still falls.
NOISES = 3.0  # And this many times the noise of the last half.
WANDERS = 0.01  # Of the level: the spread of the last half, from which on it goes up and down.
JUMPS = 0.2  # Likewise, from which on steps go too far.
RISE = 0.1  # Of the objective of the start, or of zero weights: from which rise on it diverged.
TURNS = 0.3  # Of its epochs: how often it turns, at least, where it goes up and down.


def judge(est: Any) -> tuple[Finding, ...]:
    """Findings from `history_`, `record_` and `stop_reason_`."""
    history = _rows(est)
    reason = vars(est).get("stop_reason_", "")
    values, what = _recorded(est, history)
    validation = _validation(history)
    if reason == "diverged" or (len(values) and not np.isfinite(values).all()):
        return (Finding("diverging", f"the fit ended as 'diverged': its {what} rose, or overflowed.", _lower(est), {}),)
    if "dual_gap_" in vars(est):
        return (_by_gap(est, reason),)
    if reason == "judged" and hasattr(est, "auto_rule_"):
        return (judged(est),)
    if len(values) < 2:
        return (
            Finding(
                "still_falling",
                f"there {'is one epoch' if len(values) else 'is no epoch'} in history_: one pass is early to stop.",
                "Raise max_iter, or give X and y to see whether it matters.",
                {"reason": "stopped too early"},
            ),
        )
    return tuple(found for found in (validation, _course(est, values, what, len(history))) if found)


def judged(est: Any, **numbers: float) -> Finding:
    """The finding on a fit that ended since further passes were of no use on rows that were not learnt from."""
    history, state = est.history_, vars(est).get("_state")
    if state is None:  # The lowest loss is not always that of the model: it may be lower by chance.
        words = f"the last of {len(history)} passes were not better on rows not learnt from by more than chance."
        return Finding("converged", words, "", numbers)
    words = (
        f"of {len(history)} passes the model is that after pass {state.epoch}: on rows not learnt from none after it was better "
        "by more than chance."
    )
    best = {"best_epoch": state.epoch, "best": float(history["validation_score"][state.epoch - 1])}
    return Finding("converged", words, "", numbers | best)


def _rows(est):
    history = vars(est).get("history_")
    return np.empty(0) if history is None else history


def _recorded(est, history):
    """The objectives of `record_`, from the start on, where it has them; else what `history_` has, and its name."""
    record = getattr(est, "record_", None)
    if record is not None and len(record) > 1 and np.isfinite(record["objective"]).any():
        return record["objective"], "objective"
    return _column(history)


def _of_zero_weights(est):
    """The loss of zero weights, where it is the same for all targets: of classes; else None."""
    try:
        loss = est._loss()
        each = [float(loss.value(0.0, y)) for y in (1.0, loss.negative)]
    except (AttributeError, ValueError, TypeError):
        return None
    return each[0] if est._task == "classifier" and each[0] == each[1] and each[0] > 0 else None


def _column(history):
    if not len(history):
        return np.empty(0), "objective"
    for name, what in (("objective", "objective"), ("loss", "loss")):
        if np.isfinite(history[name]).any() or name == "loss":
            return history[name], what
    return np.empty(0), "objective"


def _lower(est):
    return f"Lower eta0 (it is {est.eta0:g}), or set standardize=True." if hasattr(est, "eta0") else ""


def _by_gap(est, reason):
    gap, tol = float(est.dual_gap_), float(est.tol)
    if reason != "max_iter" and not gap > max(tol, 1e-2):
        return Finding(
            "converged",
            f"the objective is proven to be within {gap:.2g} of the least one ({reason}).",
            "",
            {"dual_gap": gap},
        )
    return Finding(
        "still_falling",
        f"the solver ended ({reason}) with dual_gap_={gap:.3g}, above tol={tol:g}.",
        f"Raise max_iter above {est.max_iter}, or standardise the columns of X.",
        {"dual_gap": gap, "max_iter": 10 * est.max_iter, "reason": "stopped too early"},
    )


def _validation(history):
    score = history["validation_score"] if len(history) and "validation_score" in history.dtype.names else np.empty(0)
    score = score[np.isfinite(score)]
    if len(score) < 5:
        return None
    best = int(np.argmax(score))
    lost, won = score[best] - score[-1], score[best] - score[0]
    values, _ = _column(history)
    if best < len(score) - 2 and lost > 0.1 * max(won, abs(score[best])) and values[-1] < values[best]:
        return Finding(
            "overfitting",
            f"the validation score was {score[best]:.4g} after epoch {best + 1}, and is {score[-1]:.4g} after {len(score)}, "
            "while the loss on the rows of training went on falling.",
            "Raise alpha, or stop earlier: early_stopping=True keeps the best epoch.",
            {"best_epoch": best + 1, "best": float(score[best]), "last": float(score[-1])},
        )
    return None


def _course(est, values, what, epochs):
    reason = vars(est).get("stop_reason_", "unknown")
    unit = "epochs" if len(values) == epochs else "entries of record_"
    n, best = len(values), float(values.min())
    fall = float(values[0] - best)
    zero = _of_zero_weights(est)
    if zero is not None and values[n // 2 :].min() > (1 + RISE) * zero:
        return Finding(
            "diverging",
            f"its {what} is {values[-1]:.6g} at the end, that of zero weights {zero:.6g}.",
            _lower(est),
            {"last": float(values[-1]), "of_zero_weights": zero},
        )
    if values[-1] > values[0] * (1 + RISE) and values[-1] > values[0] + 2 * abs(np.diff(values)).min():
        return Finding(
            "diverging",
            f"its {what} rose from {values[0]:.6g} to {values[-1]:.6g} in {n} {unit}.",
            _lower(est),
            {"first": float(values[0]), "last": float(values[-1])},
        )
    steps = np.diff(values)
    late = values[n // 2 :]
    turns = float((np.diff(np.sign(np.diff(late))) != 0).mean()) if len(late) > 3 else 0.0
    level = max(abs(float(late.mean())), 1e-300)
    spread = float(late.std()) / level
    numbers = {"first": float(values[0]), "last": float(values[-1]), "best": best, "spread": spread}
    if turns >= TURNS and spread > WANDERS:
        name = "oscillating" if spread > JUMPS else "noise_ball"
        return Finding(
            name,
            f"its {what} goes up and down about {late.mean():.6g} by {spread:.1%} in the last {len(late)} {unit}.",
            f"{_lower(est)} Or set average=True, or steps that fall: learning_rate='invscaling'.",
            numbers,
        )
    tail = max(1, n // 10)
    last = -steps[-tail:].sum()
    third = max(1, len(steps) // 3)
    even = -steps[-third:].mean() / max(-steps[:third].mean(), 1e-300)
    bends = np.diff(late, 2)  # Of a course that only goes up and down they are sqrt(6) times as large as its noise.
    noise = float(np.sqrt((bends * bends).mean() / 6)) if len(bends) else 0.0
    if fall > 0 and ((last > STILL * fall and last > NOISES * noise) or (even > EVEN and (steps < 0).all())):
        short = even > EVEN and n > 2
        advice = (
            f"Raise eta0 (it is {est.eta0:g}) ten times."
            if short and hasattr(est, "eta0")
            else f"Raise max_iter to {4 * max(1, epochs)}."
        )
        return Finding(
            "still_falling",
            f"its {what} fell by {last:.3g} in the last {tail} of {n} {unit} ({reason}), of {fall:.3g} in all: "
            f"{'at the pace of the first, so that steps are too short' if short else 'it was stopped too early'}.",
            advice,
            numbers | {"reason": "steps too short" if short else "stopped too early"},
        )
    words = f"its {what}, {values[-1]:.6g}, no longer changes by much ({reason})."
    if getattr(est, "learning_rate", None) == "constant" and not est.average:
        words += " Constant steps may hold it above the least one, which only the rows can tell."
    return Finding("converged", words, "", numbers)
