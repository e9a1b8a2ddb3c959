# SGD and momentum on CSR: every weight moves at every step, by L2 and by momentum, and no step touches them all.
#
# With momentum a weight and its slot go, where the gradient is 0, by w <- w - a l2 w - b mu m, m <- l2 w + mu m; a = b =
# eta, or as Nesterov has it a = eta (1 + mu), b = eta mu. In the coordinates z = w - c m and f = m - e z this is two
# numbers by themselves, z <- s z and f <- rho f, if
#     c = mu (b' + c') / s,   s = 1 - (a' + c') l2,   e' = (rho e + l2) / s,   rho = mu + l2 c
# (a prime: of the next step). The recurrence of c is stable backwards, that of e forwards. So z = sigma * Z, f = phi * F,
# and a step changes Z and F where the gradient is not 0. To an average of the weights an f that is here after step k will
# add q f, q = rho (averaged c' + q'), which is counted when f changes. Plain SGD is c = 0 without F; L1 takes off it eta l1 a step,
# which a feature pays when it is met next.
cdef struct Line:
    double sigma, phi, c, e
    const double* cs        # c before each step of this call, and after the last
    const double* qs        # q after each step
    Py_ssize_t step         # steps of this call so far
    double avg_z            # what has been averaged is A + avg_z Z, less q f that is still to come


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


cdef void backwards(double* cs, double* qs, const Params* P, const Rule* R, double t, double factor,
                    Py_ssize_t steps) noexcept nogil:
    """c and q before each step from t on, and after the last, where any c would do: that of a constant eta."""
    cdef double mu = R.par[0], eta = P.schedule(t + steps, P.schedule_par) * factor, averaged
    cdef Py_ssize_t i = steps - 1
    cs[steps], qs[steps] = mu * momentum_b(R, eta) / (1.0 - mu), 0
    while i >= 0:
        eta = P.schedule(t + i, P.schedule_par) * factor
        cs[i] = mu * (momentum_b(R, eta) + cs[i + 1]) / (1.0 - (momentum_a(R, eta) + cs[i + 1]) * P.l2)
        averaged = cs[i + 1] if 0 < P.average <= t + i else 0.0
        qs[i] = (mu + P.l2 * cs[i]) * (averaged + qs[i + 1])
        i -= 1


cdef void enter(Py_ssize_t n, floating* W, floating* m, floating* A, const Line* N) noexcept nogil:
    """W and m become Z and F; sigma = phi = 1, e = 0."""
    cdef Py_ssize_t k
    for k in range(n):
        W[k] -= <floating> (N.c * m[k])
        if A is not NULL:
            A[k] += <floating> (N.qs[0] * m[k])


cdef void leave(Py_ssize_t n, floating* W, floating* m, floating* A, const Line* N) noexcept nogil:
    """Z and F become W and m, and what has been averaged becomes A."""
    cdef double z, f
    cdef Py_ssize_t k
    for k in range(n):
        z, f = W[k], N.phi * m[k] if m is not NULL else 0.0
        if A is not NULL:
            A[k] += <floating> (N.avg_z * z - (N.qs[N.step] * f if m is not NULL else 0.0))
        z *= N.sigma
        f += N.e * z
        W[k] = <floating> (z + N.c * f)
        if m is not NULL:
            m[k] = <floating> f


cdef void fold_line(Py_ssize_t n, floating* W, floating* m, floating* A, Line* N) noexcept nogil:
    """Make sigma and phi 1, before they leave the range of numbers."""
    cdef Py_ssize_t k
    for k in range(n):
        if A is not NULL:
            A[k] += <floating> (N.avg_z * W[k])
        W[k] = <floating> (N.sigma * W[k])
        if m is not NULL:
            m[k] = <floating> (N.phi * m[k])
    N.sigma, N.phi, N.avg_z = 1, 1, 0


cdef inline void advance(Line* N, const Params* P, const Rule* R, bint averaged, double* of_z, double* of_f,
                         double* of_avg) noexcept nogil:
    """The scalars go one step on; a gradient g adds of_z g to Z, of_f g to F and, with averaging, of_avg g to A."""
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
    of_avg[0] = -N.avg_z * of_z[0]
    if N.cs is not NULL:
        of_avg[0] += ((next if averaged else 0.0) + N.qs[N.step]) * N.phi * of_f[0]
