"""Rollouts that are judged by what labels say."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.asking import ask
from tests.unit.desk import Desk
from tests.unit.labels_sent import Labelled, Labels
from tests.unit.rolling import Play, plan

from headrace.cli.steering import rollout_lines
from headrace.console.logbook import Logbook
from headrace.control import labelled
from headrace.control.reports import numbers
from headrace.errors import StateInvalid, Unwanted
from headrace.feedback.joining import Label, Outcome
from headrace.feedback.prediction import Prediction, Top, written
from headrace.models.lifecycle import State
from headrace.rollout.bets import NONE, Units
from headrace.rollout.course import Course, End

BY_LABELS: dict[str, Any] = {
    "judge": {"accuracy": {"max_drop_points": 5}},
    "steps_percent": [50, 100],
    "max_hours": 1,
}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    logbook = Logbook(tmp_path / "logs", io.StringIO())
    desk = Labelled(tmp_path, logbook, m=[1, 2])
    yield desk
    desk.close()
    logbook.close()


def accuracy(course: Course) -> Any:
    (found,) = [one for one in course.record.evidence if one.criterion.name == "accuracy"]
    return found


def looks(play: Play, labels: Labels, wrong: int) -> Course:
    """Look until it ends, with 100 labels of each version a look; of 1 always 10 are wrong."""
    for _ in range(100):
        labels.send(1, 90, 10)
        labels.send(2, 100 - wrong, wrong)
        course = play.look()
        if course.end is not None:
            return course
    raise AssertionError("it did not end")


def test_who_is_wrong_more_often_goes_back_and_who_is_not_is_promoted(desk: Desk) -> None:
    play, labels = Play(desk), Labels(desk)
    play.start(plan(**BY_LABELS))
    assert looks(play, labels, wrong=30).end is End.ROLLED_BACK
    play.ready()
    play.release()
    play.start(plan(**BY_LABELS))
    # What labels said to the rollout before is none of this one's.
    assert accuracy(play.look()).candidate.count == 0
    assert looks(play, labels, wrong=10).end is End.PROMOTED


def test_only_what_was_answered_since_it_began_counts_and_a_restart_loses_none(
    desk: Desk,
) -> None:
    play, labels = Play(desk), Labels(desk)
    began = desk.now
    play.start(plan(**BY_LABELS))
    labels.send(1, 9, 1, made_s=began)
    labels.send(2, 0, 50, made_s=began - 1)
    labels.send(2, 7, 3, made_s=began + 1)
    course = play.look()
    known = accuracy(course)
    assert (known.candidate.count, known.candidate.bad) == (10, 3)
    assert (known.control.count, known.control.bad) == (10, 1)
    assert [seen.gateways for seen in course.seen] == [1, 1]
    desk.rollouts.close()
    desk.begin()
    play.ready()
    labels.send(2, 1, 0)
    assert accuracy(play.look()).candidate.count == 11
    assert accuracy(play.look()).candidate.count == 11


def test_labels_without_a_class_say_nothing_to_a_rollout(desk: Desk) -> None:
    play = Play(desk)
    play.start(plan(**BY_LABELS))
    labels, judged = desk.controller.store.labels, labelled.judged(desk.rollouts.all())
    now = int(desk.now)
    of_class = written(Prediction("m", 2, now, 72, 1, (Top(1, 0.5),)), labels.key)
    of_number = written(Prediction("m", 2, now, 72, 2, (0.5,)), labels.key)
    sent = [Label(of_class, None, scores={"clicks": 1.0}), Label(of_number, (1.0,))]
    found = labels.join(sent, {"m"}, judged)
    assert [one.outcome for one in found] == [Outcome.JOINED] * 2
    assert labels.units("m", 1) == {}


CLICKS: dict[str, Any] = {
    "judge": {"values": {"clicks": {"low": 0, "high": 10, "max_loss": 0.5}}},
    "steps_percent": [50, 100],
    "max_hours": 1,
}


@pytest.mark.parametrize(("clicks", "end"), [(4.0, End.PROMOTED), (1.0, End.ROLLED_BACK)])
def test_a_score_of_labels_decides_by_its_mean(desk: Desk, clicks: float, end: End) -> None:
    play = Play(desk)
    play.start(plan(**CLICKS))
    labels = Labels(desk)
    for _ in range(100):
        for version, of_one in ((1, 4.0), (2, clicks)):
            labels.score(version, [of_one + more for more in (-1.0, 0.0, 1.0)] * 40)
        course = play.look()
        if course.end is not None:
            break
    assert course.end is end
    assert f"clicks: {clicks:g} on average against 4, 0.5 less allowed" in course.said[-1].why
    shown = ask(desk.sources, "GET", "/api/rollouts/1").body
    (told,) = [one for one in shown["metrics"] if one["name"] == "clicks"]
    assert told["candidate"]["mean"] == pytest.approx(clicks)
    assert told["control"]["mean"] == pytest.approx(4.0)
    low, high = told["mean_difference"]
    assert low < clicks - 4.0 < high
    assert [-10 * low, -10 * high] == pytest.approx(told["difference_points"][::-1])
    assert f" {low:+.3g} to {high:+.3g} on average " in "\n".join(rollout_lines(shown))
    assert numbers(course)["candidate/clicks_mean"] == pytest.approx(clicks)


def test_each_label_says_what_it_tells_of_and_no_more(desk: Desk) -> None:
    play = Play(desk)
    both = {**CLICKS["judge"], "accuracy": {}}
    play.start(plan(**CLICKS | {"judge": both}))
    labels = Labels(desk)
    labels.score(2, [10.0, 99.0, -3.0, 5.0], name="clicks")
    labels.score(2, [1.0], name="likes")
    labels.send(2, 3, 1)
    labels.send(1, 1, 0)
    assert desk.controller.store.labels.units("m", 1) == {
        2: {"clicks": Units(4, 1.5), "accuracy": Units(4, 1.0)},
        1: {"accuracy": Units(1, 0.0)},
    }
    found = {one.criterion.name: one for one in play.look().record.evidence}
    assert (found["clicks"].candidate, found["clicks"].control) == (Units(4, 1.5), NONE)
    desk.rollouts.close()
    desk.begin()
    play.ready()
    labels.score(2, [10.0])
    assert {one.criterion.name: one for one in play.look().record.evidence}[
        "clicks"
    ].candidate == Units(5, 1.5)


def test_labels_count_for_who_asks_for_them_once_both_have_traffic(desk: Desk) -> None:
    play = Play(desk)
    course = play.start(plan(**BY_LABELS, kind="canary"))
    assert labelled.judged([course])["m"][:2] == (1, desk.now)
    ended = desk.rollouts.stop(1, End.ROLLED_BACK, who="me", why="")
    assert labelled.judged([ended]) == {}
    play.release()
    # The candidate has no traffic before the baseline's latency is known.
    course = play.start(plan(judge={"accuracy": {}, "p99": {"max_ratio": 2}}))
    assert labelled.judged([course]) == {}
    for _ in range(100):
        if (course := play.look()).step:
            break
    want = (2, desk.now)
    assert labelled.judged([course])["m"][:2] == want
    desk.rollouts.close()
    desk.begin()
    assert labelled.judged(desk.rollouts.all())["m"][:2] == want


def test_a_version_without_ids_is_not_judged_by_labels(desk: Desk) -> None:
    assert isinstance(desk, Labelled)
    desk.feedback = None
    desk.begin()
    play = Play(desk)
    with pytest.raises(Unwanted, match=r"answers of m/1 have no ids .* write feedback into its"):
        play.start(plan(**BY_LABELS))
    version = desk.controller.held("m")[0].version
    with pytest.raises(Unwanted, match="no host runs m/1"):
        labelled.may_be_labelled(plan(**BY_LABELS), replace(version, backend="upstream"))


def test_labels_that_come_while_a_version_is_away_count(desk: Desk) -> None:
    play, labels = Play(desk), Labels(desk)
    play.start(plan(**BY_LABELS))
    labels.send(1, 9, 1)
    labels.send(2, 9, 1)
    play.look()
    desk.stand(m={1: State.READY, 2: State.LOADING})
    labels.send(2, 70, 20)
    assert accuracy(play.look()).candidate == Units(100, 21)
    play.ready()
    assert accuracy(play.look()).candidate == Units(100, 21)


def test_labels_that_all_come_at_once_decide(desk: Desk) -> None:
    play, labels = Play(desk), Labels(desk)
    play.start(plan(**BY_LABELS))
    labels.send(1, 900, 100)
    labels.send(2, 700, 300)
    assert play.look().end is End.ROLLED_BACK


def test_a_database_that_cannot_be_read_is_said_and_not_taken_for_no_labels(desk: Desk) -> None:
    play, labels = Play(desk), Labels(desk)
    course = play.start(plan(**BY_LABELS))
    labels.send(2, 3, 0)
    said: list[str] = []

    class Broken:
        def units(self, model: str, rollout: int) -> Any:
            raise StateInvalid("the disk is gone")

    broken: Any = Broken()
    assert list(labelled.counted(broken, [course], said.append)) == []
    assert said == ["what labels have said cannot be read: the disk is gone"]
    assert accuracy(play.look()).candidate.count == 3


def test_the_console_shows_accuracy_as_any_metric(desk: Desk) -> None:
    play, labels = Play(desk), Labels(desk)
    play.start(plan(**BY_LABELS))
    labels.send(1, 90, 10)
    labels.send(2, 80, 20)
    play.look()
    first = ask(desk.sources, "GET", "/api/rollouts/1").body["metrics"][0]
    assert (first["name"], first["margin"]) == ("accuracy", 0.05)
    assert first["candidate"] == {"units": 100, "bad_percent": 20.0, "mean": None}
    assert first["control"] == {"units": 100, "bad_percent": 10.0, "mean": None}
