"""State: all that training changes. Saving it is a checkpoint; going on from it is bit for bit an unbroken run."""

from dataclasses import dataclass, field, replace

import numpy as np

from fastsgd._kernels import kernels
from fastsgd._kernels.plan import SCALARS
from fastsgd.auto import ATOMS, CENTRED, Auto, aligned
from fastsgd.auto_newton import finish, finished
from fastsgd.auto_softmax import SoftmaxAuto

ZERO_WEIGHT_EXPONENT = {4: -64, 8: -200}  # `small` of _kernels/penalty.pxi is 2 to this power, by bytes of a weight.
MAX_FRESH_BYTES = 1 << 14  # Up to this size a new array costs less than finding out whether the one there fits.
CHANGING = "W", "b", "b_avg", "A", "Q", "m", "v", "mb", "vb", "mean", "std", "auto", "beside", "contest", "at"


@dataclass
class State:
    """Weights, averages and penalties received, of K heads; the clock; the key of the generator.

    Attributes
    ----------
    W : (n_features, S), float32 or float64
        The true weights are at.scale * W[:, :K]; S is K, with columns of zeros up to a multiple of 4 where K > 1.
        What is owed of an L1 penalty still counts; `model` gives the weights.
    b, b_avg : (K,), float64
        Intercepts, and their average.
    A : like W, or None
        With averaging: the sum of the averaged weights is A + at.avg_a * W.
    Q : like W, or None
        With an L1 penalty: what each weight has received of it.
    penalty : (float, float), or two (K,) arrays
        l1 and l2 of the last pass, of all heads or of each.
    soft : bool
        With L1 on CSR: W holds the numbers of which the weights are soft thresholds, see _kernels/penalty.pxi.
    mean, std : (n_features,) float64, or None
        With standardised rows: the statistics, fixed from the first step on. The weights are of (x - mean) / std; `centred`, a
        bool, says whether the mean is subtracted.
    at : (1,) or (K,) records
        The clock, of all heads or of each: step number t, scale, u (L1 a weight could have received), avg_a, avg_n, eta_factor,
        since, and grown, the unit of A, avg_a and avg_n, which grows where older steps fade.
    optimizer : Optimizer or None
        The one of the last pass.
    auto, beside : Auto, Beside or None
        With learning_rate="auto": what it keeps beside W (dense rows: in standard units), A, b and b_avg; models beside this.
    contest : Contest or None
        Where this is the model that leads a contest: the others, and how all have done.
    m, v : like W, or None
        Slots of the optimizer; `mb` and `vb`, (K,) float64, are those of the intercepts. See also auto_softmax.py.
    seed, epoch : int
        The order of the rows is a pure function of these; epoch counts the passes begun.
    """

    W: np.ndarray
    b: np.ndarray
    b_avg: np.ndarray
    seed: int = 0
    epoch: int = 0
    A: np.ndarray | None = None
    Q: np.ndarray | None = None
    penalty: tuple = (0.0, 0.0)
    soft: bool = False
    optimizer: object = None
    m: np.ndarray | None = None
    v: np.ndarray | None = None
    mb: np.ndarray | None = None
    vb: np.ndarray | None = None
    mean: np.ndarray | None = None
    std: np.ndarray | None = None
    centred: bool = False
    auto: Auto | None = None
    beside: object = None
    contest: object = None
    at: np.ndarray = field(default_factory=lambda: np.array([(1, 1, 0, 0, 0, 1, 0, 1)], SCALARS))

    def __post_init__(self):
        """In files of 0.1.0, what a weight of zero has received under L1 and L2 is in Q; see _kernels/penalty.pxi."""
        if self.soft and self.penalty[1] and self.Q is not None and self.Q.shape == self.W.shape:
            zeros = (self.W == 0) & (self.Q != 0)  # No zero becomes -0.0, which has other bits.
            self.W[zeros] = np.ldexp(-self.Q[zeros], ZERO_WEIGHT_EXPONENT[self.W.dtype.itemsize])
            self.Q[zeros] = 0

    @classmethod
    def zeros(cls, n_features, heads, dtype, seed, separate=False):
        """The state before the first step; `separate` is that of the plan."""
        new = cls(np.zeros((n_features, padded(heads, separate)), dtype), np.zeros(heads), np.zeros(heads), seed)
        if separate:
            new.at = np.repeat(new.at, heads)
        return new

    def copy(self):
        """An independent copy."""
        new, parts = State.__new__(State), vars(self).copy()
        for name in CHANGING:
            if parts.get(name) is not None:
                parts[name] = parts[name].copy()
        new.__dict__ = parts
        return new

    def restore(self, other):
        """Become a copy of another state, large arrays in the memory there is: new memory would cost more than the copy."""
        own, new = vars(self), vars(other).copy()
        for name in CHANGING:
            x, there = new.get(name), own.get(name)
            if x is None:
                continue
            large = type(x) is type(there) is np.ndarray and x.nbytes > MAX_FRESH_BYTES
            if large and there.shape == x.shape and there.dtype == x.dtype:
                there[...] = x
                new[name] = there
            else:
                new[name] = x.copy()
        own.update(new)

    @property
    def t(self):
        """The number of the next step, from 1."""
        return float(self.at["t"][0] if self.auto is None else self.auto.at["t"][0] + 1)

    def put(self, plan, W, b):
        """Weights (n_features, K) and intercepts (K,) that a user gives take the place of the model's; NaN: none given.

        Such a weight is its own average, and owes no penalty; its slots stay, but those of which it is a function. Where
        all weights are given, averages, slots and L1 begin anew.
        """
        if self.auto is not None and not plan.auto:
            self._leave_auto(plan)
        if self.auto is not None:
            raise ValueError(
                "learning_rate='auto' can't go on from coefficients that it did not find itself: leave coef_ and intercept_ "
                "as they are, or call set_params with another learning_rate, which goes on from them."
            )
        at, dtype, some, given = self.at[0], self.W.dtype, ~np.isnan(W), ~np.isnan(b)
        if some.all():
            self._begin_anew(plan)
        if self.Q is not None:
            self._materialise(plan)
            not_zero = some & (W != 0)
            self.Q[:, : len(b)][not_zero] = (-at["u"] * np.sign(W[not_zero])).astype(dtype)
        own = (W / at["scale"]).astype(dtype)[some]
        self.W[:, : len(b)][some] = own
        if self.A is not None:
            self.A[:, : len(b)][some] = at["avg_n"] * W[some] - at["avg_a"] * own
        self.b[given] = self.b_avg[given] = b[given]
        if self.mb is not None and self.optimizer.name == "ftrl":
            z = self.optimizer.z(plan, np.nan_to_num(W), self.v[:, : len(b)], at["t"])
            self.m[:, : len(b)][some] = z[some]
            self.mb[:] = self.optimizer.z(plan, self.b, self.vb, at["t"], penalised=False)

    def _begin_anew(self, plan):
        """Averages, slots and L1 as before the first step; the caller replaces the weights."""
        if plan.average and self.at["avg_n"][0] > 0:
            self.b = self.b_avg.copy()
        if self.A is not None:
            self.A[:] = 0
        self.Q = self.m = self.v = self.mb = self.vb = None
        self.soft = False
        self.at[["scale", "u", "avg_a", "avg_n"]] = (1, 0, 0, 0)

    def prepare(self, plan, sparse):
        """Have the arrays that this plan needs; materialise the weights when the penalty or the layout is another one."""
        if getattr(self.optimizer, "line_search", False) and not plan.line_search:
            self.at["eta_factor"] = 1  # It was the step size that the search had found.
        if (np.any(plan.average) or (plan.auto and (plan.loss.coupled or not sparse))) and self.A is None:
            self.A = np.zeros_like(self.W)
        if not np.any(plan.half_life) and (self.at["grown"] != 1).any():
            self._renew_average()
        if plan.separate:
            self._prepare_models(plan, sparse)
        elif plan.auto:
            self._prepare_auto(plan, sparse)
        else:
            self._prepare_model(plan, sparse)
        self.optimizer = plan.optimizer

    def _renew_average(self):
        """The sums of the average in units of 1: no step of those to come makes others fade."""
        grown = self.at["grown"].copy()
        if self.A is not None:
            self.A[:, : len(self.b)] /= grown.astype(self.A.dtype)
        for name in ("avg_a", "avg_n", "grown"):
            self.at[name] /= grown

    def _prepare_model(self, plan, sparse):
        if self.auto is not None:
            self._leave_auto(plan)
        if plan.plain:
            self._prepare_plain(plan, sparse)
            self.m = self.v = None
        else:
            self.fold(plan)
            slots = {name for name in ("m", "v") if getattr(self, name) is not None}
            if self.mb is None or type(plan.optimizer) is not type(self.optimizer) or slots != set(plan.slots):
                self._new_slots(plan)

    def _prepare_models(self, plan, sparse):
        if len(self.at) < len(self.b):
            self.at = np.repeat(self.at, len(self.b))
        if not plan.plain:
            self.fold(plan)
            if self.v is None or type(plan.optimizer) is not type(self.optimizer):
                self._new_slots(plan)
            return
        self._prepare_plain(plan, sparse)
        self.m = self.v = None

    def _prepare_auto(self, plan, sparse):
        if self.auto is None:
            if self.W.any() or self.b.any():
                raise ValueError(
                    "learning_rate='auto' starts from zero, and can't go on from another schedule: fit anew."
                )
            kind = SoftmaxAuto if plan.loss.coupled else Auto
            self.auto = kind.zeros(self.W, len(self.b), sparse, plan.loss)
            # What longer steps do to an average says how far it is from the optimum: Newton's have no length.
            if self.beside is not None:
                self.auto.curvatures, self.auto.origin, self.auto.averages = None, None, True
                for other in self.beside.states:
                    other.auto = self.auto.copy()
            if plan.loss.coupled:
                self.m, self.mb = np.zeros_like(self.W), np.zeros_like(self.b)
                self.v, self.vb = (None, None) if sparse else (np.zeros_like(self.W), np.zeros_like(self.b))
        elif self.auto.sparse != sparse:
            was, now = ("CSR", "dense") if self.auto.sparse else ("dense", "CSR")
            raise ValueError(
                f"X is {now}, and the rows before were {was}: learning_rate='auto' needs them all in one layout."
            )
        auto = self.auto
        if not (auto.again or auto.together or plan.loss.by_mean) and auto.atoms is None:  # The loss was another one.
            auto.atoms = np.zeros((len(self.b), 2, ATOMS))
        if self.auto.records is not None:
            self.auto.records = aligned(self.auto.records)
            if self.auto.centred is None:
                self.auto.centred = np.zeros((4, CENTRED))
                self.auto.at["last"] = 1000  # No column joins a model that has learnt without.

    def begin_again(self):
        """Of learning_rate="auto", before a second pass: see `Auto.begin_again`."""
        if self.auto.together:
            self.auto.go_on(self)
        self.auto.begin_again()

    def _leave_auto(self, plan):
        """Another schedule goes on from the model."""
        self.W, self.b = self.model(plan)
        self.auto = self.m = self.v = self.mb = self.vb = None
        self.A = np.zeros_like(self.W) if plan.average else None

    def _new_slots(self, plan):
        self.at["since"] = self.at["t"] - 1
        self.mb, self.vb = np.zeros_like(self.b), np.zeros_like(self.b)
        self.m, self.v = (np.zeros_like(self.W) if name in plan.slots else None for name in ("m", "v"))
        if plan.slots and plan.optimizer.name == "ftrl":
            self._follow_ftrl(plan)

    def _follow_ftrl(self, plan):
        """Make the slot m, the z of FTRL, anew from the weights that follow from it."""
        t = self.at["t"][0]
        self.m = plan.optimizer.z(plan, self.W, self.v, t).astype(self.W.dtype)
        self.mb = plan.optimizer.z(plan, self.b, self.vb, t, penalised=False)

    def pack(self, plan, keep, spare=True):
        """The state of these heads alone, in the order given; plan is that of all, and `plan.pack(keep)` the one that goes on.

        spare : whether there are columns of zeros, without which no kernel takes it
        """
        new, packed = State.__new__(State), plan.pack(keep)
        width = padded(len(keep), plan.separate) if spare else len(keep)
        new.__dict__ = vars(self).copy()  # and not of all heads
        for name in ("W", "A", "Q", "m", "v"):
            if getattr(self, name) is not None:
                columns = np.zeros((len(self.W), width), self.W.dtype)
                columns[:, : len(keep)] = getattr(self, name)[:, keep]
                setattr(new, name, columns)
        for name in ("b", "b_avg", "mb", "vb"):
            if getattr(self, name) is not None:
                setattr(new, name, getattr(self, name)[keep])
        new.at = self.at[keep] if len(self.at) > 1 else self.at.copy()
        for name in ("mean", "std"):
            if getattr(self, name) is not None:
                setattr(new, name, getattr(self, name).copy())
        if self.Q is not None:
            new.penalty = packed.l1, packed.l2
        if not np.any(packed.l1):
            new.Q, new.soft = None, False
        if not np.any(packed.average):
            new.A = None
        return new

    def of_features(self, features, centred):
        """CSR and steps of plain SGD or "auto": the state of these features alone, for its model. They may come several times.

        centred : those of `in_each_row` of "auto" and maybe others, which come behind them
        """
        new, features = State.__new__(State), np.concatenate([features, centred])
        new.__dict__ = vars(self).copy()
        for name in ("W", "A", "Q", "m"):
            if getattr(self, name) is not None:
                setattr(new, name, getattr(self, name).take(features, axis=0))
        new.auto = self.auto and self.auto.of_features(features, len(centred))
        return new

    def fold(self, plan):
        """True weights in W, nothing owed: what the steps of batches start from, and the only form in which states are added."""
        at, K = self.at, len(self.b)
        if self.auto is not None and self.auto.curvatures is not None:
            finish(self.auto, plan)  # Each fork would pay for a block of rows that has not ended.
        self._materialise(plan)
        self.Q = None
        if (at["scale"] != 1).any() or (at["avg_a"] != 0).any():
            if self.A is not None:
                self.A[:, :K] += at["avg_a"].astype(self.W.dtype) * self.W[:, :K]
            self.W[:, :K] *= at["scale"].astype(self.W.dtype)
        for name, value in (("scale", 1), ("u", 0), ("avg_a", 0)):
            at[name] = value

    def fork(self, n):
        """n states that go on from this one, which must be folded, each on rows of its own: see `merge`."""
        return [self.copy() for _ in range(n)]

    def merge(self, parts, plan):
        """Become the state that forks of this one make together, in the order given: the same parts give the same bits.

        Counts and sums add up: steps, averages, and the squares of AdaGrad and FTRL. Weights, intercepts and other slots are
        means by the number of steps; with AdaGrad and FTRL by the squares that each part has added to those of the weight
        (Agarwal, Chapelle, Dudik and Langford 2014, section 2.2). With learning_rate="auto" see auto_merge.py.
        """
        if self.auto is not None:
            from fastsgd import auto_merge  # Only training in lanes or on a cluster needs these.

            auto_merge.merge(self, parts, plan)
            return
        from fastsgd import merging

        merging.merge(self, parts, plan)
        if getattr(plan.optimizer, "name", None) == "ftrl":
            self._follow_ftrl(plan)

    def _prepare_plain(self, plan, sparse):
        K, now = len(self.b), (plan.l1, plan.l2)
        same = all(map(np.array_equal, self.penalty, now)) if plan.separate else self.penalty == now
        if not (same and sparse):
            self._materialise(plan)
        self.penalty = now
        if not np.any(plan.l1):
            self.Q = None
        elif self.Q is None:
            # Nothing is owed yet: a weight that is not 0 has received all of u.
            self.Q = np.zeros_like(self.W)
            self.Q[:, :K] = -self.at["u"] * np.sign(self.W[:, :K])
        elif plan.separate and not same:  # Heads that have no L1 any more owe none.
            self.Q[:, :K][:, plan.l1 == 0] = 0
            self.at["u"][plan.l1 == 0] = 0

    def _materialise(self, plan):
        """Put the weights into W, where it holds the numbers of which they are soft thresholds."""
        if self.soft:
            self._to_weights(plan, self.W, self.Q)
            self.soft = False

    def _to_weights(self, plan, W, Q):
        """Make weights of such numbers in W, and in Q what these have received of L1, in place."""
        if plan.separate:
            heads = plan.heads.copy()
            heads["l1"], heads["l2"] = self.penalty
            kernels.settle_models(W, Q, self.at, replace(plan, heads=heads).compiled)
            return
        eta = plan.eta(max(1.0, self.at["t"][0] - 1)) * self.at["eta_factor"][0]
        kernels.settle_weights(W, Q, self.at, *self.penalty, eta)

    def model(self, plan) -> tuple[np.ndarray, np.ndarray]:
        """The model to return, of this very state: scaled, averaged, with the penalty caught up.

        Returns
        -------
        W : (n_features, S) of the state's dtype
        b : (K,) float64
        """
        if self.auto is not None and self.auto.together:
            return self.auto.model_of(self, plan)
        if self.auto is not None:
            return finished(self.auto, plan).model(self.W, self.A, self.b, self.b_avg, plan.l1, plan.l2)
        if plan.separate:
            return self._models(plan)
        W, number = self.W, self.W.dtype.type
        scale, avg_a, avg_n = self.at[["scale", "avg_a", "avg_n"]].item()
        if self.soft:
            W = W.copy()
            self._to_weights(plan, W, self.Q.copy())
        if plan.average and avg_n > 0:
            W = W * number(avg_a)
            W += self.A
            W /= number(avg_n)
            return W, self.b_avg.copy()
        return W * number(scale), self.b.copy()

    def _models(self, plan):
        """As `model`, of heads that have clocks of their own."""
        W, K, at = self.W.copy(), len(self.b), self.at
        if self.soft:
            self._to_weights(plan, W, self.Q.copy())
        averaged = (plan.average > 0) & (at["avg_n"] > 0)
        count = np.where(averaged, at["avg_n"], 1.0)
        factor = np.where(averaged, at["avg_a"] / count, at["scale"])
        W[:, :K] *= factor.astype(W.dtype)
        if averaged.any():
            W[:, :K] += np.where(averaged, self.A[:, :K] / count.astype(W.dtype), 0)
        return W, np.where(averaged, self.b_avg, self.b)


def padded(heads, separate=False):
    """Columns of the weights of this many heads: a multiple of 4, as the kernels take 4 at once, or one."""
    return 1 if heads == 1 and not separate else -(-heads // 4) * 4
