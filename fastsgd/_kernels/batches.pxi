# Steps of several rows, and of other optimizers than plain SGD.
#
# rows of the step -> margins -> slopes -> G += x slope, and at the last row of the step one update.
cdef enum:
    ALL         # a step updates all weights
    PRESENT     # a step updates the weights that its rows have (CSR)
    LINE        # closed.pxi (CSR)

# What a step has gathered so far, kept between calls; and workspace.
cdef struct Batch:
    int mode
    Py_ssize_t size         # rows of a step
    Py_ssize_t tile         # rows whose slopes are worked out together, at the most
    Py_ssize_t room         # weights that are updated together in PRESENT, at the most
    Py_ssize_t filled       # rows gathered
    Py_ssize_t n_met
    int64_t* met            # (d + 1,) features met since the last step
    char* is_met            # (d,)
    double* gb              # (K,) sum of the slopes
    double* mb              # (K,) slots of the intercept
    double* vb
    double* paid            # (d,) what each feature has paid of `owed`, the sum of its L1 steps; or NULL
    double owed
    int64_t* rows           # (tile,)
    double* due             # (features that are updated together,)
    uint64_t seed           # of the noise


cdef inline Py_ssize_t row(Layout* L, const floating* values, const index* indices, const index* indptr, Py_ssize_t d,
                           Py_ssize_t r, const floating** x, const index** ix) noexcept nogil:
    """Point to the values (and features) of row r; how many they are."""
    if Layout is Dense:
        x[0] = values + r * d
        return d
    else:
        x[0], ix[0] = values + indptr[r], indices + indptr[r]
        return indptr[r + 1] - indptr[r]


cdef inline void add_heads(Layout* L, Heads* H, const floating* x, const index* ix, Py_ssize_t nnz, floating* W, Py_ssize_t S,
                           const floating* c, const int32_t* live) noexcept nogil:
    """W += x c'."""
    if Heads is One:
        add(L, x, ix, nnz, W, c[0])
    else:
        adds(L, x, ix, nnz, W, S, c, live, S)


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


cdef inline void meet(const index* ix, Py_ssize_t nnz, Py_ssize_t S, floating* W, floating* m, floating* v, Batch* B,
                      const Rule* R) noexcept nogil:
    """List the features of a row that are new in this step, and bring their weights up to date."""
    cdef Py_ssize_t k, j, first = B.n_met
    cdef double due
    for k in range(nnz):  # without a branch: which are new can't be foreseen
        j = ix[k]
        B.met[B.n_met] = j
        B.n_met += 1 - B.is_met[j]
        B.is_met[j] = 1
    if R.kind == FTRL or B.paid is not NULL:
        for k in range(first, B.n_met):
            j = B.met[k]
            if R.kind == FTRL:
                ftrl_weights(S, W + j * S, m + j * S, v + j * S, R)
            else:
                due, B.paid[j] = B.owed - B.paid[j], B.owed
                pay_due(1, S, W + j * S, v + j * S if v is not NULL else NULL, &due, R)


cdef inline void take(const index* ix, Py_ssize_t n, Py_ssize_t S, const floating* W, const floating* m, const floating* v,
                      floating* w, Batch* B, const Rule* R) noexcept nogil:
    """The weights and slots of n features brought together in w, w + room and w + 2 room, and up to date."""
    cdef Py_ssize_t k, h, j
    for k in range(n):
        j = ix[k]
        for h in range(S):
            w[k * S + h] = W[j * S + h]
            if m is not NULL:
                w[B.room + k * S + h] = m[j * S + h]
            if v is not NULL:
                w[2 * B.room + k * S + h] = v[j * S + h]
            one_by_one()
    if R.kind == FTRL:
        ftrl_weights(n * S, w, w + B.room, w + 2 * B.room, R)
    elif B.paid is not NULL:
        for k in range(n):
            B.due[k] = B.owed - B.paid[ix[k]]
        pay_due(n, S, w, w + 2 * B.room, B.due, R)


cdef inline void put(const index* ix, Py_ssize_t n, Py_ssize_t S, floating* W, floating* m, floating* v, floating* A,
                     const floating* w, Batch* B, double owed, double avg_a) noexcept nogil:
    """What `take` took goes back."""
    cdef Py_ssize_t k, h, j
    for k in range(n):
        j = ix[k]
        for h in range(S):
            if A is not NULL:
                A[j * S + h] -= <floating> avg_a * (w[k * S + h] - W[j * S + h])
            W[j * S + h] = w[k * S + h]
            if m is not NULL:
                m[j * S + h] = w[B.room + k * S + h]
            if v is not NULL:
                v[j * S + h] = w[2 * B.room + k * S + h]
            one_by_one()
        if B.paid is not NULL:
            B.paid[j] = owed


cdef void step_present(const index* ix, Py_ssize_t n, Py_ssize_t S, floating* W, floating* m, floating* v, floating* A,
                       const floating* g, floating* w, Batch* B, const Rule* R, double avg_a) noexcept nogil:
    """Update n features that `take` took."""
    cdef Rule after = R[0]
    update(n * S, g, w, w + B.room, w + 2 * B.room, R)
    if R.kind == FTRL and A is not NULL:
        after.done += 1
        ftrl_weights(n * S, w, w + B.room, w + 2 * B.room, &after)
    put(ix, n, S, W, m, v, A, w, B, B.owed + R.eta * R.l1, avg_a)


cdef void step_all(Py_ssize_t n, floating* W, floating* m, floating* v, floating* A, floating* G, const Rule* R,
                   bint averaged) noexcept nogil:
    cdef Rule after = R[0]
    cdef Py_ssize_t k
    update(n, G, W, m, v, R)
    if R.kind == FTRL:
        after.done += 1
        ftrl_weights(n, W, m, v, &after)
    for k in range(n):
        G[k] = 0
    if averaged:
        for k in range(n):
            A[k] += W[k]


cdef void step_met(Py_ssize_t S, floating* W, floating* m, floating* v, floating* A, floating* G, floating* w, Batch* B,
                   const Rule* R, double avg_a) noexcept nogil:
    """Update the features met, some of them at a time."""
    cdef Py_ssize_t lo = 0, n, k, h, many = B.room // S
    cdef floating* g = w + 3 * B.room
    cdef const int64_t* ix
    while lo < B.n_met:
        n, ix = min(many, B.n_met - lo), B.met + lo
        for k in range(n):
            for h in range(S):
                g[k * S + h] = G[ix[k] * S + h]
                G[ix[k] * S + h] = 0
            B.is_met[ix[k]] = 0
        take(ix, n, S, W, m, v, w, B, R)
        step_present(ix, n, S, W, m, v, A, g, w, B, R, avg_a)
        lo += n
    B.n_met = 0


cdef void step_line(Py_ssize_t S, floating* W, floating* m, floating* A, floating* G, Batch* B, const Rule* R, Line* N,
                    double of_z, double of_f) noexcept nogil:
    """Z and F of the features met."""
    cdef Py_ssize_t i, k
    cdef floating dz, df = 0, most = <floating> (R.eta * R.l1 / N.sigma)
    for i in range(B.n_met):
        for k in range(B.met[i] * S, B.met[i] * S + S):
            dz = <floating> of_z * G[k]
            W[k] += dz
            if B.paid is not NULL:
                W[k] = soft(W[k], most)
            if m is not NULL:
                df = <floating> of_f * G[k]
                m[k] += df
            if A is not NULL:
                A[k] -= <floating> (N.avg_z * dz + N.avg_f * df)
            G[k] = 0
        B.is_met[B.met[i]] = 0
        if B.paid is not NULL:
            B.paid[B.met[i]] = B.owed + R.eta * R.l1 / N.sigma
    B.n_met = 0


cdef void step_line_row(Layout* L, Heads* H, const floating* x, const index* ix, Py_ssize_t nnz, Py_ssize_t S, floating* W,
                        floating* m, floating* A, const floating* c, floating* w, const int32_t* live, const Line* N,
                        double of_z, double of_f) noexcept nogil:
    """As `step_line`, for a step of one row."""
    cdef double factor
    cdef Py_ssize_t h, part
    for part in range(3):
        factor = of_z if part == 0 else of_f if part == 1 else -(N.avg_z * of_z + N.avg_f * of_f)
        for h in range(S):
            w[h] = <floating> (factor * c[h])
        if part == 0:
            add_heads(L, H, x, ix, nnz, W, S, w, live)
        elif part == 1 and m is not NULL:
            add_heads(L, H, x, ix, nnz, m, S, w, live)
        elif part == 2 and A is not NULL:
            add_heads(L, H, x, ix, nnz, A, S, w, live)


cdef void step_intercept(Py_ssize_t K, double* b, Batch* B, const Params* P, Rule R) noexcept nogil:
    """The same rule, without a penalty."""
    cdef double new
    cdef Py_ssize_t h
    R.l1 = R.l2 = 0
    if R.kind == FTRL:
        R.par[1] = R.par[2] = 0
    for h in range(K):
        B.gb[h] += P.nu / R.mean
        new = b[h]
        update(1, B.gb + h, &new, B.mb + h, B.vb + h, &R)
        if R.kind == FTRL:
            ftrl_weights(1, &new, B.mb + h, B.vb + h, &R)
        b[h] += P.intercept_decay * (new - b[h])
        B.gb[h] = 0


cdef void start_step(const Params* P, Rule* R, const Scalars* now, Py_ssize_t rows) noexcept nogil:
    """The numbers of the step."""
    R.eta = P.schedule(now.t, P.schedule_par) * now.eta_factor
    R.mean, R.done = 1.0 / rows, now.t - 1.0
    if R.kind == ADAM:
        if R.c1 < 1.0:
            R.c1 = 1.0 - pow(R.par[0], now.t)
        if R.c2 < 1.0:
            R.c2 = 1.0 - pow(R.par[1], now.t)


cdef int batches(Layout* L, Heads* H, const floating* values, const index* indices, const index* indptr, Py_ssize_t d,
                 Order O, const Targets* T, floating* W, floating* m, floating* v, floating* A, floating* G, Moving M,
                 const Params* P, Rule* R, Batch* B, Line* N, floating* z, bint last) noexcept nogil:
    """Gather the rows into steps of B.size, and take the steps; with `last` also a short one at the end.

    1 if a margin was not finite, else 0.
    """
    cdef Py_ssize_t K = 1 if Heads is One else T.K
    cdef Py_ssize_t S = 1 if Heads is One else M.S
    cdef Py_ssize_t i = 0, n, k, h, r, e, nnz = 0
    cdef bint single = Layout is Csr and B.size == 1 and B.mode != ALL, alone = single and B.mode == PRESENT
    cdef bint idle = R.kind == FTRL or (R.kind == ADAGRAD and R.l2 == 0 and (R.l1 == 0 or B.paid is not NULL))
    cdef bint moves, moved, averaged
    cdef const floating* x = NULL
    cdef const index* ix = NULL
    cdef floating* c = z                        # (tile, S) slopes
    cdef floating* w = z + B.tile * S           # (4, room)
    cdef floating* g = w + 3 * B.room
    cdef Dense together
    cdef Scalars now = M.at[0]
    cdef double p, s, step, of_z = 0, of_f = 0, cz = 1, cf = 0
    while i < O.n or (last and B.filled):
        n = 0
        while i < O.n and n < min(B.tile, B.size - B.filled):
            if i < O.ahead:
                fetch_far(L, values, indices, indptr, d, T, O.rows[O.n + i])
            if O.visit is not NULL and i + 3 < O.n:
                fetch_near(L, values, indices, indptr, d, O.rows[O.visit[i + 3]])
            r = O.visit[i] if O.visit is not NULL else i
            r = O.rows[r] if O.rows is not NULL else O.first + r
            i += 1
            if T.s is NULL or T.s[r] != 0:
                B.rows[n] = r
                n += 1

        if B.mode == LINE:
            cz, cf = (1.0 + N.c * N.e) * N.sigma, N.c * N.phi
        else:
            R.done = now.t - 1.0
        for e in range(n):
            nnz = row(L, values, indices, indptr, d, B.rows[e], &x, &ix)
            if alone:
                take(ix, nnz, S, W, m, v, w, B, R)
            elif Layout is Csr:
                if B.mode != ALL and not single:
                    meet(ix, nnz, S, W, m, v, B, R)
            if Heads is One:
                p = lanes_dot(x, w, nnz) if alone else cz * dot(L, x, ix, nnz, W)
                if Layout is Csr and cf != 0:
                    p += cf * dot(L, x, ix, nnz, m)
                M.of[e] = p + M.b[0]
            else:
                if alone:
                    dots(&together, x, ix, nnz, w, S, c)
                else:
                    dots(L, x, ix, nnz, W, S, c)
                for h in range(K):
                    M.of[e * K + h] = cz * c[h] + M.b[h]
                if Layout is Csr and cf != 0:
                    dots(L, x, ix, nnz, m, S, c)
                    for h in range(K):
                        M.of[e * K + h] += cf * c[h]
        if slopes_of(P, T, K, n, B.rows, M.of):
            M.at[0] = now
            return 1

        moved = 0
        for e in range(n):
            moves = 0
            for h in range(K):
                s = weight(T, B.rows[e], h, M.of[(n + e) * K + h])
                step = s * min(max(M.of[(3 * n + e) * K + h], -1e12), 1e12)
                M.loss_sum[h] += s * M.of[(2 * n + e) * K + h]
                M.weight_sum[h] += s
                B.gb[h] += step
                c[e * S + h] = <floating> step
                moves |= step != 0
            moved |= moves
            if alone:
                for k in range(nnz):
                    for h in range(S):
                        g[k * S + h] = x[k] * c[h]
            elif moves and not single:
                nnz = row(L, values, indices, indptr, d, B.rows[e], &x, &ix)
                add_heads(L, H, x, ix, nnz, G, S, c + e * S, M.live)
        B.filled += n
        if B.filled == 0 or (B.filled < B.size and not (last and i == O.n)):
            continue

        start_step(P, R, &now, B.filled)
        averaged = 0 < P.average <= now.t
        if P.noise > 0:
            add_noise(d * S, G, sqrt(P.noise / pow(1.0 + now.t, 0.55)) / R.mean, B.seed, <uint64_t> now.t)
        if B.mode == ALL:
            step_all(d * S, W, m, v, A, G, R, averaged)
        elif B.mode == PRESENT:
            if not alone:
                step_met(S, W, m, v, A, G, w, B, R, now.avg_a)
            elif moved or not idle:
                step_present(ix, nnz, S, W, m, v, A, g, w, B, R, now.avg_a)
            if B.paid is not NULL:
                B.owed += R.eta * R.l1
            now.avg_a += averaged
        else:
            if N.sigma < 1e-9 or N.phi < 1e-18:
                if B.paid is not NULL:
                    for k in range(d):
                        B.paid[k] *= N.sigma
                    B.owed *= N.sigma
                fold_line(d * S, W, m, A, N)
            advance(N, P, R, &of_z, &of_f)
            if single and moved:
                step_line_row(L, H, x, ix, nnz, S, W, m, A, c, w, M.live, N, of_z, of_f)
            elif not single:
                step_line(S, W, m, A, G, B, R, N, of_z, of_f)
            if B.paid is not NULL:
                B.owed += R.eta * R.l1 / N.sigma
            if averaged:
                N.avg_z += (1.0 + N.c * N.e) * N.sigma
                N.avg_f += N.c * N.phi
        step_intercept(K, M.b, B, P, R[0])
        if averaged:
            now.avg_n += 1
            for h in range(K):
                M.b_avg[h] += (M.b[h] - M.b_avg[h]) / now.avg_n
        now.t += 1
        B.filled = 0
    M.at[0] = now
    return 0


cdef void bring_up(Py_ssize_t d, Py_ssize_t S, floating* W, floating* m, floating* v, floating* A, Batch* B, Rule* R,
                   Scalars* now, Line* N) noexcept nogil:
    """At the end of a call: all weights as they are after the last step."""
    cdef Py_ssize_t j
    cdef double due
    for j in range(d if B.paid is not NULL else 0):
        due = B.owed - B.paid[j]
        pay_due(1, S, W + j * S, v + j * S if v is not NULL else NULL, &due, R)
    if B.mode == LINE:
        leave(d * S, W, m, A, N)
    elif now.avg_a != 0:
        fold(W, A, d, S, <floating*> NULL, now.avg_a, 1.0)
        now.avg_a = 0
    if B.mode == PRESENT and R.kind == FTRL:
        R.done = now.t - 1.0
        ftrl_weights(d * S, W, m, v, R)
