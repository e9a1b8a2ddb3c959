"""From the state of a training to the fitted attributes, and back."""

import copy
import os
import threading
from contextlib import suppress
from types import SimpleNamespace

import numpy as np

from fastsgd import engine, schedules
from fastsgd.estimators.validation import drawn_seed
from fastsgd.sources._check import first_nonfinite, same_bytes
from fastsgd.sources.scaling import Scaling, inward, moments, recentre
from fastsgd.state import State

# Held while arrays get new values and the state that goes with them takes its place, so that a copy has both or neither.
_publishing = threading.RLock()
_MAYBE = "mean_", "scale_", "auto_rule_"  # attributes of some models
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_publishing._at_fork_reinit)


class Fitted:
    """Needs `_attributes(coef, intercept)`, which names the attributes, and the parameters."""

    def _new_state(self, X, heads, coef_init, intercept_init):
        """Zeros, or what the user gives to start from: coef_init (heads, n_features), intercept_init (heads,)."""
        dtype = np.float32 if X.dtype.newbyteorder("=") == np.float32 else np.float64
        seed = drawn_seed(self.random_state)
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
        if coef_init is not None:
            state.W[:, :heads] = self._coef(state, heads, coef_init, "coef_init").T
        if intercept_init is not None:
            state.b[:] = self._intercept(heads, intercept_init, f"{self._intercept_name}init")

    def _coef(self, state, heads, given, name):
        """Coefficients that a user gives, checked: (heads, n_features) of the state's dtype."""
        dtype, d = state.W.dtype, len(state.W)
        coef = _numbers(given.toarray() if hasattr(given, "toarray") else given, dtype, name)
        if coef.size != heads * d or (heads > 1 and coef.shape != (heads, d)):
            wanted = (d,) if coef.ndim < 2 and heads == 1 else (heads, d)
            raise ValueError(
                f"Provided {name} does not match dataset: its shape is {coef.shape}, expected {wanted}, as X has {d} features."
                f"{' With warm_start=True it is coef_, if none is given.' if name != 'coef_' and self.warm_start else ''}"
            )
        _finite(coef, name)
        return coef.reshape(heads, d)

    def _intercept(self, heads, given, name):
        """Intercepts that a user gives, checked: (heads,) float64."""
        b = _numbers(given, np.float64, name)
        if b.size != heads or (heads > 1 and b.shape != (heads,)):
            raise ValueError(f"Provided {name} does not match dataset: its shape is {b.shape}, expected {(heads,)}.")
        _finite(b, name)
        return b.reshape(heads)

    def _to_start_from(self):
        """(coefficients, intercepts) that the user or a fit has put into the attributes, None where there are none."""
        own = vars(self)
        return own.get("coef_"), None if own.get(self._intercept_name) is None else self._raw_intercept()

    def _resume(self, plan):
        """The state that partial_fit goes on from: the last one, with what the user has since put into the attributes.

        It is not changed. What it holds beside the weights is in its own units, so that after a switch of `standardize`
        only the coefficients and the clock are taken over.
        """
        state = self._state
        if self.standardize != (state.std is not None) or self._published is None:
            fresh = State.zeros(len(state.W), len(state.b), state.W.dtype, state.seed)
            self._put_in(fresh, len(state.b), self.coef_, self._raw_intercept())
            fresh.at, fresh.epoch = state.at.copy(), state.epoch
            fresh.at[["scale", "u", "avg_a", "avg_n"]] = (1, 0, 0, 0)
            if self.standardize and state.std is not None:
                inward(fresh, state.mean, state.std, state.centred)
            return fresh
        return state if self._as_published() else self._edited(plan)

    def _edited(self, plan):
        """A copy of the state with the weights and intercepts in which the attributes are not as training has put them."""
        state, heads = self._state.copy(), len(self._state.b)
        coef = self._coef(state, heads, self.coef_, "coef_").astype(np.float64)
        # an intercept in a file of an older version may be float32
        was = [x.ravel() for x in self._published]
        moved = coef - was[0].reshape(coef.shape)
        W = np.where(moved != 0, coef, np.nan).T
        attribute = np.asarray(getattr(self, self._intercept_name)).astype(was[1].dtype).ravel()
        b = self._intercept(heads, self._raw_intercept(), self._intercept_name)
        b = np.where(attribute != was[1], b, np.nan)
        if np.isnan(W).all() and np.isnan(b).all():  # the same values in other arrays
            return self._state
        if state.std is not None:
            W *= state.std[:, None]
            if state.centred:
                state.b += moved @ state.mean
                state.b_avg += moved @ state.mean
                b += coef @ state.mean
        state.put(plan, W, b)
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

    _intercept_name = "intercept_"

    def _raw_intercept(self):
        return self.intercept_

    def _read_back(self):
        """Copies of the attributes, to be told later whether the user has put other values there; None: not an array."""
        found = self.coef_, getattr(self, self._intercept_name)
        return tuple(np.array(x, order="C") if isinstance(x, np.ndarray) else None for x in found)

    def _as_published(self):
        """Whether coefficients and intercepts are those that training has put there."""
        kept = self._published
        return kept is not None and _same(self.coef_, kept[0]) and _same(getattr(self, self._intercept_name), kept[1])

    def __getstate__(self):
        """The attributes at one moment: what another thread publishes meanwhile is not of it."""
        names = "coef_", self._intercept_name
        with _publishing:
            state = super().__getstate__().copy()
            state |= {name: copy.copy(state[name]) for name in names if name in state}
        state.pop("_checked", None)
        if state.get("_published") is not None and all(
            map(_same, [state[name] for name in names], state["_published"])
        ):
            state["_published"] = True
        elif "_published" in state and state["_published"] is None:
            state["_published"] = False
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        published = state.get("_published")
        if isinstance(published, bool):  # False: of an older version, which did not say what training had put there
            self._published = self._read_back() if published else None

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
        return self._attributes(np.ascontiguousarray(W.T[: len(b)]), b) | found

    def _settle(self, state, plan, in_place=False, **also):
        """Be fitted to that state, and have the attributes `also`, all in one step: no exception leaves a part of it.

        in_place : the arrays that the last call published get the new values
        """
        values, own = self._publish(state, plan), vars(self)
        old = {name: own.get(name) for name in values} if in_place else {}
        old = {name: x for name, x in old.items() if _holds(x, values[name])}
        # what is written into older arrays stays as it is, to compare these with
        kept = [values[name] if name in old else values[name].copy() for name in ("coef_", self._intercept_name)]
        also |= {"_published": tuple(kept), "_state": state, "t_": state.t}
        new = values | also | old
        for name in _MAYBE:
            if name in own and name not in new:
                del own[name]
        with _publishing:
            for name, x in old.items():
                x[...] = values[name]
            own.update(new)

    def _snapshot(self):
        est = super()._snapshot()
        if est._published and not est._as_published() and est.standardize == (est._state.std is not None):
            with suppress(
                ValueError
            ):  # of values that no model can have, which whoever takes the copy says in its own words
                est._state = est._edited(est._plan(SimpleNamespace(sparse=False), 1, True))
                est._published = est._read_back()
        return est

    def _fitted_copy(self, state, plan):
        est = copy.copy(self)
        est._settle(state.copy(), plan)
        return est

    def _restart(self, first, rng):
        state = first.copy()
        state.seed = int(rng.integers(np.iinfo(np.int32).max))
        if self.init == "normal":
            state.W[:, : len(state.b)] = rng.standard_normal((len(state.W), len(state.b))) / np.sqrt(
                max(1, len(state.W))
            )
        return state


def _numbers(given, dtype, name):
    try:
        with np.errstate(over="ignore"):  # what is too large for float32 is then infinite
            return np.asarray(given, dtype)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"Provided {name} must hold numbers that fit in {np.dtype(dtype)}: {error}.") from error


def _finite(values, name):
    if not np.isfinite(values).all():
        raise ValueError(f"Provided {name} contains NaN or infinity: there is nothing to start from.")


def _same(values, kept):
    """Whether an attribute is an array of the bytes of that one; None: it was no array, and is none."""
    if not isinstance(values, np.ndarray) or kept is None:
        return kept is None and not isinstance(values, np.ndarray)
    if values.flags.c_contiguous:
        return values.nbytes == kept.nbytes and same_bytes(values, kept)
    return values.tobytes() == kept.tobytes()


def _holds(old, value):
    """Whether an array can be given the values of that one."""
    return type(old) is np.ndarray and old.flags.writeable and old.shape == value.shape and old.dtype == value.dtype
