"""The rules of what a model file holds of segments."""

import numpy as np

from fastsgd.persist.labels import Labels
from fastsgd.persist.rules import pop
from fastsgd.persist.values import brief


class SegmentLabels(Labels):
    """segments_: as classes_, but a single one may be; their number is the size G."""

    least = 1

    def sized(self, out, sizes):
        sizes["G"] = len(out)


class Words:
    """Words, as many as a size says, of at most so many letters."""

    def __init__(self, size, letters):
        self.size, self.letters = size, letters

    def put(self, name, value, parts):
        parts.values[name] = self.check(name, value.tolist(), parts.sizes)

    def take(self, name, parts):
        return np.array(self.check(name, pop(parts, name, list), parts.sizes), dtype=str)

    def check(self, name, value, sizes):
        n = sizes[self.size]
        if len(value) != n or any(type(v) is not str or len(v) > self.letters for v in value):
            raise ValueError(f"{name} must be {n} words of at most {self.letters} letters, found {brief(value)}")
        return value


class Column:
    """The name or the index of a column."""

    def put(self, name, value, parts):
        parts.values[name] = value

    def take(self, name, parts):
        value = parts.values.pop(name)
        if type(value) not in (str, int):
            raise ValueError(f"{name} must be a name or an index, found {brief(value)}")
        return value


class Absent:
    """What an estimator may do without; then the attribute is not there."""

    def __init__(self, rule):
        self.rule = rule

    def put(self, name, value, parts):
        if value is not None:
            self.rule.put(name, value, parts)

    def take(self, name, parts):
        there = name in parts.values or name in parts.arrays
        return self.rule.take(name, parts) if there else None
