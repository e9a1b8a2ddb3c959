"""Banks: the states of many models that have rows of their own, and one plan.

Of plain SGD all states are in common arrays, and one kernel call trains all models of which it has rows (`Common`). Else each is
a `Pack` (`Packs`). A bank knows neither epochs nor rules: those are in segments.py.
"""

from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from fastsgd._kernels import kernels
from fastsgd.lanes import SERIAL
from fastsgd.packs import Only, Pack
from fastsgd.plan import Plan
from fastsgd.run import Moment
from fastsgd.sources import _scale
from fastsgd.sources.arrays import Order, Table
from fastsgd.sources.scaling import Scaling
from fastsgd.sources.sparse import csr_arrays
from fastsgd.state import State
from fastsgd.threads import Threads

CHANGING = (
    "W",
    "Q",
    "A",
    "b",
    "b_avg",
    "at",
)  # The arrays of a state that a model has of its own, and that steps change.
MIN_PIECE_ROWS = 4096  # Fewer rows of a kernel call are left to one thread.
Models: TypeAlias = tuple[NDArray[Any], NDArray[Any]]  # (n, n_features, S) weights and (n, K) intercepts


class Groups(NamedTuple):
    """The rows of a kernel call by their models.

    Attributes
    ----------
    rows : int64 array
        Those of one model after another.
    which, ends : int64 arrays
        The models that have rows, and where in `rows` those of each end.
    joined : int8 array
        As `_order.by_model` gives it.
    """

    rows: NDArray[np.int64]
    which: NDArray[np.int64]
    ends: NDArray[np.int64]
    joined: NDArray[np.int8]

    def pieces(self, n: int) -> list["Groups"]:
        """The same in at most n parts of about as many rows."""
        n = max(1, min(n, len(self.rows) // MIN_PIECE_ROWS))
        wanted = np.arange(1, n) * len(self.rows) // n
        cuts = [0, *np.unique(np.searchsorted(self.ends, wanted) + 1).tolist(), len(self.which)]
        return [self._between(lo, hi) for lo, hi in pairwise(cuts) if lo < hi]

    def _between(self, lo: int, hi: int) -> "Groups":
        first = self.ends[lo - 1] if lo else 0
        ends = np.ascontiguousarray(self.ends[lo:hi] - first)
        part = slice(first, first + ends[-1])
        return Groups(self.rows[part], self.which[lo:hi], ends, self.joined[part])

    def order(self) -> Order:
        """All of them, as kernels that take rows of one model after another ask for it."""
        most = int(np.diff(self.ends, prepend=0).max(initial=0))
        return Order(self.rows, np.arange(most, dtype=np.int32), 0, len(self.rows), most)


def bank_of(start: State, plan: Plan, sparse: bool) -> "Common | Packs":
    """An empty bank, whose models begin with copies of that state.

    plan : that of each
    sparse : whether their rows are CSR
    """
    alone = plan.auto or plan.schedule.tabled or plan.half_life or not plan.plain
    return Packs(start, plan) if alone else Common(start, plan, sparse)


class Common:
    """States in common arrays, each as a State's with a first axis for the models; there may be room for more.

    Attributes
    ----------
    n : int
        How many models there are.
    W, Q, A, b, b_avg, at : arrays, or None
    mean, std : (n, n_features) float64, or None
        Of standardised rows.
    sums : (n, 2, K) float64
        Of the pass under way: the losses before each step, and the weights of the rows.
    fault : (n,) int8
        1 where a margin was not finite.
    """

    W: Any
    Q: Any
    A: Any
    b: Any
    b_avg: Any
    at: Any

    def __init__(self, start: State, plan: Plan, sparse: bool) -> None:
        self.plan, self.n, self.sparse, self.start = plan, 0, sparse, self._ready(start.copy(), plan, sparse)
        self.soft, self.penalty = self.start.soft, self.start.penalty
        self.mean = self.std = None
        self.centred = False
        for name in CHANGING:
            x = getattr(self.start, name)
            setattr(self, name, None if x is None else _room(name, x, 0))
        self.sums, self.fault = np.zeros((0, 2, len(start.b))), np.zeros(0, np.int8)
        self._good: dict[str, Any] = {}

    @staticmethod
    def _ready(state: State, plan: Plan, sparse: bool) -> State:
        """The state as it is in the midst of a training on such rows."""
        state.prepare(plan, sparse)
        if sparse and state.Q is not None:
            none = sp.csr_matrix((0, len(state.W)), dtype=state.W.dtype)
            K = len(state.b)
            target = Table(none, y=np.zeros((0, K))).target()
            kernels.sweep(none, Order(None, None, 0, 0, 1), target, state, plan.compiled, np.zeros((2, K)))
        return state

    def grow(self, n: int) -> None:
        """Have at least n models; those that are new begin with the common start."""
        if n <= self.n:
            return
        room = len(self.b)
        if n > room:
            room = max(n, room + room // 2)
            self.sums, self.fault = _longer(self.sums, room), _longer(self.fault, room)
            for name, x in self._arrays():
                setattr(self, name, _longer(x, room))
            self._good = {name: _longer(x, room) for name, x in self._good.items()}
        for arrays in (self._arrays(), self._good.items()):
            for name, x in arrays:
                x[self.n : n] = getattr(self.start, name)
        self.n = n

    def put(self, number: int, state: State) -> None:
        """Have a model begin with a state of standardised rows."""
        if self.std is None:
            self.mean, self.std = (np.zeros((len(self.b), len(state.W))) for _ in range(2))
        self.centred |= state.centred
        ready = self._ready(state, self.plan, self.sparse)
        for name, x in self._arrays():
            x[number] = getattr(ready, name)
        self.mean[number], self.std[number] = (0, 1) if state.std is None else (state.mean, state.std)

    def _arrays(self) -> list[tuple[str, Any]]:
        return [(name, x) for name in CHANGING if (x := getattr(self, name)) is not None]

    # ------------------------------------------------------------ a pass
    def begin(self, table: Any, which: NDArray[Any]) -> None:
        """Begin a pass of those models."""
        self.sums[:], self.fault[:] = 0, 0

    def round(self, part: Table, groups: Groups, threads: Threads) -> None:
        """Train on the rows of a kernel call; threads share out the models."""

        def train(some: Groups) -> None:
            given, order = self._read(part, some)
            how = self, self.plan.compiled, self.sums, some.which, some.ends, some.joined, self.fault
            kernels.sweep_each(given.X, order, given.target(), *how)

        threads.map(train, groups.pieces(threads.n))

    def _read(self, part: Table, groups: Groups) -> tuple[Table, Order]:
        """The rows as the kernel takes them: standardised, where they are, by the statistics of their models."""
        order, rows = groups.order(), groups.rows
        if self.std is None:
            return part, order
        if not part.readable(self.W.dtype):
            part, rows = part.read(rows, self.W.dtype), np.arange(len(rows))
        inverse = 1.0 / self.std[groups.which]
        if part.sparse:
            X = sp.csr_matrix((len(rows), part.X.shape[1]), dtype=part.X.dtype)
            X.data, X.indices, X.indptr = _scale.csr_rows_each(*csr_arrays(part.X), rows, groups.ends, inverse)
        else:
            centre = self.mean[groups.which] if self.centred else np.zeros_like(inverse)
            X = _scale.dense_rows_each(part.X, rows, groups.ends, centre, inverse)
        return part.with_rows(rows, X), order._replace(rows=np.arange(len(rows)))

    def end(self, which: NDArray[Any], whole: bool) -> None:
        """End the pass of those models, after its last row, or before (not `whole`)."""

    # ------------------------------------------------------------ what is asked of those models
    def losses(self, which: NDArray[Any]) -> NDArray[Any]:
        """The sums of their losses before each step, and of the weights of the rows: (n, 2, K)."""
        return self.sums[which]

    def faults(self, which: NDArray[Any]) -> NDArray[Any]:
        """Whether a margin of each was not finite."""
        return self.fault[which] > 0

    def clocks(self, which: NDArray[Any]) -> NDArray[Any]:
        """Their clocks, records as `State.at`."""
        return self.at[which]

    def cut(self, which: NDArray[Any]) -> None:
        """Have their steps a fifth as long."""
        self.at["eta_factor"][which] /= 5

    def models(self, which: NDArray[Any]) -> Models:
        """Their models, of the rows as these are read; (n, n_features, S) and (n, K)."""
        W, b, at, plan = self.W[which], self.b[which], self.at[which], self.plan
        if self.soft:
            Q = self.Q[which]
            for i in range(len(which)):
                eta = plan.eta(max(1.0, at["t"][i] - 1)) * at["eta_factor"][i]
                kernels.settle_weights(W[i], Q[i], at[i : i + 1], *self.penalty, eta)
        if not plan.average:
            W *= at["scale"].astype(W.dtype)[:, None, None]
            return W, b
        averaged = at["avg_n"] > 0
        W *= np.where(averaged, at["avg_a"], at["scale"]).astype(W.dtype)[:, None, None]
        W[averaged] += self.A[which[averaged]]
        W /= np.where(averaged, at["avg_n"], 1.0).astype(W.dtype)[:, None, None]
        b[averaged] = self.b_avg[which[averaged]]
        return W, b

    def outward(self, which: NDArray[Any], W: NDArray[Any], b: NDArray[Any]) -> Models:
        """These models in the user's units."""
        if self.std is None:
            return W, b
        W = (W * (1.0 / self.std[which])[:, :, None]).astype(W.dtype)
        if self.centred:
            b = b - np.einsum("gd,gdk->gk", self.mean[which], W[:, :, : b.shape[1]].astype(np.float64))
        return W, b

    def keep(self, which: NDArray[Any]) -> None:
        """Remember their states as they are."""
        for name, x in self._arrays():
            if name not in self._good:
                self._good[name] = x.copy()
            else:
                self._good[name][which] = x[which]

    def back(self, which: NDArray[Any]) -> None:
        """Make their states what they were when they were remembered."""
        for name, x in self._arrays() if len(which) else ():
            x[which] = self._good[name][which]


def _room(name: str, x: NDArray[Any], n: int) -> NDArray[Any]:
    """Room for n copies of an array of a state; its clock is a single record."""
    return np.zeros(n if name == "at" else (n, *x.shape), x.dtype)


def _longer(x: NDArray[Any], n: int) -> NDArray[Any]:
    new = np.zeros((n, *x.shape[1:]), x.dtype)
    new[: len(x)] = x
    return new


class Packs:
    """A pack for each model, of any kind. Its methods are those of `Common`."""

    def __init__(self, start: State, plan: Plan) -> None:
        self.start, self.plan = start.copy(), plan
        self.packs: list[Pack] = []
        self._good: list[State] = []
        self._part: Table | None = None

    @property
    def n(self) -> int:
        """How many models there are."""
        return len(self.packs)

    def grow(self, n: int) -> None:
        for number in range(self.n, n):
            self.packs.append(Pack(self.start.copy(), self.plan, Only(number)))
            self._good.append(self.start.copy())

    def put(self, number: int, state: State) -> None:
        self.packs[number] = Pack(state, self.plan, Only(number), None if state.std is None else Scaling.of(state))
        self._good[number] = state.copy()

    def begin(self, table: Any, which: NDArray[Any]) -> None:
        for number in which.tolist():
            self.packs[number].begin(table, SERIAL)

    def round(self, part: Table, groups: Groups, threads: Threads) -> None:
        self._part = part

        def train(piece: tuple[int, int, int]) -> None:
            number, lo, hi = piece
            self.packs[number].round(part, Order(groups.rows[lo:hi], None, 0, hi - lo, hi - lo), False)

        ends = groups.ends.tolist()
        threads.map(train, list(zip(groups.which.tolist(), [0, *ends], ends, strict=False)))

    def end(self, which: NDArray[Any], whole: bool) -> None:
        for number in which.tolist():
            if whole and self._part is not None:  # A step is taken of the rows at the end that are too few for a batch.
                self.packs[number].round(self._part, Order(None, None, 0, 0, 1), True)
            self.packs[number].end()
        self._part = None

    def losses(self, which: NDArray[Any]) -> NDArray[Any]:
        return np.array([self.packs[number].run.sums for number in which.tolist()])

    def faults(self, which: NDArray[Any]) -> NDArray[Any]:
        return np.array([self.packs[number].diverged for number in which.tolist()])

    def clocks(self, which: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([self.packs[number].state.at for number in which.tolist()])

    def cut(self, which: NDArray[Any]) -> None:
        for number in which.tolist():
            self.packs[number].state.at["eta_factor"] /= 5

    def models(self, which: NDArray[Any]) -> Models:
        found = [self.packs[number].moment.model for number in which.tolist()]
        return np.array([W for W, _ in found]), np.array([b for _, b in found])

    def outward(self, which: NDArray[Any], W: NDArray[Any], b: NDArray[Any]) -> Models:
        found = [
            (U, c) if (scaling := self.packs[number].scaling) is None else scaling.outward(U, c)
            for number, U, c in zip(which.tolist(), W, b, strict=True)
        ]
        return np.array([U for U, _ in found]), np.array([c for _, c in found])

    def keep(self, which: NDArray[Any]) -> None:
        for number in which.tolist():
            self._good[number].restore(self.packs[number].state)

    def back(self, which: NDArray[Any]) -> None:
        for number in which.tolist():
            pack = self.packs[number]
            pack.state.restore(self._good[number])
            pack.moment = Moment(pack.state, self.plan)
