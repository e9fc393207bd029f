"""A version that stands twice: the control of a rollout, and both arms of an A/A test."""

import json
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import update
from tests.unit.rolling import ME, Play, plan

from headrace.config.rollouts import RolloutPlan
from headrace.control import orders
from headrace.control.judging import Control
from headrace.control.store import ROLLOUT
from headrace.control.traffic import Traffic, from_json
from headrace.errors import Unchanged, Unwanted
from headrace.execution.policy import WHOLE, table
from headrace.models.lifecycle import State
from headrace.repository.instances import control_of
from headrace.rollout.arms import arm_of
from headrace.rollout.course import Course, End
from headrace.rollout.record import Record

ONE = control_of(1)
OWN = plan(control="own", steps_percent=[5, 25, 100])
A_A = plan(kind="a/a", steps_percent=[50], max_hours=0.01)
READY = {1: State.READY, 2: State.READY, ONE: State.READY}


def own(play: Play) -> Play:
    """Have a rollout with a control of its own, which has come."""
    play.start(OWN)
    play.desk.stand(m=READY)
    assert look(play).percent == 5
    return play


def look(play: Play, *, candidate: float = 0.0, control: float = 0.0) -> Course:
    """Have each that is judged run 50 batches, so many of them bad, and look."""
    routes = play.desk.divisions["m"].routes
    judged = {one["version"]: tuple(one["slow_ns"]) for one in routes.get("judged", ())}
    play.gateway.rollout = play.desk.rollouts.all()[-1].number
    play.gateway.follow(judged)
    play.gateway.count(2, 50, bad=candidate)
    play.gateway.count(ONE, 50, bad=control)
    play.gateway.count(1, 50)
    play.desk.gateways = [play.gateway.told()]
    play.desk.now += 1
    play.desk.rollouts.look()
    return play.desk.rollouts.all()[-1]


def judged(play: Play) -> list[int]:
    return [one["version"] for one in play.desk.divisions["m"].routes.get("judged", ())]


@pytest.mark.parametrize(
    ("control", "shares", "divided"),
    [
        (None, {1: 9500, 2: 500}, {1: 9500, 2: 500}),
        (Control(1, 500, 2), {1: 9500, 2: 500}, {1: 9000, 2: 500, ONE: 500}),
        (Control(1, 5000, 2), {1: 5000, 2: 5000}, {1: 0, 2: 5000, ONE: 5000}),
        # Somebody has divided traffic otherwise in this moment.
        (Control(1, 5000, 2), {1: 3000, 2: 7000}, {1: 0, 2: 7000, ONE: 3000}),
        (Control(1, 5000, 2), {2: WHOLE}, {1: 0, 2: WHOLE, ONE: 0}),
    ],
)
def test_a_control_has_a_part_of_its_versions_share(
    control: Control | None, shares: dict[int, int], divided: dict[int, int]
) -> None:
    traffic = Traffic(control=control)
    assert traffic.divided(shares) == divided
    assert from_json(json.loads(json.dumps(traffic.as_json()))) == traffic


def test_it_is_loaded_before_the_first_step_and_ends_with_the_rollout(play: Play) -> None:
    play.start(OWN)
    assert play.desk.carried == ["m/1", "m/2", f"m/{ONE}"]
    (control,) = play.desk.assignments[2:]
    first = play.desk.assignments[0].version
    assert (control.version.folder, control.is_spare) == (first.folder, False)
    assert (play.shares, judged(play)) == ({1: WHOLE, ONE: 0}, [1])
    assert look(play).said[-1].why == "version 1+control is being loaded"
    play.desk.stand(m={ONE: State.LOADING})
    assert look(play).percent == 0
    play.desk.stand(m={ONE: State.READY})
    # Both arms have the same, at every step.
    assert look(play).percent == 5
    assert (play.shares, judged(play)) == ({1: 9000, 2: 500, ONE: 500}, [2, ONE])
    for _ in range(300):
        course = look(play)
        if course.percent == 25 and course.end is None:
            assert play.shares == {1: 5000, 2: 2500, ONE: 2500}
        if course.end is not None:
            break
    assert (course.end, play.shares) == (End.PROMOTED, {2: WHOLE})
    assert play.desk.carried == ["m/1", "m/2"]
    assert play.journal[1:] == [
        "me: rollout 1: 1=100",
        "rollout 1: rollout 1: 1=90 2=5 1+control=5",
        "rollout 1: rollout 1: 1=50 2=25 1+control=25",
        "rollout 1: rollout 1 promoted: 2=100",
    ]


def test_the_candidate_is_compared_with_the_control_and_not_with_the_rest(play: Play) -> None:
    own(play)
    for _ in range(20):
        course = look(play, candidate=10, control=10)
    # The rest has not failed once.
    assert course.end is None
    (errors, *_) = course.record.evidence
    assert errors.control_rate == pytest.approx(0.2)
    for _ in range(20):
        course = look(play, candidate=40, control=10)
    assert (course.end, play.shares) == (End.ROLLED_BACK, {1: WHOLE})
    assert play.desk.carried == ["m/1", "m/2"]


def test_one_that_cannot_be_loaded_keeps_it_from_beginning(play: Play) -> None:
    play.start(OWN)
    play.desk.stand(m={ONE: State.FAILED})
    course = look(play)
    assert (course.end, play.shares, play.desk.carried) == (
        End.INCONCLUSIVE,
        {1: WHOLE},
        ["m/1", "m/2"],
    )
    why = "it did not begin, for version 1+control cannot be loaded: so it is with"
    assert course.said[-1].why.startswith(why)


def test_one_that_never_comes_is_not_waited_for_without_end(play: Play) -> None:
    play.start(plan(control="own", steps_percent=[5, 100], max_hours=0.001))
    for _ in range(5):
        course = look(play)
    assert course.end is End.INCONCLUSIVE
    assert course.said[-1].why == "0.001 hours are over, and version 1+control is being loaded"


def test_one_that_is_lost_later_is_waited_for_and_decides_nothing(play: Play) -> None:
    own(play)
    play.desk.stand(m={ONE: State.LOADING})
    assert look(play).said[-1].what == "wait"
    play.desk.stand(m={ONE: State.FAILED})
    course = look(play)
    assert (course.end, course.percent) == (None, 5)
    assert "the control of version 1 cannot answer" in course.said[-1].why


def test_its_crashes_are_the_controls(play: Play) -> None:
    own(play)
    play.desk.crashes = {"m/2": 4, f"m/{ONE}": 2, "m/1": 0}
    assert look(play).end is None
    play.desk.crashes = {"m/2": 5, f"m/{ONE}": 2, "m/1": 9}
    assert "crashed 5 times, the control 2" in look(play).said[-1].why


@pytest.mark.parametrize(
    ("change", "shares"),
    [
        (orders.split("m", {1: 5000, 2: 5000}), {1: 5000, 2: 5000}),
        (orders.split("m", {2: WHOLE}), {2: WHOLE}),
        (orders.unload("m", None), None),
        (orders.stick("m", "header:x-user"), {1: 9500, 2: 500}),
        (None, {1: WHOLE}),
    ],
)
def test_a_person_who_divides_traffic_ends_it(play: Play, change: Any, shares: Any) -> None:
    own(play)
    if change is None:
        play.desk.controller.undo(play.desk.controller.store.journal(1)[0].number, **ME)
    else:
        play.desk.controller.obey(change, who="ann", why="")
    assert look(play).end is End.STOPPED
    assert f"m/{ONE}" not in play.desk.carried
    assert play.shares == shares


@pytest.mark.parametrize("end", [End.PROMOTED, End.ROLLED_BACK, End.STOPPED])
def test_it_ends_as_a_person_says(play: Play, end: End) -> None:
    own(play)
    play.desk.rollouts.stop(1, end, **ME)
    assert play.desk.carried == ["m/1", "m/2"]
    (entry,) = play.desk.controller.store.journal(1)
    if end is End.ROLLED_BACK:
        play.release()
    with suppress(Unchanged):  # where it stopped nothing was moved
        play.desk.controller.undo(entry.number, **ME)
    assert play.desk.carried == ["m/1", "m/2"], "no undo brings it back"


def test_a_restart_goes_on_with_it(play: Play) -> None:
    own(play)
    look(play)
    play.desk.begin()
    assert play.desk.carried == ["m/1", "m/2", f"m/{ONE}"]
    play.desk.stand(m={1: State.READY, 2: State.READY})
    assert look(play).said[-1].why == "version 1+control is being loaded"
    play.desk.stand(m=READY)
    assert look(play).record.evidence[0].control.count > 0
    assert play.shares[ONE] == play.shares[2]


def test_one_whose_rollout_cannot_be_read_ends_at_the_start(play: Play) -> None:
    own(play)
    store = play.desk.store
    assert store is not None
    with store._connected() as connection:
        connection.execute(update(ROLLOUT).values(course={"number": 1}))
    play.desk.begin()
    play.desk.rollouts.open()
    assert play.desk.carried == ["m/1", "m/2"]
    assert play.desk.controller.store.journal(1)[0].what == "nothing is judged any more"
    play.desk.rollouts.close()


def test_nobody_sees_it_as_a_version(play: Play) -> None:
    own(play)
    assert [row.version.number for row in play.desk.controller.versions("m")] == [1, 2]
    entry = play.desk.controller.store.journal(1)[0]
    assert str(ONE) not in json.dumps(entry.after.as_json())
    told = json.loads(table_of(play))["models"]["m"]
    assert [one["version"] for one in told["versions"]] == [1, 2, ONE]
    courses = play.desk.rollouts.all()
    arms = [arm_of(courses, "m", one, 1_001_000) for one in (2, ONE, 1)]
    assert [one and one.name for one in arms] == ["candidate", "control", "baseline"]
    moved = [one.happened for one in play.desk.controller.events.after(0) or ()]
    assert not [one for one in moved if getattr(one, "version", 1) == ONE]


def table_of(play: Play) -> str:
    from headrace.control.engine import by_model
    from headrace.execution.policy import Epoch

    models = by_model(play.desk.standings())
    return table(Epoch(), models, divided=play.desk.divisions)


def test_the_same_version_twice_goes_on_until_its_time_is_over(play: Play) -> None:
    with pytest.raises(Unwanted, match="a/a is of who has all the traffic, which version 2 has"):
        play.start(A_A)
    play.desk.rollouts.start("m", 1, A_A, baseline=None, **ME)
    assert play.desk.rollouts.one(1).said[0].why == "version 1 against itself"
    play.desk.stand(m=READY)
    look(play)
    assert (play.shares, judged(play)) == ({1: 5000, ONE: 5000}, [1, ONE])
    with pytest.raises(Unwanted, match="nothing to promote"):
        play.desk.rollouts.stop(1, End.PROMOTED, **ME)
    for _ in range(40):
        course = look(play)
    assert (course.end, play.shares) == (End.INCONCLUSIVE, {1: WHOLE})
    assert "no difference of one version from itself" in course.said[-1].why
    assert play.desk.carried == ["m/1", "m/2"]
    assert play.desk.registry_hears.reports == []


@pytest.mark.parametrize("how", ["errors", "crashes", "fails"])
def test_arms_of_one_version_that_differ_do_so_by_something_else(play: Play, how: str) -> None:
    play.desk.rollouts.start("m", 1, A_A, baseline=1, **ME)
    play.desk.stand(m=READY)
    look(play)
    play.desk.crashes = {f"m/{ONE}": 3} if how == "crashes" else {}
    play.desk.stand(m={ONE: State.FAILED if how == "fails" else State.READY})
    for _ in range(10):
        course = look(play, control=25.0 if how == "errors" else 0.0)
    assert (course.end, play.shares) == (End.ROLLED_BACK, {1: WHOLE})
    assert "differ by something else than the version" in course.said[-1].why


def test_an_a_a_test_has_no_control_beside_it() -> None:
    with pytest.raises(ValueError, match="a/a has one version twice, and is its own control"):
        plan(kind="a/a", steps_percent=[50], control="own")
    assert [plan(**one).stands_twice for one in ({}, {"control": "own", "steps_percent": [5]})] == [
        False,
        True,
    ]


def test_a_record_of_before_has_a_control_that_answers() -> None:
    asked: RolloutPlan = plan()
    record = Record.begin(asked, candidate=2, baseline=1, now=0.0)
    before = json.loads(record.to_json())
    del before["health"]["control_ready"]
    assert Record.from_json(json.dumps(before)) == record


def test_what_the_baseline_did_before_the_first_step_of_an_a_a_is_no_evidence(play: Play) -> None:
    play.desk.rollouts.start("m", 1, A_A, baseline=None, **ME)
    play.desk.stand(m={1: State.READY, 2: State.READY, ONE: State.LOADING})
    for _ in range(5):
        look(play)
    play.desk.stand(m=READY)
    begun = look(play)
    assert begun.step == 1
    errors = look(play).record.evidence[0]
    # Its gateway counts on as before: nothing that it is asked for has changed.
    assert play.gateway.rows[1]["runs"]["count"] == 7 * 50
    assert (errors.candidate.count, errors.control.count) == (50, 50)
