# A loss in C: its value, or its slope d loss / d p, at prediction p and target y.
ctypedef double (*loss_fn)(double p, double y, const double* par) noexcept nogil

cdef class Loss:
    cdef loss_fn value_fn
    cdef loss_fn slope_fn
    cdef double par[4]
    cdef dict __dict__
