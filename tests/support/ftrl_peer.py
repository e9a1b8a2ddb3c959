"""FTRL-Proximal in plain Python, a coordinate at a time: McMahan et al. 2013, "Ad click prediction", algorithm 1.

Two penalties: lambda1 and lambda2, the constant ones of that paper, and l1 and l2, those of an objective that is a mean
over the rows, of which every step adds one more (McMahan 2011, "Follow-the-regularized-leader and mirror descent").
"""

from math import exp, sqrt


class Coordinate:
    """The state of one coordinate: z, the sum of g - sigma w; and n, the sum of g squared."""

    def __init__(self):
        self.z = self.n = 0.0

    def weight(self, eta0, beta, threshold, ridge):
        if abs(self.z) <= threshold:
            return 0.0
        sign = 1.0 if self.z > 0 else -1.0
        return -(self.z - sign * threshold) / ((beta + sqrt(self.n)) / eta0 + ridge)

    def add(self, g, w, eta0):
        sigma = (sqrt(self.n + g * g) - sqrt(self.n)) / eta0
        self.z += g - sigma * w
        self.n += g * g


def log_loss(margins, y):
    return [1 / (1 + exp(-margins[0])) - y]


def squared_error(margins, y):
    return [margins[0] - y]


def multinomial(margins, y):
    total = sum(exp(p) for p in margins)
    return [exp(p) / total - (k == y) for k, p in enumerate(margins)]


SLOPES = {"log_loss": log_loss, "squared_error": squared_error, "multinomial": multinomial}


def train(X, y, loss, *, eta0, beta=1.0, lambda1=0.0, lambda2=0.0, l1=0.0, l2=0.0, batch=1, epochs=1):
    """The weights (heads, features) and the intercepts (heads,), as lists, after batches in stored order."""
    rows = [{j: x for j, x in enumerate(row) if x} for row in X.tolist()]
    y, features, heads = y.tolist(), range(X.shape[1]), range(4 if loss == "multinomial" else 1)
    feature = {(k, j): Coordinate() for k in heads for j in features}
    intercept = {k: Coordinate() for k in heads}
    t = 0

    def weight(k, j):
        return feature[k, j].weight(eta0, beta, lambda1 + t * l1, lambda2 + t * l2)

    def bias(k):
        return intercept[k].weight(eta0, beta, 0.0, 0.0)

    for start in list(range(0, len(rows), batch)) * epochs:
        taken = range(start, min(start + batch, len(rows)))
        g_weight, g_bias = {}, {k: 0.0 for k in heads}
        for i in taken:
            margins = [bias(k) + sum(weight(k, j) * x for j, x in rows[i].items()) for k in heads]
            for k, slope in enumerate(SLOPES[loss](margins, y[i])):
                g_bias[k] += slope / len(taken)
                for j, x in rows[i].items():
                    g_weight[k, j] = g_weight.get((k, j), 0.0) + slope * x / len(taken)
        for (k, j), g in g_weight.items():
            feature[k, j].add(g, weight(k, j), eta0)
        for k, g in g_bias.items():
            intercept[k].add(g, bias(k), eta0)
        t += 1
    return [[weight(k, j) for j in features] for k in heads], [bias(k) for k in heads]
