# Loss, the base of every loss. Included by losses.pyx.
cdef class Loss:
    """Base of every loss: a scalar function of a prediction p and a target y.

    Class attributes say what a loss is for: `name`; `task`, the estimators that list it; `params`, the constructor's
    arguments; `negative`, the target of the negative class; `lower` and `strict`, the least target a regression
    takes and whether it is excluded; `greatest`, between what the greatest target must be, as beyond the loss has no minimum;
    `convex`; `smooth`, whether the slope is continuous in the prediction; `curvature`, a
    bound of the slope's own slope (where there is none, a number of its usual size); `span`, over what distance of margins
    learning_rate="auto" measures the mean curvature, where the bound says little: 0 not at all, inf the mean ``|p - y|``;
    `residual`, whether it is one of p - y (and convex), so that a shift of y is one of the intercept; `by_mean`, whether the best
    constant follows from the mean of y, as it does where the slope is affine in y, and of two classes where it is known;
    `coupled`, whether it takes all the heads of a row together; `log_odds`, whether a margin is the logarithm of odds, so that y
    may hold probabilities; `probabilities`, whether the margins give any; `solved`, the tasks for which LinearClassifier and
    LinearRegressor solve it, and `solved_with_l1`, whether with an L1 penalty too; `passive_aggressive`, the tasks for which it
    has the steps of "pa1" and "pa2"; `dispersion`, that of the distribution whose negative log-likelihood the loss is: 1, nan where
    it is to be estimated, None where the loss is that of no distribution.

    Solvers ask for more: `least_value`, a number that no value is below, -inf where there is none; `steepest`, one that no slope's
    size is above, inf where none is known; `quadratic`, whether the value is a parabola in the prediction; `scarce`, whether
    few rows may have any curvature, so that a bound of it does better; `dead_zone`, the size of a residual up to which the
    loss is 0; `usual_curvature`; and the methods `second`, `pieces` and `constant`, which not all losses have (`offers`).
    Standard errors follow from `second` and `information`.

    Examples
    --------
    >>> loss = get("huber")
    >>> isinstance(loss, Loss), loss.task, loss.smooth, loss.curvature
    (True, ('regressor', 'classifier'), True, 1.0)
    """
    name = None
    task = ()
    params = ()
    get_params, set_params = HasParams.get_params, HasParams.set_params
    negative = -1.0
    lower, strict, greatest = -np.inf, False, (-np.inf, np.inf)
    convex, smooth, curvature = True, False, 1.0
    span = 0.0
    residual = False
    coupled = False
    log_odds = probabilities = False
    solved = passive_aggressive = ()
    solved_with_l1 = True
    dispersion = None
    least_value, steepest = 0.0, np.inf
    quadratic = scarce = False
    dead_zone = 0.0

    cdef int ready(self) except -1:
        if self.value_fn is NULL:
            raise TypeError(f"{type(self).__name__} has no functions; make a loss of your own by losses.Custom(value, slope).")
        return 0

    def value(self, p, y):
        """The loss, elementwise.

        Parameters
        ----------
        p : array-like
            Predictions.
        y : array-like
            Targets.

        Returns
        -------
        float64 ndarray of the broadcast shape
        """
        return self._map(p, y, 0)

    def slope(self, p, y):
        """The derivative of the loss by the prediction, elementwise.

        Parameters
        ----------
        p : array-like
            Predictions.
        y : array-like
            Targets.

        Returns
        -------
        float64 ndarray of the broadcast shape
        """
        return self._map(p, y, 1)

    def implicit(self, z, s, y):
        """The implicit (proximal) step from the margin z, elementwise: the a with ``a = -slope(z + s a, y)``.

        Where the loss is not convex there may be several; it is one of them.

        Parameters
        ----------
        z : array-like
            Margins before the step.
        s : array-like, >= 0
            By how much the margin moves with a step of 1.
        y : array-like
            Targets.

        Returns
        -------
        float64 ndarray of the broadcast shape

        Examples
        --------
        >>> SquaredError().implicit(0.0, [0.0, 1.0, 1e9], 1.0).round(9)
        array([1.e+00, 5.e-01, 1.e-09])
        """
        self.ready()
        if np.any(~(np.asarray(s) >= 0)):
            raise ValueError(f"s must be >= 0, found {np.min(s)}.")
        return self._points(z, s, y)

    def conjugate(self, u, y):
        """The convex conjugate, elementwise: the supremum over z of ``u z - value(z, y)``, inf outside its domain.

        Parameters
        ----------
        u : array-like
            Slopes.
        y : array-like
            Targets.

        Returns
        -------
        float64 ndarray of the broadcast shape

        Raises
        ------
        ValueError
            The loss has none in closed form.

        Examples
        --------
        >>> Hinge().conjugate([-1.0, -0.5, 0.0, 0.5], 1.0)
        array([-1. , -0.5,  0. ,  inf])
        """
        self.ready()
        if self.conjugate_fn is NULL:
            raise ValueError(f"{type(self).__name__} has no conjugate in closed form.")
        return self._points(u, None, y)

    def both(self, p, y):
        """Values and slopes, as the kernels work them out for many heads at once.

        Parameters
        ----------
        p : array-like of shape (n,)
            Predictions.
        y : array-like of shape (n,)
            Targets.

        Returns
        -------
        (value, slope) : float64 ndarrays of shape (n,)
        """
        cdef const double[::1] ps = np.ascontiguousarray(p, np.float64), ys = np.ascontiguousarray(y, np.float64)
        cdef double[::1] value = np.empty(ps.shape[0]), slope = np.empty(ps.shape[0])
        cdef Py_ssize_t i
        self.ready()
        if ys.shape[0] != ps.shape[0]:
            raise ValueError(f"p and y must be of one length, found {ps.shape[0]} and {ys.shape[0]}.")
        if self.many_fn is not NULL and ps.shape[0]:
            self.many_fn(ps.shape[0], &ps[0], &ys[0], &value[0], &slope[0], self.par)
        else:
            for i in range(ps.shape[0]):
                value[i], slope[i] = self.value_fn(ps[i], ys[i], self.par), self.slope_fn(ps[i], ys[i], self.par)
        return np.asarray(value), np.asarray(slope)

    def _map(self, p, y, bint slope):
        self.ready()
        p, y = np.broadcast_arrays(np.asarray(p, np.float64), np.asarray(y, np.float64))
        out = np.empty(p.shape)
        cdef const double[::1] ps = np.ascontiguousarray(p).ravel(), ys = np.ascontiguousarray(y).ravel()
        cdef double[::1] os = out.reshape(-1)
        cdef loss_fn fn = self.slope_fn if slope else self.value_fn
        cdef Py_ssize_t i
        with nogil:
            for i in range(ps.shape[0]):
                os[i] = fn(ps[i], ys[i], self.par)
        return out[()]

    def _points(self, z, s, y):
        """implicit(z, s, y); or, with s None, conjugate(z, y)."""
        cdef bint implicit = s is not None
        z, s, y = np.broadcast_arrays(*(np.asarray(a, np.float64) for a in (z, s if implicit else 0.0, y)))
        out = np.empty(z.shape)
        cdef const double[::1] zs, ss, ys
        zs, ss, ys = (np.ascontiguousarray(a).ravel() for a in (z, s, y))
        cdef double[::1] os = out.reshape(-1)
        cdef Py_ssize_t i
        with nogil:
            for i in range(zs.shape[0]):
                if implicit:
                    os[i] = implicit_step(self.implicit_fn, self.slope_fn, zs[i], ss[i], ys[i], self.par)
                else:
                    os[i] = self.conjugate_fn(zs[i], ys[i], self.par)
        return out[()]

    def mean(self, p):
        """The predicted mean of the target: p itself, but for a log link.

        Parameters
        ----------
        p : array-like
            Raw predictions x.w + b.

        Returns
        -------
        array-like
            As p.
        """
        return p

    @property
    def by_mean(self):
        """Whether the best constant follows from the mean of y."""
        return self.constant_fn is not NULL

    def constant_of_mean(self, mean, n):
        """The best prediction that is the same for n rows whose targets have this mean, elementwise.

        Of a likelihood that has none where all targets are 0, or all of one class, there is half a row of another one.

        Parameters
        ----------
        mean : array-like
            The means of the targets.
        n : array-like
            How many rows there are.

        Returns
        -------
        float64 ndarray of the broadcast shape

        Raises
        ------
        ValueError
            The best constant does not follow from the mean: see `by_mean`.

        Examples
        --------
        >>> get("hinge").constant_of_mean([-0.8, 0.2], 10)
        array([-1.,  1.])
        """
        self.ready()
        if self.constant_fn is NULL:
            raise ValueError(f"the best constant of {type(self).__name__} does not follow from the mean of the targets.")
        mean, n = np.broadcast_arrays(np.asarray(mean, np.float64), np.asarray(n, np.float64))
        found = [self.constant_fn(m, rows, self.par) for m, rows in zip(mean.ravel().tolist(), n.ravel().tolist(), strict=True)]
        return np.array(found).reshape(mean.shape)[()]

    def offers(self, name):
        """Whether the loss has a method of its own of that name.

        Parameters
        ----------
        name : {"mean", "second", "pieces", "constant"}

        Returns
        -------
        bool
        """
        return getattr(type(self), name) is not getattr(Loss, name)

    @property
    def usual_curvature(self):
        """The slope's own slope, about."""
        return self.curvature

    def second(self, slope, y):
        """The second derivative of the loss, elementwise, from the first: without another exponential.

        Parameters
        ----------
        slope : ndarray of shape (n,)
            Slopes, as `slope` gives them.
        y : ndarray of shape (n,)
            Targets.

        Returns
        -------
        ndarray of shape (n,)

        Raises
        ------
        NotImplementedError
            The loss has none: see `offers`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no curvature that follows from its slope.")

    def information(self, slope, y):
        """What is expected of `second` where y is of the loss's distribution, elementwise.

        Parameters
        ----------
        slope : ndarray of shape (n,)
            Slopes, as `slope` gives them.
        y : ndarray of shape (n,)
            Targets.

        Returns
        -------
        ndarray of shape (n,)
        """
        return self.second(slope, y)

    def pieces(self, y):
        """The loss as a sum of lines and parabolas: of max over ``low <= a <= high`` of ``a (t - p) - bend a^2 / 2``.

        Parameters
        ----------
        y : ndarray of shape (n,)
            Targets.

        Returns
        -------
        list of (t, bend, low, high)

        Raises
        ------
        NotImplementedError
            The loss has none: see `offers`.
        """
        raise NotImplementedError(f"{type(self).__name__} is not made of lines and parabolas.")

    def constant(self, y):
        """The best prediction that is the same for all these targets, or near it.

        Parameters
        ----------
        y : ndarray of shape (n,)
            Targets.

        Returns
        -------
        float

        Raises
        ------
        NotImplementedError
            The loss has none: see `offers`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no constant that would be better than 0.")

    def _number(self, int slot, name, value, low, high, low_ok=False):
        """Keep a constructor argument and put it where the C functions read it."""
        HasParams._number(self, name, value, low, high, low_ok)
        self.par[slot] = value

    def __repr__(self):
        return HasParams.__repr__(self)

    def __eq__(self, other):
        return HasParams.__eq__(self, other)

    def __hash__(self):
        return HasParams.__hash__(self)

    def __reduce__(self):
        return _make, (type(self), self.get_params())

    def __getstate__(self):  # skops asks for these, and not for __reduce__
        return self.get_params()

    def __setstate__(self, params):
        self.__init__(**params)
