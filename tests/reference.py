"""The specification: linear models by SGD in plain NumPy, row by row, slow and obvious.

Everything is dense and float64; the loss and the schedule are objects of fastsgd, which have tests of their own.
"""

import numpy as np


def sgd(
    X,
    Y,
    loss,
    eta,
    *,
    l1=0.0,
    l2=0.0,
    average=0,
    intercept_decay=1.0,
    nu=0.0,
    pa=None,
    s=None,
    s_pos=None,
    s_neg=None,
    W=None,
    b=None,
    passes=1,
):
    """Train K heads on X (n, d) and Y (n, K).

    eta : callable, the step size at step t = 1, 2, ...
    pa : None, or (1 or 2, eta0, True if classification): passive-aggressive
    s, s_pos, s_neg : weights of the rows (n,), and in each head of those with y > 0 and of the others (K,)
    W, b : to start from, (d, K) and (K,)

    Returns W, b, the number of the next step, and sums of losses before each step and of weights (2, K).
    """
    (n, d), K = X.shape, Y.shape[1]
    s, s_pos, s_neg = (np.ones(m) if a is None else a for a, m in ((s, n), (s_pos, K), (s_neg, K)))
    W = np.zeros((d, K)) if W is None else W.copy()
    b = np.zeros(K) if b is None else b.copy()
    G, scale = W.copy(), 1.0  # the weights without what L1 took off them, and the product of the L2 shrinkages
    sum_G, sum_scale, b_avg, averaged = np.zeros((d, K)), 0.0, np.zeros(K), 0
    u, q = 0.0, np.zeros((d, K))  # L1 that a weight could have received, and what it has received
    sums, t = np.zeros((2, K)), 1
    for i in list(range(n)) * passes:
        x, y = X[i], Y[i]
        if s[i] == 0 or (pa and pa[0] == 1 and x @ x == 0):
            continue
        p = x @ W + b
        weight = s[i] * np.where(y > 0, s_pos, s_neg)
        sums += weight * loss.value(p, y), weight
        if pa is None:
            step = -eta(t) * weight * np.clip(loss.slope(p, y), -1e12, 1e12)
        else:
            kind, eta0, classification = pa
            size = (
                np.minimum(eta0, loss.value(p, y) / (x @ x)) if kind == 1 else loss.value(p, y) / (x @ x + 0.5 / eta0)
            )
            step = weight * size * (y if classification else np.where(y >= p, 1, -1))
        shrink = max(0.0, 1.0 - eta(t) * l2)
        scale *= shrink
        W, G = shrink * W + np.outer(x, step), shrink * G + np.outer(x, step)
        b = b + intercept_decay * (step - eta(t) * nu)
        if l1:
            u += eta(t) * l1
            new = np.where(W > 0, np.maximum(0, W - (u + q)), np.where(W < 0, np.minimum(0, W + (u - q)), 0))
            q, W = q + new - W, new
        if 0 < average <= t:
            averaged += 1
            sum_G, sum_scale, b_avg = sum_G + G, sum_scale + scale, b_avg + (b - b_avg) / averaged
        t += 1
    if averaged:  # the gradient steps are averaged; the L1 penalty counts as it stands at the end
        taken = (W - G) / scale if l1 else 0.0
        return (sum_G + sum_scale * taken) / averaged, b_avg, t, sums
    return W, b, t, sums


def soft(w, most):
    return np.sign(w) * np.maximum(0, abs(w) - most)


class Weights:
    """Weights w with the slots of one optimizer: `step(g, eta, t, l1, l2)`, g being the slope of the mean loss."""

    def __init__(self, w, name, numbers):
        self.w, self.name, self.numbers = w, name, numbers
        self.m, self.v = np.zeros_like(w), np.zeros_like(w)

    def step(self, g, eta, t, l1, l2):
        w, m, v, n = self.w, self.m, self.v, self.numbers
        if self.name == "sgd":
            mu, nesterov = n["momentum"], n["nesterov"]
            if not mu:
                self.w = soft(max(0.0, 1 - eta * l2) * w - eta * g, eta * l1)
                return
            g = g + l2 * w
            self.m = m = mu * m + g
            self.w = soft(w - eta * (g + mu * m if nesterov else m), eta * l1)
        elif self.name == "adagrad":
            g = g + l2 * w
            self.v = v = v + g**2
            size = eta / (np.sqrt(v) + n["eps"])
            self.w = soft(w - size * g, size * l1)
        elif self.name == "rmsprop":
            g = g + l2 * w
            self.v = v = n["rho"] * v + (1 - n["rho"]) * g**2
            size = eta / (np.sqrt(v) + n["eps"])
            self.w = soft(w - size * g, size * l1)
        elif self.name in ("adam", "adamw"):
            decoupled = self.name == "adamw"
            g = g if decoupled else g + l2 * w
            self.m = m = n["beta1"] * m + (1 - n["beta1"]) * g
            self.v = v = n["beta2"] * v + (1 - n["beta2"]) * g**2
            m_hat, v_hat = m / (1 - n["beta1"] ** t), v / (1 - n["beta2"] ** t)
            size = eta / (np.sqrt(v_hat) + n["eps"])
            self.w = soft((1 - eta * l2 if decoupled else 1) * w - size * m_hat, size * l1)
        else:
            sigma = (np.sqrt(v + g**2) - np.sqrt(v)) / eta
            self.m, self.v = m + g - sigma * w, v + g**2
            most, l2 = n["lambda1"] + t * l1, n["lambda2"] + t * l2
            self.w = -soft(self.m, most) / ((n["beta"] + np.sqrt(self.v)) / eta + l2)


def minibatch(
    X,
    Y,
    loss,
    eta,
    optimizer,
    batch_size,
    *,
    l1=0.0,
    l2=0.0,
    average=0,
    intercept_decay=1.0,
    nu=0.0,
    s=None,
    passes=1,
    present=None,
):
    """Train K heads on X (n, d) and Y (n, K) by any optimizer, a step for each batch of rows of positive weight.

    present : None, or (n, d) of bool: a step changes the features that one of its rows has (lazy, on CSR)

    Returns what `sgd` returns.
    """
    (n, d), K = X.shape, Y.shape[1]
    s = np.ones(n) if s is None else s
    numbers = optimizer.get_params()
    W, b = Weights(np.zeros((d, K)), optimizer.name, numbers), Weights(np.zeros(K), optimizer.name, numbers)
    if optimizer.name == "ftrl":
        b.numbers = {**numbers, "lambda1": 0.0, "lambda2": 0.0}
    sum_W, sum_b, averaged, t, sums = np.zeros((d, K)), np.zeros(K), 0, 1, np.zeros((2, K))
    for _ in range(passes):
        rows = np.flatnonzero(s)
        for lo in range(0, len(rows), int(min(batch_size, n))):
            batch = rows[lo : lo + int(min(batch_size, n))]
            p = X[batch] @ W.w + b.w
            weight = s[batch][:, None] * np.ones(K)
            sums += (weight * loss.value(p, Y[batch])).sum(axis=0), weight.sum(axis=0)
            slope = weight * loss.slope(p, Y[batch]) / len(batch)
            before = W.w, W.m, W.v
            W.step(X[batch].T @ slope, eta(t), t, l1, l2)
            if present is not None:
                absent = ~present[batch].any(axis=0)[:, None]
                W.w, W.m, W.v = (np.where(absent, old, new) for old, new in zip(before, (W.w, W.m, W.v), strict=True))
            old = b.w
            b.step(slope.sum(axis=0) + nu, eta(t), t, 0.0, 0.0)
            b.w = old + intercept_decay * (b.w - old)
            if 0 < average <= t:
                averaged += 1
                sum_W, sum_b = sum_W + W.w, sum_b + b.w
            t += 1
    if averaged:
        return sum_W / averaged, sum_b / averaged, t, sums
    return W.w, b.w, t, sums


def objective(X, Y, loss, W, b, *, l1=0.0, l2=0.0, nu=0.0, s=None, s_pos=None, s_neg=None):
    """Mean loss plus penalty of each head: (K,)."""
    K = Y.shape[1]
    weight = np.where(Y > 0, np.ones(K) if s_pos is None else s_pos, np.ones(K) if s_neg is None else s_neg)
    weight = weight * (np.ones(len(X)) if s is None else s)[:, None]
    mean = (weight * loss.value(X @ W + b, Y)).sum(axis=0) / weight.sum(axis=0)
    return mean + l1 * abs(W).sum(axis=0) + 0.5 * l2 * (W**2).sum(axis=0) + nu * b


def dual_objective(X, y, loss, a, *, l1, l2, s=None, intercept=True):
    """A lower bound of the least objective: -mean loss*(-a) - sum max(|v| - l1, 0)^2 / (2 l2), v = mean a x, mean a = 0.

    `a` is brought to where that holds: the side of heavier sign is shrunk, and where l2 is 0 all of a, until |v| <= l1.
    """
    s = np.ones(len(X)) if s is None else s
    s = s / s.sum()
    a = a.astype(float)
    if intercept:
        up, down = s @ np.maximum(a, 0), s @ np.maximum(-a, 0)
        if max(up, down) > 0:
            a = np.where((a > 0) == (up > down), a * (min(up, down) / max(up, down)), a)
    v = X.T @ (s * a)
    if l2 == 0 and abs(v).max() > 0:
        a, v = (part * min(1.0, l1 / abs(v).max()) for part in (a, v))
    over = np.maximum(abs(v) - l1, 0)
    return -(s @ loss.conjugate(-a, y)) - (over @ over / (2 * l2) if l2 else 0.0)


# ---------------------------------------------------------------- learning_rate="auto"
class Curvature:
    """h of each head: the loss's bound, or, where it has a `span`, the mean of what is measured."""

    def __init__(self, loss, K):
        self.loss, self.h, self.total, self.weight, self.far = loss, np.full(K, loss.curvature), *np.zeros((3, K))

    def measure(self, z, y, s):
        """(slope(z + r) - slope(z - r)) / 2r; r is 1, or the mean distance of margins from their targets."""
        self.weight, self.far = self.weight + s, self.far + s * abs(z - y)
        mean = self.far / np.where(self.weight > 0, self.weight, 1)
        r = mean if np.isinf(self.loss.span) else np.ones(len(z))
        safe = np.where(r > 0, r, 1)
        slopes = self.loss.slope(z + safe, y) - self.loss.slope(z - safe, y)
        return np.where(r > 0, slopes / (2 * safe), 0)

    def learn(self, c, s):
        """Take into h what was measured."""
        if self.loss.span:
            self.total = self.total + s * c
            self.h = np.where(self.total > 0, self.total / np.where(self.weight > 0, self.weight, 1), self.h)


def auto_rows(Y, s, s_pos, s_neg, passes):
    """(row, its weight, the weights of the heads, and the latter scaled to a running mean of 1) of each step."""
    (n, K), t, total = Y.shape, 0, 0.0
    s, s_pos, s_neg = (np.ones(m) if a is None else a for a, m in ((s, n), (s_pos, K), (s_neg, K)))
    for i in list(range(n)) * passes:
        if s[i] > 0:
            t, weight = t + 1, s[i] * np.where(Y[i] > 0, s_pos, s_neg)
            total = total + weight
            yield t, i, s[i], weight, weight * t / np.where(total > 0, total, 1)


def falling(t, R, c0):
    """The step size of row t, R being the mean squared length of a row."""
    return c0 / R * (1 + 10 * R / t) / np.sqrt(1 + 0.1 * t / (10 * R + 1))


def auto_dense(X, Y, loss, *, l1=0.0, l2=0.0, intercept=True, s=None, s_pos=None, s_neg=None, passes=1):
    """The implicit step in standardised coordinates, averaged. Returns W, b, the number of the next step, sums."""
    d, K = X.shape[1], Y.shape[1]
    m, Q, r, weight = np.zeros(d), np.zeros(d), np.zeros(d), 0.0
    U, A, b, b_avg, owed = np.zeros((d, K)), np.zeros((d, K)), np.zeros(K), np.zeros(K), np.zeros(K)
    curvature, rho, last, due, t, sums = Curvature(loss, K), 0.0, 0, 1, 0, np.zeros((2, K))

    def scales():
        v = Q / weight + l2 / curvature.h.mean()
        return np.where(Q > 0, 1 / np.sqrt(np.where(Q > 0, v, 1)), 0)

    def settled(U, A):
        """What is owed of the penalty taken off, and the average up to now."""
        U = soft(U, np.outer(r, owed) * l1) / (1 + np.outer(r**2, owed) * l2)
        return U, A + (U - A) * (1 - (last / t) ** 3)

    for t, i, si, wi, c in auto_rows(Y, s, s_pos, s_neg, passes):
        x, y = X[i], Y[i]
        weight += si
        delta = x - m
        if intercept:
            m = m + delta * (si / weight)
        rest = x - m
        Q = Q + si * delta * rest
        if t <= 64:
            r = scales()
        norm = (rest * r) @ (rest * r)
        if t > 64 and 1 + norm > 10 * rho / t:  # a row far longer than those before: it counts before it moves
            r = scales()
            norm = (rest * r) @ (rest * r)
        xh = rest * r
        rho += 1 + norm
        b = y.astype(float) if t == 1 and loss.residual and intercept else b
        z = xh @ U + b
        sums += wi * loss.value(z, y), wi
        if np.isinf(loss.span):
            curvature.learn(curvature.measure(z, y, wi), wi)
        g = falling(t, rho / t, 0.5) / curvature.h
        a = loss.implicit(z, c * g * (norm + intercept), y)
        if loss.span == 1:
            curvature.learn(curvature.measure(z + c * g * (norm + intercept) * a, y, wi), wi)
        U, b, owed = U + np.outer(xh, c * g * a), b + intercept * c * g * a, owed + g
        b_avg = b_avg + (b - b_avg) * (1 - ((t - 1) / t) ** 3)
        if t >= due:
            U, A = settled(U, A)
            owed, last, due, r = np.zeros(K), t, t + max(1, min(16, t // 32)), scales()
    W = settled(U, A)[1] * r[:, None]
    return W, b_avg - m @ W, t + 1, sums


KAPPA, GAMMA = 0.15, 1.5


def near(loss, z, s, y):
    """The implicit step; of the logistic loss, to first order: from z, or from 0 where the step leads past it."""
    if loss.name != "log_loss":
        return loss.implicit(z, s, y)
    slope = loss.slope(z, y)
    p = slope + y
    return np.where(z * (z + s * (y - 0.5)) > 0, -slope / (1 + s * p * (1 - p)), (y - 0.5 - z / 4) / (1 + s / 4))


def auto_csr(X, Y, loss, *, l1=0.0, l2=0.0, intercept=True, s=None, s_pos=None, s_neg=None, passes=1):
    """The implicit step of a filter with a diagonal covariance, averaged; in the first pass L2 is paid per visit.

    The values of X that are not 0 are those present. Returns W, b, the number of the next step, sums, and the candidate of
    each head: 1 only after one pass, if it had less loss before the steps.
    """
    (n, d), K = X.shape, Y.shape[1]
    W, A, b, b_avg = np.zeros((d, K)), np.zeros((d, K)), np.zeros(K), np.zeros(K)
    squares, seen, bH = np.zeros(d), np.zeros(d), np.zeros(K)
    curvature, values, weight, lost = Curvature(loss, K), 0, 0.0, np.zeros((K, 2))
    t, sums, rows = 0, np.zeros((2, K)), n if s is None else (s > 0).sum()

    def rest(j, k, h, mean_curve):
        """By what the penalty that was not paid yet shrinks the averages."""
        H = mean_curve * squares[j] + h * (values / t) * squares[j] / seen[j] / GAMMA
        return (H + seen[j] * l2) / (H + t * l2)

    for t, i, si, wi, c in auto_rows(Y, s, s_pos, s_neg, passes):
        j = np.flatnonzero(X[i])
        x, y = X[i, j], Y[i]
        if t == 1 and loss.residual and intercept:
            b, b_avg = b + y, b_avg + y
        weight, values = weight + si, values + len(j)
        one = si * t / weight
        jump = (x**2 * seen[j] > 16 * squares[j]) & (seen[j] + one <= 16)  # so far its values were unusually small
        both = np.where(jump, (squares[j] + x**2 * seen[j]) / 2, squares[j])
        less = np.where(jump, np.sqrt(squares[j] / np.where(jump, both, 1)), 1)[:, None]
        W[j], A[j] = W[j] * less, A[j] * less
        squares[j], seen[j] = both + one * x**2, seen[j] + one
        for k in range(K):
            h, mean_curve = curvature.h[k], bH[k] / (t - 1) if t > 1 else curvature.h[k]
            z, a = x @ W[j, k] + b[k], x * A[j, k]
            candidates = np.array([a.sum(), a @ rest(j, k, h, mean_curve)]) + b_avg[k]
            if t <= rows and l2 > 0 and (t * 0x9E3779B97F4A7C15 % 2**64) >> 62 == 0:  # one row in four
                lost[k] += wi[k] * t**2 * loss.value(candidates, y[k])
            sums[:, k] += wi[k] * loss.value(z, y[k]), wi[k]
            if loss.span != 1:
                curve = curvature_of_head(curvature, z, y[k], wi[k], k)
            P = KAPPA * mean_curve * squares[j] + h * (values / t) * squares[j] / seen[j] / GAMMA
            b_size = intercept / (KAPPA * bH[k] + h / GAMMA)
            size = x**2 @ (1 / P) + b_size
            a = c[k] * near(loss, z, c[k] * size, y[k])
            if loss.span == 1:
                curve = curvature_of_head(curvature, z + a * size, y[k], wi[k], k)
            off = np.minimum(t / seen[j], 0.1 * t + 1) * l1 / P
            owed = one if t <= rows else t / seen[j]
            W[j, k] = soft(W[j, k] + a * x / P, off) / (1 + owed * l2 / P)
            A[j, k] += (W[j, k] - A[j, k]) * (1 - (1 - one / seen[j]) ** 3)
            bH[k] += c[k] * curve
            b[k] += a * b_size
            b_avg[k] += (b[k] - b_avg[k]) * (1 - ((t - 1) / t) ** 3)
    rule = lost.argmin(axis=1) if passes == 1 else np.zeros(K, int)
    j = np.flatnonzero(seen)
    for k in np.flatnonzero(rule):
        A[j, k] *= rest(j, k, curvature.h[k], bH[k] / t)
    if l1 > 0:
        A = A * (W != 0)
    return A, b_avg, t + 1, sums, rule


def curvature_of_head(curvature, z, y, s, k):
    """What one head measures at its margin, or the slope squared up to h; not below a share of h."""
    one = Curvature(curvature.loss, 1)
    one.h, one.total, one.weight, one.far = (
        getattr(curvature, name)[k : k + 1] for name in ("h", "total", "weight", "far")
    )
    c = one.measure(np.array([z]), np.array([y]), np.array([s]))
    one.learn(c, np.array([s]))
    for name in ("h", "total", "weight", "far"):
        getattr(curvature, name)[k] = getattr(one, name)[0]
    fisher = min(one.h[0], one.loss.slope(z, y) ** 2) if one.loss.span == 0 else 0.0
    if np.isinf(one.loss.span) and one.total[0] == 0:
        return 0.0  # of what is not known yet h says nothing
    return max(c[0], fisher, 0.04 * one.h[0])
