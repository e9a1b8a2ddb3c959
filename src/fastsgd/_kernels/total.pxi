# The losses of a block's rows at weights that stand still: of an objective, of a validation score.
cdef enum:
    TOGETHER = 2048  # margins whose losses are worked out together, so that they vectorise and stay in the cache


cdef inline void values_of(const Params* P, Py_ssize_t n, Py_ssize_t K, double* p, const double* y, double* value,
                           double* slope) noexcept nogil:
    """The losses of n margins, of rows of K; what is in `slope` afterwards is of no use."""
    cdef Py_ssize_t i
    cdef double gap, threshold = P.loss_par[0]
    if P.inlined == HINGE:
        for i in range(n):
            gap = threshold - p[i] * y[i]
            value[i] = gap if gap > 0 else 0.0
    elif P.coupled:
        for i in range(n // K):
            P.many(K, p + i * K, y + i * K, value + i * K, slope + i * K, P.loss_par)
    elif P.many is not NULL:
        P.many(n, p, y, value, slope, P.loss_par)
    else:
        for i in range(n):
            value[i] = P.value(p[i], y[i], P.loss_par)


cdef void add_losses(const Layout* L, Heads* H, const floating* values, Order O, const Targets* T, const floating* W,
                     const double* b, Moving M, const Params* P, floating* z, Py_ssize_t tile) noexcept nogil:
    """Sums of s * loss and of s, in stored order, for weights that stand still.

    The losses of `tile` rows are worked out together; M.of is of five times as many numbers as they have margins.
    """
    cdef Py_ssize_t K = 1 if Heads is One else T.K
    cdef Py_ssize_t v = 0, r, lo, h, i, m, nnz, size = tile * K
    cdef double* p = M.of
    cdef double* y = M.of + size
    cdef double* value = M.of + 2 * size
    cdef double* slope = M.of + 3 * size
    cdef double* s = M.of + 4 * size
    cdef bint weighted = T.s is not NULL or T.s_pos is not NULL
    while v < O.n:
        m = 0
        while m < size and v < O.n:
            r = O.rows[v] if O.rows is not NULL else O.first + v
            v += 1
            lo = row(L, r, &nnz)
            if Heads is One:
                z[0] = <floating> dot(L, values, lo, nnz, W)
            else:
                dots(L, values, lo, nnz, W, M.S, z)
            for h in range(K):
                p[m + h] = z[h] + b[h]
            if targets_of(T, r, K, p + m, y + m):
                M.loss_sum[0] += INFINITY
                continue
            if weighted:
                for h in range(K):
                    s[m + h] = weight(T, r, h, y[m + h])
            m += K
        values_of(P, m, K, p, y, value, slope)
        for i in range(m if weighted else 0):
            value[i] *= s[i]
        for i in range(m // K):
            for h in range(K):
                M.loss_sum[h] += value[i * K + h]
                M.weight_sum[h] += s[i * K + h] if weighted else 1.0
