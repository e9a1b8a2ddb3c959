# The kernels. Included by one .pyx per instruction set; directives and compiler flags are given in setup.py.
#
#     rows -> margins -> slopes -> update
#
# Weights W are feature-major, (n_features, S): the K heads of one feature are neighbours, followed by zeros up to a
# multiple of 4 (S = K = 1 for one). True weights are scale * W.
# What is settled at compile time: layout, index type, dtype, one head or many. Losses and schedules are C pointers,
# penalties numbers. Every index has been checked before (sources/_check.pyx).
from cython cimport floating
from libc.math cimport INFINITY, isfinite
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free, malloc

from fastsgd._kernels.plan cimport Params, Plan, Scalars

cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #define fastsgd_near(p) __builtin_prefetch(p, 0, 3)
    #define fastsgd_far(p) __builtin_prefetch(p, 0, 2)
    #define fastsgd_one_by_one() __asm__ volatile("")
    #else
    #define fastsgd_near(p) ((void)(p))
    #define fastsgd_far(p) ((void)(p))
    #define fastsgd_one_by_one()
    #endif
    """
    void near "fastsgd_near"(const void* p) noexcept nogil  # to the first cache
    void far "fastsgd_far"(const void* p) noexcept nogil    # to the second
    void one_by_one "fastsgd_one_by_one"() noexcept nogil   # in a loop: don't vectorise it


cdef inline floating lanes_dot(const floating* x, const floating* w, Py_ssize_t n) noexcept nogil:
    """x . w in 16 independent sums, so that no addition waits for the one before."""
    cdef floating lane[16]
    cdef floating s = 0
    cdef Py_ssize_t k = 0, l
    for l in range(16):
        lane[l] = 0
    while k + 16 <= n:
        for l in range(16):
            lane[l] += x[k + l] * w[k + l]
        k += 16
    for l in range(k, n):
        s += x[l] * w[l]
    for l in range(16):
        s += lane[l]
    return s

cdef extern from "lanes.h":
    ctypedef float f4
    ctypedef double d4
    f4 f4_zero() noexcept nogil
    f4 f4_add(f4 a, f4 b) noexcept nogil
    f4 f4_plus(f4 a, float x, const float* w) noexcept nogil
    f4 f4_load(const float* w) noexcept nogil
    void f4_store(float* w, f4 a) noexcept nogil
    d4 d4_zero() noexcept nogil
    d4 d4_add(d4 a, d4 b) noexcept nogil
    d4 d4_plus(d4 a, double x, const double* w) noexcept nogil
    d4 d4_load(const double* w) noexcept nogil
    void d4_store(double* w, d4 a) noexcept nogil

# ---------------------------------------------------------------- tags
cdef struct Dense:
    char _
cdef struct Csr:
    char _
cdef struct One:
    char _
cdef struct Many:
    char _
ctypedef fused Layout:
    Dense
    Csr
ctypedef fused Heads:
    One
    Many
ctypedef fused index:
    int32_t
    int64_t

# The targets: a number for each row and head, or (one-vs-rest) the class of each row.
cdef struct Targets:
    Py_ssize_t K
    const double* y             # (n, K), or NULL
    const int32_t* code         # (n,), or NULL
    double negative             # target of the rest; that of the class is 1
    const double* s             # (n,) weights of rows, or NULL for ones
    const double* s_pos         # (K,) and of y > 0 and y <= 0 in each head, or NULL for ones
    const double* s_neg

# The state, in place. Q: L1 penalty each weight has received; A: sum over the averaged steps, less avg_a * W;
# last: (u, 1 / scale) after each feature was last met (CSR with L1 and L2). On CSR the penalty of a step is put off until
# the feature is met again.
cdef struct Moving:
    double* b
    double* b_avg
    Scalars* at


cdef inline double target(const Targets* T, Py_ssize_t r, Py_ssize_t h) noexcept nogil:
    if T.code is not NULL:
        return 1.0 if T.code[r] == h else T.negative
    return T.y[r * T.K + h]


cdef inline double weight(const Targets* T, Py_ssize_t r, Py_ssize_t h, double y) noexcept nogil:
    cdef double s = T.s[r] if T.s is not NULL else 1.0
    return s if T.s_pos is NULL else s * (T.s_pos[h] if y > 0 else T.s_neg[h])


# ---------------------------------------------------------------- along one row
cdef inline double dot(Layout* L, const floating* x, const index* ix, Py_ssize_t nnz, const floating* w) noexcept nogil:
    """x . w. On CSR four scalar sums: gathered vectors stall behind the last row's stores."""
    cdef Py_ssize_t k = 0
    cdef floating s = 0, s1 = 0, s2 = 0, s3 = 0
    if Layout is Dense:
        return lanes_dot(x, w, nnz)
    else:
        while k + 4 <= nnz:
            s += x[k] * w[ix[k]]
            s1 += x[k + 1] * w[ix[k + 1]]
            s2 += x[k + 2] * w[ix[k + 2]]
            s3 += x[k + 3] * w[ix[k + 3]]
            one_by_one()
            k += 4
        while k < nnz:
            s += x[k] * w[ix[k]]
            one_by_one()
            k += 1
        return (s + s1) + (s2 + s3)


cdef inline void add(Layout* L, const floating* x, const index* ix, Py_ssize_t nnz, floating* w, floating c) noexcept nogil:
    """w += c x."""
    cdef Py_ssize_t k
    for k in range(nnz):
        w[k if Layout is Dense else ix[k]] += c * x[k]


cdef inline Py_ssize_t at(Layout* L, const index* ix, Py_ssize_t k, Py_ssize_t S) noexcept nogil:
    return (k if Layout is Dense else <Py_ssize_t> ix[k]) * S


cdef inline void dots4_f4(Layout* L, const float* x, const index* ix, Py_ssize_t nnz, const float* W, Py_ssize_t S,
                          float* z) noexcept nogil:
    """z = x . W for 4 heads, in four independent sums."""
    cdef f4 a = f4_zero(), b = f4_zero(), c = f4_zero(), e = f4_zero()
    cdef Py_ssize_t k = 0
    while k + 4 <= nnz:
        a = f4_plus(a, x[k], W + at(L, ix, k, S))
        b = f4_plus(b, x[k + 1], W + at(L, ix, k + 1, S))
        c = f4_plus(c, x[k + 2], W + at(L, ix, k + 2, S))
        e = f4_plus(e, x[k + 3], W + at(L, ix, k + 3, S))
        k += 4
    while k < nnz:
        a = f4_plus(a, x[k], W + at(L, ix, k, S))
        k += 1
    f4_store(z, f4_add(f4_add(a, b), f4_add(c, e)))


cdef inline void dots4_d4(Layout* L, const double* x, const index* ix, Py_ssize_t nnz, const double* W, Py_ssize_t S,
                          double* z) noexcept nogil:
    """z = x . W for 4 heads, in four independent sums."""
    cdef d4 a = d4_zero(), b = d4_zero(), c = d4_zero(), e = d4_zero()
    cdef Py_ssize_t k = 0
    while k + 4 <= nnz:
        a = d4_plus(a, x[k], W + at(L, ix, k, S))
        b = d4_plus(b, x[k + 1], W + at(L, ix, k + 1, S))
        c = d4_plus(c, x[k + 2], W + at(L, ix, k + 2, S))
        e = d4_plus(e, x[k + 3], W + at(L, ix, k + 3, S))
        k += 4
    while k < nnz:
        a = d4_plus(a, x[k], W + at(L, ix, k, S))
        k += 1
    d4_store(z, d4_add(d4_add(a, b), d4_add(c, e)))


cdef inline void dots(Layout* L, const floating* x, const index* ix, Py_ssize_t nnz, const floating* W, Py_ssize_t S,
                      floating* z) noexcept nogil:
    """z = x . W for S heads, a multiple of 4: few in registers, many feature by feature."""
    cdef Py_ssize_t k, h
    cdef const floating* w
    if S <= 32:
        for h in range(0, S, 4):
            if floating is float:
                dots4_f4(L, x, ix, nnz, W + h, S, z + h)
            else:
                dots4_d4(L, x, ix, nnz, W + h, S, z + h)
        return
    for h in range(S):
        z[h] = 0
    for k in range(nnz):
        w = W + at(L, ix, k, S)
        if Layout is Csr and k + 1 < nnz:
            for h in range(0, S, 8):
                near(W + at(L, ix, k + 1, S) + h)
        for h in range(S):
            z[h] += x[k] * w[h]


cdef inline void adds(Layout* L, const floating* x, const index* ix, Py_ssize_t nnz, floating* W, Py_ssize_t S,
                      const floating* c, const int32_t* live, Py_ssize_t n_live) noexcept nogil:
    """W += x c' for S heads, a multiple of 4; where few of the c are not 0, for those alone."""
    cdef Py_ssize_t k, h
    cdef floating* w
    for k in range(nnz):
        w = W + at(L, ix, k, S)
        if n_live * 8 < S:
            for h in range(n_live):
                w[live[h]] += x[k] * c[live[h]]
        else:
            for h in range(0, S, 4):
                if floating is float:
                    f4_store(w + h, f4_plus(f4_load(w + h), x[k], c + h))
                else:
                    d4_store(w + h, d4_plus(d4_load(w + h), x[k], c + h))


cdef inline double squared_norm(const floating* x, Py_ssize_t nnz) noexcept nogil:
    cdef double s = 0
    cdef Py_ssize_t k
    for k in range(nnz):
        s += <double> x[k] * x[k]
    return s


# ---------------------------------------------------------------- the L1 penalty
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
            last[2 * j + 1] = <floating> (scale * last[2 * j + 1])


# ---------------------------------------------------------------- the sweep
cdef inline double step_of(const Params* P, double value, double slope, double p, double y, double eta, double norm) noexcept nogil:
    """The number by which x is added to w: -eta * slope, or the passive-aggressive step."""
    if P.pa == 0:
        return -eta * min(max(slope, -1e12), 1e12)
    if P.pa == 1:
        value = min(P.schedule_par[0], value / norm)
    else:
        value = value / (norm + 0.5 / P.schedule_par[0])
    return value * y if P.pa_sign else (value if y >= p else -value)


cdef inline bint slopes(const Params* P, const Targets* T, Py_ssize_t r, Py_ssize_t K, double* of) noexcept nogil:
    """The heads' values and slopes at their margins of[0:K]: of = p, y, value, slope, K each; 1 if a p is not finite."""
    cdef double* y = of + K
    cdef double* value = of + 2 * K
    cdef double* slope = of + 3 * K
    cdef Py_ssize_t h
    for h in range(K):
        y[h] = target(T, r, h)
        if not isfinite(of[h]):
            return 1
    if P.many is not NULL:
        P.many(K, of, y, value, slope)
    else:
        for h in range(K):
            value[h] = P.value(of[h], y[h], P.loss_par)
            slope[h] = P.slope(of[h], y[h], P.loss_par)
    return 0


cdef inline void fetch_near(Layout* L, const floating* values, const index* indices, const index* indptr, Py_ssize_t d,
                            Py_ssize_t r) noexcept nogil:
    cdef Py_ssize_t k = r * d if Layout is Dense else indptr[r]
    cdef Py_ssize_t end = k + d if Layout is Dense else indptr[r + 1]
    while k < end:
        near(values + k)
        if Layout is Csr:
            near(indices + k)
        k += 64 // <Py_ssize_t> sizeof(floating)


cdef inline void fetch_far(Layout* L, const floating* values, const index* indices, const index* indptr, Py_ssize_t d,
                           const Targets* T, Py_ssize_t r) noexcept nogil:
    cdef Py_ssize_t k = r * d if Layout is Dense else indptr[r]
    cdef Py_ssize_t end = k + d if Layout is Dense else indptr[r + 1]
    if T.y is not NULL:
        far(T.y + r * T.K)
    else:
        far(T.code + r)
    while k < end:
        far(values + k)
        if Layout is Csr:
            far(indices + k)
        k += 64 // <Py_ssize_t> sizeof(floating)


cdef int sweep(Layout* L, Heads* H, const floating* values, const index* indices, const index* indptr,
               Py_ssize_t d, const int64_t* rows, const int32_t* visit, Py_ssize_t first, Py_ssize_t n, Py_ssize_t ahead,
               const Targets* T, Py_ssize_t S, floating* W, floating* Q, floating* A, floating* last, Moving M, const Params* P,
               double* loss_sum, double* weight_sum, floating* z, double* of, int32_t* live) noexcept nogil:
    """One step of SGD for each of n rows, in the order of `visit`; 1 if a margin was not finite, else 0.

    Meanwhile the `ahead` rows that are listed behind these, the next buffer's, are brought into the cache.
    """
    cdef Py_ssize_t K = 1 if Heads is One else T.K
    cdef Py_ssize_t v, place, r, j, lo = 0, nnz = d, k, h, n_live
    cdef const floating* x
    cdef const index* ix = NULL
    cdef Scalars now = M.at[0]
    cdef double eta, p, y, s, value, slope, step = 0, norm = 0, decay, inv = 1.0 / now.scale, r_l1 = P.l1 / P.l2
    cdef int fault = 0
    for v in range(n):
        if v < ahead:
            fetch_far(L, values, indices, indptr, d, T, rows[n + v])
        if visit is not NULL and v + 3 < n:
            fetch_near(L, values, indices, indptr, d, rows[visit[v + 3]])
        place = visit[v] if visit is not NULL else v
        r = rows[place] if rows is not NULL else first + place
        if T.s is not NULL and T.s[r] == 0:
            continue
        if Layout is Dense:
            x = values + r * d
        else:
            lo = indptr[r]
            nnz = indptr[r + 1] - lo
            x = values + lo
            ix = indices + lo
            if Heads is Many and Q is not NULL:
                for k in range(nnz):
                    j = ix[k]
                    catch_up(W + j * S, Q + j * S, S, last + 2 * j if last is not NULL else NULL,
                             <floating> now.u, <floating> now.scale, <floating> inv, r_l1)
        if P.pa:
            norm = squared_norm(x, nnz)
            if P.pa == 1 and norm == 0:
                continue
        eta = P.schedule(now.t, P.schedule_par) * now.eta_factor

        if Heads is One:
            if Layout is Csr and Q is not NULL:
                p = row_caught_up(x, ix, nnz, W, Q, last, <floating> now.u, <floating> now.scale, <floating> inv, r_l1, z)
            else:
                p = dot(L, x, ix, nnz, W)
            p = now.scale * p + M.b[0]
            if not isfinite(p):
                fault = 1
                break
            y = target(T, r, 0)
            s = weight(T, r, 0, y)
            if P.many is not NULL:
                P.many(1, &p, &y, &value, &slope)
            else:
                slope = P.slope(p, y, P.loss_par)
                value = P.value(p, y, P.loss_par)
            step = s * step_of(P, value, slope, p, y, eta, norm)
            loss_sum[0] += s * value
            weight_sum[0] += s
        else:
            dots(L, x, ix, nnz, W, S, z)
            for h in range(K):
                of[h] = now.scale * z[h] + M.b[h]
            if slopes(P, T, r, K, of):
                fault = 1
                break
            n_live = 0
            for h in range(K):
                s = weight(T, r, h, of[K + h])
                step = s * step_of(P, of[2 * K + h], of[3 * K + h], of[h], of[K + h], eta, norm)
                loss_sum[h] += s * of[2 * K + h]
                weight_sum[h] += s
                M.b[h] += (step - eta * P.nu) * P.intercept_decay
                z[h] = <floating> step
                if step != 0:
                    live[n_live] = <int32_t> h
                    n_live += 1

        if P.l2 > 0:
            decay = max(0.0, 1.0 - eta * P.l2)
            if now.scale * decay < 1e-9:
                if Layout is Csr:
                    if Q is not NULL:
                        settle(W, Q, d, S, last, now.u, now.scale, P.l1, P.l2)
                fold(W, A, d, S, last, now.avg_a, now.scale)
                if decay < 1e-9:
                    fold(W, A, d, S, last, 0, decay)
                    decay = 1
                now.scale, now.avg_a = 1, 0
            now.scale *= decay
            inv = 1.0 / now.scale
        now.u += eta * P.l1

        if Heads is One:
            if step != 0 and A is not NULL and now.avg_a != 0:
                add(L, x, ix, nnz, A, <floating> (-now.avg_a * step * inv))
            if Layout is Dense:
                if Q is not NULL:
                    add_and_shrink(x, nnz, W, Q, <floating> (step * inv), <floating> now.u, <floating> inv, <floating> now.scale)
                elif step != 0:
                    add(L, x, ix, nnz, W, <floating> (step * inv))
            elif Q is not NULL:
                put_back(x, ix, nnz, W, Q, last, z, <floating> (step * inv), <floating> now.u, <floating> inv)
            elif step != 0:
                add(L, x, ix, nnz, W, <floating> (step * inv))
            M.b[0] += (step - eta * P.nu) * P.intercept_decay
        else:
            if n_live:
                for h in range(K):
                    z[h] = <floating> (z[h] * inv)
                adds(L, x, ix, nnz, W, S, z, live, n_live)
                if A is not NULL and now.avg_a != 0:
                    for h in range(K):
                        z[h] = <floating> (-now.avg_a * z[h])
                    adds(L, x, ix, nnz, A, S, z, live, n_live)
            if Layout is Dense:
                if Q is not NULL:
                    add_and_shrink(W, d * S, W, Q, 0, <floating> now.u, <floating> inv, <floating> now.scale)
        if Layout is Csr and Heads is Many:
            if last is not NULL:
                for k in range(nnz):
                    last[2 * ix[k]] = <floating> now.u
                    last[2 * ix[k] + 1] = <floating> inv

        if 0 < P.average <= now.t:
            now.avg_a += now.scale
            now.avg_n += 1
            for h in range(K):
                M.b_avg[h] += (M.b[h] - M.b_avg[h]) / now.avg_n
        now.t += 1
    M.at[0] = now
    return fault


# ---------------------------------------------------------------- the doors
cdef inline bint padded(Py_ssize_t S, Py_ssize_t K) noexcept nogil:
    return S == 1 if K == 1 else S >= K and S % 4 == 0


cdef inline Targets targets(target, Py_ssize_t K):
    """The targets as pointers; the caller holds the arrays."""
    y, code, negative, s, s_pos, s_neg = target
    cdef const double[:, ::1] ys = y
    cdef const int32_t[::1] codes = code
    cdef const double[::1] ss = s, pos = s_pos, neg = s_neg
    cdef Targets T
    T.K, T.negative = K, negative
    T.y = &ys[0, 0] if y is not None and ys.shape[0] else NULL
    T.code = &codes[0] if code is not None and codes.shape[0] else NULL
    T.s = &ss[0] if s is not None and ss.shape[0] else NULL
    T.s_pos = &pos[0] if s_pos is not None else NULL
    T.s_neg = &neg[0] if s_neg is not None else NULL
    return T


cdef int run(Layout* L, const floating* values, const index* indices, const index* indptr, Py_ssize_t d,
             const int64_t* rows, const int32_t* visit, Py_ssize_t first, Py_ssize_t n, Py_ssize_t buffer_rows,
             const Targets* T, Py_ssize_t S, floating* W, floating* Q, floating* A, floating* last, Moving M, const Params* P,
             double* loss_sum, double* weight_sum, floating* z, double* of, int32_t* live) noexcept nogil:
    """Buffer by buffer."""
    cdef One one
    cdef Many many
    cdef Py_ssize_t at = 0, m, i, ahead, fault = 0
    cdef const int64_t* these
    cdef const int32_t* order
    if visit is NULL:
        buffer_rows = n
    else:
        for i in range(min(buffer_rows, n)):
            fetch_far(L, values, indices, indptr, d, T, rows[i])
    while at < n and not fault:
        m = min(buffer_rows, n - at)
        ahead = min(buffer_rows, n - at - m)
        these = rows + at if rows is not NULL else NULL
        order = visit + at if visit is not NULL else NULL
        if T.K == 1:
            fault = sweep(L, &one, values, indices, indptr, d, these, order, first + at, m, ahead, T, S, W, Q, A, last, M, P,
                          loss_sum, weight_sum, z, of, live)
        else:
            fault = sweep(L, &many, values, indices, indptr, d, these, order, first + at, m, ahead, T, S, W, Q, A, last, M, P,
                          loss_sum, weight_sum, z, of, live)
        at += m
    return fault


cdef int total(Layout* L, Heads* H, const floating* values, const index* indices, const index* indptr, Py_ssize_t d,
               const int64_t* rows, Py_ssize_t first, Py_ssize_t n, const Targets* T, Py_ssize_t S, const floating* W, const double* b,
               const Params* P, double* loss_sum, double* weight_sum, floating* z, double* of) noexcept nogil:
    """Sums of s * loss and of s, in stored order, for weights that stand still."""
    cdef Py_ssize_t K = 1 if Heads is One else T.K
    cdef Py_ssize_t v, r, lo, h, nnz = d
    cdef const index* ix = NULL
    cdef const floating* x
    cdef double s
    for v in range(n):
        r = rows[v] if rows is not NULL else first + v
        if Layout is Dense:
            x = values + r * d
        else:
            lo = indptr[r]
            nnz = indptr[r + 1] - lo
            x = values + lo
            ix = indices + lo
        if Heads is One:
            z[0] = <floating> dot(L, x, ix, nnz, W)
        else:
            dots(L, x, ix, nnz, W, S, z)
        for h in range(K):
            of[h] = z[h] + b[h]
        if slopes(P, T, r, K, of):
            loss_sum[0] += INFINITY
        for h in range(K):
            s = weight(T, r, h, of[K + h])
            loss_sum[h] += s * of[2 * K + h]
            weight_sum[h] += s
    return 0


def sweep_dense(const floating[:, ::1] X, order, target, state, Plan plan, double[:, ::1] sums):
    """A step for each row, on a C-contiguous array.

    Parameters
    ----------
    X : (n_rows, n_features) of the state's dtype
    order : (rows, visit, first, n, buffer_rows)
        Rows in the order of the blocks, int64 (None: first, first + 1, ...), and the order of visits within each buffer
        of them, int32 (None: as they stand).
    target : (y, code, negative, s, s_pos, s_neg)
        As `Targets`.
    state : State
        Changed in place.
    plan : Plan
    sums : (2, K)
        To these the losses before each step, and the weights, are added.

    Returns
    -------
    int
        1 if a margin was not finite, the state then being of no use; else 0.
    """
    cdef Dense L
    cdef const floating* values = &X[0, 0] if X.shape[0] and X.shape[1] else NULL
    cdef const int32_t* none = NULL
    return enter(&L, values, none, none, X.shape[1], order, target, state, plan, sums)


def sweep_csr(const floating[::1] data, const index[::1] indices, const index[::1] indptr, order, target, state,
              Plan plan, double[:, ::1] sums):
    """A step for each row of a CSR matrix whose structure was checked; otherwise as `sweep_dense`."""
    cdef Csr L
    cdef const floating* values = &data[0] if data.shape[0] else NULL
    cdef const index* ix = &indices[0] if indices.shape[0] else NULL
    cdef const index* ends = &indptr[0]
    cdef Py_ssize_t d = state.W.shape[0]
    return enter(&L, values, ix, ends, d, order, target, state, plan, sums)


cdef int enter(Layout* L, const floating* values, const index* indices, const index* indptr, Py_ssize_t d,
               order, target, state, Plan plan, double[:, ::1] sums) except -1:
    """From arrays to pointers."""
    cdef const int64_t[::1] rows = order[0]
    cdef const int32_t[::1] visit = order[1]
    cdef Py_ssize_t first = order[2], n = order[3], buffer_rows = order[4], K = state.b.shape[0]
    cdef floating[:, ::1] W = state.W, Q = state.Q, A = state.A, last = state.last
    cdef double[::1] b = state.b, b_avg = state.b_avg
    cdef Scalars[::1] at = state.at
    cdef Targets T = targets(target, K)
    cdef Moving M
    cdef int fault
    if W.shape[0] != d or not padded(W.shape[1], K) or b_avg.shape[0] != K or sums.shape[1] != K:
        raise ValueError(f"the state is of {W.shape[0]} features and {W.shape[1]} columns for {K} heads, X of {d} features")
    M.b, M.b_avg, M.at = &b[0], &b_avg[0], &at[0]
    cdef Py_ssize_t i, row, longest = 0
    if Layout is Csr:
        for i in range(n if Q is not None else 0):
            row = rows[i] if rows is not None else first + i
            longest = max(longest, indptr[row + 1] - indptr[row])
    cdef floating* z = <floating*> calloc(max(W.shape[1], 4 * longest), sizeof(floating))
    cdef double* of = <double*> malloc(4 * K * sizeof(double))
    cdef int32_t* live = <int32_t*> malloc(K * sizeof(int32_t))
    if z is NULL or of is NULL or live is NULL:
        free(z)
        free(of)
        free(live)
        raise MemoryError(f"no memory for {K} heads")
    with nogil:
        fault = run(L, values, indices, indptr, d, &rows[0] if rows is not None else NULL,
                    &visit[0] if visit is not None else NULL, first, n, buffer_rows, &T, W.shape[1],
                    &W[0, 0] if d else NULL,
                    &Q[0, 0] if Q is not None and d else NULL, &A[0, 0] if A is not None and d else NULL,
                    &last[0, 0] if last is not None and d else NULL, M, &plan.par,
                    &sums[0, 0], &sums[1, 0], z, of, live)
    free(z)
    free(of)
    free(live)
    return fault


def total_dense(const floating[:, ::1] X, rows, Py_ssize_t first, Py_ssize_t n, target, const floating[:, ::1] W,
                const double[::1] b, Plan plan, double[:, ::1] sums):
    """Add sum of s * loss and sum of s of n rows, at true weights W (n_features, S) and intercepts b (K), to sums (2, K)."""
    cdef Dense L
    cdef const floating* values = &X[0, 0] if X.shape[0] and X.shape[1] else NULL
    cdef const int32_t* none = NULL
    sum_up(&L, values, none, none, rows, first, n, target, W, b, plan, sums)


def total_csr(const floating[::1] data, const index[::1] indices, const index[::1] indptr, rows, Py_ssize_t first,
              Py_ssize_t n, target, const floating[:, ::1] W, const double[::1] b, Plan plan, double[:, ::1] sums):
    """As `total_dense`, for a CSR matrix whose structure was checked."""
    cdef Csr L
    cdef const floating* values = &data[0] if data.shape[0] else NULL
    cdef const index* ix = &indices[0] if indices.shape[0] else NULL
    cdef const index* ends = &indptr[0]
    sum_up(&L, values, ix, ends, rows, first, n, target, W, b, plan, sums)


cdef int sum_up(Layout* L, const floating* values, const index* indices, const index* indptr, rows, Py_ssize_t first,
                Py_ssize_t n, target, const floating[:, ::1] W, const double[::1] b, Plan plan,
                double[:, ::1] sums) except -1:
    cdef One one
    cdef Many many
    cdef const int64_t[::1] listed = rows
    cdef const int64_t* these = &listed[0] if listed is not None and listed.shape[0] else NULL
    cdef Py_ssize_t d = W.shape[0], S = W.shape[1], K = b.shape[0]
    cdef Targets T = targets(target, K)
    cdef const floating* w = &W[0, 0] if d else NULL
    if not padded(S, K) or sums.shape[1] != K:
        raise ValueError(f"W has {S} columns, sums {sums.shape[1]} for {K} heads")
    cdef floating* z = <floating*> malloc(S * sizeof(floating))
    cdef double* of = <double*> malloc(4 * K * sizeof(double))
    if z is NULL or of is NULL:
        free(z)
        free(of)
        raise MemoryError(f"no memory for {K} heads")
    with nogil:
        if K == 1:
            total(L, &one, values, indices, indptr, d, these, first, n, &T, S, w, &b[0], &plan.par, &sums[0, 0], &sums[1, 0], z, of)
        else:
            total(L, &many, values, indices, indptr, d, these, first, n, &T, S, w, &b[0], &plan.par, &sums[0, 0], &sums[1, 0], z, of)
    free(z)
    free(of)
    return 0


def settle_weights(floating[:, ::1] W, floating[:, ::1] Q, floating[:, ::1] last, Scalars[::1] at, double l1, double l2):
    """Apply the L1 penalty that weights not met lately still owe, in place."""
    if W.shape[0]:
        with nogil:
            settle(&W[0, 0], &Q[0, 0], W.shape[0], W.shape[1], &last[0, 0] if last is not None else NULL, at[0].u,
                   at[0].scale, l1, l2)
