# learning_rate="auto" on CSR: a filter with a diagonal covariance, four of them side by side.
#
#     P_j = kappa (H_j + t l2) + h q_j n / gamma      H_j = sum c h_i x_ij^2, h_i the curvature at the row's margin;
#                                                     q_j = the mean of x_ij^2 where j is present, n = values in a row
#     a = -slope(z + s a), s = c (sum x_j^2 / P_j + 1 / P_b)
#     w_j += c a x_j / P_j, then the penalty, of as many steps as a visit of j stands for
#
# P would be the precision of a Bayesian model if the columns were orthogonal and kappa 1: kappa below 1 keeps the steps
# longer, and 1 / gamma is the prior, in units that don't depend on the scale of a column: before j is known, a row moves its
# margin by about gamma. The four rules differ in kappa and gamma. Each one and its average (weights t^2) are candidates, and
# the one with the least loss on rows before they were learnt from (later rows count more, by t^2) is the model.
cdef enum:
    RULES = 4, LANE = 12    # numbers of a weight: four rules, their averages, H, three places of padding
cdef double* KAPPA = [1.0, 0.5, 0.2, 0.5]
cdef double* GAMMA = [8.0, 4.0, 1.0, 4.0]


cdef inline void meet_columns(const floating* x, const index* ix, Py_ssize_t nnz, const Pace* C, double c,
                              double* seen) noexcept nogil:
    """Count the row in its columns; bring together visits, Q, and the share of the average that is due."""
    cdef double* column
    cdef double per = 1.0 / (C.at.t - 1.0) if C.at.t > 1 else 0.0, past
    cdef Py_ssize_t k
    for k in range(nnz):
        column = C.columns + 4 * <Py_ssize_t> ix[k]
        column[0] += c * (<double> x[k] * x[k])
        column[1] += c
        past = max(0.0, column[2] - 1.0) * per
        column[2] = C.at.t
        seen[3 * k], seen[3 * k + 1], seen[3 * k + 2] = column[1], column[0], 1.0 - past * past * past
        one_by_one()


cdef inline void margins(const floating* x, const index* ix, Py_ssize_t nnz, floating* W, Py_ssize_t K, const double* seen,
                         const double* kappa, const double* prior, double ridge, double* size, double* z,
                         double* norm) noexcept nogil:
    """Margins of the rules and of their averages, step sizes of the weights, and x' size x."""
    cdef floating* w
    cdef double xk, share, n, q, known, wr, ar
    cdef double zr[4]
    cdef double za[4]
    cdef double nr[4]
    cdef Py_ssize_t k, r
    for r in range(4):
        zr[r] = za[r] = nr[r] = 0
    for k in range(nnz):
        w = W + <Py_ssize_t> ix[k] * K * LANE
        xk, n, q, share = x[k], seen[3 * k], seen[3 * k + 1], seen[3 * k + 2]
        known = n * (w[8] + ridge)
        for r in range(4):
            wr = w[r]
            ar = w[4 + r] + (wr - w[4 + r]) * share
            w[4 + r] = <floating> ar
            zr[r] += xk * wr
            za[r] += xk * ar
        for r in range(4):
            size[4 * k + r] = n / (kappa[r] * known + prior[r] * q)
        for r in range(4):
            nr[r] += xk * xk * size[4 * k + r]
    for r in range(4):
        z[r] += zr[r]
        z[4 + r] += za[r]
        norm[r] = nr[r]


cdef inline void move(const floating* x, const index* ix, Py_ssize_t nnz, floating* W, Py_ssize_t K, const double* seen,
                      const double* size, const double* step, double curve, double t, const Params* P) noexcept nogil:
    """The step, and the penalty."""
    cdef floating* w
    cdef double xk, times, u, most
    cdef Py_ssize_t k, r
    for k in range(nnz):
        w = W + <Py_ssize_t> ix[k] * K * LANE
        xk = x[k]
        w[8] += <floating> (curve * xk * xk)
        if P.l1 > 0 or P.l2 > 0:
            times = min(t / seen[3 * k], 0.1 * t + 1.0)
            if P.l1 > 0:
                for r in range(4):
                    u, most = w[r] + xk * step[r] * size[4 * k + r], times * P.l1 * size[4 * k + r]
                    u = u - most if u > most else u + most if u < -most else 0.0
                    w[r] = <floating> (u / (1.0 + times * P.l2 * size[4 * k + r]))
            else:
                times *= P.l2
                for r in range(4):
                    w[r] = <floating> ((w[r] + xk * step[r] * size[4 * k + r]) / (1.0 + times * size[4 * k + r]))
        else:
            for r in range(4):
                w[r] += <floating> (xk * step[r] * size[4 * k + r])


cdef int auto_csr_rows(const floating* values, const index* indices, const index* indptr, Py_ssize_t d, Order O,
                       const Targets* T, floating* W, Moving M, const Params* P, const Pace* C) noexcept nogil:
    """A step for each of n rows, in the order of `visit`; 1 if a margin was not finite, else 0."""
    cdef Csr L
    cdef Py_ssize_t K = T.K, i, r, k, e, nnz
    cdef double* seen
    cdef double* size
    cdef const floating* x
    cdef const index* ix
    cdef floating* w
    cdef Head* head
    cdef double s, t, c, y, h, R, curve = 0, past
    cdef double z[8]
    cdef double ys[8]
    cdef double value[8]
    cdef double slope[8]
    cdef double kappa[4]
    cdef double prior[4]
    cdef double norm[4]
    cdef double a[4]
    cdef double b_size[4]
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
        seen, size = C.work, C.work + 3 * nnz
        C.at.t += 1
        C.at.weight += s
        C.at.values += nnz
        t = C.at.t
        past = 1.0 - 1.0 / t
        meet_columns(x, ix, nnz, C, s * t / C.at.weight, seen)
        for k in range(K):
            head, w = C.heads + k, W + k * LANE
            y = target(T, r, k)
            s = weight(T, r, k, y)
            R = head.rho / (t - 1.0) if t > 1 else 1.0
            h = head.h
            for e in range(4):
                kappa[e] = KAPPA[e]
                prior[e] = h * (C.at.values / t) / GAMMA[e]
            kappa[3] = 1.0 / (1.0 / KAPPA[3] + 0.12 * t / R / sqrt(1.0 + 0.1 * t / (10.0 * R + 1.0)))
            for e in range(8):
                z[e], ys[e] = head.b[e], y
            margins(x, ix, nnz, w, K, seen, kappa, prior, t * P.l2, size, z, norm)
            for e in range(8):
                if not isfinite(z[e]):
                    return 1
            if P.many is not NULL:
                P.many(8, z, ys, value, slope, P.loss_par)
            else:
                for e in range(8):
                    value[e] = P.value(z[e], y, P.loss_par)
            for e in range(8):
                head.lost[e] += s * t * t * value[e]
            M.loss_sum[k] += s * value[1]
            M.weight_sum[k] += s
            c = share_of(head, s, z[1], y, t)
            if P.span != 1.0:
                curve = measured(P, head, z[1], y)
                learn(P, head, curve, s)
            for e in range(4):
                b_size[e] = 1.0 / (kappa[e] * head.curve + h / GAMMA[e]) if C.intercept else 0.0
                a[e] = c * implicit_step(P.implicit, P.slope, z[e], c * (norm[e] + b_size[e]), y, P.loss_par)
            if P.span == 1.0:
                curve = measured(P, head, z[1] + a[1] * (norm[1] + b_size[1]), y)
                learn(P, head, curve, s)
            curve = max(curve, 0.04 * head.h)
            head.curve += c * curve
            head.rho += 1.0 + t * curve * norm[0]
            move(x, ix, nnz, w, K, seen, size, a, c * curve, t, P)
            for e in range(4):
                head.b[e] += a[e] * b_size[e]
                head.b[4 + e] += (head.b[e] - head.b[4 + e]) * (1.0 - past * past * past)
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
    cdef floating[:, ::1] W = state.auto.lanes if sparse else state.W, A = state.A
    cdef double[::1] b = state.b, b_avg = state.b_avg
    cdef double[:, ::1] columns = state.auto.columns, heads = state.auto.heads
    cdef AutoScalars[::1] at = state.auto.at
    cdef Targets T = targets(target, K)
    cdef Moving M
    cdef Order O
    cdef Pace C
    cdef int fault
    if (W.shape[0] != d or b_avg.shape[0] != K or heads.shape[0] != K or heads.shape[1] * sizeof(double) != sizeof(Head)
            or columns.shape[0] * columns.shape[1] != (4 if sparse else 3) * d
            or (W.shape[1] != K * LANE if sparse else A.shape[0] != d or A.shape[1] != W.shape[1])):
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
    C.at, C.columns, C.heads = &at[0], &columns[0, 0] if d else NULL, <Head*> &heads[0, 0]
    C.intercept = plan.par.intercept_decay > 0
    cdef size_t room = 7 * longest * sizeof(double) if sparse else (d + M.S) * sizeof(floating)
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
