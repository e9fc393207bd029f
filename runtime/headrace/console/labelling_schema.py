"""The bodies of the console's answers about labels, as its OpenAPI document describes them."""

from headrace.console.schema import Answer


class Joined(Answer):
    """What became of labels: how many of each, and the place of the first that was not joined."""

    joined: int
    twice: int
    late: int
    unknown: int
    forged: int
    unfit: int
    first: dict[str, int]


class Score(Answer):
    """A number that senders of labels have found themselves."""

    count: int
    mean: float


class Labelled(Answer):
    """What labels said of some requests."""

    predictions: int
    rows: int
    right: int
    accuracy: float | None
    interval: tuple[float, float] | None
    calibration_error: float | None
    mean_absolute_error: float | None
    scores: dict[str, Score]


class LabelledVersion(Labelled):
    """The same of a version, and of each segment of its requests."""

    version: int
    segments: dict[str, Labelled]


class Feedback(Answer):
    """What labels said of a model's versions."""

    model: str
    versions: list[LabelledVersion]


class PredictedRow(Answer):
    """A class and its score, or a number, whose score is None."""

    number: float
    score: float | None = None


class OfArm(Answer):
    """Which arm of a rollout it was."""

    rollout: int
    name: str


class Predicted(Answer):
    """A prediction; ``label`` is None where none has come, and empty where scores alone have."""

    model: str
    version: int
    #: A second's first millisecond.
    unix_ms: int
    until_unix_ms: int
    rows: list[PredictedRow]
    arm: OfArm | None
    label: list[float] | None
