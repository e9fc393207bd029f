"""What a rollout does with traffic, and what is left of it when everything ends."""

import threading
from typing import Any

import pytest
from tests.unit.rolling import ME, Play, plan

from headrace.control import orders, rollouts
from headrace.control.rollouts import KEEP_S
from headrace.errors import StateInvalid, Unwanted
from headrace.execution.policy import WHOLE
from headrace.models.lifecycle import State
from headrace.rollout.course import End


def test_a_good_version_gets_all_traffic_step_by_step(play: Play) -> None:
    assert play.start().percent == 5
    seen = [play.shares]
    for _ in range(300):
        course = play.look(bad=0.25)
        if seen[-1] != play.shares:
            seen.append(play.shares)
        if course.end is not None:
            break
    assert seen == [{1: 9500, 2: 500}, {1: 7500, 2: 2500}, {2: WHOLE}]
    assert course.end is End.PROMOTED
    assert play.journal[1:] == [
        "me: rollout 1: 1=95 2=5",
        "rollout 1: rollout 1: 1=75 2=25",
        "rollout 1: rollout 1 promoted: 2=100",
    ]
    assert "no metric is worse" in play.desk.controller.store.journal(1)[0].why
    assert play.desk.divisions["m"].routes == {}
    # The baseline stays loaded, and the last step can be undone.
    assert play.desk.carried == ["m/1", "m/2"]
    play.desk.controller.undo(play.desk.controller.store.journal(1)[0].number, **ME)
    assert play.shares == {1: 7500, 2: 2500}
    assert play.desk.divisions["m"].routes == {}, "nobody is judged any more"


def test_a_bad_version_loses_its_traffic(play: Play) -> None:
    play.start()
    for _ in range(30):
        course = play.look(bad=10)
    assert (course.end, play.shares) == (End.ROLLED_BACK, {1: WHOLE})
    assert "errors: 20 % bad against 1 %" in course.said[-1].why
    assert play.desk.said[-1] == f"rollout 1 of m: rolled back: {course.said[-1].why}"
    # Another one may begin, once somebody says so.
    play.release()
    assert play.start().number == 2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (orders.split("m", {1: 5000, 2: 5000}), "divided otherwise: 1=50, 2=50 (journal 5, ann"),
        (orders.split("m", {1: WHOLE}), "divided otherwise: 1=100 (journal 5, ann"),
        (orders.unload("m", None), "version 2 was unloaded (journal 5, ann"),
        (orders.stick("m", "header:x-user"), "users stay with a version by header:x-user now"),
    ],
)
def test_a_person_who_divides_traffic_ends_it(play: Play, change: Any, says: str) -> None:
    play.start()
    play.desk.controller.obey(change, who="ann", why="")
    shares = play.shares
    course = play.look()
    assert (course.end, play.shares) == (End.STOPPED, shares)
    assert says in course.said[-1].why
    assert "judged" not in play.desk.divisions["m"].routes


def test_a_version_that_swaps_ends_it(play: Play) -> None:
    play.start()
    play.desk.models["m"] = [1, 2, 3]
    play.desk.controller.load("m", 3, swap=True, **ME)
    assert play.look().end is End.STOPPED
    assert "version 3 is on its way to the traffic" in play.desk.rollouts.one(1).said[-1].why


def test_an_undone_step_ends_it(play: Play) -> None:
    play.start()
    play.desk.controller.undo(play.desk.controller.store.journal(1)[0].number, **ME)
    assert play.shares == {1: WHOLE}
    assert play.look().end is End.STOPPED


def test_a_restart_goes_on_with_what_was_seen(play: Play) -> None:
    play.start(plan(minimum={"units": 1000, "minutes": 0}))
    for _ in range(3):
        play.look()
    play.desk.rollouts.close()
    before = play.desk.rollouts.one(1)
    play.desk.begin()
    assert play.desk.rollouts.one(1) == before
    assert before.record.evidence[0].candidate.count == 150
    # Versions are loaded first; nothing is decided by that.
    assert play.look().said[-1].what == "wait"
    play.ready()
    assert play.shares == {1: 9500, 2: 500}
    assert play.look().record.evidence[0].candidate.count == 200


def test_who_is_killed_loses_seconds_of_evidence(play: Play) -> None:
    play.start(plan(minimum={"units": 1000, "minutes": 0}))
    for _ in range(12):
        play.look()
    play.desk.begin()
    play.ready()
    kept = play.desk.rollouts.one(1).record.evidence[0].candidate.count
    assert 600 - 50 * KEEP_S <= kept < 600
    # The gateway still has what it counted.
    assert play.look().record.evidence[0].candidate.count == 650


def test_a_step_and_what_is_known_of_it_are_written_together(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    play.start()
    store = play.desk.store
    assert store is not None
    put = store.put

    def fails(*_: Any, **__: Any) -> Any:
        raise StateInvalid("the disk is full")

    monkeypatch.setattr(store, "put", fails)
    for _ in range(3):
        course = play.look()
    assert (play.shares, course.percent) == ({1: 9500, 2: 500}, 5)
    assert [one for one in play.desk.said if "full" in one] == [
        "rollout 1 of m cannot go on now: the disk is full"
    ]
    monkeypatch.setattr(store, "put", put)
    assert play.look().percent == 25
    assert play.desk.rollouts.one(1).record.evidence[0].candidate.count == 200


def test_crashes_are_those_of_its_versions(play: Play) -> None:
    play.desk.crashes = {"m/2": 5, "m/1": 1}
    play.start()
    play.desk.crashes = {"m/2": 8, "m/1": 1, "x/2": 99}
    course = play.look()
    assert "version 2 crashed 3 times, the control 0" in course.said[-1].why
    assert play.shares == {1: WHOLE}


def test_agreement_is_judged_by_mirrored_traffic(play: Play) -> None:
    play.start(
        plan(judge={"agreement": {"min_percent": 98, "mirror_percent": 10, "repeatable": True}})
    )
    (shadow,) = play.desk.divisions["m"].routes["shadows"]
    assert (shadow["version"], shadow["share"], shadow["repeatable"]) == (2, 1000, True)
    assert (shadow["apart"], shadow["keep_worst"]) == (False, 0)
    # It is no shadow of anybody's, that could be ended, or come back by an undo.
    assert play.desk.controller.wanted()["m"].traffic.shadows == ()
    play.desk.rollouts.stop(1, End.ROLLED_BACK, **ME)
    assert play.desk.divisions["m"].routes == {}
    (entry,) = play.desk.controller.store.journal(1)
    play.release()
    play.desk.controller.undo(entry.number, **ME)
    assert "shadows" not in play.desk.divisions["m"].routes


@pytest.mark.parametrize(
    ("end", "shares"),
    [
        (End.PROMOTED, {2: WHOLE}),
        (End.ROLLED_BACK, {1: WHOLE}),
        (End.STOPPED, {1: 9500, 2: 500}),
    ],
)
def test_a_person_may_end_it(play: Play, end: End, shares: dict[int, int]) -> None:
    play.start()
    ended = play.desk.rollouts.stop(1, end, **ME)
    assert (ended.end, play.shares) == (end, shares)
    assert ended.said[-1].why == "by me: for a test"
    assert play.desk.divisions["m"].routes == {}
    with pytest.raises(Unwanted, match=f"rollout 1 has ended: {end.value}"):
        play.desk.rollouts.stop(1, end, **ME)
    with pytest.raises(Unwanted, match=f"rollout 1 has ended: {end.value}"):
        play.desk.rollouts.approve(1, **ME)


def test_a_person_allows_a_step(play: Play) -> None:
    play.start(plan(approval="each_step"))
    for _ in range(3):
        course = play.look()
    assert (course.percent, course.said[-1].what) == (5, "wait_for_approval")
    play.desk.rollouts.approve(1, **ME)
    with pytest.raises(Unwanted, match="step 1 of rollout 1 is approved"):
        play.desk.rollouts.approve(1, **ME)
    play.look()
    with pytest.raises(Unwanted, match="is at step 2 by now"):
        play.desk.rollouts.approve(1, 1, **ME)
    assert play.desk.rollouts.one(1).percent == 25
    assert "step 1, by me: for a test" in [one.why for one in play.look().said]


def test_one_goes_on_at_a_time(play: Play) -> None:
    play.start()
    with pytest.raises(Unwanted, match="rollout 1 of m goes on: `headrace rollout stop`"):
        play.start()
    with pytest.raises(Unwanted, match="no model 'x'"):
        play.desk.rollouts.start("x", 2, plan(), baseline=None, **ME)
    with pytest.raises(Unwanted, match="there is no rollout 9"):
        play.desk.rollouts.one(9)


def test_it_is_looked_at_for_as_long_as_one_goes_on(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollouts, "LOOK_S", 0.001)
    looks = threading.Semaphore(0)
    monkeypatch.setattr(play.desk.rollouts, "look", looks.release)
    play.desk.rollouts.open()
    assert looks.acquire(timeout=10), "something may have happened before"
    assert not looks.acquire(timeout=0.1), "nothing goes on"
    play.desk.stand(m={2: State.LOADING})
    assert looks.acquire(timeout=10), "something happened"
    play.start()
    for _ in range(5):
        assert looks.acquire(timeout=10)
    play.desk.rollouts.close()
    while looks.acquire(timeout=0.1):
        pass
