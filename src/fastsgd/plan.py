"""Plan: all that says how a training goes, as plain data, with a record for each head."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsgd._kernels.plan import HEAD, Compiled
from fastsgd.losses import Loss
from fastsgd.optimizers import Optimizer
from fastsgd.schedules import Constant, Schedule

EVERY_ROW, NO_RESAMPLE = -1, 0  # These are the values of `fold` and `resample` where nothing is left out or drawn.


@dataclass(frozen=True, eq=False)
class Plan:
    """Loss, bound schedule, optimizer, and the numbers of each head.

    It pickles, and two are equal if they say the same.

    Attributes
    ----------
    loss : Loss
    schedule : Schedule
        A bound one. Where heads have records of their own, their numbers are in these, and its name counts.
    heads : (1,) or (K,) array of HEAD
        One record for all heads, which then have one clock; or one for each, with a clock of its own: l1 and l2, the penalty;
        intercept_decay, the factor of the intercept's step, 0 keeping it where it is; nu, the slope of the one-class SVM's
        objective in the intercept, beside the loss's; average, the first step whose weights count in the average, 0 for none;
        half_life, the rows after which a row counts half with "auto", or its step in the average, 0 where none fades; schedule,
        its numbers; column, that of y, or the class; fold, whose rows are left out, EVERY_ROW for none; resample, the number
        of the bootstrap sample whose rows it sees, NO_RESAMPLE for each row once; model, as heads of one model stop together.
    optimizer : Optimizer or None
        None is plain SGD.
    batch_size : int or inf
        Rows of a step; inf for all of a pass.
    separate : bool
        Whether heads have records and clocks of their own, be it a single one; else one record is of all heads.
    noise : float
        Variance of the normal noise added to each slope in W, times 1 / (1 + t)^0.55 at step t.
    """

    loss: Loss
    schedule: Schedule
    heads: NDArray[Any]
    optimizer: Optimizer | None = None
    batch_size: float = 1
    noise: float = 0.0
    separate: bool = False
    compiled: Compiled = field(init=False, repr=False)
    # What the heads share, a number; or of separate heads an array:
    l1: Any = field(init=False, repr=False)
    l2: Any = field(init=False, repr=False)
    intercept_decay: Any = field(init=False, repr=False)
    nu: Any = field(init=False, repr=False)
    average: Any = field(init=False, repr=False)
    half_life: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.heads.flags.writeable = False
        object.__setattr__(self, "compiled", Compiled(self))
        for name in ("l1", "l2", "intercept_decay", "nu", "average", "half_life"):
            values = self.heads[name]
            object.__setattr__(self, name, values if self.separate else values.item())
        if self.separate:
            self._check_separate()

    @classmethod
    def of(
        cls,
        loss: Loss,
        schedule: Schedule,
        *,
        optimizer: Optimizer | None = None,
        batch_size: float = 1,
        noise: float = 0.0,
        **head: Any,
    ) -> Self:
        """A plan with one record: l1, l2, and what else is not at its default."""
        heads = np.zeros(1, HEAD)
        heads["intercept_decay"], heads["fold"], heads["resample"] = 1.0, EVERY_ROW, NO_RESAMPLE
        heads["schedule"] = schedule.numbers
        for name, value in head.items():
            heads[name] = value
        return cls(loss, schedule, heads, optimizer, batch_size, noise)

    @classmethod
    def of_loss(cls, loss: Loss, **head: Any) -> Self:
        """A plan for sums over rows, in which the steps have no part."""
        schedule = Constant().bind(eta0=1.0, alpha=0.0, power_t=0.0, loss=loss, pass_rows=None, passes=1)
        return cls.of(loss, schedule, **head)

    @classmethod
    def of_models(cls, plans: Sequence[Self], K: int, numbers: ArrayLike, folds: ArrayLike = EVERY_ROW) -> Self:
        """The plan of models of K heads each, of these numbers, in one pass; each has a plan with one record, and a fold."""
        each = [np.broadcast_to(values, len(plans)).repeat(K) for values in (numbers, folds)]
        return (
            cls.stack(plans)
            .pack(np.arange(len(plans)).repeat(K))
            .having(column=np.tile(np.arange(K), len(plans)), model=each[0], fold=each[1])
        )

    def having(self, **head: Any) -> Self:
        """The same, but for this in its records."""
        heads = self.heads.copy()
        for name, value in head.items():
            heads[name] = value
        return replace(self, heads=heads)

    @classmethod
    def stack(cls, plans: Sequence[Self]) -> Self:
        """The plan of all their heads in one pass; they may differ in what is in the records.

        Raises
        ------
        ValueError
            They differ in something else.
        """
        first = plans[0]
        for plan in plans:
            for name in ("loss", "optimizer", "batch_size", "noise"):
                if getattr(plan, name) != getattr(first, name):
                    raise ValueError(
                        f"plans of one pass must have one {name}, found {getattr(first, name)!r} and {getattr(plan, name)!r}."
                    )
            if plan.schedule != first.schedule and not first.schedule.differs_in_numbers(plan.schedule):
                raise ValueError(
                    f"plans of one pass must have one schedule, found {first.schedule!r} and {plan.schedule!r}."
                )
        heads = np.concatenate([plan.heads for plan in plans])
        return cls(first.loss, first.schedule, heads, first.optimizer, first.batch_size, first.noise, True)

    def pack(self, keep: NDArray[Any] | slice) -> Self:
        """The plan of these heads alone, which have records of their own, in the order given; `State.pack` is its state."""
        return replace(self, heads=self.heads[keep])

    @property
    def separable(self) -> bool:
        """Whether heads of it can have records of their own."""
        adagrad = self.optimizer is not None and self.optimizer.name == "adagrad" and not self.schedule.pa
        possible = self.plain or (adagrad and self.batch_size == 1 and not self.noise)
        fades = bool(np.any(self.half_life))
        return possible and not (self.loss.coupled or self.auto or self.line_search or self.schedule.tabled or fades)

    def _check_separate(self) -> None:
        if not self.separable:
            raise ValueError(
                "heads with records of their own take steps of plain SGD or AdaGrad along single rows, without "
                "learning_rate='auto' or a function, nor half_life."
            )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Plan):
            return NotImplemented
        names = "loss", "schedule", "optimizer", "batch_size", "noise", "separate"
        same = all(getattr(self, name) == getattr(other, name) for name in names)
        return same and self.heads.tobytes() == other.heads.tobytes()

    def __hash__(self) -> int:
        return hash((self.loss, self.schedule, self.batch_size, self.noise, self.heads.tobytes()))

    def __reduce__(self) -> tuple[Any, ...]:
        return Plan, (
            self.loss,
            self.schedule,
            self.heads.copy(),
            self.optimizer,
            self.batch_size,
            self.noise,
            self.separate,
        )

    @property
    def auto(self) -> bool:
        """Whether each weight has a step size of its own: learning_rate="auto"."""
        return self.schedule.auto

    @property
    def plain(self) -> bool:
        """Whether a step is one row and the optimizer plain SGD."""
        return self.compiled.plain

    @property
    def line_search(self) -> bool:
        """Whether the step size of each pass is searched for."""
        return self.optimizer is not None and getattr(self.optimizer, "line_search", False)

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the optimizer's arrays."""
        return () if self.optimizer is None else self.optimizer.slots

    @property
    def eta(self) -> Callable[[float], float]:
        """The schedule's step size as a function of the step, of the first head."""
        return self.compiled.eta
