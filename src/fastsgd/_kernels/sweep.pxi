# Over the rows of a block, buffer by buffer: plain SGD row by row, of heads with one clock.
cdef enum:
    WIDE_VALUES = 256       # of a dense row that is fetched line by line
    SHORT_BYTES = 256       # of a dense row at most, that is multiplied by the row before it


cdef inline double step_of(const Params* P, double value, double slope, double p, double y, double s, double eta,
                           double norm) noexcept nogil:
    """The number by which x is added to w: -s * eta * slope, or s times the passive-aggressive step."""
    if P.pa == 0:
        return (-s * eta) * (slope if P.inlined else min(max(slope, -1e12), 1e12))  # theirs are within [-1, 1]
    if P.pa == 1:
        value = min(eta, value / norm)  # eta0
    else:
        value = value / (norm + 0.5 / eta)
    return s * (value * y if P.pa_sign else (value if y >= p else -value))


cdef inline bint targets_of(const Targets* T, Py_ssize_t r, Py_ssize_t K, const double* p, double* y) noexcept nogil:
    """The targets of a row, y[0:K]; 1 if one of its margins p is not finite."""
    cdef Py_ssize_t h
    cdef double zero = 0
    for h in range(K):
        zero += 0 * p[h]
    if T.code is not NULL:
        for h in range(K):
            y[h] = 1.0 if h == T.code[r] else T.negative
    else:
        for h in range(K):
            y[h] = T.y[r * K + h]
    return not isfinite(zero)


cdef inline void tick(const Params* P, Scalars* now, Py_ssize_t K, const double* b, double* b_avg) noexcept nogil:
    """The averages and the clock after a step."""
    cdef Py_ssize_t h
    if 0 < P.average <= now.t:
        now.avg_a += now.scale * now.grown
        now.avg_n += now.grown
        for h in range(K):
            b_avg[h] += (b[h] - b_avg[h]) * now.grown / now.avg_n
    now.t += P.stride


cdef inline bint goes_ahead(const Dense* L, Py_ssize_t K, const void* Q, const Params* P, const floating* values) noexcept nogil:
    """Whether the margin of a row is made during the row before, where rows are visited in an order."""
    return K == 1 and L.d * <Py_ssize_t> sizeof(floating) <= SHORT_BYTES and Q is NULL and P.inlined == LOGISTIC


cdef inline int sweep_buffer(const Layout* L, const floating* values, Order O, const Targets* T, Moving M, const Params* P,
                             floating* z) noexcept nogil:
    """The rows of a buffer, by what serves their layout and the heads."""
    cdef Narrow narrow
    cdef Wide wide
    cdef Ahead ahead
    if M.K > 1:
        return sweep_heads(L, values, O, T, M, P, z)
    elif Layout is not Dense:
        return sweep_one(L, &narrow, values, O, T, M, P)
    elif O.visit is not NULL and L.d >= WIDE_VALUES:
        return sweep_one(L, &wide, values, O, T, M, P)
    elif O.visit is not NULL and goes_ahead(L, M.K, M.Q, P, values):
        return sweep_one(L, &ahead, values, O, T, M, P)
    else:
        return sweep_one(L, &narrow, values, O, T, M, P)


cdef int run(const Layout* L, const floating* values, Order O, Py_ssize_t buffer_rows, const Targets* T, Moving M, const Params* P,
             floating* z) noexcept nogil:
    """Buffer by buffer."""
    cdef Py_ssize_t left = O.n
    cdef int fault = 0
    if O.visit is NULL:
        buffer_rows = O.n
    else:
        O.far = fetch_first(L, values, T, &O, min(buffer_rows, O.n))
    while left > 0 and not fault:
        O.n = min(buffer_rows, left)
        left -= O.n
        O.ahead = min(buffer_rows, left)
        fault = sweep_buffer(L, values, O, T, M, P, z)
        go_on(&O)
    return fault
