# learning_rate="auto": the best constant, of which a part of the model may consist, see auto_head.pxi.
#
# Where it follows from the mean of y (`Loss.by_mean`), that is all that is kept. Else the targets are: each value once, with the
# weight of its rows, the atoms of their distribution. When a value comes for which there is no place, the losses of all of them
# become a parabola, which lies where they and those before are least together, and is as bent as their losses are nearby, and the
# places are free. The best constant is where the slopes at the atoms and that of the parabola add up to 0. So it is exact for two
# classes, marks and counts with any loss, and of ATOMS rows; and of more rows an implicit step of that many at once.
#
# Each row that judges counts, as often as it does there.
cdef enum:
    ATOMS = 64
    MOST_HALVINGS = 60
cdef double SOLVED_SHARE = 1e-4  # The constant is found when its loss is above the least by at most this share.
cdef double PER_RENEWAL = 1.0 / 16.0  # That of the judgement is found anew when so many rows have come, by the rows so far.


cdef double slopes_at(const Params* P, const Pace* C, Py_ssize_t k, double c, double* loss) noexcept nogil:
    """What the slopes at c add up to, by the weight of the atoms; and the same of the losses of these, if asked for."""
    cdef const Head* head = C.heads + k
    cdef const double* y = C.atoms + 2 * ATOMS * k
    cdef const double* s = y + ATOMS
    cdef double total = 0, weight = 0
    cdef int i, n = <int> head.n_atoms
    for i in range(n):
        total += s[i] * P.slope(c, y[i], P.loss_par)
        weight += s[i]
    if loss is not NULL:
        loss[0] = 0
        for i in range(n):
            loss[0] += s[i] / weight * fabs(P.value(c, y[i], P.loss_par))
    weight = weight if weight > 0 else head.bend
    return (total + head.bend * (c - head.flat[0])) / weight


cdef double constant_of_atoms(const Params* P, const Pace* C, Py_ssize_t k, double c) noexcept nogil:
    """The best constant, looked for from c on.

    It is at most so far from the targets, and from 0, as log(n) / 2 of their differences: a slope that never is 0, as that of a
    likelihood where all rows are of one class, ends there.
    """
    cdef const Head* head = C.heads + k
    cdef const double* y = C.atoms + 2 * ATOMS * k
    cdef double low = 0, high = 0, step, other, g, g_other, g_new, loss = 0, new, apart
    cdef int i
    if head.n_atoms == 0 and head.bend == 0:
        return c
    for i in range(<int> head.n_atoms):
        low, high = min(low, y[i]), max(high, y[i])
    if head.bend > 0:
        low, high = min(low, head.flat[0]), max(high, head.flat[0])
    apart = high - low
    step = max(apart, 1.0) * 0.5 * log(1.0 + C.at.recent)
    low, high, step = low - step, high + step, (apart if apart > 0 else 1.0) / ATOMS
    g = slopes_at(P, C, k, c, &loss)
    loss = loss if isfinite(loss) else 0.0
    while True:  # until the slope has another sign
        if fabs(g) * apart <= SOLVED_SHARE * loss or not isfinite(g):
            return c
        other = max(low, c - step) if g > 0 else min(high, c + step)
        if other == c:
            return c
        g_other = slopes_at(P, C, k, other, NULL)
        if (g_other > 0) != (g > 0):
            break
        c, g, step = other, g_other, 2.0 * step
    for i in range(MOST_HALVINGS):  # false position (Illinois), every third time a halving
        if fabs(other - c) * fabs(g_other) <= SOLVED_SHARE * loss:  # The least is between both, not below the tangent.
            break
        new = 0.5 * (other + c) if i % 3 == 2 else other - g_other * ((other - c) / (g_other - g))
        if not min(other, c) < new < max(other, c):
            new = 0.5 * (other + c)
        g_new = slopes_at(P, C, k, new, NULL)
        if (g_new > 0) != (g_other > 0):
            c, g = other, g_other
        else:
            g *= 0.5
        other, g_other = new, g_new
    return other


cdef void gather_atoms(const Params* P, const Pace* C, Py_ssize_t k) noexcept nogil:
    """Make of the losses of the atoms a parabola, with that of all targets before them."""
    cdef Head* head = C.heads + k
    cdef const double* y = C.atoms + 2 * ATOMS * k
    cdef const double* s = y + ATOMS
    cdef double c = constant_of_atoms(P, C, k, head.flat[2]), near = 0, weight = 0, bend = 0
    cdef int i
    for i in range(ATOMS):
        near += s[i] * fabs(y[i] - c)
        weight += s[i]
    near *= 0.5 / weight  # half of the mean distance
    for i in range(ATOMS):
        bend += s[i] * (P.slope(c + near, y[i], P.loss_par) - P.slope(c - near, y[i], P.loss_par))
    bend /= 2.0 * near
    head.flat[0], head.n_atoms = c, 0
    if bend > 0 and isfinite(bend):
        head.bend += bend


cdef void count_atom(const Params* P, const Pace* C, Py_ssize_t k, double target, double s) noexcept nogil:
    """Count a target of a row of weight s, in units that grow as rows fade."""
    cdef Head* head = C.heads + k
    cdef double* y = C.atoms + 2 * ATOMS * k
    cdef int i, n = <int> head.n_atoms
    for i in range(n):
        if y[i] == target:
            y[ATOMS + i] += s
            return
    if n == ATOMS:
        gather_atoms(P, C, k)
        n = 0
    y[n], y[ATOMS + n] = target, s
    head.n_atoms = n + 1


cdef void renew_atoms(const Pace* C, Py_ssize_t k) noexcept nogil:
    """Bring the weights back to units of 1."""
    cdef double by = 1.0 / C.at.grown
    cdef int i
    for i in range(ATOMS):
        C.atoms[ATOMS * (2 * k + 1) + i] *= by
    C.heads[k].bend *= by


cdef inline void learn_mean(const Params* P, Head* head, double y, double share) noexcept nogil:
    """Count a row that has this share of the weight of all rows in the mean of y."""
    if P.constant is not NULL:
        head.flat[0] += (y - head.flat[0]) * share


cdef inline void find_constant(const Params* P, const Pace* C, Py_ssize_t k) noexcept nogil:
    """The best constant of the rows before this one."""
    cdef Head* head = C.heads + k
    if P.constant is not NULL:
        if C.at.recent > 1.0:
            head.flat[2] = P.constant(head.flat[0], C.at.recent - 1.0, P.loss_par)
    elif C.at.t >= head.constant_due:
        head.flat[2] = constant_of_atoms(P, C, k, head.flat[2])
        head.constant_due = C.at.t + max(1.0, floor(PER_RENEWAL * C.at.t))


cdef void find_constants(const Params* P, const Pace* C, Py_ssize_t K) noexcept nogil:
    """That of all rows so far, of each head, from which no row learns."""
    cdef Head* head
    cdef Py_ssize_t k
    if not C.first or not C.intercept or C.at.t == 0:
        return
    for k in range(K):
        head = C.heads + k
        if P.constant is not NULL:
            head.flat[1] = P.constant(head.flat[0], C.at.recent, P.loss_par)
        else:
            head.flat[1] = constant_of_atoms(P, C, k, head.flat[2])
