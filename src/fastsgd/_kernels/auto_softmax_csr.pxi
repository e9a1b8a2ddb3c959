# learning_rate="auto" of classes learnt together, on CSR: as auto_csr.pxi, but that P_j is one number for all classes,
#
#     P_j = seen_j (kappa h_t) / unit_j^2 + h n / (reach unit_j^2)     unit_j: 1 / root mean square; h_t: mean curvature so far
#
# the curvature being the mean over the classes: that of each class was hardly better, and takes K numbers a feature. A row's is
# the mean of q (1 - q), or of (q - y)^2 where that is more.
#
# A feature that is in half of the rows, or more, is centred: its values count less their mean, and where a row does not have it, as
# 0 less the mean. So a year, or a count, says nothing any more that the intercept has to take back; without that one pass kept
# 0.2 to 0.7 of what the columns had to say. Its kappa is a tenth: such columns often are nearly multiples of each other, and what
# is left then needs long steps. Which features these are is asked of the first row, whose features are dropped where a row does
# not have them; and, of the half, after 64 rows, and whenever these have doubled. A feature's statistics begin anew then, and
# the intercept moves so that the model stays where it is.
cdef enum:
    CENTRED_AFTER = 64      # rows
    MOST_CENTRED = 1024     # features
    SOON = 2048             # weights of a row, at most, that are fetched before its turn: more would not stay
cdef double KAPPA_TOGETHER = 0.15, KAPPA_CENTRED = 0.015, CLIPPED = 100.0  # the latter in root mean squares

# Statistics of a feature, of the rows that have it, or since it is centred of all.
cdef struct Feature:
    double unit             # 1 / the root mean square of its values, or 0
    double seen             # the rows, weighted; in units that grow where older ones fade
    double mean             # of a centred one
    double next             # the number of the next that is centred, plus 1; -1: the last; 0: it is not centred

# What is left of a row: the values that count, less means.
cdef struct Row:
    void* ids               # features, in the type of the indices
    void* x                 # values, in that of X
    void* rest              # those times the rest of the penalty
    double* step            # x / P
    double* shrink          # by what the penalty shrinks the weights
    double* off             # by what L1 shortens them
    double* share           # the visit's, in the average
    Py_ssize_t n


cdef inline void move_intercepts(const Moving* M, double by, const floating* w, const floating* a) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(M.K):
        M.b[k] += by * w[k]
        M.b_avg[k] += by * a[k]


cdef void join(const Pace* C, Feature* F, Py_ssize_t d) noexcept nogil:
    """Centre the features that are in half of the rows."""
    cdef Py_ssize_t j, n = 0
    cdef double at = C.at.last
    while at > 0:
        n, at = n + 1, F[<Py_ssize_t> at - 1].next
    for j in range(d):
        if F[j].next == 0 and F[j].seen >= 0.5 * C.at.recent * C.at.grown and n < MOST_CENTRED:
            n += 1
            F[j].unit, F[j].seen, F[j].mean = 0, 0, 0
            F[j].next = C.at.last if C.at.last > 0 else -1
            C.at.last = j + 1


cdef void renew_features(Feature* F, Py_ssize_t d, Py_ssize_t K, const Pace* C) noexcept nogil:
    """Bring all sums back to units of 1; what has all but faded is 0."""
    cdef Py_ssize_t j
    for j in range(d):
        F[j].seen = F[j].seen / C.at.grown if F[j].seen > LEAST_LEFT * C.at.grown else 0.0
    C.heads[0].total /= C.at.grown * C.at.grown * C.at.grown
    renew_columns(0, K, C)


cdef Py_ssize_t present(const Csr* L, const floating* values, Py_ssize_t lo, Py_ssize_t nnz, Moving* M, const Pace* C, Feature* F,
                        double one, index* ids, floating* x) noexcept nogil:
    """List the features that count in a row, and their values; the means of those that are centred take the row in."""
    cdef Py_ssize_t k, j, n = 0, S = M.S
    cdef floating* W = <floating*> M.W
    cdef floating* A = <floating*> M.A
    cdef double* link = &C.at.last
    cdef double t = C.at.t, by, added = one * C.at.grown
    for k in range(lo, lo + nnz):
        if values[k] != 0:
            ids[n], x[n] = <index> L.indices[k], values[k]
            n += 1
    if not C.intercept:
        return n
    if t == 1:
        for k in range(min(n, MOST_CENTRED)):
            F[ids[k]].next = C.at.last if C.at.last > 0 else -1
            C.at.last = ids[k] + 1
    elif t >= CENTRED_AFTER and (<int64_t> t & (<int64_t> t - 1)) == 0:
        join(C, F, L.d)
    if C.at.last <= 0:
        return n
    for k in range(n):
        if F[ids[k]].next != 0:
            F[ids[k]].next += 0.5  # the row has it
    while link[0] > 0:
        j = <Py_ssize_t> link[0] - 1
        if F[j].next != floor(F[j].next):
            F[j].next -= 0.5
        elif t < CENTRED_AFTER:
            move_intercepts(M, -F[j].mean, W + j * S, A + j * S)
            link[0] = F[j].next
            F[j].unit = F[j].seen = F[j].mean = F[j].next = 0
            continue
        else:
            ids[n], x[n] = <index> j, 0
            n += 1
        link = &F[j].next
    for k in range(n):
        j = ids[k]
        if F[j].next != 0:
            by = (x[k] - F[j].mean) * (added / (F[j].seen + added))  # the first row's is exactly its value
            F[j].mean += by
            move_intercepts(M, by, W + j * S, A + j * S)
            x[k] = <floating> (x[k] - F[j].mean)
    return n


cdef inline double counted(Feature* F, double x, double added, double early, double* less, double* counts) noexcept nogil:
    """Count a value, which is returned in units of the root mean square; as what it counts, and by what weights shrink."""
    cdef double size = fabs(x) * F.unit, grown
    F.seen += added
    less[0], counts[0] = 1.0, x
    if size == 1.0:  # as of 0/1
        return 1.0 if x > 0 else -1.0
    if F.unit == 0:
        if fabs(x) < MIN_VARIANCE:
            return 0.0
        size = sqrt(F.seen / added)
        F.unit = size / fabs(x)
        return size if x > 0 else -size
    if size > 4.0 and F.seen <= early:  # Early on a value that is not like those before is taken as it is,
        less[0] = sqrt(2.0 / (1.0 + size * size))
        F.unit *= less[0]
        size = fabs(x) * F.unit
        grown = 1.0 / sqrt(1.0 + (size * size - 1.0) * added / F.seen)
    else:
        if size > CLIPPED:  # and later as one of at most so many root mean squares.
            size = CLIPPED
            counts[0] = size / F.unit if x > 0 else -size / F.unit
        grown = 1.0 / sqrt(1.0 + (size * size - 1.0) * added / F.seen)
        if size > 4.0:
            less[0] = grown
    F.unit *= grown
    return size * grown if x > 0 else -size * grown


cdef double count_together(const Params* P, const Pace* C, Moving* M, Feature* F, double one, double curve, index* ids, floating* x,
                           Row* R) noexcept nogil:
    """Count the values of a row, and work out what its step needs; the sum of x^2 / P."""
    cdef Py_ssize_t S = M.S, i, j, h, n = 0
    cdef double n_rows = C.at.recent, prior = C.heads[0].h * (C.at.values / n_rows) / C.heads[0].far, kappa
    cdef double size = 0, xh, less, seen, inverse, counts
    cdef floating* w
    cdef floating* a
    for i in range(R.n):
        j = ids[i]
        xh = counted(F + j, x[i], one * C.at.grown, 16.0 * C.at.grown, &less, &counts)
        if less != 1.0:
            w, a = <floating*> M.W + j * S, <floating*> M.A + j * S
            for h in range(S):
                w[h] = <floating> (w[h] * less)
                a[h] = <floating> (a[h] * less)
        if xh == 0:
            continue
        seen, kappa = F[j].seen / C.at.grown, (KAPPA_TOGETHER if F[j].next == 0 else KAPPA_CENTRED) / P.schedule_par[0]
        inverse = 1.0 / (kappa * curve * seen + prior)
        size += xh * xh * inverse
        ids[n], x[n] = <index> j, <floating> counts
        R.step[n] = xh * F[j].unit * inverse
        R.share[n] = one / seen
        R.share[n] *= 3.0 - R.share[n] * (3.0 - R.share[n])
        R.shrink[n] = 1.0
        if P.l2 > 0:
            R.shrink[n] = 1.0 / (1.0 + (one if C.first else n_rows / seen) * (P.l2 * F[j].unit * F[j].unit) * inverse)
        R.off[n] = min(n_rows / seen, 0.1 * n_rows + 1.0) * P.l1 * F[j].unit * F[j].unit * inverse if P.l1 > 0 else 0.0
        n += 1
    R.n = n
    return size


cdef void shrink_rest(const Params* P, const Pace* C, const Feature* F, double curve, const index* ids, const floating* x,
                      Row* R) noexcept nogil:
    """The values, times what the rest of the penalty leaves of their weights."""
    cdef floating* rest = <floating*> R.rest
    cdef double n = C.at.recent, prior = C.heads[0].h * (C.at.values / n) / C.heads[0].far, seen, all, l2
    cdef Py_ssize_t i
    for i in range(R.n):
        seen, l2 = F[ids[i]].seen / C.at.grown, P.l2 * F[ids[i]].unit * F[ids[i]].unit
        all = curve * seen + prior
        rest[i] = <floating> (x[i] * ((all + seen / n * seen * l2) / (all + seen * l2) if isfinite(l2) else seen / n))


cdef inline void move_together(const Row* R, const index* ids, Py_ssize_t S, const floating* step, bint l1, floating* W,
                               floating* A) noexcept nogil:
    """w <- S(w + a x / P, off), shrunk; A <- A + share (w - A)."""
    cdef Py_ssize_t i, h
    cdef floating* w
    cdef floating* a
    cdef floating x, shrink, share
    cdef f4 u, off, minus
    cdef d4 u8, off8, minus8
    for i in range(R.n):
        w, a = W + ids[i] * S, A + ids[i] * S
        if i + 1 < R.n:
            near_all(A + ids[i + 1] * S, S)
        x, shrink, share = <floating> R.step[i], <floating> R.shrink[i], <floating> R.share[i]
        if floating is float:
            off, minus = f4_all(<float> R.off[i]), f4_all(<float> -R.off[i])
        else:
            off8, minus8 = d4_all(R.off[i]), d4_all(-R.off[i])
        for h in range(0, S, 4):
            if floating is float:
                u = f4_plus(f4_load(w + h), x, step + h)
                if l1:
                    u = f4_soft(u, off, minus)
                u = f4_times(f4_zero(), shrink, u)
                f4_store(w + h, u)
                f4_store(a + h, f4_times(f4_plus(f4_load(a + h), -share, a + h), share, u))
            else:
                u8 = d4_plus(d4_load(w + h), x, step + h)
                if l1:
                    u8 = d4_soft(u8, off8, minus8)
                u8 = d4_times(d4_zero(), shrink, u8)
                d4_store(w + h, u8)
                d4_store(a + h, d4_times(d4_plus(d4_load(a + h), -share, a + h), share, u8))


cdef int softmax_csr_rows(const Csr* L, const floating* values, Order O, const Targets* T, Moving M, const Params* P, const Pace* C,
                          Joint* J, Row* R, floating* z) noexcept nogil:
    """A step for each of n rows, in the order of `visit`; 1 if a margin was not finite, else 0."""
    cdef Py_ssize_t K = M.K, S = M.S, i, r, k, e, lo, nnz
    cdef floating* W = <floating*> M.W
    cdef floating* A = <floating*> M.A
    cdef floating* x = <floating*> R.x
    cdef Feature* F = <Feature*> C.columns
    cdef Head* H = C.heads
    cdef Csr own = L[0]
    cdef double s, t, n, c, a, q, size, b_size, curve, new, loss, times, past
    if Csr is Csr32:
        ids = <int32_t*> R.ids
    else:
        ids = <int64_t*> R.ids
    own.indices = ids
    for i in range(O.n):
        fetch_next(L, values, T, &O, i)
        fetch_soon(L, values, T, &O, i)
        r = row_number(&O, i)
        s = weight(T, r, 0, 1.0)
        if s == 0:
            continue
        if i + 1 < O.n:
            lo = row(L, row_number(&O, i + 1), &nnz)
            for k in range(lo, lo + nnz):
                near(F + L.indices[k])
                if nnz * S <= SOON:
                    near_all(W + L.indices[k] * S, S)
                    near_all(A + L.indices[k] * S, S)
        lo = row(L, r, &nnz)
        count_together_row(C, K, s, fading(P, C.at))
        if C.at.grown > MOST_GROWN:
            renew_features(F, L.d, K, C)
        C.at.values += nnz
        t, n = C.at.t, C.at.recent
        c, past = s * n / C.at.weight, 1.0 - 1.0 / n
        curve = H.curve / (n - 1.0) if t > 1 else H.h
        R.n = present(L, values, lo, nnz, &M, C, F, c, ids, x)
        size = count_together(P, C, &M, F, c, curve, ids, x, R)
        b_size = 1.0 / (KAPPA_TOGETHER / P.schedule_par[0] * H.curve + H.h / H.far) if C.intercept else 0.0
        dots(&own, x, 0, R.n, W, S, z)
        for k in range(K):
            J.y[k], J.z[0][k] = target(T, r, k), z[k] + M.b[k]
            if not isfinite(J.z[0][k]):
                return 1
        loss = loss_together(P, J, J.z[0], J.slope[0])
        new = 0
        for k in range(K):
            M.loss_sum[k] += s * J.value[k]
            M.weight_sum[k] += s
            a, q = J.slope[0][k], J.slope[0][k] + J.y[k]
            new += max(a * a, q * (1.0 - q))
        implicit_together(J, J.z[0], J.slope[0], loss, c * (size + b_size))
        if C.first:
            times = judged_together(H, loss, t, n)
            if times > 0:
                if P.l2 > 0:
                    shrink_rest(P, C, F, curve, ids, x, R)
                for e in range(2 if P.l2 > 0 else 1):
                    dots(&own, x if e == 0 else <floating*> R.rest, 0, R.n, A, S, z)
                    for k in range(K):
                        J.candidate[e][k] = z[k] + M.b_avg[k]
                if P.l2 == 0:
                    J.candidate[1] = J.candidate[0]
                find_frequencies(C, J, n)
                judge_together(P, C, J, times * s * late(C.at), n)
            H.usual += (loss - H.usual) * s / C.at.weight
            for k in range(K):
                H[k].flat[0] += s * J.y[k]
        H.curve += c * max(min(new / K, H.h), 0.04 * H.h)
        for k in range(S):
            z[k] = <floating> (c * J.a[k]) if k < K else 0
        move_together(R, ids, S, z, P.l1 > 0, W, A)
        for k in range(K):
            M.b[k] += c * J.a[k] * b_size
            M.b_avg[k] += (M.b[k] - M.b_avg[k]) * (1.0 - past * past * past)
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
            fault = softmax_dense_rows(L, values, O, T, M, P, C, J, R, work)
        else:
            fault = softmax_csr_rows(L, values, O, T, M, P, C, J, row, work)
        go_on(&O)
    return fault


# ---------------------------------------------------------------- from Python
cdef int softmax_rows(const Layout* L, const floating* values, order, target, state, Compiled plan, double[:, ::1] sums) except -1:
    cdef Py_ssize_t buffer_rows = order.buffer_rows, d = L.d, K = state.b.shape[0], i, r, longest = 0
    cdef bint sparse = state.auto.sparse
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
    for array in (state.W, state.A) if sparse else (state.W, state.A, state.m, state.v):
        if array is None or array.shape != (d, state.W.shape[1]):
            raise ValueError(f"the state has weights of shape {getattr(array, 'shape', None)}, X has {d} features")
    if (not padded(W.shape[1], K) or b_avg.shape[0] != K or heads.shape[0] != K or heads.shape[1] * sizeof(double) != sizeof(Head)
            or columns.shape[0] != (d if sparse else 3) or columns.shape[1] != (sizeof(Feature) // sizeof(double) if sparse else d)
            or not (sparse or (mb.shape[0] == vb.shape[0] == K))):
        raise ValueError(f"the state is of {W.shape[0]} features and {heads.shape[0]} heads, X of {d} features, b of {K} heads")
    if Layout is not Dense:
        for i in range(O.n):
            r = O.rows[i] if O.rows is not NULL else O.first + i
            longest = max(longest, L.indptr[r + 1] - L.indptr[r])
        longest += MOST_CENTRED
    workspace(&M, W.shape[1], K, sums)
    M.W, M.A = &W[0, 0] if d else NULL, &A[0, 0] if d else NULL
    M.b, M.b_avg, M.at = &b[0], &b_avg[0], NULL
    C.at, C.columns, C.heads = &at[0], &columns[0, 0] if d else NULL, <Head*> &heads[0, 0]
    C.intercept, C.first = plan.par.intercept_decay > 0, not state.auto.again
    R[0].W, R[0].A, R[0].b, R[0].b_avg = M.W, M.A, M.b, M.b_avg
    if not sparse:
        R[1].W, R[1].A, R[1].b, R[1].b_avg = &m[0, 0] if d else NULL, &v[0, 0] if d else NULL, &mb[0], &vb[0]
    work, joint, listed = np.empty(d * (not sparse) + M.S, state.W.dtype), np.zeros(16 * K), np.empty((7, longest + 1))
    cdef floating[::1] ws = work
    cdef double[::1] js = joint
    cdef double[:, ::1] ls = listed
    lay_joint(&J, K, &js[0])
    own.ids, own.x, own.rest, own.n = &ls[0, 0], &ls[1, 0], &ls[2, 0], 0
    own.step, own.shrink, own.off, own.share = &ls[3, 0], &ls[4, 0], &ls[5, 0], &ls[6, 0]
    with nogil:
        fault = run_softmax(L, values, O, buffer_rows, &T, M, &plan.par, &C, &J, &R[0], &own, &ws[0])
    free(M.of)
    return fault


def auto_softmax(X, order, target, state, plan, sums):
    """A step of learning_rate="auto" for each row, of classes learnt together; otherwise as `sweep`."""
    return through_door(AUTO_SOFTMAX, X, (order, target, state, plan, sums))
