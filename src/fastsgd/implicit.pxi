# The implicit step and the conjugate of the convex losses, in C. Included by losses.pyx.
#
# implicit(z, s, y) is the a with a = -slope(z + s a, y), s >= 0: the step of size s that is taken along the slope where it
# leads to, not where it starts. It exists for every s, and is one number where the slope grows with the prediction.
# At a kink the slope may be any number between those of the two sides; s = 0 gives -slope(z, y).
#
# conjugate(u, y) = sup over z of u z - value(z, y), infinite where u is beyond every slope.
from libc.math cimport INFINITY

cdef enum:
    MAX_NEWTON_STEPS = 60   # 3 to 6 are usual
cdef double LAST_STEP_SHARE = 1e-13  # the last step of Newton's method: after it the error is about its square, of a change t - z


cdef inline double clipped(double x, double low, double high) noexcept nogil:
    return low if x < low else high if x > high else x


cdef inline double shrunk(double x, double most) noexcept nogil:
    return x - most if x > most else x + most if x < -most else 0.0


cdef inline double ratio(double x, double s, double low, double high) noexcept nogil:
    """clip(x / s, low, high), s = 0 included."""
    if x >= high * s:
        return high if x > 0 or high <= 0 else 0.0
    return low if x <= low * s else x / s


cdef double hinge_conjugate(double u, double y, const double* par) noexcept nogil:
    return par[0] * u * y if -1.0 <= u * y <= 0.0 else INFINITY


cdef double squared_hinge_implicit(double z, double s, double y, const double* par) noexcept nogil:
    cdef double m = 1.0 - y * z
    return 2.0 * y * m / (1.0 + 2.0 * s) if m > 0 else 0.0


cdef double squared_hinge_conjugate(double u, double y, const double* par) noexcept nogil:
    return u * y + 0.25 * u * u if u * y <= 0.0 else INFINITY


cdef double modified_huber_implicit(double z, double s, double y, const double* par) noexcept nogil:
    return y * clipped(2.0 * (1.0 - y * z) / (1.0 + 2.0 * s), 0.0, 4.0)


cdef double modified_huber_conjugate(double u, double y, const double* par) noexcept nogil:
    return u * y + 0.25 * u * u if -4.0 <= u * y <= 0.0 else INFINITY


cdef double log_loss_implicit(double z, double s, double y, const double* par) noexcept nogil:
    # The root t = z + s a of F(t) = t - z + s (p(t) - y), p the logistic function. Mirrored so that it is positive: there F
    # is concave, and Newton's method rises to it, whatever its first step was.
    cdef double sign = 1.0, t, e, p, q, slope = 0, steep = 0, step = 0, bend, far, gap
    cdef int i
    if s <= 0:
        return -log_loss_slope(z, y, par)
    if s * (y - 0.5) < -z:
        sign, z, y = -1.0, -z, 1.0 - y
    t = z if z > 0 else 0.0
    if s > 16.0:  # a nearer lower bound, where Newton's method would rise by one a step: p(-t) <= far / s
        far = t - z + log(1.0 + s) + s * (1.0 - y)
        if s > 2.0 * far:
            t = max(t, log(s / far - 1.0))
    for i in range(MAX_NEWTON_STEPS):
        e = quick_exp(-t if t < 708.0 else -708.0)
        p = 1.0 / (1.0 + e)
        q = e * p
        slope, steep = (1.0 - y) * p - y * q, p * q
        far, gap = 1.0 + s * steep, t - z + s * slope
        bend = 0.5 * gap * s * steep * (p - q)
        # Halley's step, which takes the curvature into account, so that its error falls with the cube; or Newton's
        step = gap * far / (far * far + (bend if 2.0 * fabs(bend) < far * far else 0.0))
        t = t - step if t > step else 0.0
        if fabs(step) * step * step <= LAST_STEP_SHARE * fabs(t - z):
            break
    # of two ways to the same number, the one in which the error of t counts less
    return sign * ((t - z) / s if s * steep > 1.0 else steep * step * (1.0 - 0.5 * step * (q - p)) - slope)


cdef double log_loss_conjugate(double u, double y, const double* par) noexcept nogil:
    cdef double p = y + u, q = (1.0 - y) - u
    if p < 0 or q < 0:
        return INFINITY
    return (p * log(p) if p > 0 else 0.0) + (q * log(q) if q > 0 else 0.0)


cdef double squared_error_implicit(double z, double s, double y, const double* par) noexcept nogil:
    return (y - z) / (1.0 + s)


cdef double squared_error_conjugate(double u, double y, const double* par) noexcept nogil:
    return u * y + 0.5 * u * u


cdef double huber_implicit(double z, double s, double y, const double* par) noexcept nogil:
    return clipped((y - z) / (1.0 + s), -par[0], par[0])


cdef double huber_conjugate(double u, double y, const double* par) noexcept nogil:
    return u * y + 0.5 * u * u if fabs(u) <= par[0] else INFINITY


cdef double epsilon_insensitive_implicit(double z, double s, double y, const double* par) noexcept nogil:
    return ratio(shrunk(y - z, par[0]), s, -1.0, 1.0)


cdef double epsilon_insensitive_conjugate(double u, double y, const double* par) noexcept nogil:
    return u * y + par[0] * fabs(u) if fabs(u) <= 1.0 else INFINITY


cdef double squared_epsilon_insensitive_implicit(double z, double s, double y, const double* par) noexcept nogil:
    return 2.0 * shrunk(y - z, par[0]) / (1.0 + 2.0 * s)


cdef double squared_epsilon_insensitive_conjugate(double u, double y, const double* par) noexcept nogil:
    return u * y + par[0] * fabs(u) + 0.25 * u * u


cdef double quantile_implicit(double z, double s, double y, const double* par) noexcept nogil:
    return ratio(y - z, s, par[0] - 1.0, par[0])


cdef double quantile_conjugate(double u, double y, const double* par) noexcept nogil:
    return u * y if -par[0] <= u <= 1.0 - par[0] else INFINITY


cdef double exponential_implicit(double z, double s, double y, double top) noexcept nogil:
    # The root t = z + s a of F(t) = t - z + s (exp(min(t, top)) - y). Below top F is convex, and Newton's method falls to the
    # root from any point above it, such as one of these bounds.
    cdef double least = log(y), t, e, step
    cdef int i
    if z + s * (y - exp(top)) >= top:
        return y - exp(top)
    if z <= least:
        t = least
    else:  # z - t <= far, and exp(t) = y + (z - t) / s
        t = z + log(s)
        t = (t if t > 0 else 0.0) + M_LN2
        t = min(z, log(y + min(z - least, t) / s))
    t = min(t, top)
    for i in range(MAX_NEWTON_STEPS):
        e = exp(t)
        step = (t - z + s * (e - y)) / (1.0 + s * e)
        t -= step
        if step * step <= LAST_STEP_SHARE * fabs(t - z):
            break
    e = exp(t)
    return (t - z) / s if s * e > 1.0 else y - e


cdef double poisson_implicit(double z, double s, double y, const double* par) noexcept nogil:
    return exponential_implicit(z, s, y, EXP_GUARD) if s > 0 else -poisson_slope(z, y, par)


cdef double poisson_conjugate(double u, double y, const double* par) noexcept nogil:
    cdef double q = u + y
    return (q * log(q) - q if q > 0 else 0.0) if 0 <= q <= exp(EXP_GUARD) else INFINITY


cdef double gamma_implicit(double z, double s, double y, const double* par) noexcept nogil:
    # Poisson's of a target 1, at log(y) - z
    return -exponential_implicit(log(y) - z, s, 1.0, EXP_GUARD + log(y)) if s > 0 else -gamma_slope(z, y, par)


cdef double gamma_conjugate(double u, double y, const double* par) noexcept nogil:
    cdef double q = 1.0 - u
    return (q * log(q / y) - q if q > 0 else 0.0) if 0 <= q <= (1.0 + 1e-13) * y * exp(EXP_GUARD) else INFINITY
