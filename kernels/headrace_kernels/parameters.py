"""What a parameter is: the one place that says no, so that every implementation sees the same.

NumPy's numbers are numbers, and become Python's: in 8 or 16 bits a height times a width overflows.
"""

from collections.abc import Sequence
from math import inf
from typing import Any

import numpy as np

_LARGEST = float(np.finfo(np.float32).max)


def whole(name: str, value: Any, least: int, most: int) -> int:
    """Return ``value`` if it is a whole number from ``least`` to ``most``.

    Raises:
        TypeError: it is no number, or one that might have a fraction.
        ValueError: it is too small or too large.
    """
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        raise TypeError(f"{name} is {value!r}; expected a whole number")
    if not least <= value <= most:
        raise ValueError(f"{name} is {value}: {least} to {most} can be had")
    return int(value)


def number(name: str, value: Any) -> float:
    """Return ``value`` if it is a number, NaN and the infinities among them.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(value, int | float | np.integer | np.floating) or isinstance(value, bool):
        raise TypeError(f"{name} is {value!r}; expected a number")
    try:
        return float(value)
    except OverflowError:  # a whole number of more than 308 digits
        return inf if value > 0 else -inf


def finite(name: str, value: Any) -> float:
    """Return ``value`` if it is a number that is finite in single precision.

    Raises:
        TypeError: it is no number.
        ValueError: it is NaN, infinite, or too large.
    """
    if not abs(number(name, value)) <= _LARGEST:
        raise ValueError(f"{name} is {value}: a finite number is needed")
    return float(value)


def truth(name: str, value: Any) -> bool:
    """Return ``value`` if it is True or False.

    Raises:
        TypeError: it is neither.
    """
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} is {value!r}; expected True or False")
    return bool(value)


def word(name: str, value: Any, known: Sequence[str]) -> str:
    """Return ``value`` if it is one of the ``known`` words.

    Raises:
        ValueError: it is none of them.
    """
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name} is {value!r}: one of {', '.join(known)}")
    return str(value)


def settle(told: Any, **values: Any) -> None:
    """Give the fields of a frozen dataclass the ``values`` that they were checked to be."""
    for name, value in values.items():
        object.__setattr__(told, name, value)
