"""Whether two samples are of one source, and when that is said."""

import json

import numpy as np
import pytest

from headrace.config.drift import Drift as Config
from headrace.monitoring.change import UNCHANGED, beyond, change
from headrace.monitoring.drift import CLEARED_AFTER, Policy, Watched
from headrace.monitoring.profiles import NOT_A_NUMBER, Seen, middle, number, profiled

POLICY = Policy(reference_rows=1000, window_rows=250, false_alarms_per_day=0.1, least_score=0.02)
WINDOW_S = 12.5
KEY = ("input x", "mean")


def counts(values: np.ndarray) -> dict[int, int]:
    places, found = np.unique(np.floor(values * 8).astype(int), return_counts=True)
    return dict(zip(places.tolist(), found.tolist(), strict=True))


@pytest.mark.parametrize(
    ("squared", "degrees", "chance"),
    [(3.841459, 1, 0.05), (5.991465, 2, 0.05), (19.675138, 11, 0.05), (48.26794, 12, 2.8e-6)],
)
def test_chances_are_those_of_tables(squared: float, degrees: int, chance: float) -> None:
    assert beyond(squared, degrees) == pytest.approx(chance, rel=0.05)
    assert beyond(0.0, degrees) == 1.0


def test_samples_of_one_source_are_seldom_told_apart_and_others_are() -> None:
    dice = np.random.default_rng(1)
    before = counts(dice.normal(0, 1, 2000))
    alike = [change(before, counts(dice.normal(0, 1, 500))).chance for _ in range(400)]
    assert 0.01 <= np.mean(np.array(alike) <= 0.05) <= 0.1
    moved = change(before, counts(dice.normal(0.5, 1, 500)))
    assert moved.chance < 1e-9
    assert 0.03 <= moved.score <= 0.06  # half a deviation: 0.25 / 8 / ln 2 = 0.045 bits
    assert change(before, {}) == change({0: 3}, {0: 4}) == UNCHANGED


def test_a_sure_change_that_is_small_is_of_a_small_score() -> None:
    dice = np.random.default_rng(2)
    found = change(counts(dice.normal(0, 1, 200_000)), counts(dice.normal(0.05, 1, 200_000)))
    assert found.chance < 1e-9
    assert found.score < POLICY.least_score


def run(shifts: list[float], seed: int = 4, features: int = 10) -> list[Watched]:
    """Return what is known after each window; of the first feature so much is shifted."""
    dice = np.random.default_rng(seed)

    def came(rows: int, shift: float) -> dict[tuple[str, str], dict[int, int]]:
        drawn = {("input x", f"feature {at}"): dice.normal(0, 1, rows) for at in range(1, features)}
        return {key: counts(one) for key, one in drawn.items()} | {
            KEY: counts(dice.normal(shift, 1, rows))
        }

    known = Watched().then(POLICY, 1000, came(1000, 0), 50.0, 0.0)
    found = []
    for at, shift in enumerate(shifts, start=1):
        known = known.then(POLICY, 250, came(250, shift), WINDOW_S, at * WINDOW_S)
        found.append(known)
    return found


def test_an_alarm_takes_two_windows_and_ends_after_three_that_are_quiet() -> None:
    after = run([0, 0, 1, 1, 1, 0, 0, 0])
    drifted = [bool(one.drifted) for one in after]
    assert drifted == [False, False, False, True, True, True, True, False]
    assert after[3].drifted == [KEY]
    assert after[4].alarms[KEY].since == 4 * WINDOW_S
    assert CLEARED_AFTER == 3


def test_where_nothing_changes_there_is_no_alarm_for_days_of_windows() -> None:
    # 3,000 windows of 10 features are ten hours at 20 rows a second.
    assert not any(one.drifted for seed in range(3) for one in run([0.0] * 1000, seed))


def told(rows: int, counts: list[list[int]], since: int = 1) -> str:
    features = [{"name": "mean", "counts": counts}]
    tensor = {"name": "x", "role": "input", "features": features}
    version = {"model": "m", "version": 1, "since": since, "rows": rows, "tensors": [tensor]}
    return json.dumps({"began": 7, "versions": [version]})


def test_what_a_gateway_tells_is_taken_once() -> None:
    seen = Seen()
    assert seen.take(*profiled(told(3, [[5, 3]]))) == (3, {KEY: {5: 3}})
    assert seen.take(*profiled(told(3, [[5, 3]]))) == (0, {KEY: {}})
    assert seen.take(*profiled(told(5, [[5, 4], [9, 1]]))) == (2, {KEY: {5: 1, 9: 1}})
    assert seen.take(*profiled(told(1, [[2, 1]], since=2))) == (1, {KEY: {2: 1}})
    with pytest.raises(ValueError, match="expected what a gateway"):
        profiled("{}")


def test_places_are_numbers_again() -> None:
    one = 127 << 5
    assert (number(one), number(-one), number(0), number(NOT_A_NUMBER)) == (1.0, -1.0, 0.0, None)
    assert middle("mean", {0: 1, one: 5}) == 1.0
    assert (middle("class", {281: 3, 282: 1}), middle("class", {})) == (281.0, None)


def test_a_config_watches_something() -> None:
    with pytest.raises(ValueError, match="expected inputs or outputs"):
        Config()
    assert Config(outputs=("y",)).sample_per_second == 20


def test_rows_that_lose_a_feature_are_told_and_those_that_have_a_new_one() -> None:
    picture, text = ("input x", "width"), ("input x", "non_ascii")
    came = {picture: {5: 1000}}
    known = Watched().then(POLICY, 1000, came, 50.0, 0.0)
    for at in range(2):
        known = known.then(POLICY, 250, {text: {0: 250}}, WINDOW_S, at)
    assert known.drifted == [text, picture]
    for at in range(CLEARED_AFTER):
        known = known.then(POLICY, 250, {picture: {5: 250}}, WINDOW_S, at)
    assert known.drifted == []
