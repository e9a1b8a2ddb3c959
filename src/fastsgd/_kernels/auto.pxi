# learning_rate="auto": implicit steps in coordinates scaled by the data as they come, averaged. Dense rows, one rule:
#
#     xh = (x - mean) / sqrt(v), v = Q / weight + l2 / h      mean and variance of each column, as of now
#     z = b + u . xh;  R = the mean of 1 + |xh|^2 so far;  g = the step size of `falling`, over h, times the schedule's factor
#     a = -slope(z + s a), s = c g (1 + |xh|^2)               the implicit step: stable whatever s is
#     u += c g a xh;  b += c g a                              then the penalty, a proximal step in the same metric
#     A += (u - A) (1 - (1 - 1 / t)^3)                        the average, of weights t^2
#
# Before the first row b is 0; or where the loss is one of y - z, y in the first two rows, and then the median of the first three:
# a shift of all y is one of b, and no more, and a first y far from the others does not make the model.
#     b += u . (the way that the means have moved) / sqrt(v)   so that the model stays where it is
#
# Beside it, in the first pass, weights of their own with other steps, whose length is AdaGrad's of one sum for all columns:
#
#     u2 += c g2 a2 xh, g2 = ETA2 / (1 + sum c slope^2)^(3/4)    where the loss is one of y - z, slopes over their root mean square
#
# The model is the average of either rule, or of both, or less, as judged by rows before they are learnt from: auto_head.pxi. From
# the second pass on it is A.
#
# h is the curvature of the loss, c the row's weight over the mean weight so far. v, penalty and average are
# brought up to date every 1 to 16 rows only, and before a row that is far longer than those before it.
cdef enum:
    EXACT = 64, RENEWAL = 16  # rows at the start after each of which v is renewed; and rows between two renewals later on
    DENSE_CANDIDATES = 2      # the averages of the two rules
cdef double MIN_VARIANCE = 1e-300  # A column of a smaller variance is taken for constant.
cdef double ETA2 = 4.0  # of the second rule


cdef void renew_columns(Py_ssize_t d, Py_ssize_t K, const Pace* C) noexcept nogil:
    """Dense: bring all sums back to units of 1."""
    cdef Py_ssize_t j, k
    for j in range(d):
        C.columns[d + j] /= C.at.grown
    for k in range(K):
        renew_judgement(C, k)
    C.at.grown = 1.0


cdef inline double falling(double t, double R, double c0) noexcept nogil:
    """The step size of row t, R being the mean squared length of a row."""
    return c0 / R * (1.0 + 10.0 * R / t) / sqrt(1.0 + 0.1 * t / (10.0 * R + 1.0))


cdef inline double paid(double u, double owed, double r, double l1, double l2) noexcept nogil:
    """A weight in standard units after the penalty of the steps `owed`."""
    cdef double most = owed * r * l1
    if l1 > 0:
        u = u - most if u > most else u + most if u < -most else 0.0
    return u / (1.0 + owed * r * r * l2)


cdef void scales(Py_ssize_t d, const Pace* C, double ridge) noexcept nogil:
    """1 / sqrt(v) of each column; 0 for one that is constant so far, or whose squares are too small or too large for a number."""
    cdef double* Q = C.columns + d
    cdef double* r = C.columns + 2 * d
    cdef double per = 1.0 / (C.at.weight * C.at.grown), v
    cdef Py_ssize_t j
    for j in range(d):
        v = Q[j] * per + ridge if Q[j] > 0 else 0.0
        r[j] = 1.0 / sqrt(v) if v > MIN_VARIANCE else 0.0


cdef double standardised(const floating* x, Py_ssize_t d, const Pace* C, double s, double part, floating* xh) noexcept nogil:
    """Count a row of weight s, in the units of Q, in mean and Q, and standardise it; its squared length."""
    cdef double* mean = C.columns
    cdef double* Q = C.columns + d
    cdef const double* r = C.columns + 2 * d
    cdef double delta, rest, norm = 0
    cdef Py_ssize_t j
    for j in range(d):
        delta = x[j] - mean[j]
        rest = delta - delta * part
        mean[j] += delta * part
        Q[j] += s * delta * rest
        rest = rest * r[j]
        xh[j] = <floating> rest
        norm += rest * rest
    return norm


cdef double standardised_again(const floating* x, Py_ssize_t d, const Pace* C, floating* xh) noexcept nogil:
    """After `scales`."""
    cdef const double* mean = C.columns
    cdef const double* r = C.columns + 2 * d
    cdef double rest, norm = 0
    cdef Py_ssize_t j
    for j in range(d):
        rest = (x[j] - mean[j]) * r[j]
        xh[j] = <floating> rest
        norm += rest * rest
    return norm


cdef double ridge_of(const Pace* C, Py_ssize_t K, double l2) noexcept nogil:
    """l2 / h, h the mean over the heads."""
    cdef double h = 0
    cdef Py_ssize_t k
    for k in range(K):
        h += C.heads[k].h
    return l2 * K / h if l2 > 0 else 0.0


cdef void settle_rule(Heads* H, int rule, Py_ssize_t d, Py_ssize_t K, Py_ssize_t S, floating* W, floating* A, const Pace* C,
                      const Params* P) noexcept nogil:
    """Pay the penalty of the rows since the last time, and bring the average up to date, of one of the two rules."""
    cdef const double* r = C.columns + 2 * d
    cdef double past = C.at.last / C.at.recent, u, owed
    cdef floating now = <floating> (1.0 - past * past * past)
    cdef Py_ssize_t j, k, i
    for k in range(K):
        owed = C.heads[k].owed[rule]
        C.heads[k].owed[rule] = 0
        if P.l1 > 0 or P.l2 > 0:
            for j in range(d):
                i = j if Heads is One else j * S + k
                u = paid(W[i], owed, r[j], P.l1, P.l2)
                W[i] = <floating> u
    for i in range(d * S):
        A[i] += (W[i] - A[i]) * now


cdef void settle_auto(Heads* H, Py_ssize_t d, Py_ssize_t K, Py_ssize_t S, floating* W, floating* A, const Pace* C,
                      const Params* P) noexcept nogil:
    """The same of both, as far as they are in use."""
    settle_rule(H, 0, d, K, S, W, A, C, P)
    if C.first:
        settle_rule(H, 1, d, K, S, <floating*> C.second, <floating*> C.second + d * S, C, P)
    C.at.last = C.at.recent


cdef inline void products(Heads* H, const Dense* L, const floating* xh, Py_ssize_t d, const floating* W, Py_ssize_t S,
                          floating* z) noexcept nogil:
    """The margins of all heads, without the intercepts."""
    if Heads is One:
        z[0] = <floating> dot(L, xh, 0, d, W)
    else:
        dots(L, xh, 0, d, W, S, z)


cdef inline void add_products(Heads* H, const Dense* L, const floating* xh, Py_ssize_t d, floating* W, Py_ssize_t S,
                              const floating* step, const int32_t* live) noexcept nogil:
    """W += step xh, of all heads."""
    if Heads is One:
        add(L, xh, 0, d, W, step[0])
    else:
        adds(L, xh, 0, d, W, S, step, live, S)


cdef inline double second_length(const Params* P, Head* head, double slope, double c, double n) noexcept nogil:
    """The length of the second rule's steps, this row's slope being counted."""
    cdef double squared = slope * slope, unit = 1.0
    head.square += (squared - head.square) / n
    if P.residual:  # slopes are counted in units of their root mean square
        squared, unit = squared / head.square if head.square > 0 else 0.0, head.h
    head.slopes += c * squared
    squared = sqrt(1.0 + head.slopes)
    return P.schedule_par[0] * ETA2 / (unit * squared * sqrt(squared))


cdef inline double step_dense(const Params* P, const Pace* C, double g, double z, double slope, double y, double size, double part,
                              double* b, double* b_avg) noexcept nogil:
    """An implicit step of length g, for which the intercept is moved; returns by what the row is added to the weights."""
    cdef double by = g * step_from(P, z, slope, g * size, y), moved, past = 1.0 - 1.0 / C.at.recent
    if C.intercept:
        moved = (z - b[0]) * part / (1.0 - part) if part < 1.0 else 0.0  # as the means have moved
        b[0] += by + moved
        b_avg[0] += moved
    b_avg[0] += (b[0] - b_avg[0]) * (1.0 - past * past * past)
    return by


cdef inline void judge_dense(const Params* P, const Pace* C, Py_ssize_t k, double averaged, double second, double y,
                             double s) noexcept nogil:
    """Judge the averages of the two rules, s being how often and with what weight the row counts."""
    cdef Head* head = C.heads + k
    cdef double[DENSE_CANDIDATES] z
    cdef double leading
    if s <= 0:
        return
    if C.intercept:
        find_constant(P, C, k)
    z[0], z[1] = averaged, second
    leading = combined(z, DENSE_CANDIDATES, <int> head.leader)
    judge(P, head, DENSE_CANDIDATES, z, leading, value_at(P, leading, y), y, s * late(C.at))
    if C.intercept and C.atoms is not NULL:
        count_atom(P, C, k, y, s * C.at.grown)


cdef int auto_dense_rows(const Dense* L, Heads* H, const floating* values, Order O, const Targets* T, Moving M, const Params* P,
                         const Pace* C, floating* xh) noexcept nogil:
    """A step for each of n rows, in the order of `visit`; 1 if a margin was not finite, else 0."""
    cdef Py_ssize_t K = 1 if Heads is One else M.K, S = 1 if Heads is One else M.S, d = L.d, i, r, k
    cdef floating* W = <floating*> M.W
    cdef floating* A = <floating*> M.A
    cdef floating* W2 = <floating*> C.second
    cdef floating* A2 = W2 + d * S
    cdef floating* z = xh + d  # S numbers for each of: the margins of W, of the second rule, and of the averages
    cdef floating* z2 = z + M.S
    cdef floating* za = z2 + M.S
    cdef floating* za2 = za + M.S
    cdef double* y = M.of + K
    cdef double* value = M.of + 2 * K
    cdef double* slope = M.of + 3 * K
    cdef const floating* x
    cdef Head* head
    cdef double s, t, n, norm, c, gs, size, part, slope2, g, by, share, fade
    cdef bint any
    for i in range(O.n):
        fetch_next(L, values, T, &O, i)
        if O.visit is not NULL and i + 3 < O.n:
            fetch_near(L, values, T, O.rows[O.visit[i + 3]])
        r = O.visit[i] if O.visit is not NULL else i
        r = O.rows[r] if O.rows is not NULL else O.first + r
        s = T.s[r] if T.s is not NULL else 1.0
        if s == 0:
            continue
        x = values + r * d
        fade = fading(P, C.at)
        count_row(C.at, s, fade)
        C.at.last *= fade
        if C.at.grown > MOST_GROWN:
            renew_columns(d, K, C)
        t, n = C.at.t, C.at.recent
        part = s / C.at.weight if C.intercept else 0.0
        norm = standardised(x, d, C, s * C.at.grown, part, xh)
        if t <= EXACT or 1.0 + norm > 10.0 * C.at.rho / n:
            scales(d, C, ridge_of(C, K, P.l2))
            norm = standardised_again(x, d, C, xh)
        C.at.rho += 1.0 + norm
        size = norm + C.intercept
        if t <= 3 and P.residual and C.intercept:  # y far from 0 is as good as y near it
            for k in range(K):
                begin(C.heads + k, M.b + k, M.b_avg + k, target(T, r, k), t)
                C.heads[k].b[1], C.heads[k].b[2] = M.b[k], M.b_avg[k]
        products(H, L, xh, d, W, S, z)
        if C.first:
            products(H, L, xh, d, W2, S, z2)
        for k in range(K):
            M.of[k] = z[k] + M.b[k]
        if slopes(P, T, r, K, M.of):
            return 1
        if C.first:
            any = False
            for k in range(K):
                any = any or judged(C.heads + k, value[k], t, n) > 0
            if any:
                products(H, L, xh, d, A, S, za)
                products(H, L, xh, d, A2, S, za2)
        gs = falling(n, C.at.rho / n, 0.5 * P.schedule_par[0])
        for k in range(K):
            head = C.heads + k
            if fade < 1.0:
                fade_head(head, fade)
            s = weight(T, r, k, y[k])
            M.loss_sum[k] += s * value[k]
            M.weight_sum[k] += s
            slope2 = 0
            if C.first:
                if not isfinite(z2[k]):
                    return 1
                slope2 = slope_at(P, z2[k] + head.b[1], y[k])
                judge_dense(P, C, k, za[k] + M.b_avg[k], za2[k] + head.b[2], y[k], judged(head, value[k], t, n) * s)
            share = share_of(head, s, M.of[k], y[k])
            c = share * n
            if C.first:
                if C.intercept:
                    learn_mean(P, head, y[k], share)
                head.usual += (value[k] - head.usual) * share
            if P.span > 1.0:
                learn(P, head, measured(P, head, M.of[k], y[k]), s)
            g = gs / head.h
            head.owed[0] += g
            by = step_dense(P, C, c * g, M.of[k], slope[k], y[k], size, part, &M.b[k], &M.b_avg[k])
            z[k] = <floating> by
            if P.span == 1.0:
                learn(P, head, measured(P, head, M.of[k] + by * size, y[k]), s)
            if C.first:
                g = second_length(P, head, slope2, c, n)
                head.owed[1] += g
                by = step_dense(P, C, c * g, z2[k] + head.b[1], slope2, y[k], size, part, &head.b[1], &head.b[2])
                z2[k] = <floating> by
        add_products(H, L, xh, d, W, S, z, M.live)
        if C.first:
            add_products(H, L, xh, d, W2, S, z2, M.live)
        if t >= C.at.due:
            settle_auto(H, d, K, S, W, A, C, P)
            scales(d, C, ridge_of(C, K, P.l2))
            C.at.due = t + max(1, min(<int64_t> RENEWAL, <int64_t> t // 32))
    return 0
