"""Promotions that are taken back, and what served before, which is not kept for ever."""

from typing import Any

import pytest
from tests.unit.rolling import ME, Play, plan

from headrace.control import orders
from headrace.control.previous import LONGEST_REST_S, Previous
from headrace.control.store import Store, in_folder
from headrace.errors import StateInvalid, Unwanted
from headrace.execution.policy import WHOLE
from headrace.models.lifecycle import State
from headrace.registry.report import Kind, Report
from headrace.rollout.course import Course, End


def rest_s(play: Play) -> float | None:
    """Of one that has done nothing yet."""
    previous = Previous(play.desk.controller, play.desk.said.append)
    return previous.rest_s(play.desk.rollouts.all(), play.desk.now)


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
        (one.version, move.alias, move.seen, one.kind)
        for one in play.desk.registry_hears.reports
        for move in one.aliases
    ]
    # Neither goes for want of room before the other one does.
    assert moves == [(2, "champion", 1, Kind.VERDICT), (1, "champion", 2, Kind.VERDICT)]
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


@pytest.mark.parametrize("state", [State.FAILED, State.LOADING])
def test_nobody_goes_back_to_what_cannot_answer(play: Play, state: State) -> None:
    promoted(play)
    play.desk.stand(m={1: state, 2: State.READY})
    with pytest.raises(Unwanted, match=f"version 1 cannot answer, it is {state.value}"):
        play.desk.rollouts.stop(1, End.ROLLED_BACK, **ME)
    assert play.shares == {2: WHOLE}


def test_registries_hear_later_of_one_that_was_taken_back_unheard(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted(play)

    def fails(report: Report) -> None:
        raise StateInvalid("the disk is full")

    monkeypatch.setattr(play.desk.registry_hears, "report", fails)
    play.desk.rollouts.stop(1, End.ROLLED_BACK, **ME)
    assert not play.desk.rollouts.one(1).is_told


def test_what_served_before_goes_when_its_time_is_over(play: Play) -> None:
    promoted(play, hours=2)
    assert rest_s(play) == LONGEST_REST_S
    play.desk.now += 2 * 3600 - 10
    assert rest_s(play) == pytest.approx(10)
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


def test_what_could_not_be_unloaded_is_unloaded_later(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted(play, hours=1)
    play.desk.now += 3601

    def fails(*_: Any, **__: Any) -> Any:
        raise StateInvalid("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(play.desk.controller, "obey", fails)
        for _ in range(3):
            play.desk.rollouts.look()
    assert len([one for one in play.desk.said if "what served before stays" in one]) == 1
    assert "what served before stays, and is unloaded later: the disk is full" in play.desk.said[-1]
    assert play.desk.carried == ["m/1", "m/2"]
    assert rest_s(play) == LONGEST_REST_S
    play.desk.rollouts.look()
    assert play.desk.carried == ["m/2"]


def test_who_decides_no_more_says_so_once_and_unloads_nothing(play: Play) -> None:
    promoted(play, hours=1)
    play.desk.now += 3601
    another = Store(in_folder(play.desk.folder))
    for _ in range(2):
        play.desk.rollouts.look()
    another.close()
    (said,) = [one for one in play.desk.said if "another controller decides now" in one]
    assert said.startswith("rollouts are another's now: ")
    assert play.desk.carried == ["m/1", "m/2"]


def test_what_somebody_has_spoken_about_since_stays(play: Play) -> None:
    promoted(play, hours=1)
    play.desk.controller.obey(orders.split("m", {1: 1000, 2: 9000}), **ME)
    play.desk.now += 3601
    play.desk.rollouts.look()
    assert play.desk.carried == ["m/1", "m/2"]


def test_without_a_word_of_the_plan_it_stays(play: Play) -> None:
    promoted(play)
    play.desk.now += 1e9
    play.desk.rollouts.look()
    assert play.desk.carried == ["m/1", "m/2"]
    assert rest_s(play) is None
