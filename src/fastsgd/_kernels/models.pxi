# What is kept of several models while a kernel runs, and the loops along their heads, which are in C.
cdef extern from "models.h":
    ctypedef struct Models:
        Py_ssize_t K
        double* t
        double* scale
        double* u
        double* avg_a
        double* avg_n
        double* factor
        double* l1
        double* l2
        double* intercept_decay
        double* nu
        double* average
        double* schedule
        int32_t* column
        int32_t* fold
        int32_t* resample
        double* s
        double* p
        double* y
        double* value
        double* slope
        double* eta
        double* step
        double* inv
        double* u0
        double* inv0
        double* last
        double* product
        double* b
        double* b_avg
        double* loss_sum
        double* weight_sum
        bint folded, resampled, averaged
        uint64_t seed
    enum:
        MODELS_DOUBLES, MODELS_INTS
    void leave_out "fastsgd_leave_out"(const Models* H, int32_t fold) noexcept nogil
    bint any_small "fastsgd_any_small"(const Models* H, double least) noexcept nogil
    void hinges "fastsgd_hinges"(const Models* H, double threshold) noexcept nogil
    void logistics "fastsgd_logistics"(const Models* H) noexcept nogil
    void log_losses "fastsgd_log_losses"(const Models* H) noexcept nogil
    void steps_of_heads "fastsgd_steps"(const Models* H, double most) noexcept nogil
    bint decay_heads "fastsgd_decay"(const Models* H, double least) noexcept nogil
    void invert_heads "fastsgd_invert"(const Models* H) noexcept nogil
    void advance_heads "fastsgd_advance"(const Models* H) noexcept nogil
    bint f4_margins(const Models* H, const float* z) noexcept nogil
    bint d4_margins(const Models* H, const double* z) noexcept nogil
    Py_ssize_t f4_changes(const Models* H, float* c) noexcept nogil
    Py_ssize_t d4_changes(const Models* H, double* c) noexcept nogil
    void f4_dots_dense(const float* x, const Py_ssize_t* ix, Py_ssize_t n, const float* W, Py_ssize_t S, float* z,
                       Py_ssize_t h) noexcept nogil
    void f4_dots_csr32(const float* x, const int32_t* ix, Py_ssize_t n, const float* W, Py_ssize_t S, float* z,
                       Py_ssize_t h) noexcept nogil
    void f4_dots_csr64(const float* x, const int64_t* ix, Py_ssize_t n, const float* W, Py_ssize_t S, float* z,
                       Py_ssize_t h) noexcept nogil
    void d4_dots_dense(const double* x, const Py_ssize_t* ix, Py_ssize_t n, const double* W, Py_ssize_t S, double* z,
                       Py_ssize_t h) noexcept nogil
    void d4_dots_csr32(const double* x, const int32_t* ix, Py_ssize_t n, const double* W, Py_ssize_t S, double* z,
                       Py_ssize_t h) noexcept nogil
    void d4_dots_csr64(const double* x, const int64_t* ix, Py_ssize_t n, const double* W, Py_ssize_t S, double* z,
                       Py_ssize_t h) noexcept nogil
    void f4_adds_dense(const float* x, const Py_ssize_t* ix, Py_ssize_t n, float* W, Py_ssize_t S, const float* c,
                       Py_ssize_t h) noexcept nogil
    void f4_adds_csr32(const float* x, const int32_t* ix, Py_ssize_t n, float* W, Py_ssize_t S, const float* c,
                       Py_ssize_t h) noexcept nogil
    void f4_adds_csr64(const float* x, const int64_t* ix, Py_ssize_t n, float* W, Py_ssize_t S, const float* c,
                       Py_ssize_t h) noexcept nogil
    void d4_adds_dense(const double* x, const Py_ssize_t* ix, Py_ssize_t n, double* W, Py_ssize_t S, const double* c,
                       Py_ssize_t h) noexcept nogil
    void d4_adds_csr32(const double* x, const int32_t* ix, Py_ssize_t n, double* W, Py_ssize_t S, const double* c,
                       Py_ssize_t h) noexcept nogil
    void d4_adds_csr64(const double* x, const int64_t* ix, Py_ssize_t n, double* W, Py_ssize_t S, const double* c,
                       Py_ssize_t h) noexcept nogil
    void f4_adds_dots(const float* x, const float* next, Py_ssize_t n, float* W, Py_ssize_t S, const float* c,
                      float* z) noexcept nogil
    void d4_adds_dots(const double* x, const double* next, Py_ssize_t n, double* W, Py_ssize_t S, const double* c,
                      double* z) noexcept nogil
    void f4_shrink_heads(const float* x, Py_ssize_t n, float* W, float* Q, Py_ssize_t S, const float* c, const float* most,
                         const float* inv, const float* scale) noexcept nogil
    void d4_shrink_heads(const double* x, Py_ssize_t n, double* W, double* Q, Py_ssize_t S, const double* c, const double* most,
                         const double* inv, const double* scale) noexcept nogil
    void f4_thresholds(const Models* H, float* tau) noexcept nogil
    void d4_thresholds(const Models* H, double* tau) noexcept nogil
    void f4_soft_csr32(const float* x, const int32_t* ix, Py_ssize_t n, const float* W, Py_ssize_t S, const float* tau,
                       float* z) noexcept nogil
    void f4_soft_csr64(const float* x, const int64_t* ix, Py_ssize_t n, const float* W, Py_ssize_t S, const float* tau,
                       float* z) noexcept nogil
    void d4_soft_csr32(const double* x, const int32_t* ix, Py_ssize_t n, const double* W, Py_ssize_t S, const double* tau,
                       double* z) noexcept nogil
    void d4_soft_csr64(const double* x, const int64_t* ix, Py_ssize_t n, const double* W, Py_ssize_t S, const double* tau,
                       double* z) noexcept nogil
    void f4_paying_of(const Models* H, Py_ssize_t S, float* R) noexcept nogil
    void d4_paying_of(const Models* H, Py_ssize_t S, double* R) noexcept nogil
    void f4_pay_csr32(const float* x, const int32_t* ix, Py_ssize_t n, float* W, Py_ssize_t S, const float* R) noexcept nogil
    void f4_pay_csr64(const float* x, const int64_t* ix, Py_ssize_t n, float* W, Py_ssize_t S, const float* R) noexcept nogil
    void d4_pay_csr32(const double* x, const int32_t* ix, Py_ssize_t n, double* W, Py_ssize_t S, const double* R) noexcept nogil
    void d4_pay_csr64(const double* x, const int64_t* ix, Py_ssize_t n, double* W, Py_ssize_t S, const double* R) noexcept nogil
    enum:
        PAYING

cdef int allocate(Models* H, Py_ssize_t K) except -1:
    """The arrays of K models, in two pieces: free(H.t), free(H.column)."""
    cdef double* x = <double*> calloc(MODELS_DOUBLES * K, sizeof(double))
    cdef int32_t* i = <int32_t*> calloc(MODELS_INTS * K, sizeof(int32_t))
    if x is NULL or i is NULL:
        free(x)
        free(i)
        raise MemoryError(f"no memory for {K} models")
    H.K = K
    H.t, H.scale, H.u, H.avg_a, H.avg_n, H.factor = x, x + K, x + 2 * K, x + 3 * K, x + 4 * K, x + 5 * K
    x += 6 * K
    H.l1, H.l2, H.intercept_decay, H.nu, H.average = x, x + K, x + 2 * K, x + 3 * K, x + 4 * K
    x += 5 * K
    H.s, H.p, H.y, H.value, H.slope = x, x + K, x + 2 * K, x + 3 * K, x + 4 * K
    x += 5 * K
    H.eta, H.step, H.inv, H.u0, H.inv0 = x, x + K, x + 2 * K, x + 3 * K, x + 4 * K
    H.product, H.last, H.schedule = x + 5 * K, x + 6 * K, x + 7 * K
    H.column, H.fold, H.resample = i, i + K, i + 2 * K
    return 0
