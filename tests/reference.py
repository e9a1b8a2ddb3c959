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


def objective(X, Y, loss, W, b, *, l1=0.0, l2=0.0, nu=0.0, s=None, s_pos=None, s_neg=None):
    """Mean loss plus penalty of each head: (K,)."""
    K = Y.shape[1]
    weight = np.where(Y > 0, np.ones(K) if s_pos is None else s_pos, np.ones(K) if s_neg is None else s_neg)
    weight = weight * (np.ones(len(X)) if s is None else s)[:, None]
    mean = (weight * loss.value(X @ W + b, Y)).sum(axis=0) / weight.sum(axis=0)
    return mean + l1 * abs(W).sum(axis=0) + 0.5 * l2 * (W**2).sum(axis=0) + nu * b
