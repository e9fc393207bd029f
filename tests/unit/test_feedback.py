"""Ids of predictions, what labels say of them, and what is shown of that."""

import math
import random
from dataclasses import replace

import pytest

from headrace.feedback.figures import Figures, Score, figures, together
from headrace.feedback.joining import Count, Fitting, Label, Outcome, counts, sort, wrong_share
from headrace.feedback.prediction import Forged, Prediction, Top, read, written
from headrace.rollout.intervals import rate_interval

KEY = bytes(range(32))
MADE_S = 1_700_000_000
TWO = Prediction("photos", 3, MADE_S, 72, 0x0123456789ABCDEF, (Top(7, 0.5), Top(1, 0.75)))
ONE = replace(TWO, rows=(-1.5,))
#: As `wire/prediction.rs` writes them, whose tests have them, too.
TWO_ID = "AQACBgDxU2VIAO_Nq4lnRSMBAwAAAAAAAABwaG90b3MHAAAAAAAAPwEAAAAAAEA_ZQQrPl8q8rGcmgPLxS9pGA"
ONE_ID = "AQEBBgDxU2VIAO_Nq4lnRSMBAwAAAAAAAABwaG90b3MAAAAAAAD4vyT7XexqzekBe0TaUsYV4Qk"


def test_ids_of_the_core_are_read() -> None:
    assert (read(TWO_ID, KEY), read(ONE_ID, KEY)) == (TWO, ONE)
    assert (written(TWO, KEY), written(ONE, KEY)) == (TWO_ID, ONE_ID)


def test_no_changed_id_is_taken() -> None:
    for at in range(len(TWO_ID)):
        other = "A" if TWO_ID[at] != "A" else "B"
        with pytest.raises(Forged):
            read(TWO_ID[:at] + other + TWO_ID[at + 1 :], KEY)


@pytest.mark.parametrize(
    "text", ["", "A", "x" * 500, "ü", "no base64", TWO_ID[:-4], TWO_ID + "AAAA"]
)
def test_what_is_no_id_is_forged(text: str) -> None:
    with pytest.raises(Forged):
        read(text, KEY)
    with pytest.raises(Forged):
        read(TWO_ID, bytes(32))


def test_every_label_has_one_outcome() -> None:
    in_time = MADE_S + 72 * 3600
    table: list[tuple[Label, float, Outcome | None]] = [
        (Label(TWO_ID, (7.0, 0.0)), in_time, None),
        (Label(TWO_ID, None, scores={"clicks": 1.0}), in_time, None),
        (Label(ONE_ID, (2.5,)), in_time, None),
        (Label(TWO_ID, (7.0, 0.0)), in_time + 1, Outcome.LATE),
        (Label(TWO_ID, (7.0,)), in_time, Outcome.UNFIT),
        (Label(TWO_ID, (7.0, 0.5)), in_time, Outcome.UNFIT),
        (Label(TWO_ID, (7.0, -1.0)), in_time, Outcome.UNFIT),
        (Label(ONE_ID, (1.0, 2.0)), in_time, Outcome.UNFIT),
        (Label(TWO_ID[1:], (7.0, 0.0)), in_time, Outcome.FORGED),
        (Label(written(replace(TWO, model="no"), KEY), (7.0, 0.0)), in_time, Outcome.UNKNOWN),
    ]
    for label, now_s, want in table:
        fitting, others = sort([label], KEY, {"photos"}, now_s)
        assert {at: one.outcome for at, one in others.items()} == (
            {} if want is None else {0: want}
        ), label
        assert [one.label for one in fitting] == [label][: want is None]


def test_a_label_says_of_each_row_whether_it_was_right() -> None:
    rows = (Top(7, 0.5), Top(1, 1.0), Top(2, 1.5), Top(2, 0.0))
    label = Label("", (7.0, 0.0, 2.0, 3.0), scores={"clicks": 2.5})
    assert list(counts(Fitting(0, replace(TWO, rows=rows), label))) == [
        ("predictions", Count(1)),
        ("class:5", Count(1, 0.5, 1)),
        ("class:9", Count(1, 1.0, 0)),
        ("class:-", Count(1, 1.5, 1)),
        ("class:0", Count(1, 0.0, 0)),
        ("score:clicks", Count(1, 2.5)),
    ]
    assert list(counts(Fitting(0, ONE, Label("", (2.5,))))) == [
        ("predictions", Count(1)),
        ("numbers", Count(1, 4.0)),
    ]
    assert wrong_share(TWO, (7.0, 0.0)) == 0.5
    assert wrong_share(ONE, (2.5,)) is None


def test_figures_are_those_of_all_rows() -> None:
    one = {"predictions": Count(9), "class:9": Count(8, 7.6, 6), "class:-": Count(1, 3.0, 1)}
    other = {"predictions": Count(2), "class:0": Count(2, 0.1, 1), "score:a": Count(2, 3.0)}
    found = figures(together([one, other]))
    assert (found.predictions, found.rows, found.right, found.accuracy) == (11, 11, 8, 8 / 11)
    # Of ten rows with a score: eight said 7.6 and were 6, two said 0.1 and were 1.
    assert found.calibration_error == pytest.approx((1.6 + 0.9) / 10)
    assert found.scores == {"a": Score(2, 1.5)}
    assert found.interval is not None
    low, high = found.interval
    assert 0 < low < 8 / 11 < high < 1
    nothing = Figures(0, 0, 0, None, None, None, None, {})
    assert figures({}) == nothing
    numbers = figures({"predictions": Count(2), "numbers": Count(2, 5.0)})
    assert numbers == replace(nothing, predictions=2, mean_absolute_error=2.5)


def test_an_interval_of_a_rate_ends_where_the_rate_has_become_unlikely() -> None:
    for hits, count in [(0, 0), (0, 10), (10, 10), (3, 10), (997, 1000)]:
        low, high = rate_interval(hits, count, 0.05)
        assert 0.0 <= low <= (hits / count if count else 0.5) <= high <= 1.0
    assert rate_interval(0, 0, 0.05) == (0.0, 1.0)
    low, high = rate_interval(90_000, 100_000, 0.05)
    assert 0.895 < low < 0.9 < high < 0.905


def test_an_interval_is_rarely_wrong_however_often_one_looks() -> None:
    dice, wrong, runs = random.Random(7), 0, 200
    looks = [2**power for power in range(10)]
    for _ in range(runs):
        came = [dice.random() < 0.8 for _ in range(looks[-1])]
        found = [rate_interval(sum(came[:at]), at, 0.2) for at in looks]
        wrong += any(not low <= 0.8 <= high for low, high in found)
    # Of 200 with a probability of 0.2 each, five deviations above.
    assert wrong < runs * 0.2 + 5 * math.sqrt(runs * 0.2 * 0.8)
    assert wrong > 0
