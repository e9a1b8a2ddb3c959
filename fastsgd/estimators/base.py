"""What the estimators share: scikit-learn's conventions around the engine, and no maths."""

import copy
import warnings
from operator import is_
from time import perf_counter

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model._base import SparseCoefMixin
from sklearn.metrics import check_scoring
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from fastsgd import engine
from fastsgd.estimators.parameters import Parameters
from fastsgd.estimators.progress import CALLER, CallbackSupportMixin, Progress, callables
from fastsgd.sources.scaling import Scaling, inward, moments, recentre
from fastsgd.state import State


class BaseSGD(CallbackSupportMixin, SparseCoefMixin, Parameters, BaseEstimator):
    """Data to table, state to fitted attributes, and the training between them."""

    # ------------------------------------------------------------ state
    def _new_state(self, X, heads, coef_init, intercept_init):
        """Zeros, or what the user gives to start from: coef_init (heads, n_features), intercept_init (heads,)."""
        dtype = np.float32 if X.dtype == np.float32 else np.float64
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        state = State.zeros(X.shape[1], heads, dtype, seed)
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
        if not (np.isfinite(W).all() and np.isfinite(b).all()):
            raise engine.Diverged(state.epoch)
        found = {} if state.std is None else {"mean_": state.mean.copy(), "scale_": state.std.copy()}
        return self._attributes(np.ascontiguousarray(W.T[: len(b)]), b.astype(W.dtype)) | found

    def _settle(self, state, plan, in_place=False):
        values = self._publish(state, plan)
        for name in {"mean_", "scale_"} - set(values):
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
        plan = self._partial_plan(table) if partial else self._plan(table, passes, False)
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
        """Train from that many starting points; `state` becomes the one of least objective. One may diverge, not all."""
        if starts == 1:
            return engine.train(state, plan, table, rules=rules, **how)
        rng, first, best = np.random.default_rng([state.seed, 1]), state.copy(), None
        started, budget = perf_counter(), how.pop("max_seconds")
        for start in range(starts):
            run = self._restart(first, rng) if start else first.copy()
            fresh = [rule.fresh() for rule in rules]
            left = None if budget is None else started + budget - perf_counter()
            try:
                epochs, reason = engine.train(run, plan, table, rules=fresh, max_seconds=left, **how)
            except engine.Diverged:
                if best is None and start == starts - 1:
                    raise
                continue
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

    def _score(self, held_out, plan):
        X_val, y_val, s_val, table = held_out
        if self.validation_scoring == "loss":
            return lambda state: -engine.loss_of(table, plan, *state.model(plan))
        scorer = check_scoring(self, scoring=self.validation_scoring)
        weights = {} if s_val is None else {"sample_weight": s_val}
        return lambda state: float(scorer(self._fitted_copy(state, plan), X_val, y_val, **weights))

    # ------------------------------------------------------------ files
    def sparsify(self):
        """Make `coef_` a CSR matrix, of two dimensions, as one of a single dimension can't be multiplied by a CSR X.

        Returns
        -------
        self
        """
        check_is_fitted(self)
        coef = self.coef_.toarray() if sp.issparse(self.coef_) else self.coef_
        self.coef_ = sp.csr_matrix(np.atleast_2d(coef))
        return self

    def save(self, path):
        """Write this fitted estimator to a model file, which `fastsgd.load` reads: see `fastsgd.persist.save`.

        The file holds numbers and words and no code. pickle and joblib work too, for files that you trust, and skops:
        ``skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))``, where all types are of fastsgd.

        Parameters
        ----------
        path : str or path-like
        """
        from fastsgd import persist

        persist.save(self, path)

    def to_onnx(self):
        """This fitted estimator as an `onnx.ModelProto` that predicts the same: see `fastsgd.persist.to_onnx`."""
        from fastsgd import persist

        return persist.to_onnx(self)

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
