# learning_rate="auto" on dense rows of few columns: Newton's steps, in place of the second rule of auto.pxi.
#
#     G += s slope xh, over the rows of a block;      H += n s h (x - o) (x - o)', over some of them
#     u -= (R H R s / (n s) + held + L2)^-1 (G + the slope of the penalty),      at its end; the blocks grow with the rows
#
# What is kept of G is its negative, by which the weights go on. H, the sum of the curvatures h, is in units of X, about an origin
# o that moves to the mean of the columns at the end of each block; the intercept is its last column. Rows count in it by their
# number n, as curvatures are those of a model that was further from the optimum at the start; s / (n s) makes it one of all rows.
# R are the scales 1 / sqrt(v), and the weights are held back as by HELD rows that say they are 0.
#
# A step is of Newton's method, times the block's share of all rows so far: as a mean over n rows moves by 1 / n of what the next
# one differs from it, so does the model, whose distance from the optimum is then that of n rows, and no more (Murata and Amari,
# 1999; Bordes, Bottou and Gallinari, 2009). A rule that knows of each column its variance alone, as the others do, is behind where
# columns are correlated.
#
# The weights stay what they are for a block, so that they are judged as they are, and there is no average.
cdef enum:
    WHOLE = 1024              # rows at the start of which all count in H, or half; later one in sixteen, and those that are unusual
    BLOCK = 8                 # rows of a block, at least; of many columns d^2 / PER_ROW
    PER_ROW = 128
    BLOCKS = 16               # later on, a block is one part in so many of the rows
    MANY_WEIGHTS = 64         # of all heads. Of more, half as many rows count in H, and blocks are twice as long.
cdef double HELD = 8.0        # rows
cdef double HELD_INTERCEPT = 0.01  # and of the intercept
cdef double SQUARED = 0.1     # share of the squared slope in the curvature of the logistic loss
cdef double JUMP = 0.5        # A scale 1 / sqrt(v) that falls below this share of what it was has jumped.


cdef inline double curved(const Head* head, double value, double norm, Py_ssize_t d, Py_ssize_t K,
                          const AutoScalars* at) noexcept nogil:
    """How often row t counts in H: early ones once, later one in sixteen, drawn by a hash; of many weights half as many rows.

    Those of unusual loss or length count once, and so do the first 2 d.
    """
    cdef int bits = (0 if at.recent <= WHOLE else 4) + (1 if d * K > MANY_WEIGHTS else 0)
    if bits == 0 or at.t <= 2 * d or value > 4.0 * head.usual or 1.0 + norm > 4.0 * at.rho / at.recent:
        return 1.0
    return <double> (1 << bits) if (<uint64_t> at.t * <uint64_t> 0x9E3779B97F4A7C15) >> (64 - bits) == 0 else 0.0


cdef inline double curvature_at(const Params* P, const Head* head, double z, double slope, double y) noexcept nogil:
    """The slope of the slope at z: of the squared error a constant, else as measured.

    Of the logistic loss it is p (1 - p), and the squared slope for a tenth: their means are the same where the model is right, and
    where it is sure and wrong p (1 - p) is nearly 0, and the steps would be too long.
    """
    if P.inlined == LOGISTIC:
        return fabs(slope) * ((1.0 - SQUARED) * (1.0 - fabs(slope)) + SQUARED * fabs(slope))
    if P.residual and P.span == 0:
        return head.h
    return max(0.0, measured(P, head, z, y))


cdef inline double reach(const Params* P, const Head* head) noexcept nogil:
    """By how much a step may move margins, in the root mean square: as far as the curvature says what the slope becomes.

    How much it moves them say the rows that count in H, by their curvatures; or its length in standard units, where that is less,
    or nothing is curved: of a hinge all margins may be 0 at first, and a step that next to nothing holds back is never undone.
    """
    if P.residual and P.span == 0:
        return INFINITY
    return 1.0 if P.span <= 1.0 else 2.0 * head.far / head.weight if head.far > 0 else 0.0


cdef void from_origin(const floating* x, Py_ssize_t d, const double* origin, double* delta) noexcept nogil:
    """x - o, and 1 for the intercept."""
    cdef Py_ssize_t j
    for j in range(d):
        delta[j] = x[j] - origin[j]
    delta[d] = 1.0


cdef void count_curvature(double* H, Py_ssize_t D, const double* delta, double s) noexcept nogil:
    """H += s delta delta'; of H, here and below, the upper triangle."""
    cdef Py_ssize_t i, j
    cdef double by
    for i in range(D):
        by = s * delta[i]
        for j in range(i, D):
            H[i * D + j] += by * delta[j]


cdef void move_origin(double* H, Py_ssize_t D, const double* by) noexcept nogil:
    """H about an origin that has moved: exact."""
    cdef Py_ssize_t d = D - 1, i, j
    cdef double total = H[d * D + d]
    for i in range(d):
        for j in range(i, d):
            H[i * D + j] += by[i] * by[j] * total - by[i] * H[j * D + d] - by[j] * H[i * D + d]
    for i in range(d):
        H[i * D + d] -= by[i] * total


cdef void standard_curvature(const double* H, Py_ssize_t D, const double* r, double per, bint intercept, const double* least,
                             double* M) noexcept nogil:
    """M = R H R per + diag(least), where a column without a scale, and an intercept that there is not, are apart from all else."""
    cdef Py_ssize_t d = D - 1, i, j
    for i in range(d):
        for j in range(i, d):
            M[i * D + j] = H[i * D + j] * r[i] * r[j] * per if r[i] > 0 and r[j] > 0 else 0.0
        M[i * D + d] = H[i * D + d] * r[i] * per if r[i] > 0 and intercept else 0.0
        M[i * D + i] = M[i * D + i] + least[i] if r[i] > 0 else 1.0
    M[d * D + d] = H[d * D + d] * per + least[d] if intercept else 1.0


cdef inline void eliminate(double* M, Py_ssize_t D, double* g, Py_ssize_t k, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Take row k, with its pivot, off the rows from `first` to before `last`, and off their g."""
    cdef const double* row = M + k * D
    cdef Py_ssize_t i, j
    cdef double by
    for i in range(first, last):
        by = row[i] / row[k]
        g[i] -= by * g[k]
        for j in range(i, D):
            M[i * D + j] -= by * row[j]


cdef bint solve_curvature(double* M, Py_ssize_t D, double* g) noexcept nogil:
    """g = M^-1 g by the factors L D L' of a symmetric M > 0, which is overwritten; whether it could be done.

    Four rows at once are taken off all below them: one by one, the way to memory would take longer than the sums.
    """
    cdef Py_ssize_t i, j, k, p
    cdef const double* row
    cdef double[4] by, per
    cdef double one
    for k in range(0, D, 4):
        for p in range(k, min(k + 4, D)):
            if not 0 < M[p * D + p] < INFINITY:
                return False
            per[p - k] = 1.0 / M[p * D + p]
            eliminate(M, D, g, p, p + 1, min(k + 4, D))
        row = M + k * D
        for i in range(k + 4, D):
            for p in range(4):
                by[p] = row[p * D + i] * per[p]
                g[i] -= by[p] * g[k + p]
            for j in range(i, D):
                M[i * D + j] -= by[0] * row[j] + by[1] * row[D + j] + by[2] * row[2 * D + j] + by[3] * row[3 * D + j]
    for k in range(D - 1, -1, -1):
        one = g[k]
        for j in range(k + 1, D):
            one -= M[k * D + j] * g[j]
        g[k] = one / M[k * D + k]
    return True


cdef void newton_step(Head* head, Py_ssize_t k, Py_ssize_t d, Py_ssize_t S, floating* U, floating* G, const Params* P,
                      const Pace* C) noexcept nogil:
    """At the end of a block, of head k."""
    cdef Py_ssize_t D = d + 1, i, j
    cdef const double* r = C.columns + 2 * d
    cdef double* H = C.curvatures + k * D * D
    cdef double* M = C.newton
    cdef double* g = M + D * D
    cdef double* least = g + D
    cdef double held = HELD * head.h * head.weight / C.at.recent, per = head.weight / head.counted
    cdef double gain = 0, size = 0, curvature, by, u
    cdef bint found
    for i in range(d):
        j = i * S + k
        u = U[j]
        least[i] = held + P.l2 * head.weight * r[i] * r[i]
        g[i] = G[j] - head.owed[1] * r[i] * (P.l2 * r[i] * u + (P.l1 if u > 0 else -P.l1 if u < 0 else 0.0)) if r[i] > 0 else 0.0
        G[j] = 0
    g[d], least[d] = head.gradient if C.intercept else 0.0, HELD_INTERCEPT / HELD * held
    head.gradient = head.owed[1] = 0
    standard_curvature(H, D, r, per, C.intercept, least, M)
    for i in range(D):
        least[i] = g[i]
    found = solve_curvature(M, D, g)
    for i in range(D):
        gain += g[i] * least[i]
        size += g[i] * g[i]
        found = found and isfinite(g[i])
    if not (found and 0 < gain < INFINITY):
        return
    curvature = H[d * D + d] * per  # the sum over the rows
    if curvature > 0:
        size = min(size, gain / curvature)
    by = P.schedule_par[0] * min(1.0, reach(P, head) / sqrt(size))
    for i in range(d):
        U[i * S + k] += <floating> (by * g[i])
    head.b[1] += by * g[d]


cdef void newton_steps(Py_ssize_t d, Py_ssize_t K, Py_ssize_t S, floating* U, const Params* P, const Pace* C) noexcept nogil:
    """A block has ended."""
    cdef Py_ssize_t D = d + 1, j, k
    for j in range(d):
        C.newton[j] = C.columns[j] - C.origin[j]
        C.origin[j] = C.columns[j]
    for k in range(K):
        move_origin(C.curvatures + k * D * D, D, C.newton)
    for k in range(K):
        newton_step(C.heads + k, k, d, S, U, U + d * S, P, C)
    j = max(BLOCK, d * d // PER_ROW)
    C.at.block = C.at.t + max(j, <int64_t> (C.at.recent + 0.5) // (BLOCKS // 2 if d * K > MANY_WEIGHTS else BLOCKS))


cdef inline double newton_row(const floating* x, Py_ssize_t d, Py_ssize_t K, Py_ssize_t k, const Params* P, const Pace* C,
                              Head* head, const DenseRow* R, const Seen* seen) noexcept nogil:
    """Count a row in H of head k; returns by what it is added to G. Sums over the rows are in units of grown^2."""
    cdef Py_ssize_t D = d + 1
    cdef double* delta = C.newton + D * (D + 2)
    cdef double by = seen.s * C.at.recent * (C.at.grown * C.at.grown), times = curved(head, seen.value, R.norm, d, K, C.at)
    head.counted += by
    if times > 0 and by > 0:
        from_origin(x, d, C.origin, delta)
        count_curvature(C.curvatures + k * D * D, D, delta, times * by * curvature_at(P, head, seen.z2, seen.slope2, seen.y))
    if C.intercept and R.part < 1.0:
        head.b[1] += (seen.z2 - head.b[1]) * R.part / (1.0 - R.part)  # as the means have moved
    head.gradient -= seen.s * seen.slope2
    head.owed[1] += seen.s
    return -seen.s * seen.slope2


cdef void renew_newton(Py_ssize_t d, Py_ssize_t K, const Pace* C) noexcept nogil:
    """Bring H back to units of 1."""
    cdef Py_ssize_t i, k
    for i in range(K * (d + 1) * (d + 1)):
        C.curvatures[i] /= C.at.grown * C.at.grown
    for k in range(K):
        C.heads[k].counted /= C.at.grown * C.at.grown


cdef void rescale_newton(Py_ssize_t d, Py_ssize_t K, Py_ssize_t S, floating* U, const double* before,
                         const double* now) noexcept nogil:
    """Columns have other scales: the model stays what it is.

    But where the scale of a column jumps, of which a row has a value far from all others, its weight falls with it, before the row
    is predicted.
    """
    cdef floating* G = U + d * S
    cdef Py_ssize_t j, k
    cdef double by
    for j in range(d):
        if now[j] != before[j] and now[j] > JUMP * before[j] > 0:
            by = before[j] / now[j]
            for k in range(K):
                U[j * S + k] = <floating> (U[j * S + k] * by)
                G[j * S + k] = <floating> (G[j * S + k] / by)


cdef void begin_newton(Py_ssize_t k, Py_ssize_t d, Py_ssize_t S, floating* U, Head* head) noexcept nogil:
    """A margin of head k is not finite: it begins anew."""
    cdef Py_ssize_t i
    for i in range(2 * d):
        U[i * S + k] = 0
    head.b[1] = head.gradient = head.owed[1] = 0
