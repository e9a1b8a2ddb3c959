# Tags, targets, state; and what is done along one row.
from cython cimport floating
from libc.math cimport INFINITY, M_PI, cos, fabs, floor, isfinite, log, log1p, pow, sin, sqrt, sqrtf
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

import numpy as np

from fastsgd._kernels.plan import SCALARS
from fastsgd._philox cimport LANES, RESAMPLES, philox, poisson_of
from fastsgd._kernels.plan cimport ADAGRAD, ADAM, FTRL, MOMENTUM, RMSPROP, SGD
from fastsgd._kernels.plan cimport AutoScalars, Compiled, HeadRecord, Params, Rule, Scalars
from fastsgd.losses cimport (
    HINGE, LOGISTIC, hinge_both, hinge_implicit, implicit_step, log_loss_near, logistic_slope, logistic_value,
)

include "layout.pxi"  # X, and the order of its rows


cdef inline floating root(floating x) noexcept nogil:
    if floating is float:
        return sqrtf(x)
    else:
        return sqrt(x)


cdef extern from "lanes.h":
    void near "fastsgd_near"(const void* p) noexcept nogil  # to the first cache
    void far "fastsgd_far"(const void* p) noexcept nogil    # to the second
    void one_by_one "fastsgd_one_by_one"() noexcept nogil   # in a loop: don't vectorise it
    int U0, TAU0, RATE, U, INV, SCALE, TAU, STEP, SMALL_STEP, SMALL_U, TWICE_SMALL_U0, SMALL, PER_SMALL
    ctypedef float f4
    ctypedef double d4
    f4 f4_zero() noexcept nogil
    f4 f4_add(f4 a, f4 b) noexcept nogil
    f4 f4_mul(f4 a, f4 b) noexcept nogil
    f4 f4_plus(f4 a, float x, const float* w) noexcept nogil
    f4 f4_times(f4 a, float x, f4 w) noexcept nogil
    f4 f4_load(const float* w) noexcept nogil
    void f4_store(float* w, f4 a) noexcept nogil
    f4 f4_set(float a, float b, float c, float e) noexcept nogil
    f4 f4_soft(f4 a, f4 t, f4 minus_t) noexcept nogil  # sign(a) max(|a| - t, 0)
    float f4_sum(f4 a) noexcept nogil
    void f4_plus_all(f4* a, float x, const float* w, int fours) noexcept nogil
    void f4_add_all(float* w, float x, const f4* c, int fours) noexcept nogil
    void f4_store_all(float* z, const f4* a, const f4* b, int fours) noexcept nogil
    f4 f4_all(float t) noexcept nogil
    f4 f4_move(f4 g, f4 x, const float* R, int* stays) noexcept nogil
    f4 f4_pay(f4 g, f4 x, const float* R) noexcept nogil
    void f4_put(float* a, float* b, float* c, float* e, f4 v) noexcept nogil
    float f4_dot(const float* x, const float* w, Py_ssize_t n) noexcept nogil
    float f4_two_dots(const float* x, const float* w, const float* v, Py_ssize_t n, double* second) noexcept nogil
    void f4_fetch(const float* soon, const float* next, Py_ssize_t n) noexcept nogil
    float f4_dot_and_fetch(const float* x, const float* w, Py_ssize_t n, const float* soon, const float* next,
                           Py_ssize_t each) noexcept nogil
    d4 d4_zero() noexcept nogil
    d4 d4_add(d4 a, d4 b) noexcept nogil
    d4 d4_mul(d4 a, d4 b) noexcept nogil
    d4 d4_plus(d4 a, double x, const double* w) noexcept nogil
    d4 d4_times(d4 a, double x, d4 w) noexcept nogil
    d4 d4_load(const double* w) noexcept nogil
    void d4_store(double* w, d4 a) noexcept nogil
    d4 d4_set(double a, double b, double c, double e) noexcept nogil
    d4 d4_soft(d4 a, d4 t, d4 minus_t) noexcept nogil  # sign(a) max(|a| - t, 0)
    double d4_sum(d4 a) noexcept nogil
    void d4_plus_all(d4* a, double x, const double* w, int fours) noexcept nogil
    void d4_add_all(double* w, double x, const d4* c, int fours) noexcept nogil
    void d4_store_all(double* z, const d4* a, const d4* b, int fours) noexcept nogil
    d4 d4_all(double t) noexcept nogil
    d4 d4_move(d4 g, d4 x, const double* R, int* stays) noexcept nogil
    d4 d4_pay(d4 g, d4 x, const double* R) noexcept nogil
    void d4_put(double* a, double* b, double* c, double* e, d4 v) noexcept nogil
    double d4_dot(const double* x, const double* w, Py_ssize_t n) noexcept nogil
    double d4_two_dots(const double* x, const double* w, const double* v, Py_ssize_t n, double* second) noexcept nogil
    void d4_fetch(const double* soon, const double* next, Py_ssize_t n) noexcept nogil
    double d4_dot_and_fetch(const double* x, const double* w, Py_ssize_t n, const double* soon, const double* next,
                            Py_ssize_t each) noexcept nogil

# ---------------------------------------------------------------- tags
cdef struct One:
    char _
cdef struct Many:
    char _
cdef struct Narrow:
    char _
cdef struct Wide:
    char _
cdef struct Ahead:
    char _
ctypedef fused Heads:
    One
    Many
ctypedef fused Margin:  # how that of a dense row of one head is made; all else is Narrow
    Narrow              # x . w
    Wide                # x . w, and meanwhile the next row is fetched line by line
    Ahead               # during the row before, but for what its step adds

# The targets: a number for each row and head, or (one-vs-rest) the class of each row.
cdef struct Targets:
    Py_ssize_t K
    const double* y             # (n, K), or NULL
    const int32_t* code         # (n,), or NULL
    double negative             # target of the rest; that of the class is 1
    const double* s             # (n,) weights of rows, or NULL for ones
    const double* s_pos         # (K,) and of y > 0 and y <= 0 in each head, or NULL for ones
    const double* s_neg
    const int32_t* fold         # (n,) the fold of each row, or NULL
    const int64_t* number       # (n,) its number in the data, or NULL for 0, 1, ...

# The state, in place. Q: L1 penalty each weight has received; A: sum over the averaged steps, less avg_a * W.
cdef struct Moving:
    Py_ssize_t K            # heads
    Py_ssize_t S            # columns of W and of all that is like it
    void* W                 # (d, S) weights, in the dtype of X as all of these, or NULL where there are none
    void* Q
    void* A
    void* m                 # slots of the optimizer
    void* v
    void* G                 # the gradient so far
    double* b               # (K,)
    double* b_avg           # (K,)
    Scalars* at
    double* loss_sum        # (K,) of the losses before each step, and of the weights: added to
    double* weight_sum
    double* of              # (4, K) workspace: margins, targets, values, slopes
    int32_t* live           # (K,) workspace: heads that move


cdef inline double target(const Targets* T, Py_ssize_t r, Py_ssize_t h) noexcept nogil:
    if T.code is not NULL:
        return 1.0 if T.code[r] == h else T.negative
    return T.y[r * T.K + h]


cdef inline double weight(const Targets* T, Py_ssize_t r, Py_ssize_t h, double y) noexcept nogil:
    cdef double s = T.s[r] if T.s is not NULL else 1.0
    return s if T.s_pos is NULL else s * (T.s_pos[h] if y > 0 else T.s_neg[h])


# ---------------------------------------------------------------- along one row
cdef inline f4 at_f4(const Csr* L, const float* w, Py_ssize_t k) noexcept nogil:
    """The four weights of the values from k on."""
    ix = L.indices + k
    return f4_set(w[ix[0]], w[ix[1]], w[ix[2]], w[ix[3]])


cdef inline d4 at_d4(const Csr* L, const double* w, Py_ssize_t k) noexcept nogil:
    ix = L.indices + k
    return d4_set(w[ix[0]], w[ix[1]], w[ix[2]], w[ix[3]])


cdef inline floating lanes_dot(const floating* x, const floating* w, Py_ssize_t n) noexcept nogil:
    """x . w."""
    if floating is float:
        return f4_dot(x, w, n)
    else:
        return d4_dot(x, w, n)


cdef inline double two_dots(const floating* x, const floating* w, const floating* v, Py_ssize_t n, double* second) noexcept nogil:
    """x . w, and x . v as the second."""
    if floating is float:
        return f4_two_dots(x, w, v, n, second)
    else:
        return d4_two_dots(x, w, v, n, second)


cdef inline double dot(const Layout* L, const floating* values, Py_ssize_t lo, Py_ssize_t nnz, const floating* w) noexcept nogil:
    """x . w. On CSR vectors are put together from single loads: gather instructions stall behind the last row's stores."""
    cdef const floating* x = values + lo
    cdef Py_ssize_t k = 0
    cdef floating s
    cdef f4 a = f4_zero(), a2 = a
    cdef d4 b = d4_zero(), b2 = b
    if Layout is Dense:
        return lanes_dot(x, w, nnz)
    else:
        while k + 8 <= nnz:
            if floating is float:
                a = f4_add(a, f4_mul(f4_load(x + k), at_f4(L, w, lo + k)))
                a2 = f4_add(a2, f4_mul(f4_load(x + k + 4), at_f4(L, w, lo + k + 4)))
            else:
                b = d4_add(b, d4_mul(d4_load(x + k), at_d4(L, w, lo + k)))
                b2 = d4_add(b2, d4_mul(d4_load(x + k + 4), at_d4(L, w, lo + k + 4)))
            k += 8
        a, b = f4_add(a, a2), d4_add(b, b2)
        if k + 4 <= nnz:
            if floating is float:
                a = f4_add(a, f4_mul(f4_load(x + k), at_f4(L, w, lo + k)))
            else:
                b = d4_add(b, d4_mul(d4_load(x + k), at_d4(L, w, lo + k)))
            k += 4
        if floating is float:
            s = f4_sum(a)
        else:
            s = d4_sum(b)
        while k < nnz:
            s += x[k] * w[L.indices[lo + k]]
            one_by_one()
            k += 1
        return s


cdef inline void add(const Layout* L, const floating* values, Py_ssize_t lo, Py_ssize_t nnz, floating* w,
                     floating c) noexcept nogil:
    """w += c x. On CSR four values a turn, which saves a third of the instructions."""
    cdef const floating* x = values + lo
    cdef Py_ssize_t k = 0
    if Layout is Dense:
        for k in range(nnz):
            w[k] += c * x[k]
    else:
        ix = L.indices + lo
        while k + 4 <= nnz:
            w[ix[k]] += c * x[k]
            w[ix[k + 1]] += c * x[k + 1]
            w[ix[k + 2]] += c * x[k + 2]
            w[ix[k + 3]] += c * x[k + 3]
            k += 4
        while k < nnz:
            w[ix[k]] += c * x[k]
            one_by_one()
            k += 1


cdef inline void dots4_f4(const Layout* L, const float* values, Py_ssize_t lo, Py_ssize_t nnz, const float* W, Py_ssize_t S,
                          float* z) noexcept nogil:
    """z = x . W for 4 heads, in four independent sums."""
    cdef const float* x = values + lo
    cdef f4 a = f4_zero(), b = f4_zero(), c = f4_zero(), e = f4_zero()
    cdef Py_ssize_t k = 0
    while k + 4 <= nnz:
        a = f4_plus(a, x[k], W + at(L, lo, k, S))
        b = f4_plus(b, x[k + 1], W + at(L, lo, k + 1, S))
        c = f4_plus(c, x[k + 2], W + at(L, lo, k + 2, S))
        e = f4_plus(e, x[k + 3], W + at(L, lo, k + 3, S))
        k += 4
    while k < nnz:
        a = f4_plus(a, x[k], W + at(L, lo, k, S))
        k += 1
    f4_store(z, f4_add(f4_add(a, b), f4_add(c, e)))


cdef inline void dots4_d4(const Layout* L, const double* values, Py_ssize_t lo, Py_ssize_t nnz, const double* W, Py_ssize_t S,
                          double* z) noexcept nogil:
    """z = x . W for 4 heads, in four independent sums."""
    cdef const double* x = values + lo
    cdef d4 a = d4_zero(), b = d4_zero(), c = d4_zero(), e = d4_zero()
    cdef Py_ssize_t k = 0
    while k + 4 <= nnz:
        a = d4_plus(a, x[k], W + at(L, lo, k, S))
        b = d4_plus(b, x[k + 1], W + at(L, lo, k + 1, S))
        c = d4_plus(c, x[k + 2], W + at(L, lo, k + 2, S))
        e = d4_plus(e, x[k + 3], W + at(L, lo, k + 3, S))
        k += 4
    while k < nnz:
        a = d4_plus(a, x[k], W + at(L, lo, k, S))
        k += 1
    d4_store(z, d4_add(d4_add(a, b), d4_add(c, e)))


cdef inline void dots_fours(const Layout* L, const floating* values, Py_ssize_t lo, Py_ssize_t nnz, const floating* W,
                            Py_ssize_t S, floating* z, int fours) noexcept nogil:
    """z = x . W for 4 `fours` heads, 4 to 12, in two sums of each: the more at once, the fewer loads of x and its place."""
    cdef const floating* x = values + lo
    cdef f4[3] a
    cdef f4[3] b
    cdef d4[3] c
    cdef d4[3] e
    cdef Py_ssize_t k = 0
    a[0] = a[1] = a[2] = b[0] = b[1] = b[2] = f4_zero()
    c[0] = c[1] = c[2] = e[0] = e[1] = e[2] = d4_zero()
    while k + 2 <= nnz:
        if floating is float:
            f4_plus_all(a, x[k], W + at(L, lo, k, S), fours)
            f4_plus_all(b, x[k + 1], W + at(L, lo, k + 1, S), fours)
        else:
            d4_plus_all(c, x[k], W + at(L, lo, k, S), fours)
            d4_plus_all(e, x[k + 1], W + at(L, lo, k + 1, S), fours)
        k += 2
    if k < nnz:
        if floating is float:
            f4_plus_all(a, x[k], W + at(L, lo, k, S), fours)
        else:
            d4_plus_all(c, x[k], W + at(L, lo, k, S), fours)
    if floating is float:
        f4_store_all(z, a, b, fours)
    else:
        d4_store_all(z, c, e, fours)


cdef inline void near_all(const floating* w, Py_ssize_t n) noexcept nogil:
    """Ask for n numbers ahead of their use."""
    cdef Py_ssize_t h = 0
    while h < n:
        near(w + h)
        h += 64 // <Py_ssize_t> sizeof(floating)


cdef inline void dots(const Layout* L, const floating* values, Py_ssize_t lo, Py_ssize_t nnz, const floating* W, Py_ssize_t S,
                      floating* z) noexcept nogil:
    """z = x . W for S heads, a multiple of 4: few in registers, many feature by feature."""
    cdef const floating* x = values + lo
    cdef Py_ssize_t k, h
    cdef const floating* w
    if S <= 32:
        h = 0
        while h + 12 <= S:
            dots_fours(L, values, lo, nnz, W + h, S, z + h, 3)
            h += 12
        if h + 8 <= S:
            dots_fours(L, values, lo, nnz, W + h, S, z + h, 2)
        elif h < S:
            if floating is float:
                dots4_f4(L, values, lo, nnz, W + h, S, z + h)
            else:
                dots4_d4(L, values, lo, nnz, W + h, S, z + h)
        return
    for h in range(S):
        z[h] = 0
    for k in range(nnz):
        w = W + at(L, lo, k, S)
        if Layout is not Dense and k + 1 < nnz:
            near_all(W + at(L, lo, k + 1, S), S)
        for h in range(S):
            z[h] += x[k] * w[h]


cdef inline void adds_fours(const Layout* L, const floating* values, Py_ssize_t lo, Py_ssize_t nnz, floating* W, Py_ssize_t S,
                            const floating* c, int fours) noexcept nogil:
    """W += x c' for 4 `fours` heads, 4 to 12, whose c stay in registers."""
    cdef const floating* x = values + lo
    cdef Py_ssize_t k
    cdef f4[3] a
    cdef d4[3] b
    for k in range(fours):
        if floating is float:
            a[k] = f4_load(c + 4 * k)
        else:
            b[k] = d4_load(c + 4 * k)
    for k in range(nnz):
        if floating is float:
            f4_add_all(W + at(L, lo, k, S), x[k], a, fours)
        else:
            d4_add_all(W + at(L, lo, k, S), x[k], b, fours)


cdef inline void adds(const Layout* L, const floating* values, Py_ssize_t lo, Py_ssize_t nnz, floating* W, Py_ssize_t S,
                      const floating* c, const int32_t* live, Py_ssize_t n_live) noexcept nogil:
    """W += x c' for S heads, a multiple of 4; where few of the c are not 0, for those alone."""
    cdef const floating* x = values + lo
    cdef Py_ssize_t k, h = 0
    cdef floating* w
    if S <= 32 and n_live * 8 >= S:
        while h + 12 <= S:
            adds_fours(L, values, lo, nnz, W + h, S, c + h, 3)
            h += 12
        if h + 8 <= S:
            adds_fours(L, values, lo, nnz, W + h, S, c + h, 2)
        elif h < S:
            adds_fours(L, values, lo, nnz, W + h, S, c + h, 1)
        return
    for k in range(nnz):
        w = W + at(L, lo, k, S)
        if n_live * 8 < S:
            for h in range(n_live):
                w[live[h]] += x[k] * c[live[h]]
        else:
            if Layout is not Dense and k + 1 < nnz:
                near_all(W + at(L, lo, k + 1, S), S)
            for h in range(S):
                w[h] += x[k] * c[h]


cdef inline double squared_norm(const floating* x, Py_ssize_t nnz) noexcept nogil:
    cdef double s = 0
    cdef Py_ssize_t k
    for k in range(nnz):
        s += <double> x[k] * x[k]
    return s
