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
    ALL_COUNT = 2048        # Rows of which all products are counted; after them those of one in eight.
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
    double FASTSGD_NO_CLASS
    int FASTSGD_JUDGED
    void fastsgd_joint_softmax(int m, Py_ssize_t n, const double* z, double* q, double* total) noexcept nogil
    void fastsgd_judged_margins(Py_ssize_t n, const double* z, const double* flat, int leader, const double* part,
                                double* out) noexcept nogil
    void fastsgd_joint_losses(int m, Py_ssize_t n, const double* z, const double* y, double* loss) noexcept nogil
    double fastsgd_count_losses(Py_ssize_t n, const double* z, const double* y, double total, double s,
                                double* loss) noexcept nogil
    void fastsgd_frequencies(Py_ssize_t K, Py_ssize_t n, const double* count, double one, double total,
                             double* flat) noexcept nogil
    double fastsgd_curvatures(Py_ssize_t n, const double* q, const double* q2, const double* y, double c, double* weight,
                              double* curve, double* total) noexcept nogil
    void fastsgd_rates(Py_ssize_t n, const double* numbers, double mean, double some, double* rates) noexcept nogil
    void fastsgd_joint_steps(int m, Py_ssize_t n, const double* z, const double* y, double* q, const double* rate,
                             const double* total, const double* size, double* room, double* a) noexcept nogil
    double fastsgd_times_symmetric(Py_ssize_t d, const double* x, const double* M, double* out) noexcept nogil
    void fastsgd_add_products(Py_ssize_t d, const double* x, double c, double* M) noexcept nogil

# What there is of the K classes of a row, in arrays of n numbers, K rounded up to a multiple of four.
cdef struct Joint:
    Py_ssize_t K
    Py_ssize_t n
    double* z[2]            # margins of the rules, in one piece
    double* q[2]            # softmax of them, in one piece, and
    double* a[2]            # what is left of the targets after the steps
    double* candidates      # margins, (JUDGED, n)
    double* flat
    double* y
    double* rate
    double* weight          # of each class the sums of curvature and of targets, which are its head's while rows are learnt
    double* count
    double* loss            # sums of the losses of each class, and of the weights of rows, for the caller
    double seen
    double* room            # six times as many
    double* judged          # (FASTSGD_JUDGED, n)
    double[2] total         # of each rule the logarithm of the sum of exp(z),
    double[2] size          # and the size of its step

# A model of two on dense rows.
cdef struct Run:
    void* W
    void* A
    double* b
    double* b_avg
    double g                # step size of the row


cdef Py_ssize_t joint_room(Py_ssize_t K) noexcept nogil:
    """How many numbers there are of K classes."""
    return (18 + JUDGED + FASTSGD_JUDGED) * ((K + 3) // 4 * 4)


cdef void lay_joint(Joint* J, Py_ssize_t K, const Head* heads, double* room) noexcept nogil:
    """In that room."""
    cdef Py_ssize_t n = (K + 3) // 4 * 4, k
    J.K, J.n, J.z[0], J.z[1], J.candidates, J.flat = K, n, room, room + n, room + 2 * n, room + (2 + JUDGED) * n
    for k in range((3 + JUDGED) * n):
        room[k] = FASTSGD_NO_CLASS
    room = J.flat + n
    J.q[0], J.q[1], J.a[0], J.a[1], J.y, J.rate = room, room + n, room + 2 * n, room + 3 * n, room + 4 * n, room + 5 * n
    J.weight, J.count, J.loss, J.room, J.judged = room + 6 * n, room + 7 * n, room + 8 * n, room + 9 * n, room + 15 * n
    J.seen = 0
    for k in range((15 + FASTSGD_JUDGED) * n):
        room[k] = 0
    for k in range(K):
        J.weight[k], J.count[k] = heads[k].weight, heads[k].flat[0]


cdef void keep_joint(const Joint* J, Head* heads, double[:, ::1] sums) noexcept nogil:
    """After the rows."""
    cdef Py_ssize_t k
    for k in range(J.K):
        heads[k].weight, heads[k].flat[0] = J.weight[k], J.count[k]
        sums[0, k] += J.loss[k]
        sums[1, k] += J.seen


cdef inline void see_targets(const Targets* T, Py_ssize_t r, Joint* J) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(J.K):
        J.y[k] = target(T, r, k)


cdef inline double loss_together(Joint* J, int e, double s) noexcept nogil:
    """The loss of a rule, which is counted."""
    J.seen += s
    return fastsgd_count_losses(J.n, J.z[e], J.y, J.total[e], s, J.loss)


cdef inline double learn_curvatures(Joint* J, int first, int last, double c, double n, double* curve) noexcept nogil:
    """Count the curvature of each class, of the mean slopes of the rules, and find its rate; the mean squared slope.

    A row's curvature is q (1 - q), or (q - y)^2 where that is more; `curve` becomes the mean over the classes.
    """
    cdef double total, squares
    cdef Py_ssize_t k
    squares = fastsgd_curvatures(J.n, J.q[first], J.q[last - 1], J.y, c, J.weight, curve, &total)
    curve[0] /= J.K
    total /= J.K
    if total > 0:
        fastsgd_rates(J.n, J.weight, total, EVEN_ROWS * total / n, J.rate)
    else:
        for k in range(J.n):
            J.rate[k] = 1.0
    return squares / J.K


cdef void find_frequencies(const Pace* C, Joint* J, double n) noexcept nogil:
    """The best constant of the rows before this one, the n-th: each class has 1 / K of a row beside its own."""
    cdef double total = 0
    cdef Py_ssize_t k
    if not C.intercept or n <= 1:
        for k in range(J.K):
            J.flat[k] = 0
        return
    for k in range(J.K):
        total += J.count[k]
    fastsgd_frequencies(J.K, J.n, J.count, total / (n - 1.0), total, J.flat)


cdef inline void count_together_row(const Pace* C, Joint* J, double s, double fade) noexcept nogil:
    """As `count_row`. H.total is of the judgement, H.far what `reach` is, and the weight of each class its curvature."""
    cdef Py_ssize_t k
    count_row(C.at, s, fade)
    if fade < 1.0:
        C.heads[0].curve *= fade
        C.heads[0].slopes *= fade
        for k in range(J.K):
            J.count[k] *= fade
            J.weight[k] *= fade


cdef inline bint drawn_eighth(double t) noexcept nogil:
    """Of rows one in eight, by a hash."""
    return <uint64_t> t * <uint64_t> 0x9E3779B97F4A7C15 >> 61 == 0


cdef inline double judged_together(const Head* H, double value, double t, double n) noexcept nogil:
    """As `judged`; after the first rows one in eight, as losses of several classes take longer."""
    if n <= EARLY or value > 4.0 * H.usual:
        return 1.0
    return 8.0 if drawn_eighth(t) else 0.0


cdef inline int better_of(const Head* H) noexcept nogil:
    """Which of the first two candidates has lost less so far."""
    return 0 if H.lost[0] <= H.lost[1] else 1


cdef void judge_together(const Pace* C, Joint* J, double s, double n) noexcept nogil:
    """As `judge`, of the candidates' margins of all classes; and what `reach` is after that. H.total is the constant's loss."""
    cdef Head* H = C.heads
    cdef double[16] loss
    cdef double flat, more, leading = 0, gain, odds, share = n / (n + REACH_ROWS)
    cdef int i, many = combinations(JUDGED), leader = <int> H.leader
    fastsgd_judged_margins(J.n, J.candidates, J.flat, leader, SHARE, J.judged)
    fastsgd_joint_losses(FASTSGD_JUDGED, J.n, J.judged, J.y, loss)
    flat = loss[many + LESS]
    H.total += s * flat
    for i in range(many + LESS):
        more = s * (loss[i] - flat) if isfinite(loss[i]) else INFINITY
        if i == leader:
            leading = more
        if i < many:
            H.lost[i] += more
        else:
            H.lost_less[i - many] += more
            H.spread[i - many] = length(H.spread[i - many], fabs(more))
    H.spread[LESS] = length(H.spread[LESS], fabs(leading))
    for i in range(many):
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
    """The row times that inverse, and what the two have in common; x is room for both, and has the row after that."""
    cdef double size
    cdef Py_ssize_t j
    for j in range(d):
        x[j] = xh[j]
    size = fastsgd_times_symmetric(d, x, C.columns + 3 * d, x + d)
    for j in range(d):
        out[j] = <floating> x[d + j]
    return size


cdef void settle_run(Py_ssize_t d, Py_ssize_t S, double owed, const Pace* C, const Params* P, floating* W,
                     floating* A) noexcept nogil:
    """As `settle_auto`, of one model."""
    cdef const double* r = C.columns + 2 * d
    cdef double past = C.at.last / C.at.recent, per
    cdef floating now = <floating> (1.0 - past * past * past)
    cdef Py_ssize_t j, k
    if P.l1 > 0:
        for j in range(d):
            for k in range(S):
                W[j * S + k] = <floating> paid(W[j * S + k], owed, r[j], P.l1, P.l2)
    elif P.l2 > 0:
        for j in range(d):
            per = 1.0 / (1.0 + owed * r[j] * r[j] * P.l2)
            for k in range(j * S, (j + 1) * S):
                W[k] = <floating> (W[k] * per)
    for j in range(d * S):
        A[j] += (W[j] - A[j]) * now


cdef inline void step_run(const Pace* C, Py_ssize_t K, Run* R, const double* z, const double* a, double c, double part,
                          floating* step) noexcept nogil:
    """The step `a` of a model at its margins, as factors of the row, and that of its intercepts."""
    cdef double past = 1.0 - 1.0 / C.at.recent, share = 1.0 - past * past * past, by = c * R.g, moved
    cdef double* b = R.b
    cdef double* b_avg = R.b_avg
    cdef Py_ssize_t k
    for k in range(K):
        step[k] = <floating> (by * a[k])
    part = part / (1.0 - part) if part < 1.0 else 0.0
    if C.intercept:
        for k in range(K):
            moved = (z[k] - b[k]) * part
            b[k] += by * a[k] + moved
            b_avg[k] += moved
            b_avg[k] += (b[k] - b_avg[k]) * share


cdef int softmax_dense_rows(const Dense* L, const floating* values, Order O, const Targets* T, Moving M, const Params* P,
                            const Pace* C, Joint* J, Run* R, double* row, floating* xh) noexcept nogil:
    """A step for each of n rows, in the order of `visit`; 1 if a margin was not finite, else 0."""
    cdef Py_ssize_t K = M.K, S = M.S, d = L.d, i, r, k
    cdef floating* z = xh + d
    cdef floating* along = z + S
    cdef const floating* x
    cdef Head* H = C.heads
    cdef double s, t, n, norm, c, size, times, part, fade, curve, slopes, prior, loss = 0
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
        count_together_row(C, J, s, fade)
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
        see_targets(T, r, J)
        for e in range(first, last):
            dots(L, xh, 0, d, <floating*> R[e].W, S, z)
            for k in range(K):
                J.z[e][k] = z[k] + R[e].b[k]
                if not isfinite(J.z[e][k]):
                    return 1
        fastsgd_joint_softmax(last - first, J.n, J.z[first], J.q[first], J.total + first)
        loss = loss_together(J, best, s)
        if C.first:
            times = judged_together(H, loss, t, n)
            if times > 0:
                for e in range(2):
                    dots(L, xh, 0, d, <floating*> R[e].A, S, z)
                    for k in range(K):
                        J.candidates[e * J.n + k] = z[k] + R[e].b_avg[k]
                memcpy(J.candidates + 2 * J.n, J.z[1], K * sizeof(double))
                find_frequencies(C, J, n)
                judge_together(C, J, times * s * late(C.at), n)
            H.usual += (loss - H.usual) * s / C.at.weight
            for k in range(K):
                J.count[k] += s * J.y[k]
        prior, sizes[0], sizes[1] = H.h * d * PER_GAMMA_DENSE / H.far, size, size
        if paired:
            if t >= H[1].far:
                invert_correlations(C, d, KAPPA_DENSE * H.curve, prior)
                H[1].far = t + max(8.0, floor(n / 2.0))
            sizes[0] = decorrelated(C, d, xh, row, along) + C.intercept
        slopes = learn_curvatures(J, first, last, c, n, &curve)
        curve = c * max(min(curve, H.h), 0.04 * H.h)
        H.curve += curve
        R[0].g = falling(n, C.at.rho / n, C0 * P.schedule_par[0] * min(H.far, 1.0)) / H.h
        if paired:
            R[0].g = P.schedule_par[0] / (KAPPA_DENSE * H.curve + prior)
            if t <= ALL_COUNT or drawn_eighth(t):
                fastsgd_add_products(d, row, curve * C.at.grown, C.columns + 3 * d + d * d)
        if C.first:
            H.slopes += c * slopes
            slopes = sqrt(1.0 + H.slopes)
            R[1].g = P.schedule_par[0] * LONG * max(1.0, min(H.far, MAX_LONG)) / (slopes * sqrt(slopes))
        else:
            R[1].g = falling(n, C.at.rho / n, C0 * P.schedule_par[0] * LONG * max(H.far, AGAIN)) / H.h
        for e in range(first, last):
            J.size[e] = c * R[e].g * sizes[e]
        fastsgd_joint_steps(last - first, J.n, J.z[first], J.y, J.q[first], J.rate, J.total + first, J.size + first, J.room,
                            J.a[first])
        for k in range(K, S):
            z[k] = 0
        for e in range(first, last):
            H[e].owed[0] += R[e].g
            step_run(C, K, R + e, J.z[e], J.a[e], c, part, z)
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
