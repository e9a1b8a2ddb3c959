"""Whether two estimators have learnt the same, the models beside them too."""

import numpy as np


def assert_same_state(a, b):
    assert np.array_equal(a.auto.heads, b.auto.heads) and np.array_equal(a.auto.at, b.auto.at)
    for x, y in (
        (a.A, b.A),
        (a.W, b.W),
        (a.auto.records, b.auto.records),
        (a.auto.columns, b.auto.columns),
        (a.auto.atoms, b.auto.atoms),
    ):
        assert (x is None and y is None) or np.array_equal(x, y)


def assert_same_models(a, b):
    assert_same_state(a._state, b._state)
    for one, other in zip(a._state.beside.states, b._state.beside.states, strict=True):
        assert_same_state(one, other)
    assert np.array_equal(a.std_errors(), b.std_errors())
