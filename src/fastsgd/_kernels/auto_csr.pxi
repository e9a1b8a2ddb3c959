# learning_rate="auto" on CSR: a filter with a diagonal covariance.
#
#     P_j = kappa h_t sum c x_ij^2 + h q_j n / gamma   h_t = the mean curvature so far; q_j = the mean x_ij^2; n = values in a row
#     a = -slope(z + s a), s = sum x_j^2 / P_j + 1 / P_b
#     w_j += a x_j / P_j, then the penalty, a proximal step; A_j += (w_j - A_j) (1 - (1 - c / visits)^3)
#
# P would be the precision of a Bayesian model if the columns were orthogonal and kappa 1: kappa below 1 keeps the steps
# longer, and 1 / gamma is the prior, in units that don't depend on the scale of a column: before j is known, a row moves its
# margin by about gamma. A row's curvature is the slope's slope, or the slope squared where that is more (on average they
# are equal at the optimum of a likelihood): a model that is sure and wrong has no curvature, and would take ever longer steps.
#
# A value far from the others of its column counts for less, see auto.h: one row can't rule a column's scale, or the judgement.
#
# In the first pass a visit pays the L2 penalty of its own row, so that a rare feature pays less than its share of the objective.
# There are two candidates: that average, and the same with the rest of the penalty, worked out for each weight by itself,
# A_j (H_j + visits l2) / (H_j + t l2), H_j = P_j at kappa = 1. The model is a share of one of them, see `judge` in
# auto.pxi. From the second pass on a visit pays for as many rows as it stands for, t / visits, and the average is the model:
# then it converges to the optimum of the objective.
cdef extern from "auto.h":
    double FASTSGD_CLIP
    ctypedef struct Visit:
        double c, t, curve, kappa, prior, l1, l2
        int first
        const void* next
        Py_ssize_t n_next
    double margins_f4_i32(const float* x, const int32_t* ix, Py_ssize_t nnz, float* W, Py_ssize_t stride, const Visit* g,
                          float* S, double* z) noexcept nogil
    void candidates_f4_i32(const int32_t* ix, Py_ssize_t nnz, float* W, Py_ssize_t stride, const Visit* g,
                           double* z) noexcept nogil
    void move_f4_i32(const Visit* g, const int32_t* ix, Py_ssize_t nnz, float* W, Py_ssize_t stride, const float* S,
                     double step) noexcept nogil
    double margins_f4_i64(const float* x, const int64_t* ix, Py_ssize_t nnz, float* W, Py_ssize_t stride, const Visit* g,
                          float* S, double* z) noexcept nogil
    void candidates_f4_i64(const int64_t* ix, Py_ssize_t nnz, float* W, Py_ssize_t stride, const Visit* g,
                           double* z) noexcept nogil
    void move_f4_i64(const Visit* g, const int64_t* ix, Py_ssize_t nnz, float* W, Py_ssize_t stride, const float* S,
                     double step) noexcept nogil
    double margins_d4_i32(const double* x, const int32_t* ix, Py_ssize_t nnz, double* W, Py_ssize_t stride, const Visit* g,
                          double* S, double* z) noexcept nogil
    void candidates_d4_i32(const int32_t* ix, Py_ssize_t nnz, double* W, Py_ssize_t stride, const Visit* g,
                           double* z) noexcept nogil
    void move_d4_i32(const Visit* g, const int32_t* ix, Py_ssize_t nnz, double* W, Py_ssize_t stride, const double* S,
                     double step) noexcept nogil
    double margins_d4_i64(const double* x, const int64_t* ix, Py_ssize_t nnz, double* W, Py_ssize_t stride, const Visit* g,
                          double* S, double* z) noexcept nogil
    void candidates_d4_i64(const int64_t* ix, Py_ssize_t nnz, double* W, Py_ssize_t stride, const Visit* g,
                           double* z) noexcept nogil
    void move_d4_i64(const Visit* g, const int64_t* ix, Py_ssize_t nnz, double* W, Py_ssize_t stride, const double* S,
                     double step) noexcept nogil

cdef enum:
    RECORD = 4      # numbers of a weight, see auto.h
cdef double KAPPA = 0.15, GAMMA = 1.5


cdef inline double margins(const Csr* L, const floating* values, Py_ssize_t lo, Py_ssize_t nnz, floating* W, Py_ssize_t stride,
                           const Visit* g, floating* S, double* z) noexcept nogil:
    """Count the row; add up the margin; sum x^2 / P: see auto.h."""
    if floating is float and Csr is Csr32:
        return margins_f4_i32(values + lo, L.indices + lo, nnz, W, stride, g, S, z)
    elif floating is float:
        return margins_f4_i64(values + lo, L.indices + lo, nnz, W, stride, g, S, z)
    elif Csr is Csr32:
        return margins_d4_i32(values + lo, L.indices + lo, nnz, W, stride, g, S, z)
    else:
        return margins_d4_i64(values + lo, L.indices + lo, nnz, W, stride, g, S, z)


cdef inline void candidates(const Csr* L, Py_ssize_t lo, Py_ssize_t nnz, floating* W, Py_ssize_t stride, const Visit* g,
                            double* z) noexcept nogil:
    """Add up the margins of the average, and of the average with the rest of the penalty."""
    if floating is float and Csr is Csr32:
        candidates_f4_i32(L.indices + lo, nnz, W, stride, g, z)
    elif floating is float:
        candidates_f4_i64(L.indices + lo, nnz, W, stride, g, z)
    elif Csr is Csr32:
        candidates_d4_i32(L.indices + lo, nnz, W, stride, g, z)
    else:
        candidates_d4_i64(L.indices + lo, nnz, W, stride, g, z)


cdef inline void move(const Csr* L, Py_ssize_t lo, Py_ssize_t nnz, const Visit* g, floating* W, Py_ssize_t stride,
                      const floating* S, double step) noexcept nogil:
    """The step, the penalty, and the average."""
    if floating is float and Csr is Csr32:
        move_f4_i32(g, L.indices + lo, nnz, W, stride, S, step)
    elif floating is float:
        move_f4_i64(g, L.indices + lo, nnz, W, stride, S, step)
    elif Csr is Csr32:
        move_d4_i32(g, L.indices + lo, nnz, W, stride, S, step)
    else:
        move_d4_i64(g, L.indices + lo, nnz, W, stride, S, step)


cdef int auto_csr_rows(const Csr* L, const floating* values, Order O, const Targets* T, Moving M, const Params* P,
                       const Pace* C) noexcept nogil:
    """A step for each of n rows, in the order of `visit`; 1 if a margin was not finite, else 0."""
    cdef Py_ssize_t K = M.K, i, r, k, e, lo, nnz
    cdef floating* w
    cdef Head* head
    cdef double s, t, c, y, h, a, step, curve = 0, past, size, b_size, times
    cdef double z[3]  # of w, and of w plus and minus 1
    cdef double averaged[2]
    cdef double ys[3]
    cdef double value[3]
    cdef double slope[3]
    cdef Visit g
    cdef Csr anew = anew_layout(L, C)  # of rows in which columns are centred
    cdef const Csr* rows
    cdef const floating* x
    cdef double kappa = KAPPA / P.schedule_par[0]
    g.kappa, g.l1, g.l2, g.first = kappa, P.l1, P.l2, C.first
    for i in range(O.n):
        fetch_next(L, values, T, &O, i)
        if O.visit is not NULL and i + 3 < O.n:
            fetch_near(L, values, T, O.rows[O.visit[i + 3]])
        r = O.visit[i] if O.visit is not NULL else i
        r = O.rows[r] if O.rows is not NULL else O.first + r
        s = T.s[r] if T.s is not NULL else 1.0
        if s == 0:
            continue
        lo = row(L, r, &nnz)
        g.n_next = 0
        if i + 1 < O.n:
            g.next = L.indices + row(L, row_number(&O, i + 1), &g.n_next)
        C.at.t += 1
        C.at.weight += s
        t = C.at.t
        rows, x = L, values
        if C.intercept and looks(C.at):
            join_centred(L, values, lo, nnz, M, C)
        if C.centred.n:
            nnz = centre(L, values, lo, nnz, M, P, C, s)
            rows, x, lo = &anew, <const floating*> C.centred.values, 0
        C.at.values += nnz
        past = 1.0 - 1.0 / t
        for k in range(K):
            head, w = C.heads + k, <floating*> M.W + k * RECORD
            y = target(T, r, k)
            h = head.h
            g.c, g.t, g.curve = s * t / C.at.weight, t, head.curve / (t - 1.0) if t > 1 else h
            g.prior = h * (C.at.values / t) / GAMMA
            if t <= 3 and P.residual and C.intercept:  # y far from 0 is as good as y near it
                begin(P, head, &head.b[0], &head.b[1], y, t)
            z[0] = head.b[0]
            size = margins(rows, x, lo, nnz, w, K * RECORD, &g, <floating*> C.work, z)
            if C.centred.n:
                size += centred_margins(&anew, C.centred, h, w, K * RECORD, &g, z)
            b_size = 1.0 / (kappa * head.curve + h / GAMMA) if C.intercept else 0.0
            size += b_size
            if not isfinite(z[0]):
                return 1
            if P.many is not NULL and P.span == 0:  # all that is asked of the loss at once
                z[1], z[2] = z[0] + 1.0, z[0] - 1.0
                for e in range(3):
                    ys[e] = y
                P.many(3, z, ys, value, slope, P.loss_par)
                curve = 0.5 * (slope[1] - slope[2])
            else:
                value[0] = P.value(z[0], y, P.loss_par)
                if P.span == 0:
                    slope[0] = P.slope(z[0], y, P.loss_par)
                    curve = measured(P, head, z[0], y)
            step = weight(T, r, k, y)
            times = judged(head, value[0], t) if C.first else 0.0
            if times > 0:
                averaged[0] = averaged[1] = head.b[1]
                candidates(rows, lo, nnz, w, K * RECORD, &g, averaged)
                if C.centred.n:
                    centred_candidates(&anew, C.centred, w, K * RECORD, averaged)
                if P.l2 == 0:
                    averaged[1] = averaged[0]
                if C.intercept:
                    find_constant(P, head, t)
                judge(P, head, averaged[0], averaged[1], y, times * step * t * t)
            M.loss_sum[k] += step * value[0]
            M.weight_sum[k] += step
            c = share_of(head, step, z[0], y, t)
            if C.first:
                if C.intercept:
                    learn_constant(P, head, y, step, c, t)
                if head.weight > 0:
                    head.usual += (value[0] - head.usual) * step / head.weight
            if P.span == 0:
                curve = max(curve, min(h, slope[0] * slope[0]))
            elif P.span > 1.0:
                curve = measured(P, head, z[0], y)
                learn(P, head, curve, step)
            if P.near is not NULL:
                a = c * P.near(z[0], slope[0], c * size, y)
            else:
                a = c * implicit_step(P.implicit, P.slope, z[0], c * size, y, P.loss_par)
            if P.span == 1.0:
                curve = measured(P, head, z[0] + a * size, y)
                learn(P, head, curve, step)
            if P.span <= 1.0 or head.total > 0:  # of what is not known yet, as on a first row without an error, h says nothing
                head.curve += c * max(curve, 0.04 * head.h)
            move(rows, lo, nnz, &g, w, K * RECORD, <const floating*> C.work, a)
            if C.centred.n:
                centred_move(&anew, C.centred, w, K * RECORD, a)
            head.b[0] += a * b_size
            head.b[1] += (head.b[0] - head.b[1]) * (1.0 - past * past * past)
    return 0


cdef int run_auto(const Layout* L, const floating* values, Order O, Py_ssize_t buffer_rows, const Targets* T, Moving M,
                  const Params* P, const Pace* C) noexcept nogil:
    """Buffer by buffer."""
    cdef One one
    cdef Many many
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
        if Layout is not Dense:
            fault = auto_csr_rows(L, values, O, T, M, P, C)
        elif T.K == 1:
            fault = auto_dense_rows(L, &one, values, O, T, M, P, C, <floating*> C.work)
        else:
            fault = auto_dense_rows(L, &many, values, O, T, M, P, C, <floating*> C.work)
        go_on(&O)
    return fault


# ---------------------------------------------------------------- from Python
cdef int auto_rows(const Layout* L, const floating* values, order, target, state, Compiled plan, double[:, ::1] sums) except -1:
    cdef Py_ssize_t buffer_rows = order.buffer_rows, d = L.d, K = state.b.shape[0], i, r, longest = 0
    cdef bint sparse = state.auto.sparse
    cdef floating[:, ::1] W = state.auto.records if sparse else state.W, A = state.A
    cdef double[::1] b = state.b, b_avg = state.b_avg
    cdef double[:, ::1] columns = state.auto.columns, heads = state.auto.heads
    cdef AutoScalars[::1] at = state.auto.at
    cdef Targets T = targets(target, K)
    cdef Moving M
    cdef Order O
    cdef Pace C
    cdef Centred centred
    cdef int fault
    read_order(&O, order)
    if (W.shape[0] != d or b_avg.shape[0] != K or heads.shape[0] != K or heads.shape[1] * sizeof(double) != sizeof(Head)
            or columns.shape[1] != (0 if sparse else d)
            or (W.shape[1] != K * RECORD if sparse else A.shape[0] != d or A.shape[1] != W.shape[1])):
        raise ValueError(f"the state is of {W.shape[0]} features and {heads.shape[0]} heads, X of {d} features, b of {K} heads")
    if Layout is not Dense:
        for i in range(O.n):
            r = O.rows[i] if O.rows is not NULL else O.first + i
            longest = max(longest, L.indptr[r + 1] - L.indptr[r])
    if sparse:
        longest += open_centred(&centred, state.auto.centred, d)
    workspace(&M, state.W.shape[1], K, sums)
    M.W, M.A = &W[0, 0] if d else NULL, &A[0, 0] if not sparse and d else NULL
    M.b, M.b_avg, M.at = &b[0], &b_avg[0], NULL
    C.at, C.columns, C.heads = &at[0], &columns[0, 0] if not sparse and d else NULL, <Head*> &heads[0, 0]
    C.intercept, C.first = plan.par.intercept_decay > 0, not state.auto.again
    cdef size_t room = (4 * longest + 16) * sizeof(floating) if sparse else (d + 2 * M.S) * sizeof(floating)
    cdef size_t anew = longest * (sizeof(floating) + sizeof(int64_t)) if sparse else 0  # a row as written anew
    C.work = <double*> malloc(room + anew + 8)
    if C.work is NULL:
        free(M.of)
        raise MemoryError(f"no memory for {K} heads and a row of {max(longest, d)} values")
    centred.indices = <char*> C.work + (room + 7) // 8 * 8
    centred.values = <int64_t*> centred.indices + longest
    C.centred = &centred
    with nogil:
        fault = run_auto(L, values, O, buffer_rows, &T, M, &plan.par, &C)
    free(C.work)
    free(M.of)
    return fault


def auto(X, order, target, state, plan, sums):
    """A step of learning_rate="auto" for each row; otherwise as `sweep`."""
    return through_door(AUTO, X, (order, target, state, plan, sums))
