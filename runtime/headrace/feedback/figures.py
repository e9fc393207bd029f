"""What is shown of what labels said."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from headrace.feedback.joining import BIN, NUMBERS, PREDICTIONS, SCORE, UNCALIBRATED, Count
from headrace.rollout.intervals import rate_interval

#: How likely an interval of accuracy is wrong at any of the moments that somebody looks, at most.
ALPHA: Final = 0.05


@dataclass(frozen=True)
class Score:
    """A number that senders of labels have found themselves."""

    count: int
    mean: float


@dataclass(frozen=True)
class Figures:
    """Of a version, or of one segment of its requests.

    Attributes:
        predictions: that were labelled.
        rows: of them that had a class; `right` of them was the label's.
        interval: where the accuracy is, at every moment at once with a probability of 95 %.
        calibration_error: by how much rows with a score from 0 to 1 were right more or less often
            than their score says, in the mean over ten bins (expected calibration error).
        mean_absolute_error: of rows with a number.
    """

    predictions: int
    rows: int
    right: int
    accuracy: float | None
    interval: tuple[float, float] | None
    calibration_error: float | None
    mean_absolute_error: float | None
    scores: Mapping[str, Score]


def figures(counted: Mapping[str, Count]) -> Figures:
    """Return what is shown of what was counted, by what `joining.counts` calls it."""
    bins = [one for what, one in counted.items() if what.startswith(BIN)]
    rows, right = sum(one.count for one in bins), sum(one.right for one in bins)
    calibrated = [
        one for what, one in counted.items() if what.startswith(BIN) and what != UNCALIBRATED
    ]
    scored = sum(one.count for one in calibrated)
    numbers = counted.get(NUMBERS, Count())
    return Figures(
        predictions=counted.get(PREDICTIONS, Count()).count,
        rows=rows,
        right=right,
        accuracy=right / rows if rows else None,
        interval=rate_interval(right, rows, ALPHA) if rows else None,
        calibration_error=sum(abs(one.right - one.total) for one in calibrated) / scored
        if scored
        else None,
        mean_absolute_error=numbers.total / numbers.count if numbers.count else None,
        scores={
            what.removeprefix(SCORE): Score(one.count, one.total / one.count)
            for what, one in sorted(counted.items())
            if what.startswith(SCORE)
        },
    )


def together(counted: Iterable[Mapping[str, Count]]) -> dict[str, Count]:
    """Return the counts of all segments as one."""
    found: dict[str, Count] = {}
    for one in counted:
        for what, count in one.items():
            found[what] = found.get(what, Count()).plus(count)
    return found
