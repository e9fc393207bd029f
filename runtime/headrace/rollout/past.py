"""How many units executions will be, by what a rollout of the same model has learned. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from headrace.rollout.course import Course
from headrace.rollout.together import Together
from headrace.rollout.weighing import per_s

#: Of the last so many the one that compared the most looks is asked: minutes are known by hours,
#: and a model of before is no more this one.
LAST: Final = 5


@dataclass(frozen=True, slots=True)
class Past:
    """What a rollout that judged latency knew by its end.

    Attributes:
        number: its.
        effect: the design effect.
        together: the most executions of its candidate that waited at one moment, and the longer
            span of both versions'.
        percent: the share that its candidate had, above 0.
    """

    number: int
    effect: float
    together: Together
    percent: float

    @staticmethod
    def of(courses: Sequence[Course]) -> "Past | None":
        """Return what the last ones of a model knew, the newest last, or None: nobody knew."""
        # Of users others wait together than of executions.
        known = [one for one in courses if one.swings.is_known and one.percent and not one.sticky]
        if not known:
            return None
        course = max(known[-LAST:], key=lambda one: one.swings.batches[0].pairs)
        candidate, control = (seen.together for seen in course.seen)
        span_ns = max(candidate.span_ns, control.span_ns)
        together = Together(candidate.count, span_ns)
        return Past(course.number, course.swings.effect, together, course.percent)

    def weighing_per_s(self, executions_per_s: float, percent: float) -> float:
        """Return how many units a second so many executions are, above 0, at a share.

        Who has another share has as many times more beside one in a moment, or fewer.
        """
        most = 1 + round((self.together.count - 1) * percent / self.percent)
        return per_s(executions_per_s, replace(self.together, count=most), self.effect)
