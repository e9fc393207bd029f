"""Elements of BYTES: as the core hands them over, and measured as the core measures them."""

from collections.abc import Sequence
from math import prod
from typing import Any, Final

#: As the core: what nests deeper may contain itself.
MOST_AXES: Final = 64


class Elements(Sequence[memoryview]):
    """BYTES elements, flat and row by row, as the core hands them over."""

    def __init__(self, elements: Sequence[bytes], shape: Sequence[int]) -> None:
        self._elements = [memoryview(one) for one in elements]
        self.shape = tuple(shape)

    def __len__(self) -> int:
        return len(self._elements)

    def __getitem__(self, index: Any) -> Any:
        return self._elements[index]


def shape_of(lists: Sequence[Any], expected: Sequence[int]) -> list[int]:
    """Return the shape of lists or tuples of ``bytes`` and ``str``.

    A flat list of just enough elements has the ``expected`` shape, unless that says -1: nothing
    tells how its elements are to be divided then.

    Raises:
        ValueError: lists are uneven or hold something else; the text ends "but returned ...".
    """
    shape = _measure(lists)
    flat = len(shape) == 1 and len(expected) > 1
    if flat and -1 not in expected and prod(expected) == shape[0]:
        return list(expected)
    return shape


def check_elements(elements: Sequence[Any]) -> None:
    """Check that every one is text.

    Raises:
        ValueError: the text ends "but returned ...".
    """
    for one in elements:
        if not isinstance(one, str):
            try:
                memoryview(one)
            except TypeError:
                kind = type(one).__name__
                raise ValueError(f"an element of type {kind}; elements are bytes or str") from None


def _measure(lists: Sequence[Any]) -> list[int]:
    """Return sizes, level by level; each level is one list of what the lists above it hold."""
    shape: list[int] = []
    level: list[Any] = [lists]
    while level and all(isinstance(one, list | tuple) for one in level):
        if len(shape) == MOST_AXES:
            raise ValueError(f"lists nested deeper than {MOST_AXES}")
        sizes = sorted({len(one) for one in level})
        if len(sizes) > 1:
            raise ValueError(f"lists of differing lengths, {sizes[0]} and {sizes[-1]}")
        shape += sizes
        level = [item for one in level for item in one]
    if any(isinstance(one, list | tuple) for one in level):
        raise ValueError("lists of differing depth")
    check_elements(level)
    return shape
