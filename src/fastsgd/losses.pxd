from libc.math cimport fabs

# A loss in C: its value, or its slope d loss / d p, at prediction p and target y.
ctypedef double (*loss_fn)(double p, double y, const double* par) noexcept nogil

# Value and slope for n predictions at once; of a coupled loss, for the n heads of one row.
ctypedef void (*losses_fn)(Py_ssize_t n, const double* p, const double* y, double* value, double* slope,
                           const double* par) noexcept nogil

# The losses that are compiled into the kernels: of a row of 28 numbers a call is a sixth. CALLED: none of them.
cdef enum:
    CALLED, HINGE, LOGISTIC

cdef extern from "logistic.h":
    double quick_exp "fastsgd_exp"(double x) noexcept nogil  # |x| <= 708
    double logistic_value "fastsgd_logistic_value"(double p, double y) noexcept nogil
    double logistic_slope "fastsgd_logistic_slope"(double p, double y, double* one_plus_e) noexcept nogil

# The a with a = -slope(z + s a, y), and sup over z of u z - value(z, y): see implicit.pxi.
ctypedef double (*implicit_fn)(double z, double s, double y, const double* par) noexcept nogil
ctypedef double (*conjugate_fn)(double u, double y, const double* par) noexcept nogil

# The best constant for n rows, or what is left of these, whose targets have this mean.
ctypedef double (*constant_fn)(double mean, double n, const double* par) noexcept nogil

cdef class Loss:
    cdef loss_fn value_fn
    cdef loss_fn slope_fn
    cdef losses_fn many_fn      # may be NULL: then one by one
    cdef int inlined            # CALLED, HINGE (hinge_both) or LOGISTIC (logistic_slope)
    cdef implicit_fn implicit_fn    # may be NULL: then implicit_step finds it from the slope
    cdef conjugate_fn conjugate_fn  # may be NULL: unknown
    cdef constant_fn constant_fn    # NULL where the best constant does not follow from the mean of y
    cdef double par[8]          # six parameters; Custom keeps two addresses behind them
    cdef dict __dict__
    cdef int ready(self) except -1  # the pointers may be read from now on


cdef inline double hinge_both(double p, double y, double* value, const double* par) noexcept nogil:
    """max(0, par[0] - y p): its slope, and the value put into `value`."""
    cdef double gap = par[0] - p * y
    value[0] = gap if gap > 0 else 0.0
    return -y if gap >= 0 else 0.0


cdef inline double hinge_implicit(double z, double s, double y, const double* par) noexcept nogil:
    """The implicit step of the same, see implicit.pxi."""
    cdef double m = par[0] - y * z
    return y if m >= s else y * m / s if m > 0 else 0.0


cdef inline double log_loss_near(double z, double slope, double s, double y) noexcept nogil:
    """The implicit step of log_loss to first order, from the slope at z, without another look at the loss.

    One step of Newton's method for the root of F in implicit.pxi, from z, or from 0 where z and the root are on different sides:
    where F is concave a tangent's root is on this side of F's own, so that no step is too long.
    """
    cdef double p = slope + y
    if z * (z + s * (y - 0.5)) > 0:
        return -slope / (1.0 + s * (p * (1.0 - p)))
    return (y - 0.5 - 0.25 * z) / (1.0 + 0.25 * s)


cdef inline double implicit_step(implicit_fn own, loss_fn slope, double z, double s, double y, const double* par) noexcept nogil:
    """The loss's own implicit function, or, where it has none, a root of g(a) = a + slope(z + s a, y) between 0 and -slope(z, y).

    False position (Illinois), every third step a bisection. Where the loss is not convex, the bracket may have to grow.
    """
    cdef double a = 0, b, c, ga, gb, gc
    cdef int i
    if own is not NULL:
        return own(z, s, y, par)
    ga = slope(z, y, par)
    b = -ga
    if s <= 0 or ga == 0:
        return b
    gb = b + slope(z + s * b, y, par)
    while gb != 0 and (ga > 0) == (gb > 0) and fabs(b) < 1e100:
        a, ga, b = b, gb, 2.0 * b
        gb = b + slope(z + s * b, y, par)
    if gb == 0:
        return b
    for i in range(300):
        c = 0.5 * (a + b) if i % 3 == 2 else b - gb * ((b - a) / (gb - ga))
        if not (min(a, b) < c < max(a, b)):
            c = 0.5 * (a + b)
        if fabs(b - a) <= 2e-15 * fabs(c):
            return c
        gc = c + slope(z + s * c, y, par)
        if gc == 0:
            return c
        if (gc > 0) != (gb > 0):
            a, ga = b, gb
        else:
            ga *= 0.5
        b, gb = c, gc
    return 0.5 * (a + b)
