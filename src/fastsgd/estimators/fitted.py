"""From the state of a training to the fitted attributes, and back."""

import copy
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from fastsgd import engine, schedules
from fastsgd.estimators import contested
from fastsgd.estimators.for_prediction import MARK, OfTraining, missing
from fastsgd.estimators.problem import Drafts
from fastsgd.estimators.published import Attribute, FromState, Published, same
from fastsgd.estimators.validation import drawn_seed
from fastsgd.sources._check import first_nonfinite
from fastsgd.sources.scaling import Scaling, inward, moments, recentre
from fastsgd.state import State


class Fitted(Drafts):
    """Needs `_attributes(coef, intercept)`, which names the attributes, and the parameters."""

    _state, restarts_ = OfTraining(), OfTraining()
    coef_ = Attribute()
    t_ = FromState(lambda state: state.t)
    mean_ = FromState(lambda state: None if state.std is None else state.mean.copy())
    scale_ = FromState(lambda state: None if state.std is None else state.std.copy())
    auto_rule_ = FromState(lambda state: None if state.auto is None else state.auto.rules)
    alpha_ = FromState(lambda state: contested.chosen(state, "alpha"))
    half_life_ = FromState(lambda state: contested.half_life_chosen(state))

    @property
    def progressive_(self) -> NDArray[Any]:
        """How the loss went by rows: see Attributes."""
        found = vars(self).get("_progressive")
        if found is None:
            raise missing(self, "progressive_")
        array: NDArray[Any] = found.array()
        return array

    @property
    def optimizer_state_(self) -> dict[str, NDArray[Any]]:
        """The slots of the optimizer, and the step size of each weight."""
        from fastsgd.estimators import optimizer_state  # Few users look at it.

        published, found = vars(self).get("_published"), None
        if published is not None:
            with published.lock:
                found = optimizer_state.of_model(self, self._state, self._published.plan)
        if found is None:
            raise missing(self, "optimizer_state_", "it is there after the first step")
        return found

    _initial_intercept = 0.0
    _read_off = "t_", "mean_", "scale_", "auto_rule_", "alpha_", "half_life_"
    _of_segments = (
        "segments_",
        "segment_column_",
        "segment_counts_",
        "segment_coefs_",
        "segment_intercepts_",
        "segment_n_iter_",
        "segment_stop_reasons_",
    )
    _left = (
        *(
            "_state",
            "_published",
            "coef_",
            "intercept_",
            "offset_",
            "history_",
            "n_iter_",
            "stop_reason_",
            "_progressive",
            "_record",
            "restarts_",
            MARK,
        ),
        *_read_off,
        *_of_segments,
    )

    def _taken(self, draft):
        """Be fitted as this draft is, if it is; and not otherwise."""
        published, before = vars(draft).get("_published"), vars(self).get("_published")
        if published is None:
            return
        with (before or published).lock:
            published.lock = (before or published).lock
            if "coef_" not in vars(draft):
                published.remember(self)
            self.__dict__ = self._as_drafted(draft)
            published.give(self, *published.held())

    def _init(self, coef_init, intercept_init):
        """What `fit` starts from, None for zero: what is given, or with warm_start what there is."""
        coef, b = self._to_start_from() if self.warm_start else (None, None)
        return coef if coef_init is None else coef_init, b if intercept_init is None else intercept_init

    def _new_state(self, X, heads, coef_init, intercept_init):
        """Zeros, or what the user gives to start from: coef_init (heads, n_features), intercept_init (heads,)."""
        dtype = np.float32 if X.dtype.newbyteorder("=") == np.float32 else np.float64
        seed = drawn_seed(self.random_state)
        state = State.zeros(X.shape[1], heads, dtype, seed)
        state.b[:] = self._initial_intercept
        name = "coef_init"
        if coef_init is None and self._init_array is not None:
            coef_init, name = self.init, "init"
        if schedules.get(self.learning_rate).auto and coef_init is not None:
            raise ValueError(
                "learning_rate='auto' starts from zero: give no coef_init, warm_start=False, and leave coef_ as it is "
                "(partial_fit goes on from the last call)."
            )
        if self.n_init > 1 and coef_init is not None:
            raise ValueError(
                f"n_init={self.n_init} starts from coefficients of its own: give no coef_init, no warm_start, no array as init."
            )
        if self._init_drawn:
            state = self._restart(state, np.random.default_rng(seed))
            state.seed = seed
        self._put_in(state, heads, coef_init, intercept_init, name)
        if self.n_bootstrap or self.n_splits:
            from fastsgd.beside import Beside

            state.beside = Beside.of(state, self.n_bootstrap, self.n_splits)
        return state

    def _put_in(self, state, heads, coef_init, intercept_init, name="coef_init"):
        """What the user gives to start from into the state; the coefficients have that name."""
        if coef_init is not None:
            state.W[:, :heads] = self._coef(state, heads, coef_init, name).T
        if intercept_init is not None:
            state.b[:] = self._intercept(heads, intercept_init, f"{self._names[1]}init")

    def _coef(self, state, heads, given, name):
        """Coefficients that a user gives, checked: (heads, n_features) of the state's dtype."""
        dtype, d = state.W.dtype, len(state.W)
        coef = _numbers(given.toarray() if hasattr(given, "toarray") else given, dtype, name)
        if coef.size != heads * d or (heads > 1 and coef.shape != (heads, d)):
            wanted = (d,) if coef.ndim < 2 and heads == 1 else (heads, d)
            raise ValueError(
                f"Provided {name} does not match dataset: its shape is {coef.shape}, expected {wanted}, as X has {d} features."
                f"{' With warm_start=True it is coef_, if none is given.' if name == 'coef_init' and self.warm_start else ''}"
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
        coef, b = (getattr(self, name, None) for name in self._names)
        return coef, None if b is None else self._raw_intercept()

    def _resume(self, plan):
        """The state that partial_fit goes on from: the last one, with what the user has since put into the attributes.

        It is not changed. What it holds beside the weights is in its own units, so that after a switch of `standardize`
        only the coefficients and the clock are taken over.
        """
        state = self._state
        if state.beside is not None or self.n_bootstrap or self.n_splits:
            state = self._kept_beside(state)
        if self.standardize != (state.std is not None) or not self._published.known:
            fresh = State.zeros(len(state.W), len(state.b), state.W.dtype, state.seed)
            self._put_in(fresh, len(state.b), self.coef_, self._raw_intercept())
            fresh.at, fresh.epoch = state.at.copy(), state.epoch
            fresh.contest = contested.over(state)
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
        was = [x.ravel() for x in self._published.values(self)]
        moved = coef - was[0].reshape(coef.shape)
        W = np.where(moved != 0, coef, np.nan).T
        attribute = np.asarray(getattr(self, self._names[1])).astype(was[1].dtype).ravel()
        b = self._intercept(heads, self._raw_intercept(), self._names[1])
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
        state.contest = contested.over(state)
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
            drawn = self._init_drawn and (state.W == self._restart(state, np.random.default_rng(state.seed)).W).all()
            if drawn:  # in standard units already
                state.mean, state.std, state.centred = *found, centred
            else:
                inward(state, *found, centred)
        else:
            state.prepare(plan, table.sparse)
            if state.contest is not None and state.centred != centred:
                state.contest.forget_judged()  # Those that are kept are in the units before.
            for one in (state, *(() if state.contest is None else state.contest.others)):
                recentre(one, centred)
        table.scaling = Scaling.of(state)

    def _raw_intercept(self):
        return self.intercept_

    def _as_published(self):
        """Whether coefficients and intercepts are those that training has put there. O(1) if nobody has asked for them."""
        own, published = vars(self), self._published
        if not any(name in own for name in self._names):
            return published.known
        model = published.values(self)
        there = [own.get(name) for name in self._names]
        return model is not None and all(x is None or same(x, y) for x, y in zip(there, model, strict=True))

    def _weights(self):
        """Coefficients and intercepts of one moment, to predict with; nobody is to write to them."""
        own, published = vars(self), vars(self).get("_published")
        if published is not None and not any(name in own for name in self._names):
            with published.lock:
                if (model := self._published.values(self)) is not None:
                    return model
        return tuple(getattr(self, name) for name in self._names)

    def _read_back(self):
        """Copies of the attributes, to be told later whether the user has put other values there."""
        coef, b = (getattr(self, name) for name in self._names)
        return (coef.toarray() if sp.issparse(coef) else np.array(coef, order="C")), np.array(b, order="C")

    def _known(self, as_published):
        """Of attributes that come from a file: whether they are those that training has put there, or it is not known."""
        self._published = Published(model=self._read_back() if as_published else None)

    def __getstate__(self):
        """All of one moment: what another thread does meanwhile is not of it. From now on the state is not ours alone."""
        published = vars(self).get("_published")
        if published is None:
            return {name: value for name, value in super().__getstate__().items() if name != "_checked"}
        with published.lock:
            published = self._published
            state, published.ready = super().__getstate__().copy(), None
            model, as_published = published.values(self), self._as_published()
            for place, name in enumerate(self._names):
                if name in state or model is not None:
                    state[name] = copy.copy(state[name] if name in state else model[place])
        state.pop("_checked", None)
        state["_published"] = as_published or (False if model is None else model)
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        own = vars(self)
        if "_state" in own:
            for name in self._read_off:
                own.pop(name, None)
        was = own.get("_published", False)
        if isinstance(was, bool):  # False: of an older version, which did not say what training had put there
            if "_state" in own:
                self._known(was)
        else:
            self._published = Published(model=was)

    def _publish(self, moment):
        """The fitted attributes that follow from the state of that moment."""
        state, (W, b) = moment.state, moment.model
        if state.std is not None:
            W, b = Scaling.of(state).outward(W, b)
        if first_nonfinite(W.ravel()) >= 0 or first_nonfinite(b) >= 0:
            raise engine.Diverged(state.epoch)
        return self._attributes(np.ascontiguousarray(W.T[: len(b)]), b)

    def _for_callbacks(self, moment):
        """All the fitted attributes of that moment, of which scikit-learn makes a copy for its callbacks."""
        state = moment.state
        learnt = {name: x for name, x in vars(self).items() if name in self._learnt}
        read_off = {"mean_": state.mean, "scale_": state.std, "auto_rule_": state.auto and state.auto.rules}
        return learnt | self._publish(moment) | {name: x for name, x in read_off.items() if x is not None}

    def _fit_to(self, moment, *, quiet=False, ready=None, **also):
        """Be fitted to that moment, and have the attributes `also`, all in one step: no exception leaves a part of it.

        quiet : of partial_fit: the coefficients are put into the attributes if users hold these, or else when they ask
        ready : see `Published`
        """
        values, own = self._publish(moment), vars(self)
        before = own.get("_published") or Published()
        new = Published(before.lock, tuple(values[name] for name in self._names), moment.plan, ready=ready)
        also |= {"_published": new, "_state": moment.state}
        with before.lock:
            for name in self._read_off:  # where a copy for scikit-learn's callbacks has them
                own.pop(name, None)
            if quiet:
                before.remember(self)
                before.take_out(self)
                new.given = before.given
            else:
                also |= {name: value.copy() for name, value in values.items()}
            own.update(also)
            if quiet:
                new.give(self, *new.held())

    def _snapshot(self):
        est = super()._snapshot()
        published = vars(est).get("_published")
        if published is None or not published.known or self.standardize != (est._state.std is not None):
            return est
        if not est._as_published():
            # of values that no model can have whoever takes the copy speaks, in its own words
            with suppress(ValueError):
                est._state = est._edited(est._plan(SimpleNamespace(sparse=False), 1, True))
                est._known(True)
        return est

    def _fitted_copy(self, moment):
        est = copy.copy(self)
        est._fit_to(moment.copy())
        return est

    def _restart(self, first, rng):
        state = first.copy()
        state.seed = int(rng.integers(np.iinfo(np.int32).max))
        if self._init_drawn:
            drawn = rng.standard_normal((len(state.W), len(state.b)))
            state.W[:, : len(state.b)] = (
                drawn / np.sqrt(max(1, len(state.W))) if self.init == "normal" else drawn * float(self.init)
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
