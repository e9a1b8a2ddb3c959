# Rows are brought into the caches before their turn: those of this buffer to the first, those of the next one to the second.
cdef enum:
    BLOCK_ROWS = 32         # that lie together, at most
    FAR_VALUES = 50         # of a CSR row, on average and at most, that is fetched a buffer ahead
    ROWS_AHEAD = 3          # a row comes to the first cache this many rows before its turn


cdef inline Py_ssize_t row_number(const Order* O, Py_ssize_t v) noexcept nogil:
    """The row that is visited as the v-th."""
    cdef Py_ssize_t place = O.visit[v] if O.visit is not NULL else v
    return O.rows[place] if O.rows is not NULL else O.first + place


cdef inline const void* place_of_target(const Targets* T, Py_ssize_t r) noexcept nogil:
    return <const void*> (T.y + r * T.K) if T.y is not NULL else <const void*> (T.code + r)


cdef inline void fetch_near(const Layout* L, const floating* values, const Targets* T, Py_ssize_t r) noexcept nogil:
    cdef Py_ssize_t nnz, k = row(L, r, &nnz), end = k + nnz
    while k < end:
        near(values + k)
        if Layout is not Dense:
            near(L.indices + k)
        k += 64 // <Py_ssize_t> sizeof(floating)
    if Layout is Dense:
        near(values + end - 1)  # as rows begin within a line
    near(place_of_target(T, r))
    if T.s is not NULL:
        near(T.s + r)


cdef inline void fetch_far(const Layout* L, const floating* values, const Targets* T, Py_ssize_t r) noexcept nogil:
    cdef Py_ssize_t nnz, k = row(L, r, &nnz), end = k + nnz
    far(place_of_target(T, r))
    if T.s is not NULL:
        far(T.s + r)
    while k < end:
        far(values + k)
        if Layout is not Dense:
            far(L.indices + k)
        k += 64 // <Py_ssize_t> sizeof(floating)


cdef bint fetch_first(const Layout* L, const floating* values, const Targets* T, const Order* O, Py_ssize_t n) noexcept nogil:
    """Bring the first n rows to the second cache, if that helps: not where CSR rows are long."""
    cdef Py_ssize_t i, count = 0
    if Layout is not Dense:
        for i in range(n):
            count += L.indptr[O.rows[i] + 1] - L.indptr[O.rows[i]]
        if count > FAR_VALUES * n:
            return 0
    for i in range(n):
        fetch_far(L, values, T, O.rows[i])
    return 1


cdef inline void fetch_next(const Layout* L, const floating* values, const Targets* T, const Order* O,
                            Py_ssize_t v) noexcept nogil:
    """During the v-th row, bring the v-th of the next buffer to the second cache, or at least where it lies."""
    if v < O.ahead:
        if Layout is not Dense:
            if v + BLOCK_ROWS < O.ahead:
                near(L.indptr + O.rows[O.n + v + BLOCK_ROWS])
        if O.far:
            fetch_far(L, values, T, O.rows[O.n + v])


cdef inline void fetch_soon(const Layout* L, const floating* values, const Targets* T, const Order* O,
                            Py_ssize_t v) noexcept nogil:
    """During the v-th row, bring one of the next to the first cache."""
    if O.visit is not NULL and v + ROWS_AHEAD < O.n:
        fetch_near(L, values, T, O.rows[O.visit[v + ROWS_AHEAD]])
