"""What a version takes of its device, by the rows of its batches. Pure."""

from collections.abc import Mapping
from statistics import linear_regression


def predicted(measured: Mapping[int, int], rows: int) -> int:
    """Return the bytes that a version takes which runs batches of up to so many rows.

    Weights are there once and what a batch computes with grows with its rows: a line through what
    was measured, and never less than what fewer rows took.

    Args:
        measured: the largest batch that had run → bytes taken then; one at least.
        rows: of the largest batch to come.
    """
    if rows in measured:
        return measured[rows]
    floor = max((taken for size, taken in measured.items() if size < rows), default=0)
    if len(measured) == 1:
        # What of it are weights nobody knows: all of it is the safe guess for fewer rows.
        ((size, taken),) = measured.items()
        return max(floor, taken if rows < size else round(taken * rows / size))
    line = linear_regression(list(measured), list(measured.values()))
    return max(floor, round(line.intercept + line.slope * rows))
