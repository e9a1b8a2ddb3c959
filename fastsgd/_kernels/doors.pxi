# From arrays to pointers, and from Python.
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


cdef inline int workspace(Moving* M, Py_ssize_t S, Py_ssize_t K, double[:, ::1] sums) except -1:
    """What every walk over rows needs beside the weights; `of` is owned, live points behind it."""
    if not padded(S, K) or sums.shape[0] != 2 or sums.shape[1] != K:
        raise ValueError(f"{S} columns of weights and sums of shape {(sums.shape[0], sums.shape[1])} for {K} heads")
    M.S, M.loss_sum, M.weight_sum = S, &sums[0, 0], &sums[1, 0]
    M.of = <double*> malloc(5 * K * sizeof(double))
    if M.of is NULL:
        raise MemoryError(f"no memory for {K} heads")
    M.live = <int32_t*> (M.of + 4 * K)
    return 0


cdef int sweep_rows(Layout* L, const floating* values, const index* indices, const index* indptr, Py_ssize_t d,
                    order, target, state, Plan plan, double[:, ::1] sums) except -1:
    cdef const int64_t[::1] rows = order[0]
    cdef const int32_t[::1] visit = order[1]
    cdef Py_ssize_t buffer_rows = order[4], K = state.b.shape[0], i, r, longest = 0
    cdef floating[:, ::1] W = state.W, Q = state.Q, A = state.A, last = state.last
    cdef double[::1] b = state.b, b_avg = state.b_avg
    cdef Scalars[::1] at = state.at
    cdef Targets T = targets(target, K)
    cdef Moving M
    cdef Order O
    cdef int fault
    if W.shape[0] != d or b_avg.shape[0] != K:
        raise ValueError(f"the state is of {W.shape[0]} features and {b_avg.shape[0]} heads, X of {d} features, b of {K} heads")
    O.rows = &rows[0] if rows is not None else NULL
    O.visit = &visit[0] if visit is not None else NULL
    O.first, O.n, O.ahead = order[2], order[3], 0
    if Layout is Csr:
        for i in range(O.n if Q is not None else 0):
            r = O.rows[i] if O.rows is not NULL else O.first + i
            longest = max(longest, indptr[r + 1] - indptr[r])
    workspace(&M, W.shape[1], K, sums)
    M.b, M.b_avg, M.at = &b[0], &b_avg[0], &at[0]
    cdef floating* z = <floating*> calloc(max(M.S, 4 * longest), sizeof(floating))
    if z is NULL:
        free(M.of)
        raise MemoryError(f"no memory for {K} heads and a row of {longest} values")
    with nogil:
        fault = run(L, values, indices, indptr, d, O, buffer_rows, &T, &W[0, 0] if d else NULL,
                    &Q[0, 0] if Q is not None and d else NULL, &A[0, 0] if A is not None and d else NULL,
                    &last[0, 0] if last is not None and d else NULL, M, &plan.par, z)
    free(z)
    free(M.of)
    return fault


cdef int total_rows(Layout* L, const floating* values, const index* indices, const index* indptr, rows, Py_ssize_t first,
                    Py_ssize_t n, target, const floating[:, ::1] W, const double[::1] b, Plan plan,
                    double[:, ::1] sums) except -1:
    cdef One one
    cdef Many many
    cdef const int64_t[::1] listed = rows
    cdef Py_ssize_t d = W.shape[0], K = b.shape[0]
    cdef Targets T = targets(target, K)
    cdef const floating* w = &W[0, 0] if d else NULL
    cdef Moving M
    cdef Order O
    O.rows = &listed[0] if listed is not None and listed.shape[0] else NULL
    O.visit, O.first, O.n, O.ahead = NULL, first, n, 0
    workspace(&M, W.shape[1], K, sums)
    cdef floating* z = <floating*> malloc(M.S * sizeof(floating))
    if z is NULL:
        free(M.of)
        raise MemoryError(f"no memory for {K} heads")
    with nogil:
        if K == 1:
            total(L, &one, values, indices, indptr, d, O, &T, w, &b[0], M, &plan.par, z)
        else:
            total(L, &many, values, indices, indptr, d, O, &T, w, &b[0], M, &plan.par, z)
    free(z)
    free(M.of)
    return 0


# ---------------------------------------------------------------- the doors
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
    return sweep_rows(&L, values, none, none, X.shape[1], order, target, state, plan, sums)


def sweep_csr(const floating[::1] data, const index[::1] indices, const index[::1] indptr, order, target, state,
              Plan plan, double[:, ::1] sums):
    """A step for each row of a CSR matrix whose structure was checked; otherwise as `sweep_dense`."""
    cdef Csr L
    cdef const floating* values = &data[0] if data.shape[0] else NULL
    cdef const index* ix = &indices[0] if indices.shape[0] else NULL
    cdef const index* ends = &indptr[0]
    cdef Py_ssize_t d = state.W.shape[0]
    return sweep_rows(&L, values, ix, ends, d, order, target, state, plan, sums)


def total_dense(const floating[:, ::1] X, rows, Py_ssize_t first, Py_ssize_t n, target, const floating[:, ::1] W,
                const double[::1] b, Plan plan, double[:, ::1] sums):
    """Add sum of s * loss and sum of s of n rows, at true weights W (n_features, S) and intercepts b (K), to sums (2, K)."""
    cdef Dense L
    cdef const floating* values = &X[0, 0] if X.shape[0] and X.shape[1] else NULL
    cdef const int32_t* none = NULL
    total_rows(&L, values, none, none, rows, first, n, target, W, b, plan, sums)


def total_csr(const floating[::1] data, const index[::1] indices, const index[::1] indptr, rows, Py_ssize_t first,
              Py_ssize_t n, target, const floating[:, ::1] W, const double[::1] b, Plan plan, double[:, ::1] sums):
    """As `total_dense`, for a CSR matrix whose structure was checked."""
    cdef Csr L
    cdef const floating* values = &data[0] if data.shape[0] else NULL
    cdef const index* ix = &indices[0] if indices.shape[0] else NULL
    cdef const index* ends = &indptr[0]
    total_rows(&L, values, ix, ends, rows, first, n, target, W, b, plan, sums)


def settle_weights(floating[:, ::1] W, floating[:, ::1] Q, floating[:, ::1] last, Scalars[::1] at, double l1, double l2):
    """Apply the L1 penalty that weights not met lately still owe, in place."""
    if W.shape[0]:
        with nogil:
            settle(&W[0, 0], &Q[0, 0], W.shape[0], W.shape[1], &last[0, 0] if last is not None else NULL, at[0].u,
                   at[0].scale, l1, l2)
