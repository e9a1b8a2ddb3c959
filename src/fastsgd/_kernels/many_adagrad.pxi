# Several models in one pass, by AdaGrad: each is what the batches of one row of one head give, see steps.pxi.
cdef extern from "adagrad.h":
    enum:
        OWED, ADAGRAD_NUMBERS
    void adagrad_steps "fastsgd_adagrad_steps"(const Models* H, double* vb, double eps) noexcept nogil
    void f4_adagrad_numbers(const Models* H, Py_ssize_t S, const double* late, bint all, float* R) noexcept nogil
    void d4_adagrad_numbers(const Models* H, Py_ssize_t S, const double* late, bint all, double* R) noexcept nogil
    void f4_owed(const Models* H, float* owed) noexcept nogil
    void d4_owed(const Models* H, double* owed) noexcept nogil
    void f4_adagrad_dense(const float* x, const int32_t* ix, Py_ssize_t n, float* W, float* v, float* A, float* paid,
                          Py_ssize_t S, const float* R, float eps) noexcept nogil
    void f4_adagrad_csr32(const float* x, const int32_t* ix, Py_ssize_t n, float* W, float* v, float* A, float* paid,
                          Py_ssize_t S, const float* R, float eps) noexcept nogil
    void f4_adagrad_csr64(const float* x, const int64_t* ix, Py_ssize_t n, float* W, float* v, float* A, float* paid,
                          Py_ssize_t S, const float* R, float eps) noexcept nogil
    void d4_adagrad_dense(const double* x, const int32_t* ix, Py_ssize_t n, double* W, double* v, double* A, double* paid,
                          Py_ssize_t S, const double* R, double eps) noexcept nogil
    void d4_adagrad_csr32(const double* x, const int32_t* ix, Py_ssize_t n, double* W, double* v, double* A, double* paid,
                          Py_ssize_t S, const double* R, double eps) noexcept nogil
    void d4_adagrad_csr64(const double* x, const int64_t* ix, Py_ssize_t n, double* W, double* v, double* A, double* paid,
                          Py_ssize_t S, const double* R, double eps) noexcept nogil
    void f4_late_dense(const int32_t* ix, Py_ssize_t n, float* W, const float* v, float* paid, Py_ssize_t S,
                       const float* owed, float eps) noexcept nogil
    void f4_late_csr32(const int32_t* ix, Py_ssize_t n, float* W, const float* v, float* paid, Py_ssize_t S,
                       const float* owed, float eps) noexcept nogil
    void f4_late_csr64(const int64_t* ix, Py_ssize_t n, float* W, const float* v, float* paid, Py_ssize_t S,
                       const float* owed, float eps) noexcept nogil
    void d4_late_dense(const int32_t* ix, Py_ssize_t n, double* W, const double* v, double* paid, Py_ssize_t S,
                       const double* owed, double eps) noexcept nogil
    void d4_late_csr32(const int32_t* ix, Py_ssize_t n, double* W, const double* v, double* paid, Py_ssize_t S,
                       const double* owed, double eps) noexcept nogil
    void d4_late_csr64(const int64_t* ix, Py_ssize_t n, double* W, const double* v, double* paid, Py_ssize_t S,
                       const double* owed, double eps) noexcept nogil


# What AdaGrad keeps beside the weights: slots of the weights and intercepts; on CSR, where features that a row does not have
# take their L1 steps later, what each weight has received of them (paid, or NULL), and which heads have such features; or a
# row laid out dense, where every feature takes every step (wide, or NULL), as on dense rows (every).
cdef struct Slots:
    void* v
    void* paid
    void* wide
    double* vb
    double* late            # (K,) 1 or 0
    double eps
    bint every


cdef inline void pay_late(const Layout* L, Py_ssize_t lo, Py_ssize_t n, floating* W, const Slots* G, const Models* H,
                          Py_ssize_t S, floating* owed) noexcept nogil:
    """The features of a row, on dense rows the first n, pay what they owe."""
    cdef floating* v = <floating*> G.v
    cdef floating* paid = <floating*> G.paid
    cdef const int32_t* none = NULL
    if floating is float:
        f4_owed(H, owed)
        if Layout is Dense:
            f4_late_dense(none, n, W, v, paid, S, owed, <float> G.eps)
        elif Layout is Csr32:
            f4_late_csr32(L.indices + lo, n, W, v, paid, S, owed, <float> G.eps)
        else:
            f4_late_csr64(L.indices + lo, n, W, v, paid, S, owed, <float> G.eps)
    else:
        d4_owed(H, owed)
        if Layout is Dense:
            d4_late_dense(none, n, W, v, paid, S, owed, G.eps)
        elif Layout is Csr32:
            d4_late_csr32(L.indices + lo, n, W, v, paid, S, owed, G.eps)
        else:
            d4_late_csr64(L.indices + lo, n, W, v, paid, S, owed, G.eps)


cdef inline void adagrad_heads(const Layout* L, const floating* values, Py_ssize_t lo, Py_ssize_t n, floating* W, floating* A,
                               const Slots* G, const Models* H, Py_ssize_t S, floating* R) noexcept nogil:
    """The step of the features of a row, on dense rows of the first n."""
    cdef floating* v = <floating*> G.v
    cdef floating* paid = <floating*> G.paid
    cdef const int32_t* none = NULL
    if floating is float:
        f4_adagrad_numbers(H, S, G.late, G.every, R)
        if Layout is Dense:
            f4_adagrad_dense(values + lo, none, n, W, v, A, paid, S, R, <float> G.eps)
        elif Layout is Csr32:
            f4_adagrad_csr32(values + lo, L.indices + lo, n, W, v, A, paid, S, R, <float> G.eps)
        else:
            f4_adagrad_csr64(values + lo, L.indices + lo, n, W, v, A, paid, S, R, <float> G.eps)
    else:
        d4_adagrad_numbers(H, S, G.late, G.every, R)
        if Layout is Dense:
            d4_adagrad_dense(values + lo, none, n, W, v, A, paid, S, R, G.eps)
        elif Layout is Csr32:
            d4_adagrad_csr32(values + lo, L.indices + lo, n, W, v, A, paid, S, R, G.eps)
        else:
            d4_adagrad_csr64(values + lo, L.indices + lo, n, W, v, A, paid, S, R, G.eps)


cdef void step_adagrad(const Layout* L, const floating* values, Py_ssize_t lo, Py_ssize_t nnz, floating* W, floating* A,
                       const Slots* G, Models* H, Py_ssize_t S, floating* R) noexcept nogil:
    """The slopes at the margins of a row move the weights, and H.step is what the intercepts move by."""
    cdef floating* wide = <floating*> G.wide
    cdef Dense every
    cdef Py_ssize_t k, h
    adagrad_steps(H, G.vb, G.eps)
    if Layout is Dense:
        adagrad_heads(L, values, lo, nnz, W, A, G, H, S, R)
    elif wide is NULL:
        adagrad_heads(L, values, lo, nnz, W, A, G, H, S, R)
    else:
        for k in range(lo, lo + nnz):
            wide[L.indices[k]] += values[k]
        adagrad_heads(&every, wide, 0, L.d, W, A, G, H, S, R)
        for k in range(lo, lo + nnz):
            wide[L.indices[k]] = 0
    for h in range(H.K if G.every else 0):
        H.avg_a[h] = -1.0 if H.s[h] > 0 and 0 < H.average[h] <= H.t[h] else 0.0  # the weight was added: 0 after this step


cdef void leave_adagrad(Py_ssize_t d, floating* W, floating* A, const Slots* G, Models* H, Py_ssize_t S,
                        floating* R) noexcept nogil:
    """At the end of a call: all weights as they are after the last step, and nothing owed."""
    cdef Dense every
    cdef Py_ssize_t h
    for h in range(H.K):
        H.s[h] = 1
    if G.paid is not NULL:
        pay_late(&every, 0, d, W, G, H, S, R)
    for h in range(H.K):
        if H.avg_a[h] != 0:
            fold_head(W + h, A + h, d, S, H.avg_a[h], 1.0)
        H.u[h] = H.avg_a[h] = 0
