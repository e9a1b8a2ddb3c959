# The update rules: what a step does to n weights w, of gradient mean * g, with the slots m and v of the optimizer.
#
# Dense rows call them on all weights, CSR on the weights that were met, brought together. Each is a loop without a
# branch, so that it vectorises. L1 is a proximal step in the metric of the step itself: w is drawn to 0 by its own step
# size times l1.
cdef extern from "<math.h>" nogil:
    float fabsf(float x)


cdef void sgd(Py_ssize_t n, const floating* g, floating* w, const Rule* R) noexcept nogil:
    """w <- (1 - eta l2) w - eta g. The factor may be negative: then steps are too long, and it is for the user to be told."""
    cdef floating eta = <floating> (R.eta * R.mean), keep = <floating> (1.0 - R.eta * R.l2)
    cdef floating most = <floating> (R.eta * R.l1)
    cdef Py_ssize_t k
    if most == 0:
        for k in range(n):
            w[k] = keep * w[k] - eta * g[k]
    else:
        for k in range(n):
            w[k] = soft(keep * w[k] - eta * g[k], most)


cdef void momentum(Py_ssize_t n, const floating* g, floating* w, floating* m, const Rule* R) noexcept nogil:
    """m <- mu m + g; w <- w - eta m, or w - eta (g + mu m) as Nesterov has it."""
    cdef floating mean = <floating> R.mean, l2 = <floating> R.l2, mu = <floating> R.par[0], most = <floating> (R.eta * R.l1)
    cdef floating of_g = <floating> (R.eta if R.par[1] else 0.0), of_m = <floating> (R.eta * (R.par[0] if R.par[1] else 1.0))
    cdef floating q
    cdef Py_ssize_t k
    for k in range(n):
        q = mean * g[k] + l2 * w[k]
        m[k] = mu * m[k] + q
        w[k] = soft(w[k] - of_g * q - of_m * m[k], most)


cdef void adagrad(Py_ssize_t n, const floating* g, floating* w, floating* v, const Rule* R) noexcept nogil:
    """v <- v + g^2; w <- w - eta g / (sqrt(v) + eps)."""
    cdef floating mean = <floating> R.mean, l1 = <floating> R.l1, l2 = <floating> R.l2
    cdef floating eta = <floating> R.eta, eps = <floating> R.par[0], q, step
    cdef Py_ssize_t k
    for k in range(n):
        q = mean * g[k] + l2 * w[k]
        v[k] += q * q
        step = eta / (root(v[k]) + eps)
        w[k] = soft(w[k] - step * q, step * l1)


cdef void rmsprop(Py_ssize_t n, const floating* g, floating* w, floating* v, const Rule* R) noexcept nogil:
    """v <- rho v + (1 - rho) g^2; w <- w - eta g / (sqrt(v) + eps)."""
    cdef floating mean = <floating> R.mean, l1 = <floating> R.l1, l2 = <floating> R.l2
    cdef floating eta = <floating> R.eta, rho = <floating> R.par[0], rest = <floating> (1.0 - R.par[0])
    cdef floating eps = <floating> R.par[1], q, step
    cdef Py_ssize_t k
    for k in range(n):
        q = mean * g[k] + l2 * w[k]
        v[k] = rho * v[k] + rest * q * q
        step = eta / (root(v[k]) + eps)
        w[k] = soft(w[k] - step * q, step * l1)


cdef void adam(Py_ssize_t n, const floating* g, floating* w, floating* m, floating* v, const Rule* R) noexcept nogil:
    """m <- beta1 m + (1 - beta1) g; v <- beta2 v + (1 - beta2) g^2; w <- w - eta m^ / (sqrt(v^) + eps).

    m^ = m / (1 - beta1^t), v^ = v / (1 - beta2^t). AdamW: first w <- (1 - eta l2) w, and l2 is not part of g.
    """
    cdef floating mean = <floating> R.mean, l1 = <floating> (R.l1 * R.c1), eps = <floating> R.par[2], q, step
    cdef floating l2 = <floating> (0.0 if R.par[3] else R.l2), keep = <floating> (1.0 - R.eta * R.l2 if R.par[3] else 1.0)
    cdef floating b1 = <floating> R.par[0], rest1 = <floating> (1.0 - R.par[0])
    cdef floating b2 = <floating> R.par[1], rest2 = <floating> (1.0 - R.par[1])
    cdef floating eta = <floating> (R.eta / R.c1), per_c2 = <floating> (1.0 / sqrt(R.c2))
    cdef Py_ssize_t k
    for k in range(n):
        q = mean * g[k] + l2 * w[k]
        m[k] = b1 * m[k] + rest1 * q
        v[k] = b2 * v[k] + rest2 * q * q
        step = eta / (root(v[k]) * per_c2 + eps)
        w[k] = soft(keep * w[k] - step * m[k], step * l1)


cdef void ftrl(Py_ssize_t n, const floating* g, const floating* w, floating* m, floating* v, const Rule* R) noexcept nogil:
    """sigma = (sqrt(v + g^2) - sqrt(v)) / eta; m <- m + g - sigma w; v <- v + g^2. The weights follow in `ftrl_weights`."""
    cdef floating mean = <floating> R.mean, per_eta = <floating> (1.0 / R.eta), q, new
    cdef Py_ssize_t k
    for k in range(n):
        q = mean * g[k]
        new = v[k] + q * q
        m[k] += q - (root(new) - root(v[k])) * per_eta * w[k]
        v[k] = new


cdef void ftrl_weights(Py_ssize_t n, floating* w, const floating* m, const floating* v, const Rule* R) noexcept nogil:
    """w = -soft(m, L1) / ((beta + sqrt(v)) / eta + L2), L1 = lambda1 + l1 (steps done), and L2 so."""
    cdef floating most = <floating> (R.par[1] + R.done * R.l1), l2 = <floating> (R.par[2] + R.done * R.l2)
    cdef floating beta = <floating> R.par[0], per_eta = <floating> (1.0 / R.eta)
    cdef Py_ssize_t k
    for k in range(n):
        w[k] = soft(-m[k], most) / ((beta + root(v[k])) * per_eta + l2)


cdef double ftrl_total(double z, double n, double first, double last, const Rule* R) noexcept nogil:
    """The sum of the weights as they are when first + 1, first + 2, ..., last steps are done, while z and n stay.

    With p and c of `first`: sum of (p - s l1) / (c + s l2) over s = 1, 2, ... as long as it is positive, by Euler and
    Maclaurin's formula from where c + s l2 > 20 l2, so that its error is below 1e-12.
    """
    cdef double l1 = R.l1, l2 = R.l2, p = fabs(z) - R.par[1] - first * l1, s = 1, total = 0
    cdef double c = (R.par[0] + sqrt(n)) / R.eta + R.par[2] + first * l2, m = last - first, low, high, span, x, of_p, of_l1, k
    if l1 > 0:
        m = min(m, floor(p / l1))
    if p <= 0 or m < 1:
        return 0
    if l2 == 0:
        total = m * (p - 0.5 * l1 * (m + 1)) / c
    else:
        while s <= m and c + s * l2 < 20 * l2:
            total += (p - s * l1) / (c + s * l2)
            s += 1
        if s <= m:
            low, high, span, k = c + s * l2, c + m * l2, m - s, p * l2 + c * l1
            x = span * l2 / low
            if x < 0.02:
                of_p = 1 - x * (1.0 / 2 - x * (1.0 / 3 - x * (1.0 / 4 - x * (1.0 / 5 - x * (1.0 / 6 - x / 7)))))
                of_l1 = 1.0 / 2 - x * (1.0 / 3 - x * (1.0 / 4 - x * (1.0 / 5 - x * (1.0 / 6 - x * (1.0 / 7 - x / 8)))))
            else:
                of_p = log1p(x) / x
                of_l1 = (1 - of_p) / x
            total += span / low * ((p - s * l1) * of_p - l1 * span * of_l1)
            total += ((p - s * l1) / low + (p - m * l1) / high) / 2
            low, high = 1 / (low * low), 1 / (high * high)
            total -= k * (high - low) / 12
            total += k * l2 * l2 * (high * high - low * low) / 120
            total -= k * l2 * l2 * l2 * l2 * (high * high * high - low * low * low) / 252
    return -total if z > 0 else total


cdef void update(Py_ssize_t n, const floating* g, floating* w, floating* m, floating* v, const Rule* R) noexcept nogil:
    if R.kind == SGD:
        sgd(n, g, w, R)
    elif R.kind == MOMENTUM:
        momentum(n, g, w, m, R)
    elif R.kind == ADAGRAD:
        adagrad(n, g, w, v, R)
    elif R.kind == RMSPROP:
        rmsprop(n, g, w, v, R)
    elif R.kind == ADAM:
        adam(n, g, w, m, v, R)
    else:
        ftrl(n, g, w, m, v, R)


cdef inline void pay_due(Py_ssize_t n, Py_ssize_t S, floating* w, const floating* v, const double* due,
                         const Rule* R) noexcept nogil:
    """The L1 steps that n features, of S weights each, have missed: due is the sum of eta l1 over them."""
    cdef Py_ssize_t k, h
    for k in range(n):
        if due[k] > 0:
            for h in range(k * S, k * S + S):
                w[h] = soft(w[h], <floating> (due[k] / (root(v[h]) + R.par[0]) if R.kind == ADAGRAD else due[k]))


cdef double TWO_TO_MINUS_32 = 1.0 / 4294967296.0


cdef void add_noise(Py_ssize_t d, Py_ssize_t S, Py_ssize_t K, floating* g, double sigma, uint64_t seed, uint64_t t) noexcept nogil:
    """g += sigma times a normal number for each weight, by Box and Muller: a pure function of seed and step."""
    cdef uint32_t word[4][LANES]
    cdef Py_ssize_t n = d * S, k = 0, i, pair
    cdef double radius, angle
    while k < n:
        for i in range(LANES):
            word[0][i], word[1][i] = <uint32_t> (k // 4 + i), <uint32_t> t
            word[2][i], word[3][i] = <uint32_t> (t >> 32), 0x6e6f6973  # another stream than that of the rows
        philox(word[0], word[1], word[2], word[3], <uint32_t> seed, <uint32_t> (seed >> 32))
        for i in range(LANES):
            for pair in range(2):
                if k < n:
                    radius = sigma * sqrt(-2.0 * log((word[2 * pair][i] + 1.0) * TWO_TO_MINUS_32))
                    angle = 2.0 * M_PI * TWO_TO_MINUS_32 * word[2 * pair + 1][i]
                    g[k] += <floating> (radius * cos(angle))
                    if k + 1 < n:
                        g[k + 1] += <floating> (radius * sin(angle))
                k += 2
    for k in range(d if S > K else 0):  # the columns that pad the heads stay zeros
        for i in range(k * S + K, k * S + S):
            g[i] = 0
