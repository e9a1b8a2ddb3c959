# learning_rate="auto" of classes learnt together, on CSR: as auto_csr.pxi, but of two rules, with one P_j for all classes,
#
#     filter          P_j = seen_j (kappa h_t) / unit_j^2 + h n / (reach unit_j^2)   unit_j: 1 / root mean square; h_t: curvature
#     long steps      P_j = sqrt(start + G_j) / (eta unit_j^2)                G_j: the sum of c slope^2 over the rows of the feature
#
# the curvature and slope^2 being means over the classes: that of each class and feature was hardly better, and takes K numbers
# a feature. Candidates are the weights of both, and the average of those which have lost less so far. From the second pass on
# the filter goes on alone, from the model, with longer steps; its average converges to the optimum of the objective.
#
# A feature that is in half of the rows, or more, is centred: its values count less their mean, and where a row does not have it,
# as 0 less the mean. So a year, or a count, says nothing any more that the intercept has to take back; without that one pass kept
# 0.2 to 0.7 of what the columns had to say. Its kappa is a fortieth: such columns often are nearly multiples of each other, and
# what is left then needs long steps. Which features these are is asked of the first row, whose features are dropped where a row
# does not have them; and, of the half, after 64 rows, and whenever these have doubled. A feature's statistics begin anew then, and
# the intercept moves so that the model stays where it is.
cdef enum:
    CENTRED_AFTER = 64      # rows
    MOST_CENTRED = 1024     # features
    AHEAD_IN_ROW = 3        # features of a row that are fetched before their turn
    SOON = 2048             # weights of a row, at most, that are fetched before its turn: more would not stay
cdef double[2] KAPPA_TOGETHER = [0.15, 0.6]  # in later passes, and in the first
cdef double KAPPA_CENTRED = 0.015, CLIPPED = 100.0  # the latter in root mean squares
cdef double ETA_TOGETHER = 0.4, START_TOGETHER = 0.04
cdef double MOST_OWED = 1e100  # of the penalty, beside the precision of a weight, so that products are numbers

# Statistics of a feature, of the rows that have it, or since it is centred of all.
cdef struct Feature:
    double unit             # 1 / the root mean square of its values, or 0
    double seen             # the rows, weighted; in units that grow where older ones fade
    double mean             # of a centred one
    double slopes           # the sum of their mean squared slopes, in units that grow as those of `seen`
    double next             # the number of the next that is centred, plus 1; -1: the last; 0: it is not centred

# What is left of a row: the values that count, less means.
cdef struct Row:
    void* ids               # features, in the type of the indices
    void* x                 # values, in that of X
    double* step[2]         # x / P of either rule
    double* shrink[2]       # by what the penalty shrinks the weights
    double* off[2]          # by what L1 shortens them
    double* share           # the visit's, in the average
    Py_ssize_t n
    double[2] size          # the sum of x^2 / P


cdef inline void move_intercepts(Py_ssize_t K, const Run* R, double by, const floating* w, const floating* a,
                                 const floating* w2) noexcept nogil:
    """As the mean of a feature moves, with its weights of both rules and their average."""
    cdef Py_ssize_t k
    for k in range(K):
        R[0].b[k] += by * w[k]
        R[0].b_avg[k] += by * a[k]
        if w2 is not NULL:
            R[1].b[k] += by * w2[k]


cdef void join(const Pace* C, Feature* F, Py_ssize_t d) noexcept nogil:
    """Centre the features that are in half of the rows."""
    cdef Py_ssize_t j, n = 0
    cdef double at = C.at.last
    while at > 0:
        n, at = n + 1, F[<Py_ssize_t> at - 1].next
    for j in range(d):
        if F[j].next == 0 and F[j].seen >= 0.5 * C.at.recent * C.at.grown and n < MOST_CENTRED:
            n += 1
            F[j].unit = F[j].seen = F[j].slopes = F[j].mean = 0
            F[j].next = C.at.last if C.at.last > 0 else -1
            C.at.last = j + 1


cdef void renew_features(Feature* F, Py_ssize_t d, Py_ssize_t K, const Pace* C) noexcept nogil:
    """Bring all sums back to units of 1; what has all but faded is 0."""
    cdef Py_ssize_t j
    for j in range(d):
        F[j].seen = F[j].seen / C.at.grown if F[j].seen > LEAST_LEFT * C.at.grown else 0.0
        F[j].slopes /= C.at.grown
    C.heads[0].total /= C.at.grown * C.at.grown * C.at.grown
    renew_columns(0, K, C)


cdef Py_ssize_t present(const Csr* L, const floating* values, Py_ssize_t lo, Py_ssize_t nnz, Moving* M, const Run* R,
                        const Pace* C, Feature* F, double one, index* ids, floating* x) noexcept nogil:
    """List the features that count in a row, and their values; the means of those that are centred take the row in."""
    cdef Py_ssize_t k, j, n = 0, S = M.S
    cdef floating* W = <floating*> M.W
    cdef floating* A = <floating*> M.A
    cdef floating* W2 = <floating*> R[1].W
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
            move_intercepts(M.K, R, -F[j].mean, W + j * S, A + j * S, W2 + j * S if W2 is not NULL else W2)
            link[0] = F[j].next
            F[j].unit = F[j].seen = F[j].slopes = F[j].mean = F[j].next = 0
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
            move_intercepts(M.K, R, by, W + j * S, A + j * S, W2 + j * S if W2 is not NULL else W2)
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


cdef void count_together(const Params* P, const Pace* C, Moving* M, const Run* rules, Feature* F, double one, double curve,
                         index* ids, floating* x, Row* R) noexcept nogil:
    """Count the values of a row, and work out what its steps need."""
    cdef Py_ssize_t S = M.S, i, j, h, n = 0
    cdef const Head* H = C.heads
    cdef double n_rows = C.at.recent, prior = H.h * (C.at.values / n_rows) / H.far, per_longer = 1.0 / P.schedule_par[0]
    cdef double start = START_TOGETHER + (H.square if C.at.t > 1 else H.h), per_grown = 1.0 / C.at.grown
    cdef double kappa = KAPPA_TOGETHER[C.first] * per_longer, kappa_centred = KAPPA_CENTRED * per_longer
    cdef double per_eta = per_longer / ETA_TOGETHER, xh, less, seen, counts, inverse, owed, off, square
    cdef double[2] own
    cdef floating* w
    cdef floating* a
    cdef floating* w2
    cdef int e, last = 2 if C.first else 1
    R.size[0] = R.size[1] = 0
    for i in range(R.n):
        j = ids[i]
        if i + AHEAD_IN_ROW < R.n:
            near(F + ids[i + AHEAD_IN_ROW])
            near_all(<floating*> M.W + ids[i + AHEAD_IN_ROW] * S, S)
        xh = counted(F + j, x[i], one * C.at.grown, 16.0 * C.at.grown, &less, &counts)
        if less != 1.0:
            w, a = <floating*> M.W + j * S, <floating*> M.A + j * S
            w2 = <floating*> rules[1].W + j * S if C.first else w
            for h in range(S):
                w[h] = <floating> (w[h] * less)
                a[h] = <floating> (a[h] * less)
                if C.first:
                    w2[h] = <floating> (w2[h] * less)
        if xh == 0:
            continue
        seen, square = F[j].seen * per_grown, F[j].unit * F[j].unit
        ids[n], x[n] = <index> j, <floating> counts
        R.share[n] = one / seen
        off = min(n_rows / seen, 0.1 * n_rows + 1.0) * P.l1 * square if P.l1 > 0 else 0.0
        owed = min((one if C.first else n_rows / seen) * P.l2 * square, MOST_OWED) if P.l2 > 0 else 0.0
        R.share[n] *= 3.0 - R.share[n] * (3.0 - R.share[n])
        own[0] = (kappa if F[j].next == 0 else kappa_centred) * curve * seen + prior
        if C.first:
            own[1] = per_eta * sqrt(start + F[j].slopes * per_grown)
        for e in range(last):
            inverse = 1.0 / (own[e] * (own[e] + owed))
            R.shrink[e][n] = own[e] * own[e] * inverse  # own / (own + owed)
            inverse *= own[e] + owed
            R.size[e] += xh * xh * inverse
            R.step[e][n] = xh * F[j].unit * inverse
            R.off[e][n] = off * inverse
        n += 1
    R.n = n


cdef inline void near_record(const floating* a, const floating* b, const floating* c, Py_ssize_t S) noexcept nogil:
    """Fetch the weights of a feature, of up to three arrays."""
    near_all(a, S)
    near_all(b, S)
    if c is not NULL:
        near_all(c, S)


cdef inline void step_weights(floating* w, floating x, const floating* step, floating shrink, floating off,
                              Py_ssize_t S) noexcept nogil:
    """w <- S(w + x step, off), shrunk."""
    cdef Py_ssize_t h
    cdef f4 u
    cdef d4 u8
    for h in range(0, S, 4):
        if floating is float:
            u = f4_plus(f4_load(w + h), x, step + h)
            if off > 0:
                u = f4_soft(u, f4_all(off), f4_all(-off))
            f4_store(w + h, f4_times(f4_zero(), shrink, u))
        else:
            u8 = d4_plus(d4_load(w + h), x, step + h)
            if off > 0:
                u8 = d4_soft(u8, d4_all(off), d4_all(-off))
            d4_store(w + h, d4_times(d4_zero(), shrink, u8))


cdef inline void average_weights(floating* a, const floating* w, floating share, Py_ssize_t S) noexcept nogil:
    """a <- a + share (w - a)."""
    cdef Py_ssize_t h
    for h in range(0, S, 4):
        if floating is float:
            f4_store(a + h, f4_times(f4_plus(f4_load(a + h), -share, a + h), share, f4_load(w + h)))
        else:
            d4_store(a + h, d4_times(d4_plus(d4_load(a + h), -share, a + h), share, d4_load(w + h)))


cdef inline void move_together(const Row* R, Feature* F, const index* ids, Py_ssize_t S, int last, const floating* step,
                               const floating* step2, double slopes, int averaged, floating* W, floating* W2,
                               floating* A) noexcept nogil:
    """A step of either rule, and of the average."""
    cdef Py_ssize_t i
    cdef floating* w
    cdef floating* w2
    cdef floating* a
    for i in range(R.n):
        w, a = W + ids[i] * S, A + ids[i] * S
        if i + AHEAD_IN_ROW < R.n:
            near_all(A + ids[i + AHEAD_IN_ROW] * S, S)  # Of most rows no margin was taken of the average.
        step_weights(w, <floating> R.step[0][i], step, <floating> R.shrink[0][i], <floating> R.off[0][i], S)
        if last == 2:
            F[ids[i]].slopes += slopes
            w2 = W2 + ids[i] * S
            step_weights(w2, <floating> R.step[1][i], step2, <floating> R.shrink[1][i], <floating> R.off[1][i], S)
            if averaged == 1:
                w = w2
        average_weights(a, w, <floating> R.share[i], S)


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
    cdef double s, t, n, c, curve, new, slopes, times, past
    cdef double[2] loss, b_size
    cdef int e, averaged, last = 2 if C.first else 1
    if Csr is Csr32:
        ids = <int32_t*> R.ids
    else:
        ids = <int64_t*> R.ids
    own.indices = ids
    b_size[0] = b_size[1] = 0
    for k in range(2 * S):
        z[k] = 0
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
                near(&F[L.indices[k]].next)
                if nnz * S <= SOON:
                    near_record(W + L.indices[k] * S, A + L.indices[k] * S, W2 + L.indices[k] * S if C.first else W2, S)
        lo = row(L, r, &nnz)
        count_together_row(C, K, s, fading(P, C.at))
        if C.at.grown > MOST_GROWN:
            renew_features(F, L.d, K, C)
        C.at.values += nnz
        t, n = C.at.t, C.at.recent
        c, past = s * n / C.at.weight, 1.0 - 1.0 / n
        curve = H.curve / (n - 1.0) if t > 1 else H.h
        averaged = better_of(H) if C.first else 0
        R.n = present(L, values, lo, nnz, &M, rules, C, F, c, ids, x)
        count_together(P, C, &M, rules, F, c, curve, ids, x, R)
        if C.intercept:
            b_size[0] = 1.0 / (KAPPA_TOGETHER[C.first] / P.schedule_par[0] * H.curve + H.h / H.far)
            b_size[1] = P.schedule_par[0] * ETA_TOGETHER / sqrt(START_TOGETHER + (H.square if t > 1 else H.h) + H.slopes)
        for k in range(K):
            J.y[k] = target(T, r, k)
        for e in range(last):
            dots(&own, x, 0, R.n, W if e == 0 else W2, S, z)
            for k in range(K):
                J.z[e][k] = z[k] + rules[e].b[k]
                if not isfinite(J.z[e][k]):
                    return 1
            loss[e] = loss_together(P, J, J.z[e], J.slope[e])
            if e == averaged:
                for k in range(K):
                    M.loss_sum[k] += s * J.value[k]
                    M.weight_sum[k] += s
        if C.first:
            times = judged_together(H, loss[averaged], t, n)
            if times > 0:
                dots(&own, x, 0, R.n, A, S, z)
                for k in range(K):
                    J.candidate[0][k], J.candidate[1][k], J.candidate[2][k] = J.z[0][k], J.z[1][k], z[k] + M.b_avg[k]
                find_frequencies(C, J, n)
                judge_together(C, J, times * s * late(C.at), n)
            H.usual += (loss[averaged] - H.usual) * s / C.at.weight
            for k in range(K):
                H[k].flat[0] += s * J.y[k]
        slopes = learn_curvatures(C, J, 0, last, c, n, &new)
        for e in range(last):
            fastsgd_joint_step(K, J.z[e], J.y, J.slope[e], J.rate, loss[e], c * (R.size[e] + b_size[e]), J.room, J.a)
            for k in range(K):
                z[e * S + k] = <floating> (c * J.a[k])
                rules[e].b[k] += c * J.a[k] * b_size[e]
        H.curve += c * max(min(new, H.h), 0.04 * H.h)
        H.square += (slopes - H.square) / n
        H.slopes += c * slopes
        averaged = better_of(H) if C.first else 0
        move_together(R, F, ids, S, last, z, z2, c * slopes * C.at.grown, averaged, W, W2, A)
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
            fault = softmax_dense_rows(L, values, O, T, M, P, C, J, R, <double*> row.ids, work)  # as room for a row
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
    work, joint = np.empty(2 * d * (not sparse) + 2 * M.S, state.W.dtype), np.zeros(18 * K)
    listed = np.empty((9, longest + d * (not sparse) + 1))
    cdef floating[::1] ws = work
    cdef double[::1] js = joint
    cdef double[:, ::1] ls = listed
    lay_joint(&J, K, &js[0])
    own.ids, own.x, own.share, own.n = &ls[0, 0], &ls[1, 0], &ls[2, 0], 0
    own.step[0], own.shrink[0], own.off[0] = &ls[3, 0], &ls[4, 0], &ls[5, 0]
    own.step[1], own.shrink[1], own.off[1] = &ls[6, 0], &ls[7, 0], &ls[8, 0]
    with nogil:
        fault = run_softmax(L, values, O, buffer_rows, &T, M, &plan.par, &C, &J, &R[0], &own, &ws[0])
    free(M.of)
    return fault


def auto_softmax(X, order, target, state, plan, sums):
    """A step of learning_rate="auto" for each row, of classes learnt together; otherwise as `sweep`."""
    return through_door(AUTO_SOFTMAX, X, (order, target, state, plan, sums))
