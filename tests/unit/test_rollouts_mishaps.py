"""What a rollout does when something goes wrong in the middle of it."""

import threading
from typing import Any

import pytest
from sqlalchemy import update
from tests.unit.desk import Desk
from tests.unit.rolling import ME, READY, Play, plan

from headrace.control import orders, rollouts
from headrace.control.courses import MOST_KEPT
from headrace.control.store import ROLLOUT
from headrace.errors import StateInvalid, Unwanted
from headrace.execution.policy import WHOLE
from headrace.models.lifecycle import State
from headrace.rollout.course import Course, End
from headrace.rollout.looking import looked


def test_who_divides_traffic_in_the_moment_of_a_step_wins(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    play.start()
    obey = play.desk.controller.obey

    def after_ann(order: Any, **said: Any) -> None:
        if said.get("course") is not None:
            monkeypatch.setattr(play.desk.controller, "obey", obey)
            obey(orders.split("m", {1: WHOLE}), who="ann", why="")
        obey(order, **said)

    monkeypatch.setattr(play.desk.controller, "obey", after_ann)
    play.look()
    assert play.shares == {1: WHOLE}
    assert play.look().end is End.STOPPED
    assert play.shares == {1: WHOLE}


@pytest.mark.parametrize("state", [State.DRAINING, State.STANDBY, State.LOADING])
def test_a_version_that_makes_room_for_a_while_is_not_lost(play: Play, state: State) -> None:
    play.start()
    play.desk.stand(m={2: state})
    assert play.look().end is None
    play.desk.stand(m={2: State.FAILED})
    assert play.look().end is End.ROLLED_BACK


def test_what_was_not_foreseen_is_said_and_does_not_end_it(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollouts, "LOOK_S", 0.001)
    play.start(plan(minimum={"units": 1000, "minutes": 0}))
    looks = threading.Semaphore(0)

    def fails() -> list[str]:
        looks.release()
        raise RuntimeError("a bug")

    monkeypatch.setattr(play.desk, "gateways_", fails)
    play.desk.rollouts.open()
    for _ in range(3):
        assert looks.acquire(timeout=10)
    play.desk.rollouts.close()
    (said,) = [one for one in play.desk.said if "a bug" in one]
    assert "Traceback" in said


def test_a_gateway_that_tells_nothing_that_can_be_read_holds_nobody_up(play: Play) -> None:
    play.start()
    play.look()
    play.desk.gateways = ["{}"]
    play.desk.rollouts.look()
    assert [one for one in play.desk.said if "cannot be read" in one]
    assert play.look().record.evidence[0].candidate.count == 100


def test_an_end_that_nobody_had_the_time_to_tell_of_is_told_after_a_restart(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    play.start()

    def fails(_: Any) -> None:
        raise StateInvalid("the disk is full")

    monkeypatch.setattr(play.desk.registry_hears, "report", fails)
    play.desk.rollouts.stop(1, End.PROMOTED, **ME)
    monkeypatch.undo()
    play.desk.begin()
    told = play.desk.registry_hears.reports
    before = len(told)
    play.desk.rollouts.open()
    assert [one.kind.value for one in told[before:]] == ["state", "state", "metrics", "verdict"]
    play.desk.rollouts.close()
    play.desk.begin()
    play.desk.rollouts.open()
    assert len(told) == before + 4, "once"
    play.desk.rollouts.close()


def fails_to_note_that_it_was_told(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    put = play.desk.controller.store.put

    def fails(*changes: Any, course: Course | None = None, **more: Any) -> Any:
        if course is not None and course.is_told:
            raise StateInvalid("the disk is full")
        return put(*changes, course=course, **more)

    monkeypatch.setattr(play.desk.controller.store, "put", fails)


def test_an_end_counts_though_it_cannot_be_written_down_that_it_was_told(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    play.start(plan(steps_percent=[50], minimum={"units": 50, "minutes": 0}))
    fails_to_note_that_it_was_told(play, monkeypatch)
    ends = [play.look(bad=0.25).end for _ in range(40)]
    assert set(ends) == {None, End.PROMOTED}
    told = play.desk.registry_hears.reports
    assert [one.verdict.word for one in told if one.verdict] == ["promoted"]
    assert [one for one in play.desk.said if "is told of once more by the next start" in one]
    monkeypatch.undo()
    play.desk.begin()
    play.desk.rollouts.open()
    play.desk.rollouts.close()
    assert [one.verdict.word for one in told if one.verdict] == ["promoted"] * 2
    play.desk.stand(m=READY)
    assert play.desk.rollouts.stop(1, End.ROLLED_BACK, **ME).end is End.ROLLED_BACK


def test_who_ends_one_is_told_so_though_it_cannot_be_written_down_that_it_was_told(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    play.start()
    fails_to_note_that_it_was_told(play, monkeypatch)
    assert play.desk.rollouts.stop(1, End.PROMOTED, **ME).end is End.PROMOTED
    assert play.shares == {2: WHOLE}


def written_by_another_release(play: Play) -> None:
    """Have the database keep a rollout that this one cannot read."""
    store = play.desk.store
    assert store is not None
    with store._connected() as connection:
        connection.execute(update(ROLLOUT).values(course={"number": 1}))


def test_what_another_release_has_written_keeps_nobody_from_starting(play: Play) -> None:
    play.start()
    written_by_another_release(play)
    play.desk.begin()
    assert play.desk.rollouts.all() == []
    assert "rollout 1 of m cannot be read and does not go on" in play.desk.said[-1]
    assert play.desk.controller.wanted()["m"].traffic.judged
    play.desk.begin()
    play.desk.rollouts.open()
    assert play.desk.controller.wanted()["m"].traffic.judged == ()
    play.desk.rollouts.close()
    # What labels and gateways count is told apart by numbers.
    play.desk.begin()
    play.ready()
    play.desk.controller.obey(orders.split("m", {1: WHOLE}), **ME)
    assert play.start().number == 2


def test_of_a_model_a_hundred_are_kept(play: Play) -> None:
    for _ in range(MOST_KEPT + 3):
        play.start()
        play.desk.rollouts.stop(play.desk.rollouts.all()[-1].number, End.ROLLED_BACK, **ME)
        play.release()
    play.desk.begin()
    kept = play.desk.rollouts.all()
    assert len(kept) == MOST_KEPT
    assert kept[-1].number == MOST_KEPT + 3


def test_what_is_not_foreseen_of_one_holds_up_no_other(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = {1: State.READY, 2: State.READY}
    desk.models = {"m": [1, 2], "n": [1, 2]}
    desk.begin()
    desk.stand(m=both, n=both)
    for model in desk.models:
        desk.controller.obey(orders.split(model, {1: WHOLE}), **ME)
        desk.rollouts.start(model, 2, plan(), baseline=None, **ME)

    def fails(course: Course, *given: Any) -> Course:
        if course.model == "m":
            raise RuntimeError("a bug")
        return looked(course, *given)

    monkeypatch.setattr(rollouts, "looked", fails)
    for _ in range(4):
        desk.now += 1
        desk.rollouts.look()
    watched = {one.model: one.watched_s for one in desk.rollouts.all()}
    assert watched == {"m": 0.0, "n": 4.0}
    assert len([one for one in desk.said if "a bug" in one]) == 1


def test_a_bug_while_the_database_is_away_keeps_nobody_from_the_end(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise StateInvalid("the database is away")

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    closed: list[bool] = []
    play.start()
    monkeypatch.setattr(play.desk.controller.store, "rollouts", away)
    monkeypatch.setattr(rollouts, "looked", fails)
    play.desk.rollouts.look()
    monkeypatch.setattr(play.desk.controller.store, "put", fails)
    monkeypatch.setattr(play.desk.rollouts.telling, "close", lambda: closed.append(True))
    play.desk.rollouts.close()
    assert closed == [True]
    assert play.desk.rollouts.one(1).end is None


def test_who_crashed_before_a_rollout_is_not_charged_where_one_begins_during_a_look(
    play: Play,
) -> None:
    play.desk.crashes = {"m/2": 5}
    lock = play.desk.rollouts._lock

    class Begins:
        """A look that waits for the lock, which a start has."""

        def __enter__(self) -> None:
            play.desk.rollouts._lock = lock
            lock.acquire()
            if not play.desk.rollouts.all():
                play.start(plan(max_crashes=2))

        def __exit__(self, *_: object) -> None:
            lock.release()

    begins: Any = Begins()
    play.desk.rollouts._lock = begins
    play.desk.rollouts.look()
    for _ in range(3):
        course = play.look()
    assert (course.end, course.record.health.candidate_crashes) == (None, 0)


def test_what_begins_by_itself_does_so_though_the_database_was_away(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollouts, "LOOK_S", 0.001)
    tries = threading.Semaphore(0)

    def away(*_: object) -> None:
        tries.release()
        raise StateInvalid("the database is away")

    monkeypatch.setattr(play.desk.rollouts._newcomers, "due", away)
    play.desk.rollouts.open()
    for _ in range(3):
        assert tries.acquire(timeout=10), "nobody asks again"
    play.desk.rollouts.close()
    assert [one for one in play.desk.said if "away" in one] == ["rollouts: the database is away"]


def test_nobody_is_sent_back_to_what_has_failed(play: Play) -> None:
    play.start()
    play.desk.stand(m={1: State.FAILED, 2: State.READY})
    with pytest.raises(Unwanted, match="version 1 has failed, and would have all the traffic"):
        play.desk.rollouts.stop(1, End.ROLLED_BACK, **ME)
    assert play.desk.rollouts.one(1).end is None


def test_what_traffic_has_for_such_a_rollout_ends_once_its_model_has_come(play: Play) -> None:
    play.start()
    written_by_another_release(play)
    play.desk.models, play.desk.missing = {"m": [1, 2], "n": [1]}, {"m": "no answer"}
    play.desk.begin()
    play.desk.rollouts.look()
    play.desk.missing = {}
    play.desk.controller.come("m")
    assert play.desk.controller.wanted()["m"].traffic.judged
    play.desk.rollouts.look()
    assert not play.desk.controller.wanted()["m"].traffic.judged
    assert play.journal[-1] == "headrace: nothing is judged any more"
