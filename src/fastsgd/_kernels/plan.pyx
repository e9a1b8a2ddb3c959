"""What the kernels read of a plan and of the state's clock: C function pointers, numbers, and the layouts of both."""
from libc.math cimport exp2, fabs, floor

import numpy as np

from fastsgd.losses cimport CALLED, Loss
from fastsgd.schedules cimport Schedule

ctypedef fused floating:
    float
    double

# The update rules by name.
KINDS = {"sgd": SGD, "momentum": MOMENTUM, "adagrad": ADAGRAD, "rmsprop": RMSPROP, "adam": ADAM, "ftrl": FTRL}


def penalty(const floating[::1] w, double l1, double l2):
    """l1 * |w|_1 + l2 / 2 * |w|_2^2, summed in float64; a part of strength 0 is 0, whatever they are.

    Four sums at a time, as one would wait for itself; and no warning of an overflow, as NumPy would give.
    """
    cdef double a = 0, b = 0, c = 0, d = 0, value = 0
    cdef Py_ssize_t i, n = w.shape[0], whole = n - n % 4
    with nogil:
        if l1 != 0:
            for i in range(0, whole, 4):
                a += fabs(w[i])
                b += fabs(w[i + 1])
                c += fabs(w[i + 2])
                d += fabs(w[i + 3])
            for i in range(whole, n):
                a += fabs(w[i])
            value = l1 * ((a + b) + (c + d))
        if l2 != 0:
            a = b = c = d = 0
            for i in range(0, whole, 4):
                a += <double> w[i] * w[i]
                b += <double> w[i + 1] * w[i + 1]
                c += <double> w[i + 2] * w[i + 2]
                d += <double> w[i + 3] * w[i + 3]
            for i in range(whole, n):
                a += <double> w[i] * w[i]
            value += 0.5 * l2 * ((a + b) + (c + d))
    return value


cdef enum:
    TABLE_SIZES = 4     # where the step sizes begin in a table: first step, steps between two, number, size of the step before


cdef double from_table(double t, const double* par) noexcept nogil:
    """The step size from a table; that of the last step beyond it, where none is taken."""
    cdef double place = floor((t - par[0]) / par[1] + 0.5)
    if place < 0:
        return par[3]
    return par[TABLE_SIZES + <Py_ssize_t> min(place, par[2] - 1)]


cdef class Compiled:
    """A `fastsgd.plan.Plan` as a kernel reads it; what all heads share is that of the first."""

    def __init__(self, plan):
        cdef Loss loss = plan.loss
        cdef Schedule schedule = plan.schedule
        cdef int i
        cdef const HeadRecord* first
        loss.ready()
        schedule.ready()
        self.tabled = schedule.tabled
        if plan.heads.dtype != HEAD or plan.heads.ndim != 1 or not len(plan.heads):
            raise ValueError(f"heads must be a vector of {HEAD}, found {plan.heads!r}")
        self.plan, self.records, self.batch_size = plan, plan.heads.view(np.uint8), plan.batch_size
        self.heads, self.n_heads = <const HeadRecord*> &self.records[0], len(plan.heads)
        first = self.heads
        self.par.value, self.par.slope, self.par.loss_par = loss.value_fn, loss.slope_fn, loss.par
        self.par.many, self.par.coupled = loss.many_fn, loss.coupled
        self.par.inlined = CALLED if schedule.pa else loss.inlined
        self.par.schedule, self.par.schedules, self.par.schedule_par = schedule.fn, schedule.many_fn, first.schedule
        self.par.l1, self.par.l2 = first.l1, first.l2
        self.par.intercept_decay, self.par.nu, self.par.average = first.intercept_decay, first.nu, first.average
        self.par.noise, self.par.stride = plan.noise, 1
        self.par.fade = exp2(-1.0 / first.half_life) if first.half_life > 0 else 1.0
        self.par.implicit, self.par.constant = loss.implicit_fn, loss.constant_fn
        self.par.curvature, self.par.span = loss.curvature, loss.span
        self.par.residual = loss.residual
        self.par.pa, self.par.pa_sign = schedule.pa, "classifier" in loss.task and "regressor" not in loss.task
        optimizer = plan.optimizer
        self.rule.kind, self.rule.l1, self.rule.l2 = SGD if optimizer is None else optimizer.kind, first.l1, first.l2
        numbers = () if optimizer is None else optimizer.numbers()
        for i in range(5):
            self.rule.par[i] = numbers[i] if i < len(numbers) else 0.0
        self.lazy = (optimizer is None or optimizer.lazy) and not plan.noise
        self.closed = optimizer is None or optimizer.closed(first.l1, first.l2, first.average > 0)

    def lane(self, int n):
        """The same for one of n lanes that take their steps at once: for each row the clock goes on, and the weights decay, as
        for n."""
        cdef Compiled new = Compiled(self.plan)
        new.par.stride, new.par.l2 = n, n * self.par.l2
        return new

    cdef Compiled ahead(self, double t, Py_ssize_t n):
        """The same for the n steps from t on, whose sizes are worked out now: they follow from a Python function (`tabled`).

        No kernel can call that, and what it raises is raised before any of the steps is taken. It may have no value beyond the
        last step of a fit, so that n must be exact.
        """
        cdef Compiled new = Compiled(self.plan)
        cdef Py_ssize_t stride = <Py_ssize_t> self.par.stride
        table = np.zeros(TABLE_SIZES + max(n, 1))
        table[0], table[1], table[2] = t, stride, max(n, 1)
        if self.par.l1 > 0 and t > 1:
            table[3] = self.plan.schedule.sizes(t - 1, 1)[0]
        table[TABLE_SIZES : TABLE_SIZES + n] = self.plan.schedule.sizes(t, n, stride)
        new.table, new.par.stride, new.par.l2 = table, stride, self.par.l2
        new.par.schedule, new.par.schedule_par = from_table, &new.table[0]
        return new

    @property
    def plain(self):
        """Whether a step is one row and the optimizer plain SGD."""
        return self.rule.kind == SGD and self.batch_size == 1 and self.par.noise == 0

    def eta(self, double t):
        """The schedule's step size at step t."""
        if self.tabled:
            return self.plan.schedule.sizes(t, 1).item()
        return self.par.schedule(t, self.par.schedule_par)


def _layout(names, formats, offsets, size):
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": size})


# The layouts of the structs, as dtypes.
cdef HeadRecord _head
cdef char* _at = <char*> &_head
HEAD = _layout(
    ["l1", "l2", "intercept_decay", "nu", "average", "half_life", "schedule", "column", "fold", "resample", "model"],
    ["f8"] * 6 + ["6f8"] + ["i4"] * 4,
    [<char*> &_head.l1 - _at, <char*> &_head.l2 - _at, <char*> &_head.intercept_decay - _at, <char*> &_head.nu - _at,
     <char*> &_head.average - _at, <char*> &_head.half_life - _at, <char*> &_head.schedule[0] - _at,
     <char*> &_head.column - _at, <char*> &_head.fold - _at, <char*> &_head.resample - _at, <char*> &_head.model - _at],
    sizeof(HeadRecord),
)
cdef Scalars _scalars
SCALARS = np.asarray(<Scalars[:1:1]> &_scalars).dtype
