"""Which arm of a rollout answered a request. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from headrace.rollout.course import Course


@dataclass(frozen=True, slots=True)
class Arm:
    """One of a rollout's two."""

    rollout: int
    name: Literal["candidate", "baseline"]


def arm_of(courses: Sequence[Course], model: str, version: int, unix_ms: int) -> Arm | None:
    """Return the arm of a version at a moment; None where no rollout of it went on.

    Of two rollouts that a millisecond has both of it is the one that began later.
    """
    for one in sorted(courses, key=lambda course: course.number, reverse=True):
        ended = None if one.end is None else one.said[-1].unix_ms
        went_on = one.began_unix_ms <= unix_ms and (ended is None or unix_ms <= ended)
        if one.model == model and went_on and version in one.versions:
            return Arm(one.number, "candidate" if version == one.record.candidate else "baseline")
    return None
