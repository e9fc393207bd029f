"""What a label says of the prediction that it belongs to."""

import math
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from headrace.feedback.prediction import Forged, Prediction, Top, read

#: Of the scores from 0 to 1 that classes had.
BINS: Final = 10
#: What is counted: labelled predictions; rows by the bin of their score, or whose score is none
#: from 0 to 1; rows with numbers; and custom scores by name.
PREDICTIONS: Final = "predictions"
BIN: Final = "class:"
UNCALIBRATED: Final = "class:-"
NUMBERS: Final = "numbers"
SCORE: Final = "score:"


class Outcome(StrEnum):
    """What became of a label."""

    JOINED = "joined"
    #: The prediction has a label already.
    TWICE = "twice"
    #: It came after `feedback.within_hours`.
    LATE = "late"
    #: There is no such model here.
    UNKNOWN = "unknown"
    #: This server has not made the id.
    FORGED = "forged"
    #: It is none for such a prediction.
    UNFIT = "unfit"


@dataclass(frozen=True)
class Verdict:
    """What became of a label, and of which prediction it is; None if nobody knows."""

    outcome: Outcome
    prediction: Prediction | None = None


@dataclass(frozen=True)
class Label:
    """What is known of a prediction by now; a label, scores, or both.

    Attributes:
        label: for each row the class's number, or the number that was right.
        scores: others that its sender has found, by name.
    """

    prediction_id: str
    label: tuple[float, ...] | None = None
    segment: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Count:
    """So many, the sum of what is summed, and how many of them were right."""

    count: int = 0
    total: float = 0.0
    right: int = 0

    def plus(self, other: "Count") -> "Count":
        """Return both together."""
        return Count(self.count + other.count, self.total + other.total, self.right + other.right)


@dataclass(frozen=True)
class Fitting:
    """A label whose prediction is genuine, known and young enough."""

    at: int
    prediction: Prediction
    label: Label


def sort(
    labels: Sequence[Label], key: bytes, models: Container[str], now_s: float
) -> tuple[list[Fitting], dict[int, Verdict]]:
    """Return the labels that can be joined, and what becomes of the others, by their places."""
    fitting, others = list[Fitting](), dict[int, Verdict]()
    for at, label in enumerate(labels):
        try:
            prediction = read(label.prediction_id, key)
        except Forged:
            others[at] = Verdict(Outcome.FORGED)
            continue
        if prediction.model not in models:
            others[at] = Verdict(Outcome.UNKNOWN)
        elif now_s > prediction.until_s:
            others[at] = Verdict(Outcome.LATE, prediction)
        elif not _fits(label.label, prediction):
            others[at] = Verdict(Outcome.UNFIT, prediction)
        else:
            fitting.append(Fitting(at, prediction, label))
    return fitting, others


def _fits(label: tuple[float, ...] | None, prediction: Prediction) -> bool:
    if label is None:
        return True
    whole = all(
        one >= 0 and one == int(one)
        for one, row in zip(label, prediction.rows, strict=False)
        if isinstance(row, Top)
    )
    return whole and len(label) == len(prediction.rows)


def wrong_share(prediction: Prediction, label: tuple[float, ...]) -> float | None:
    """Return the share of a prediction's rows that were wrong; None where rows are numbers."""
    pairs = list(zip(prediction.rows, label, strict=True))
    wrong = [row.number != right for row, right in pairs if isinstance(row, Top)]
    return sum(wrong) / len(wrong) if wrong else None


def counts(one: Fitting) -> Iterator[tuple[str, Count]]:
    """Yield what a label adds to what is counted of its version."""
    yield PREDICTIONS, Count(1)
    if one.label.label is not None:
        for row, right in zip(one.prediction.rows, one.label.label, strict=True):
            if isinstance(row, Top):
                yield _bin(row.score), Count(1, row.score, int(row.number == right))
            else:
                yield NUMBERS, Count(1, min(abs(row - right), 1e300))
    for name, score in one.label.scores.items():
        yield SCORE + name, Count(1, score)


def _bin(score: float) -> str:
    if not 0.0 <= score <= 1.0:
        return UNCALIBRATED
    return f"{BIN}{min(math.floor(score * BINS), BINS - 1)}"
