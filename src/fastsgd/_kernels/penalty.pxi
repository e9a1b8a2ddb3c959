# The L1 penalty.
cdef inline floating soft(floating w, floating most) noexcept nogil:
    """w drawn to 0 by `most`, not beyond."""
    cdef floating least = -most, c = w if w > least else least
    return w - (c if c < most else most)


cdef inline void add_and_shrink(const floating* x, Py_ssize_t n, floating* w, floating* q, floating c, floating u, floating inv,
                                floating scale) noexcept nogil:
    """w += c x, then the penalty, along a dense row: what of z is within [q - u, q + u] / scale is taken off.

    That is the cumulative penalty of Tsuruoka, Tsujii and Ananiadou (2009, eq. 14-16): what is due, but never through zero.
    """
    cdef Py_ssize_t k
    cdef floating z, part, low, high, most = u * inv
    for k in range(n):
        z = w[k] + c * x[k]
        low, high = q[k] * inv - most, q[k] * inv + most  # soft(z - q inv, most) is shorter, and loses the digits of z
        part = z if z > low else low
        part = part if part < high else high
        w[k] = z - part
        q[k] -= scale * part


# On CSR (state.soft) W holds, instead of the weights w, numbers g that no step changes but that of a row with the feature,
# and that tell the weight after any step: w = soft(g, tau).
#
#     L1 alone: g = w - q / scale, the sum of the gradient steps; tau = u / scale. q follows from g.
#     L1 and L2: g = w + sign(w) r / scale; tau = r / scale, r = l1 / l2, as between rows a weight w > 0 goes as
#         w + r = C (w + r), C the product of the shrinkages, until it is 0. Of a weight that is 0, g = -q SMALL, so small that
#         it is not taken for the g of one that has become 0 since it was last met. Either way a step is g += x times a number,
#         and only of a weight that becomes 0, or is no longer 0, has anything to be paid.
cdef inline double soft_dot(const Csr* L, const floating* values, Py_ssize_t lo, Py_ssize_t n, const floating* g,
                            floating tau) noexcept nogil:
    """x . w."""
    cdef const floating* x = values + lo
    cdef Py_ssize_t k = 0
    cdef floating s
    cdef f4 a = f4_zero(), a2 = a, t4 = f4_all(<float> tau), u4 = f4_all(<float> -tau)
    cdef d4 b = d4_zero(), b2 = b, t8 = d4_all(tau), u8 = d4_all(-tau)
    while k + 8 <= n:
        if floating is float:
            a = f4_add(a, f4_mul(f4_load(x + k), f4_soft(at_f4(L, g, lo + k), t4, u4)))
            a2 = f4_add(a2, f4_mul(f4_load(x + k + 4), f4_soft(at_f4(L, g, lo + k + 4), t4, u4)))
        else:
            b = d4_add(b, d4_mul(d4_load(x + k), d4_soft(at_d4(L, g, lo + k), t8, u8)))
            b2 = d4_add(b2, d4_mul(d4_load(x + k + 4), d4_soft(at_d4(L, g, lo + k + 4), t8, u8)))
        k += 8
    a, b = f4_add(a, a2), d4_add(b, b2)
    if k + 4 <= n:
        if floating is float:
            a = f4_add(a, f4_mul(f4_load(x + k), f4_soft(at_f4(L, g, lo + k), t4, u4)))
        else:
            b = d4_add(b, d4_mul(d4_load(x + k), d4_soft(at_d4(L, g, lo + k), t8, u8)))
        k += 4
    if floating is float:
        s = f4_sum(a)
    else:
        s = d4_sum(b)
    while k < n:
        s += x[k] * soft(g[L.indices[lo + k]], tau)
        one_by_one()
        k += 1
    return s


cdef inline floating small(floating g) noexcept nogil:
    """SMALL, a power of 2: q is at most about r (log of the shrinkage), and tau at least r."""
    if floating is float:
        return <float> 5.421010862427522e-20  # 2^-64
    else:
        return 6.223015277861142e-61  # 2^-200


cdef inline floating had(floating g, floating u, floating tau, floating rate) noexcept nogil:
    """With L1 and L2: what the weight of g has received until u; `rate` is of u, by the logarithm of 1 / scale.

    If it has reached 0 since it was last met, then when tau was |g|. log(tau / |g|) is 4 atanh s by its series, good to
    1e-9 where the scale has halved since, to 1e-4 where it is a tenth.
    """
    cdef floating size = g if g > 0 else -g, a = root(tau), b = root(size), s = (a - b) / (a + b), v = s * s
    cdef floating tail = <floating> 0.8 + v * (<floating> (4.0 / 7) + v * <floating> (4.0 / 9))
    cdef floating log_part = s * (4 + v * (<floating> (4.0 / 3) + v * tail))
    cdef floating then = u - rate * (log_part if s > 0 else <floating> 0)
    if size <= 2 * u * small(g):
        return -g / small(g)
    then = then if then > 0 else <floating> 0
    return -then if g > 0 else then


cdef inline void pay_four(const Csr* L, const floating* values, Py_ssize_t k, Py_ssize_t b, Py_ssize_t e, Py_ssize_t h, floating* W,
                          const floating* R, bint all) noexcept nogil:
    """The values k, b, e and h, of one row, of which those that are the same are one."""
    cdef f4 g, x4, now
    cdef d4 g8, x8, now8
    cdef int stays
    ix, x = L.indices, values
    if floating is float:
        g, x4 = f4_set(W[ix[k]], W[ix[b]], W[ix[e]], W[ix[h]]), f4_set(x[k], x[b], x[e], x[h])
        now = f4_move(g, x4, R, &stays)
        if all or not stays:
            now = f4_pay(g, x4, R)
        f4_put(W + ix[k], W + ix[b], W + ix[e], W + ix[h], now)
    else:
        g8, x8 = d4_set(W[ix[k]], W[ix[b]], W[ix[e]], W[ix[h]]), d4_set(x[k], x[b], x[e], x[h])
        now8 = d4_move(g8, x8, R, &stays)
        if all or not stays:
            now8 = d4_pay(g8, x8, R)
        d4_put(W + ix[k], W + ix[b], W + ix[e], W + ix[h], now8)


cdef inline void payments(floating* R, floating c, floating u0, floating inv0, floating rate, floating u, floating inv,
                          floating r) noexcept nogil:
    """The numbers of `step_and_pay`: of a step c, while the penalty has gone on from (u0, 1 / inv0) to (u, 1 / inv)."""
    cdef floating tiny = small(r)
    R[U0], R[TAU0], R[RATE], R[U], R[INV], R[SCALE], R[TAU], R[STEP] = u0, r * inv0, rate, u, inv, 1 / inv, r * inv, c
    R[SMALL_STEP], R[SMALL_U], R[TWICE_SMALL_U0], R[SMALL], R[PER_SMALL] = c / inv * tiny, u * tiny, 2 * u0 * tiny, tiny, 1 / tiny


cdef inline void step_and_pay(const Csr* L, const floating* values, Py_ssize_t lo, Py_ssize_t n, floating* W, const floating* R,
                              bint all) noexcept nogil:
    """With L1 and L2, along a row: w += c x, and the penalty; R has the numbers of both.

    all : whether every weight owes the L1 of the step, as it does where they were scaled after its L2.
    """
    cdef Py_ssize_t k = lo, end = lo + n
    while k + 4 <= end:
        pay_four(L, values, k, k + 1, k + 2, k + 3, W, R, all)
        k += 4
    if k < end:  # the last value stands for those that are missing: paid twice, and put where it belongs twice
        pay_four(L, values, k, min(k + 1, end - 1), min(k + 2, end - 1), end - 1, W, R, all)


cdef inline double per_log(double l1, double l2, double eta) noexcept nogil:
    """How u grows by the logarithm of 1 / scale, with L1 and L2, at steps of size eta."""
    cdef double x = min(eta * l2, 1.0)
    if x < 0.01:  # its series, which is good to 1e-9, and takes no time
        return l1 / l2 * (1.0 - x * (0.5 + x * (1.0 / 12 + x * (1.0 / 24))))
    return l1 * eta / -log1p(-x)


cdef void from_weights(floating* W, floating* Q, Py_ssize_t d, Py_ssize_t S, double scale, double l1, double l2) noexcept nogil:
    """Put g in the first of S columns of W, and zeros in that of Q."""
    cdef floating inv = <floating> (1.0 / scale), tau = <floating> (l1 / l2 / scale)
    cdef Py_ssize_t i, j
    for i in range(d):
        j = i * S
        if l2 <= 0:
            W[j] -= Q[j] * inv
        elif W[j] == 0:
            W[j] = -Q[j] * small(tau)
        else:
            W[j] += tau if W[j] > 0 else -tau
        Q[j] = 0


cdef void to_weights(floating* W, floating* Q, Py_ssize_t d, Py_ssize_t S, double u, double scale, double l1, double l2,
                     double eta) noexcept nogil:
    """Put the weights in the first of S columns of W, and in Q what they have received; eta is the size of the last step."""
    cdef floating tau = <floating> ((l1 / l2 if l2 > 0 else u) / scale), rate = <floating> (per_log(l1, l2, eta) if l2 > 0 else 0)
    cdef floating g
    cdef Py_ssize_t i, j
    for i in range(d):
        j = i * S
        g = W[j]
        W[j] = soft(g, tau)
        Q[j] = had(g, <floating> u, tau, rate) if l2 > 0 else <floating> scale * (W[j] - g)


cdef inline double least_scale(const floating* A) noexcept nogil:
    """How far the scale may fall: what is averaged is a difference of two numbers of its inverse size."""
    if A is NULL:
        return 1e-9
    elif floating is float:
        return 1e-2
    else:
        return 1e-5


cdef void fold(floating* W, floating* A, Py_ssize_t n, double avg_a, double scale) noexcept nogil:
    """Of n weights: make scale 1 and avg_a 0."""
    cdef Py_ssize_t j
    if A is not NULL:
        for j in range(n):
            A[j] += <floating> (avg_a * W[j])
    for j in range(n):
        W[j] = <floating> (scale * W[j])


cdef double MOST_GROWN = 2.0**40  # Where rows fade, sums are in units that grow this far.


cdef void fade_average(floating* A, Py_ssize_t n, Scalars* now, double fade) noexcept nogil:
    """The steps so far fade, before a step of which the average has n weights: what comes counts more, in units that grow."""
    cdef Py_ssize_t j
    cdef double by
    now.grown /= fade
    if now.grown > MOST_GROWN:
        by = 1.0 / now.grown
        for j in range(n):
            A[j] *= <floating> by
        now.avg_a *= by
        now.avg_n *= by
        now.grown = 1


cdef inline double eta_before(const Params* P, const Scalars* now) noexcept nogil:
    """The size of the last step."""
    return P.schedule(max(1.0, now.t - 1), P.schedule_par) * now.eta_factor


cdef void rescale(const Layout* L, floating* W, floating* Q, floating* A, Py_ssize_t S, Scalars* now, double scale,
                  const Params* P) noexcept nogil:
    """Make scale 1 and avg_a 0 between steps, of S heads with one clock; `scale` is the one of the weights so far."""
    if Layout is not Dense:
        if Q is not NULL:
            to_weights(W, Q, L.d * S, 1, now.u, scale, P.l1, P.l2, eta_before(P, now))
    fold(W, A, L.d * S, now.avg_a, now.scale)
    now.scale, now.avg_a = 1, 0
    if Layout is not Dense:
        if Q is not NULL:
            from_weights(W, Q, L.d * S, 1, 1, P.l1, P.l2)
