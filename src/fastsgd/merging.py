"""Several states that went on from one on rows of their own, put together, but for what learning_rate="auto" keeps."""

import numpy as np


def merge(own, parts, plan):
    """Make of a State in place what forks of it make together: see `State.merge`."""
    K, S, at = len(own.b), own.W.shape[1], own.at.copy()
    for part in parts:
        part.fold(plan)
    steps = np.array([part.at["t"] - at["t"] for part in parts])
    taken = steps.sum(axis=0)
    share = np.where(
        taken > 0, steps / np.maximum(1.0, taken), 1.0 / len(parts)
    )  # Without a step all parts are as before.
    share = np.broadcast_to(share, (len(parts), K))
    wide = np.zeros((len(parts), S))
    wide[:, :K] = share
    added = np.array([part.at["avg_n"] - at["avg_n"] for part in parts])
    own.at["t"] += taken
    own.at["avg_n"] += added.sum(axis=0)
    own.at["since"] = own.at["t"] - sum(
        w[: len(at)] * (part.at["t"] - part.at["since"]) for w, part in zip(share, parts, strict=True)
    )
    if added.any():
        sums = own.b_avg * at["avg_n"]
        sums = sums + sum(part.b_avg * part.at["avg_n"] - sums for part in parts)
        own.b_avg = sums / np.maximum(1.0, own.at["avg_n"])
    if own.A is not None:
        own.A = own.A + sum(part.A - own.A for part in parts)
    for names, weights in ((("W", "m", "v"), list(wide)), (("b", "mb", "vb"), list(share))):
        v = names[2]
        if getattr(plan.optimizer, "accumulates", False):
            total, weights = _grown(getattr(own, v), [getattr(part, v) for part in parts], weights)
            names = names[:1]
            setattr(own, v, total)
        for name in names:
            if getattr(own, name) is not None:
                of_parts = [getattr(part, name) for part in parts]
                mean = sum(w * x for w, x in zip(weights, of_parts, strict=True))
                setattr(own, name, mean.astype(of_parts[0].dtype))


def _grown(own, of_parts, share):
    """The squares of all parts together, and the share of each part in what was added to them; where nothing was, `share`."""
    grown = [x - own for x in of_parts]
    total = sum(grown)
    some = np.where(total > 0, total, 1)
    return own + total, [np.where(total > 0, x / some, w) for x, w in zip(grown, share, strict=True)]
