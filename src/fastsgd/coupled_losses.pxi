# The losses of several classes together. Included by losses.pyx.
cdef class Coupled(Loss):
    """Base of the losses of all K margins of a row, whose target is a row of K numbers.

    `binary` names the loss that it is of two classes.

    Examples
    --------
    >>> isinstance(Softmax(), Coupled), Softmax().binary
    (True, 'log_loss')
    """
    coupled, negative = True, 0.0
    binary = None

    cdef int ready(self) except -1:
        return 0

    def value(self, p, y):
        """The loss of each row.

        Parameters
        ----------
        p : array-like of shape (n, K)
            Margins.
        y : array-like of shape (n, K)
            Targets, a row for each row.

        Returns
        -------
        float64 ndarray of shape (n,)
        """
        return self.both(p, y)[0].sum(axis=1)

    def slope(self, p, y):
        """The slope of a row's loss in each of its margins.

        Parameters
        ----------
        p : array-like of shape (n, K)
            Margins.
        y : array-like of shape (n, K)
            Targets, a row for each row.

        Returns
        -------
        float64 ndarray of shape (n, K)
        """
        return self.both(p, y)[1]

    def both(self, p, y):
        """Values and slopes of each margin; the values of a row add up to its loss.

        Parameters
        ----------
        p : array-like of shape (n, K)
            Margins.
        y : array-like of shape (n, K)
            Targets, a row for each row.

        Returns
        -------
        (value, slope) : float64 ndarrays of shape (n, K)
        """
        cdef const double[:, ::1] ps = np.ascontiguousarray(p, np.float64), ys = np.ascontiguousarray(y, np.float64)
        cdef double[:, ::1] value = np.empty(np.shape(p)), slope = np.empty(np.shape(p))
        cdef Py_ssize_t i
        if ys.shape[0] != ps.shape[0] or ys.shape[1] != ps.shape[1] or not ps.shape[1]:
            raise ValueError(f"p and y must be of one shape (n, K), found {np.shape(p)} and {np.shape(y)}.")
        for i in range(ps.shape[0]):
            self.many_fn(ps.shape[1], &ps[i, 0], &ys[i, 0], &value[i, 0], &slope[i, 0], self.par)
        return np.asarray(value), np.asarray(slope)


cdef class Softmax(Coupled):
    """-sum_k y_k log q_k, q_k = exp(p_k) / sum_j exp(p_j), y a distribution: multinomial logistic regression.

    References
    ----------
    Böhning (1992), Multinomial logistic regression algorithm.

    Examples
    --------
    >>> Softmax().slope([[0.0, 0.0]], [[1.0, 0.0]])
    array([[-0.5,  0.5]])
    """
    name, binary, smooth, curvature = "multinomial", "log_loss", True, 0.5
    solved, solved_with_l1 = ("classifier",), False

    def __init__(self):
        self.many_fn = fastsgd_softmax


cdef class CrammerSinger(Coupled):
    """sum over the other classes of max(0, p_k - p_y + 1), y the class whose target is 1 (Weston and Watkins 1998).

    Crammer and Singer (2001) take the largest of these terms, Weston and Watkins their sum.

    References
    ----------
    Weston and Watkins (1998), Multi-class support vector machines. Crammer and Singer (2001), On the algorithmic
    implementation of multiclass kernel-based vector machines.

    Examples
    --------
    >>> CrammerSinger().value([[0.5, 1.0, -2.0]], [[1.0, 0.0, 0.0]])
    array([1.5])
    """
    name, binary = "crammer_singer", "hinge"

    def __init__(self):
        self.many_fn = crammer_singer
