# learning_rate="auto" of classes learnt together, on CSR: what is kept of a feature, and the steps along the values of a row, whose
# formulas are in auto_softmax_csr.pxi.
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
