"""Data for the tests of rules."""

from .data import rows


def data(n=200):
    X, y, s = rows(n)
    return X, y, s / s.mean()
