"""Every optimizer: its parameters, its slots, and what its update is. The compiled updates are in _kernels/update.pxi.

In the formulas g is the gradient of the batch mean of the loss plus l2 w (w's own slope under the L2 penalty; the
intercept has none), eta the step size of the schedule, t = 1, 2, ... the number of the step, one batch each. An
L1 penalty is a proximal step: after its update a weight is drawn to 0 by its own step size times l1 (plain SGD with
batch_size=1 has the cumulative penalty of Tsuruoka et al. 2009 instead, and FTRL its closed form).
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsgd._kernels.plan import KINDS
from fastsgd.params import HasParams

__all__ = [
    "FTRL",
    "SGD",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Optimizer",
    "RMSProp",
    "get",
]


class Optimizer(HasParams):
    """Base of every optimizer.

    Class attributes: `name`; `kind`, the update rule; `slots`, names of the arrays beside each weight, and `symbols`, what the
    formula has in their place where it differs; `accumulates`, whether v is a sum over the steps; `params`, the constructor's
    arguments.

    On CSR a step of one row costs as much as the row has values. Where the weights that a row does not have move in a
    way that can be worked out later in closed form, they do, and the model is that of the same data laid out dense.
    Where they don't, `lazy=True` leaves them as they are, as if no time had passed for them; `lazy=False` updates
    all of them in each step, at the cost of O(n_features), and gives the model of the dense layout. On dense data `lazy`
    changes nothing.

    Parameters
    ----------
    lazy : bool, default=True

    Examples
    --------
    >>> RMSProp(rho=0.8).get_params()
    {'rho': 0.8, 'eps': 1e-08, 'lazy': True}
    """

    name: str | None = None
    kind: int | None = None
    slots: tuple[str, ...] = ()
    symbols: Mapping[str, str] = MappingProxyType({})
    accumulates = False
    params: tuple[str, ...] = ("lazy",)
    plain = False  # It is True for w <- w - eta g.

    def __init__(self, lazy: bool = True) -> None:
        self.lazy = lazy

    def numbers(self) -> tuple[float, ...]:
        """The parameters as the kernel reads them, at most five.

        Returns
        -------
        tuple of float
        """
        return ()

    def sizes(self, eta: float, t: float, v: NDArray[Any]) -> NDArray[Any] | float:
        """By what each weight's gradient, or m or m^, is multiplied in a step, given the slot v after it.

        Parameters
        ----------
        eta : float
            The step size of the schedule.
        t : float
            Steps taken, this one included.
        v : ndarray
            Not looked at by optimizers without this slot.

        Returns
        -------
        float, or ndarray of the shape of v
        """
        return eta

    def closed(self, l1: float, l2: float, average: bool) -> bool:
        """Whether a CSR step on present features alone gives the dense model under that penalty.

        Parameters
        ----------
        l1, l2 : float
            Strengths of the penalties.
        average : bool
            Whether the weights are averaged.

        Returns
        -------
        bool
        """
        return False


class SGD(Optimizer):
    """w <- w - eta g; with momentum m <- mu m + g, w <- w - eta m, and with Nesterov's w <- w - eta (g + mu m).

    On CSR both have a closed form without an L1 penalty, and plain SGD also with one, unless its weights are averaged.

    Parameters
    ----------
    momentum : float in [0, 1), default=0.0
    nesterov : bool, default=False
    line_search : bool, default=False
        Full-batch gradient descent on a smooth loss without L1: each pass starts from the step size of the last one
        (the first from that of the schedule), which is halved until the objective falls enough for it (Armijo's rule), or
        else doubled as long as the objective falls further. Needs `batch_size="full"`, momentum=0 and no averaging.
    lazy : bool, default=True
        On CSR, see `Optimizer`.

    References
    ----------
    Polyak (1964), Some methods of speeding up the convergence of iteration methods. Sutskever, Martens, Dahl and Hinton
    (2013), On the importance of initialization and momentum in deep learning. Armijo (1966), Minimization of functions
    having Lipschitz continuous first partial derivatives.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsgd import SGDRegressor
    >>> from fastsgd.optimizers import SGD
    >>> X, y = np.eye(2), np.array([1.0, 2.0])
    >>> heavy_ball = SGDRegressor(optimizer=SGD(momentum=0.5), batch_size="full", learning_rate="constant", eta0=0.1,
    ...                           penalty=None, fit_intercept=False, max_iter=2, tol=None)
    >>> print(heavy_ball.fit(X, y).coef_)  # 0.05, then 0.05 + 0.1 (0.5 0.5 + 0.475)
    [0.1225 0.245 ]
    """

    name, params = "sgd", ("momentum", "nesterov", "line_search", "lazy")
    momentum: float

    def __init__(
        self, momentum: float = 0.0, nesterov: bool = False, line_search: bool = False, lazy: bool = True
    ) -> None:
        super().__init__(lazy)
        self._number("momentum", momentum, 0, 1, True)
        self.nesterov, self.line_search = nesterov, line_search
        if nesterov and not momentum:
            raise ValueError("SGD: nesterov=True needs momentum > 0, got momentum=0.")
        if line_search and momentum:
            raise ValueError(f"SGD: line_search=True needs momentum=0, got momentum={momentum!r}.")
        self.kind = KINDS["momentum" if momentum else "sgd"]
        self.slots, self.plain = ("m",) if momentum else (), not momentum

    def numbers(self) -> tuple[float, ...]:
        return (self.momentum, float(self.nesterov))

    def closed(self, l1: float, l2: float, average: bool) -> bool:
        return not l1 or (not self.momentum and not average)


class AdaGrad(Optimizer):
    """v <- v + g^2; w <- w - eta g / (sqrt(v) + eps).

    On CSR the closed form holds without an L2 penalty; with one the L2 pull is felt by the features present alone.

    Parameters
    ----------
    eps : float > 0, default=1e-10
    lazy : bool, default=True
        On CSR, see `Optimizer`.

    References
    ----------
    Duchi, Hazan and Singer (2011), Adaptive subgradient methods for online learning and stochastic optimization, with
    the composite (proximal) step for L1.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsgd import SGDRegressor
    >>> X, y = np.eye(2), np.array([1.0, 100.0])
    >>> reg = SGDRegressor(optimizer="adagrad", learning_rate="constant", eta0=0.1, penalty=None, fit_intercept=False,
    ...                    max_iter=1, tol=None)
    >>> print(reg.fit(X, y).coef_)  # the first step has the length eta, whatever the slope
    [0.1 0.1]
    >>> print(reg.optimizer_state_["v"], reg.optimizer_state_["step"])
    [1.e+00 1.e+04] [0.1   0.001]
    """

    name, kind, slots, params = "adagrad", KINDS["adagrad"], ("v",), ("eps", "lazy")
    accumulates = True
    eps: float

    def __init__(self, eps: float = 1e-10, lazy: bool = True) -> None:
        super().__init__(lazy)
        self._number("eps", eps, 0, 1)

    def numbers(self) -> tuple[float, ...]:
        return (self.eps,)

    def sizes(self, eta: float, t: float, v: NDArray[Any]) -> NDArray[Any] | float:
        size: NDArray[Any] = eta / (np.sqrt(v) + self.eps)
        return size

    def closed(self, l1: float, l2: float, average: bool) -> bool:
        return not l2 and not (l1 and average)


class RMSProp(Optimizer):
    """v <- rho v + (1 - rho) g^2; w <- w - eta g / (sqrt(v) + eps).

    Parameters
    ----------
    rho : float in [0, 1), default=0.9
    eps : float > 0, default=1e-8
    lazy : bool, default=True
        On CSR, see `Optimizer`: v of an absent feature does not decay.

    References
    ----------
    Tieleman and Hinton (2012), Lecture 6.5, Neural networks for machine learning.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsgd import SGDRegressor
    >>> from fastsgd.optimizers import RMSProp
    >>> X, y = np.eye(2), np.array([1.0, 100.0])
    >>> reg = SGDRegressor(optimizer=RMSProp(rho=0.75), learning_rate="constant", eta0=0.1, penalty=None,
    ...                    fit_intercept=False, max_iter=1, tol=None)
    >>> print(reg.fit(X, y).coef_)  # eta / sqrt(1 - rho)
    [0.2 0.2]
    """

    name, kind, slots, params = "rmsprop", KINDS["rmsprop"], ("v",), ("rho", "eps", "lazy")
    rho: float
    eps: float

    def __init__(self, rho: float = 0.9, eps: float = 1e-8, lazy: bool = True) -> None:
        super().__init__(lazy)
        self._number("rho", rho, 0, 1, True)
        self._number("eps", eps, 0, 1)

    def numbers(self) -> tuple[float, ...]:
        return (self.rho, self.eps)

    def sizes(self, eta: float, t: float, v: NDArray[Any]) -> NDArray[Any] | float:
        size: NDArray[Any] = eta / (np.sqrt(v) + self.eps)
        return size


class Adam(Optimizer):
    """m <- beta1 m + (1 - beta1) g; v <- beta2 v + (1 - beta2) g^2; w <- w - eta m^ / (sqrt(v^) + eps).

    m^ = m / (1 - beta1^t) and v^ = v / (1 - beta2^t) are free of the bias to the zeros they start from. Without bias
    correction m^ = m and v^ = v: the first step is (1 - beta1) / sqrt(1 - beta2) times as long, 3.16 by default.

    Parameters
    ----------
    beta1, beta2 : float in [0, 1), default=0.9, 0.999
    eps : float > 0, default=1e-8
    lazy : bool, default=True
        On CSR, see `Optimizer`: m and v of an absent feature do not decay, and its weight stays.
    bias_correction : bool, default=True

    References
    ----------
    Kingma and Ba (2015), Adam: a method for stochastic optimization, Algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsgd import SGDRegressor
    >>> from fastsgd.optimizers import Adam
    >>> X, y = np.eye(2), np.array([1.0, 100.0])
    >>> reg = SGDRegressor(optimizer="adam", batch_size="full", learning_rate="constant", eta0=0.1, penalty=None,
    ...                    fit_intercept=False, max_iter=1, tol=None)
    >>> print(np.round(reg.fit(X, y).coef_, 6))
    [0.1 0.1]
    >>> print(np.round(reg.set_params(optimizer=Adam(bias_correction=False)).fit(X, y).coef_, 6))
    [0.316228 0.316228]
    """

    name, kind, slots = "adam", KINDS["adam"], ("m", "v")
    params = "beta1", "beta2", "eps", "lazy", "bias_correction"
    beta1: float
    beta2: float
    eps: float
    bias_correction: bool = True  # Objects that older versions have pickled do not have it.
    decoupled = False

    def __init__(
        self,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        lazy: bool = True,
        bias_correction: bool = True,
    ) -> None:
        super().__init__(lazy)
        self._number("beta1", beta1, 0, 1, True)
        self._number("beta2", beta2, 0, 1, True)
        self._number("eps", eps, 0, 1)
        if not isinstance(bias_correction, bool | np.bool_):
            raise ValueError(f"{type(self).__name__}: bias_correction must be True or False, got {bias_correction!r}.")
        self.bias_correction = bool(bias_correction)

    def numbers(self) -> tuple[float, ...]:
        return (self.beta1, self.beta2, self.eps, float(self.decoupled), float(self.bias_correction))

    def sizes(self, eta: float, t: float, v: NDArray[Any]) -> NDArray[Any] | float:
        size: NDArray[Any] = eta / (np.sqrt(v / (1 - self.beta2**t if self.bias_correction else 1.0)) + self.eps)
        return size


class AdamW(Adam):
    """Adam with decoupled weight decay: w <- (1 - eta l2) w before each step, and l2 w is not part of g.

    Parameters
    ----------
    beta1, beta2, eps, lazy, bias_correction
        As `Adam`.

    References
    ----------
    Loshchilov and Hutter (2019), Decoupled weight decay regularization, Algorithm 2.

    Examples
    --------
    >>> AdamW(beta2=0.99)
    AdamW(beta1=0.9, beta2=0.99, eps=1e-08, lazy=True, bias_correction=True)
    """

    name, decoupled = "adamw", True


class FTRL(Optimizer):
    """FTRL-Proximal: ``w = -soft(z, L1) / ((beta + sqrt(n)) / eta + L2)``, exactly zero where ``|z| <= L1``.

    z <- z + g - sigma w with sigma = (sqrt(n + g^2) - sqrt(n)) / eta, and n <- n + g^2, g being without the penalty.
    After t steps L1 = lambda1 + t l1 and L2 = lambda2 + t l2: l1 and l2 are those of the objective (alpha and l1_ratio),
    whose sum over the steps grows with t (McMahan 2011); lambda1 and lambda2 are the constant ones of McMahan et al.
    (2013). eta is eta0, whatever the default of `learning_rate`; another schedule is refused: the step sizes fall with
    the slopes of each coordinate. The weights follow from z, n and these numbers: with another eta0 or alpha from some call
    of `partial_fit` on, they jump. On CSR in closed form, averages under a penalty included.

    Parameters
    ----------
    beta : float > 0, default=1.0
    lambda1, lambda2 : float >= 0, default=0.0
    lazy : bool, default=True
        On CSR, see `Optimizer`.

    References
    ----------
    McMahan (2011), Follow-the-regularized-leader and mirror descent: equivalence theorems and L1 regularization. McMahan
    et al. (2013), Ad click prediction: a view from the trenches, Algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsgd import SGDRegressor
    >>> from fastsgd.optimizers import FTRL
    >>> X, y = np.eye(2), np.array([1.0, 100.0])
    >>> reg = SGDRegressor(optimizer=FTRL(lambda1=2.0), learning_rate="constant", eta0=0.1, penalty=None,
    ...                    fit_intercept=False, max_iter=1, tol=None)
    >>> print(np.round(reg.fit(X, y).coef_, 4))  # z = -100: 0.1 (100 - 2) / (1 + 100)
    [0.    0.097]
    """

    name, kind, slots, params = "ftrl", KINDS["ftrl"], ("m", "v"), ("beta", "lambda1", "lambda2", "lazy")
    symbols = MappingProxyType({"m": "z", "v": "n"})
    accumulates = True
    beta: float
    lambda1: float
    lambda2: float

    def __init__(self, beta: float = 1.0, lambda1: float = 0.0, lambda2: float = 0.0, lazy: bool = True) -> None:
        super().__init__(lazy)
        self._number("beta", beta, 0, float("inf"))
        self._number("lambda1", lambda1, 0, float("inf"), True)
        self._number("lambda2", lambda2, 0, float("inf"), True)

    def numbers(self) -> tuple[float, ...]:
        return (self.beta, self.lambda1, self.lambda2)

    def sizes(self, eta: float, t: float, v: NDArray[Any]) -> NDArray[Any] | float:
        size: NDArray[Any] = eta / (self.beta + np.sqrt(v))
        return size

    def closed(self, l1: float, l2: float, average: bool) -> bool:
        return True

    def z(self, plan: Any, w: NDArray[Any], n: NDArray[Any], t: float, penalised: bool = True) -> NDArray[Any]:
        """The z that belongs to given weights, before step t.

        Parameters
        ----------
        plan : Plan
        w, n : ndarray
            Weights or intercepts, and the sums of their squared slopes.
        t : float
        penalised : bool, default=True
            False for intercepts, which have no penalty.

        Returns
        -------
        ndarray of the shape of w
        """
        l1, l2 = (self.lambda1 + (t - 1) * plan.l1, self.lambda2 + (t - 1) * plan.l2) if penalised else (0.0, 0.0)
        z: NDArray[Any] = -w * ((self.beta + np.sqrt(n)) / plan.eta(t) + l2) - np.sign(w) * l1
        return z


OPTIMIZERS: dict[str, Callable[[], Optimizer]] = {
    "sgd": SGD,
    "momentum": lambda: SGD(momentum=0.9),
    "nesterov": lambda: SGD(momentum=0.9, nesterov=True),
    "adagrad": AdaGrad,
    "rmsprop": RMSProp,
    "adam": Adam,
    "adamw": AdamW,
    "ftrl": FTRL,
}


def get(optimizer: str | Optimizer) -> Optimizer:
    """The optimizer of that name with its defaults, or the object itself.

    Parameters
    ----------
    optimizer : str or Optimizer

    Returns
    -------
    Optimizer

    Raises
    ------
    ValueError
        There is no optimizer of that name.

    Examples
    --------
    >>> get("nesterov")
    SGD(momentum=0.9, nesterov=True, line_search=False, lazy=True)
    """
    if isinstance(optimizer, Optimizer):
        return optimizer
    if optimizer not in OPTIMIZERS:
        raise ValueError(
            f"optimizer must be one of {list(OPTIMIZERS)} or an object of fastsgd.optimizers, got {optimizer!r}."
        )
    return OPTIMIZERS[optimizer]()
