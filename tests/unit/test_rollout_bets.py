"""Bets are fair: their expected value is at most 1 under what they are against."""

import itertools
import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from headrace.rollout.bets import BOLDEST, LEAST_RATE, STAKES, Units, gains, log_mean
from headrace.rollout.intervals import SLOPES, Spread

#: What a unit may be, and how likely each is for a mean of one number.
HOW_BAD = (0.0, 0.5, 1.0)
RATES = some.floats(0.0, 1.0)


def chances(mean: float, spread: float) -> tuple[float, ...]:
    """Of HOW_BAD, with this mean; from two points (0) to as much in the middle as there can be."""
    middle = 2 * min(mean, 1 - mean) * spread
    return 1 - mean - middle / 2, middle, mean - middle / 2


def outcomes(units: int, mean: float, spread: float) -> list[tuple[float, float]]:
    """Of so many independent units: what they sum to, and how likely that is."""
    one = list(zip(HOW_BAD, chances(mean, spread), strict=True))
    return [
        (sum(bad for bad, _ in drawn), math.prod(chance for _, chance in drawn))
        for drawn in itertools.product(one, repeat=units)
    ]


@settings(max_examples=60, deadline=None)
@given(
    units=some.tuples(some.integers(1, 3), some.integers(1, 3)),
    control=RATES,
    margin=some.sampled_from([0.0, 0.005, 0.1, 0.5]),
    beside=RATES,
    spread=RATES,
    thought=RATES,
)
def test_no_stake_gains_by_expectation_under_what_it_is_against(
    units: tuple[int, int], control: float, margin: float, beside: float, spread: float,
    thought: float,
) -> None:  # fmt: skip
    at_most = min(control + margin, 1.0) * beside
    at_least = min(control + margin, 1.0) + (1 - min(control + margin, 1.0)) * beside
    if control + margin > 1.0:
        at_least = math.nan
    for kind, candidate in enumerate((at_most, at_least)):
        if math.isnan(candidate):
            continue
        expected = np.zeros(len(STAKES))
        for bad, chance in outcomes(units[0], candidate, spread):
            for other, its_chance in outcomes(units[1], control, spread):
                paid = gains(
                    Units(units[0], bad), Units(units[1], other), rate=thought, margin=margin
                )
                expected += chance * its_chance * np.exp(paid[kind])
        assert expected.max() <= 1 + 1e-9


@settings(max_examples=50, deadline=None)
@given(units=some.integers(1, 4), limit=some.floats(0.001, 0.999), beside=RATES, spread=RATES)
def test_no_stake_gains_against_a_fixed_limit(
    units: int, limit: float, beside: float, spread: float
) -> None:
    for kind, mean in enumerate((limit * beside, limit + (1 - limit) * beside)):
        expected = sum(
            chance * np.exp(gains(Units(units, bad), None, rate=0.5, margin=limit)[kind])
            for bad, chance in outcomes(units, mean, spread)
        )
        assert np.max(expected) <= 1 + 1e-9


@settings(max_examples=50, deadline=None)
@given(
    units=some.tuples(some.integers(1, 3), some.integers(1, 3)),
    mean=RATES,
    spread=RATES,
    thought=RATES,
)
def test_no_slope_of_an_interval_gains_by_expectation(
    units: tuple[int, int], mean: float, spread: float, thought: float
) -> None:
    for sign in (1.0, -1.0):
        expected = np.zeros(len(SLOPES))
        for bad, chance in outcomes(units[0], mean, spread):
            for other, its_chance in outcomes(units[1], mean, spread):
                seen = Spread().observed(Units(units[0], bad), Units(units[1], other), thought)
                log = sign * SLOPES * seen.difference - np.array(seen.penalty)
                expected += chance * its_chance * np.exp(log)
        assert expected.max() <= 1 + 1e-9


def test_the_best_stake_grows_as_fast_as_the_likelihood_ratio() -> None:
    bad, good, pooled = 0.03, 0.01, 0.02
    worse, _ = gains(Units(1, bad), Units(1, good), rate=pooled, margin=0.0)
    best = sum(
        p * math.log(p / pooled) + (1 - p) * math.log((1 - p) / (1 - pooled)) for p in (bad, good)
    )
    assert 0.95 * best < worse.max() <= best


@pytest.mark.parametrize("rate", [0.0, 1e-12, 1e-6, 0.5, 1 - 1e-6, 1.0])
@pytest.mark.parametrize("margin", [0.0, 0.005, 0.999_999_999_9])
def test_no_rate_and_no_number_of_units_ruins_a_bet(rate: float, margin: float) -> None:
    many = 1e8
    for bad, other in itertools.product((0.0, 1.0, many), repeat=2):
        for paid in gains(Units(many, bad), Units(many / 19, other / 19), rate=rate, margin=margin):
            assert np.isfinite(paid).all()
    assert BOLDEST < 1


def test_a_hundred_million_units_lose_no_digits_that_matter() -> None:
    count, bad, other, rate = 10**8, 120, 100, 1.1e-6
    worse, _ = gains(Units(count, bad), Units(count, other), rate=rate, margin=0.0)
    with localcontext() as exact:
        exact.prec = 60
        for stake, paid in zip(STAKES, worse, strict=True):
            a = Decimal(min(float(stake), BOLDEST / max(rate, 1 - rate)))
            q = Decimal(rate)
            log = (
                bad * (1 + a * (1 - q)).ln() + (count - bad) * (1 - a * q).ln()
                + other * (1 - a * (1 - q)).ln() + (count - other) * (1 + a * q).ln()
            )  # fmt: skip
            assert abs(Decimal(float(paid)) - log) < Decimal("1e-6")


def test_what_is_no_sum_of_bounded_contributions_is_refused() -> None:
    for count, bad in ((3, 4), (3, -1), (math.inf, 1), (3, math.nan)):
        with pytest.raises(ValueError, match="one bounded contribution a unit"):
            Units(count, bad)


def test_nothing_is_paid_while_an_arm_has_nothing() -> None:
    for pair in ((Units(), Units(5, 1)), (Units(5, 1), Units())):
        assert not np.any(gains(*pair, rate=0.1, margin=0.0))


def test_an_average_of_logarithms_neither_overflows_nor_vanishes() -> None:
    assert log_mean([1e6, 1e6]) == 1e6
    assert log_mean([-1e6, -1e6]) == -1e6
    assert log_mean([0.0, math.log(3)]) == pytest.approx(math.log(2))
    assert LEAST_RATE > 0
