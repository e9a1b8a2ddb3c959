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
    AHEAD_IN_ROW = 8        # features of a row that are fetched before their turn
    SOON = 128              # weights of a row, at most, that are fetched before its turn: more would not stay
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

cdef extern from "together.h":
    # See there.
    ctypedef struct Values:
        double* x
        double* size
        double* unit
        double* seen
        double* slopes
        double* kappa
        double* share
        double* step[2]
        double* shrink[2]
        double* off[2]
        double[2] sum
        double added, prior, per_eta, start, faded, l1, l2, one, visits, most_visits
        int first, rules, sizes
    void fastsgd_value_steps(Py_ssize_t n, Values* v, double most_owed) noexcept nogil

# What is left of a row: the features that count, and what there is of their values; x also in the type of X.
cdef struct Row:
    void* ids
    void* x
    Py_ssize_t n
    Values v


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


cdef void renew_centred(const Csr* L, const floating* values, Py_ssize_t lo, Py_ssize_t nnz, const Pace* C,
                        Feature* F) noexcept nogil:
    """Before a row: those of the first one are centred, and at times others join them."""
    cdef Py_ssize_t k, n = 0
    cdef double t = C.at.t
    if t == 1:
        for k in range(lo, lo + nnz):
            if values[k] != 0 and n < MOST_CENTRED:
                F[L.indices[k]].next = C.at.last if C.at.last > 0 else -1
                C.at.last = L.indices[k] + 1
                n += 1
    elif t >= CENTRED_AFTER and (<int64_t> t & (<int64_t> t - 1)) == 0:
        join(C, F, L.d)


cdef inline double move_mean(Feature* F, double x, double added) noexcept nogil:
    """The mean of a centred feature takes the row in. Returns by what it moved, and the intercepts are to.

    These follow when the row's value is counted: where it is far from those before, what was learnt has shrunk by then.
    """
    cdef double by = (x - F.mean) * (added / (F.seen + added))  # the first row's is exactly its value
    F.mean += by
    return by


cdef double count_unusual(Feature* F, double x, double added, double early, Py_ssize_t S, floating* w, floating* a,
                          floating* w2) noexcept nogil:
    """Count a value that is 0, or the first one, or far: as what it counts, or 0. What was learnt shrinks."""
    cdef double size = fabs(x) * F.unit, grown, less = 1.0
    cdef Py_ssize_t h
    if F.unit == 0:
        if fabs(x) < MIN_VARIANCE:
            return 0.0
        F.unit = sqrt(F.seen / added) / fabs(x)
        return x
    if size > 4.0 and F.seen <= early:  # Early on a value that is not like those before is taken as it is,
        less = sqrt(2.0 / (1.0 + size * size))
        F.unit *= less
        size = fabs(x) * F.unit
        grown = 1.0 / sqrt(1.0 + (size * size - 1.0) * added / F.seen)
    else:
        if size > CLIPPED:  # and later as one of at most so many root mean squares.
            size = CLIPPED
            x = size / F.unit if x > 0 else -size / F.unit
        grown = 1.0 / sqrt(1.0 + (size * size - 1.0) * added / F.seen)
        if size > 4.0:
            less = grown
    F.unit *= grown
    if less != 1.0:
        for h in range(S):
            w[h] = <floating> (w[h] * less)
            a[h] = <floating> (a[h] * less)
            if w2 is not NULL:
                w2[h] = <floating> (w2[h] * less)
    return x


cdef inline Py_ssize_t enter_value(Feature* F, Py_ssize_t j, double x, double added, double early, double kappa, Py_ssize_t n,
                                   Moving* M, const Run* rules, Values* v, index* ids, floating* xs) noexcept nogil:
    """Count a value less the mean, and list it as the n-th unless that is 0; how many are listed."""
    cdef double size = fabs(x) * F.unit
    F.seen += added
    if not 0 < size <= 4.0:
        x = count_unusual(F, x, added, early, M.S, <floating*> M.W + j * M.S, <floating*> M.A + j * M.S,
                          <floating*> rules[1].W + j * M.S if rules[1].W is not NULL else <floating*> NULL)
        if x == 0:
            return n
        size = 1.0
    v.sizes |= size != 1.0  # as it is of 0/1
    ids[n], xs[n] = <index> j, <floating> x
    v.x[n], v.size[n], v.unit[n], v.seen[n], v.slopes[n], v.kappa[n] = x, size, F.unit, F.seen, F.slopes, kappa
    return n + 1


cdef void enter_values(const Csr* L, const floating* values, Py_ssize_t lo, Py_ssize_t nnz, Moving* M, const Run* R, const Pace* C,
                       double one, double per_kappa, bint ahead, Row* row) noexcept nogil:
    """Count the values of a row: those that it has, and of centred features that it does not have 0 less the mean."""
    cdef Py_ssize_t k, j, S = M.S
    cdef floating* W = <floating*> M.W
    cdef floating* A = <floating*> M.A
    cdef floating* W2 = <floating*> R[1].W
    cdef floating* xs = <floating*> row.x
    cdef Feature* F = <Feature*> C.columns
    cdef double* link = &C.at.last
    cdef Py_ssize_t n = 0
    cdef double t = C.at.t, added = one * C.at.grown, early = 16.0 * C.at.grown, by
    cdef Values v = row.v  # which the compiler may keep in registers
    cdef double kappa_centred = KAPPA_CENTRED * per_kappa, kappa = KAPPA_TOGETHER[C.first] * per_kappa
    cdef floating x
    if Csr is Csr32:
        ids = <int32_t*> row.ids
    else:
        ids = <int64_t*> row.ids
    v.sizes = 0
    for k in range(lo, lo + nnz):
        if ahead and k + AHEAD_IN_ROW < lo + nnz:
            j = L.indices[k + AHEAD_IN_ROW]
            near(F + j)
            near(&F[j].next)
            near_all(W + j * S, S)
            if W2 is not NULL:
                near_all(W2 + j * S, S)
        x, j = values[k], L.indices[k]
        if x == 0:
            continue
        if F[j].next == 0:
            n = enter_value(F + j, j, x, added, early, kappa, n, M, R, &v, ids, xs)
            continue
        F[j].next += 0.5  # the row has it
        by = move_mean(F + j, x, added)
        x = <floating> (x - F[j].mean)
        n = enter_value(F + j, j, x, added, early, kappa_centred, n, M, R, &v, ids, xs)
        move_intercepts(M.K, R, by, W + j * S, A + j * S, W2 + j * S if W2 is not NULL else W2)
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
            by = move_mean(F + j, 0.0, added)
            n = enter_value(F + j, j, <double> <floating> -F[j].mean, added, early, kappa_centred, n, M, R, &v, ids, xs)
            move_intercepts(M.K, R, by, W + j * S, A + j * S, W2 + j * S if W2 is not NULL else W2)
        link = &F[j].next
    row.n, row.v.sizes = n, v.sizes


cdef void find_steps(const Params* P, const Pace* C, double one, Row* R) noexcept nogil:
    """What the steps of a row need."""
    cdef const Head* H = C.heads
    cdef double n = C.at.recent
    cdef Py_ssize_t i
    cdef Values* v = &R.v
    for i in range(R.n, (R.n + 3) // 4 * 4):
        v.x[i], v.size[i], v.unit[i], v.seen[i], v.slopes[i], v.kappa[i] = 0, 1, 1, 1, 0, 1
    v.added, v.prior, v.faded = one * C.at.grown, H.h * (C.at.values / n) / H.far, 1.0 / C.at.grown
    v.per_eta, v.start = 1.0 / (P.schedule_par[0] * ETA_TOGETHER), START_TOGETHER + (H.square if C.at.t > 1 else H.h)
    v.l1, v.l2, v.one, v.visits, v.most_visits = P.l1, P.l2, one, n / one, 0.1 * n + 1.0
    fastsgd_value_steps((R.n + 3) // 4 * 4, v, MOST_OWED)


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


cdef inline void move_values(const Row* R, Feature* F, const index* ids, Py_ssize_t S, double l1, const floating* step,
                             const floating* step2, double slopes, int averaged, floating* W, floating* W2,
                             floating* A) noexcept nogil:
    """A step of either rule, and of the average; what was counted goes back to the features."""
    cdef Values v = R.v
    cdef Py_ssize_t i, j, n = R.n
    cdef floating* w
    cdef floating* w2
    cdef floating off = 0, off2 = 0
    for i in range(n):
        j = ids[i]
        if i + AHEAD_IN_ROW < n:
            near_all(A + ids[i + AHEAD_IN_ROW] * S, S)  # Of most rows no margin was taken of the average.
        F[j].unit = v.unit[i]
        if l1 > 0:
            off, off2 = <floating> v.off[0][i], <floating> v.off[1][i]
        w = W + j * S
        step_weights(w, <floating> v.step[0][i], step, <floating> v.shrink[0][i], off, S)
        if v.rules == 2:
            F[j].slopes += slopes
            w2 = W2 + j * S
            step_weights(w2, <floating> v.step[1][i], step2, <floating> v.shrink[1][i], off2, S)
            if averaged == 1:
                w = w2
        average_weights(A + j * S, w, <floating> v.share[i], S)


cdef inline void move_together(const Row* R, Feature* F, const index* ids, Py_ssize_t S, double l1, const floating* step,
                               const floating* step2, double slopes, int averaged, floating* W, floating* W2,
                               floating* A) noexcept nogil:
    """The same, as two functions: numbers of few classes stay in registers."""
    if S == 4:
        move_values(R, F, ids, 4, l1, step, step2, slopes, averaged, W, W2, A)
    else:
        move_values(R, F, ids, S, l1, step, step2, slopes, averaged, W, W2, A)


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
