"""What older versions kept otherwise, brought to what this one keeps."""

import numpy as np

from fastsgd import auto_softmax
from fastsgd.auto import (
    AVERAGED,
    FLAT,
    HEAD,
    HEAD_WIDTH,
    LOST,
    MEAN_OF_Y,
    RECORD,
    SQUARES,
    UNIT,
    USUAL,
    VISITS,
    B,
)

OLDER_HEAD_WIDTH = 31  # numbers of a head of learning_rate="auto"


def pay_l1(state, last=None, owing=False):
    """In 0.1.0 a weight of several heads on CSR paid its L1 when its feature was next met; W then holds what is still to pay.

    Parameters
    ----------
    state : State
    last : (n_features, 2) array or None
        With L1 and L2: u and 1 / scale when the feature was last met.
    owing : bool
        Whether weights may owe some.
    """
    if not owing or state.Q is None:
        return
    W, Q, (l1, l2) = state.W.astype(np.float64), state.Q.astype(np.float64), state.penalty
    u, scale = (float(state.at[name][0]) for name in ("u", "scale"))
    u0, inv0 = (u, 1 / scale) if last is None else (column[:, None].astype(np.float64) for column in last.T)
    z = _shrunk(W, Q, u0, inv0)
    if last is None:
        Q += (z - W) * scale
        state.W, state.Q = z.astype(state.W.dtype), Q.astype(state.Q.dtype)
        return
    r, inv, sign, size = l1 / l2, 1 / scale, np.sign(z), abs(z)
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.log1p(size / inv0 / r) / np.log1p((inv - inv0) / inv0)
    received = u0 + (u - u0) * np.where(part < 1, part, 1.0)
    Q = np.where(z == 0, Q + (z - W) / inv0, 0.0) - sign * received
    W = sign * np.maximum(size - r * (inv - inv0), 0.0)
    state.W, state.Q = W.astype(state.W.dtype), Q.astype(state.Q.dtype)


def _shrunk(z, q, u, inv):
    """Tsuruoka, Tsujii and Ananiadou (2009), eq. 14-16."""
    return np.maximum(z - (u + q) * inv, 0.0) + np.minimum(z + (u - q) * inv, 0.0)


def renew_auto(auto):
    """In 0.1.0 learning_rate="auto" had one rule, which now is the one of later passes: so the model goes on as in these.

    Of classes that are learnt together, too, of which dense rows had two models: the better one goes on.
    """
    if auto.heads.shape[1] == HEAD_WIDTH:
        return
    if auto.heads.shape[1] != OLDER_HEAD_WIDTH:
        raise ValueError(f"heads must have {HEAD_WIDTH} or {OLDER_HEAD_WIDTH} columns, found {auto.heads.shape[1]}")
    older, auto.heads = auto.heads, np.zeros((len(auto.heads), HEAD_WIDTH))
    auto.heads[:, [HEAD[name] for name in ("h", "total", "weight", "far", "owed", "curve")]] = older[:, :6]
    auto.heads[:, [B.start, B.start + AVERAGED, MEAN_OF_Y, FLAT, USUAL]] = older[:, 6:11]
    auto.at["recent"], auto.at["grown"] = auto.at["t"], 1.0
    auto.again = True
    if auto.together:
        if auto.sparse:
            auto.columns = np.insert(auto.columns, auto_softmax.SLOPES, 0.0, axis=1)
        weight = auto.heads[:, HEAD["weight"]]
        weight[:] = np.where(weight > 0, weight, 0.1 * auto.at["recent"])  # Of a class it is the curvature now.
        auto.heads[0, LOST.start + 1] = -float(older[0, 11:21].argmin() >= 5)  # of each model five shares were judged
        return
    if auto.records is not None:
        four = auto.records.reshape(len(auto.records), -1, 4).astype(np.float64)
        new = np.zeros((*four.shape[:2], RECORD))
        bits = 42 if auto.records.dtype == np.float32 else 340
        # The sum is of values times a power of two, the one or the other by the number of visits.
        odd = four[..., 2] < 0
        large = odd & (four[..., 3] < 2.0**-bits)
        unit = np.where(large, 2.0 ** (-2 * bits), np.where(odd, 2.0 ** (2 * bits), 1.0))
        new[..., [0, AVERAGED]] = four[..., :2] / unit[..., None]
        new[..., SQUARES] = abs(four[..., 2])
        new[..., VISITS] = np.where(large, np.ldexp(four[..., 3], 2 * bits), four[..., 3])
        new[..., UNIT] = np.where(new[..., VISITS] > 0, unit, 0.0)
        auto.records = new.reshape(len(new), -1).astype(auto.records.dtype)
