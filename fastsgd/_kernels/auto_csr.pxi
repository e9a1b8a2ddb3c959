# learning_rate="auto" on CSR: a filter with a diagonal covariance, two of them side by side.
#
#     P_j = kappa (H_j + t l2) + h q_j n / gamma      H_j = sum c h_i x_ij^2, h_i the curvature at the row's margin;
#                                                     q_j = the mean of the last x_ij^2; n = values in a row
#     a = -slope(z + s a), s = sum x_j^2 / P_j + 1 / P_b
#     w_j += a x_j / P_j, then the penalty, of as many steps as a visit of j stands for
#
# P would be the precision of a Bayesian model if the columns were orthogonal and kappa 1: kappa below 1 keeps the steps
# longer, and 1 / gamma is the prior, in units that don't depend on the scale of a column: before j is known, a row moves its
# margin by about gamma. h_i is the slope's slope, or the slope squared where that is more (on the average they are equal at
# the optimum of a likelihood): a model that is sure and wrong has no curvature, and would take ever longer steps.
#
# The two rules differ in kappa and gamma. Each one and its average (of the weights after each visit; later ones count more,
# by v^2 at visit v) are candidates, and the one with the least loss on rows before they were learnt from (later rows count
# more, by t^2) is the model.
cdef extern from "auto.h":
    double margins_f4_i32(const float* x, const int32_t* ix, Py_ssize_t nnz, float* W, Py_ssize_t stride, double c, double t,
                          double kappa, double prior, double l2, float* S, double* z) noexcept nogil
    void move_f4_i32(const float* x, const int32_t* ix, Py_ssize_t nnz, float* W, Py_ssize_t stride, const float* S,
                     const double* a, double curve, double t, double l1) noexcept nogil
    double margins_f4_i64(const float* x, const int64_t* ix, Py_ssize_t nnz, float* W, Py_ssize_t stride, double c, double t,
                          double kappa, double prior, double l2, float* S, double* z) noexcept nogil
    void move_f4_i64(const float* x, const int64_t* ix, Py_ssize_t nnz, float* W, Py_ssize_t stride, const float* S,
                     const double* a, double curve, double t, double l1) noexcept nogil
    double margins_d4_i32(const double* x, const int32_t* ix, Py_ssize_t nnz, double* W, Py_ssize_t stride, double c, double t,
                          double kappa, double prior, double l2, double* S, double* z) noexcept nogil
    void move_d4_i32(const double* x, const int32_t* ix, Py_ssize_t nnz, double* W, Py_ssize_t stride, const double* S,
                     const double* a, double curve, double t, double l1) noexcept nogil
    double margins_d4_i64(const double* x, const int64_t* ix, Py_ssize_t nnz, double* W, Py_ssize_t stride, double c, double t,
                          double kappa, double prior, double l2, double* S, double* z) noexcept nogil
    void move_d4_i64(const double* x, const int64_t* ix, Py_ssize_t nnz, double* W, Py_ssize_t stride, const double* S,
                     const double* a, double curve, double t, double l1) noexcept nogil

cdef enum:
    RECORD = 8      # numbers of a weight, see auto.h
cdef double KAPPA = 0.15, GAMMA = 1.5


cdef inline double margins(const floating* x, const index* ix, Py_ssize_t nnz, floating* W, Py_ssize_t stride, double c,
                           double t, double prior, double l2, floating* S, double* z) noexcept nogil:
    """Count the visits; add up the margins of the versions and of their averages; sum x^2 / P: see auto.h."""
    if floating is float and index is int32_t:
        return margins_f4_i32(x, ix, nnz, W, stride, c, t, KAPPA, prior, l2, S, z)
    elif floating is float:
        return margins_f4_i64(x, ix, nnz, W, stride, c, t, KAPPA, prior, l2, S, z)
    elif index is int32_t:
        return margins_d4_i32(x, ix, nnz, W, stride, c, t, KAPPA, prior, l2, S, z)
    else:
        return margins_d4_i64(x, ix, nnz, W, stride, c, t, KAPPA, prior, l2, S, z)


cdef inline void move(const floating* x, const index* ix, Py_ssize_t nnz, floating* W, Py_ssize_t stride, const floating* S,
                      const double* a, double curve, double t, double l1) noexcept nogil:
    """The step, the penalty, and the averages."""
    if floating is float and index is int32_t:
        move_f4_i32(x, ix, nnz, W, stride, S, a, curve, t, l1)
    elif floating is float:
        move_f4_i64(x, ix, nnz, W, stride, S, a, curve, t, l1)
    elif index is int32_t:
        move_d4_i32(x, ix, nnz, W, stride, S, a, curve, t, l1)
    else:
        move_d4_i64(x, ix, nnz, W, stride, S, a, curve, t, l1)


cdef int auto_csr_rows(const floating* values, const index* indices, const index* indptr, Py_ssize_t d, Order O,
                       const Targets* T, floating* W, Moving M, const Params* P, const Pace* C) noexcept nogil:
    """A step for each of n rows, in the order of `visit`; 1 if a margin was not finite, else 0."""
    cdef Csr L
    cdef Py_ssize_t K = T.K, i, r, k, e, nnz
    cdef const floating* x
    cdef const index* ix
    cdef floating* w
    cdef Head* head
    cdef double s, t, c, y, h, row_c, curve = 0, past, size, b_size
    cdef double z[6]
    cdef double ys[6]
    cdef double value[6]
    cdef double slope[6]
    cdef double a[2]
    for i in range(O.n):
        if i < O.ahead:
            fetch_far(&L, values, indices, indptr, d, T, O.rows[O.n + i])
        if O.visit is not NULL and i + 3 < O.n:
            fetch_near(&L, values, indices, indptr, d, O.rows[O.visit[i + 3]])
        r = O.visit[i] if O.visit is not NULL else i
        r = O.rows[r] if O.rows is not NULL else O.first + r
        s = T.s[r] if T.s is not NULL else 1.0
        if s == 0:
            continue
        nnz = row(&L, values, indices, indptr, d, r, &x, &ix)
        C.at.t += 1
        C.at.weight += s
        C.at.values += nnz
        t = C.at.t
        past = 1.0 - 1.0 / t
        row_c = s * t / C.at.weight
        for k in range(K):
            head, w = C.heads + k, W + k * RECORD
            y = target(T, r, k)
            s = weight(T, r, k, y)
            h = head.h
            for e in range(4):
                z[e] = head.b[e]
            size = margins(x, ix, nnz, w, K * RECORD, row_c, t, h * (C.at.values / t) / GAMMA, P.l2, <floating*> C.work, z)
            b_size = 1.0 / (KAPPA * head.curve + h / GAMMA) if C.intercept else 0.0
            size += b_size
            for e in range(4):
                if not isfinite(z[e]):
                    return 1
            if P.many is not NULL and P.span == 0:  # all that is asked of the loss at once
                z[4], z[5] = z[0] + 1.0, z[0] - 1.0
                for e in range(6):
                    ys[e] = y
                P.many(6, z, ys, value, slope, P.loss_par)
                curve = 0.5 * (slope[4] - slope[5])
            else:
                for e in range(4):
                    value[e] = P.value(z[e], y, P.loss_par) if e != 1 else 0.0
                if P.span == 0:
                    slope[0] = P.slope(z[0], y, P.loss_par)
                    curve = measured(P, head, z[0], y)
            for e in range(2):
                head.lost[e] += s * t * t * value[2 + e]
            M.loss_sum[k] += s * value[0]
            M.weight_sum[k] += s
            c = share_of(head, s, z[0], y, t)
            if P.span == 0:
                curve = max(curve, min(h, slope[0] * slope[0]))
            elif P.span > 1.0:
                curve = measured(P, head, z[0], y)
                learn(P, head, curve, s)
            for e in range(2):
                if P.near is not NULL:
                    a[e] = c * P.near(z[e], slope[e], c * size, y)
                else:
                    a[e] = c * implicit_step(P.implicit, P.slope, z[e], c * size, y, P.loss_par)
            if P.span == 1.0:
                curve = measured(P, head, z[0] + a[0] * size, y)
                learn(P, head, curve, s)
            curve = c * max(curve, 0.04 * head.h)
            head.curve += curve
            move(x, ix, nnz, w, K * RECORD, <floating*> C.work, a, curve, t, P.l1)
            for e in range(2):
                head.b[e] += a[e] * b_size
                head.b[2 + e] += (head.b[e] - head.b[2 + e]) * (1.0 - past * past * past)
    return 0


cdef int run_auto(Layout* L, const floating* values, const index* indices, const index* indptr, Py_ssize_t d, Order O,
                  Py_ssize_t buffer_rows, const Targets* T, floating* W, floating* A, Moving M, const Params* P,
                  const Pace* C, floating* z) noexcept nogil:
    """Buffer by buffer."""
    cdef One one
    cdef Many many
    cdef Py_ssize_t left = O.n, i
    cdef int fault = 0
    if O.visit is NULL:
        buffer_rows = O.n
    else:
        for i in range(min(buffer_rows, O.n)):
            fetch_far(L, values, indices, indptr, d, T, O.rows[i])
    while left > 0 and not fault:
        O.n = min(buffer_rows, left)
        left -= O.n
        O.ahead = min(buffer_rows, left)
        if Layout is Csr:
            fault = auto_csr_rows(values, indices, indptr, d, O, T, W, M, P, C)
        elif T.K == 1:
            fault = auto_dense_rows(&one, values, d, O, T, W, A, M, P, C, z)
        else:
            fault = auto_dense_rows(&many, values, d, O, T, W, A, M, P, C, z)
        O.first += O.n
        if O.rows is not NULL:
            O.rows += O.n
        if O.visit is not NULL:
            O.visit += O.n
    return fault


# ---------------------------------------------------------------- from Python
cdef int auto_rows(Layout* L, const floating* values, const index* indices, const index* indptr, Py_ssize_t d, order,
                   target, state, Plan plan, double[:, ::1] sums) except -1:
    cdef const int64_t[::1] rows = order[0]
    cdef const int32_t[::1] visit = order[1]
    cdef Py_ssize_t buffer_rows = order[4], K = state.b.shape[0], i, r, longest = 0
    cdef bint sparse = state.auto.sparse
    cdef floating[:, ::1] W = state.auto.records if sparse else state.W, A = state.A
    cdef double[::1] b = state.b, b_avg = state.b_avg
    cdef double[:, ::1] columns = state.auto.columns, heads = state.auto.heads
    cdef AutoScalars[::1] at = state.auto.at
    cdef Targets T = targets(target, K)
    cdef Moving M
    cdef Order O
    cdef Pace C
    cdef int fault
    if (W.shape[0] != d or b_avg.shape[0] != K or heads.shape[0] != K or heads.shape[1] * sizeof(double) != sizeof(Head)
            or columns.shape[1] != (0 if sparse else d)
            or (W.shape[1] != K * RECORD if sparse else A.shape[0] != d or A.shape[1] != W.shape[1])):
        raise ValueError(f"the state is of {W.shape[0]} features and {heads.shape[0]} heads, X of {d} features, b of {K} heads")
    O.rows = &rows[0] if rows is not None and rows.shape[0] else NULL
    O.visit = &visit[0] if visit is not None and visit.shape[0] else NULL
    O.first, O.n, O.ahead = order[2], order[3], 0
    if Layout is Csr:
        for i in range(O.n):
            r = O.rows[i] if O.rows is not NULL else O.first + i
            longest = max(longest, indptr[r + 1] - indptr[r])
    workspace(&M, state.W.shape[1], K, sums)
    M.b, M.b_avg, M.at = &b[0], &b_avg[0], NULL
    C.at, C.columns, C.heads = &at[0], &columns[0, 0] if not sparse and d else NULL, <Head*> &heads[0, 0]
    C.intercept = plan.par.intercept_decay > 0
    cdef size_t room = 4 * longest * sizeof(floating) if sparse else (d + M.S) * sizeof(floating)
    C.work = <double*> malloc(room + 1)
    if C.work is NULL:
        free(M.of)
        raise MemoryError(f"no memory for {K} heads and a row of {max(longest, d)} values")
    with nogil:
        fault = run_auto(L, values, indices, indptr, d, O, buffer_rows, &T, &W[0, 0] if d else NULL,
                         &A[0, 0] if not sparse and d else NULL, M, &plan.par, &C, <floating*> C.work)
    free(C.work)
    free(M.of)
    return fault


def auto_dense(const floating[:, ::1] X, order, target, state, Plan plan, double[:, ::1] sums):
    """A step of learning_rate="auto" for each row, on a C-contiguous array; otherwise as `sweep_dense`."""
    cdef Dense L
    cdef const floating* values = &X[0, 0] if X.shape[0] and X.shape[1] else NULL
    cdef const int32_t* none = NULL
    return auto_rows(&L, values, none, none, X.shape[1], order, target, state, plan, sums)


def auto_csr(const floating[::1] data, const index[::1] indices, const index[::1] indptr, order, target, state,
             Plan plan, double[:, ::1] sums):
    """As `auto_dense`, for a CSR matrix whose structure was checked."""
    cdef Csr L
    cdef const floating* values = &data[0] if data.shape[0] else NULL
    cdef const index* ix = &indices[0] if indices.shape[0] else NULL
    cdef const index* ends = &indptr[0]
    cdef Py_ssize_t d = state.W.shape[0]
    return auto_rows(&L, values, ix, ends, d, order, target, state, plan, sums)
