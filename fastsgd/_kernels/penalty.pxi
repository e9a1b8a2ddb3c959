# The L1 penalty.
cdef inline floating shrunk(floating z, floating q, floating u, floating inv) noexcept nogil:
    """Cumulative penalty (Tsuruoka, Tsujii and Ananiadou 2009, eq. 14-16): what is due, but never through zero.

    As |q| <= u, one of the two terms is 0: the first unless z > 0, the second unless z < 0.
    """
    cdef floating down = z - (u + q) * inv, up = z + (u - q) * inv
    return (down if down > 0 else <floating> 0) + (up if up < 0 else <floating> 0)


cdef inline void add_and_shrink(const floating* x, Py_ssize_t n, floating* w, floating* q, floating c, floating u,
                                floating inv, floating scale) noexcept nogil:
    """w += c x, then the penalty, along a dense row."""
    cdef Py_ssize_t k
    cdef floating z
    for k in range(n):
        z = w[k] + c * x[k]
        w[k] = shrunk(z, q[k], u, inv)
        q[k] += scale * (w[k] - z)


cdef inline floating share(floating a, floating b) noexcept nogil:
    """log(1 + a) / log(1 + b) where it is below 1, else 1; a, b >= 0.

    By log(1 + x) = x (6 + 3 x) / (6 + 6 x + x^2) (Pade), good to x^4 / 180: 1e-6 at 1/8, 0.1% at 1, 10% at 10.
    """
    cdef floating part = a * (2 + a) * (6 + b * (6 + b)) / (b * (2 + b) * (6 + a * (6 + a)))
    return part if part < 1 else <floating> 1


cdef inline void pay(Py_ssize_t n, floating* w, floating* q, floating u, floating inv, floating scale) noexcept nogil:
    """n weights pay what is due: L1 alone."""
    cdef Py_ssize_t k
    cdef floating z
    for k in range(n):
        z = w[k]
        w[k] = shrunk(z, q[k], u, inv)
        q[k] += scale * (w[k] - z)


cdef inline void pay_both(Py_ssize_t n, floating* w, floating* q, const floating* u0, const floating* inv0, floating u,
                          floating inv, floating r) noexcept nogil:
    """n weights pay what fell due when they were last met, at (u0, inv0), and then L1 and L2 together until (u, inv).

    Between rows a weight w > 0 goes as w + r = C (w + r), r = l1 / l2, C the product of the shrinkages, until it is 0.
    How much L1 it had received by then is taken in proportion to log C. No branch depends on a weight: none could be
    foreseen.
    """
    cdef Py_ssize_t k
    cdef floating z, size, sign, received, scale0, one = 1, per_r = one / r
    for k in range(n):
        scale0 = one / inv0[k]
        z = shrunk(w[k], q[k], u0[k], inv0[k])
        sign = (<floating> 1 if z > 0 else <floating> 0) - (<floating> 1 if z < 0 else <floating> 0)
        size = sign * z
        received = u0[k] + (u - u0[k]) * share(size * scale0 * per_r, inv * scale0 - one)
        q[k] = (one - sign * sign) * (q[k] + (z - w[k]) * scale0) - sign * received
        size -= r * (inv - inv0[k])
        w[k] = sign * (size if size > 0 else <floating> 0)


cdef inline void catch_up(floating* w, floating* q, Py_ssize_t K, floating* last, floating u, floating scale, floating inv,
                          double r) noexcept nogil:
    """The K weights of a feature, as if every row had met it."""
    cdef Py_ssize_t h
    cdef floating u0, inv0
    if last is NULL:
        pay(K, w, q, u, inv, scale)
    else:
        u0, inv0 = last[0], last[1]
        for h in range(K):
            pay_both(1, w + h, q + h, &u0, &inv0, u, inv, <floating> r)
        last[0], last[1] = u, inv


cdef inline double row_caught_up(const floating* x, const index* ix, Py_ssize_t n, const floating* w, const floating* q,
                                 const floating* last, floating u, floating scale, floating inv, double r,
                                 floating* z) noexcept nogil:
    """The weights of a CSR row, and what they have received, brought together in z[0:n] and z[n:2n] and caught up; x . w."""
    cdef Py_ssize_t k, j
    for k in range(n):
        j = ix[k]
        z[k], z[n + k] = w[j], q[j]
        one_by_one()
    if last is NULL:
        pay(n, z, z + n, u, inv, scale)
    else:
        for k in range(n):
            j = ix[k]
            z[2 * n + k], z[3 * n + k] = last[2 * j], last[2 * j + 1]
            one_by_one()
        pay_both(n, z, z + n, z + 2 * n, z + 3 * n, u, inv, <floating> r)
    return lanes_dot(x, z, n)


cdef inline void put_back(const floating* x, const index* ix, Py_ssize_t n, floating* w, floating* q, floating* last,
                          const floating* z, floating c, floating u, floating inv) noexcept nogil:
    """w = z + c x, and what else `row_caught_up` took."""
    cdef Py_ssize_t k, j
    for k in range(n):
        j = ix[k]
        w[j], q[j] = z[k] + c * x[k], z[n + k]
        if last is not NULL:
            last[2 * j], last[2 * j + 1] = u, inv
        one_by_one()


cdef void settle(floating* W, floating* Q, Py_ssize_t d, Py_ssize_t K, floating* last, double u, double scale,
                 double l1, double l2) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(d):
        catch_up(W + j * K, Q + j * K, K, last + 2 * j if last is not NULL else NULL, <floating> u, <floating> scale,
                 <floating> (1.0 / scale), l1 / l2)


cdef inline double least_scale(const floating* A) noexcept nogil:
    """How far the scale may fall: what is averaged is a difference of two numbers of its inverse size."""
    if A is NULL:
        return 1e-9
    elif floating is float:
        return 1e-2
    else:
        return 1e-5


cdef void fold(floating* W, floating* A, Py_ssize_t d, Py_ssize_t K, floating* last, double avg_a, double scale) noexcept nogil:
    """Make scale 1 and avg_a 0."""
    cdef Py_ssize_t j
    if A is not NULL:
        for j in range(d * K):
            A[j] += <floating> (avg_a * W[j])
    for j in range(d * K):
        W[j] = <floating> (scale * W[j])
    if last is not NULL:
        for j in range(d):
            last[2 * j + 1] = <floating> (scale * last[2 * j + 1] if scale > 0 else 1)
