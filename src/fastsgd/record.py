"""What a record holds: what was asked for, its rows, and the models of its path. What makes it is in `recorder.py`."""

from collections.abc import Sequence
from difflib import get_close_matches
from numbers import Integral
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

NAMES = "objective", "gradient_norm", "coef", "step_length"
OF_ROWS = frozenset(("objective", "gradient_norm"))  # Each row of these costs a pass over the rows of the data.
OF_MODEL = frozenset(("coef", "step_length"))
COLUMNS = "steps", "epoch", "seconds", "objective", "gradient_norm", "step_length"
RECORD = np.dtype([(name, "i8" if name == "steps" else "f8") for name in COLUMNS])
PATH_BYTES, MIN_PATH = 1 << 26, 16  # The models of a path take this much memory at most, but so many of them are kept.
MODEL_BYTES = 512  # A model takes this much beside its numbers.

Model: TypeAlias = tuple[NDArray[Any], NDArray[Any]]  # Coefficients and intercepts, as users have them.


class Asked(NamedTuple):
    """What a user wants recorded.

    Attributes
    ----------
    what : frozenset of str
        Of NAMES.
    every : int or None
        Steps from one row to the next; None for passes.
    """

    what: frozenset[str]
    every: int | None

    @classmethod
    def of(cls, record: str | Sequence[str] | None, record_every: int | str) -> "Asked | None":
        """What the arguments `record` and `record_every` of a fit ask for; None where they ask for nothing.

        Raises
        ------
        ValueError

        Examples
        --------
        >>> Asked.of("objective", 10)
        Asked(what=frozenset({'objective'}), every=10)
        """
        by_epoch = isinstance(record_every, str) and record_every == "epoch"
        if by_epoch and record is None:  # A call of partial_fit waits for no more than this.
            return None
        number = isinstance(record_every, Integral) and not isinstance(record_every, bool)
        if not (by_epoch or (number and int(record_every) >= 1)):
            raise ValueError(
                f"record_every must be 'epoch' or a number of steps, 1 or more; got {record_every!r}: a step is a row, or a "
                "batch with batch_size."
            )
        if record is None:
            raise ValueError(
                f"record_every={record_every} says when to record, and record says what: give record='objective', or "
                f"several of {', '.join(map(repr, NAMES))}."
            )
        several = isinstance(record, (list, tuple, set, frozenset, np.ndarray))
        names: list[Any] = list(record) if several else [record]
        for name in names or [record]:
            if not isinstance(name, str) or name not in NAMES:
                near = get_close_matches(name.lower(), NAMES, 1) if isinstance(name, str) else []
                hint = f" Did you mean {near[0]!r}?" if near else ""
                raise ValueError(
                    f"record must be None, or one or several of {', '.join(map(repr, NAMES))}; got {record!r}.{hint}"
                )
        return cls(frozenset(names), int(record_every) if number else None)


class Path(NamedTuple):
    """The coefficients along a training, from its start: `path_` of an estimator; all arrays are read-only.

    Parameters
    ----------
    steps : ndarray of shape (n,)
        After how many steps each was; these are among the `steps` of `record_`.
    coef : ndarray of shape (n, *coef_.shape)
    intercept : ndarray of shape (n, *intercept_.shape)
        Of SGDOneClassSVM it is 1 - offset_.

    Notes
    -----
    The arrays take 64 MB at most, or what 16 models take if that is more: when it is full every second model is left out, and
    from then on half as many are kept. The first and the last one are always there.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsgd import SGDRegressor
    >>> X = np.random.default_rng(0).standard_normal((200, 2))
    >>> reg = SGDRegressor(random_state=0).fit(X, X @ [1.0, 2.0], record="coef", record_every=50)
    >>> reg.path_.steps[:3], reg.path_.coef.shape[1:]
    (array([  0,  50, 100]), (2,))
    """

    steps: NDArray[np.int64]
    coef: NDArray[Any]
    intercept: NDArray[Any]


class Grown:
    """Things in their order. It does not change: `plus` gives another one, in the same memory as long as this one is the last."""

    __slots__ = "items", "n"

    def __init__(self, items: list[Any], n: int) -> None:
        self.items, self.n = items, n

    def plus(self, item: Any) -> "Grown":
        """With one more."""
        items = self.items if len(self.items) == self.n else self.items[: self.n]
        items.append(item)
        return Grown(items, self.n + 1)

    def __reduce__(self) -> Any:
        return Grown, (self.items[: self.n], self.n)


class RecordRows:
    """Rows of RECORD. They do not change: `plus` gives others, in the same memory as long as these are the last."""

    __slots__ = "filled", "n", "room"

    def __init__(self, room: NDArray[Any] | None = None, filled: list[int] | None = None) -> None:
        self.room = np.empty(16, RECORD) if room is None else room
        self.n = 0 if room is None else len(room)
        self.filled = [self.n] if filled is None else filled  # How much of the room is taken, by whoever shares it.

    def plus(self, row: tuple[float, ...]) -> "RecordRows":
        """With one more. The room doubles when it is full."""
        new = RecordRows(self.room, self.filled)
        if self.filled[0] != self.n or self.n == len(self.room):
            new.room, new.filled = np.empty(max(16, 2 * self.n), RECORD), [self.n]
            new.room[: self.n] = self.array()
        new.room[self.n] = row
        new.n = new.filled[0] = self.n + 1
        return new

    def array(self) -> NDArray[Any]:
        """All of them, without a copy."""
        return self.room[: self.n]

    def __len__(self) -> int:
        return self.n

    def __reduce__(self) -> Any:
        return RecordRows, (self.array().copy(),)


class Kept:
    """The models of a path: that of every so many rows of the record, and the last. It does not change.

    Parameters
    ----------
    models : Grown of (steps, coefficients, intercepts)
    seen : int
        How many there have been.
    stride : int
        Of so many of them one is kept.
    last : (steps, coefficients, intercepts) or None
    """

    def __init__(self, models: Grown, seen: int = 0, stride: int = 1, last: Any = None) -> None:
        self.models, self.seen, self.stride, self.last = models, seen, stride, last

    def plus(self, steps: int, coef: NDArray[Any], intercept: NDArray[Any]) -> "Kept":
        """With one more."""
        one, models, stride = (steps, coef, intercept), self.models, self.stride
        if self.seen % stride == 0:
            models = models.plus(one)
            if models.n > MIN_PATH and models.n * (coef.nbytes + intercept.nbytes + MODEL_BYTES) > PATH_BYTES:
                models, stride = Grown(models.items[: models.n : 2], (models.n + 1) // 2), 2 * stride
        return Kept(models, self.seen + 1, stride, one)

    def path(self) -> Path:
        """All of them, in arrays."""
        found = self.models.items[: self.models.n]
        if found[-1] is not self.last:
            found = [*found, self.last]
        steps, coefs, intercepts = zip(*found, strict=True)
        path = Path(np.array(steps, np.int64), np.stack(coefs), np.stack(intercepts))
        for array in path:
            array.flags.writeable = False
        return path


class Record:
    """The rows so far. It does not change: `plus` gives another one.

    Parameters
    ----------
    rows : RecordRows
    kept : Kept or None
        Of the coefficients, where they are asked for.
    last : (coefficients, intercepts) or None
        Of the last row, where the next may be asked how far it is.
    until : int
        After how many steps the last call ended that was recorded; -1 before any has.
    """

    def __init__(
        self, rows: RecordRows | None = None, kept: Kept | None = None, last: Model | None = None, until: int = -1
    ) -> None:
        self.rows, self.kept, self.last, self.until = RecordRows() if rows is None else rows, kept, last, until

    @property
    def steps(self) -> int:
        """After how many steps the last row is; -1 where there is none."""
        return int(self.rows.array()["steps"][-1]) if len(self.rows) else -1

    @property
    def seconds(self) -> float:
        """Of the last row; 0 where there is none."""
        return float(self.rows.array()["seconds"][-1]) if len(self.rows) else 0.0

    def array(self) -> NDArray[Any]:
        """All rows, read-only."""
        rows = self.rows.array().copy()
        rows.flags.writeable = False
        return rows
