"""Plan: the model in the form a kernel reads, C function pointers and numbers."""
from libc.math cimport fabs

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


cdef class Plan:
    """Loss, bound schedule, optimizer and numbers of one fit.

    Parameters
    ----------
    loss : Loss
    schedule : Schedule
        A bound one.
    l1, l2 : float
        The penalty.
    intercept_decay : float
        Factor of the intercept's step; 0 keeps the intercept where it is.
    nu : float
        One-class SVM: slope of the objective in the intercept, beside the loss's.
    average : int
        First step whose weights count in the average; 0 for none.
    optimizer : Optimizer or None
        None is plain SGD.
    batch_size : int or inf
        Rows of a step; inf for all of a pass.
    noise : float
        Variance of the normal noise added to each slope in W, times 1 / (1 + t)^0.55 at step t.
    """

    def __init__(self, Loss loss, Schedule schedule, *, l1, l2, intercept_decay=1.0, nu=0.0, average=0, optimizer=None,
                 batch_size=1, noise=0.0):
        cdef int i
        loss.ready()
        schedule.ready()
        self.loss, self.schedule, self.optimizer, self.batch_size = loss, schedule, optimizer, batch_size
        self.par.value, self.par.slope, self.par.loss_par = loss.value_fn, loss.slope_fn, loss.par
        self.par.many, self.par.coupled = loss.many_fn, loss.coupled
        self.par.inlined = CALLED if schedule.pa else loss.inlined
        self.par.schedule, self.par.schedule_par = schedule.fn, schedule.par
        self.par.l1, self.par.l2 = l1, l2
        self.par.intercept_decay, self.par.nu, self.par.average = intercept_decay, nu, average
        self.par.noise = noise
        self.par.implicit, self.par.near = loss.implicit_fn, loss.near_fn
        self.par.curvature, self.par.span = loss.curvature, loss.span
        self.par.residual, self.par.affine = loss.residual, loss.affine
        self.par.pa, self.par.pa_sign = schedule.pa, "classifier" in loss.task and "regressor" not in loss.task
        self.rule.kind, self.rule.l1, self.rule.l2 = SGD if optimizer is None else optimizer.kind, l1, l2
        numbers = () if optimizer is None else optimizer.numbers()
        for i in range(4):
            self.rule.par[i] = numbers[i] if i < len(numbers) else 0.0
        self.lazy = (optimizer is None or optimizer.lazy) and not noise
        self.closed = optimizer is None or optimizer.closed(l1, l2, average > 0)

    @property
    def auto(self):
        """Whether each weight has a step size of its own: learning_rate="auto"."""
        return self.schedule.auto

    @property
    def plain(self):
        """Whether a step is one row and the optimizer plain SGD."""
        return self.rule.kind == SGD and self.batch_size == 1 and self.par.noise == 0

    @property
    def line_search(self):
        """Whether the step size of each pass is searched for."""
        return self.optimizer is not None and getattr(self.optimizer, "line_search", False)

    @property
    def slots(self):
        """Names of the optimizer's arrays."""
        return () if self.optimizer is None else self.optimizer.slots

    @property
    def l1(self):
        return self.par.l1

    @property
    def l2(self):
        return self.par.l2

    @property
    def nu(self):
        return self.par.nu

    @property
    def intercept_decay(self):
        return self.par.intercept_decay

    @property
    def average(self):
        return self.par.average

    def eta(self, double t):
        """The schedule's step size at step t."""
        return self.par.schedule(t, self.par.schedule_par)
