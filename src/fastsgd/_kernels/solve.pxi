# The kernels of the solvers, passes over all rows at weights that stand still. Included by
# one .pyx per instruction set. X is float32 or float64; weights, margins and sums are float64.
include "rows.pxi"

from scipy.linalg.cython_blas cimport dsyrk

from fastsgd.losses cimport Loss, conjugate_fn, implicit_fn, implicit_step, loss_fn, losses_fn

cdef enum:
    TILE = 64               # rows at most that are taken together, so that a loss vectorises,
    TILE_VALUES = 4096      # and about as many values, which stay in the first cache
    GIVEN, SLOPE            # what multiplies a row: a; c times its slope, which goes to a

cdef enum:
    PASS, SQUARES, ASCEND, TOGETHER_PASS, TOGETHER_ASCEND  # the doors

# What a pass reads and writes.
cdef struct Through:
    const double* w         # (d,), or NULL: z is known
    double b
    double* z               # (n,) margins
    int kind
    double* a               # (n,), see `kind`
    const double* y         # (n,)
    const double* c         # (n,) weights, or NULL for ones
    loss_fn value
    loss_fn slope
    losses_fn many
    const double* par
    double* G               # (d,): added to, or NULL
    double loss             # sum of c times the loss (SLOPE)
    double pull             # sum of what multiplied the rows


cdef inline void ahead(const floating* x, int odd, Py_ssize_t count) noexcept nogil:
    """Fetch every other cache line of the next tile while this one is worked on."""
    cdef Py_ssize_t k = odd * (64 // <Py_ssize_t> sizeof(floating))
    while k < count:
        near(x + k)
        k += 128 // <Py_ssize_t> sizeof(floating)


cdef inline void dots_wide(const Layout* L, const floating* values, Py_ssize_t lo, Py_ssize_t n, const double* w, double b,
                           double* z) noexcept nogil:
    """z = x . w + b for n rows from lo on; four dense rows at a time, so that no addition waits for the one before."""
    cdef Py_ssize_t i = 0, d = L.d, k, end
    cdef const floating* x
    cdef double s, s1, s2, s3
    if Layout is Dense:
        while i + 4 <= n:
            x = values + (lo + i) * d
            ahead(x + n * d, 0, 4 * d)
            s = s1 = s2 = s3 = b
            for k in range(d):
                s += x[k] * w[k]
                s1 += x[k + d] * w[k]
                s2 += x[k + 2 * d] * w[k]
                s3 += x[k + 3 * d] * w[k]
            z[i], z[i + 1], z[i + 2], z[i + 3] = s, s1, s2, s3
            i += 4
    while i < n:
        s = b
        if Layout is Dense:
            x = values + (lo + i) * d
            for k in range(d):
                s += x[k] * w[k]
        else:
            s1 = s2 = s3 = 0
            ix = L.indices
            k, end = L.indptr[lo + i], L.indptr[lo + i + 1]
            while k + 4 <= end:
                s += values[k] * w[ix[k]]
                s1 += values[k + 1] * w[ix[k + 1]]
                s2 += values[k + 2] * w[ix[k + 2]]
                s3 += values[k + 3] * w[ix[k + 3]]
                one_by_one()
                k += 4
            while k < end:
                s += values[k] * w[ix[k]]
                one_by_one()
                k += 1
            s = (s + s1) + (s2 + s3)
        z[i] = s
        i += 1


cdef inline void pull_wide(const Layout* L, const floating* values, Py_ssize_t lo, Py_ssize_t n, const double* c,
                           double* G) noexcept nogil:
    """G += sum of c x over n rows from lo on."""
    cdef Py_ssize_t i = 0, d = L.d, k
    cdef const floating* x
    if Layout is Dense:
        while i + 4 <= n:
            x = values + (lo + i) * d
            ahead(x + n * d, 1, 4 * d)
            for k in range(d):
                G[k] += (c[i] * x[k] + c[i + 1] * x[k + d]) + (c[i + 2] * x[k + 2 * d] + c[i + 3] * x[k + 3 * d])
            i += 4
    while i < n:
        if Layout is Dense:
            x = values + (lo + i) * d
            for k in range(d):
                G[k] += c[i] * x[k]
        elif c[i] != 0:
            ix = L.indices
            for k in range(L.indptr[lo + i], L.indptr[lo + i + 1]):
                G[ix[k]] += c[i] * values[k]
        i += 1


cdef void through(const Layout* L, const floating* values, Through* P) noexcept nogil:
    """Tile by tile: margins, what multiplies the rows, and their sum."""
    cdef double value[TILE]
    cdef double coef[TILE]
    cdef Py_ssize_t rows = L.n, lo = 0, n, i, tile = TILE
    cdef double* z
    cdef double* a
    if Layout is Dense:
        tile = max(4, min(TILE, TILE_VALUES // (L.d + 1) // 4 * 4))
    while lo < rows:
        n = min(tile, rows - lo)
        z, a = P.z + lo, P.a + lo
        if P.w is not NULL:
            dots_wide(L, values, lo, n, P.w, P.b, z)
        if P.kind == SLOPE:
            if P.many is not NULL:
                P.many(n, z, P.y + lo, value, a, P.par)
            else:
                for i in range(n):
                    value[i], a[i] = P.value(z[i], P.y[lo + i], P.par), P.slope(z[i], P.y[lo + i], P.par)
            for i in range(n):
                coef[i] = a[i] if P.c is NULL else P.c[lo + i] * a[i]
                P.loss += value[i] if P.c is NULL else P.c[lo + i] * value[i]
        elif P.a is not NULL:
            for i in range(n):
                coef[i] = a[i]
        if P.a is not NULL:
            for i in range(n):
                P.pull += coef[i]
            if P.G is not NULL:
                pull_wide(L, values, lo, n, coef, P.G)
        lo += n


cdef tuple pass_rows(const Layout* L, const floating* values, w, double b, z, int kind, a, G, loss, y, c):
    cdef Py_ssize_t rows = L.n, d = L.d
    cdef const double[::1] ws = w, ys = y, cs = c
    cdef double[::1] zs = z, coefs = a, Gs = G
    cdef Loss fn = loss
    cdef Through P
    for name, array, size in (("w", w, d), ("z", z, rows), ("a", a, rows), ("G", G, d), ("y", y, rows), ("c", c, rows)):
        if array is not None and len(array) != size:
            raise ValueError(f"{name} has {len(array)} entries, X has shape {(rows, d)}")
    if z is None or kind not in (0, 1) or (kind == 1 and (loss is None or y is None or a is None)):
        raise ValueError("a pass needs z, and for slopes a loss, y and a")
    if rows == 0:
        return 0.0, 0.0
    P.w, P.b, P.z = (&ws[0] if d else <const double*> &zs[0]) if w is not None else NULL, b, &zs[0]
    P.kind, P.a, P.G = GIVEN + kind, &coefs[0] if a is not None else NULL, &Gs[0] if G is not None and d else NULL
    P.y, P.c = &ys[0] if y is not None else NULL, &cs[0] if c is not None else NULL
    if loss is not None:
        fn.ready()
        P.value, P.slope, P.many, P.par = fn.value_fn, fn.slope_fn, fn.many_fn, fn.par
    P.loss = P.pull = 0
    with nogil:
        through(L, values, &P)
    return P.loss, P.pull


def one_pass(X, w, b, z, kind=0, a=None, G=None, loss=None, y=None, c=None):
    """One pass over the rows, in stored order.

    Parameters
    ----------
    X : (n, d) array or CSR matrix, of float32 or float64
        An array is C-contiguous; the structure of a matrix was checked.
    w, b : (d,) or None, float
        z = X @ w + b is worked out first; None: z is read.
    z : (n,)
    kind : {0, 1}
        Row i is multiplied by a[i]; or by c[i] slope(z[i], y[i]), and then the slope is put into a[i].
    a : (n,), or None for margins alone
    G : (d,) or None
        The sum of the rows so multiplied is added to it.
    loss, y, c : Loss, (n,), (n,) or None

    Returns
    -------
    (float, float)
        The sum of c times the loss (kind 1), and of what multiplied the rows.
    """
    return through_door(PASS, X, (w, b, z, kind, a, G, loss, y, c))


# ---------------------------------------------------------------- Hessians
cdef void weigh(Py_ssize_t n, Py_ssize_t d, Py_ssize_t k, const floating* X, const double* centre, const double* inverse,
                const double* root, double* out) noexcept nogil:
    """out (n, k) = root (x - centre) inverse, and root behind it where k is d + 1."""
    cdef Py_ssize_t i, j
    cdef double* o
    for i in range(n):
        o = out + i * k
        for j in range(d):
            o[j] = (X[i * d + j] - centre[j]) * (inverse[j] * root[i])
        if k > d:
            o[d] = root[i]


def gram(const floating[:, ::1] X, const double[::1] centre, const double[::1] inverse, const double[::1] root, double[:, ::1] H,
         double factor, Py_ssize_t tile):
    """H += factor times the sum of z z', z = root (x - centre) inverse, and root behind it if H has one row more.

    Parameters
    ----------
    X : (n, d)
    centre, inverse : (d,)
    root : (n,)
    H : (d, d) or (d + 1, d + 1)
        Its lower triangle is added to.
    factor : float
    tile : int
        Rows that are weighted at once, and stay in the cache.
    """
    cdef Py_ssize_t n = X.shape[0], d = X.shape[1], lo = 0
    cdef int k = H.shape[0], m = 0
    cdef double one = 1.0
    if H.shape[1] != k or not d <= k <= d + 1 or centre.shape[0] != d or inverse.shape[0] != d or root.shape[0] != n or tile < 1:
        raise ValueError(f"H has shape {(k, H.shape[1])}, X {(n, d)}, root {root.shape[0]} entries, tile is {tile}")
    if n == 0 or k == 0:
        return
    part = np.empty((min(tile, n), k))
    cdef double[:, ::1] Z = part
    with nogil:
        while lo < n:
            m = <int> min(tile, n - lo)
            weigh(m, d, k, &X[lo, 0] if d else NULL, &centre[0] if d else NULL, &inverse[0] if d else NULL, &root[lo], &Z[0, 0])
            dsyrk(b"U", b"N", &k, &m, &factor, &Z[0, 0], &k, &one, &H[0, 0], &k)
            lo += m


cdef inline void square(Py_ssize_t n, const Py_ssize_t* ix, const double* v, double* H, Py_ssize_t k) noexcept nogil:
    """H += v v', the upper triangle."""
    cdef Py_ssize_t i, j
    cdef double* row
    for i in range(n):
        row = H + ix[i] * k
        for j in range(i, n):
            row[ix[j]] += v[i] * v[j]
            one_by_one()


cdef void add_squares(const Layout* L, const floating* values, const double* centre, const double* inverse, const double* root,
                      double* H, Py_ssize_t k, Py_ssize_t* ix, double* v) noexcept nogil:
    cdef Py_ssize_t d = L.d, i, j, m
    cdef double x
    for i in range(L.n):
        m = 0
        if root[i] == 0:
            continue
        if Layout is Dense:
            for j in range(d):
                x = values[i * d + j] - centre[j]
                ix[m], v[m] = j, x * inverse[j] * root[i]
                m += x != 0
        else:
            for j in range(L.indptr[i], L.indptr[i + 1]):
                ix[m], v[m] = L.indices[j], values[j] * inverse[L.indices[j]] * root[i]
                m += 1
        if k > d:
            ix[m], v[m] = d, root[i]
            m += 1
        square(m, ix, v, H, k)


cdef squares_rows(const Layout* L, const floating* values, centre, inverse, root, double[:, ::1] H):
    cdef const double[::1] cs = centre, vs = inverse, rs = root
    cdef Py_ssize_t rows = L.n, d = L.d, k = H.shape[0]
    cdef Py_ssize_t[::1] ix = np.empty(d + 2, np.intp)
    cdef double[::1] v = np.empty(d + 2)
    if H.shape[1] != k or not d <= k <= d + 1 or cs.shape[0] != d or vs.shape[0] != d or rs.shape[0] != rows:
        raise ValueError(f"H has shape {(k, H.shape[1])}, there are {d} columns and {rows} rows")
    if rows and d:
        with nogil:
            add_squares(L, values, &cs[0], &vs[0], &rs[0], &H[0, 0], k, &ix[0], &v[0])


def squares(X, centre, inverse, root, H):
    """H += the sum of z z', z = root (x - centre) inverse, zeros left out, and root behind it if H has one row more.

    Parameters
    ----------
    X : (n, d)
        As in `one_pass`; on CSR the indices of each row are in order.
    centre, inverse : (d,)
        On CSR the centre is not read.
    root : (n,)
    H : (d, d) or (d + 1, d + 1)
        Its upper triangle is added to.
    """
    through_door(SQUARES, X, (centre, inverse, root, H))


def coordinate_sweeps(const double[:, ::1] H, const double[::1] l1, const double[::1] enough, double[::1] slope, double[::1] v,
                      Py_ssize_t sweeps):
    """Minimise a parabola plus l1.|v| over one number after another; v and its slope change.

    Parameters
    ----------
    H : (k, k)
        Symmetric, its diagonal > 0.
    l1, enough : (k,)
        It ends with a sweep in which no number changes its own slope by more than `enough`.
    slope, v : (k,)
    sweeps : int
        At most.

    Returns
    -------
    bool
        Whether that was enough.
    """
    cdef Py_ssize_t k = H.shape[0], t, j, s
    cdef double new, moved, aim
    cdef bint done = False
    if not k == H.shape[1] == l1.shape[0] == enough.shape[0] == slope.shape[0] == v.shape[0]:
        raise ValueError(f"H has shape {(k, H.shape[1])}, slope {slope.shape[0]} and v {v.shape[0]} entries")
    with nogil:
        for t in range(sweeps):
            done = True
            for j in range(k):
                aim = H[j, j] * v[j] - slope[j]
                new = (fabs(aim) - l1[j]) / H[j, j] if fabs(aim) > l1[j] else 0.0
                moved = (new if aim > 0 else -new) - v[j]
                if moved != 0:
                    done = done and fabs(moved) * H[j, j] <= enough[j]
                    v[j] += moved
                    if new == 0:
                        v[j] = 0.0
                    for s in range(k):
                        slope[s] += moved * H[j, s]
            if done:
                break
    return done
