# The step size of every schedule, in C: functions of (step number from 1, parameters). Included by schedules.pyx.
from libc.math cimport INFINITY, M_PI, NAN, cos, exp, floor, pow, sqrt


cdef double constant(double t, const double* par) noexcept nogil:
    return par[0]


cdef double unknown(double t, const double* par) noexcept nogil:
    return NAN


cdef double optimal(double t, const double* par) noexcept nogil:
    return 1.0 / (par[0] * (par[1] + t - 1.0))


cdef double inverse_power(double t, const double* par) noexcept nogil:
    return par[0] / pow(t, par[1])


cdef double inverse_root(double t, const double* par) noexcept nogil:
    return par[0] / sqrt(t)


cdef double inverse_fourth_root(double t, const double* par) noexcept nogil:
    return par[0] / sqrt(sqrt(t))


cdef void constants(Py_ssize_t n, const double* t, const double* par, double* eta) noexcept nogil:
    cdef Py_ssize_t h
    for h in range(n):
        eta[h] = par[h]


cdef void optimals(Py_ssize_t n, const double* t, const double* par, double* eta) noexcept nogil:
    cdef Py_ssize_t h
    for h in range(n):
        eta[h] = 1.0 / (par[h] * (par[n + h] + t[h] - 1.0))


cdef void inverse_roots(Py_ssize_t n, const double* t, const double* par, double* eta) noexcept nogil:
    cdef Py_ssize_t h
    for h in range(n):
        eta[h] = par[h] / sqrt(t[h])


cdef double exponential(double t, const double* par) noexcept nogil:
    return par[0] * exp(par[1] * (t - 1.0))


cdef double step(double t, const double* par) noexcept nogil:
    return par[0] * pow(par[1], floor((t - 1.0) / par[2]))


cdef double annealed(double a, double b, double u) noexcept nogil:
    """Half a cosine from a (u = 0) to b (u >= 1)."""
    return b + 0.5 * (a - b) * (1.0 + cos(M_PI * (u if u < 1.0 else 1.0)))


cdef double cosine(double t, const double* par) noexcept nogil:
    # eta0, the least eta, steps of warm-up, steps in all
    if t <= par[2]:
        return par[0] * t / par[2]
    return annealed(par[0], par[1], (t - 1.0 - par[2]) / (par[3] - par[2]))


cdef double one_cycle(double t, const double* par) noexcept nogil:
    # the highest eta, the first, the last, steps of rise, steps in all
    if t - 1.0 < par[3]:
        return annealed(par[1], par[0], (t - 1.0) / par[3])
    return annealed(par[0], par[2], (t - 1.0 - par[3]) / (par[4] - par[3]))
