"""Which arm of a rollout answered a request."""

import pytest
from tests.unit.rolling import plan

from headrace.rollout.arms import Arm, arm_of
from headrace.rollout.course import Course, End


def course(number: int, candidate: int, began: float, ended: float | None = None) -> Course:
    begun = Course.begin(
        number,
        "m",
        plan(),
        candidate=candidate,
        baseline=1,
        crashes=(0, 0),
        now=began,
        who="me",
        why="",
    )
    return begun if ended is None else begun.ended(End.PROMOTED, "fine", ended)


@pytest.mark.parametrize(
    ("model", "version", "unix_ms", "arm"),
    [
        ("m", 2, 9_999, None),
        ("m", 2, 10_000, Arm(1, "candidate")),
        ("m", 1, 15_000, Arm(1, "baseline")),
        ("m", 2, 20_001, None),
        # One ends and the next begins.
        ("m", 1, 20_000, Arm(2, "baseline")),
        ("m", 3, 99_000, Arm(2, "candidate")),
        ("m", 4, 99_000, None),
        ("n", 3, 99_000, None),
    ],
)
def test_a_request_is_of_the_arm_whose_rollout_went_on_then(
    model: str, version: int, unix_ms: int, arm: Arm | None
) -> None:
    courses = [course(2, 3, 20.0), course(1, 2, 10.0, 20.0)]
    assert arm_of(courses, model, version, unix_ms) == arm


def test_a_promotion_that_is_taken_back_was_no_arm_in_between() -> None:
    taken_back = course(1, 2, 10.0, 20.0).ended(End.ROLLED_BACK, "by me", 99.0)
    found = [arm_of([taken_back], "m", 2, unix_ms) for unix_ms in (20_000, 50_000, 99_000)]
    assert found == [Arm(1, "candidate"), None, None]
