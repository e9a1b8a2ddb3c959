# A loss in C: its value, or its slope d loss / d p, at prediction p and target y.
ctypedef double (*loss_fn)(double p, double y, const double* par) noexcept nogil

# Value and slope for n predictions at once; of a coupled loss, for the n heads of one row.
ctypedef void (*losses_fn)(Py_ssize_t n, const double* p, const double* y, double* value, double* slope,
                           const double* par) noexcept nogil

cdef class Loss:
    cdef loss_fn value_fn
    cdef loss_fn slope_fn
    cdef losses_fn many_fn      # may be NULL: then one by one
    cdef double par[8]          # six parameters; Custom keeps two addresses behind them
    cdef dict __dict__
    cdef int ready(self) except -1  # the pointers may be read from now on
