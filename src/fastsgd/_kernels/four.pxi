# Four dense rows at once, in batches: each weight is loaded once for four rows.
cdef inline void four_dots_f4(const float** x, Py_ssize_t d, const float* W, Py_ssize_t S, float* z) noexcept nogil:
    """Of 4 heads."""
    cdef f4 a = f4_zero(), b = f4_zero(), c = f4_zero(), e = f4_zero(), w
    cdef Py_ssize_t j
    for j in range(d):
        w = f4_load(W + j * S)
        a, b = f4_times(a, x[0][j], w), f4_times(b, x[1][j], w)
        c, e = f4_times(c, x[2][j], w), f4_times(e, x[3][j], w)
    f4_store(z, a)
    f4_store(z + S, b)
    f4_store(z + 2 * S, c)
    f4_store(z + 3 * S, e)


cdef inline void four_dots_f4_twice(const float** x, Py_ssize_t d, const float* W, Py_ssize_t S, float* z) noexcept nogil:
    """Of 8 heads: more sums that don't wait for each other, and each x loaded once for two."""
    cdef f4 a = f4_zero(), b = f4_zero(), c = f4_zero(), e = f4_zero(), w
    cdef f4 a2 = f4_zero(), b2 = f4_zero(), c2 = f4_zero(), e2 = f4_zero(), w2
    cdef Py_ssize_t j
    for j in range(d):
        w, w2 = f4_load(W + j * S), f4_load(W + j * S + 4)
        a, a2 = f4_times(a, x[0][j], w), f4_times(a2, x[0][j], w2)
        b, b2 = f4_times(b, x[1][j], w), f4_times(b2, x[1][j], w2)
        c, c2 = f4_times(c, x[2][j], w), f4_times(c2, x[2][j], w2)
        e, e2 = f4_times(e, x[3][j], w), f4_times(e2, x[3][j], w2)
    f4_store(z, a)
    f4_store(z + S, b)
    f4_store(z + 2 * S, c)
    f4_store(z + 3 * S, e)
    f4_store(z + 4, a2)
    f4_store(z + S + 4, b2)
    f4_store(z + 2 * S + 4, c2)
    f4_store(z + 3 * S + 4, e2)


cdef inline void four_adds_f4(const float** x, Py_ssize_t d, float* G, Py_ssize_t S, const float* c) noexcept nogil:
    """Of 4 heads."""
    cdef f4 c0 = f4_load(c), c1 = f4_load(c + S), c2 = f4_load(c + 2 * S), c3 = f4_load(c + 3 * S), g
    cdef Py_ssize_t j
    for j in range(d):
        g = f4_times(f4_load(G + j * S), x[0][j], c0)
        g = f4_times(f4_times(f4_times(g, x[1][j], c1), x[2][j], c2), x[3][j], c3)
        f4_store(G + j * S, g)


cdef inline void four_dots_d4(const double** x, Py_ssize_t d, const double* W, Py_ssize_t S, double* z) noexcept nogil:
    """Of 4 heads."""
    cdef d4 a = d4_zero(), b = d4_zero(), c = d4_zero(), e = d4_zero(), w
    cdef Py_ssize_t j
    for j in range(d):
        w = d4_load(W + j * S)
        a, b = d4_times(a, x[0][j], w), d4_times(b, x[1][j], w)
        c, e = d4_times(c, x[2][j], w), d4_times(e, x[3][j], w)
    d4_store(z, a)
    d4_store(z + S, b)
    d4_store(z + 2 * S, c)
    d4_store(z + 3 * S, e)


cdef inline void four_dots_d4_twice(const double** x, Py_ssize_t d, const double* W, Py_ssize_t S, double* z) noexcept nogil:
    """Of 8 heads: more sums that don't wait for each other, and each x loaded once for two."""
    cdef d4 a = d4_zero(), b = d4_zero(), c = d4_zero(), e = d4_zero(), w
    cdef d4 a2 = d4_zero(), b2 = d4_zero(), c2 = d4_zero(), e2 = d4_zero(), w2
    cdef Py_ssize_t j
    for j in range(d):
        w, w2 = d4_load(W + j * S), d4_load(W + j * S + 4)
        a, a2 = d4_times(a, x[0][j], w), d4_times(a2, x[0][j], w2)
        b, b2 = d4_times(b, x[1][j], w), d4_times(b2, x[1][j], w2)
        c, c2 = d4_times(c, x[2][j], w), d4_times(c2, x[2][j], w2)
        e, e2 = d4_times(e, x[3][j], w), d4_times(e2, x[3][j], w2)
    d4_store(z, a)
    d4_store(z + S, b)
    d4_store(z + 2 * S, c)
    d4_store(z + 3 * S, e)
    d4_store(z + 4, a2)
    d4_store(z + S + 4, b2)
    d4_store(z + 2 * S + 4, c2)
    d4_store(z + 3 * S + 4, e2)


cdef inline void four_adds_d4(const double** x, Py_ssize_t d, double* G, Py_ssize_t S, const double* c) noexcept nogil:
    """Of 4 heads."""
    cdef d4 c0 = d4_load(c), c1 = d4_load(c + S), c2 = d4_load(c + 2 * S), c3 = d4_load(c + 3 * S), g
    cdef Py_ssize_t j
    for j in range(d):
        g = d4_times(d4_load(G + j * S), x[0][j], c0)
        g = d4_times(d4_times(d4_times(g, x[1][j], c1), x[2][j], c2), x[3][j], c3)
        d4_store(G + j * S, g)


cdef inline void four_dots(const floating** x, Py_ssize_t d, const floating* W, Py_ssize_t S, floating* z) noexcept nogil:
    """z = (4, S) products of four rows with S heads, a multiple of 4."""
    cdef Py_ssize_t h = 0
    while h < S:
        if h + 8 <= S:
            if floating is float:
                four_dots_f4_twice(x, d, W + h, S, z + h)
            else:
                four_dots_d4_twice(x, d, W + h, S, z + h)
            h += 8
        else:
            if floating is float:
                four_dots_f4(x, d, W + h, S, z + h)
            else:
                four_dots_d4(x, d, W + h, S, z + h)
            h += 4


cdef inline void four_adds(const floating** x, Py_ssize_t d, floating* G, Py_ssize_t S, const floating* c) noexcept nogil:
    """G += sum of x c' over four rows; S = 1 or a multiple of 4."""
    cdef Py_ssize_t h, j
    if S == 1:
        for j in range(d):
            G[j] += (c[0] * x[0][j] + c[1] * x[1][j]) + (c[2] * x[2][j] + c[3] * x[3][j])
    for h in range(0, S if S > 1 else 0, 4):
        if floating is float:
            four_adds_f4(x, d, G + h, S, c + h)
        else:
            four_adds_d4(x, d, G + h, S, c + h)
