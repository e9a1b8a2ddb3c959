# Over the rows of a block.
cdef enum:
    BLOCK = 32  # rows at most that lie together
    WIDE = 256  # values in a dense row that is fetched line by line
    FAR = 50  # values in a CSR row, on average and at most, that is fetched a buffer ahead
    SHORT = 256  # bytes in a dense row at most, that is multiplied by the row before it


cdef inline double step_of(const Params* P, double value, double slope, double p, double y, double s, double eta,
                           double norm) noexcept nogil:
    """The number by which x is added to w: -s * eta * slope, or s times the passive-aggressive step."""
    if P.pa == 0:
        return (-s * eta) * (slope if P.inlined else min(max(slope, -1e12), 1e12))  # theirs are within [-1, 1]
    if P.pa == 1:
        value = min(eta, value / norm)  # eta0
    else:
        value = value / (norm + 0.5 / eta)
    return s * (value * y if P.pa_sign else (value if y >= p else -value))


cdef inline bint targets_of(const Targets* T, Py_ssize_t r, Py_ssize_t K, const double* p, double* y) noexcept nogil:
    """The targets of a row, y[0:K]; 1 if one of its margins p is not finite."""
    cdef Py_ssize_t h
    cdef double zero = 0
    for h in range(K):
        zero += 0 * p[h]
    if T.code is not NULL:
        for h in range(K):
            y[h] = 1.0 if h == T.code[r] else T.negative
    else:
        for h in range(K):
            y[h] = T.y[r * K + h]
    return not isfinite(zero)


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


cdef inline const void* place_of_target(const Targets* T, Py_ssize_t r) noexcept nogil:
    return <const void*> (T.y + r * T.K) if T.y is not NULL else <const void*> (T.code + r)


cdef inline void fetch_near(const Layout* L, const floating* values, const Targets* T, Py_ssize_t r) noexcept nogil:
    cdef Py_ssize_t nnz, k = row(L, r, &nnz), end = k + nnz
    while k < end:
        near(values + k)
        if Layout is not Dense:
            near(L.indices + k)
        k += 64 // <Py_ssize_t> sizeof(floating)
    if Layout is Dense:
        near(values + end - 1)  # as rows begin within a line
    near(place_of_target(T, r))
    if T.s is not NULL:
        near(T.s + r)


cdef inline void fetch_far(const Layout* L, const floating* values, const Targets* T, Py_ssize_t r) noexcept nogil:
    cdef Py_ssize_t nnz, k = row(L, r, &nnz), end = k + nnz
    far(place_of_target(T, r))
    if T.s is not NULL:
        far(T.s + r)
    while k < end:
        far(values + k)
        if Layout is not Dense:
            far(L.indices + k)
        k += 64 // <Py_ssize_t> sizeof(floating)


cdef bint fetch_first(const Layout* L, const floating* values, const Targets* T, const Order* O, Py_ssize_t n) noexcept nogil:
    """Bring the first n rows to the second cache, if that helps: not where CSR rows are long."""
    cdef Py_ssize_t i, count = 0
    if Layout is not Dense:
        for i in range(n):
            count += L.indptr[O.rows[i] + 1] - L.indptr[O.rows[i]]
        if count > FAR * n:
            return 0
    for i in range(n):
        fetch_far(L, values, T, O.rows[i])
    return 1


cdef inline void fetch_next(const Layout* L, const floating* values, const Targets* T, const Order* O,
                            Py_ssize_t v) noexcept nogil:
    """During the v-th row, bring the v-th of the next buffer to the second cache, or at least where it lies."""
    if v < O.ahead:
        if Layout is not Dense:
            if v + BLOCK < O.ahead:
                near(L.indptr + O.rows[O.n + v + BLOCK])
        if O.far:
            fetch_far(L, values, T, O.rows[O.n + v])


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


cdef int sweep_buffer(const Layout* L, Heads* H, Margin* B, const floating* values, Order O, const Targets* T, Moving M,
                      const Params* P, floating* z) noexcept nogil:
    """One step of SGD for each of n rows, in the order of `visit`; 1 if a margin was not finite, else 0.

    Meanwhile the `ahead` rows that are listed behind these, the next buffer's, are brought into the cache.
    """
    cdef Py_ssize_t K = 1 if Heads is One else T.K
    cdef Py_ssize_t S = M.S, d = L.d, v, place, r, j, lo, nnz, k, h, n_live
    cdef const floating* x
    cdef floating* W = <floating*> M.W
    cdef floating* Q = <floating*> M.Q
    cdef floating* A = <floating*> M.A
    cdef floating* last = <floating*> M.last
    cdef floating[13] R
    cdef Scalars now = M.at[0]
    cdef double eta, p, y, s, value, slope, step = 0, norm = 0, decay, inv = 1.0 / now.scale, r_l1 = P.l1 / P.l2
    cdef double u0, inv0
    cdef bint scaled
    cdef double least = least_scale(A)
    cdef double xw = 0, xx = 0, one_plus_e = 1, product = 1
    cdef Py_ssize_t ahead = -1  # Margin is Ahead: the v whose x . w is known already
    cdef int fault = 0
    for v in range(O.n):
        if Margin is not Wide:
            fetch_next(L, values, T, &O, v)
            if O.visit is not NULL and v + 3 < O.n:
                fetch_near(L, values, T, O.rows[O.visit[v + 3]])
        place = O.visit[v] if O.visit is not NULL else v
        r = O.rows[place] if O.rows is not NULL else O.first + place
        if T.s is not NULL and T.s[r] == 0:
            continue
        lo = row(L, r, &nnz)
        x = values + lo
        if P.pa:
            norm = squared_norm(x, nnz)
            if P.pa == 1 and norm == 0:
                continue
        eta = P.schedule(now.t, P.schedule_par) * now.eta_factor
        decay = max(0.0, 1.0 - eta * P.l2)
        if now.scale * decay < least:
            if Layout is not Dense and Heads is Many:
                if Q is not NULL:
                    settle(W, Q, d, S, last, now.u, now.scale, P.l1, P.l2)
            rescale(L, H, W, Q, A, S, last, &now, now.scale, P)
            inv, ahead = 1, -1
        if Layout is not Dense:
            if Heads is Many and Q is not NULL:
                for k in range(lo, lo + nnz):
                    j = L.indices[k]
                    catch_up(W + j * S, Q + j * S, S, last + 2 * j if last is not NULL else NULL,
                             <floating> now.u, <floating> now.scale, <floating> inv, r_l1)

        if Heads is One:
            if Layout is not Dense and Q is not NULL:
                p = soft_dot(L, values, lo, nnz, W, <floating> ((r_l1 if P.l2 > 0 else now.u) * inv))
            elif Margin is Wide:
                p = wide_dot(x, W, d, values, &O, v, T, 16 if Q is NULL else 8)
            elif Margin is Ahead:
                if ahead != v:
                    xw = dot(L, values, lo, nnz, W)
                p = xw
                if v + 1 < O.n:
                    xw = two_dots(values + O.rows[O.visit[v + 1]] * d, W, x, d, &xx)
                    ahead = v + 1
            else:
                p = dot(L, values, lo, nnz, W)
            p = now.scale * p + M.b[0]
            if Margin is Ahead and not isfinite(p):  # it may be xx that was not
                p = now.scale * dot(L, values, lo, nnz, W) + M.b[0]
            if not isfinite(p):
                fault = 1
                break
            y = target(T, r, 0)
            s = weight(T, r, 0, y)
            if P.inlined == HINGE:
                slope = hinge_both(p, y, &value, P.loss_par)
            elif P.inlined == LOGISTIC:
                slope = logistic_slope(p, y, &one_plus_e)
                value = max(p, 0.0) - y * p
                if s != 1:
                    value += log(one_plus_e)
                else:  # a sum of logarithms is the logarithm of a product
                    product *= one_plus_e
                    if product > 1e300:
                        M.loss_sum[0] += log(product)
                        product = 1
            elif P.many is not NULL:
                P.many(1, &p, &y, &value, &slope, P.loss_par)
            else:
                slope = P.slope(p, y, P.loss_par)
                value = P.value(p, y, P.loss_par)
            step = step_of(P, value, slope, p, y, s, eta, norm)
            M.loss_sum[0] += s * value
            M.weight_sum[0] += s
        else:
            dots(L, values, lo, nnz, W, S, z)
            for h in range(K):
                M.of[h] = now.scale * z[h] + M.b[h]
            if slopes(P, T, r, K, M.of):
                fault = 1
                break
            n_live = 0
            for h in range(K):
                s = weight(T, r, h, M.of[K + h])
                step = step_of(P, M.of[2 * K + h], M.of[3 * K + h], M.of[h], M.of[K + h], s, eta, norm)
                M.loss_sum[h] += s * M.of[2 * K + h]
                M.weight_sum[h] += s
                M.b[h] += (step - eta * P.nu) * P.intercept_decay
                z[h] = <floating> step
                if step != 0:
                    M.live[n_live] = <int32_t> h
                    n_live += 1

        u0, inv0, scaled = now.u, inv, False
        if P.l2 > 0:
            now.scale *= decay
            if now.scale < least:  # decay itself is: eta * l2 is 1 or nearly so
                rescale(L, H, W, Q, A, S, last, &now, now.scale / decay if decay > 0 else 1.0, P)
                inv0, ahead, scaled = 1, -1, True
            inv = 1.0 / now.scale
        now.u += eta * P.l1

        if Margin is Ahead:
            xw += step * inv * xx  # (w + c x) . x' = w . x' + c x . x'
        if Heads is One:
            if step != 0 and A is not NULL and now.avg_a != 0:
                add(L, values, lo, nnz, A, <floating> (-now.avg_a * step * inv))
            if Layout is Dense:
                if Q is not NULL and Margin is Wide:
                    wide_shrink(x, d, W, Q, <floating> (step * inv), <floating> now.u, <floating> inv, <floating> now.scale,
                                values, &O, v)
                elif Q is not NULL:
                    add_and_shrink(x, nnz, W, Q, <floating> (step * inv), <floating> now.u, <floating> inv, <floating> now.scale)
                elif step != 0:
                    add(L, values, lo, nnz, W, <floating> (step * inv))
            elif Q is not NULL and P.l2 > 0 and step != 0:
                payments(&R[0], <floating> (step * inv), <floating> u0, <floating> inv0,
                         <floating> per_log(P.l1, P.l2, eta_before(P, &now)), <floating> now.u, <floating> inv, <floating> r_l1)
                step_and_pay(L, values, lo, nnz, W, &R[0], scaled)
            elif step != 0:
                add(L, values, lo, nnz, W, <floating> (step * inv))
            M.b[0] += (step - eta * P.nu) * P.intercept_decay
        else:
            if n_live:
                for h in range(K):
                    z[h] = <floating> (z[h] * inv)
                adds(L, values, lo, nnz, W, S, z, M.live, n_live)
                if A is not NULL and now.avg_a != 0:
                    for h in range(K):
                        z[h] = <floating> (-now.avg_a * z[h])
                    adds(L, values, lo, nnz, A, S, z, M.live, n_live)
            if Layout is Dense:
                if Q is not NULL:
                    add_and_shrink(W, d * S, W, Q, 0, <floating> now.u, <floating> inv, <floating> now.scale)
        if Layout is not Dense and Heads is Many:
            if last is not NULL:
                for k in range(lo, lo + nnz):
                    last[2 * L.indices[k]] = <floating> now.u
                    last[2 * L.indices[k] + 1] = <floating> inv

        if 0 < P.average <= now.t:
            now.avg_a += now.scale
            now.avg_n += 1
            for h in range(K):
                M.b_avg[h] += (M.b[h] - M.b_avg[h]) / now.avg_n
        now.t += 1
    if Heads is One:
        M.loss_sum[0] += log(product)
    M.at[0] = now
    return fault


cdef int run(const Layout* L, const floating* values, Order O, Py_ssize_t buffer_rows, const Targets* T, Moving M, const Params* P,
             floating* z) noexcept nogil:
    """Buffer by buffer."""
    cdef One one
    cdef Many many
    cdef Narrow narrow
    cdef Wide wide
    cdef Ahead ahead
    cdef Py_ssize_t left = O.n
    cdef bint short_row = L.d * <Py_ssize_t> sizeof(floating) <= SHORT
    cdef int fault = 0
    if O.visit is NULL:
        buffer_rows = O.n
    else:
        O.far = fetch_first(L, values, T, &O, min(buffer_rows, O.n))
    while left > 0 and not fault:
        O.n = min(buffer_rows, left)
        left -= O.n
        O.ahead = min(buffer_rows, left)
        if Layout is Dense and T.K == 1 and L.d >= WIDE and O.visit is not NULL:
            fault = sweep_buffer(L, &one, &wide, values, O, T, M, P, z)
        elif Layout is Dense and T.K == 1 and O.visit is not NULL and M.Q is NULL and P.inlined == LOGISTIC and short_row:
            fault = sweep_buffer(L, &one, &ahead, values, O, T, M, P, z)
        elif T.K == 1:
            fault = sweep_buffer(L, &one, &narrow, values, O, T, M, P, z)
        else:
            fault = sweep_buffer(L, &many, &narrow, values, O, T, M, P, z)
        go_on(&O)
    return fault
