# An epoch of dual coordinate ascent. Included by one .pyx per instruction set, after solve.pxi.
#
# What an epoch changes. Of each coordinate, three numbers: w_j = soft(at_j, most_j) per_j.
cdef struct Ascent:
    double* at              # v_j + K_j times the centre's w_j
    const double* per       # 1 / (l2_j + K_j)
    const double* most      # l1_j, or NULL
    const double* mean      # (d,) subtracted from dense rows
    double* row             # (d,) workspace
    double* a               # (n,) dual point
    const double* y
    const double* c         # (n,) weights, or NULL for ones
    double per_n
    double b                # intercept of the centred rows
    double per_b            # of it, as per_j; 0 without one
    double gap              # of the subproblem, over every eighth row
    double seen             # their weight
    loss_fn value
    loss_fn slope
    implicit_fn implicit
    conjugate_fn conjugate
    const double* par


cdef inline void fetch_row(const Layout* L, const floating* values, Py_ssize_t r) noexcept nogil:
    cdef Py_ssize_t nnz, k = row(L, r, &nnz), end = k + nnz
    while k < end:
        near(values + k)
        if Layout is not Dense:
            near(L.indices + k)
        k += 64 // <Py_ssize_t> sizeof(floating)


cdef void ascend_buffer(const Layout* L, const floating* values, Order O, Ascent* A) noexcept nogil:
    """Visit n rows: each a_i goes to the maximum of the dual along itself, and w follows."""
    cdef Py_ssize_t d = L.d, v, r, k, j, lo, nnz, place
    cdef const floating* x
    cdef double z, q, t, s, s1, old, new, step, weight, x_k
    for v in range(O.n):
        if O.visit is not NULL and v + 3 < O.n:
            r = O.rows[O.visit[v + 3]]
            fetch_row(L, values, r)
            near(A.a + r)
            near(A.y + r)
        place = O.visit[v] if O.visit is not NULL else v
        r = O.rows[place] if O.rows is not NULL else O.first + place
        weight = A.c[r] if A.c is not NULL else 1.0
        if weight == 0:
            continue
        lo = row(L, r, &nnz)
        x = values + lo
        z = q = 0
        if Layout is Dense:
            if A.most is NULL:
                for k in range(d):
                    x_k = x[k] - A.mean[k]
                    A.row[k] = x_k
                    t = x_k * A.per[k]
                    z += t * A.at[k]
                    q += t * x_k
            else:
                for k in range(d):
                    x_k = x[k] - A.mean[k]
                    A.row[k] = x_k
                    t = x_k * A.per[k]
                    s, s1 = A.at[k] - A.most[k], A.at[k] + A.most[k]
                    z += t * ((s if s > 0 else 0.0) + (s1 if s1 < 0 else 0.0))
                    q += t * x_k
        elif A.most is NULL:
            ix = L.indices + lo
            for k in range(nnz):
                j = 3 * ix[k]
                t = x[k] * A.per[j]
                z += t * A.at[j]
                q += t * x[k]
                one_by_one()
        else:
            ix = L.indices + lo
            for k in range(nnz):
                j = 3 * ix[k]
                t = x[k] * A.per[j]
                s, s1 = A.at[j] - A.most[j], A.at[j] + A.most[j]
                z += t * ((s if s > 0 else 0.0) + (s1 if s1 < 0 else 0.0))
                q += t * x[k]
                one_by_one()
        z += A.b
        q = (q + A.per_b) * weight * A.per_n
        old = A.a[r]
        if v % 8 == 0:
            A.gap += weight * (A.value(z, A.y[r], A.par) + A.conjugate(-old, A.y[r], A.par) + old * z)
            A.seen += weight
        new = implicit_step(A.implicit, A.slope, z - q * old, q, A.y[r], A.par)
        if new == old:
            continue
        A.a[r] = new
        step = weight * A.per_n * (new - old)
        A.b += step * A.per_b
        if Layout is Dense:
            for k in range(d):
                A.at[k] += step * A.row[k]
        else:
            ix = L.indices + lo
            for k in range(nnz):
                A.at[3 * ix[k]] += step * x[k]
                one_by_one()


cdef tuple ascend_rows(const Layout* L, const floating* values, order, double[:, ::1] table, bint l1, mean, a, y, c, Loss loss,
                       double b, double per_b):
    cdef const double[::1] means = mean, ys = y, cs = c
    cdef double[::1] duals = a
    cdef Py_ssize_t rows = L.n, d = L.d, coordinates = table.shape[1], three = table.shape[0], apart = d, left
    cdef Py_ssize_t buffer_rows = order.buffer_rows
    cdef double[::1] row = np.empty(d + 1)
    cdef Ascent A
    cdef Order O
    read_order(&O, order)
    if Layout is not Dense:  # the numbers of a coordinate are neighbours
        coordinates, three, apart = table.shape[0], table.shape[1], 1
    if three != 3 or coordinates != d or len(a) != rows or len(y) != rows or (c is not None and len(c) != rows):
        raise ValueError(f"a table of shape {(table.shape[0], table.shape[1])}, {len(a)} duals, {len(y)} targets; "
                         f"X has {rows} rows and {d} columns")
    if Layout is Dense:
        if len(mean) != d:
            raise ValueError(f"mean has {len(mean)} entries, X has {d} columns")
    loss.ready()
    if loss.conjugate_fn is NULL:
        raise ValueError(f"{loss!r} has no conjugate")
    if d == 0 or rows == 0:
        return b, 0.0, 0.0
    A.at = &table[0, 0]
    A.per, A.most = A.at + apart, A.at + 2 * apart
    A.mean = NULL
    if Layout is Dense:
        A.mean = &means[0]
    if not l1:
        A.most = NULL
    A.row, A.a, A.y, A.c = &row[0], &duals[0], &ys[0], &cs[0] if c is not None else NULL
    A.per_n, A.b, A.per_b, A.gap, A.seen = 1.0 / rows, b, per_b, 0, 0
    A.value, A.slope, A.implicit, A.conjugate, A.par = (loss.value_fn, loss.slope_fn, loss.implicit_fn, loss.conjugate_fn,
                                                        loss.par)
    left = O.n
    with nogil:
        while left > 0:
            O.n = min(buffer_rows, left) if O.visit is not NULL else left
            left -= O.n
            ascend_buffer(L, values, O, &A)
            go_on(&O)
    return A.b, A.gap, A.seen


def ascend(X, order, table, l1, mean, a, y, c, loss, b, per_b):
    """Some rows of an epoch of dual coordinate ascent.

    Parameters
    ----------
    X : (n, d)
        As in `one_pass`.
    order : (rows, visit, first, n, buffer_rows)
        As the other kernels take it.
    table : (3, d) float64, on CSR (d, 3)
        at, 1 / (l2 + K), l1 of each coordinate; the first is changed in place.
    l1 : bool
        Whether any l1 is not 0.
    mean : (d,)
        Subtracted from dense rows as they are read.
    a : (n,)
        Dual point, changed in place.
    y, c : (n,), (n,) or None
    loss : Loss
    b, per_b : float
        Intercept of the centred rows, and what moves it.

    Returns
    -------
    (b, gap, seen) : floats
        The intercept; the subproblem's duality gap over every eighth row and their weight.
    """
    return through_door(ASCEND, X, (order, table, l1, mean, a, y, c, loss, b, per_b))
