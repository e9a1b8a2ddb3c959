# SGD and momentum on CSR: every weight moves at every step, by L2 and by momentum, and no step touches them all.
#
# With momentum a weight and its slot go, where the gradient is 0, by w <- w - a l2 w - b mu m, m <- l2 w + mu m; a = b =
# eta, or as Nesterov has it a = eta (1 + mu), b = eta mu. In the coordinates z = w - c m and f = m - e z this is two
# numbers by themselves, z <- s z and f <- rho f, if
#     c = mu (b' + c') / s,   s = 1 - (a' + c') l2,   e' = (rho e + l2) / s,   rho = mu + l2 c
# (a prime: of the next step). The recurrence of c is stable backwards, that of e forwards. So z = sigma * Z, f = phi * F,
# and a step changes Z and F where the gradient is not 0. Plain SGD is c = 0 without F; L1 takes off it eta l1 a step,
# which a feature pays when it is met next.
cdef struct Line:
    double sigma, phi, c, e
    const double* cs        # c before each step of this call, and after the last
    Py_ssize_t step         # steps of this call so far
    double avg_z, avg_f     # what has been averaged is A + avg_z Z + avg_f F


cdef inline double momentum_a(const Rule* R, double eta) noexcept nogil:
    return eta * (1.0 + R.par[0]) if R.par[1] else eta


cdef inline double momentum_b(const Rule* R, double eta) noexcept nogil:
    return eta * R.par[0] if R.par[1] else eta


cdef bint has_closed_form(const Params* P, const Rule* R, double t, double factor, Py_ssize_t steps) noexcept nogil:
    """Whether the two numbers exist and lie well apart, at each step from t on: no oscillation, no step beyond L2's."""
    cdef double mu = R.par[0], eta, kept, trace
    cdef Py_ssize_t i
    if 0 < mu < 1e-6:  # phi would leave the range of numbers
        return 0
    if P.l2 == 0:
        return 1
    for i in range(steps):
        eta = P.schedule(t + i, P.schedule_par) * factor
        kept = 1.0 - momentum_a(R, eta) * P.l2
        trace = kept + mu
        if kept < 1e-3 or trace * trace - 4.0 * mu * (1.0 - eta * P.l2) < 0.25 * (1.0 - mu) * (1.0 - mu):
            return 0
    return 1


cdef void backwards(double* cs, const Params* P, const Rule* R, double t, double factor, Py_ssize_t steps) noexcept nogil:
    """c before each step from t on, and after the last, where any number would do: that of a constant eta."""
    cdef double mu = R.par[0], eta = P.schedule(t + steps, P.schedule_par) * factor
    cdef Py_ssize_t i = steps - 1
    cs[steps] = mu * momentum_b(R, eta) / (1.0 - mu)
    while i >= 0:
        eta = P.schedule(t + i, P.schedule_par) * factor
        cs[i] = mu * (momentum_b(R, eta) + cs[i + 1]) / (1.0 - (momentum_a(R, eta) + cs[i + 1]) * P.l2)
        i -= 1


cdef void enter(Py_ssize_t n, floating* W, floating* m, const Line* N) noexcept nogil:
    """W and m become Z and F; sigma = phi = 1, e = 0."""
    cdef Py_ssize_t k
    for k in range(n):
        W[k] -= <floating> (N.c * m[k])


cdef void leave(Py_ssize_t n, floating* W, floating* m, floating* A, const Line* N) noexcept nogil:
    """Z and F become W and m, and what has been averaged becomes A."""
    cdef double z, f
    cdef Py_ssize_t k
    for k in range(n):
        z, f = W[k], m[k] if m is not NULL else 0.0
        if A is not NULL:
            A[k] += <floating> (N.avg_z * z + N.avg_f * f)
        z, f = N.sigma * z, N.phi * f
        f += N.e * z
        W[k] = <floating> (z + N.c * f)
        if m is not NULL:
            m[k] = <floating> f


cdef void fold_line(Py_ssize_t n, floating* W, floating* m, floating* A, Line* N) noexcept nogil:
    """Make sigma and phi 1, before they leave the range of numbers."""
    cdef Py_ssize_t k
    for k in range(n):
        if A is not NULL:
            A[k] += <floating> (N.avg_z * W[k] + (N.avg_f * m[k] if m is not NULL else 0.0))
        W[k] = <floating> (N.sigma * W[k])
        if m is not NULL:
            m[k] = <floating> (N.phi * m[k])
    N.sigma, N.phi, N.avg_z, N.avg_f = 1, 1, 0, 0


cdef inline void advance(Line* N, const Params* P, const Rule* R, double* of_z, double* of_f) noexcept nogil:
    """The scalars go one step on; a gradient g adds of_z g to Z and of_f g to F."""
    cdef double c = N.cs[N.step] if N.cs is not NULL else 0.0, next = N.cs[N.step + 1] if N.cs is not NULL else 0.0
    cdef double a = momentum_a(R, R.eta) + next, s = 1.0 - a * P.l2, rho = R.par[0] + P.l2 * c
    N.sigma *= s
    if N.cs is not NULL:
        N.phi *= rho
        N.e = (rho * N.e + P.l2) / s
    N.c = next
    N.step += 1
    of_z[0] = -a * R.mean / N.sigma
    of_f[0] = (1.0 + N.e * a) * R.mean / N.phi if N.cs is not NULL else 0.0
