"""From the state of a training to the fitted attributes, and back."""

import copy
from operator import is_

import numpy as np
from sklearn.utils import check_random_state

from fastsgd import engine, schedules
from fastsgd.sources._check import first_nonfinite
from fastsgd.sources.scaling import Scaling, inward, moments, recentre
from fastsgd.state import State


class Fitted:
    """Needs `_attributes(coef, intercept)`, which names the attributes, and the parameters."""

    def _new_state(self, X, heads, coef_init, intercept_init):
        """Zeros, or what the user gives to start from: coef_init (heads, n_features), intercept_init (heads,)."""
        dtype = np.float32 if X.dtype.newbyteorder("=") == np.float32 else np.float64
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
                    f"{' With warm_start=True it is coef_, if none is given.' if self.warm_start else ''}"
                )
            _finite(coef, "coef_init")
            state.W[:, :heads] = coef.reshape(heads, -1).T
        if intercept_init is not None:
            b = np.asarray(intercept_init, np.float64)
            if b.size != heads or (heads > 1 and b.shape != (heads,)):
                raise ValueError(
                    f"Provided {self._intercept_name}init does not match dataset: its shape is {b.shape}, expected {(heads,)}."
                )
            _finite(b, f"{self._intercept_name}init")
            state.b[:] = b.ravel()

    def _resume(self, X):
        """The state that partial_fit goes on from: the last one, unless the user has put other coefficients in its place.

        What the state holds beside them is in its own units, so that switching `standardize` is such a case too.
        """
        state = self._state
        if not state.W.flags.writeable:  # of a mapped file, as joblib hands large arrays to its workers
            state = state.copy()
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
            if (
                in_place
                and type(old) is np.ndarray
                and old.flags.writeable
                and (old.shape, old.dtype) == (value.shape, value.dtype)
            ):
                old[...] = value
            else:
                setattr(self, name, value)
        self._state, self._published = state, self._read_back()
        self.t_ = float(state.at["t"][0])

    def _fitted_copy(self, state, plan):
        est = copy.copy(self)
        est._settle(state, plan)
        return est

    def _restart(self, first, rng):
        state = first.copy()
        state.seed = int(rng.integers(np.iinfo(np.int32).max))
        if self.init == "normal":
            state.W[:, : len(state.b)] = rng.standard_normal((len(state.W), len(state.b))) / np.sqrt(
                max(1, len(state.W))
            )
        return state


def _finite(values, name):
    if not np.isfinite(values).all():
        raise ValueError(f"Provided {name} contains NaN or infinity: there is nothing to start from.")
