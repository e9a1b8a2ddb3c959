# The step size at step t = 1, 2, 3, ...
ctypedef double (*schedule_fn)(double t, const double* par) noexcept nogil

# The step sizes of n clocks t, whose numbers are in rows of n: par[i * n + h] is par[i] of the h-th.
ctypedef void (*schedules_fn)(Py_ssize_t n, const double* t, const double* par, double* eta) noexcept nogil

cdef class Schedule:
    cdef schedule_fn fn
    cdef schedules_fn many_fn   # or NULL: then one by one
    cdef double par[6]
    cdef bint bound         # par holds the numbers of a fit
    cdef dict __dict__
    cdef int ready(self) except -1  # the pointer may be read from now on
