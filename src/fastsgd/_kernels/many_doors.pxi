# From arrays to the models of a pass, and from Python.
cdef int enter_models(Models* H, Compiled plan, Scalars[::1] at, uint64_t seed) except -1:
    """Models of a plan and their clocks, in memory that `leave_models` frees."""
    cdef Py_ssize_t h, i, K = plan.n_heads
    cdef const HeadRecord* head
    allocate(H, K)
    H.seed, H.folded, H.resampled, H.averaged = seed, 0, 0, 0
    for h in range(K):
        head = &plan.heads[h]
        H.t[h], H.scale[h], H.u[h], H.avg_a[h], H.avg_n[h] = at[h].t, at[h].scale, at[h].u, at[h].avg_a, at[h].avg_n
        H.factor[h] = at[h].eta_factor
        H.l1[h], H.l2[h], H.intercept_decay[h], H.nu[h] = head.l1, head.l2, head.intercept_decay, head.nu
        H.average[h], H.column[h], H.fold[h], H.resample[h] = head.average, head.column, head.fold, head.resample
        for i in range(6):
            H.schedule[i * K + h] = head.schedule[i]
        H.folded |= head.fold >= 0
        H.resampled |= head.resample > 0
        H.averaged |= head.average > 0
    return 0


cdef void leave_models(Models* H, Scalars[::1] at) noexcept:
    """Put the clocks back."""
    cdef Py_ssize_t h
    for h in range(H.K):
        at[h].t, at[h].scale, at[h].u, at[h].avg_a, at[h].avg_n = H.t[h], H.scale[h], H.u[h], H.avg_a[h], H.avg_n[h]
    free(H.t)
    free(H.column)


cdef int check_columns(target, Compiled plan, Py_ssize_t columns) except -1:
    """That targets and weights have the columns and classes of the heads."""
    cdef Py_ssize_t h
    for h in range(plan.n_heads):
        if plan.heads[h].column < 0 or (target.y is not None and plan.heads[h].column >= columns):
            raise ValueError(f"head {h} is of column {plan.heads[h].column} of y, which has {columns}")
        if target.s_pos is not None and plan.heads[h].column >= len(target.s_pos):
            raise ValueError(f"head {h} is of class {plan.heads[h].column}, weights are of {len(target.s_pos)} classes")
    return 0


cdef int many_rows(const Layout* L, const floating* values, order, target, state, Compiled plan, double[:, ::1] sums) except -1:
    cdef Py_ssize_t d = L.d, K = state.b.shape[0], buffer_rows = order.buffer_rows, left = order.n, h
    cdef Py_ssize_t columns = target.y.shape[1] if target.y is not None else K
    cdef floating[:, ::1] W = state.W, Q = state.Q, A = state.A
    cdef double[::1] b = state.b, b_avg = state.b_avg
    cdef Scalars[::1] at = state.at
    cdef Targets T = targets(target, columns)
    cdef Moving M
    cdef Models H
    cdef Order O
    cdef Slots G
    cdef Slots* slots = NULL
    if W.shape[0] != d or W.shape[1] % 4 or b_avg.shape[0] != K or at.shape[0] != K or plan.n_heads != K:
        raise ValueError(f"the state is of {W.shape[0]} features and {K} heads with {at.shape[0]} clocks, X of {d} features, "
                         f"the plan of {plan.n_heads} heads")
    for array in (state.Q, state.A, state.v):
        if array is not None and array.shape != state.W.shape:
            raise ValueError(f"the state has arrays of shape {array.shape}, its weights have {state.W.shape}")
    check_columns(target, plan, columns)
    read_order(&O, order)
    work = np.zeros((5 + max(PAYING, ADAGRAD_NUMBERS)) * W.shape[1], state.W.dtype)
    cdef floating[::1] z = work, paid, wide
    cdef floating[:, ::1] v
    cdef double[::1] vb, late
    if not plan.plain:
        if state.v is None or len(state.vb) != K:
            raise ValueError(f"the state of {K} heads has no slots of AdaGrad")
        slots, v, vb, late = &G, state.v, state.vb, np.zeros(K)
        G.v, G.vb, G.late, G.eps, G.paid, G.wide = &v[0, 0] if d else NULL, &vb[0], &late[0], plan.rule.par[0], NULL, NULL
        G.every = Layout is Dense or not plan.lazy
        if Layout is not Dense:
            for h in range(K if plan.lazy else 0):  # as `closed` of the optimizer says of one head
                late[h] = plan.heads[h].l1 > 0 and plan.heads[h].l2 == 0 and plan.heads[h].average <= 0
            if d and G.every:
                wide = np.zeros(d, state.W.dtype)
                G.wide = &wide[0]
            elif d and np.any(late):
                paid = np.zeros(d * W.shape[1], state.W.dtype)
                G.paid = &paid[0]
    workspace(&M, W.shape[1], K, sums)
    M.b, M.b_avg, M.at = &b[0], &b_avg[0], &at[0]
    if d:
        M.W, M.Q, M.A = &W[0, 0], &Q[0, 0] if Q is not None else NULL, &A[0, 0] if A is not None else NULL
    try:
        enter_models(&H, plan, at, state.seed)
    except MemoryError:
        free(M.of)
        raise
    H.b, H.b_avg, H.loss_sum, H.weight_sum = &b[0], &b_avg[0], &sums[0, 0], &sums[1, 0]
    if Layout is not Dense:
        if d and Q is not None and not state.soft:
            for h in range(K):
                if H.l1[h] > 0:
                    from_weights(&W[0, h], &Q[0, h], d, M.S, H.scale[h], H.l1[h], H.l2[h])
            state.soft = True
    with nogil:
        while left > 0:
            O.n = min(buffer_rows, left) if O.visit is not NULL else left
            left -= O.n
            many_buffer(L, values, O, &T, M, &plan.par, &H, slots, &z[0])
            go_on(&O)
        if slots is not NULL and d:
            leave_adagrad(d, &W[0, 0], &A[0, 0] if A is not None else NULL, slots, &H, M.S, &z[0])
    leave_models(&H, at)
    free(M.of)
    return 0


def many(X, order, target, state, plan, sums):
    """A step for each row in each of several models; otherwise as `sweep`.

    The losses of a head become infinite where one of its margins is not finite; the others go on.
    """
    return through_door(MANY, X, (order, target, state, plan, sums))


def settle_models(floating[:, ::1] W, floating[:, ::1] Q, Scalars[::1] at, Compiled plan):
    """As `settle_weights` with `soft`, of heads that have clocks and penalties of their own."""
    cdef Models H
    cdef Py_ssize_t h
    if W.shape[0]:
        enter_models(&H, plan, at, 0)
        for h in range(H.K):
            if H.l1[h] > 0:
                to_weights(&W[0, h], &Q[0, h], W.shape[0], W.shape[1], H.u[h], H.scale[h], H.l1[h], H.l2[h],
                           eta_of(&plan.par, &H, h, H.t[h] - 1))
        leave_models(&H, at)


cdef int total_models_rows(const Layout* L, const floating* values, order, target, const floating[:, ::1] W, double[::1] b,
                           Compiled plan, double[:, ::1] sums, uint64_t seed, bint held_out) except -1:
    cdef Py_ssize_t d = L.d, K = b.shape[0], columns = target.y.shape[1] if target.y is not None else K
    cdef Targets T = targets(target, columns)
    cdef Scalars[::1] at = np.ones(K, SCALARS)
    cdef floating[::1] z = np.zeros(W.shape[1], np.asarray(W).dtype)
    cdef Models H
    cdef Moving M
    cdef Order O
    if W.shape[0] != d:
        raise ValueError(f"the weights are of {W.shape[0]} features, X of {d}")
    if W.shape[1] < K or W.shape[1] % 4 or sums.shape[0] != 2 or sums.shape[1] != K or plan.n_heads != K:
        raise ValueError(f"{W.shape[1]} columns of weights, sums of shape {(sums.shape[0], sums.shape[1])}, and a plan of "
                         f"{plan.n_heads} heads, for {K} intercepts")
    check_columns(target, plan, columns)
    read_order(&O, order)
    M.S = W.shape[1]
    enter_models(&H, plan, at, seed)
    H.b, H.loss_sum, H.weight_sum = &b[0], &sums[0, 0], &sums[1, 0]
    if held_out:  # the folds choose the rows otherwise, and a row that validates counts once
        H.folded = H.resampled = 0
    with nogil:
        total_models_of(L, values, O, &T, &W[0, 0] if d else NULL, M, &plan.par, &H, held_out, &z[0])
    leave_models(&H, at)
    return 0


def total_models(X, order, target, W, b, plan, sums, seed, held_out):
    """As `total`, of heads that have rows of their own: of these, or with `held_out` of those of the fold that each leaves out.

    seed : int
        That of the state, by which resamples are drawn.
    """
    through_door(TOTAL_MODELS, X, (order, target, W, b, plan, sums, seed, held_out))
