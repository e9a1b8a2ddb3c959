from fastsgd.losses cimport constant_fn, implicit_fn, loss_fn, losses_fn
from fastsgd.schedules cimport schedule_fn, schedules_fn
from libc.stdint cimport int32_t

# The update rules, see update.pxi.
cdef enum:
    SGD, MOMENTUM, ADAGRAD, RMSPROP, ADAM, FTRL

# One step of an optimizer: its parameters, and the numbers of this step.
cdef struct Rule:
    int kind
    double par[5]
    double l1, l2
    double eta
    double mean             # gradients are sums over the rows: times this
    double done             # steps before this one
    double c1, c2           # Adam: 1 - beta1^t, 1 - beta2^t, or 1 without bias correction

# What a kernel needs to know of the model; read-only while it runs.
cdef struct Params:
    loss_fn value
    loss_fn slope
    losses_fn many          # both, for many predictions; or NULL
    int inlined             # as Loss has it; CALLED where the step is made from the value
    int coupled             # many takes the heads of one row together
    const double* loss_par
    schedule_fn schedule
    schedules_fn schedules  # of several clocks at once; or NULL
    const double* schedule_par
    double l1, l2           # factors of |w|_1 and |w|_2^2 / 2
    double intercept_decay  # the intercept's step, times this; 0 without an intercept
    double nu               # one-class: the intercept's own slope
    double noise            # variance of the noise on the slopes in W, before it falls
    double average          # first step that counts in the average; 0 for none
    double fade             # what a row counts is multiplied by this with each row after it; 1: none fades
    double stride           # steps of the clock with each row: 1, or the number of lanes that go on at once
    int pa                  # 1, 2: passive-aggressive
    double pa_sign          # passive-aggressive classification: the sign is y's, not the residual's
    implicit_fn implicit    # or NULL
    constant_fn constant    # or NULL
    double curvature, span  # as Loss has them
    bint residual           # as Loss has it

# The scalars of the state, one record of State.at.
cdef packed struct Scalars:
    double t            # number of the next step, from 1
    double scale        # true weights are scale * W
    double u            # L1 penalty a weight could have received so far
    double avg_a        # sum of scale over the averaged steps
    double avg_n        # number of averaged steps, or where older ones fade, what is left of them
    double eta_factor   # the schedule's step size, times this
    double since        # steps taken before the optimizer's slots were new
    double grown        # the unit of the averages' sums, avg_a and avg_n among them, which grows where older steps fade

# The clock of learning_rate="auto", one record of Auto.at.
cdef packed struct AutoScalars:
    double t            # rows so far
    double weight       # sum of their weights; where older rows fade, these and the next two sums are of what is left of them
    double rho          # dense: sum of their squared lengths
    double values       # CSR: number of their values
    double last, due    # dense: `recent` when the penalty was last paid, and t when it is next; CSR: see auto_centred.pxi
    double recent       # rows so far, or where older ones fade, what is left of them
    double grown        # the unit of the columns' sums over rows, which grows where older ones fade
    double block        # dense: t when Newton's next step is due

# What one head is trained by: see fastsgd.plan.
cdef packed struct HeadRecord:
    double l1, l2
    double intercept_decay
    double nu
    double average
    double half_life
    double schedule[6]  # the numbers of the bound schedule
    int32_t column      # of y, or the class of `code`
    int32_t fold        # rows of this fold are left out; -1: none
    int32_t resample    # number of the bootstrap sample whose rows it sees; 0: each row once
    int32_t model       # heads of one model stop together

cdef class Compiled:
    cdef Params par
    cdef Rule rule
    cdef object plan        # keeps alive what the pointers are of
    cdef const unsigned char[::1] records
    cdef const HeadRecord* heads
    cdef readonly Py_ssize_t n_heads
    cdef readonly double batch_size
    cdef readonly bint lazy, closed, tabled
    cdef double[::1] table  # of the next steps, where they follow from a Python function
    cdef Compiled ahead(self, double t, Py_ssize_t n)
