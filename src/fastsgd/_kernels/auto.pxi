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
# Of few columns the first rule takes these steps itself, and the other's are Newton's: auto_newton.pxi.
#
# The model is what either rule has come to, or the weights with long steps as they are, which follow what changes, or a mean of
# these, or less, as judged by rows before they are learnt from: auto_head.pxi. From the second pass on it is A, or as it was
# chosen where there are Newton's steps.
#
# h is the curvature of the loss, c the row's weight over the mean weight so far. v, penalty and average are
# brought up to date every 1 to 16 rows only, and before a row that is far longer than those before it.
cdef enum:
    EXACT = 64, RENEWAL = 16  # rows at the start after each of which v is renewed; and rows between two renewals later on
    DENSE_CANDIDATES = 3      # the first rule's average; the second's, or Newton's weights; and those of long steps as they are
    AVERAGES = 2              # without the last, where models beside this one say how sure it is
cdef double MIN_VARIANCE = 1e-300  # A column of a smaller variance is taken for constant.
cdef double ETA2 = 4.0  # of the long steps


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


cdef void renew_scales(Py_ssize_t d, Py_ssize_t K, Py_ssize_t S, floating* U, const Pace* C, double l2) noexcept nogil:
    """As `scales`; what is learnt by Newton's steps stays what it is."""
    cdef const double* r = C.columns + 2 * d
    if C.curvatures:
        memcpy(C.newton, r, d * sizeof(double))
    scales(d, C, ridge_of(C, K, l2))
    if C.curvatures:
        rescale_newton(d, K, S, U, C.newton, r)


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
    if C.first and not C.curvatures:
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


cdef inline double long_step(const Params* P, Head* head, double slope, double c, double n) noexcept nogil:
    """The length of the long steps, this row's slope being counted."""
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


cdef inline void judge_dense(const Params* P, const Pace* C, Py_ssize_t k, const double* z, double y, double s) noexcept nogil:
    """Judge the candidates, whose margins are z, s being how often and with what weight the row counts."""
    cdef Head* head = C.heads + k
    cdef int m = AVERAGES if C.averages else DENSE_CANDIDATES
    cdef double leading
    if s <= 0:
        return
    if C.intercept:
        find_constant(P, C, k)
    leading = combined(z, m, <int> head.leader)
    judge(P, head, m, z, leading, value_at(P, leading, y), y, s * late(C.at))
    if C.intercept and C.atoms is not NULL:
        count_atom(P, C, k, y, s * C.at.grown)


# What a row brings to all heads; and what is seen of it at one of them, by the first rule and by the second.
cdef struct DenseRow:
    double norm, size   # its squared length, and that with the intercept
    double part, fade   # its share in the means of the columns, and by what the rows so far fade
    double g            # the step size of `falling`

cdef struct Seen:
    double s, share     # the row's weight, and its share in that of all rows
    double y, value     # target and loss
    double z, slope
    double z2, slope2


cdef void enter_row(const floating* x, Py_ssize_t d, Py_ssize_t K, Py_ssize_t S, double s, DenseRow* R, const Params* P,
                    const Pace* C, floating* xh) noexcept nogil:
    """Count a row of weight s in the columns, and standardise it."""
    cdef floating* W2 = <floating*> C.second
    R.fade = fading(P, C.at)
    count_row(C.at, s, R.fade)
    C.at.last *= R.fade
    if C.at.grown > MOST_GROWN:
        if C.curvatures:
            renew_newton(d, K, C)
        renew_columns(d, K, C)
    R.part = s / C.at.weight if C.intercept else 0.0
    R.norm = standardised(x, d, C, s * C.at.grown, R.part, xh)
    if C.curvatures and C.at.t == 1:
        memcpy(C.origin, C.columns, d * sizeof(double))
    if C.at.t <= EXACT or 1.0 + R.norm > 10.0 * C.at.rho / C.at.recent:
        renew_scales(d, K, S, W2, C, P.l2)
        R.norm = standardised_again(x, d, C, xh)
    C.at.rho += 1.0 + R.norm
    R.size = R.norm + C.intercept
    R.g = falling(C.at.recent, C.at.rho / C.at.recent, 0.5 * P.schedule_par[0])


cdef inline bint judges(const Pace* C, Py_ssize_t K, const double* value) noexcept nogil:
    """Whether a row is one of those by which the candidates of a head are judged."""
    cdef bint any = False
    cdef Py_ssize_t k
    for k in range(K if C.first else 0):
        any = any or judged(C.heads + k, value[k], C.at.t, C.at.recent) > 0
    return any


cdef inline bint see_second(Py_ssize_t k, Py_ssize_t d, Py_ssize_t S, floating z, const Params* P, const Pace* C, Head* head,
                            Seen* seen) noexcept nogil:
    """The second rule's margin and slope, z being without the intercept; 1 if it is not finite, else 0."""
    if not isfinite(z):
        if not (C.curvatures and C.first):  # Nobody judges a model that begins anew in a later pass.
            return 1
        begin_newton(k, d, S, <floating*> C.second, head)
        z = 0
    seen.z2 = z + head.b[1]
    seen.slope2 = slope_at(P, seen.z2, seen.y)
    return 0


cdef inline double first_step(const Params* P, const Pace* C, Head* head, const DenseRow* R, const Seen* seen, double* b,
                              double* b_avg) noexcept nogil:
    """Learn from the row what it says of the loss; returns by what it is added to the weights of the first rule."""
    cdef double c = seen.share * C.at.recent, g, by
    if C.first:
        if C.intercept:
            learn_mean(P, head, seen.y, seen.share)
        head.usual += (seen.value - head.usual) * seen.share
    if P.span > 1.0:
        learn(P, head, measured(P, head, seen.z, seen.y), seen.s)
    g = long_step(P, head, seen.slope, c, C.at.recent) if C.first and C.curvatures else R.g / head.h
    head.owed[0] += g
    by = step_dense(P, C, c * g, seen.z, seen.slope, seen.y, R.size, R.part, b, b_avg)
    if P.span == 1.0:
        learn(P, head, measured(P, head, seen.z + by * R.size, seen.y), seen.s)
    return by


cdef inline double second_step(const Params* P, const Pace* C, Head* head, const DenseRow* R, const Seen* seen) noexcept nogil:
    """The same of the second rule, without Newton's steps."""
    cdef double c = seen.share * C.at.recent, g = long_step(P, head, seen.slope2, c, C.at.recent)
    head.owed[1] += g
    return step_dense(P, C, c * g, seen.z2, seen.slope2, seen.y, R.size, R.part, &head.b[1], &head.b[2])


cdef int auto_dense_rows(const Dense* L, Heads* H, const floating* values, Order O, const Targets* T, Moving M, const Params* P,
                         const Pace* C, floating* xh) noexcept nogil:
    """A step for each of n rows, in the order of `visit`; 1 if a margin was not finite, else 0."""
    cdef Py_ssize_t K = 1 if Heads is One else M.K, S = 1 if Heads is One else M.S, d = L.d, i, r, k
    cdef floating* W = <floating*> M.W
    cdef floating* A = <floating*> M.A
    cdef floating* W2 = <floating*> C.second
    cdef floating* A2 = W2 + d * S  # or where there are Newton's steps, the sums of their slopes
    cdef floating* z = xh + d  # S numbers for each of: the margins of W, of the second rule, and of the averages
    cdef floating* z2 = z + M.S
    cdef floating* za = z2 + M.S
    cdef floating* za2 = za + M.S
    cdef Head* head
    cdef DenseRow R
    cdef Seen seen
    cdef double s
    cdef double[DENSE_CANDIDATES] candidate
    cdef bint newton = C.curvatures is not NULL, both = C.first or newton
    cdef floating* moved = A2 if newton else W2  # what a row is added to by the second rule
    for i in range(O.n):
        fetch_next(L, values, T, &O, i)
        if O.visit is not NULL and i + 3 < O.n:
            fetch_near(L, values, T, O.rows[O.visit[i + 3]])
        r = O.visit[i] if O.visit is not NULL else i
        r = O.rows[r] if O.rows is not NULL else O.first + r
        s = T.s[r] if T.s is not NULL else 1.0
        if s == 0:
            continue
        enter_row(values + r * d, d, K, S, s, &R, P, C, xh)
        if C.at.t <= 3 and P.residual and C.intercept:  # y far from 0 is as good as y near it
            for k in range(K):
                begin_intercept(C.heads + k, M.b + k, M.b_avg + k, target(T, r, k), C.at.t)
                C.heads[k].b[1], C.heads[k].b[2] = M.b[k], M.b_avg[k]
        products(H, L, xh, d, W, S, z)
        if both:
            products(H, L, xh, d, W2, S, z2)
        for k in range(K):
            M.of[k] = z[k] + M.b[k]
        if slopes(P, T, r, K, M.of):
            return 1
        if judges(C, K, M.of + 2 * K):
            products(H, L, xh, d, A, S, za)
            if not newton:
                products(H, L, xh, d, A2, S, za2)
        for k in range(K):
            head = C.heads + k
            seen.z, seen.y, seen.value, seen.slope = M.of[k], M.of[K + k], M.of[2 * K + k], M.of[3 * K + k]
            seen.s = weight(T, r, k, seen.y)
            M.loss_sum[k] += seen.s * seen.value
            M.weight_sum[k] += seen.s
            if R.fade < 1.0:
                fade_head(head, R.fade)
            if both and see_second(k, d, S, z2[k], P, C, head, &seen):
                return 1
            if C.first:
                candidate[0] = za[k] + M.b_avg[k]
                candidate[1] = candidate[2] = za2[k] + head.b[2] if not newton else candidate[0]
                if C.at.t > 3:  # Before that the intercept is y itself, and would be judged by what it knows.
                    candidate[2] = seen.z if newton else seen.z2
                    candidate[1] = seen.z2 if newton else candidate[1]
                judge_dense(P, C, k, candidate, seen.y, judged(head, seen.value, C.at.t, C.at.recent) * seen.s)
            seen.share = share_of(head, seen.s, seen.z, seen.y)
            z[k] = <floating> first_step(P, C, head, &R, &seen, M.b + k, M.b_avg + k)
            if newton:
                z2[k] = <floating> newton_row(values + r * d, d, K, k, P, C, head, &R, &seen)
            elif C.first:
                z2[k] = <floating> second_step(P, C, head, &R, &seen)
        add_products(H, L, xh, d, W, S, z, M.live)
        if both:
            add_products(H, L, xh, d, moved, S, z2, M.live)
        if newton and C.at.t >= C.at.block:
            newton_steps(d, K, S, W2, P, C)
        if C.at.t >= C.at.due:
            settle_auto(H, d, K, S, W, A, C, P)
            renew_scales(d, K, S, W2, C, P.l2)
            C.at.due = C.at.t + max(1, min(<int64_t> RENEWAL, <int64_t> C.at.t // 32))
    return 0
