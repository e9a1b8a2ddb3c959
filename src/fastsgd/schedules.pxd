# The step size at step t = 1, 2, 3, ...
ctypedef double (*schedule_fn)(double t, const double* par) noexcept nogil

cdef class Schedule:
    cdef schedule_fn fn
    cdef double par[6]
    cdef bint bound         # par holds the numbers of a fit
    cdef dict __dict__
    cdef int ready(self) except -1  # the pointer may be read from now on
