"""What pytest has to know before it collects."""


def pytest_configure(config):
    config.addinivalue_line("markers", "no_check_spmatrix: a mark in scikit-learn's own suite, without effect here")
