"""The specification: linear models by SGD in plain NumPy, row by row, slow and obvious.

Everything is dense and float64; the loss and the schedule are objects of fastsgd, which have tests of their own.
"""

import numpy as np

from fastsgd.sources import _order


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
    orders=None,
):
    """Train K heads on X (n, d) and Y (n, K).

    eta : callable, the step size at step t = 1, 2, ...
    pa : None, or (1 or 2, eta0, True if classification): passive-aggressive
    s, s_pos, s_neg : weights of the rows (n,), and in each head of those with y > 0 and of the others (K,)
    W, b : to start from, (d, K) and (K,)
    orders : the rows that each pass visits, in their order, in place of `passes` over all

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
    for i in np.concatenate([np.arange(n)] * passes if orders is None else orders):
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


def drawn(n, draws, seed, epoch):
    """The rows of draws 0, ..., draws - 1 of an epoch with replacement: each two of four words are one of 64 bits, u 2^64."""
    rows = []
    for counter in range(-(-draws // 2)):
        place = [counter, epoch & 0xFFFFFFFF, epoch >> 32, 0xD4A3]
        a, b, c, d = _order.philox_words(place, [seed & 0xFFFFFFFF, seed >> 32])
        rows += [((a << 32) + b) * n >> 64, ((c << 32) + d) * n >> 64]
    return np.array(rows[:draws])


def poisson_counts(seed, row, resample):
    """How often the bootstrap sample of that number has a row: a Poisson draw of mean 1, a function of these three alone."""
    word = _order.philox_words([row & 0xFFFFFFFF, row >> 32, resample, 0x5EED], [seed & 0xFFFFFFFF, seed >> 32])[0]
    left, p, count = word / 2**32, np.exp(-1.0), 0
    while left >= p and count < 12:
        left, count = left - p, count + 1
        p /= count
    return count


def models(
    X, Y, loss, heads, *, s=None, s_pos=None, s_neg=None, fold=None, seed=0, passes=1, optimizer=None, present=None
):
    """Train several models in one pass: each is what `sgd` makes of its own rows with its own numbers.

    heads : list of dicts, `eta` and what `sgd` takes of l1, l2, average, intercept_decay, nu; column, that of Y; fold, whose
        rows the head leaves out; resample, by whose counts it multiplies the weights of the rows
    fold : (n,), of each row
    optimizer, present : None for plain SGD; or an optimizer, each model then being what `minibatch` makes of steps of single
        rows, present as there in the models whose L2 or averaged L1 has no closed form

    Returns what `sgd` returns, of all heads; the number of the next step is (K,).
    """
    n, found = len(X), []
    for head in heads:
        head = dict(head)
        column, out, number = head.pop("column", 0), head.pop("fold", -1), head.pop("resample", 0)
        weight = np.ones(n) if s is None else s.copy()
        if fold is not None:
            weight[fold == out] = 0
        if number:
            weight *= [poisson_counts(seed, row, number) for row in range(n)]
        factors = {name: a[[column]] for name, a in (("s_pos", s_pos), ("s_neg", s_neg)) if a is not None}
        eta = head.pop("eta")
        if optimizer is None:
            found.append(sgd(X, Y[:, [column]], loss, eta, s=weight, passes=passes, **factors, **head))
            continue
        for name, factor in factors.items():
            weight = weight * np.where((Y[:, column] > 0) == (name == "s_pos"), factor, 1.0)
        closed = optimizer.closed(head.get("l1", 0), head.get("l2", 0), head.get("average", 0) > 0)
        more = {"s": weight, "passes": passes, "present": None if closed else present}
        found.append(minibatch(X, Y[:, [column]], loss, eta, optimizer, 1, **more, **head))
    W, b, t, sums = zip(*found, strict=True)
    return np.hstack(W), np.concatenate(b), np.array(t), np.hstack(sums)


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
                self.w = soft((1 - eta * l2) * w - eta * g, eta * l1)
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
            m_hat, v_hat = m, v
            if n["bias_correction"]:
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
    orders=None,
):
    """Train K heads on X (n, d) and Y (n, K) by any optimizer, a step for each batch of rows of positive weight.

    present : None, or (n, d) of bool: a step changes the features that one of its rows has (lazy, on CSR)
    orders : the rows that each pass visits, in their order, in place of `passes` over all

    Returns what `sgd` returns.
    """
    (n, d), K = X.shape, Y.shape[1]
    s = np.ones(n) if s is None else s
    numbers = optimizer.get_params()
    W, b = Weights(np.zeros((d, K)), optimizer.name, numbers), Weights(np.zeros(K), optimizer.name, numbers)
    if optimizer.name == "ftrl":
        b.numbers = {**numbers, "lambda1": 0.0, "lambda2": 0.0}
    sum_W, sum_b, averaged, t, sums = np.zeros((d, K)), np.zeros(K), 0, 1, np.zeros((2, K))
    for order in [np.arange(n)] * passes if orders is None else orders:
        rows = order[s[order] != 0]
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


def stops(rule, objectives=(), models=()):
    """After which epoch a rule of the objective or of the parameters ends a training, from 1; None if it does not.

    objectives : the objective at the end of each epoch
    models : weights and intercepts in one vector, at the start and at the end of each epoch
    """
    if rule.name == "objective":
        f = np.asarray(objectives)
        best = np.minimum.accumulate(np.r_[np.inf, f[:-1]])
        met = np.r_[False, abs(np.diff(f)) <= rule.tol] if rule.absolute else f > best - rule.tol
    else:
        p = np.asarray(models)
        size = np.linalg.norm(p[1:], axis=1) if rule.relative else 1.0
        met = np.linalg.norm(np.diff(p, axis=0), axis=1) <= rule.tol * size
    for k in range(rule.patience, len(met) + 1):
        if met[k - rule.patience : k].all():
            return k
    return None
