# Models that have rows of their own: steps of plain SGD in each, their losses, and their margins. From Python.
cdef int sweep_each_rows(const Layout* L, const floating* values, order, target, bank, Compiled plan, double[:, :, ::1] sums,
                         const int64_t[::1] which, const int64_t[::1] ends, const char[::1] joined, char[::1] fault) except -1:
    cdef Py_ssize_t d = L.d, n_models = bank.b.shape[0], K = bank.b.shape[1], m = which.shape[0], lo = 0, i, g
    cdef floating[:, :, ::1] W = bank.W, Q = bank.Q, A = bank.A
    cdef double[:, ::1] b = bank.b, b_avg = bank.b_avg
    cdef Scalars[::1] at = bank.at
    cdef Targets T = targets(target, K)
    cdef Moving M
    cdef Order O
    read_order(&O, order)
    if W.shape[1] != d or W.shape[0] != n_models or at.shape[0] != n_models or not padded(W.shape[2], K):
        raise ValueError(f"the weights are of {W.shape[0]} models of {W.shape[1]} features in {W.shape[2]} columns, X is of {d} "
                         f"features, b of {n_models} models of {K} heads")
    if not m:
        return 0
    workspace(&M, W.shape[2], K, sums[0])
    cdef floating* z = <floating*> calloc(M.S, sizeof(floating))
    if z is NULL:
        free(M.of)
        raise MemoryError(f"no memory for {K} heads")
    with nogil:
        O.far = fetch_first(L, values, &T, &O, ends[0])
        for i in range(m):
            g, O.n, O.ahead = which[i], ends[i] - lo, ends[m - 1] - ends[i]
            if not fault[g]:
                M.W, M.Q, M.A = &W[g, 0, 0], &Q[g, 0, 0] if Q is not None else NULL, &A[g, 0, 0] if A is not None else NULL
                M.b, M.b_avg, M.at, M.loss_sum, M.weight_sum = &b[g, 0], &b_avg[g, 0], &at[g], &sums[g, 0, 0], &sums[g, 1, 0]
                fault[g] = <char> sweep_runs(L, values, O, &T, M, &plan.par, &joined[lo], z)
            O.rows += O.n
            lo = ends[i]
    free(z)
    free(M.of)
    return 0


cdef int sweep_runs(const Layout* L, const floating* values, Order O, const Targets* T, Moving M, const Params* P,
                    const char* joined, floating* z) noexcept nogil:
    """As `sweep_buffer`, with the bits of a sweep over all rows in which the other models' rows have no weight.

    There, where a margin is made during the row before (`Ahead`), it is for rows that follow one of the same model; `joined`
    says which these are.
    """
    cdef Narrow narrow
    cdef Ahead ahead
    cdef Py_ssize_t lo = 0, hi, n = O.n, left = O.ahead
    cdef int fault = 0
    if Layout is Dense:
        if goes_ahead(L, M.K, M.Q, P, values):
            while lo < n and not fault:
                hi = lo + 1
                if hi < n and joined[hi]:
                    while hi < n and joined[hi]:
                        hi += 1
                    O.n, O.ahead = hi - lo, min(hi - lo, n - hi + left)
                    fault = sweep_one(L, &ahead, values, O, T, M, P)
                else:
                    while hi < n and not joined[hi] and (hi + 1 == n or not joined[hi + 1]):
                        hi += 1
                    O.n, O.ahead = hi - lo, min(hi - lo, n - hi + left)
                    fault = sweep_one(L, &narrow, values, O, T, M, P)
                O.rows += O.n
                lo = hi
            return fault
    O.ahead = min(n, left)
    return sweep_buffer(L, values, O, T, M, P, z)


cdef int total_each_rows(const Layout* L, const floating* values, order, target, const floating[:, :, ::1] W,
                         const double[:, ::1] b, Compiled plan, double[:, :, ::1] sums, const int32_t[::1] place) except -1:
    cdef One one
    cdef Many many
    cdef Py_ssize_t d = L.d, K = b.shape[1]
    cdef Targets T = targets(target, K)
    cdef Order O
    read_order(&O, order)
    if W.shape[1] != d or W.shape[0] != b.shape[0] or not padded(W.shape[2], K):
        raise ValueError(f"the weights are of {W.shape[0]} models of {W.shape[1]} features, X of {d}, b of {b.shape[0]} models")
    if T.fold is NULL:
        return 0
    cdef Moving M
    cdef Py_ssize_t tile = max(1, min(O.n, TOGETHER // K))
    work, near_work, owners = np.empty(5 * tile * K), np.empty(W.shape[2], np.asarray(W).dtype), np.empty(tile, np.int32)
    cdef double[::1] ws = work
    cdef floating[::1] zs = near_work
    cdef int32_t[::1] of = owners
    M.S, M.W, M.b, M.loss_sum = W.shape[2], <void*> &W[0, 0, 0], <double*> &b[0, 0], &sums[0, 0, 0]
    M.of, M.live = &ws[0], &of[0]
    with nogil:
        if K == 1:
            add_each_losses(L, &one, values, O, &T, M, &plan.par, &place[0], &zs[0], tile)
        else:
            add_each_losses(L, &many, values, O, &T, M, &plan.par, &place[0], &zs[0], tile)
    return 0


cdef void add_each_losses(const Layout* L, Heads* H, const floating* values, Order O, const Targets* T, Moving M,
                          const Params* P, const int32_t* place, floating* z, Py_ssize_t tile) noexcept nogil:
    """As `add_losses`, each row at the weights of its own model: that of `place` at its fold, where this is not negative.

    M has the weights, intercepts and sums of all models; M.live is of a number for each row of a tile.
    """
    cdef Py_ssize_t K = 1 if Heads is One else T.K
    cdef Py_ssize_t v = 0, r, lo, h, i, m, nnz, g, size = tile * K, S = M.S
    cdef const floating* W = <const floating*> M.W
    cdef double* p = M.of
    cdef double* y = M.of + size
    cdef double* value = M.of + 2 * size
    cdef double* slope = M.of + 3 * size
    cdef double* s = M.of + 4 * size
    while v < O.n:
        m = 0
        while m < size and v < O.n:
            r = O.rows[v] if O.rows is not NULL else O.first + v
            v += 1
            g = place[T.fold[r]] if T.fold[r] >= 0 else -1
            if g < 0 or (T.s is not NULL and T.s[r] == 0):
                continue
            lo = row(L, r, &nnz)
            if Heads is One:
                z[0] = <floating> dot(L, values, lo, nnz, W + g * L.d)
            else:
                dots(L, values, lo, nnz, W + g * L.d * S, S, z)
            for h in range(K):
                p[m + h] = z[h] + M.b[g * K + h]
            if targets_of(T, r, K, p + m, y + m):
                M.loss_sum[2 * g * K] += INFINITY
                continue
            for h in range(K):
                s[m + h] = weight(T, r, h, y[m + h])
            M.live[m // K] = <int32_t> g
            m += K
        values_of(P, m, K, p, y, value, slope)
        for i in range(m // K):
            for h in range(K):
                M.loss_sum[2 * M.live[i] * K + h] += s[i * K + h] * value[i * K + h]
                M.loss_sum[(2 * M.live[i] + 1) * K + h] += s[i * K + h]


cdef int margins_each_rows(const Layout* L, const floating* values, const floating[:, :, ::1] W, const int32_t[::1] of,
                           floating[:, ::1] out) except -1:
    cdef Py_ssize_t r, lo, nnz, h, S = W.shape[2], K = out.shape[1]
    if W.shape[1] != L.d or not padded(S, K) or out.shape[0] != L.n or of.shape[0] != L.n:
        raise ValueError(f"X has {L.n} rows of {L.d} features, the weights are of {W.shape[1]}, the margins of {out.shape[0]} rows")
    near_work = np.empty(S, np.asarray(out).dtype)
    cdef floating[::1] z = near_work
    with nogil:
        for r in range(L.n):
            lo = row(L, r, &nnz)
            if K == 1:
                out[r, 0] = <floating> dot(L, values, lo, nnz, &W[of[r], 0, 0])
            else:
                dots(L, values, lo, nnz, &W[of[r], 0, 0], S, &z[0])
                for h in range(K):
                    out[r, h] = z[h]
    return 0


def sweep_each(X, order, target, bank, plan, sums, which, ends, joined, fault):
    """A step of plain SGD for each row, in the model that it is of; otherwise as `sweep`.

    Parameters
    ----------
    order : Order
        Its rows are those of one model after another; `visit` is 0, 1, ..., as far as the most rows of one.
    bank : bank of models
        As a State, but its arrays have a first axis for the models. It is changed in place.
    sums : (n_models, 2, K)
    which, ends : (n,) int64
        The models of which there are rows, and where in the order those of each end.
    joined : (n_rows,) int8
        For each row of the order, 1 where it follows one of its model in the order of all rows, in the same buffer.
    fault : (n_models,) int8
        Made 1 of models of which a margin is not finite; those of which it is 1 are left as they are.
    """
    through_door(SWEEP_EACH, X, (order, target, bank, plan, sums, which, ends, joined, fault))


def total_each(X, order, target, W, b, plan, sums, place):
    """As `total`, each row at the weights of its own model, whose number in W (n, n_features, S), b (n, K) and sums (n, 2, K) is
    `place` (int32) at the row's fold; rows are left out where that, or the fold, is negative."""
    through_door(TOTAL_EACH, X, (order, target, W, b, plan, sums, place))


def margins_each(X, W, of, out):
    """Make out (n, K) the products of the rows with the weights W (n_models, n_features, S) of their models, `of` (n,) int32."""
    through_door(MARGINS_EACH, X, (W, of, out))
