"""Any function of an array, minimised by the rules that train the estimators: to see what an optimizer does."""

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import OptimizeResult

from fastsgd import losses, optimizers, schedules
from fastsgd._kernels import kernels
from fastsgd.gathered import Gathered
from fastsgd.plan import Plan
from fastsgd.random_states import generator
from fastsgd.restarts import Restart, trace, with_best
from fastsgd.schedules import Schedule
from fastsgd.sources.arrays import Order, Table
from fastsgd.state import State

# Central differences of this width lose to rounding what they lose to curvature.
DIFFERENCE = float(np.cbrt(np.finfo(float).eps))
NO_ROWS = Order(None, None, 0, 0, 1)


def minimize(
    f: Callable[[NDArray[Any]], float],
    w0: ArrayLike,
    grad: Callable[[NDArray[Any]], ArrayLike] | None = None,
    *,
    optimizer: str | optimizers.Optimizer = "adam",
    learning_rate: str | Schedule | Callable[[int], float] = "constant",
    eta0: float = 0.01,
    power_t: float = 0.25,
    steps: int = 1000,
    noise: float = 0.0,
    restarts: int = 1,
    spread: float = 1.0,
    random_state: Any = None,
) -> OptimizeResult:
    """Minimise f(w) by steps along its gradient, with the very rules that train the estimators; one thread, Python speed.

    For functions to look at: Rosenbrock's valley, saddles, local minima. Real problems are for `scipy.optimize.minimize`.

    Parameters
    ----------
    f : callable
        f(w) -> float, w of the shape of w0.
    w0 : array-like
        The start.
    grad : callable or None, default=None
        grad(w) -> array of the shape of w. None: central differences of f, two calls of it for each number of w.
    optimizer : str or object of fastsgd.optimizers, default="adam"
        "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "ftrl". Not a search along the line.
    learning_rate : str, object of fastsgd.schedules or callable, default="constant"
        How the step size falls: "constant", "invscaling", "exponential", "step", "cosine", "one_cycle", where a pass is all
        steps; or a function t -> step size, t = 1, 2, ..., in which eta0 and power_t have no part.
    eta0 : float, default=0.01
        The first step size, or the largest.
    power_t : float, default=0.25
        The exponent of "invscaling".
    steps : int, default=1000
    noise : float, default=0.0
        Variance of normal noise added to each slope, times 1 / (1 + t)^0.55 at step t, t from 1 (Neelakantan et al. 2015).
    restarts : int, default=1
        Number of starts: w0 itself, and then w0 plus normal numbers times `spread`.
    spread : float, default=1.0
    random_state : int, Generator, RandomState or None, default=None
        Of the starts and the noise.

    Returns
    -------
    scipy.optimize.OptimizeResult
        Of the start that came lowest: `x`, the point of least f on its way; `fun`, f there; `jac`, the gradient there; `nit`;
        `path` (steps + 1, \\*w0.shape), the start first; `objective` and `gradient_norm` (steps + 1,) along it;
        `success`, whether all was finite; `message`. `restarts` is the list of such results of all starts, and `restarts_`
        the same in brief, as that of estimators: `fastsgd.restarts.Restart`.

    Raises
    ------
    ValueError
        A bad parameter; or f or grad is of another shape than promised, or not finite at w0.

    References
    ----------
    Those of the optimizers. Neelakantan et al. (2015), Adding gradient noise improves learning for very deep networks.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsgd import minimize
    >>> found = minimize(lambda w: (w[0] - 1) ** 2 + 10 * w[1] ** 2, [0.0, 1.0], optimizer="sgd", eta0=0.05, steps=200)
    >>> print(found.x.round(6) + 0.0, found.path.shape)
    [1. 0.] (201, 2)
    """
    w0 = _numbers(w0, "w0 must hold")
    for name, value, kind, least in (
        ("steps", steps, Integral, 1),
        ("restarts", restarts, Integral, 1),
        ("noise", noise, Real, 0),
        ("spread", spread, Real, 0),
    ):
        if not isinstance(value, kind) or not least <= value < np.inf:
            whole = "a whole number, " if kind is Integral else ""
            raise ValueError(f"{name} must be {whole}at least {least}, got {value!r}.")
    if not w0.size or not np.isfinite(w0).all():
        raise ValueError(f"w0 must hold finite numbers, at least one, found {w0!r}.")
    plan, rng = _plan(optimizer, learning_rate, eta0, power_t, steps), generator(random_state)
    found = []
    for start in range(restarts):
        at = w0 + (spread * rng.standard_normal(w0.shape) if start else 0.0)
        found.append(_descend(_Function(f, grad, w0.shape), at, plan, steps, noise, rng))
    best = min(found, key=lambda one: one.fun)
    brief = [
        Restart(
            *(one.path[0], one.x, None, None, one.fun),
            *(trace(one.objective, one.gradient_norm), "max_iter" if one.success else "diverged"),
        )
        for one in found
    ]
    place = next(i for i, one in enumerate(found) if one is best)
    return OptimizeResult({**best, "restarts": found, "restarts_": with_best(brief, place)})


class _Function:
    """f and its gradient, of a flat array."""

    def __init__(
        self,
        f: Callable[[NDArray[Any]], float],
        grad: Callable[[NDArray[Any]], ArrayLike] | None,
        shape: tuple[int, ...],
    ) -> None:
        self.f, self.grad, self.shape = f, grad, shape

    def value(self, w: NDArray[Any]) -> float:
        value = _numbers(self.f(w.reshape(self.shape).copy()), "f must give")
        if value.size != 1:
            raise ValueError(f"f must give one number, it gave an array of shape {value.shape}.")
        return float(value.item())

    def gradient(self, w: NDArray[Any]) -> NDArray[np.float64]:
        if self.grad is None:
            steps = DIFFERENCE * np.maximum(1.0, abs(w))
            ends = ((w + e, w - e) for e in np.diag(steps))
            return np.array([self.value(up) - self.value(down) for up, down in ends]) / (2 * steps)
        slope = _numbers(self.grad(w.reshape(self.shape).copy()), "grad must give")
        if slope.size != w.size:
            raise ValueError(f"grad must give an array of shape {self.shape}, it gave one of shape {slope.shape}.")
        return slope.ravel()


def _numbers(given: Any, who: str) -> NDArray[np.float64]:
    """An array of float64; `who` begins the sentence that says so of what is none."""
    values = np.asarray(given)
    if values.dtype.kind not in "biufO" or given is None:
        raise ValueError(f"{who} real numbers, found {given!r}.")
    try:
        return values.astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{who} real numbers, found {given!r}.") from error


def _plan(
    optimizer: str | optimizers.Optimizer,
    learning_rate: str | Schedule | Callable[[int], float],
    eta0: float,
    power_t: float,
    steps: int,
) -> Plan:
    if callable(eta0):
        raise ValueError("eta0 must be a finite number above 0, got a function: give it as learning_rate.")
    if not (isinstance(eta0, Real) and 0 < eta0 < np.inf):
        raise ValueError(f"eta0 must be a finite number above 0, got {eta0!r}.")
    rule, schedule, loss = optimizers.get(optimizer), schedules.get(learning_rate), losses.SquaredError()
    if schedule.auto or schedule.pa or schedule.name in ("optimal", "adaptive"):
        raise ValueError(
            f"learning_rate={learning_rate!r} follows from the rows of a training, which a function has not: take 'constant', "
            "'invscaling', 'exponential', 'step', 'cosine' or 'one_cycle', or a function of the step number."
        )
    bound = schedule.bind(eta0=eta0, alpha=0.0, power_t=power_t, loss=loss, pass_rows=steps, passes=1)
    # A step is of a batch whose slopes are the gradient; of no penalty, and of an intercept that stays 0.
    plan = Plan.of(loss, bound, optimizer=rule, batch_size=np.inf, intercept_decay=0.0)
    if plan.line_search:
        raise ValueError(
            f"optimizer={optimizer!r} searches along the line, for which a function of your own is not made."
        )
    return plan


@np.errstate(over="ignore", invalid="ignore")
def _descend(
    function: _Function, w: NDArray[Any], plan: Plan, steps: int, noise: float, rng: np.random.Generator
) -> OptimizeResult:
    """The result of one start."""
    d = w.size
    state, table = State.zeros(d, 1, np.dtype(float), 0), Table(np.zeros((1, d)), y=np.zeros((1, 1)))
    state.W[:, 0] = w.ravel()
    state.prepare(plan, False)
    gathered, sums, target = Gathered(state.W, 1, np.inf), np.zeros((2, 1)), table.target()
    path, values, norms = np.zeros((steps + 1, d)), np.zeros(steps + 1), np.zeros(steps + 1)
    n, slope = 0, np.zeros(d)
    for n in range(steps + 1):
        path[n] = state.model(plan)[0][:, 0]
        values[n], slope = function.value(path[n]), function.gradient(path[n])
        norms[n] = np.linalg.norm(slope)
        if not (np.isfinite(values[n]) and np.isfinite(norms[n])) or n == steps:
            break
        if noise:
            slope = slope + np.sqrt(noise / (2.0 + n) ** 0.55) * rng.standard_normal(d)
        gathered.G[:, 0], gathered.count[0] = slope, 1
        kernels.batches(table.X, NO_ROWS, target, state, plan.compiled, sums, gathered, False, True)
    sound = bool(np.isfinite(values[n]) and np.isfinite(norms[n]))
    if not sound and n == 0:
        raise ValueError(f"f and its gradient must be finite at the start, found f={values[0]} and gradient {slope}.")
    end = n + 1 if sound else n
    best = int(values[:end].argmin())
    return OptimizeResult(
        x=path[best].reshape(function.shape),
        fun=float(values[best]),
        jac=function.gradient(path[best]).reshape(function.shape),
        nit=end - 1,
        success=sound,
        message=f"{end - 1} steps." if sound else f"f or its gradient was not finite after {n} steps: lower eta0.",
        path=path[:end].reshape(end, *function.shape),
        objective=values[:end],
        gradient_norm=norms[:end],
    )
