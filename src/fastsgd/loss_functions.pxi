# Value and slope of every loss, in C: functions of (prediction, target, parameters). Included by losses.pyx.
#
# At a kink, value and slope take the same branch, the one of the side where the loss is positive.
from libc.math cimport M_LN2, exp, expm1, fabs, log, log1p

# Beyond exp(30) = 1e13 a Poisson or gamma loss goes on as its tangent: still convex and smooth, and never infinite.
cdef double EXP_GUARD = 30.0


cdef double hinge_value(double p, double y, const double* par) noexcept nogil:
    cdef double z = p * y
    return par[0] - z if z <= par[0] else 0.0


cdef double hinge_slope(double p, double y, const double* par) noexcept nogil:
    return -y if p * y <= par[0] else 0.0


cdef double squared_hinge_value(double p, double y, const double* par) noexcept nogil:
    cdef double z = 1.0 - p * y
    return z * z if z > 0 else 0.0


cdef double squared_hinge_slope(double p, double y, const double* par) noexcept nogil:
    cdef double z = 1.0 - p * y
    return -2.0 * y * z if z > 0 else 0.0


cdef double modified_huber_value(double p, double y, const double* par) noexcept nogil:
    cdef double z = p * y
    if z >= 1.0:
        return 0.0
    return (1.0 - z) * (1.0 - z) if z >= -1.0 else -4.0 * z


cdef double modified_huber_slope(double p, double y, const double* par) noexcept nogil:
    cdef double z = p * y
    if z >= 1.0:
        return 0.0
    return -2.0 * y * (1.0 - z) if z >= -1.0 else -4.0 * y


cdef double log_loss_value(double p, double y, const double* par) noexcept nogil:
    return (p if p > 0 else 0.0) - y * p + log1p(exp(-fabs(p)))


cdef double log_loss_slope(double p, double y, const double* par) noexcept nogil:
    # 1 / (1 + exp(-p)) - y, without cancellation for y = 0 and 1, and without a branch on the sign of p
    cdef double e = exp(-fabs(p)), up = 1.0 if p > 0 else e, down = e if p > 0 else 1.0
    return ((1.0 - y) * up - y * down) / (1.0 + e)


cdef double squared_error_value(double p, double y, const double* par) noexcept nogil:
    return 0.5 * (p - y) * (p - y)


cdef double squared_error_slope(double p, double y, const double* par) noexcept nogil:
    return p - y


cdef double huber_value(double p, double y, const double* par) noexcept nogil:
    cdef double r = fabs(p - y)
    return 0.5 * r * r if r <= par[0] else par[0] * (r - 0.5 * par[0])


cdef double huber_slope(double p, double y, const double* par) noexcept nogil:
    cdef double r = p - y
    if fabs(r) <= par[0]:
        return r
    return par[0] if r > 0 else -par[0]


cdef double epsilon_insensitive_value(double p, double y, const double* par) noexcept nogil:
    cdef double r = fabs(p - y) - par[0]
    return r if r > 0 else 0.0


cdef double epsilon_insensitive_slope(double p, double y, const double* par) noexcept nogil:
    if p - y > par[0]:
        return 1.0
    return -1.0 if y - p > par[0] else 0.0


cdef double squared_epsilon_insensitive_value(double p, double y, const double* par) noexcept nogil:
    cdef double r = fabs(p - y) - par[0]
    return r * r if r > 0 else 0.0


cdef double squared_epsilon_insensitive_slope(double p, double y, const double* par) noexcept nogil:
    cdef double r = p - y
    if r > par[0]:
        return 2.0 * (r - par[0])
    return 2.0 * (r + par[0]) if r < -par[0] else 0.0


cdef double quantile_value(double p, double y, const double* par) noexcept nogil:
    cdef double r = y - p
    return par[0] * r if r > 0 else (par[0] - 1.0) * r


cdef double quantile_slope(double p, double y, const double* par) noexcept nogil:
    if p == y:
        return 0.0
    return -par[0] if y > p else 1.0 - par[0]


cdef double poisson_value(double p, double y, const double* par) noexcept nogil:
    if p <= EXP_GUARD:
        return exp(p) - y * p
    return exp(EXP_GUARD) * (1.0 + p - EXP_GUARD) - y * p


cdef double poisson_slope(double p, double y, const double* par) noexcept nogil:
    return exp(p if p <= EXP_GUARD else EXP_GUARD) - y


cdef double gamma_value(double p, double y, const double* par) noexcept nogil:
    if p >= -EXP_GUARD:
        return p + y * exp(-p)
    return p + y * exp(EXP_GUARD) * (1.0 - p - EXP_GUARD)


cdef double gamma_slope(double p, double y, const double* par) noexcept nogil:
    return 1.0 - y * exp(-p if p >= -EXP_GUARD else EXP_GUARD)


# The best constant for n rows, of the mean of their targets; of classes the mean says what share either has.
cdef double mean_constant(double mean, double n, const double* par) noexcept nogil:
    return mean


cdef double hinge_constant(double mean, double n, const double* par) noexcept nogil:
    return par[0] if mean > 0 else -par[0] if mean < 0 else 0.0


cdef double log_loss_constant(double mean, double n, const double* par) noexcept nogil:
    # a class of which no row has come has half a row, as otherwise its first row would lose without end
    cdef double least = 0.5 / n
    mean = least if mean <= 0 else 1.0 - least if mean >= 1 else mean
    return log(mean / (1.0 - mean))


cdef double log_mean_constant(double mean, double n, const double* par) noexcept nogil:
    return log(mean if mean > 0 else 0.5 / n)  # likewise


cdef double tukey_value(double p, double y, const double* par) noexcept nogil:
    cdef double u = (p - y) / par[0], v = 1.0 - u * u
    return par[0] * par[0] / 6.0 * (1.0 - v * v * v if v > 0 else 1.0)


cdef double tukey_slope(double p, double y, const double* par) noexcept nogil:
    cdef double r = p - y, u = r / par[0], v = 1.0 - u * u
    return r * v * v if v > 0 else 0.0


cdef double cauchy_value(double p, double y, const double* par) noexcept nogil:
    cdef double u = (p - y) / par[0]
    return 0.5 * par[0] * par[0] * log1p(u * u)


cdef double cauchy_slope(double p, double y, const double* par) noexcept nogil:
    cdef double r = p - y, u = r / par[0]
    return r / (1.0 + u * u)


cdef double welsch_value(double p, double y, const double* par) noexcept nogil:
    cdef double u = (p - y) / par[0]
    return -0.5 * par[0] * par[0] * expm1(-u * u)


cdef double welsch_slope(double p, double y, const double* par) noexcept nogil:
    cdef double r = p - y, u = r / par[0]
    return r * exp(-u * u)


cdef double sigmoid_value(double p, double y, const double* par) noexcept nogil:
    cdef double z = y * p, e = exp(-fabs(z))
    return (e if z > 0 else 1.0) / (1.0 + e)


cdef double sigmoid_slope(double p, double y, const double* par) noexcept nogil:
    cdef double e = exp(-fabs(y * p))
    return -y * e / ((1.0 + e) * (1.0 + e))


cdef void crammer_singer(Py_ssize_t n, const double* p, const double* y, double* value, double* slope,
                         const double* par) noexcept nogil:
    cdef Py_ssize_t i, right = 0, beaten = 0
    for i in range(n):
        if y[i] > 0:
            right = i
    for i in range(n):
        value[i] = p[i] - p[right] + 1.0
        if i == right or value[i] <= 0:
            value[i], slope[i] = 0.0, 0.0
        else:
            slope[i] = 1.0
            beaten += 1
    slope[right] = -beaten
