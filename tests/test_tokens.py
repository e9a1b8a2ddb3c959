"""Rows put together from dense columns and tokens: the same as SciPy makes of all entries."""

import numpy as np
import pytest
import scipy.sparse as sp

from fastsgd.sources import _tokens

N, WIDTH = 150, 40  # More rows than are put together at once.


def entries(dense, pieces):
    """The rows by SciPy: every entry that is no zero, in the order of the pieces."""
    n, m = dense.shape
    rows, columns, data = [], [], []
    for i in range(n):
        found = [(j, dense[i, j]) for j in range(m)]
        for starts, features, values, codes, factors in pieces:
            for e in range(starts[i], starts[i + 1]) if starts is not None else [i]:
                k = e if codes is None else codes[e]
                if k >= 0 and features[k] >= 0:
                    found.append((features[k], values[k] * (1 if factors is None else factors[e])))
        found = [(j, x) for j, x in found if x != 0]
        rows += [i] * len(found)
        columns += [j for j, _ in found]
        data += [x for _, x in found]
    X = sp.coo_matrix((np.array(data, dense.dtype), (rows, columns)), (n, WIDTH)).tocsr()
    X.sum_duplicates()
    return X


def drawn(rng, dtype, lengths, coded, scaled):
    """A piece; tokens are often none, 0, or the same as others of the row."""
    starts = None if lengths is None else np.append(0, np.cumsum(rng.integers(0, lengths, N)))
    n = N if starts is None else starts[-1]
    known = 9 if coded else n
    features, values = rng.integers(-1, WIDTH - 2, known), rng.integers(-1, 2, known).astype(dtype)
    features = np.where(features < 0, -1, features + 2).astype(np.int32)  # the dense ones are before
    codes = rng.integers(-1, known, n).astype(np.int32) if coded else None
    return starts, features, values, codes, rng.standard_normal(n).astype(dtype) if scaled else None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("lengths", [None, 4, 50, 300])
def test_rows_are_in_order_and_have_each_feature_once(lengths, dtype):
    rng = np.random.default_rng(0)
    dense = rng.integers(0, 2, (N, 2)).astype(dtype)
    pieces = [drawn(rng, dtype, lengths, coded, scaled) for coded in (False, True) for scaled in (False, True)]
    *parts, canonical = _tokens.csr_rows(dense, pieces)
    X = sp.csr_matrix((N, WIDTH), dtype=dtype)
    X.data, X.indices, X.indptr = parts
    longest = np.diff(X.indptr).max()
    assert canonical == (longest < 100)
    if not canonical:  # rows of many entries are SciPy's
        X.sum_duplicates()
    expected = entries(dense, pieces)
    assert np.array_equal(X.indptr, expected.indptr) and np.array_equal(X.indices, expected.indices)
    if canonical and lengths != 50:  # where more than two are added up, SciPy need not add them in their order
        assert np.array_equal(X.data, expected.data)
    np.testing.assert_allclose(X.data, expected.data, rtol=1e-5, atol=1e-5)


def test_few_values_of_a_large_table_take_little_memory():
    dense = np.zeros((1000, 50))
    dense[::10, 7] = 1
    data, indices, indptr, canonical = _tokens.csr_rows(dense, [])
    assert data.tolist() == [1] * 100 and indices.tolist() == [7] * 100 and indptr[-1] == 100 and canonical
    assert data.base is None and indices.base is None


def test_no_rows_and_no_pieces():
    data, indices, indptr, canonical = _tokens.csr_rows(np.zeros((0, 3)), [(None, np.zeros(0, np.int32), np.zeros(0))])
    assert not len(data) and not len(indices) and indptr.tolist() == [0] and canonical


@pytest.mark.parametrize(
    ("piece", "error"),
    [
        ((None, [4, 5], [1, 1], [0, 1, 2]), "codes of a piece are beyond its features"),
        ((None, [], [], [-1, 0, -1]), "codes of a piece are beyond its features"),
        ((None, [4, 5], [1, 1], [0, 1]), "must have 3 tokens, found 2"),
        (([0, 1, 1, 2], [4, 5], [1, 1], [0, 1, 1]), "starts of a piece"),
        ((None, [4, 5], [1], [0, 1, 1]), "2 tokens and 1 values"),
        ((None, [4, 5], [1, 1], [0, 1, 1], [1, 1]), "3 tokens and 2 factors"),
    ],
)
def test_pieces_that_do_not_fit_are_refused(piece, error):
    types = np.int64, np.int32, np.float64, np.int32, np.float64
    given = tuple(None if a is None else np.array(a, t) for a, t in zip(piece, types, strict=False))
    with pytest.raises(ValueError, match=error):
        _tokens.csr_rows(np.zeros((3, 0)), [given])


def test_codes_below_zero_are_none():
    piece = None, np.array([3, 4], np.int32), np.ones(2), np.array([-1, 1, -(2**31)], np.int32)
    data, indices, indptr, _ = _tokens.csr_rows(np.zeros((3, 0)), [piece])
    assert indices.tolist() == [4] and indptr.tolist() == [0, 0, 1, 1] and data.tolist() == [1]
