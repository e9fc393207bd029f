"""A rollout whose units are users: each is one in a step, whoever has counted him."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.unit.counting import CountingGateway
from tests.unit.rolling import ME, Play, plan

from headrace.control import orders
from headrace.control.judging import Judged
from headrace.control.traffic import Traffic, from_json
from headrace.errors import Unwanted
from headrace.execution.policy import WHOLE
from headrace.rollout.bets import NONE, Units
from headrace.rollout.counted import Counted, Seen, Totals, counted
from headrace.rollout.course import Course, End, Sight, Way
from headrace.rollout.deltas import of_users
from headrace.rollout.evidence import Criterion, Evidence
from headrace.rollout.looking import looked

BY = "header:x-user"


def sticky(play: Play) -> Play:
    play.desk.controller.obey(orders.stick("m", BY), **ME)
    return play


def test_users_are_the_units_where_requests_stick_and_each_step_counts_anew(play: Play) -> None:
    course = sticky(play).start()
    assert course.said[0].why == f"version 2 against 1; users are the units, by {BY}"
    told = []
    for _ in range(300):
        routes = play.desk.divisions["m"].routes
        told.append({one["users_at_step"] for one in routes["judged"]})
        play.gateway.users_at_step = course.step
        course = play.look(bad=0.25)
        if course.end is not None:
            break
    assert course.end is End.PROMOTED
    assert [one for one, before in zip(told, [set(), *told], strict=False) if one != before] == [
        {1},
        {2},
    ]
    # It is sticky still, and nobody is judged any more.
    assert "judged" not in play.desk.divisions["m"].routes
    assert play.shares == {2: WHOLE}


def test_what_was_counted_for_another_step_or_by_executions_is_nothing(play: Play) -> None:
    sticky(play).start(plan(minimum={"units": 10_000, "minutes": 0}))
    for step in (None, 0, 2):
        play.gateway.users_at_step = step
        assert play.look(bad=50).record.evidence[0].candidate == Units()
    play.gateway.users_at_step = 1
    assert play.look().record.evidence[0].candidate == Units(50)


def test_who_sticks_otherwise_ends_it(play: Play) -> None:
    sticky(play).start()
    play.desk.controller.obey(orders.stick("m", "header:x-team"), who="ann", why="")
    course = play.look()
    assert course.end is End.STOPPED
    assert "users stay with a version by header:x-team now (journal" in course.said[-1].why


def test_labels_do_not_tell_whose_they_are(play: Play) -> None:
    with pytest.raises(Unwanted, match="labels do not tell whose they are"):
        sticky(play).start(plan(judge={"errors": {}, "accuracy": {}}))


@pytest.mark.parametrize("gateways", [1, 2, 3])
def test_a_user_whom_several_gateways_have_heard_weighs_one_unit_in_all(gateways: int) -> None:
    seen, new = Seen(), Totals.nothing(0)
    told = []
    for began in range(1, gateways + 2):
        gateway = CountingGateway(began=began, users_at_step=1)
        gateway.follow({1: ()})
        if began <= gateways:  # one stands by
            gateway.count(1, 40, bad=20)
        told += counted(gateway.told())
    seen, new = seen.then(told, 0)
    assert (new.runs, seen.heard_by) == (Units(40 * gateways, 20 * gateways), gateways)
    found = of_users({"errors": (new.runs, Units(7, 1))}, (seen.heard_by, 0))
    assert found["errors"][0].count == pytest.approx(40)
    assert found["errors"][1] == Units(7, 1)


def test_a_rollout_takes_half_of_each_unit_where_two_gateways_have_some() -> None:
    asked = plan(judge={"errors": {}}, minimum={"units": 10_000, "minutes": 0})
    course = Course.begin(
        1, "m", asked, candidate=2, baseline=1, crashes=(0, 0), now=0.0, sticky=BY, **ME
    )
    told: list[Counted] = []
    for began in (1, 2):
        gateway = CountingGateway(began=began, users_at_step=1)
        gateway.follow(course.judged)
        gateway.count(1, 40)
        gateway.count(2, 10)
        # The control had no new user in this second, and nothing to compare it with.
        gateway.rows[2]["unserved"] = {"count": 10, "bad": 4.0}
        told += counted(gateway.told())
    sight = Sight(tuple(told), {1: Way.ANSWERS, 2: Way.ANSWERS}, {}, 1.0)
    record = looked(course, sight, 1.0).record
    (errors,) = record.asked
    assert (errors.candidate, errors.control) == (Units(10), Units(40))
    (unserved,) = [one for one in record.evidence if one.criterion.name == "unserved"]
    assert (unserved.pending[0], unserved.candidate) == (NONE, NONE)


def test_a_step_bets_with_its_part_and_knows_nothing_of_those_before() -> None:
    known = Evidence.empty(Criterion("errors", 0.0), 4, anew=True)
    assert known.log_harm == pytest.approx(-math.log(4))
    for _ in range(40):
        known = known.observed(Units(20, 2), Units(20, 0.2), 0)
    alone = Evidence.empty(Criterion("errors", 0.0), 1)
    for _ in range(40):
        alone = alone.observed(Units(20, 2), Units(20, 0.2), 0)
    assert known.log_harm == pytest.approx(alone.log_harm - math.log(4))
    later = known.at_next_step()
    assert later.log_harm == pytest.approx(-math.log(4))
    assert later.candidate.count == 800
    assert later.spread.weight == 0.0
    with pytest.raises(ValueError, match="from 0 to 3, not 4"):
        later.observed(Units(1), Units(1), 4)


def test_the_same_users_at_every_step_are_not_called_worse_too_often() -> None:
    """Chance gives one arm more of those who always fail, and it keeps them from step to step."""
    alpha, steps, runs = 0.05, (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5), 60
    found = {True: 0, False: 0}
    for seed in range(runs):
        dice = np.random.default_rng(seed)
        place, fails = dice.random(1500), dice.random(1500) < 0.05
        peaks = {}
        for anew in found:
            known, peak = Evidence.empty(Criterion("errors", 0.0), len(steps), anew=anew), -math.inf
            for step, share in enumerate(steps):
                if step:
                    known = known.at_next_step()
                come = dice.permutation(1500)
                for chunk in np.split(come, 10):
                    new, old = chunk[place[chunk] < share], chunk[place[chunk] >= share]
                    units = [Units(len(one), float(fails[one].sum())) for one in (new, old)]
                    known = known.observed(units[0], units[1], step)
                    peak = max(peak, known.log_harm)
            peaks[anew] = peak
            found[anew] += peak >= math.log(1 / alpha)
    assert found[True] / runs <= alpha
    assert found[False] / runs > alpha, "bets that go on count what chance has done again"


def test_what_is_judged_is_kept_and_told_to_gateways() -> None:
    judged = Judged(2, (5,), 7, 100, True, users_at_step=3)
    traffic = Traffic(judged=(judged, replace(judged, users_at_step=None)))
    assert from_json(json.loads(json.dumps(traffic.as_json()))) == traffic
    told: list[dict[str, Any]] = traffic.as_policy("m")["judged"]
    assert told[0] == {"version": 2, "slow_ns": (5,), "rollout": 7, "users_at_step": 3}
    assert "users_at_step" not in told[1]
