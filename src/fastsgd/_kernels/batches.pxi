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


cdef inline Py_ssize_t next_rows(const Layout* L, const floating* values, const Order* O, const Targets* T, Batch* B,
                                 Py_ssize_t* i) noexcept nogil:
    """List the next rows, of this step and at most a tile, in B.rows; how many they are. `i` goes on."""
    cdef Py_ssize_t n = 0, r
    while i[0] < O.n and n < min(B.tile, B.size - B.filled):
        fetch_next(L, values, T, O, i[0])
        if O.visit is not NULL and i[0] + 3 < O.n:
            fetch_near(L, values, T, O.rows[O.visit[i[0] + 3]])
        r = O.visit[i[0]] if O.visit is not NULL else i[0]
        r = O.rows[r] if O.rows is not NULL else O.first + r
        i[0] += 1
        if T.s is NULL or T.s[r] != 0:
            B.rows[n] = r
            n += 1
    return n


cdef void batch_margins(const Layout* L, Heads* H, const floating* values, Py_ssize_t K, Py_ssize_t n, Moving* M, const Rule* R,
                        Batch* B, const Line* N, double avg_a, floating* z) noexcept nogil:
    """M.of = the margins of n rows; z is overwritten. A single row's weights are left behind the tile's slopes in z, those of
    others listed."""
    cdef Py_ssize_t S = 1 if Heads is One else M.S, e, h, lo, nnz, in_fours = n // 4 * 4
    cdef bint line = Layout is not Dense and B.mode == LINE, alone = Layout is not Dense and B.mode == PRESENT and B.size == 1
    cdef floating* W = <floating*> M.W
    cdef floating* m = <floating*> M.m
    cdef floating* w = z + B.tile * S
    cdef double of_z = (1.0 + N.c * N.e) * N.sigma if line else 1.0, of_f = N.c * N.phi if line else 0.0
    cdef const floating* four[4]
    cdef Dense together
    for e in range(n):
        lo = row(L, B.rows[e], &nnz)
        if Layout is not Dense:
            if alone:
                take(L, lo, nnz, S, W, m, <floating*> M.v, <floating*> M.A, w, B, R)
            elif B.mode != ALL and B.size > 1:
                meet(L, lo, nnz, S, W, m, <floating*> M.v, <floating*> M.A, B, R, avg_a)
        if Heads is One:
            M.of[e] = M.b[0] + (lanes_dot(values + lo, w, nnz) if alone else of_z * dot(L, values, lo, nnz, W))
            if of_f != 0:
                M.of[e] += of_f * dot(L, values, lo, nnz, m)
        else:
            if Layout is Dense and e < in_fours:
                four[e % 4] = values + lo
                if e % 4 == 3:
                    four_dots(four, nnz, W, S, z + (e - 3) * S)
            elif alone:
                dots(&together, values, lo, nnz, w, S, z + e * S)
            else:
                dots(L, values, lo, nnz, W, S, z + e * S)
    for e in range(n if Heads is Many else 0):
        for h in range(K):
            M.of[e * K + h] = of_z * z[e * S + h] + M.b[h]
        if of_f != 0:
            lo = row(L, B.rows[e], &nnz)
            dots(L, values, lo, nnz, m, S, z + e * S)
            for h in range(K):
                M.of[e * K + h] += of_f * z[e * S + h]


cdef bint gather_slopes(const Layout* L, Heads* H, const floating* values, const Targets* T, Py_ssize_t K, Py_ssize_t n, Moving* M,
                        Batch* B, floating* z) noexcept nogil:
    """The slopes of n rows go to z, and with their rows to G, or behind z where the step is one CSR row; 1 if any is not 0."""
    cdef Py_ssize_t S = 1 if Heads is One else M.S, e, h, k, lo, nnz, in_fours = n // 4 * 4 if Layout is Dense else 0
    cdef bint single = Layout is not Dense and B.size == 1 and B.mode != ALL, moves, moved = 0
    cdef floating* G = <floating*> M.G
    cdef floating* g = z + B.tile * S + 3 * B.room
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
            z[e * S + h] = <floating> step
            moves |= step != 0
        moved |= moves
        lo = row(L, B.rows[e], &nnz)
        if e < in_fours:
            four[e % 4] = values + lo
            if e % 4 == 3:
                four_adds(four, nnz, G, S, z + (e - 3) * S)
        elif single and B.mode == PRESENT:
            for k in range(nnz):
                for h in range(S):
                    g[k * S + h] = values[lo + k] * z[h]
        elif moves and not single:
            add_heads(L, H, values, lo, nnz, G, S, z + e * S, M.live)
    return moved


cdef void take_step(const Layout* L, Heads* H, const floating* values, Py_ssize_t K, bint moved, Scalars* now, Moving* M,
                    const Params* P, Rule* R, Batch* B, Line* N, floating* z) noexcept nogil:
    """What was gathered moves the weights and intercepts."""
    cdef Py_ssize_t S = 1 if Heads is One else M.S, n = L.d * S, lo = 0, nnz = 0, h, k
    cdef floating* W = <floating*> M.W
    cdef floating* m = <floating*> M.m
    cdef floating* v = <floating*> M.v
    cdef floating* A = <floating*> M.A
    cdef floating* G = <floating*> M.G
    cdef floating* w = z + B.tile * S
    cdef bint single = Layout is not Dense and B.size == 1, averaged = 0 < P.average <= now.t
    cdef bint idle = R.kind == FTRL or (R.kind == ADAGRAD and R.l2 == 0 and (R.l1 == 0 or B.paid is not NULL))
    cdef double of_z = 0, of_f = 0, of_avg = 0
    start_step(P, R, now, B.filled)
    if B.carry is not NULL:
        carry_back(n, G, B)
    if P.noise > 0:
        add_noise(L.d, S, K, G, sqrt(P.noise / pow(1.0 + now.t, 0.55)) / R.mean, B.seed, <uint64_t> now.t)
    if single:
        lo = row(L, B.rows[0], &nnz)
    if B.mode == ALL:
        step_all(n, W, m, v, A, G, R, averaged)
    elif B.mode == PRESENT:
        if not single:
            step_met(S, W, m, v, A, G, w, B, R, now.avg_a)
        elif moved or not idle:
            if Layout is not Dense:
                step_present(L, lo, nnz, S, W, m, v, A, w, B, R, now.avg_a)
        if B.paid is not NULL:
            B.owed += R.eta * R.l1
        if B.counted is NULL:
            now.avg_a += averaged
    else:
        if N.sigma < least_scale(A) or N.phi < 1e-18:
            for k in range(L.d if B.paid is not NULL else 0):
                B.paid[k] *= N.sigma
            B.owed *= N.sigma
            fold_line(n, W, m, A, N)
        advance(N, P, R, averaged, &of_z, &of_f, &of_avg)
        if not single:
            step_line(S, W, m, A, G, B, R, N, of_z, of_f, of_avg)
        elif moved:
            step_line_row(L, H, values, lo, nnz, M, z, w, of_z, of_f, of_avg)
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


cdef int batch_buffer(const Layout* L, Heads* H, const floating* values, Order O, const Targets* T, Moving M, const Params* P,
                      Rule* R, Batch* B, Line* N, floating* z, bint last) noexcept nogil:
    """Gather the rows into steps of B.size, and take the steps; with `last` also a short one at the end.

    1 if a margin was not finite, else 0. In z are the slopes, (tile, S), and (4, room) weights and slots brought together, and
    their gradient.
    """
    cdef Py_ssize_t K = 1 if Heads is One else M.K, i = 0, n
    cdef Scalars now = M.at[0]
    cdef bint moved
    cdef int fault = 0
    while i < O.n or (last and B.filled):
        n = next_rows(L, values, &O, T, B, &i)
        R.done = now.t - 1.0
        batch_margins(L, H, values, K, n, &M, R, B, N, now.avg_a, z)
        if slopes_of(P, T, K, n, B.rows, M.of):
            fault = 1
            break
        moved = gather_slopes(L, H, values, T, K, n, &M, B, z)
        B.filled += n
        if B.carry is not NULL and B.filled - B.carried >= CARRY_AFTER:
            carry_over(L.d * M.S, <floating*> M.G, B)
        if B.filled == B.size or (B.filled and last and i == O.n):
            take_step(L, H, values, K, moved, &now, &M, P, R, B, N, z)
    M.at[0] = now
    return fault


cdef void bring_up(Py_ssize_t d, Py_ssize_t S, floating* W, floating* m, floating* v, floating* A, Batch* B, Rule* R, Scalars* now,
                   Line* N) noexcept nogil:
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
        fold(W, A, d * S, now.avg_a, 1.0)
        now.avg_a = 0
    if B.mode == PRESENT and R.kind == FTRL:
        ftrl_weights(d * S, W, m, v, R)
