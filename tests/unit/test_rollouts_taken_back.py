"""Promotions that are taken back, and what served before, which is not kept for ever."""

import pytest
from tests.unit.rolling import ME, Play, plan

from headrace.control import orders
from headrace.control.previous import LONGEST_REST_S, rest
from headrace.errors import Unwanted
from headrace.execution.policy import WHOLE
from headrace.models.lifecycle import State
from headrace.registry.report import Kind
from headrace.rollout.course import Course, End


def promoted(play: Play, hours: float | None = None) -> Course:
    play.start(plan(keep_previous_hours=hours))
    return play.desk.rollouts.stop(1, End.PROMOTED, **ME)


def test_a_promotion_is_taken_back_and_the_alias_with_it(play: Play) -> None:
    promoted(play)
    assert play.shares == {2: WHOLE}
    course = play.desk.rollouts.stop(1, End.ROLLED_BACK, **ME)
    assert (course.end, play.shares) == (End.ROLLED_BACK, {1: WHOLE})
    assert play.journal[-1] == "me: rollout 1 rolled back: 1=100"
    moves = [
        (one.version, move.alias, move.seen)
        for one in play.desk.registry_hears.reports
        for move in one.aliases
    ]
    assert moves == [(2, "champion", 1), (1, "champion", 2)]
    verdicts = [one for one in play.desk.registry_hears.reports if one.kind is Kind.VERDICT]
    assert [one.verdict.word for one in verdicts if one.verdict] == ["promoted", "rolled_back"]
    with pytest.raises(Unwanted, match="rollout 1 has ended: rolled back"):
        play.desk.rollouts.stop(1, End.ROLLED_BACK, **ME)


def test_it_is_taken_back_after_a_restart_too(play: Play) -> None:
    promoted(play)
    play.desk.begin()
    play.desk.stand(m={1: State.READY, 2: State.READY})
    play.desk.rollouts.stop(1, End.ROLLED_BACK, **ME)
    assert play.shares == {1: WHOLE}


def test_what_has_moved_on_is_not_taken_back(play: Play) -> None:
    promoted(play)
    play.desk.controller.obey(orders.split("m", {1: 1000, 2: 9000}), **ME)
    with pytest.raises(Unwanted, match="version 2 has not all the traffic any more"):
        play.desk.rollouts.stop(1, End.ROLLED_BACK, **ME)
    play.desk.controller.obey(orders.split("m", {2: WHOLE}), **ME)
    play.desk.controller.obey(orders.unload("m", 1), **ME)
    with pytest.raises(Unwanted, match="version 1 was unloaded"):
        play.desk.rollouts.stop(1, End.ROLLED_BACK, **ME)
    assert play.desk.rollouts.one(1).end is End.PROMOTED


def test_what_served_before_goes_when_its_time_is_over(play: Play) -> None:
    course = promoted(play, hours=2)
    assert rest([course], play.desk.now) == LONGEST_REST_S
    play.desk.now += 2 * 3600 - 10
    assert rest([course], play.desk.now) == pytest.approx(10)
    play.desk.rollouts.look()
    assert play.desk.carried == ["m/1", "m/2"]
    play.desk.now += 10
    play.desk.rollouts.look()
    assert play.desk.carried == ["m/2"]
    assert play.journal[-1] == "rollout 1: unload 1"
    # Who loads it again has it.
    play.desk.controller.load("m", 1, swap=False, **ME)
    play.desk.rollouts.look()
    assert play.desk.carried == ["m/1", "m/2"]
    assert rest([course], play.desk.now) is None


def test_what_somebody_has_spoken_about_since_stays(play: Play) -> None:
    promoted(play, hours=1)
    play.desk.controller.obey(orders.split("m", {1: 1000, 2: 9000}), **ME)
    play.desk.now += 3601
    play.desk.rollouts.look()
    assert play.desk.carried == ["m/1", "m/2"]


def test_without_a_word_of_the_plan_it_stays(play: Play) -> None:
    course = promoted(play)
    play.desk.now += 1e9
    play.desk.rollouts.look()
    assert play.desk.carried == ["m/1", "m/2"]
    assert rest([course], play.desk.now) is None
