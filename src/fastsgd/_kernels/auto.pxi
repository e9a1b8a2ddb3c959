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
# The model is a share of A / sqrt(v), the rest being the best constant: 1, 3/4, 1/2, 1/4 or 0, whichever would have lost least
# on the rows before they were learnt from (later rows count more, by t^2), see `judge` and auto.py; from the second pass on it
# is all of A. h is the curvature of the loss, c the row's weight over the mean weight so far. v, penalty and average are
# brought up to date every 1 to 16 rows only, and before a row that is far longer than those before it.
cdef enum:
    EXACT = 64, RENEWAL = 16  # rows at the start after each of which v is renewed; and rows between two renewals later on
    SHARES = 5                # of the model, the rest being of the best constant
    EARLY = 1024              # rows at the start that are all judged
cdef double MIN_VARIANCE = 1e-300  # A column of a smaller variance is taken for constant.
cdef double[SHARES] SHARE = [1.0, 0.75, 0.5, 0.25, 0.0]

# Numbers of one head.
cdef struct Head:
    double h, total         # the curvature in use, and the sum of what was measured
    double weight, far      # sums of weights and of |z - y|
    double owed             # dense: steps since the penalty was last paid
    double curve            # CSR: sum of the curvatures
    double b[2]             # CSR: intercept, and its average
    double flat[2]          # the mean of y (affine losses) or the last constant; and the best constant
    double usual            # mean loss before a step
    double lost[10]         # of each share of each candidate: losses before the steps, less those of the constant
    double spread[10]       # the root of the sum of the squares of the same

# See auto_centred.pxi.
cdef struct Centred

# What auto keeps beside weights and intercepts.
cdef struct Pace:
    AutoScalars* at
    double* columns         # dense: (3, d) mean, Q and 1 / sqrt(v)
    Head* heads             # (K,)
    Centred* centred        # CSR
    double* work
    bint intercept, first   # the latter: whether this is the first pass


cdef inline double falling(double t, double R, double c0) noexcept nogil:
    """The step size of row t, R being the mean squared length of a row."""
    return c0 / R * (1.0 + 10.0 * R / t) / sqrt(1.0 + 0.1 * t / (10.0 * R + 1.0))


cdef inline double measured(const Params* P, const Head* H, double z, double y) noexcept nogil:
    """The slope of the slope at z, over the loss's span, or over 1 where it has none."""
    cdef double r = 1.0
    if P.span > 1.0:
        r = H.far / H.weight if H.far > 0 else 0.0
    if r == 0:
        return 0.0
    return (P.slope(z + r, y, P.loss_par) - P.slope(z - r, y, P.loss_par)) / (2.0 * r)


cdef inline void learn(const Params* P, Head* H, double curve, double s) noexcept nogil:
    """Take what was measured into h, where the loss has a span."""
    if P.span > 0:
        H.total += s * curve
        if H.total > 0:
            H.h = H.total / H.weight


cdef inline double share_of(Head* H, double s, double z, double y, double t) noexcept nogil:
    """The row's weight in this head, over the head's mean weight."""
    H.weight += s
    H.far += s * fabs(z - y)
    return s * t / H.weight if s > 0 else 0.0


cdef inline double paid(double u, double owed, double r, double l1, double l2) noexcept nogil:
    """A weight in standard units after the penalty of the steps `owed`."""
    cdef double most = owed * r * l1
    if l1 > 0:
        u = u - most if u > most else u + most if u < -most else 0.0
    return u / (1.0 + owed * r * r * l2)


cdef inline double judged(const Head* H, double value, double t) noexcept nogil:
    """How often row t counts in the judgement: one in four, drawn by a hash, four times; early and unusual ones once."""
    if t <= EARLY or value > 4.0 * H.usual:
        return 1.0
    return 4.0 if <uint64_t> t * <uint64_t> 0x9E3779B97F4A7C15 >> 62 == 0 else 0.0


cdef inline double length(double a, double b) noexcept nogil:
    """sqrt(a^2 + b^2), of numbers that are not negative."""
    cdef double most = max(a, b), least = min(a, b)
    return most * sqrt(1.0 + (least / most) * (least / most)) if most > 0 else 0.0


cdef void judge(const Params* P, Head* H, double z0, double z1, double y, double s) noexcept nogil:
    """Add the losses of two candidates' margins to those before, for each share of them."""
    cdef double z[2 * SHARES]
    cdef double ys[2 * SHARES]
    cdef double value[2 * SHARES]
    cdef double slope[2 * SHARES]
    cdef double flat = H.flat[1], more
    cdef int i
    if s == 0:
        return
    for i in range(SHARES):
        z[i], z[SHARES + i] = flat + SHARE[i] * (z0 - flat), flat + SHARE[i] * (z1 - flat)
    if P.many is not NULL:
        for i in range(2 * SHARES):
            ys[i] = y
        P.many(2 * SHARES, z, ys, value, slope, P.loss_par)
    else:
        for i in range(2 * SHARES):
            value[i] = P.value(z[i], y, P.loss_par)
    for i in range(2 * SHARES):
        more = s * (value[i] - value[SHARES - 1]) if isfinite(value[i]) else INFINITY
        H.lost[i] += more
        H.spread[i] = length(H.spread[i], fabs(more))


cdef inline void learn_constant(const Params* P, Head* H, double y, double s, double c, double t) noexcept nogil:
    """Count a row of weight s, which is c times the mean weight, in the mean of y; or learn the best constant from it."""
    cdef double g, past = 1.0 - 1.0 / t
    if P.affine:
        if H.weight > 0:
            H.flat[0] += (y - H.flat[0]) * s / H.weight
    else:
        if t == 1 and P.residual:
            H.flat[0] = H.flat[1] = y
        g = 2.0 * c / (t * H.h)
        H.flat[0] += g * implicit_step(P.implicit, P.slope, H.flat[0], g, y, P.loss_par)
        H.flat[1] += (H.flat[0] - H.flat[1]) * (1.0 - past * past * past)


cdef inline void find_constant(const Params* P, Head* H, double t) noexcept nogil:
    """The best constant of the mean of y: a proximal step so long that it is nearly there."""
    cdef double s = t / H.h
    if P.affine and t > 1:
        H.flat[1] += s * implicit_step(P.implicit, P.slope, H.flat[1], s, H.flat[0], P.loss_par)


cdef inline void begin(const Params* P, Head* H, double* b, double* b_avg, double y, double t) noexcept nogil:
    """Of a loss of y - z, the intercept of the first three rows: y, y, and the median of the three."""
    cdef double first
    if t < 3:
        b[0] = y
        if t == 1:
            b_avg[0] = y
        return
    first = 8.0 * b_avg[0] - 7.0 * b[0]  # the average of the second row has 1/8 of it
    b[0] = b_avg[0] = max(min(first, b[0]), min(max(first, b[0]), y))
    if not P.affine:
        H.flat[0] = H.flat[1] = b[0]


cdef void scales(Py_ssize_t d, const Pace* C, double ridge) noexcept nogil:
    """1 / sqrt(v) of each column; 0 for one that is constant so far, or whose squares are too small or too large for a number."""
    cdef double* Q = C.columns + d
    cdef double* r = C.columns + 2 * d
    cdef double per = 1.0 / C.at.weight, v
    cdef Py_ssize_t j
    for j in range(d):
        v = Q[j] * per + ridge if Q[j] > 0 else 0.0
        r[j] = 1.0 / sqrt(v) if v > MIN_VARIANCE else 0.0


cdef double standardised(const floating* x, Py_ssize_t d, const Pace* C, double s, double part, floating* xh) noexcept nogil:
    """Count a row of weight s in mean and Q, and standardise it; its squared length."""
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


cdef void settle_auto(Heads* H, Py_ssize_t d, Py_ssize_t K, Py_ssize_t S, floating* W, floating* A, const Pace* C,
                      const Params* P) noexcept nogil:
    """Pay the penalty of the rows since the last time, and bring the average up to date."""
    cdef const double* r = C.columns + 2 * d
    cdef double past = C.at.last / C.at.t, u, owed
    cdef floating now = <floating> (1.0 - past * past * past)
    cdef Py_ssize_t j, k, i
    for k in range(K):
        owed = C.heads[k].owed
        C.heads[k].owed = 0
        if P.l1 > 0 or P.l2 > 0:
            for j in range(d):
                i = j if Heads is One else j * S + k
                u = paid(W[i], owed, r[j], P.l1, P.l2)
                W[i] = <floating> u
    for i in range(d * S):
        A[i] += (W[i] - A[i]) * now
    C.at.last = C.at.t


cdef int auto_dense_rows(const Dense* L, Heads* H, const floating* values, Order O, const Targets* T, Moving M, const Params* P,
                         const Pace* C, floating* xh) noexcept nogil:
    """A step for each of n rows, in the order of `visit`; 1 if a margin was not finite, else 0."""
    cdef Py_ssize_t K = 1 if Heads is One else M.K, S = 1 if Heads is One else M.S, d = L.d, i, r, k
    cdef floating* W = <floating*> M.W
    cdef floating* A = <floating*> M.A
    cdef floating* z = xh + d
    cdef floating* za = z + M.S
    cdef double* y = M.of + K
    cdef double* value = M.of + 2 * K
    cdef const floating* x
    cdef Head* head
    cdef double s, t, norm, c, g, gs, a, size, past, times, mean = 0, part, moved
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
        C.at.t += 1
        C.at.weight += s
        t = C.at.t
        part = s / C.at.weight if C.intercept else 0.0
        norm = standardised(x, d, C, s, part, xh)
        if t <= EXACT or 1.0 + norm > 10.0 * C.at.rho / t:
            scales(d, C, ridge_of(C, K, P.l2))
            norm = standardised_again(x, d, C, xh)
        C.at.rho += 1.0 + norm
        size = norm + C.intercept
        if t <= 3 and P.residual and C.intercept:  # y far from 0 is as good as y near it
            for k in range(K):
                begin(P, C.heads + k, M.b + k, M.b_avg + k, target(T, r, k), t)
        if Heads is One:
            M.of[0] = dot(L, xh, 0, d, W) + M.b[0]
        else:
            dots(L, xh, 0, d, W, S, z)
            for k in range(K):
                M.of[k] = z[k] + M.b[k]
        if slopes(P, T, r, K, M.of):
            return 1
        if C.first:
            any = False
            for k in range(K):
                any = any or judged(C.heads + k, value[k], t) > 0
            if Heads is One and any:
                mean = dot(L, xh, 0, d, A)
            elif any:
                dots(L, xh, 0, d, A, S, za)
        gs = falling(t, C.at.rho / t, 0.5 * P.schedule_par[0])
        past = 1.0 - 1.0 / t
        for k in range(K):
            head = C.heads + k
            s = weight(T, r, k, y[k])
            M.loss_sum[k] += s * value[k]
            M.weight_sum[k] += s
            if C.first:
                times = judged(head, value[k], t)
                if times > 0:
                    if Heads is Many:
                        mean = za[k]
                    if C.intercept:
                        find_constant(P, head, t)
                    judge(P, head, mean + M.b_avg[k], mean + M.b_avg[k], y[k], times * s * t * t)
            c = share_of(head, s, M.of[k], y[k], t)
            if C.first:
                if C.intercept:
                    learn_constant(P, head, y[k], s, c, t)
                if head.weight > 0:
                    head.usual += (value[k] - head.usual) * s / head.weight
            if P.span > 1.0:
                learn(P, head, measured(P, head, M.of[k], y[k]), s)
            g = gs / head.h
            a = implicit_step(P.implicit, P.slope, M.of[k], c * g * size, y[k], P.loss_par)
            if P.span == 1.0:
                learn(P, head, measured(P, head, M.of[k] + c * g * size * a, y[k]), s)
            head.owed += g
            z[k] = <floating> (c * g * a)
            if C.intercept:
                moved = (M.of[k] - M.b[k]) * part / (1.0 - part) if part < 1.0 else 0.0
                M.b[k] += c * g * a + moved
                M.b_avg[k] += moved
            M.b_avg[k] += (M.b[k] - M.b_avg[k]) * (1.0 - past * past * past)
        if Heads is One:
            add(L, xh, 0, d, W, z[0])
        else:
            adds(L, xh, 0, d, W, S, z, M.live, S)
        if t >= C.at.due:
            settle_auto(H, d, K, S, W, A, C, P)
            scales(d, C, ridge_of(C, K, P.l2))
            C.at.due = t + max(1, min(<int64_t> RENEWAL, <int64_t> t // 32))
    return 0
