"""What the estimators share: scikit-learn's conventions around the engine, and no maths."""

from contextlib import nullcontext, suppress
from time import perf_counter

from sklearn.base import BaseEstimator

from fastsgd import engine, optimizers
from fastsgd.decide import most_passes
from fastsgd.estimators import contested, for_prediction, in_place
from fastsgd.estimators.documented import Documented
from fastsgd.estimators.files import ModelFiles
from fastsgd.estimators.fitted import Fitted
from fastsgd.estimators.parameters import Parameters
from fastsgd.estimators.progress import (
    CallbackSupportMixin,
    Progress,
    announced,
    callables,
    checkpoints,
    stops,
    watchers,
)
from fastsgd.estimators.recording import Recordings
from fastsgd.estimators.restarting import Restarting
from fastsgd.estimators.scored import Scored
from fastsgd.history import HISTORY, History
from fastsgd.progressive import Progressive
from fastsgd.state import State

SOLVED_FROM = 10  # With learning_rate="auto" and fewer passes, all are SGD's: the solver may need more to be better.


class BaseSGD(
    CallbackSupportMixin, Recordings, Restarting, Scored, Fitted, ModelFiles, Parameters, Documented, BaseEstimator
):
    """Training, with what is told of it meanwhile and afterwards."""

    _streams = True  # takes a source that is not in memory
    _outcome, _columns_of_history = "_state", HISTORY
    _look_at = 1000.0  # steps of `partial_fit` before which learning_rate="auto" may well have learnt nothing yet

    # ------------------------------------------------------------ training
    def _keeper(self, resume_from):
        """What keeps checkpoints of a fit that begins, None where nothing does; and what the fit draws from."""
        given = checkpoints(self.callbacks)
        if resume_from is None and not given:
            return None, self.random_state
        if self.n_init > 1:
            raise ValueError(f"A checkpoint is of one training, and n_init={self.n_init} are several: set n_init=1.")
        from fastsgd.persist.keeper import Keeper

        keeper = Keeper(given, resume_from, self.random_state)
        return keeper, keeper.random_state

    def _as_kept(self, lanes):
        """What this fit is to its checkpoints; `lanes`: how many have a part in what comes of it."""
        from fastsgd.persist.fits import Fit

        rate = self._schedule(optimizers.get(self.optimizer))
        return Fit(
            type(self).__name__,
            self.get_params(deep=False),
            getattr(self, "feature_names_in_", None),
            getattr(self, "classes_", None),
            grows=getattr(rate, "passes", 1) is not None,
            lanes=lanes,
        )

    def _fit(
        self, X, y, sample_weight, init, validation=(None, None, None), resume_from=None, segments=None, asked=None
    ):
        """`fit` of what users give; init: (coefficients, intercepts); asked: what is to be recorded."""
        self._check_params()
        self._check_order()
        keeper, random_state = self._keeper(resume_from)
        if segments is not None and (keeper is not None or validation[0] is not None):
            what = "X_val: they are judged by their objectives" if keeper is None else "a Checkpoint, nor resume_from"
            raise ValueError(f"segments can't be trained with {what}.")
        if segments is not None:
            contested.refuse(self, "segments are models of")
        problem = self._problem(X, y, sample_weight, validation, random_state, segments)
        state = problem.est._new_state(problem.X, problem.heads, *self._init(*init))
        return self._train(problem, state, keeper, asked)

    def _train(self, problem, state, keeper, asked=None):
        """Run the engine, and be fitted to what comes of it, in one step."""
        est, table, held_out = problem.est, problem.table, problem.held_out
        plan, plans, chosen = contested.begin(est, table, state)
        judge, passes, lanes = None, self.max_iter, est._lanes(plan, table, state, plans)
        if self.max_iter == "auto":
            from fastsgd.estimators import judging  # Few fits need it.

            judge = judging.judge_of(est, problem, plan, state)
            passes, rules = most_passes(table.n_rows), judging.rules_of(judge)
            lanes = judging.lanes_of(est, lanes, judge, table)
        else:
            rules = est._rules(held_out, problem.split_off)
        run = engine.Run(state, rules, judge=judge, plans=plans)
        for some in (table, held_out and held_out.table):
            est._share(some, state)
        if keeper is not None:
            run = keeper.begin(est._as_kept(lanes.n), run, plan, table, held_out)
        score = None if held_out is None or judge is not None else est._score(held_out, plan)
        score = score if judge is None else judge.score(plan)
        beside = None if problem.segments is None else problem.segments.beside(est, table, state, plan, run.rules)
        rows = table if beside is None else beside.rows
        if chosen is not None:
            run.seconds += chosen.seconds
        if self.standardize:
            est._standardise(table, run.state, run.plan_of(plan))
            if held_out is not None:
                held_out.table.scaling = table.scaling
        run.from_here(run.plan_of(plan))
        if asked is not None and plans:
            contested.refuse(self, "record is of")
        run.recorder = None if asked is None else est._recorder(asked, table, plan)
        started, ruled = perf_counter(), any(rule.ends for rule in run.rules)
        given, at_most = (problem.X, problem.y, problem.metadata), passes * self.n_init
        theirs = announced(self, at_most, *given, lambda: est._for_callbacks(run.moment(plan)))
        how = {"passes": passes, "shuffle": self.shuffle, "score": score, "lanes": lanes}
        how["max_seconds"], solver = self.max_seconds, None
        if plan.auto and judge is None and passes >= SOLVED_FROM:
            from fastsgd.estimators import beyond

            if beyond.follows(est, problem, plan, run):
                solver, how["passes"] = beyond.finish, beyond.SGD_PASSES
        try:
            with keeper or nullcontext():
                how |= est._listeners(theirs, plan, keeper)
                if chosen is None or chosen.model is None:
                    run, moment, epochs, reason = est._best_of(self.n_init, run, plan, rows, **how)
                else:
                    moment, epochs, reason = chosen.ended(run, plan), History(), "interrupted"
                    if chosen.error is not None:
                        est._fit_to(moment, **noted(run, epochs, "error", at_most))
                        raise chosen.error
                if solver is not None and reason == "max_iter":
                    struck = (lambda: False) if keeper is None else (lambda: keeper.struck)
                    moment, epochs, reason = solver(est, table, plan, run, moment, epochs, how["each"], struck)
            of_segments, reason = ({}, reason) if beside is None else beside.finish(est, reason, moment, started)
            if keeper is not None and keeper.struck:
                reason = "interrupted"
            plan = moment.plan
            if plans and reason != "interrupted":
                run.state.contest.end()
            est._fit_to(moment, **noted(run, epochs, reason, at_most), **of_segments)
        except engine.Diverged as error:
            est._diverged(error, table, run, run.plan_of(plan))
        except BaseException:  # of a source, a scorer or a callback
            est._keep(run, plan)
            raise
        finally:
            self._taken(est)
        if theirs is not None:
            theirs[1]()
        self._interrupt()
        from fastsgd.estimators import told

        told.warn(self, run, plan, table, epochs, ruled)
        if beside is not None:
            beside.warn(self)
        if self.verbose:
            print(f"stopped after {len(epochs)} epochs ({self.stop_reason_}), {perf_counter() - started:.2f} seconds.")
        return self

    def _listeners(self, theirs, plan, keeper):
        """Whom `engine.train` tells of the end of each epoch, and of each kernel call."""
        hooks = self._hooks(theirs)
        if self.verbose:
            hooks.append(lambda _, epochs: self._print(epochs[-1]))
        told = [lambda run, _, f=f: f(self._progress(run, plan)) for f in watchers(self.callbacks)]
        told += [keeper.between] if keeper else []

        def each(moment, epochs):
            return any([stops(hook(moment, epochs)) for hook in hooks])

        def between(run, ending):
            for f in told:
                f(run, ending)

        return {"watch": bool(hooks), "each": each if hooks else None, "between": between if told else None}

    def _partial_fit(self, X, y, sample_weight, classes=None, asked=None):
        """`partial_fit` of what users give; asked: what is to be recorded."""
        if "segments_" in vars(self):
            raise ValueError(
                "this model was fitted with segments, whose models partial_fit does not train: fit anew on all rows, or train a "
                "copy that was fitted without."
            )
        for_prediction.refuse(self, "partial_fit")
        self._check_changed()
        first = not hasattr(self, "_state")
        learnt = self._of_classes(classes, first)
        est = self._draft() if first or learnt else self
        vars(est).update(learnt)
        X, y, s = est._check_data(X, y, sample_weight, reset=first, once=True)
        targets = est._targets_of(y)
        table = est._rows_of(X, y, s, targets)
        if not first:
            if targets.heads != len(self._state.b):
                raise ValueError(f"y has {targets.heads} targets, it had {len(self._state.b)} in the calls before.")
            return self._go_on(table, asked, **learnt)
        state = est._new_state(X, targets.heads, *self._to_start_from())
        try:
            est._train_copy(table, est._partial_plan(table), state, state.copy(), asked=asked)
        finally:
            self._taken(est)
        self._warn_of_rows(table)
        return self

    def _go_on(self, table, asked=None, **also):
        """As `_train`, for `partial_fit`: one pass without rules, callbacks and budget, where each microsecond counts.

        asked : what is to be recorded
        also : attributes that are to be set at the end
        """
        plan = self._partial_plan(table)
        with self._published.lock:
            start, ready = self._resume(plan), self._published.ready
            in_place_ = asked is None and start is self._state and ready is not None and contested.settled(self, start)
            if in_place_ and ready.goes_with(plan, table, start):
                self._train_in_place(table, plan, start, ready, also)
                self._warn_of_rows(table)
                return self
            state = start.copy()
        self._train_copy(table, plan, start, state, also, asked)
        self._warn_of_rows(table)
        return self

    def _train_copy(self, table, plan, start, state, also=(), asked=None):
        """The state of the estimator is not touched: a copy of it is trained, and then takes its place in one step."""
        plans = contested.go_on(self, table, state)
        run = engine.Run(state, good=start, progressive=vars(self).get("_progressive") or Progressive(), plans=plans)
        if asked is not None and plans:
            contested.refuse(self, "record is of")
        if state.beside is not None:
            state.beside.go_on()
        try:
            if self.standardize:
                self._standardise(table, run.state, plan)
                run.good = run.state.copy()
            if asked is not None:
                run.recorder = self._recorder(asked, table, plan, vars(self).get("_record"))
            epochs, reason = engine.train_once(run, plan, table, self.shuffle, self._lanes(plan, table, start, plans))
            if plan.auto and engine.overflowed(state):  # what it publishes may leave out its weights
                raise engine.Diverged(state.epoch)
            state = run.state if run.done or run.begun else start  # Ctrl-C before the first row
            also = dict(also, history_=epochs.rows[: len(epochs)], n_iter_=1, stop_reason_=reason)  # `noted` copies
            also["_progressive"] = run.progressive
            if run.recorder is not None:
                run.recorder.fill(also["history_"])
                also["_record"] = run.recorder.so_far(state)
            ready = in_place.Ready.after(plan, table, run) if reason == "max_iter" and not plans else None
            moment = engine.Moment(state, plan) if state is start else run.moment(plan)
            self._fit_to(moment, quiet=True, ready=ready, **also)
        except engine.Diverged as error:
            run.state.restore(run.good)
            self._diverged(error, table, run, plan)
        except BaseException:  # of a source, a signal's handler, no memory
            self._keep(run, plan, quiet=True)
            raise
        self._interrupt()
        return self

    def _train_in_place(self, table, plan, state, ready, also):
        """Train the state where it is; until the attributes are asked for they follow from it, whatever interrupts this."""
        published, undo = self._published, in_place.Undo(state, table)
        run = engine.Run(state, gathered=ready.gathered, progressive=vars(self).get("_progressive") or Progressive())
        published.remember(self)
        published.take_out(self)
        published.model, published.plan, published.ready = None, plan, ready._replace(gathered=None)
        table.scaling = ready.scaling
        try:
            epochs, reason = engine.train_once(run, plan, table, self.shuffle)
            if not undo.finite():
                raise engine.Diverged(state.epoch)
            told = {"history_": epochs.rows[: len(epochs)], "n_iter_": 1, "stop_reason_": reason}
            vars(self).update(also, _progressive=run.progressive, **told)
            published.ready = ready if reason == "max_iter" else published.ready
        except engine.Diverged as error:
            undo.back()
            self._diverged(error, table, run, plan)
        except BaseException:
            if not run.begun or not undo.finite():
                undo.back()
            raise
        finally:
            published.give(self, *published.held())
        self._interrupt()
        return self

    def _warn_of_rows(self, table):
        """Of learning_rate="auto": it is looked at where it has seen four times as many rows as it had the time before."""
        state = self._state
        if state.auto is None or state.t < self._look_at:
            return
        from fastsgd.estimators import told

        self._look_at = 4 * state.t
        told.warn_of_rows(self, table)

    def _print(self, last):
        names = "loss", "objective", "validation_score", "eta", "gradient_norm", "change", "step_length"
        values = [f"{name} {getattr(last, name):.6g}" for name in names]
        known = ", ".join(value for value in values if not value.endswith("nan"))
        print(f"epoch {last.epoch}/{self._passes}: {known}, {last.seconds:.2f} s")

    def _diverged(self, error, table, run, plan):
        """Keep the last good model, say which columns are to blame, raise."""
        from fastsgd.estimators import told

        epoch, epochs, state = error.args[0], error.args[1] if len(error.args) > 1 else History(), run.state
        found = noted(run, epochs, "diverged")
        found["_progressive"] = vars(self).get("_progressive", run.progressive)  # Calls that diverge are not in it.
        try:
            self._fit_to(engine.Moment(state, plan), **found)
        except engine.Diverged:
            zeros = State.zeros(len(state.W), len(state.b), state.W.dtype, state.seed)
            zeros.mean, zeros.std, zeros.centred = state.mean, state.std, state.centred
            state.restore(zeros)
            self._fit_to(engine.Moment(state, plan), **found)
        raise ValueError(told.overflow(self, epoch, table)) from None

    def _interrupt(self):
        if self.stop_reason_ == "interrupted":
            raise KeyboardInterrupt("fit was interrupted; the estimator holds the model of that moment")

    def _keep(self, run, plan, quiet=False):
        """After an error the estimator is fitted to what was done by then, if that is anything, as after Ctrl-C."""
        if not (run.done or run.epochs or run.begun):
            return
        run.back_to_best()
        with suppress(engine.Diverged):
            self._fit_to(run.moment(plan), quiet=quiet, **noted(run, run.epochs, "error"))

    def _hooks(self, theirs):
        """The user's callables, and scikit-learn's callbacks, as hook(moment, epochs) -> stop."""
        hooks = [
            lambda moment, epochs, f=f: f(Progress(lambda: self._fitted_copy(moment), len(epochs), epochs.view))
            for f in callables(self.callbacks)
        ]
        if theirs is not None:
            hooks.append(lambda moment, _: theirs[0](lambda: self._for_callbacks(moment)))
        return hooks

    def _progress(self, run, plan):
        return Progress(
            lambda: self._fitted_copy(run.moment(plan)),
            len(run.epochs),
            run.epochs.view,
            rows=run.done,
            loss=engine.progressive(run, plan),
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def noted(run, epochs, reason, passes=1):
    """What a training leaves beside the model; `passes`: how many it was to make at most."""
    found = {"history_": epochs.copy(), "n_iter_": max(min(1, passes), len(epochs)), "stop_reason_": reason}
    found["_progressive"] = run.progressive
    if run.recorder is not None:
        run.recorder.fill(found["history_"])
        found["_record"] = run.recorder.record
    return found
