"""A rollout as a picture, and who gets one."""

from dataclasses import replace
from io import BytesIO

import pytest
from PIL import Image
from tests.unit.rolling import ME, Play

from headrace.control import telling
from headrace.registry.facts import Place
from headrace.registry.report import Kind
from headrace.rollout.bets import Units
from headrace.rollout.course import Course, End
from headrace.rollout.evidence import Criterion, Evidence
from headrace.rollout.picture import interval, png

MLFLOW = Place("sqlite:///mlflow.db", "sqlite:///mlflow.db")


def pictures(play: Play) -> list[bytes | None]:
    reports = play.desk.registry_hears.reports
    return [one.picture for one in reports if one.kind is Kind.VERDICT]


def opened(picture: bytes) -> Image.Image:
    image = Image.open(BytesIO(picture))
    image.load()
    return image


def test_a_verdict_has_a_picture_and_no_other_report_has(play: Play) -> None:
    play.desk.place_of_versions = MLFLOW
    play.start()
    while play.look(bad=0.25).end is None:
        pass
    (picture,) = pictures(play)
    assert picture is not None
    image = opened(picture)
    assert (image.format, image.size) == ("PNG", (1100, 484))
    others = [one for one in play.desk.registry_hears.reports if one.kind is not Kind.VERDICT]
    assert others
    assert all(one.picture is None for one in others)


def test_what_no_registry_knows_has_none(play: Play) -> None:
    play.start()
    play.desk.rollouts.stop(1, End.STOPPED, **ME)
    assert pictures(play) == [None]


def test_a_picture_that_cannot_be_drawn_keeps_no_verdict(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(course: Course) -> bytes:
        raise ImportError("no matplotlib")

    monkeypatch.setattr(telling, "png", fails)
    play.desk.place_of_versions = MLFLOW
    play.start()
    play.desk.rollouts.stop(1, End.STOPPED, **ME)
    assert pictures(play) == [None]
    assert "the verdict of rollout 1 has no picture: no matplotlib" in play.desk.said


def test_a_rollout_is_drawn_that_has_seen_nothing_and_whatever_its_model_is_called(
    play: Play,
) -> None:
    course = replace(play.start(), model="$\\frac{")
    assert opened(png(course)).size == (1100, 484)


def test_a_difference_is_in_points_worse_above_zero() -> None:
    known = Evidence.empty(Criterion("errors", 0.005), 1)
    for _ in range(100):
        known = known.observed(Units(100.0, 3.0), Units(100.0, 1.0), 0)
    difference, low, high, limit = interval(known, 0.05)
    assert limit == pytest.approx(0.5)
    assert difference == pytest.approx(2.0)
    assert 0.0 < low < difference < high < 4.0


def test_of_a_rate_without_a_pair_only_that_is_known() -> None:
    known = Evidence.empty(Criterion("agreement", 0.02, paired=False), 1)
    known = known.observed(Units(100.0, 3.0), Units(0.0, 0.0), 0)
    assert interval(known, 0.05) == pytest.approx((3.0, 3.0, 3.0, 2.0))
