"""Ticks of logarithmic axes as plain numbers; imported by `style` on use, as it needs matplotlib."""

from typing import Any

from matplotlib.ticker import LogFormatterSciNotation

PLAIN_FROM, PLAIN_TO = 1e-3, 1e5


class PlainNumbers(LogFormatterSciNotation):
    """0.2 rather than 2 x 10^-1, where a number is short that way; which ticks have one is as matplotlib decides."""

    def __call__(self, x: float, pos: int | None = None) -> Any:
        text = super().__call__(x, pos)
        return f"{x:g}" if text and PLAIN_FROM <= x < PLAIN_TO else text
