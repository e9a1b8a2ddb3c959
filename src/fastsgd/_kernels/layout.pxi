# The layout of X: tags that carry all of it but the values, the order of its rows, and the one place where both are made of
# what Python has.
cdef struct Dense:
    Py_ssize_t n, d         # rows and features
cdef struct Csr32:
    Py_ssize_t n, d
    const int32_t* indices
    const int32_t* indptr
cdef struct Csr64:
    Py_ssize_t n, d
    const int64_t* indices
    const int64_t* indptr
ctypedef fused Layout:
    Dense
    Csr32
    Csr64
ctypedef fused Csr:
    Csr32
    Csr64
ctypedef fused index:
    int32_t
    int64_t

# Which rows, in which order.
cdef struct Order:
    const int64_t* rows     # in the order of their blocks, or NULL for first, first + 1, ...
    const int32_t* visit    # the order of visits, in places of `rows`, or NULL for as they stand
    Py_ssize_t first
    Py_ssize_t n
    Py_ssize_t ahead        # the number of rows that follow in `rows` and are next
    bint far                # they are brought to the second cache


cdef inline Py_ssize_t row(const Layout* L, Py_ssize_t r, Py_ssize_t* nnz) noexcept nogil:
    """Where the values of row r begin, and how many they are."""
    if Layout is Dense:
        nnz[0] = L.d
        return r * L.d
    else:
        nnz[0] = L.indptr[r + 1] - L.indptr[r]
        return L.indptr[r]


cdef inline Py_ssize_t at(const Layout* L, Py_ssize_t lo, Py_ssize_t k, Py_ssize_t S) noexcept nogil:
    """Where the weights of S heads are for the k-th value of a row that begins at lo."""
    if Layout is Dense:
        return k * S
    else:
        return <Py_ssize_t> L.indices[lo + k] * S


cdef inline void go_on(Order* O) noexcept nogil:
    """Behind the n rows."""
    O.first += O.n
    if O.rows is not NULL:
        O.rows += O.n
    if O.visit is not NULL:
        O.visit += O.n


# ---------------------------------------------------------------- from Python
cdef inline int read_order(Order* O, order) except -1:
    """An order of Python's as pointers; the caller holds the arrays."""
    cdef const int64_t[::1] rows = order.rows
    cdef const int32_t[::1] visit = order.visit
    O.rows = &rows[0] if rows is not None and rows.shape[0] else NULL
    O.visit = &visit[0] if visit is not None and visit.shape[0] else NULL
    O.first, O.n, O.ahead, O.far = order.first, order.n, 0, 0
    return 0


# Each module has doors, numbered, and a function `behind`, which says what is behind each.
cdef object dense_door(int door, const floating[:, ::1] X, tuple args):
    cdef Dense L
    L.n, L.d = X.shape[0], X.shape[1]
    return behind(door, &L, &X[0, 0] if L.n and L.d else NULL, args)


cdef object csr_door(int door, const floating[::1] data, const index[::1] indices, const index[::1] indptr, Py_ssize_t d,
                     tuple args):
    cdef Csr32 narrow
    cdef Csr64 wide
    cdef const floating* values = &data[0] if data.shape[0] else NULL
    cdef const index* ix = &indices[0] if indices.shape[0] else NULL
    if index is int32_t:
        narrow.n, narrow.d, narrow.indices, narrow.indptr = indptr.shape[0] - 1, d, ix, &indptr[0]
        return behind(door, &narrow, values, args)
    else:
        wide.n, wide.d, wide.indices, wide.indptr = indptr.shape[0] - 1, d, ix, &indptr[0]
        return behind(door, &wide, values, args)


cdef object through_door(int door, X, tuple args):
    """What is behind the door makes of X, a C-contiguous array or a CSR matrix whose structure was checked."""
    if isinstance(X, np.ndarray):
        return dense_door[float](door, X, args) if X.itemsize == 4 else dense_door[double](door, X, args)
    data, indices, indptr, d = X.data, X.indices, X.indptr, X.shape[1]
    if data.itemsize == 4:
        if indices.itemsize == 4:
            return csr_door[float, int32_t](door, data, indices, indptr, d, args)
        return csr_door[float, int64_t](door, data, indices, indptr, d, args)
    if indices.itemsize == 4:
        return csr_door[double, int32_t](door, data, indices, indptr, d, args)
    return csr_door[double, int64_t](door, data, indices, indptr, d, args)
