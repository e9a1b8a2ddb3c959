# learning_rate="auto" of classes learnt together, on CSR: as auto_csr.pxi, but of two rules, with one P_j for all classes,
#
#     filter          P_j = seen_j (kappa h_t) / unit_j^2 + h n / (reach unit_j^2)   unit_j: 1 / root mean square; h_t: curvature
#     long steps      P_j = sqrt(start + G_j) / (eta unit_j^2)                G_j: the sum of c slope^2 over the rows of the feature
#
# the curvature and slope^2 being means over the classes: that of each class and feature was hardly better, and takes K numbers
# a feature. Candidates are the weights of both, and the average of those which have lost less so far. From the second pass on
# the filter goes on alone, from the model, with longer steps; its average converges to the optimum of the objective.
#
# What there is of a feature, and how the values of a row are counted and moved, is in auto_softmax_values.pxi.


cdef int softmax_csr_rows(const Csr* L, const floating* values, Order O, const Targets* T, Moving M, const Params* P, const Pace* C,
                          Joint* J, Run* rules, Row* R, floating* z) noexcept nogil:
    """A step for each of n rows, in the order of `visit`; 1 if a margin was not finite, else 0."""
    cdef Py_ssize_t K = M.K, S = M.S, i, r, k, lo, nnz
    cdef floating* W = <floating*> M.W
    cdef floating* W2 = <floating*> rules[1].W
    cdef floating* A = <floating*> M.A
    cdef floating* x = <floating*> R.x
    cdef floating* z2 = z + S
    cdef Feature* F = <Feature*> C.columns
    cdef Head* H = C.heads
    cdef Csr own = L[0]
    cdef double s, t, n, c, curve, new, slopes, times, past, loss
    cdef double[2] b_size
    cdef bint soon = False, ahead
    cdef int e, averaged, last = 2 if C.first else 1
    if Csr is Csr32:
        ids = <int32_t*> R.ids
    else:
        ids = <int64_t*> R.ids
    own.indices = ids
    b_size[0] = b_size[1] = 0
    R.v.rules, R.v.first = last, C.first
    for k in range(2 * S):
        z[k] = 0
    for i in range(O.n):
        fetch_next(L, values, T, &O, i)
        fetch_soon(L, values, T, &O, i)
        r = row_number(&O, i)
        s = weight(T, r, 0, 1.0)
        if s == 0:
            continue
        ahead, soon = not soon, False
        if i + 1 < O.n:
            lo = row(L, row_number(&O, i + 1), &nnz)
            if nnz * S <= SOON:
                soon = True
                for k in range(lo, lo + nnz):
                    near(F + L.indices[k])
                    near(&F[L.indices[k]].next)
                    near_record(W + L.indices[k] * S, A + L.indices[k] * S, W2 + L.indices[k] * S if C.first else W2, S)
        lo = row(L, r, &nnz)
        count_together_row(C, J, s, fading(P, C.at))
        if C.at.grown > MOST_GROWN:
            renew_features(F, L.d, K, C)
        C.at.values += nnz
        t, n = C.at.t, C.at.recent
        c, past = s * n / C.at.weight, 1.0 - 1.0 / n
        curve = H.curve / (n - 1.0) if t > 1 else H.h
        averaged = better_of(H) if C.first else 0
        if C.intercept:
            renew_centred(L, values, lo, nnz, C, F)
        enter_values(L, values, lo, nnz, &M, rules, C, c, curve / (P.schedule_par[0] * C.at.grown), ahead, R)
        find_steps(P, C, c, R)
        if C.intercept:
            b_size[0] = 1.0 / (KAPPA_TOGETHER[C.first] / P.schedule_par[0] * H.curve + H.h / H.far)
            b_size[1] = P.schedule_par[0] * ETA_TOGETHER / sqrt(START_TOGETHER + (H.square if t > 1 else H.h) + H.slopes)
        see_targets(T, r, J)
        for e in range(last):
            dots(&own, x, 0, R.n, W if e == 0 else W2, S, z)
            for k in range(K):
                J.z[e][k] = z[k] + rules[e].b[k]
                if not isfinite(J.z[e][k]):
                    return 1
        fastsgd_joint_softmax(last, J.n, J.z[0], J.q[0], J.total)
        loss = loss_together(J, averaged, s)
        if C.first:
            times = judged_together(H, loss, t, n)
            if times > 0:
                dots(&own, x, 0, R.n, A, S, z)
                for k in range(K):
                    J.candidates[k], J.candidates[J.n + k] = J.z[0][k], J.z[1][k]
                    J.candidates[2 * J.n + k] = z[k] + M.b_avg[k]
                find_frequencies(C, J, n)
                judge_together(C, J, times * s * late(C.at), n)
            H.usual += (loss - H.usual) * s / C.at.weight
            for k in range(K):
                J.count[k] += s * J.y[k]
        slopes = learn_curvatures(J, 0, last, c, n, &new)
        for e in range(last):
            J.size[e] = c * (R.v.sum[e] + b_size[e])
        fastsgd_joint_steps(last, J.n, J.z[0], J.y, J.q[0], J.rate, J.total, J.size, J.room, J.a[0])
        for e in range(last):
            for k in range(K):
                z[e * S + k] = <floating> (c * J.a[e][k])
                rules[e].b[k] += c * J.a[e][k] * b_size[e]
        H.curve += c * max(min(new, H.h), 0.04 * H.h)
        H.square += (slopes - H.square) / n
        H.slopes += c * slopes
        averaged = better_of(H) if C.first else 0
        move_together(R, F, ids, S, P.l1, z, z2, c * slopes * C.at.grown, averaged, W, W2, A)
        for k in range(K):
            M.b_avg[k] += (rules[averaged].b[k] - M.b_avg[k]) * (1.0 - past * past * past)
    return 0


cdef int run_softmax(const Layout* L, const floating* values, Order O, Py_ssize_t buffer_rows, const Targets* T, Moving M,
                     const Params* P, const Pace* C, Joint* J, Run* R, Row* row, floating* work) noexcept nogil:
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
        if Layout is Dense:
            fault = softmax_dense_rows(L, values, O, T, M, P, C, J, R, row.v.x, work)
        else:
            fault = softmax_csr_rows(L, values, O, T, M, P, C, J, R, row, work)
        go_on(&O)
    return fault


# ---------------------------------------------------------------- from Python
cdef int softmax_rows(const Layout* L, const floating* values, order, target, state, Compiled plan, double[:, ::1] sums) except -1:
    cdef Py_ssize_t buffer_rows = order.buffer_rows, d = L.d, K = state.b.shape[0], i, r, longest = 0
    cdef bint sparse = state.auto.sparse
    cdef bint first = not state.auto.again, second = first or not sparse
    cdef floating[:, ::1] W = state.W, A = state.A, m = state.m, v = state.v
    cdef double[::1] b = state.b, b_avg = state.b_avg, mb = state.mb, vb = state.vb
    cdef double[:, ::1] columns = state.auto.columns, heads = state.auto.heads
    cdef AutoScalars[::1] at = state.auto.at
    cdef Targets T = targets(target, K)
    cdef Moving M
    cdef Order O
    cdef Pace C
    cdef Joint J
    cdef Run[2] R
    cdef Row own
    cdef int fault
    read_order(&O, order)
    for array in (state.W, state.A, *([state.m] if second else []), *([] if sparse else [state.v])):
        if array is None or array.shape != (d, state.W.shape[1]):
            raise ValueError(f"the state has weights of shape {getattr(array, 'shape', None)}, X has {d} features")
    statistics = d if sparse else 3 + 2 * d if first and correlates(d, K) else 3
    if (not padded(W.shape[1], K) or b_avg.shape[0] != K or heads.shape[0] != K or heads.shape[1] * sizeof(double) != sizeof(Head)
            or columns.shape[0] != statistics or columns.shape[1] != (sizeof(Feature) // sizeof(double) if sparse else d)
            or (second and mb.shape[0] != K) or (not sparse and vb.shape[0] != K)):
        raise ValueError(f"the state is of {W.shape[0]} features and {heads.shape[0]} heads, X of {d} features, b of {K} heads")
    if Layout is not Dense:
        for i in range(O.n):
            r = O.rows[i] if O.rows is not NULL else O.first + i
            longest = max(longest, L.indptr[r + 1] - L.indptr[r])
        longest += MOST_CENTRED
    workspace(&M, W.shape[1], K, sums)
    M.W, M.A = &W[0, 0] if d else NULL, &A[0, 0] if d else NULL
    M.b, M.b_avg, M.at = &b[0], &b_avg[0], NULL
    C.at, C.columns, C.heads, C.atoms = &at[0], &columns[0, 0] if d else NULL, <Head*> &heads[0, 0], NULL
    C.second, C.curvatures, C.intercept, C.first = NULL, NULL, plan.par.intercept_decay > 0, first
    R[0].W, R[0].A, R[0].b, R[0].b_avg = M.W, M.A, M.b, M.b_avg
    R[1].W = R[1].A = R[1].b = R[1].b_avg = NULL
    if second:
        R[1].W, R[1].b = &m[0, 0] if d else NULL, &mb[0]
    if not sparse:
        R[1].A, R[1].b_avg = &v[0, 0] if d else NULL, &vb[0]
    work, joint = np.empty(2 * d * (not sparse) + 2 * M.S, state.W.dtype), np.empty(joint_room(K))
    listed = np.empty((10, max(longest + 4, 2 * CORRELATED)))  # values in fours, or a dense row and what it becomes
    cdef floating[::1] ws = work
    cdef double[::1] js = joint
    cdef double[:, ::1] ls = listed
    lay_joint(&J, K, C.heads, &js[0])
    own.ids, own.x, own.n = &ls[0, 0], &ls[1, 0], 0
    own.v.x, own.v.size, own.v.unit, own.v.seen, own.v.slopes = &ls[2, 0], &ls[3, 0], &ls[4, 0], &ls[5, 0], &ls[6, 0]
    own.v.kappa, own.v.off[0], own.v.off[1] = &ls[7, 0], &ls[8, 0], &ls[9, 0]
    # What comes of a value is kept where there was what it comes of, as the first cache is small.
    own.v.step[0], own.v.step[1], own.v.share = own.v.x, own.v.size, own.v.seen
    own.v.shrink[0], own.v.shrink[1] = own.v.slopes, own.v.kappa
    with nogil:
        fault = run_softmax(L, values, O, buffer_rows, &T, M, &plan.par, &C, &J, &R[0], &own, &ws[0])
    keep_joint(&J, C.heads, sums)
    free(M.of)
    return fault


def auto_softmax(X, order, target, state, plan, sums):
    """A step of learning_rate="auto" for each row, of classes learnt together; otherwise as `sweep`."""
    return through_door(AUTO_SOFTMAX, X, (order, target, state, plan, sums))
