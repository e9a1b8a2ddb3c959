# Steps of several rows, and of other optimizers than plain SGD.
#
# rows of the step -> margins -> slopes -> G += x slope, and at the last row of the step one update.
cdef bint slopes_of(const Params* P, const Targets* T, Py_ssize_t K, Py_ssize_t n, const int64_t* rows, double* of) noexcept nogil:
    """Values and slopes at the margins of[0:n K]: of = p, y, value, slope; 1 if a p is not finite."""
    cdef double* y = of + n * K
    cdef double* value = of + 2 * n * K
    cdef double* slope = of + 3 * n * K
    cdef Py_ssize_t i, h
    for i in range(n):
        for h in range(K):
            y[i * K + h] = target(T, rows[i], h)
            if not isfinite(of[i * K + h]):
                return 1
    if P.coupled:
        for i in range(n):
            P.many(K, of + i * K, y + i * K, value + i * K, slope + i * K, P.loss_par)
    elif P.many is not NULL:
        P.many(n * K, of, y, value, slope, P.loss_par)
    else:
        for i in range(n * K):
            value[i] = P.value(of[i], y[i], P.loss_par)
            slope[i] = P.slope(of[i], y[i], P.loss_par)
    return 0


cdef inline Py_ssize_t next_rows(Layout* L, const floating* values, const index* indices, const index* indptr, Py_ssize_t d,
                                 const Order* O, const Targets* T, Batch* B, Py_ssize_t* i) noexcept nogil:
    """List the next rows, of this step and at most a tile, in B.rows; how many they are. `i` goes on."""
    cdef Py_ssize_t n = 0, r
    while i[0] < O.n and n < min(B.tile, B.size - B.filled):
        fetch_next(L, values, indices, indptr, d, T, O, i[0])
        if O.visit is not NULL and i[0] + 3 < O.n:
            fetch_near(L, values, indices, indptr, d, T, O.rows[O.visit[i[0] + 3]])
        r = O.visit[i[0]] if O.visit is not NULL else i[0]
        r = O.rows[r] if O.rows is not NULL else O.first + r
        i[0] += 1
        if T.s is NULL or T.s[r] != 0:
            B.rows[n] = r
            n += 1
    return n


cdef void batch_margins(Layout* L, Heads* H, const floating* values, const index* indices, const index* indptr, Py_ssize_t d,
                        Py_ssize_t K, Py_ssize_t n, floating* W, floating* m, floating* v, floating* A, Moving M, const Rule* R,
                        Batch* B, const Line* N, double avg_a, floating* c, floating* w) noexcept nogil:
    """M.of = the margins of n rows; `c` is overwritten. A single row's weights are left in w, those of others listed."""
    cdef Py_ssize_t S = 1 if Heads is One else M.S, e, h, nnz, in_fours = n // 4 * 4
    cdef bint line = Layout is Csr and B.mode == LINE, alone = Layout is Csr and B.mode == PRESENT and B.size == 1
    cdef double of_z = (1.0 + N.c * N.e) * N.sigma if line else 1.0, of_f = N.c * N.phi if line else 0.0
    cdef const floating* x = NULL
    cdef const index* ix = NULL
    cdef const floating* four[4]
    cdef Dense together
    for e in range(n):
        nnz = row(L, values, indices, indptr, d, B.rows[e], &x, &ix)
        if alone:
            take(ix, nnz, S, W, m, v, A, w, B, R)
        elif Layout is Csr:
            if B.mode != ALL and B.size > 1:
                meet(ix, nnz, S, W, m, v, A, B, R, avg_a)
        if Heads is One:
            M.of[e] = M.b[0] + (lanes_dot(x, w, nnz) if alone else of_z * dot(L, x, ix, nnz, W))
            if of_f != 0:
                M.of[e] += of_f * dot(L, x, ix, nnz, m)
        else:
            if Layout is Dense and e < in_fours:
                four[e % 4] = x
                if e % 4 == 3:
                    four_dots(four, d, W, S, c + (e - 3) * S)
            elif alone:
                dots(&together, x, ix, nnz, w, S, c + e * S)
            else:
                dots(L, x, ix, nnz, W, S, c + e * S)
    for e in range(n if Heads is Many else 0):
        for h in range(K):
            M.of[e * K + h] = of_z * c[e * S + h] + M.b[h]
        if of_f != 0:
            nnz = row(L, values, indices, indptr, d, B.rows[e], &x, &ix)
            dots(L, x, ix, nnz, m, S, c + e * S)
            for h in range(K):
                M.of[e * K + h] += of_f * c[e * S + h]


cdef bint gather_slopes(Layout* L, Heads* H, const floating* values, const index* indices, const index* indptr, Py_ssize_t d,
                        const Targets* T, Py_ssize_t K, Py_ssize_t n, floating* G, Moving M, Batch* B, floating* c,
                        floating* g) noexcept nogil:
    """The slopes of n rows go to c, and with their rows to G, or to g where the step is one CSR row; 1 if any is not 0."""
    cdef Py_ssize_t S = 1 if Heads is One else M.S, e, h, k, nnz, in_fours = n // 4 * 4 if Layout is Dense else 0
    cdef bint single = Layout is Csr and B.size == 1 and B.mode != ALL, moves, moved = 0
    cdef const floating* x = NULL
    cdef const index* ix = NULL
    cdef const floating* four[4]
    cdef double s, step
    for e in range(n):
        moves = 0
        for h in range(K):
            s = weight(T, B.rows[e], h, M.of[(n + e) * K + h])
            step = s * M.of[(3 * n + e) * K + h]  # not clipped: steps that are too long are to overflow
            M.loss_sum[h] += s * M.of[(2 * n + e) * K + h]
            M.weight_sum[h] += s
            B.gb[h] += step
            c[e * S + h] = <floating> step
            moves |= step != 0
        moved |= moves
        nnz = row(L, values, indices, indptr, d, B.rows[e], &x, &ix)
        if e < in_fours:
            four[e % 4] = x
            if e % 4 == 3:
                four_adds(four, d, G, S, c + (e - 3) * S)
        elif single and B.mode == PRESENT:
            for k in range(nnz):
                for h in range(S):
                    g[k * S + h] = x[k] * c[h]
        elif moves and not single:
            add_heads(L, H, x, ix, nnz, G, S, c + e * S, M.live)
    return moved


cdef void take_step(Layout* L, Heads* H, const floating* values, const index* indices, const index* indptr, Py_ssize_t d,
                    Py_ssize_t K, bint moved, Scalars* now, floating* W, floating* m, floating* v, floating* A, floating* G,
                    Moving M, const Params* P, Rule* R, Batch* B, Line* N, floating* c, floating* w) noexcept nogil:
    """What was gathered moves the weights and intercepts."""
    cdef Py_ssize_t S = 1 if Heads is One else M.S, nnz, h, k
    cdef bint single = Layout is Csr and B.size == 1, averaged = 0 < P.average <= now.t
    cdef bint idle = R.kind == FTRL or (R.kind == ADAGRAD and R.l2 == 0 and (R.l1 == 0 or B.paid is not NULL))
    cdef const floating* x = NULL
    cdef const index* ix = NULL
    cdef double of_z = 0, of_f = 0, of_avg = 0
    start_step(P, R, now, B.filled)
    if B.carry is not NULL:
        carry_back(d * S, G, B)
    if P.noise > 0:
        add_noise(d, S, K, G, sqrt(P.noise / pow(1.0 + now.t, 0.55)) / R.mean, B.seed, <uint64_t> now.t)
    nnz = row(L, values, indices, indptr, d, B.rows[0], &x, &ix) if single else 0
    if B.mode == ALL:
        step_all(d * S, W, m, v, A, G, R, averaged)
    elif B.mode == PRESENT:
        if not single:
            step_met(S, W, m, v, A, G, w, B, R, now.avg_a)
        elif moved or not idle:
            step_present(ix, nnz, S, W, m, v, A, w + 3 * B.room, w, B, R, now.avg_a)
        if B.paid is not NULL:
            B.owed += R.eta * R.l1
        if B.counted is NULL:
            now.avg_a += averaged
    else:
        if N.sigma < least_scale(A) or N.phi < 1e-18:
            for k in range(d if B.paid is not NULL else 0):
                B.paid[k] *= N.sigma
            B.owed *= N.sigma
            fold_line(d * S, W, m, A, N)
        advance(N, P, R, averaged, &of_z, &of_f, &of_avg)
        if not single:
            step_line(S, W, m, A, G, B, R, N, of_z, of_f, of_avg)
        elif moved:
            step_line_row(L, H, x, ix, nnz, S, W, m, A, c, w, M.live, of_z, of_f, of_avg)
        if B.paid is not NULL:
            B.owed += R.eta * R.l1 / N.sigma
        if averaged:
            N.avg_z += (1.0 + N.c * N.e) * N.sigma
    step_intercept(K, M.b, B, P, R[0])
    if averaged:
        now.avg_n += 1
        for h in range(K):
            M.b_avg[h] += (M.b[h] - M.b_avg[h]) / now.avg_n
    now.t += 1
    B.filled = 0


cdef int batches(Layout* L, Heads* H, const floating* values, const index* indices, const index* indptr, Py_ssize_t d,
                 Order O, const Targets* T, floating* W, floating* m, floating* v, floating* A, floating* G, Moving M,
                 const Params* P, Rule* R, Batch* B, Line* N, floating* z, bint last) noexcept nogil:
    """Gather the rows into steps of B.size, and take the steps; with `last` also a short one at the end.

    1 if a margin was not finite, else 0.
    """
    cdef Py_ssize_t K = 1 if Heads is One else T.K, S = 1 if Heads is One else M.S, i = 0, n
    cdef floating* c = z                        # (tile, S) slopes
    cdef floating* w = z + B.tile * S           # (4, room): weights and slots brought together, and their gradient
    cdef Scalars now = M.at[0]
    cdef bint moved
    cdef int fault = 0
    while i < O.n or (last and B.filled):
        n = next_rows(L, values, indices, indptr, d, &O, T, B, &i)
        R.done = now.t - 1.0
        batch_margins(L, H, values, indices, indptr, d, K, n, W, m, v, A, M, R, B, N, now.avg_a, c, w)
        if slopes_of(P, T, K, n, B.rows, M.of):
            fault = 1
            break
        moved = gather_slopes(L, H, values, indices, indptr, d, T, K, n, G, M, B, c, w + 3 * B.room)
        B.filled += n
        if B.carry is not NULL and B.filled - B.carried >= CARRY_AFTER:
            carry_over(d * S, G, B)
        if B.filled == B.size or (B.filled and last and i == O.n):
            take_step(L, H, values, indices, indptr, d, K, moved, &now, W, m, v, A, G, M, P, R, B, N, c, w)
    M.at[0] = now
    return fault


cdef void bring_up(Py_ssize_t d, Py_ssize_t S, floating* W, floating* m, floating* v, floating* A, Batch* B, Rule* R,
                   Scalars* now, Line* N) noexcept nogil:
    """At the end of a call: all weights as they are after the last step."""
    cdef Py_ssize_t j
    cdef double due
    R.done = now.t - 1.0
    for j in range(d if B.counted is not NULL else 0):
        count_in(j, S, m, v, A, B, R)
    for j in range(d if B.paid is not NULL else 0):
        due = B.owed - B.paid[j]
        pay_due(1, S, W + j * S, v + j * S if v is not NULL else NULL, &due, R)
    if B.mode == LINE:
        leave(d * S, W, m, A, N)
    elif now.avg_a != 0:
        fold(W, A, d, S, <floating*> NULL, now.avg_a, 1.0)
        now.avg_a = 0
    if B.mode == PRESENT and R.kind == FTRL:
        ftrl_weights(d * S, W, m, v, R)
