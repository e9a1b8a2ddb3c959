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


class Reasons:
    """Words, one for each segment."""

    def put(self, name, value, parts):
        parts.values[name] = self.check(name, value.tolist(), parts.sizes)

    def take(self, name, parts):
        return np.array(self.check(name, pop(parts, name, list), parts.sizes), dtype=str)

    def check(self, name, value, sizes):
        if len(value) != sizes["G"] or any(type(v) is not str or len(v) > 16 for v in value):
            raise ValueError(f"{name} must be {sizes['G']} words of at most 16 letters, found {brief(value)}")
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
