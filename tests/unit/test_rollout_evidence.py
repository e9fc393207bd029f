"""What a record keeps of a metric, and what it is shown by."""

import math

import numpy as np
import pytest

from headrace.rollout.bets import Units
from headrace.rollout.evidence import MEMORY_UNITS, Criterion, Evidence
from headrace.rollout.latency import (
    EDGES_NS,
    LEAST_HISTORY,
    SlowLines,
    quantile,
)

ERRORS = Criterion("errors", 0.005)


def seen(
    rates: tuple[float, float], *, looks: int, steps: int = 1, step: int = 0, units: int = 20,
    known: Evidence | None = None,
) -> Evidence:  # fmt: skip
    """As many units of each arm a look, as bad as they are on average."""
    known = known or Evidence.empty(ERRORS, steps)
    for _ in range(looks):
        new, old = (Units(units, units * rate) for rate in rates)
        known = known.observed(new, old, step)
    return known


def test_a_worse_candidate_is_found_and_one_as_good_is_proven() -> None:
    worse, same = seen((0.05, 0.01), looks=100), seen((0.01, 0.01), looks=600)
    assert worse.log_harm > math.log(20) > worse.log_fine
    assert same.log_fine > math.log(20) > same.log_harm


@pytest.mark.parametrize("rate", [0.001, 0.01, 0.1, 0.3])
def test_what_comes_all_at_once_is_bet_on_whatever_the_rate_is(rate: float) -> None:
    asked = Evidence.empty(Criterion("accuracy", rate / 2), 1)
    count = 100 / rate
    worse = asked.observed(Units(count, 3 * rate * count), Units(count, rate * count), 0)
    alike = Units(10 * count, 10 * count * rate)
    same = asked.observed(alike, alike, 0)
    assert worse.log_harm > math.log(20) > worse.log_fine
    assert same.log_fine > 0.5 > same.log_harm


def test_nothing_is_learned_from_what_is_bet_on() -> None:
    assert seen((1.0, 0.0), looks=1).recent == Units(40, 20)
    limit = Evidence.empty(Criterion("agreement", 0.02, paired=False), 1)
    assert limit.observed(Units(20, 20), Units(), 0).log_harm > 1.0


def test_an_arm_waits_for_the_other() -> None:
    known = seen((0.05, 0.01), looks=20)
    alone = known.observed(Units(7, 1), Units(), 0).observed(Units(3, 0), Units(), 0)
    assert (alone.log_harm, alone.candidate) == (known.log_harm, Units(410, 21))
    together = known.observed(Units(10, 1), Units(8, 0), 0)
    assert alone.observed(Units(), Units(8, 0), 0) == together


def test_what_was_good_at_one_step_hides_nothing_of_the_next() -> None:
    good = seen((0.01, 0.01), looks=3000, steps=2)
    later = good.at_next_step()
    assert later.log_fine == 0.0
    found = [seen((0.05, 0.01), looks=looks, step=1, known=later).log_harm for looks in (100, 150)]
    of_one_step = seen((0.05, 0.01), looks=150, known=seen((0.01, 0.01), looks=3000))
    assert max(found) > math.log(20) > of_one_step.log_harm
    with pytest.raises(ValueError, match="from 0 to 1, not 2"):
        later.observed(Units(1, 0), Units(1, 0), 2)


def test_rates_are_remembered_for_a_while_only() -> None:
    known = seen((0.3, 0.3), looks=2000, known=seen((0.01, 0.01), looks=5000))
    assert known.recent.count == pytest.approx(MEMORY_UNITS)
    assert known.recent.bad / known.recent.count > 0.28


def test_an_interval_holds_at_all_times_and_tightens() -> None:
    dice = np.random.default_rng(7)
    missed = 0
    for _ in range(30):
        known, held = Evidence.empty(Criterion("errors", 0.0), 1), True
        for second in range(100):
            rate = 0.05 * (1 + 0.9 * math.sin(second / 10))
            new, old = (Units(8, dice.binomial(8, rate + more)) for more in (0.05, 0.0))
            known = known.observed(new, old, 0)
            if second % 10 == 9:
                low, high = known.spread.interval(0.05)
                held &= low <= 0.05 <= high
        missed += not held
    assert missed <= 2
    assert high - low < 0.2
    assert Evidence.empty(ERRORS, 1).spread.interval(0.05) == (-1.0, 1.0)


def histogram(latencies_ms: np.ndarray) -> list[int]:
    places = np.searchsorted(EDGES_NS, 1e6 * latencies_ms, side="right")
    return [int(count) for count in np.bincount(places, minlength=len(EDGES_NS) + 1)]


def test_slow_is_what_the_baselines_quantile_was_before() -> None:
    latencies = np.random.default_rng(1).lognormal(3.0, 0.5, 100_000)
    lines = SlowLines.of_history(histogram(latencies), 0.99, 1.1)
    exact = float(np.quantile(latencies, 0.99))
    assert exact <= lines.control_ns / 1e6 < exact * 17 / 16
    assert 1.1 <= lines.candidate_ns / lines.control_ns < 1.1 * 17 / 16
    assert quantile(histogram(latencies), 0.99) == lines.control_ns / 1e6
    same = SlowLines.of_history(histogram(latencies), 0.99, 1.0)
    assert same.candidate_ns == same.control_ns == lines.control_ns
    assert math.isnan(quantile([0] * 401, 0.99))


@pytest.mark.parametrize(
    ("counts", "says"),
    [
        ([5] * len(EDGES_NS), "expected 401 counts"),
        ([-1] + [5] * len(EDGES_NS), "none below 0"),
        ([LEAST_HISTORY - 1] + [0] * len(EDGES_NS), "at least 1000 answers, not of 999"),
    ],
)
def test_a_history_that_says_nothing_is_refused(counts: list[int], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        SlowLines.of_history(counts, 0.99, 1.1)


@pytest.mark.parametrize(("margin", "paired"), [(-0.1, True), (1.0, True), (0.0, False)])
def test_a_margin_that_cannot_be_is_refused(margin: float, paired: bool) -> None:
    with pytest.raises(ValueError, match="expected a margin"):
        Criterion("errors", margin, paired)
