"""No malformed sparse matrix reaches SciPy's conversions or a kernel, which would read and write anywhere."""

import json
import subprocess
import sys
import warnings

import numpy as np
import scipy.sparse as sp

from fastsgd import LinearClassifier, LinearRegressor, SGDClassifier, SGDOneClassSVM, SGDRegressor, sources

N, D = 12, 4
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, D)) * (RNG.random((N, D)) < 0.7)
Y = np.arange(N) % 2
ESTIMATORS = (SGDClassifier, SGDRegressor, SGDOneClassSVM, LinearClassifier, LinearRegressor)
METHODS = ("fit", "partial_fit", "predict", "decision_function", "score", "from a source")


def call(cls, method, data):
    """A method of an estimator on data, fitted before where it has to be."""
    est = cls(max_iter=2, random_state=0, **({"tol": None} if hasattr(cls, "partial_fit") else {}))
    if method == "from a source":
        return est.fit(sources.from_batches(lambda: iter([(data, Y)])))
    if method in ("fit", "partial_fit"):
        given = {"classes": [0, 1]} if cls is SGDClassifier and method == "partial_fit" else {}
        return getattr(est, method)(data, Y, **given)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        est.fit(X, Y)
    return getattr(est, method)(data, *([Y] if method == "score" else []))


def cases(case):
    """All of them on CSR of SciPy's usual kind, some on all else, which goes the same way from the first look on."""
    if case.startswith("csr_matrix int32"):
        return [(cls, method) for cls in ESTIMATORS for method in METHODS if hasattr(cls, method) or " " in method]
    return [
        (SGDClassifier, "partial_fit"),
        (LinearClassifier, "fit"),
        (SGDRegressor, "predict"),
        (SGDOneClassSVM, METHODS[-1]),
    ]


# ---------------------------------------------------------------- name -> (matrix, words that the message must hold)
def assign(matrix, **parts):
    """The matrix with other parts, past scipy's checks."""
    for part, value in parts.items():
        setattr(matrix, part, value)
    return matrix


def with_at(values, position, value):
    values = values.copy()
    values[position] = value
    return values


def compressed(kind, index, suffix):
    """Of formats with indptr."""
    make = getattr(sp, f"{kind}_{suffix}")

    def good():
        A = make(X) if kind != "bsr" else make(np.where(X == 0, 0.5, X), blocksize=(2, 2))
        A.indices, A.indptr = A.indices.astype(index), A.indptr.astype(index)
        A.has_sorted_indices = A.has_canonical_format = True
        return A

    A = good()
    ptr, ix, nnz, minor = A.indptr, A.indices, len(A.indices), {"csr": D, "csc": N, "bsr": D // 2}[kind]
    bad = {
        "indptr not monotone": (dict(indptr=with_at(ptr, 1, ptr[-1])), "indptr"),
        "indptr negative inside": (dict(indptr=with_at(ptr, 1, -5)), "indptr"),
        "indptr not from 0": (dict(indptr=with_at(ptr, 0, 1)), "indptr"),
        "indptr from below 0": (dict(indptr=with_at(ptr, 0, -(2**30))), "indptr"),
        "indptr past the end": (dict(indptr=with_at(ptr, -1, nnz + 1)), "indptr"),
        "indptr far past the end": (dict(indptr=with_at(ptr, -1, 2**30)), "indptr"),
        "indptr too short": (dict(indptr=ptr[:-1].copy()), "indptr"),
        "indptr too long": (dict(indptr=np.append(ptr, ptr[-1])), "indptr"),
        "indptr empty": (dict(indptr=ptr[:0].copy()), "indptr"),
        "indptr of floats": (dict(indptr=ptr.astype(float)), "indptr"),
        "index -1": (dict(indices=with_at(ix, 3, -1)), "indices"),
        "index -2**30": (dict(indices=with_at(ix, 3, -(2**30))), "indices"),
        "index n": (dict(indices=with_at(ix, nnz - 1, minor)), "indices"),
        "index 2**30": (dict(indices=with_at(ix, 0, 2**30)), "indices"),
        "index 2**31 - 1": (dict(indices=with_at(ix, 0, 2**31 - 1)), "indices"),
        "index -2**31": (dict(indices=with_at(ix, nnz - 1, -(2**31))), "indices"),
        "indices of floats": (dict(indices=ix.astype(float)), "indices"),
        "indices of two dimensions": (dict(indices=ix.reshape(1, -1)), "indices"),
        "indices too short": (dict(indices=ix[:-1].copy()), "indices"),
        "indices too long": (dict(indices=np.append(ix, 0).astype(index)), "indices"),
        "data too short": (dict(data=A.data[:-1].copy()), "data"),
        "data a list": (dict(data=A.data.tolist()), "data"),
        "data too long": (dict(data=np.concatenate([A.data, A.data[:1]])), "data"),
    }
    if kind == "bsr":
        bad["blocks without a row"] = dict(data=A.data[:, :0]), "blocks of 0 x 2"
        bad["blocks of another size"] = dict(data=np.ones((nnz, 5, 2))), "blocks of 5 x 2"
    return {name: (assign(good(), **parts), word) for name, (parts, word) in bad.items()}


def coordinates(index, suffix):
    def coo(row=None, col=None, **parts):
        A = getattr(sp, f"coo_{suffix}")(X)
        coords = [a.astype(index) for a in A.coords]
        A.coords = tuple(
            old if new is None else with_at(old, *new) for old, new in zip(coords, (row, col), strict=True)
        )
        return assign(A, **parts)

    A = coo()
    return {
        "row -1": (coo(row=(0, -1)), "coordinates"),
        "row n": (coo(row=(0, N)), "coordinates"),
        "row 2**30": (coo(row=(0, 2**30)), "coordinates"),
        "column -2**30": (coo(col=(2, -(2**30))), "coordinates"),
        "column n": (coo(col=(2, D)), "coordinates"),
        "data too short": (coo(data=np.ones(2)), "coordinates"),
        "data of two dimensions": (coo(data=A.data[:, None]), "dimensions"),
        "coordinates of floats": (coo(coords=tuple(a.astype(float) for a in A.coords)), "coordinates"),
        "one of the coordinates shorter": (coo(coords=(A.coords[0][:-1], A.coords[1])), "coordinates"),
    }


def others(suffix):
    """Of the formats that are no arrays of indices."""

    def lil(**rows):
        A = getattr(sp, f"lil_{suffix}")(X)
        for part, values in rows.items():
            getattr(A, part)[0] = values
        return A

    def dok(key):
        A = getattr(sp, f"dok_{suffix}")(X)
        A._dict[key] = 1.0
        return A

    def dia(**parts):
        return assign(getattr(sp, f"dia_{suffix}")((np.ones((2, D)), [0, 1]), shape=(N, D)), **parts)

    lil_cases = {
        f"lil with a column {j}": (lil(rows=[j], data=[1.0]), "LIL")
        for j in (-1, D, 2**30, 2**31, 2**40, 2**70, "a", None)
    }
    keys = [(0, D), (N, 0), (0, -1), (2**30, 0), (0, 2**40), (2**70, 0), ("a", 0), 3]
    return {
        **lil_cases,
        "lil with more columns than values": (lil(rows=[0, 1, 2], data=[1.0]), "LIL"),
        "lil with more values than columns": (lil(rows=[0], data=[1.0] * 1000), "LIL"),
        "lil with a word as a value": (lil(rows=[0], data=["a"]), "LIL"),
        "lil without lists": (lil(rows=3, data=3), "LIL"),
        "lil with fewer rows": (assign(lil(), rows=lil().rows[:-1]), "LIL"),
        **{f"dok with the key {key}": (dok(key), "DOK") for key in keys},
        "dia with more offsets than diagonals": (dia(offsets=np.array([0, 1, 2], np.int32)), "DIA"),
        "dia with fewer offsets": (dia(offsets=np.array([0], np.int32)), "DIA"),
        "dia with an offset twice": (dia(offsets=np.array([1, 1], np.int32)), "DIA"),
        "dia with data of three dimensions": (dia(data=np.ones((2, 3, 4))), "DIA"),
        "dia with a list": (dia(data=[[1.0] * D] * 2), "DIA"),
    }


def everything():
    for suffix in ("matrix", "array"):
        for index in (np.int32, np.int64):
            for kind in ("csr", "csc", "bsr"):
                for name, case in compressed(kind, index, suffix).items():
                    yield f"{kind}_{suffix} {index.__name__}: {name}", case
            for name, case in coordinates(index, suffix).items():
                yield f"coo_{suffix} {index.__name__}: {name}", case
        yield from others(suffix).items()
    for name, (A, word) in compressed("csr", np.int32, "matrix").items():
        yield f"Rows: {name}", (sources.Rows(A, Y), word)


def parts_of(A):
    if isinstance(A, sources.Rows):
        A = A.X
    if A.format in ("csr", "csc", "bsr", "coo"):
        return [np.array(a) for a in (A.data, *(A.coords if A.format == "coo" else (A.indices, A.indptr)))]
    return []


def run():
    """Every malformed matrix through every method, a line of JSON each: [case, what came of it]."""
    warnings.simplefilter("error")
    for case, (A, word) in everything():
        for cls, method in cases(case):
            if method == "from a source" and isinstance(A, sources.Rows):
                continue
            label, before = f"{cls.__name__}.{method}, {case}", parts_of(A)
            print(json.dumps([label, None]), flush=True)
            try:
                call(cls, method, A)
                outcome = "no error"
            except ValueError as error:
                outcome = "ok" if word in str(error) else f"a message without {word!r}: {error}"
            except Exception as error:
                outcome = repr(error)
            if any(not np.array_equal(a, b) for a, b in zip(before, parts_of(A), strict=True)):
                outcome += " and X was changed"
            print(json.dumps([label, outcome]), flush=True)
    print(json.dumps(["all", "ok"]))


def test_no_malformed_matrix_reaches_a_kernel():
    done = subprocess.run([sys.executable, __file__], capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"crashed at {lines[-1] if lines else None}: {done.stderr[-2000:]}"
    assert len(lines) > 3000 and lines[-1] == ["all", "ok"]
    failures = [line for line in lines if line[1] not in (None, "ok")]
    assert not failures, "\n".join(map(str, failures[:20]))


def test_diagonals_outside_of_the_matrix_hold_nothing():
    A = sp.dia_matrix((np.ones((3, D)), [0, -(2**31) + 5, 2**31 - 1]), shape=(N, D))
    est = SGDRegressor(random_state=0).fit(X, Y)
    np.testing.assert_array_equal(est.predict(A), est.predict(np.eye(N, D)))


if __name__ == "__main__":
    run()
