"""Which arm of a rollout answered a request. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from headrace.rollout.course import Course, End

ENDS: Final = frozenset(End)
#: What serves the rest is the control, too, where there is no other.
Name = Literal["candidate", "control", "baseline"]


@dataclass(frozen=True, slots=True)
class Arm:
    """Of a rollout."""

    rollout: int
    name: Name


def arm_of(courses: Sequence[Course], model: str, version: int, unix_ms: int) -> Arm | None:
    """Return the arm of a version, by the number it is counted as; None where none went on then.

    Of two rollouts that a millisecond has both of it is the one that began later.
    """
    for one in sorted(courses, key=lambda course: course.number, reverse=True):
        # The first: a promotion that is taken back later had all the traffic meanwhile.
        ended = next((said.unix_ms for said in one.said if said.what in ENDS), None)
        went_on = one.began_unix_ms <= unix_ms and (ended is None or unix_ms <= ended)
        if one.model == model and went_on and version in one.instances:
            return Arm(one.number, _name(one, version))
    return None


def _name(course: Course, version: int) -> Name:
    if version == course.arms[0]:
        return "candidate"
    return "baseline" if version == course.record.baseline else "control"
