"""Executions that waited at the same time weigh as one, in either version."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.counting import CountingGateway
from tests.unit.test_rollout_course import Play, plan

from headrace.rollout.bets import Units
from headrace.rollout.counted import Seen, Totals, counted
from headrace.rollout.together import ALONE, Together, apart

HALF_A_SECOND = 500_000_000


@pytest.mark.parametrize(
    ("counts", "together", "passed_s", "want"),
    [
        pytest.param((20, 80), (ALONE, ALONE), 1.0, (20, 80), id="each alone"),
        pytest.param((20, 80), (Together(2, 0), ALONE), 1.0, (10, 80), id="in pairs"),
        pytest.param(
            (20, 80),
            (Together(10, HALF_A_SECOND), Together(2, 0)),
            1.0,
            (2, 2),
            id="one stood still",
        ),
        pytest.param(
            (20, 80), (ALONE, Together(40, HALF_A_SECOND)), 1.0, (2, 2), id="the other did"
        ),
        pytest.param(
            (2, 80), (ALONE, Together(40, HALF_A_SECOND)), 2.0, (2, 2), id="with few, each alone"
        ),
        pytest.param(
            (20, 80), (Together(400, 9 * HALF_A_SECOND), ALONE), 1.0, (1, 1), id="a second is one"
        ),
        pytest.param((0, 0), (Together(9, 5), ALONE), 1.0, (0, 0), id="nothing"),
        pytest.param((0.5, 2.5), (ALONE, ALONE), 1.0, (0.5, 2.5), id="of several gateways' users"),
    ],
)
def test_as_many_as_waited_together_weigh_one(
    counts: tuple[float, float],
    together: tuple[Together, Together],
    passed_s: float,
    want: tuple[float, float],
) -> None:
    found = (Units(counts[0], counts[0] / 4), Units(counts[1]))
    candidate, control = apart(found, together, passed_s)
    assert (candidate.count, control.count) == pytest.approx(want)
    assert (candidate.bad, control.bad) == pytest.approx((want[0] / 4, 0))


SOME = st.builds(Together, st.integers(1, 600), st.integers(0, 10**10))


@given(st.tuples(st.floats(0, 10**6), st.floats(0, 10**6)), SOME, SOME, st.floats(0.001, 100))
def test_nobody_gains_weight_and_a_second_is_a_unit_at_least(
    counts: tuple[float, float], one: Together, other: Together, passed_s: float
) -> None:
    found = (Units(counts[0], counts[0]), Units(counts[1]))
    for before, after in zip(found, apart(found, (one, other), passed_s), strict=True):
        assert min(before.count, passed_s) * (1 - 1e-9) <= after.count <= before.count * (1 + 1e-9)
        assert after.bad == (after.count if before.bad else 0)


@pytest.mark.parametrize("told", [{"count": 0, "span_ns": 1}, {"count": 2, "span_ns": -1}])
def test_what_cannot_be_is_refused(told: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected at least 1 together, within 0 ns or more"):
        Together(**told)


def test_the_most_of_all_that_have_counted_is_what_counts() -> None:
    told = []
    for began, most in [(1, (3, 70)), (2, (4, 90)), (3, (4, 80))]:
        gateway = CountingGateway(began=began)
        gateway.follow({1: ()})
        gateway.count(1, 40)
        gateway.rows[1]["together"] = {"count": most[0], "span_ns": most[1]}
        told += counted(gateway.told())
    seen, new = Seen().then(told, 0)
    assert seen.together == new.together == Together(4, 80)
    assert Totals.from_json(new.as_json()) == new
    assert Totals.from_json({**new.as_json(), "together": {}}).together == ALONE, "as it was kept"
    assert seen.then(told[:1], 0)[0].together == Together(4, 80), "of one that has gone, too"


def test_a_look_compares_what_is_apart_and_counts_failures_as_before() -> None:
    play = Play(plan()).begun()
    before = play.course.record.asked
    for version, count in ((2, 20), (1, 80)):
        play.gateway.count(version, count, slow=count / 2)
        play.gateway.rows[version]["together"] = {"count": count // 2, "span_ns": HALF_A_SECOND}
    found = {
        known.criterion.name: (known.candidate, known.control) for known in play.look().record.asked
    }
    assert all(known.candidate.count == 0 for known in before)
    assert found == {
        "errors": (Units(20), Units(80)),
        "p99": (Units(2, 1), Units(2, 1)),
    }
