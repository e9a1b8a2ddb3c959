# Over the rows of a buffer: plain SGD row by row, one head.
cdef struct Known:          # Margin is Ahead: what is known of the next row
    Py_ssize_t v            # its place, or -1
    double xw               # its product with the weights, as far as steps have changed them
    double xx               # and with the row before it


cdef inline const floating* soon(const floating* x, const floating* values, Py_ssize_t d, const Order* O,
                                 Py_ssize_t v) noexcept nogil:
    """The dense row after the v-th, x; or x."""
    return values + O.rows[O.visit[v + 1]] * d if v + 1 < O.n else x


cdef inline const floating* later(const floating* x, const floating* values, Py_ssize_t d, const Order* O,
                                  Py_ssize_t v) noexcept nogil:
    """The v-th dense row of the next buffer; or x."""
    return values + O.rows[O.n + v] * d if v < O.ahead else x


cdef inline floating wide_dot(const floating* x, const floating* w, Py_ssize_t d, const floating* values, const Order* O,
                              Py_ssize_t v, const Targets* T, Py_ssize_t each) noexcept nogil:
    """x . w for a wide dense row, the v-th. Meanwhile the row after it, and one of the next buffer, are brought into the
    caches: `each` numbers with 16 of x, all or half of them."""
    if v < O.ahead:
        far(place_of_target(T, O.rows[O.n + v]))
    if floating is float:
        return f4_dot_and_fetch(x, w, d, soon(x, values, d, O, v), later(x, values, d, O, v), each)
    else:
        return d4_dot_and_fetch(x, w, d, soon(x, values, d, O, v), later(x, values, d, O, v), each)


cdef inline void wide_shrink(const floating* x, Py_ssize_t d, floating* w, floating* q, floating c, floating u, floating inv,
                             floating scale, const floating* values, const Order* O, Py_ssize_t v) noexcept nogil:
    """As add_and_shrink. Meanwhile the other half of the rows."""
    cdef Py_ssize_t k = 0, half = d // 16 * 8
    cdef const floating* near_row = soon(x, values, d, O, v) + half
    cdef const floating* far_row = later(x, values, d, O, v) + half
    while k + 16 <= d:
        if floating is float:
            f4_fetch(near_row + k // 2, far_row + k // 2, 8)
        else:
            d4_fetch(near_row + k // 2, far_row + k // 2, 8)
        add_and_shrink(x + k, 16, w + k, q + k, c, u, inv, scale)
        k += 16
    add_and_shrink(x + k, d - k, w + k, q + k, c, u, inv, scale)


cdef inline double product(const Layout* L, Margin* B, const floating* values, Py_ssize_t r, const Order* O, Py_ssize_t v,
                           const Targets* T, const floating* W, floating tau, Known* N) noexcept nogil:
    """x . w of row r, the v-th. tau: of the soft thresholds that the weights are, where W has such numbers; below 0 without L1."""
    cdef Py_ssize_t nnz, lo = row(L, r, &nnz)
    cdef const floating* x = values + lo
    cdef double xw
    if Layout is not Dense:
        if tau >= 0:
            return soft_dot(L, values, lo, nnz, W, tau)
    if Margin is Wide:
        return wide_dot(x, W, nnz, values, O, v, T, 16 if tau < 0 else 8)
    elif Margin is Ahead:
        xw = N.xw if N.v == v else dot(L, values, lo, nnz, W)
        if v + 1 < O.n:
            N.v, N.xw = v + 1, two_dots(values + O.rows[O.visit[v + 1]] * nnz, W, x, nnz, &N.xx)
        return xw
    else:
        return dot(L, values, lo, nnz, W)


cdef inline double value_and_slope(const Params* P, double p, double y, double s, double* value, double* factors,
                                   double* losses) noexcept nogil:
    """The slope of the loss; its value, but for what log_loss puts into `factors`: a sum of logarithms is that of a product."""
    cdef double slope, one_plus_e
    if P.inlined == HINGE:
        return hinge_both(p, y, value, P.loss_par)
    if P.inlined == LOGISTIC:
        slope = logistic_slope(p, y, &one_plus_e)
        value[0] = max(p, 0.0) - y * p
        if s != 1:
            value[0] += log(one_plus_e)
        else:
            factors[0] *= one_plus_e
            if factors[0] > 1e300:
                losses[0] += log(factors[0])
                factors[0] = 1
        return slope
    if P.many is not NULL:
        P.many(1, &p, &y, value, &slope, P.loss_par)
        return slope
    value[0] = P.value(p, y, P.loss_par)
    return P.slope(p, y, P.loss_par)


cdef int sweep_one(const Layout* L, Margin* B, const floating* values, Order O, const Targets* T, Moving M,
                   const Params* P) noexcept nogil:
    """One step of SGD for each of n rows, in the order of `visit`; 1 if a margin was not finite, else 0.

    Meanwhile the `ahead` rows that are listed behind these, the next buffer's, are brought into the cache.
    """
    cdef Py_ssize_t v, r, lo, nnz
    cdef floating* W = <floating*> M.W
    cdef floating* Q = <floating*> M.Q
    cdef floating* A = <floating*> M.A
    cdef floating[13] R
    cdef floating tau = -1 if Q is NULL else 0
    cdef Scalars now = M.at[0]
    cdef Known N
    cdef double eta, p, y, s, value, slope, step, norm = 0, decay, inv = 1.0 / now.scale, r_l1 = P.l1 / P.l2, u0, inv0
    cdef double least = least_scale(A), factors = 1
    cdef bint scaled
    cdef int fault = 0
    N.v, N.xw, N.xx = -1, 0, 0
    for v in range(O.n):
        if Margin is not Wide:
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
            rescale(L, W, Q, A, 1, &now, now.scale, P)
            inv, N.v = 1, -1
        if Layout is not Dense:
            tau = <floating> (-1 if Q is NULL else (r_l1 if P.l2 > 0 else now.u) * inv)
        p = product(L, B, values, r, &O, v, T, W, tau, &N)
        p = now.scale * p + M.b[0]
        if Margin is Ahead and not isfinite(p):  # it may be xx that was not
            p = now.scale * dot(L, values, lo, nnz, W) + M.b[0]
        if not isfinite(p):
            fault = 1
            break
        y = target(T, r, 0)
        s = weight(T, r, 0, y)
        slope = value_and_slope(P, p, y, s, &value, &factors, M.loss_sum)
        step = step_of(P, value, slope, p, y, s, eta, norm)
        M.loss_sum[0] += s * value
        M.weight_sum[0] += s

        u0, inv0, scaled = now.u, inv, False
        if P.l2 > 0:
            now.scale *= decay
            if now.scale < least:  # decay itself is: eta * l2 is 1 or nearly so
                rescale(L, W, Q, A, 1, &now, now.scale / decay if decay > 0 else 1.0, P)
                inv0, N.v, scaled = 1, -1, True
            inv = 1.0 / now.scale
        now.u += eta * P.l1

        if Margin is Ahead:
            N.xw += step * inv * N.xx  # (w + c x) . x' = w . x' + c x . x'
        if step != 0 and A is not NULL and now.avg_a != 0:
            add(L, values, lo, nnz, A, <floating> (-now.avg_a * step * inv))
        if Layout is Dense:
            if Q is not NULL and Margin is Wide:
                wide_shrink(values + lo, nnz, W, Q, <floating> (step * inv), <floating> now.u, <floating> inv,
                            <floating> now.scale, values, &O, v)
            elif Q is not NULL:
                add_and_shrink(values + lo, nnz, W, Q, <floating> (step * inv), <floating> now.u, <floating> inv,
                               <floating> now.scale)
            elif step != 0:
                add(L, values, lo, nnz, W, <floating> (step * inv))
        elif step != 0:
            if Q is not NULL and P.l2 > 0:
                payments(&R[0], <floating> (step * inv), <floating> u0, <floating> inv0,
                         <floating> per_log(P.l1, P.l2, eta_before(P, &now)), <floating> now.u, <floating> inv, <floating> r_l1)
                step_and_pay(L, values, lo, nnz, W, &R[0], scaled)
            else:
                add(L, values, lo, nnz, W, <floating> (step * inv))
        M.b[0] += (step - eta * P.nu) * P.intercept_decay
        if P.fade < 1 and A is not NULL:
            fade_average(A, L.d, &now, P.fade)
        tick(P, &now, 1, M.b, M.b_avg)
    M.loss_sum[0] += log(factors)
    M.at[0] = now
    return fault
