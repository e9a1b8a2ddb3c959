"""Batches that a user's callable makes: as generators are written, and mistakes with them."""

import numpy as np
import pytest
import scipy.sparse as sp

from fastsgd import LinearClassifier, SGDClassifier, SGDRegressor, sources
from fastsgd.sources import Rows

RNG = np.random.default_rng(0)
XS = RNG.standard_normal((20, 50, 5))
YS = (XS[..., 0] > 0).astype(int)
WEIGHTS = RNG.integers(1, 3, (20, 50)).astype(float)
X, Y = XS.reshape(-1, 5), YS.ravel()
ONE_BUFFER, SOME, OVERSIZE = "256MB", 20_000, 4000

in_memory_or_not = pytest.mark.parametrize("memory", [ONE_BUFFER, SOME, OVERSIZE])


def own(layout):
    """Batches in arrays of their own."""
    for a, y, s in zip(XS, YS, WEIGHTS, strict=True):
        yield (sp.csr_matrix(a) if layout == "csr" else a.copy()), y.copy(), s.copy()


def reused(layout):
    """Batches in the arrays of the one before."""
    a, y, s = np.empty((50, 5)), np.empty(50, int), np.empty(50)
    held = sp.csr_matrix(np.ones((50, 5)))
    for given in zip(XS, YS, WEIGHTS, strict=True):
        a[:], y[:], s[:] = given
        held.data[:] = a.ravel()
        yield (held if layout == "csr" else a), y, s


@pytest.mark.filterwarnings("ignore:a block of the source takes", "ignore:the rows of this source come in")
@in_memory_or_not
@pytest.mark.parametrize("layout", ["dense", "csr"])
@pytest.mark.parametrize("method", ["fit", "partial_fit", "validated"])
def test_a_generator_may_reuse_its_arrays(memory, layout, method):
    found = []
    for make in (own, reused):
        source = sources.from_batches(lambda make=make: make(layout)).buffered(memory)
        clf = SGDClassifier("log_loss", random_state=0, max_iter=5, tol=None)
        if method == "fit":
            clf.fit(source)
        elif method == "partial_fit":
            clf.partial_fit(source, classes=[0, 1])
        else:
            clf.fit(X, Y, X_val=source)
        found.append(clf)
        assert clf.score(X, Y) > 0.9 and clf.score(source) == pytest.approx(clf.score(X, Y, WEIGHTS.ravel()), abs=1e-12)
    np.testing.assert_array_equal(found[0].coef_, found[1].coef_)


def shared(kind):
    """A make whose calls share one iterator."""
    batches = [(a, y) for a, y in zip(XS, YS, strict=True)]
    one = (batch for batch in batches) if kind == "generator" else iter(batches)
    return {
        "generator": lambda: one,
        "iterator": lambda: one,
        "generator expression": lambda: (batch for batch in one),
        "map": lambda: map(tuple, one),
        "iter": lambda: iter(one),
    }[kind]


@pytest.mark.filterwarnings("ignore:the rows of this source come in")
@pytest.mark.parametrize("kind", ["generator", "iterator", "generator expression", "map", "iter"])
@pytest.mark.parametrize(
    "cls, memory",
    [(cls, memory) for cls in (SGDClassifier, SGDRegressor) for memory in (ONE_BUFFER, SOME)]
    + [(LinearClassifier, ONE_BUFFER)],
)
def test_an_iterator_that_is_used_up_is_refused(kind, memory, cls):
    methods = ["fit"] + ["partial_fit"] * hasattr(cls, "partial_fit")
    for method in methods:
        given = {"classes": [0, 1]} if cls is SGDClassifier and method == "partial_fit" else {}
        with pytest.raises(ValueError, match=r"make\(\) .*each of its passes must begin anew: give a function"):
            getattr(cls(), method)(sources.from_batches(shared(kind)).buffered(memory), **given)


@pytest.mark.filterwarnings("ignore:the rows of this source come in")
def test_another_number_of_rows_in_a_later_pass_is_named():
    calls = []

    def make():
        calls.append(None)
        return zip(XS[: 20 - (len(calls) > 4)], YS, strict=False)

    with pytest.raises(ValueError, match=r"make\(\) gave 950 rows at this call, and 1000 at the one before"):
        SGDClassifier(max_iter=5, tol=None).fit(sources.from_batches(make).buffered(SOME))


def test_batches_may_be_a_list_or_come_in_another_order_each_time():
    listed = [Rows(a, y) for a, y in zip(XS, YS, strict=True)]
    rng = np.random.default_rng(0)
    for make in (lambda: listed, lambda: tuple(listed), lambda: (listed[i] for i in rng.permutation(20))):
        source = sources.from_batches(make)
        assert SGDClassifier(random_state=0).fit(source).score(X, Y) > 0.9
        assert LinearClassifier(random_state=0).fit(source).score(source) > 0.9


def test_batches_without_names_on_a_model_with_names_are_warned_of_as_arrays_are():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=[f"c{j}" for j in range(X.shape[1])])
    est = SGDClassifier(max_iter=1, tol=None, random_state=0).fit(frame, Y)
    named, bare = sources.from_batches(lambda: iter([(frame, Y)])), sources.from_batches(lambda: iter([(X, Y)]))
    assert est.score(named) == est.score(frame, Y)
    for call in (est.predict, est.score, est.partial_fit, lambda source: list(sources.predict_batches(est, source))):
        with pytest.warns(UserWarning, match="X does not have valid feature names.* in their order, c0, c1") as caught:
            call(bare)
        assert caught[0].filename == __file__
    turned = sources.from_batches(lambda: iter([(frame[frame.columns[::-1]], Y)]))
    with pytest.raises(ValueError, match="other features than those of fit"):
        est.predict(turned)
