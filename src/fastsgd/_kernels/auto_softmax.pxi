# learning_rate="auto" of classes that are learnt together (softmax). The K margins of a row take one implicit step,
#
#     q = softmax(z + s (y - q)),  a = y - q,  s the same for all classes
#
# and what else is as in auto.pxi and auto_csr.pxi, but that scales, curvature, judgement and shares are those of the model, and
# not of a class. The numbers of the model are in its first head.
#
# Each class has a rate, by which its share of a step is multiplied: 1 over the root of its curvature so far, over the mean of all
# classes. Rare ones have little curvature, and would be learnt late.
#
# How long steps are follows from what is learnt. `reach` is the variance of margins that is to be expected: 4 times the gain
# over the best constant, by what is left of the loss, both as judged by rows before they are learnt from. Where the columns say
# little of the classes, long steps learn noise; where they say nearly all, margins are to become large.
#
# Several rules learn at the same time, and the judgement says which candidate it is to be, or the mean of which: what is best
# differs more than `reach` can tell. Dense, the weights being in standard units:
#
#     correlations    w += a P^-1 xh, P = kappa sum h_i R + h d / (gamma reach)   R: of the columns, rows counting by curvature
#     long steps      w += g a xh, g = 5 min(max(reach, 1), 6) / (1 + sum c slope^2)^(3/4)       slope^2: a mean over the classes
#
# of both of which there is an average; and the weights of the second are a candidate, too, as they follow what changes. R takes
# d^2 a row, so that where columns are many the first has steps of min(reach, 1) in place of P^-1. It is brought up to date
# whenever the rows have grown by half. From the second pass on the better of the two goes on, with steps that do not depend on R.
cdef enum:
    JUDGED = 3              # candidates
    FEWER_JUDGE = 16384     # rows after which one in eight judges
    REACH_ROWS = 1000       # after this many `reach` is halfway between FIRST_REACH and what was judged
    EVEN_ROWS = 20          # Rows for which all classes count as equal, in their rates.
    CORRELATED = 64         # Columns, at most, whose correlations count, and as many as
    PER_CLASS = 16          # times the number of classes.
cdef double[LESS] SHARE = [0.85, 0.65, 0.4]  # of the leader that are judged, the rest being of the best constant
cdef double FIRST_REACH = 1.5, MIN_REACH = 0.25, MAX_REACH = 8.0, REACH_PER_ODDS = 4.0
cdef double C0 = 1.0 / 3.0  # of `falling`, at a reach of 1
cdef double LONG = 5.0, MAX_LONG = 6.0, AGAIN = 1.5  # of the long steps, their most reach, and the least one in a second pass
cdef double KAPPA_DENSE = 0.3, PER_GAMMA_DENSE = 1.0 / 16.0

cdef extern from "together.h":
    double fastsgd_joint_loss(Py_ssize_t n, const double* z, const double* y, double* room) noexcept nogil
    void fastsgd_rates(Py_ssize_t n, const double* numbers, double mean, double some, double* rates) noexcept nogil
    void fastsgd_joint_step(Py_ssize_t n, const double* z, const double* y, const double* slope, const double* rate, double loss,
                            double size, double* room, double* a) noexcept nogil

# Margins of the rules and of the candidates, and what else there is of a row: K numbers each, in one piece of memory.
cdef struct Joint:
    Py_ssize_t K
    double* z[2]
    double* candidate[JUDGED]
    double* y
    double* flat
    double* value
    double* slope[2]
    double* mix
    double* a
    double* rate
    double* room            # five times as many

# A model of two on dense rows.
cdef struct Run:
    void* W
    void* A
    double* b
    double* b_avg
    double g                # step size of the row
    double loss             # of the row


cdef void lay_joint(Joint* J, Py_ssize_t K, double* room) noexcept nogil:
    """Of a room of 18 K numbers."""
    J.K, J.z[0], J.z[1], J.y, J.flat = K, room, room + K, room + 2 * K, room + 3 * K
    J.candidate[0], J.candidate[1], J.candidate[2] = room + 4 * K, room + 5 * K, room + 6 * K
    J.value, J.slope[0], J.slope[1], J.mix = room + 7 * K, room + 8 * K, room + 9 * K, room + 10 * K
    J.a, J.rate, J.room = room + 11 * K, room + 12 * K, room + 13 * K


cdef inline double loss_together(const Params* P, Joint* J, const double* z, double* slope) noexcept nogil:
    """The loss of margins, of each class in J.value, and its slopes."""
    cdef double total = 0
    cdef Py_ssize_t k
    P.many(J.K, z, J.y, J.value, slope, P.loss_par)
    for k in range(J.K):
        total += J.value[k]
    return total


cdef double learn_curvatures(const Pace* C, Joint* J, int first, int last, double c, double n, double* curve) noexcept nogil:
    """Count the curvature of each class, of the mean slopes of the rules, and find its rate; the mean squared slope.

    A row's curvature is q (1 - q), or (q - y)^2 where that is more; `curve` becomes the mean over the classes.
    """
    cdef double squares = 0, total = 0, a, q
    cdef Py_ssize_t K = J.K, k
    curve[0] = 0
    for k in range(K):
        a = J.slope[first][k] if last == first + 1 else 0.5 * (J.slope[0][k] + J.slope[1][k])
        q = a + J.y[k]
        a *= a
        squares += a
        a = max(a, q * (1.0 - q))
        curve[0] += a / K
        J.room[k] = C.heads[k].weight = C.heads[k].weight + c * a
        total += J.room[k] / K
    if total > 0:
        fastsgd_rates(K, J.room, total, EVEN_ROWS * total / n, J.rate)
    else:
        for k in range(K):
            J.rate[k] = 1.0
    return squares / K


cdef void find_frequencies(const Pace* C, Joint* J, double n) noexcept nogil:
    """The best constant of the rows before this one, the n-th: each class has 1 / K of a row beside its own."""
    cdef double total = 0, one
    cdef Py_ssize_t k
    for k in range(J.K):
        total += C.heads[k].flat[0]
    one = total / (n - 1.0) if n > 1 else 1.0
    for k in range(J.K):
        J.flat[k] = log((C.heads[k].flat[0] + one / J.K) / (total + one)) if C.intercept else 0.0


cdef inline void count_together_row(const Pace* C, Py_ssize_t K, double s, double fade) noexcept nogil:
    """As `count_row`. H.total is of the judgement, H.far what `reach` is, and the weight of each class its curvature."""
    cdef Py_ssize_t k
    count_row(C.at, s, fade)
    if fade < 1.0:
        C.heads[0].curve *= fade
        C.heads[0].slopes *= fade
        for k in range(K):
            C.heads[k].flat[0] *= fade
            C.heads[k].weight *= fade


cdef inline double judged_together(const Head* H, double value, double t, double n) noexcept nogil:
    """As `judged`; of many rows one in eight, as losses of several classes take longer."""
    if n > FEWER_JUDGE and value <= 4.0 * H.usual:
        return 8.0 if <uint64_t> t * <uint64_t> 0x9E3779B97F4A7C15 >> 61 == 0 else 0.0
    return judged(H, value, t, n)


cdef inline int better_of(const Head* H) noexcept nogil:
    """Which of the first two candidates has lost less so far."""
    return 0 if H.lost[0] <= H.lost[1] else 1


cdef inline void combine(Joint* J, int number, double share) noexcept nogil:
    """That share of a combination, as in `combined`, in J.mix."""
    cdef const double* a = J.candidate[0 if number == 0 or number >= JUDGED else number]
    cdef const double* b = a
    cdef const double* c = J.candidate[2]
    cdef Py_ssize_t k
    cdef double z
    if number == 3:
        b = J.candidate[1]
    elif number == 4:
        b = J.candidate[2]
    elif number == 5:
        a, b = J.candidate[1], J.candidate[2]
    elif number == 6:
        b = J.candidate[1]
    for k in range(J.K):
        z = (a[k] + b[k] + c[k]) / 3.0 if number == 6 else 0.5 * (a[k] + b[k])
        J.mix[k] = J.flat[k] + share * (z - J.flat[k]) if share < 1.0 else z


cdef void judge_together(const Pace* C, Joint* J, double s, double n) noexcept nogil:
    """As `judge`, of the candidates' margins of all classes; and what `reach` is after that. H.total is the constant's loss."""
    cdef Head* H = C.heads
    cdef double flat, more, leading = 0, gain, odds, share = n / (n + REACH_ROWS)
    cdef int i, leader = <int> H.leader
    if s == 0:
        return
    flat = fastsgd_joint_loss(J.K, J.flat, J.y, J.room)
    H.total += s * flat
    for i in range(combinations(JUDGED)):
        combine(J, i, 1.0)
        more = fastsgd_joint_loss(J.K, J.mix, J.y, J.room)
        more = s * (more - flat) if isfinite(more) else INFINITY
        H.lost[i] += more
        if i == leader:
            leading = more
    for i in range(LESS + 1):
        more = leading
        if i < LESS:
            combine(J, leader, SHARE[i])
            more = fastsgd_joint_loss(J.K, J.mix, J.y, J.room)
            more = s * (more - flat) if isfinite(more) else INFINITY
            H.lost_less[i] += more
        H.spread[i] = length(H.spread[i], fabs(more))
    for i in range(combinations(JUDGED)):
        if H.lost[i] < H.lost[<int> H.leader]:
            H.leader = i
    gain = -H.lost[<int> H.leader]
    for i in range(LESS):
        gain = max(gain, -H.lost_less[i])
    odds = max(gain, 0.0) / (H.total - gain) if H.total > gain else MAX_REACH
    H.far = FIRST_REACH * pow(max(MIN_REACH, min(REACH_PER_ODDS * odds, MAX_REACH)) / FIRST_REACH, share)


cdef inline bint correlates(Py_ssize_t d, Py_ssize_t K) noexcept nogil:
    """Whether dense columns are few enough for their correlations to count."""
    return d <= CORRELATED and d <= PER_CLASS * K


cdef void invert_correlations(const Pace* C, Py_ssize_t d, double curve, double prior) noexcept nogil:
    """(curve + prior) (curve R + prior I)^-1 in place of that of fewer rows, by Gauss and Jordan; after it come the sums for R."""
    cdef double* M = C.columns + 3 * d
    cdef const double* sums = M + d * d
    cdef double* row
    cdef double by, scale
    cdef Py_ssize_t i, j, p
    for i in range(d):
        for j in range(i):
            scale = sums[i * d + i] * sums[j * d + j]
            M[i * d + j] = M[j * d + i] = curve * sums[i * d + j] / sqrt(scale) if scale > 0 else 0.0
        M[i * d + i] = curve + prior
    for p in range(d):
        row = M + p * d
        by, row[p] = 1.0 / row[p], 1.0
        for j in range(d):
            row[j] *= by
        for i in range(d):
            if i != p:
                by, M[i * d + p] = M[i * d + p], 0.0
                for j in range(d):
                    M[i * d + j] -= by * row[j]
    for i in range(d * d):
        M[i] *= curve + prior


cdef double decorrelated(const Pace* C, Py_ssize_t d, const floating* xh, double* x, floating* out) noexcept nogil:
    """The row times that inverse, and what the two have in common."""
    cdef const double* M = C.columns + 3 * d
    cdef double size = 0, one
    cdef Py_ssize_t i, j
    for j in range(d):
        x[j] = xh[j]
    for i in range(d):
        one = 0
        for j in range(d):
            one += M[i * d + j] * x[j]
        out[i] = <floating> one
        size += one * x[i]
    return size


cdef void count_products(const Pace* C, Py_ssize_t d, const double* x, double weight) noexcept nogil:
    """Add the row's products to the sums for the correlations."""
    cdef double* sums = C.columns + 3 * d + d * d
    cdef double one
    cdef Py_ssize_t i, j
    for i in range(d):
        one = weight * x[i]
        for j in range(i + 1):
            sums[i * d + j] += one * x[j]


cdef void settle_run(Py_ssize_t d, Py_ssize_t S, double owed, const Pace* C, const Params* P, floating* W,
                     floating* A) noexcept nogil:
    """As `settle_auto`, of one model."""
    cdef const double* r = C.columns + 2 * d
    cdef double past = C.at.last / C.at.recent
    cdef floating now = <floating> (1.0 - past * past * past)
    cdef Py_ssize_t j, k
    if P.l1 > 0 or P.l2 > 0:
        for j in range(d):
            for k in range(S):
                W[j * S + k] = <floating> paid(W[j * S + k], owed, r[j], P.l1, P.l2)
    for j in range(d * S):
        A[j] += (W[j] - A[j]) * now


cdef inline void step_run(const Pace* C, Joint* J, Run* R, const double* z, double c, double size, double part,
                          floating* step) noexcept nogil:
    """The step J.a of a model at its margins, as factors of the row, and that of its intercepts."""
    cdef double past = 1.0 - 1.0 / C.at.recent, moved
    cdef Py_ssize_t k
    for k in range(J.K):
        step[k] = <floating> (c * R.g * J.a[k])
        if C.intercept:
            moved = (z[k] - R.b[k]) * part / (1.0 - part) if part < 1.0 else 0.0
            R.b[k] += c * R.g * J.a[k] + moved
            R.b_avg[k] += moved
        R.b_avg[k] += (R.b[k] - R.b_avg[k]) * (1.0 - past * past * past)


cdef int softmax_dense_rows(const Dense* L, const floating* values, Order O, const Targets* T, Moving M, const Params* P,
                            const Pace* C, Joint* J, Run* R, double* row, floating* xh) noexcept nogil:
    """A step for each of n rows, in the order of `visit`; 1 if a margin was not finite, else 0."""
    cdef Py_ssize_t K = M.K, S = M.S, d = L.d, i, r, k
    cdef floating* z = xh + d
    cdef floating* along = z + S
    cdef const floating* x
    cdef Head* H = C.heads
    cdef double s, t, n, norm, c, size, times, part, fade, curve, slopes, prior
    cdef bint paired = C.first and correlates(d, K)
    cdef double[2] sizes
    cdef int best = better_of(H), e, first = 0 if C.first else best, last = 2 if C.first else best + 1
    for i in range(O.n):
        fetch_next(L, values, T, &O, i)
        fetch_soon(L, values, T, &O, i)
        r = row_number(&O, i)
        s = weight(T, r, 0, 1.0)
        if s == 0:
            continue
        x = values + r * d
        fade = fading(P, C.at)
        count_together_row(C, K, s, fade)
        C.at.last *= fade
        if C.at.grown > MOST_GROWN:
            H.total /= C.at.grown * C.at.grown * C.at.grown
            if paired:
                for k in range(d * d):
                    C.columns[3 * d + d * d + k] /= C.at.grown
            renew_columns(d, K, C)
        t, n = C.at.t, C.at.recent
        c, part = s * n / C.at.weight, s / C.at.weight if C.intercept else 0.0
        norm = standardised(x, d, C, s * C.at.grown, part, xh)
        if t <= EXACT or 1.0 + norm > 10.0 * C.at.rho / n:
            scales(d, C, ridge_of(C, K, P.l2))
            norm = standardised_again(x, d, C, xh)
        C.at.rho += 1.0 + norm
        size = norm + C.intercept
        for k in range(K):
            J.y[k] = target(T, r, k)
        for e in range(first, last):
            dots(L, xh, 0, d, <floating*> R[e].W, S, z)
            for k in range(K):
                J.z[e][k] = z[k] + R[e].b[k]
                if not isfinite(J.z[e][k]):
                    return 1
            R[e].loss = loss_together(P, J, J.z[e], J.slope[e])
            if e == best:
                for k in range(K):
                    M.loss_sum[k] += s * J.value[k]
                    M.weight_sum[k] += s
        if C.first:
            times = judged_together(H, R[best].loss, t, n)
            if times > 0:
                for e in range(2):
                    dots(L, xh, 0, d, <floating*> R[e].A, S, z)
                    for k in range(K):
                        J.candidate[e][k] = z[k] + R[e].b_avg[k]
                for k in range(K):
                    J.candidate[2][k] = J.z[1][k]
                find_frequencies(C, J, n)
                judge_together(C, J, times * s * late(C.at), n)
            H.usual += (R[best].loss - H.usual) * s / C.at.weight
            for k in range(K):
                H[k].flat[0] += s * J.y[k]
        prior, sizes[0], sizes[1] = H.h * d * PER_GAMMA_DENSE / H.far, size, size
        if paired:
            if t >= H[1].far:
                invert_correlations(C, d, KAPPA_DENSE * H.curve, prior)
                H[1].far = t + max(8.0, floor(n / 2.0))
            sizes[0] = decorrelated(C, d, xh, row, along) + C.intercept
        slopes = learn_curvatures(C, J, first, last, c, n, &curve)
        curve = c * max(min(curve, H.h), 0.04 * H.h)
        H.curve += curve
        R[0].g = falling(n, C.at.rho / n, C0 * P.schedule_par[0] * min(H.far, 1.0)) / H.h
        if paired:
            R[0].g = P.schedule_par[0] / (KAPPA_DENSE * H.curve + prior)
            if t <= EARLY or <uint64_t> t * <uint64_t> 0x9E3779B97F4A7C15 >> 62 == 0:
                count_products(C, d, row, curve * C.at.grown)
        if C.first:
            H.slopes += c * slopes
            slopes = sqrt(1.0 + H.slopes)
            R[1].g = P.schedule_par[0] * LONG * max(1.0, min(H.far, MAX_LONG)) / (slopes * sqrt(slopes))
        else:
            R[1].g = falling(n, C.at.rho / n, C0 * P.schedule_par[0] * LONG * max(H.far, AGAIN)) / H.h
        for e in range(first, last):
            H[e].owed[0] += R[e].g
            for k in range(K, S):
                z[k] = 0
            fastsgd_joint_step(K, J.z[e], J.y, J.slope[e], J.rate, R[e].loss, c * R[e].g * sizes[e], J.room, J.a)
            step_run(C, J, R + e, J.z[e], c, size, part, z)
            adds(L, along if paired and e == 0 else xh, 0, d, <floating*> R[e].W, S, z, M.live, S)
        best = better_of(H) if C.first else best
        if t >= C.at.due:
            for e in range(first, last):
                settle_run(d, S, H[e].owed[0], C, P, <floating*> R[e].W, <floating*> R[e].A)
                H[e].owed[0] = 0
            C.at.last = n
            scales(d, C, ridge_of(C, K, P.l2))
            C.at.due = t + max(1, min(<int64_t> RENEWAL, <int64_t> t // 32))
    return 0
