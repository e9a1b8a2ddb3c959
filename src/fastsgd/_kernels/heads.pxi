# Over the rows of a buffer: plain SGD row by row, several heads with one clock.
cdef inline bint slopes(const Params* P, const Targets* T, Py_ssize_t r, Py_ssize_t K, double* of) noexcept nogil:
    """The heads' values and slopes at their margins of[0:K]: of = p, y, value, slope, K each; 1 if a p is not finite."""
    cdef double* y = of + K
    cdef double* value = of + 2 * K
    cdef double* slope = of + 3 * K
    cdef Py_ssize_t h
    if targets_of(T, r, K, of, y):
        return 1
    if P.inlined == HINGE:
        for h in range(K):
            slope[h] = hinge_both(of[h], y[h], value + h, P.loss_par)
    elif P.many is not NULL:
        P.many(K, of, y, value, slope, P.loss_par)
    else:
        for h in range(K):
            value[h] = P.value(of[h], y[h], P.loss_par)
            slope[h] = P.slope(of[h], y[h], P.loss_par)
    return 0


cdef inline void soft_dots_of(const Csr* L, const floating* values, Py_ssize_t lo, Py_ssize_t nnz, const floating* W,
                              Py_ssize_t S, floating tau, floating* z) noexcept nogil:
    """z = x . w for S heads, whose weights are soft thresholds of W."""
    cdef f4 t4 = f4_all(<float> tau), u4 = f4_all(<float> -tau)
    cdef d4 t8 = d4_all(tau), u8 = d4_all(-tau)
    cdef const floating* w
    cdef Py_ssize_t k, h
    for h in range(S):
        z[h] = 0
    for k in range(lo, lo + nnz):
        w = W + L.indices[k] * S
        if k + 1 < lo + nnz:
            near_all(W + L.indices[k + 1] * S, S)
        for h in range(0, S, 4):
            if floating is float:
                f4_store(z + h, f4_times(f4_load(z + h), values[k], f4_soft(f4_load(w + h), t4, u4)))
            else:
                d4_store(z + h, d4_times(d4_load(z + h), values[k], d4_soft(d4_load(w + h), t8, u8)))


cdef void steps_and_pay(const Csr* L, const floating* values, Py_ssize_t lo, Py_ssize_t nnz, floating* W, Py_ssize_t S,
                        const floating* c, const floating* R, bint all) noexcept nogil:
    """As `step_and_pay`, of S heads with the steps c; R is of a step of 1. Four heads without a step stay as they are."""
    cdef Py_ssize_t k, h
    cdef floating* w
    cdef f4 g, x, now
    cdef d4 g8, x8, now8
    cdef int stays
    for k in range(lo, lo + nnz):
        w = W + L.indices[k] * S
        if k + 1 < lo + nnz:
            near_all(W + L.indices[k + 1] * S, S)
        for h in range(0, S, 4):
            if c[h] == 0 and c[h + 1] == 0 and c[h + 2] == 0 and c[h + 3] == 0:
                continue
            if floating is float:
                g, x = f4_load(w + h), f4_times(f4_zero(), values[k], f4_load(c + h))
                now = f4_move(g, x, R, &stays)
                if all or not stays:
                    now = f4_pay(g, x, R)
                f4_store(w + h, now)
            else:
                g8, x8 = d4_load(w + h), d4_times(d4_zero(), values[k], d4_load(c + h))
                now8 = d4_move(g8, x8, R, &stays)
                if all or not stays:
                    now8 = d4_pay(g8, x8, R)
                d4_store(w + h, now8)


cdef inline Py_ssize_t steps_of_row(const Params* P, const Targets* T, Py_ssize_t r, Moving* M, double eta, double norm,
                                    floating* z) noexcept nogil:
    """z, the steps of the heads at their values and slopes; the sums and the intercepts. The number of heads that move."""
    cdef Py_ssize_t K = M.K, h, n_live = 0
    cdef double* p = M.of
    cdef double* y = M.of + K
    cdef double* value = M.of + 2 * K
    cdef double* slope = M.of + 3 * K
    cdef double s, step
    for h in range(K):
        s = weight(T, r, h, y[h])
        step = step_of(P, value[h], slope[h], p[h], y[h], s, eta, norm)
        M.loss_sum[h] += s * value[h]
        M.weight_sum[h] += s
        M.b[h] += (step - eta * P.nu) * P.intercept_decay
        z[h] = <floating> step
        if step != 0:
            M.live[n_live] = <int32_t> h
            n_live += 1
    return n_live


cdef int sweep_heads(const Layout* L, const floating* values, Order O, const Targets* T, Moving M, const Params* P,
                     floating* z) noexcept nogil:
    """As `sweep_one`; z is of S numbers, those behind the heads zeros."""
    cdef Py_ssize_t K = M.K, S = M.S, v, r, lo, nnz, h, n_live
    cdef floating* W = <floating*> M.W
    cdef floating* Q = <floating*> M.Q
    cdef floating* A = <floating*> M.A
    cdef floating[13] R
    cdef Scalars now = M.at[0]
    cdef double eta, norm = 0, decay, inv = 1.0 / now.scale, r_l1 = P.l1 / P.l2, u0, inv0, least = least_scale(A)
    cdef bint scaled
    cdef int fault = 0
    for v in range(O.n):
        fetch_next(L, values, T, &O, v)
        fetch_soon(L, values, T, &O, v)
        r = row_number(&O, v)
        if T.s is not NULL and T.s[r] == 0:
            continue
        lo = row(L, r, &nnz)
        if P.pa:
            norm = squared_norm(values + lo, nnz)
            if P.pa == 1 and norm == 0:
                continue
        eta = P.schedule(now.t, P.schedule_par) * now.eta_factor
        decay = max(0.0, 1.0 - eta * P.l2)
        if now.scale * decay < least:
            rescale(L, W, Q, A, S, &now, now.scale, P)
            inv = 1
        if Layout is Dense:
            dots(L, values, lo, nnz, W, S, z)
        elif Q is NULL:
            dots(L, values, lo, nnz, W, S, z)
        else:
            soft_dots_of(L, values, lo, nnz, W, S, <floating> ((r_l1 if P.l2 > 0 else now.u) * inv), z)
        for h in range(K):
            M.of[h] = now.scale * z[h] + M.b[h]
        if slopes(P, T, r, K, M.of):
            fault = 1
            break
        n_live = steps_of_row(P, T, r, &M, eta, norm, z)

        u0, inv0, scaled = now.u, inv, False
        if P.l2 > 0:
            now.scale *= decay
            if now.scale < least:  # decay itself is: eta * l2 is 1 or nearly so
                rescale(L, W, Q, A, S, &now, now.scale / decay if decay > 0 else 1.0, P)
                inv0, scaled = 1, True
            inv = 1.0 / now.scale
        now.u += eta * P.l1

        if n_live:
            for h in range(K):
                z[h] = <floating> (z[h] * inv)
            if Layout is Dense:
                adds(L, values, lo, nnz, W, S, z, M.live, n_live)
            elif Q is NULL or P.l2 <= 0:
                adds(L, values, lo, nnz, W, S, z, M.live, n_live)
            else:
                payments(&R[0], <floating> 1, <floating> u0, <floating> inv0,
                         <floating> per_log(P.l1, P.l2, eta_before(P, &now)), <floating> now.u, <floating> inv, <floating> r_l1)
                steps_and_pay(L, values, lo, nnz, W, S, z, &R[0], scaled)
            if A is not NULL and now.avg_a != 0:
                for h in range(K):
                    z[h] = <floating> (-now.avg_a * z[h])
                adds(L, values, lo, nnz, A, S, z, M.live, n_live)
        if Layout is Dense:
            if Q is not NULL:
                add_and_shrink(W, L.d * S, W, Q, 0, <floating> now.u, <floating> inv, <floating> now.scale)
        if P.fade < 1 and A is not NULL:
            fade_average(A, L.d * S, &now, P.fade)
        tick(P, &now, K, M.b, M.b_avg)
    M.at[0] = now
    return fault
