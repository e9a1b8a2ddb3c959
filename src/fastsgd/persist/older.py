"""What older versions kept otherwise, brought to what this one keeps."""

import numpy as np


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
