# Columns of CSR rows that most rows have, for learning_rate="auto".
#
#     x'_j = x_j - m_j, also where a row does not have j      m_j = the mean of the rows since j joined, as of the last renewal
#     b += w_j (m_j now - m_j before), at a renewal           so that the model stays where it is
#
# A column far from 0, such as a year or a price beside categories, is hardly learnt otherwise: its weight moves the margin of all
# rows, as the intercept does. In the rows that are kept at the start, and again later, a column joins that more than half of the
# rows before had. It begins anew, as if it had not been seen: of what is known of it, nothing holds of x'. Means are renewed by the
# rows before: a value far from these has yet to shrink the weight, and would move the intercept too far. The state's `last` is the
# number of rows in which columns could join, and `due` the row of the next renewal. Such a row is written anew to a buffer:
# the other values as they are, then those of these columns. As these are correlated more than rare ones, from the second pass on,
# when the model is an average, P is no more for them than it would be at the step size g of dense rows: kappa h_t t <= h / g. In
# the first pass the long steps are for such columns, and the filter's last weights would be noise.
from libc.string cimport memset

cdef enum:
    CENTRED = 256           # columns at most; where there are more, the rows are dense ones
    FIRST = 64              # from this row on columns join, during as many rows as WINDOW
    LATER = 1024            # and from this one again, for those that the first rows were without
    WINDOW = 16             # a column that half of the rows have is in one of so many
    SLOTS = 1024            # of the table in which columns are looked up
    RENEWED = 16            # rows between two renewals of the means, at most

cdef struct Centred:
    Py_ssize_t n
    double* column          # 1 and its number; 0 for none. Of each of CENTRED
    double* weight          # of the rows since it joined
    double* mean            # of these rows
    double* used            # the mean that it is centred by
    double value[CENTRED]   # in the row
    int64_t key[SLOTS]      # column, or -1 for an empty slot
    int32_t place[SLOTS]    # which one it is
    void* values            # the row as written anew
    void* indices
    void* work
    Py_ssize_t others, own  # its values as they are, and those of these columns
    double step             # g of this row
    Visit visit


cdef inline Py_ssize_t slot_of(const Centred* D, int64_t j) noexcept nogil:
    """Where in the table column j is, or is to be."""
    cdef Py_ssize_t i = <Py_ssize_t> (<uint64_t> j * <uint64_t> 0x9E3779B97F4A7C15 >> 54)
    while D.key[i] != j and D.key[i] >= 0:
        i = (i + 1) % SLOTS
    return i


cdef inline void enlist(Centred* D, int64_t j) noexcept nogil:
    """Have column j, which is the n-th, in the table."""
    cdef Py_ssize_t i = slot_of(D, j)
    D.key[i], D.place[i] = j, <int32_t> D.n
    D.n += 1


cdef Py_ssize_t open_centred(Centred* D, double[:, ::1] columns, Py_ssize_t d) except -1:
    """Those of a state of d columns; returns by how many values a row may grow at most."""
    cdef Py_ssize_t i
    if columns.shape[0] != 4 or columns.shape[1] != CENTRED:
        raise ValueError(f"centred is ({columns.shape[0]}, {columns.shape[1]}), and should be (4, {CENTRED})")
    D.n = 0
    D.column, D.weight, D.mean, D.used = &columns[0, 0], &columns[1, 0], &columns[2, 0], &columns[3, 0]
    for i in range(SLOTS):
        D.key[i] = -1
    while D.n < CENTRED and D.column[D.n] != 0:
        if not 1 <= D.column[D.n] <= d:
            raise ValueError(f"the state centres column {D.column[D.n] - 1:g}, and has {d}")
        enlist(D, <int64_t> D.column[D.n] - 1)
    return CENTRED + 8  # and what fours that are not full take


cdef inline Csr anew_layout(const Csr* L, const Pace* C) noexcept nogil:
    """That of rows as written anew."""
    cdef Csr out = L[0]
    if Csr is Csr32:
        out.indices = <const int32_t*> C.centred.indices
    else:
        out.indices = <const int64_t*> C.centred.indices
    return out


cdef inline bint looks(AutoScalars* at) noexcept nogil:
    """Whether columns may join at this row."""
    if at.last >= 2 * WINDOW or at.t < FIRST or (at.last >= WINDOW and at.t < LATER):
        return 0
    at.last += 1
    return 1


cdef inline double rows_of(const floating* w, const AutoScalars* at) noexcept nogil:
    """How many rows have had the column of a record."""
    return w[FASTSGD_VISITS] / at.grown


cdef inline double within(const floating* w, double x, double c, const AutoScalars* at) noexcept nogil:
    """x as it counts in a row of weight c: at most FASTSGD_CLIP root mean squares, but early on, as in auto.h."""
    cdef double n = rows_of(w, at), most
    if n + c <= 16 or w[FASTSGD_UNIT] == 0:
        return x
    most = FASTSGD_CLIP * sqrt(w[FASTSGD_SQUARES] / w[FASTSGD_VISITS]) / w[FASTSGD_UNIT]
    return most if x > most else -most if x < -most else x


cdef inline void shift_intercepts(Head* head, const floating* w, double by) noexcept nogil:
    """Have the intercepts be where a column is that much more."""
    cdef int r
    for r in range(CSR_CANDIDATES):
        head.b[r] += w[r] * (by * w[FASTSGD_UNIT])


cdef void join_centred(const Csr* L, const floating* values, Py_ssize_t lo, Py_ssize_t nnz, Moving M,
                       const Pace* C) noexcept nogil:
    """Take in the columns of a row that most of the rows so far had."""
    cdef Centred* D = C.centred
    cdef Py_ssize_t i, k, j
    cdef floating* w
    for i in range(nnz):
        j = <Py_ssize_t> L.indices[lo + i]
        w = <floating*> M.W + j * M.K * RECORD
        if D.n == CENTRED or rows_of(w, C.at) <= 0.5 * C.at.recent or D.key[slot_of(D, j)] == j:
            continue
        for k in range(M.K):  # the row's margin stays what it is
            shift_intercepts(C.heads + k, w + k * RECORD, values[lo + i])
        memset(w, 0, M.K * RECORD * sizeof(floating))
        D.column[D.n], D.weight[D.n], D.mean[D.n], D.used[D.n] = j + 1, 0, 0, 0
        enlist(D, j)
        C.at.due = C.at.t


cdef void renew_means(floating* W, Py_ssize_t K, const Pace* C) noexcept nogil:
    """Centre by the means as of now."""
    cdef Centred* D = C.centred
    cdef Py_ssize_t p, k
    cdef floating* w
    cdef double moved, t = C.at.t
    for p in range(D.n):
        w = W + (<Py_ssize_t> D.column[p] - 1) * K * RECORD
        moved = D.mean[p] - D.used[p]
        for k in range(K):
            shift_intercepts(C.heads + k, w + k * RECORD, moved)
        D.used[p] = D.mean[p]
    t -= LATER if t >= LATER else FIRST
    C.at.due = C.at.t + max(1, min(<int64_t> RENEWED, <int64_t> t // 32))


cdef inline void write_value(const Csr* L, const Centred* D, Py_ssize_t i, Py_ssize_t j, floating x) noexcept nogil:
    """Write the i-th value of the row anew."""
    (<floating*> D.values)[i] = x
    if Csr is Csr32:
        (<int32_t*> D.indices)[i] = <int32_t> j
    else:
        (<int64_t*> D.indices)[i] = j


cdef Py_ssize_t centre(const Csr* L, const floating* values, Py_ssize_t lo, Py_ssize_t nnz, Moving M, const Params* P,
                       const Pace* C, double s) noexcept nogil:
    """Write a row of weight s anew; returns the number of its values that are as they were."""
    cdef Centred* D = C.centred
    cdef Py_ssize_t n = 0, i, j, p, at
    cdef const floating* w
    cdef double x
    for p in range(D.n):
        D.value[p] = 0
    for i in range(nnz):
        j = <Py_ssize_t> L.indices[lo + i]
        at = slot_of(D, j)
        if D.key[at] == j:
            D.value[D.place[at]] += values[lo + i]
        else:
            write_value(L, D, n, j, values[lo + i])
            n += 1
    D.others = n
    for p in range(D.n):
        w = <floating*> M.W + (<Py_ssize_t> D.column[p] - 1) * M.K * RECORD
        D.value[p] = D.used[p] + within(w, D.value[p] - D.used[p], s * C.at.recent / C.at.weight, C.at)
        if D.weight[p] == 0:
            D.mean[p] = D.value[p]
    if C.at.t >= C.at.due:  # By the rows before, as a value far from these is yet to move the weight.
        renew_means(<floating*> M.W, M.K, C)
    for p in range(D.n):
        D.weight[p] = D.weight[p] * P.fade + s
        D.mean[p] += (D.value[p] - D.mean[p]) * (s / D.weight[p])
    for p in range(D.n):
        j = <Py_ssize_t> D.column[p] - 1
        x = D.value[p] - D.used[p]
        if x == 0 and (<floating*> M.W)[j * M.K * RECORD + FASTSGD_SQUARES] == 0:
            continue  # a constant so far
        write_value(L, D, n, j, <floating> x)
        n += 1
    D.own, D.step = n - D.others, falling(C.at.recent, 1.0 + D.n, 0.5 * P.schedule_par[0])
    D.work = <floating*> C.work + (D.others + 7) // 8 * 8 * FASTSGD_ROOM
    C.at.values += D.own
    return D.others


cdef void gather_centred(const Csr* anew, Centred* D, double h, floating* W, Py_ssize_t stride, const Visit* g, double* z,
                         double* sizes, int rules) noexcept nogil:
    """As `gather` of these columns, for a head of curvature h."""
    D.visit = g[0]
    D.visit.n_next = 0
    if rules == 1:
        D.visit.curve = min(g.curve, h / (D.step * g.t))
    gather(anew, <const floating*> D.values, D.others, D.own, W, stride, &D.visit, <floating*> D.work, z, sizes, rules)


cdef inline void move_centred(const Csr* anew, const Centred* D, floating* W, Py_ssize_t stride, const double* steps,
                              double squared_slope, int rules) noexcept nogil:
    move(anew, D.others, D.own, &D.visit, W, stride, <const floating*> D.work, steps, squared_slope, rules)
