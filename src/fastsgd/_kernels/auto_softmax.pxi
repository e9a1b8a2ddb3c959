# learning_rate="auto" of classes that are learnt together (softmax). The K margins of a row take one implicit step,
#
#     q = softmax(z + s (y - q)),  a = y - q,  s the same for all classes
#
# and what else is as in auto.pxi and auto_csr.pxi, but that scales, curvature, judgement and shares are those of the model, and
# not of a class. The numbers of the model are in its first head.
#
# How long steps are follows from what is learnt. `reach` is the variance of margins that is to be expected: 4 times the gain
# over the best constant, by what is left of the loss, both as judged by rows before they are learnt from. Where the columns say
# little of the classes, long steps learn noise; where they say nearly all, margins are to become large.
#
# Dense: two models learn at the same time, of steps of min(reach, 1) and of 5 max(reach, 1.5), and the judgement says which it
# is to be: what is best differs more than `reach` can tell, where columns are nearly multiples of each other.
from fastsgd.losses cimport quick_exp

cdef enum:
    SHARES = 5              # of a candidate that are judged, the rest being of the best constant
    FEWER_JUDGE = 16384     # rows after which one in eight judges
    REACH_ROWS = 1000       # after this many `reach` is halfway between FIRST_REACH and what was judged
cdef double[SHARES] SHARE = [1.0, 0.75, 0.5, 0.25, 0.0]
cdef double FIRST_REACH = 1.5, MIN_REACH = 0.25, MAX_REACH = 8.0, REACH_PER_ODDS = 4.0
cdef double C0 = 1.0 / 3.0  # of `falling`, at a reach of 1
cdef double SOLVED = 0.02   # Where no probability changes by more the step is found: what is left is about the square.
cdef int MOST_ROUNDS = 30   # of Newton's method for a step

# Margins of the models and of the candidates, and what else there is of a row: K numbers each, in one piece of memory.
cdef struct Joint:
    Py_ssize_t K
    double* z[2]
    double* candidate[2]
    double* y
    double* flat
    double* value
    double* slope[2]
    double* mix
    double* spare
    double* a
    double* q
    double* log_q
    double* v
    double* per

# A model of two on dense rows.
cdef struct Run:
    void* W
    void* A
    double* b
    double* b_avg
    double g                # step size of the row
    double loss             # of the row


cdef void lay_joint(Joint* J, Py_ssize_t K, double* room) noexcept nogil:
    """Of a room of 16 K numbers."""
    J.K, J.z[0], J.z[1], J.candidate[0], J.candidate[1] = K, room, room + K, room + 2 * K, room + 3 * K
    J.y, J.flat, J.value, J.slope[0], J.slope[1] = room + 4 * K, room + 5 * K, room + 6 * K, room + 7 * K, room + 8 * K
    J.mix, J.spare, J.a, J.q = room + 9 * K, room + 10 * K, room + 11 * K, room + 12 * K
    J.log_q, J.v, J.per = room + 13 * K, room + 14 * K, room + 15 * K


cdef inline double loss_together(const Params* P, Joint* J, const double* z, double* slope) noexcept nogil:
    """The loss of margins, of each class in J.value, and its slopes."""
    cdef double total = 0
    cdef Py_ssize_t k
    P.many(J.K, z, J.y, J.value, slope, P.loss_par)
    for k in range(J.K):
        total += J.value[k]
    return total


cdef void implicit_together(Joint* J, const double* z, const double* slope, double loss, double s) noexcept nogil:
    """a = y - q, q = softmax(z + s a), from the loss and slopes at z: Newton's method in log q."""
    cdef Py_ssize_t K = J.K, k
    cdef double* q = J.q
    cdef double* log_q = J.log_q
    cdef double* v = J.v
    cdef double* per = J.per
    cdef double up, down, change, worst, total = loss
    cdef int rounds
    for k in range(K):
        total += J.y[k] * z[k]  # the logarithm of the sum of exp(z), as the targets add up to 1
    for k in range(K):
        q[k], log_q[k], v[k] = slope[k] + J.y[k], z[k] - total, z[k] + s * J.y[k]
    for rounds in range(MOST_ROUNDS):
        up, down, worst = -1.0, 0.0, 0.0
        for k in range(K):
            per[k] = 1.0 / (1.0 + s * q[k])
            down += q[k] * per[k]
            up += q[k] + q[k] * per[k] * (v[k] - log_q[k] - s * q[k])
        up /= down
        for k in range(K):
            change = min((v[k] - log_q[k] - s * q[k] - up) * per[k], 1.0)
            worst = max(worst, q[k] * fabs(change))
            log_q[k] += change
        total = 0
        for k in range(K):
            q[k] = quick_exp(max(-708.0, min(log_q[k], 708.0)))
            total += q[k]
        if worst < SOLVED:
            break
    for k in range(K):
        J.a[k] = J.y[k] - q[k] / total


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
    """As `count_row`. H.total is of the judgement, and H.far what `reach` is."""
    cdef Py_ssize_t k
    count_row(C.at, s, fade)
    if fade < 1.0:
        C.heads[0].curve *= fade
        for k in range(K):
            C.heads[k].flat[0] *= fade


cdef inline double judged_together(const Head* H, double value, double t, double n) noexcept nogil:
    """As `judged`; of many rows one in eight, as losses of several classes take longer."""
    if n > FEWER_JUDGE and value <= 4.0 * H.usual:
        return 8.0 if <uint64_t> t * <uint64_t> 0x9E3779B97F4A7C15 >> 61 == 0 else 0.0
    return judged(H, value, t, n)


cdef inline int best_of(const Head* H) noexcept nogil:
    """The candidate and share of least loss: its place in H.lost."""
    cdef int i, best = 0
    for i in range(1, 2 * SHARES):
        if H.lost[i] < H.lost[best]:
            best = i
    return best


cdef void judge_together(const Params* P, const Pace* C, Joint* J, double s, double n) noexcept nogil:
    """As `judge`, of the candidates' margins of all classes; and what `reach` is after that. H.total is the constant's loss."""
    cdef Head* H = C.heads
    cdef double flat, more, gain, odds, share = n / (n + REACH_ROWS)
    cdef int i
    cdef Py_ssize_t k
    if s == 0:
        return
    flat = loss_together(P, J, J.flat, J.spare)
    H.total += s * flat
    for i in range(2 * SHARES):
        if SHARE[i % SHARES] == 0:
            continue
        for k in range(J.K):
            J.mix[k] = J.flat[k] + SHARE[i % SHARES] * (J.candidate[i // SHARES][k] - J.flat[k])
        more = loss_together(P, J, J.mix, J.spare)
        more = s * (more - flat) if isfinite(more) else INFINITY
        H.lost[i] += more
        H.spread[i] = length(H.spread[i], fabs(more))
    gain = -H.lost[best_of(H)]
    odds = gain / (H.total - gain) if H.total > gain else MAX_REACH
    H.far = FIRST_REACH * pow(max(MIN_REACH, min(REACH_PER_ODDS * odds, MAX_REACH)) / FIRST_REACH, share)


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
                            const Pace* C, Joint* J, Run* R, floating* xh) noexcept nogil:
    """A step for each of n rows, in the order of `visit`; 1 if a margin was not finite, else 0."""
    cdef Py_ssize_t K = M.K, S = M.S, d = L.d, i, r, k
    cdef floating* z = xh + d
    cdef const floating* x
    cdef Head* H = C.heads
    cdef double s, t, n, norm, c, size, times, part, fade
    cdef int best = best_of(H) // SHARES, e, first = 0 if C.first else best, last = 2 if C.first else best + 1
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
                find_frequencies(C, J, n)
                judge_together(P, C, J, times * s * late(C.at), n)
            H.usual += (R[best].loss - H.usual) * s / C.at.weight
            for k in range(K):
                H[k].flat[0] += s * J.y[k]
        R[0].g = falling(n, C.at.rho / n, C0 * P.schedule_par[0] * min(H.far, 1.0)) / H.h
        R[1].g = falling(n, C.at.rho / n, C0 * P.schedule_par[0] * 5.0 * max(H.far, 1.5)) / H.h
        for e in range(first, last):
            H[e].owed[0] += R[e].g
            for k in range(K, S):
                z[k] = 0
            implicit_together(J, J.z[e], J.slope[e], R[e].loss, c * R[e].g * size)
            step_run(C, J, R + e, J.z[e], c, size, part, z)
            adds(L, xh, 0, d, <floating*> R[e].W, S, z, M.live, S)
        best = best_of(H) // SHARES
        if t >= C.at.due:
            for e in range(first, last):
                settle_run(d, S, H[e].owed[0], C, P, <floating*> R[e].W, <floating*> R[e].A)
                H[e].owed[0] = 0
            C.at.last = n
            scales(d, C, ridge_of(C, K, P.l2))
            C.at.due = t + max(1, min(<int64_t> RENEWAL, <int64_t> t // 32))
    return 0
