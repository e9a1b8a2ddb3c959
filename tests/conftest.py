"""What pytest has to know before it collects."""

import signal
from contextlib import ExitStack

import pytest
import sklearn
from support.sizes import sizes

BEHAVES_AS_1_9 = tuple(int(part) for part in sklearn.__version__.split(".")[:2]) >= (1, 9)


def pytest_configure(config):
    config.addinivalue_line("markers", "no_check_spmatrix: a mark in scikit-learn's own suite, without effect here")
    config.addinivalue_line("markers", "sklearn19: compares with what scikit-learn does since 1.9; skipped before")


def pytest_collection_modifyitems(items):
    for item in items:
        if not BEHAVES_AS_1_9 and item.get_closest_marker("sklearn19"):
            item.add_marker(pytest.mark.skip(reason="compares with scikit-learn 1.9"))


@pytest.fixture
def ctrl_c():
    """SIGINT raises KeyboardInterrupt, as in a terminal; a shell that runs the tests in the background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def set_sizes():
    """A function that gives kernel calls, blocks and buffers other sizes until the test ends: set_sizes(call_rows=64)."""
    with ExitStack() as stack:
        yield lambda **given: stack.enter_context(sizes(**given))
