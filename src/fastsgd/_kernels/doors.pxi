# From arrays to pointers, and from Python.
cdef inline bint padded(Py_ssize_t S, Py_ssize_t K) noexcept nogil:
    return S == 1 if K == 1 else S >= K and S % 4 == 0


cdef inline Targets targets(target, Py_ssize_t K):
    """The targets of K heads, or of K columns, as pointers; the caller holds the arrays."""
    y, code, negative, s, s_pos, s_neg = target.y, target.code, target.negative, target.s, target.s_pos, target.s_neg
    cdef const double[:, ::1] ys = y
    cdef const int32_t[::1] codes = code
    cdef const double[::1] ss = s, pos = s_pos, neg = s_neg
    cdef const int32_t[::1] folds = target.fold
    cdef const int64_t[::1] numbers = target.number
    cdef Targets T
    if y is not None and ys.shape[1] != K:
        raise ValueError(f"y has {ys.shape[1]} columns, there are {K} heads")
    T.K, T.negative = K, negative
    T.y = &ys[0, 0] if y is not None and ys.shape[0] else NULL
    T.code = &codes[0] if code is not None and codes.shape[0] else NULL
    T.s = &ss[0] if s is not None and ss.shape[0] else NULL
    T.s_pos = &pos[0] if s_pos is not None else NULL
    T.s_neg = &neg[0] if s_neg is not None else NULL
    T.fold = &folds[0] if folds is not None and folds.shape[0] else NULL
    T.number = &numbers[0] if numbers is not None and numbers.shape[0] else NULL
    return T


cdef inline int workspace(Moving* M, Py_ssize_t S, Py_ssize_t K, double[:, ::1] sums) except -1:
    """What every walk over rows needs beside the weights; `of` is owned, live points behind it."""
    if S < K or sums.shape[0] != 2 or sums.shape[1] != K:
        raise ValueError(f"{S} columns of weights and sums of shape {(sums.shape[0], sums.shape[1])} for {K} heads")
    M.K, M.S, M.loss_sum, M.weight_sum = K, S, &sums[0, 0], &sums[1, 0]
    M.W = M.Q = M.A = M.m = M.v = M.G = NULL
    M.of = <double*> malloc(5 * K * sizeof(double))
    if M.of is NULL:
        raise MemoryError(f"no memory for {K} heads")
    M.live = <int32_t*> (M.of + 4 * K)
    return 0


cdef Py_ssize_t rows_of_weight(order, target) except -1:
    """How many of the rows in an order have a weight that is not 0."""
    return order.n if target.s is None else np.count_nonzero(target.s[order.index()])


cdef int sweep_rows(const Layout* L, const floating* values, order, target, state, Compiled plan, double[:, ::1] sums) except -1:
    cdef Py_ssize_t buffer_rows = order.buffer_rows, d = L.d, K = state.b.shape[0]
    cdef floating[:, ::1] W = state.W, Q = state.Q, A = state.A
    cdef double[::1] b = state.b, b_avg = state.b_avg
    cdef Scalars[::1] at = state.at
    cdef Targets T = targets(target, K)
    cdef Moving M
    cdef Order O
    cdef int fault
    read_order(&O, order)
    if W.shape[0] != d or b_avg.shape[0] != K or not padded(W.shape[1], K):
        raise ValueError(f"the state is of {W.shape[0]} features and {b_avg.shape[0]} heads in {W.shape[1]} columns, X of {d} "
                         f"features, b of {K} heads")
    if plan.tabled:
        plan = plan.ahead(at[0].t, rows_of_weight(order, target))
    workspace(&M, W.shape[1], K, sums)
    M.b, M.b_avg, M.at = &b[0], &b_avg[0], &at[0]
    if d:
        M.W, M.Q, M.A = &W[0, 0], &Q[0, 0] if Q is not None else NULL, &A[0, 0] if A is not None else NULL
    cdef floating* z = <floating*> calloc(M.S, sizeof(floating))
    if z is NULL:
        free(M.of)
        raise MemoryError(f"no memory for {K} heads")
    if Layout is not Dense:
        if d and Q is not None and not state.soft:
            from_weights(&W[0, 0], &Q[0, 0], d * M.S, 1, M.at.scale, plan.par.l1, plan.par.l2)
            state.soft = True
    with nogil:
        fault = run(L, values, O, buffer_rows, &T, M, &plan.par, z)
    free(z)
    free(M.of)
    return fault


cdef int mode_of(const Layout* L, Compiled plan, double t, double factor, Py_ssize_t steps, bint gather) noexcept:
    """How the steps of a call are to be taken."""
    if Layout is not Dense:
        if plan.lazy and not gather:
            if not (plan.closed and plan.rule.kind in (SGD, MOMENTUM)):
                return PRESENT
            if has_closed_form(&plan.par, &plan.rule, t, factor, steps):
                return LINE
    return ALL


cdef int batch_rows(const Layout* L, const floating* values, order, target, state, Compiled plan, double[:, ::1] sums, gathered,
                    bint gather, bint last) except -1:
    cdef One one
    cdef Many many
    cdef floating[:, ::1] W = state.W, m = state.m, v = state.v, A = state.A, G = gathered.G
    cdef double[:, ::1] carry = gathered.carry
    cdef double[::1] b = state.b, b_avg = state.b_avg, mb = state.mb, vb = state.vb, gb = gathered.gb
    cdef int64_t[::1] count = gathered.count, met = gathered.met
    cdef char[::1] is_met = gathered.is_met
    cdef Scalars[::1] at = state.at
    cdef Py_ssize_t K = b.shape[0], S = W.shape[1], d = L.d, buffer_rows = order.buffer_rows, left, i, r, longest = 0, steps
    cdef Targets T = targets(target, K)
    cdef Rule R = plan.rule
    cdef Moving M
    cdef Order O
    cdef Batch B
    cdef Line N
    cdef int fault = 0
    read_order(&O, order)
    for array in (state.m, state.v, state.A, gathered.G, gathered.carry):
        if array is not None and array.shape != state.W.shape:
            raise ValueError(f"the state has arrays of shape {array.shape}, its weights have {state.W.shape}")
    if (not padded(S, K) or W.shape[0] != d or b_avg.shape[0] != K or mb.shape[0] != K or vb.shape[0] != K
            or gb.shape[0] != K or sums.shape[0] != 2 or sums.shape[1] != K):
        raise ValueError(f"the state is of {W.shape[0]} features and {K} heads in {S} columns, X has {d} features")
    if met.shape[0] != d + 1 or is_met.shape[0] != d:
        raise ValueError(f"what was gathered is of {is_met.shape[0]} features, X has {d}")
    B.size = INT64_MAX if gather or plan.batch_size > O.n + count[0] else <Py_ssize_t> plan.batch_size
    B.tile = min(64, B.size)
    if B.tile > max(4, 4096 // K):  # Rows are taken in the same fours however many heads there are.
        B.tile = 4
        while 2 * B.tile <= 4096 // K:
            B.tile *= 2
    B.filled, B.n_met, B.owed, B.seed = count[0], count[1], 0, state.seed
    steps = (O.n + B.filled) // B.size + 1
    if plan.tabled and not gather:
        i = rows_of_weight(order, target) + B.filled
        plan = plan.ahead(at[0].t, i // B.size + (last and i % B.size > 0))
    B.mode = mode_of(L, plan, at[0].t, at[0].eta_factor, steps, gather)
    if Layout is not Dense:
        for i in range(O.n if B.mode == PRESENT and B.size == 1 else 0):
            r = O.rows[i] if O.rows is not NULL else O.first + i
            longest = max(longest, L.indptr[r + 1] - L.indptr[r])
    B.room = S * max(longest, max(1, 2048 // S))
    M.K, M.S, M.b, M.b_avg, M.at, M.loss_sum, M.weight_sum = K, S, &b[0], &b_avg[0], &at[0], &sums[0, 0], &sums[1, 0]
    M.live = NULL
    B.carry, B.carried = &carry[0, 0] if carry is not None and d else NULL, B.filled
    B.met, B.is_met = &met[0], &is_met[0] if d else NULL
    B.gb, B.mb, B.vb = &gb[0], &mb[0], &vb[0]
    R.eta, R.c1, R.c2 = plan.par.schedule(at[0].t, plan.par.schedule_par) * at[0].eta_factor, 0, 0
    if R.kind == ADAM and not R.par[4]:  # without bias correction
        R.c1 = R.c2 = 1

    # workspace, kept alive by these arrays
    work = np.empty(B.tile * (4 * K + 1) + B.room + (2 * (steps + 1) if B.mode == LINE else 0))
    near_work = np.zeros(B.tile * S + 4 * B.room, state.W.dtype)
    paid = np.zeros(d) if plan.par.l1 > 0 and plan.closed and B.mode != ALL and R.kind in (SGD, ADAGRAD) else None
    counted = None
    if B.mode == PRESENT and R.kind == FTRL and A is not None and plan.par.average > 0 and plan.par.l1 + plan.par.l2 > 0:
        counted = np.full(d, at[0].t - 1)
    cdef double[::1] ws = work, ps = paid, cs = counted
    cdef floating[::1] zs = near_work
    M.of, B.rows, B.due = &ws[0], <int64_t*> &ws[4 * K * B.tile], &ws[(4 * K + 1) * B.tile]
    B.paid = &ps[0] if paid is not None and d else NULL
    B.counted, B.average = &cs[0] if counted is not None and d else NULL, plan.par.average
    N.sigma, N.phi, N.c, N.e, N.step, N.avg_z, N.cs, N.qs = 1, 1, 0, 0, 0, 0, NULL, NULL
    cdef floating* w = &W[0, 0] if d else NULL
    cdef floating* mp = &m[0, 0] if m is not None and d else NULL
    cdef floating* vp = &v[0, 0] if v is not None and d else NULL
    cdef floating* ap = &A[0, 0] if A is not None and d else NULL
    cdef floating* gp = &G[0, 0] if d else NULL
    M.W, M.Q, M.m, M.v, M.A, M.G = w, NULL, mp, vp, ap, gp
    with nogil:
        if B.mode == LINE and B.filled:
            list_gathered(d, S, gp, &B)
        if B.mode == LINE and R.kind == MOMENTUM:
            N.cs = &ws[(4 * K + 1) * B.tile + B.room]
            N.qs = N.cs + steps + 1
            backwards(<double*> N.cs, <double*> N.qs, &plan.par, &R, at[0].t, at[0].eta_factor, steps)
            N.c = N.cs[0]
            enter(d * S, w, mp, ap, &N)
        left = O.n
        if O.visit is not NULL:
            O.far = fetch_first(L, values, &T, &O, min(buffer_rows, O.n))
        while not fault:
            O.n = min(buffer_rows, left) if O.visit is not NULL else left
            left -= O.n
            O.ahead = min(buffer_rows, left) if O.visit is not NULL else 0
            if K == 1:
                fault = batch_buffer(L, &one, values, O, &T, M, &plan.par, &R, &B, &N, &zs[0], last and left == 0)
            else:
                fault = batch_buffer(L, &many, values, O, &T, M, &plan.par, &R, &B, &N, &zs[0], last and left == 0)
            if left == 0:
                break
            go_on(&O)
        if B.carry is not NULL:
            carry_over(d * S, gp, &B)
        bring_up(d, S, w, mp, vp, ap, &B, &R, &at[0], &N)
    count[0], count[1] = B.filled, B.n_met
    return fault


cdef int total_rows(const Layout* L, const floating* values, order, target, const floating[:, ::1] W, const double[::1] b,
                    Compiled plan, double[:, ::1] sums) except -1:
    cdef One one
    cdef Many many
    cdef Py_ssize_t d = L.d, K = b.shape[0]
    cdef Targets T = targets(target, K)
    cdef const floating* w = &W[0, 0] if d else NULL
    cdef Moving M
    cdef Order O
    read_order(&O, order)
    if W.shape[0] != d:
        raise ValueError(f"the weights are of {W.shape[0]} features, X of {d}")
    if not padded(W.shape[1], K) or sums.shape[0] != 2 or sums.shape[1] != K:
        raise ValueError(f"{W.shape[1]} columns of weights and sums of shape {(sums.shape[0], sums.shape[1])} for {K} heads")
    cdef Py_ssize_t tile = max(1, min(O.n, TOGETHER // K))
    work, near_work = np.empty(5 * tile * K), np.empty(W.shape[1], np.asarray(W).dtype)
    cdef double[::1] ws = work
    cdef floating[::1] zs = near_work
    M.S, M.loss_sum, M.weight_sum, M.of = W.shape[1], &sums[0, 0], &sums[1, 0], &ws[0]
    with nogil:
        if K == 1:
            add_losses(L, &one, values, O, &T, w, &b[0], M, &plan.par, &zs[0], tile)
        else:
            add_losses(L, &many, values, O, &T, w, &b[0], M, &plan.par, &zs[0], tile)
    return 0


# ---------------------------------------------------------------- the doors
cdef enum:
    SWEEP, BATCHES, TOTAL, TOTAL_MODELS, MANY, AUTO, AUTO_SOFTMAX, SWEEP_EACH, TOTAL_EACH, MARGINS_EACH


cdef object behind(int door, const Layout* L, const floating* values, tuple args):
    if door == SWEEP:
        order, target, state, plan, sums = args
        return sweep_rows[Layout, floating](L, values, order, target, state, plan, sums)
    if door == BATCHES:
        order, target, state, plan, sums, gathered, gather, last = args
        return batch_rows[Layout, floating](L, values, order, target, state, plan, sums, gathered, gather, last)
    if door == TOTAL:
        order, target, W, b, plan, sums = args
        return total_rows[Layout, floating](L, values, order, target, W, b, plan, sums)
    if door == TOTAL_MODELS:
        order, target, W, b, plan, sums, seed, held_out = args
        return total_models_rows[Layout, floating](L, values, order, target, W, b, plan, sums, seed, held_out)
    if door == SWEEP_EACH:
        order, target, bank, plan, sums, which, ends, joined, fault = args
        return sweep_each_rows[Layout, floating](L, values, order, target, bank, plan, sums, which, ends, joined, fault)
    if door == TOTAL_EACH:
        order, target, W, b, plan, sums, place = args
        return total_each_rows[Layout, floating](L, values, order, target, W, b, plan, sums, place)
    if door == MARGINS_EACH:
        W, of, out = args
        return margins_each_rows[Layout, floating](L, values, W, of, out)
    order, target, state, plan, sums = args
    if door == MANY:
        return many_rows[Layout, floating](L, values, order, target, state, plan, sums)
    if door == AUTO_SOFTMAX:
        return softmax_rows[Layout, floating](L, values, order, target, state, plan, sums)
    return auto_rows[Layout, floating](L, values, order, target, state, plan, sums)


def sweep(X, order, target, state, plan, sums):
    """A step for each row.

    Parameters
    ----------
    X : (n_rows, n_features) array or CSR matrix, of the state's dtype
        An array is C-contiguous; the structure of a matrix was checked.
    order : Order
    target : Target
    state : State
        Changed in place.
    plan : Compiled
    sums : (2, K)
        To these the losses before each step, and the weights, are added.

    Returns
    -------
    int
        1 if a margin was not finite, the state then being of no use; else 0.
    """
    return through_door(SWEEP, X, (order, target, state, plan, sums))


def batches(X, order, target, state, plan, sums, gathered, gather=False, last=False):
    """A step for each `plan.batch_size` rows; otherwise as `sweep`.

    Parameters
    ----------
    gathered : Gathered
        The rows of a step that is not complete, from the last call and for the next.
    gather : bool
        Take no step: what is gathered are the sums of the slopes over all rows, at the weights as they are.
    last : bool
        Also take the step of the rows at the end that are too few for a whole one.
    """
    return through_door(BATCHES, X, (order, target, state, plan, sums, gathered, gather, last))


def total(X, order, target, W, b, plan, sums):
    """Add sum of s * loss and sum of s of the rows, at true weights W (n_features, S) and intercepts b (K), to sums (2, K)."""
    through_door(TOTAL, X, (order, target, W, b, plan, sums))


def settle_weights(floating[:, ::1] W, floating[:, ::1] Q, Scalars[::1] at, double l1, double l2, double eta):
    """Of a state that is `soft`, make W the weights and Q what they have received of L1, in place; eta: of the last step."""
    if W.shape[0]:
        with nogil:
            to_weights(&W[0, 0], &Q[0, 0], W.shape[0] * W.shape[1], 1, at[0].u, at[0].scale, l1, l2, eta)
