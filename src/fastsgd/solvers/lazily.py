"""Properties that are worked out once."""


class cached_property:
    """As that of functools, which in Python 3.11 has one lock for all objects: threads wait there for those of another fit, and
    the child of a fork for ever. Here two threads may work the same out."""

    def __init__(self, function):
        self.function, self.__doc__ = function, function.__doc__

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        return instance.__dict__.setdefault(self.name, self.function(instance))
