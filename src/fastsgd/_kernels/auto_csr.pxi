# learning_rate="auto" on CSR: three rules side by side, each with weights of its own. They differ in P, the precision of a weight:
#
#     filter          P = h_t sum c x^2 + h q n / gamma           h_t = mean curvature so far, q = the mean x^2, n = values in a row
#     long, short     P = q sqrt(start + G) / eta                 G = the sum of c slope^2 over the rows of the feature
#     of each         a = -slope(z + s a), s = sum x^2 / P + 1 / P_b;    w += a x / P, then the penalty, a proximal step
#     average         A += (w - A) (1 - (1 - c / visits)^3), w being that of the filter or of the long, which has lost less so far
#
# The filter's P is the precision of a Bayesian model, if columns are orthogonal; 1 / gamma is the prior, in units that don't depend
# on the scale of a column. Its steps fall as 1 / visits. Those of the others are AdaGrad's (Duchi, Hazan and Singer 2011), 1 over
# the root of the sum of squared slopes, in the same units: they follow what changes, and common features don't hold back rare
# ones. A row's curvature is the slope's slope, or the slope squared where that is more (on average they are equal at the optimum
# of a likelihood): a model that is sure and wrong has no curvature, and would take ever longer steps. Where the loss is one of
# y - z, slopes are counted in units of their root mean square, and P is times the curvature: then no scale of y matters.
#
# A value far from the others of its column counts for less, see auto.h: one row can't rule a column's scale, or the judgement.
#
# In the first pass a visit pays the L2 penalty of its own row, so that a rare feature pays less than its share of the objective.
# There are four candidates, the three weights and the average, and the means of two of them and of all: see auto_head.pxi.
# From the second pass on the filter goes on alone from that model (`Auto.begin_again`), with P times KAPPA of the curvature, which
# makes its steps longer; a visit pays for as many rows as it stands for, t / visits; and the model is its average: so it converges
# to the optimum of the objective.
#
# With a half-life older rows fade: all sums are kept in units that grow by 2^(1 / half-life) with each row.
cdef extern from "auto.h":
    double FASTSGD_CLIP
    ctypedef struct Visit:
        double c, added, faded, t, curve, prior
        double start[2]
        double per[2]
        double l1, l2
        const void* next
        Py_ssize_t n_next
        int averaged
    void gather_f4_i32(const float* x, const int32_t* ix, Py_ssize_t nnz, float* W, Py_ssize_t stride, const Visit* g, float* room,
                       double* z, double* sizes) noexcept nogil
    void gather_one_f4_i32(const float* x, const int32_t* ix, Py_ssize_t nnz, float* W, Py_ssize_t stride, const Visit* g,
                           float* room, double* z, double* sizes) noexcept nogil
    void move_f4_i32(const Visit* g, const int32_t* ix, Py_ssize_t nnz, float* W, Py_ssize_t stride, const float* room,
                     const double* steps, double squared_slope) noexcept nogil
    void move_one_f4_i32(const Visit* g, const int32_t* ix, Py_ssize_t nnz, float* W, Py_ssize_t stride, const float* room,
                         const double* steps, double squared_slope) noexcept nogil
    void gather_f4_i64(const float* x, const int64_t* ix, Py_ssize_t nnz, float* W, Py_ssize_t stride, const Visit* g, float* room,
                       double* z, double* sizes) noexcept nogil
    void gather_one_f4_i64(const float* x, const int64_t* ix, Py_ssize_t nnz, float* W, Py_ssize_t stride, const Visit* g,
                           float* room, double* z, double* sizes) noexcept nogil
    void move_f4_i64(const Visit* g, const int64_t* ix, Py_ssize_t nnz, float* W, Py_ssize_t stride, const float* room,
                     const double* steps, double squared_slope) noexcept nogil
    void move_one_f4_i64(const Visit* g, const int64_t* ix, Py_ssize_t nnz, float* W, Py_ssize_t stride, const float* room,
                         const double* steps, double squared_slope) noexcept nogil
    void gather_d4_i32(const double* x, const int32_t* ix, Py_ssize_t nnz, double* W, Py_ssize_t stride, const Visit* g,
                       double* room, double* z, double* sizes) noexcept nogil
    void gather_one_d4_i32(const double* x, const int32_t* ix, Py_ssize_t nnz, double* W, Py_ssize_t stride, const Visit* g,
                           double* room, double* z, double* sizes) noexcept nogil
    void move_d4_i32(const Visit* g, const int32_t* ix, Py_ssize_t nnz, double* W, Py_ssize_t stride, const double* room,
                     const double* steps, double squared_slope) noexcept nogil
    void move_one_d4_i32(const Visit* g, const int32_t* ix, Py_ssize_t nnz, double* W, Py_ssize_t stride, const double* room,
                         const double* steps, double squared_slope) noexcept nogil
    void gather_d4_i64(const double* x, const int64_t* ix, Py_ssize_t nnz, double* W, Py_ssize_t stride, const Visit* g,
                       double* room, double* z, double* sizes) noexcept nogil
    void gather_one_d4_i64(const double* x, const int64_t* ix, Py_ssize_t nnz, double* W, Py_ssize_t stride, const Visit* g,
                           double* room, double* z, double* sizes) noexcept nogil
    void move_d4_i64(const Visit* g, const int64_t* ix, Py_ssize_t nnz, double* W, Py_ssize_t stride, const double* room,
                     const double* steps, double squared_slope) noexcept nogil
    void move_one_d4_i64(const Visit* g, const int64_t* ix, Py_ssize_t nnz, double* W, Py_ssize_t stride, const double* room,
                         const double* steps, double squared_slope) noexcept nogil
    enum: FASTSGD_RECORD, FASTSGD_ROOM, FASTSGD_SQUARES, FASTSGD_VISITS, FASTSGD_SLOPES, FASTSGD_UNIT

cdef enum:
    RULES = 3                     # filter, long, short
    RECORD = FASTSGD_RECORD       # numbers of a weight, see auto.h
    CSR_CANDIDATES = RULES + 1, AVERAGED = RULES
cdef double KAPPA = 0.15, PER_GAMMA = 1.25
# Of the long and the short steps: 1 / eta, and the squared slopes before the first visit.
cdef double[2] PER_ETA = [2.5, 5.0], START = [0.04, 1.0]
cdef double LEAST_WEIGHT = 1e-30  # of a row, over the mean weight: of a feature's first row less would be no float32
cdef double LEAST_LEFT = 1e-20    # of the rows of a feature: fewer are none


cdef inline void gather(const Csr* L, const floating* values, Py_ssize_t lo, Py_ssize_t nnz, floating* W, Py_ssize_t stride,
                        const Visit* g, floating* room, double* z, double* sizes, int rules) noexcept nogil:
    """Bring the row's records together, counted; add up the margins, and x^2 / P of each rule: see auto.h."""
    if floating is float and Csr is Csr32:
        if rules > 1:
            gather_f4_i32(values + lo, L.indices + lo, nnz, W, stride, g, room, z, sizes)
        else:
            gather_one_f4_i32(values + lo, L.indices + lo, nnz, W, stride, g, room, z, sizes)
    elif floating is float:
        if rules > 1:
            gather_f4_i64(values + lo, L.indices + lo, nnz, W, stride, g, room, z, sizes)
        else:
            gather_one_f4_i64(values + lo, L.indices + lo, nnz, W, stride, g, room, z, sizes)
    elif Csr is Csr32:
        if rules > 1:
            gather_d4_i32(values + lo, L.indices + lo, nnz, W, stride, g, room, z, sizes)
        else:
            gather_one_d4_i32(values + lo, L.indices + lo, nnz, W, stride, g, room, z, sizes)
    else:
        if rules > 1:
            gather_d4_i64(values + lo, L.indices + lo, nnz, W, stride, g, room, z, sizes)
        else:
            gather_one_d4_i64(values + lo, L.indices + lo, nnz, W, stride, g, room, z, sizes)


cdef inline void move(const Csr* L, Py_ssize_t lo, Py_ssize_t nnz, const Visit* g, floating* W, Py_ssize_t stride,
                      const floating* room, const double* steps, double squared_slope, int rules) noexcept nogil:
    """The steps, the penalty and the average; and the records back."""
    if floating is float and Csr is Csr32:
        if rules > 1:
            move_f4_i32(g, L.indices + lo, nnz, W, stride, room, steps, squared_slope)
        else:
            move_one_f4_i32(g, L.indices + lo, nnz, W, stride, room, steps, squared_slope)
    elif floating is float:
        if rules > 1:
            move_f4_i64(g, L.indices + lo, nnz, W, stride, room, steps, squared_slope)
        else:
            move_one_f4_i64(g, L.indices + lo, nnz, W, stride, room, steps, squared_slope)
    elif Csr is Csr32:
        if rules > 1:
            move_d4_i32(g, L.indices + lo, nnz, W, stride, room, steps, squared_slope)
        else:
            move_one_d4_i32(g, L.indices + lo, nnz, W, stride, room, steps, squared_slope)
    else:
        if rules > 1:
            move_d4_i64(g, L.indices + lo, nnz, W, stride, room, steps, squared_slope)
        else:
            move_one_d4_i64(g, L.indices + lo, nnz, W, stride, room, steps, squared_slope)


cdef void renew_units(floating* W, Py_ssize_t d, Py_ssize_t K, AutoScalars* at) noexcept nogil:
    """Bring the sums of all records back to units of 1; what has all but faded is 0, before numbers are too small to be exact."""
    cdef floating by = <floating> (1.0 / at.grown)
    cdef Py_ssize_t i
    for i in range(d * K):
        if W[i * RECORD + FASTSGD_VISITS] < LEAST_LEFT * at.grown:
            W[i * RECORD + FASTSGD_SQUARES] = W[i * RECORD + FASTSGD_VISITS] = W[i * RECORD + FASTSGD_SLOPES] = 0
            continue
        W[i * RECORD + FASTSGD_SQUARES] *= by
        W[i * RECORD + FASTSGD_VISITS] *= by
        W[i * RECORD + FASTSGD_SLOPES] *= by
    at.grown = 1.0


cdef int auto_csr_row(const Csr* L, const floating* values, Py_ssize_t lo, Py_ssize_t nnz, double y, double s, Moving M,
                      Py_ssize_t k, const Params* P, const Pace* C, Visit* g) noexcept nogil:
    """A step of head k on a row of weight s; 1 if a margin was not finite, else 0."""
    cdef Head* head = C.heads + k
    cdef floating* w = <floating*> M.W + k * RECORD
    cdef floating* room = <floating*> C.work
    cdef int rules = RULES if C.first else 1, r
    cdef double t = g.t, longer = P.schedule_par[0], per_longer = 1.0 / longer, kappa = (1.0 if C.first else KAPPA) * per_longer
    cdef double mean = 0, squared = 0, curve = 0, unit = 1.0, usual, times, c, share, P_b, leading, lost, past = 1.0 - 1.0 / g.t
    cdef double[CSR_CANDIDATES] z
    cdef double[RULES] slope, size, step, per_b
    g.averaged = C.first and not head.lost[0] < head.lost[1]
    g.curve = kappa * (head.curve / (g.t - 1.0) if g.t > 1 else head.h)
    g.prior = head.h * (C.at.values / t) * PER_GAMMA
    usual = head.square if t > 1 else head.h
    if P.residual:  # slopes are counted in units of their root mean square
        unit, usual = head.h, 1.0
    for r in range(1, rules):
        g.per[r - 1], g.start[r - 1] = unit * PER_ETA[r - 1] * per_longer, START[r - 1] + usual
    for r in range(rules):
        per_b[r] = 0.0
        if C.intercept:
            P_b = g.per[r - 1] * sqrt(g.start[r - 1] + head.slopes) if r > 0 else kappa * head.curve + head.h * PER_GAMMA
            per_b[r] = 1.0 / P_b
        size[r] = per_b[r]
    if C.at.t <= 3 and P.residual and C.intercept:  # y far from 0 is as good as y near it
        begin_intercept(head, &head.b[1], &head.b[AVERAGED], y, t)
        head.b[0] = head.b[2] = head.b[1]
    for r in range(CSR_CANDIDATES):
        z[r] = head.b[r]
    gather(L, values, lo, nnz, w, M.K * RECORD, g, room, z, size, rules)
    if C.centred.n:
        gather_centred(L, C.centred, head.h, w, M.K * RECORD, g, z, size, rules)
    for r in range(rules):
        mean += z[r]
    mean /= rules
    if not isfinite(mean):
        return 1
    for r in range(rules):
        slope[r] = slope_at(P, z[r], y)
        squared += slope[r]
    leading = combined(z, CSR_CANDIDATES, <int> head.leader) if C.first else z[0]
    lost = value_at(P, leading, y)
    times = judged(head, lost, C.at.t, t) * s if C.first else 0.0
    if times > 0:
        if C.intercept:
            find_constant(P, C, k)
        judge(P, head, CSR_CANDIDATES, z, leading, lost, y, times * late(C.at))
        if C.intercept and C.atoms is not NULL:
            count_atom(P, C, k, y, times * C.at.grown)
    M.loss_sum[k] += s * lost
    M.weight_sum[k] += s
    share = share_of(head, s, mean, y)
    c = share * t
    if C.first:
        if C.intercept:
            learn_mean(P, head, y, share)
        head.usual += (lost - head.usual) * share
    squared /= rules
    if P.span > 1.0 or P.span == 0:
        curve = (squared + y) * (1.0 - squared - y) if P.inlined == LOGISTIC else measured(P, head, mean, y)
        learn(P, head, curve, s)
    squared *= squared
    if P.span == 0:
        curve = max(curve, min(head.h, squared))
    head.square += (squared - head.square) / t
    if P.residual:
        squared = squared / head.square if head.square > 0 else 0.0
    for r in range(rules):
        step[r] = c * step_from(P, z[r], slope[r], c * size[r], y)
    if P.span == 1.0:
        curve = measured(P, head, mean + step[0] * size[0], y)
        learn(P, head, curve, s)
    if P.span <= 1.0 or head.total > 0:  # of what is not known yet, as on a first row without an error, h says nothing
        head.curve += c * max(curve, 0.04 * head.h)
    squared *= c
    head.slopes += squared
    squared /= g.c
    move(L, lo, nnz, g, w, M.K * RECORD, room, step, squared, rules)
    if C.centred.n:
        move_centred(L, C.centred, w, M.K * RECORD, step, squared, rules)
    for r in range(rules):
        head.b[r] += step[r] * per_b[r]
    head.b[AVERAGED] += (head.b[g.averaged] - head.b[AVERAGED]) * (1.0 - past * past * past)
    return 0


cdef int auto_csr_rows(const Csr* L, const floating* values, Order O, const Targets* T, Moving M, const Params* P,
                       const Pace* C) noexcept nogil:
    """A step for each of n rows, in the order of `visit`; 1 if a margin was not finite, else 0."""
    cdef Py_ssize_t i, r, k, lo, nnz
    cdef double s, y, fade
    cdef Visit g
    cdef Csr anew = anew_layout(L, C)  # of rows in which columns are centred
    cdef const Csr* rows
    cdef const floating* x
    g.l1, g.l2 = P.l1, P.l2
    for i in range(O.n):
        fetch_next(L, values, T, &O, i)
        if O.visit is not NULL and i + 3 < O.n:
            fetch_near(L, values, T, O.rows[O.visit[i + 3]])
        r = row_number(&O, i)
        s = T.s[r] if T.s is not NULL else 1.0
        if s == 0:
            continue
        lo = row(L, r, &nnz)
        g.n_next = 0
        if i + 1 < O.n:
            g.next = L.indices + row(L, row_number(&O, i + 1), &g.n_next)
        fade = fading(P, C.at)
        count_row(C.at, s, fade)
        if C.at.grown > MOST_GROWN:
            for k in range(M.K):
                renew_judgement(C, k)
            renew_units(<floating*> M.W, L.d, M.K, C.at)
        rows, x = L, values
        if C.intercept and looks(C.at):
            join_centred(L, values, lo, nnz, M, C)
        if C.centred.n:
            nnz = centre(L, values, lo, nnz, M, P, C, s)
            rows, x, lo = &anew, <const floating*> C.centred.values, 0
        C.at.values += nnz
        g.c, g.t, g.faded = max(s * C.at.recent / C.at.weight, LEAST_WEIGHT), C.at.recent, 1.0 / C.at.grown
        g.added = g.c * C.at.grown
        for k in range(M.K):
            if fade < 1.0:
                fade_head(C.heads + k, fade)
            y = target(T, r, k)
            if auto_csr_row(rows, x, lo, nnz, y, weight(T, r, k, y), M, k, P, C, &g):
                return 1
    return 0


cdef int run_auto(const Layout* L, const floating* values, Order O, Py_ssize_t buffer_rows, const Targets* T, Moving M,
                  const Params* P, const Pace* C) noexcept nogil:
    """Buffer by buffer."""
    cdef One one
    cdef Many many
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
        if Layout is not Dense:
            fault = auto_csr_rows(L, values, O, T, M, P, C)
        elif T.K == 1:
            fault = auto_dense_rows(L, &one, values, O, T, M, P, C, <floating*> C.work)
        else:
            fault = auto_dense_rows(L, &many, values, O, T, M, P, C, <floating*> C.work)
        go_on(&O)
    return fault


# ---------------------------------------------------------------- from Python
cdef int auto_rows(const Layout* L, const floating* values, order, target, state, Compiled plan, double[:, ::1] sums) except -1:
    cdef Py_ssize_t buffer_rows = order.buffer_rows, d = L.d, K = state.b.shape[0], i, r, longest = 0
    cdef bint sparse = state.auto.sparse, newton = state.auto.curvatures is not None
    cdef floating[:, ::1] W = state.auto.records if sparse else state.W, A = state.A
    cdef double[::1] b = state.b, b_avg = state.b_avg
    cdef double[:, ::1] columns = state.auto.columns, heads = state.auto.heads
    cdef floating[:, :, ::1] second = state.auto.second
    cdef double[:, :, ::1] curvatures = state.auto.curvatures
    cdef double[::1] origin = state.auto.origin
    cdef double[:, :, ::1] atoms = state.auto.atoms
    cdef AutoScalars[::1] at = state.auto.at
    cdef Targets T = targets(target, K)
    cdef Moving M
    cdef Order O
    cdef Pace C
    cdef Centred centred
    cdef bint known = plan.par.constant is not NULL or state.auto.again  # no targets are kept
    cdef int fault
    read_order(&O, order)
    if (W.shape[0] != d or b_avg.shape[0] != K or heads.shape[0] != K or heads.shape[1] * sizeof(double) != sizeof(Head)
            or columns.shape[1] != (0 if sparse else d)
            or (W.shape[1] != K * RECORD if sparse else A.shape[0] != d or A.shape[1] != W.shape[1])
            or not (sparse or state.auto.again
                    or (second.shape[0] == 2 and second.shape[1] == d and second.shape[2] == W.shape[1]))
            or newton and not (curvatures.shape[0] == K and curvatures.shape[1] == d + 1 and curvatures.shape[2] == d + 1
                               and origin.shape[0] == d and second.shape[0] == 2 and second.shape[1] == d
                               and second.shape[2] == W.shape[1])
            or not (known or (atoms.shape[0] == K and atoms.shape[1] == 2 and atoms.shape[2] == ATOMS))):
        raise ValueError(f"the state is of {W.shape[0]} features and {heads.shape[0]} heads, X of {d} features, b of {K} heads")
    if Layout is not Dense:
        for i in range(O.n):
            r = O.rows[i] if O.rows is not NULL else O.first + i
            longest = max(longest, L.indptr[r + 1] - L.indptr[r])
    if sparse:
        longest += open_centred(&centred, state.auto.centred, d)
    workspace(&M, state.W.shape[1], K, sums)
    M.W, M.A = &W[0, 0] if d else NULL, &A[0, 0] if not sparse and d else NULL
    M.b, M.b_avg, M.at = &b[0], &b_avg[0], NULL
    C.at, C.columns, C.heads = &at[0], &columns[0, 0] if not sparse and d else NULL, <Head*> &heads[0, 0]
    C.second = &second[0, 0, 0] if not sparse and (newton or not state.auto.again) and d else NULL
    C.curvatures, C.origin = &curvatures[0, 0, 0] if newton else NULL, &origin[0] if newton and d else NULL
    C.atoms = NULL if known else &atoms[0, 0, 0]
    C.intercept, C.first, C.averages = plan.par.intercept_decay > 0, not state.auto.again, state.auto.averages
    cdef size_t room = (longest + 24) * FASTSGD_ROOM * sizeof(floating) if sparse else (d + 4 * M.S) * sizeof(floating)
    cdef size_t anew = longest * (sizeof(floating) + sizeof(int64_t)) if sparse else 0  # a row as written anew
    cdef size_t square = (d + 1) * (d + 4) * sizeof(double) if newton else 0
    cdef char* memory = <char*> malloc(room + anew + square + 80)
    if memory is NULL:
        free(M.of)
        raise MemoryError(f"no memory for {K} heads and a row of {max(longest, d)} values")
    C.work = <double*> (memory + (-<size_t> memory) % 64)  # at a cache line: no vector lies across two
    centred.indices = <char*> C.work + (room + 7) // 8 * 8
    centred.values = <int64_t*> centred.indices + longest
    C.newton = <double*> ((<char*> C.work) + (room + anew + 7) // 8 * 8)
    C.centred = &centred
    with nogil:
        fault = run_auto(L, values, O, buffer_rows, &T, M, &plan.par, &C)
        find_constants(&plan.par, &C, K)
    free(memory)
    free(M.of)
    return fault


def auto(X, order, target, state, plan, sums):
    """A step of learning_rate="auto" for each row; otherwise as `sweep`."""
    return through_door(AUTO, X, (order, target, state, plan, sums))
