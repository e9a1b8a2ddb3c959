"""What the estimators share: scikit-learn's conventions around the engine, and no maths."""

import copy
import warnings
from contextlib import nullcontext
from operator import is_
from time import perf_counter

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring
from sklearn.utils import check_random_state

from fastsgd import engine, schedules
from fastsgd.estimators import streams
from fastsgd.estimators.files import ModelFiles
from fastsgd.estimators.parameters import Parameters
from fastsgd.estimators.progress import CALLER, CallbackSupportMixin, Progress, callables, checkpoints, watchers
from fastsgd.sources._check import first_nonfinite
from fastsgd.sources.base import Source
from fastsgd.sources.scaling import Scaling, inward, moments, recentre
from fastsgd.state import State


class BaseSGD(CallbackSupportMixin, ModelFiles, Parameters, BaseEstimator):
    """Data to table, state to fitted attributes, and the training between them."""

    _streams = True  # takes a source that is not in memory

    # ------------------------------------------------------------ state
    def _new_state(self, X, heads, coef_init, intercept_init):
        """Zeros, or what the user gives to start from: coef_init (heads, n_features), intercept_init (heads,)."""
        dtype = np.float32 if X.dtype == np.float32 else np.float64
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        state = State.zeros(X.shape[1], heads, dtype, seed)
        if schedules.get(self.learning_rate).auto and coef_init is not None:
            raise ValueError(
                "learning_rate='auto' starts from zero: give no coef_init, warm_start=False, and leave coef_ as it is "
                "(partial_fit goes on from the last call)."
            )
        if self.n_init > 1 and coef_init is not None:
            raise ValueError(
                f"n_init={self.n_init} starts from coefficients of its own: give no coef_init, no warm_start."
            )
        if self.init == "normal":
            state = self._restart(state, np.random.default_rng(seed))
            state.seed = seed
        self._put_in(state, heads, coef_init, intercept_init)
        return state

    def _put_in(self, state, heads, coef_init, intercept_init):
        """What the user gives to start from into the state."""
        dtype, d = state.W.dtype, len(state.W)
        if coef_init is not None:
            coef = np.asarray(coef_init.toarray() if hasattr(coef_init, "toarray") else coef_init, dtype)
            if coef.size != heads * d or (heads > 1 and coef.shape != (heads, d)):
                raise ValueError(
                    f"Provided coef_init does not match dataset: its shape is {coef.shape}, expected {(heads, d)}."
                )
            state.W[:, :heads] = coef.reshape(heads, -1).T
        if intercept_init is not None:
            b = np.asarray(intercept_init, np.float64)
            if b.size != heads or (heads > 1 and b.shape != (heads,)):
                raise ValueError(
                    f"Provided intercept_init does not match dataset: its shape is {b.shape}, expected {(heads,)}."
                )
            state.b[:] = b.ravel()

    def _resume(self, X):
        """The state that partial_fit goes on from: the last one, unless the user has put other coefficients in its place.

        What the state holds beside them is in its own units, so that switching `standardize` is such a case too.
        """
        state = self._state
        if self.standardize != (state.std is not None) or not self._as_published():
            fresh = State.zeros(len(state.W), len(state.b), state.W.dtype, state.seed)
            self._put_in(fresh, len(state.b), self.coef_, self._raw_intercept())
            fresh.at, fresh.epoch = state.at.copy(), state.epoch
            fresh.at[["scale", "u", "avg_a", "avg_n"]] = (1, 0, 0, 0)
            if self.standardize and state.std is not None:
                inward(fresh, state.mean, state.std, state.centred)
            return fresh
        return state

    def _standardise(self, table, state, plan):
        """Have the table read in standard units, and the state in them too; the statistics are of the first rows seen.

        Centring needs an intercept that takes it up at no cost, which that of the one-class SVM is not, and a dense X.
        """
        centred = self.fit_intercept and not table.sparse and not self._nu
        if state.std is None:
            found = moments(table, state.W.dtype)
            if found is None:
                return
            drawn = (
                self.init == "normal" and (state.W == self._restart(state, np.random.default_rng(state.seed)).W).all()
            )
            if drawn:  # in standard units already
                state.mean, state.std, state.centred = *found, centred
            else:
                inward(state, *found, centred)
        else:
            state.prepare(plan, table.sparse)
            recentre(state, centred)
        table.scaling = Scaling.of(state)

    def _read_back(self):
        return self.coef_, getattr(self, self._intercept_name)

    _intercept_name = "intercept_"

    def _raw_intercept(self):
        return self.intercept_

    def _as_published(self):
        """Whether coefficients and intercepts are those that training has put there."""
        return all(map(is_, self._read_back(), self._published))

    def __getstate__(self):
        state = {name: value for name, value in super().__getstate__().items() if name != "_checked"}
        # in words, as joblib makes two arrays of one that is in two places
        if "_published" in state:
            state["_published"] = self._as_published()
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        if "_published" in state:
            self._published = self._read_back() if state["_published"] else (None, None)

    def _publish(self, state, plan):
        """The fitted attributes that follow from the state."""
        W, b = state.model(plan)
        if state.std is not None:
            W, b = Scaling.of(state).outward(W, b)
        if first_nonfinite(W.ravel()) >= 0 or first_nonfinite(b) >= 0:
            raise engine.Diverged(state.epoch)
        found = {} if state.std is None else {"mean_": state.mean.copy(), "scale_": state.std.copy()}
        if state.auto is not None:
            found["auto_rule_"] = state.auto.rules
        return self._attributes(np.ascontiguousarray(W.T[: len(b)]), b.astype(W.dtype)) | found

    def _settle(self, state, plan, in_place=False):
        values = self._publish(state, plan)
        for name in {"mean_", "scale_", "auto_rule_"} - set(values):
            vars(self).pop(name, None)
        for name, value in values.items():
            old = vars(self).get(name)
            if in_place and type(old) is np.ndarray and (old.shape, old.dtype) == (value.shape, value.dtype):
                old[...] = value
            else:
                setattr(self, name, value)
        self._state, self._published = state, self._read_back()
        self.t_ = float(state.at["t"][0])

    def _fitted_copy(self, state, plan):
        est = copy.copy(self)
        est._settle(state, plan)
        return est

    # ------------------------------------------------------------ training
    def _keeper(self, resume_from):
        """What keeps checkpoints of a fit that begins, None where nothing does; and what the fit draws from."""
        given = checkpoints(self.callbacks)
        if resume_from is None and not given:
            return None, self.random_state
        from fastsgd.persist.checkpoint import Keeper

        keeper = Keeper(self, given, resume_from)
        return keeper, keeper.random_state

    def _train(self, table, state, *, passes, held_out=None, X=None, y=None, metadata=None, keeper=None):
        """Run the engine and keep what comes of it.

        held_out is None or (X_val, y_val, sample_weight_val, table of them).
        """
        plan = self._plan(table, passes, False)
        run = engine.Run(state, self._rules(held_out))
        if keeper is not None:
            run = keeper.begin(run, plan, table, held_out)
        if self.standardize:
            self._standardise(table, state, plan)
            if held_out is not None:
                held_out[3].scaling = table.scaling
        started = perf_counter()
        ruled = bool(run.rules)
        score = None if held_out is None else self._score(held_out, plan)
        root = self._root(state, plan, X, y, metadata)
        hooks = self._hooks(root, plan, X, y, metadata)
        if self.verbose:
            hooks.append(lambda state, epochs: self._print(epochs[-1]))

        def each(state, epochs):
            return any([bool(hook(state, epochs)) for hook in hooks])

        told = [lambda run, _, f=f: f(self._progress(run, plan)) for f in watchers(self.callbacks)]
        told += [keeper.between] if keeper else []

        def between(run, ending):
            for f in told:
                f(run, ending)

        try:
            with keeper or nullcontext():
                epochs, self.stop_reason_ = self._best_of(
                    self.n_init,
                    run,
                    plan,
                    table,
                    passes=passes,
                    shuffle=self.shuffle,
                    score=score,
                    watch=bool(hooks),
                    max_seconds=self.max_seconds,
                    each=each if hooks else None,
                    between=between if told else None,
                )
            if keeper is not None and keeper.struck:
                self.stop_reason_ = "interrupted"
            self._settle(state, plan)
        except engine.Diverged as error:
            self._diverged(error, table, state, plan)
        self._note(epochs)
        if root is not None:
            root.call_on_fit_task_end(
                estimator=self,
                X=X,
                y=y,
                metadata=metadata,
                reconstruction_attributes=lambda: self._publish(state, plan),
            )
        self._interrupt()
        self._warn(table, plan, epochs, ruled)
        if self.verbose:
            print(f"stopped after {len(epochs)} epochs ({self.stop_reason_}), {perf_counter() - started:.2f} seconds.")
        return self

    def _train_once(self, table, state):
        """As `_train`, for `partial_fit`: one pass without rules, callbacks and budget, where each microsecond counts."""
        plan = self._partial_plan(table)
        if self.standardize:
            self._standardise(table, state, plan)
        try:
            run = engine.Run(state)
            epochs, self.stop_reason_ = engine.train(run, plan, table, passes=1, shuffle=self.shuffle)
            self._settle(state, plan, in_place=True)
        except engine.Diverged as error:
            self._diverged(error, table, state, plan)
        self._note(epochs)
        self._interrupt()
        return self

    def _note(self, epochs):
        self.history_ = np.array(epochs, engine.HISTORY)
        self.n_iter_ = max(1, len(epochs))

    def _interrupt(self):
        if self.stop_reason_ == "interrupted":
            raise KeyboardInterrupt("fit was interrupted; the estimator holds the model of that moment")

    def _best_of(self, starts, run, plan, table, **how):
        """Train from that many starting points; the state becomes the one of least objective. One may diverge, not all."""
        if starts == 1:
            return engine.train(run, plan, table, **how)
        state, rules = run.state, run.rules
        rng, first, best = np.random.default_rng([state.seed, 1]), state.copy(), None
        started, budget = perf_counter(), how.pop("max_seconds")
        for start in range(starts):
            run = engine.Run(self._restart(first, rng) if start else first.copy(), [rule.fresh() for rule in rules])
            left = None if budget is None else started + budget - perf_counter()
            try:
                epochs, reason = engine.train(run, plan, table, max_seconds=left, **how)
            except engine.Diverged:
                if best is None and start == starts - 1:
                    raise
                continue
            value = engine.objective(table, plan, *run.state.model(plan))
            if best is None or value < best[0]:
                best = value, run.state, epochs, reason
            if reason in ("interrupted", "callback", "max_seconds"):
                best = *best[:3], reason
                break
        state.restore(best[1])
        return best[2:]

    def _restart(self, first, rng):
        state = first.copy()
        state.seed = int(rng.integers(np.iinfo(np.int32).max))
        if self.init == "normal":
            state.W[:, : len(state.b)] = rng.standard_normal((len(state.W), len(state.b))) / np.sqrt(
                max(1, len(state.W))
            )
        return state

    def _root(self, state, plan, X, y, metadata):
        if not getattr(self, "_skl_callbacks", None) and not hasattr(self, "_parent_callback_ctx"):
            return None
        root = self._init_callback_context(max_subtasks=self.max_iter * self.n_init)
        return root.call_on_fit_task_begin(
            estimator=self, X=X, y=y, metadata=metadata, reconstruction_attributes=lambda: self._publish(state, plan)
        )

    def _hooks(self, root, plan, X, y, metadata):
        """The user's callables, and scikit-learn's callbacks, as hook(state, epochs) -> stop."""
        hooks = [
            lambda state, epochs, f=f: f(Progress(lambda: self._fitted_copy(state, plan), epochs))
            for f in callables(self.callbacks)
        ]
        if root is not None:

            def task(state, epochs):
                kwargs = {"estimator": self, "X": X, "y": y, "metadata": metadata}
                kwargs["reconstruction_attributes"] = lambda: self._publish(state, plan)
                return (
                    root.subcontext(task_name="epoch").call_on_fit_task_begin(**kwargs).call_on_fit_task_end(**kwargs)
                )

            hooks.append(task)
        return hooks

    def _progress(self, run, plan):
        return Progress(
            lambda: self._fitted_copy(run.state, plan), run.epochs, rows=run.done, loss=engine.progressive(run, plan)
        )

    def _score(self, held_out, plan):
        X_val, y_val, s_val, table = held_out
        if self.validation_scoring == "loss":
            return lambda state: -engine.loss_of(table, plan, *state.model(plan))
        scorer = check_scoring(self, scoring=self.validation_scoring)
        if isinstance(X_val, Source) and self.validation_scoring is not None:
            y_val, s_val = streams.all_targets(X_val)
        weights = {} if s_val is None else {"sample_weight": s_val}

        def score(state):
            est = self._fitted_copy(state, plan)
            vars(est).pop("feature_names_in_", None)  # X_val was compared with them when it still had them
            return float(scorer(est, X_val, y_val, **weights))

        return score

    # ------------------------------------------------------------ words
    def _print(self, last):
        names = "loss", "objective", "validation_score", "eta", "gradient_norm", "change"
        values = [f"{name} {getattr(last, name):.6g}" for name in names]
        print(
            f"epoch {last.epoch}/{self.max_iter}: {', '.join(v for v in values if not v.endswith('nan'))}, {last.seconds:.2f} s"
        )

    def _warn(self, table, plan, epochs, ruled):
        if self.power_t < 0:
            warnings.warn(
                "Negative values for `power_t` are deprecated in version 1.8 and will raise an error in 1.10. "
                "Use values in the range [0.0, inf) instead.",
                FutureWarning,
                stacklevel=CALLER,
            )
        if self.stop_reason_ == "diverged" or self._worse_than_nothing(table, plan, epochs):
            kept = (
                "The weights are those before it did."
                if self.stop_reason_ == "diverged"
                else "It holds the last weights."
            )
            self.stop_reason_ = "diverged"
            warnings.warn(
                "The fit diverged: its loss is more than a million times that of all-zero coefficients. "
                f"{kept} Lower eta0 (it is {self.eta0:g}, learning_rate={self.learning_rate!r})"
                f"{'' if self.standardize else ', set standardize=True or scale X with StandardScaler'}; "
                f"{self._largest(table)}.",
                ConvergenceWarning,
                stacklevel=CALLER,
            )
        elif ruled and self.stop_reason_ == "max_iter":
            warnings.warn(
                "Maximum number of iteration reached before convergence. Consider increasing max_iter to improve the fit.",
                ConvergenceWarning,
                stacklevel=CALLER,
            )

    def _worse_than_nothing(self, table, plan, epochs):
        """Whether the model's loss is a million times that of zero weights; looked into only where the last epoch's was high."""
        if not epochs or np.nanmax([epochs[-1].loss, epochs[-1].objective]) < 1e6:
            return False
        W, b = self._state.model(plan)
        zero = engine.loss_of(table, plan, np.zeros_like(W), np.zeros_like(b))
        return engine.loss_of(table, plan, W, b) > 1e6 * (1.0 + abs(zero))

    def _diverged(self, error, table, state, plan):
        """Keep the last good model, say which columns are to blame, raise."""
        epoch, epochs = error.args[0], error.args[1] if len(error.args) > 1 else []
        self.stop_reason_ = "diverged"
        self._note(epochs)
        try:
            self._settle(state, plan)
        except engine.Diverged:
            zeros = State.zeros(len(state.W), len(state.b), state.W.dtype, state.seed)
            zeros.mean, zeros.std, zeros.centred = state.mean, state.std, state.centred
            state.restore(zeros)
            self._settle(state, plan)
        lower = f"a lower eta0 (it is {self.eta0:g}, learning_rate={self.learning_rate!r})"
        advice = f"Scaling input data with StandardScaler or MinMaxScaler might help, or standardize=True, or {lower}"
        if self.standardize:
            advice = f"It may take {lower}"
        raise ValueError(
            f"Floating-point under-/overflow occurred at epoch #{epoch}. {advice}; {self._largest(table)}. "
            "The estimator holds the last finite model."
        ) from None

    def _largest(self, table):
        """The three columns of largest scale, in words; of the rows as they were trained on, of a stream its first ones."""
        table = next(table.tables())
        size = np.zeros(table.X.shape[1])
        for lo in range(0, table.X.shape[0], 8192):
            part = table.X[lo : lo + 8192]
            if table.scaling is not None:
                part = table.read(np.arange(lo, lo + part.shape[0]), self._state.W.dtype).X
            top = abs(part).max(axis=0)
            size = np.maximum(size, np.asarray(top.toarray() if hasattr(top, "toarray") else top, np.float64).ravel())
        names = getattr(self, "feature_names_in_", np.arange(len(size)))
        top = np.argsort(-size, kind="stable")[:3]
        return "the columns of largest scale are " + ", ".join(f"{names[j]} (up to {size[j]:.3g})" for j in top)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
