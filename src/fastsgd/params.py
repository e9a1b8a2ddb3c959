"""What losses, schedules, optimizers and stopping rules have in common: they are what their constructor was given."""

from numbers import Real
from typing import Any, Self


class HasParams:
    """Base of what has constructor arguments, named by `params`, as attributes. Compiled classes take methods of it."""

    params: tuple[str, ...] = ()

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments, so that `optimizer__beta1` works in a grid search.

        Parameters
        ----------
        deep : bool, default=True
            It makes no difference, as no argument has arguments of its own.

        Returns
        -------
        dict of str to value
        """
        return {name: getattr(self, name) for name in self.params}

    def set_params(self, **params: Any) -> Self:
        """Change constructor arguments in place.

        Parameters
        ----------
        **params
            The new values, by name.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            There is no argument of that name, or it can't have that value; then none has changed.
        """
        for name in params:
            if name not in self.params:
                raise ValueError(f"{type(self).__name__} has no parameter {name!r}; it has {list(self.params)}.")
        params = {**self.get_params(), **params}
        type(self)(**params)  # which refuses what it can't be, before anything is changed
        self.__init__(**params)  # type: ignore[misc]
        return self

    def _number(self, name: str, value: float, low: float, high: float, low_ok: bool = False) -> None:
        """Keep a number that must be within bounds; `low_ok` allows the lower one."""
        if not isinstance(value, Real) or not (low < value < high or (low_ok and value == low)):
            within = f"in [{low}, {high})" if low_ok else f"between {low} and {high}"
            raise ValueError(f"{type(self).__name__}: {name} must lie {within}, got {value!r}.")
        setattr(self, name, float(value))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.get_params().items())})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.get_params() == other.get_params()

    def __hash__(self) -> int:
        return hash((type(self), tuple(self.get_params().items())))
