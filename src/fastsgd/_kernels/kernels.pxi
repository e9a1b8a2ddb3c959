# The kernels. Included by one .pyx per instruction set; directives and compiler flags are given in setup.py.
#
#     rows -> margins -> slopes -> update
#
# Weights W are feature-major, (n_features, S): the K heads of one feature are neighbours, followed by zeros up to a
# multiple of 4 (S = K = 1 for one). True weights are scale * W. What is settled at compile time: layout, index type,
# dtype, one head or many. Losses and schedules are C pointers, penalties numbers. Every index has been checked before
# (sources/_check.pyx).
include "rows.pxi"      # along one row
include "penalty.pxi"   # L1, at once on dense rows and put off on CSR
include "fetch.pxi"     # rows into the caches, before their turn
include "one.pxi"       # over the rows of a buffer, plain SGD row by row: one head
include "heads.pxi"     # several heads with one clock
include "sweep.pxi"     # buffer by buffer
include "models.pxi"    # what is kept of several models
include "many_adagrad.pxi"  # by AdaGrad
include "many.pxi"      # over the rows, several models row by row
include "total.pxi"     # the losses of a block's rows, for the objective
include "four.pxi"      # along four dense rows
include "update.pxi"    # the optimizers
include "closed.pxi"    # what happens to weights that no row meets
include "steps.pxi"     # the step of a batch
include "batches.pxi"   # over the rows of a block, any optimizer and batch
include "doors.pxi"     # from Python
include "many_doors.pxi"  # the same, for several models
include "each.pxi"      # models that have rows of their own
include "auto_head.pxi"  # learning_rate="auto": what a head keeps, and the judgement
include "auto_constant.pxi"  # the best constant
include "auto_newton.pxi"  # Newton's steps
include "auto.pxi"      # on dense rows
include "auto_csr.pxi"  # and on CSR; and from Python
include "auto_centred.pxi"  # of it, the columns that most rows have
include "auto_softmax.pxi"  # of classes learnt together
include "auto_softmax_values.pxi"  # of it, features on CSR, and along the values of a row
include "auto_softmax_csr.pxi"  # on CSR; and from Python
