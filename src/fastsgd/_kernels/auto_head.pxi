# learning_rate="auto": what a head keeps, its loss, and the judgement of the candidates for the model.
#
# The model is what would have lost least on the rows before they were learnt from (later rows count more, by t^2): one of the
# candidates, the mean of two or of all; or a share of it, 3/4, 1/2 or 1/4, the rest being the best constant; or that alone:
# see `judge`, and `Auto.best` in auto.py.
#
# With a half-life the rows so far fade with each row, from the fourth on, by f = 2^(-1 / half-life). Then all sums over them are of
# what is left of them, and n = 1 + f + f^2 + ... is in place of t. A weight of t^2 becomes n^2, times f^3 for each row since, which
# makes an average move by 1 - (1 - 1 / n)^3. Sums of columns are kept in units that grow by 1 / f with each row, `grown`, as to
# multiply all of them at each row would take longer than the row.
cdef enum:
    CANDIDATES = 4            # models that are judged, at most
    COMBINED = 11             # these, the means of two of them, and that of all
    LESS = 3                  # shares of the model that are judged too, the rest being of the best constant
    SPREADS = 10              # of classes learnt together there are more
    EARLY = 4096              # rows at the start that are all judged
    OFTEN = 65536             # and after which one in sixteen is, in place of one in four
cdef double[LESS] PART = [0.75, 0.5, 0.25]

# Numbers of one head.
cdef struct Head:
    double h, total         # the curvature in use, and the sum of what was measured
    double weight, far      # sums of weights and of |z - y|
    double[2] owed          # dense: steps of either rule since the penalty was last paid; of Newton's the weight of the rows
    double curve            # CSR: sum of the curvatures
    double square           # the mean squared slope
    double slopes           # sum of the squared slopes: on CSR of the intercept, dense of the long steps
    double gradient         # of Newton's steps: what is added to the intercept's, since the last one
    double counted          # and the sum of the weights by which rows count in the curvatures
    double[CANDIDATES] b    # intercepts: on CSR of the candidates; dense b[1] of the second rule, b[2] their average
    double[3] flat          # the mean of y, or the middle of the parabola; the best constant; and that of the judgement
    double n_atoms, bend, constant_due  # how many targets are kept, the parabola's curvature, t when the constant is next found
    double usual            # mean loss before a step
    double leader           # number of the combination which has lost least
    double[COMBINED] lost   # of each combination: losses before the steps, less those of the constant
    double[LESS] lost_less  # of the leader at its time, in part: PART
    double[SPREADS] spread  # of the leader in full and in part: the root of the sum of the squares of the same

# See auto_centred.pxi.
cdef struct Centred

# What auto keeps beside weights and intercepts.
cdef struct Pace:
    AutoScalars* at
    double* columns         # dense: (3, d) mean, Q and 1 / sqrt(v)
    void* second            # dense: (2, d, S) the weights with other steps, and their average; or the sum of Newton's slopes
    double* curvatures      # (K, d + 1, d + 1), see auto_newton.pxi; or NULL
    double* origin          # (d,), of the columns in them
    double* newton          # room for a step
    Head* heads             # (K,)
    double* atoms           # (K, 2, ATOMS) or NULL, see auto_constant.pxi
    Centred* centred        # CSR
    double* work
    bint intercept, first   # the latter: whether this is the first pass
    bint averages           # dense: whether these alone are candidates


cdef inline void count_row(AutoScalars* at, double s, double fade) noexcept nogil:
    """A row of weight s comes, and those before fade."""
    at.t += 1
    at.recent = at.recent * fade + 1.0
    at.weight = at.weight * fade + s
    if fade < 1.0:
        at.rho *= fade
        at.values *= fade
        at.grown /= fade


cdef inline double fading(const Params* P, const AutoScalars* at) noexcept nogil:
    """By what the rows so far fade; the first three, which set the intercept, do not."""
    return P.fade if at.t >= 3 else 1.0


cdef inline void fade_head(Head* head, double fade) noexcept nogil:
    """The sums of a head over the rows so far, but for those of the judgement."""
    head.weight *= fade
    head.far *= fade
    head.total *= fade
    head.curve *= fade
    head.slopes *= fade


cdef inline double late(const AutoScalars* at) noexcept nogil:
    """How much a row counts in the judgement, whose sums are in units of grown^3."""
    return at.recent * at.recent * (at.grown * at.grown * at.grown)


cdef void renew_judgement(const Pace* C, Py_ssize_t k) noexcept nogil:
    """Bring its sums back to units of 1; in later passes nobody judges, and they only say what was chosen."""
    cdef Head* head = C.heads + k
    cdef double by = 1.0 / (C.at.grown * C.at.grown * C.at.grown)
    cdef int i
    if not C.first:
        return
    for i in range(COMBINED):
        head.lost[i] *= by
    for i in range(LESS):
        head.lost_less[i] *= by
    for i in range(SPREADS):
        head.spread[i] *= by
    if C.atoms is not NULL:
        renew_atoms(C, k)


cdef inline double slope_at(const Params* P, double z, double y) noexcept nogil:
    """The slope of the loss."""
    cdef double rest
    if P.inlined == LOGISTIC:
        return logistic_slope(z, y, &rest)
    if P.inlined == HINGE:
        return hinge_both(z, y, &rest, P.loss_par)
    return P.slope(z, y, P.loss_par)


cdef inline double value_at(const Params* P, double z, double y) noexcept nogil:
    """The loss."""
    cdef double value
    if P.inlined == LOGISTIC:
        return logistic_value(z, y)
    if P.inlined == HINGE:
        hinge_both(z, y, &value, P.loss_par)
        return value
    return P.value(z, y, P.loss_par)


cdef inline double step_from(const Params* P, double z, double slope, double s, double y) noexcept nogil:
    """The implicit step of size s, from the slope at z; of the logistic loss to first order, as exact ones cost as a row does."""
    if P.inlined == LOGISTIC:
        return log_loss_near(z, slope, s, y)
    if P.inlined == HINGE:
        return hinge_implicit(z, s, y, P.loss_par)
    return implicit_step(P.implicit, P.slope, z, s, y, P.loss_par)


cdef inline double measured(const Params* P, const Head* head, double z, double y) noexcept nogil:
    """The slope of the slope at z, over the loss's span, or over 1 where it has none."""
    cdef double r = 1.0
    if P.span > 1.0:
        r = head.far / head.weight if head.far > 0 else 0.0
    if r == 0:
        return 0.0
    return (slope_at(P, z + r, y) - slope_at(P, z - r, y)) / (2.0 * r)


cdef inline void learn(const Params* P, Head* head, double curve, double s) noexcept nogil:
    """Take what was measured into h, where the loss has a span."""
    if P.span > 0:
        head.total += s * curve
        if head.total > 0:
            head.h = head.total / head.weight


cdef inline double share_of(Head* head, double s, double z, double y) noexcept nogil:
    """The row's weight in this head, over that of all rows. What is but rounding is no distance: h would be 1 / its size."""
    head.weight += s
    if fabs(z - y) > 1e-14 * fabs(y):
        head.far += s * fabs(z - y)
    return s / head.weight if s > 0 else 0.0


cdef inline double judged(const Head* head, double value, double t, double n) noexcept nogil:
    """How often row t counts in the judgement: one in four, later in sixteen, drawn by a hash; early and unusual ones once."""
    cdef uint64_t drawn = <uint64_t> t * <uint64_t> 0x9E3779B97F4A7C15
    if n <= EARLY or value > 4.0 * head.usual:
        return 1.0
    if n <= OFTEN:
        return 4.0 if drawn >> 62 == 0 else 0.0
    return 16.0 if drawn >> 60 == 0 else 0.0


cdef inline double length(double a, double b) noexcept nogil:
    """sqrt(a^2 + b^2), of numbers that are not negative."""
    cdef double most = max(a, b), least = min(a, b)
    return most * sqrt(1.0 + (least / most) * (least / most)) if most > 0 else 0.0


cdef inline int combinations(int m) noexcept nogil:
    """How many combinations of m candidates there are."""
    return m * (m + 1) // 2 + (m > 2)


cdef inline double combined(const double* z, int m, int number) noexcept nogil:
    """The margin of a combination of m candidates: one of them, the mean of two, or, as the last, of all."""
    cdef int i, j
    cdef double total = 0
    if number < m:
        return z[number]
    number -= m
    for i in range(m - 1):
        if number < m - 1 - i:
            return 0.5 * (z[i] + z[i + 1 + number])
        number -= m - 1 - i
    for j in range(m):
        total += z[j]
    return total / m


cdef inline void evaluate(const Params* P, int n, const double* z, double y, double* value, double* slope) noexcept nogil:
    """Loss and slope at n margins of one row, at most 16."""
    cdef double[16] ys
    cdef int i
    if P.many is not NULL:
        for i in range(n):
            ys[i] = y
        P.many(n, z, ys, value, slope, P.loss_par)
        return
    for i in range(n):
        value[i], slope[i] = P.value(z[i], y, P.loss_par), P.slope(z[i], y, P.loss_par)


cdef void judge(const Params* P, Head* head, int m, const double* z, double leading, double lost, double y,
                double s) noexcept nogil:
    """Add the losses of m candidates' margins, times s > 0, to those before, of their combinations too, and of the leader in part.

    `leading` is the margin of the leader, `lost` its loss.
    """
    cdef double[16] margin, value, slope
    cdef double flat = head.flat[2], more
    cdef int n = combinations(m), i
    for i in range(n):
        margin[i] = combined(z, m, i)
    for i in range(LESS):
        margin[n + i] = flat + PART[i] * (leading - flat)
    margin[n + LESS] = flat
    evaluate(P, n + LESS + 1, margin, y, value, slope)
    flat = value[n + LESS]
    for i in range(n):
        more = value[i] - flat
        head.lost[i] += s * more if isfinite(more) else INFINITY
    for i in range(LESS + 1):
        more = (value[n + i] if i < LESS else lost) - flat
        more = s * more if isfinite(more) else INFINITY
        head.spread[i] = length(head.spread[i], fabs(more))
        if i < LESS:
            head.lost_less[i] += more
    for i in range(n):
        if head.lost[i] < head.lost[<int> head.leader]:
            head.leader = i


cdef inline void begin_intercept(Head* head, double* b, double* b_avg, double y, double t) noexcept nogil:
    """Of a loss of y - z, the intercept of the first three rows: y, y, and the median of the three.

    The constant begins with the first y too: the gain of a row at which it was 0, and y far from 0, would hide all others.
    """
    cdef double first
    if t < 3:
        b[0] = y
        if t == 1:
            b_avg[0] = head.flat[2] = y
        return
    first = 8.0 * b_avg[0] - 7.0 * b[0]  # the average of the second row has 1/8 of it
    b[0] = b_avg[0] = max(min(first, b[0]), min(max(first, b[0]), y))
