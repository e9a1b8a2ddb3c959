"""Plan: the model in the form a kernel reads, C function pointers and numbers."""
from fastsgd.losses cimport Loss
from fastsgd.schedules cimport Schedule


cdef class Plan:
    """Loss, bound schedule and numbers of one fit.

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
    """

    def __init__(self, Loss loss, Schedule schedule, *, l1, l2, intercept_decay=1.0, nu=0.0, average=0):
        loss.ready()
        self.loss, self.schedule = loss, schedule
        self.par.value, self.par.slope, self.par.loss_par = loss.value_fn, loss.slope_fn, loss.par
        self.par.many = loss.many_fn
        self.par.schedule, self.par.schedule_par = schedule.fn, schedule.par
        self.par.l1, self.par.l2 = l1, l2
        self.par.intercept_decay, self.par.nu, self.par.average = intercept_decay, nu, average
        self.par.pa, self.par.pa_sign = schedule.pa, "classifier" in loss.task and "regressor" not in loss.task

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
    def average(self):
        return self.par.average

    def eta(self, double t):
        """The schedule's step size at step t."""
        return self.par.schedule(t, self.par.schedule_par)
