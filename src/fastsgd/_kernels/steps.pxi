# One step, of rows that were gathered: for all weights, for those that the rows have, or in the coordinates of closed.pxi.
cdef enum:
    ALL         # a step updates all weights
    PRESENT     # a step updates the weights that its rows have (CSR)
    LINE        # closed.pxi (CSR)

cdef enum:
    CARRY_AFTER = 1024      # rows whose sum is taken in float32

CARRY_ROWS = CARRY_AFTER

# What a step has gathered so far, kept between calls; and workspace.
cdef struct Batch:
    int mode
    Py_ssize_t size         # rows of a step
    Py_ssize_t tile         # rows whose slopes are worked out together, at most
    Py_ssize_t room         # weights that are updated together in PRESENT, at most
    Py_ssize_t filled       # rows gathered
    Py_ssize_t carried      # of them, those in carry
    double* carry           # like W: float64 sums of a large step in float32, or NULL
    Py_ssize_t n_met
    int64_t* met            # (d + 1,) features met since the last step
    char* is_met            # (d,)
    double* gb              # (K,) sum of the slopes
    double* mb              # (K,) slots of the intercept
    double* vb
    double* paid            # (d,) what each feature has paid of `owed`, the sum of its L1 steps; or NULL
    double owed
    double* counted         # (d,) FTRL under a penalty, averaged: the steps that are in A of each feature; or NULL
    double average          # the first step that counts
    int64_t* rows           # (tile,)
    double* due             # (features that are updated together,)
    uint64_t seed           # of the noise


cdef inline void add_heads(const Layout* L, Heads* H, const floating* values, Py_ssize_t lo, Py_ssize_t nnz, floating* W,
                           Py_ssize_t S, const floating* c, const int32_t* live) noexcept nogil:
    """W += x c'."""
    if Heads is One:
        add(L, values, lo, nnz, W, c[0])
    else:
        adds(L, values, lo, nnz, W, S, c, live, S)


cdef void carry_over(Py_ssize_t n, floating* G, Batch* B) noexcept nogil:
    """What G holds goes to carry."""
    cdef Py_ssize_t k
    for k in range(n):
        B.carry[k] += G[k]
        G[k] = 0
    B.carried = B.filled


cdef void carry_back(Py_ssize_t n, floating* G, Batch* B) noexcept nogil:
    """And comes back."""
    cdef Py_ssize_t k
    for k in range(n):
        G[k] = <floating> (G[k] + B.carry[k])
        B.carry[k] = 0
    B.carried = 0


cdef inline void count_in(Py_ssize_t j, Py_ssize_t S, const floating* m, const floating* v, floating* A, Batch* B,
                          const Rule* R) noexcept nogil:
    """The weights of a feature since it was last counted go to A: they have moved, by the penalty, without being met."""
    cdef Py_ssize_t h
    cdef double first = max(B.counted[j], B.average - 1)
    B.counted[j] = R.done
    for h in range(j * S, j * S + S if R.done > first else 0):
        A[h] += <floating> ftrl_total(m[h], v[h], first, R.done, R)


cdef inline void meet(const Csr* L, Py_ssize_t lo, Py_ssize_t nnz, Py_ssize_t S, floating* W, floating* m, floating* v, floating* A,
                      Batch* B, const Rule* R, double avg_a) noexcept nogil:
    """List the features of a row that are new in this step, and bring their weights up to date."""
    cdef Py_ssize_t k, h, j, first = B.n_met
    cdef double due
    for k in range(lo, lo + nnz):  # without a branch: which are new can't be foreseen
        j = L.indices[k]
        B.met[B.n_met] = j
        B.n_met += 1 - B.is_met[j]
        B.is_met[j] = 1
    if R.kind == FTRL or B.paid is not NULL:
        for k in range(first, B.n_met):
            j = B.met[k]
            if B.counted is not NULL:
                count_in(j, S, m, v, A, B, R)
            if R.kind == FTRL:
                for h in range(j * S, j * S + S if A is not NULL else 0):
                    A[h] += <floating> avg_a * W[h]
                ftrl_weights(S, W + j * S, m + j * S, v + j * S, R)
                for h in range(j * S, j * S + S if A is not NULL else 0):
                    A[h] -= <floating> avg_a * W[h]
            else:
                due, B.paid[j] = B.owed - B.paid[j], B.owed
                pay_due(1, S, W + j * S, v + j * S if v is not NULL else NULL, &due, R)


cdef void list_gathered(Py_ssize_t d, Py_ssize_t S, const floating* G, Batch* B) noexcept nogil:
    """List the features of an incomplete step whose rows were gathered by a call that lists none."""
    cdef Py_ssize_t j, h
    for j in range(d):
        for h in range(j * S, j * S + S):
            if not B.is_met[j] and (G[h] != 0 or (B.carry is not NULL and B.carry[h] != 0)):
                B.is_met[j], B.met[B.n_met] = 1, j
                B.n_met += 1


cdef inline void take(const Csr* L, Py_ssize_t lo, Py_ssize_t n, Py_ssize_t S, const floating* W, const floating* m,
                      const floating* v, floating* A, floating* w, Batch* B, const Rule* R) noexcept nogil:
    """The weights and slots of n features brought together in w, w + room and w + 2 room, and up to date."""
    cdef Py_ssize_t k, h, j
    ix = L.indices + lo
    for k in range(n):
        j = ix[k]
        for h in range(S):
            w[k * S + h] = W[j * S + h]
            if m is not NULL:
                w[B.room + k * S + h] = m[j * S + h]
            if v is not NULL:
                w[2 * B.room + k * S + h] = v[j * S + h]
            one_by_one()
    if B.counted is not NULL:
        for k in range(n):
            count_in(ix[k], S, m, v, A, B, R)
    if R.kind == FTRL:
        ftrl_weights(n * S, w, w + B.room, w + 2 * B.room, R)
    elif B.paid is not NULL:
        for k in range(n):
            B.due[k] = B.owed - B.paid[ix[k]]
        pay_due(n, S, w, w + 2 * B.room, B.due, R)


cdef inline void put(const Csr* L, Py_ssize_t lo, Py_ssize_t n, Py_ssize_t S, floating* W, floating* m, floating* v, floating* A,
                     const floating* w, Batch* B, double owed, double avg_a) noexcept nogil:
    """What `take` took goes back."""
    cdef Py_ssize_t k, h, j
    ix = L.indices + lo
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


cdef void step_present(const Csr* L, Py_ssize_t lo, Py_ssize_t n, Py_ssize_t S, floating* W, floating* m, floating* v, floating* A,
                       floating* w, Batch* B, const Rule* R, double avg_a) noexcept nogil:
    """Update n features that `take` took; their gradient is in w + 3 room."""
    cdef Rule after = R[0]
    update(n * S, w + 3 * B.room, w, w + B.room, w + 2 * B.room, R)
    if R.kind == FTRL and A is not NULL:
        after.done += 1
        ftrl_weights(n * S, w, w + B.room, w + 2 * B.room, &after)
    put(L, lo, n, S, W, m, v, A, w, B, B.owed + R.eta * R.l1, avg_a)


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
    cdef Csr64 met
    met.indices = B.met
    while lo < B.n_met:
        n, ix = min(many, B.n_met - lo), B.met + lo
        for k in range(n):
            for h in range(S):
                g[k * S + h] = G[ix[k] * S + h]
                G[ix[k] * S + h] = 0
            B.is_met[ix[k]] = 0
        take(&met, lo, n, S, W, m, v, A, w, B, R)
        step_present(&met, lo, n, S, W, m, v, A, w, B, R, avg_a)
        lo += n
    B.n_met = 0


cdef void step_line(Py_ssize_t S, floating* W, floating* m, floating* A, floating* G, Batch* B, const Rule* R, Line* N,
                    double of_z, double of_f, double of_avg) noexcept nogil:
    """Z and F of the features met."""
    cdef Py_ssize_t i, k
    cdef floating most = <floating> (R.eta * R.l1 / N.sigma)
    for i in range(B.n_met):
        for k in range(B.met[i] * S, B.met[i] * S + S):
            W[k] += <floating> of_z * G[k]
            if B.paid is not NULL:
                W[k] = soft(W[k], most)
            if m is not NULL:
                m[k] += <floating> of_f * G[k]
            if A is not NULL:
                A[k] += <floating> of_avg * G[k]
            G[k] = 0
        B.is_met[B.met[i]] = 0
        if B.paid is not NULL:
            B.paid[B.met[i]] = B.owed + R.eta * R.l1 / N.sigma
    B.n_met = 0


cdef void step_line_row(const Layout* L, Heads* H, const floating* values, Py_ssize_t lo, Py_ssize_t nnz, Moving* M,
                        const floating* c, floating* w, double of_z, double of_f, double of_avg) noexcept nogil:
    """As `step_line`, for a step of one row."""
    cdef floating* moved[3]
    cdef double factor
    cdef Py_ssize_t S = 1 if Heads is One else M.S, h, part
    moved[0], moved[1], moved[2] = <floating*> M.W, <floating*> M.m, <floating*> M.A
    for part in range(3):
        factor = of_z if part == 0 else of_f if part == 1 else of_avg
        for h in range(S):
            w[h] = <floating> (factor * c[h])
        if moved[part] is not NULL:
            add_heads(L, H, values, lo, nnz, moved[part], S, w, M.live)


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
            R.c1 = 1.0 - pow(R.par[0], now.t - now.since)
        if R.c2 < 1.0:
            R.c2 = 1.0 - pow(R.par[1], now.t - now.since)
