"""What the estimators share: scikit-learn's conventions around the engine, and no maths."""

import copy
import warnings
from numbers import Integral, Real
from time import perf_counter

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model._base import SparseCoefMixin
from sklearn.metrics import check_scoring
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from fastsgd import engine, losses, optimizers, penalties, schedules, stopping
from fastsgd._kernels.plan import Plan
from fastsgd.sources.scaling import Scaling, inward, moments, recentre
from fastsgd.state import State

try:  # scikit-learn 1.9
    from sklearn.callback import CallbackSupportMixin, with_callbacks

    CALLER = 5  # stacklevel of a warning in `_warn`, so that it shows the user's line
except ImportError:  # before, plain callables are all there is

    class CallbackSupportMixin:
        """No callback protocol in this scikit-learn."""

    def with_callbacks(method):
        return method

    CALLER = 4


SPARSE_INTERCEPT_DECAY = 0.01  # scikit-learn's: on CSR the intercept, met in every row, would run ahead


class Progress:
    """What a callable of `callbacks` is given at the end of each epoch.

    Attributes
    ----------
    epoch : int
        Epochs done.
    history : structured array
        As `history_`, so far.
    estimator : estimator
        A fitted copy, as `fit` would return it now; made when asked for.
    """

    def __init__(self, fitted, epochs):
        self.epoch, self._fitted, self._epochs = len(epochs), fitted, epochs

    @property
    def history(self):
        return np.array(self._epochs, engine.HISTORY)

    @property
    def estimator(self):
        return self._fitted()


class BaseSGD(CallbackSupportMixin, SparseCoefMixin, BaseEstimator):
    """Parameters to plan, data to table, state to fitted attributes."""

    loss_functions = {}
    # scikit-learn's fixed choices, for the estimators that have no such parameter
    loss, penalty, l1_ratio, early_stopping, validation_fraction, n_iter_no_change, epsilon = (
        "hinge",
        "l2",
        0.0,
        False,
        0.1,
        5,
        0.1,
    )
    validation_scoring = None

    _parameter_constraints: dict = {
        "fit_intercept": ["boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left"), None],
        "shuffle": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "warm_start": ["boolean"],
        "average": [Interval(Integral, 0, None, closed="left"), "boolean"],
        "eta0": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, None, None, closed="neither")],
        "learning_rate": [StrOptions(set(schedules.SCHEDULES)), schedules.Schedule],
        "max_seconds": [Interval(Real, 0, None, closed="neither"), None],
        "callbacks": ["array-like", callable, None],
        "optimizer": [StrOptions(set(optimizers.OPTIMIZERS)), optimizers.Optimizer],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"full"})],
        "stopping": [StrOptions(set(stopping.STOPPING)), stopping.Stopping, list, tuple, None],
        "init": [StrOptions({"zeros", "normal"})],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "gradient_noise": [Interval(Real, 0, None, closed="left")],
        "intercept_decay": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "standardize": ["boolean"],
    }
    _common_constraints: dict = {
        "penalty": [StrOptions({"l2", "l1", "elasticnet"}), None],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both"), None],
        "epsilon": [Interval(Real, 0, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "validation_scoring": [str, callable, None],
    }

    # ------------------------------------------------------------ parameters
    def _check_params(self):
        self._validate_params()
        rate, optimizer = self._schedule(), optimizers.get(self.optimizer)
        if rate.name == "optimal" and self._alpha == 0:
            raise ValueError(
                "alpha must be > 0 since learning_rate is 'optimal'. alpha is used to compute the optimal learning rate."
            )
        if rate.pa and self._loss().name != self._pa_loss:
            raise ValueError(f"Learning rate '{rate.name}' only works with loss '{self._pa_loss}'.")
        if rate.pa and (self.batch_size != 1 or self.gradient_noise or not optimizer.plain or self._loss().coupled):
            raise ValueError(
                f"learning_rate='{rate.name}' takes its step from one row: it needs optimizer='sgd', batch_size=1 and "
                "one-vs-rest classes."
            )
        if optimizer.name == "ftrl" and rate.name != "constant":
            raise ValueError(
                f"optimizer='ftrl' has step sizes of its own, from eta0: leave learning_rate at its default, got {rate.name!r}."
            )
        if rate.auto:
            self._check_auto(optimizer)
        l1, _ = penalties.weights(self.penalty, self._alpha, self.l1_ratio)
        if getattr(optimizer, "line_search", False):
            self._check_line_search(l1)
        if self.stopping is not None:
            stopping.get(self.stopping)

    def _check_auto(self, optimizer):
        if self._nu:
            raise ValueError(
                f"{type(self).__name__} can't take learning_rate='auto': its objective has a slope in the offset."
            )
        if self._loss().coupled or getattr(self, "multi_class", "ovr") != "ovr":
            raise ValueError(f"learning_rate='auto' needs multi_class='ovr', got {self.multi_class!r}.")
        wrong = {
            f"optimizer='sgd', got {self.optimizer!r}": not optimizer.plain or optimizer.line_search,
            f"batch_size=1, got {self.batch_size!r}": self.batch_size != 1,
            f"average=False, as it always averages, got {self.average!r}": bool(self.average),
            f"gradient_noise=0, got {self.gradient_noise!r}": bool(self.gradient_noise),
            f"init='zeros' and n_init=1, got {self.init!r} and {self.n_init!r}": self.init != "zeros"
            or self.n_init != 1,
            f"intercept_decay='auto', got {self.intercept_decay!r}": self.intercept_decay != "auto",
        }
        for what, is_wrong in wrong.items():
            if is_wrong:
                raise ValueError(f"learning_rate='auto' needs {what}.")

    def _check_line_search(self, l1):
        needs = {
            "batch_size='full'": self.batch_size == "full",
            "no L1 penalty": not l1,
            "average=False": not self.average,
            "gradient_noise=0": not self.gradient_noise,
            "a smooth loss": self._loss().smooth,
        }
        missing = [what for what, there in needs.items() if not there]
        if missing:
            raise ValueError(f"optimizer={self.optimizer!r} searches along the line, and needs {', '.join(missing)}.")

    def _rules(self, held_out):
        """The stopping rules of this fit."""
        if self.stopping is None:
            name = "objective" if held_out is None else "validation"
            return [] if self.tol is None else stopping.get(name, self.tol, self.n_iter_no_change)
        rules = stopping.get(self.stopping, self.tol, self.n_iter_no_change)
        if held_out is None and any(rule.needs == "validation_score" for rule in rules):
            raise ValueError("stopping by the validation score needs early_stopping=True, or X_val and y_val in fit.")
        return rules

    @property
    def _alpha(self):
        return self.alpha

    def _loss(self):
        return losses.get(self.loss, self.epsilon)

    def _schedule(self):
        """The schedule: "optimal" is one for plain SGD, and the step sizes of FTRL fall by themselves; else a constant."""
        rate, optimizer = schedules.get(self.learning_rate), optimizers.get(self.optimizer)
        own = {"ftrl": ("optimal", "invscaling")}.get(optimizer.name, () if optimizer.plain else ("optimal",))
        return schedules.Constant() if rate.name in own else rate

    def _plan(self, table, passes, partial):
        optimizer = optimizers.get(self.optimizer)
        batch_size = np.inf if self.batch_size == "full" else self.batch_size
        schedule = self._schedule().bind(
            eta0=self.eta0,
            alpha=self._alpha,
            power_t=self.power_t,
            loss=losses.get(self.loss, self.epsilon),
            pass_rows=None if partial else table.n_rows,
            passes=passes,
            batch_size=batch_size,
        )
        l1, l2 = penalties.weights(self.penalty, self._alpha, self.l1_ratio)
        decay = self.intercept_decay
        if decay == "auto":
            like_sklearns = optimizer.plain and batch_size == 1 and not self.standardize and not schedule.auto
            decay = SPARSE_INTERCEPT_DECAY if table.sparse and like_sklearns else 1.0
        return Plan(
            self._loss(),
            schedule,
            l1=l1,
            l2=l2,
            intercept_decay=decay if self.fit_intercept else 0.0,
            nu=self._nu,
            average=int(self.average),
            optimizer=optimizer,
            batch_size=batch_size,
            noise=self.gradient_noise,
        )

    _nu = 0.0

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
        if coef_init is not None:
            coef = np.asarray(coef_init.toarray() if hasattr(coef_init, "toarray") else coef_init, dtype)
            if coef.size != heads * X.shape[1] or (heads > 1 and coef.shape != (heads, X.shape[1])):
                raise ValueError(
                    f"Provided coef_init does not match dataset: its shape is {coef.shape}, expected {(heads, X.shape[1])}."
                )
            state.W[:, :heads] = coef.reshape(heads, -1).T
        if intercept_init is not None:
            b = np.asarray(intercept_init, np.float64)
            if b.size != heads or (heads > 1 and b.shape != (heads,)):
                raise ValueError(
                    f"Provided intercept_init does not match dataset: its shape is {b.shape}, expected {(heads,)}."
                )
            state.b[:] = b.ravel()
        return state

    def _resume(self, X):
        """The state that partial_fit goes on from: the last one, unless the user has put other coefficients in its place.

        What the state holds beside them is in its own units, so that switching `standardize` is such a case too.
        """
        state = self._state
        if self.standardize != (state.std is not None) or any(
            now is not then for now, then in zip(self._read_back(), self._published, strict=True)
        ):
            fresh = self._new_state(X, len(state.b), self.coef_, self._raw_intercept())
            fresh.at, fresh.seed, fresh.epoch = state.at.copy(), state.seed, state.epoch
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

    def _publish(self, state, plan):
        """The fitted attributes that follow from the state."""
        W, b = state.model(plan)
        if state.std is not None:
            W, b = Scaling.of(state).outward(W, b)
        if not (np.isfinite(W).all() and np.isfinite(b).all()):
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
    def _train(self, table, state, *, passes, partial=False, held_out=None, X=None, y=None, metadata=None):
        """Run the engine and keep what comes of it.

        held_out is None or (X_val, y_val, sample_weight_val, table of them).
        """
        plan = self._plan(table, passes, partial)
        if self.standardize:
            self._standardise(table, state, plan)
            if held_out is not None:
                held_out[3].scaling = table.scaling
        started = perf_counter()
        rules = [] if partial else self._rules(held_out)
        score = None if held_out is None else self._score(held_out, plan)
        root = None if partial else self._root(state, plan, X, y, metadata)
        hooks = [] if partial else self._hooks(root, plan, X, y, metadata)
        if self.verbose and not partial:
            hooks.append(lambda state, epochs: self._print(epochs[-1]))

        def each(state, epochs):
            return any([bool(hook(state, epochs)) for hook in hooks])

        try:
            epochs, self.stop_reason_ = self._best_of(
                1 if partial else self.n_init,
                state,
                plan,
                table,
                passes=passes,
                shuffle=self.shuffle,
                rules=rules,
                score=score,
                watch=bool(hooks),
                max_seconds=None if partial else self.max_seconds,
                each=each if hooks else None,
            )
            self._settle(state, plan, in_place=partial)
        except engine.Diverged as error:
            self._diverged(error, table, state, plan)
        self.history_ = np.array(epochs, engine.HISTORY)
        self.n_iter_ = max(1, len(epochs))
        if root is not None:
            root.call_on_fit_task_end(
                estimator=self,
                X=X,
                y=y,
                metadata=metadata,
                reconstruction_attributes=lambda: self._publish(state, plan),
            )
        if self.stop_reason_ == "interrupted":
            raise KeyboardInterrupt("fit was interrupted; the estimator holds the model of that moment")
        if not partial:
            self._warn(table, plan, epochs, bool(rules))
            if self.verbose:
                print(
                    f"stopped after {len(epochs)} epochs ({self.stop_reason_}), {perf_counter() - started:.2f} seconds."
                )
        return self

    def _best_of(self, starts, state, plan, table, *, rules, **how):
        """Train from that many starting points; `state` becomes the one of least objective."""
        if starts == 1:
            return engine.train(state, plan, table, rules=rules, **how)
        rng, first, best = np.random.default_rng(state.seed), state.copy(), None
        for _ in range(starts):
            run = first.copy() if best is None else self._restart(first, rng)
            epochs, reason = engine.train(run, plan, table, rules=[rule.fresh() for rule in rules], **how)
            value = engine.objective(table, plan, *run.model(plan))
            if best is None or value < best[0]:
                best = value, run, epochs, reason
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
        root = self._init_callback_context(max_subtasks=self.max_iter)
        return root.call_on_fit_task_begin(
            estimator=self, X=X, y=y, metadata=metadata, reconstruction_attributes=lambda: self._publish(state, plan)
        )

    def _hooks(self, root, plan, X, y, metadata):
        """The user's callables, and scikit-learn's callbacks, as hook(state, epochs) -> stop."""
        given = self.callbacks if self.callbacks is not None else []
        given = [given] if callable(given) else list(given)
        for f in given:
            if not callable(f):
                raise ValueError(
                    f"callbacks must be callables f(progress), found {f!r}; scikit-learn's go to set_callbacks."
                )
        hooks = [lambda state, epochs, f=f: f(Progress(lambda: self._fitted_copy(state, plan), epochs)) for f in given]
        if root is not None:

            def task(state, epochs):
                kwargs = {"estimator": self, "X": X, "y": y, "metadata": metadata}
                kwargs["reconstruction_attributes"] = lambda: self._publish(state, plan)
                return (
                    root.subcontext(task_name="epoch").call_on_fit_task_begin(**kwargs).call_on_fit_task_end(**kwargs)
                )

            hooks.append(task)
        return hooks

    def _score(self, held_out, plan):
        X_val, y_val, s_val, table = held_out
        if self.validation_scoring == "loss":
            return lambda state: -engine.loss_of(table, plan, *state.model(plan))
        scorer = check_scoring(self, scoring=self.validation_scoring)
        weights = {} if s_val is None else {"sample_weight": s_val}
        return lambda state: float(scorer(self._fitted_copy(state, plan), X_val, y_val, **weights))

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
        self.stop_reason_, self.history_, self.n_iter_ = (
            "diverged",
            np.array(epochs, engine.HISTORY),
            max(1, len(epochs)),
        )
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
        """The three columns of largest scale, in words; of the rows as they were trained on."""
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
