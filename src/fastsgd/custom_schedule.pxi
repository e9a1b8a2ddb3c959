# Custom, a schedule of the user's own: a Python function of the step number. Included by schedules.pyx.
cdef class Custom(Schedule):
    """eta = function(t), t = 1, 2, ... the number of the step: any function of one's own.

    ``learning_rate=function`` is the same as ``learning_rate=Custom(function)``. It is called once for each step that is taken,
    before the kernel that takes these steps, in their order; `eta0` and `power_t` have no part in it.

    Parameters
    ----------
    function : callable
        function(t) -> float, t an int from 1. Step sizes are finite and at least 0. Steps count on from one epoch, and from one
        call of `partial_fit`, to the next.

    Raises
    ------
    ValueError
        When the step is due: the function raised an error, or gave what is no step size; the message says at which t.

    Notes
    -----
    A call takes about 0.1 microseconds, which is more than the step itself takes of a short row; of steps of batches it does
    not count. Several classes share their steps. It pickles if the function does: one made by `def` in a module does, a lambda
    does not. A file that `save` writes does not hold it: ``fastsgd.load(path, learning_rate=function)``.

    References
    ----------
    Robbins and Monro (1951), A stochastic approximation method: the steps converge if the sum of eta is infinite, and that of
    eta^2 is not.

    Examples
    --------
    >>> from fastsgd import SGDRegressor
    >>> schedule = Custom(lambda t: 1 / (10 + t))
    >>> schedule([1, 10]).round(3)
    array([0.091, 0.05 ])
    >>> reg = SGDRegressor(learning_rate=lambda t: 0.5 if t == 1 else 0.0, penalty=None, fit_intercept=False, max_iter=1,
    ...                    tol=None)
    >>> print(reg.fit([[1.0], [1.0]], [4.0, 4.0]).coef_)  # the second step has no length
    [2.]
    """
    name, params, needs = "custom", ("function",), ()
    has_eta0, tabled = False, True

    def __init__(self, function):
        if isinstance(function, type) or not callable(function):
            raise ValueError(f"learning_rate must be a function of the step number t, such as lambda t: 1 / t, got {function!r}.")
        self.function, self.fn = function, unknown

    def _set(self, eta0, alpha, power_t, loss, pass_rows, passes):
        """It has no numbers."""

    def sizes(self, first, n, stride=1):
        """The step sizes of n steps from number `first` on, `stride` apart.

        Parameters
        ----------
        first : float
            From 1; of a number between two integers the lower one counts.
        n, stride : int

        Returns
        -------
        ndarray of shape (n,)

        Raises
        ------
        ValueError
        """
        cdef double[::1] sizes = np.empty(n)
        cdef Py_ssize_t i = 0
        function, t, eta = self.function, int(first), None
        try:
            for i in range(sizes.shape[0]):
                eta = function(t)
                if not _is_size(eta, &sizes[i]):
                    break
                t += stride
            else:
                return np.asarray(sizes)
        except Exception as error:
            raise ValueError(f"learning_rate raised {type(error).__name__} at step t={t}: {error}") from error
        raise ValueError(f"learning_rate must give a finite step size of at least 0, but at step t={t} it gave {eta!r}.")

    def __call__(self, t):
        """The step size at step t, an array of any shape, counted from 1."""
        t = np.asarray(t, np.float64)
        return np.array([self.sizes(one, 1)[0] for one in t.flat]).reshape(t.shape)[()]

    def __eq__(self, other):
        return type(self) is type(other) and self.function == other.function

    def __hash__(self):
        return hash(type(self))  # The function may have none.


cdef bint _is_size(eta, double* size) except -1:
    """Whether what a function gave is a step size; then `size` is made that."""
    if type(eta) is not float:
        if isinstance(eta, (str, bytes)):
            return False
        try:
            eta = float(eta)
        except (TypeError, ValueError, OverflowError):
            return False
    size[0] = eta
    return 0 <= size[0] < INFINITY
