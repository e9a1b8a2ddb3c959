"""Several trainings from other starts, of which the best is kept: n_init."""

from time import perf_counter

import numpy as np

from fastsgd import engine, objective
from fastsgd.history import History
from fastsgd.restarts import Restart, keeps_models, with_best


class Restarting:
    """Needs `_restart(state, rng)` and `_as_published_of(state, model)`."""

    def _best_of(self, starts, run, plan, table, **how):
        """Train from that many starting points; the state becomes the one of least objective. One may diverge, not all.

        Of several, `restarts_` says what became of each.
        """
        if starts == 1:
            return run, *engine.train(run, plan, table, **how)
        state, rules, recorder = run.state, run.rules, run.recorder
        rng, first, best, done = np.random.default_rng([state.seed, 1]), state.copy(), None, []
        started, budget = perf_counter(), how.pop("max_seconds")
        for start in range(starts):
            run = engine.Run(self._restart(first, rng) if start else first.copy(), [rule.fresh() for rule in rules])
            run.recorder = recorder.anew() if start and recorder is not None else recorder
            run.from_here(plan)
            begin = self._model_kept(run.state, plan, starts)
            left = None if budget is None else started + budget - perf_counter()
            try:
                _, epochs, reason = engine.train(run, plan, table, max_seconds=left, **how)
            except engine.Diverged as error:
                epochs = error.args[1] if len(error.args) > 1 else History()
                nowhere = [None if part is None else np.full_like(part, np.nan) for part in begin]
                done.append(_restart_of(begin, nowhere, np.inf, epochs, "diverged"))
                if best is None and start == starts - 1:
                    self.restarts_ = done
                    raise
                continue
            value = objective.objective(table, plan, *run.state.model(plan))
            done.append(_restart_of(begin, self._model_kept(run.state, plan, starts), value, epochs, reason))
            if best is None or value < best[0]:
                best, of_best = (value, run, epochs, reason), start
            if reason in ("interrupted", "callback", "max_seconds"):
                best = *best[:3], reason
                break
        self.restarts_ = with_best(done, of_best)
        state.restore(best[1].state)
        return best[1], engine.Moment(state, plan), *best[2:]

    def _model_kept(self, state, plan, starts):
        """(coefficients, intercepts) of a state, as users have them; (None, None) where so many would take too much memory."""
        if not keeps_models(starts, state.W.shape[0] * len(state.b), state.W.itemsize):
            return None, None
        return self._as_published_of(state, state.model(plan))


def _restart_of(begin, end, value, epochs, reason):
    history = epochs.copy()
    return Restart(begin[0], end[0], begin[1], end[1], float(value), history, reason)
