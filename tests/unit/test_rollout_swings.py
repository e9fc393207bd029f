"""How much evidence is left of executions that are slow, or quick, for seconds on end."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.test_rollout_course import Play, plan

from headrace.rollout.bets import NONE, Units
from headrace.rollout.evidence import Criterion, Evidence
from headrace.rollout.keeping import from_json, to_json
from headrace.rollout.record import Record
from headrace.rollout.swings import PRIOR_PAIRS, STILL, Level, Swings
from headrace.rollout.together import ALONE
from headrace.rollout.weighing import observed

#: As many executions of each arm in each look.
EACH = Units(100.0)
P99 = Criterion("p99", 0.0)


def looks(swings: Swings, means: list[float], each: Units = EACH) -> Swings:
    """Return it after looks in which the candidate's answers were so much slower, in places."""
    for mean in means:
        many = each.count
        one, other = (Level(many, many * at, many * (at**2 + 4)) for at in (200 + mean, 200.0))
        swings = swings.seen((each, each), (one, other))
    return swings


def by_chance(seed: int, number: int, *, lasting: int = 1, times: float = 1.0) -> list[float]:
    """Return differences as far as chance makes them, or ``times`` as far for so many looks."""
    dice = np.random.default_rng(seed)
    # Both have a variance of about 4 an answer.
    some = times * dice.normal(0.0, np.sqrt(2 * 4 / 100), number // lasting + 1)
    return [float(one) for one in np.repeat(some, lasting)[:number]]


def test_what_differs_by_chance_counts_for_nearly_all_and_a_constant_difference_does_too() -> None:
    for constant in (0.0, 50.0):
        swings = looks(STILL, [constant + one for one in by_chance(1, 300)])
        assert 1.0 <= swings.effect < 2.0, constant


def test_before_anything_is_known_some_executions_are_thought_to_be_one() -> None:
    assert STILL.effect == pytest.approx(2.7, abs=0.1)
    assert not STILL.is_known
    alike = looks(STILL, [0.0] * (PRIOR_PAIRS + 1))
    assert alike.is_known
    assert alike.effect == 1.0


def test_of_minutes_is_thought_what_is_known_of_seconds() -> None:
    assert looks(STILL, by_chance(4, 12, times=6.0)).effect > 20, "at once"
    still = looks(STILL, by_chance(4, 300)).batches
    # Twice as far as chance has it, in as many pairs as weigh what was thought.
    off = replace(still[-1], squares=2.0 * PRIOR_PAIRS, pairs=PRIOR_PAIRS)
    assert off.times(2.0) == (2.0, 0.5)
    assert off.times(1.0) == (1.5, 0.5)
    assert Swings(batches=(*still[:-1], off)).effect < 2.0, "a few minutes may seem to, by chance"


def test_a_constant_difference_does_not_swing_where_traffic_does() -> None:
    swings = STILL
    for many in (100.0, 2500.0, 400.0, 10_000.0):
        swings = looks(swings, [50.0] * 40, Units(many))
    assert swings.effect == 1.0


@pytest.mark.parametrize(("times", "lasting"), [(4.0, 1), (1.0, 16), (4.0, 16)])
def test_what_swings_further_or_for_longer_counts_for_less(times: float, lasting: int) -> None:
    swings = looks(STILL, by_chance(2, 640, times=times, lasting=lasting))
    wanted = times**2 * lasting
    assert 0.5 * wanted < swings.effect < 4 * wanted


def test_a_look_at_which_an_arm_had_nothing_tells_nothing() -> None:
    level = Level.of([(200, 3), (210, 1)])
    assert (level.count, level.mean, level.squares) == (4, 202.5, 3 * 200**2 + 210**2)
    assert STILL.seen((EACH, NONE), (level, level)) == STILL
    assert STILL.seen((EACH, EACH), (level, Level())) == STILL


def test_what_had_weight_before_swings_were_known_is_taken_back() -> None:
    slow = Units(100.0, 30.0)
    record = Record(2, 1, 0.0, 0.0, (Evidence.empty(P99, 1),))
    early, _ = observed(record, STILL, {"p99": (slow, EACH)}, LEVELS, (ALONE, ALONE), 1.0)
    some = early.asked[0].candidate
    assert some.count == pytest.approx(100 / STILL.effect), "as is thought before anything is known"
    assert some.bad == pytest.approx(30 / STILL.effect)
    assert early.log_harm_peak > 3
    swings = looks(STILL, by_chance(3, 64, times=10.0))
    assert swings.effect > 50
    swings, kept = swings.weighing((slow, EACH), (some, early.asked[0].control))
    assert kept == 1.0, "nothing was counted before"
    later, swings = observed(early, swings, {"p99": (EACH, EACH)}, LEVELS, (ALONE, ALONE), 1.0)
    assert later.log_harm_peak < early.log_harm_peak / 5
    allowed = (swings.counted[0] + EACH.count) / swings.effect + 1 + 1e-9
    assert swings.weighed[0] <= allowed, "and what came in this look"
    known = later.asked[0]
    assert known.candidate.count == pytest.approx(swings.weighed[0], rel=0.01)
    assert known.spread.weight < early.asked[0].spread.weight


LEVELS = (Level.of([(200, 100)]), Level.of([(200, 100)]))


@given(st.floats(0.0, 1.0))
def test_a_discount_takes_from_what_was_proved_and_not_from_what_was_lost(part: float) -> None:
    known = Evidence.empty(P99, 1).observed(Units(50.0, 20.0), Units(50.0, 1.0), 0)
    less = known.discounted(part)
    assert less.log_harm <= known.log_harm
    assert less.candidate.count == pytest.approx(part * 50)
    for before, after in zip(known.harm[0], less.harm[0], strict=True):
        assert after == (part * before if before > 0 else before)


def test_a_rollout_keeps_what_it_knows_of_swings() -> None:
    play = Play(plan()).begun()
    for slow in (1, 0, 1):
        for version, count in ((2, 20), (1, 80)):
            play.gateway.count(version, count, slow=slow)
        play.look()
    course = play.course
    assert course.swings.counted == (60, 240)
    assert course.swings.levels[0].count > 0
    assert from_json(to_json(course)).swings == course.swings
    assert Swings.from_json({}) == STILL, "of a release that knew of none"
    assert Swings.from_json(asdict(STILL)) == STILL
