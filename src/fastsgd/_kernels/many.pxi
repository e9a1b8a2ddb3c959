# Several models in one pass: each head has a clock, a penalty, a schedule, and rows of its own.
cdef void resample_weights(uint64_t number, Models* H) noexcept nogil:
    """Multiply the weights of the row of that number by how often each resample has it: a function of (seed, row, resample)."""
    cdef uint32_t word[4][LANES]
    cdef Py_ssize_t first = 0, h, n
    while first < H.K:
        n = min(<Py_ssize_t> LANES, H.K - first)
        for h in range(LANES):
            word[0][h], word[1][h] = <uint32_t> number, <uint32_t> (number >> 32)
            word[2][h], word[3][h] = <uint32_t> (H.resample[first + h] if h < n else 0), RESAMPLES
        philox(word[0], word[1], word[2], word[3], <uint32_t> H.seed, <uint32_t> (H.seed >> 32))
        for h in range(n):
            if H.resample[first + h] > 0:
                H.s[first + h] *= poisson_of(word[0][h])
        first += LANES


cdef bint row_weights(const Targets* T, Py_ssize_t r, Models* H) noexcept nogil:
    """The weight of a row in each head, H.s; 0 if none has any. Needs the targets, H.y."""
    cdef Py_ssize_t h
    cdef double total = 0, s = T.s[r] if T.s is not NULL else 1.0
    if T.s_pos is NULL:
        for h in range(H.K):
            H.s[h] = s
    else:
        for h in range(H.K):
            H.s[h] = weight(T, r, H.column[h], H.y[h])
    if H.folded and T.fold is not NULL:
        leave_out(H, T.fold[r])
    if H.resampled:
        resample_weights(<uint64_t> (T.number[r] if T.number is not NULL else r), H)
    for h in range(H.K):
        total += H.s[h]
    return total > 0


cdef inline void column_targets(const Targets* T, Py_ssize_t r, Models* H) noexcept nogil:
    """The target of a row in each head, H.y: of the head's class, or from its column of y."""
    cdef Py_ssize_t h
    cdef const double* y
    if T.code is not NULL:
        for h in range(H.K):
            H.y[h] = 1.0 if T.code[r] == H.column[h] else T.negative
    elif T.K == 1:
        for h in range(H.K):
            H.y[h] = T.y[r]
    else:
        y = T.y + r * T.K
        for h in range(H.K):
            H.y[h] = y[H.column[h]]


cdef inline void step_sizes(const Params* P, const Models* H, const double* t, double* eta) noexcept nogil:
    """The step size of each head at its step t."""
    cdef double par[6]
    cdef Py_ssize_t h, i, K = H.K
    if P.schedules is not NULL:
        P.schedules(K, t, H.schedule, eta)
    else:
        for h in range(K):
            for i in range(6):
                par[i] = H.schedule[i * K + h]
            eta[h] = P.schedule(t[h], par)
    for h in range(K):
        eta[h] *= H.factor[h]


cdef void last_sizes(const Params* P, Models* H) noexcept nogil:
    """H.last, the step size of each head at the step before."""
    cdef Py_ssize_t h
    for h in range(H.K):
        H.p[h] = max(1.0, H.t[h] - 1)
    step_sizes(P, H, H.p, H.last)


cdef double eta_of(const Params* P, const Models* H, Py_ssize_t h, double t) noexcept nogil:
    """The step size of one head at step t."""
    cdef double par[6]
    cdef Py_ssize_t i
    for i in range(6):
        par[i] = H.schedule[i * H.K + h]
    return P.schedule(max(1.0, t), par) * H.factor[h]


cdef void rescale_head(const Layout* L, floating* W, floating* Q, floating* A, Py_ssize_t S, Models* H, Py_ssize_t h,
                       double before, const Params* P) noexcept nogil:
    """Make scale 1 and avg_a 0 in one head; `before` is the scale of its weights so far."""
    cdef bint soft = Layout is not Dense and Q is not NULL and H.l1[h] > 0
    if soft:
        to_weights(W + h, Q + h, L.d, S, H.u[h], before, H.l1[h], H.l2[h], eta_of(P, H, h, H.t[h] - 1))
    fold_head(W + h, A + h if A is not NULL else NULL, L.d, S, H.avg_a[h], H.scale[h])
    H.scale[h], H.avg_a[h] = 1, 0
    if soft:
        from_weights(W + h, Q + h, L.d, S, 1, H.l1[h], H.l2[h])


cdef void fold_head(floating* W, floating* A, Py_ssize_t d, Py_ssize_t S, double avg_a, double scale) noexcept nogil:
    """As `fold`, in one of S columns."""
    cdef Py_ssize_t j
    if A is not NULL:
        for j in range(d):
            A[j * S] += <floating> (avg_a * W[j * S])
    for j in range(d):
        W[j * S] = <floating> (scale * W[j * S])


cdef inline void heads_dots(const Layout* L, const floating* values, Py_ssize_t lo, Py_ssize_t n, const floating* W, Py_ssize_t S,
                            floating* z) noexcept nogil:
    """z = x . W for S heads, a multiple of 4."""
    cdef const floating* x = values + lo
    cdef const Py_ssize_t* none = NULL
    if Layout is Dense:
        if floating is float:
            f4_dots_dense(x, none, n, W, S, z, 0)
        else:
            d4_dots_dense(x, none, n, W, S, z, 0)
    elif Layout is Csr32:
        if floating is float:
            f4_dots_csr32(x, L.indices + lo, n, W, S, z, 0)
        else:
            d4_dots_csr32(x, L.indices + lo, n, W, S, z, 0)
    else:
        if floating is float:
            f4_dots_csr64(x, L.indices + lo, n, W, S, z, 0)
        else:
            d4_dots_csr64(x, L.indices + lo, n, W, S, z, 0)


cdef inline void heads_adds(const Layout* L, const floating* values, Py_ssize_t lo, Py_ssize_t n, floating* W, Py_ssize_t S,
                            const floating* c) noexcept nogil:
    """W += x c' for S heads."""
    cdef const floating* x = values + lo
    cdef const Py_ssize_t* none = NULL
    if Layout is Dense:
        if floating is float:
            f4_adds_dense(x, none, n, W, S, c, 0)
        else:
            d4_adds_dense(x, none, n, W, S, c, 0)
    elif Layout is Csr32:
        if floating is float:
            f4_adds_csr32(x, L.indices + lo, n, W, S, c, 0)
        else:
            d4_adds_csr32(x, L.indices + lo, n, W, S, c, 0)
    else:
        if floating is float:
            f4_adds_csr64(x, L.indices + lo, n, W, S, c, 0)
        else:
            d4_adds_csr64(x, L.indices + lo, n, W, S, c, 0)


cdef inline void change_heads(const Layout* L, const floating* values, Py_ssize_t lo, Py_ssize_t n, floating* W, Moving* M,
                              const floating* c, Py_ssize_t n_live, Py_ssize_t K) noexcept nogil:
    """W += x c'; where few of the c are not 0, for those alone."""
    cdef Py_ssize_t h, i = 0
    if n_live * 8 >= M.S:
        heads_adds(L, values, lo, n, W, M.S, c)
    elif n_live:
        for h in range(K):
            M.live[i] = <int32_t> h
            i += c[h] != 0
        adds(L, values, lo, n, W, M.S, c, M.live, i)


cdef inline Py_ssize_t next_row(const Order* O, Py_ssize_t v, const Targets* T) noexcept nogil:
    """The row that is visited after the v-th, or -1 where there is none or it has no weight."""
    cdef Py_ssize_t r
    if v + 1 == O.n:
        return -1
    r = row_number(O, v + 1)
    return r if T.s is NULL or T.s[r] > 0 else -1


cdef inline bint change_and_multiply(const Layout* L, const floating* values, Py_ssize_t lo, Py_ssize_t n, Py_ssize_t following,
                                     floating* W, Moving* M, const floating* c, Py_ssize_t n_live, Py_ssize_t K,
                                     floating* z) noexcept nogil:
    """As change_heads; on dense rows also z, the products of the row that follows, where that saves time. Whether it did."""
    if Layout is Dense:
        if n_live * 8 >= M.S and following >= 0:
            if floating is float:
                f4_adds_dots(values + lo, values + following * L.d, n, W, M.S, c, z)
            else:
                d4_adds_dots(values + lo, values + following * L.d, n, W, M.S, c, z)
            return 1
    change_heads(L, values, lo, n, W, M, c, n_live, K)
    return 0


cdef inline void soft_dots(const Csr* L, const floating* values, Py_ssize_t lo, Py_ssize_t nnz, const floating* W, Py_ssize_t S,
                           const floating* tau, floating* z) noexcept nogil:
    """z = x . w for S heads, whose weights are soft thresholds of W."""
    if Csr is Csr32:
        if floating is float:
            f4_soft_csr32(values + lo, L.indices + lo, nnz, W, S, tau, z)
        else:
            d4_soft_csr32(values + lo, L.indices + lo, nnz, W, S, tau, z)
    elif floating is float:
        f4_soft_csr64(values + lo, L.indices + lo, nnz, W, S, tau, z)
    else:
        d4_soft_csr64(values + lo, L.indices + lo, nnz, W, S, tau, z)


cdef inline void step_and_pay_heads(const Csr* L, const floating* values, Py_ssize_t lo, Py_ssize_t nnz, floating* W, Py_ssize_t S,
                                    const Models* H, floating* R) noexcept nogil:
    """As step_and_pay, in S heads; R is of PAYING S numbers."""
    if floating is float:
        f4_paying_of(H, S, R)
    else:
        d4_paying_of(H, S, R)
    if Csr is Csr32:
        if floating is float:
            f4_pay_csr32(values + lo, L.indices + lo, nnz, W, S, R)
        else:
            d4_pay_csr32(values + lo, L.indices + lo, nnz, W, S, R)
    elif floating is float:
        f4_pay_csr64(values + lo, L.indices + lo, nnz, W, S, R)
    else:
        d4_pay_csr64(values + lo, L.indices + lo, nnz, W, S, R)


cdef inline void losses_of(const Params* P, Models* H, bint unit) noexcept nogil:
    """H.value and H.slope; `unit` says that each weight is 0 or 1."""
    cdef Py_ssize_t h
    if P.inlined == HINGE:
        hinges(H, P.loss_par[0])
    elif P.inlined == LOGISTIC and unit:
        logistics(H)
    elif P.many is not NULL:
        P.many(H.K, H.p, H.y, H.value, H.slope, P.loss_par)
    else:
        for h in range(H.K):
            H.value[h], H.slope[h] = P.value(H.p[h], H.y[h], P.loss_par), P.slope(H.p[h], H.y[h], P.loss_par)


cdef inline void steps_of(const Params* P, Models* H, double norm) noexcept nogil:
    """H.step, and the sums of losses and weights."""
    cdef Py_ssize_t h
    steps_of_heads(H, INFINITY if P.inlined else 1e12)
    if P.pa:
        for h in range(H.K):
            H.step[h] = step_of(P, H.value[h], H.slope[h], H.p[h], H.y[h], H.s[h], H.eta[h], norm)


cdef void decays(const Layout* L, floating* W, floating* Q, floating* A, Py_ssize_t S, Models* H, const Params* P,
                 double least) noexcept nogil:
    """The penalties of the step: L2 on the scales, and L1 as due."""
    cdef Py_ssize_t h
    cdef double part
    if decay_heads(H, least):
        for h in range(H.K):
            if H.scale[h] < least:  # the decay of this step itself is small
                part = 1.0 - H.eta[h] * H.l2[h]
                rescale_head(L, W, Q, A, S, H, h, H.scale[h] / part if part > 0 else 1.0, P)
                H.inv0[h] = 1
    invert_heads(H)


cdef int many_buffer(const Layout* L, const floating* values, Order O, const Targets* T, Moving M, const Params* P, Models* H,
                     const Slots* G, floating* z) noexcept nogil:
    """A step in each of K heads for each row, of SGD or, with slots G, of AdaGrad; heads in which a row has no weight stay as
    they are.

    A head of which a margin is not finite has infinite losses from then on, and moves no more. z is of (5 + PAYING) S numbers.
    """
    cdef Py_ssize_t K = H.K, S = M.S, v, place, r, lo, nnz, h, n_live
    cdef Py_ssize_t following, multiplied = -1      # The latter is the row of which z is known already.
    cdef floating* W = <floating*> M.W
    cdef floating* Q = <floating*> M.Q
    cdef floating* A = <floating*> M.A
    cdef floating* c = z + S
    cdef floating* most = z + 2 * S
    cdef floating* inv = z + 3 * S
    cdef floating* scale = z + 4 * S
    cdef double least = least_scale(A), norm = 0
    cdef bint finite, unit = T.s is NULL and T.s_pos is NULL and not H.resampled
    invert_heads(H)
    last_sizes(P, H)
    for h in range(K):
        H.product[h] = 1
    for v in range(O.n):
        if v % 1000 == 0:  # whether or not any head sees that row
            log_losses(H)
        if O.visit is not NULL and v + 3 < O.n:
            fetch_near(L, values, T, O.rows[O.visit[v + 3]])
        place = O.visit[v] if O.visit is not NULL else v
        r = O.rows[place] if O.rows is not NULL else O.first + place
        if T.s is not NULL and T.s[r] == 0:
            continue
        column_targets(T, r, H)
        if not row_weights(T, r, H):
            continue
        lo = row(L, r, &nnz)
        if P.pa:
            norm = squared_norm(values + lo, nnz)
            if P.pa == 1 and norm == 0:
                continue
        step_sizes(P, H, H.t, H.eta)
        if G is NULL and any_small(H, least):
            for h in range(K):
                if H.s[h] > 0 and H.scale[h] * max(0.0, 1.0 - H.eta[h] * H.l2[h]) < least:
                    rescale_head(L, W, Q, A, S, H, h, H.scale[h], P)
                    H.inv[h] = 1
                    multiplied = -1
        if Layout is not Dense and Q is not NULL:
            if floating is float:
                f4_thresholds(H, c)
            else:
                d4_thresholds(H, c)
            soft_dots(L, values, lo, nnz, W, S, c, z)
        else:
            if G is not NULL and G.paid is not NULL:
                pay_late(L, lo, nnz, W, G, H, S, z + 5 * S)
            if multiplied != r:
                heads_dots(L, values, lo, nnz, W, S, z)
        multiplied = -1
        if floating is float:
            finite = f4_margins(H, z)
        else:
            finite = d4_margins(H, z)
        for h in range(0 if finite else K):
            if not isfinite(H.p[h]):
                H.loss_sum[h] += INFINITY if H.s[h] > 0 else 0.0
                H.p[h] = H.s[h] = 0
        losses_of(P, H, unit)
        if G is not NULL:
            step_adagrad(L, values, lo, nnz, W, A, G, H, S, z + 5 * S)
            advance_heads(H)
            continue
        steps_of(P, H, norm)
        decays(L, W, Q, A, S, H, P, least)
        if floating is float:
            n_live = f4_changes(H, c)
        else:
            n_live = d4_changes(H, c)
        if A is not NULL:
            for h in range(K):
                most[h] = <floating> (-H.avg_a[h] * H.step[h] * H.inv[h])
            change_heads(L, values, lo, nnz, A, &M, most, n_live, K)
        if Layout is Dense and Q is not NULL:
            for h in range(K):
                most[h], inv[h], scale[h] = <floating> (H.u[h] * H.inv[h]), <floating> H.inv[h], <floating> H.scale[h]
            if floating is float:
                f4_shrink_heads(values + lo, nnz, W, Q, S, c, most, inv, scale)
            else:
                d4_shrink_heads(values + lo, nnz, W, Q, S, c, most, inv, scale)
        elif Layout is not Dense and Q is not NULL:
            if n_live:
                step_and_pay_heads(L, values, lo, nnz, W, S, H, z + 5 * S)
        else:
            following = next_row(&O, v, T)
            multiplied = following if change_and_multiply(L, values, lo, nnz, following, W, &M, c, n_live, K, z) else -1
        advance_heads(H)
    log_losses(H)
    return 0


cdef void total_models_of(const Layout* L, const floating* values, Order O, const Targets* T, const floating* W, Moving M,
                          const Params* P, Models* H, bint held_out, floating* z) noexcept nogil:
    """Sums of s * loss and of s in each head, in stored order, for true weights that stand still: of the rows that it is
    trained on, or of those of the fold that it leaves out, each once. z is of S numbers."""
    cdef Py_ssize_t v, r, lo, nnz, h
    cdef bint finite
    for v in range(O.n):
        r = row_number(&O, v)
        if T.s is not NULL and T.s[r] == 0:
            continue
        column_targets(T, r, H)
        if not row_weights(T, r, H):
            continue
        for h in range(H.K if held_out else 0):
            if T.fold is NULL or H.fold[h] != T.fold[r]:
                H.s[h] = 0
        lo = row(L, r, &nnz)
        heads_dots(L, values, lo, nnz, W, M.S, z)
        if floating is float:
            finite = f4_margins(H, z)
        else:
            finite = d4_margins(H, z)
        for h in range(0 if finite else H.K):
            if not isfinite(H.p[h]):
                H.loss_sum[h] += INFINITY if H.s[h] > 0 else 0.0
                H.p[h] = H.s[h] = 0
        losses_of(P, H, False)
        steps_of_heads(H, INFINITY)  # of size 0; and the sums
