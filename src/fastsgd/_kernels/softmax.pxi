# Softmax on CSR: the K margins of a row at once. Included by one .pyx per instruction set, after dual.pxi.
from libc.math cimport fmax, fmin

from fastsgd.losses cimport quick_exp

cdef enum:
    ROUNDS = 30             # of Newton's method for one row, at most
cdef double MIN_CHANGE = 1e-7  # of a probability, below which the method has converged

# Numbers of a class are in fours, so that K is rounded up.
cdef struct Together:
    Py_ssize_t K
    Py_ssize_t fours
    double* W               # (d, 4 fours)
    double* b               # (4 fours,)
    double* P               # (n, K) distributions, or NULL
    const int32_t* code     # (n,) class of each row; NULL: see y
    const double* y         # (n, K)
    const double* c         # (n,) weights, or NULL for ones
    double* z               # workspace: margins,
    double* q               # softmax of them
    double* G               # (d, 4 fours)
    double* sums            # (K,) of the distributions
    double* B               # (K, K) sum of c q q', or NULL
    double loss
    double entropy
    double seen


cdef inline void margins_of(const Csr* L, const floating* values, Py_ssize_t lo, Py_ssize_t nnz, Together* T) noexcept nogil:
    """z = W' x + b."""
    cdef const floating* x = values + lo
    cdef Py_ssize_t k, j, wide = 4 * T.fours
    cdef d4 s
    ix = L.indices + lo
    for j in range(T.fours):
        s = d4_load(T.b + 4 * j)
        for k in range(nnz):
            s = d4_plus(s, x[k], T.W + ix[k] * wide + 4 * j)
        d4_store(T.z + 4 * j, s)


cdef inline void add_to(double* G, const Csr* L, const floating* values, Py_ssize_t lo, Py_ssize_t nnz, Together* T,
                        const double* step) noexcept nogil:
    """G += x step'."""
    cdef Py_ssize_t k, j, wide = 4 * T.fours
    cdef double* g
    cdef const floating* x = values + lo
    ix = L.indices + lo
    for k in range(nnz):
        g = G + ix[k] * wide
        for j in range(T.fours):
            d4_store(g + 4 * j, d4_plus(d4_load(g + 4 * j), x[k], step + 4 * j))


cdef inline double softmax_of(Py_ssize_t K, const double* z, double* q) noexcept nogil:
    """q = softmax(z); the logarithm of the sum of exp(z)."""
    cdef Py_ssize_t k
    cdef double top = z[0], total = 0
    for k in range(1, K):
        top = max(top, z[k])
    for k in range(K):
        q[k] = quick_exp(max(z[k] - top, -708.0))
        total += q[k]
    for k in range(K):
        q[k] /= total
    return top + log(total)


cdef inline double entropy_of(Py_ssize_t K, const double* p) noexcept nogil:
    cdef Py_ssize_t k
    cdef double s = 0
    for k in range(K):
        if p[k] > 0:
            s -= p[k] * log(p[k])
    return s


cdef inline void nearest(Py_ssize_t K, double total, double* z, double size, double* q, double* p) noexcept nogil:
    """p = softmax(z + size (p before - p)), from q = softmax(z) and its `total`: Newton's method in log p."""
    cdef Py_ssize_t k, rounds
    cdef double up, down, by, change, worst
    for k in range(K):
        p[k] = z[k] + size * p[k]  # what log p + size p is to be, but for a constant
        z[k] -= total
    for rounds in range(ROUNDS):
        up, down, worst = -1.0, 0.0, 0.0
        for k in range(K):
            by = q[k] / (1.0 + size * q[k])
            up += q[k] - by * (z[k] + size * q[k] - p[k])
            down += by
        for k in range(K):
            change = min((p[k] - z[k] - size * q[k] - up / down) / (1.0 + size * q[k]), 1.0)
            worst = max(worst, q[k] * fabs(change))
            z[k] += change
            q[k] = quick_exp(fmax(-708.0, fmin(z[k], 708.0)))
        if worst < MIN_CHANGE:
            break
    total = 0
    for k in range(K):
        total += q[k]
    for k in range(K):
        p[k] = q[k] / total


cdef void ascend_together(const Csr* L, const floating* values, Order O, double inverse, double per_b, Together* T) noexcept nogil:
    """Visit n rows: each distribution goes to the maximum of the dual along itself, and W and b follow."""
    cdef Py_ssize_t v, r, k, lo, nnz, place
    cdef double size, weight, total, per_n = 1.0 / L.n
    cdef double* p
    for v in range(O.n):
        if O.visit is not NULL and v + 3 < O.n:
            fetch_row(L, values, O.rows[O.visit[v + 3]])
        place = O.visit[v] if O.visit is not NULL else v
        r = O.rows[place] if O.rows is not NULL else O.first + place
        weight = T.c[r] if T.c is not NULL else 1.0
        if weight == 0:
            continue
        lo, p = row(L, r, &nnz), T.P + r * T.K
        size = 0
        for k in range(lo, lo + nnz):
            size += <double> values[k] * values[k]
        size = (size * inverse + per_b) * weight * per_n
        margins_of(L, values, lo, nnz, T)
        total = softmax_of(T.K, T.z, T.q)
        if v % 8 == 0:
            T.seen += weight
            T.loss += weight * (total - entropy_of(T.K, p))
            for k in range(T.K):
                T.loss -= weight * p[k] * T.z[k]
        for k in range(T.K):
            T.sums[k] = p[k]
        nearest(T.K, total, T.z, size, T.q, p)
        for k in range(T.K):
            T.z[k] = weight * per_n * (T.sums[k] - p[k])
            T.b[k] += per_b * T.z[k]
            T.z[k] *= inverse
        for k in range(T.K, 4 * T.fours):
            T.z[k] = 0
        add_to(T.W, L, values, lo, nnz, T, T.z)


cdef void through_together(const Csr* L, const floating* values, Together* T) noexcept nogil:
    cdef Py_ssize_t r, k, j, lo, nnz
    cdef double weight, total, y
    cdef const double* p
    for r in range(L.n):
        weight = T.c[r] if T.c is not NULL else 1.0
        if weight == 0:
            continue
        lo = row(L, r, &nnz)
        margins_of(L, values, lo, nnz, T)
        total = softmax_of(T.K, T.z, T.q)
        T.loss += weight * total
        p = T.q if T.P is NULL else T.P + r * T.K
        if T.P is NULL:
            T.entropy += weight * total
            for k in range(T.K):
                T.entropy -= weight * T.q[k] * T.z[k]
        else:
            T.entropy += weight * entropy_of(T.K, p)
        if T.B is not NULL:
            for k in range(T.K):
                for j in range(T.K):
                    T.B[k * T.K + j] += weight * T.q[k] * T.q[j]
        for k in range(T.K):
            y = (T.code[r] == k) if T.code is not NULL else T.y[r * T.K + k]
            T.loss -= weight * y * T.z[k]
            T.sums[k] += weight * p[k]
            T.z[k] = weight * (p[k] - y)
        for k in range(T.K, 4 * T.fours):
            T.z[k] = 0
        add_to(T.G, L, values, lo, nnz, T, T.z)


# The caller holds the arrays for as long as T is read.
cdef fill(Together* T, Py_ssize_t rows, W, b, P, code, y, c, G, sums, B, work):
    cdef double[:, ::1] Ws = W, Ps = P, Gs = G, Bs = B
    cdef const double[:, ::1] ys = y
    cdef const double[::1] cs = c
    cdef const int32_t[::1] codes = code
    cdef double[::1] bs = b, sum_ = sums, room = work
    cdef Py_ssize_t K = sum_.shape[0], wide = Ws.shape[1]
    for name, array, shape in (("b", b, (wide,)), ("P", P, (rows, K)), ("code", code, (rows,)), ("y", y, (rows, K)),
                               ("c", c, (rows,)), ("G", G, (W.shape[0], wide)), ("B", B, (K, K)),
                               ("work", work, (2 * wide,))):
        if array is not None and tuple(array.shape) != tuple(shape):
            raise ValueError(f"{name} has shape {array.shape}, not {shape}")
    if wide != (K + 3) // 4 * 4 or not K or not Ws.shape[0]:
        raise ValueError(f"W has shape {W.shape}, there are {K} classes")
    T.K, T.fours, T.W, T.b, T.sums, T.z, T.q = K, wide // 4, &Ws[0, 0], &bs[0], &sum_[0], &room[0], &room[wide]
    T.P = &Ps[0, 0] if P is not None and rows else NULL
    T.code = &codes[0] if code is not None and rows else NULL
    T.y = &ys[0, 0] if y is not None and rows else NULL
    T.c = &cs[0] if c is not None and rows else NULL
    T.G, T.B = &Gs[0, 0] if G is not None else NULL, &Bs[0, 0] if B is not None else NULL
    T.loss = T.entropy = T.seen = 0


cdef tuple pass_together(const Csr* L, const floating* values, W, b, code, y, c, P, G, sums, B):
    cdef Together T
    if (code is None) == (y is None):
        raise ValueError("a pass needs one of code and y")
    work = np.empty(2 * W.shape[1])  # T points into it
    fill(&T, L.n, W, b, P, code, y, c, G, sums, B, work)
    if L.n:
        with nogil:
            through_together(L, values, &T)
    return T.loss, T.entropy


cdef tuple ascend_together_rows(const Csr* L, const floating* values, order, W, b, c, P, double inverse, double per_b):
    cdef Py_ssize_t buffer_rows = order.buffer_rows, left
    cdef Together T
    cdef Order O
    read_order(&O, order)
    sums, work = np.empty(P.shape[1]), np.empty(2 * W.shape[1])  # T points into them
    fill(&T, L.n, W, b, P, None, None, c, None, sums, None, work)
    left = O.n
    with nogil:
        while left > 0:
            O.n = min(buffer_rows, left) if O.visit is not NULL else left
            left -= O.n
            ascend_together(L, values, O, inverse, per_b, &T)
            go_on(&O)
    return T.loss, T.seen


cdef object behind(int door, const Layout* L, const floating* values, tuple args):
    if door == PASS:
        w, intercept, z, kind, a, G, loss, y, c = args
        return pass_rows[Layout, floating](L, values, w, intercept, z, kind, a, G, loss, y, c)
    if door == SQUARES:
        centre, inverse, root, H = args
        return squares_rows[Layout, floating](L, values, centre, inverse, root, H)
    if door == ASCEND:
        order, table, l1, mean, a, y, c, loss, intercept, per_b = args
        return ascend_rows[Layout, floating](L, values, order, table, l1, mean, a, y, c, loss, intercept, per_b)
    if Layout is Dense:
        raise ValueError("softmax regression has kernels for CSR alone")
    else:
        if door == TOGETHER_PASS:
            W, b, code, y, c, P, G, sums, B = args
            return pass_together[Layout, floating](L, values, W, b, code, y, c, P, G, sums, B)
        order, W, b, c, P, factor, per_b = args
        return ascend_together_rows[Layout, floating](L, values, order, W, b, c, P, factor, per_b)


def softmax_pass(X, W, b, code, y, c, P, G, sums, B=None):
    """One pass of softmax regression on CSR.

    Parameters
    ----------
    X : (n, d) CSR matrix, of float32 or float64
    W, b : (d, wide), (wide,) float64
        Margins are X @ W + b; wide is K rounded up to a multiple of 4.
    code, y : (n,) int32 or None, (n, K) or None
        Targets: one of the two.
    c : (n,) or None
    P : (n, K) or None
        Distributions that are taken instead of q = softmax(margins), but for the loss.
    G : (d, wide)
        The sum of c x (q - y)' is added to it.
    sums : (K,)
        That of c q is.
    B : (K, K) or None
        That of c q q' is.

    Returns
    -------
    (float, float)
        The sum of c times the loss, and of c times the entropy.
    """
    return through_door(TOGETHER_PASS, X, (W, b, code, y, c, P, G, sums, B))


def softmax_ascend(X, order, W, b, c, P, inverse, per_b):
    """Some rows of an epoch of dual coordinate ascent for softmax regression: W, b and P are changed in place.

    Parameters
    ----------
    X : (n, d) CSR matrix
    order : (rows, visit, first, n, buffer_rows)
        As the other kernels take it.
    W, b, c, P
        As in `softmax_pass`.
    inverse, per_b : float
        1 / l2, and what moves the intercepts.

    Returns
    -------
    (gap, seen) : floats
        The subproblem's duality gap over every eighth row, and their weight.
    """
    return through_door(TOGETHER_ASCEND, X, (order, W, b, c, P, inverse, per_b))
