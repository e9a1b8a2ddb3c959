"""Whether training has arrived, and if not, why: by the distance from the best model, and by longer and shorter steps."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from fastsgd import verdict
from fastsgd.diagnosis import steepness
from fastsgd.diagnosis.case import Case
from fastsgd.diagnosis.finding import Finding
from fastsgd.diagnosis.past import judged
from fastsgd.estimators.base import SOLVED_FROM
from fastsgd.run import Run
from fastsgd.state import State

# A model has arrived if its objective is above the least one by at most the largest of these: a share of the least one, a share
# of the fall from zero weights to the least one, and tol * n_iter_no_change, which the rule that ended it lets go, but no more
# than a larger share of that fall.
SHARE_OF_LEAST, SHARE_OF_FALL, MAX_SHARE_BY_TOL = 0.02, 1e-3, 0.01
# Steps longer and shorter by these factors are tried from the model, for so many passes, and at least so many steps.
SHORTER, LONGER = (0.5, 0.1, 0.01, 0.001), (10.0, 100.0)
MIN_PASSES, MAX_PASSES, MIN_STEPS, MAX_STEP_PASSES = 3, 10, 30, 100
TRIED = 0.1, 0.3, 3.0, 10.0, 30.0  # Times the eta0 that follows from the curvature, before it is advised.
BETTER = 0.2  # Shorter steps are better if they take off this share of the distance more than steps of this length.
PROPORTIONAL = 2.0  # Steps are too short if ten times as long ones make the objective fall this many times as far.
FLAT_SHARE = 1e-3  # Flat: more passes take off less than this share of the distance.
LEVEL = 0.1  # Of the largest gradient at zero weights and on the way to the best model, in size, of a loss that is not convex.
ABOVE_START = (
    0.1  # Diverged: the objective is above that of zero weights by this share of it; with full batches at all.
)
FAR = 0.5  # Of the fall from zero weights to the best model: a model that is so far above it has learnt little.
RISE = 0.05  # Of the fall from zero weights to the best model: by what full batches may let the objective rise in a training.


@dataclass
class Distance:
    """How far a model is from the best one: their objectives differ by `gap`, of a whole fall `fall`, where `enough` is none."""

    gap: float
    fall: float
    enough: float

    @property
    def arrived(self) -> bool:
        """Whether it is near enough."""
        return self.gap <= self.enough


def distance(case: Case) -> Distance:
    """The Distance of the model of a case."""
    best = case.best[0]
    fall = max(case.start - best, 0.0)
    if not fall:  # No model is better than zero weights, as with the perceptron's loss: the margins are its scale.
        fall = float(np.mean(abs(np.asarray(case.table.X @ case.W[:, : len(case.b)]) + case.b)))
        return Distance(case.here - best, fall, SHARE_OF_LEAST * fall)
    enough = max(SHARE_OF_LEAST * abs(best), SHARE_OF_FALL * fall)
    if not case.whole:  # The best model of some of the rows is better there than that of all rows is.
        enough = max(enough, 2 * abs(best) * (case.columns + 1) / case.table.n_rows)
    if case.sgd and case.est.tol and vars(case.est).get("stop_reason_") == "objective":
        allowed = float(case.est.tol) * case.est.n_iter_no_change
        enough = max(enough, min(allowed, MAX_SHARE_BY_TOL * fall))
    if not case.sgd:
        enough = max(enough, float(case.est.tol) * abs(best))
    return Distance(case.here - best, fall, enough)


def judge(case: Case, far: Distance) -> Finding:
    """The finding on the training."""
    numbers = {"objective": case.here, "least": case.best[0], "of_zero_weights": case.start}
    said = f"the objective is {case.here:.6g}, the least one {case.best[0]:.6g}, that of zero weights {case.start:.6g}."
    if far.arrived and case.start <= case.best[0] and not case.gradient_norm(*case.zeros()):
        words = f"no row has any slope at zero weights, which are as good as any: {said}"
        how = "its epsilon" if case.plan.loss.dead_zone else "the loss, or the scale of y"
        return Finding("flat", words, f"Nothing is learnt where nothing is lost: change {how}.", numbers)
    if far.arrived:
        return Finding(
            "converged",
            f"the model is at the least objective, or as good as: {said}",
            "",
            numbers,
        )
    if not case.sgd:
        return _solver(case, said, numbers)
    if half_life := getattr(case.est, "_half_life", None):
        fades = f"older rows fade (half_life={half_life:g})"
        words = f"{fades}: the model is of the latest rows, and not for the objective of all."
        return Finding("converged", words, "", numbers)
    if case.plan.auto and case.est.stop_reason_ == "judged":
        found = judged(case.est, **numbers)
        return found if far.gap <= FAR * far.fall else replace(found, words=f"{found.words[:-1]}; on these rows {said}")
    if case.plan.auto:
        return _more_of_auto(case, said, numbers)
    if case.plan.line_search:
        return _more(case, said, numbers, None)
    return _Trials(case, far, said, numbers).finding()


def _solver(case, said, numbers):
    return Finding(
        "still_falling",
        f"the solver stopped too early ({case.est.stop_reason_}, dual_gap_={case.est.dual_gap_:.3g}): {said}",
        f"Raise max_iter above {case.est.max_iter}, or standardise the columns of X.",
        numbers | {"max_iter": 10 * case.est.max_iter},
    )


def _more_of_auto(case, said, numbers):
    """Of learning_rate="auto", stopped too early; what gets to the end are passes of the solver, where it takes the loss."""
    est, loss = case.est, case.plan.loss
    found = _more(case, said, numbers, None)
    solved = est._task in loss.solved and (loss.solved_with_l1 or not case.plan.l1)
    if not solved or est.max_iter == "auto":
        return found
    if est.tol is None or est.max_iter < SOLVED_FROM:
        new = {"max_iter": 1000, "tol": 1e-3}
        advice = "Set max_iter=1000 and tol=1e-3: of rows in memory the last passes are then those of a solver, which ends there."
    elif est.stop_reason_ == "max_iter":
        return found
    else:
        new = {"tol": est.tol / 100}
        advice = f"Set tol={est.tol / 100:g} (it is {est.tol:g})."
    kept = {name: value for name, value in found.numbers.items() if name != "max_iter"}
    return Finding(found.name, found.words, advice, kept | new)


def _more(case, said, numbers, pace):
    """Stopped too early; `pace`: (fall of the next passes, their number), where it is known."""
    est, done = case.est, len(vars(case.est).get("history_", ()))
    more = 4 * max(1, done)
    if pace is not None and pace[0] > 0:
        few = max(1, done)
        more = int(np.clip(pace[1] * (case.here - case.best[0]) / pace[0], 2 * few, 100 * few))
    how = f"the next {pace[1]} passes take off {pace[0]:.3g}. " if pace and pace[0] > 0 else ""
    tol = "" if est.stop_reason_ == "max_iter" or est.tol is None else f", tol=None (it is {est.tol:g})"
    return Finding(
        "still_falling",
        f"it was stopped too early, after {done} epoch{'s' * (done != 1)} ({est.stop_reason_}): {said} {how}".rstrip(),
        f"Set max_iter={done + more}{tol}.",
        numbers | {"max_iter": done + more, "reason": "stopped too early"},
    )


class _Trials:
    """Trainings that go on from the model with other steps, and what follows from how far each gets."""

    def __init__(self, case: Case, far: Distance, said: str, numbers: dict[str, Any]) -> None:
        self.case, self.far, self.said, self.numbers, self.level = case, far, said, numbers, far.gap
        plan, n = case.plan, case.table.n_rows
        self.steps_a_pass = max(1.0, n / min(plan.batch_size, n))
        self.steady = 1 < plan.batch_size >= case.n_rows and not plan.noise
        self.done = done = max(1, len(vars(case.est).get("history_", ())))
        least = int(np.ceil(MIN_STEPS / self.steps_a_pass))
        self.passes = int(np.clip(done, max(MIN_PASSES, least), max(MAX_PASSES, min(4 * least, MAX_STEP_PASSES))))

    def finding(self) -> Finding:
        case = self.case
        above = self.exploded()
        if above and not self._falls_from_zero():
            return self._too_long("diverging")
        if self.steady and self._rose():
            return self._too_long("oscillating")
        ends, wanders = self._ends()
        best, here = case.best[0], case.here
        same = ends[1.0]
        self.level = same - best
        # Where it wanders, the model is one of those that it comes across, and how far these are on average counts.
        gap = same - best if wanders else max(self.far.gap, same - best)
        short = min(ends[share] for share in SHORTER)
        falling = self._slowing() and here - same > BETTER * self.far.gap
        if short < same - BETTER * gap and short <= min(ends[share] for share in LONGER) and not falling:
            return self._too_long("diverging" if above else self._name())
        if here - same < FLAT_SHARE * self.far.gap and self._level():
            return self._flat()
        falls = here - ends[1.0], here - ends[LONGER[0]], here - ends[LONGER[1]]
        if max(falls[1:]) > PROPORTIONAL * max(falls[0], 0.0):
            return self._too_short(falls)
        return _more(case, self.said, self.numbers, (falls[0], self.passes))

    def exploded(self):
        """Whether the objective is above that of zero weights by more than steps that go up and down may leave it."""
        case = self.case
        if not np.isfinite(case.here):
            return True
        if case.start <= case.best[0]:
            return False
        share = verdict.ROUNDING_SHARE if self.steady and case.plan.loss.smooth else ABOVE_START
        above = case.here > case.start + share * abs(case.start)
        return above or vars(case.est).get("stop_reason_") == "diverged"

    def _rose(self):
        """Whether the objective rose in a training with full batches by a good part of its fall: with good steps it doesn't."""
        history = vars(self.case.est).get("history_", ())
        values = history["objective"] if len(history) else np.empty(0)
        if len(values) < 2 or not np.isfinite(values).all():
            return False
        return bool((values - np.minimum.accumulate(values)).max() > RISE * self.far.fall)

    def _falls_from_zero(self):
        """Whether the estimator's steps make the objective fall from zero weights: then a bad start is to blame, and not they."""
        values = self.case.trained(None, self.passes, start=self.case.zeros())[0]
        return values[-1] < self.case.start and values.max() < self.case.start * (1 + ABOVE_START)

    def _ends(self):
        """The objective after some passes with steps of each length, of this length its mean over the later passes; and whether
        such steps wander through models like this one: it is no worse than theirs, or one pass gets more than half of the way
        down to the level of theirs, though as many passes as are tried have led to it."""
        case, slowing = self.case, self._slowing()
        values = case.trained(None if slowing else case.eta, self.passes)[0]
        later = values[-1:] if slowing or self.steady else values[len(values) // 2 :]
        found = {1.0: float(later.mean())}
        for share in (*SHORTER, *LONGER):
            found[share] = float(case.trained(share * case.eta, self.passes)[0][-1])
        highest = later.max() if slowing or self.steady else values.max()
        thrown_up = case.here - values[0] > 0.5 * (case.here - found[1.0]) and self.done >= self.passes
        return found, bool(case.here <= highest or (thrown_up and not (slowing or self.steady)))

    def _slowing(self):
        """Whether steps become shorter by themselves as it goes on."""
        return self.case.plan.schedule.name in ("optimal", "invscaling") and not self.case.plan.slots

    @cached_property
    def curvature(self):
        """That of the steps' length."""
        size = min(self.case.plan.batch_size, self.case.table.n_rows)
        return steepness.largest(self.case, 0.0 if self.steady else 1.0 / size)

    @property
    def _momentum(self):
        return self.case.plan.optimizer.numbers()[0] if self.case.plan.slots == ("m",) else 0.0

    def _name(self):
        """Of steps that are too long: "oscillating" beyond 2 / L, where they go too far, and else "noise_ball"."""
        case = self.case
        if self.steady:
            return "oscillating"
        if case.plan.slots not in ((), ("m",)):
            weights = case.best[1]
            size = float(np.sqrt((weights * weights).sum() / max(1, np.count_nonzero(weights))))
            return "oscillating" if case.eta > size else "noise_ball"
        return "oscillating" if case.eta / (1 - self._momentum) * self.curvature > 2 else "noise_ball"

    def _level(self):
        """Whether the gradient is next to nothing beside that of zero weights and of the way to the best model."""
        case = self.case
        here = case.gradient_norm(case.W, case.b)
        if here < 1e-8 * max(1.0, abs(case.start)):
            return True
        if case.plan.loss.convex:
            return False
        W, b = case.best[1:]
        places = [(0.5 * (W + case.W), 0.5 * (b + case.b)), case.zeros(), (0.5 * W, 0.5 * b)]
        return here < LEVEL * max(case.gradient_norm(*at) for at in places)

    # ------------------------------------------------------------ in words
    def _advised(self, longer):
        """An eta0 of the estimator's schedule that works, or None."""
        from fastsgd.estimators import told

        case = self.case
        state = State.zeros(len(case.W), len(case.b), np.float64, 0)
        if longer:
            state.W[:], state.b[:] = case.W, case.b
        run, est = Run(state), case.of_steps
        run.zero = case.start
        plan = est._plan(case.table, est._passes, False)
        return told.advice(est, run, plan, case.table, longer)

    def _steps(self, eta0):
        rate = "learning_rate='invscaling', " if not self.case.plan.schedule.has_eta0 else ""
        return f"{rate}eta0={eta0:.2g}"

    def _too_long(self, name):
        case, now = self.case, self.case.eta
        if name == "diverging":
            now = max([now, *case.steps_taken])
        eta0 = self._advised(False)
        numbers = dict(self.numbers, eta=now, curvature=self.curvature)
        if name == "noise_ball":
            fewer = float(np.clip(0.5 * self.far.enough / max(self.far.gap, self.level), 0.01, 0.3))
            eta0 = float(f"{fewer * case.est.eta0:.1e}") if case.plan.schedule.has_eta0 else eta0
        else:
            numbers["longest"] = 2.0 / numbers["curvature"]
        what = {
            "diverging": f"steps of {now:.3g} are too long, and the objective has risen: {self.said}",
            "oscillating": f"steps of {now:.3g} are too long, each goes beyond where it should end: {self.said}",
            "noise_ball": f"steps of {now:.3g} keep it wandering at some distance from the least objective: {self.said}",
        }[name]
        if case.plan.slots == ("m",):
            what = what.replace(":", f", and momentum adds them up to {now / (1 - self._momentum):.3g}:", 1)
        if "longest" in numbers and case.plan.slots in ((), ("m",)):
            what += f" By the curvature, {numbers['curvature']:.3g}, steps may be up to {numbers['longest']:.2g}."
        advice = []
        if eta0 is not None:
            numbers["eta0"] = eta0
            advice.append(f"Set {self._steps(eta0)}")
        if name == "noise_ball" and not case.est.average:
            advice.append("set average=True")
            if case.plan.schedule.name == "constant":
                advice.append("take steps that fall, learning_rate='invscaling'")
        if name == "diverging" and not case.est.standardize:
            advice.append("set standardize=True if columns differ in scale")
        words = ", or ".join(advice)
        return Finding(name, what, words[:1].upper() + words[1:] + "." if words else "", numbers)

    def _tried(self, eta0):
        """That eta0, or one of TRIED times it with which the estimator's schedule gets a good part farther in a few passes."""
        case = self.case
        how = {} if case.plan.schedule.has_eta0 else {"learning_rate": "invscaling"}
        ends = {
            share: case.trained(None, self.passes, start=case.zeros(), eta0=share * eta0, **how)[0][-1]
            for share in (1.0, *TRIED)
        }
        best = min(ends, key=lambda share: ends[share])
        better = ends[best] < ends[1.0] - BETTER * (ends[1.0] - case.best[0])
        return float(f"{best * eta0:.1e}") if better else eta0

    def _too_short(self, falls):
        case = self.case
        numbers = dict(self.numbers, eta=case.eta, reason="steps too short")
        eta0, rate = self._advised(True), None
        if eta0 is not None:
            eta0 = self._tried(eta0)
        elif "passes" in case.plan.schedule.params:  # These schedules stretch over more passes.
            return _more(case, self.said, self.numbers, None)
        else:  # Steps began as long as they should, or longer ones are better than the curvature allows.
            eta0 = float(f"{LONGER[int(np.argmax(falls[1:]))] * case.eta:.1e}")
            rate = None if case.plan.schedule.name == "constant" else "constant"
        numbers["eta0"] = eta0
        if rate is not None:
            numbers["learning_rate"] = rate
        words = (
            f"steps of {case.eta:.3g} are too short: {self.said} In {self.passes} more passes it falls by "
            f"{max(falls[0], 0):.3g}, with steps ten times as long by {falls[1]:.3g}."
        )
        advice = f"Set {self._steps(eta0)}."
        if rate is not None:
            advice = f"Set learning_rate={rate!r} and eta0={eta0:.2g}: the steps of {case.est.learning_rate!r} fall too fast."
        return Finding("still_falling", words, advice, numbers)

    def _flat(self):
        case = self.case
        norm = case.gradient_norm(case.W, case.b)
        words = f"the gradient is {norm:.2g} where the model is, far from the best: {self.said} No step leads away from there."
        advice = "Start elsewhere (coef_init of a convex loss's model, n_init), or with shorter steps; scale X and y."
        return Finding("flat", words, advice, self.numbers | {"gradient_norm": norm})
