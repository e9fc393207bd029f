"""The body of the answer to how long a rollout would take."""

from typing import Any

from headrace.console.schema import Answer


class Traffic(Answer):
    """Of a baseline; units are executions. All of it is a second, over some seconds."""

    requests_per_s: float
    answers_per_s: float
    units_per_s: float
    over_s: float


class MetricAhead(Answer):
    """What units are reckoned with, and how many of the candidate's the last step takes.

    Units are None where it is never decided; so many executions, or pairs of answers, weigh as one.
    """

    name: str
    candidate_bad_percent: float
    control_bad_percent: float
    units: float | None
    weigh_as_one: float


class StepAhead(Answer):
    """A step of a plan; hours are None where it never ends."""

    percent: float
    hours: float | None


class Estimate(Answer):
    """How long a rollout would take of a candidate that is as good as its baseline.

    Where nothing can be said ``notes`` say why, and ``slowest`` and ``fits`` are None.
    """

    model: str
    candidate: int
    baseline: int
    plan: dict[str, Any]
    traffic: Traffic
    metrics: list[MetricAhead]
    measuring_hours: float | None
    steps: list[StepAhead]
    hours: float | None
    max_hours: float
    slowest: str | None
    fits: bool | None
    notes: list[str]
    resources: list[str]
